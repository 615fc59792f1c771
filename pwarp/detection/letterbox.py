"""A picture made to fit a network's input without changing its shape, and the way back."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pwarp.annotations import FloatArray

_GREY = 114  # what YOLO networks see beyond the picture in training


@dataclass(frozen=True)
class Letterbox:
    """A width x height picture scaled by `scale`, its top left corner at (left, top) of the network's input.

    size: (width, height) of the input. Coordinates are continuous, as networks learn them from COCO's boxes.
    """

    size: tuple[int, int]
    scale: float
    left: int
    top: int

    @classmethod
    def fit(cls, picture: NDArray[np.uint8], size: tuple[int, int], *, centred: bool) -> Letterbox:
        """For an (H, W, ...) picture: as large as fits; centred (Ultralytics), else in the top left (YOLOX)."""
        h, w = picture.shape[:2]
        scale = min(size[0] / w, size[1] / h)
        room = (size[0] - _scaled(w, scale), size[1] - _scaled(h, scale))
        # Ultralytics rounds half a pixel of border up on one side and down on the other.
        left, top = (round(r / 2 - 0.1) if centred else 0 for r in room)
        return cls(size, scale, left, top)

    def apply(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The network's input (size[1], size[0], 3) from the picture (H, W, 3); grey where there is none."""
        h, w = picture.shape[:2]
        small = cv2.resize(picture, (_scaled(w, self.scale), _scaled(h, self.scale)), interpolation=cv2.INTER_LINEAR)
        canvas = np.full((self.size[1], self.size[0], 3), _GREY, dtype=np.uint8)
        canvas[self.top : self.top + small.shape[0], self.left : self.left + small.shape[1]] = small
        return canvas

    def back(self, points: FloatArray) -> FloatArray:
        """(..., 2) points of the network's input in the picture."""
        moved: FloatArray = (points - np.array([self.left, self.top])) / self.scale
        return moved


def _scaled(length: int, scale: float) -> int:
    return max(round(length * scale), 1)
