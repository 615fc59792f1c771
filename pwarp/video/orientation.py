"""Upright pictures from a display matrix, and arrays from decoded frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import av
import cv2
import numpy as np
from av.sidedata.sidedata import SideDataContainer
from av.video.reformatter import VideoReformatter

from pwarp.video.base import Color, Picture

_TURNS = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}


@dataclass(frozen=True)
class Orientation:
    """How the stored picture becomes upright: mirrored left to right first, then turned clockwise.

    degrees: 0, 90, 180 or 270.
    """

    degrees: int = 0
    mirrored: bool = False

    @classmethod
    def of(cls, frame: av.VideoFrame) -> Orientation:
        """The orientation that a frame's display matrix asks for; other angles count as the nearest quarter turn.

        The matrix (ISO/IEC 14496-12, 6.2.2) has rows (a, b, u), (c, d, v), (x, y, w) and takes a stored point
        (p, q) to (a p + c q + x, b p + d q + y), y down.
        """
        matrix = cast(SideDataContainer, frame.side_data).get("DISPLAYMATRIX")
        if matrix is None:
            return cls()
        a, b, _, c, d = np.frombuffer(bytes(matrix), dtype=np.int32)[:5].tolist()
        mirrored = a * d - b * c < 0
        if mirrored:
            a, b = -a, -b
        # What is left is a rotation that takes the stored x axis to (a, b).
        if abs(a) >= abs(b):
            return cls(180 if a < 0 else 0, mirrored)
        return cls(90 if b > 0 else 270, mirrored)

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height of the upright picture."""
        return (height, width) if self.degrees in (90, 270) else (width, height)

    def apply(self, picture: Picture) -> Picture:
        """The upright picture, contiguous."""
        if self.mirrored:
            picture = np.asarray(cv2.flip(picture, 1), dtype=np.uint8)
        if self.degrees:
            picture = np.asarray(cv2.rotate(picture, _TURNS[self.degrees]), dtype=np.uint8)
        return np.ascontiguousarray(picture)


class Converter:
    """Decoded frames to upright arrays. Keeps the conversion tables, so that only the first frame pays for them."""

    def __init__(self, orientation: Orientation) -> None:
        self._orientation = orientation
        self._reformatter = VideoReformatter()

    def __call__(self, frame: av.VideoFrame, color: Color) -> Picture:
        """(H, W, 3) RGB, or (H, W) luma in the full range 0 to 255; alpha is dropped, deep colour becomes 8 bits."""
        wanted = "rgb24" if color == "rgb" else "gray"
        # The second core is the decoder's.
        converted = self._reformatter.reformat(frame, format=wanted, threads=1)
        picture = np.asarray(converted.to_ndarray(), dtype=np.uint8)
        if converted is frame:
            # The decoder still predicts from these very bytes; a caller who draws on them would spoil later frames.
            picture = picture.copy()
        return self._orientation.apply(picture)
