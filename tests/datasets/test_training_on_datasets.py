"""Networks learn from data sets as they are published: each layout is found, read, and trained on for a step or two."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import test_jhmdb_dataset
import test_penn_action
import test_posetrack_datasets
from dotted_network import NAME, WHERE

from pwarp import registry
from pwarp.checkpoints import load
from pwarp.skeleton import JHMDB_15, PENN_13, POSETRACK_15, POSETRACK_17, Skeleton
from pwarp.training.augment import Augmentation
from pwarp.training.run import Request, read_data, train
from pwarp.training.sources import Places


def pictures(folder: Path, names: list[str], width: int = 320, height: int = 240) -> None:
    """Noise under these names."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(3)
    for name in names:
        cv2.imwrite(str(folder / name), random.integers(0, 255, (height, width, 3), np.uint8))


def penn(root: Path) -> None:
    test_penn_action.layout(root, {"0002": test_penn_action.record(), "0005": test_penn_action.record()})
    pictures(root / "frames" / "0002", [f"{n:06d}.jpg" for n in range(1, test_penn_action.FRAMES + 1)])


def sub_jhmdb(root: Path) -> None:
    test_jhmdb_dataset.layout(root)
    names = [f"{n:05d}.png" for n in range(1, test_jhmdb_dataset.FRAMES + 1)]
    pictures(root / "Rename_Images" / "catch" / "mitt_f_nm", names)


def posetrack17(root: Path) -> None:
    test_posetrack_datasets.write(root, test_posetrack_datasets.annolist(), "annotations/train")
    pictures(root / test_posetrack_datasets.FOLDER, [f"{n:08d}.jpg" for n in (11, 12, 13)], 720, 480)


def posetrack18(root: Path) -> None:
    test_posetrack_datasets.write(root, test_posetrack_datasets.posetrack18(), "annotations/train")
    pictures(root / "images/val/000342_mpii_test", [f"{n:06d}.jpg" for n in range(3)])


# Layout, split, keypoints, labelled poses in it whose pictures are there, videos without pictures.
LAYOUTS: list[tuple[Callable[[Path], None], str | None, Skeleton, int, int]] = [
    (penn, None, PENN_13, 7, 1),
    (sub_jhmdb, "train-1", JHMDB_15, 6, 1),
    (posetrack17, None, POSETRACK_15, 3, 0),
    (posetrack18, None, POSETRACK_17, 1, 0),
]


@pytest.mark.parametrize(
    ("layout", "split", "skeleton", "poses", "missing"), LAYOUTS, ids=[layout.__name__ for layout, *_ in LAYOUTS]
)
def test_a_published_layout_is_trained_on(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    layout: Callable[[Path], None],
    split: str | None,
    skeleton: Skeleton,
    poses: int,
    missing: int,
) -> None:
    monkeypatch.setitem(registry.PARTS["backbone"], NAME, WHERE)
    root = tmp_path / "data"
    root.mkdir()
    layout(root)
    changes = {
        "backbone": NAME, "backbone_options": {}, "size": (32, 32), "sigma": 1.0, "batch": 2, "steps": 2,
        "augmentation": Augmentation(scale=0.1, rotation=10.0, flip=0.5, half_body=0),
    }  # fmt: skip
    request = Request("estimator", Places((str(root),), split=split), tmp_path / "run", changes=changes, device="cpu")
    data = read_data(request)
    assert len(data.poses.weight) == poses
    assert data.without_video == missing
    report = train(request, data=data)
    _, card = load(report.folder.last)
    assert card.skeleton.keypoints == skeleton.keypoints
