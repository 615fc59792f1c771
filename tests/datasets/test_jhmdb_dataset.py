"""JHMDB and Sub-JHMDB: folders, lists and masks made here in the published layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from pwarp.datasets.base import mean_over_splits, open_dataset, sniffed
from pwarp.datasets.jhmdb import JHMDB, SubJHMDB
from pwarp.errors import PwarpError
from pwarp.skeleton import JHMDB_15

FRAMES = 6
HEIGHT, WIDTH = 240, 320


def positions(frames: int = FRAMES) -> np.ndarray:
    """(2, 15, frames) every joint at a place of its own, 1-based."""
    x = 40 + 10 * np.arange(15)[:, np.newaxis] + np.arange(frames)
    return np.stack([x, 200 - x / 2])


def add_video(root: Path, action: str, video: str, *, mask: bool = True, frames: int = FRAMES) -> None:
    folder = root / "joint_positions" / action / video
    folder.mkdir(parents=True)
    fields = {"pos_img": positions(frames), "pos_world": positions(frames) / 100, "scale": 1.0, "viewpoint": "E"}
    savemat(folder / "joint_positions.mat", fields, do_compression=True)
    if mask:
        folder = root / "puppet_mask" / action / video
        folder.mkdir(parents=True)
        part_mask = np.zeros((HEIGHT, WIDTH, frames), np.uint8)
        for frame in range(frames - 1):  # nobody in the last mask
            part_mask[30 + frame : 90, 50:121, frame] = 1
        savemat(folder / "puppet_mask.mat", {"part_mask": part_mask}, do_compression=True)


def layout(root: Path, lists: str = "sub_splits", dash: str = "_") -> None:
    """Two actions, three videos; each of the three divisions tests another video."""
    videos = [("catch", "ball_(1)_u_cm"), ("catch", "mitt_f_nm"), ("golf", "swing_f_cm")]
    for n, (action, video) in enumerate(videos):
        add_video(root, action, video, mask=n != 1)
    (root / lists).mkdir()
    for number in (1, 2, 3):
        for action in ("catch", "golf"):
            lines = [f"{v}.avi {2 if n + 1 == number else 1}\n" for n, (a, v) in enumerate(videos) if a == action]
            (root / lists / f"{action}_test_split{dash}{number}.txt").write_text("".join(lines))


def test_three_divisions_each_with_its_test_videos(tmp_path: Path) -> None:
    layout(tmp_path)
    dataset = open_dataset(tmp_path)
    assert isinstance(dataset, SubJHMDB)
    assert dataset.splits == ("train-1", "train-2", "train-3", "test-1", "test-2", "test-3")
    assert dataset.groups["test"] == ("test-1", "test-2", "test-3")
    names = {split: [s.name for s in dataset.samples(split)] for split in dataset.splits}
    assert names["test-1"] == ["catch/ball_(1)_u_cm"]
    assert names["test-3"] == ["golf/swing_f_cm"]
    assert names["train-2"] == ["catch/ball_(1)_u_cm", "golf/swing_f_cm"]
    with pytest.raises(PwarpError, match="'test' is the average over test-1, test-2, test-3"):
        dataset.samples("test")


def test_the_whole_jhmdb_is_told_by_its_folder_of_lists(tmp_path: Path) -> None:
    layout(tmp_path, "splits", dash="")
    assert isinstance(open_dataset(tmp_path), JHMDB)
    (tmp_path / "sub_splits").mkdir()
    assert sniffed(tmp_path) == ["jhmdb", "sub-jhmdb"]
    with pytest.raises(PwarpError, match="could be jhmdb or sub-jhmdb; name the one"):
        open_dataset(tmp_path)
    assert [s.name for s in open_dataset(tmp_path, dataset="jhmdb").samples("test-2")] == ["catch/mitt_f_nm"]


def test_keypoints_count_from_zero_and_boxes_are_the_masks_extent(tmp_path: Path) -> None:
    layout(tmp_path)
    (sample,) = SubJHMDB(tmp_path).samples("test-1")
    assert sample.video == tmp_path / "Rename_Images" / "catch" / "ball_(1)_u_cm"
    annotations = sample.annotations
    (track,) = annotations.tracks
    assert annotations.skeleton == JHMDB_15
    assert (annotations.video.width, annotations.video.height, annotations.video.frame_count) == (WIDTH, HEIGHT, FRAMES)
    np.testing.assert_allclose(track.xy[4, 3], [40 + 30 + 4 - 1, 200 - 74 / 2 - 1])
    np.testing.assert_array_equal(track.boxes[2], [50, 32, 120, 89])
    assert np.isnan(track.boxes[-1]).all()


def test_labels_alone_are_enough(tmp_path: Path) -> None:
    layout(tmp_path)
    (sample,) = SubJHMDB(tmp_path).samples("test-2")
    annotations = sample.annotations
    assert (annotations.video.width, annotations.video.height) == (320, 240)
    assert np.isnan(annotations.tracks[0].boxes).all()


def test_joints_outside_the_picture_count_as_occluded(tmp_path: Path) -> None:
    layout(tmp_path)
    xy = positions()
    xy[:, 3, 2] = 0.4, 10  # left of the first pixel, whose centre is 1
    xy[:, 4, 2] = 1, 10
    xy[:, 5, 2] = 40, HEIGHT + 0.6
    xy[:, 6, 2] = WIDTH, HEIGHT
    savemat(tmp_path / "joint_positions/golf/swing_f_cm/joint_positions.mat", {"pos_img": xy})
    (sample,) = SubJHMDB(tmp_path).samples("test-3")
    visibility = sample.annotations.tracks[0].visibility
    np.testing.assert_array_equal(visibility[2, 3:7], [1, 2, 1, 2])
    assert (np.delete(visibility, 2, axis=0) == 2).all()


def test_a_clip_of_one_frame(tmp_path: Path) -> None:
    add_video(tmp_path, "golf", "still", frames=1)
    (tmp_path / "splits").mkdir()
    (tmp_path / "splits" / "golf_test_split1.txt").write_text("still.avi 2\n")
    (sample,) = JHMDB(tmp_path).samples("test-1")
    assert sample.annotations.tracks[0].xy.shape == (1, 15, 2)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a.avi 3", "'a.avi 3' is not"),
        ("a.avi", "'a.avi' is not"),
        ("../a.avi 2", "points outside the dataset"),
        ("/etc/a.avi 2", "points outside the dataset"),
        (f"{'swing.avi' * 40} 2", "is too long for a file"),
    ],
)
def test_a_broken_list_names_file_and_line(tmp_path: Path, line: str, message: str) -> None:
    layout(tmp_path)
    path = tmp_path / "sub_splits" / "catch_test_split_1.txt"
    path.write_text(f"ball_(1)_u_cm.avi 2\n{line}\n")
    with pytest.raises(PwarpError, match=rf"catch_test_split_1\.txt, line 2: .*{message}"):
        list(SubJHMDB(tmp_path).samples("test-1"))


def test_missing_and_odd_label_files_are_named(tmp_path: Path) -> None:
    layout(tmp_path)
    path = tmp_path / "joint_positions/golf/swing_f_cm/joint_positions.mat"
    (sample,) = SubJHMDB(tmp_path).samples("test-3")
    savemat(path, {"pos_img": positions()[:, :14]})
    with pytest.raises(PwarpError, match=r"swing_f_cm/joint_positions\.mat: field 'pos_img' has shape \(2, 14, 6\)"):
        _ = sample.annotations
    path.unlink()
    with pytest.raises(PwarpError, match=r"swing_f_cm/joint_positions\.mat: cannot read"):
        _ = sample.annotations
    (sample,) = SubJHMDB(tmp_path).samples("test-1")
    savemat(tmp_path / "puppet_mask/catch/ball_(1)_u_cm/puppet_mask.mat", {"part_mask": np.ones((5, 8, 3))})
    with pytest.raises(PwarpError, match=r"puppet_mask\.mat: .* shape \(5, 8, 3\), expected n x n x 6"):
        _ = sample.annotations


def test_the_average_over_splits_is_unweighted() -> None:
    means = mean_over_splits([{"pck": 90.0, "auc": 1.0}, {"pck": 60.0, "auc": 2.0}, {"pck": 30.0, "auc": 6.0}])
    assert means == {"pck": 60.0, "auc": 3.0}
    assert np.isnan(mean_over_splits([{"pck": 90.0}, {"pck": np.nan}])["pck"])
    with pytest.raises(PwarpError, match="'auc' is there for some splits only"):
        mean_over_splits([{"pck": 1.0}, {"pck": 1.0, "auc": 2.0}])
    with pytest.raises(PwarpError, match="no split"):
        mean_over_splits([])
