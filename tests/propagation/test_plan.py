"""Which frames are filled from which key frames: presence, reach and gaps, before any engine runs."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from moving_texture import labels, poses

from pwarp.annotations import Annotations, Source, Track, VideoIdentity
from pwarp.errors import PwarpError
from pwarp.propagation import Reach
from pwarp.propagation.plan import NONE, TrackPlan, plan, posed_frames, spans
from pwarp.skeleton import Skeleton

COUNT = 70  # frames of the video


def keyed(frames: list[int], seen: Any = None, *, id: int = 4, keypoints: int = 3, **more: Any) -> Track:
    """A track with key frames; seen: (F, K) which keypoints are labelled there, all of them by default."""
    seen = np.ones((len(frames), keypoints)) if seen is None else np.array(seen)
    return Track.make(id, frames, poses(frames, (50, 40), seen.shape[1]), 2 * seen, **more)


def planned(track: Track, count: int = COUNT, **reach: Any) -> TrackPlan:
    (only,) = plan(labels(track), count, Reach(**reach))
    return only


def open_frames(plan: TrackPlan, keypoint: int = 0) -> list[int]:
    return (plan.first + np.flatnonzero(plan.open[:, keypoint])).tolist()


def origin(plan: TrackPlan, frame: int, keypoint: int = 0) -> tuple[int, int]:
    row = frame - plan.first
    return int(plan.before[row, keypoint]), int(plan.after[row, keypoint])


def frames(*ranges: tuple[int, int]) -> list[int]:
    """The frames of inclusive ranges."""
    return [f for first, last in ranges for f in range(first, last + 1)]


def test_between_key_frames_everything_is_filled_and_half_the_median_spacing_beyond() -> None:
    p = planned(keyed([20, 30, 36, 48]))  # spacings 10, 6, 12: half the median is 5
    assert open_frames(p) == frames((15, 19), (21, 29), (31, 35), (37, 47), (49, 53))
    assert [origin(p, f) for f in (15, 20, 25, 50)] == [(NONE, 20), (20, 20), (20, 30), (48, NONE)]


@pytest.mark.parametrize(("reach", "first", "last"), [(0, 20, 48), (3, 17, 51), (1000, 0, COUNT - 1)])
def test_reach_says_how_far_beyond_and_stops_at_the_ends_of_the_video(reach: int, first: int, last: int) -> None:
    p = planned(keyed([20, 30, 48]), beyond=reach)
    assert (min([*open_frames(p), 20]), max([*open_frames(p), 48])) == (first, last)


def test_a_single_key_frame_reaches_as_far_as_those_of_the_others_would() -> None:
    lone, other = keyed([30], id=1), keyed([10, 24, 38], id=2)
    first, _ = plan(labels(lone, other), COUNT, Reach())
    assert open_frames(first) == frames((23, 29), (31, 37))


@pytest.mark.parametrize(("fps", "reach"), [(Fraction(30), 15), (Fraction(25, 2), 6), (None, 12)])
def test_a_lone_key_frame_reaches_half_a_second(fps: Fraction | None, reach: int) -> None:
    annotations = Annotations(Skeleton("s", ("a", "b", "c")), VideoIdentity(fps=fps), (keyed([30]),))
    (p,) = plan(annotations, COUNT, Reach())
    assert open_frames(p) == frames((30 - reach, 29), (31, 30 + reach))


def test_labels_on_the_last_frame_alone() -> None:
    assert open_frames(planned(keyed([COUNT - 1]), beyond=4)) == frames((COUNT - 5, COUNT - 2))


def test_nothing_is_filled_past_an_absent_mark_and_everything_up_to_it() -> None:
    p = planned(keyed([20, 40], absent=[(5, 9), (26, 33), (55, 60)]))
    assert open_frames(p) == frames((10, 19), (21, 25), (34, 39), (41, 54))
    assert origin(p, 23) == (20, NONE)
    assert origin(p, 36) == (NONE, 40)


def test_a_long_absence_does_not_lengthen_the_reach() -> None:
    p = planned(keyed([8, 14, 50, 54], absent=[(20, 40)]))  # spacings 6 and 4
    assert open_frames(p) == frames((6, 7), (9, 13), (15, 19), (41, 49), (51, 53), (55, 56))


def test_a_mark_says_more_than_the_reach() -> None:
    p = planned(keyed([30, 34], absent=[(0, 2), (11, 19), (50, 51), (60, 69)]))
    assert open_frames(p) == frames((20, 29), (31, 33), (35, 49))


def test_marks_that_end_with_the_video_or_later() -> None:
    assert open_frames(planned(keyed([60], absent=[(65, 2**31 - 1)]), beyond=0)) == frames((61, 64))
    assert open_frames(planned(keyed([60], absent=[(COUNT, COUNT + 20)]), beyond=0)) == frames((61, COUNT - 1))


def test_a_long_gap_stays_empty() -> None:
    p = planned(keyed([10, 20, 45, 55]), max_gap=10, beyond=2)
    assert open_frames(p) == frames((8, 9), (11, 19), (46, 54), (56, 57))
    assert open_frames(planned(keyed([10, 20, 45, 55]), max_gap=25, beyond=0)) == frames((11, 19), (21, 44), (46, 54))


def test_a_keypoint_is_bridged_over_a_key_frame_that_leaves_it_out() -> None:
    p = planned(keyed([20, 30, 40], [[1, 1, 1], [0, 1, 1], [1, 1, 1]]), beyond=0)
    assert open_frames(p, 0) == frames((21, 39))
    assert origin(p, 30, 0) == (20, 40)
    assert origin(p, 35, 1) == (30, 40)


def test_a_keypoint_that_is_not_labelled_any_more_ends_at_the_next_pose() -> None:
    p = planned(keyed([20, 30, 40], [[1, 1, 1], [0, 1, 1], [0, 1, 1]]), beyond=15)
    assert open_frames(p, 0) == frames((5, 19), (21, 29))
    assert origin(p, 25, 0) == (20, NONE)


def test_a_keypoint_that_is_labelled_from_some_pose_on_begins_after_the_pose_before() -> None:
    p = planned(keyed([20, 30, 40], [[0, 1, 1], [0, 1, 1], [1, 1, 1]]), beyond=4)
    assert open_frames(p, 0) == frames((31, 39), (41, 44))


def test_a_keypoint_that_nobody_labelled_is_never_filled() -> None:
    assert open_frames(planned(keyed([20, 30], [[1, 0, 1], [1, 0, 1]])), 1) == []


def test_a_frame_with_a_single_corrected_keypoint_changes_nothing_for_the_others() -> None:
    poses_at, corrected_at = [10, 30, 50], [10, 24, 30, 50]
    seen = [[1, 1, 0], [1, 1, 1], [1, 1, 1]]
    plain, corrected = planned(keyed(poses_at, seen)), planned(keyed(corrected_at, [seen[0], [1, 0, 0], *seen[1:]]))
    assert (plain.first, plain.last) == (corrected.first, corrected.last) == (0, 60)
    for k in (1, 2):
        np.testing.assert_array_equal(plain.before[:, k], corrected.before[:, k])
        np.testing.assert_array_equal(plain.after[:, k], corrected.after[:, k])
    assert origin(corrected, 15, 0) == (10, 24)
    assert origin(corrected, 27, 0) == (24, 30)


def test_one_fuller_pose_makes_no_corrections_of_the_others() -> None:
    """Somebody seen to the waist who steps out at last: what is filled before changes in the last gap only."""
    waist, elbow_hidden = [1] * 8 + [0] * 9, [1] * 7 + [0] * 10
    seen = [waist, elbow_hidden, waist, elbow_hidden, waist, waist]
    at = [0, 10, 20, 30, 40, 50]
    before, after = planned(keyed(at, seen)), planned(keyed(at, [*seen[:-1], [1] * 17]))
    assert (before.first, before.last) == (after.first, after.last) == (0, 55)
    same = slice(0, 41)
    np.testing.assert_array_equal(before.before[same], after.before[same])
    np.testing.assert_array_equal(before.after[same], after.after[same])
    assert open_frames(after, 12) == frames((41, 49), (51, 55))


@pytest.mark.parametrize(
    ("counts", "posed"),
    [
        ([17, 17, 1, 17], [0, 1, 3]),
        ([17, 17, 1], [0, 1]),
        ([17, 1, 1, 1, 17], [0, 4]),
        ([17, 8, 8, 8, 8], [0, 1, 2, 3]),
        ([8, 8, 17], [1, 2]),
        ([1, 1, 1], [0, 1, 2]),
        ([4], [0]),
    ],
)
def test_what_is_a_pose_and_what_a_correction(counts: list[int], posed: list[int]) -> None:
    seen = [[1] * count + [0] * (17 - count) for count in counts]
    track = keyed([10 * i for i in range(len(counts))], seen, keypoints=17)
    assert posed_frames(track).tolist() == [10 * i for i in posed]


def test_estimates_are_no_key_frames() -> None:
    track = keyed([10, 20, 30], source=[[Source.MANUAL] * 3, [Source.DETECTED] * 3, [Source.CORRECTED] * 3])
    p = planned(track, beyond=0)
    assert open_frames(p) == frames((11, 29))
    assert origin(p, 20) == (10, 30)


def watched(set_at: dict[int, Source], unseen: list[int] | None = None) -> Track:
    """A track that a network saw in every frame of the video, its first keypoint as told."""
    source = np.full((COUNT, 3), Source.DETECTED)
    source[unseen or [], 0] = Source.NONE
    for frame, how in set_at.items():
        source[frame, 0] = how
    visibility = np.where(source == Source.NONE, 0, 2)
    return Track.make(4, range(COUNT), poses(list(range(COUNT)), (50, 40), 3), visibility, source=source)


def test_between_corrections_far_apart_stays_what_a_network_saw() -> None:
    p = planned(watched({10: Source.CORRECTED, 60: Source.CORRECTED}), beyond=4)
    assert open_frames(p) == frames((6, 9), (11, 14), (56, 59), (61, 64))
    assert [origin(p, f) for f in (7, 12, 30, 58, 62)] == [(NONE, 10), (10, NONE), (NONE, NONE), (NONE, 60), (60, NONE)]
    assert open_frames(p, 1) == []


def test_corrections_of_different_keypoints_do_not_reach_for_each_other() -> None:
    track = watched({10: Source.CORRECTED})
    source = track.source.copy()
    source[50, 2] = Source.CORRECTED
    p = planned(replace(track, source=source), beyond=4)
    assert open_frames(p) == frames((6, 9), (11, 14))
    assert open_frames(p, 2) == frames((46, 49), (51, 54))


def test_corrections_near_each_other_are_bridged_and_so_is_what_a_network_did_not_see() -> None:
    near = planned(watched({10: Source.CORRECTED, 18: Source.CORRECTED}), beyond=4)
    assert open_frames(near) == frames((6, 9), (11, 17), (19, 22))
    unseen = planned(watched({10: Source.CORRECTED, 60: Source.CORRECTED}, unseen=list(range(11, 60))), beyond=4)
    assert open_frames(unseen) == frames((6, 9), (11, 59), (61, 64))
    assert origin(unseen, 30) == (10, 60)


def test_from_a_key_frame_that_a_person_labelled_all_is_filled_as_ever() -> None:
    p = planned(watched({10: Source.MANUAL, 40: Source.CORRECTED, 60: Source.MANUAL}), beyond=4)
    assert open_frames(p) == frames((6, 9), (11, 39), (41, 59), (61, 64))


def test_how_far_apart_corrections_of_a_network_are_is_no_spacing() -> None:
    given = watched({10: Source.CORRECTED, 60: Source.CORRECTED})
    annotations = Annotations(Skeleton("s", ("a", "b", "c")), VideoIdentity(fps=Fraction(6)), (given,))
    (p,) = plan(annotations, COUNT, Reach())
    assert open_frames(p) == frames((7, 9), (11, 13), (57, 59), (61, 63))


def test_tracks_without_anything_set_by_a_person_are_not_planned() -> None:
    found = keyed([10, 20], id=1, source=[[Source.DETECTED] * 3] * 2)
    assert [p.id for p in plan(labels(found, keyed([5], id=8)), COUNT, Reach())] == [8]
    with pytest.raises(PwarpError, match="nothing to propagate from"):
        plan(labels(found), COUNT, Reach())


@pytest.mark.parametrize("wrong", [{"beyond": -1}, {"max_gap": 0}])
def test_distances_that_are_none_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(PwarpError, match="reach"):
        Reach(**wrong)


@st.composite
def tracks(draw: st.DrawFn, id: int, keypoints: int) -> Track:
    """Key frames at any spacing, keypoints labelled in some of them, and stretches of absence in between."""
    at = sorted(draw(st.sets(st.integers(0, COUNT - 1), min_size=1, max_size=7)))
    row = st.lists(st.booleans(), min_size=keypoints, max_size=keypoints)
    seen = np.array(draw(st.lists(row, min_size=len(at), max_size=len(at))))
    labelled = {f for f, any_there in zip(at, seen.any(axis=1), strict=True) if any_there}
    marks = draw(st.lists(st.tuples(st.integers(0, COUNT + 5), st.integers(0, 12)), max_size=4))
    absent = [(first, first + more) for first, more in marks if not labelled & set(range(first, first + more + 1))]
    return keyed(at, seen, id=id, absent=absent)


@st.composite
def several(draw: st.DrawFn) -> Annotations:
    keypoints = draw(st.integers(1, 4))
    count = draw(st.integers(1, 3))
    return labels(*(draw(tracks(id, keypoints)) for id in range(count)), keypoints=keypoints)


reaches = st.builds(Reach, beyond=st.none() | st.integers(0, 80), max_gap=st.none() | st.integers(1, 40))


def _planned(annotations: Annotations, reach: Reach) -> list[TrackPlan]:
    """The plans, none where there is nothing to go by."""
    return plan(annotations, COUNT, reach) if any(t.by_person.any() for t in annotations.tracks) else []


@given(several(), reaches)
def test_keypoints_are_filled_from_their_own_neighbouring_key_frames(annotations: Annotations, reach: Reach) -> None:
    for p in _planned(annotations, reach):
        track = annotations.track(p.id)
        assert p.first >= 0
        assert p.last < COUNT
        for k in range(track.xy.shape[1]):
            keys = track.frames[track.by_person[:, k]]
            for row, frame in enumerate(range(p.first, p.last + 1)):
                before, after = p.before[row, k], p.after[row, k]
                if frame in keys:
                    assert before == after == frame
                    assert not p.open[row, k]
                    np.testing.assert_array_equal(p.xy[row, k], track.xy[track.at(frame), k])
                    continue
                assert not p.known[row, k]
                assert before == NONE or before == max(keys[keys < frame])
                assert after == NONE or after == min(keys[keys > frame])
                near = [side for side in (before, after) if side != NONE]
                assert p.open[row, k] == bool(near)
                for key in near:
                    assert track.present_at(np.arange(min(key, frame), max(key, frame) + 1)).all()


@given(several(), reaches)
def test_keypoints_are_filled_where_presence_reach_and_gaps_allow_it(annotations: Annotations, reach: Reach) -> None:
    for p in _planned(annotations, reach):
        track = annotations.track(p.id)
        for k in range(track.xy.shape[1]):
            keys = track.frames[track.by_person[:, k]]
            opened = set(open_frames(p, k))
            for a, b in pairwise(keys):
                inner = set(range(a + 1, b))
                if not track.present_at(np.arange(a, b + 1)).all():
                    continue
                if reach.max_gap is None or b - a <= reach.max_gap:
                    assert inner <= opened
                else:
                    assert not any(p.before[f - p.first, k] == a and p.after[f - p.first, k] == b for f in inner)
            if reach.beyond is not None and len(keys) and not len(track.absent):
                outside = {f for f in opened if not track.key_frames[0] <= f <= track.key_frames[-1]}
                assert all(min(abs(keys - f)) <= reach.beyond for f in outside)


@given(several(), reaches)
def test_spans_are_independent_and_hold_all_that_they_need(annotations: Annotations, reach: Reach) -> None:
    plans = _planned(annotations, reach)
    found = list(spans(plans, COUNT))
    to_fill = {int(p.first + row) for p in plans for row in np.flatnonzero(p.open.any(axis=1))}
    held: list[int] = []
    for span in found:
        inside = range(span.first, span.last + 1)
        held += [f for f in inside if f in to_fill]
        assert span.first not in to_fill or span.first == 0
        assert span.last not in to_fill or span.last == COUNT - 1
        assert [p.id for p in span.plans] == [p.id for p in plans if to_fill_of(p) & set(inside)]
        for p in span.plans:
            part = p.between(span.first, span.last)
            needed = np.concatenate([side[part.open] for side in (part.before, part.after)])
            assert all(int(key) in inside for key in needed if key != NONE)
    assert sorted(held) == sorted(to_fill)
    assert [s.first for s in found] == sorted(s.first for s in found)


def to_fill_of(plan: TrackPlan) -> set[int]:
    return {int(plan.first + row) for row in np.flatnonzero(plan.open.any(axis=1))}
