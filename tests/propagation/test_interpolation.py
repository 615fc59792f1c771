"""The engines that look at the labels alone, worked by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from moving_texture import MovingTexture, labels

from pwarp.annotations import Track
from pwarp.propagation import Options, Reach, propagate

VIDEO = MovingTexture(200, 150, 30, still=True)


def filled(engine: str, places: dict[int, float], **more: Any) -> dict[int, float]:
    """x by frame of a keypoint that was set at some places (x by frame); beyond them it goes on for 2 frames."""
    xy = [[[x, 75.0]] for x in places.values()]
    track = Track.make(2, list(places), xy, **more)
    dense = propagate(VIDEO, labels(track), Options(engine, Reach(beyond=2))).track(2)
    assert (dense.xy[dense.labelled, 1] == 75).all()
    return dict(zip(dense.frames.tolist(), dense.xy[:, 0, 0].tolist(), strict=True))


def test_copy_takes_the_nearer_key_and_of_two_as_near_the_earlier() -> None:
    assert filled("copy", {4: 10.0, 8: 50.0}) == {2: 10, 3: 10, 4: 10, 5: 10, 6: 10, 7: 50, 8: 50, 9: 50, 10: 50}


def test_linear_goes_straight_and_holds_beyond() -> None:
    found = filled("linear", {4: 10.0, 8: 50.0, 10: 40.0})
    assert found == {2: 10, 3: 10, 4: 10, 5: 20, 6: 30, 7: 40, 8: 50, 9: 45, 10: 40, 11: 40, 12: 40}


def test_pchip_is_smooth_and_never_overshoots() -> None:
    found = filled("pchip", {0: 0.0, 4: 64.0, 8: 64.0, 12: 100.0})
    assert [found[f] for f in (4, 5, 6, 7, 8)] == [64.0] * 5
    # Fritsch and Carlson's end slope is 24 here (three points, 16 and 0 a frame), and 0 at the plateau.
    assert found[2] == pytest.approx(64 / 2 + 4 * 24 / 8)
    assert all(a <= b for a, b in zip(list(found.values()), list(found.values())[1:], strict=False))


def test_pchip_is_a_line_between_two_keys_and_holds_beyond() -> None:
    assert filled("pchip", {4: 10.0, 8: 50.0}) == filled("linear", {4: 10.0, 8: 50.0})


def test_pchip_does_not_look_past_an_absence() -> None:
    before, after = {2: 10.0, 6: 30.0, 8: 30.0}, {16: 90.0, 20: 40.0}
    found = filled("pchip", before | after, absent=[(11, 13)])
    alone = filled("pchip", before)
    assert {f: found[f] for f in range(2, 9)} == {f: alone[f] for f in range(2, 9)}
    assert found[18] == 65


@pytest.mark.parametrize("engine", ["copy", "linear", "pchip"])
def test_the_score_falls_with_the_distance_from_the_nearer_key(engine: str) -> None:
    track = Track.make(2, [2, 12], [[[10.0, 75.0]], [[60.0, 75.0]]])
    score = propagate(VIDEO, labels(track), Options(engine, Reach(beyond=0))).track(2).score[1:-1, 0]
    assert (np.diff(score[:5]) < 0).all()
    np.testing.assert_array_equal(score, score[::-1])
