"""Smooth randomness: curves in time, clouds in the plane."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]


class Wobble:
    """A smooth random curve of time: a few sine waves around one period, with unit standard deviation.

    It can be asked for any time, in any order, and always gives the same answer.
    """

    def __init__(self, rng: np.random.Generator, period: float, waves: int = 4) -> None:
        """period: typical length of a swing, seconds."""
        self._frequency = 2 * np.pi / (period * rng.uniform(0.6, 1.9, waves))
        self._phase = rng.uniform(0, 2 * np.pi, waves)
        size = rng.uniform(0.5, 1.0, waves)
        self._size = size * np.sqrt(2 / (size**2).sum())

    def __call__(self, t: Array) -> Array:
        """Values at times t (...,) in seconds."""
        angle = np.multiply.outer(t, self._frequency) + self._phase
        return np.asarray((np.sin(angle) * self._size).sum(axis=-1))


def clouds(
    rng: np.random.Generator,
    height: int,
    width: int,
    *,
    cell: float,
    octaves: int = 4,
    fade: float = 0.55,
    stretch: float = 1.0,
) -> NDArray[np.float32]:
    """(height, width) fractal value noise, mean 0, values mostly within -1..1.

    cell: width in pixels of the coarsest blobs. fade: weight of each octave against the coarser one.
    stretch: how much longer the blobs are vertically than horizontally.
    """
    total = np.zeros((height, width), np.float32)
    weight, norm = 1.0, 0.0
    for octave in range(octaves):
        size = cell / 2**octave
        rows = max(2, round(height / (size * stretch)) + 1)
        columns = max(2, round(width / size) + 1)
        grid = rng.uniform(-1, 1, (rows, columns)).astype(np.float32)
        total += weight * cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
        norm += weight**2
        weight *= fade
    return np.asarray(total / np.float32(np.sqrt(norm)))


def smoothstep(x: Any) -> Array:
    """0 below 0, 1 above 1, an S in between."""
    x = np.clip(x, 0.0, 1.0)
    return np.asarray(x * x * (3 - 2 * x))
