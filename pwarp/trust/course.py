"""How the keypoints of a track move, in robust numbers: the ground on which outliers stand out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter

from pwarp.annotations import FloatArray, IntArray, Track, extents

_WINDOW = 31  # rows: over so many a person's size in the picture changes little
_LEAST_SHARE = 0.02  # of the picture's diagonal: poses of one keypoint have no size of their own
_LEAST_PX = 4.0
NORMAL = 1.4826  # the standard deviation of a normal distribution, in median absolute deviations


@dataclass(frozen=True, eq=False)
class Course:
    """A track's labelled keypoints over time: F frames, K keypoints.

    track: they come from. diagonal: of the picture in pixels; 0 where it is not known.
    """

    track: Track
    diagonal: float = 0.0

    @property
    def frames(self) -> IntArray:
        """(F,) rising frame ordinals."""
        return self.track.frames

    @property
    def xy(self) -> FloatArray:
        """(F, K, 2) pixels, NaN where unlabelled."""
        return self.track.xy

    @cached_property
    def size(self) -> FloatArray:
        """(F,) the person's size in pixels: the running median of the diagonal around the labelled keypoints."""
        known = self.track.labelled
        boxes = extents(self.xy)
        rows = np.flatnonzero(known.sum(axis=1) >= 2)
        least = max(_LEAST_PX, _LEAST_SHARE * self.diagonal)
        if not len(rows):
            return np.full(len(self.frames), least)
        extent = np.hypot(*(boxes[:, 2:] - boxes[:, :2])[rows].T)
        smooth = median_filter(extent, size=min(_WINDOW, 2 * len(rows) - 1), mode="nearest")
        size: FloatArray = np.maximum(np.interp(self.frames, self.frames[rows], smooth), least)
        return size


def spread(values: FloatArray) -> float:
    """The standard deviation that most of some sizes >= 0 suggest: from their median, so that outliers do not count."""
    finite = values[np.isfinite(values)]
    return float(NORMAL * np.median(finite)) if len(finite) else 0.0


def runs(marked: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First and last index (inclusive) of each unbroken run of True in (N,)."""
    edges = np.diff(np.concatenate([[False], marked, [False]]).astype(np.int8))
    return list(zip(np.flatnonzero(edges == 1).tolist(), (np.flatnonzero(edges == -1) - 1).tolist(), strict=True))
