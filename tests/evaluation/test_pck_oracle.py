"""PCK against the oracle on the real Penn Action labels."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat

from pwarp.annotations import Annotations, Track
from pwarp.evaluation.pck import PckResult, merged, pck
from pwarp.skeleton import PENN_13


def penn_truth(path: Path) -> Annotations:
    """The labels of a Penn Action file as they stand there, 1-based coordinates included."""
    mat = loadmat(path)
    x, y, seen = (np.asarray(mat[k], dtype=np.float64) for k in ("x", "y", "visibility"))
    boxes = np.asarray(mat["bbox"], dtype=np.float64)
    boxes = np.concatenate([boxes, np.repeat(boxes[-1:], len(x) - len(boxes), axis=0)])
    visibility = np.where(seen == 1, 2, 1)
    return Annotations(
        PENN_13, tracks=(Track.make(0, np.arange(len(x)), np.stack([x, y], -1), visibility, boxes=boxes),)
    )


@pytest.fixture(scope="module")
def videos(data_dir: Path, oracle_dir: Path) -> list[tuple[str, Annotations, Annotations]]:
    found = []
    with np.load(oracle_dir / "pck" / "open.npz") as predictions:
        for name in predictions.files:
            truth = penn_truth(data_dir / "penn" / "labels" / f"{name}.mat")
            xy = predictions[name].astype(np.float64)
            found.append((name, truth, Annotations(PENN_13, tracks=(Track.make(0, np.arange(len(xy)), xy),))))
    return found


@pytest.mark.parametrize("length", ["body", "torso:1-8", "torso:2-7"])
@pytest.mark.parametrize("alpha", [0.1, 0.2])
def test_equals_oracle(videos, oracle_dir: Path, length: str, alpha: float) -> None:
    key = f"{length.replace(':', '_').replace('-', '_')}@{alpha}"
    expected = json.loads((oracle_dir / "pck" / "open.json").read_text())["results"][key]
    each = [pck(truth, predicted, length=length, alpha=alpha) for _, truth, predicted in videos]
    for (name, _, _), result in zip(videos, each, strict=True):
        assert [int(result.hits.sum()), result.count] == expected["per_video_hits_and_counts"][name]
    total: PckResult = merged(each)
    assert total.hits[0].tolist() == expected["hits"]
    assert total.counts.tolist() == expected["counts"]
    assert total.pooled[0] == pytest.approx(expected["pooled"], abs=1e-9)
    assert total.per_joint[0] == pytest.approx(expected["per_joint"], abs=1e-9)
