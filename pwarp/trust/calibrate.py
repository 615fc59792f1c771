"""Scores that mean something: isotonic regression of "right" on an engine's score.

Zadrozny and Elkan, "Transforming classifier scores into accurate multiclass probability estimates", KDD 2002: the
never falling map with the least squared error. Here it is fitted to shares of bins, so that a lone keypoint does not
make a step, and is drawn as lines between the steps' points, so that scores that differ mostly stay different.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from pwarp.annotations import FloatArray
from pwarp.errors import PwarpError
from pwarp.propagation.scores import ScoreMap
from pwarp.trust.study import Evidence

LEAST = 40  # judged keypoints
_LEAST_IN_BIN, _BINS = 20, 25
_PRIOR = 2  # keypoints that are right as often as their score says, added to each bin
_OPEN_END = 0.05  # scores so far beyond all that were seen are led towards 0 and 1
_DIGITS = 6


def fitted(evidence: Evidence, alpha: float) -> ScoreMap:
    """The calibration of an engine's scores from what became of hidden keypoints."""
    scored = np.isfinite(evidence.score)
    return isotonic(evidence.score[scored], evidence.right(alpha)[scored])


def isotonic(score: FloatArray, right: NDArray[np.bool_]) -> ScoreMap:
    """The map that makes of scores (E,) in 0..1 the share of right ones (E,).

    Beyond the scores that were seen it leads to 0 at 0 and to 1 at 1, save within 0.05 of these. Raises PwarpError for
    fewer than 40 keypoints.
    """
    if len(score) < LEAST:
        raise PwarpError(
            f"{len(score)} hidden keypoints with a score are too few to calibrate by, {LEAST} are the least; label "
            "more frames"
        )
    x, hits, count = _bins(score, right)
    # Few keypoints that are all right do not promise that all will be; nor do they refute a score of 0.99, as adding
    # one right and one wrong one to each bin would.
    share = isotonic_regression((hits + _PRIOR * x) / (count + _PRIOR), weights=count).x
    points = _steps(x, share)
    if points[0][0] > _OPEN_END:
        points = [(0.0, 0.0), *points]
    if points[-1][0] < 1 - _OPEN_END:
        points = [*points, (1.0, 1.0)]
    return ScoreMap(tuple(s for s, _ in points), tuple(r for _, r in points), len(score))


def _bins(score: FloatArray, right: NDArray[np.bool_]) -> tuple[FloatArray, FloatArray, FloatArray]:
    """(B,) mean score, right ones and count of bins with about as many keypoints each; equal scores share a bin."""
    order = np.argsort(score, kind="stable")
    score, hit = score[order], right[order].astype(float)
    size = max(_LEAST_IN_BIN, len(score) // _BINS)
    wanted = np.arange(0, len(score) - size + 1, size)
    starts = np.unique(np.searchsorted(score, score[wanted], side="left"))
    count = np.diff([*starts, len(score)]).astype(float)
    return np.add.reduceat(score, starts) / count, np.add.reduceat(hit, starts), count


def _steps(x: FloatArray, share: FloatArray) -> list[tuple[float, float]]:
    """The bins as points with strictly rising scores; within a pooled step only its first and last bin are kept."""
    inner = np.zeros(len(x), dtype=np.bool_)
    inner[1:-1] = (share[1:-1] == share[:-2]) & (share[1:-1] == share[2:])
    x, share = x[~inner].round(_DIGITS), np.maximum.accumulate(share[~inner].clip(0, 1).round(_DIGITS))
    rising = np.concatenate([[True], np.diff(x) > 0])
    return list(zip(x[rising].tolist(), share[rising].tolist(), strict=True))
