"""Which predicted pose answers which true one, and which keypoints are asked for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from crowds import FIVE, crowd, guess, quick
from hypothesis import given
from hypothesis import strategies as st

from pwarp.annotations import Annotations, Source, Track
from pwarp.errors import PwarpError
from pwarp.evaluation.pairing import Selection, judged_frames, pair_poses
from pwarp.evaluation.partners import TrackMatching
from pwarp.skeleton import Skeleton

TWO = Skeleton("two", ("a", "b"))


def track(id: int, frames: list[int], place: float, **options: object) -> Track:
    """A track of two keypoints, 10 px apart, that stands still."""
    xy = np.tile([[place, 0.0], [place, 10.0]], (len(frames), 1, 1))
    return Track.make(id, frames, xy, **options)  # type: ignore[arg-type]


def pairs(truth: Annotations, prediction: Annotations, **selection: object):
    return pair_poses(truth, prediction, Selection(**selection))  # type: ignore[arg-type]


def exchanged(first: Source, rest: Source) -> Annotations:
    """Two people whose places are exchanged after their first frame, and the sources of their keypoints."""
    source = np.array([[first] * 2, [rest] * 2, [rest] * 2])
    tracks = []
    for id, (own, other) in enumerate(((0.0, 99.0), (100.0, 1.0))):
        xy = np.array([[[x, 0.0], [x, 10.0]] for x in (own, other, other)])
        tracks.append(Track.make(id, [0, 1, 2], xy, source=source))
    return Annotations(TWO, tracks=tuple(tracks))


def test_by_id_whatever_is_nearer_where_the_prediction_grew_from_labels() -> None:
    """People who are exchanged between two labels are an error of the propagation, not of the ids."""
    truth = Annotations(TWO, tracks=(track(0, [0, 1, 2], 0), track(1, [0, 1, 2], 100)))
    found = pairs(truth, exchanged(Source.MANUAL, Source.PROPAGATED))
    assert found.matched_by == "id"
    np.testing.assert_array_equal(found.predicted[:, 0, 0], [0, 99, 99, 100, 1, 1])


def test_a_correction_in_a_trackers_result_does_not_make_its_ids_the_truths() -> None:
    truth = Annotations(TWO, tracks=(track(1, [0, 1, 2], 0), track(0, [0, 1, 2], 100)))
    seen = Annotations(TWO, tracks=(track(0, [0, 1, 2], 0), track(1, [0, 1, 2], 100)))
    source = np.full((3, 2), Source.DETECTED)
    source[1, 0] = Source.CORRECTED
    corrected = replace(seen, tracks=tuple(replace(t, source=source.astype(np.uint8)) for t in seen.tracks))
    found = pairs(truth, corrected)
    assert found.matched_by == "overlap"
    assert np.nanmax(found.error) == 0


def test_by_overlap_where_ids_differ() -> None:
    truth = Annotations(TWO, tracks=(track(0, [0, 1, 2], 0), track(1, [0, 1, 2], 100)))
    prediction = Annotations(TWO, tracks=(track(7, [0, 1, 2], 101), track(8, [2], 0), track(9, [0, 1], 1)))
    found = pairs(truth, prediction)
    np.testing.assert_array_equal(found.predicted[:, 0, 0], [1, 1, np.nan, 101, 101, 101])


def test_ids_that_coincide_by_chance_pair_nobody() -> None:
    truth = crowd(0, frames=5, people=3)
    prediction = guess(truth, 1, missed=0)
    swapped = replace(prediction, tracks=tuple(replace(t, id=(t.id + 1) % 3) for t in prediction.tracks))
    found = pairs(truth, swapped)
    assert found.matched_by == "overlap"
    np.testing.assert_array_equal(found.predicted, pairs(truth, prediction).predicted)
    # Asked for, ids are taken at their word.
    assert np.nanmin(pairs(truth, swapped, tracks="id").error) > 500


@pytest.mark.parametrize("ids", [(0, 1), (1, 0)])
def test_ids_are_judged_by_all_poses_where_the_truth_has_none_of_the_labelled_frames(ids: tuple[int, int]) -> None:
    """As with frames that were held out and labelled apart, where people may be numbered in another order."""
    source = np.array([[Source.MANUAL] * 2, [Source.PROPAGATED] * 2, [Source.PROPAGATED] * 2])
    grown = Annotations(TWO, tracks=tuple(track(id, [0, 1, 2], 100 * id + 1, source=source) for id in (0, 1)))
    held_out = Annotations(TWO, tracks=tuple(track(id, [1, 2], 100 * place) for place, id in enumerate(ids)))
    found = pairs(held_out, grown)
    assert found.matched_by == ("id" if ids == (0, 1) else "overlap")
    assert np.nanmax(found.error) == 1


@pytest.mark.parametrize("error", [3.0, 200.0])
def test_ids_that_pair_as_well_as_anything_are_kept(error: float) -> None:
    truth = crowd(0, frames=5, people=3)
    assert pairs(truth, guess(truth, 1, error=error)).matched_by == "id"


def test_nothing_near_is_no_partner() -> None:
    truth = Annotations(TWO, tracks=(track(0, [0, 1, 2], 0),))
    prediction = Annotations(TWO, tracks=(track(5, [0, 1, 2], 400),))
    assert not pairs(truth, prediction).found.any()
    assert pairs(truth, Annotations(TWO, tracks=(track(0, [0, 1, 2], 400),))).found.all()


def test_frame_by_frame_where_poses_have_no_track() -> None:
    truth = Annotations(TWO, tracks=(track(0, [0, 1, 2], 0), track(1, [0, 1], 100)))
    loose = (track(i, [f], place, identified=False) for i, (f, place) in enumerate([(0, 1), (0, 99), (1, 98), (2, 3)]))
    found = pairs(truth, Annotations(TWO, tracks=tuple(loose)))
    np.testing.assert_array_equal(found.predicted[:, 0, 0], [1, np.nan, 3, 99, 98])


@pytest.mark.parametrize("how", ["id", "overlap", "frame"])
def test_all_ways_agree_where_everybody_is_clear(how: TrackMatching) -> None:
    truth = crowd(0, frames=6, people=4)
    prediction = guess(truth, 1, missed=0)
    expected, found = pairs(truth, prediction), pairs(truth, prediction, tracks=how)
    np.testing.assert_array_equal(found.predicted, expected.predicted)


def test_what_a_person_set_in_the_prediction_is_not_asked_for() -> None:
    truth = Annotations(TWO, tracks=(track(0, [0, 1, 2, 3, 4], 0),))
    source = np.full((5, 2), Source.PROPAGATED)
    source[0], source[4, 1] = Source.MANUAL, Source.CORRECTED
    prediction = Annotations(TWO, tracks=(track(0, [0, 1, 2, 3, 4], 1, source=source),))
    asked = pairs(truth, prediction).asked
    np.testing.assert_array_equal(asked, [[0, 0], [1, 1], [1, 1], [1, 1], [1, 0]])
    assert pairs(truth, prediction, exclude_manual=False).asked.all()
    frames, given = judged_frames(truth, prediction, Selection())
    assert frames.tolist() == [1, 2, 3]
    assert given == 2


def test_a_prediction_that_is_all_manual_says_nothing_about_what_was_given() -> None:
    truth = Annotations(TWO, tracks=(track(0, [0, 1, 2], 0),))
    assert pairs(truth, truth).asked.all()
    assert judged_frames(truth, truth, Selection())[0].tolist() == [0, 1, 2]


def test_every_leaves_out_multiples_and_the_last() -> None:
    truth = Annotations(TWO, tracks=(track(0, list(range(3, 12)), 0),))
    assert pairs(truth, truth, every=4).frame.tolist() == [3, 5, 6, 7, 9, 10]
    assert judged_frames(truth, truth, Selection(every=4))[0].tolist() == [3, 5, 6, 7, 9, 10]


def test_frames_declared_labelled_count_where_a_metric_wants_them() -> None:
    truth = Annotations(TWO, tracks=(track(0, [4, 6], 0),), labelled=np.array([2, 4]))
    assert judged_frames(truth, truth, Selection())[0].tolist() == [4, 6]
    assert judged_frames(truth, truth, Selection(), declared=True)[0].tolist() == [2, 4, 6]


def test_occluded_keypoints_only_on_request() -> None:
    truth = Annotations(TWO, tracks=(track(0, [0, 1, 2], 0, visibility=[[2, 1], [1, 1], [0, 2]]),))
    np.testing.assert_array_equal(pairs(truth, truth).asked, [[1, 0], [0, 0], [0, 1]])
    np.testing.assert_array_equal(pairs(truth, truth, visible_only=False).asked, [[1, 1], [1, 1], [0, 1]])


@quick
@given(st.permutations(range(len(FIVE))))
def test_keypoints_go_by_name(order: list[int]) -> None:
    truth = crowd(0)
    shuffled = replace(
        truth,
        skeleton=Skeleton("shuffled", tuple(FIVE.keypoints[k] for k in order)),
        tracks=tuple(
            Track.make(t.id, t.frames, t.xy[:, order], t.visibility[:, order], score=t.score[:, order])
            for t in truth.tracks
        ),
    )
    error = pairs(truth, shuffled).error
    assert np.nanmax(error) == 0


def test_missing_keypoint_names_are_listed() -> None:
    other = Annotations(Skeleton("other", ("a", "z")), tracks=())
    with pytest.raises(PwarpError, match=r"lacks 1 of the truth's 2 keypoints: b; it has: a, z"):
        pairs(Annotations(TWO), other)


def test_no_people_on_either_side() -> None:
    truth = crowd(0)
    assert not pairs(truth, Annotations(FIVE)).found.any()
    assert len(pairs(Annotations(FIVE), truth)) == 0
