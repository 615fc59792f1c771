"""Jumps: keypoints, or whole poses, that are elsewhere for one to three labelled frames and then back again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import median_filter

from pwarp.annotations import FloatArray, IntArray
from pwarp.skeleton import Skeleton
from pwarp.trust.course import NORMAL, Course, spread
from pwarp.trust.findings import Finding, sureness

LENGTHS = (1, 2, 3)
_LEAST_FRAMES = 5  # labelled ones of a keypoint, below which nothing is known of how it moves
_AROUND = 4  # times the runs that one outlier touches: motion that is fast throughout these is motion
_TIMES = 8.0  # times its usual distance from the path through its neighbours, ever or around
_LEAST = 0.15  # body sizes: less is no gross error, however still the keypoint usually is
_FLOOR = 0.006  # body sizes: the accuracy of careful labels


@dataclass(frozen=True)
class _Jump:
    """Rows first..last of a keypoint lie so many pixels (and times the threshold) off; keypoint -1: the whole pose."""

    first: int
    last: int
    keypoint: int
    pixels: float
    sizes: float
    strength: float


def jumps(course: Course, skeleton: Skeleton) -> list[Finding]:
    """Findings of kind jump in a track."""
    found: list[_Jump] = []
    pose, rows = _pose_path(course)
    whole = _strongest(_jumps_of(pose, course.frames[rows], course.size[rows], rows, -1))
    busy = {row for jump in whole for row in range(jump.first - 1, jump.last + 2)}
    for k in range(len(skeleton)):
        rows = np.flatnonzero(course.track.labelled[:, k])
        own = _strongest(_jumps_of(course.xy[rows, k], course.frames[rows], course.size[rows], rows, k))
        found += [jump for jump in own if not busy & {jump.first, jump.last}]
    return [_finding(jump, course, skeleton) for jump in [*whole, *found]]


def _pose_path(course: Course) -> tuple[FloatArray, IntArray]:
    """(N, 2) path of the whole pose, summed up from the median step of its keypoints, and (N,) its rows."""
    rows = np.flatnonzero(course.track.labelled.sum(axis=1) >= 3)
    if len(rows) < 2:
        return np.empty((0, 2)), rows[:0]
    steps = np.diff(course.xy[rows], axis=0)
    known = np.isfinite(steps[..., 0]).sum(axis=1) >= 3
    path = np.zeros((len(rows), 2))
    path[1:][known] = np.nanmedian(steps[known], axis=1)
    return np.cumsum(path, axis=0), rows


def _jumps_of(xy: FloatArray, frames: IntArray, size: FloatArray, rows: IntArray, keypoint: int) -> list[_Jump]:
    """Every run of rows that lies off, overlapping ones too; xy (N, 2) labelled places at frames (N,)."""
    found = []
    if len(xy) < _LEAST_FRAMES:
        return []
    for length in LENGTHS:
        off = _off(xy, frames, length)  # (runs, length) pixels
        if not len(off):
            continue
        sizes = off / size[np.arange(len(off))[:, None] + 1 + np.arange(length)]
        least, most = sizes.min(axis=1), sizes.max(axis=1)
        around = NORMAL * median_filter(most, size=_AROUND * (length + 3) + 1, mode="reflect")
        limit = np.maximum(_LEAST, _TIMES * np.maximum(around, max(spread(most), _FLOOR)))
        for start in np.flatnonzero(least > limit):
            pixels = float(off[start].min())
            first, last = int(rows[start + 1]), int(rows[start + length])
            strength = float(least[start] / limit[start])
            found.append(_Jump(first, last, keypoint, pixels, float(least[start]), strength))
    return found


def _off(xy: FloatArray, frames: IntArray, length: int) -> FloatArray:
    """(N - length - 1, length) how far each inner run of rows lies from the path between its neighbours, in pixels.

    The path is the straight line between the row before and the row after, or the cubic through two on either side,
    whichever is nearer: fast but smooth motion is no jump.
    """
    count = len(xy) - length - 1
    if count < 1:
        return np.empty((0, length))
    start = np.arange(count)
    at = start[:, None] + 1 + np.arange(length)
    line = _through(xy, frames, np.stack([start, start + length + 1], axis=1), at)
    off: FloatArray = np.linalg.norm(xy[at] - line, axis=2)
    inner = np.flatnonzero((start >= 1) & (start + length + 2 < len(xy)))
    if len(inner):
        begin = start[inner]
        four = np.stack([begin - 1, begin, begin + length + 1, begin + length + 2], axis=1)
        smooth = np.linalg.norm(xy[at[inner]] - _through(xy, frames, four, at[inner]), axis=2)
        off[inner] = np.minimum(off[inner], smooth)
    return off


def _through(xy: FloatArray, frames: IntArray, knots: IntArray, at: IntArray) -> FloatArray:
    """(R, L, 2) the polynomials through the rows `knots` (R, P), at the rows `at` (R, L): Lagrange's form."""
    when, where = frames[at].astype(float), frames[knots].astype(float)
    result = np.zeros((*at.shape, 2))
    for p in range(knots.shape[1]):
        weight = np.ones(at.shape)
        for q in range(knots.shape[1]):
            if q != p:
                weight *= (when - where[:, q, None]) / (where[:, p] - where[:, q])[:, None]
        result += weight[..., None] * xy[knots[:, p]][:, None]
    return result


def _strongest(found: Sequence[_Jump]) -> list[_Jump]:
    """Without those that touch a stronger one: the neighbours of an outlier look like outliers, too."""
    kept: list[_Jump] = []
    taken: set[int] = set()
    for jump in sorted(found, key=lambda j: (-j.strength, j.last - j.first, j.first)):
        if taken.isdisjoint(range(jump.first, jump.last + 1)):
            kept.append(jump)
            taken.update(range(jump.first - 2, jump.last + 3))
    return kept


def _finding(jump: _Jump, course: Course, skeleton: Skeleton) -> Finding:
    what = "the whole pose" if jump.keypoint < 0 else skeleton.keypoints[jump.keypoint]
    why = (
        f"{what} lies {jump.pixels:.0f} px ({jump.sizes:.2f} body sizes) from its path through the frames around, "
        f"{jump.strength:.1f} times what is suspicious here"
    )
    keypoints = () if jump.keypoint < 0 else (jump.keypoint,)
    first, last = int(course.frames[jump.first]), int(course.frames[jump.last])
    return Finding("jump", course.track.id, first, last, keypoints, why, sureness(jump.strength, 1.0))
