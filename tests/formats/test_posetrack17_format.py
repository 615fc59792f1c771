"""PoseTrack17 as a format: annolists by hand, frames by name, and what is written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import cv2
import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from labels import read

from pwarp import formats
from pwarp.annotations import Annotations, Source, Track, VideoIdentity
from pwarp.datasets.posetrack17 import PoseTrack17
from pwarp.errors import PwarpError
from pwarp.formats.annolist import folder_of
from pwarp.formats.coco_images import last_part
from pwarp.skeleton import COCO_17, POSETRACK_15
from pwarp.video import open_video

FOLDER = "images/val/000342_mpii"


def frame(number: int, *people: dict[str, Any], name: str | None = None, **other: Any) -> dict[str, Any]:
    """An entry as the data set has it: every number in a list of its own."""
    image = f"{FOLDER}/{number:08d}.jpg" if name is None else name
    return {"image": [{"name": image}], "annorect": list(people), "imgnum": [number], "is_labeled": [1]} | other


def somebody(track: int, **other: Any) -> dict[str, Any]:
    head = {"x1": [625], "y1": [94], "x2": [681.5], "y2": [178]}
    points = [{"id": [0], "x": [394], "y": [173.5], "is_visible": [0]}, {"id": [14], "x": [0], "y": [20]}]
    return head | {"track_id": [track], "annopoints": [{"point": points}]} | other


def test_a_file_of_the_data_set(tmp_path: Path) -> None:
    labels = read(tmp_path, {"annolist": [frame(11, somebody(3)), frame(13, somebody(3), somebody(5))]})
    assert formats.sniff(tmp_path / "labels.json") == "posetrack17"
    assert labels.skeleton == POSETRACK_15 and labels.video == VideoIdentity(FOLDER)
    assert [(t.id, t.frames.tolist()) for t in labels.tracks] == [(3, [10, 12]), (5, [12])]
    assert labels.tracks[0].visibility[0].tolist() == [1, *[0] * 13, 2]
    assert labels.tracks[0].head_boxes[0].tolist() == [625, 94, 681.5, 178]


def test_a_file_with_a_score_is_one_of_predictions(tmp_path: Path) -> None:
    labels = read(tmp_path, {"annolist": [frame(11, somebody(3, score=[0.5]), somebody(5))]})
    assert [track.source.max() for track in labels.tracks] == [Source.DETECTED] * 2


def test_names_that_do_not_count_leave_it_to_imgnum(tmp_path: Path) -> None:
    document = {"annolist": [frame(4, somebody(0), name="cam_a.png"), frame(7, somebody(0), name="cam_b.png")]}
    assert read(tmp_path, document).tracks[0].frames.tolist() == [3, 6]
    document["annolist"][1]["imgnum"] = [4]
    with pytest.raises(PwarpError, match=r"frame of picture 'cam_b.png' is listed twice"):
        read(tmp_path, document)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"annolist": {}}, r"field 'annolist' is \{\} \(an object\), expected a list"),
        ({"annolist": [frame(0, imgnum=[])]}, "has no frame number; PoseTrack17 counts from 00000001.jpg"),
        ({"annolist": [frame(1), frame(2, name="images/other/00000002.jpg")]}, "has pictures of several folders"),
        ({"annolist": [frame(1)], "nframes": "x"}, r"nframes is 'x' \(text\), expected a whole number"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, document: Any, message: str) -> None:
    with pytest.raises(PwarpError, match=message):
        read(tmp_path, document, format="posetrack17")


def labels(**changes: Any) -> Annotations:
    visibility = np.full((2, 15), 2)
    visibility[0, 3], visibility[1, 4] = 1, 0
    made: dict[str, Any] = {"head_boxes": [[1, 2, 3, 4.5], [np.nan] * 4]} | changes
    track = Track.make(6, [1, 3], np.arange(60.0).reshape(2, 15, 2), visibility, **made)
    return Annotations(POSETRACK_15, VideoIdentity(FOLDER, frame_count=5), (track,), labelled=[1, 3])


def test_every_frame_is_written_and_all_of_it_comes_back(tmp_path: Path) -> None:
    report = formats.write(labels(), tmp_path / "o.json", format="posetrack17")
    assert report.lines() == []
    document = orjson.loads((tmp_path / "o.json").read_bytes())
    names = [entry["image"][0]["name"] for entry in document["annolist"]]
    assert names == [f"{FOLDER}/{n:08d}.jpg" for n in range(1, 6)]
    assert [entry["is_labeled"] for entry in document["annolist"]] == [[0], [1], [0], [1], [0]]
    assert {"id": [3], "x": [6.0], "y": [7.0], "is_visible": [0]} in document["annolist"][1]["annorect"][0][
        "annopoints"
    ][0]["point"]
    assert formats.read(tmp_path / "o.json").same_as(labels())


@pytest.mark.parametrize(("first", "refused"), [(0, False), (1, False), (5, True)])
def test_a_folder_of_pictures_lends_its_names(tmp_path: Path, first: int, refused: bool) -> None:
    """Pictures that count from 0 leave the frame to imgnum; those that count from 5 would be taken for other frames."""
    (tmp_path / "pics").mkdir()
    for n in range(5):
        cv2.imwrite(str(tmp_path / f"pics/{n + first:03d}.png"), np.full((8, 12, 3), n, np.uint8))
    out = tmp_path / "o.json"
    with open_video(tmp_path / "pics") as video:
        bound = replace(labels(), video=VideoIdentity("pics", frame_count=5))
        if refused:
            with pytest.raises(PwarpError, match=r"counted from 1 without gaps; those of .*pics begin with 005\.png"):
                formats.write(bound, out, format="posetrack17", video=video)
            return
        formats.write(bound, out, format="posetrack17", video=video)
        assert formats.read(out, video=video).tracks[0].same_as(bound.tracks[0])
    names = [entry["image"][0]["name"] for entry in orjson.loads(out.read_bytes())["annolist"]]
    assert names == [f"pics/{n + first:03d}.png" for n in range(5)]
    assert formats.read(out).tracks[0].same_as(bound.tracks[0])


def test_the_data_set_reads_what_is_written(tmp_path: Path) -> None:
    folder = tmp_path / "annotations" / "val"
    folder.mkdir(parents=True)
    formats.write(labels(), folder / "o.json", format="posetrack17")
    (sample,) = PoseTrack17(tmp_path).samples("val")
    assert sample.annotations.tracks[0].same_as(labels().tracks[0])


def test_a_file_of_predictions_has_a_score_for_every_joint(tmp_path: Path) -> None:
    source = np.full((2, 15), Source.DETECTED)
    source[0, 0], source[1, 4] = Source.MANUAL, Source.NONE
    score = np.full((2, 15), np.nan)
    score[0, 1] = 0.25
    report = formats.write(labels(source=source, score=score), tmp_path / "o.json", format="posetrack17")
    assert [loss.what for loss in report.losses] == ["scores of keypoints", "sources of keypoints"]
    points = orjson.loads((tmp_path / "o.json").read_bytes())["annolist"][1]["annorect"][0]["annopoints"][0]["point"]
    assert [point["score"] for point in points[:3]] == [[1.0], [0.25], [0.0]]


def test_what_it_cannot_hold_is_named(tmp_path: Path) -> None:
    boxes = np.array([[1, 2, 3, 4], [5, 6, 7, 8]])
    assert "boxes" in formats.write(labels(boxes=boxes), tmp_path / "a.json", format="posetrack17").lines()[0]
    wide = Annotations(COCO_17, tracks=(Track.make(2000, [0], np.ones((1, 17, 2))),))
    found = {loss.what for loss in formats.write(wide, tmp_path / "b.json", format="posetrack17").losses}
    assert {"keypoints", "track ids", "which frames are labelled"} <= found


@given(st.text("ab1./\\", max_size=9))
def test_names_of_pictures_are_taken_apart_as_paths_are(name: str) -> None:
    path = PurePosixPath(name.replace("\\", "/"))
    assert last_part(name) == path.name
    assert folder_of(name) == str(path.parent)
