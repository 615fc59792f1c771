"""How good a network is on videos that it is not trained on: PCK of the crops, in picture pixels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pwarp.annotations import FloatArray
from pwarp.crops import invert, transform
from pwarp.evaluation import lengths
from pwarp.training.poses import Poses
from pwarp.training.samples import Batch, Samples

# Thresholds in reference lengths. The best checkpoint goes by the first one: the other is soon near 100 %.
ALPHAS = (0.1, 0.2)

# A batch in, keypoints (B, K, 2) in crop pixels out.
Predict = Callable[[Batch], FloatArray]


@dataclass(frozen=True)
class Validation:
    """Which poses are looked at, and how they are measured.

    samples: of the validation videos. poses: their rows. batch: how many at once. length: as in `lengths.parse`.
    """

    samples: Samples
    poses: tuple[int, ...]
    batch: int
    length: str

    @classmethod
    def of(cls, samples: Samples, most: int, batch: int) -> Validation:
        """At most so many poses, evenly spread over all; a reference length that at least one of them has."""
        count = len(samples.poses)
        rows = np.unique(np.linspace(0, count - 1, min(most, count)).round().astype(np.int64))
        return cls(samples, tuple(rows.tolist()), batch, _length(samples.poses))

    def hits(self, predict: Predict, rank: int = 0, processes: int = 1) -> NDArray[np.int64]:
        """(A + 1,) keypoints within each of `ALPHAS` of the truth, and keypoints counted, among a process's poses.

        Every labelled keypoint counts, occluded ones too, as they are trained on, where its pose has a reference
        length: by one of 0 nothing but perfection would be right.
        """
        own = self.poses[rank::processes]
        counts = np.zeros(len(ALPHAS) + 1, dtype=np.int64)
        for first in range(0, len(own), self.batch):
            batch = self.samples.plain(own[first : first + self.batch])
            counts += self._count(batch, predict(batch))
        return counts

    def _count(self, batch: Batch, predicted: FloatArray) -> NDArray[np.int64]:
        poses = self.samples.poses.rows(batch.pose)
        xy = transform(predicted, invert(batch.matrix)[:, None])
        error = np.hypot(*np.moveaxis(xy - poses.xy, -1, 0))
        scale = _scale(poses, self.length)
        counted = (poses.weight > 0) & (scale > 0)[:, None]
        with np.errstate(invalid="ignore"):
            within = [int((counted & (error <= alpha * scale[:, None])).sum()) for alpha in ALPHAS]
        return np.array([*within, counted.sum()], dtype=np.int64)


def percentages(counts: Sequence[int]) -> dict[str, float]:
    """Figures for the curve from the counts of all processes."""
    total = max(counts[-1], 1)
    return {f"pck@{alpha:g}": 100 * counts[row] / total for row, alpha in enumerate(ALPHAS)}


def _scale(poses: Poses, length: str) -> FloatArray:
    return lengths.parse(length, poses.skeleton).of(poses.xy, poses.boxes, poses.head_boxes)


def _length(poses: Poses) -> str:
    """The skeleton's torso where a pose has it (and it is no point), else a share of the keypoints' or box's extent."""
    for text in (lengths.default(poses.skeleton), lengths.DEFAULT_DIAGONAL):
        scale = _scale(poses, text)
        if (np.nan_to_num(scale) >= lengths.LEAST_TORSO).mean() >= 0.5:
            return text
    return "body"
