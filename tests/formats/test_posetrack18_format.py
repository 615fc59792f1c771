"""PoseTrack18: flags for visibility, names for frames, slots for keypoints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from labels import read

from pwarp import formats
from pwarp.annotations import Annotations, Source, Track, VideoIdentity
from pwarp.errors import PwarpError
from pwarp.skeleton import COCO_17, MPII_14, MPII_16, PENN_13, POSETRACK_17, Skeleton

SLOTS = list(POSETRACK_17.keypoints)


def document(*rows: dict[str, Any], frames: tuple[int, ...] = (0, 1, 2), **image: Any) -> dict[str, Any]:
    """A file as the data set has them: frame_id repeats the opaque id of the picture."""
    return {
        "categories": [{"id": 1, "name": "person", "keypoints": SLOTS}],
        "images": [
            {
                "id": 10128340000 + frame,
                "frame_id": 10128340000 + frame,
                "file_name": f"images/val/012834_mpii_test/{frame:06d}.jpg",
                "vid_id": "012834",
                "nframes": 3,
                "is_labeled": frame != 1,
            }
            | image
            for frame in frames
        ],
        "annotations": [{"id": i, "category_id": 1} | row for i, row in enumerate(rows)],
    }


def person(
    frame: int = 0, track: int = 5, slots: dict[int, tuple[float, float, int]] | None = None, **more: Any
) -> Any:
    """Somebody with the given slots annotated: by default the nose visible and the head's bottom occluded."""
    keypoints = np.zeros((17, 3)).tolist()
    for slot, triple in (slots if slots is not None else {0: (10.5, 20, 1), 1: (12, 30, 0)}).items():
        keypoints[slot] = list(triple)
    return {"image_id": 10128340000 + frame, "track_id": track, "keypoints": [v for k in keypoints for v in k]} | more


def rows_and_images(labels: Annotations, folder: Path, **options: Any) -> tuple[list[Any], list[Any], list[str]]:
    report = formats.write(labels, folder / "out.json", format="posetrack18", force=True, **options)
    content = orjson.loads((folder / "out.json").read_bytes())
    return content["annotations"], content["images"], report.lines()


class TestReading:
    def test_is_told_from_coco(self, tmp_path: Path) -> None:
        read(tmp_path, document(person()))
        assert formats.sniff(tmp_path / "labels.json") == "posetrack18"
        image = {"id": 1, "frame_id": 0, "vid_id": "1", "file_name": "a.jpg"}
        read(tmp_path, document(person(slots={0: (1, 2, 2)}, image_id=1)) | {"images": [image]})
        assert formats.sniff(tmp_path / "labels.json") == "coco"

    def test_a_flag_becomes_a_visibility(self, tmp_path: Path) -> None:
        slots = {0: (10.5, 20.0, 1), 1: (12.0, 30.0, 0), 2: (0.0, 0.0, 0), 5: (0.0, 0.0, 1), 6: (0.0, 7.0, 0)}
        (track,) = read(tmp_path, document(person(slots=slots))).tracks
        assert track.visibility[0].tolist() == [2, 1, 0, 0, 0, 2, 1] + [0] * 10
        assert track.xy[0, 5].tolist() == [0, 0]

    def test_the_frame_is_in_the_file_name(self, tmp_path: Path) -> None:
        labels = read(tmp_path, document(person(0), person(2)))
        assert labels.tracks[0].frames.tolist() == [0, 2]
        assert labels.labelled is not None and labels.labelled.tolist() == [0, 2]
        assert labels.video == VideoIdentity("images/val/012834_mpii_test", frame_count=3)

    def test_a_frame_id_that_is_one_wins(self, tmp_path: Path) -> None:
        images = document()["images"]
        for image in images:
            image["file_name"] = f"{image['id'] - 10128340000 + 1:05d}.jpg"
            image["frame_id"] = image["id"] - 10128340000
        labels = read(tmp_path, document(person(2)) | {"images": images})
        assert labels.tracks[0].frames.tolist() == [2]

    def test_a_picture_without_any_number_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(PwarpError, match=r"image 10128340000 'a.jpg' has no frame_id"):
            read(tmp_path, document(frames=(0,), file_name="a.jpg"))

    def test_people_without_points_and_frames_without_people_stay(self, tmp_path: Path) -> None:
        labels = read(tmp_path, document(person(2, slots={}, bbox_head=[1, 2, 3, 4])))
        (track,) = labels.tracks
        assert track.frames.tolist() == [2] and not track.labelled.any()
        assert track.head_boxes.tolist() == [[1, 2, 4, 6]]
        assert labels.labelled is not None and 0 in labels.labelled

    def test_one_scored_person_makes_them_all_predictions(self, tmp_path: Path) -> None:
        rows = [person(0, 5, scores=[0.5] * 17), person(0, 6, scores=[]), person(1, 6)]
        labels = read(tmp_path, document(*rows))
        assert {int(s) for t in labels.tracks for s in t.source[t.labelled]} == {Source.DETECTED}
        assert labels.track(5).score[0, :3].tolist()[:2] == [0.5, 0.5] and np.isnan(labels.track(5).score[0, 2])

    def test_ignore_regions_are_polygons(self, tmp_path: Path) -> None:
        labels = read(
            tmp_path, document(frames=(1,), ignore_regions_x=[[1, 5, 5], []], ignore_regions_y=[[2, 2, 9], []])
        )
        (region,) = labels.ignore_regions[1]
        assert region.tolist() == [[1, 2], [5, 2], [5, 9]]

    def test_a_visibility_of_coco_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(PwarpError, match=r"annotation 0, frame 0, keypoint 'nose': visibility 2 is none of 0, 1"):
            read(tmp_path, document(person(slots={0: (1, 2, 2)})), format="posetrack18")

    def test_without_categories_the_slots_are_known(self, tmp_path: Path) -> None:
        content = document(person())
        del content["categories"]
        assert read(tmp_path, content, format="posetrack18").skeleton == POSETRACK_17


class TestWriting:
    def test_a_data_set_file_loses_nothing(self, tmp_path: Path) -> None:
        content = document(person(0), person(2, bbox=[1, 2, 3, 4], bbox_head=[1, 2, 3, 4]), person(2, 6))
        labels = read(tmp_path, content)
        rows, images, lines = rows_and_images(labels, tmp_path)
        assert lines == []
        assert [row["keypoints"] for row in rows] == [row["keypoints"] for row in content["annotations"]]
        kept = ("id", "frame_id", "file_name", "vid_id", "nframes", "is_labeled")
        assert [{k: image[k] for k in kept} for image in images] == content["images"]
        assert rows[1]["bbox"] == [1, 2, 3, 4] and "bbox" not in rows[0]

    def test_every_frame_of_the_video_is_listed(self, tmp_path: Path) -> None:
        track = Track.make(0, [4], np.ones((1, 17, 2)))
        labels = Annotations(POSETRACK_17, VideoIdentity(frame_count=7), (track,))
        assert [i["file_name"] for i in rows_and_images(labels, tmp_path)[1]] == [f"{f:06d}.jpg" for f in range(7)]
        unknown = Annotations(POSETRACK_17, tracks=(track,))
        assert len(rows_and_images(unknown, tmp_path)[1]) == 5

    def test_only_the_occluded_corner_is_lost(self, tmp_path: Path) -> None:
        track = Track.make(0, [0], np.zeros((1, 17, 2)), [[1, 2, 0] + [0] * 14])
        rows, _, lines = rows_and_images(Annotations(POSETRACK_17, tracks=(track,)), tmp_path)
        assert rows[0]["keypoints"][:9] == [0, 0, 0, 0, 0, 1, 0, 0, 0]
        assert lines == [
            "posetrack18 cannot hold occluded keypoints (read back as unlabelled): 1, e.g. "
            "track 0, frame 0, nose: 1 becomes 0"
        ]

    def test_keypoints_go_to_the_slots_of_their_names(self, tmp_path: Path) -> None:
        xy = np.arange(34, dtype=float).reshape(1, 17, 2) + 1
        rows, _, lines = rows_and_images(Annotations(COCO_17, tracks=(Track.make(0, [0], xy),)), tmp_path)
        written = dict(zip(SLOTS, np.array(rows[0]["keypoints"]).reshape(17, 3).tolist(), strict=True))
        assert written["left_wrist"] == [*xy[0, COCO_17.index("left_wrist")], 1]
        assert written["head_top"] == [0, 0, 0]
        assert "posetrack18 cannot hold keypoints: 2, e.g. 'left_eye', labelled 1 times" in lines

    @pytest.mark.parametrize(("skeleton", "neck"), [(MPII_14, "neck"), (MPII_16, "upper_neck")])
    def test_the_upper_neck_is_the_bottom_of_the_head(self, tmp_path: Path, skeleton: Skeleton, neck: str) -> None:
        xy = np.arange(2.0 * len(skeleton)).reshape(1, -1, 2) + 1
        rows, _, lines = rows_and_images(Annotations(skeleton, tracks=(Track.make(0, [0], xy),)), tmp_path)
        assert rows[0]["keypoints"][3:5] == xy[0, skeleton.index(neck)].tolist()
        assert f"posetrack18 cannot hold keypoint names: 1, e.g. '{neck}' becomes 'head_bottom'" in lines

    def test_another_neck_is_not(self, tmp_path: Path) -> None:
        skeleton = Skeleton("s", ("nose", "neck"))
        rows, _, lines = rows_and_images(
            Annotations(skeleton, tracks=(Track.make(0, [0], np.ones((1, 2, 2))),)), tmp_path
        )
        assert rows[0]["keypoints"] == [1, 1, 1] + [0] * 48
        assert "posetrack18 cannot hold keypoints: 1, e.g. 'neck', labelled 1 times" in lines

    def test_nothing_in_common_is_refused(self, tmp_path: Path) -> None:
        labels = Annotations(Skeleton("dog", ("tail",)), tracks=(Track.make(0, [0], np.ones((1, 1, 2))),))
        with pytest.raises(PwarpError, match=r"skeleton 'dog' shares no keypoint with PoseTrack's"):
            rows_and_images(labels, tmp_path)

    @pytest.mark.parametrize(
        ("ids", "written"),
        [((999, 0), [0, 999]), ((1000, 3), [0, 1]), ((-1, 3), [0, 1])],
    )
    def test_track_ids_stay_where_they_may(self, tmp_path: Path, ids: tuple[int, ...], written: list[int]) -> None:
        tracks = tuple(Track.make(id, [0], np.ones((1, 13, 2))) for id in ids)
        rows, _, lines = rows_and_images(Annotations(PENN_13, tracks=tracks), tmp_path)
        assert [row["track_id"] for row in rows] == written
        assert any("track ids" in line for line in lines) == (written != sorted(ids))

    def test_in_predictions_everybody_has_scores(self, tmp_path: Path) -> None:
        source = np.full((2, 17), Source.PROPAGATED)
        source[0] = Source.MANUAL
        score = np.full((2, 17), np.nan)
        score[1, :3] = [0.25, 0.5, np.nan]
        visibility = np.full((2, 17), 2)
        visibility[1, 3] = 0
        track = Track.make(
            0, [0, 1], np.ones((2, 17, 2)), visibility, score=score, source=np.where(visibility, source, 0)
        )
        rows, _, lines = rows_and_images(Annotations(POSETRACK_17, tracks=(track,)), tmp_path)
        assert rows[0]["scores"] == [1] * 17
        assert rows[1]["scores"] == [0.25, 0.5] + [0] * 15
        assert any("scores of keypoints: 31" in line for line in lines), lines

    def test_labels_have_no_scores(self, tmp_path: Path) -> None:
        track = Track.make(0, [0], np.ones((1, 17, 2)))
        assert "scores" not in rows_and_images(Annotations(POSETRACK_17, tracks=(track,)), tmp_path)[0][0]

    def test_more_frames_than_names_is_refused(self, tmp_path: Path) -> None:
        labels = Annotations(POSETRACK_17, VideoIdentity(frame_count=10**6 + 1))
        with pytest.raises(PwarpError, match="1000001 frames, a PoseTrack18 file lists 1000000 at most; cut"):
            rows_and_images(labels, tmp_path)


def test_official_files_lose_nothing(oracle_dir: Path, tmp_path: Path) -> None:
    paths = sorted((oracle_dir / "posetrack").glob("open/gt/*.json")) + sorted(
        (oracle_dir / "posetrack").glob("open/pred/*.json")
    )
    assert len(paths) == 6
    for path in paths:
        assert formats.sniff(path) == "posetrack18"
        labels = formats.read(path)
        rows, images, lines = rows_and_images(labels, tmp_path)
        assert lines == []
        content = orjson.loads(path.read_bytes())
        assert [i["file_name"] for i in images] == [i["file_name"] for i in content["images"]]
        frame = {image["id"]: at for at, image in enumerate(content["images"])}
        ours = {(images.index(next(i for i in images if i["id"] == r["image_id"])), r["track_id"]): r for r in rows}
        for row in content["annotations"]:
            same = ours[frame[row["image_id"]], row["track_id"]]
            assert same["keypoints"] == row["keypoints"]
            flags = np.array(row["keypoints"]).reshape(17, 3).any(axis=1)
            if row["scores"]:
                assert np.array(same["scores"])[flags].tolist() == np.array(row["scores"])[flags].tolist()
