"""What somebody looks like: the colours of clothes, good enough to tell people apart who cross.

Colours are compared in CIE Lab, its lightness counting less, for it changes with every shadow.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pwarp.annotations import FloatArray
from pwarp.skeleton import Skeleton

_BANDS = 3  # from head to foot
_BINS = (4, 8, 8)  # of lightness, a, b
_RANGES = [0.0, 256.0, 64.0, 192.0, 64.0, 192.0]
_CORE = np.array([0.6, 0.95])  # of a box: its sides show what is behind
_SPOT = 0.03  # of the box diagonal: radius of what is looked at around a keypoint
_LIGHTNESS = 0.5
_FAR = 40.0  # distance in Lab at which two colours have nothing in common
_FEWEST = 3  # spots that two looks must share to be compared by them


@dataclass(frozen=True, eq=False)
class Look:
    """bands: (3, B) square roots of the shares of colours in the upper, middle and lower third of a box.

    spots: (K + E, 3) Lab colour at visible keypoints and in the middle of limbs whose ends are visible, else NaN.
    """

    bands: FloatArray
    spots: FloatArray

    @classmethod
    def of(
        cls, lab: NDArray[np.uint8], box: FloatArray, xy: FloatArray, visible: NDArray[np.bool_], skeleton: Skeleton
    ) -> Look:
        """The look in a Lab picture (H, W, 3) of who is in a box (4,) with keypoints (K, 2), if any."""
        return cls(_bands(lab, box), _spots(lab, box, xy, visible, skeleton))

    def difference(self, other: Look) -> float:
        """0 for the same look to 1 for nothing in common."""
        by_bands = 1 - float((self.bands * other.bands).sum(axis=1).mean())
        step = np.linalg.norm(self.spots - other.spots, axis=1)
        step = step[np.isfinite(step)]
        if len(step) < _FEWEST:
            return by_bands
        return (by_bands + min(float(np.median(step)) / _FAR, 1.0)) / 2


def to_lab(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W, 3) Lab of an RGB picture, as OpenCV packs it into bytes."""
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2LAB), np.uint8)


def _bands(lab: NDArray[np.uint8], box: FloatArray) -> FloatArray:
    middle, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) * _CORE / 2
    part = _part(lab, middle - half, middle + half)
    bands = []
    for band in np.array_split(part, _BANDS):
        if not band.size:
            bands.append(np.full(int(np.prod(_BINS)), 1 / np.prod(_BINS)))
            continue
        counts = cv2.calcHist([np.ascontiguousarray(band)], [0, 1, 2], None, list(_BINS), _RANGES).reshape(-1)
        bands.append(np.asarray(counts, np.float64) / max(float(counts.sum()), 1.0))
    return np.sqrt(np.array(bands))


def _spots(
    lab: NDArray[np.uint8], box: FloatArray, xy: FloatArray, visible: NDArray[np.bool_], skeleton: Skeleton
) -> FloatArray:
    a, b = np.array(skeleton.edges, dtype=np.int64).reshape(-1, 2).T
    points = np.concatenate([xy, (xy[a] + xy[b]) / 2])
    seen = np.concatenate([visible, visible[a] & visible[b]]) & np.isfinite(points).all(axis=1)
    radius = max(_SPOT * float(np.hypot(*(box[2:] - box[:2]))), 1.0)
    colours = np.full((len(points), 3), np.nan)
    for i in np.flatnonzero(seen):
        part = _part(lab, points[i] - radius, points[i] + radius)
        if part.size:
            colours[i] = part.reshape(-1, 3).mean(axis=0) * (_LIGHTNESS, 1, 1)
    return colours


def _part(lab: NDArray[np.uint8], low: FloatArray, high: FloatArray) -> NDArray[np.uint8]:
    """The pixels between two corners, as far as they are in the picture."""
    size = np.array([lab.shape[1], lab.shape[0]])
    x0, y0 = np.clip(np.floor(low), 0, size).astype(int)
    x1, y1 = np.clip(np.floor(high) + 1, 0, size).astype(int)
    return lab[y0:y1, x0:x1]
