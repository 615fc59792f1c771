"""Labels without track ids: people in consecutive key frames are joined by position, or nobody guesses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from moving_texture import MovingTexture, labels

from pwarp.annotations import Annotations, Source, Track
from pwarp.errors import PwarpError
from pwarp.propagation import Options, propagate
from pwarp.propagation.join import join_by_position

SHAPE = np.array([(0, 0), (6, 2), (4, 8), (-2, 5), (3, 4)])  # diagonal 11.3
VIDEO = MovingTexture(190, 121, 31, still=True)


def lone(id: int, frame: int, x: float, y: float = 50.0, *, seen: Any = (2, 2, 2, 2, 2), **more: Any) -> Track:
    return Track.make(id, [frame], (SHAPE + np.array([x, y]))[None], [seen], identified=False, **more)


def joined(*tracks: Track) -> dict[int, dict[int, float]]:
    """Track id -> frame -> where the first keypoint is, after joining."""
    return {
        t.id: dict(zip(t.frames.tolist(), t.xy[:, 0, 0].tolist(), strict=True))
        for t in join_by_position(labels(*tracks)).tracks
    }


def test_people_are_joined_where_they_are_near_whatever_their_order() -> None:
    found = joined(lone(7, 20, 82), lone(2, 0, 20), lone(3, 10, 79), lone(4, 10, 23), lone(1, 20, 26), lone(5, 0, 80))
    assert sorted(found) == [0, 1]
    assert sorted(found.values(), key=str) == [{0: 20, 10: 23, 20: 26}, {0: 80, 10: 79, 20: 82}]


def test_somebody_leaves_somebody_comes_later() -> None:
    found = joined(lone(0, 0, 20), lone(1, 0, 80), lone(2, 10, 81), lone(3, 20, 22), lone(4, 20, 82))
    assert sorted(found.values(), key=str) == [{0: 20}, {0: 80, 10: 81, 20: 82}, {20: 22}]


def test_a_frame_that_is_declared_labelled_without_anybody_ends_tracks() -> None:
    people = replace(labels(lone(0, 0, 20), lone(1, 20, 21)), labelled=np.array([0, 10, 20]))
    assert [t.frames.tolist() for t in join_by_position(people).tracks] == [[0], [20]]


@pytest.mark.parametrize("marked", [0, 1])
def test_marks_of_absence_part_tracks_and_stay(marked: int) -> None:
    """Somebody who is marked absent between two key frames is not who stands in both."""
    marks = [[(5, 9)] if i == marked else [] for i in range(2)]
    people = labels(lone(0, 0, 20, absent=marks[0]), lone(1, 20, 21, absent=marks[1]))
    assert [(t.frames.tolist(), t.absent.tolist()) for t in join_by_position(people).tracks] == [
        ([0], [[5, 9]][marked:]),
        ([20], [[5, 9]][:marked]),
    ]
    dense = propagate(VIDEO, people, Options("linear"))
    assert not any(np.isin(t.frames, range(5, 10))[t.labelled.any(axis=1)].any() for t in dense.tracks if len(t.absent))


def test_marks_outside_of_the_labels_of_a_track_part_nothing() -> None:
    (track,) = join_by_position(
        labels(lone(0, 10, 20, absent=[(0, 3)]), lone(1, 15, 21), lone(2, 20, 22, absent=[(25, 30), (12, 13)]))
    ).tracks
    assert (track.frames.tolist(), track.absent.tolist()) == ([10, 15, 20], [[0, 3], [12, 13], [25, 30]])


def test_a_mark_in_the_frame_of_another_label_says_that_it_is_another_one() -> None:
    with pytest.raises(PwarpError, match="between key frames 15 and 20"):
        joined(lone(0, 10, 20), lone(1, 15, 21), lone(2, 20, 22, absent=[(8, 11)]))


def test_tracks_with_ids_stay_and_keep_their_ids() -> None:
    known = Track.make(0, [0, 20], SHAPE + np.array([[[40, 90]], [[44, 90]]]))
    out = join_by_position(labels(lone(1, 0, 20), known, lone(2, 20, 23)))
    assert [t.id for t in out.tracks] == [0, 1]
    assert out.track(0).same_as(known)
    assert out.track(1).frames.tolist() == [0, 20]
    assert out.track(1).identified


def test_everything_that_was_known_of_a_label_goes_along() -> None:
    nan = float("nan")
    first = lone(3, 4, 20, seen=(2, 1, 0, 2, 2), boxes=[[15, 40, 40, 70]], head_boxes=[[nan] * 4], person_score=[0.5])
    second = lone(8, 9, 21, source=[[1, 1, 5, 2, 1]], score=[[nan, nan, nan, 0.25, nan]])
    (track,) = join_by_position(labels(first, second)).tracks
    for name in ("xy", "visibility", "source", "score", "boxes", "head_boxes", "person_score"):
        expected = np.concatenate([getattr(first, name), getattr(second, name)])
        np.testing.assert_array_equal(getattr(track, name), expected)


@pytest.mark.parametrize(
    ("tracks", "why"),
    [
        ([lone(0, 3, 20), lone(1, 12, 80)], "very different place"),
        ([lone(0, 3, 20), lone(1, 3, 60), lone(2, 12, 100), lone(3, 12, 140)], "very different place"),
        ([lone(0, 3, 20), lone(1, 3, 60), lone(2, 12, 21), lone(3, 12, 140)], "left while another came"),
        ([lone(0, 3, 20), lone(1, 3, 24), lone(2, 12, 22, 48), lone(3, 12, 22, 52)], "could be swapped"),
        ([lone(0, 3, 20), lone(1, 3, 25), lone(2, 12, 22, 51)], "beside somebody else"),
        ([lone(0, 3, 20, seen=(2, 2, 0, 0, 0)), lone(1, 12, 20, seen=(0, 0, 2, 2, 2))], "very different place"),
    ],
)
def test_what_is_not_clear_is_refused_and_the_frames_named(tracks: list[Track], why: str) -> None:
    with pytest.raises(PwarpError, match=r"between key frames 3 and 12 .*track_id") as caught:
        join_by_position(labels(*tracks))
    assert why in str(caught.value)


def test_a_single_keypoint_has_the_picture_for_a_measure() -> None:
    dots = [
        Track.make(i, [frame], [[[x, 60.0]]], identified=False)
        for i, (frame, x) in enumerate([(0, 40.0), (0, 120.0), (10, 43.5), (10, 117.0)])
    ]
    dense = propagate(VIDEO, labels(*dots), Options("linear"))
    assert [t.xy[[t.at(0), t.at(10)], 0, 0].tolist() for t in dense.tracks] == [[40.0, 43.5], [120.0, 117.0]]


def test_estimates_without_ids_are_no_labels_to_join() -> None:
    found = [lone(i, i * 10, 20 + 90 * i, source=[[Source.DETECTED] * 5]) for i in range(2)]
    empty = Track.make(7, [], np.empty((0, 5, 2)), identified=False)
    out = join_by_position(labels(*found, empty, lone(5, 5, 60)))
    assert [(t.id, len(t)) for t in out.tracks] == [(0, 1), (1, 1), (7, 0), (2, 1)]
    with pytest.raises(PwarpError, match="no keypoint was set by a person"):
        propagate(VIDEO, labels(*found))


def test_joined_people_are_propagated() -> None:
    people = [lone(0, 0, 20), lone(1, 0, 90), lone(2, 20, 94), lone(3, 20, 24)]
    dense = propagate(VIDEO, labels(*people), Options("linear"))
    assert [t.frames[[0, -1]].tolist() for t in dense.tracks] == [[0, 30], [0, 30]]
    assert dense.track(0).xy[10, 0].tolist() == [22, 50]


@st.composite
def scenes(draw: st.DrawFn) -> tuple[Annotations, list[dict[int, float]]]:
    """People two diagonals and more apart who move a little; in each step some come or some leave, never both."""
    there = [[20.0 + 30 * i, float(i)] for i in range(draw(st.integers(1, 4)))]
    truth: dict[float, dict[int, float]] = {}
    tracks: list[Track] = []
    newest = float(len(there))
    for frame in range(0, 10 * draw(st.integers(1, 4)), 10):
        if frame and draw(st.booleans()):
            there = there[:1] + [person for person in there[1:] if draw(st.booleans())]
        elif frame and draw(st.booleans()):
            there.append([20.0 + 30 * newest, newest])
            newest += 1
        for person in there:
            x = person[0] + draw(st.floats(-1.2, 1.2))
            person[0] = x
            truth.setdefault(person[1], {})[frame] = x
            tracks.append(lone(len(tracks), frame, x))
    order = draw(st.permutations(range(len(tracks))))
    return labels(*(tracks[i] for i in order)), list(truth.values())


@given(scenes())
def test_who_is_far_from_all_others_is_never_mistaken(scene: tuple[Annotations, list[dict[int, float]]]) -> None:
    given_labels, truth = scene
    found = join_by_position(given_labels)
    tracks = [dict(zip(t.frames.tolist(), t.xy[:, 0, 0].tolist(), strict=True)) for t in found.tracks]
    assert sorted(tracks, key=str) == sorted(truth, key=str)
