"""A keypoint that a person took away from a frame does not come back there, and nothing else changes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from moving_texture import MovingTexture, labels, poses

from pwarp.annotations import Annotations, Replaced, Source, Track
from pwarp.propagation import Options, propagate

VIDEO = MovingTexture(161, 120, 31, lambda t: (0.4 * t, 3 * np.sin(t / 6)))
KEYS = [3, 13, 26]
FRAME, KEYPOINT = 17, 1


def keyed() -> Annotations:
    xy = poses(KEYS, (60.0, 60.0), 3, spread=9)
    return labels(Track.make(3, KEYS, xy, np.full((len(KEYS), 3), 2)))


def without(annotations: Annotations, frame: int) -> Annotations:
    (track,) = annotations.tracks
    old = Replaced(frame, KEYPOINT, 50.5, 61.25, 2, Source.PROPAGATED)
    return replace(annotations, tracks=(replace(track, replaced=(old,)),))


@pytest.mark.parametrize("engine", ["auto", "linear", "pchip", "flow"])
def test_only_the_keypoint_that_was_taken_away_is_missing(engine: str) -> None:
    before = propagate(VIDEO, keyed(), Options(engine)).track(3)
    after = propagate(VIDEO, without(keyed(), FRAME), Options(engine)).track(3)
    assert np.array_equal(before.frames, after.frames)
    missing = before.labelled & ~after.labelled
    assert [(int(before.frames[row]), int(k)) for row, k in np.argwhere(missing)] == [(FRAME, KEYPOINT)]
    assert not (after.labelled & ~before.labelled).any()
    assert np.array_equal(before.xy[after.labelled], after.xy[after.labelled])


def test_labelled_again_it_counts_again() -> None:
    """The key frame 13 of an earlier correction: what it replaced stands beside a label."""
    again = propagate(VIDEO, without(keyed(), 13), Options("linear")).track(3)
    plain = propagate(VIDEO, keyed(), Options("linear")).track(3)
    assert replace(again, replaced=()).same_as(plain)
