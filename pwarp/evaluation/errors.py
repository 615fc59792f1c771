"""The distances between predicted and true keypoints: the evidence behind PCK, error and calibration."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from pwarp.annotations import FloatArray, IntArray
from pwarp.errors import PwarpError
from pwarp.evaluation.lengths import Length
from pwarp.evaluation.metric import BY_KEYPOINT, Figure, Metric, Settings, joint_figures, percent
from pwarp.evaluation.pairing import PosePairs
from pwarp.evaluation.videos import VideoPair
from pwarp.skeleton import Skeleton


@dataclass(frozen=True)
class Account:
    """What a reader should know of how keypoints came to be counted; accounts of several videos add up.

    given: keypoints left out because a person set them in the prediction. without_length: because their pose lacks
    the reference length. without_provenance: videos whose prediction claims that a person set all of it, or does not
    say. computed_truth: keypoints that count though no person set them in the truth. by_overlap, by_frame: videos whose
    people were not matched by track id. with_occluded: videos in which occluded keypoints count.
    """

    given: int = 0
    without_length: int = 0
    without_provenance: int = 0
    computed_truth: int = 0
    by_overlap: int = 0
    by_frame: int = 0
    with_occluded: int = 0

    @classmethod
    def total(cls, parts: Iterable[Account]) -> Account:
        """The sum over videos."""
        each = list(parts)
        return cls(*(sum(getattr(part, f.name) for part in each) for f in fields(cls)))

    def lines(self, length: Length, *, by_number: bool) -> list[str]:
        """A line for people about each that is not 0; by_number: key frames were left out by their numbers."""
        lines = []
        if self.given:
            lines.append(f"{self.given} keypoints left out: a person set them in the prediction")
        if self.without_length:
            lines.append(
                f"{self.without_length} keypoints left out: their poses lack what {length.text} ({length.meaning}) is "
                "made of"
            )
        if self.without_provenance and not by_number:
            lines.append(
                f"{self.without_provenance} predictions do not say which keypoints a person gave, so all count; "
                "--every leaves out key frames by number"
            )
        if self.computed_truth:
            lines.append(
                f"{self.computed_truth} keypoints of the truth were computed, not set by a person; the arguments are "
                "predictions, then the truth"
            )
        for videos, how in ((self.by_overlap, "tracks by best overlap"), (self.by_frame, "each frame by itself")):
            if videos:
                lines.append(f"in {videos} videos people were not matched by id but {how}")
        return lines


class Accounted(Protocol):
    """Evidence with a length and an account."""

    @property
    def length(self) -> Length: ...
    @property
    def account(self) -> Account: ...


def account_lines(evidence: Sequence[Accounted], settings: Settings) -> list[str]:
    """The lines about several videos."""
    total = Account.total(video.account for video in evidence)
    lines = total.lines(evidence[0].length, by_number=settings.selection.every is not None)
    if total.with_occluded and settings.selection.visible_only is None:
        lines.append("occluded keypoints count too, as the data set's protocol has it; --visible leaves them out")
    return lines


@dataclass(frozen=True, eq=False)
class KeypointErrors:
    """E keypoints that were asked for, each with how far off its prediction is.

    skeleton: of the truth, K keypoints. length: the reference length.
    keypoint: (E,) index in the skeleton. px: (E,) error in pixels, infinite where nothing was predicted.
    scale: (E,) reference length of the pose, in pixels. score: (E,) of the prediction, NaN where it gave none.
    account: how they came to be counted.
    """

    skeleton: Skeleton
    length: Length
    keypoint: IntArray
    px: FloatArray
    scale: FloatArray
    score: FloatArray
    account: Account

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
    scale = length.of_keypoints(pairs.truth, pairs.boxes, pairs.head_boxes, pairs.predicted)
    counted = pairs.asked & np.isfinite(scale)[:, None]
    row, keypoint = np.nonzero(counted)
    px = pairs.error[row, keypoint]
    all_by_person = bool(pairs.found.any() and (pairs.by_person == pairs.found).all())
    account = Account(
        given=int((pairs.labelled & ~pairs.asked).sum()),
        without_length=int((pairs.asked & ~counted).sum()),
        without_provenance=int(all_by_person and bool((pairs.asked == pairs.labelled).all())),
        computed_truth=int((pairs.asked & pairs.computed).sum()),
        by_overlap=int(pairs.matched_by == "overlap"),
        by_frame=int(pairs.matched_by == "frame"),
        with_occluded=int(pairs.occluded),
    )
    return KeypointErrors(
        skeleton=skeleton,
        length=length,
        keypoint=keypoint,
        px=np.where(np.isnan(px), np.inf, px),
        scale=scale[row],
        score=pairs.score[row, keypoint],
        account=account,
    )


def pooled(videos: Sequence[KeypointErrors]) -> KeypointErrors:
    """The keypoints of several videos as one; raises PwarpError where skeletons or lengths differ."""
    first = videos[0]
    for video in videos:
        same_measure((first.skeleton, first.length), (video.skeleton, video.length))
    keypoint, px, scale, score = (
        np.concatenate([getattr(video, name) for video in videos]) for name in ("keypoint", "px", "scale", "score")
    )
    account = Account.total(video.account for video in videos)
    return KeypointErrors(first.skeleton, first.length, keypoint, px, scale, score, account)


def same_measure(one: tuple[Skeleton, Length], other: tuple[Skeleton, Length]) -> None:
    """Raise PwarpError where two videos, each with its skeleton and length, cannot stand in one table."""
    if one[0].keypoints != other[0].keypoints:
        raise PwarpError(
            f"videos have different keypoints ('{one[0].name}' and '{other[0].name}') and cannot stand in one table; "
            "evaluate them apart"
        )
    if one[1] != other[1]:
        raise PwarpError(f"videos are measured by {one[1].text} and by {other[1].text}; name one --length")


class PixelError(Metric[KeypointErrors]):
    """Median and mean error in pixels, and the mean in reference lengths (normalised mean error, NME).

    Over the keypoints that were predicted; the share that was not stands beside it.
    """

    name: ClassVar[str] = "error"
    uses: ClassVar[frozenset[str]] = BY_KEYPOINT | {"length"}

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
        scale = errors.scale[found]
        relative = px[scale > 0] / scale[scale > 0]
        count = len(px)
        medians = np.array([median(px[keypoint == k]) for k in range(len(errors.skeleton))])
        return [
            *joint_figures(errors.skeleton, medians, errors.by_keypoint(found).tolist(), "px", "median error"),
            Figure("all keypoints", median(px), count, "px", "median error", main=True),
            Figure("all keypoints", mean(px), count, "px", "mean error"),
            Figure("all keypoints", 100 * mean(relative), count, "%", "normalised mean error"),
            Figure(
                "all keypoints", float(percent(len(errors) - count, len(errors))), len(errors), "%", "not predicted"
            ),
        ]

    def notes(self, evidence: Sequence[KeypointErrors]) -> list[str]:
        return account_lines(evidence, self.settings)


def median(values: FloatArray) -> float:
    """Median, NaN of nothing."""
    return float(np.median(values)) if len(values) else float("nan")


def mean(values: FloatArray) -> float:
    """Mean, NaN of nothing."""
    return float(values.mean()) if len(values) else float("nan")
