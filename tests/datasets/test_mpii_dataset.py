"""MPII in both of its published forms, made here: Matlab structures and HRNet's JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from pwarp.datasets.base import open_dataset
from pwarp.datasets.mpii import MPII
from pwarp.datasets.mpii_hrnet import MPIIHRNet
from pwarp.errors import PwarpError
from pwarp.skeleton import MPII_16

EMPTY = np.zeros((0, 0))


def structs(items: list[dict[str, Any]]) -> np.ndarray:
    """A 1 x n structure array; a field that one of them lacks is empty there, as in Matlab."""
    names = sorted({name for item in items for name in item})
    array = np.zeros((1, len(items)), dtype=[(name, object) for name in names])
    for at, item in enumerate(items):
        array[0, at] = tuple(item.get(name, EMPTY) for name in names)
    return array


def points(joints: dict[int, tuple[float, float, Any]]) -> np.ndarray:
    listed = [{"id": k, "x": x, "y": y, "is_visible": v} for k, (x, y, v) in joints.items()]
    return structs([{"point": structs(listed)}])


def rect(joints: dict[int, tuple[float, float, Any]], **other: Any) -> dict[str, Any]:
    head = {"x1": 101.0, "y1": 51.0, "x2": 131.0, "y2": 91.0}
    place = {"scale": 1.5, "objpos": structs([{"x": 301.0, "y": 201.0}])}
    return head | place | {"annopoints": points(joints)} | other


JOINTS = {9: (111.0, 52.5, EMPTY), 0: (121.0, 400.0, 1), 15: (90.25, 301.0, 0), 7: (7.0, 9.0, "0"), 8: (8.0, 9.0, "1")}


def write_mat(path: Path, pictures: list[tuple[str, Any]], train: list[int], single: list[Any]) -> None:
    annolist = structs([{"image": structs([{"name": name}]), "annorect": rects} for name, rects in pictures])
    chosen = np.empty((len(single), 1), dtype=object)
    chosen[:, 0] = single
    release = {"annolist": annolist, "img_train": np.array([train]), "single_person": chosen, "version": "12"}
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, {"RELEASE": structs([release])}, do_compression=True)


MAT = "mpii_human_pose_v1_u12_1.mat"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    two = structs([rect(JOINTS), rect({2: (50.0, 60.0, 1)}, x1=EMPTY, y1=EMPTY, x2=EMPTY, y2=EMPTY)])
    untold = structs([{"scale": 2.0, "objpos": structs([{"x": 11.0, "y": 21.0}])}])
    pictures = [("015.jpg", two), ("016.jpg", untold), ("017.jpg", EMPTY)]
    write_mat(tmp_path / "mpii_human_pose_v1_u12_2" / MAT, pictures, [1, 0, 1], [np.array([[2]]), EMPTY, EMPTY])
    return tmp_path


def test_splits_go_by_img_train(root: Path) -> None:
    dataset = open_dataset(root)
    assert isinstance(dataset, MPII)
    assert [s.name for s in dataset.samples("train")] == ["015.jpg", "017.jpg"]
    (test,) = dataset.samples("test")
    assert test.video == root / "images" / "016.jpg"


def test_joints_head_box_and_square(root: Path) -> None:
    annotations = next(MPII(root).samples("train")).annotations
    assert annotations.skeleton == MPII_16
    first, second = annotations.tracks
    np.testing.assert_allclose(first.xy[0, 9], [110, 51.5])
    expected = np.zeros(16)
    expected[[0, 7, 8, 9, 15]] = 2, 1, 2, 2, 1
    np.testing.assert_array_equal(first.visibility[0], expected)
    np.testing.assert_allclose(first.head_boxes[0], [100, 50, 130, 90])
    np.testing.assert_allclose(first.boxes[0], [150, 50, 450, 350])
    np.testing.assert_allclose(second.xy[0, 2], [49, 59])
    assert np.isnan(second.head_boxes).all()


def test_unpublished_and_empty_pictures(root: Path) -> None:
    (test,) = MPII(root).samples("test")
    (person,) = test.annotations.tracks
    assert not person.labelled.any()
    np.testing.assert_allclose(person.boxes[0], [-190, -180, 210, 220])
    empty = list(MPII(root).samples("train"))[1].annotations
    assert empty.tracks == ()
    np.testing.assert_array_equal(empty.labelled, [0])


def test_people_who_stand_apart(root: Path) -> None:
    annotations = [s.annotations for s in MPII(root, single_person=True).samples("train")]
    assert [[track.id for track in a.tracks] for a in annotations] == [[1], []]


@pytest.mark.parametrize(
    ("joints", "other", "message"),
    [
        ({16: (1.0, 2.0, 1)}, {}, r"point\(1\): id is 16, expected 0 to 15"),
        ({1: (1.0, np.nan, 1)}, {}, r"point\(1\): field 'y' holds NaN"),
        ({1: ("a", 2.0, 1)}, {}, r"point\(1\): field 'x' holds no numbers"),
        ({1: (1.0, 2.0, 1)}, {"scale": np.ones((2, 3))}, "'scale' has shape"),
        ({1: (1.0, 2.0, 1)}, {"objpos": structs([{"x": 3}])}, "objpos: field 'y' is missing"),
        ({1: (1.0, 2.0, 1)}, {"objpos": 3}, "objpos is not one structure"),
    ],
)
def test_malformed_people_are_named(tmp_path: Path, joints: Any, other: dict[str, Any], message: str) -> None:
    write_mat(tmp_path / MAT, [("015.jpg", EMPTY), ("016.jpg", structs([rect(joints, **other)]))], [1, 1], [1, 1])
    _, sample = MPII(tmp_path).samples("train")
    with pytest.raises(PwarpError, match=rf"u12_1\.mat, annolist\(2\) '016\.jpg', annorect\(1\).*{message}"):
        _ = sample.annotations


def test_a_joint_given_twice(tmp_path: Path) -> None:
    twice = structs([{"point": structs([{"id": 3, "x": 1.0, "y": 2.0, "is_visible": 1}] * 2)}])
    write_mat(tmp_path / MAT, [("015.jpg", structs([rect(JOINTS, annopoints=twice)]))], [1], [1])
    (sample,) = MPII(tmp_path).samples("train")
    with pytest.raises(PwarpError, match=r"point\(2\): joint 3 \(left_hip\) is given twice"):
        _ = sample.annotations


def test_malformed_lists_are_named(tmp_path: Path) -> None:
    path = tmp_path / MAT
    write_mat(path, [("015.jpg", EMPTY), ("016.jpg", EMPTY), ("017.jpg", EMPTY)], [1, 0], [1])
    with pytest.raises(PwarpError, match=r"'img_train' has shape \(1, 2\), expected 3"):
        list(MPII(tmp_path).samples("train"))
    write_mat(path, [("015.jpg", EMPTY), ("016.jpg", EMPTY)], [1, 1], [1])
    with pytest.raises(PwarpError, match="single_person has not an entry for each of annolist's 2"):
        list(MPII(tmp_path, single_person=True).samples("train"))
    write_mat(path, [("../../etc/passwd", EMPTY)], [1], [1])
    with pytest.raises(PwarpError, match=r"annolist\(1\): file name '../../etc/passwd' points outside"):
        list(MPII(tmp_path).samples("train"))
    savemat(path, {"RELEASE": 3})
    with pytest.raises(PwarpError, match="RELEASE is not one structure"):
        list(MPII(tmp_path).samples("train"))
    path.unlink()
    with pytest.raises(PwarpError, match=r"has no mpii_human_pose_v1_u12_1\.mat"):
        list(MPII(tmp_path).samples("train"))


def person(image: str, **other: Any) -> dict[str, Any]:
    joints = [[10.5 + k, 100.0 - 2 * k] for k in range(16)]
    return {
        "image": image,
        "joints": joints,
        "joints_vis": [0 if k == 4 else 1 for k in range(16)],
        "center": [301.0, 201.0],
        "scale": 1.5,
    } | other


@pytest.fixture
def hrnet(tmp_path: Path) -> Path:
    """Three people of the validation set, the first and the last in one picture, and one of the test set."""
    (tmp_path / "annot").mkdir()
    valid = [person("a.jpg"), person("b.jpg", scale=3), person("a.jpg", center=[-1, 21])]
    (tmp_path / "annot" / "valid.json").write_text(json.dumps(valid))
    untold = {"image": "c.jpg", "center": [5, 6], "scale": 1}
    (tmp_path / "annot" / "test.json").write_text(json.dumps([untold]))
    heads = np.arange(12.0).reshape(2, 2, 3) + 1
    savemat(tmp_path / "annot" / "gt_valid.mat", {"headboxes_src": heads})
    return tmp_path


def test_people_of_one_picture_come_together(hrnet: Path) -> None:
    dataset = open_dataset(hrnet)
    assert isinstance(dataset, MPIIHRNet)
    assert dataset.splits == ("valid", "test")
    a, b = dataset.samples("valid")
    assert (a.name, b.video) == ("a.jpg", hrnet / "images" / "b.jpg")
    assert [track.id for track in a.annotations.tracks] == [0, 2]
    first, last = a.annotations.tracks
    np.testing.assert_allclose(first.xy[0, 3], [12.5, 93])
    np.testing.assert_array_equal(first.visibility[0], [0 if k == 4 else 2 for k in range(16)])
    np.testing.assert_allclose(last.boxes[0], [-152, -130, 148, 170])
    # corner, axis, person: person 2 has x1, y1, x2, y2 = 3, 6, 9, 12
    np.testing.assert_allclose(last.head_boxes[0], [2, 5, 8, 11])
    (test,) = dataset.samples("test")
    assert not test.annotations.tracks[0].labelled.any()


def test_head_boxes_belong_to_the_validation_people(hrnet: Path) -> None:
    savemat(hrnet / "annot" / "gt_valid.mat", {"headboxes_src": np.ones((2, 2, 5))})
    with pytest.raises(PwarpError, match=r"gt_valid\.mat: headboxes_src has 5 people, valid\.json has 3"):
        list(MPIIHRNet(hrnet).samples("valid"))
    (hrnet / "annot" / "gt_valid.mat").unlink()
    assert np.isnan(next(MPIIHRNet(hrnet).samples("valid")).annotations.tracks[0].head_boxes).all()


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"joints": [[1, 2]] * 15}, "joints is .* expected a list of 16 points"),
        ({"joints": [[1, 2]] * 15 + [[3]]}, r"joint 15 \(left_wrist\) has 1 numbers, expected 2"),
        ({"joints": [[1, 2]] * 15 + [[3, "x"]]}, "joint 15 .* expected numbers"),
        ({"joints_vis": [1] * 13}, "joints_vis has 13 numbers, expected 16"),
        ({"center": None}, "center is null"),
        ({"scale": None}, "scale is null"),
    ],
)
def test_malformed_json_people_are_named(hrnet: Path, other: dict[str, Any], message: str) -> None:
    (hrnet / "annot" / "train.json").write_text(json.dumps([person("a.jpg"), person("b.jpg", **other)]))
    _, sample = MPIIHRNet(hrnet).samples("train")
    with pytest.raises(PwarpError, match=rf"train\.json: people\[1\] 'b\.jpg': {message}"):
        _ = sample.annotations


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"image": 1}', "expected a list of people"),
        ("[3]", r"people\[0\] is 3, expected an object"),
        ("[{}]", r"image of people\[0\] is null"),
        ('[{"image": "/etc/passwd"}]', "points outside the dataset"),
        (f'[{{"image": "{"a" * 300}.jpg"}}]', "is too long for a file"),
        ("[{", "JSON ends in the middle"),
        ("", "is empty"),
    ],
)
def test_malformed_json_files_are_named(hrnet: Path, content: str, message: str) -> None:
    (hrnet / "annot" / "train.json").write_text(content)
    with pytest.raises(PwarpError, match=rf"train\.json.*{message}"):
        list(MPIIHRNet(hrnet).samples("train"))
