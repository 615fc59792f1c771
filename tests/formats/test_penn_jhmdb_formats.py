"""Penn Action's and JHMDB's Matlab files as formats: counted from 1, one person a file, folders of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from pwarp import formats
from pwarp.annotations import Annotations, Source, Track, VideoIdentity
from pwarp.datasets.base import open_dataset
from pwarp.errors import PwarpError
from pwarp.skeleton import COCO_17, JHMDB_15, PENN_13, Skeleton

FRAMES = 7


def penn(**other: Any) -> dict[str, Any]:
    """A label file's variables, as the data set has them."""
    x = 20 + np.arange(FRAMES)[:, np.newaxis] + 3 * np.arange(13)
    return {
        "action": "bowl",
        "pose": "back",
        "x": x.astype(np.uint8),
        "y": (x + 50).astype(np.uint8),
        "visibility": np.ones((FRAMES, 13), np.uint8),
        "train": np.int8(-1),
        "bbox": np.tile([10.0, 60.0, 80.0, 150.0], (FRAMES, 1)),
        "dimensions": np.array([[240, 320, FRAMES]], np.uint16),
        "nframes": np.uint8(FRAMES),
    } | other


def person(id: int = 0, count: int = 13) -> Track:
    """Three of seven frames: visible, occluded and unlabelled keypoints, one of them a machine's."""
    xy = 30 + np.arange(3.0 * count * 2).reshape(3, count, 2)
    visibility = np.full((3, count), 2)
    visibility[0, 1], visibility[1, 2] = 1, 0
    return Track.make(id, [0, 2, 5], xy, visibility, boxes=[[1, 2, 30, 40.5], [np.nan] * 4, [3, 4, 5, 6]])


def labels(*tracks: Track, skeleton: Skeleton = PENN_13) -> Annotations:
    return Annotations(skeleton, VideoIdentity("frames/0007", 320, 240, FRAMES), tracks or (person(),))


def what(report: formats.LossReport) -> list[str]:
    return [loss.what for loss in report.losses]


class TestPenn:
    def test_a_file_of_the_data_set(self, tmp_path: Path) -> None:
        visibility = np.ones((FRAMES, 13), np.uint8)
        visibility[3] = 0
        (tmp_path / "labels").mkdir()
        path = tmp_path / "labels" / "0007.mat"
        bbox = penn()["bbox"].copy()
        bbox[3] = 1, 1, 0, 0
        blank = penn()["x"].copy()
        blank[3] = 1
        savemat(path, penn(visibility=visibility, x=blank, y=np.where(visibility, penn()["y"], 1), bbox=bbox))
        assert formats.sniff(path) == "penn" and formats.sniff(tmp_path) == "penn"
        read = formats.read(path)
        assert read.video == VideoIdentity("frames/0007", 320, 240, FRAMES)
        (track,) = read.tracks
        assert track.frames.tolist() == [0, 1, 2, 4, 5, 6]  # nothing at all is known of frame 3
        assert track.xy[0, 1].tolist() == [22, 72] and track.boxes[0].tolist() == [9, 59, 79, 149]
        assert formats.read(tmp_path).same_as(read)

    def test_what_a_file_holds_comes_back(self, tmp_path: Path) -> None:
        report = formats.write(labels(), tmp_path / "o.mat", format="penn")
        assert what(report) == []
        assert formats.read(tmp_path / "o.mat").same_as(labels())
        written = loadmat(tmp_path / "o.mat")
        assert written["x"].shape == (FRAMES, 13) and written["x"][0, 0] == 31
        assert written["bbox"][0].tolist() == [2, 3, 31, 41.5]
        assert written["visibility"][0, :3].tolist() == [1, 0, 1]

    def test_what_it_cannot_hold_is_named(self, tmp_path: Path) -> None:
        source = np.where(person().labelled, Source.PROPAGATED, Source.NONE)
        track = Track.make(0, [0, 2, 5], person().xy, person().visibility, source=source, person_score=[0.5, 1, 1])
        report = formats.write(labels(track), tmp_path / "o.mat", format="penn")
        assert what(report) == ["sources of keypoints", "scores of poses"]

    def test_other_keypoints_are_named(self, tmp_path: Path) -> None:
        report = formats.write(labels(person(0, 17), skeleton=COCO_17), tmp_path / "o.mat", format="penn")
        assert [loss.example for loss in report.losses if loss.what == "keypoints"] == ["'nose', labelled 3 times"]

    def test_several_people_need_a_folder(self, tmp_path: Path) -> None:
        both = labels(person(4), person(9))
        with pytest.raises(PwarpError, match="2 tracks, but a file of this format holds one person; give a folder"):
            formats.write(both, tmp_path / "o.mat", format="penn")
        assert what(formats.write(both, tmp_path / "out", format="penn")) == []
        assert formats.read(tmp_path / "out").same_as(both)
        assert [track.id for track in formats.read(tmp_path / "out", only="0002").tracks] == [9]
        samples = list(open_dataset(tmp_path / "out").samples("train"))
        assert [sample.name for sample in samples] == ["0001", "0002"]
        np.testing.assert_array_equal(samples[1].annotations.tracks[0].xy[0], person().xy[0])

    def test_videos_of_the_data_set_are_not_mixed(self, tmp_path: Path) -> None:
        (tmp_path / "labels").mkdir()
        for name in ("0001", "0002"):
            savemat(tmp_path / "labels" / f"{name}.mat", penn())
        with pytest.raises(PwarpError, match="holds 2 videos; choose one with --only: 0001, 0002"):
            formats.read(tmp_path)
        with pytest.raises(PwarpError, match="holds no label file '3'"):
            formats.read(tmp_path, only="3")
        assert formats.read(tmp_path, only="0002").video.path == "frames/0002"

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"MATLAB 5.0 MAT-file".ljust(200), "damaged Matlab file"),
            (b"\x89HDF\r\n\x1a\n", "is no Matlab file: it looks like an HDF5 file"),
            (b"", "is no Matlab file: it is empty"),
        ],
    )
    def test_broken_files(self, tmp_path: Path, content: bytes, message: str) -> None:
        (tmp_path / "o.mat").write_bytes(content)
        with pytest.raises(PwarpError, match=message):
            formats.read(tmp_path / "o.mat", format="penn")

    def test_every_real_label_file_survives(self, data_dir: Path, tmp_path: Path) -> None:
        """Whatever is read of the first files at hand is written and read back without loss."""
        for path in sorted((data_dir / "penn" / "labels").glob("*.mat"))[:12]:
            report = formats.write(formats.read(path), tmp_path / "o.mat", format="penn", force=True)
            assert what(report) == [], path


class TestJhmdb:
    def test_a_file_of_the_data_set(self, tmp_path: Path) -> None:
        folder = tmp_path / "joint_positions" / "wave" / "clip 1"
        folder.mkdir(parents=True)
        xy = 50 + np.arange(15.0 * 4 * 2).reshape(2, 15, 4)
        xy[0, 2, 1] = 321  # one pixel beyond the right edge
        savemat(folder / "joint_positions.mat", {"pos_img": xy, "scale": np.ones(4), "viewpoint": "E"})
        assert formats.sniff(folder / "joint_positions.mat") == "jhmdb"
        read = formats.read(tmp_path)
        assert read.skeleton == JHMDB_15
        assert read.video == VideoIdentity("Rename_Images/wave/clip 1", 320, 240, 4)
        (track,) = read.tracks
        assert track.xy[1, 2].tolist() == [320, xy[1, 2, 1] - 1]
        assert np.argwhere(track.visibility == 1).tolist() == [[1, 2]]

    def test_what_a_file_holds_comes_back(self, tmp_path: Path) -> None:
        track = person(3, 15)
        seen = Track.make(3, track.frames, track.xy, np.where(track.labelled, 2, 0))
        report = formats.write(labels(seen, skeleton=JHMDB_15), tmp_path / "joint_positions.mat", format="jhmdb")
        assert what(report) == []
        assert np.isnan(loadmat(tmp_path / "joint_positions.mat")["pos_img"][:, 2, 2]).all()

    def test_occlusion_and_boxes_are_named(self, tmp_path: Path) -> None:
        report = formats.write(labels(person(3, 15), skeleton=JHMDB_15), tmp_path / "o", format="jhmdb")
        assert what(report) == ["occluded keypoints (read back as visible)", "boxes"]
        assert (tmp_path / "o" / "joint_positions" / "unknown" / "0001" / "joint_positions.mat").is_file()
