"""Joining manual and propagated labels: what a person set wins, the rest is filtered, weighed and accounted for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strategies import annotations

from pwarp.annotations import Annotations, Replaced, Source, Track, VideoIdentity
from pwarp.augment import AugmentOptions, Counts, join
from pwarp.errors import PwarpError
from pwarp.skeleton import Skeleton

SKELETON = Skeleton("tripod", ("a", "b", "c"))
KEYS = [4, 12]
NAN = float("nan")


def labels(*tracks: Track, **video: Any) -> Annotations:
    return Annotations(SKELETON, VideoIdentity(**video), tracks)


def keys(id: int = 7, **more: Any) -> Track:
    """Frame 4 with all of three keypoints, frame 12 with two."""
    xy = [[[10, 11], [20, 21], [30, 31]], [[14, 15], [24, 25], [NAN, NAN]]]
    return Track.make(id, KEYS, xy, [[2, 1, 2], [2, 2, 0]], **more)


def dense() -> Track:
    """The key frames, and frames 5..11 propagated: score 1 - distance / 10."""
    frames = np.arange(4, 13)
    xy = np.add.outer(frames, [[10.0, 11], [20, 21], [30, 31]]) - 4.0
    visibility, source = np.full((9, 3), 2), np.full((9, 3), Source.PROPAGATED)
    xy[[0, 8]], visibility[[0, 8]] = keys().xy, keys().visibility
    source[[0, 8]] = keys().source
    distance = np.minimum(frames - 4, 12 - frames)[:, None]
    score = np.where(source == Source.PROPAGATED, 1 - distance / 10, NAN)
    origin = np.where((source == Source.PROPAGATED)[..., None], KEYS, -1)
    return Track.make(7, frames, xy, visibility, score=score, source=source, origin=origin)


def joined(options: AugmentOptions | None = None, mine: Track | None = None) -> tuple[Track, Counts]:
    together, counts = join(labels(mine or keys()), labels(dense()), options)
    (track,) = together.tracks
    return track, counts


def test_everything_is_kept_by_default_with_its_provenance() -> None:
    track, counts = joined()
    assert track.same_as(dense())
    assert (counts.manual_poses, counts.manual) == (2, 5)
    assert (counts.propagated_poses, counts.propagated) == (7, 21)
    assert counts.weight == pytest.approx(3 * (0.9 + 0.8 + 0.7 + 0.6 + 0.7 + 0.8 + 0.9))


def test_a_manual_label_wins_over_whatever_was_propagated() -> None:
    moved = Track.make(7, [4, 8], [[[10, 11], [20.5, 21], [30, 31]], [[1, 2], [NAN, NAN], [NAN, NAN]]])
    track, counts = joined(mine=moved)
    at = track.at(8)
    assert track.xy[track.at(4)].tolist() == [[10, 11], [20.5, 21], [30, 31]]
    assert track.xy[at, 0].tolist() == [1, 2]
    assert track.source[at].tolist() == [Source.MANUAL, Source.PROPAGATED, Source.PROPAGATED]
    assert np.isnan(track.score[at, 0])
    assert track.origin[at, 0].tolist() == [-1, -1]
    assert counts.overruled == 2
    assert counts.manual == 4 + 2  # frame 12 was labelled when the other file was made


def test_a_correction_wins_only_over_what_it_says_it_replaced() -> None:
    at = 0
    xy, source = dense().xy.copy(), dense().source.copy()
    xy[at, :2], source[at, :2] = [[90, 91], [92, 93]], Source.CORRECTED
    old = (Replaced(4, 0, 10.0, 11.0, 2), Replaced(4, 1, 55.0, 21.0, 2))
    corrected = replace(dense(), xy=xy, source=source, replaced=old)
    together, counts = join(labels(keys()), labels(corrected))
    assert together.track(7).xy[at].tolist() == [[90, 91], [20, 21], [30, 31]]
    assert counts.overruled == 1


def taken_away() -> Track:
    """The dense labels after a review: keypoint b of frame 4 is gone, and the whole of frame 12."""
    gone = dense().frames == 12
    xy, visibility, source = dense().xy.copy(), dense().visibility.copy(), dense().source.copy()
    xy[0, 1], visibility[0, 1], source[0, 1] = NAN, 0, Source.NONE
    old = [Replaced(4, 1, 20.0, 21.0, 1), Replaced(12, 0, 14.0, 15.0, 2), Replaced(12, 1, 24.0, 25.0, 2)]
    corrected = replace(dense(), xy=xy, visibility=visibility, source=source, replaced=tuple(old))
    return replace(corrected.rows(~gone), absent=np.array([[12, 20]]))


def test_what_a_person_took_away_in_review_is_no_label_to_train_on() -> None:
    together, counts = join(labels(keys()), labels(taken_away()))
    track = together.track(7)
    assert track.visibility[0].tolist() == [2, 0, 2]
    assert track.frames.tolist() == list(range(4, 12))
    assert track.absent.tolist() == [[12, 20]]
    assert (counts.manual, counts.corrected, counts.overruled) == (2, 3, 0)


def test_a_computed_keypoint_does_not_take_the_place_of_one_that_was_taken_away() -> None:
    theirs = replace(dense(), replaced=(Replaced(5, 0, 1.0, 2.0, 2),))
    mine = Track.make(7, [5], [[[1, 2], [NAN, NAN], [NAN, NAN]]])
    together, _ = join(labels(mine), labels(theirs))
    assert together.track(7).visibility[1].tolist() == [0, 2, 2]


def test_a_mark_of_the_propagated_side_does_not_hold_against_a_manual_label() -> None:
    theirs = replace(dense().rows(dense().frames < 10), absent=np.array([[10, 20]]))
    together, _ = join(labels(keys()), labels(theirs))
    assert together.track(7).absent.tolist() == [[10, 11], [13, 20]]
    assert together.track(7).key_frames.tolist() == KEYS


def test_filters_by_score_and_by_distance() -> None:
    track, counts = joined(AugmentOptions(min_score=0.75))
    assert track.frames.tolist() == [4, 5, 6, 10, 11, 12]
    assert (counts.below_score, counts.propagated) == (9, 12)
    track, counts = joined(AugmentOptions(max_distance=1))
    assert track.frames.tolist() == [4, 5, 11, 12]
    assert (counts.too_far, counts.propagated) == (15, 6)


def test_distance_is_that_of_the_key_frame_a_keypoint_came_from() -> None:
    origin = dense().origin.copy()
    origin[1, 2] = (-1, 12)  # keypoint c of frame 5
    together, counts = join(labels(keys()), labels(replace(dense(), origin=origin)), AugmentOptions(max_distance=3))
    assert together.track(7).visibility[1].tolist() == [2, 2, 0]
    assert counts.too_far == 3 + 1


@pytest.mark.parametrize(
    ("options", "weights"),
    [
        (AugmentOptions(weights="distance", halving=2), [2**-0.5, 0.5, 2**-1.5, 0.25]),
        (AugmentOptions(weights="one"), [1, 1, 1, 1]),
        (AugmentOptions(weights="score"), [0.9, 0.8, 0.7, 0.6]),
    ],
)
def test_weights_are_written_as_scores(options: AugmentOptions, weights: list[float]) -> None:
    track, counts = joined(options)
    np.testing.assert_allclose(track.score[1:5], np.repeat(np.array(weights)[:, None], 3, axis=1))
    assert counts.weight == pytest.approx(3 * (2 * sum(weights) - weights[3]))


def test_a_drawn_sample_weighs_one_and_repeats() -> None:
    options = AugmentOptions(sample=2, seed=3)
    track, counts = joined(options)
    assert (counts.propagated_poses, counts.propagated, counts.not_drawn) == (4, 12, 9)
    assert (track.score[track.source == Source.PROPAGATED] == 1).all()
    assert track.same_as(joined(options)[0])
    drawn = {tuple(joined(AugmentOptions(sample=2, seed=seed))[0].frames.tolist()) for seed in range(8)}
    assert len(drawn) > 1


def test_a_sample_of_a_track_with_a_negative_id() -> None:
    options = AugmentOptions(sample=2, seed=3)
    together, counts = join(labels(keys(-3)), labels(replace(dense(), id=-3)), options)
    assert [track.id for track in together.tracks] == [-3]
    assert counts.propagated_poses == 4


def test_likelier_poses_are_drawn_more_often() -> None:
    certain = AugmentOptions(weights="distance", halving=0.01, sample=1)
    assert joined(certain)[0].frames.tolist() == [4, 5, 11, 12]


def test_lone_labels_find_their_track_by_the_pose() -> None:
    first, second = (keys().rows([row]) for row in (0, 1))
    lone = [replace(first, id=0, identified=False), replace(second, id=1, identified=False)]
    other = replace(dense(), id=3, xy=dense().xy + 100)
    together, counts = join(labels(*lone), labels(other, dense()))
    assert [t.id for t in together.tracks] == [3, 7]
    assert together.track(7).same_as(dense())
    assert counts.manual_poses == 4  # the other track has key frames of its own


@pytest.mark.parametrize("whole", [False, True])
def test_lone_labels_find_their_track_though_it_was_corrected(whole: bool) -> None:
    """One keypoint of the pose, or all of it; who stands beside stays another one."""
    at, some = 8, [0, 1] if whole else [0]
    xy, source = dense().xy.copy(), dense().source.copy()
    old = [Replaced(12, k, *xy[at, k].tolist(), 2) for k in some]
    xy[at, some], source[at, some] = xy[at, some] + 9, Source.CORRECTED
    xy[at, 2], source[at, 2], visibility = [1, 2], Source.CORRECTED, dense().visibility.copy()  # which nobody had set
    visibility[at, 2] = 2
    corrected = replace(dense(), xy=xy, source=source, visibility=visibility, replaced=tuple(old))
    lone = replace(keys().rows([1]), id=6, identified=False)
    together, counts = join(labels(lone), labels(replace(dense(), id=3, xy=dense().xy + 100), corrected))
    assert [t.id for t in together.tracks] == [3, 7]
    assert together.track(7).xy[at].tolist() == xy[at].tolist()
    assert counts.corrected == len(some)


def test_keypoints_that_a_person_set_in_review_are_kept_where_the_manual_labels_mark_absence() -> None:
    source = dense().source.copy()
    source[4, :2] = Source.CORRECTED
    together, counts = join(labels(keys(absent=[(7, 9)])), labels(replace(dense(), source=source)))
    track = together.track(7)
    assert track.frames.tolist() == [4, 5, 6, 8, 10, 11, 12]
    assert track.visibility[3].tolist() == [2, 2, 0]
    assert track.absent.tolist() == [[7, 7], [9, 9]]
    assert (counts.manual, counts.in_absence) == (7, 7)


def test_a_person_in_one_file_only_is_taken_alone() -> None:
    alone = Track.make(9, [2], [[[1, 2], [3, 4], [5, 6]]])
    together, counts = join(labels(keys(), alone), labels(dense()))
    assert together.track(9).same_as(alone)
    assert counts.manual == 8
    back, _ = join(labels(alone), labels(dense()))
    assert back.track(7).same_as(dense())


def test_nothing_propagated_is_taken_where_a_person_now_marks_absence() -> None:
    track, counts = joined(mine=keys(absent=[(7, 9)]))
    assert track.frames.tolist() == [4, 5, 6, 10, 11, 12]
    assert track.absent.tolist() == [[7, 9]]
    assert counts.in_absence == 9


def test_estimates_among_the_manual_labels_are_left_out_and_counted() -> None:
    guessed = np.full((2, 3), Source.MANUAL)
    guessed[1] = [Source.MANUAL, Source.DETECTED, Source.NONE]
    mine = replace(keys(), source=guessed.astype(np.uint8))
    together, counts = join(labels(mine), labels())
    assert together.track(7).visibility.tolist() == [[2, 1, 2], [2, 0, 0]]
    assert counts.not_manual == 1


def test_labels_of_another_video_or_skeleton_are_refused() -> None:
    with pytest.raises(PwarpError, match=r"frame_count 30 \(a.mp4\).* 31"):
        join(labels(keys(), path="a.mp4", frame_count=30), labels(dense(), frame_count=31))
    other = Annotations(Skeleton("other", ("a", "c", "b")), tracks=(dense(),))
    with pytest.raises(PwarpError, match="skeleton"):
        join(labels(keys()), other)


@given(
    annotations(st.just(SKELETON)), annotations(st.just(SKELETON)), st.sampled_from([0.0, 0.4]), st.none() | st.just(1)
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
def test_no_manual_keypoint_is_ever_altered(
    manual: Annotations, propagated: Annotations, min_score: float, sample: int | None
) -> None:
    unnamed = VideoIdentity()
    manual, propagated = replace(manual, video=unnamed), replace(propagated, video=unnamed)
    # Ids as in a run: propagation keeps them. Corrections that overrule are tested above.
    propagated = replace(propagated, tracks=tuple(replace(t, replaced=()) for t in propagated.tracks))
    together, counts = join(manual, propagated, AugmentOptions(min_score=min_score, sample=sample))
    kept = {(t.id, int(f)): t.rows([row]) for t in together.tracks for row, f in enumerate(t.frames)}
    poses = {t.xy[row].tobytes() for t in kept.values() for row in range(len(t))}
    for track in manual.tracks:
        for row, frame in enumerate(track.frames):
            mine = track.by_person[row]
            if track.identified and (track.id, int(frame)) in kept:
                out = kept[track.id, int(frame)]
                for name in ("xy", "visibility", "score", "source", "origin"):
                    assert getattr(out, name)[0][mine].tobytes() == getattr(track, name)[row][mine].tobytes()
            elif mine.all():
                assert track.xy[row].tobytes() in poses
    assert counts.manual >= sum(int(t.by_person.sum()) for t in manual.tracks)
    assert counts.manual == sum(int(t.by_person.sum()) for t in together.tracks)
    assert counts.propagated == sum(int((t.labelled & ~t.by_person).sum()) for t in together.tracks)
