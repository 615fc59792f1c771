"""Who is who: the predicted pose that belongs to each true one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pwarp.annotations import Annotations, FloatArray, IntArray
from pwarp.evaluation.lengths import extent_diagonal

TrackMatching = Literal["auto", "id", "overlap", "frame"]
# Two poses overlap by a Gaussian of the keypoints' distances, with this share of the true pose's diagonal for sigma,
OVERLAP_SIGMA = 0.1
# and belong together only where a keypoint's mean is above this: about 0.3 of the diagonal apart.
LEAST_OVERLAP = 0.01
# Ids mean the same on both sides where poses paired by them overlap by this share of what the best pairing gives.
AS_WELL = 0.99
_PAIRS = 1 << 16  # of poses, compared at a time


@dataclass(frozen=True, eq=False)
class PoseRows:
    """The M labelled poses of a video's annotations, a row each, by track and then frame.

    track: (M,) index of the track. id: (M,) its id. identified: (M,). frame: (M,). xy: (M, K, 2).
    visibility, score, by_person: (M, K). boxes, head_boxes: (M, 4). As in `Track`.
    """

    track: IntArray
    id: IntArray
    identified: NDArray[np.bool_]
    frame: IntArray
    xy: FloatArray
    visibility: NDArray[np.uint8]
    score: FloatArray
    by_person: NDArray[np.bool_]
    boxes: FloatArray
    head_boxes: FloatArray

    @classmethod
    def of(cls, annotations: Annotations, order: IntArray | None = None) -> PoseRows:
        """All rows that have a labelled keypoint; order: (K,) keypoints to take, None for all."""
        tracks = annotations.tracks
        count = len(annotations.skeleton)
        lengths = [len(track) for track in tracks]

        def column(name: str, dtype: Any, *shape: int) -> Any:
            return np.concatenate([np.empty((0, *shape), dtype), *(getattr(track, name) for track in tracks)])

        def each(values: list[Any], dtype: Any) -> Any:
            return np.repeat(np.array(values, dtype=dtype), lengths)

        visibility = column("visibility", np.uint8, count)
        take = np.arange(count) if order is None else order
        rows = cls(
            track=each(list(range(len(tracks))), np.int64),
            id=each([track.id for track in tracks], np.int64),
            identified=each([track.identified for track in tracks], np.bool_),
            frame=column("frames", np.int64),
            xy=column("xy", np.float64, count, 2)[:, take],
            visibility=visibility[:, take],
            score=column("score", np.float64, count)[:, take],
            by_person=column("by_person", np.bool_, count)[:, take],
            boxes=column("boxes", np.float64, 4),
            head_boxes=column("head_boxes", np.float64, 4),
        )
        return rows.rows((visibility > 0).any(axis=1))

    def rows(self, keep: NDArray[np.bool_]) -> PoseRows:
        """The rows where keep (M,) is true."""
        return PoseRows(**{f.name: getattr(self, f.name)[keep] for f in fields(self)})


def partners(truth: PoseRows, predicted: PoseRows, how: TrackMatching) -> tuple[IntArray, TrackMatching]:
    """(N,) for each true pose the row of the predicted one in its frame, -1 where there is none; and how it was found.

    how: "id": the track of the same id. "overlap": each true track has one predicted track, so that the whole
    overlaps best. "frame": each frame for itself, for poses without tracks. "auto": by frame where either side has
    poses without track, else by id where the prediction has all ids of the truth and they mean the same, else by
    overlap. They do where they pair poses that overlap about as well as the best pairing; ids may coincide by chance,
    for trackers count from 0. Where a person's keypoints stand among others, and in frames of the truth, those poses
    alone tell.
    """
    by_id = _same_track(truth.id, truth.frame, predicted.id, predicted.frame)
    if how == "auto" and not (truth.identified.all() and predicted.identified.all()):
        how = "frame"
    if how == "auto" and not np.isin(truth.id, predicted.id).all():
        how = "overlap"
    if how == "id":
        return by_id, "id"
    rows, others = _in_same_frame(truth.frame, predicted.frame)
    overlap, most = _overlaps(truth, predicted, rows, others)
    if how == "frame":
        partner = np.full(len(truth.frame), -1, dtype=np.int64)
        for row, other in _assignments(rows, others, overlap, most):
            partner[row] = other
        return partner, how
    relabelled = np.full(int(predicted.track.max(initial=-1)) + 1, -1, dtype=np.int64)
    for track, other in _assignments(truth.track[rows], predicted.track[others], overlap, most):
        relabelled[other] = track
    best = _same_track(truth.track, truth.frame, relabelled[predicted.track], predicted.frame)
    if how == "auto":
        # What grew from labels is judged by them alone: people who are exchanged between two labels are an error.
        told = _told_by_a_person(predicted)[others]
        if not told.any():  # labels in none of the truth's frames tell nothing about its ids
            told = ~told
        by_both = [overlap[(partner[rows] == others) & told].sum() for partner in (by_id, best)]
        if by_both[0] >= AS_WELL * by_both[1]:
            return by_id, "id"
    return best, "overlap"


def _told_by_a_person(predicted: PoseRows) -> NDArray[np.bool_]:
    """(M,) rows that tell whose an id is: those with keypoints that a person set, where there are others; else all."""
    labelled = predicted.visibility > 0
    by_person: NDArray[np.bool_] = np.asarray(predicted.by_person.any(axis=1), dtype=np.bool_)
    if by_person.any() and (labelled & ~predicted.by_person).any():
        return by_person
    return np.ones(len(by_person), dtype=np.bool_)


def _same_track(track: IntArray, frame: IntArray, others_track: IntArray, others_frame: IntArray) -> IntArray:
    """(N,) the row of the other side with the same track and frame, -1 where there is none."""
    where = {key: row for row, key in enumerate(zip(others_track.tolist(), others_frame.tolist(), strict=True))}
    keys = zip(track.tolist(), frame.tolist(), strict=True)
    return np.array([where.get(key, -1) for key in keys], dtype=np.int64)


def _in_same_frame(frame: IntArray, others_frame: IntArray) -> tuple[IntArray, IntArray]:
    """Rows (M,), (M,) of all pairs from the same frame."""
    order = np.argsort(others_frame, kind="stable")
    ranked = others_frame[order]
    first, last = np.searchsorted(ranked, frame), np.searchsorted(ranked, frame, side="right")
    counts = last - first
    rows = np.repeat(np.arange(len(frame)), counts)
    within = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    return rows, order[first[rows] + within]


def _overlaps(truth: PoseRows, predicted: PoseRows, rows: IntArray, others: IntArray) -> tuple[FloatArray, FloatArray]:
    """(M,) overlap of pairs of poses, and (M,) how much it could be: the number of true keypoints."""
    # A pose of one keypoint has no diagonal: a pixel is the least one takes for sigma.
    sigma = np.maximum(OVERLAP_SIGMA * extent_diagonal(truth.xy), 1.0)
    overlap = np.empty(len(rows))
    for start in range(0, len(rows), _PAIRS):  # an hour of ten people is ten million pairs
        part = slice(start, start + _PAIRS)
        squared = ((truth.xy[rows[part]] - predicted.xy[others[part]]) ** 2).sum(axis=2)
        overlap[part] = np.nansum(np.exp(-0.5 * squared / sigma[rows[part], None] ** 2), axis=1)
    return overlap, (truth.visibility > 0).sum(axis=1)[rows].astype(np.float64)


def _assignments(left: IntArray, right: IntArray, overlap: FloatArray, most: FloatArray) -> Iterator[tuple[int, int]]:
    """One-to-one pairs of left and right numbers with the largest summed overlap, those too weak left out.

    Numbers that share no pair cannot meet, so each connected group is solved on its own.
    """
    if not len(left):
        return
    # Here, as they load for half a second.
    from scipy.optimize import linear_sum_assignment
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    shape = int(left.max()) + 1, int(right.max()) + 1
    total = coo_array((overlap, (left, right)), shape=shape).tocsr()
    possible = coo_array((most, (left, right)), shape=shape).tocsr()
    total.sum_duplicates()
    possible.sum_duplicates()
    square = coo_array((np.ones(len(left)), (left, right + shape[0])), shape=(sum(shape), sum(shape)))
    _, group = connected_components(square, directed=False)
    lefts, rights = _by_group(group[: shape[0]], np.unique(left)), _by_group(group[shape[0] :], np.unique(right))
    for name, members in lefts.items():
        others = rights[name]
        block, limit = total[members][:, others].toarray(), possible[members][:, others].toarray()
        for i, j in zip(*linear_sum_assignment(block, maximize=True), strict=True):
            if block[i, j] > LEAST_OVERLAP * limit[i, j]:
                yield int(members[i]), int(others[j])


def _by_group(group: IntArray, numbers: IntArray) -> dict[int, IntArray]:
    """The numbers of each group."""
    order = numbers[np.argsort(group[numbers], kind="stable")]
    names, starts = np.unique(group[order], return_index=True)
    return dict(zip(names.tolist(), np.split(order, starts[1:]), strict=True))
