"""YOLO-pose datasets: what Ultralytics gets, and what is read of one that somebody else made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from labels import Blank
from pwarp_cli.main import main

from pwarp import formats
from pwarp.annotations import Annotations, Source, Track, VideoIdentity
from pwarp.errors import PwarpError
from pwarp.skeleton import COCO_17, Skeleton
from pwarp.video import open_video

PAIR = Skeleton.from_names("dog", ("nose", "left_paw", "right_paw"))
WIDTH, HEIGHT = 160, 120  # of Blank


def labels(*tracks: Track, frames: int = 41, **changes: Any) -> Annotations:
    identity = VideoIdentity("clips/dog.mp4", WIDTH, HEIGHT, frames)
    return Annotations(**({"skeleton": PAIR, "video": identity, "tracks": tracks} | changes))


def dog(id: int, frames: list[int], **changes: Any) -> Track:
    """Nose visible, one paw occluded, the other unlabelled."""
    xy = np.tile([[40.25, 30.5], [80, 60], [np.nan, np.nan]], (len(frames), 1, 1))
    visibility = np.tile([2, 1, 0], (len(frames), 1))
    return Track.make(id, frames, xy, visibility, **({"boxes": [[16, 12, 112, 108]] * len(frames)} | changes))


def dataset(root: Path, lines: dict[str, str], size: tuple[int, int] = (WIDTH, HEIGHT), **description: Any) -> Path:
    """A dataset by hand: label files by 'part/stem', with their pictures."""
    document = {"train": "images/train", "val": "images/val", "kpt_shape": [3, 3], "names": ["dog"]} | description
    root.mkdir(exist_ok=True)
    (root / "data.yaml").write_text(yaml.safe_dump(document))
    for name, text in lines.items():
        for kind in ("images", "labels"):
            (root / kind / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "labels" / f"{name}.txt").write_text(text)
        cv2.imwrite(str(root / "images" / f"{name}.png"), np.zeros((size[1], size[0], 3), np.uint8))
    return root


LINE = "0 0.5 0.5 0.25 0.5 0.25 0.25 2 0.5 0.5 1 0 0 0\n"


class TestWriting:
    def test_pictures_labels_and_description(self, tmp_path: Path) -> None:
        given = labels(dog(3, list(range(0, 20, 2))), dog(8, [4]))
        report = formats.write(given, tmp_path / "out", format="yolo-pose", video=Blank())
        assert [loss.what for loss in report.losses] == [
            "which poses are one track",
            *("the name of the video", "the frame count of the video"),
        ]
        train = sorted(p.stem for p in (tmp_path / "out" / "images" / "train").iterdir())
        val = sorted(p.stem for p in (tmp_path / "out" / "images" / "val").iterdir())
        assert train == [f"dog-{frame:06d}" for frame in range(0, 16, 2)]
        assert val == ["dog-000016", "dog-000018"]  # the last fifth, in one block
        lines = (tmp_path / "out" / "labels" / "train" / "dog-000004.txt").read_text().splitlines()
        assert lines == ["0 0.4 0.5 0.6 0.8 0.2515625 0.254166666667 2 0.5 0.5 1 0 0 0"] * 2
        picture = cv2.imread(str(tmp_path / "out" / "images" / "train" / "dog-000004.jpg"))
        assert picture.shape == (HEIGHT, WIDTH, 3) and abs(int(picture.mean()) - 4) <= 1
        description = yaml.safe_load((tmp_path / "out" / "data.yaml").read_text())
        assert description == {
            "train": "images/train",
            "val": "images/val",
            "kpt_shape": [3, 3],
            "flip_idx": [0, 2, 1],
            "names": {0: "dog"},
            "kpt_names": {0: list(PAIR.keypoints)},
        }

    def test_what_lies_outside_the_picture(self, tmp_path: Path) -> None:
        track = dog(0, [1, 2, 3])
        xy = np.array(track.xy)
        xy[0, 0], xy[2] = (-0.25, 5), (500, 500)
        boxes = [[-20, 12, 112, 200], [np.nan] * 4, [300, 300, 400, 400]]
        moved = Track.make(0, track.frames, xy, track.visibility, boxes=boxes)
        report = formats.write(labels(moved), tmp_path / "out", format="yolo-pose", video=Blank())
        found = {loss.what: loss.count for loss in report.losses}
        assert found["visible keypoints (read back as unlabelled)"] == 1
        assert found["poses"] == 1 and found["boxes"] == 1 and found["boxes (there were none before)"] == 1
        read = formats.read(tmp_path / "out")
        assert [t.frames.tolist() for t in read.tracks] == [[1], [2]]
        assert read.tracks[0].boxes[0].tolist() == [0, 12, 112, 120]
        np.testing.assert_allclose(read.tracks[1].boxes[0], [40.25 - 4, 30.5 - 4, 84, 64])
        for text in (tmp_path / "out" / "labels").rglob("*.txt"):
            values = np.loadtxt(text, ndmin=2)
            assert ((values[:, 1:5] >= 0) & (values[:, 1:5] <= 1)).all()

    def test_frames_declared_empty_are_background(self, tmp_path: Path) -> None:
        given = labels(dog(0, [1]), labelled=[1, 7])
        formats.write(given, tmp_path / "out", format="yolo-pose", video=Blank())
        assert (tmp_path / "out" / "labels" / "val" / "dog-000007.txt").read_text() == ""
        read = formats.read(tmp_path / "out")
        assert read.labelled is not None and read.labelled.tolist() == [1, 7]

    def test_a_video_is_needed_and_nothing_is_left_of_a_failure(self, tmp_path: Path) -> None:
        with pytest.raises(PwarpError, match="holds pictures; give the video of the labels with --video"):
            formats.write(labels(dog(0, [1])), tmp_path / "out", format="yolo-pose")
        with pytest.raises(PwarpError, match="no poses inside the picture"):
            formats.write(labels(), tmp_path / "out", format="yolo-pose", video=Blank())
        with pytest.raises(PwarpError, match="which standard output cannot carry"):
            formats.write(labels(dog(0, [1])), "-", format="yolo-pose", video=Blank())
        assert list(tmp_path.iterdir()) == []

    def test_only_a_dataset_is_replaced_and_only_if_forced(self, tmp_path: Path) -> None:
        out = tmp_path / "out"
        out.mkdir()
        formats.write(labels(dog(0, [1, 2])), out, format="yolo-pose", video=Blank())  # an empty folder is filled
        with pytest.raises(PwarpError, match="exists; give --force"):
            formats.write(labels(dog(0, [5])), out, format="yolo-pose", video=Blank())
        formats.write(labels(dog(0, [5])), out, format="yolo-pose", video=Blank(), force=True)
        assert [t.frames.tolist() for t in formats.read(out).tracks] == [[5]]
        (out / "thesis.tex").write_text("years of work")
        with pytest.raises(PwarpError, match=r"a folder with other files in it, such as 'thesis.tex'"):
            formats.write(labels(dog(0, [6])), out, format="yolo-pose", video=Blank(), force=True)
        assert sorted(p.name for p in tmp_path.iterdir()) == ["out"]

    def test_the_command_says_how_to_train(self, tmp_path: Path) -> None:
        folder = tmp_path / "clip"
        folder.mkdir()
        for i in range(3):
            cv2.imwrite(str(folder / f"{i}.png"), np.full((HEIGHT, WIDTH, 3), i, np.uint8))
        track = dog(0, [0, 2])
        formats.write(Annotations(PAIR, open_video(folder).identity, (track,)), tmp_path / "labels.json")
        arguments = [tmp_path / "labels.json", tmp_path / "my out", "--to", "yolo-pose", "--video", folder]
        result = CliRunner().invoke(main, ["convert", *map(str, arguments)])
        assert result.exit_code == 0, result.output
        yaml_file = tmp_path / "my out" / "data.yaml"
        assert f"pwarp: next: yolo pose train data='{yaml_file}' model=yolo11n-pose.pt\n" in result.stderr
        quiet = CliRunner().invoke(main, ["convert", *map(str, arguments), "--force", "-q"])
        assert (quiet.exit_code, "yolo pose train" in quiet.output) == (0, False)
        assert formats.read(tmp_path / "my out", video=open_video(folder)).video.frame_count == 3

    @given(data=st.data())
    @settings(max_examples=25, deadline=None)
    def test_six_decimals_of_a_pixel_come_back(self, tmp_path_factory: pytest.TempPathFactory, data: Any) -> None:
        places = st.tuples(st.integers(0, WIDTH * 10**6), st.integers(0, HEIGHT * 10**6))
        xy = np.array(data.draw(st.lists(places, min_size=3, max_size=3)))[np.newaxis] / 10**6
        x1, y1 = xy[0, 0] / 2
        box = np.round([[x1, y1, x1 + 20.125, y1 + 30]], 6)
        folder = tmp_path_factory.mktemp("yolo")
        formats.write(labels(Track.make(0, [4], xy, boxes=box)), folder / "o", format="yolo-pose", video=Blank())
        (track,) = formats.read(folder / "o").tracks
        assert track.xy.tolist() == xy.tolist()
        assert track.boxes.tolist() == box.tolist()


class TestReading:
    def test_a_dataset_of_somebody_else(self, tmp_path: Path) -> None:
        lines = {"train/walk_0012": LINE + LINE, "val/walk_0034": LINE, "val/walk_0035": ""}
        root = dataset(tmp_path / "d", lines, path="/elsewhere", flip_idx=[2, 1, 0], names={0: "cow"})
        assert formats.sniff(root) == formats.sniff(root / "data.yaml") == "yolo-pose"
        read = formats.read(root)
        assert read.skeleton == Skeleton("cow", ("keypoint_0", "keypoint_1", "keypoint_2"), flip_pairs=((0, 2),))
        assert read.video == VideoIdentity("walk", WIDTH, HEIGHT)
        assert [(t.id, t.frames.tolist(), t.identified) for t in read.tracks] == [
            *((0, [12], False), (1, [12], False), (2, [34], False))
        ]
        assert read.tracks[0].xy[0, :2].tolist() == [[40, 30], [80, 60]]
        assert read.tracks[0].visibility[0].tolist() == [2, 1, 0]
        assert read.tracks[0].boxes[0].tolist() == [60, 30, 100, 90]
        assert read.tracks[0].source[0, 0] == Source.MANUAL
        assert read.labelled is not None and read.labelled.tolist() == [12, 34, 35]

    def test_path_is_the_folder_of_the_parts_where_there_is_one(self, tmp_path: Path) -> None:
        for path in ("data", "../data"):
            root = dataset(tmp_path / "data", {"train/walk_0012": LINE}, path=path)
            (root / "data.yaml").rename(tmp_path / "data.yaml")
            if path == "data":
                assert [t.frames.tolist() for t in formats.read(tmp_path).tracks] == [[12]]
            else:
                with pytest.raises(PwarpError, match="holds no pictures"):
                    formats.read(tmp_path)

    def test_pictures_in_inner_folders_are_not_passed_over(self, tmp_path: Path) -> None:
        root = dataset(tmp_path / "d", {"train/walk_0012": LINE, "train/more/walk_0013": LINE})
        with pytest.raises(PwarpError, match="more in train: pictures in folders of their own are not read"):
            formats.read(root)

    def test_other_folders_and_two_numbers_a_keypoint(self, tmp_path: Path) -> None:
        root = dataset(tmp_path / "d", {}, train="../train/images", val="valid/images", kpt_shape=[2, 2])
        for part in ("train", "valid"):
            for kind in ("images", "labels"):
                (root / part / kind).mkdir(parents=True)
        (root / "train" / "labels" / "5.txt").write_text("0 0.5 0.5 1 1 0.5 0.25 0 0\n")
        cv2.imwrite(str(root / "train" / "images" / "5.jpg"), np.zeros((HEIGHT, WIDTH, 3), np.uint8))
        (track,) = formats.read(root).tracks
        assert track.frames.tolist() == [5] and track.visibility[0].tolist() == [2, 0]

    def test_videos_and_classes_are_chosen(self, tmp_path: Path) -> None:
        cat = LINE.replace("0 0.5", "1 0.5", 1)
        root = dataset(tmp_path / "d", {"train/a-3": LINE + cat, "val/b-4": LINE}, names=["dog", "cat"])
        with pytest.raises(PwarpError, match="pictures of several videos; choose one with --only: a, b"):
            formats.read(root)
        assert [t.frames.tolist() for t in formats.read(root, only="b").tracks] == [[4]]
        with pytest.raises(PwarpError, match=r"several classes; choose one with --only, and .* --video: dog, cat"):
            formats.read(root, only="a")
        (root / "labels" / "val" / "b-4.txt").unlink()
        (root / "images" / "val" / "b-4.png").unlink()
        assert len(formats.read(root, only="cat").tracks) == 1
        with pytest.raises(PwarpError, match="several classes; choose one with --only: dog, cat"):
            formats.read(root)
        with pytest.raises(PwarpError, match="holds no video and no class 'cow'"):
            formats.read(root, only="cow")

    def test_seventeen_keypoints_without_names_are_cocos(self, tmp_path: Path) -> None:
        line = "0 0.5 0.5 1 1" + " 0.5 0.5 2" * 17
        root = dataset(tmp_path / "d", {"train/a-3": line}, kpt_shape=[17, 3], names=["person"])
        assert formats.read(root).skeleton == COCO_17

    @pytest.mark.parametrize(
        ("line", "message"),
        [
            ("0 0.5 0.5 1 1", r"a-3.txt: line 1: 5 numbers, expected 14 \(box and 3 keypoints\)"),
            (LINE.replace("0.25", "x", 1), "line 1: not all of it are numbers"),
            (LINE.replace("0.25", "nan", 1), "line 1: a number that can be no class"),
            (LINE.replace(" 2 ", " 3 "), "line 1: a visibility is none of 0, 1, 2"),
        ],
    )
    def test_broken_lines(self, tmp_path: Path, line: str, message: str) -> None:
        with pytest.raises(PwarpError, match=message):
            formats.read(dataset(tmp_path / "d", {"train/a-3": line}))

    @pytest.mark.parametrize(
        ("description", "message"),
        [
            ({"kpt_shape": [3]}, r"kpt_shape is not \[keypoints, 2 or 3\]"),
            ({"kpt_shape": [3, 4]}, r"kpt_shape is \[3, 4\]"),
            ({"names": "dog"}, "names is 'dog'"),
            ({"flip_idx": [0, 1]}, "flip_idx is .* expected 3 numbers of keypoints"),
            ({"kpt_names": {0: ["a", "b"]}}, "kpt_names of class 0 are not 3 texts"),
            ({"train": "/etc"}, "train is '/etc', which is not below"),
            ({"train": "images/../../x"}, "which is not below"),
            ({"train": "images/" + 60 * "train"}, "which is longer than names of folders are"),
            ({"train": 5}, "train is 5, expected a folder"),
        ],
    )
    def test_broken_descriptions(self, tmp_path: Path, description: dict[str, Any], message: str) -> None:
        with pytest.raises(PwarpError, match=message):
            formats.read(dataset(tmp_path / "d", {"train/a-3": LINE}, **description))

    @pytest.mark.parametrize("value", ["[", "!!python/object/apply:os.getcwd []", "\x00"])
    def test_a_description_that_is_no_plain_yaml(self, tmp_path: Path, value: str) -> None:
        (tmp_path / "data.yaml").write_text(f"kpt_shape: {value}")
        with pytest.raises(PwarpError, match=r"data.yaml: is no YAML that can be read") as caught:
            formats.read(tmp_path)
        assert "\n" not in str(caught.value)

    def test_sizes_need_pictures_or_the_video_and_agree(self, tmp_path: Path) -> None:
        root = dataset(tmp_path / "d", {"train/a-3": LINE})
        (root / "images" / "train" / "a-3.png").unlink()
        with pytest.raises(PwarpError, match="has none of its pictures"):
            formats.read(root)
        assert formats.read(root, video=Blank()).tracks[0].xy[0, 0].tolist() == [40, 30]
        dataset(root, {"train/a-4": LINE}, size=(50, 40))
        dataset(root, {"train/a-5": LINE}, size=(60, 40))
        with pytest.raises(PwarpError, match=r"a-4.png is 50x40, a-5.png is 60x40"):
            formats.read(root)


def test_ultralytics_takes_every_line(tmp_path: Path) -> None:
    """Its own check of a label file, on everything that is written here."""
    check = pytest.importorskip("ultralytics.data.utils").verify_image_label
    rough = dog(0, [1, 2], boxes=[[-5, -5, 500, 500], [np.nan] * 4])
    formats.write(labels(rough, dog(1, [2])), tmp_path / "o", format="yolo-pose", video=Blank())
    for picture in (tmp_path / "o" / "images").rglob("*.jpg"):
        text = tmp_path / "o" / "labels" / picture.parent.name / f"{picture.stem}.txt"
        found = check((str(picture), str(text), "", True, 1, 3, 3, False))
        assert found[0] is not None, found
        assert found[8] == 0 and len(found[1]) == len(text.read_text().splitlines())
