"""COCO keypoints and all that has grown around them: what is read, and what is refused with which words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from labels import coco, pose, read

from pwarp import formats
from pwarp.annotations import Annotations, Source, Track, VideoIdentity
from pwarp.errors import PwarpError
from pwarp.skeleton import COCO_17, MPII_14, Skeleton

CAT = {"id": 2, "name": "cat", "keypoints": ["nose", "tail"]}
RESULT = {"image_id": 3, "category_id": 1, "keypoints": [1, 2, 0.9, 0, 0, 0, 5, 6, 0.2] + [0] * 42, "score": 0.8}
TWO_VIDEOS = coco(
    pose(0),
    pose(5),
    images=[
        {"id": 100, "frame_id": 3, "vid_id": "A", "file_name": "cats/000003.jpg", "nframes": 10},
        {"id": 105, "frame_id": 3, "vid_id": "B", "file_name": "dogs/000003.jpg", "nframes": 20},
    ],
)


def refused(folder: Path, document: Any, message: str, **options: Any) -> None:
    with pytest.raises(PwarpError, match=message) as caught:
        read(folder, document, format="coco", **options)
    assert str(caught.value).startswith(str(folder / "labels.json"))
    assert "\n" not in str(caught.value)


class TestKeypoints:
    def test_visibility_stays_what_it_was_and_unlabelled_has_no_place(self, tmp_path: Path) -> None:
        (track,) = read(tmp_path, coco(pose())).tracks
        assert track.visibility.tolist() == [[2, 1, 0]]
        assert track.xy[0, :2].tolist() == [[10.5, 20], [30, 40.25]]
        assert np.isnan(track.xy[0, 2]).all()
        assert track.source.tolist() == [[Source.MANUAL, Source.MANUAL, Source.NONE]]

    def test_coordinates_of_an_unlabelled_keypoint_are_forgotten(self, tmp_path: Path) -> None:
        (track,) = read(tmp_path, coco(pose(keypoints=[10, 20, 0, 30, 40, 2, 5, 6, 0]))).tracks
        assert np.isnan(track.xy[0, [0, 2]]).all()

    def test_edges_count_from_one(self, tmp_path: Path) -> None:
        assert read(tmp_path, coco(pose())).skeleton.edges == ((0, 1),)

    def test_known_names_bring_what_is_known_of_them(self, tmp_path: Path) -> None:
        categories = [{"id": 1, "name": "person", "keypoints": list(COCO_17.keypoints)}]
        labels = read(tmp_path, coco(pose(keypoints=[1, 2, 2] * 17), categories=categories))
        assert labels.skeleton == COCO_17

    def test_a_box_without_keypoints_is_a_pose_without_keypoints(self, tmp_path: Path) -> None:
        rows = [pose(0, keypoints=[0] * 9, bbox=[1, 2, 30, 40]), {"image_id": 105, "track_id": 3, "bbox": [1, 2, 3, 4]}]
        (track,) = read(tmp_path, coco(*rows)).tracks
        assert not track.labelled.any()
        assert track.boxes.tolist() == [[1, 2, 31, 42], [1, 2, 4, 6]]

    def test_scores_make_it_an_estimators(self, tmp_path: Path) -> None:
        (track,) = read(tmp_path, coco(pose(scores=[0.5, 0.25, 0.125], score=0.75))).tracks
        assert track.source.tolist() == [[Source.DETECTED, Source.DETECTED, Source.NONE]]
        assert track.score[0, :2].tolist() == [0.5, 0.25] and np.isnan(track.score[0, 2])
        assert track.person_score.tolist() == [0.75]

    def test_a_keypoint_without_a_score_among_scored_ones_is_a_persons(self, tmp_path: Path) -> None:
        triples = [1, 2, 2, 3, 4, 1, 5, 6, 2]
        mixed = {"keypoints": triples, "scores": [None, 0.25, None]}
        rows = [pose(0, **mixed), pose(5, **mixed, score=0.75)]
        (track,) = read(tmp_path, coco(*rows)).tracks
        manual, detected = Source.MANUAL, Source.DETECTED
        # A pose's own score makes all of it a prediction.
        assert track.source.tolist() == [[manual, detected, manual], [detected] * 3]
        formats.write(read(tmp_path, coco(*rows)), tmp_path / "again.json", format="coco")
        assert formats.read(tmp_path / "again.json").tracks[0].source[0].tolist() == [manual, detected, manual]

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"keypoints": [1, 2, 2]}, r"annotation 7: 3 keypoint values, expected 9"),
            ({"keypoints": [1, 2, 3] * 3}, r"annotation 7, frame 5, keypoint 'nose': visibility 3 is none of 0, 1, 2"),
            ({"keypoints": [1, 2, 0.9] * 3}, r"visibility 0.9 is none of 0, 1, 2; confidences belong in 'scores'"),
            (
                {"keypoints": ["1", 2, 2] * 3},
                r"annotation 7 \(frame 5\): keypoints holds '1' \(text\), expected numbers",
            ),
            ({"keypoints": [None, 2, 2] * 3}, r"keypoints holds null, expected numbers"),
            ({"keypoints": [True, 2, 2] * 3}, r"keypoints holds True \(true/false\), expected numbers"),
            ({"keypoints": [[1, 2, 2]] * 9}, r"keypoints holds \[1, 2, 2\] \(a list\), expected numbers"),
            ({"keypoints": "none"}, r"keypoints is 'none' \(text\), expected a list of 9 numbers"),
            ({"keypoints": None}, r"annotation 7 has neither keypoints nor bbox; add one or remove it"),
            ({"bbox": [1, 2, 3]}, r"annotation 7: bbox has 3 numbers, expected 4"),
            ({"bbox": [1, 2, None, 4]}, r"annotation 7: bbox holds null, expected numbers"),
            (
                {"bbox": [1e308, 2, 1e308, 4]},
                r"annotation 7: bbox is \[1e\+308, 2, 1e\+308, 4\] \(a list\), which ends",
            ),
            ({"score": "0.5"}, r"annotation 7: score is '0.5' \(text\), expected a finite number"),
            ({"track_id": "3"}, r"annotation 7: track_id is '3' \(text\), expected a whole number"),
            ({"track_id": 2.5}, r"annotation 7: track_id is 2.5, expected a whole number"),
            ({"track_id": 10**17}, r"track_id 100000000000000000 is too large"),
            ({"image_id": 5}, r"annotation 7: image_id 5 is the id of no image"),
            ({"image_id": None}, r"annotation 7: image_id null is the id of no image"),
        ],
    )
    def test_what_is_wrong_is_named(self, tmp_path: Path, changes: dict[str, Any], message: str) -> None:
        refused(tmp_path, coco(pose(5, **changes)), message)

    @pytest.mark.parametrize("literal", [b"NaN", b"Infinity", b"-Infinity", b"1e999"])
    def test_a_coordinate_that_is_no_number_is_named_with_its_keypoint(self, tmp_path: Path, literal: bytes) -> None:
        content = orjson.dumps(coco(pose(5))).replace(b"40.25", literal)
        refused(tmp_path, content, r"annotation 7, frame 5, keypoint 'left_paw': y is -?(nan|inf); give a number")

    def test_nan_elsewhere_is_named_by_its_byte(self, tmp_path: Path) -> None:
        content = orjson.dumps(coco(pose(5, area=123.5))).replace(b"123.5", b"NaN")
        refused(tmp_path, content, rf"the number at byte {content.index(b'NaN')} is not finite; write null")
        refused(
            tmp_path, orjson.dumps(coco(pose(5, bbox=[1, 2, 3, 4.5]))).replace(b"4.5", b"NaN"), r"annotation 7: bbox"
        )


class TestTracks:
    def test_ids_hide_in_attributes(self, tmp_path: Path) -> None:
        rows = [
            pose(0, None, attributes={"track_id": 4}),
            pose(5, None, attributes={"object_id": 2, "occluded": False}),
        ]
        labels = read(tmp_path, coco(*rows))
        assert [(t.id, t.frames.tolist(), t.identified) for t in labels.tracks] == [(2, [5], True), (4, [0], True)]

    def test_cvat_says_which_poses_it_interpolated(self, tmp_path: Path) -> None:
        rows = [pose(f, attributes={"keyframe": f != 5}) for f in (0, 5, 9)]
        (track,) = read(tmp_path, coco(*rows)).tracks
        assert track.source[:, 0].tolist() == [Source.MANUAL, Source.PROPAGATED, Source.MANUAL]
        assert track.key_frames.tolist() == [0, 9]

    def test_labels_without_an_id_stay_alone(self, tmp_path: Path) -> None:
        labels = read(tmp_path, coco(pose(0, None), pose(0, 8), pose(5, None)))
        assert [(t.id, t.frames.tolist(), t.identified) for t in labels.tracks] == [
            (8, [0], True),
            (9, [0], False),
            (10, [5], False),
        ]

    def test_whole_numbers_may_look_like_decimals(self, tmp_path: Path) -> None:
        (track,) = read(tmp_path, coco(pose(5, track_id=3.0, image_id=105.0))).tracks
        assert (track.id, track.frames.tolist()) == (3, [5])

    def test_one_track_has_one_pose_a_frame(self, tmp_path: Path) -> None:
        message = r"track 3 is labelled twice in frame 5 \(annotation 8 and annotation 9\); give one of them another"
        refused(tmp_path, coco(pose(0), pose(5), pose(5)), message)

    def test_the_order_of_annotations_means_nothing(self, tmp_path: Path) -> None:
        rows = [pose(9), pose(0, 1), pose(0), pose(5)]
        assert read(tmp_path, coco(*rows)).same_as(read(tmp_path, coco(*rows[::-1])))


class TestFrames:
    def test_a_file_name_like_dog_mp4_3_is_only_a_name(self, tmp_path: Path) -> None:
        labels = read(tmp_path, coco(pose(9)))
        assert labels.tracks[0].frames.tolist() == [9]
        assert labels.video.path == "dog.mp4"

    @pytest.mark.parametrize(
        ("image", "message"),
        [
            ({}, r"image 1 has no frame_id; add frame_id \(0-based frame number\) to the images, or give the folder"),
            ({"frame_id": -1}, r"frame_id of image 1 is -1, expected 0 to"),
            ({"frame_id": "3"}, r"frame_id of image 1 is '3' \(text\), expected a whole number"),
            ({"frame_id": 10128340000}, r"frame_id of image 1 is 10128340000, expected 0 to"),
            ({"frame_id": 3, "id": None}, r"id of image null is null, expected a whole number"),
            ({"frame_id": 3, "width": "854"}, r"width of image 1 is '854' \(text\), expected a whole number"),
            ({"frame_id": 3, "is_labeled": "yes"}, r"is_labeled of image 1 is 'yes' \(text\), expected true or false"),
            ({"frame_id": 3, "ignore_regions_x": [[1]]}, r"ignore regions of image 1: x and y are not lists of equal"),
            ({"frame_id": 3, "ignore_regions_x": [[1]], "ignore_regions_y": [[1, 2]]}, r"an ignore region of image 1"),
            ({"frame_id": 99, "nframes": 60}, r"track 3 is labelled in frame 99, but the video has 60 frames"),
        ],
    )
    def test_what_is_wrong_with_an_image_is_named(self, tmp_path: Path, image: dict[str, Any], message: str) -> None:
        refused(tmp_path, coco(pose(image_id=1), images=[{"id": 1} | image]), message)

    def test_one_frame_is_one_image(self, tmp_path: Path) -> None:
        images = [{"id": 100, "frame_id": 4}, {"id": 2, "frame_id": 4, "file_name": "b.png"}]
        refused(tmp_path, coco(images=images), r"image 2 'b.png' and image 100 are both frame 4; .* video_id")
        images = [{"id": 100, "frame_id": 4}, {"id": 100, "frame_id": 5}]
        refused(tmp_path, coco(images=images), r"image 100 and image 100 share an id")

    def test_pictures_of_one_video_have_one_size(self, tmp_path: Path) -> None:
        images = [{"id": 1, "frame_id": 1, "width": 640}, {"id": 2, "frame_id": 2, "width": 480}]
        refused(
            tmp_path, coco(images=images), r"image 2 has width 480, image 1 has 640; the pictures of one video agree"
        )

    def test_declared_frames_size_and_count_are_read(self, tmp_path: Path) -> None:
        images = [
            {"id": f, "frame_id": f, "is_labeled": f != 2, "width": 854, "height": 480, "nframes": 60} for f in range(4)
        ]
        labels = read(tmp_path, coco(images=images))
        assert labels.labelled is not None and labels.labelled.tolist() == [0, 1, 3]
        assert (labels.video.width, labels.video.height, labels.video.frame_count) == (854, 480, 60)


class TestSeveralVideos:
    @pytest.mark.parametrize("name", ["A", "cats"])
    def test_only_takes_one_by_id_or_folder(self, tmp_path: Path, name: str) -> None:
        labels = read(tmp_path, TWO_VIDEOS, only=name)
        assert labels.video == VideoIdentity(path="cats", frame_count=10)
        assert len(labels.tracks) == 1 and len(labels.tracks[0]) == 1

    def test_without_only_the_names_are_told(self, tmp_path: Path) -> None:
        refused(tmp_path, TWO_VIDEOS, r"holds 2 videos; choose one with --only: cats, dogs")
        refused(tmp_path, TWO_VIDEOS, r"holds 2 videos; choose one with --only: cats, dogs", only="birds")

    def test_the_list_of_videos_gives_names(self, tmp_path: Path) -> None:
        videos = [{"id": 1, "name": "x/cat.mp4"}, {"id": 2, "name": "y/dog.mp4"}]
        images = [{"id": 100, "frame_id": 3, "video_id": 1}, {"id": 105, "frame_id": 3, "video_id": 2}]
        document = coco(pose(0), pose(5, 8), images=images, videos=videos)
        for name in ("y/dog.mp4", "dog.mp4", "dog", "2"):
            assert [t.id for t in read(tmp_path, document, only=name).tracks] == [8]

    def test_a_video_without_pictures_does_not_make_a_choice(self, tmp_path: Path) -> None:
        videos = [{"id": 1, "name": "cat.mp4"}, {"id": 2, "name": "dog.mp4"}]
        document = coco(pose(0), images=[{"id": 100, "frame_id": 3, "video_id": 2}], videos=videos)
        assert read(tmp_path, document).video.path == "dog.mp4"

    def test_only_of_a_single_video_must_be_its_name(self, tmp_path: Path) -> None:
        assert len(read(tmp_path, coco(pose()), only="dog").tracks) == 1
        refused(tmp_path, coco(pose()), r"holds no video and no category 'cat'", only="cat")


class TestCategories:
    def test_those_without_keypoints_are_left_out(self, tmp_path: Path) -> None:
        document = coco(pose(), pose(0, 4, category_id=3, keypoints=None, bbox=[1, 2, 3, 4]))
        document["categories"].append({"id": 3, "name": "ball"})
        assert [t.id for t in read(tmp_path, document).tracks] == [3]

    def test_of_several_the_one_in_use_is_meant(self, tmp_path: Path) -> None:
        document = coco(pose(0, category_id=2, keypoints=[1, 2, 2, 3, 4, 2]))
        document["categories"].append(CAT)
        assert read(tmp_path, document).skeleton.keypoints == ("nose", "tail")

    def test_of_several_in_use_one_must_be_named(self, tmp_path: Path) -> None:
        document = coco(pose(), pose(0, 4, category_id=2, keypoints=[1, 2, 2, 3, 4, 2]))
        document["categories"].append(CAT)
        refused(tmp_path, document, r"several categories with different keypoints; choose one with --only: dog, cat")
        assert [t.id for t in read(tmp_path, document, only="cat").tracks] == [4]

    def test_the_same_keypoints_are_one_skeleton(self, tmp_path: Path) -> None:
        document = coco(pose(), pose(0, 4, category_id=2))
        document["categories"].append(document["categories"][0] | {"id": 2, "name": "wolf"})
        assert [t.id for t in read(tmp_path, document).tracks] == [3, 4]
        assert [t.id for t in read(tmp_path, document, only="wolf").tracks] == [4]

    @pytest.mark.parametrize(
        ("categories", "message"),
        [
            ([], r"no category has keypoints; add categories with their keypoint names"),
            ([{"id": 1, "keypoints": ["a", "a", "b"]}], r"keypoint name 'a' appears twice"),
            ([{"id": 1, "keypoints": ["a", 2, "b"]}], r"keypoints of a category is .* expected a list of texts"),
            (
                [{"id": 1, "name": "x", "keypoints": ["a"], "skeleton": [[0, 1]]}],
                r"skeleton of category 'x' is 0, expected 1",
            ),
            (
                [{"id": 1, "name": "x", "keypoints": ["a"], "skeleton": [1]}],
                r"holds 1, expected a pair of keypoint numbers",
            ),
            ([5], r"categories\[0\] is 5, expected an object"),
        ],
    )
    def test_what_is_wrong_is_named(self, tmp_path: Path, categories: list[Any], message: str) -> None:
        refused(tmp_path, coco(categories=categories), message)


class TestCrowds:
    def test_become_ignore_regions(self, tmp_path: Path) -> None:
        crowd = {"image_id": 105, "iscrowd": 1, "bbox": [10, 20, 30, 40], "keypoints": [0] * 9, "segmentation": {}}
        labels = read(tmp_path, coco(pose(), crowd))
        assert len(labels.tracks) == 1
        (region,) = labels.ignore_regions[5]
        assert region.tolist() == [[10, 20], [40, 20], [40, 60], [10, 60]]

    def test_need_a_box(self, tmp_path: Path) -> None:
        refused(tmp_path, coco({"image_id": 105, "iscrowd": 1}), r"annotation 7 is a crowd without bbox; add its bbox")


class TestResults:
    def test_the_third_value_is_a_confidence(self, tmp_path: Path) -> None:
        labels = read(tmp_path, [RESULT])
        (track,) = labels.tracks
        assert labels.skeleton == COCO_17
        assert track.frames.tolist() == [3] and not track.identified
        assert track.visibility[0, :3].tolist() == [2, 0, 2]
        assert track.score[0, [0, 2]].tolist() == [0.9, 0.2] and np.isnan(track.score[0, 1])
        assert track.source[0, 0] == Source.DETECTED
        assert track.person_score.tolist() == [0.8]

    def test_other_counts_of_keypoints_get_numbers_for_names(self, tmp_path: Path) -> None:
        labels = read(tmp_path, [RESULT | {"keypoints": [1, 2, 0.9] * 2, "track_id": 4}])
        assert labels.skeleton.keypoints == ("keypoint_0", "keypoint_1")
        assert [(t.id, t.identified) for t in labels.tracks] == [(4, True)]

    def test_a_list_without_scores_is_no_results_file(self, tmp_path: Path) -> None:
        rows = [{k: v for k, v in RESULT.items() if k != "score"}]
        refused(tmp_path, rows, r"the annotation of image 3 has no score, so this list is no COCO results file")


class TestSharedData:
    """Files of other people in this layout."""

    def test_bonn_counts_frames_from_0_and_pictures_from_1(self, data_dir: Path) -> None:
        labels = formats.read(data_dir / "bonn" / "sparse-10.json")
        assert labels.video == VideoIdentity("images", 960, 540, 41)
        assert labels.skeleton.keypoints == MPII_14.keypoints and len(labels.skeleton.edges) == 14
        assert [t.frames.tolist() for t in labels.tracks] == [[0, 10, 20, 30, 40]] * 4
        assert labels.labelled is not None and labels.labelled.tolist() == [0, 10, 20, 30, 40]
        assert labels.tracks[0].xy[0, 0].tolist() == [343.94, 437.83]
        assert np.allclose(labels.tracks[0].head_boxes[0], [370.17, 77.59, 370.17 + 37.95, 77.59 + 57.36])
        assert 1 in labels.tracks[3].visibility

    def test_badja_knows_its_video(self, data_dir: Path) -> None:
        labels = formats.read(data_dir / "badja" / "dog.json")
        assert labels.video == VideoIdentity("dog.mp4", 854, 480, 60)
        assert labels.tracks[0].frames.tolist() == [3, 8, 13, 18, 19, 24, 29, 34, 40, 45, 50, 55]
        assert int(labels.tracks[0].labelled[0].sum()) == 17

    @pytest.mark.parametrize("name", ["bonn/truth", "bonn/sparse-20", "badja/dog", "badja/cows"])
    @pytest.mark.parametrize("format", ["pwarp", "coco"])
    def test_nothing_of_them_is_lost(self, data_dir: Path, tmp_path: Path, name: str, format: str) -> None:
        labels = formats.read(data_dir / f"{name}.json")
        assert not formats.write(labels, tmp_path / "out.json", format=format)
        assert formats.read(tmp_path / "out.json", format=format).same_as(labels)


class TestWriting:
    def test_lone_labels_get_no_track_id(self, tmp_path: Path) -> None:
        tracks = [Track.make(i, [4], np.ones((1, 3, 2)), identified=i == 2) for i in (2, 3, 9)]
        labels = Annotations(Skeleton("s", ("a", "b", "c")), tracks=tuple(tracks))
        report = formats.write(labels, tmp_path / "o.json", format="coco")
        rows = orjson.loads((tmp_path / "o.json").read_bytes())["annotations"]
        assert [row.get("track_id") for row in rows] == [2, None, None]
        assert [loss.example for loss in report.losses if loss.what == "track ids"] == ["9 becomes 4"]

    def test_only_predictions_have_a_score(self, tmp_path: Path) -> None:
        skeleton = Skeleton("s", ("a", "b", "c"))
        source = np.array([[Source.DETECTED] * 3, [Source.MANUAL] * 3])
        track = Track.make(0, [4, 5], np.ones((2, 3, 2)), source=source, person_score=[0.5, 0.25])
        report = formats.write(Annotations(skeleton, tracks=(track,)), tmp_path / "o.json", format="coco")
        rows = orjson.loads((tmp_path / "o.json").read_bytes())["annotations"]
        assert [row.get("score") for row in rows] == [0.5, None]
        assert "scores of poses" in [loss.what for loss in report.losses]
        assert "sources of keypoints" not in [loss.what for loss in report.losses]
