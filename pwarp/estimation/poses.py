"""Poses in boxes: cut, estimate, read, and back to the picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pwarp.annotations import FloatArray
from pwarp.crops import Window, cut, invert, transform
from pwarp.estimation.base import Crops, Estimator
from pwarp.heatmaps import flip_test

Picture = NDArray[np.uint8]
BATCH = 16


def estimate_poses(
    estimator: Estimator,
    pictures: Picture | Sequence[Picture],
    boxes: NDArray[np.floating],
    *,
    flip: bool = False,
    batch: int = BATCH,
) -> tuple[FloatArray, FloatArray]:
    """xy (N, K, 2) in pixels of the picture and scores (N, K) for boxes (N, 4) x1 y1 x2 y2.

    pictures: one (H, W, 3) RGB for all boxes, or N of them. flip: also estimate the mirror images, and take the mean
    of the heatmaps. batch: crops that the network gets at a time. A keypoint without a positive heatmap has score 0 and
    means nothing. Raises PwarpError for a box without area.
    """
    boxes = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    each = [pictures] * len(boxes) if isinstance(pictures, np.ndarray) else list(pictures)
    cuts = [cut_out(estimator, picture, box) for picture, box in zip(each, boxes, strict=True)]
    count = len(estimator.skeleton)
    xy, score = np.empty((len(boxes), count, 2)), np.empty((len(boxes), count))
    for start in range(0, len(boxes), batch):
        some = slice(start, start + batch)
        crops, matrices = zip(*cuts[some], strict=True)
        xy[some], score[some] = read_crops(estimator, np.stack(crops), np.stack(matrices), flip=flip)
    return xy, score


def cut_out(estimator: Estimator, picture: Picture, box: NDArray[np.floating]) -> tuple[Crops, FloatArray]:
    """The crop (h, w, 3) of a box as the estimator wants it, and the (2, 3) map from picture to crop."""
    window = Window.around(box, estimator.size, estimator.padding)
    unbiased = estimator.codec.unbiased
    return cut(picture, window, estimator.size, unbiased=unbiased), window.matrix(estimator.size, unbiased)


def read_crops(
    estimator: Estimator, crops: Crops, matrices: FloatArray, *, flip: bool = False
) -> tuple[FloatArray, FloatArray]:
    """xy (B, K, 2) in pixels of the picture and scores (B, K) for crops (B, h, w, 3) with their maps (B, 2, 3)."""
    heatmaps = estimator.heatmaps(crops)
    if flip:
        mirrored = estimator.heatmaps(np.ascontiguousarray(crops[:, :, ::-1]))
        heatmaps = flip_test(heatmaps, mirrored, estimator.skeleton.flip_pairs, estimator.codec)
    xy, score = estimator.codec.decode(heatmaps)
    back = invert(matrices)[:, None]
    return transform(xy.cpu().numpy(), back), score.cpu().numpy().astype(np.float64)
