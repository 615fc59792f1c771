"""Windows along a whole track, whose person may come nearer: one size after another, each for as long as it fits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import median_filter

from pwarp.annotations import FloatArray, IntArray, Track
from pwarp.crops import Window, boxes_around
from pwarp.following.course import Course, course_along
from pwarp.heatmaps import Codec

_STEPS = 8  # sizes a doubling
_HELD = 0.75  # steps that a person's size may be off before the window's changes
_AROUND = 15  # frames over which the size of a person is looked at
_LEAST = 8.0  # pixels: no box is taken for smaller


@dataclass(frozen=True, eq=False)
class Trail:
    """Where to look for a track's person. rows: of the track, where there is anything to look at.

    level: (R,) which of the sizes fits in each of these rows. courses: by level, windows of that size in all rows.
    """

    rows: IntArray
    level: IntArray
    courses: dict[int, Course]

    def course(self, row: int) -> Course:
        """The windows of the size that fits in a row, by its place in `rows`."""
        return self.courses[int(self.level[row])]


def trail(
    track: Track, width: int, height: int, codec: Codec, padding: float, *, scale: float = 1.0, causal: bool = False
) -> Trail:
    """The trail of a track through pictures of a size: around its boxes, or its keypoints where it has none.

    scale: how many times as large as usual the person is to be in the crops. causal: whether a window may depend on
    earlier frames alone.
    """
    boxes = _boxes(track, (width, height))
    shows = (boxes[:, :2] < [width - 1, height - 1]).all(axis=1) & (boxes[:, 2:] > 0).all(axis=1)  # false for NaN
    rows = np.flatnonzero(shows & track.present_at(track.frames))
    if len(rows) == 0:
        return Trail(rows, rows, {})
    sizes = np.array([Window.around(box, codec.size, padding).size for box in boxes[rows]])
    behind = _AROUND // 2 if causal else 0
    level = _levels(_STEPS * np.log2(median_filter(sizes[:, 1], _AROUND, mode="nearest", origin=behind)))
    centres = (boxes[rows, :2] + boxes[rows, 2:]) / 2
    ratio = sizes[0, 0] / sizes[0, 1]
    courses = {}
    for one in np.unique(level).tolist():
        tall = 2.0 ** (one / _STEPS) / scale
        courses[one] = course_along(centres, (tall * ratio, tall), codec)
    return Trail(rows, level, courses)


def _levels(wanted: FloatArray) -> IntArray:
    """Whole steps that follow some numbers lazily, so that windows do not flicker between two sizes."""
    levels = np.empty(len(wanted), dtype=np.int64)
    now = round(float(wanted[0]))
    for index, one in enumerate(wanted.tolist()):
        if abs(one - now) > _HELD:
            now = round(one)
        levels[index] = now
    return levels


def _boxes(track: Track, size: tuple[int, int]) -> FloatArray:
    """(F, 4) the track's boxes, or those around its keypoints as in training; NaN where there is neither."""
    around = boxes_around(track.xy, track.labelled, size)
    given = np.isfinite(track.boxes[:, 0]) & np.asarray((track.boxes[:, 2:] > track.boxes[:, :2]).all(axis=1))
    boxes = np.where(given[:, None], track.boxes, around)
    middle, half = (boxes[:, :2] + boxes[:, 2:]) / 2, np.maximum(boxes[:, 2:] - boxes[:, :2], _LEAST) / 2
    return np.concatenate([middle - half, middle + half], axis=1)
