"""Jitter: how much the motion of predicted keypoints differs from the true motion, by its acceleration.

The mean acceleration error of video pose papers (Kanazawa et al., "Learning 3D Human Dynamics from Video", 2019), in
the picture plane. An estimate can be near the truth in every frame and still tremble; this is what shows it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pwarp.annotations import FloatArray, IntArray
from pwarp.errors import PwarpError
from pwarp.evaluation.errors import mean
from pwarp.evaluation.metric import BY_KEYPOINT, Figure, Metric, joint_figures
from pwarp.evaluation.pairing import PosePairs
from pwarp.evaluation.videos import VideoPair
from pwarp.skeleton import Skeleton

UNIT = "px/frame²"


@dataclass(frozen=True, eq=False)
class Accelerations:
    """A accelerations of keypoints, each from three frames in a row.

    keypoint: (A,). error: (A,) length of the difference of predicted and true acceleration; true, predicted: (A,)
    length of either; in pixels per squared frame.
    """

    skeleton: Skeleton
    keypoint: IntArray
    error: FloatArray
    true: FloatArray
    predicted: FloatArray


def accelerations(pairs: PosePairs, skeleton: Skeleton) -> Accelerations:
    """Every three frames in a row of a track in which a keypoint is labelled and predicted.

    One of the three must be asked for; the others may be frames that a person gave, for there the motion breaks.
    """
    first, last = slice(None, -2), slice(2, None)
    in_row = (pairs.frame[last] - pairs.frame[first] == 2) & (pairs.track[last] == pairs.track[first])
    asked = pairs.asked[first] | pairs.asked[1:-1] | pairs.asked[last]
    truth, predicted = (xy[last] - 2 * xy[1:-1] + xy[first] for xy in (pairs.truth, pairs.predicted))
    difference = predicted - truth
    # NaN wherever one of the six points is missing.
    whole = np.isfinite(difference).all(axis=2)
    row, keypoint = np.nonzero(whole & asked & in_row[:, None])
    error, true, own = (np.hypot(*step[row, keypoint].T) for step in (difference, truth, predicted))
    return Accelerations(skeleton, keypoint, error, true, own)


class Jitter(Metric[Accelerations]):
    """Mean acceleration error, beside the mean acceleration of the prediction and of the truth."""

    name: ClassVar[str] = "jitter"
    uses: ClassVar[frozenset[str]] = BY_KEYPOINT
    counted: ClassVar[str] = "frame triples"

    def evidence(self, pair: VideoPair) -> Accelerations:
        return accelerations(pair.poses(self.settings.selection), pair.truth.skeleton)

    def title(self, evidence: Sequence[Accelerations]) -> str:
        return "Jitter: mean length of predicted minus true acceleration"

    def figures(self, evidence: Sequence[Accelerations]) -> list[Figure]:
        skeleton = evidence[0].skeleton
        if any(video.skeleton.keypoints != skeleton.keypoints for video in evidence):
            raise PwarpError("videos have different keypoints and cannot stand in one table; evaluate them apart")
        keypoint, error, true, predicted = (
            np.concatenate([getattr(video, name) for video in evidence])
            for name in ("keypoint", "error", "true", "predicted")
        )
        means = np.array([mean(error[keypoint == k]) for k in range(len(skeleton))])
        counts = np.bincount(keypoint, minlength=len(skeleton)).tolist()
        return [
            *joint_figures(skeleton, means, counts, UNIT),
            Figure("acceleration error", mean(error), len(error), UNIT, main=True),
            Figure("acceleration of the prediction", mean(predicted), len(error), UNIT),
            Figure("acceleration of the truth", mean(true), len(error), UNIT),
        ]

    def notes(self, evidence: Sequence[Accelerations]) -> list[str]:
        if any(len(video.error) for video in evidence):
            return []
        return ["jitter needs truth and prediction in three frames in a row; there are none"]
