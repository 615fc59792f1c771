"""How well a person of one frame, carried to another, agrees with somebody there."""

from __future__ import annotations

import numpy as np

from pwarp.annotations import FloatArray
from pwarp.skeleton import Skeleton
from pwarp.tracking.sighting import Sighting

_SIGMA = 0.08  # where nobody has measured OKS sigmas: about the mean of COCO's on the body
_GUESS = 0.5  # what a place does not say of somebody who is out of sight
_DRIFT, _BLIND = 0.01, 0.04  # of a person's size a frame: how much less sure a carried place becomes, in sight and not


def oks(a: FloatArray, b: FloatArray, size: float, skeleton: Skeleton, spread: float = 0.0) -> float | None:
    """Object keypoint similarity of two poses (K, 2), NaN for unlabelled; None without a common keypoint.

    COCO's exp(-d^2 / (2 s^2 (2 sigma)^2)), mean over the common keypoints, s being `size` in pixels. spread: of where
    the whole pose may be, in sizes; it widens every keypoint's normal distribution.
    """
    common = np.isfinite(a[:, 0]) & np.isfinite(b[:, 0])
    if not common.any():
        return None
    sigmas = np.array(skeleton.sigmas if skeleton.sigmas is not None else [_SIGMA] * len(skeleton))
    variance = ((2 * sigmas) ** 2 + spread**2)[common]
    squared = ((a - b)[common] ** 2).sum(axis=1) / max(size, 1.0) ** 2
    return float(np.exp(-squared / (2 * variance)).mean())


def iou(a: FloatArray, b: FloatArray) -> float:
    """Intersection over union of two boxes (4,); 0 for boxes without an area."""
    low, high = np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])
    shared = float(np.clip(high - low, 0, None).prod())
    both = float((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod()) - shared
    return shared / both if both > 0 else 0.0


def agreement(a: Sighting, moved: FloatArray, b: Sighting, skeleton: Skeleton, frames: int) -> float:
    """0..1 how well `a`, moved by (2,) pixels over some frames, covers `b`: OKS of poses, else IoU of boxes.

    The longer the way, and the less of the two is in sight, the farther apart they may be, and the less it says that
    they are near.
    """
    clear = min(a.clear, b.clear)
    size = float(np.sqrt(a.diagonal * b.diagonal)) / 2
    spread = frames * (_DRIFT + (_BLIND - _DRIFT) * (1 - clear))
    if a.is_pose and b.is_pose:
        similarity = oks(a.xy + moved, b.xy, size, skeleton, spread)
        if similarity is not None:
            return similarity * (1 - _GUESS * (1 - clear))
    box = a.box + np.tile(moved, 2)
    corners = ((box - b.box) ** 2).reshape(2, 2).sum(axis=1) / max(size, 1.0) ** 2
    near = float(np.exp(-corners / (2 * ((2 * _SIGMA) ** 2 + spread**2))).mean())
    return max(iou(box, b.box), near) * (1 - _GUESS * (1 - clear))


def distance(a: Sighting, moved: FloatArray, b: Sighting) -> float:
    """Between the centres of `a`, moved, and `b`, in diagonals of the larger."""
    apart = a.centre + moved - b.centre
    return float(np.hypot(*apart)) / max(a.diagonal, b.diagonal, 1.0)
