"""Average precision of poses as poseval computes it (PoseTrack's official evaluation, after PCKh).

A predicted person is matched to the true one it shares most keypoints with, scores unseen; then every joint is
ranked by its score over all videos. Source: PoseTrack (Andriluka et al., CVPR 2018), poseval's evaluateAP.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pwarp.annotations import FloatArray, IntArray
from pwarp.evaluation.people import Scene
from pwarp.skeleton import Skeleton

# Share of the reference length within which a predicted joint is right (not strict).
NEAR = 0.5


@dataclass(frozen=True, eq=False)
class JointRanking:
    """The joints of P predicted people, ready to be ranked; rankings of several videos add up.

    present: (P, J) which joints were predicted. right: (P, J) which of them lie on the person's joint.
    score: (P, J). annotated: (J,) how many true joints there are.
    """

    skeleton: Skeleton
    present: NDArray[np.bool_]
    right: NDArray[np.bool_]
    score: FloatArray
    annotated: IntArray


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
    return JointRanking(scene.skeleton, present, right, scene.predicted.score, annotated.sum(axis=0))


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
