"""OpenCV's people detector: gradients in a sliding window, nothing to download.

Source: Dalal and Triggs, "Histograms of Oriented Gradients for Human Detection", CVPR 2005; the weights come with
OpenCV. It finds upright people who stand free, from about 100 pixels of height; it is far behind any network.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from pwarp.detection.base import Detections, Wanted, skeleton_for
from pwarp.detection.suppress import suppressed
from pwarp.errors import UsageError
from pwarp.skeleton import Skeleton

# The person inside a window of 64 x 128: three quarters of its height, as the training windows were cut, and as much
# of its width as gave the best recall on people at IoU 0.5 (benchmarks/people.py).
_PERSON = np.array([0.6, 0.75])
_WINDOW = (64, 128)
_STRIDE, _PADDING, _STEP = (8, 8), (16, 16), 1.05


class HogDetector:
    """People by histograms of oriented gradients."""

    def __init__(self, wanted: Wanted) -> None:
        self.name = "hog"
        self.skeleton: Skeleton = skeleton_for("person")
        self._min_score = wanted.min_score
        self._hog = cv2.HOGDescriptor()
        self._hog.setSVMDetector(np.array(cv2.HOGDescriptor.getDefaultPeopleDetector()))

    def __call__(self, pictures: Sequence[NDArray[np.uint8]]) -> list[Detections]:
        """The people in each of the (H, W, 3) RGB pictures."""
        return [self._found(picture) for picture in pictures]

    def _found(self, picture: NDArray[np.uint8]) -> Detections:
        height, width = picture.shape[:2]
        # A picture smaller than the window cannot be searched, so it gets a border.
        short = [max(w - have, 0) for w, have in zip(_WINDOW, (width, height), strict=True)]
        bgr = cv2.copyMakeBorder(picture[..., ::-1], 0, short[1], 0, short[0], cv2.BORDER_REPLICATE)
        windows, margins = self._hog.detectMultiScale(
            bgr, hitThreshold=0, winStride=_STRIDE, padding=_PADDING, scale=_STEP, groupThreshold=0
        )
        xywh = np.array(windows, dtype=np.float64).reshape(-1, 4)
        half = xywh[:, 2:] * _PERSON / 2
        middle = xywh[:, :2] + xywh[:, 2:] / 2
        boxes = np.concatenate([middle - half, middle + half], axis=1)
        # The distance from the separating plane, which has no upper end, brought to 0..1.
        score = 1 - np.exp(-np.maximum(np.array(margins, dtype=np.float64).reshape(-1), 0))
        kept = suppressed(boxes, score, self._min_score)
        return Detections.make(boxes[kept], score[kept], (width, height), len(self.skeleton))


def open_hog(model: str | None, wanted: Wanted) -> HogDetector:
    """OpenCV's people detector; raises PwarpError for weights, of which it takes none, and for what is no person."""
    if model is not None:
        raise UsageError(f"hog takes no weights ({model}); for an ONNX file say --detector onnx:FILE")
    if wanted.category != "person":
        raise UsageError(f"hog finds people only, no '{wanted.category}'; use another --detector")
    return HogDetector(wanted)
