"""The native format: everything back bit for bit, COCO tools read it, people write it by hand."""

from __future__ import annotations

import json
import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from conftest import ROOT
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from labels import coco, pose, read
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from strategies import annotations

from pwarp import formats
from pwarp.annotations import FARTHEST, OPEN_END, Annotations, Source, Track, VideoIdentity
from pwarp.errors import PwarpError
from pwarp.skeleton import COCO_17, Skeleton

TWO = Skeleton("pair", ("a", "b"))


def written(labels: Annotations, folder: Path) -> Path:
    path = folder / "labels.json"
    assert not formats.write(labels, path, format="pwarp", force=True)
    return path


@given(labels=annotations())
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_everything_comes_back_bit_for_bit_in_the_order_it_had(labels: Annotations, tmp_path: Path) -> None:
    assert formats.read(written(labels, tmp_path)).same_as(labels)


places = st.floats(-FARTHEST, FARTHEST)


@given(xy=st.tuples(*[places] * 4), box=st.tuples(*[places] * 4), score=st.floats(-1e100, 1e100))
@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_place_comes_back_to_the_last_bit(xy: Any, box: Any, score: float, tmp_path: Path) -> None:
    coordinates = np.array(xy).reshape(1, 2, 2)
    track = Track.make(0, [3], coordinates, boxes=[box], head_boxes=[box], person_score=[score])
    back = formats.read(written(Annotations(TWO, tracks=(track,)), tmp_path))
    assert back.tracks[0].xy.tobytes() == track.xy.tobytes()
    assert back.tracks[0].same_as(track)


def test_a_box_is_stored_once_where_width_and_height_are_exact(tmp_path: Path) -> None:
    corners = [[10.1, 20.2, 300.7, 401.3]]
    track = Track.make(0, [3], np.ones((1, 2, 2)), boxes=corners)
    (row,) = orjson.loads(written(Annotations(TWO, tracks=(track,)), tmp_path).read_bytes())["annotations"]
    assert "box" not in row
    assert row["bbox"][0] + row["bbox"][2] == 300.7
    assert row["bbox"][1] + row["bbox"][3] == 401.3


def test_coco_tools_read_it_and_find_it_perfect(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    tracks = []
    for id in (4, 9):
        visibility = random.choice([0, 1, 2], (6, 17), p=[0.2, 0.2, 0.6])
        tracks.append(Track.make(id, range(0, 30, 5), random.uniform(0, 400, (6, 17, 2)), visibility))
    path = written(Annotations(COCO_17, VideoIdentity("dog.mp4", 854, 480), tuple(tracks)), tmp_path)
    tool = COCO(str(path))
    assert len(tool.getAnnIds()) == 12
    (category,) = tool.loadCats(tool.getCatIds())
    assert category["keypoints"] == list(COCO_17.keypoints)
    assert np.array(category["skeleton"]).min() == 1 and np.array(category["skeleton"]).max() == 17
    (row,) = tool.loadAnns(tool.getAnnIds(imgIds=[15])[:1])
    assert row["keypoints"][2::3] == tracks[0].visibility[3].tolist()
    assert row["num_keypoints"] == np.count_nonzero(tracks[0].visibility[3])
    detections = [
        {"image_id": a["image_id"], "category_id": 1, "keypoints": a["keypoints"], "score": 0.5 + a["id"] / 100}
        for a in tool.dataset["annotations"]
    ]
    evaluation = COCOeval(tool, tool.loadRes(detections), "keypoints")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    assert evaluation.stats[0] == 1


def test_one_annotation_is_one_line(tmp_path: Path) -> None:
    track = Track.make(0, range(5), np.ones((5, 2, 2)))
    before = written(Annotations(TWO, tracks=(track,)), tmp_path).read_text().splitlines()
    moved = np.ones((5, 2, 2))
    moved[3, 1, 0] = 7.5
    after = written(Annotations(TWO, tracks=(Track.make(0, range(5), moved),)), tmp_path).read_text().splitlines()
    (changed,) = [(a, b) for a, b in zip(before, after, strict=True) if a != b]
    assert json.loads(changed[1].rstrip(","))["keypoints"] == [1.0, 1.0, 2, 7.5, 1.0, 2]


def test_a_propagated_pose_says_so_in_few_words(tmp_path: Path) -> None:
    source = [[Source.PROPAGATED] * 2, [Source.MANUAL] * 2, [Source.MANUAL, Source.PROPAGATED]]
    origin = np.full((3, 2, 2), -1)
    origin[0], origin[2, 1] = (0, -1), (0, 9)
    score = [[0.5, np.nan], [np.nan, np.nan], [np.nan, np.nan]]
    track = Track.make(0, [1, 2, 3], np.ones((3, 2, 2)), source=source, score=score, origin=origin)
    rows = orjson.loads(written(Annotations(TWO, tracks=(track,)), tmp_path).read_bytes())["annotations"]
    assert (rows[0]["sources"], rows[0]["origin"], rows[0]["scores"]) == ("propagated", [0, None], [0.5, None])
    assert not {"sources", "origin", "scores"} & rows[1].keys()
    assert (rows[2]["sources"], rows[2]["origin"]) == (["manual", "propagated"], [0, 9])


def documented() -> list[bytes]:
    """The JSON files shown in the documentation."""
    page = (ROOT / "docs" / "format.md").read_text()
    return [block.encode() for block in re.findall(r"```json\n(.*?)```", page, flags=re.S)]


def test_the_file_by_hand_in_the_documentation_means_what_the_page_says(tmp_path: Path) -> None:
    labels = read(tmp_path, documented()[0])
    (dog,) = labels.tracks
    assert (dog.id, dog.frames.tolist(), dog.absent.tolist()) == (7, [0, 30, 90], [[45, 89]])
    assert dog.visibility.tolist() == [[2, 2, 1], [2, 2, 0], [2, 2, 2]]
    assert set(dog.source[dog.labelled].tolist()) == {Source.MANUAL}
    assert labels.skeleton.edges == ((0, 1), (0, 2)) and labels.skeleton.flip_pairs == ((1, 2),)


def test_the_written_file_in_the_documentation_is_what_pwarp_writes(tmp_path: Path) -> None:
    labels = read(tmp_path, documented()[1])
    assert labels.video.fps == Fraction(30000, 1001)
    (dog,) = labels.tracks
    assert dog.absent.tolist() == [[45, 89], [110, OPEN_END]]
    assert dog.source.tolist() == [[Source.CORRECTED, Source.MANUAL, 0], [Source.PROPAGATED, Source.PROPAGATED, 0]]
    assert dog.origin[1].tolist() == [[30, 90], [30, 90], [-1, -1]]
    assert np.isnan(dog.boxes).all()
    assert dog.replaced[0].x == 181 and dog.replaced[0].keypoint == 0
    assert written(labels, tmp_path).read_bytes() == documented()[1]


class TestAbsenceByHand:
    def spans(self, folder: Path, *rows: dict[str, Any], **changes: Any) -> list[list[int]]:
        document = coco(*rows, frames=(0, 5, 9, 12, 20), **changes)
        return read(folder, document).track(3).absent.tolist()

    def mark(self, frame: int) -> dict[str, Any]:
        return {"image_id": 100 + frame, "track_id": 3, "absent": True}

    def test_lasts_until_the_frame_before_the_next_label(self, tmp_path: Path) -> None:
        assert self.spans(tmp_path, pose(0), self.mark(5), pose(20)) == [[5, 19]]

    def test_lasts_for_ever_without_a_next_label(self, tmp_path: Path) -> None:
        assert self.spans(tmp_path, pose(0), self.mark(5)) == [[5, OPEN_END]]

    def test_a_second_mark_does_not_end_it(self, tmp_path: Path) -> None:
        assert self.spans(tmp_path, pose(0), self.mark(5), self.mark(9), pose(12)) == [[5, 11]]

    def test_a_pose_that_says_nothing_does_not_end_it(self, tmp_path: Path) -> None:
        assert self.spans(tmp_path, self.mark(5), pose(9, keypoints=[0] * 9), pose(12)) == [[5, 11]]

    def test_a_box_without_keypoints_ends_it(self, tmp_path: Path) -> None:
        assert self.spans(tmp_path, self.mark(5), pose(9, keypoints=[0] * 9, bbox=[1, 2, 3, 4])) == [[5, 8]]

    def test_another_track_does_not_end_it(self, tmp_path: Path) -> None:
        assert self.spans(tmp_path, self.mark(5), pose(9, track=4), pose(12)) == [[5, 11]]

    def test_joins_with_stretches_of_the_track(self, tmp_path: Path) -> None:
        tracks = [{"id": 3, "absent": [[1, 4], [15, None]]}]
        assert self.spans(tmp_path, pose(0), self.mark(5), pose(12), tracks=tracks) == [[1, 11], [15, OPEN_END]]

    def test_of_nobody_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(PwarpError, match=r"annotation 7: absent, but no track_id says who"):
            self.spans(tmp_path, {"image_id": 105, "absent": True})

    def test_with_keypoints_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(PwarpError, match=r"annotation 7: absent, but has keypoints"):
            self.spans(tmp_path, pose(5, absent=True))

    def test_where_the_track_is_labelled_too_is_refused(self, tmp_path: Path) -> None:
        tracks = [{"id": 3, "absent": [[0, 6]]}]
        with pytest.raises(PwarpError, match=r"track 3, frame 5: labelled in a frame where the track is marked absent"):
            self.spans(tmp_path, pose(5), tracks=tracks)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"info": {"format": "pwarp", "version": 2}},
            r"is of version 2 of the format, this pwarp knows 1; use a newer",
        ),
        ({"tracks": [{"id": 3}, {"id": 3}]}, r"tracks lists id 3 twice"),
        ({"tracks": [{"id": 3, "absent": [[9, 5]]}]}, r"track 3: absent from 9 to 5 ends before it begins"),
        ({"tracks": [{"id": 3, "absent": [5, 9]}]}, r"track 3: absent is .* expected a list of pairs"),
        ({"tracks": [{"id": 3, "identified": "no"}]}, r"track 3: identified is 'no' \(text\), expected true or false"),
        ({"tracks": [{"id": 3, "replaced": [{"frame": 1, "keypoint": "tail"}]}]}, r"no keypoint 'tail'; it has: nose"),
        ({"videos": [{"id": 1, "fps": "1/0"}]}, r"fps of the video is '1/0' \(text\), expected a rate such as 25"),
        ({"videos": [{"id": 1, "fps": 0}]}, r"fps of the video is 0, expected a rate"),
        ({"videos": [{"id": 1, "fps": "1e999999999"}]}, r"fps of the video is '1e999999999'"),
        ({"videos": [{"id": 1, "width": "854"}]}, r"width of the video is '854' \(text\), expected a whole number"),
    ],
)
def test_what_is_wrong_with_a_file_is_one_line(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(PwarpError, match=message):
        read(tmp_path, coco(pose(), **changes), format="pwarp")


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ({"sources": "guessed"}, r"annotation 7: source 'guessed' \(text\) is none of manual, detected, propagated"),
        ({"sources": ["manual"]}, r"annotation 7: 1 sources for 3 keypoints"),
        ({"sources": 1}, r"annotation 7: sources is 1, expected names"),
        (
            {"sources": ["manual", None, None]},
            r"track 3, frame 0, keypoint 1: visibility 1 does not go with source none",
        ),
        ({"origin": [0.5, 3]}, r"annotation 7: origin is \[0.5, 3\], expected the key frames"),
        ({"origin": [[0, 3]]}, r"annotation 7: 1 origins for 3 keypoints"),
        ({"origin": 3}, r"annotation 7: origin is 3, expected a list of 2 numbers"),
        ({"box": [1, 2, 3]}, r"annotation 7: box has 3 numbers, expected 4"),
        ({"absent": "yes"}, r"annotation 7: absent is 'yes' \(text\), expected true"),
        ({"scores": [1, 2]}, r"annotation 7: scores has 2 numbers, expected 3"),
        ({"scores": [0.5, "0.5", None]}, r"annotation 7: scores holds '0.5' \(text\), expected numbers"),
    ],
)
def test_what_is_wrong_with_an_annotation_is_one_line(tmp_path: Path, field: dict[str, Any], message: str) -> None:
    with pytest.raises(PwarpError, match=message):
        read(tmp_path, coco(pose(**field)), format="pwarp")


def test_numbers_that_json_cannot_hold_are_refused(tmp_path: Path) -> None:
    track = Track.make(2, [4], np.ones((1, 2, 2)), boxes=[[1, 2, np.nan, 4]])
    with pytest.raises(PwarpError, match=r"track 2, frame 4: boxes has numbers that are not finite"):
        formats.write(Annotations(TWO, tracks=(track,)), tmp_path / "labels.json")
    assert not (tmp_path / "labels.json").exists()


def test_a_name_in_no_encoding_is_refused_in_one_line(tmp_path: Path) -> None:
    track = Track.make(2, [4], np.ones((1, 2, 2)))
    labels = Annotations(TWO, VideoIdentity(path="b\udcff.mp4"), (track,))
    with pytest.raises(PwarpError, match=r"JSON cannot hold a name"):
        formats.write(labels, tmp_path / "labels.json")
