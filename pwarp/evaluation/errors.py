"""The distances between predicted and true keypoints: the evidence behind PCK, error and calibration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from pwarp.annotations import FloatArray, IntArray
from pwarp.errors import PwarpError
from pwarp.evaluation.lengths import Length
from pwarp.evaluation.metric import Figure, Metric, joint_figures, percent
from pwarp.evaluation.pairing import PosePairs
from pwarp.evaluation.videos import VideoPair
from pwarp.skeleton import Skeleton


@dataclass(frozen=True, eq=False)
class KeypointErrors:
    """E keypoints that were asked for, each with how far off its prediction is.

    skeleton: of the truth, K keypoints. length: the reference length.
    keypoint: (E,) index in the skeleton. px: (E,) error in pixels, infinite where nothing was predicted.
    scale: (E,) reference length of the pose, in pixels. score: (E,) of the prediction, NaN where it gave none.
    without_length: how many more were left out because their pose lacks the reference length.
    """

    skeleton: Skeleton
    length: Length
    keypoint: IntArray
    px: FloatArray
    scale: FloatArray
    score: FloatArray
    without_length: int

    def __len__(self) -> int:
        return len(self.px)

    @property
    def found(self) -> NDArray[np.bool_]:
        """(E,) whether anything was predicted."""
        return np.isfinite(self.px)

    def hits(self, alpha: float, *, strict: bool = False) -> NDArray[np.bool_]:
        """(E,) whether the error is at most (strict: less than) alpha x the reference length."""
        near: NDArray[np.bool_] = self.px < alpha * self.scale if strict else self.px <= alpha * self.scale
        return near

    def by_keypoint(self, marked: NDArray[np.bool_]) -> IntArray:
        """(K,) how many of the marked (E,) keypoints there are, by their index in the skeleton."""
        return np.bincount(self.keypoint[marked], minlength=len(self.skeleton))


def keypoint_errors(pairs: PosePairs, skeleton: Skeleton, length: Length) -> KeypointErrors:
    """The error of every keypoint that is asked for in poses that are paired already."""
    scale = length.of(pairs.truth, pairs.boxes, pairs.head_boxes, pairs.predicted)
    counted = pairs.asked & np.isfinite(scale)[:, None]
    row, keypoint = np.nonzero(counted)
    px = pairs.error[row, keypoint]
    return KeypointErrors(
        skeleton=skeleton,
        length=length,
        keypoint=keypoint,
        px=np.where(np.isnan(px), np.inf, px),
        scale=scale[row],
        score=pairs.score[row, keypoint],
        without_length=int((pairs.asked & ~counted).sum()),
    )


def pooled(videos: Sequence[KeypointErrors]) -> KeypointErrors:
    """The keypoints of several videos as one; raises PwarpError where skeletons or lengths differ."""
    first = videos[0]
    for video in videos:
        same_measure((first.skeleton, first.length), (video.skeleton, video.length))
    keypoint, px, scale, score = (
        np.concatenate([getattr(video, name) for video in videos]) for name in ("keypoint", "px", "scale", "score")
    )
    return KeypointErrors(
        first.skeleton, first.length, keypoint, px, scale, score, sum(video.without_length for video in videos)
    )


def same_measure(one: tuple[Skeleton, Length], other: tuple[Skeleton, Length]) -> None:
    """Raise PwarpError where two videos, each with its skeleton and length, cannot stand in one table."""
    if one[0].keypoints != other[0].keypoints:
        raise PwarpError(
            f"videos have different keypoints ('{one[0].name}' and '{other[0].name}') and cannot stand in one table; "
            "evaluate them apart"
        )
    if one[1] != other[1]:
        raise PwarpError(f"videos are measured by {one[1].text} and by {other[1].text}; name one --length")


def left_out_note(without_length: int, length: Length) -> list[str]:
    """The line that says how many keypoints a reference length could not judge; none where it judged all."""
    if not without_length:
        return []
    return [f"{without_length} keypoints left out: their poses lack what {length.text} ({length.meaning}) is made of"]


class PixelError(Metric[KeypointErrors]):
    """Median and mean error in pixels, and the mean in reference lengths (normalised mean error, NME).

    Over the keypoints that were predicted; the share that was not stands beside it.
    """

    name: ClassVar[str] = "error"

    def evidence(self, pair: VideoPair) -> KeypointErrors:
        length = pair.length(self.settings.length)
        return keypoint_errors(pair.poses(self.settings.selection), pair.truth.skeleton, length)

    def title(self, evidence: Sequence[KeypointErrors]) -> str:
        length = evidence[0].length
        return f"Error of predicted keypoints; NME by {length.text} ({length.meaning})"

    def figures(self, evidence: Sequence[KeypointErrors]) -> list[Figure]:
        errors = pooled(evidence)
        found = errors.found
        px, keypoint = errors.px[found], errors.keypoint[found]
        with np.errstate(divide="ignore"):
            relative = px / errors.scale[found]
        count = len(px)
        medians = np.array([median(px[keypoint == k]) for k in range(len(errors.skeleton))])
        return [
            *joint_figures(errors.skeleton, medians, errors.by_keypoint(found).tolist(), "px", "median error"),
            Figure("all keypoints", median(px), count, "px", "median error"),
            Figure("all keypoints", mean(px), count, "px", "mean error"),
            Figure("all keypoints", 100 * mean(relative), count, "%", "normalised mean error"),
            Figure(
                "all keypoints", float(percent(len(errors) - count, len(errors))), len(errors), "%", "not predicted"
            ),
        ]

    def notes(self, evidence: Sequence[KeypointErrors]) -> list[str]:
        return left_out_note(sum(e.without_length for e in evidence), evidence[0].length)


def median(values: FloatArray) -> float:
    """Median, NaN of nothing."""
    return float(np.median(values)) if len(values) else float("nan")


def mean(values: FloatArray) -> float:
    """Mean, NaN of nothing."""
    return float(values.mean()) if len(values) else float("nan")
