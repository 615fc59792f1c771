"""Whatever happens to a label file, its dataset ends in samples or in one line that names the file."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import test_coco_dataset
import test_jhmdb_dataset
import test_mpii_dataset
import test_penn_action
import test_posetrack_datasets
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pwarp.datasets.base import open_dataset
from pwarp.errors import PwarpError

JSON = {
    "posetrack17": ("annotations/val/a.json", test_posetrack_datasets.annolist()),
    "posetrack18": ("annotations/val/a.json", test_posetrack_datasets.posetrack18()),
    "coco": ("annotations/person_keypoints_val.json", test_coco_dataset.document()),
    "mpii-hrnet": ("annot/valid.json", [test_mpii_dataset.person("a.jpg"), test_mpii_dataset.person("b.jpg")]),
}
ODD_VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=3),
    st.sampled_from([[], {}, [[]], [None], [1, 2, 3], 10**30, "..", "a/b", "/", 1e300, -1, 0]),
)
COMMON = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def places(node: Any) -> Iterator[tuple[Any, Any]]:
    """Every container with every key or index in it."""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        yield node, key
        yield from places(value)


def read_all(root: Path, name: str) -> None:
    """Read every sample of every split; only PwarpError may come of it, one line, naming a file below the root."""
    try:
        dataset = open_dataset(root, dataset=name)
        for split in dataset.splits:
            for sample in dataset.samples(split):
                for track in sample.annotations.tracks:
                    assert np.isfinite(track.xy[track.labelled]).all()
    except PwarpError as error:
        assert str(root) in str(error)
        assert "\n" not in str(error)


@pytest.mark.parametrize("name", JSON)
@COMMON
@given(data=st.data())
def test_odd_values_in_json(tmp_path: Path, name: str, data: st.DataObject) -> None:
    relative, document = JSON[name]
    document = copy.deepcopy(document)
    for _ in range(data.draw(st.integers(1, 2))):
        there = list(places(document))
        if not there:  # the first change has emptied it
            break
        node, key = there[data.draw(st.integers(0, len(there) - 1))]
        if data.draw(st.booleans()):
            node[key] = copy.deepcopy(data.draw(ODD_VALUES))  # the next change must not change the strategy
        elif isinstance(node, dict):
            del node[key]
        else:
            node.append(copy.deepcopy(node[key]))
    path = tmp_path / relative
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
    read_all(tmp_path, name)


@pytest.mark.parametrize("name", JSON)
@COMMON
@given(data=st.data())
def test_damaged_json_bytes(tmp_path: Path, name: str, data: st.DataObject) -> None:
    relative, document = JSON[name]
    path = tmp_path / relative
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(damaged(json.dumps(document).encode(), data))
    read_all(tmp_path, name)


def penn(root: Path) -> Path:
    test_penn_action.layout(root, {"0001": test_penn_action.record()})
    return root / "labels" / "0001.mat"


def jhmdb(root: Path) -> Path:
    test_jhmdb_dataset.layout(root)
    return root / "joint_positions/golf/swing_f_cm/joint_positions.mat"


def jhmdb_mask(root: Path) -> Path:
    test_jhmdb_dataset.layout(root)
    return root / "puppet_mask/golf/swing_f_cm/puppet_mask.mat"


def jhmdb_list(root: Path) -> Path:
    test_jhmdb_dataset.layout(root)
    return root / "sub_splits/golf_test_split_1.txt"


def mpii(root: Path) -> Path:
    rects = test_mpii_dataset.structs([test_mpii_dataset.rect(test_mpii_dataset.JOINTS)])
    path = root / test_mpii_dataset.MAT
    test_mpii_dataset.write_mat(path, [("a.jpg", rects)], [1], [1])
    return path


@pytest.mark.parametrize(
    ("name", "layout"),
    [
        ("penn", penn),
        ("sub-jhmdb", jhmdb),
        ("sub-jhmdb", jhmdb_mask),
        ("sub-jhmdb", jhmdb_list),
        ("mpii", mpii),
    ],
    ids=["penn", "jhmdb", "jhmdb-mask", "jhmdb-list", "mpii"],
)
@settings(COMMON, max_examples=25)
@given(data=st.data())
def test_damaged_bytes(tmp_path: Path, name: str, layout: Callable[[Path], Path], data: st.DataObject) -> None:
    root = tmp_path / name
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    path = layout(root)
    path.write_bytes(damaged(path.read_bytes(), data))
    read_all(root, name)


def damaged(content: bytes, data: st.DataObject) -> bytes:
    """Some bytes changed, and often the end cut off."""
    changed = bytearray(content)
    for _ in range(data.draw(st.integers(0, 4))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    return bytes(changed[: data.draw(st.one_of(st.just(len(changed)), st.integers(0, len(changed))))])
