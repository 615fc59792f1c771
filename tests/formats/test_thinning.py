"""Thinning: never more key frames than the best choice, never farther off than allowed, nothing of a person's lost."""

from __future__ import annotations

from itertools import combinations, pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from pwarp.annotations import Annotations, Source, Track
from pwarp.errors import PwarpError
from pwarp.formats import check_tolerance, thinning
from pwarp.formats.thinning import Search, deviation, key_rows, shortest_path, thin, within_reach
from pwarp.skeleton import Skeleton

TRIO = Skeleton("trio", ("nose", "paw", "tail"))


def track(xy: Any, visibility: Any = None, **changes: Any) -> Track:
    """A propagated track from frame 3 on, unless told otherwise."""
    xy = np.asarray(xy, dtype=float)
    shape = xy.shape[:2]
    visibility = np.full(shape, 2) if visibility is None else np.asarray(visibility)
    fields = {"source": np.where(visibility > 0, Source.PROPAGATED, Source.NONE)} | changes
    return Track.make(7, fields.pop("frames", np.arange(3, 3 + len(xy))), xy, visibility, **fields)


def allowed(one: Track, rows: tuple[int, ...], tolerance: float) -> bool:
    """Whether lines between these rows do, by the definition: each keypoint, each row between, one after the other."""
    for i, j in pairwise(rows):
        if one.frames[j] - one.frames[i] != j - i:
            return False
        for r in range(i + 1, j):
            if (one.visibility[r] != one.visibility[i]).any() or one.by_person[r].any():
                return False
            for k in np.flatnonzero(one.visibility[i]):
                if one.visibility[j, k] == 0:
                    return False
                share = (r - i) / (j - i)
                there = np.round(one.xy[i, k], 2) * (1 - share) + np.round(one.xy[j, k], 2) * share
                if np.linalg.norm(there - one.xy[r, k]) > tolerance + 1e-9:
                    return False
    return True


def fewest(one: Track, tolerance: float) -> int:
    """The fewest rows by trying all choices; a gap needs the rows on both of its sides."""
    last = len(one) - 1
    gaps = {r for r in range(last) if one.frames[r + 1] != one.frames[r] + 1}
    parts = np.split(np.arange(last + 1), [r + 1 for r in sorted(gaps)])
    return sum(_fewest_of(one, part.tolist(), tolerance) for part in parts)


def _fewest_of(one: Track, part: list[int], tolerance: float) -> int:
    lines = {(i, j) for i, j in combinations(part, 2) if allowed(one, (i, j), tolerance)}
    for count in range(1, len(part) + 1):
        for rows in combinations(part, count):
            if {rows[0], rows[-1]} == {part[0], part[-1]} and lines.issuperset(pairwise(rows)):
                return count
    raise AssertionError("all rows are always allowed")


@st.composite
def small_tracks(draw: st.DrawFn) -> Track:
    """Eight rows at most: smooth or jumping, with changes of visibility, gaps and a person's key frames."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    count, keypoints = draw(st.integers(1, 8)), draw(st.integers(1, 3))
    drift = random.normal(0, 1, (1, keypoints, 2)) * np.arange(count)[:, None, None]
    xy = 50 + drift + random.normal(0, draw(st.sampled_from([0.0, 0.3, 1.5])), (count, keypoints, 2))
    visibility = np.full((count, keypoints), 2)
    if draw(st.booleans()):
        visibility[random.integers(count) :, random.integers(keypoints)] = draw(st.integers(0, 1))
    frames = np.cumsum(np.where(random.random(count) < draw(st.sampled_from([0.0, 0.2])), 4, 1))
    source = np.full((count, keypoints), Source.PROPAGATED)
    if draw(st.booleans()):
        source[random.integers(count)] = Source.MANUAL
    return track(xy, visibility, frames=frames, source=np.where(visibility > 0, source, Source.NONE))


@given(one=small_tracks(), tolerance=st.sampled_from([0.0, 0.2, 0.7, 1.0, 2.5]))
@settings(max_examples=50, deadline=None)
def test_no_choice_of_key_frames_is_smaller(one: Track, tolerance: float) -> None:
    assert len(key_rows(one, tolerance, 2)) == fewest(one, tolerance)


@given(seed=st.integers(0, 2**32 - 1), tolerance=st.sampled_from([0.5, 1.0, 3.0]))
@settings(max_examples=12, deadline=None)
def test_lines_stay_within_the_tolerance_and_what_a_person_set_stays(seed: int, tolerance: float) -> None:
    random = np.random.default_rng(seed)
    xy = np.cumsum(np.cumsum(random.normal(0, 0.2, (70, 4, 2)), axis=0), axis=0)
    visibility = np.where(random.random((70, 4)) < 0.01, 1, 2)
    source = np.full((70, 4), Source.PROPAGATED)
    source[random.random((70, 4)) < 0.01] = Source.MANUAL
    source[random.random((70, 4)) < 0.005] = Source.CORRECTED
    one = track(xy, visibility, source=source)
    rows = key_rows(one, tolerance, 2)
    assert allowed(one, tuple(rows), tolerance)
    assert set(one.key_frames) <= set(one.frames[rows])
    assert deviation(one, rows, 2) <= tolerance + 1e-9
    assert {0, 69} <= set(rows)


@given(seed=st.integers(0, 2**32 - 1), rough=st.sampled_from([0.0, 0.05, 0.3]), tolerance=st.sampled_from([0.5, 2.0]))
@settings(max_examples=8, deadline=None, phases=[Phase.generate])
def test_no_choice_of_key_frames_is_smaller_on_long_tracks(seed: int, rough: float, tolerance: float) -> None:
    random = np.random.default_rng(seed)
    count = 150
    time = np.arange(count)[:, None, None]
    xy = 40 * np.sin(time / random.uniform(15, 60, (1, 3, 2))) + random.normal(0, rough, (count, 3, 2))
    written = np.round(xy, 2)
    fewest = np.full(count, count + 1)
    fewest[0] = 1
    for i in range(count - 1):
        for j in range(i + 1, count):
            share = (np.arange(i + 1, j) - i)[:, None, None] / (j - i)
            off = np.linalg.norm(written[i] * (1 - share) + written[j] * share - xy[i + 1 : j], axis=2)
            if off.max(initial=0) <= tolerance + 1e-9:
                fewest[j] = min(fewest[j], fewest[i] + 1)
    assert len(key_rows(track(xy), tolerance, 2)) == fewest[-1]


def test_a_search_of_ones_own_sees_each_stretch_and_nothing_unlabelled() -> None:
    visibility = np.full((12, 3), 2)
    visibility[6:, 1] = 0
    xy = np.where(visibility[..., None] > 0, np.ones(2), np.nan)
    seen = []

    def everything(*stretch: Any) -> list[int]:
        places, written, state, tolerance = stretch
        assert np.isfinite(places).all() and np.isfinite(written).all() and (state == 2).all() and tolerance >= 1.0
        seen.append(places.shape)
        return list(range(len(places)))

    search: Search = everything
    assert key_rows(track(xy, visibility), 1.0, 2, search).tolist() == list(range(12))
    assert seen == [(6, 3, 2), (6, 2, 2)]
    assert key_rows(track(xy, visibility), 1.0, 2, shortest_path).tolist() == [0, 5, 6, 11]


def test_edges_lead_to_every_row_that_a_line_may_end_at_the_farthest_first() -> None:
    x = np.array([0.0, 1.0, 2.0, 5.0, 4.0, 5.0])
    places = np.stack([x, np.zeros(6)], axis=1)[:, None]
    assert within_reach(places, places, np.full((6, 1), 2, dtype=np.uint8), 0, 0.5) == [2, 1]
    assert within_reach(places, places, np.full((6, 1), 2, dtype=np.uint8), 0, 2.0) == [5, 4, 3, 2, 1]


def test_going_as_far_as_possible_each_time_would_keep_more() -> None:
    x = np.array([0.0, 0.0, 4.0, 3.0, 4.0, 2.0, 3.0])
    one = track(np.stack([x, np.zeros(7)], axis=1)[:, None])
    greedy = [0]
    while greedy[-1] < 6:
        greedy.append(max(j for j in range(greedy[-1] + 1, 7) if allowed(one, (greedy[-1], j), 1.0)))
    assert greedy == [0, 1, 2, 4, 5, 6]
    assert key_rows(one, 1.0, 2).tolist() == [0, 1, 2, 3, 6]


def test_standing_still_needs_two_and_a_straight_walk_too() -> None:
    still = track(np.ones((5000, 3, 2)))
    walk = track(np.arange(5000.0)[:, None, None] * np.ones((1, 3, 2)))
    for one in (still, walk):
        assert key_rows(one, 0.0, 2).tolist() == [0, 4999]


@pytest.mark.parametrize("noise", [0.2, 0.25])
def test_someone_who_hardly_moves_takes_no_longer_than_others(noise: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line reaches about as far from everywhere, and no line reaches the end."""
    count = 1500
    given: list[tuple[thinning.Work, float]] = []

    class Counted(thinning.Work):
        def __init__(self, left: float) -> None:
            super().__init__(left)
            given.append((self, left))

    monkeypatch.setattr(thinning, "Work", Counted)
    still = track(np.random.default_rng(0).normal(200, noise, (count, 17, 2)))
    rows = key_rows(still, 1.0, 2)
    assert 2 < len(rows) < 150
    assert deviation(still, rows, 2) <= 1 + 1e-9
    [(work, left)] = given
    assert 0 < left - work.left < 1300 * count


def test_all_keypoints_share_the_key_frames() -> None:
    xy = np.zeros((9, 3, 2))
    xy[4, 1] = 30
    assert key_rows(track(xy), 1.0, 2).tolist() == [0, 3, 4, 5, 8]


def test_both_sides_of_a_change_of_presence_stay_and_of_occlusion_the_first() -> None:
    visibility = np.full((9, 3), 2)
    visibility[4:6, 1] = 0
    assert key_rows(track(np.ones((9, 3, 2)), visibility), 1.0, 2).tolist() == [0, 3, 4, 5, 6, 8]
    visibility[4:6, 1] = 1
    assert key_rows(track(np.ones((9, 3, 2)), visibility), 1.0, 2).tolist() == [0, 4, 6, 8]


def test_boxes_are_thinned_where_there_is_nothing_else() -> None:
    boxes = np.arange(8.0)[:, None] + np.array([0, 0, 10, 20])
    boxes[5, 3] += 9
    empty = track(np.full((8, 3, 2), np.nan), np.zeros((8, 3)), boxes=boxes)
    assert key_rows(empty, 1.0, 2).tolist() == [0, 4, 5, 6, 7]


def test_what_was_thinned_is_counted() -> None:
    xy = np.zeros((21, 3, 2))
    xy[:, 0, 0] = 0.8 * np.sin(np.arange(21))
    result = thin(Annotations(TRIO, tracks=(track(xy), Track.make(8, [0, 9], np.ones((2, 3, 2))))), 1.0, 2)
    assert (result.poses, result.kept) == (23, sum(map(len, result.labels.tracks)))
    assert result.kept < 12 and 0.5 < result.farthest <= 1.0
    assert result.example.startswith("track 7, frame 4")
    assert result.labels.tracks[1].frames.tolist() == [0, 9]


def test_a_tolerance_is_a_distance_and_goes_with_key_frames() -> None:
    with pytest.raises(PwarpError, match=r"coco labels hold every pose; --tolerance goes with cvat and label-studio"):
        check_tolerance("coco", 1.0)
    for bad in (-1.0, float("nan"), float("inf")):
        with pytest.raises(PwarpError, match=r"is no distance in pixels"):
            check_tolerance("cvat", bad)
