"""Writing on pictures: sharp text in a real typeface, plain or on a rounded plate."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from pwarp.review.palette import PAPER, Colour

Picture = NDArray[np.uint8]
"""(H, W, 3) red, green, blue."""

# Names come from files of strangers: one that goes on for ever is cut.
_MOST_LETTERS = 120


@lru_cache(maxsize=64)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=size)


@lru_cache(maxsize=1024)
def _coverage(text: str, size: int) -> NDArray[np.float32]:
    """(h, w) how much of each pixel the text covers, 0..1; h depends on the size alone, so that baselines agree."""
    font, text = _font(size), text[:_MOST_LETTERS]
    left, _, right, _ = font.getbbox(text)
    height = round(size * 1.25)
    page = Image.new("L", (max(1, round(right - left)), height))
    ImageDraw.Draw(page).text((-left, (height - size * 1.2) / 2), text, fill=255, font=font)
    return np.asarray(page, dtype=np.float32) / np.float32(255)


def text_size(text: str, size: int) -> tuple[int, int]:
    """Width and height in pixels of text at a font size in pixels."""
    height, width = _coverage(text, size).shape
    return width, height


def write(picture: Picture, text: str, left: int, top: int, size: int, colour: Colour = PAPER) -> int:
    """Write text with its top left corner at (left, top) and return where it ends; what lies outside is cut off."""
    coverage = _coverage(text, size)
    blend(picture, coverage, left, top, colour)
    return left + int(coverage.shape[1])


def plate_size(text: str, size: int) -> tuple[int, int]:
    """Width and height in pixels of `write_plate`'s plate."""
    width, height = text_size(text, size)
    return width + size, height + size // 4


def write_plate(
    picture: Picture, text: str, left: int, top: int, size: int, ground: Colour, ink: Colour, opacity: float = 0.85
) -> None:
    """Write text on a rounded plate whose top left corner is (left, top)."""
    width, height = plate_size(text, size)
    blend(picture, _plate(width, height), left, top, ground, opacity)
    write(picture, text, left + size // 2, top + size // 8, size, ink)


@lru_cache(maxsize=256)
def _plate(width: int, height: int) -> NDArray[np.float32]:
    """(height, width) coverage of a rectangle with round corners."""
    mask = np.zeros((height, width), dtype=np.uint8)
    radius = min(height, width) // 4
    cv2.rectangle(mask, (radius, 0), (width - 1 - radius, height - 1), 255, -1)
    cv2.rectangle(mask, (0, radius), (width - 1, height - 1 - radius), 255, -1)
    for x in (radius, width - 1 - radius):
        for y in (radius, height - 1 - radius):
            cv2.circle(mask, (x, y), radius, 255, -1, cv2.LINE_AA)
    return mask.astype(np.float32) / np.float32(255)


def blend(
    picture: Picture, coverage: NDArray[np.float32], left: int, top: int, colour: Colour, opacity: float = 1.0
) -> None:
    """Lay a colour over a picture where coverage (h, w) in 0..1 says, its top left corner at (left, top)."""
    height, width = coverage.shape
    x0, y0 = max(left, 0), max(top, 0)
    x1, y1 = min(left + width, picture.shape[1]), min(top + height, picture.shape[0])
    if x0 >= x1 or y0 >= y1:
        return
    share = coverage[y0 - top : y1 - top, x0 - left : x1 - left, None] * np.float32(opacity)
    under = picture[y0:y1, x0:x1]
    under[:] = np.rint(under + (np.array(colour, dtype=np.float32) - under) * share).astype(np.uint8)
