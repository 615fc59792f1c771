"""Refining: what the model says where nobody set a keypoint, each crop once, in memory that does not grow."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from noise_clips import NAMES, WIDTH, Noise, labels, tracked
from toy_warper import toy_card, toy_warper

from pwarp.annotations import Source, Track
from pwarp.crops import Window, boxes_around, cut
from pwarp.errors import PwarpError
from pwarp.following import WindowRunner
from pwarp.heatmaps import Codec
from pwarp.refinement import refine
from pwarp.refinement.scale import trail
from pwarp.refinement.window import WindowWalk
from pwarp.video import Video


def runner(**options: Any) -> WindowRunner:
    model = toy_warper(len(NAMES), **options)
    return WindowRunner("toy", model, toy_card(model, NAMES), torch.device("cpu"), batch=4)


def alone(video: Video, one: WindowRunner, frame: int, window: Window) -> np.ndarray:
    """Where the backbone itself sees the keypoints in a window of a frame."""
    crop = cut(video.frame(frame), window, one.codec.size)
    xy, _ = one.codec.decode(one.features([crop]))
    back = np.linalg.inv(np.vstack([window.matrix(one.codec.size), [0, 0, 1]]))
    return xy[0].double().numpy() @ back[:2, :2].T + back[:2, 2]


def window_of(video: Video, track: Track, row: int, one: WindowRunner) -> Window:
    walk = WindowWalk(video, [track], one, (0,))
    trail = walk._trails[0]
    return trail.courses[int(trail.level[row])].window(row)


def test_a_fresh_model_says_what_its_estimator_says() -> None:
    one, track = runner(), tracked(list(range(4, 12)), step=1.7)
    refined = refine(Noise(), labels(track), one, offsets=(0,)).annotations.track(1)
    for row, frame in enumerate(track.frames.tolist()):
        expected = alone(Noise(), one, frame, window_of(Noise(), track, row, one))
        np.testing.assert_allclose(refined.xy[row], expected, atol=1e-3)
    assert (refined.source == Source.REFINED).all()
    assert (refined.score > 0).all()
    assert refined.visibility.tolist() == track.visibility.tolist()


def test_where_nothing_moves_all_frames_say_the_same() -> None:
    """Windows that drift over a still picture bring the same heat to the same places, but for what they cut off."""
    one, track = runner(), tracked(list(range(9)))
    still = Noise(still=True)
    several = refine(still, labels(track), one, offsets=(-2, -1, 0, 1, 2)).annotations.track(1)
    single = refine(still, labels(track), one, offsets=(0,)).annotations.track(1)
    np.testing.assert_allclose(several.xy, single.xy, atol=1e-3)
    assert np.ptp(several.xy, axis=0).max() < 1e-3


def test_neighbouring_frames_are_brought_into_line() -> None:
    """The average of frames whose windows moved is that of the heatmaps shifted back by whole cells."""
    one, track = runner(weights=()), tracked(list(range(5)), step=3.1)
    video = Noise()
    walk = WindowWalk(video, [track], one, (-1, 0, 1))
    trail = walk._trails[0]
    course = trail.courses[int(trail.level[2])]
    maps = [one.features([one.cut(video.frame(f), course.window(f))])[0] for f in range(5)]
    mean = torch.zeros_like(maps[0])
    rows, columns = mean.shape[1:]
    for other in (1, 2, 3):
        dx, dy = course.shift(other, 2)
        for y in range(rows):
            for x in range(columns):
                if 0 <= y - dy < rows and 0 <= x - dx < columns:
                    mean[:, y, x] += maps[other][:, y - dy, x - dx] / 3
    assert course.shift(1, 3) != (0, 0)
    expected, _ = one.codec.decode(mean[None])
    refined = refine(video, labels(track), one, offsets=(-1, 0, 1)).annotations.track(1)
    np.testing.assert_allclose(refined.xy[2], course.to_picture(expected[0].double().numpy(), 2), atol=1e-3)


def test_every_crop_goes_through_the_backbone_once() -> None:
    one = runner()
    other = replace(tracked([3, 4, 5, 9, 10, 15], id=2), absent=np.array([[0, 2], [6, 8], [11, 14], [16, 19]]))
    done = refine(Noise(frames=20), labels(tracked(list(range(20)), id=1, step=0.5), other), one)
    assert done.crops == 26
    assert one.seen == 26


def test_a_person_who_comes_nearer_is_seen_in_few_sizes() -> None:
    frames = np.arange(40)
    size = 12 * 1.03**frames
    boxes = np.stack([50 - size / 2, 40 - size, 50 + size / 2, 40 + size], axis=1)
    track = Track.make(1, frames, np.full((40, 3, 2), np.nan), boxes=boxes)
    one = runner()
    done = refine(Noise(frames=40), labels(track), one)
    assert done.annotations.track(1).labelled.any(axis=1).all()  # boxes alone become poses
    assert 40 <= done.crops < 40 + 17 * 4  # 1.7 octaves: some 14 sizes, four frames beside each change


def test_what_a_person_set_is_not_touched() -> None:
    source = np.full((8, 3), Source.PROPAGATED)
    source[3], source[5, 1] = Source.MANUAL, Source.CORRECTED
    visibility = np.full((8, 3), 2)
    visibility[2, 0], visibility[6, 2] = 1, 0
    source[6, 2] = Source.NONE
    track = tracked(list(range(8)), step=1.3, source=source, visibility=visibility)
    refined = refine(Noise(), labels(track), runner()).annotations.track(1)
    mine = track.by_person
    for name in ("xy", "visibility", "score", "source", "origin"):
        assert getattr(refined, name)[mine].tobytes() == getattr(track, name)[mine].tobytes()
    assert refined.visibility.tolist() == track.visibility.tolist()
    assert (refined.source[track.labelled & ~mine] == Source.REFINED).all()
    assert (refined.xy[track.labelled & ~mine] != track.xy[track.labelled & ~mine]).any()


def test_a_keypoint_that_the_model_does_not_know_or_doubts_stays() -> None:
    track = tracked(list(range(4)))
    names = ("tail", "point_2", "point_0")
    done = refine(Noise(), labels(track, names=names), runner())
    assert done.unknown == ("tail",)
    refined = done.annotations.track(1)
    np.testing.assert_array_equal(refined.xy[:, 0], track.xy[:, 0])
    assert (refined.source[:, 1:] == Source.REFINED).all()
    assert refine(Noise(), labels(track), runner(), min_score=1e6).annotations.track(1).same_as(track)
    with pytest.raises(PwarpError, match="knows none of the keypoints"):
        refine(Noise(), labels(track, names=("a", "b", "c")), runner())


def test_keypoints_outside_the_picture_come_anew_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `estimate` finds them: visibility stays, and is occluded where only a box was."""
    one = runner()

    def fuse(features: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
        maps = torch.zeros_like(features[:, 0])
        maps[..., 5, -2] = 0.9
        return maps

    monkeypatch.setattr(one.model, "fuse", fuse)
    box = [[WIDTH - 20, 20, WIDTH + 40, 80]]
    given = tracked([3, 4], boxes=box * 2, visibility=np.array([[2, 1, 2], [0, 0, 0]]), source=[[3, 3, 3], [0, 0, 0]])
    refined = refine(Noise(), labels(given), one).annotations.track(1)
    assert (refined.xy[..., 0] > WIDTH).all()
    assert (refined.source == Source.REFINED).all()
    assert refined.visibility.tolist() == [[2, 1, 2], [1, 1, 1]]


def test_memory_does_not_grow_with_the_video() -> None:
    def held(frames: int) -> int:
        walk = WindowWalk(Noise(frames=frames), [tracked(list(range(frames)))], runner(), (-2, -1, 0, 1, 2))
        assert len(list(walk.walk(lambda _: None))) == frames
        return walk.held

    assert held(40) == held(15) == 5


def test_frames_without_a_pose_are_seen_through_the_window_of_the_pose_that_looks_at_them() -> None:
    """As in training: in every n-th frame, or beside a miss of the detector, the model does not go blind."""
    one, offsets = runner(), (-2, -1, 0, 1, 2)
    alone = refine(Noise(), labels(tracked([5])), one, offsets=offsets)
    assert alone.crops == 5
    # Somebody who stands still has the same window in all frames.
    still = refine(Noise(), labels(tracked([3, 4, 5, 6, 7], step=0.0).rows([2])), one, offsets=offsets)
    dense = refine(Noise(), labels(tracked([3, 4, 5, 6, 7], step=0.0)), one, offsets=offsets)
    row = dense.annotations.track(1).at(5)
    np.testing.assert_allclose(still.annotations.track(1).xy[0], dense.annotations.track(1).xy[row], atol=1e-3)


@pytest.mark.parametrize("marks", [[(0, 4), (6, 90)], []])
def test_where_nobody_can_be_the_frame_itself_stands_in(marks: list[tuple[int, int]]) -> None:
    """Marked absent, or beyond the ends of the video."""
    one, offsets = runner(), (-2, -1, 0, 1, 2)
    frame = 5 if marks else 0
    video = Noise() if marks else Noise(frames=1)
    track = replace(tracked([frame]), absent=np.array(marks, np.int64).reshape(-1, 2))
    refined = refine(video, labels(track), one, offsets=offsets)
    by_itself = refine(video, labels(track), one, offsets=(0,))
    assert refined.crops == by_itself.crops == 1
    np.testing.assert_allclose(refined.annotations.track(1).xy, by_itself.annotations.track(1).xy, atol=1e-3)


def test_offsets_that_make_no_sense_are_refused() -> None:
    for offsets in ((-1, 1), (0, 500)):
        with pytest.raises(PwarpError, match="0, the frame itself, must be among them"):
            refine(Noise(), labels(tracked([1])), runner(), offsets=offsets)


def test_nobody_to_refine_is_no_fault() -> None:
    nobody = labels(Track.make(1, [3], np.full((1, 3, 2), np.nan)))
    assert refine(Noise(), nobody, runner()).annotations.track(1).same_as(nobody.track(1))
    away = replace(tracked([3]), boxes=np.array([[500.0, 20, 540, 80]]))
    assert refine(Noise(), labels(away), runner()).crops == 0


def test_a_pose_of_one_keypoint_is_seen_at_the_size_that_it_was_trained_at() -> None:
    codec = Codec("dark", (64, 96), 4, 2.0)
    lone = Track.make(3, [0], [[[210.0, 120.0]]])
    seen = trail(lone, 640, 360, codec, 1.25).course(0).window(0)
    (box,) = boxes_around(lone.xy, lone.labelled, (640, 360))
    trained = Window.around(box, codec.size, 1.25)
    # Sizes are steps of an eighth of a doubling.
    assert abs(np.log2(seen.size[1] / trained.size[1])) <= 0.5 / 8 + 1e-9
