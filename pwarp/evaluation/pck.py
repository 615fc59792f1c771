"""PCK: the percentage of keypoints that lie within alpha x a reference length of the truth.

Protocol of LSTM Pose Machines (Luo et al., CVPR 2018) on Penn Action and JHMDB, with every choice that papers make
differently as an argument. With `length="head"` it is PCKh (Andriluka et al., CVPR 2014).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pwarp.annotations import Annotations, FloatArray, IntArray
from pwarp.errors import PwarpError
from pwarp.evaluation.lengths import Length, parse
from pwarp.evaluation.pairing import PosePairs, Selection, pair_poses
from pwarp.skeleton import Skeleton


@dataclass(frozen=True, eq=False)
class PckResult:
    """How many keypoints were hit, in numbers that add up over videos.

    skeleton: of the truth, K keypoints. length: canonical name of the reference length. alphas: A thresholds.
    strict: whether a hit needs error < alpha x length rather than <=.
    hits: (A, K). counts: (K,) keypoints asked for, found or not: one that was not predicted is a miss.
    missing: of these, how many were not predicted. without_length: further keypoints that were left out because
    their pose lacks the reference length. errors: (E,) pixel errors of the counted keypoints that were predicted.
    """

    skeleton: Skeleton
    length: str
    alphas: tuple[float, ...]
    strict: bool
    hits: IntArray
    counts: IntArray
    missing: int
    without_length: int
    errors: FloatArray

    @property
    def count(self) -> int:
        """Keypoints counted."""
        return int(self.counts.sum())

    @property
    def pooled(self) -> FloatArray:
        """(A,) percentage of all counted keypoints, whichever joint, frame or video; NaN where none counts."""
        return percent(self.hits.sum(axis=1), self.counts.sum())

    @property
    def per_joint(self) -> FloatArray:
        """(A, K) percentage joint by joint; NaN where a joint is never counted."""
        return percent(self.hits, self.counts)

    @property
    def median_px(self) -> float:
        """Median error in pixels of the counted keypoints that were predicted; NaN where there is none."""
        return float(np.median(self.errors)) if len(self.errors) else float("nan")


def pck(
    truth: Annotations,
    prediction: Annotations,
    *,
    length: str,
    alpha: float | Sequence[float] = (0.1, 0.2),
    strict: bool = False,
    visible_only: bool = True,
    exclude_manual: bool = True,
) -> PckResult:
    """PCK of one video's prediction, tracks paired by id.

    length: "body", "torso:A-B", "head", "diag:F" or "pixels", see `lengths`. Keypoints that a person set in the
    prediction are left out with exclude_manual (see `Selection`). Keypoints of the truth that the prediction lacks
    count as misses. Raises PwarpError for an unknown length, or where keypoint names do not fit.
    """
    selection = Selection(visible_only=visible_only, exclude_manual=exclude_manual, tracks="id")
    pairs = pair_poses(truth, prediction, selection)
    alphas = (alpha,) if isinstance(alpha, int | float) else tuple(alpha)
    return score_pck(pairs, truth.skeleton, parse(length, truth.skeleton), alphas, strict=strict)


def score_pck(
    pairs: PosePairs, skeleton: Skeleton, length: Length, alphas: Sequence[float], *, strict: bool = False
) -> PckResult:
    """PCK of poses that are paired already, at several thresholds."""
    scale = length.of(pairs.truth, pairs.boxes, pairs.head_boxes, pairs.predicted)
    counted = pairs.asked & np.isfinite(scale)[:, None]
    error = pairs.error
    near = np.less if strict else np.less_equal
    # NaN compares as False: a keypoint that was not predicted is never near.
    hits = [(near(error, alpha * scale[:, None]) & counted).sum(axis=0) for alpha in alphas]
    return PckResult(
        skeleton=skeleton,
        length=length.text,
        alphas=tuple(float(a) for a in alphas),
        strict=strict,
        hits=np.array(hits, dtype=np.int64).reshape(len(alphas), len(skeleton)),
        counts=counted.sum(axis=0),
        missing=int((counted & ~pairs.found).sum()),
        without_length=int((pairs.asked & ~counted).sum()),
        errors=error[counted & pairs.found],
    )


def merged(results: Sequence[PckResult]) -> PckResult:
    """The same measurement over several videos; raises PwarpError where skeletons or settings differ."""
    first = results[0]
    for other in results:
        if other.skeleton.keypoints != first.skeleton.keypoints:
            raise PwarpError(
                f"videos have different keypoints ('{first.skeleton.name}' and '{other.skeleton.name}') and cannot "
                "stand in one table; evaluate them apart"
            )
        if (other.length, other.alphas, other.strict) != (first.length, first.alphas, first.strict):
            raise PwarpError(f"PCK by {first.length} and by {other.length} cannot be added; use one length and alpha")
    return PckResult(
        skeleton=first.skeleton,
        length=first.length,
        alphas=first.alphas,
        strict=first.strict,
        hits=np.sum([r.hits for r in results], axis=0),
        counts=np.sum([r.counts for r in results], axis=0),
        missing=sum(r.missing for r in results),
        without_length=sum(r.without_length for r in results),
        errors=np.concatenate([r.errors for r in results]),
    )


def percent(hits: IntArray, counts: IntArray) -> FloatArray:
    """100 x hits / counts, NaN where the count is 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(100.0 * hits / np.asarray(counts, dtype=np.float64))
