"""Where to look for a person between two key frames: the way of the whole body, by cheap flow at low resolution.

People do not walk in straight lines. Fast ones leave the neighbourhood of the line between two key frames altogether,
and then no careful search around it finds them. The body as a whole is easy to follow, though, even in a small picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import cv2
import numpy as np

from pwarp.annotations import FloatArray
from pwarp.progress import unheard
from pwarp.propagation.motion import Crop, Flow, dis
from pwarp.propagation.plan import NONE, Span
from pwarp.propagation.walk import FrameCache, Motion, Strand, Walker, strands, travel

_DIAGONAL = 80.0  # pixels that the smallest person is scaled down to
_PIXELS = 64_000  # the scaled picture is no larger than this


class Guide:
    """Finds the strands of a span and the way they take. Use as a context."""

    def __init__(self, cache: FrameCache) -> None:
        self._cache = cache
        self._picture = float(np.hypot(cache.width, cache.height))
        self._walker = Walker(cache, partial(dis, cv2.DISOPTICAL_FLOW_PRESET_FAST), _Whole(cache.width, cache.height))

    def __enter__(self) -> Guide:
        self._walker.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._walker.__exit__(*error)

    def strands(self, span: Span) -> list[Strand]:
        """The strands of a span with the path of each: carried from both key frames by the median motion of the
        body, and blended by time; from the one key frame there is where the other side is open.

        Spans come in order of time: what the cache has kept of earlier ones goes."""
        self._cache.forget(span.first)
        found = strands(span, self._picture)
        bodies = _Bodies(found)
        travel(self._walker, found, span, bodies, unheard)
        return [replace(strand, path=body.path()) for strand, body in zip(found, bodies.bodies, strict=True)]


@dataclass(frozen=True)
class _Whole:
    """One crop for everybody: the whole picture, made small."""

    width: int
    height: int

    def __call__(self, strands: Sequence[Strand], frame: int) -> list[tuple[Crop, list[int]]]:
        here = [i for i, strand in enumerate(strands) if strand.needs(frame)]
        if not here:
            return []
        # The size of the picture must not depend on who is in it: what is found of a track is its own affair.
        most = np.sqrt(_PIXELS / (self.width * self.height))
        groups: dict[float, list[int]] = {}
        for i in here:
            groups.setdefault(float(min(_DIAGONAL / strands[i].diagonal, most, 1.0)), []).append(i)
        return [(Crop(0, 0, self.width, self.height, scale), members) for scale, members in groups.items()]


class _Bodies:
    """The traveller: whole bodies, both ways."""

    def __init__(self, strands: Sequence[Strand]) -> None:
        self.bodies = [_Body(s) for s in strands]

    def forward(self, frame: int, motion: dict[int, Motion]) -> None:
        for i, (forth, _) in motion.items():
            self.bodies[i].follow(frame, frame + 1, forth)

    def backward(self, frame: int, motion: dict[int, Motion]) -> None:
        for i, (_, back) in motion.items():
            self.bodies[i].follow(frame + 1, frame, back)

    def forget(self, first: int, last: int) -> None:
        """Positions are small: they are all kept."""


class _Body:
    """(F, K, 2) where the keypoints of one strand come to if they all move as their median does."""

    def __init__(self, strand: Strand) -> None:
        self._plan = strand.plan
        self._ahead = strand.plan.xy.copy()
        self._back = strand.plan.xy.copy()

    def follow(self, start: int, end: int, flow: Flow) -> None:
        """Step from frame `start` to its neighbour `end` along the flow between them."""
        plan = self._plan
        xy, keys = (self._ahead, plan.before) if end > start else (self._back, plan.after)
        here, there = start - plan.first, end - plan.first
        placed = np.isfinite(xy[here, :, 0])
        comes = plan.open[there] & (keys[there] != NONE) & placed
        if comes.any():
            xy[there, comes] = xy[here, comes] + np.median(flow.at(xy[here, placed][None])[0, :, :2], axis=0)

    def path(self) -> FloatArray:
        plan = self._plan
        frames = np.arange(plan.first, plan.last + 1)[:, None]
        share = np.clip((frames - plan.before) / np.maximum(plan.after - plan.before, 1), 0, 1)[..., None]
        both = self._ahead + share * (self._back - self._ahead)
        alone = np.where(np.isnan(self._ahead), self._back, self._ahead)
        return np.where(np.isnan(both), alone, both)
