"""Samples: augmentation, what is kept of pictures, and which frames stand beside each other."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from dotted_clips import HEIGHT, PAWS, WIDTH, dots, dotted_clip, picture, truth
from hypothesis import given, settings
from hypothesis import strategies as st

from pwarp.annotations import Annotations
from pwarp.crops import Window, cut, invert, transform
from pwarp.errors import PwarpError
from pwarp.heatmaps import Codec
from pwarp.review.h264 import h264_file
from pwarp.skeleton import COCO_17, Skeleton
from pwarp.training import store as store_module
from pwarp.training.augment import AUGMENTATION, NO_AUGMENTATION, Augmentation, half_bodies, mirrored_order, upper_body
from pwarp.training.plan import Framing, make_plan, pose_windows
from pwarp.training.poses import gather
from pwarp.training.samples import Samples, ahead, positions
from pwarp.training.sources import Clip, Places, find_clips
from pwarp.training.store import open_store
from pwarp.training.tasks.base import Task
from pwarp.training.tasks.clips import Distilling, Propagating
from pwarp.training.tasks.frames import FrameWise
from pwarp.training.tasks.warping import Warping
from pwarp.video import open_video

SIZE = (48, 64)
SKY = np.random.default_rng(0)


class Neighbours(Task):
    """A sample of three frames whose labels all count."""

    reach, anchor, every_frame = 1, 1, True

    def frames(self, random, frame, last, number):  # type: ignore[no-untyped-def]
        return max(frame - 1, 0), frame, min(frame + 1, last)

    def loss(self, network, seen, target, weight):  # type: ignore[no-untyped-def]
        raise NotImplementedError

    def heatmaps(self, network, seen):  # type: ignore[no-untyped-def]
        raise NotImplementedError


def samples(
    clips: list[Clip],
    task: Task,
    folder: Path,
    augmentation: Augmentation = AUGMENTATION,
    *,
    limit: int = 1 << 30,
    seed: int = 0,
    size: tuple[int, int] = SIZE,
) -> Samples:
    poses, framing = gather(clips), Framing(size)
    windows = pose_windows(poses, framing, augmentation)
    plan = make_plan(clips, poses, windows, framing, augmentation, task.reach)
    kept = open_store(clips, plan, folder / "cache", limit)
    return Samples(clips, poses, kept, task, framing, augmentation, windows, seed)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Clip]:
    folder = tmp_path_factory.mktemp("dots")
    files = [dotted_clip(folder, "one"), dotted_clip(folder, "two", frames=9, seed=1, keys=(4,))]
    return find_clips(Places(tuple(map(str, files))))[0]


@pytest.fixture(scope="module")
def video_clip(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    """The dots as a video file."""
    path = tmp_path_factory.mktemp("video") / "dots.mp4"
    with h264_file(path, WIDTH, HEIGHT, Fraction(10), crf=20) as append:
        for frame in range(10):
            append(picture(frame), frame / 10)
    with open_video(path) as video:
        identity = video.identity
    return Clip("dots", path, Annotations(PAWS, identity, (truth(10),)))


# Augmentation


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_a_drawn_window_stays_within_its_circle(seed: int) -> None:
    """What the plan keeps is enough for every window that may be drawn."""
    whole = Window((40.0, 30.0), (30.0, 40.0))
    window = AUGMENTATION.draw(np.random.default_rng(seed), whole, ())
    corners = transform(np.array([[0, 0], [48, 0], [0, 64], [48, 64]]), invert(window.matrix(SIZE)))
    assert np.hypot(*(corners - whole.centre).T).max() <= AUGMENTATION.radius(whole) + 1e-6
    assert 0.65 * 30 - 1e-9 <= window.size[0] <= 1.35 * 30 + 1e-9
    assert abs(window.angle) <= 90


def test_augmentation_has_hrnets_frequencies() -> None:
    random, whole, half = np.random.default_rng(1), Window((0, 0), (3, 4)), Window((9, 9), (1, 1))
    drawn = [AUGMENTATION.draw(random, whole, (half, half)) for _ in range(4000)]
    assert abs(np.mean([w.flipped for w in drawn]) - 0.5) < 0.03
    assert abs(np.mean([w.angle != 0 for w in drawn]) - 0.6) < 0.03
    assert abs(np.mean([w.centre == (9, 9) for w in drawn]) - 0.3) < 0.03
    # N(0, 45) held within +-90, which is two deviations.
    assert abs(np.std([w.angle for w in drawn if w.angle]) - 43) < 2
    # N(1, 0.35) held within one deviation: 32 % lie at its ends.
    ends = [w.size[0] / (3 if w.centre == (0, 0) else 1) for w in drawn]
    assert abs(np.mean([abs(abs(e - 1) - 0.35) < 1e-9 for e in ends]) - 0.317) < 0.03


def test_without_augmentation_the_window_is_the_boxes() -> None:
    whole = Window((40.0, 30.0), (30.0, 40.0))
    assert NO_AUGMENTATION.draw(np.random.default_rng(0), whole, (Window((1, 1), (2, 2)),)) == whole


def test_halves_are_upper_and_lower_body_where_names_tell() -> None:
    upper = upper_body(COCO_17)
    assert upper is not None
    assert upper.tolist() == [True] * 11 + [False] * 6
    assert upper_body(PAWS) is None
    labelled = np.ones(17, dtype=bool)
    labelled[[15, 16, 13, 14]] = False  # two hips are too few: the upper body stands in for them
    halves = half_bodies(SKY.normal(size=(17, 2)), labelled, COCO_17)
    assert [half.tolist() for half in halves] == [(labelled & upper).tolist()] * 2


def test_halves_of_any_other_skeleton_are_cut_across() -> None:
    skeleton = Skeleton("worm", tuple(f"segment {i}" for i in range(11)))
    xy = np.stack([np.arange(11.0) * 5, np.sin(np.arange(11.0))], axis=1)
    labelled = np.ones(11, dtype=bool)
    labelled[10] = False
    halves = half_bodies(xy, labelled, skeleton)
    found = sorted(tuple(np.flatnonzero(half).tolist()) for half in halves)
    assert found == [(0, 1, 2, 3, 4), (5, 6, 7, 8, 9)]


def test_only_poses_with_more_than_eight_keypoints_are_halved() -> None:
    xy = SKY.uniform(0, 50, (17, 2))
    labelled = np.arange(17) < 8
    assert AUGMENTATION.halves(xy, labelled, COCO_17, 0.75) == []
    labelled[8] = True
    windows = AUGMENTATION.halves(xy, labelled, COCO_17, 0.75)
    assert windows
    window, points = windows[0], xy[:9]
    assert np.allclose(window.centre, points.mean(axis=0))
    width, height = np.ptp(points, axis=0)
    assert math.isclose(window.size[0], 1.5 * max(width, 0.75 * height))
    assert math.isclose(window.size[0] / window.size[1], 0.75)


# What is kept


def views_equal_pictures(made: Samples, clips: list[Clip]) -> int:
    """Compares every sample's crops with crops of whole pictures; how many there were."""
    checked = 0
    pictures = []
    for clip in clips:
        with open_video(clip.video) as video:
            pictures.append(dict(video.frames()))
    for position in range(40):
        batch = made.training([position])
        pose, random = made.drawn(position)
        window = AUGMENTATION.draw(random, made._windows[0][pose], made._windows[1][pose])
        for crop, offset in zip(batch.crops[0], batch.offsets[0], strict=True):
            frame = int(made.poses.frame[pose] + offset)
            assert np.array_equal(crop, cut(pictures[int(made.poses.clip[pose])][frame], window, SIZE))
            checked += 1
    return checked


def test_kept_crops_equal_crops_of_the_whole_pictures(clips: list[Clip], tmp_path: Path) -> None:
    made = samples(clips, Warping(delta=2), tmp_path)
    assert made._store._kept is not None
    assert views_equal_pictures(made, clips) == 80


def test_a_video_file_is_decoded_once_and_kept(
    video_clip: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "IN_MEMORY", 1000)
    made = samples([video_clip], FrameWise(), tmp_path)
    assert views_equal_pictures(made, [video_clip]) == 40
    (file,) = (tmp_path / "cache").iterdir()
    assert file.stat().st_size == made._store._kept.size
    monkeypatch.setattr(store_module, "_decoded", None)  # a second run decodes nothing
    assert np.array_equal(samples([video_clip], FrameWise(), tmp_path).training([3]).crops, made.training([3]).crops)


def test_pictures_that_do_not_fit_are_read_directly(clips: list[Clip], tmp_path: Path) -> None:
    made = samples(clips, Warping(delta=2), tmp_path, limit=10)
    assert made._store._kept is None
    assert views_equal_pictures(made, clips) == 80
    assert not (tmp_path / "cache").exists()


def test_video_files_that_do_not_fit_are_refused(video_clip: Clip, tmp_path: Path) -> None:
    with pytest.raises(PwarpError, match=r"crops of the video files need .*; raise --cache, or give"):
        samples([video_clip], FrameWise(), tmp_path, limit=10)


def test_large_people_are_kept_smaller(clips: list[Clip], tmp_path: Path) -> None:
    """A window of several times the crop's pixels is reduced by a whole number, and the crop hardly changes."""
    whole, small = (samples(clips, FrameWise(), tmp_path, NO_AUGMENTATION, size=s) for s in (SIZE, (12, 16)))
    assert whole._store._plan.reduction.max() == 1
    assert small._store._plan.reduction.min() == 2
    codec, batch = Codec("dark", (12, 16)), small.plain([3])
    assert batch.crops.shape == (1, 1, 16, 12, 3)
    window = small._windows[0][3]
    # What is averaged first has the mean colour of what is not, wherever the dots are.
    fine = cut(picture(int(small.poses.frame[3])), window, (48, 64)).reshape(16, 4, 12, 4, 3).mean(axis=(1, 3))
    assert np.abs(batch.crops[0, 0] - fine).mean() < 8
    assert codec.cells == (3, 4)


def test_large_people_are_seen_alike_whether_kept_or_read_directly(clips: list[Clip], tmp_path: Path) -> None:
    kept, direct = (samples(clips, FrameWise(), tmp_path, size=(12, 16), **limit) for limit in ({}, {"limit": 10}))
    assert kept._store._kept is not None and direct._store._kept is None
    assert kept._store._plan.reduction.min() == 2
    assert np.array_equal(kept.training(range(4)).crops, direct.training(range(4)).crops)


def test_a_box_far_larger_than_the_picture_takes_no_memory(tmp_path: Path) -> None:
    """Its crop shows the whole picture as a speck; as a reduction of the picture it would be padded to the box."""
    found = find_clips(Places((str(dotted_clip(tmp_path, "a", frames=3)),)))[0]
    track = found[0].annotations.tracks[0]
    boxes = track.boxes.copy()
    boxes[1] = (-1e8, -1e8, 1e8, 1e8)
    huge = replace(found[0].annotations, tracks=(replace(track, boxes=boxes),))
    made = samples([replace(found[0], annotations=huge)], FrameWise(), tmp_path, NO_AUGMENTATION)
    assert made._store._plan.reduction.max() <= min(found[0].size)
    assert made._store._plan.sizes.max() <= 3 * np.prod(found[0].size)
    assert made.plain([1]).crops.shape == (1, 1, SIZE[1], SIZE[0], 3)


# Geometry


def test_one_window_serves_the_whole_clip_and_all_labels(clips: list[Clip], tmp_path: Path) -> None:
    made = samples(clips[:1], Neighbours(), tmp_path)
    flipped = 0
    for position in range(30):
        batch = made.training([position])
        frame = int(made.poses.frame[batch.pose[0]])
        mirrored = np.linalg.det(batch.matrix[0, :, :2]) < 0
        flipped += mirrored
        for at, other in enumerate((max(frame - 1, 0), frame, min(frame + 1, 11))):
            there = transform(dots(other), batch.matrix[0])
            expected = there[[0, 2, 1]] if mirrored else there
            assert np.allclose(batch.xy[0, at], expected, atol=1e-3)
            assert batch.weight[0, at].tolist() == [1, 1, 1]
    assert 5 < flipped < 25


def test_labels_lie_on_their_dots(clips: list[Clip], tmp_path: Path) -> None:
    """The picture under a label is its dot's colour, the mirrored one's after a flip: left and right have traded."""
    made = samples(clips[:1], FrameWise(), tmp_path)
    brightest, checked = [0, 1, 2], 0
    for position in range(30):
        batch = made.training([position])
        order = [0, 2, 1] if np.linalg.det(batch.matrix[0, :, :2]) < 0 else brightest
        for (x, y), channel in zip(batch.xy[0, 0], order, strict=True):
            if 1 < x < SIZE[0] - 2 and 1 < y < SIZE[1] - 2:
                colour = batch.crops[0, 0, round(float(y)), round(float(x))].astype(int)
                assert colour[channel] > 200
                assert np.delete(colour, channel).max() < 100
                checked += 1
    assert checked > 60


@pytest.mark.parametrize("task", [Neighbours(), Propagating(4), Distilling(4)], ids=lambda task: type(task).__name__)
def test_every_frame_of_a_clip_has_its_own_labels(task: Task, tmp_path: Path) -> None:
    """Where all frames count, each has the labels that belong to its picture, and none where it is not labelled."""
    labelled = (0, 1, 2, 4, 5, 7, 8, 9, 11)
    clips = find_clips(Places((str(dotted_clip(tmp_path, "gaps", keys=labelled)),)))[0]
    made = samples(clips, task, tmp_path, NO_AUGMENTATION)
    without = 0
    for batch in (*(made.training([position]) for position in range(12)), *(made.plain([row]) for row in range(9))):
        frames = made.poses.frame[batch.pose[0]] + batch.offsets[0]
        for at, frame in enumerate(frames.astype(int).tolist()):
            if frame in labelled:
                assert np.allclose(batch.xy[0, at], transform(dots(frame), batch.matrix[0]), atol=1e-3)
                assert batch.weight[0, at].tolist() == [1, 1, 1]
            else:
                without += 1
                assert not batch.weight[0, at].any()
    assert without


def test_a_picture_that_is_missing_or_of_another_size_is_told(clips: list[Clip], tmp_path: Path) -> None:
    """What data sets say of their pictures need not be so: no other clip's pixels may stand in for them."""
    for name, identity in (
        ("short", replace(clips[1].annotations.video, frame_count=99)),
        ("small", replace(clips[1].annotations.video, width=WIDTH + 1)),
    ):
        track = truth(99 if name == "short" else 9)
        claimed = replace(clips[1].annotations, video=identity, tracks=(track,))
        for limit in (1 << 30, 10):
            with pytest.raises(PwarpError, match=r"its labels are for .*; is the download complete\?|frame 98"):
                made = samples([clips[0], Clip(name, clips[1].video, claimed)], FrameWise(), tmp_path, limit=limit)
                made.plain([len(made.poses) - 1])


def test_crops_of_replaced_pictures_are_cut_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "IN_MEMORY", 0)
    found = find_clips(Places((str(dotted_clip(tmp_path, "again")),)))[0]
    before = samples(found, FrameWise(), tmp_path).plain([3]).crops
    file = found[0].video / "003.png"
    cv2.imwrite(str(file), np.full((HEIGHT, WIDTH, 3), 77, np.uint8))
    after = samples(found, FrameWise(), tmp_path).plain([3]).crops
    assert before.std() > 5
    assert np.unique(after).tolist() in ([77], [0, 77])


def test_mirroring_trades_the_pairs() -> None:
    assert mirrored_order(5, ((1, 4), (2, 3))).tolist() == [0, 4, 3, 2, 1]


def test_warping_crops_the_other_frame_with_the_labelled_ones_box(clips: list[Clip], tmp_path: Path) -> None:
    """One key frame in a video is enough: B is any frame near it, without label, through A's window."""
    made = samples(clips[1:], Warping(delta=3), tmp_path)
    assert len(made.poses) == 1
    seen = set()
    for position in range(40):
        batch = made.training([position])
        a, b = batch.offsets[0]
        seen.add(int(b))
        assert a == 0
        assert batch.weight[0].tolist() == [[1, 1, 1], [0, 0, 0]]
        assert np.isnan(batch.xy[0, 1]).all()
        window = AUGMENTATION.draw(made.drawn(position)[1], made._windows[0][0], ())
        assert made._windows[0][0] == Framing(SIZE).window(made.poses.boxes[0])
        with open_video(clips[1].video) as video:
            assert np.array_equal(batch.crops[0, 0], cut(video.frame(4), window, SIZE))
            assert np.array_equal(batch.crops[0, 1], cut(video.frame(4 + int(b)), window, SIZE))
    assert seen == {-3, -2, -1, 0, 1, 2, 3}


@given(frame=st.integers(0, 9), delta=st.integers(0, 6), number=st.integers(0, 50), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=50, deadline=None)
def test_the_other_frame_stays_in_the_video(frame: int, delta: int, number: int, seed: int) -> None:
    task = Warping(delta=delta)
    for random in (None, np.random.default_rng(seed)):
        a, b = task.frames(random, frame, 9, number)
        assert a == frame
        assert 0 <= b <= 9
        assert abs(b - a) <= delta
        assert random is not None or delta == 0 or b != a or b in (0, 9)


def test_target_and_crop_have_one_geometry(clips: list[Clip], tmp_path: Path) -> None:
    """Drawing and reading a target, and going back to the picture, ends at the label."""
    size = (96, 128)
    made, codec = samples(clips, FrameWise(), tmp_path, NO_AUGMENTATION, size=size), Codec("dark", size)
    batch = made.plain(range(5))
    drawn, weight = codec.encode(torch.from_numpy(batch.xy[:, 0]), torch.from_numpy(batch.weight[:, 0]))
    assert weight.min() == 1
    xy = transform(codec.decode(drawn)[0].double().numpy(), invert(batch.matrix)[:, None])
    assert np.abs(xy - made.poses.xy[:5]).max() < 0.5


# The sequence of batches


def same(one: object, other: object) -> bool:
    names = ("crops", "offsets", "xy", "weight", "matrix", "pose")
    return all(np.array_equal(getattr(one, n), getattr(other, n), equal_nan=n == "xy") for n in names)


def test_a_batch_depends_on_seed_and_step_alone(clips: list[Clip], tmp_path: Path) -> None:
    first, again = (samples(clips, Warping(), tmp_path, seed=3) for _ in range(2))
    steps = range(4, 9)
    made = [first.training(positions(step, 6)) for step in steps]
    for workers in (0, 1, 3):
        others = ahead(lambda step: again.training(positions(step, 6)), steps, workers)
        assert all(same(a, b) for a, b in zip(made, others, strict=True))
    assert not same(made[0], samples(clips, Warping(), tmp_path, seed=4).training(positions(4, 6)))


def test_an_epoch_takes_each_pose_once_in_new_order(clips: list[Clip], tmp_path: Path) -> None:
    made = samples(clips, FrameWise(), tmp_path)
    count = len(made.poses)
    assert count == 13
    epochs = [[made.drawn(e * count + i)[0] for i in range(count)] for e in range(3)]
    assert [sorted(epoch) for epoch in epochs] == [list(range(count))] * 3
    assert epochs[0] != epochs[1] != epochs[2]


def test_processes_share_a_batch() -> None:
    whole = positions(7, 12)
    parts = [positions(7, 12, rank, 3) for rank in range(3)]
    assert [p for part in parts for p in part] == list(whole)
    assert {len(part) for part in parts} == {4}


def test_an_error_of_a_worker_reaches_the_trainer(clips: list[Clip], tmp_path: Path) -> None:
    made = samples(clips, FrameWise(), tmp_path, limit=10)
    made._store._clips = [replace(clip, video=tmp_path / "gone") for clip in clips]
    with pytest.raises(PwarpError, match="gone: no such file"):
        next(ahead(lambda step: made.training(positions(step, 2)), range(3), workers=2))
