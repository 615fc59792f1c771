"""Poses in boxes: cut, estimate, read, and back to the picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pwarp.annotations import FloatArray
from pwarp.crops import Window, cut, invert, transform
from pwarp.estimation.base import Crops, Estimator
from pwarp.estimation.views import AS_IT_IS, View, averaged, between, views

Picture = NDArray[np.uint8]
BATCH = 16


def estimate_poses(
    estimator: Estimator,
    pictures: Picture | Sequence[Picture],
    boxes: NDArray[np.floating],
    *,
    flip: bool = False,
    scales: Sequence[float] = (1.0,),
    batch: int = BATCH,
) -> tuple[FloatArray, FloatArray]:
    """xy (N, K, 2) in pixels of the picture and scores (N, K) for boxes (N, 4) x1 y1 x2 y2.

    pictures: one (H, W, 3) RGB for all boxes, or N of them. flip: also estimate the mirror images, scales: and look at
    several sizes; the mean of the heatmaps is taken. batch: crops that the network gets at a time. A keypoint without a
    positive heatmap has score 0 and means nothing. Raises PwarpError for a box without area.
    """
    boxes = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    each = [pictures] * len(boxes) if isinstance(pictures, np.ndarray) else list(pictures)
    seen = views(scales, flip)
    cuts = [cut_out(estimator, picture, box, seen) for picture, box in zip(each, boxes, strict=True)]
    count = len(estimator.skeleton)
    xy, score = np.empty((len(boxes), count, 2)), np.empty((len(boxes), count))
    for start in range(0, len(boxes), batch):
        some = slice(start, start + batch)
        crops, matrices = zip(*cuts[some], strict=True)
        xy[some], score[some] = read_crops(estimator, np.stack(crops), np.stack(matrices), seen)
    return xy, score


def cut_out(
    estimator: Estimator, picture: Picture, box: NDArray[np.floating], seen: Sequence[View] = AS_IT_IS
) -> tuple[Crops, FloatArray]:
    """The crops (V, h, w, 3) of a box as the estimator wants them, and the (1 + V, 2, 3) maps from picture to crop, of
    the usual window and of each view, not mirrored."""
    size, unbiased = estimator.size, estimator.codec.unbiased
    windows = [Window.around(box, size, estimator.padding / view.scale) for view in (View(), *seen)]
    crops = [cut(picture, window, size, unbiased=unbiased) for window in windows[1:]]
    turned = [crop[:, ::-1] if view.mirrored else crop for crop, view in zip(crops, seen, strict=True)]
    return np.stack(turned), np.stack([window.matrix(size, unbiased) for window in windows])


def read_crops(
    estimator: Estimator, crops: Crops, matrices: FloatArray, seen: Sequence[View] = AS_IT_IS
) -> tuple[FloatArray, FloatArray]:
    """xy (B, K, 2) in pixels of the picture and scores (B, K) for crops (B, V, h, w, 3) with their maps
    (B, 1 + V, 2, 3), as of `cut_out`."""
    parts = [estimator.heatmaps(np.ascontiguousarray(crops[:, v])) for v in range(len(seen))]
    usual, codec = matrices[:, 0], estimator.codec
    if len(parts) == 1 and seen[0] == View():
        heatmaps = parts[0]
    else:
        cells = [between(usual, matrices[:, 1 + v], codec) for v in range(len(seen))]
        heatmaps = averaged(parts, seen, cells, estimator.skeleton.flip_pairs, codec)
    xy, score = codec.decode(heatmaps)
    back = invert(usual)[:, None]
    return transform(xy.cpu().numpy(), back), score.cpu().numpy().astype(np.float64)
