"""Calibration: whether the score of a keypoint tells how likely it is right, "right" being error <= alpha x length.

Reliability and expected calibration error: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017.
Risk-coverage: Geifman and El-Yaniv, "Selective Classification for Deep Neural Networks", NeurIPS 2017.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from pwarp.annotations import FloatArray
from pwarp.errors import UsageError
from pwarp.evaluation.errors import Account, account_lines, keypoint_errors, mean, same_measure
from pwarp.evaluation.lengths import Length
from pwarp.evaluation.metric import BY_KEYPOINT, Figure, Metric
from pwarp.evaluation.videos import VideoPair
from pwarp.skeleton import Skeleton

COVERAGES = (0.5, 0.8, 0.9, 0.95)
_CURVE_POINTS = 100


@dataclass(frozen=True, eq=False)
class Judged:
    """E predicted keypoints with a score (E,), and whether each is right (E,).

    unscored: further predicted keypoints, without a score. account: how these came to be counted.
    """

    skeleton: Skeleton
    length: Length
    score: FloatArray
    right: NDArray[np.bool_]
    unscored: int
    account: Account


@dataclass(frozen=True)
class Bin:
    """A row of the reliability table: keypoints with low <= score < high (the last bin holds its upper end too)."""

    low: float
    high: float
    count: int
    mean_score: float
    right: float


def reliability(score: FloatArray, right: NDArray[np.bool_], bins: int) -> list[Bin]:
    """The reliability table of (N,) scores in 0..1, right or wrong (N,), in bins of equal width; NaN in empty bins."""
    index = np.minimum((score * bins).astype(np.int64), bins - 1)
    count = np.bincount(index, minlength=bins)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean_score = np.bincount(index, score, bins) / count
        share = np.bincount(index, right, bins) / count
    return [Bin(i / bins, (i + 1) / bins, int(count[i]), float(mean_score[i]), float(share[i])) for i in range(bins)]


def expected_calibration_error(table: Sequence[Bin]) -> float:
    """Mean over keypoints of |share right - mean score| of their bin; 0 is perfect, NaN without keypoints."""
    total = sum(row.count for row in table)
    gaps = (row.count * abs(row.right - row.mean_score) for row in table if row.count)
    return sum(gaps) / total if total else float("nan")


def auroc(score: FloatArray, right: NDArray[np.bool_]) -> float:
    """Chance that a right one of (N,) keypoints has a higher score than a wrong one, ties counting half; NaN if all are
    alike."""
    positives = int(right.sum())
    negatives = len(right) - positives
    if not positives or not negatives:
        return float("nan")
    from scipy.stats import rankdata

    above = rankdata(score)[right].sum() - positives * (positives + 1) / 2
    return float(above / (positives * negatives))


def risk_at_coverage(score: FloatArray, right: NDArray[np.bool_]) -> tuple[FloatArray, FloatArray]:
    """Coverage (E,) and risk (E,): the share of wrong ones among the 1, 2, ... E highest scores.

    Among equal scores the wrong ones are spread evenly, so that the order of keypoints does not matter.
    """
    distinct, group = np.unique(-score, return_inverse=True)
    size = np.bincount(group, minlength=len(distinct))
    wrong = np.bincount(group, ~right, len(distinct)) / size
    taken = np.arange(1, len(score) + 1)
    return taken / max(len(score), 1), np.cumsum(np.repeat(wrong, size)) / taken


class Calibration(Metric[Judged]):
    """Reliability table, expected calibration error, AUROC and risk at several coverages."""

    name: ClassVar[str] = "calibration"
    uses: ClassVar[frozenset[str]] = BY_KEYPOINT | {"length", "alphas", "strict", "bins"}
    counted: ClassVar[str] = "scored keypoints"
    ALPHAS: ClassVar[tuple[float, ...]] = (0.1,)

    def evidence(self, pair: VideoPair) -> Judged:
        length = pair.length(self.settings.length)
        if self.settings.alphas is None and length.kind == "pixels":
            raise UsageError("the length is pixels, so name the threshold in pixels too, such as --alpha 5")
        errors = keypoint_errors(pair.poses(self.settings.selection), pair.truth.skeleton, length)
        scored = errors.found & np.isfinite(errors.score)
        return Judged(
            skeleton=errors.skeleton,
            length=length,
            score=errors.score[scored],
            right=errors.hits(self._alpha, strict=self.settings.strict)[scored],
            unscored=int((errors.found & ~scored).sum()),
            account=errors.account,
        )

    def title(self, evidence: Sequence[Judged]) -> str:
        length, sign = evidence[0].length, "<" if self.settings.strict else "<="
        return f"Calibration of scores; right is error {sign} {self._alpha:g} x {length.text} ({length.meaning})"

    def figures(self, evidence: Sequence[Judged]) -> list[Figure]:
        score, right = _pooled(evidence)
        count = len(score)
        coverage, risk = risk_at_coverage(score, right)
        figures = [
            Figure("right", 100 * mean(right.astype(np.float64)), count),
            Figure("mean score", mean(score), count, ""),
            Figure("AUROC", auroc(score, right), count, "", main=True),
            Figure("area under risk-coverage", mean(risk), count, ""),
        ]
        for share in COVERAGES:
            taken = int(np.searchsorted(coverage, share - 1e-12)) if count else 0
            value = 100 * float(risk[taken]) if count else float("nan")
            figures.append(Figure(f"wrong among the surest {100 * share:g} %", value, min(taken + 1, count)))
        if _is_probability(score):
            table = reliability(score, right, self.settings.bins)
            error = 100 * expected_calibration_error(table)
            figures.append(Figure("expected calibration error", error, count, main=True))
            names = [f"{row.low:.4g} to {row.high:.4g}" for row in table]
            for block, unit, values in (
                ("mean score, of scores", "", [row.mean_score for row in table]),
                ("right, of scores", "%", [100 * row.right for row in table]),
            ):
                for name, value, row in zip(names, values, table, strict=True):
                    figures.append(Figure(name, value, row.count, unit, block, "bin"))
        return figures

    def details(self, evidence: Sequence[Judged]) -> Mapping[str, Any]:
        score, right = _pooled(evidence)
        coverage, risk = risk_at_coverage(score, right)
        points = np.unique(np.linspace(0, max(len(score) - 1, 0), _CURVE_POINTS).astype(np.int64))[: len(score)]
        table = reliability(score, right, self.settings.bins) if _is_probability(score) else []
        return {
            "length": evidence[0].length.text,
            "without_score": sum(video.unscored for video in evidence),
            "account": vars(Account.total(video.account for video in evidence)),
            "reliability": [vars(row) for row in table],
            "risk_coverage": {"coverage": coverage[points], "risk": risk[points]},
        }

    def notes(self, evidence: Sequence[Judged]) -> list[str]:
        score, _ = _pooled(evidence)
        unscored = sum(video.unscored for video in evidence)
        notes = account_lines(evidence, self.settings)
        if unscored:
            notes.append(f"{unscored} predicted keypoints left out of calibration: they have no score")
        if not _is_probability(score):
            notes.append("scores reach beyond 0..1, so there is no reliability table and no calibration error")
        return notes

    @property
    def _alpha(self) -> float:
        alphas = self.settings.alphas or self.ALPHAS
        return alphas[0]


def _pooled(evidence: Sequence[Judged]) -> tuple[FloatArray, NDArray[np.bool_]]:
    first = evidence[0]
    for video in evidence:
        same_measure((first.skeleton, first.length), (video.skeleton, video.length))
    return np.concatenate([v.score for v in evidence]), np.concatenate([v.right for v in evidence])


def _is_probability(score: FloatArray) -> bool:
    return bool(((score >= 0) & (score <= 1)).all())
