"""Poses for all boxes of a video, as annotations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pwarp.annotations import Annotations, FloatArray, Source, Track
from pwarp.errors import PwarpError
from pwarp.estimation.base import Crops, Estimator
from pwarp.estimation.poses import BATCH, cut_out, read_crops
from pwarp.skeleton import Skeleton

if TYPE_CHECKING:
    from pwarp.video import Video

Place = tuple[int, int]  # index of a track, row in it


def _nobody(_frames: int) -> None:
    """Nobody listens to the progress."""


def estimate(
    video: Video,
    boxes: Annotations,
    estimator: Estimator,
    *,
    flip: bool = False,
    min_score: float = 0.0,
    batch: int = BATCH,
    started: Callable[[int], None] = _nobody,
    advance: Callable[[int], None] = _nobody,
) -> Annotations:
    """The annotations with the estimator's keypoints in every box that shows some of the picture.

    Keypoints that a person set stay bit for bit, and their skeleton with them: the estimator then fills its other
    keypoints by name. Where nobody set any, the result has the estimator's skeleton, and keypoints of other origin make
    room. Estimated keypoints have source DETECTED, a score, and visibility 2, or 1 where they lie outside the
    picture; those that score 0, or less than min_score, are unlabelled. Frames without a box stay as they are, and so
    do frames where the track is marked absent. The video is read once, forward; at least `batch` crops go to
    the network at a time where there are so many.

    started: told how many frames have boxes; advance: told how many more are done. Raises PwarpError where there is
    no box at all, or where a person's keypoints and the estimator's have no name in common.
    """
    skeleton, known, there = _meeting(boxes, estimator)
    todo = [usable_boxes(track, video.width, video.height) for track in boxes.tracks]
    if not any(rows.any() for rows in todo):
        raise PwarpError(f"no box to look into in {len(boxes.tracks)} tracks; 'pwarp detect' finds boxes")
    estimates = [_Estimates(len(track), len(skeleton)) for track in boxes.tracks]
    places: dict[int, list[Place]] = {}
    for t, (track, rows) in enumerate(zip(boxes.tracks, todo, strict=True)):
        for at in np.flatnonzero(rows).tolist():
            places.setdefault(int(track.frames[at]), []).append((t, at))
    started(len(places))
    for group, crops, matrices in _crops(video, boxes, places, estimator, batch, advance):
        xy, score = read_crops(estimator, crops, matrices, flip=flip)
        for i, (t, row) in enumerate(group):
            estimates[t].xy[row, there], estimates[t].score[row, there] = xy[i, known], score[i, known]
    fresh = skeleton is not boxes.skeleton
    tracks = tuple(
        _filled(_bare(track, len(skeleton)) if fresh else track, found, rows, there, min_score, video)
        for track, found, rows in zip(boxes.tracks, estimates, todo, strict=True)
    )
    return replace(boxes, skeleton=skeleton, tracks=tracks, video=replace(video.identity, path=boxes.video.path))


def usable_boxes(track: Track, width: int, height: int) -> NDArray[np.bool_]:
    """(F,) whether a track's box is there, shows some of a picture of that size, and the track is not marked absent."""
    x1, y1, x2, y2 = track.boxes.T
    shows = (x2 > x1) & (y2 > y1) & (x2 > 0) & (y2 > 0) & (x1 < width - 1) & (y1 < height - 1)  # false for NaN
    usable: NDArray[np.bool_] = shows & np.isfinite(track.boxes).all(axis=1) & track.present_at(track.frames)
    return usable


class _Estimates:
    """xy (F, K, 2) and score (F, K) of a track, NaN where nothing was estimated."""

    def __init__(self, frames: int, keypoints: int) -> None:
        self.xy, self.score = np.full((frames, keypoints, 2), np.nan), np.full((frames, keypoints), np.nan)


def _meeting(boxes: Annotations, estimator: Estimator) -> tuple[Skeleton, list[int], list[int]]:
    """The skeleton of the result; the estimator's keypoints that it has, and where."""
    ours = estimator.skeleton
    everything = list(range(len(ours)))
    if ours.keypoints == boxes.skeleton.keypoints:
        return boxes.skeleton, everything, everything
    if not any(track.by_person.any() for track in boxes.tracks):
        return ours, everything, everything
    names = boxes.skeleton.keypoints
    known = [i for i, name in enumerate(ours.keypoints) if name in names]
    if not known:
        raise PwarpError(
            f"the labels' skeleton '{boxes.skeleton.name}' has no keypoint of '{ours.name}', which {estimator.name} "
            "finds; give an estimator of this skeleton"
        )
    return boxes.skeleton, known, [names.index(ours.keypoints[i]) for i in known]


def _crops(
    video: Video,
    boxes: Annotations,
    places: dict[int, list[Place]],
    estimator: Estimator,
    batch: int,
    advance: Callable[[int], None],
) -> Iterator[tuple[list[Place], Crops, FloatArray]]:
    """At most `batch` crops at a time, in the order of the frames, with their maps."""
    waiting: list[tuple[Place, Crops, FloatArray]] = []
    done = 0
    for frame, picture in video.frames(min(places), max(places) + 1):
        for t, row in places.get(frame, ()):
            waiting.append(((t, row), *cut_out(estimator, picture, boxes.tracks[t].boxes[row])))
        done += frame in places
        while len(waiting) >= batch:
            yield _stacked(waiting[:batch])
            del waiting[:batch]
        if not waiting:
            advance(done)
            done = 0
    if waiting:
        yield _stacked(waiting)
    advance(done)


def _stacked(waiting: list[tuple[Place, Crops, FloatArray]]) -> tuple[list[Place], Crops, FloatArray]:
    group, crops, matrices = zip(*waiting, strict=True)
    return list(group), np.stack(crops), np.stack(matrices)


def _bare(track: Track, keypoints: int) -> Track:
    """A track of another skeleton without any keypoint."""
    return Track.make(
        track.id,
        track.frames,
        np.full((len(track), keypoints, 2), np.nan),
        boxes=track.boxes,
        head_boxes=track.head_boxes,
        person_score=track.person_score,
        absent=[(int(first), int(last)) for first, last in track.absent],
        identified=track.identified,
    )


def _filled(
    track: Track, found: _Estimates, rows: NDArray[np.bool_], there: list[int], min_score: float, video: Video
) -> Track:
    """A track with estimates in some rows and keypoints, except where a person set the keypoint."""
    replaced = rows[:, None] & np.isin(np.arange(track.xy.shape[1]), there) & ~track.by_person
    sure = replaced & (found.score > 0) & (found.score >= min_score)
    x, y = found.xy[..., 0], found.xy[..., 1]
    inside = (x > -0.5) & (x < video.width - 0.5) & (y > -0.5) & (y < video.height - 0.5)
    made = np.where(sure, np.where(inside, 2, 1), 0)
    return replace(
        track,
        xy=np.where(replaced[..., None], np.where(sure[..., None], found.xy, np.nan), track.xy),
        visibility=np.where(replaced, made, track.visibility),
        score=np.where(replaced, np.where(sure, found.score, np.nan), track.score),
        source=np.where(replaced, np.where(sure, Source.DETECTED, Source.NONE), track.source),
        origin=np.where(replaced[..., None], -1, track.origin),
    )
