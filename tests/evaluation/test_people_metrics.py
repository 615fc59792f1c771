"""PoseTrack AP, MOTA and OKS AP: what must hold for any skeleton, and cases worked by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from crowds import APART, FIVE, HEAD, crowd, guess, labels, measured, quick, values
from hypothesis import given
from hypothesis import strategies as st

from pwarp.annotations import Annotations, Source, Track
from pwarp.errors import PwarpError
from pwarp.evaluation.measure import make_metrics, measure
from pwarp.evaluation.metric import Settings
from pwarp.evaluation.pairing import Selection
from pwarp.evaluation.regions import strictly_inside
from pwarp.skeleton import POSETRACK_17, Skeleton

SEEDS = st.integers(0, 2**32 - 1)
METRICS = ("posetrack-ap", "mota", "oks-ap")
DOT = Skeleton("dot", ("dot",), sigmas=(0.1,))


@quick
@given(seed=SEEDS, people=st.integers(1, 4))
def test_perfect_is_100(seed: int, people: int) -> None:
    truth = crowd(seed, people=people, frames=5)
    prediction = guess(truth, seed, error=0, missed=0)
    assert {f.value for f in measured("posetrack-ap", (truth, prediction)).figures} == {100}
    tracked = values(measured("mota", (truth, prediction)))
    assert {tracked[b, "total", "Total"] for b in ("MOTA", "MOTP", "precision", "recall")} == {100}
    assert values(measured("oks-ap", (truth, prediction)))["", "total", "AP"] == pytest.approx(100)


@quick
@given(seed=SEEDS, order=st.permutations(range(3)), videos=st.permutations(range(3)))
def test_order_of_tracks_and_videos_is_irrelevant(seed: int, order: list[int], videos: list[int]) -> None:
    pairs = [(truth := crowd(seed + i, frames=3 + i), guess(truth, seed + 9 + i)) for i in range(3)]
    shuffled = [
        (replace(t, tracks=tuple(t.tracks[i] for i in order)), replace(p, tracks=p.tracks[::-1]))
        for t, p in (pairs[i] for i in videos)
    ]
    for metric in METRICS:
        assert values(measured(metric, *shuffled)) == pytest.approx(values(measured(metric, *pairs)), nan_ok=True)


@quick
@given(seed=SEEDS, frame=st.integers(0, 3), score=st.floats(0, 1), keypoints=st.sets(st.integers(0, 4), min_size=1))
def test_a_false_positive_never_raises_ap(seed: int, frame: int, score: float, keypoints: set[int]) -> None:
    truth = crowd(seed)
    prediction = guess(truth, seed + 1)
    visibility = [[2 if k in keypoints else 0 for k in range(len(FIVE))]]
    scores = np.full((1, len(FIVE)), score) + np.arange(len(FIVE)) * 1e-7
    place = np.full((1, len(FIVE), 2), 20 * APART) + np.arange(len(FIVE))[:, None]
    nobody = Track.make(99, [frame], place, visibility, score=scores, source=np.array(visibility))
    more = replace(prediction, tracks=(*prediction.tracks, nobody))
    before, after = (values(measured("posetrack-ap", (truth, p))) for p in (prediction, more))
    assert all(after[key] <= before[key] + 1e-9 for key in before if key[0] == "AP")
    assert measured("mota", (truth, more)).figures[-1].value <= measured("mota", (truth, prediction)).figures[-1].value


@quick
@given(seed=SEEDS, order=st.permutations(range(len(FIVE))))
def test_permuting_joints_permutes_results(seed: int, order: list[int]) -> None:
    at = {old: new for new, old in enumerate(order)}
    assert FIVE.sigmas is not None
    skeleton = Skeleton(
        "permuted",
        tuple(FIVE.keypoints[k] for k in order),
        flip_pairs=tuple((at[a], at[b]) for a, b in FIVE.flip_pairs),
        sigmas=tuple(FIVE.sigmas[k] for k in order),
    )

    def permuted(annotations: Annotations) -> Annotations:
        names = ("xy", "visibility", "score", "source", "origin")
        tracks = (replace(t, **{n: getattr(t, n)[:, order] for n in names}) for t in annotations.tracks)
        return replace(annotations, skeleton=skeleton, tracks=tuple(tracks))

    truth = crowd(seed)
    prediction = guess(truth, seed + 1)
    for metric in METRICS:
        before, after = measured(metric, (truth, prediction)), measured(metric, (permuted(truth), permuted(prediction)))
        assert values(after) == pytest.approx(values(before), nan_ok=True)


def test_frames_with_nobody_in_the_truth_count_in_coco_and_not_in_poseval() -> None:
    everybody = replace(crowd(0, frames=9), labelled=np.arange(9))
    prediction = guess(everybody, 1)
    four = replace(everybody, tracks=tuple(track.rows(track.frames < 4) for track in everybody.tracks))
    undeclared = replace(four, labelled=None)
    for metric in METRICS:
        same = values(measured(metric, (four, prediction))) == pytest.approx(
            values(measured(metric, (undeclared, prediction))), nan_ok=True
        )
        assert same == (metric != "oks-ap")


def dots(*tracks: tuple[int, list[int], list[float]]) -> Annotations:
    """Tracks of one keypoint: id, frames, x in each. Heads are HEAD long, so that near is within HEAD / 2."""
    made = []
    for id, frames, xs in tracks:
        xy = np.array([[[x, 0.0]] for x in xs])
        heads = np.tile([0.0, 0.0, HEAD / 0.6, 0.0], (len(frames), 1))
        made.append(Track.make(id, frames, xy, head_boxes=heads, source=np.full((len(xs), 1), Source.DETECTED)))
    return Annotations(DOT, tracks=tuple(made))


def mota(truth: Annotations, prediction: Annotations) -> dict[str, float]:
    return {block: value for (block, kind, _), value in values(measured("mota", (truth, prediction))).items()}


def test_mota_counts_misses_false_positives_and_switches() -> None:
    truth = dots((0, [0, 1, 2, 3, 4], [0, 0, 0, 0, 0]), (1, [0, 1, 2, 3, 4], [500] * 5))
    # Person 0 changes to track 8 in frame 2; person 1 is missed in frames 1 and 2; somebody is invented in frame 3.
    prediction = dots(
        (5, [0, 1], [10, 10]), (8, [2, 3, 4], [10, 10, 10]), (6, [0, 3, 4], [500, 500, 500]), (7, [3], [9000])
    )  # fmt: skip
    result = mota(truth, prediction)
    # The last frame does not count: 8 objects, 2 misses, 1 false positive, 1 switch, 6 matches.
    assert result["MOTA"] == pytest.approx(100 * (1 - 4 / 8))
    assert result["precision"] == pytest.approx(100 * 6 / 7)
    assert result["recall"] == pytest.approx(100 * 6 / 8)
    assert result["MOTP"] == pytest.approx(100 * (1 - 4 * (10 / HEAD) / 6))
    # poseval adds up RAW events too, one for each near pair, and the event before a switch to a new track.
    assert result["MOTP as poseval prints it"] == pytest.approx(100 * (1 - 9 * (10 / HEAD) / 6))


def test_a_pair_stays_together_while_it_is_near_though_another_is_nearer() -> None:
    truth = dots((0, [0, 1, 2, 3], [0, 0, 0, 0]))
    prediction = dots((5, [0, 1, 2, 3], [0, 20, 20, 20]), (6, [1, 2, 3], [1, 1, 1]))
    result = mota(truth, prediction)
    assert result["MOTA"] == pytest.approx(100 * (1 - 2 / 3))
    assert result["MOTP"] == pytest.approx(100 * (1 - 40 / HEAD / 3))


def test_new_pairs_are_as_many_as_possible_before_they_are_near() -> None:
    truth = dots((0, [0, 1], [0, 0]), (1, [0, 1], [30, 30]))
    prediction = dots((5, [0, 1], [12, 12]), (6, [0, 1], [-20, -20]))
    # 5 is nearest to both; only 0-6 and 1-5 match everybody.
    result = mota(truth, prediction)
    assert result["MOTA"] == 100
    assert result["MOTP"] == pytest.approx(100 * (1 - (20 + 18) / HEAD / 2))


def test_ap_by_hand() -> None:
    truth = dots((0, [0, 1, 2], [0, 0, 0]))
    prediction = dots((0, [0, 1, 2], [0, 200, 5]))
    scored = replace(prediction, tracks=(replace(prediction.tracks[0], score=np.array([[0.9], [0.8], [0.7]])),))
    figures = values(measured("posetrack-ap", (truth, scored)))
    # Right, wrong, right: precision 1, 1/2, 2/3 at recall 1/3, 1/3, 2/3.
    assert figures["AP", "total", "Total"] == pytest.approx(100 * (1 / 3 + 2 / 9))
    assert figures["precision", "total", "Total"] == pytest.approx(100 * 2 / 3)
    assert figures["recall", "total", "Total"] == pytest.approx(100 * 2 / 3)


def test_equal_scores_are_pointed_out() -> None:
    truth = crowd(0)
    prediction = guess(truth, 1)
    assert measured("posetrack-ap", (truth, prediction)).notes == ()
    tracks = tuple(replace(t, score=np.where(t.labelled, 0.5, np.nan)) for t in prediction.tracks)
    assert "AP depends on their order" in measured("posetrack-ap", (truth, replace(prediction, tracks=tracks))).notes[0]


def test_empty_predictions_are_nothing_found() -> None:
    truth = crowd(0)
    nothing = replace(truth, tracks=())
    assert values(measured("posetrack-ap", (truth, nothing)))["AP", "total", "Total"] == 0
    assert values(measured("mota", (truth, nothing)))["MOTA", "total", "Total"] == -100
    assert values(measured("oks-ap", (truth, nothing)))["", "total", "AP"] == 0


def test_frames_that_a_person_gave_are_left_out() -> None:
    truth = crowd(0, frames=6)
    prediction = guess(truth, 1, missed=0)
    wrong = [replace(t, xy=np.where(np.arange(6)[:, None, None] == 2, t.xy + 5000, t.xy)) for t in prediction.tracks]
    source = np.full((6, len(FIVE)), Source.PROPAGATED)
    source[2] = Source.MANUAL
    given_wrong = [replace(t, source=np.where(t.labelled, source, Source.NONE)) for t in wrong]
    result = measured("mota", (truth, replace(prediction, tracks=tuple(given_wrong))))
    assert "1 frames left out" in result.notes[0]
    counted = Settings(Selection(exclude_manual=False))
    by_number = measured("mota", (truth, replace(prediction, tracks=tuple(wrong))), settings=counted)
    assert values(result)["recall", "total", "Total"] > values(by_number)["recall", "total", "Total"]


def test_without_head_boxes_a_length_must_be_named() -> None:
    truth = crowd(0)
    bare = replace(truth, tracks=tuple(replace(t, head_boxes=np.full((len(t), 4), np.nan)) for t in truth.tracks))
    prediction = guess(truth, 1)
    for metric in ("posetrack-ap", "mota"):
        with pytest.raises(PwarpError, match=r"frame 0, track 0.*head box.*--length"):
            measured(metric, (bare, prediction))
        named = measured(metric, (bare, prediction), settings=Settings(length="diag:0.2"))
        assert "diag:0.2" in named.title


def test_posetrack_joints_are_judged_alone_and_the_head_is_three_of_them() -> None:
    truth = crowd(0, skeleton=POSETRACK_17)
    prediction = guess(truth, 1, error=0, missed=0)
    figures = measured("posetrack-ap", (truth, prediction)).figures
    parts = [f.name for f in figures if f.kind == "part"]
    assert parts == ["Head", "Shoulder", "Elbow", "Wrist", "Hip", "Knee", "Ankle"]
    joints = [f.name for f in figures if f.kind == "joint" and f.block == "AP"]
    assert len(joints) == 15
    assert "left_ear" not in joints


def test_ignore_regions_go_on_both_sides() -> None:
    truth = dots((0, [0, 1, 2], [0, 0, 0]), (1, [0, 1, 2], [500, 500, 500]))
    prediction = dots((0, [0, 1, 2], [0, 0, 0]))
    region = np.array([[400.0, -10.0], [600.0, -10.0], [600.0, 10.0], [400.0, 10.0]])
    ignoring = replace(truth, ignore_regions=dict.fromkeys(range(3), (region,)))
    assert values(measured("posetrack-ap", (truth, prediction)))["recall", "total", "Total"] == 50
    assert values(measured("posetrack-ap", (ignoring, prediction)))["recall", "total", "Total"] == 100


def test_areas_without_people_go_into_no_mean_and_no_interval() -> None:
    def one(seed: int, size: float) -> tuple[Annotations, Annotations]:
        xy = np.random.default_rng(seed).uniform(0, size, (1, len(FIVE), 2))
        box = [[0.0, 0.0, size, size]]
        truth = Annotations(FIVE, tracks=(Track.make(0, [0], xy, boxes=box),))
        return truth, guess(truth, seed, error=0, missed=0)

    large, medium, other = one(0, 150), one(1, 60), one(2, 60)
    figures = {f.name: f for f in measured("oks-ap", large, medium, other, bootstrap=50).figures}
    for name in ("AP", "AP_L", "AP_M"):
        assert [figures[name].value, figures[name].low, figures[name].high] == pytest.approx([100, 100, 100])
    assert np.isnan(values(measured("oks-ap", medium))["", "total", "AP_L"])
    splits = [(labels(t, "v", group), labels(p, "v", group)) for group, (t, p) in (("a", large), ("b", medium))]
    (mean,) = measure(splits, make_metrics(["oks-ap"], Settings()))
    assert np.isnan([f.value for f in mean.figures if f.name in ("AP_M", "AP_L", "AR_M", "AR_L")]).all()


def test_points_in_polygons() -> None:
    square = np.array([[0.0, 0.0], [4.0, 0.0], [4.0, 4.0], [0.0, 4.0]])
    points = np.array([[2.0, 2.0], [4.0, 2.0], [0.0, 0.0], [5.0, 2.0], [2.0, 4.0], [-1.0, 0.0], [np.nan, 1.0]])
    assert strictly_inside(points, square).tolist() == [True, False, False, False, False, False, False]
    bowtie = np.array([[0.0, 0.0], [4.0, 4.0], [4.0, 0.0], [0.0, 4.0]])
    inside = strictly_inside(np.array([[3.5, 2.0], [0.5, 2.0], [2.0, 0.5], [2.0, 3.5], [1.0, 1.0]]), bowtie)
    assert inside.tolist() == [True, True, False, False, False]


def test_oks_of_two_videos_is_that_of_one() -> None:
    first, second = crowd(1, frames=3), crowd(2, frames=3)
    tracks = [replace(t, id=t.id + 10, frames=t.frames + 3) for t in second.tracks]
    whole = Annotations(FIVE, tracks=(*first.tracks, *tracks))
    a, b = guess(first, 3, error=10), guess(second, 4, error=10)
    both = Annotations(FIVE, tracks=(*a.tracks, *(replace(t, id=t.id + 10, frames=t.frames + 3) for t in b.tracks)))
    assert values(measured("oks-ap", (first, a), (second, b))) == pytest.approx(
        values(measured("oks-ap", (whole, both))), nan_ok=True
    )
