"""Truth and prediction brought row by row: which predicted pose answers which true one, and what counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from pwarp.annotations import Annotations, FloatArray, IntArray, Track
from pwarp.errors import PwarpError
from pwarp.evaluation.lengths import extent_diagonal
from pwarp.skeleton import Skeleton

TrackMatching = Literal["auto", "id", "overlap"]
# Two poses overlap by a Gaussian of the keypoints' distance, with this share of the true pose's diagonal for sigma.
OVERLAP_SIGMA = 0.1


@dataclass(frozen=True)
class Selection:
    """Which keypoints of the truth are asked for.

    visible_only: keypoints labelled visible (2); else occluded ones (1) too.
    exclude_manual: leave out keypoints that a person set in the prediction, in their frame: they were given, not
        found. A prediction in which *every* keypoint is a person's carries no provenance, and nothing is left out.
    every: leave out frames 0, k, 2k, ... and the last labelled one instead; for files without provenance.
    tracks: how tracks find each other: by id, by overlap, or auto: by id where the prediction has all ids of the
        truth, else by overlap.
    """

    visible_only: bool = True
    exclude_manual: bool = True
    every: int | None = None
    tracks: TrackMatching = "auto"


DEFAULT_SELECTION = Selection()


@dataclass(frozen=True, eq=False)
class PosePairs:
    """N true poses with K keypoints, each beside the pose that was predicted for it.

    truth, predicted: (N, K, 2) pixels; NaN where unlabelled, or where nothing was predicted.
    asked: (N, K) whether the keypoint counts. score: (N, K) of the prediction, NaN where it gives none.
    boxes, head_boxes: (N, 4) of the truth, NaN where there is none. track, frame: (N,) of the truth.
    """

    truth: FloatArray
    predicted: FloatArray
    asked: NDArray[np.bool_]
    score: FloatArray
    boxes: FloatArray
    head_boxes: FloatArray
    track: IntArray
    frame: IntArray

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


def joined(parts: Sequence[PosePairs]) -> PosePairs:
    """The poses of several videos one below the other; K must agree."""
    return PosePairs(**{f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(PosePairs)})


def pair_poses(truth: Annotations, prediction: Annotations, selection: Selection = DEFAULT_SELECTION) -> PosePairs:
    """Every labelled pose of the truth with the prediction for it.

    The prediction's keypoints are brought into the truth's order by name. A true pose without a predicted one stays,
    with nothing found. Raises PwarpError where the prediction lacks a keypoint of the truth.
    """
    order = keypoint_order(truth.skeleton, prediction.skeleton)
    given = selection.exclude_manual and selection.every is None and has_provenance(prediction)
    skipped = skipped_frames(_labelled_frames(truth), selection.every)
    parts = [
        _pair_track(true, predicted, order, given, selection.visible_only, skipped)
        for true, predicted in match_tracks(truth, prediction, selection.tracks)
    ]
    return joined([_nothing(len(truth.skeleton)), *parts])


def keypoint_order(truth: Skeleton, prediction: Skeleton) -> IntArray:
    """(K,) for each keypoint of the truth its index in the prediction; raises PwarpError where one is missing."""
    missing = [name for name in truth.keypoints if name not in prediction.keypoints]
    if missing:
        raise PwarpError(
            f"the prediction lacks {len(missing)} of the truth's {len(truth)} keypoints: {', '.join(missing)}; "
            f"it has: {', '.join(prediction.keypoints)}"
        )
    return np.array([prediction.index(name) for name in truth.keypoints], dtype=np.int64)


def has_provenance(prediction: Annotations) -> bool:
    """Whether the prediction says of at least one keypoint that no person set it."""
    return any((track.labelled & ~track.by_person).any() for track in prediction.tracks)


def match_tracks(truth: Annotations, prediction: Annotations, how: TrackMatching) -> list[tuple[Track, Track | None]]:
    """Each track of the truth with its track of the prediction, or None; one predicted track serves one true track."""
    by_id = {track.id: track for track in prediction.tracks}
    if how == "auto":
        how = "id" if all(track.id in by_id for track in truth.tracks) else "overlap"
    if how == "id" or not truth.tracks or not prediction.tracks:
        return [(track, by_id.get(track.id)) for track in truth.tracks]
    order = keypoint_order(truth.skeleton, prediction.skeleton)
    overlap = np.array([[_overlap(a, b, order) for b in prediction.tracks] for a in truth.tracks])
    rows, columns = linear_sum_assignment(overlap, maximize=True)
    best = {row: column for row, column in zip(rows, columns, strict=True) if overlap[row, column] > 0}
    return [(track, prediction.tracks[best[i]] if i in best else None) for i, track in enumerate(truth.tracks)]


def _overlap(truth: Track, predicted: Track, order: IntArray) -> float:
    """How many keypoints two tracks share, each weighted by how near the two are (0 far away, 1 equal)."""
    _, a, b = np.intersect1d(truth.frames, predicted.frames, assume_unique=True, return_indices=True)
    squared = ((truth.xy[a] - predicted.xy[b][:, order]) ** 2).sum(axis=2)
    # A pose of one keypoint has no diagonal: a pixel is the least one takes for sigma.
    sigma = np.maximum(OVERLAP_SIGMA * extent_diagonal(truth.xy[a]), 1.0)
    return float(np.nansum(np.exp(-0.5 * squared / sigma[:, None] ** 2)))


def _pair_track(
    true: Track, predicted: Track | None, order: IntArray, given: bool, visible_only: bool, skipped: IntArray
) -> PosePairs:
    true = true.rows(true.labelled.any(axis=1) & ~np.isin(true.frames, skipped))
    asked = true.visibility == 2 if visible_only else true.labelled
    found_xy = np.full(true.xy.shape, np.nan)
    score = np.full(asked.shape, np.nan)
    if predicted is not None:
        _, here, there = np.intersect1d(true.frames, predicted.frames, assume_unique=True, return_indices=True)
        found_xy[here] = predicted.xy[there][:, order]
        score[here] = predicted.score[there][:, order]
        if given:
            asked = asked.copy()
            asked[here] &= ~predicted.by_person[there][:, order]
    return PosePairs(
        truth=true.xy,
        predicted=found_xy,
        asked=asked,
        score=score,
        boxes=true.boxes,
        head_boxes=true.head_boxes,
        track=np.full(len(true), true.id, dtype=np.int64),
        frame=true.frames,
    )


def skipped_frames(frames: IntArray, every: int | None) -> IntArray:
    """The frames, of rising (F,), that `Selection.every` leaves out."""
    if every is None or not len(frames):
        return np.empty(0, dtype=np.int64)
    skipped: IntArray = frames[(frames % every == 0) | (frames == frames[-1])]
    return skipped


def judged_frames(truth: Annotations, prediction: Annotations, selection: Selection) -> IntArray:
    """(F,) rising frames that metrics of whole frames judge: those in which the truth has an entry.

    With `exclude_manual`, a frame in which a person set any keypoint of the prediction is left out.
    """
    frames = np.unique(np.concatenate([np.empty(0, dtype=np.int64), *(track.frames for track in truth.tracks)]))
    frames = np.setdiff1d(frames, skipped_frames(_labelled_frames(truth), selection.every))
    if selection.exclude_manual and selection.every is None and has_provenance(prediction):
        frames = np.setdiff1d(frames, prediction.key_frames)
    return frames


def _labelled_frames(truth: Annotations) -> IntArray:
    labelled = [track.frames[track.labelled.any(axis=1)] for track in truth.tracks]
    return np.unique(np.concatenate([np.empty(0, dtype=np.int64), *labelled]))


def _nothing(keypoints: int) -> PosePairs:
    """No poses at all, but K keypoints: so that a video without people joins like any other."""
    return PosePairs(
        truth=np.empty((0, keypoints, 2)),
        predicted=np.empty((0, keypoints, 2)),
        asked=np.empty((0, keypoints), dtype=np.bool_),
        score=np.empty((0, keypoints)),
        boxes=np.empty((0, 4)),
        head_boxes=np.empty((0, 4)),
        track=np.empty(0, dtype=np.int64),
        frame=np.empty(0, dtype=np.int64),
    )
