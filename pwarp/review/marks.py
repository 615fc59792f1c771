"""The marks that poses are drawn with: limbs, discs, diamonds, rings and box corners, all anti-aliased.

Positions are output pixels with fractions, whole numbers being pixel centres; sizes are output pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from pwarp.review.palette import INK, PAPER, Colour
from pwarp.review.text import Picture, blend

# OpenCV takes sub-pixel positions as fixed-point numbers with this many fractional bits.
_BITS = 4
# Further out than any picture is wide, and still safe in OpenCV's 32-bit fixed-point arithmetic.
_FAR = 60_000.0

Point = Sequence[float]


def disc(picture: Picture, at: Point, radius: float, colour: Colour, core: Colour | None) -> None:
    """A dark-rimmed disc, with a core in another colour where one is given: a keypoint that was computed."""
    _fill(picture, at, radius + max(1.0, 0.25 * radius), INK)
    _fill(picture, at, radius, colour)
    if core is not None:
        # A dark line between keeps an orange core apart from an orange track.
        _fill(picture, at, 0.78 * radius, INK)
        _fill(picture, at, 0.62 * radius, core)


def ring(picture: Picture, at: Point, radius: float, colour: Colour, core: Colour | None) -> None:
    """A hollow disc, the picture showing through: a computed keypoint that is occluded."""
    # A little wider than a disc, or the dark rims would leave no hole in small ones.
    middle, width = 1.15 * radius, max(1.1, 0.28 * radius)
    _circle(picture, at, middle, width + 1.6, INK)
    _circle(picture, at, middle, width, colour)
    if core is not None:
        _fill(picture, at, 0.36 * radius, core)


def diamond(picture: Picture, at: Point, radius: float, colour: Colour, *, hollow: bool = False) -> None:
    """A white-rimmed diamond, hollow where it is occluded: a keypoint that a person set."""
    if hollow:
        width = max(1, round(0.35 * radius))
        outline = [_corners(at, 1.2 * radius)]
        cv2.polylines(picture, outline, True, INK, width + 3, cv2.LINE_AA, _BITS)
        cv2.polylines(picture, outline, True, PAPER, width + 1, cv2.LINE_AA, _BITS)
        cv2.polylines(picture, [_corners(at, 0.9 * radius)], True, colour, width, cv2.LINE_AA, _BITS)
        return
    for size, paint in ((1.75, INK), (1.5, PAPER), (1.0, colour)):
        cv2.fillPoly(picture, [_corners(at, size * radius)], paint, cv2.LINE_AA, _BITS)


def limb(picture: Picture, start: Point, end: Point, width: float, colour: Colour, opacity: float) -> None:
    """A line between two keypoints with a dark edge, so that it shows on any ground."""
    reach = width + 3
    x0, x1 = _inside(start[0], end[0], reach, picture.shape[1])
    y0, y1 = _inside(start[1], end[1], reach, picture.shape[0])
    if x0 >= x1 or y0 >= y1:
        return
    ends = [_fixed((p[0] - x0, p[1] - y0)) for p in (start, end)]
    core = max(1, round(width))
    under = picture[y0:y1, x0:x1]
    for thickness, paint, share in ((core + 2, INK, 0.55 * opacity), (core, colour, opacity)):
        mask = np.zeros(under.shape[:2], dtype=np.uint8)
        cv2.line(mask, ends[0], ends[1], 255, thickness, cv2.LINE_AA, _BITS)
        # A limb covers few pixels of the rectangle around it: blending those alone is ten times as fast.
        rows, columns = np.nonzero(mask)
        cover = mask[rows, columns, None] * np.float32(share / 255)
        old = under[rows, columns]
        under[rows, columns] = np.rint(old + (np.array(paint, dtype=np.float32) - old) * cover).astype(np.uint8)


def box_corners(picture: Picture, box: Sequence[float], colour: Colour, width: int) -> None:
    """The four corners of a box x1, y1, x2, y2: where it is, without fencing the person in."""
    x1, y1, x2, y2 = box
    arm = 0.18 * min(abs(x2 - x1), abs(y2 - y1))
    for x, inward_x in ((x1, arm), (x2, -arm)):
        for y, inward_y in ((y1, arm), (y2, -arm)):
            path = np.array([_fixed((x + inward_x, y)), _fixed((x, y)), _fixed((x, y + inward_y))], dtype=np.int32)
            cv2.polylines(picture, [path], False, INK, width + 2, cv2.LINE_AA, _BITS)
            cv2.polylines(picture, [path], False, colour, width, cv2.LINE_AA, _BITS)


def _circle(picture: Picture, at: Point, radius: float, width: float, colour: Colour) -> None:
    """A line of any width around a place; OpenCV's come in whole pixels, which is coarse for the smallest marks."""
    reach = radius + width
    x0, x1 = _inside(at[0], at[0], reach, picture.shape[1])
    y0, y1 = _inside(at[1], at[1], reach, picture.shape[0])
    distance = np.hypot(np.arange(x0, x1) - at[0], np.arange(y0, y1)[:, None] - at[1])
    coverage = np.clip(width / 2 + 0.5 - np.abs(distance - radius), 0, 1).astype(np.float32)
    blend(picture, coverage, x0, y0, colour)


def _fill(picture: Picture, at: Point, radius: float, colour: Colour) -> None:
    cv2.circle(picture, _fixed(at), round(radius * (1 << _BITS)), colour, -1, cv2.LINE_AA, _BITS)


def _corners(at: Point, radius: float) -> np.ndarray[tuple[int, ...], np.dtype[np.int32]]:
    x, y = at
    around = ((x, y - radius), (x + radius, y), (x, y + radius), (x - radius, y))
    return np.array([_fixed(p) for p in around], dtype=np.int32)


def _fixed(at: Point) -> tuple[int, int]:
    """A position in OpenCV's fixed-point numbers; positions far outside come to the picture's surroundings."""
    x, y = (round(min(max(v, -_FAR), _FAR) * (1 << _BITS)) for v in at)
    return x, y


def _inside(one: float, other: float, reach: float, size: int) -> tuple[int, int]:
    """The whole pixels from one place to the other, and some further, that are on a picture of that size."""
    low, high = min(one, other) - reach, max(one, other) + reach + 1
    return int(min(max(low, 0), size)), int(min(max(high, 0), size))
