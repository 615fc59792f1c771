"""Dense motion between consecutive frames, on crops around the tracks, shared by all tracks in a crop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pwarp.annotations import FloatArray

Grey = NDArray[np.uint8]
FlowMethod = Callable[[Grey, Grey], NDArray[np.float32]]

WORKING_DIAGONAL = 320.0  # pixels that a person's box diagonal is scaled to before flow is computed
_MARGIN = 0.25  # of the diagonal, around the pose
_LATTICE = 1 / 8  # of the diagonal: crops snap outward, so that a small correction leaves them as they are
_FRESH: Any = None  # OpenCV makes the array itself, which its type stubs do not know
_SMALLEST = 64  # pixels a side: DIS needs room for its pyramid


@dataclass(frozen=True)
class Crop:
    """A rectangle of the picture, x0 <= x < x1 and y0 <= y < y1 in whole pixels, seen at `scale`."""

    x0: int
    y0: int
    x1: int
    y1: int
    scale: float

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the scaled crop."""
        width = max(round((self.x1 - self.x0) * self.scale), _SMALLEST)
        height = max(round((self.y1 - self.y0) * self.scale), _SMALLEST)
        return width, height

    @property
    def area(self) -> float:
        """Scaled pixels."""
        return float(np.prod(self.size))

    def cut(self, picture: Grey) -> Grey:
        """The scaled crop of a picture."""
        part = picture[self.y0 : self.y1, self.x0 : self.x1]
        shrink = self.size[0] < part.shape[1]
        return np.asarray(
            cv2.resize(part, self.size, interpolation=cv2.INTER_AREA if shrink else cv2.INTER_LINEAR), np.uint8
        )

    def joined(self, other: Crop) -> Crop:
        """The smallest crop that covers both, at the larger scale."""
        return Crop(
            min(self.x0, other.x0),
            min(self.y0, other.y0),
            max(self.x1, other.x1),
            max(self.y1, other.y1),
            max(self.scale, other.scale),
        )


def crop_around(xy: FloatArray, diagonal: float, width: int, height: int) -> Crop:
    """The crop around points (..., 2) with NaN for none, a margin around them, inside a width × height picture."""
    points = xy.reshape(-1, 2)
    step = diagonal * _LATTICE
    low = np.floor((np.nanmin(points, axis=0) - _MARGIN * diagonal) / step) * step
    high = np.ceil((np.nanmax(points, axis=0) + _MARGIN * diagonal) / step) * step
    # A pose that has left the picture keeps a sliver of it, so that there is always something to look at.
    x0, y0 = (int(np.clip(low[i], 0, (width, height)[i] - 2)) for i in (0, 1))
    x1, y1 = (int(np.clip(high[i], (x0, y0)[i] + 2, (width, height)[i])) for i in (0, 1))
    return Crop(x0, y0, x1, y1, min(WORKING_DIAGONAL / diagonal, 4.0))


def share_crops(crops: Sequence[Crop]) -> list[tuple[Crop, list[int]]]:
    """Crops that together cover the given ones, joined where that saves pixels, with the indices they serve."""
    groups = [(crop, [i]) for i, crop in enumerate(crops)]
    merged = True
    while merged:
        merged = False
        for a in range(len(groups)):
            for b in range(len(groups) - 1, a, -1):
                joint = groups[a][0].joined(groups[b][0])
                if joint.area <= groups[a][0].area + groups[b][0].area:
                    groups[a] = (joint, groups[a][1] + groups.pop(b)[1])
                    merged = True
    return groups


@dataclass(frozen=True, eq=False)
class Flow:
    """Motion inside a crop from one frame to a neighbouring one.

    field: (h, w, 3) float32 at half the crop's working resolution: dx, dy in picture pixels and the
    forward-backward inconsistency in picture pixels.
    """

    crop: Crop
    field: NDArray[np.float32]

    def at(self, xy: FloatArray | NDArray[np.float32]) -> NDArray[np.float32]:
        """(H, W, 3) dx, dy and inconsistency at picture points (H, W, 2); the crop's border goes on outside."""
        h, w = self.field.shape[:2]
        sx, sy = w / (self.crop.x1 - self.crop.x0), h / (self.crop.y1 - self.crop.y0)
        at = np.empty(xy.shape, np.float32)
        at[..., 0] = (xy[..., 0] - (self.crop.x0 - 0.5)) * sx - 0.5
        at[..., 1] = (xy[..., 1] - (self.crop.y0 - 0.5)) * sy - 0.5
        return _sampled(self.field, at)


def dis(preset: int = cv2.DISOPTICAL_FLOW_PRESET_MEDIUM) -> FlowMethod:
    """DIS optical flow (Kroeger et al. 2016) with one of OpenCV's presets."""
    method = cv2.DISOpticalFlow.create(preset)

    def estimate(a: Grey, b: Grey) -> NDArray[np.float32]:
        return np.asarray(method.calc(a, b, _FRESH), np.float32)

    return estimate


def farneback() -> FlowMethod:
    """Farneback's flow (2003) as in PoseWarper's baseline."""

    def estimate(a: Grey, b: Grey) -> NDArray[np.float32]:
        return np.asarray(cv2.calcOpticalFlowFarneback(a, b, _FRESH, 0.5, 3, 15, 3, 5, 1.2, 0), np.float32)

    return estimate


def flow_pair(crop: Crop, a: Grey, b: Grey, estimate: FlowMethod) -> tuple[Flow, Flow]:
    """Flow from picture a to picture b and back, inside a crop."""
    small_a, small_b = crop.cut(a), crop.cut(b)
    forth, back = (_halved(estimate(*pair)) for pair in ((small_a, small_b), (small_b, small_a)))
    w, h = crop.size
    to_picture = np.array([(crop.x1 - crop.x0) / w, (crop.y1 - crop.y0) / h], np.float32)
    return (
        Flow(crop, _with_inconsistency(forth, back, to_picture)),
        Flow(crop, _with_inconsistency(back, forth, to_picture)),
    )


@lru_cache(maxsize=32)  # crops keep their size for some frames
def _pixels(width: int, height: int) -> NDArray[np.float32]:
    """(height, width, 2) the x and y of every pixel."""
    return np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).astype(np.float32)


def _sampled(field: NDArray[np.float32], at: NDArray[np.float32]) -> NDArray[np.float32]:
    sampled = cv2.remap(field, at, _FRESH, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(sampled, np.float32)


def _halved(flow: NDArray[np.float32]) -> NDArray[np.float32]:
    """The flow at half resolution, still in pixels of full resolution; DIS computes no finer than that."""
    h, w = flow.shape[:2]
    return np.asarray(cv2.resize(flow, ((w + 1) // 2, (h + 1) // 2), interpolation=cv2.INTER_AREA), np.float32)


def _with_inconsistency(
    forth: NDArray[np.float32], back: NDArray[np.float32], to_picture: NDArray[np.float32]
) -> NDArray[np.float32]:
    h, w = forth.shape[:2]
    at = np.asarray(_pixels(w, h) + forth / 2, np.float32)
    lost = forth + _sampled(back, at)
    lost *= to_picture
    lost *= lost
    field = np.empty((h, w, 3), np.float32)
    np.multiply(forth, to_picture, out=field[..., :2])
    np.sqrt(lost[..., 0] + lost[..., 1], out=field[..., 2])
    return field
