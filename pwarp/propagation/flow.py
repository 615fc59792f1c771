"""Engines that follow the picture from the nearer key frame: `farneback` (PoseWarper's baseline) and `flow` (DIS)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pwarp.annotations import FloatArray
from pwarp.propagation import motion
from pwarp.propagation.engine import Job
from pwarp.propagation.guide import Guide
from pwarp.propagation.interpolate import key_visibility, nearest
from pwarp.propagation.motion import Flow, FlowMethod
from pwarp.propagation.plan import NONE, Fill, Span
from pwarp.propagation.walk import Around, FrameCache, Motion, Strand, Walker, travel

_DISC = 0.03  # radius, in diagonals, of the disc around a keypoint whose median motion it follows
_TORN = 0.05  # disagreement of forward and backward flow, summed along the way, in diagonals, that halves the trust
_FADE = 30.0  # frames from the key frame that halve it, too


@dataclass(frozen=True)
class DisFlow:
    """Follow DIS optical flow (Kroeger et al. 2016) from the nearer key frame."""

    def fill(self, job: Job, spans: Iterable[Span], advance: Callable[[int], None]) -> Iterator[list[Fill]]:
        """Fill spans; see `pwarp.propagation.engine`."""
        return _follow(job, spans, advance, motion.dis)


@dataclass(frozen=True)
class FarnebackFlow:
    """Follow Farneback's flow from the nearer key frame, as PoseWarper's baseline does (section 4.1)."""

    def fill(self, job: Job, spans: Iterable[Span], advance: Callable[[int], None]) -> Iterator[list[Fill]]:
        """Fill spans; see `pwarp.propagation.engine`."""
        return _follow(job, spans, advance, motion.farneback)


def _follow(
    job: Job, spans: Iterable[Span], advance: Callable[[int], None], method: Callable[[], FlowMethod]
) -> Iterator[list[Fill]]:
    cache = FrameCache(job.video)
    with Guide(cache) as guide, Walker(cache, method, Around(cache.width, cache.height)) as walker:
        for span in spans:
            found = guide.strands(span)
            chains = _Chains(found)
            travel(walker, found, span, chains, advance)
            yield chains.fills()


class _Chains:
    """The traveller: points that follow the flow from their key frames, both ways."""

    def __init__(self, strands: Sequence[Strand]) -> None:
        self._strands = strands
        self._ahead = [_Chain(s, s.plan.before) for s in strands]
        self._back = [_Chain(s, s.plan.after) for s in strands]

    def forward(self, frame: int, motion: dict[int, Motion]) -> None:
        for i, (forth, _) in motion.items():
            self._ahead[i].follow(frame, frame + 1, forth)

    def backward(self, frame: int, motion: dict[int, Motion]) -> None:
        for i, (_, back) in motion.items():
            self._back[i].follow(frame + 1, frame, back)

    def forget(self, first: int, last: int) -> None:
        """Points are small: they are all kept."""

    def fills(self) -> list[Fill]:
        fills = []
        for s, ahead, back in zip(self._strands, self._ahead, self._back, strict=True):
            key = nearest(s.plan)
            from_past = key == s.plan.before
            xy = np.where(from_past[..., None], ahead.xy, back.xy)
            torn = np.where(from_past, ahead.torn, back.torn) / (_TORN * s.diagonal)
            frames = np.arange(s.plan.first, s.plan.last + 1)[:, None]
            score = np.where(key == NONE, 0, np.exp2(-torn - np.abs(frames - key) / _FADE))
            fills.append(Fill(s.plan.id, s.plan.first, xy, key_visibility(s.plan), score))
        return fills


class _Chain:
    """Where the keypoints of one strand come to from the key frames on one side, and how torn the way was."""

    def __init__(self, strand: Strand, keys: NDArray[np.int64]) -> None:
        self._strand = strand
        self._keys = keys
        self.xy = strand.plan.xy.copy()
        self.torn = np.zeros(self.xy.shape[:2])

    def follow(self, start: int, end: int, flow: Flow) -> None:
        """Step from frame `start` to its neighbour `end` along the flow between them."""
        plan = self._strand.plan
        here, there = start - plan.first, end - plan.first
        comes = plan.open[there] & (self._keys[there] != NONE)
        if not comes.any():
            return
        points = self.xy[here, comes]
        step = _median_motion(points, flow, _DISC * self._strand.diagonal)
        self.xy[there, comes] = points + step[:, :2]
        self.torn[there, comes] = self.torn[here, comes] + step[:, 2]


def _median_motion(points: FloatArray, flow: Flow, radius: float) -> FloatArray:
    """(N, 3) median dx, dy and inconsistency over a disc around each point (N, 2)."""
    side = np.linspace(-1, 1, 7)
    disc = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    disc = disc[(disc**2).sum(axis=1) <= 1] * radius
    around: FloatArray = np.median(flow.at(points[:, None] + disc), axis=1).astype(np.float64)
    return around
