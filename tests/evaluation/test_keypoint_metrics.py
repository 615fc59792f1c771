"""PCK, AUC, pixel error and jitter, worked by hand and by what must hold for all."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from crowds import FIVE, crowd, guess, measured, quick, values
from hypothesis import given
from hypothesis import strategies as st

from pwarp import evaluation
from pwarp.annotations import Annotations, Source, Track
from pwarp.errors import PwarpError
from pwarp.evaluation.metric import Settings
from pwarp.evaluation.pairing import Selection
from pwarp.skeleton import Skeleton

LINE = Skeleton("line", ("left_end", "right_end", "middle"), flip_pairs=((0, 1),))
SEEDS = st.integers(0, 2**32 - 1)


def moved(truth: Annotations, step: np.ndarray) -> Annotations:
    """The truth's tracks with coordinates moved by (F, K, 2), as a prediction."""
    tracks = (
        replace(t, xy=t.xy + step, source=np.where(t.labelled, Source.DETECTED, Source.NONE)) for t in truth.tracks
    )
    return replace(truth, tracks=tuple(tracks))


def line(frames: int = 4) -> Annotations:
    xy = np.tile([[0.0, 0.0], [100.0, 0.0], [50.0, 0.0]], (frames, 1, 1))
    return Annotations(LINE, tracks=(Track.make(0, np.arange(frames), xy),))


def test_pck_by_hand() -> None:
    truth = line()
    step = np.zeros((4, 3, 2))
    step[:, 0, 1] = [9, 10, 11, 30]
    step[0, 2, 0] = 20
    result = evaluation.pck(truth, moved(truth, step), length="torso:0-1", alpha=(0.1, 0.2))
    np.testing.assert_array_equal(result.hits, [[2, 4, 3], [3, 4, 4]])
    assert result.counts.tolist() == [4, 4, 4]
    assert result.pooled.tolist() == pytest.approx([75, 100 * 11 / 12])
    np.testing.assert_allclose(result.per_part, [[75, 75], [87.5, 100]])
    assert result.median_px == 0
    strict = evaluation.pck(truth, moved(truth, step), length="torso:0-1", alpha=(0.1, 0.2), strict=True)
    np.testing.assert_array_equal(strict.hits, [[1, 4, 3], [3, 4, 3]])


def test_keypoints_that_were_not_predicted_are_misses() -> None:
    truth = line()
    prediction = Annotations(LINE, tracks=(Track.make(0, [1, 2], truth.tracks[0].xy[1:3], [[2, 2, 0], [2, 0, 2]]),))
    result = evaluation.pck(truth, prediction, length="pixels", alpha=5, exclude_manual=False)
    assert result.hits.tolist() == [[2, 1, 1]]
    assert (result.count, result.missing) == (12, 8)
    assert result.pooled[0] == pytest.approx(100 * 4 / 12)


def test_poses_without_the_length_are_left_out_and_counted() -> None:
    truth = line()
    visibility = np.full((4, 3), 2)
    visibility[1, 0] = 0
    truth = Annotations(LINE, tracks=(Track.make(0, np.arange(4), truth.tracks[0].xy, visibility),))
    result = evaluation.pck(truth, moved(truth, np.zeros((4, 3, 2))), length="torso:0-1")
    assert result.counts.tolist() == [3, 3, 3]
    assert result.account.without_length == 2
    assert "2 keypoints left out" in measured("pck", (truth, truth), settings=Settings(length="torso:0-1")).notes[0]


def test_means_of_unequal_sides_differ_and_are_all_given() -> None:
    truth = line()
    visibility = np.array([[2, 2, 2], [0, 2, 2], [0, 2, 2], [0, 2, 2]])
    truth = Annotations(LINE, tracks=(Track.make(0, np.arange(4), truth.tracks[0].xy, visibility),))
    step = np.zeros((4, 3, 2))
    step[:, 1] = 1000
    figures = values(measured("pck", (truth, moved(truth, step)), settings=Settings(length="body", alphas=(0.1,))))
    # Without boxes nothing counts by the body; every figure says so.
    assert all(np.isnan(v) for v in figures.values())
    figures = values(measured("pck", (truth, moved(truth, step)), settings=Settings(length="pixels", alphas=(5,))))
    total = {name: value for (_, kind, name), value in figures.items() if kind == "total"}
    assert total == pytest.approx(
        {
            "pooled": 100 * 5 / 9,
            "mean of parts": (20 + 100) / 2,
            "mean of parts, sides averaged": (50 + 100) / 2,
            "mean of joints": (100 + 0 + 100) / 3,
        }
    )


@quick
@given(seed=SEEDS)
def test_perfect_is_100_and_pck_rises_with_alpha(seed: int) -> None:
    truth = crowd(seed)
    alphas = (0.05, 0.1, 0.3, 1.0)
    assert evaluation.pck(truth, truth, length="diag:0.4", alpha=alphas).pooled.tolist() == [100] * 4
    pooled = evaluation.pck(truth, guess(truth, seed + 1), length="diag:0.4", alpha=alphas).pooled
    assert (np.diff(pooled) >= 0).all()


@quick
@given(seed=SEEDS, order=st.permutations(range(3)), videos=st.permutations(range(4)))
def test_order_of_tracks_and_videos_is_irrelevant(seed: int, order: list[int], videos: list[int]) -> None:
    pairs = [(truth := crowd(seed + i, frames=3 + i), guess(truth, seed + 9 + i)) for i in range(4)]
    shuffled = [
        (replace(t, tracks=tuple(t.tracks[i] for i in order)), replace(p, tracks=tuple(p.tracks[::-1])))
        for t, p in (pairs[i] for i in videos)
    ]
    for metric in ("pck", "auc", "error", "jitter", "calibration"):
        assert values(measured(metric, *shuffled)) == pytest.approx(values(measured(metric, *pairs)), nan_ok=True)


@quick
@given(seed=SEEDS, order=st.permutations(range(len(FIVE))))
def test_permuting_keypoints_permutes_results(seed: int, order: list[int]) -> None:
    truth = crowd(seed)
    prediction = guess(truth, seed + 1)
    settings = Settings(length="diag:0.4")
    for metric in ("pck", "auc", "error", "jitter"):
        before = measured(metric, (truth, prediction), settings=settings)
        after = measured(metric, (permuted(truth, order), permuted(prediction, order)), settings=settings)
        assert values(after) == pytest.approx(values(before), nan_ok=True)


def permuted(annotations: Annotations, order: list[int]) -> Annotations:
    at = {old: new for new, old in enumerate(order)}
    skeleton = Skeleton(
        "permuted",
        tuple(annotations.skeleton.keypoints[k] for k in order),
        flip_pairs=tuple((at[a], at[b]) for a, b in annotations.skeleton.flip_pairs),
    )
    names = ("xy", "visibility", "score", "source", "origin")
    tracks = (replace(t, **{n: getattr(t, n)[:, order] for n in names}) for t in annotations.tracks)
    return replace(annotations, skeleton=skeleton, tracks=tuple(tracks))


def test_error_by_hand() -> None:
    truth = line()
    step = np.zeros((4, 3, 2))
    step[:, 0, 1] = [1, 2, 3, 10]
    result = measured("error", (truth, moved(truth, step)), settings=Settings(length="torso:0-1"))
    figures = {(f.block, f.name): (f.value, f.count) for f in result.figures}
    assert figures["median error", "left_end"] == (2.5, 4)
    assert figures["median error", "all keypoints"] == (0, 12)
    assert figures["mean error", "all keypoints"] == (pytest.approx(16 / 12), 12)
    assert figures["normalised mean error", "all keypoints"] == (pytest.approx(16 / 12), 12)
    assert figures["not predicted", "all keypoints"] == (0, 12)


def test_auc_is_the_area_under_pck() -> None:
    truth = line()
    step = np.zeros((4, 3, 2))
    step[..., 1] = 25
    figures = values(measured("auc", (truth, moved(truth, step)), settings=Settings(length="torso:0-1")))
    # The curve steps from 0 to 100 % at 0.25: trapezoids put the step's middle at 0.245 of 0.5.
    assert figures["", "total", "AUC"] == pytest.approx(100 * (1 - 0.245 / 0.5))
    assert values(measured("auc", (truth, truth)))["", "total", "AUC"] == pytest.approx(100)


def test_jitter_by_hand() -> None:
    truth = line(5)
    step = np.zeros((5, 3, 2))
    step[2, 0] = [3, 4]
    figures = {f.name: (f.value, f.count) for f in measured("jitter", (truth, moved(truth, step))).figures}
    # A lone outlier of 5 px: accelerations 5, 10, 5 around it, none for the other two keypoints.
    assert figures["left_end"] == (pytest.approx(20 / 3), 3)
    assert figures["middle"] == (0, 3)
    assert figures["acceleration error"] == (pytest.approx(20 / 9), 9)
    assert figures["acceleration of the truth"] == (0, 9)


def test_jitter_looks_across_given_frames_but_not_across_gaps() -> None:
    truth = line(6)
    source = np.full((6, 3), Source.PROPAGATED)
    source[2] = Source.MANUAL
    whole = Annotations(LINE, tracks=(replace(truth.tracks[0], source=source),))
    assert measured("jitter", (truth, whole)).figures[0].count == 4
    gap = Annotations(LINE, tracks=(replace(truth.tracks[0], source=source).rows(np.array([0, 1, 2, 4, 5])),))
    assert measured("jitter", (truth, gap)).figures[0].count == 1
    sparse = Annotations(LINE, tracks=(truth.tracks[0].rows(np.array([0, 2, 4])),))
    result = measured("jitter", (sparse, whole))
    assert np.isnan(result.figures[-1].value)
    assert "three frames in a row" in result.notes[0]


def test_pixels_want_their_own_thresholds() -> None:
    truth = line()
    for metric, option in (("pck", "--alpha"), ("calibration", "--alpha"), ("auc", "--auc-limit")):
        with pytest.raises(PwarpError, match=option):
            measured(metric, (truth, truth), settings=Settings(length="pixels"))
    figures = measured("auc", (truth, truth), settings=Settings(length="pixels", auc_limit=30)).figures
    assert figures[-1].value == pytest.approx(100)


def test_pckh_is_by_the_head_whatever_length_the_others_take() -> None:
    truth = crowd(0)
    prediction = guess(truth, 1)
    settings = Settings(length="diag:0.4", alphas=(0.5,), selection=Selection(visible_only=False))
    pckh = measured("pckh", (truth, prediction), settings=settings)
    assert "PCKh" in pckh.title
    assert "head" in pckh.title
    expected = evaluation.pck(truth, prediction, length="head", alpha=0.5, visible_only=False)
    assert pckh.figures[0].value == pytest.approx(expected.per_joint[0, 0])
