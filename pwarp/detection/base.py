"""What a detector is: pictures in, boxes with scores out, and keypoints where it finds those, too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pwarp.annotations import FloatArray
from pwarp.errors import PwarpError
from pwarp.skeleton import COCO_17, Skeleton


@dataclass(frozen=True, eq=False)
class Detections:
    """N detections in one picture, by falling score.

    boxes: (N, 4) x1 y1 x2 y2 in pixels, inside the picture. score: (N,) in 0..1.
    xy: (N, K, 2) keypoints of the detector's skeleton in pixels, NaN where it found none. keypoint_score: (N, K)
    likewise.
    """

    boxes: FloatArray
    score: FloatArray
    xy: FloatArray
    keypoint_score: FloatArray

    @classmethod
    def make(
        cls,
        boxes: Any,
        score: Any,
        size: tuple[int, int],
        keypoints: int,
        xy: Any = None,
        keypoint_score: Any = None,
        min_score: float = 0.0,
    ) -> Detections:
        """Detections from array-likes: cut off at the picture's border, sorted, the weak and the empty ones left out.

        size: (width, height) of the picture. keypoints: K of the skeleton. min_score: what scores less is weak.
        """
        boxes = np.array(boxes, dtype=np.float64).reshape(-1, 4)
        score = np.array(score, dtype=np.float64).reshape(-1)
        n = len(score)
        xy = np.full((n, keypoints, 2), np.nan) if xy is None else np.array(xy, dtype=np.float64)
        if keypoint_score is None:
            keypoint_score = np.full((n, keypoints), np.nan)
        keypoint_score = np.array(keypoint_score, dtype=np.float64)
        boxes = np.clip(boxes, 0, np.array([*size, *size], dtype=np.float64))
        sound = np.isfinite(boxes).all(axis=1) & (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
        kept = np.flatnonzero(sound & (score >= min_score))
        order = kept[np.argsort(-score[kept], kind="stable")]
        return cls(boxes[order], np.clip(score[order], 0, 1), xy[order], keypoint_score[order])

    def __len__(self) -> int:
        return len(self.score)


@dataclass(frozen=True)
class Wanted:
    """What to look for.

    category: name of what is looked for, as the detector's training data call it; "person" for people.
    min_score: detections that score less are left out, in 0..1.

    Raises PwarpError for a score outside 0..1.
    """

    category: str = "person"
    min_score: float = 0.3

    def __post_init__(self) -> None:
        if not 0 <= self.min_score <= 1:
            raise PwarpError(f"min_score {self.min_score} is outside 0..1")


class Detector(Protocol):
    """Finds things in pictures, each picture on its own: a batch gives what its pictures give one by one.

    name: for people to read. skeleton: of its keypoints; where it finds none, one for what it looks for.
    A detector's factory, as registered, takes (model, wanted): a file or a name of weights or None for its own, and
    what to look for. It raises PwarpError where the detector cannot run here.
    """

    name: str
    skeleton: Skeleton

    def __call__(self, pictures: Sequence[NDArray[np.uint8]]) -> list[Detections]:
        """The detections in each of the (H, W, 3) RGB pictures."""


def skeleton_for(category: str) -> Skeleton:
    """A skeleton for things that were found without keypoints: COCO's for people, one keypoint for other things."""
    return COCO_17 if category == "person" else Skeleton(category, ("centre",))
