"""What comes out of a YOLO-like network, whichever of its families it is of, told by the shape of the output.

N is the number of cells of the three grids of strides 8, 16 and 32; C the number of classes; K of keypoints.

    (B, N, 5 + C)         YOLOX (Ge et al. 2021): centre, size, objectness, classes; raw, or decoded by the network
    (B, 3 N, 5 + C)       YOLOv5 and v7: the same, decoded, three anchors a cell
    (B, 4 + C [+ 3 K], N) YOLOv8 and after: centre, size, classes, keypoints; decoded
    (B, M, 6 [+ 3 K])     end to end: corners, score, class, keypoints; duplicates are gone already
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from pwarp.annotations import FloatArray
from pwarp.errors import PwarpError

_STRIDES = (8, 16, 32)
_ANCHORS = 3
Family = Literal["yolox", "yolov5", "yolov8", "end to end"]


@dataclass(frozen=True)
class Layout:
    """How to read an output. size: (width, height) of the input; keypoints: K; classes: C, None where not said."""

    family: Family
    size: tuple[int, int]
    keypoints: int
    classes: int | None

    @classmethod
    def of(cls, shape: tuple[int, ...], size: tuple[int, int], keypoints: int = 0) -> Layout:
        """The layout of an output of a shape (B, ...); raises PwarpError for one of no family."""
        cells = sum((size[0] // s) * (size[1] // s) for s in _STRIDES)
        if len(shape) == 3:
            _, rows, columns = shape
            if rows in (cells, _ANCHORS * cells) and columns > 5:
                return cls("yolox" if rows == cells else "yolov5", size, 0, columns - 5)
            if columns == cells and rows > 4 + 3 * keypoints:
                return cls("yolov8", size, keypoints, rows - 4 - 3 * keypoints)
            if columns == 6 + 3 * keypoints:
                return cls("end to end", size, keypoints, None)
        raise PwarpError(
            f"an output of shape {'x'.join(map(str, shape))} for an input of {size[0]}x{size[1]} is that of no YOLO "
            "that pwarp knows (YOLOX, YOLOv5, v8 and after, or end to end); export the detector as one of these"
        )

    @property
    def brightest(self) -> float:
        """What white is in the input."""
        return 255.0 if self.family == "yolox" else 1.0

    @property
    def rgb(self) -> bool:
        """Whether channels come as red, green, blue; else the other way round."""
        return self.family != "yolox"

    @property
    def centred(self) -> bool:
        """Whether the picture is in the middle of the input; else in its top left corner."""
        return self.family != "yolox"

    @property
    def finished(self) -> bool:
        """Whether each thing has but one box already."""
        return self.family == "end to end"

    def read(self, output: FloatArray, category: int) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Boxes (M, 4) x1 y1 x2 y2 and keypoints (M, K, 3) x, y, score in pixels of the input, and scores (M,), of one
        category, from the output for one picture; of most cells with a score near 0."""
        if self.family == "end to end":
            mine = output[np.round(output[:, 5]) == category]
            return mine[:, :4], mine[:, 4], mine[:, 6:].reshape(len(mine), self.keypoints, 3)
        if self.family == "yolov8":
            output = output.T
            score = output[:, 4 + category]
            points = output[:, 4 + (self.classes or 0) :]
        else:
            if self.family == "yolox" and not self._decoded(output):
                output = self._on_the_grids(output)
            score = output[:, 4] * output[:, 5 + category]
            points = output[:, :0]
        half = output[:, 2:4] / 2
        boxes = np.concatenate([output[:, :2] - half, output[:, :2] + half], axis=1)
        return boxes, score, points.reshape(len(output), self.keypoints, 3)

    def _decoded(self, output: FloatArray) -> bool:
        """Whether centres are in pixels already: then they lie all over the input; else all are near 0."""
        low, high = np.quantile(output[:, 0], (0.1, 0.9))
        return bool(high - low > self.size[0] / 4)

    def _on_the_grids(self, output: FloatArray) -> FloatArray:
        """Raw YOLOX: centres count in cells from their own cell, sizes are logarithms in cells."""
        cells, strides = [], []
        for stride in _STRIDES:
            rows, columns = np.mgrid[: self.size[1] // stride, : self.size[0] // stride]
            cells.append(np.stack([columns, rows], axis=-1).reshape(-1, 2))
            strides.append(np.full((rows.size, 1), stride))
        step = np.concatenate(strides)
        with np.errstate(over="ignore"):
            size = np.exp(output[:, 2:4]) * step
        return np.concatenate([(output[:, :2] + np.concatenate(cells)) * step, size, output[:, 4:]], axis=1)
