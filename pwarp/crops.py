"""Crops: the part of a picture around a box, as an estimator wants to see it.

The geometry is that of HRNet and of Xiao et al., "Simple Baselines for Human Pose Estimation" (ECCV 2018), so that
published weights see what they were trained on: a box is widened or heightened to the crop's aspect, enlarged by a
quarter, and mapped by a similarity that carries its centre to half the crop's size. Half the size is *not* the middle
of the crop's pixels, (size - 1) / 2: that half pixel is HRNet's, and `unbiased=True` gives UDP's geometry without it
(Huang et al., "The Devil is in the Details", CVPR 2020).

Points of picture and crop are pixels, whole numbers being pixel centres.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from pwarp.errors import PwarpError

PADDING = 1.25
# A box made of keypoints ends at joints, not at the body: PoseTrack's own boxes are their extent and 15 % a side.
BOX_MARGIN = 0.15
# A pose of one or two keypoints has hardly an extent; its box is at least this share of the picture's shorter side.
LEAST_BOX = 0.1


@dataclass(frozen=True)
class Window:
    """A rectangle of the picture, perhaps turned and mirrored, that becomes a crop.

    centre: (x, y) picture pixels. size: (w, h) picture pixels. angle: degrees by which the window is turned clockwise
    as seen on the screen, so that its upward direction becomes the crop's. flipped: mirrored about its vertical axis,
    before it is turned, as HRNet's training does it.

    Raises PwarpError where a number is not finite or the window has no area.
    """

    centre: tuple[float, float]
    size: tuple[float, float]
    angle: float = 0.0
    flipped: bool = False

    def __post_init__(self) -> None:
        if not all(math.isfinite(v) for v in (*self.centre, *self.size, self.angle)):
            raise PwarpError(f"window at {self.centre} of size {self.size}: not all numbers are finite; check the box")
        if min(self.size) <= 0:
            raise PwarpError(f"window at {self.centre} of size {self.size} has no area; check the box")

    @classmethod
    def around(
        cls, box: Sequence[float] | NDArray[Any], aspect: tuple[float, float], padding: float = PADDING
    ) -> Window:
        """The smallest window of an aspect around a box, enlarged: HRNet's centre and scale (scale in pixels).

        box: x1 y1 x2 y2. aspect: (w, h) of the crop, any unit. padding: factor on both sides.
        Raises PwarpError for a box that is not finite or has no area.
        """
        x1, y1, x2, y2 = (float(v) for v in box)
        if not (all(math.isfinite(v) for v in (x1, y1, x2, y2)) and x2 > x1 and y2 > y1):
            raise PwarpError(f"box ({x1:g}, {y1:g}, {x2:g}, {y2:g}) has no area; boxes are x1 y1 x2 y2, finite")
        width, height, ratio = x2 - x1, y2 - y1, aspect[0] / aspect[1]
        if width > ratio * height:
            height = width / ratio
        else:
            width = height * ratio
        return cls(centre=((x1 + x2) / 2, (y1 + y2) / 2), size=(width * padding, height * padding))

    def matrix(self, size: tuple[int, int], unbiased: bool = False) -> NDArray[np.float64]:
        """(2, 3) affine map from picture pixels to pixels of a crop of a size (w, h).

        Like HRNet's it is a similarity whose scale comes from the widths alone; a window made by `around` for the
        crop's aspect has the matching height. unbiased: UDP's map, which puts the window's edges on the centres of
        the crop's outermost pixels, each axis with its own scale (size - 1) / window.
        """
        w, h = size
        if unbiased:
            scale = ((w - 1) / self.size[0], (h - 1) / self.size[1])
            middle = np.array([w - 1, h - 1]) / 2
        else:
            scale = (w / self.size[0], w / self.size[0])
            middle = np.array([w, h]) / 2
        cos, sin = math.cos(math.radians(self.angle)), math.sin(math.radians(self.angle))
        linear = np.diag(scale) @ np.array([[cos, sin], [-sin, cos]])
        if self.flipped:
            linear = linear * [-1, 1]
        return np.column_stack([linear, middle - linear @ self.centre])


def cut(
    picture: NDArray[np.uint8], window: Window, size: tuple[int, int], *, unbiased: bool = False
) -> NDArray[np.uint8]:
    """The crop (h, w, 3) of a window, sampled bilinearly; zeros where the window leaves the picture.

    picture: (H, W, 3) RGB. size: (w, h) of the crop.
    """
    crop = cv2.warpAffine(picture, window.matrix(size, unbiased), size, flags=cv2.INTER_LINEAR)
    return cast("NDArray[np.uint8]", crop)


def transform(points: NDArray[Any], matrix: NDArray[Any]) -> NDArray[np.float64]:
    """Points (..., 2) through affine maps (..., 2, 3) whose leading axes broadcast against theirs; NaN stays NaN."""
    points = np.asarray(points, dtype=np.float64)
    moved: NDArray[np.float64] = (matrix[..., :2] * points[..., None, :]).sum(axis=-1) + matrix[..., 2]
    return moved


def invert(matrix: NDArray[Any]) -> NDArray[np.float64]:
    """The affine maps (..., 2, 3) that undo others; raises ValueError for one that has no inverse."""
    try:
        back = np.linalg.inv(np.asarray(matrix, dtype=np.float64)[..., :2])
    except np.linalg.LinAlgError:
        raise ValueError("an affine map that flattens the picture has no inverse") from None
    return np.concatenate([back, -back @ matrix[..., 2:]], axis=-1)


def boxes_around(xy: NDArray[np.float64], counted: NDArray[np.bool_], size: tuple[int, int]) -> NDArray[np.float64]:
    """(F, 4) boxes for poses that have none: the extent of their counted keypoints with a margin, NaN without any.

    xy: (F, K, 2). counted: (F, K). size: of the picture.
    """
    low = np.where(counted[..., None], xy, np.inf).min(axis=1, initial=np.inf)
    high = np.where(counted[..., None], xy, -np.inf).max(axis=1, initial=-np.inf)
    with np.errstate(invalid="ignore"):
        middle, extent = (low + high) / 2, (high - low) * (1 + 2 * BOX_MARGIN)
    half = np.maximum(extent, LEAST_BOX * min(size)) / 2
    boxes = np.concatenate([middle - half, middle + half], axis=1)
    return np.where(np.asarray(counted.any(axis=1))[:, None], boxes, np.nan)
