"""COCO keypoints in the published layout: a picture is a sample, a file is read once."""

from __future__ import annotations

import json
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pwarp.datasets.base import open_dataset
from pwarp.datasets.coco import CocoKeypoints
from pwarp.errors import PwarpError
from pwarp.skeleton import COCO_17

CATEGORY = {"id": 1, "name": "person", "supercategory": "person", "keypoints": list(COCO_17.keypoints)}


def row(id: int, image: int, **other: Any) -> dict[str, Any]:
    keypoints = [[10 * id + k, 200.5 - k, k % 3] if k % 3 else [0, 0, 0] for k in range(17)]
    return {
        "id": id,
        "image_id": image,
        "category_id": 1,
        "keypoints": list(chain.from_iterable(keypoints)),
        "num_keypoints": 11,
        "bbox": [10.5, 20, 30, 50.25],
        "area": 812.5,
        "iscrowd": 0,
        "segmentation": [[1, 2, 3, 4, 5, 6]],
    } | other


def document() -> dict[str, Any]:
    """Three pictures: two people and a crowd, nobody, one person. Rows are not in the order of pictures."""
    images = [
        {"id": 139, "file_name": "000000000139.jpg", "width": 640, "height": 426},
        {"id": 25, "file_name": "000000000025.jpg", "width": 320, "height": 427},
        {"id": 785, "file_name": "000000000785.jpg", "width": 500, "height": 333},
    ]
    crowd = row(13, 139, keypoints=[0] * 51, num_keypoints=0, iscrowd=1, segmentation={"counts": [3], "size": [1, 3]})
    return {"images": images, "annotations": [row(9, 785), row(12, 139), crowd, row(4, 139)], "categories": [CATEGORY]}


def write(root: Path, content: Any, split: str = "val2017") -> CocoKeypoints:
    path = root / "annotations" / f"person_keypoints_{split}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    dataset = open_dataset(root)
    assert isinstance(dataset, CocoKeypoints)
    return dataset


def test_every_picture_is_a_sample(tmp_path: Path) -> None:
    write(tmp_path, document(), "train2017")
    (tmp_path / "images" / "train2017").mkdir(parents=True)
    dataset = write(tmp_path, document())
    assert dataset.splits == ("train2017", "val2017")
    samples = list(dataset.samples("val2017"))
    assert [s.name for s in samples] == ["139", "25", "785"]
    assert samples[1].video == tmp_path / "val2017" / "000000000025.jpg"
    assert next(dataset.samples("train2017")).video == tmp_path / "images" / "train2017" / "000000000139.jpg"


def test_people_keypoints_boxes_and_crowds(tmp_path: Path) -> None:
    first, empty, last = (s.annotations for s in write(tmp_path, document()).samples("val2017"))
    assert (first.video.width, first.video.height, first.video.frame_count) == (640, 426, 1)
    assert first.skeleton.keypoints == COCO_17.keypoints
    assert first.skeleton.sigmas == COCO_17.sigmas
    assert [track.id for track in first.tracks] == [12, 4]
    track = first.track(12)
    np.testing.assert_array_equal(track.visibility[0], [k % 3 for k in range(17)])
    np.testing.assert_allclose(track.xy[0, 5], [125, 195.5])
    np.testing.assert_allclose(track.boxes[0], [10.5, 20, 40.5, 70.25])
    np.testing.assert_allclose(first.ignore_regions[0][0], [[10.5, 20], [40.5, 20], [40.5, 70.25], [10.5, 70.25]])
    assert empty.tracks == ()
    assert [track.id for track in last.tracks] == [9]
    assert last.ignore_regions == {}


def changed(**other: Any) -> dict[str, Any]:
    return document() | other


ODD = {
    "cut off": ('{"images": [', "JSON ends in the middle"),
    "list": ([], "expected an object with images"),
    "no images": ({"annotations": [], "categories": [CATEGORY]}, "has no field 'images'"),
    "no categories": ({"annotations": [], "images": []}, "has no field 'categories'"),
    "image id": (changed(images=[{"id": "a", "file_name": "a.jpg"}]), "id of image 'a' .* is text"),
    "image twice": (changed(images=[{"id": 1, "file_name": "a.jpg"}] * 2), "two images share an id"),
    "file name": (changed(images=[{"id": 139, "file_name": 3}]), "file_name of image 139 is 3"),
    "width": (changed(images=[{"id": 139, "file_name": "a.jpg", "width": 0}]), "size of image 139 .* is 0"),
    "unknown image": (changed(annotations=[row(9, 1)]), "annotation 9: image_id 1 is the id of no image"),
    "category": (changed(annotations=[row(9, 25, category_id=None)]), "annotation 9: category_id is null"),
    "too few": (changed(annotations=[row(9, 25, keypoints=[1, 2, 2])]), "annotation 9.* 3 .* expected 51"),
    "visibility": (changed(annotations=[row(9, 25, keypoints=[1, 2, 3] * 17)]), "annotation 9.* visibility 3"),
    "text": (changed(annotations=[row(9, 25, keypoints=["a"] * 51)]), "annotation 9.* expected numbers"),
    "box": (changed(annotations=[row(9, 25, bbox=[1, 2])]), "annotation 9: bbox has 2 numbers, expected 4"),
    "crowd": (changed(annotations=[row(9, 25, iscrowd=1, bbox=None)]), "annotation 9 is a crowd without bbox"),
    "annotation id": (changed(annotations=[row(9, 25) | {"id": "a"}]), "annotation 'a'.*: id is 'a'"),
}


@pytest.mark.parametrize(("content", "message"), ODD.values(), ids=ODD)
def test_malformed_files_name_file_and_record(tmp_path: Path, content: Any, message: str) -> None:
    with pytest.raises(PwarpError, match=rf"person_keypoints_val2017\.json.*{message}"):
        list(write(tmp_path, content).samples("val2017"))


def test_pictures_stay_in_their_folder(tmp_path: Path) -> None:
    content = changed(images=[{"id": 139, "file_name": "../secret.jpg"}], annotations=[])
    with pytest.raises(PwarpError, match=r"image 139: file name '\.\./secret\.jpg' points outside"):
        list(write(tmp_path, content).samples("val2017"))
