"""Any YOLO-like detector that comes as an ONNX file; what kind it is, the shape of its output tells."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pwarp.annotations import FloatArray
from pwarp.detection.base import Detections, Wanted, skeleton_for
from pwarp.detection.categories import COCO_80, class_names, class_of
from pwarp.detection.letterbox import Letterbox
from pwarp.detection.suppress import suppressed
from pwarp.detection.yolo_outputs import Layout
from pwarp.errors import PwarpError, UsageError
from pwarp.onnx import Network, open_network
from pwarp.skeleton import COCO_17, Skeleton

_SIDE = 640  # of the input where a network takes any size, as most are trained with
_SURE = 0.5  # keypoints that score less are not there, as in Ultralytics' own results


class OnnxDetector:
    """A YOLO-like network with its preparation of pictures and reading of outputs."""

    def __init__(self, name: str, network: Network, wanted: Wanted) -> None:
        self.name = name
        shape, metadata = network.header.shape, network.header.metadata
        if len(shape) != 4 or shape[1] not in (3, None):
            shown = "x".join("any" if n is None else str(n) for n in shape)
            raise PwarpError(f"{name}: takes an input of shape {shown}, not pictures (batch, 3, height, width)")
        self._network = network
        self._size = (shape[3] or _SIDE, shape[2] or _SIDE)
        self._batched = shape[0] is None
        probe = np.zeros((shape[0] or 1, 3, self._size[1], self._size[0]), np.float32)
        count = _keypoints(metadata)
        try:
            self._layout = Layout.of(network(probe).shape, self._size, count)
        except PwarpError as error:
            raise PwarpError(f"{name}: {error}") from error
        self._fixed = shape[0] or 1
        names = class_names(metadata) or self._usual_names(wanted.category)
        self._class = class_of(wanted.category, names, name)
        self.skeleton: Skeleton = skeleton_for(wanted.category) if not count else skeleton_of(count, wanted.category)
        self._wanted = wanted

    def _usual_names(self, category: str) -> tuple[str, ...]:
        """The names of a network that brings none: COCO's where it has as many, else none but the first is known."""
        classes = self._layout.classes
        if classes in (None, len(COCO_80)):
            return COCO_80
        return (category,) if classes == 1 else tuple(str(i) for i in range(classes or 0))

    def __call__(self, pictures: Sequence[NDArray[np.uint8]]) -> list[Detections]:
        """The detections in each of the (H, W, 3) RGB pictures."""
        together = len(pictures) if self._batched else self._fixed
        found: list[Detections] = []
        for start in range(0, len(pictures), together):
            found += self._detect(pictures[start : start + together])
        return found

    def _detect(self, pictures: Sequence[NDArray[np.uint8]]) -> list[Detections]:
        layout = self._layout
        boxes = [Letterbox.fit(p, self._size, centred=layout.centred) for p in pictures]
        pixels = np.stack([box.apply(p) for box, p in zip(boxes, pictures, strict=True)])
        if not self._batched and len(pixels) < self._fixed:
            # A network for batches of one size gets the last picture again.
            pixels = np.concatenate([pixels, np.repeat(pixels[-1:], self._fixed - len(pixels), axis=0)])
        if not layout.rgb:
            pixels = pixels[..., ::-1]
        values = np.ascontiguousarray(pixels.transpose(0, 3, 1, 2), np.float32) * np.float32(layout.brightest / 255)
        outputs = self._network(values).astype(np.float64)
        return [self._read(output, box, p) for output, box, p in zip(outputs, boxes, pictures, strict=False)]

    def _read(self, output: FloatArray, letterbox: Letterbox, picture: NDArray[np.uint8]) -> Detections:
        found, score, points = self._layout.read(output, self._class)
        least = self._wanted.min_score
        kept = np.flatnonzero(score >= least) if self._layout.finished else suppressed(found, score, least)
        corners = letterbox.back(found[kept].reshape(-1, 2, 2)).reshape(-1, 4)
        size = (picture.shape[1], picture.shape[0])
        if not self._layout.keypoints:
            return Detections.make(corners, score[kept], size, len(self.skeleton), min_score=least)
        points = points[kept]
        sure = points[..., 2:] >= _SURE
        xy = np.where(sure, letterbox.back(points[..., :2]), np.nan)
        of_keypoints = np.where(sure[..., 0], points[..., 2], np.nan)
        return Detections.make(corners, score[kept], size, len(self.skeleton), xy, of_keypoints, least)


def _keypoints(metadata: Mapping[str, str]) -> int:
    """K of a pose network, as Ultralytics writes it into `kpt_shape`; 0 for a plain detector."""
    try:
        count = ast.literal_eval(metadata.get("kpt_shape", ""))[0]
    except (ValueError, SyntaxError, TypeError, KeyError, IndexError, RecursionError, MemoryError):
        return 0
    return count if isinstance(count, int) and 0 < count < 1000 else 0


def skeleton_of(count: int, category: str, names: Sequence[str] | None = None) -> Skeleton:
    """The skeleton of a network that finds K keypoints: by name, COCO's for the 17 of a person, else numbered."""
    if names is not None and len(names) == count:
        return Skeleton.from_names(category, names)
    if count == len(COCO_17):
        return COCO_17
    return Skeleton(category, tuple(f"keypoint {i + 1}" for i in range(count)))


def open_onnx(model: str | None, wanted: Wanted) -> OnnxDetector:
    """The detector in an ONNX file; raises PwarpError where none is named or it cannot be run."""
    if model is None:
        raise UsageError("onnx needs a file: --detector onnx:FILE, or --weights FILE")
    path = Path(model)
    if not path.exists():
        raise PwarpError(f"{model}: no such file; check the path")
    return OnnxDetector(path.name, open_network(path), wanted)
