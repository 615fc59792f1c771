"""Painting the surfaces of things: rough, tiled, boxed; all measures in metres."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pwarp.synthetic.noise import Array, clouds, smoothstep

Picture = NDArray[np.uint8]
Colour = tuple[float, float, float]  # RGB, 0..1

# What walls, doors, furniture and floors are painted in.
MUTED: tuple[Colour, ...] = (
    (0.72, 0.66, 0.56), (0.60, 0.36, 0.28), (0.82, 0.80, 0.76), (0.55, 0.55, 0.54), (0.66, 0.60, 0.50),
    (0.44, 0.42, 0.40), (0.74, 0.62, 0.44), (0.52, 0.58, 0.62), (0.60, 0.64, 0.58), (0.34, 0.30, 0.27),
    (0.78, 0.70, 0.64), (0.68, 0.70, 0.72),
)  # fmt: skip
STRONG: tuple[Colour, ...] = (
    (0.16, 0.24, 0.38), (0.45, 0.12, 0.12), (0.12, 0.28, 0.20), (0.36, 0.24, 0.14), (0.70, 0.55, 0.16),
    (0.10, 0.10, 0.11), (0.85, 0.85, 0.83), (0.24, 0.44, 0.60), (0.70, 0.32, 0.16),
)  # fmt: skip


def tone(rng: np.random.Generator, colours: tuple[Colour, ...], low: float = 0.75, high: float = 1.15) -> Array:
    """(3,) one of the colours, a little off, made darker or lighter by a factor from `low` to `high`."""
    colour = np.array(colours[rng.integers(len(colours))]) + rng.normal(0, 0.02, 3)
    return np.asarray(np.clip(colour * rng.uniform(low, high), 0.02, 0.98))


class Surface:
    """A rectangle to paint on.

    wide, high: metres. detail: pixels per metre. paint: (h, w, 3) RGB 0..1.
    """

    def __init__(self, wide: float, high: float, detail: float, colour: Array | Colour) -> None:
        self.wide, self.high, self.detail = wide, high, detail
        size = (max(8, round(high * detail)), max(8, round(wide * detail)), 3)
        self.paint = np.empty(size, np.float32)
        self.paint[:] = colour

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.paint.shape[0], self.paint.shape[1]

    def clouds(
        self, rng: np.random.Generator, cell: float, octaves: int = 5, fade: float = 0.55, stretch: float = 1.0
    ) -> NDArray[np.float32]:
        """(h, w) noise with blobs of `cell` metres; the rest as in `noise.clouds`."""
        return clouds(rng, *self.shape, cell=cell * self.detail, octaves=octaves, fade=fade, stretch=stretch)

    def light(self, factor: Array) -> None:
        """Make lighter or darker by factors that fit (h, w) or (w,)."""
        self.paint *= np.asarray(factor, np.float32)[..., None]

    def rough(self, rng: np.random.Generator, amount: float, cell: float, octaves: int = 5) -> None:
        """Lay clouds of light and dark over it, `cell` metres wide."""
        self.light(1 + amount * self.clouds(rng, cell, octaves))

    def cover(self, colour: Array | Colour, opacity: Array) -> None:
        """Paint a colour, or one for each pixel, where opacity (h, w) is 1."""
        self.paint += np.asarray(opacity, np.float32)[..., None] * (np.asarray(colour, np.float32) - self.paint)

    def box(self, x0: float, y0: float, x1: float, y1: float, colour: Array | Colour) -> None:
        """Fill a rectangle, measured from the top left."""
        a, b, c, d = (max(round(v * self.detail), 0) for v in (x0, y0, x1, y1))
        self.paint[b:d, a:c] = colour

    def paste(self, other: Surface, x: float, y: float) -> None:
        """Lay another surface of the same detail on it, its top left at x, y; what stands out is cut off."""
        row, column = max(round(y * self.detail), 0), max(round(x * self.detail), 0)
        part = other.paint[: self.shape[0] - row, : self.shape[1] - column]
        self.paint[row : row + part.shape[0], column : column + part.shape[1]] = part

    def tiles(self, rng: np.random.Generator, across: float, down: float, gap: float, vary: float) -> None:
        """Tiles, bricks or planks of that size, every other row shifted by half; vary: of their lightness."""
        y, x = np.mgrid[0 : self.shape[0], 0 : self.shape[1]].astype(np.float32) / np.float32(self.detail)
        row = np.floor(y / down).astype(int)
        shifted = x / across + 0.5 * (row % 2)
        column = np.floor(shifted).astype(int)
        tint = rng.normal(0, vary, (row.max() + 1, column.max() + 1)).astype(np.float32)[row, column]
        beside = np.minimum(shifted % 1, 1 - shifted % 1) * across
        above = np.minimum(y / down % 1, 1 - y / down % 1) * down
        joint = 1 - smoothstep(np.minimum(beside, above) / max(gap, 0.6 / self.detail))
        self.light((1 + tint) * (1 - 0.35 * joint))

    def picture(self, opacity: Array | float = 1.0) -> Picture:
        """(h, w, 4) RGB and opacity, uint8."""
        whole = np.empty((*self.shape, 4), np.float32)
        whole[..., :3] = self.paint
        whole[..., 3] = opacity
        return np.asarray(np.clip(whole * 255 + 0.5, 0, 255), dtype=np.uint8)
