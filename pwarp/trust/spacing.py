"""From what hidden key frames show to how far apart key frames may be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.optimize import isotonic_regression

from pwarp.annotations import FloatArray
from pwarp.trust.study import Evidence

_RESAMPLINGS = 1000
_PERCENTILES = (2.5, 97.5)
_ROUNDING = 1e-9

Ground = Literal["measured", "below what was measured", "at least"]


@dataclass(frozen=True)
class Level:
    """Hidden keypoints at one width of gap: how many are right (0..1), with a 95 % interval, and their median error.

    gap: median frames between the key frames left; narrowest, widest: likewise. poses, keypoints: counts.
    The interval resamples poses (percentile bootstrap): the keypoints of a pose go wrong together.
    """

    stride: int
    gap: float
    narrowest: int
    widest: int
    poses: int
    keypoints: int
    right: float
    low: float
    high: float
    median_px: float
    missing: int


@dataclass(frozen=True)
class Spacing:
    """The widest spacing in frames that meets a target, and on what ground that is said.

    "measured": between two measured gaps, or at one. "below what was measured": by a straight line from no error at a
    gap of 1 to the narrowest measured gap. "at least": the widest measured gap still meets it.
    """

    frames: int
    ground: Ground


def levels(evidence: Evidence, alpha: float) -> list[Level]:
    """A level a stride."""
    return [_level(evidence.where(evidence.stride == s), int(s), alpha) for s in np.unique(evidence.stride)]


def _level(evidence: Evidence, stride: int, alpha: float) -> Level:
    right = evidence.right(alpha)
    low, high = _interval(evidence, right.astype(np.float64))
    found = evidence.px[evidence.found]
    return Level(
        stride=stride,
        gap=float(np.median(evidence.gap)),
        narrowest=int(evidence.gap.min()),
        widest=int(evidence.gap.max()),
        poses=len(np.unique(evidence.pose)),
        keypoints=len(evidence),
        right=float(right.mean()),
        low=low,
        high=high,
        median_px=float(np.median(found)) if len(found) else float("nan"),
        missing=len(evidence) - len(found),
    )


def _interval(evidence: Evidence, right: FloatArray) -> tuple[float, float]:
    _, pose = np.unique(evidence.pose, return_inverse=True)
    count = np.bincount(pose)
    hits = np.bincount(pose, right)
    if len(count) < 2:
        return float("nan"), float("nan")
    drawn = np.random.default_rng(0).multinomial(len(count), np.full(len(count), 1 / len(count)), _RESAMPLINGS)
    low, high = np.percentile((drawn @ hits) / (drawn @ count), _PERCENTILES)
    return float(low), float(high)


def recommended(measured: Sequence[Level], share: float) -> Spacing:
    """The widest spacing at which the share of right keypoints is still met; 1 is every frame."""
    ordered = sorted(measured, key=lambda level: level.gap)
    gaps = np.array([1.0, *(level.gap for level in ordered)])
    weights = np.array([level.keypoints for level in ordered], dtype=float)
    # A wider gap is never better: where the figures say so, it is noise.
    shares = isotonic_regression([level.right for level in ordered], weights=weights, increasing=False).x
    shares = np.concatenate([[1.0], shares])
    met = np.flatnonzero(shares >= share)
    last = int(met[-1])
    if last == len(gaps) - 1:
        return Spacing(int(gaps[-1]), "at least")
    part = (shares[last] - share) / (shares[last] - shares[last + 1])
    frames = max(int(gaps[last] + part * (gaps[last + 1] - gaps[last]) + _ROUNDING), 1)
    return Spacing(frames, "below what was measured" if last == 0 else "measured")
