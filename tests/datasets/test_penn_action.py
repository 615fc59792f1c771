"""Penn Action: its quirks on files made here, and every real label file at hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from pwarp.annotations import Annotations, Track
from pwarp.datasets.base import open_dataset
from pwarp.datasets.penn import PennAction
from pwarp.errors import PwarpError
from pwarp.evaluation.pck import merged, pck
from pwarp.skeleton import PENN_13

FRAMES = 7


def record(frames: int = FRAMES, **other: Any) -> dict[str, Any]:
    """A label file's variables: every keypoint visible, each at a place of its own."""
    x = 20 + np.arange(frames)[:, np.newaxis] + 3.0 * np.arange(13)
    fields: dict[str, Any] = {
        "action": "jump_rope",
        "pose": "front",
        "x": x,
        "y": 100 + x / 2,
        "visibility": np.ones((frames, 13), np.uint8),
        "train": np.int32(1),
        "bbox": np.tile([10.0, 90.0, 80.0, 200.0], (frames, 1)) + np.arange(frames)[:, np.newaxis],
        "dimensions": np.array([[240, 320, frames]], np.uint16),
        "nframes": np.uint8(frames),
    }
    return fields | other


def layout(root: Path, records: dict[str, dict[str, Any]]) -> PennAction:
    (root / "labels").mkdir()
    for name, fields in records.items():
        savemat(root / "labels" / f"{name}.mat", fields, do_compression=True)
    found = open_dataset(root)
    assert isinstance(found, PennAction)
    return found


def read(root: Path, **other: Any) -> Any:
    (sample,) = layout(root, {"0007": record(**other)}).samples("train")
    return sample.annotations


def test_splits_go_by_the_train_flag(tmp_path: Path) -> None:
    test = record(train=np.int32(-1))
    dataset = layout(tmp_path, {"0003": record(), "0001": test, "0002": record()})
    (tmp_path / "labels" / "notes.txt").write_text("no label file")
    assert dataset.splits == ("train", "test")
    assert [s.name for s in dataset.samples("train")] == ["0002", "0003"]
    (sample,) = dataset.samples("test")
    assert (sample.name, sample.video) == ("0001", tmp_path / "frames" / "0001")


def test_coordinates_and_boxes_count_from_zero(tmp_path: Path) -> None:
    annotations = read(tmp_path)
    (track,) = annotations.tracks
    assert annotations.skeleton == PENN_13
    assert (annotations.video.width, annotations.video.height, annotations.video.frame_count) == (320, 240, FRAMES)
    np.testing.assert_allclose(track.xy[2, 5], [20 + 2 + 15 - 1, 100 + 37 / 2 - 1])
    np.testing.assert_allclose(track.boxes[3], [12, 92, 82, 202])
    assert (track.visibility == 2).all()
    np.testing.assert_array_equal(annotations.labelled, np.arange(FRAMES))


def test_small_whole_numbers_do_not_wrap(tmp_path: Path) -> None:
    x = np.zeros((FRAMES, 13), np.uint8)
    np.testing.assert_array_equal(read(tmp_path, x=x).tracks[0].xy[..., 0], -1)


def test_an_invisible_keypoint_is_occluded_where_it_was_placed_and_unlabelled_at_the_default_place(
    tmp_path: Path,
) -> None:
    fields = record()
    visibility, x, y = (fields[name].copy() for name in ("visibility", "x", "y"))
    visibility[1, 2:6] = 0
    x[1, 3], y[1, 3] = 0.75, 0.75  # the default place, scaled
    x[1, 4], y[1, 4] = 0, 0
    x[1, 5], y[1, 5] = 0.75, 1.5  # placed by hand: x differs from y
    x[1, 6], y[1, 6] = 1, 1  # visible: whatever the coordinates are
    dataset = layout(tmp_path, {"0007": record(visibility=visibility, x=x, y=y)})
    (sample,) = dataset.samples("train")
    track = sample.annotations.tracks[0]
    np.testing.assert_array_equal(track.visibility[1], [2, 2, 1, 0, 0, 1, 2, 2, 2, 2, 2, 2, 2])
    assert np.isnan(track.xy[1, 3:5]).all()
    (kept,) = PennAction(tmp_path, keep_defaults=True).samples("train")
    np.testing.assert_array_equal(kept.annotations.tracks[0].visibility[1, 2:6], 1)
    np.testing.assert_allclose(kept.annotations.tracks[0].xy[1, 3], [-0.25, -0.25])


def test_sides_are_swapped_on_request(tmp_path: Path) -> None:
    visibility = np.ones((FRAMES, 13), np.uint8)
    visibility[:, PENN_13.index("left_wrist")] = 0
    plain = read(tmp_path, visibility=visibility).tracks[0]
    (sample,) = PennAction(tmp_path, swap_sides=True).samples("train")
    swapped = sample.annotations.tracks[0]
    for left, right in PENN_13.flip_pairs:
        np.testing.assert_array_equal(swapped.xy[:, left], plain.xy[:, right])
        np.testing.assert_array_equal(swapped.xy[:, right], plain.xy[:, left])
    np.testing.assert_array_equal(swapped.xy[:, 0], plain.xy[:, 0])
    assert (swapped.visibility[:, PENN_13.index("right_wrist")] == 1).all()


def test_a_missing_last_box_row_is_the_row_before(tmp_path: Path) -> None:
    boxes = record()["bbox"]
    track = read(tmp_path, bbox=boxes[:-1]).tracks[0]
    np.testing.assert_array_equal(track.boxes[-1], track.boxes[-2])


def test_an_inverted_box_is_none(tmp_path: Path) -> None:
    boxes = record()["bbox"].copy()
    boxes[4] = [0.75, 0.75, 0, 0]
    track = read(tmp_path, bbox=boxes).tracks[0]
    assert np.isnan(track.boxes[4]).all()
    assert np.isfinite(track.boxes[3]).all()


def test_impossible_dimensions_are_not_believed(tmp_path: Path) -> None:
    identity = read(tmp_path, dimensions=np.array([[240, 30, FRAMES]], np.uint16)).video
    assert (identity.width, identity.height) == (None, None)


def test_the_pictures_tell_the_size_where_they_are(tmp_path: Path) -> None:
    cv2 = pytest.importorskip("cv2")
    folder = tmp_path / "frames" / "0007"
    folder.mkdir(parents=True)
    cv2.imwrite(str(folder / "000001.jpg"), np.zeros((210, 330, 3), np.uint8))
    identity = read(tmp_path).video
    assert (identity.width, identity.height) == (330, 210)


def test_a_video_of_one_frame(tmp_path: Path) -> None:
    (sample,) = layout(tmp_path, {"0007": record(1)}).samples("train")
    assert sample.annotations.tracks[0].xy.shape == (1, 13, 2)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"x": np.ones((FRAMES, 12))}, r"'x' has shape \(7, 12\), expected n x 13"),
        ({"y": np.ones((5, 13))}, r"'y' has shape \(5, 13\), expected 7 x 13"),
        ({"visibility": np.full((FRAMES, 13), 2)}, "frame 0: visibility is neither 0 nor 1"),
        ({"bbox": np.ones((3, 4))}, "'bbox' has 3 rows, x has 7"),
        ({"nframes": 9}, "'nframes' is 9, but x has 7 rows"),
        ({"x": np.full((FRAMES, 13), np.inf)}, "'x' holds NaN or infinity"),
        ({"dimensions": np.array([1, 2])}, "'dimensions' has shape"),
    ],
)
def test_malformed_records_name_file_and_field(tmp_path: Path, other: dict[str, Any], message: str) -> None:
    (sample,) = layout(tmp_path, {"0007": record(**other)}).samples("train")
    with pytest.raises(PwarpError, match=rf"0007\.mat.*{message}"):
        _ = sample.annotations


def test_a_train_flag_that_is_none(tmp_path: Path) -> None:
    dataset = layout(tmp_path, {"0007": record(train=np.int32(5))})
    with pytest.raises(PwarpError, match=r"0007\.mat: field 'train' is 5"):
        list(dataset.samples("train"))


def test_every_real_label_file(data_dir: Path) -> None:
    """The figures in the module's docstring, and that all files at hand are read."""
    dataset = PennAction(data_dir / "penn")
    counts = np.zeros(3, dtype=np.int64)
    names: dict[str, list[str]] = {}
    without_size, without_box = [], []
    for split in dataset.splits:
        for sample in dataset.samples(split):
            annotations = sample.annotations
            (track,) = annotations.tracks
            counts += np.bincount(track.visibility.ravel(), minlength=3)
            names.setdefault(split, []).append(sample.name)
            if annotations.video.width is None:
                without_size.append(sample.name)
            without_box += [f"{sample.name}:{frame}" for frame in track.frames[np.isnan(track.boxes).any(axis=1)]]
            if sample.name in ("1154", "1865"):
                np.testing.assert_array_equal(track.boxes[-1], track.boxes[-2])
    assert (len(names["train"]), len(names["test"])) == (1258, 21)
    np.testing.assert_array_equal(counts, [91_653, 161_128, 903_738])
    assert without_size == ["1024", "1032"]
    assert without_box == ["2173:87"]


@pytest.mark.parametrize("length", ["body", "torso:1-8", "torso:2-7"])
def test_figures_by_the_published_protocol(data_dir: Path, oracle_dir: Path, length: str) -> None:
    """With the default places kept, PCK is the oracle's; its predictions count from one like the label files."""
    dataset = PennAction(data_dir / "penn", keep_defaults=True)
    expected = json.loads((oracle_dir / "pck" / "open.json").read_text())["results"]
    with np.load(oracle_dir / "pck" / "open.npz") as predictions:
        results = []
        for sample in (s for split in dataset.splits for s in dataset.samples(split) if s.name in predictions.files):
            xy = predictions[sample.name].astype(np.float64) - 1
            predicted = Annotations(PENN_13, tracks=(Track.make(0, np.arange(len(xy)), xy),))
            results.append(pck(sample.annotations, predicted, length=length, alpha=0.2))
    total = expected[f"{length.replace(':', '_').replace('-', '_')}@0.2"]
    assert len(results) == len(total["per_video_hits_and_counts"]) == 20
    assert merged(results).hits[0].tolist() == total["hits"]


def test_the_real_video_with_pictures(data_dir: Path) -> None:
    from pwarp.video import open_video

    sample = next(s for s in PennAction(data_dir / "penn").samples("test") if s.name == "0001")
    assert open_video(sample.video).frame_count == sample.annotations.video.frame_count == 151
