"""Whether scores tell how likely a keypoint is right."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from crowds import crowd, guess, measured, quick, values
from hypothesis import given
from hypothesis import strategies as st

from pwarp.evaluation.calibration import auroc, expected_calibration_error, reliability, risk_at_coverage
from pwarp.evaluation.metric import Settings


def test_reliability_by_hand() -> None:
    score = np.array([0.05, 0.15, 0.25, 0.95, 1.0, 0.5])
    right = np.array([False, False, True, True, True, False])
    table = reliability(score, right, 2)
    assert [(row.low, row.high, row.count) for row in table] == [(0, 0.5, 3), (0.5, 1, 3)]
    assert [row.right for row in table] == pytest.approx([1 / 3, 2 / 3])
    assert [row.mean_score for row in table] == pytest.approx([0.15, 2.45 / 3])
    assert expected_calibration_error(table) == pytest.approx((3 * (1 / 3 - 0.15) + (2.45 - 2)) / 6)


def test_auroc_by_hand() -> None:
    right = np.array([True, True, False, False, False])
    assert auroc(np.array([5.0, 4, 3, 2, 1]), right) == 1
    assert auroc(np.array([1.0, 2, 3, 4, 5]), right) == 0
    assert auroc(np.array([3.0, 3, 3, 3, 3]), right) == 0.5
    assert auroc(np.array([4.0, 2, 3, 2, 1]), right) == pytest.approx((3 + 1.5) / 6)
    assert np.isnan(auroc(np.ones(3), np.ones(3, dtype=bool)))


def test_risk_spreads_equal_scores_evenly() -> None:
    coverage, risk = risk_at_coverage(np.array([0.9, 0.5, 0.5, 0.1]), np.array([True, False, True, False]))
    assert coverage.tolist() == [0.25, 0.5, 0.75, 1]
    assert risk == pytest.approx([0, 0.25, 1 / 3, 0.5])


@quick
@given(seed=st.integers(0, 2**32 - 1))
def test_a_score_that_is_the_chance_to_be_right_is_calibrated(seed: int) -> None:
    generator = np.random.default_rng(seed)
    score = generator.random(20_000)
    right = generator.random(20_000) < score
    assert expected_calibration_error(reliability(score, right, 10)) < 0.03
    assert auroc(score, right) == pytest.approx(5 / 6, abs=0.02)
    assert expected_calibration_error(reliability(1 - score, right, 10)) > 0.3


def test_figures_and_what_is_left_out() -> None:
    truth = crowd(0, frames=8)
    prediction = guess(truth, 1, missed=0)
    result = measured("calibration", (truth, prediction), settings=Settings(length="diag:0.4", alphas=(0.2,)))
    pck = measured("pck", (truth, prediction), settings=Settings(length="diag:0.4", alphas=(0.2,)))
    assert values(result)["", "total", "right"] == pytest.approx(values(pck)["@0.2", "total", "pooled"])
    bins = [f for f in result.figures if f.block == "right, of scores"]
    assert sum(f.count for f in bins) == result.figures[0].count
    blank = replace(
        prediction, tracks=tuple(replace(t, score=np.full(t.score.shape, np.nan)) for t in prediction.tracks)
    )
    unscored = measured("calibration", (truth, blank))
    assert unscored.figures[0].count == 0
    assert any("no score" in note for note in unscored.notes)


def test_scores_beyond_one_have_no_calibration_error_but_an_order() -> None:
    truth = crowd(0, frames=8)
    prediction = guess(truth, 1)
    tall = replace(prediction, tracks=tuple(replace(t, score=t.score * 7) for t in prediction.tracks))
    before, after = (measured("calibration", (truth, p)) for p in (prediction, tall))
    assert values(after)["", "total", "AUROC"] == values(before)["", "total", "AUROC"]
    assert ("", "total", "expected calibration error") not in values(after)
    assert any("0..1" in note for note in after.notes)
