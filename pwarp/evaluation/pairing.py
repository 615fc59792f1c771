"""Truth and prediction brought row by row: which predicted pose answers which true one, and what counts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pwarp.annotations import Annotations, FloatArray, IntArray
from pwarp.errors import PwarpError
from pwarp.evaluation.partners import PoseRows, TrackMatching, partners
from pwarp.skeleton import Skeleton


@dataclass(frozen=True)
class Selection:
    """Which keypoints of the truth are asked for.

    visible_only: keypoints labelled visible (2); else occluded ones (1) too. None is what the protocol of the truth's
        data set has, and visible ones where there is none.
    exclude_manual: leave out keypoints that a person set in the prediction, in their frame: they were given, not
        found. A prediction in which all or none are a person's does not say what was given, and nothing is left out.
    every: leave out frames 0, k, 2k, ... and the last labelled one of a video whose prediction does not say.
    tracks: how poses find each other, see `partners`.
    """

    visible_only: bool | None = None
    exclude_manual: bool = True
    every: int | None = None
    tracks: TrackMatching = "auto"


DEFAULT_SELECTION = Selection()


@dataclass(frozen=True, eq=False)
class PosePairs:
    """N true poses with K keypoints, each beside the pose that was predicted for it.

    truth, predicted: (N, K, 2) pixels; NaN where unlabelled, or where nothing was predicted.
    labelled: (N, K) whether the truth has the keypoint, occluded ones only where they count.
    by_person: (N, K) whether a person set it in the prediction. asked: (N, K) whether it counts.
    computed: (N, K) whether no person set it in the truth.
    score: (N, K) of the prediction, NaN where it gives none.
    boxes, head_boxes: (N, 4) of the truth, NaN where there is none. track, frame: (N,) of the truth.
    matched_by: how they were paired. occluded: whether occluded keypoints count.
    """

    truth: FloatArray
    predicted: FloatArray
    labelled: NDArray[np.bool_]
    by_person: NDArray[np.bool_]
    asked: NDArray[np.bool_]
    computed: NDArray[np.bool_]
    score: FloatArray
    boxes: FloatArray
    head_boxes: FloatArray
    track: IntArray
    frame: IntArray
    matched_by: TrackMatching
    occluded: bool = False

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def found(self) -> NDArray[np.bool_]:
        """(N, K) whether anything was predicted for the keypoint."""
        return np.isfinite(self.predicted[..., 0]) & np.isfinite(self.predicted[..., 1])

    @property
    def error(self) -> FloatArray:
        """(N, K) distance of prediction and truth in pixels; NaN where either is missing."""
        step = self.predicted - self.truth
        return np.hypot(step[..., 0], step[..., 1])


def pair_poses(truth: Annotations, prediction: Annotations, selection: Selection = DEFAULT_SELECTION) -> PosePairs:
    """Every labelled pose of the truth with the prediction for it, by track and then frame.

    The prediction's keypoints are brought into the truth's order by name. A true pose without a predicted one stays,
    with nothing found. Raises PwarpError where the prediction lacks a keypoint of the truth.
    """
    order = keypoint_order(truth.skeleton, prediction.skeleton)
    says = says_what_was_given(prediction)
    true = PoseRows.of(truth)
    if not says:
        true = true.rows(~np.isin(true.frame, skipped_frames(np.unique(true.frame), selection.every)))
    predicted = PoseRows.of(prediction, order)
    partner, matched_by = partners(true, predicted, selection.tracks)
    here, there = np.flatnonzero(partner >= 0), partner[partner >= 0]
    xy, score = np.full(true.xy.shape, np.nan), np.full(true.score.shape, np.nan)
    by_person = np.zeros(true.score.shape, dtype=np.bool_)
    xy[here], score[here], by_person[here] = predicted.xy[there], predicted.score[there], predicted.by_person[there]
    occluded = selection.visible_only is False
    labelled = true.visibility > 0 if occluded else true.visibility == 2
    return PosePairs(
        truth=true.xy,
        predicted=xy,
        labelled=labelled,
        by_person=by_person,
        asked=labelled & ~by_person if says and selection.exclude_manual else labelled,
        computed=labelled & ~true.by_person,
        score=score,
        boxes=true.boxes,
        head_boxes=true.head_boxes,
        track=true.id,
        frame=true.frame,
        matched_by=matched_by,
        occluded=occluded,
    )


def keypoint_order(truth: Skeleton, prediction: Skeleton) -> IntArray:
    """(K,) for each keypoint of the truth its index in the prediction; raises PwarpError where one is missing."""
    missing = [name for name in truth.keypoints if name not in prediction.keypoints]
    if missing:
        raise PwarpError(
            f"the prediction lacks {len(missing)} of the truth's {len(truth)} keypoints: {', '.join(missing)}; "
            f"it has: {', '.join(prediction.keypoints)}"
        )
    return np.array([prediction.index(name) for name in truth.keypoints], dtype=np.int64)


def says_what_was_given(prediction: Annotations) -> bool:
    """Whether the prediction tells keypoints that a person set from others: whether it has both."""
    by_person = any(track.by_person.any() for track in prediction.tracks)
    return by_person and any((track.labelled & ~track.by_person).any() for track in prediction.tracks)


def skipped_frames(frames: IntArray, every: int | None) -> IntArray:
    """The frames, of rising (F,), that `Selection.every` leaves out."""
    if every is None or not len(frames):
        return np.empty(0, dtype=np.int64)
    skipped: IntArray = frames[(frames % every == 0) | (frames == frames[-1])]
    return skipped


def judged_frames(
    truth: Annotations, prediction: Annotations, selection: Selection, *, declared: bool = False
) -> tuple[IntArray, int]:
    """(F,) rising frames that metrics of whole frames judge: those in which the truth has an entry.

    declared: also those that the truth declares labelled, so that whatever is predicted where nobody is counts as
    wrong; COCO has it so, PoseTrack does not. With `exclude_manual`, a frame in which a person set any keypoint of the
    prediction is left out; the number says how many frames that were.
    """
    frames = np.unique(np.concatenate([np.empty(0, dtype=np.int64), *(track.frames for track in truth.tracks)]))
    if declared and truth.labelled is not None:
        frames = np.union1d(frames, truth.labelled)
    if not says_what_was_given(prediction):
        return np.setdiff1d(frames, skipped_frames(np.unique(PoseRows.of(truth).frame), selection.every)), 0
    if not selection.exclude_manual:
        return frames, 0
    others = np.setdiff1d(frames, prediction.key_frames)
    return others, len(frames) - len(others)
