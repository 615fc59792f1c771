"""Carrying people along the picture from one frame to another, by the median motion of points on their bodies."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from pwarp.annotations import FloatArray
from pwarp.propagation.motion import Crop, Flow, dis, flow_pair

_PIXELS = (64_000, 256_000)  # the flow is computed in a picture of at least, and at most, about this size
_DIAGONAL = 96.0  # pixels that people should have in it
_LARGEST = 2.0  # scale of that picture: small people are enlarged, so that flow finds their limbs
_MEMORY = 300e6  # bytes of flow that are kept for the way back
_LATTICE = (16, 12)  # points across and down the picture that tell how the camera moves

Grey = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Step:
    """From a frame to the next: flow there and back, and the camera's motion (2,) in pixels."""

    forth: Flow
    back: Flow
    camera: FloatArray


@dataclass
class Stretch:
    """The steps from `first` on, as far back as memory allows: `kept` is the frame of the oldest that is there."""

    first: int
    kept: int
    steps: list[Step] = field(default_factory=list)

    @property
    def last(self) -> int:
        """The frame that the steps lead to."""
        return self.kept + len(self.steps)

    def back(self, points: FloatArray) -> FloatArray | None:
        """(2,) how far points (P, 2) of the last frame are carried on the way back to the first; None where the steps
        are no longer known."""
        if self.kept != self.first:
            return None
        moved = np.zeros(2)
        for step in reversed(self.steps):
            moved = moved + median_motion(points + moved, step.back)
        return moved


class Motion:
    """Computes steps for pictures of one size. typical: usual diagonal of a person there, in pixels."""

    def __init__(self, width: int, height: int, typical: float) -> None:
        least, most = (float(np.sqrt(p / (width * height))) for p in _PIXELS)
        scale = min(float(np.clip(_DIAGONAL / max(typical, 1.0), least, most)), _LARGEST)
        self._crop = Crop(0, 0, width, height, scale)
        self._method = dis(cv2.DISOPTICAL_FLOW_PRESET_FAST)
        across, down = (np.linspace(0, side - 1, n) for side, n in zip((width, height), _LATTICE, strict=True))
        self._lattice = np.stack(np.meshgrid(across, down), axis=-1).reshape(-1, 2)

    def step(self, before: Grey, after: Grey) -> Step:
        """From one grey picture to the next."""
        forth, back = flow_pair(self._crop, before, after, self._method)
        return Step(forth, back, median_motion(self._lattice, forth))

    def add(self, stretch: Stretch, step: Step) -> None:
        """Append a step, dropping the oldest where memory runs out."""
        stretch.steps.append(step)
        room = max(int(_MEMORY / (step.forth.field.nbytes + step.back.field.nbytes)), 1)
        if len(stretch.steps) > room:
            del stretch.steps[0]
            stretch.kept += 1


def median_motion(points: FloatArray, flow: Flow) -> FloatArray:
    """(2,) median motion in pixels of points (P, 2)."""
    moved: FloatArray = np.median(flow.at(points[None])[0, :, :2].astype(np.float64), axis=0)
    return moved
