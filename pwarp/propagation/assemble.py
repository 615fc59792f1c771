"""Put together what people labelled and what an engine filled in between."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pwarp.annotations import Annotations, FloatArray, IntArray, Source, Track, VideoIdentity, extents
from pwarp.propagation.plan import NONE, Fill, TrackPlan

# A keypoint found this far outside the picture, as a share of its diagonal, is put on the border: flow and beliefs
# are blurred there. One found farther out is not in the picture and stays unlabelled.
_BORDER = 0.01


class _Frame(Protocol):
    width: int
    height: int

    @property
    def identity(self) -> VideoIdentity: ...


def assemble(
    annotations: Annotations, plans: Sequence[TrackPlan], fills: Iterable[Fill], video: _Frame, min_score: float
) -> Annotations:
    """The annotations with their tracks filled in; keypoints set by people are copied, never computed.

    What was propagated before goes; what a network saw stays where nothing is filled in its place.
    """
    by_track: dict[int, list[Fill]] = defaultdict(list)
    for fill in fills:
        by_track[fill.track].append(fill)
    plan_of = {p.id: p for p in plans}
    tracks = [
        _filled(track, plan_of[track.id], by_track[track.id], video, min_score) if track.id in plan_of else track
        for track in annotations.tracks
    ]
    path = annotations.video.path or video.identity.path
    return replace(annotations, tracks=tuple(tracks), video=replace(video.identity, path=path))


def _filled(track: Track, plan: TrackPlan, fills: Sequence[Fill], video: _Frame, min_score: float) -> Track:
    shape = plan.visibility.shape
    xy, visibility, score = np.full((*shape, 2), np.nan), np.zeros(shape, np.uint8), np.full(shape, np.nan)
    for fill in fills:
        rows = slice(fill.first - plan.first, fill.first - plan.first + len(fill.xy))
        place = _in_picture(fill.xy, video)
        take = plan.open[rows] & np.isfinite(place).all(axis=2) & (fill.visibility > 0) & (fill.score >= min_score)
        xy[rows][take] = place[take]
        visibility[rows][take] = fill.visibility[take]
        score[rows][take] = np.clip(fill.score[take], 0.0, 1.0)
    # What a person took away stays away; engines go through it all the same, so that nothing else changes.
    for old in track.replaced:
        if plan.first <= old.frame <= plan.last:
            at = old.frame - plan.first, old.keypoint
            xy[at], visibility[at], score[at] = np.nan, 0, np.nan
    filled = visibility > 0
    origin = np.where(filled[..., None], np.stack([plan.before, plan.after], axis=2), NONE)
    source = np.where(filled, Source.PROPAGATED, Source.NONE)

    # All frames that anything is known of; what was found goes in first, what stays goes over it.
    found = np.flatnonzero(filled.any(axis=1))
    # Nobody computes head boxes or scores of persons: where a pose is made anew, they are what somebody gave.
    again = np.isin(track.frames, plan.first + found) | np.isfinite(track.head_boxes[:, 0])
    track = track.rows(again | ~_of(track, Source.PROPAGATED))
    frames = np.union1d(plan.first + found, track.frames)
    to, had = np.searchsorted(frames, plan.first + found), np.searchsorted(frames, track.frames)
    anew = np.zeros((len(frames), shape[1]), np.bool_)
    anew[to] = filled[found]
    seen = (track.source == Source.DETECTED) | (track.source == Source.REFINED)
    stays = track.by_person | seen & ~anew[had]

    def merged(new: NDArray[Any], old: NDArray[Any], empty: float) -> NDArray[Any]:
        values = np.full((len(frames), *old.shape[1:]), empty, old.dtype)
        values[to] = new[found]
        mask = stays.reshape(stays.shape + (1,) * (old.ndim - 2))
        values[had] = np.where(mask, old, values[had])
        return values

    def kept(old: FloatArray) -> FloatArray:
        values = np.full((len(frames), *old.shape[1:]), np.nan)
        values[had] = old
        return values

    places = merged(xy, track.xy, np.nan)
    return replace(
        track,
        frames=frames,
        xy=places,
        visibility=merged(visibility, track.visibility, 0),
        score=merged(score, track.score, np.nan),
        source=merged(source, track.source, Source.NONE),
        origin=merged(origin, track.origin, NONE),
        boxes=_boxes(track, stays, frames, places),
        head_boxes=kept(track.head_boxes),
        person_score=kept(track.person_score),
    )


def _in_picture(xy: FloatArray, video: _Frame) -> FloatArray:
    """Points (F, K, 2) just outside the picture moved onto its border; those farther out become NaN."""
    corner = np.array([video.width, video.height]) - 1.0
    inside = np.clip(xy, 0.0, corner)
    near = np.abs(inside - xy).max(axis=2, keepdims=True) <= _BORDER * np.linalg.norm(corner)
    return np.where(near, inside, np.nan)


def boxes_given(track: Track) -> NDArray[np.bool_]:
    """(F,) where somebody, or a network, gave a box: where propagation made the pose, or corrections alone stand in its
    place, it made the box, too."""
    boxed: NDArray[np.bool_] = np.isfinite(track.boxes[:, 0])
    given: NDArray[np.bool_] = boxed & ~_of(track, Source.PROPAGATED, Source.CORRECTED)
    for old in track.replaced:
        row = track.at(old.frame)
        if row is not None and old.source not in (Source.NONE, Source.PROPAGATED, Source.CORRECTED):
            given[row] = boxed[row]
    return given


def _of(track: Track, *sources: Source) -> NDArray[np.bool_]:
    """(F,) where there are keypoints, all of these sources."""
    labelled = track.labelled
    others = labelled & ~np.isin(track.source, sources)
    only: NDArray[np.bool_] = np.logical_and(labelled.any(axis=1), ~others.any(axis=1))
    return only


def _boxes(track: Track, stays: NDArray[np.bool_], frames: IntArray, xy: FloatArray) -> FloatArray:
    """(F, 4) given boxes as they are; between them the keypoints' own box with the given boxes' margins.

    A person's box is larger than the box of the keypoints; by how much changes little from frame to frame. It is
    measured around all keypoints of the frame where the box holds them all, as a person's does, and so does one that an
    earlier propagation made. A box that does not is one of the keypoints that its giver saw: those that stay in its
    frame (a mask like `track.xy`'s), not those that were found there since.
    """
    boxes = np.full((len(frames), 4), np.nan)
    rows = np.flatnonzero(boxes_given(track))
    boxes[np.searchsorted(frames, track.frames[rows])] = track.boxes[rows]
    own = extents(xy)
    seen = extents(np.where(stays[..., None], track.xy, np.nan))
    rows = rows[np.isfinite(seen[rows, 0])]
    if len(rows) == 0:
        return boxes
    given, around = track.boxes[rows], own[np.searchsorted(frames, track.frames[rows])]
    holds = ((given[:, :2] <= around[:, :2]) & (given[:, 2:] >= around[:, 2:])).all(axis=1)
    margins = given - np.where(holds[:, None], around, seen[rows])
    missing = np.isnan(boxes[:, 0]) & np.isfinite(own[:, 0])
    for side in range(4):
        boxes[missing, side] = own[missing, side] + np.interp(frames[missing], track.frames[rows], margins[:, side])
    return boxes
