"""PoseTrack 2017, 2018 and 2021: annolist and COCO-like files in the published folders."""

from __future__ import annotations

import json
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pwarp.datasets.base import open_dataset
from pwarp.datasets.posetrack17 import PoseTrack17
from pwarp.datasets.posetrack18 import PoseTrack18
from pwarp.errors import PwarpError
from pwarp.skeleton import POSETRACK_15, POSETRACK_17

FOLDER = "images/bonn_5sec/000342_mpii"


def point(joint: int, x: float, y: float, **other: Any) -> dict[str, Any]:
    return {"id": [joint], "x": [x], "y": [y]} | other


def person(track: int, points: list[dict[str, Any]], **other: Any) -> dict[str, Any]:
    head = {"x1": [625], "y1": [94], "x2": [681.5], "y2": [178]}
    return head | {"track_id": [track], "annopoints": [{"point": points}]} | other


def frame(number: int, people: list[Any], **other: Any) -> dict[str, Any]:
    return {"image": [{"name": f"{FOLDER}/{number:08d}.jpg"}], "annorect": people, "imgnum": [number]} | other


def annolist() -> dict[str, Any]:
    """Frames 11 to 13 of a video: two people, one of them in one frame, then nobody; one with a head box alone."""
    region = {"point": [{"x": [1], "y": [2]}, {"x": [30], "y": [4]}, {"x": [5], "y": [60.5]}]}
    first = [point(0, 394, 173.5, is_visible=[0]), point(14, 10, 20, is_visible=[1]), point(9, 0, 0)]
    return {
        "annolist": [
            frame(11, [person(3, first), person(0, [point(4, 7, 8)])], is_labeled=[1], ignore_regions=[region]),
            frame(12, [], is_labeled=[0]),
            frame(13, [person(3, [point(0, 400, 180)]), {"x1": [1], "y1": [2], "x2": [3], "y2": [4], "track_id": [7]}]),
        ]
    }


def write(root: Path, document: Any, base: str = "annotations/val", name: str = "00342_mpii.json") -> Path:
    path = root / base / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return path


def read17(root: Path, document: Any) -> Any:
    write(root, document)
    (sample,) = PoseTrack17(root).samples("val")
    return sample.annotations


@pytest.mark.parametrize("base", ["annotations", "posetrack_data/annotations"])
def test_posetrack17_is_recognised_where_it_lies(tmp_path: Path, base: str) -> None:
    write(tmp_path, annolist(), f"{base}/val")
    write(tmp_path, annolist(), f"{base}/train", "b.json")
    write(tmp_path, annolist(), f"{base}/train", "a.json")
    dataset = open_dataset(tmp_path)
    assert isinstance(dataset, PoseTrack17)
    assert dataset.splits == ("train", "val")
    assert [s.name for s in dataset.samples("train")] == ["a", "b"]
    (sample,) = dataset.samples("val")
    assert sample.video == tmp_path / FOLDER
    (tmp_path / "posetrack_data" / FOLDER).mkdir(parents=True)
    (sample,) = dataset.samples("val")
    assert sample.video == tmp_path / "posetrack_data" / FOLDER


def test_posetrack17_people_joints_heads_and_regions(tmp_path: Path) -> None:
    annotations = read17(tmp_path, annolist())
    assert annotations.skeleton == POSETRACK_15
    assert annotations.video.path == FOLDER
    assert [track.id for track in annotations.tracks] == [0, 3, 7]
    walker = annotations.track(3)
    np.testing.assert_array_equal(walker.frames, [10, 12])
    np.testing.assert_allclose(walker.xy[0, 0], [394, 173.5])
    expected = np.zeros(15)
    expected[[0, 9, 14]] = 1, 2, 2
    np.testing.assert_array_equal(walker.visibility[0], expected)
    np.testing.assert_allclose(walker.xy[0, 9], [0, 0])
    np.testing.assert_allclose(walker.head_boxes[0], [625, 94, 681.5, 178])
    assert np.isnan(walker.boxes).all()
    assert not annotations.track(7).labelled.any()
    np.testing.assert_array_equal(annotations.labelled, [10, 12])
    assert list(annotations.ignore_regions) == [10]
    np.testing.assert_allclose(annotations.ignore_regions[10][0], [[1, 2], [30, 4], [5, 60.5]])


def test_posetrack17_frames_go_by_the_folder_of_pictures(tmp_path: Path) -> None:
    folder = tmp_path / FOLDER
    folder.mkdir(parents=True)
    for number in (9, 11, 12, 13, 14):
        (folder / f"{number:08d}.jpg").touch()
    annotations = read17(tmp_path, annolist())
    np.testing.assert_array_equal(annotations.track(3).frames, [1, 3])
    assert annotations.video.frame_count == 5
    (folder / "00000012.jpg").unlink()
    with pytest.raises(PwarpError, match=r"00342_mpii\.json: picture '00000012\.jpg' is not in .*000342_mpii"):
        read17(tmp_path, annolist())


def test_posetrack17_predictions_keep_their_scores(tmp_path: Path) -> None:
    document = {"annolist": [frame(1, [person(5, [point(2, 3, 4, score=[0.25])], score=[0])])]}
    track = read17(tmp_path, document).track(5)
    assert track.score[0, 2] == 0.25
    assert track.person_score[0] == 0
    assert not track.by_person.any()


def test_posetrack17_people_without_track_ids_are_not_joined(tmp_path: Path) -> None:
    loose = person(0, [point(1, 2, 3)])
    del loose["track_id"]
    document = {"annolist": [frame(1, [loose, person(4, [point(1, 5, 6)])]), frame(2, [loose])]}
    tracks = read17(tmp_path, document).tracks
    assert [(len(t), t.identified) for t in tracks] == [(1, True), (1, False), (1, False)]


ODD17 = {
    "no annolist": ({"images": []}, "is no annolist file"),
    "text": ("annolist", "not JSON"),
    "cut off": ('{"annolist": [', "JSON ends in the middle"),
    "empty": ({"annolist": []}, "has an empty annolist"),
    "no list": ({"annolist": 3}, "'annolist' is 3, expected a list"),
    "no picture": ({"annolist": [{"annorect": []}]}, r"annolist\[0\]: has 0 pictures in 'image'"),
    "nameless picture": ({"annolist": [{"image": [{}]}]}, r"annolist\[0\]\.image\[0\]: name is null"),
    "escaping picture": ({"annolist": [{"image": [{"name": "../../x/1.jpg"}]}]}, "points outside the dataset"),
    "no number": ({"annolist": [{"image": [{"name": "images/a/x.jpg"}]}]}, "'x.jpg' has no frame number"),
    "frame twice": ({"annolist": [frame(4, []), frame(4, [])]}, "'00000004.jpg' is listed twice"),
    "two in a list": (
        {"annolist": [frame(1, []), frame(2, [person(1, [point(3, 1, 2, is_visible=[0, 1])])])]},
        r"annolist\[1\]\.annorect\[0\]\.annopoints\[0\]\.point\[0\]: is_visible has 2 values",
    ),
    "joint": ({"annolist": [frame(1, [person(1, [point(15, 1, 2)])])]}, r"point\[0\]: id is 15, expected 0 to 14"),
    "half joint": ({"annolist": [frame(1, [person(1, [point(1.5, 1, 2)])])]}, "id is 1.5, expected a whole number"),
    "joint twice": (
        {"annolist": [frame(1, [person(1, [point(2, 1, 2), point(2, 1, 3)])])]},
        r"point\[1\]: joint 2 \(right_hip\) is given twice",
    ),
    "coordinate": ({"annolist": [frame(1, [person(1, [{"id": [2], "x": ["1"], "y": [2]}])])]}, "x is '1'"),
    "no coordinate": ({"annolist": [frame(1, [person(1, [{"id": [2], "x": [1]}])])]}, "y is null"),
    "half head": ({"annolist": [frame(1, [person(1, [], x2=[])])]}, r"annorect\[0\]: x2 has 0 values"),
    "track twice": ({"annolist": [frame(1, [person(1, []), person(1, [])])]}, "track 1 is labelled twice in frame 0"),
    "people": ({"annolist": [frame(1, [3])]}, r"annorect\[0\] is 3, expected an object"),
}


@pytest.mark.parametrize(("document", "message"), ODD17.values(), ids=ODD17)
def test_malformed_posetrack17_names_file_and_record(tmp_path: Path, document: Any, message: str) -> None:
    write(tmp_path, document)
    with pytest.raises(PwarpError, match=rf"00342_mpii\.json.*{message}"):
        _ = [sample.annotations for sample in PoseTrack17(tmp_path).samples("val")]


def posetrack18() -> dict[str, Any]:
    """Three frames of a video as PoseTrack18 writes them: opaque ids, the frame in the file name."""
    first = 10003420000
    images = [
        {
            "file_name": f"images/val/000342_mpii_test/{n:06d}.jpg",
            "id": first + n,
            "frame_id": first + n,
            "vid_id": "000342",
            "nframes": 3,
            "is_labeled": n != 1,
            "has_no_densepose": True,
        }
        for n in range(3)
    ]
    images[2] |= {"ignore_regions_x": [[1, 30, 5]], "ignore_regions_y": [[2, 4, 60]]}
    keypoints = [[10 + 2 * k, 90 - k, 1] for k in range(17)]
    keypoints[3] = keypoints[4] = [0, 0, 0]  # ears
    keypoints[16] = [55, 66, 0]  # occluded
    row = {
        "id": 1,
        "image_id": first + 2,
        "track_id": 5,
        "category_id": 1,
        "keypoints": list(chain.from_iterable(keypoints)),
        "bbox": [10, 20, 30, 50],
        "bbox_head": [11, 21, 6, 8],
        "scores": [],
    }
    category = {"id": 1, "name": "person", "supercategory": "person", "keypoints": list(POSETRACK_17.keypoints)}
    return {"images": images, "annotations": [row], "categories": [category | {"skeleton": [[16, 14]]}]}


@pytest.mark.parametrize("base", ["posetrack_data/annotations", "annotations", "posetrack_data"])
def test_posetrack18_and_21_are_recognised_where_they_lie(tmp_path: Path, base: str) -> None:
    write(tmp_path, posetrack18(), f"{base}/val", "000342_mpii_test.json")
    dataset = open_dataset(tmp_path)
    assert isinstance(dataset, PoseTrack18)
    assert dataset.splits == ("val",)
    (sample,) = dataset.samples("val")
    assert (sample.name, sample.video) == ("000342_mpii_test", tmp_path / "images/val/000342_mpii_test")
    annotations = sample.annotations
    assert annotations.skeleton.keypoints == POSETRACK_17.keypoints
    (track,) = annotations.tracks
    np.testing.assert_array_equal(track.frames, [2])
    np.testing.assert_array_equal(track.visibility[0, [0, 3, 4, 16]], [2, 0, 0, 1])
    np.testing.assert_allclose(track.head_boxes[0], [11, 21, 17, 29])
    np.testing.assert_array_equal(annotations.labelled, [0, 2])
    np.testing.assert_allclose(annotations.ignore_regions[2][0], [[1, 2], [30, 4], [5, 60]])


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], "expected an object with images"),
        ({"images": []}, "lists no images"),
        ({"images": [{"id": 1}]}, "file_name of image 1 is null"),
        ({"images": [{"id": 1, "file_name": "/a/0.jpg"}]}, "points outside the dataset"),
        ("{", "JSON ends in the middle"),
    ],
)
def test_malformed_posetrack18_names_file_and_record(tmp_path: Path, document: Any, message: str) -> None:
    write(tmp_path, document)
    with pytest.raises(PwarpError, match=rf"00342_mpii\.json.*{message}"):
        _ = [sample.annotations for sample in PoseTrack18(tmp_path).samples("val")]


def test_the_oracles_files_in_the_published_folders(tmp_path: Path, oracle_dir: Path) -> None:
    """3 videos, 29 frames; the poses are those of the files."""
    (tmp_path / "annotations").mkdir()
    truth = oracle_dir / "posetrack" / "open" / "gt"
    (tmp_path / "annotations" / "val").symlink_to(truth.resolve())
    samples = list(open_dataset(tmp_path).samples("val"))
    assert [s.name for s in samples] == sorted(p.stem for p in truth.glob("*.json"))
    assert len(samples) == 3
    frames = 0
    for sample in samples:
        document = json.loads(sample.labels.read_text())
        annotations = sample.annotations
        frames += len(document["images"])
        assert annotations.video.frame_count == document["images"][0]["nframes"]
        assert sum(len(t) for t in annotations.tracks) == len(document["annotations"])
        place = {image["id"]: n for n, image in enumerate(document["images"])}
        for row in document["annotations"]:
            track = annotations.track(row["track_id"])
            at = track.at(place[row["image_id"]])
            assert at is not None
            given = np.array(row["keypoints"]).reshape(17, 3)
            np.testing.assert_array_equal(track.labelled[at], given.any(axis=1))
            np.testing.assert_allclose(track.xy[at][track.labelled[at]], given[given.any(axis=1), :2])
            x, y, width, height = row["bbox_head"]
            np.testing.assert_allclose(track.head_boxes[at], [x, y, x + width, y + height])
    assert frames == 29
