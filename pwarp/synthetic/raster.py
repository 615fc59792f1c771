"""Triangles to pixels: a small exact rasteriser in plain numpy.

Every triangle is cut into pixel rows, every row into pixels, all of them at once in ragged arrays; so the cost
follows the pixels that are covered, whatever the size of the triangles.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pwarp.synthetic.noise import Array

_NEAR = 0.2  # metres; triangles that come nearer than this to the camera are left out


@dataclass(frozen=True)
class Fragments:
    """The N pixels where a mesh is nearest to the camera.

    pixel: (N,) row * width + column. corner: (N, 3) vertex indices. weight: (N, 3) perspective-correct weights of
    these vertices. nearness: (N,) 1 / depth.
    """

    pixel: NDArray[np.int64]
    corner: NDArray[np.int64]
    weight: NDArray[np.float32]
    nearness: NDArray[np.float32]


def rasterise(
    xy: Array, depth: Array, faces: NDArray[np.int64], width: int, height: int, nearness: NDArray[np.float32]
) -> Fragments:
    """Pixels whose centre a front-facing triangle covers, nearer than what is there already.

    xy: (V, 2) pixels, whole numbers being pixel centres. depth: (V,) metres along the view. faces: (F, 3), counter-
    clockwise seen from outside. nearness: (height * width,) 1 / depth so far, 0 for nothing; updated in place.
    """
    faces = _drawable(xy, depth, faces, width, height)
    x, y = xy[faces, 0].astype(np.float64), xy[faces, 1].astype(np.float64)  # (F, 3)
    # Edge i from corner i to i + 1: a x + b y + c >= 0 inside. c is built so that a shared edge gives exactly
    # opposite numbers in its two triangles: no cracks.
    nx, ny = np.roll(x, -1, axis=1), np.roll(y, -1, axis=1)
    a, b, c = y - ny, nx - x, x * ny - nx * y

    first = np.maximum(np.ceil(_least(y)), 0).astype(np.int64)
    last = np.minimum(np.floor(_most(y)), height - 1).astype(np.int64)
    tri, offset = _ragged(np.maximum(last - first + 1, 0))
    row = first[tri] + offset
    ra, crossing = a[tri], -(b[tri] * row[:, None] + c[tri])
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        at = np.clip(crossing / ra, -1, width)
    left = np.ceil(_most(np.where(ra > 0, at, 0.0))).astype(np.int64)
    right = np.floor(_least(np.where(ra < 0, at, width - 1.0))).astype(np.int64)
    span, offset = _ragged(np.maximum(right - left + 1, 0))
    column, row, tri = left[span] + offset, row[span], tri[span]

    # Weight of corner i is the edge opposite to it; 1 / depth is linear on the screen.
    area = (a * x[:, [2, 0, 1]] + b * y[:, [2, 0, 1]] + c)[:, 0]
    a, b, c = (np.roll(v, -1, axis=1) / area[:, None] for v in (a, b, c))
    inverse = 1.0 / depth[faces].astype(np.float64)
    plane_a, plane_b, plane_c = ((v * inverse).sum(axis=1) for v in (a, b, c))
    near = (plane_a[tri] * column + plane_b[tri] * row + plane_c[tri]).astype(np.float32)
    pixel = row * width + column
    before = nearness[pixel]
    np.maximum.at(nearness, pixel, near)
    won = (near > before) & (near == nearness[pixel])
    tri, column, row, pixel, near = tri[won], column[won], row[won], pixel[won], near[won]
    weight = (a[tri] * column[:, None] + b[tri] * row[:, None] + c[tri]) * inverse[tri] / near[:, None]
    return Fragments(pixel, faces[tri], weight.astype(np.float32), near)


def _drawable(xy: Array, depth: Array, faces: NDArray[np.int64], width: int, height: int) -> NDArray[np.int64]:
    """The faces that look at the camera and touch the picture, with corners in screen order."""
    corners = xy[faces]  # (F, 3, 2)
    one, two = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    facing = one[:, 0] * two[:, 1] - one[:, 1] * two[:, 0] < -1e-9  # rows point down, so the turn is reversed
    low, high = _least(corners), _most(corners)
    inside = (high[:, 0] >= 0) & (high[:, 1] >= 0) & (low[:, 0] <= width - 1) & (low[:, 1] <= height - 1)
    return np.asarray(faces[facing & inside & (depth[faces] > _NEAR).all(axis=1)][:, ::-1])


def _least(corners: Array) -> Array:
    """The minimum over the axis of 3 corners, (N, 3, ...) -> (N, ...); NumPy's own takes several times as long."""
    return np.asarray(np.minimum(np.minimum(corners[:, 0], corners[:, 1]), corners[:, 2]))


def _most(corners: Array) -> Array:
    """The maximum, as `_least`."""
    return np.asarray(np.maximum(np.maximum(corners[:, 0], corners[:, 1]), corners[:, 2]))


def _ragged(counts: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For each item of each of N groups: its group and its place in the group."""
    group = np.repeat(np.arange(len(counts)), counts)
    return group, np.arange(len(group)) - (np.cumsum(counts) - counts)[group]
