"""Average precision of poses as poseval computes it (PoseTrack's official evaluation, after PCKh).

A predicted person is matched to the true one it shares most keypoints with, scores unseen; then every joint is
ranked by its score over all videos. Source: PoseTrack (Andriluka et al., CVPR 2018), poseval's evaluateAP.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from pwarp.annotations import FloatArray, IntArray
from pwarp.errors import PwarpError
from pwarp.evaluation.lengths import Length
from pwarp.evaluation.metric import BY_FRAME, Figure, Metric, joint_figures
from pwarp.evaluation.parts import Part, parts_of
from pwarp.evaluation.people import Remarks, Scene
from pwarp.evaluation.videos import VideoPair
from pwarp.skeleton import POSETRACK_15, Skeleton

# Share of the reference length within which a predicted joint is right (not strict).
NEAR = 0.5
# As poseval prints them; the head is three joints.
_POSETRACK_PARTS = {
    "Head": ("head_top", "head_bottom", "nose"),
    "Shoulder": ("right_shoulder", "left_shoulder"),
    "Elbow": ("right_elbow", "left_elbow"),
    "Wrist": ("right_wrist", "left_wrist"),
    "Hip": ("right_hip", "left_hip"),
    "Knee": ("right_knee", "left_knee"),
    "Ankle": ("right_ankle", "left_ankle"),
}


@dataclass(frozen=True, eq=False)
class JointRanking:
    """The joints of P predicted people, ready to be ranked; rankings of several videos add up.

    present: (P, J) which joints were predicted. right: (P, J) which of them lie on the person's joint.
    score: (P, J). annotated: (J,) how many true joints there are.
    """

    skeleton: Skeleton
    length: Length
    present: NDArray[np.bool_]
    right: NDArray[np.bool_]
    score: FloatArray
    annotated: IntArray
    remarks: Remarks


@dataclass(frozen=True, eq=False)
class AveragePrecision:
    """AP, and precision and recall at the end of the curve, in percent and by joint (J,).

    A joint without truth has NaN where something was predicted for it, and 0 where nothing was: so poseval has it.
    Totals are means that leave out NaN.
    """

    skeleton: Skeleton
    ap: FloatArray
    precision: FloatArray
    recall: FloatArray
    annotated: IntArray
    predicted: IntArray
    right: IntArray


def rank(scene: Scene) -> JointRanking:
    """Match the people of one video, and note which predicted joints are right.

    Each predicted person keeps the true one of whose annotated joints it hits the largest share, each true person
    then the predicted one with the largest share; the first in file order wins a tie. The joints of a predicted
    person without a partner are all wrong.
    """
    near = scene.distance <= NEAR
    annotated = scene.truth.present
    share = near.sum(axis=1) / np.maximum(annotated.sum(axis=1), 1)[scene.true_row]
    favourite = np.zeros(len(share), dtype=np.bool_)
    favourite[_first_best(scene.predicted_row, share)] = True
    share = np.where(favourite, share, 0.0)
    matched = _first_best(scene.true_row, share)
    matched = matched[share[matched] > 0]
    present = scene.predicted.present
    right = np.zeros_like(present)
    right[scene.predicted_row[matched]] = near[matched]
    return JointRanking(
        scene.skeleton, scene.length, present, right, scene.predicted.score, annotated.sum(axis=0), scene.remarks
    )


def average_precision(rankings: Sequence[JointRanking]) -> AveragePrecision:
    """Pool the videos and rank each joint by score.

    Equal scores keep the reverse of the order of videos, frames and people; poseval leaves them to an unstable sort.
    A NaN score ranks first.
    """
    present, right = (np.concatenate([getattr(r, name) for r in rankings]) for name in ("present", "right"))
    score = np.concatenate([r.score for r in rankings])
    annotated = np.sum([r.annotated for r in rankings], axis=0)
    joints = range(len(annotated))
    curves = [_curve(right[present[:, j], j], score[present[:, j], j], int(annotated[j])) for j in joints]
    ap, precision, recall = np.array(curves).reshape(-1, 3).T
    return AveragePrecision(
        rankings[0].skeleton, ap, precision, recall, annotated, present.sum(axis=0), right.sum(axis=0)
    )


def _curve(right: NDArray[np.bool_], score: FloatArray, annotated: int) -> tuple[float, float, float]:
    """AP by all-points interpolation (PASCAL VOC 2010), last precision and last recall, in percent."""
    if not len(right):
        return 0.0, 0.0, 0.0
    hits = right[np.argsort(score, kind="stable")[::-1]]
    found = np.cumsum(hits)
    precision = found / np.arange(1, len(hits) + 1)
    if not annotated:
        return float("nan"), 100.0 * float(precision[-1]), float("nan")
    best_from_here = np.maximum.accumulate(precision[::-1])[::-1]
    ap = float(best_from_here[hits].sum()) / annotated
    return 100.0 * ap, 100.0 * float(precision[-1]), 100.0 * float(found[-1]) / annotated


def _first_best(group: IntArray, value: FloatArray) -> IntArray:
    """The index of the largest value in each group, the first such where several are equal."""
    order = np.lexsort((np.arange(len(group)), -value, group))
    _, firsts = np.unique(group[order], return_index=True)
    return order[firsts]


class PoseTrackAp(Metric[JointRanking]):
    """AP by part and in total, and precision and recall at the end of the curve."""

    name: ClassVar[str] = "posetrack-ap"
    uses: ClassVar[frozenset[str]] = BY_FRAME | {"length"}
    counted: ClassVar[str] = "joints"

    def evidence(self, pair: VideoPair) -> JointRanking:
        return rank(pair.scene(self.settings.selection, self.settings.length))

    def title(self, evidence: Sequence[JointRanking]) -> str:
        length = evidence[0].length
        return f"PoseTrack AP: joints within {NEAR:g} x {length.text} ({length.meaning})"

    def figures(self, evidence: Sequence[JointRanking]) -> list[Figure]:
        same_joints([ranking.skeleton for ranking in evidence])
        result = average_precision(evidence)
        return [
            *body_figures(result.skeleton, result.ap, result.annotated, "AP", main=True),
            *body_figures(result.skeleton, result.precision, result.predicted, "precision"),
            *body_figures(result.skeleton, result.recall, result.annotated, "recall"),
        ]

    def notes(self, evidence: Sequence[JointRanking]) -> list[str]:
        notes = Remarks.lines([ranking.remarks for ranking in evidence])
        tied = _tied(evidence)
        if tied:
            notes.append(f"{tied} predicted joints share their score with another: AP depends on their order")
        return notes


def same_joints(skeletons: Sequence[Skeleton]) -> None:
    """Raise PwarpError where videos with different joints are to stand in one table."""
    other = next((s for s in skeletons if s.keypoints != skeletons[0].keypoints), None)
    if other is not None:
        raise PwarpError(
            f"videos have different joints ('{skeletons[0].name}' and '{other.name}') and cannot stand in one table; "
            "evaluate them apart"
        )


def body_figures(
    skeleton: Skeleton, values: FloatArray, counts: IntArray, block: str, *, main: bool = False
) -> list[Figure]:
    """Figures of values (J,) with counts (J,): joints, the total, and of main ones parts as plain means of joints.

    The total is the mean of the joints that are not NaN, all joints weighing the same: in PoseTrack the head has
    three of fifteen.
    """
    figures = joint_figures(skeleton, values, counts.tolist(), block=block)
    for part in _body_parts(skeleton) if main else ():
        of = list(part.keypoints)
        figures.append(Figure(part.name, float(values[of].mean()), int(counts[of].sum()), block=block, kind="part"))
    known = values[~np.isnan(values)]
    total = float(known.mean()) if len(known) else float("nan")
    figures.append(Figure("Total", total, int(counts.sum()), block=block, main=main))
    return figures


def _body_parts(skeleton: Skeleton) -> tuple[Part, ...]:
    if skeleton.keypoints != POSETRACK_15.keypoints:
        return parts_of(skeleton)
    return tuple(Part(n, tuple(skeleton.index(joint) for joint in joints)) for n, joints in _POSETRACK_PARTS.items())


def _tied(rankings: Sequence[JointRanking]) -> int:
    """How many predicted joints have the score of another prediction of the same joint."""
    present = np.concatenate([r.present for r in rankings])
    score = np.concatenate([r.score for r in rankings])
    counts = (np.unique(score[present[:, j], j], return_counts=True)[1] for j in range(present.shape[1]))
    return int(sum(count[count > 1].sum() for count in counts))
