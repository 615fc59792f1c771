"""Painting the surfaces of things: rough, tiled, boxed; all measures in metres."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pwarp.synthetic.noise import Array, clouds, smoothstep

Picture = NDArray[np.uint8]
Colour = tuple[float, float, float]  # RGB, 0..1

PIXELS_PER_METRE = 90.0

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
    return np.asarray(
        np.clip((colours[rng.integers(len(colours))] + rng.normal(0, 0.02, 3)) * rng.uniform(low, high), 0.02, 0.98)
    )


def surface(wide: float, high: float, colour: Array | Colour) -> Array:
    """(h, w, 3) of one colour, for so many metres."""
    size = (max(8, round(high * PIXELS_PER_METRE)), max(8, round(wide * PIXELS_PER_METRE)), 3)
    return np.asarray(np.ones(size) * np.asarray(colour))


def picture(colour: Array, opacity: Array | float = 1.0) -> Picture:
    """(h, w, 4) from RGB 0..1 (h, w, 3) and opacity 0..1."""
    alpha = np.broadcast_to(np.asarray(opacity, dtype=float), colour.shape[:2])
    whole = np.concatenate([colour, alpha[..., None]], axis=2)
    return np.asarray(np.round(np.clip(whole, 0, 1) * 255), dtype=np.uint8)


def rough(rng: np.random.Generator, paint: Array, amount: float, cell: float, octaves: int = 5) -> Array:
    """The surface with clouds of light and dark, `cell` metres wide."""
    h, w = paint.shape[:2]
    light = clouds(rng, h, w, cell=cell * PIXELS_PER_METRE, octaves=octaves)
    return np.asarray(paint * (1 + amount * light[..., None]))


def box(paint: Array, x0: float, y0: float, x1: float, y1: float, colour: Array) -> None:
    """Fill a rectangle, measured from the surface's top left."""
    a, b, c, d = (max(round(v * PIXELS_PER_METRE), 0) for v in (x0, y0, x1, y1))
    paint[b:d, a:c] = colour


def tiles(rng: np.random.Generator, paint: Array, pitch: tuple[float, float], gap: float, vary: float) -> Array:
    """Tiles, bricks or planks of pitch (across, down), every other row shifted by half; vary: of their lightness."""
    h, w = paint.shape[:2]
    y, x = np.mgrid[0:h, 0:w] / PIXELS_PER_METRE
    row = np.floor(y / pitch[1]).astype(int)
    shifted = x / pitch[0] + 0.5 * (row % 2)
    column = np.floor(shifted).astype(int)
    tint = rng.normal(0, vary, (row.max() + 1, column.max() + 1))[row, column]
    across = np.minimum(shifted % 1, 1 - shifted % 1) * pitch[0]
    down = np.minimum(y / pitch[1] % 1, 1 - y / pitch[1] % 1) * pitch[1]
    joint = 1 - smoothstep(np.minimum(across, down) / gap)
    return np.asarray(paint * (1 + tint[..., None]) * (1 - 0.35 * joint[..., None]))
