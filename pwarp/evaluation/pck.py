"""PCK: the percentage of keypoints that lie within alpha x a reference length of the truth.

Protocol of LSTM Pose Machines (Luo et al., CVPR 2018) on Penn Action and JHMDB, with every choice that papers make
differently as a setting. By the head box it is PCKh (Andriluka et al., CVPR 2014).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from pwarp.annotations import Annotations, FloatArray, IntArray
from pwarp.errors import PwarpError, UsageError
from pwarp.evaluation.errors import Account, KeypointErrors, account_lines, keypoint_errors, median, same_measure
from pwarp.evaluation.lengths import Length, parse
from pwarp.evaluation.metric import BY_KEYPOINT, Figure, Metric, joint_figures, percent
from pwarp.evaluation.pairing import Selection, pair_poses
from pwarp.evaluation.parts import Part, parts_of
from pwarp.evaluation.videos import VideoPair
from pwarp.skeleton import Skeleton

CURVE_STEPS = 50


@dataclass(frozen=True, eq=False)
class PckResult:
    """How many keypoints were hit, in numbers that add up over videos.

    skeleton: of the truth, K keypoints. length: the reference length. alphas: A thresholds.
    strict: whether a hit needs error < alpha x length rather than <=.
    hits: (A, K). counts: (K,) keypoints asked for, found or not: one that was not predicted is a miss.
    missing: of these, how many were not predicted. account: how these came to be counted. errors: pixel errors of
    the predicted ones, an array a video.
    """

    skeleton: Skeleton
    length: Length
    alphas: tuple[float, ...]
    strict: bool
    hits: IntArray
    counts: IntArray
    missing: int
    account: Account
    errors: tuple[FloatArray, ...]

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
    def parts(self) -> tuple[Part, ...]:
        """The P parts of the body, left and right together."""
        return parts_of(self.skeleton)

    @property
    def per_part(self) -> FloatArray:
        """(A, P) percentage of a part's keypoints, hits and counts of left and right added."""
        hits, counts = (
            np.array([of[..., list(part.keypoints)].sum(axis=-1) for part in self.parts])
            for of in (self.hits, self.counts)
        )
        return percent(hits.T, counts)

    @property
    def per_part_by_side(self) -> FloatArray:
        """(A, P) percentage of a part as the plain mean of its left and right percentages."""
        return np.array([self.per_joint[:, list(part.keypoints)].mean(axis=1) for part in self.parts]).T

    @property
    def median_px(self) -> float:
        """Median error in pixels of the counted keypoints that were predicted; NaN where there is none."""
        return median(np.concatenate(self.errors))


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
    return tally(keypoint_errors(pairs, truth.skeleton, parse(length, truth.skeleton)), alphas, strict=strict)


def tally(errors: KeypointErrors, alphas: Sequence[float], *, strict: bool = False) -> PckResult:
    """Count the hits of one video at several thresholds."""
    hits = [errors.by_keypoint(errors.hits(alpha, strict=strict)) for alpha in alphas]
    return PckResult(
        skeleton=errors.skeleton,
        length=errors.length,
        alphas=tuple(float(a) for a in alphas),
        strict=strict,
        hits=np.array(hits, dtype=np.int64).reshape(len(alphas), len(errors.skeleton)),
        counts=errors.by_keypoint(np.ones(len(errors), dtype=np.bool_)),
        missing=int((~errors.found).sum()),
        account=errors.account,
        errors=(errors.px[errors.found],),
    )


def merged(results: Sequence[PckResult]) -> PckResult:
    """The same measurement over several videos; raises PwarpError where skeletons or settings differ."""
    first = results[0]
    for other in results:
        same_measure((first.skeleton, first.length), (other.skeleton, other.length))
        if (other.alphas, other.strict) != (first.alphas, first.strict):
            raise PwarpError("PCK at different thresholds cannot be added; use the same alpha for all videos")
    return PckResult(
        skeleton=first.skeleton,
        length=first.length,
        alphas=first.alphas,
        strict=first.strict,
        hits=np.sum([r.hits for r in results], axis=0),
        counts=np.sum([r.counts for r in results], axis=0),
        missing=sum(r.missing for r in results),
        account=Account.total(r.account for r in results),
        errors=tuple(array for r in results for array in r.errors),
    )


class Pck(Metric[PckResult]):
    """PCK by joint, by part, pooled, and as means of joints and of parts: papers print any of these as "mean"."""

    name: ClassVar[str] = "pck"
    uses: ClassVar[frozenset[str]] = BY_KEYPOINT | {"length", "alphas", "strict"}
    joints_always: ClassVar[bool] = True
    TITLE: ClassVar[str] = "PCK"
    LENGTH: ClassVar[str | None] = None
    ALPHAS: ClassVar[tuple[float, ...]] = (0.1, 0.2)

    def evidence(self, pair: VideoPair) -> PckResult:
        length = pair.length(self.LENGTH or self.settings.length)
        errors = keypoint_errors(pair.poses(self.settings.selection), pair.truth.skeleton, length)
        return tally(errors, (*self._alphas(length), *self._curve(length)), strict=self.settings.strict)

    def title(self, evidence: Sequence[PckResult]) -> str:
        length = evidence[0].length
        sign = "<" if self.settings.strict else "<="
        which = "visible and occluded keypoints" if evidence[0].account.with_occluded else "visible keypoints"
        return f"{self.TITLE}: error {sign} alpha x {length.text} ({length.meaning}), {which}"

    def figures(self, evidence: Sequence[PckResult]) -> list[Figure]:
        result = merged(evidence)
        return [
            figure
            for row, alpha in enumerate(self._alphas(result.length))
            for figure in _figures_at(result, row, f"@{alpha:g}")
        ]

    def details(self, evidence: Sequence[PckResult]) -> Mapping[str, Any]:
        result = merged(evidence)
        curve = self._curve(result.length)
        return {
            "length": result.length.text,
            "not_predicted": result.missing,
            "account": vars(result.account),
            "pck_curve": {"alpha": curve, "percent": result.pooled[-len(curve) :]},
        }

    def notes(self, evidence: Sequence[PckResult]) -> list[str]:
        return account_lines(evidence, self.settings)

    def _alphas(self, length: Length) -> tuple[float, ...]:
        if self.settings.alphas is None and length.kind == "pixels":
            raise UsageError("the length is pixels, so name the thresholds in pixels too, such as --alpha 5,10")
        return self.settings.alphas or self.ALPHAS

    def _curve(self, length: Length) -> tuple[float, ...]:
        return tuple(np.linspace(0.0, 2.5 * max(self._alphas(length)), CURVE_STEPS + 1).tolist())


class Pckh(Pck):
    """PCKh: PCK by the head box, at 0.5."""

    name: ClassVar[str] = "pckh"
    uses: ClassVar[frozenset[str]] = BY_KEYPOINT | {"alphas", "strict"}
    TITLE: ClassVar[str] = "PCKh"
    LENGTH: ClassVar[str | None] = "head"
    ALPHAS: ClassVar[tuple[float, ...]] = (0.5,)


class AreaUnderCurve(Metric[PckResult]):
    """Area under the PCK curve from 0 to the largest threshold, in percent of what perfect predictions get.

    Trapezoids over 50 equal steps, as MPII's evaluation takes it from 0 to 0.5 (PCKh, then).
    """

    name: ClassVar[str] = "auc"
    uses: ClassVar[frozenset[str]] = BY_KEYPOINT | {"length", "auc_limit", "strict"}
    LIMIT: ClassVar[float] = 0.5

    def evidence(self, pair: VideoPair) -> PckResult:
        length = pair.length(self.settings.length)
        if self.settings.auc_limit is None and length.kind == "pixels":
            raise UsageError(
                "the length is pixels, so name the largest threshold in pixels too, such as --auc-limit 30"
            )
        errors = keypoint_errors(pair.poses(self.settings.selection), pair.truth.skeleton, length)
        return tally(errors, np.linspace(0.0, self._limit, CURVE_STEPS + 1).tolist(), strict=self.settings.strict)

    def title(self, evidence: Sequence[PckResult]) -> str:
        length = evidence[0].length
        return f"AUC of PCK, alpha from 0 to {self._limit:g} x {length.text} ({length.meaning})"

    def figures(self, evidence: Sequence[PckResult]) -> list[Figure]:
        result = merged(evidence)
        # At a threshold of 0 not even a perfect prediction is nearer than that.
        perfect = _area(np.array([not self.settings.strict, *result.alphas[1:]], dtype=bool).astype(np.float64))
        by_joint = _area(result.per_joint.T) / perfect
        return [
            *joint_figures(result.skeleton, by_joint, result.counts.tolist()),
            Figure("AUC", float(_area(result.pooled) / perfect), result.count, main=True),
        ]

    def details(self, evidence: Sequence[PckResult]) -> Mapping[str, Any]:
        result = merged(evidence)
        curve = {"alpha": result.alphas, "percent": result.pooled}
        return {"length": result.length.text, "account": vars(result.account), "pck_curve": curve}

    def notes(self, evidence: Sequence[PckResult]) -> list[str]:
        return account_lines(evidence, self.settings)

    @property
    def _limit(self) -> float:
        return self.LIMIT if self.settings.auc_limit is None else self.settings.auc_limit


def _figures_at(result: PckResult, row: int, block: str) -> list[Figure]:
    parts, joints, count = result.per_part[row], result.per_joint[row], result.count
    return [
        *joint_figures(result.skeleton, joints, result.counts.tolist(), block=block),
        *(
            Figure(part.name, float(value), int(result.counts[list(part.keypoints)].sum()), block=block, kind="part")
            for part, value in zip(result.parts, parts, strict=True)
        ),
        Figure("pooled", float(result.pooled[row]), count, block=block, main=True),
        Figure("mean of parts", float(parts.mean()), count, block=block),
        Figure("mean of parts, sides averaged", float(result.per_part_by_side[row].mean()), count, block=block),
        Figure("mean of joints", float(joints.mean()), count, block=block),
    ]


def _area(curve: FloatArray) -> FloatArray:
    """Mean height under curves (..., T) of equal steps, by trapezoids."""
    return np.asarray((curve[..., 1:] + curve[..., :-1]).mean(axis=-1) / 2)
