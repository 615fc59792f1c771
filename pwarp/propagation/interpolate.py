"""Engines that look at the labels alone: copy, linear, pchip."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from pwarp.annotations import FloatArray
from pwarp.propagation.engine import Job
from pwarp.propagation.plan import NONE, Fill, Span, TrackPlan


def linear(plan: TrackPlan) -> FloatArray:
    """(F, K, 2) every keypoint on the straight line between its two key frames; a lone key is held."""
    frames = np.arange(plan.first, plan.last + 1)[:, None]
    past, coming = plan.key(plan.before), plan.key(plan.after)
    gap = np.maximum(plan.after - plan.before, 1)
    share = np.clip((frames - plan.before) / gap, 0.0, 1.0)[..., None]
    both = past + (coming - past) * share
    alone = np.where(np.isnan(past), coming, past)
    return np.where(np.isnan(both), alone, both)


def nearest(plan: TrackPlan) -> NDArray[np.int64]:
    """(F, K) the nearer key frame of each keypoint, the earlier one when both are as near; NONE where unfilled."""
    frames = np.arange(plan.first, plan.last + 1)[:, None]
    far = np.iinfo(np.int64).max
    past = np.where(plan.before == NONE, far, frames - plan.before)
    coming = np.where(plan.after == NONE, far, plan.after - frames)
    return np.where(past <= coming, plan.before, plan.after)


def copy(plan: TrackPlan) -> FloatArray:
    """(F, K, 2) every keypoint where it was in its nearer key frame."""
    return plan.key(nearest(plan))


def pchip(plan: TrackPlan) -> FloatArray:
    """(F, K, 2) monotone cubic interpolation over all key frames of a keypoint (Fritsch and Carlson 1980).

    Unlike the other engines it looks past the neighbouring key frames, so that a correction also bends the
    stretches next to it. It does not look past a frame where the keypoint is neither set nor bridged.
    """
    from scipy.interpolate import PchipInterpolator  # here, as other engines do without its slow loading

    filled = linear(plan)
    held = plan.known | (plan.before != NONE) & (plan.after != NONE)
    edges = np.diff(np.pad(held, ((1, 1), (0, 0))).astype(np.int8), axis=0)
    for k in range(filled.shape[1]):
        for first, end in zip(np.flatnonzero(edges[:, k] == 1), np.flatnonzero(edges[:, k] == -1), strict=True):
            keys = first + np.flatnonzero(plan.known[first:end, k])
            if len(keys) >= 2:
                filled[first:end, k] = PchipInterpolator(keys, plan.xy[keys, k], axis=0)(np.arange(first, end))
    return filled


def key_visibility(plan: TrackPlan) -> NDArray[np.uint8]:
    """(F, K) visibility of the nearer key frame; 0 where unfilled."""
    key = nearest(plan)
    row = np.clip(key - plan.first, 0, len(plan.visibility) - 1)
    values = plan.visibility[row, np.arange(plan.visibility.shape[1])]
    return np.where(key == NONE, 0, values).astype(np.uint8)


class _Curve:
    """The part that these engines have in common.

    half_trust: frames from the nearer key frame at which the score is a half. wide: whether the curve depends on more
    key frames than the one before and the one after.
    """

    half_trust: ClassVar[float]
    wide: ClassVar[bool] = False
    looks: ClassVar[bool] = False

    @staticmethod
    def curve(plan: TrackPlan) -> FloatArray:
        """(F, K, 2) where the keypoints of a track are; wide: of a whole one."""
        raise NotImplementedError

    def fill(self, job: Job, spans: Iterable[Span], advance: Callable[[int], None]) -> Iterator[list[Fill]]:
        """Fill spans; see `pwarp.propagation.engine`."""
        curves: dict[int, FloatArray] = {}
        for span in spans:
            fills = []
            for plan in span.plans:
                part = plan.between(span.first, span.last)
                if self.wide and plan.id not in curves:
                    curves[plan.id] = self.curve(plan)
                rows = slice(part.first - plan.first, part.last - plan.first + 1)
                xy = curves[plan.id][rows] if self.wide else self.curve(part)
                frames = np.arange(part.first, part.last + 1)[:, None]
                key = nearest(part)
                score = np.where(key == NONE, 0, np.exp2(-np.abs(frames - key) / self.half_trust))
                fills.append(Fill(plan.id, part.first, xy, key_visibility(part), score))
            yield fills
            advance(span.last - span.first)


@dataclass(frozen=True)
class Copy(_Curve):
    """Every keypoint stays where it is in the nearer key frame."""

    curve = staticmethod(copy)
    half_trust = 4.0


@dataclass(frozen=True)
class Linear(_Curve):
    """Every keypoint goes straight from key frame to key frame."""

    curve = staticmethod(linear)
    half_trust = 10.0


@dataclass(frozen=True)
class Pchip(_Curve):
    """Every keypoint goes smoothly from key frame to key frame, without overshooting."""

    curve = staticmethod(pchip)
    wide = True
    half_trust = 10.0
