"""What a reader cannot place, it refuses in one line; it does not leave a label out, nor put it elsewhere.

The report of losses compares what was read with what comes back, so it cannot see what a reader dropped.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import orjson
import pytest
from labels import Blank, coco, pose, read

from pwarp import formats
from pwarp.annotations import Annotations
from pwarp.datasets.coco import _read_people
from pwarp.errors import PwarpError
from pwarp.formats.label_file import LabelFile
from pwarp.video import Video, open_video

DOG = {"id": 1, "name": "dog", "keypoints": ["nose", "left_paw", "right_paw"]}
HAND = {"id": 2, "name": "hand", "keypoints": ["wrist"]}
BARE = {"id": 3, "name": "ball"}


@pytest.fixture
def pictures(tmp_path: Path) -> Video:
    """Frames 0 to 3 are called img010 to img040."""
    (tmp_path / "cage").mkdir()
    for n in (10, 20, 30, 40):
        cv2.imwrite(str(tmp_path / "cage" / f"img{n:03d}.png"), np.zeros((48, 64, 3), np.uint8))
    return open_video(tmp_path / "cage")


def table(folder: Path, *rows: str, header: str = "") -> Path:
    header = header or "scorer,anna,anna,anna,anna\nbodyparts,snout,snout,tail,tail\ncoords,x,y,x,y\n"
    (folder / "labels.csv").write_text(header + "".join(f"{row}\n" for row in rows))
    return folder / "labels.csv"


class TestCategories:
    @pytest.mark.parametrize(
        ("categories", "category", "message"),
        [
            ([DOG], 0, r"annotation 1: category_id 0 is the id of no category; there are: 1"),
            ([DOG], 7, r"annotation 1: category_id 7 is the id of no category; there are: 1"),
            ([DOG | {"id": "1"}], 1, r"annotation 1: category_id 1 is the id of no category; there are: '1'"),
            ([DOG], [1], r"annotation 1: category_id \[1\] \(a list\) is the id of no category"),
            ([DOG, BARE], 3, r"annotation 1 has keypoints, but category 3 has none; add their names to it"),
        ],
    )
    def test_of_no_category(self, tmp_path: Path, categories: list[Any], category: Any, message: str) -> None:
        with pytest.raises(PwarpError, match=message):
            read(tmp_path, coco(pose(0, category_id=category, id=1), pose(5), categories=categories))

    def test_a_dataset_is_read_alike(self) -> None:
        document = coco(pose(0, category_id=0, id=1), pose(5), categories=[DOG])
        with pytest.raises(PwarpError, match=r"annotation 1: category_id 0 is the id of no category"):
            _read_people(LabelFile.of(orjson.dumps(document), "people.json"))

    def test_what_has_no_keypoints_is_no_pose(self, tmp_path: Path) -> None:
        ball = {"image_id": 100, "category_id": 3, "bbox": [1, 2, 3, 4]}
        (track,) = read(tmp_path, coco(pose(0, category_id=1.0), ball, categories=[DOG, BARE])).tracks
        assert track.frames.tolist() == [0]

    def test_a_video_brings_the_skeleton_of_its_own_labels(self, tmp_path: Path) -> None:
        """And --only may name the category where --video names the video."""
        wrist = pose(5, category_id=2, keypoints=[1, 2, 2])
        images = [{"id": 100, "video_id": 1, "frame_id": 0}, {"id": 105, "video_id": 2, "frame_id": 0}]
        videos = [{"id": 1, "name": "a.mp4"}, {"id": 2, "name": "b.mp4"}]
        document = coco(pose(0, category_id=1), wrist, categories=[DOG, HAND], images=images, videos=videos)
        assert read(tmp_path, document, only="a.mp4").skeleton.keypoints == tuple(DOG["keypoints"])
        assert read(tmp_path, document, only="b.mp4").skeleton.keypoints == ("wrist",)
        both = coco(
            pose(0, category_id=1), wrist | {"image_id": 100}, categories=[DOG, HAND], images=images, videos=videos
        )
        labels = read(tmp_path, both, only="hand", video=Blank(path="x/a.mp4"))
        assert labels.skeleton.keypoints == ("wrist",)


class TestPictures:
    """A folder that has some of the pictures tells where they are; a number in a name says nothing beside it."""

    def test_deeplabcut(self, tmp_path: Path, pictures: Video) -> None:
        row = "labeled-data/cage/img{}.png,1,2,3,4"
        good = formats.read(table(tmp_path, row.format("040"), row.format("020")), video=pictures)
        assert good.tracks[0].frames.tolist() == [1, 3]
        with pytest.raises(PwarpError, match=r"picture '.*img001.png' is none of the pictures of the video \('img010"):
            formats.read(table(tmp_path, row.format("030"), row.format("001")), video=pictures)
        other = formats.read(table(tmp_path, row.format("0002"), row.format("0003")), video=pictures)
        assert other.tracks[0].frames.tolist() == [2, 3]

    def test_sleap(self, tmp_path: Path, pictures: Video) -> None:
        sleap_io = pytest.importorskip("sleap_io")

        def project(*names: str) -> Path:
            nodes = sleap_io.Skeleton(["snout"], name="mouse")
            video = sleap_io.Video.from_filename([str(tmp_path / "cage" / f"{name}.png") for name in names])
            frames = [
                sleap_io.LabeledFrame(
                    video=video,
                    frame_idx=at,
                    instances=[sleap_io.Instance.from_numpy(np.array([[1.0, 2.0]]), skeleton=nodes)],
                )
                for at in range(len(names))
            ]
            labels = sleap_io.Labels(frames, videos=[video], skeletons=[nodes])
            sleap_io.save_slp(labels, str(tmp_path / "o.slp"), verbose=False, embed=False)
            return tmp_path / "o.slp"

        found = formats.read(project("img040", "img020"), video=pictures)
        assert sorted(t.frames.tolist() for t in found.tracks) in ([[1], [3]], [[1, 3]])
        with pytest.raises(PwarpError, match=r"picture 'img005.png' is none of the pictures of the video"):
            formats.read(project("img020", "img005"), video=pictures)

    def test_posetrack(self, tmp_path: Path, pictures: Video) -> None:
        images = [{"id": 100, "file_name": "cage/img030.png"}, {"id": 105, "file_name": "cage/img002.png"}]
        with pytest.raises(PwarpError, match=r"image 105 .* is none of the pictures of the video"):
            read(tmp_path, coco(pose(0), pose(5), images=images), format="posetrack18", video=pictures)


class TestLabelStudio:
    @staticmethod
    def region(id: str, *frames: tuple[int, str]) -> dict[str, Any]:
        """Key frames of a region: ids of the vertices in their order, each with a place of its own."""
        sequence = [
            {"frame": n, "enabled": True, "vertices": [{"id": v, "x": 10 * "abcdef".index(v), "y": 50} for v in ids]}
            for n, ids in frames
        ]
        return {"id": id, "type": "videovectorlabels", "value": {"framesCount": 9, "sequence": sequence}}

    def read(self, folder: Path, *regions: dict[str, Any]) -> Annotations:
        row = {"id": 7, "data": {"video": "dog.mp4"}, "annotations": [{"id": 3, "result": list(regions)}]}
        (folder / "labels.json").write_bytes(orjson.dumps([row]))
        return formats.read(folder / "labels.json", video=Blank(frames=9))

    def test_vertices_keep_their_ids_within_a_region(self, tmp_path: Path) -> None:
        labels = self.read(
            tmp_path, self.region("r1", (1, "abc"), (5, "cab")), self.region("r2", (1, "def"), (5, "edf"))
        )
        for track in labels.tracks:
            assert track.xy[0].tolist() == track.xy[-1].tolist()

    def test_two_regions_with_one_id(self, tmp_path: Path) -> None:
        with pytest.raises(PwarpError, match=r"two regions have the id 'r1' and other key frames"):
            self.read(tmp_path, self.region("r1", (1, "abc")), self.region("r1", (4, "abc")))

    def test_what_else_is_said_of_a_region_has_its_key_frames_too(self, tmp_path: Path) -> None:
        one = self.region("r1", (1, "abc"))
        choice = one | {"type": "choices", "value": one["value"] | {"choices": ["runs"]}}
        assert len(self.read(tmp_path, one, choice).tracks) == 1

    def test_the_first_task_may_have_no_region(self, tmp_path: Path) -> None:
        sequence = self.region("r1", (1, "abc"))["value"]["sequence"]
        tasks = [{"id": 1, "video": "a.mp4"}, {"id": 2, "video": "b.mp4", "dog": [{"sequence": sequence}]}]
        (tmp_path / "min.json").write_bytes(orjson.dumps(tasks))
        assert formats.sniff(tmp_path / "min.json") == "label-studio"


def test_a_yolo_class_that_has_no_name(tmp_path: Path) -> None:
    for part in ("images", "labels"):
        (tmp_path / part / "train").mkdir(parents=True)
    (tmp_path / "data.yaml").write_text("train: images/train\nkpt_shape: [1, 3]\nnames: {0: dog}\n")
    cv2.imwrite(str(tmp_path / "images" / "train" / "dog-1.png"), np.zeros((48, 64, 3), np.uint8))
    (tmp_path / "labels" / "train" / "dog-1.txt").write_text("0 .5 .5 .5 .5 .5 .5 2\n1 .5 .5 .5 .5 .5 .5 2\n")
    with pytest.raises(PwarpError, match=r"dog-1.txt: has class 1, and names in data.yaml has 0 only"):
        formats.read(tmp_path)


def test_half_a_point_of_deeplabcut(tmp_path: Path) -> None:
    with pytest.raises(PwarpError, match=r"row 'labeled-data/clip/img001.png': tail has only one of x and y"):
        formats.read(table(tmp_path, "labeled-data/clip/img001.png,1,2,3,"))


def test_a_long_header_of_deeplabcut_is_known(tmp_path: Path) -> None:
    count = 8000
    levels = {"scorer": ["net_resnet50"] * count, "bodyparts": [f"part{n // 2}" for n in range(count)]}
    levels["coords"] = ["x", "y"] * (count // 2)
    header = "".join(",".join([name, *values]) + "\n" for name, values in levels.items())
    assert formats.sniff(table(tmp_path, header=header)) == "dlc"


def test_a_lone_label_takes_no_listed_track(tmp_path: Path) -> None:
    """It would get what the file says of that track: where its person is absent, whom it replaced."""
    row = {key: value for key, value in pose(5).items() if key != "track_id"}
    for frame, tracks in ((5, [{"id": 0, "absent": [[3, 8]]}]), (2, [{"id": 4, "absent": [[3, 8]]}])):
        lone, listed = row | {"image_id": 100 + frame}, tracks[0]["id"]
        labels = read(tmp_path, coco(lone, frames=(frame,)) | {"tracks": tracks})
        by_id = {track.id: track for track in labels.tracks}
        assert by_id.pop(listed).absent.tolist() == [[3, 8]]
        (other,) = by_id.values()
        assert other.frames.tolist() == [frame] and not len(other.absent)
        formats.write(labels, tmp_path / "o.jsonl", force=True)
        assert formats.read(tmp_path / "o.jsonl").same_as(labels)


@pytest.mark.parametrize(
    ("given", "rate"),
    [
        (29.97002997002997, Fraction(30000, 1001)),
        (23.976023976023978, Fraction(24000, 1001)),
        (29.97, Fraction(2997, 100)),
        ("30000/1001", Fraction(30000, 1001)),
        (0.1, Fraction(1, 10)),
        (25, Fraction(25)),
    ],
)
def test_rates_as_scripts_write_them(tmp_path: Path, given: Any, rate: Fraction) -> None:
    document = coco(pose(0)) | {"videos": [{"id": 1, "name": "a.mp4", "fps": given}]}
    assert read(tmp_path, document).video.fps == rate
