"""Windows that follow somebody through consecutive frames in whole heatmap cells.

All windows of a course have one size, and their centres lie on one lattice of the picture whose step is a heatmap
cell. So the heatmaps of any two frames are brought into line by shifting one of them by whole cells: nothing is
resampled, and a crop goes through the network once, however many other frames it is compared with.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pwarp.annotations import FARTHEST, FloatArray, IntArray, extents
from pwarp.crops import BOX_MARGIN, Window, invert, transform

if TYPE_CHECKING:
    from torch import Tensor

    from pwarp.heatmaps import Codec

_STEPS = 4  # sizes a doubling: a small change of a pose leaves the size of its window as it is


@dataclass(frozen=True, eq=False)
class Course:
    """The windows of one person in F frames.

    size: (w, h) of all of them, picture pixels. cell: (x, y) picture pixels a heatmap cell. place: (F, 2) centres of
    the windows in cells from the picture's origin. codec: of the network that looks through them.
    """

    size: tuple[float, float]
    cell: tuple[float, float]
    place: IntArray
    codec: Codec

    def __len__(self) -> int:
        return len(self.place)

    def window(self, row: int) -> Window:
        """The window of a frame."""
        x, y = self.place[row].tolist()
        return Window(centre=(x * self.cell[0], y * self.cell[1]), size=self.size)

    def matrix(self, row: int) -> FloatArray:
        """(2, 3) affine map from picture to crop pixels in a frame."""
        return self.window(row).matrix(self.codec.size, self.codec.unbiased)

    def to_crop(self, xy: FloatArray, row: int) -> FloatArray:
        """Picture points (..., 2) as crop pixels of a frame's window."""
        return transform(xy, self.matrix(row))

    def to_picture(self, xy: FloatArray, row: int) -> FloatArray:
        """Crop pixels (..., 2) of a frame's window as picture points."""
        return transform(xy, invert(self.matrix(row)))

    def shift(self, of: int, to: int) -> tuple[int, int]:
        """By how many cells (x, y) the heatmaps of frame `of` move to lie in the window of frame `to`."""
        x, y = (self.place[of] - self.place[to]).tolist()
        return x, y


def course_along(centres: FloatArray, size: tuple[float, float], codec: Codec) -> Course:
    """The course whose windows have a size and lie nearest to centres (F, 2)."""
    scale = np.abs(np.diag(Window((0.0, 0.0), size).matrix(codec.size, codec.unbiased)[:, :2]))
    cell = np.asarray(codec.spacing) / scale
    place = np.round(np.clip(centres, -FARTHEST, FARTHEST) / cell).astype(np.int64)
    return Course(size, (float(cell[0]), float(cell[1])), place, codec)


def window_size(poses: FloatArray, least: float, codec: Codec, padding: float) -> tuple[float, float]:
    """(w, h) in picture pixels of windows that show any of some poses (P, K, 2) whole, NaN being no keypoint.

    least: no side of a person's box is taken for smaller. padding: factor around the box. Sizes are steps of a quarter
    octave.
    """
    boxes = extents(poses)
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 0) * (1 + 2 * BOX_MARGIN)
    width, height = np.clip(np.nanmax(sides, axis=0), least, FARTHEST)
    window = Window.around((0.0, 0.0, float(width), float(height)), codec.size, padding)
    # To the last bit the same for about the same poses: a window that differs at all is looked through once more.
    high = float(2.0 ** (round(_STEPS * np.log2(window.size[1])) / _STEPS))
    return high * codec.size[0] / codec.size[1], high


def middles(boxes: FloatArray) -> FloatArray:
    """(F, 2) the middles of boxes (F, 4); those of missing ones between their neighbours', in time."""
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    known = np.flatnonzero(np.isfinite(centres).all(axis=1))
    if len(known) == 0:
        return np.zeros_like(centres)
    rows = np.arange(len(centres))
    return np.stack([np.interp(rows, known, centres[known, axis]) for axis in (0, 1)], axis=1)


def moved(maps: Tensor, shifts: NDArray[np.int64]) -> Tensor:
    """Maps (B, C, h, w), each shifted right and down by whole cells (B, 2); what comes in from outside is zero."""
    import torch

    if not shifts.any():
        return maps
    result = torch.zeros_like(maps)
    rows, columns = maps.shape[2:]
    for index, (dx, dy) in enumerate(shifts.tolist()):
        if abs(dx) < columns and abs(dy) < rows:
            result[index, :, max(dy, 0) : rows + min(dy, 0), max(dx, 0) : columns + min(dx, 0)] = maps[
                index, :, max(-dy, 0) : rows - max(dy, 0), max(-dx, 0) : columns - max(dx, 0)
            ]
    return result
