"""Non-maximum suppression: one box a thing."""

from __future__ import annotations

import cv2
import numpy as np

from pwarp.annotations import FloatArray, IntArray

_OVERLAP = 0.5  # IoU above which two boxes are of one thing; people who cross overlap, so not lower


def suppressed(boxes: FloatArray, score: FloatArray, min_score: float, overlap: float = _OVERLAP) -> IntArray:
    """Indices of the boxes (N, 4) that stay, by falling score: each that no better one overlaps by more than IoU
    `overlap`, and that scores at least min_score."""
    good = np.flatnonzero(np.isfinite(boxes).all(axis=1) & (score >= min_score))
    if not len(good):
        return np.empty(0, dtype=np.int64)
    xywh = np.concatenate([boxes[good, :2], boxes[good, 2:] - boxes[good, :2]], axis=1)
    # OpenCV leaves out what scores exactly the threshold; everything here is good enough already, so it gets 1 more.
    kept = cv2.dnn.NMSBoxes(xywh.tolist(), (score[good] + 1).tolist(), 0.5, overlap)
    stays: IntArray = good[np.array(kept, dtype=np.int64).reshape(-1)]
    return stays
