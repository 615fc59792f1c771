"""Where a person is said to be, where they leave the picture, and how far to trust what is found."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from engines import ENGINES, options
from moving_texture import MovingTexture, labels, poses

from pwarp.annotations import Source, Track, VideoIdentity
from pwarp.errors import PwarpError
from pwarp.propagation import Options, Reach, propagate

each_engine = pytest.mark.parametrize("engine", ENGINES)
WIDTH, HEIGHT, FRAMES = 73, 50, 40
STILL = MovingTexture(WIDTH, HEIGHT, FRAMES, still=True)


def keyed(id: int, frames: list[int], visibility: Any = 2, *, centre: Any = (36, 25), **more: Any) -> Track:
    xy = poses(frames, centre, 4, spread=7)
    return Track.make(id, frames, xy, np.broadcast_to(visibility, xy.shape[:2]), **more)


@each_engine
def test_people_enter_and_leave(engine: str) -> None:
    tracks = [
        keyed(1, [0, 8], absent=[(12, FRAMES)]),  # leaves
        keyed(2, [31, 39], absent=[(0, 27)]),  # enters
        keyed(3, [6, 12, 26, 30], absent=[(15, 22)]),  # leaves and comes back
        keyed(4, [20, 26]),  # nobody said until when
    ]
    dense = propagate(STILL, labels(*tracks), options(engine))
    there = {t.id: t.frames[t.labelled.all(axis=1)].tolist() for t in dense.tracks}
    assert there[1] == list(range(12))
    assert there[2] == list(range(28, 40))
    assert there[3] == [*range(4, 15), *range(23, 33)]  # spacings 6 and 4: not the absence
    assert there[4] == list(range(17, 30))
    assert all(t.labelled.any(axis=1).all() for t in dense.tracks)


@each_engine
def test_a_person_who_walks_out_of_the_picture_is_not_labelled_there(engine: str) -> None:
    moving = MovingTexture(WIDTH, HEIGHT, FRAMES, lambda t: (1.5 * t, 0))
    start = poses([0], (58, 25), 4, spread=5)
    xy = np.concatenate([start, start + np.array([30, 0])])  # with the texture, and after 20 frames outside
    track = Track.make(1, [0, 20], xy, np.full((2, 4), 2))
    dense = propagate(moving, labels(track), options(engine, Reach(beyond=6))).track(1)
    found = dense.labelled & ~dense.by_person
    assert ((dense.xy[found] >= 0) & (dense.xy[found] <= (WIDTH - 1, HEIGHT - 1))).all()
    assert found[1:4].all()
    assert not found[dense.frames > 20].any()
    np.testing.assert_array_equal(dense.xy[dense.at(20)], xy[1])  # what a person set stays, even out there


@each_engine
def test_people_at_the_border_and_in_the_corners(engine: str) -> None:
    corners = [(0, 0), (WIDTH - 1, 0), (0, HEIGHT - 1), (WIDTH - 1, HEIGHT - 1)]
    tracks = [keyed(i, [3, 9], centre=corner) for i, corner in enumerate(corners)]
    dense = propagate(STILL, labels(*tracks), options(engine))
    for track in dense.tracks:
        found = track.labelled & ~track.by_person
        assert ((track.xy[found] >= 0) & (track.xy[found] <= (WIDTH - 1, HEIGHT - 1))).all()


@each_engine
def test_min_score_leaves_weak_keypoints_unlabelled_and_the_others_as_they_are(engine: str) -> None:
    moving = MovingTexture(WIDTH, HEIGHT, 16, lambda t: (9 * np.sin(t), 5 * np.cos(2 * t)))  # hard to follow
    track = keyed(1, [2, 13])
    full = propagate(moving, labels(track), options(engine)).track(1)
    scores = full.score[full.source == Source.PROPAGATED]
    least = float(np.median(scores))
    strict = propagate(moving, labels(track), options(engine, min_score=least)).track(1)
    kept = full.labelled & ~(full.score < least)
    assert 0 < kept.sum() < full.labelled.sum()
    rows = kept.any(axis=1)
    np.testing.assert_array_equal(strict.frames, full.frames[rows])
    np.testing.assert_array_equal(strict.labelled, kept[rows])
    np.testing.assert_array_equal(strict.xy[strict.labelled], full.xy[kept])
    np.testing.assert_array_equal(strict.score, np.where(kept, full.score, np.nan)[rows])


@pytest.mark.parametrize("least", [-0.1, 1.5, float("nan")])
def test_a_min_score_outside_0_to_1_is_refused(least: float) -> None:
    with pytest.raises(PwarpError, match="min_score"):
        Options(min_score=least)


@each_engine
def test_occluded_labels_propagate_as_occluded_and_visible_ones_as_visible(engine: str) -> None:
    track = keyed(1, [2, 10], [2, 1, 2, 1])
    track = Track.make(1, track.frames, np.repeat(track.xy[:1], 2, axis=0), track.visibility)  # nothing moves
    dense = propagate(STILL, labels(track), options(engine)).track(1)
    assert (dense.visibility == [2, 1, 2, 1]).all()


@each_engine
def test_a_keypoint_that_is_occluded_at_one_key_frame_only(engine: str) -> None:
    track = keyed(1, [2, 14], [[2, 1, 2, 2], [1, 1, 2, 2]])
    track = Track.make(1, track.frames, np.repeat(track.xy[:1], 2, axis=0), track.visibility)
    dense = propagate(STILL, labels(track), options(engine)).track(1)
    near = {frame: int(dense.visibility[dense.at(frame), 0]) for frame in (3, 13)}
    assert near == {3: 2, 13: 1}


def test_labels_of_another_video_are_refused() -> None:
    sparse = labels(keyed(1, [2, 10]))
    for other, cause in [
        (VideoIdentity(width=WIDTH * 2, height=HEIGHT * 2), "scaled"),
        (VideoIdentity(width=HEIGHT, height=WIDTH), "rotated"),
        (VideoIdentity(frame_count=FRAMES + 1), "counted from 1"),
    ]:
        with pytest.raises(PwarpError, match=cause):
            propagate(STILL, replace(sparse, video=other))
    with pytest.raises(PwarpError, match=r"frame 44, but the video has 40 frames \(0 to 39\)"):
        propagate(STILL, labels(keyed(1, [2, 44])))
