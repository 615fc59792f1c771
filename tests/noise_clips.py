"""Videos of noise and people who move through it."""

from __future__ import annotations

from typing import Any

import numpy as np

from pwarp.annotations import Annotations, Source, Track
from pwarp.skeleton import Skeleton
from pwarp.video import Color, Picture, Video

NAMES = ("point_0", "point_1", "point_2")
WIDTH, HEIGHT, FRAMES = 120, 90, 23


class Noise(Video):
    """Frames of noise that all differ, or one for all of them."""

    def __init__(self, *, still: bool = False, frames: int = FRAMES) -> None:
        self.path, self.width, self.height, self.frame_count = "noise", WIDTH, HEIGHT, frames
        self.fps, self.names, self.damage, self.variable_rate, self.rotation = None, None, (), False, 0
        self.times = np.arange(frames, dtype=np.float64)
        self._still = still

    def _read(self, ordinal: int, color: Color) -> Picture:
        rng = np.random.default_rng(0 if self._still else ordinal)
        return rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)

    def _read_in_order(self, ordinals: range, color: Color) -> Any:
        return (self._read(i, color) for i in ordinals)

    def _fingerprint_source(self) -> bytes:
        return b"noise"


def tracked(frames: list[int], *, id: int = 1, step: float = 0.0, **more: Any) -> Track:
    """Somebody computed, who moves to the right by `step` pixels a frame."""
    xy = np.array([[40.0, 30], [60, 50], [50, 70]]) + np.array([[[step * f, 0.0]] for f in frames])
    made = np.full(xy.shape[:2], Source.DETECTED)
    boxes = [[30 + step * f, 20, 70 + step * f, 80] for f in frames]
    return Track.make(id, frames, xy, source=more.pop("source", made), boxes=more.pop("boxes", boxes), **more)


def labels(*tracks: Track, names: tuple[str, ...] = NAMES) -> Annotations:
    return Annotations(Skeleton("thing", names), tracks=tracks)
