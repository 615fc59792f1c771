"""What an estimator finds in boxes, put into annotations beside what people labelled."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pwarp.annotations import Annotations, FloatArray, Source, Track
from pwarp.errors import PwarpError
from pwarp.skeleton import Skeleton

if TYPE_CHECKING:
    from pwarp.video import Video


class Filling:
    """Annotations on their way to being filled with the keypoints of an estimator, box by box.

    Keypoints that a person set stay bit for bit, and their skeleton with them: the estimator then fills its other
    keypoints by name. Where nobody set any, the result has the estimator's skeleton, and keypoints of other origin make
    room in all boxes that show some of the picture (`usable_boxes`); elsewhere those stay that the estimator has a
    name for (`left_behind` counts the others). All else stays as it is, and what a person took away stays away.

    Raises PwarpError where there is no box at all, or where a person's keypoints and the estimator's have no name in
    common.
    """

    def __init__(self, boxes: Annotations, known: Skeleton, name: str, video: Video) -> None:
        self._boxes, self._video = boxes, video
        self._skeleton, self._known, self._there = _meeting(boxes, known, name)
        usable = [usable_boxes(track, video.width, video.height) for track in boxes.tracks]
        # Nobody detected is a result like any other; people without boxes are a mistake.
        if boxes.tracks and not any(rows.any() for rows in usable):
            count = len(boxes.tracks)
            if any(np.isfinite(track.boxes).all(axis=1).any() for track in boxes.tracks):
                raise PwarpError(f"no box of {count} tracks has a part in the picture; are they pixels of this video?")
            raise PwarpError(f"no box to look into in {count} tracks; 'pwarp detect' finds boxes")
        self._given = boxes.tracks
        if self._skeleton is not boxes.skeleton:
            self._given = tuple(renamed(track, boxes.skeleton, self._skeleton) for track in boxes.tracks)
        self._anew = [_fillable(*one, self._there) for one in zip(self._given, usable, strict=True)]
        self._found = [_Estimates(len(track), len(self._skeleton)) for track in boxes.tracks]

    @property
    def wanted(self) -> list[NDArray[np.bool_]]:
        """(F,) of each track, whether the estimator has anything to fill there: in the other boxes that it can look
        into, a person set or took away every keypoint that it knows."""
        return [np.asarray(anew.any(axis=1)) for anew in self._anew]

    def take(self, track: int, row: int, xy: FloatArray, score: FloatArray) -> None:
        """xy (C, 2) picture pixels and score (C,) of the estimator's keypoints in a row of the track of that number."""
        found = self._found[track]
        found.xy[row, self._there], found.score[row, self._there] = xy[self._known], score[self._known]

    def annotations(self, min_score: float) -> Annotations:
        """The result; keypoints that score 0, or less than min_score, are unlabelled."""
        tracks = tuple(
            _filled(track, found, anew, min_score, self._video)
            for track, found, anew in zip(self._given, self._found, self._anew, strict=True)
        )
        video = replace(self._video.identity, path=self._boxes.video.path)
        return replace(self._boxes, skeleton=self._skeleton, tracks=tracks, video=video)


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


def _meeting(boxes: Annotations, ours: Skeleton, name: str) -> tuple[Skeleton, list[int], list[int]]:
    """The skeleton of the result; the estimator's keypoints that it has, and where."""
    everything = list(range(len(ours)))
    if ours.keypoints == boxes.skeleton.keypoints:
        return boxes.skeleton, everything, everything
    if not any(track.by_person.any() for track in boxes.tracks):
        return ours, everything, everything
    names = boxes.skeleton.keypoints
    known = [i for i, name in enumerate(ours.keypoints) if name in names]
    if not known:
        raise PwarpError(
            f"the labels' skeleton '{boxes.skeleton.name}' has no keypoint of '{ours.name}', which {name} "
            "finds; give an estimator of this skeleton"
        )
    return boxes.skeleton, known, [names.index(ours.keypoints[i]) for i in known]


def inside(xy: FloatArray, video: Video) -> NDArray[np.bool_]:
    """(...) whether keypoints xy (..., 2) lie in the video's picture."""
    x, y = xy[..., 0], xy[..., 1]
    found: NDArray[np.bool_] = (x > -0.5) & (x < video.width - 0.5) & (y > -0.5) & (y < video.height - 0.5)
    return found


def left_behind(boxes: Annotations, poses: Annotations, width: int, height: int) -> int:
    """How many keypoints outside of `usable_boxes` went, since the skeleton of the poses does not have them."""
    gone = ~np.isin(boxes.skeleton.keypoints, poses.skeleton.keypoints)
    return sum(int((t.labelled & gone)[~usable_boxes(t, width, height)].sum()) for t in boxes.tracks)


def renamed(track: Track, theirs: Skeleton, ours: Skeleton) -> Track:
    """A track of their skeleton in ours: keypoints by name, the others unlabelled."""
    at = np.array([theirs.keypoints.index(n) if n in theirs.keypoints else -1 for n in ours.keypoints])
    has = (at >= 0)[None, :]
    return replace(
        track,
        xy=np.where(has[..., None], track.xy[:, at], np.nan),
        visibility=np.where(has, track.visibility[:, at], 0),
        score=np.where(has, track.score[:, at], np.nan),
        source=np.where(has, track.source[:, at], Source.NONE),
        origin=np.where(has[..., None], track.origin[:, at], -1),
        replaced=tuple(
            replace(old, keypoint=ours.keypoints.index(theirs.keypoints[old.keypoint]))
            for old in track.replaced
            if theirs.keypoints[old.keypoint] in ours.keypoints
        ),
    )


def bare(track: Track, keypoints: int) -> Track:
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


def _fillable(track: Track, rows: NDArray[np.bool_], there: list[int]) -> NDArray[np.bool_]:
    """(F, K) of a track, the keypoints `there` in some rows, except those that a person set or took away."""
    known = np.isin(np.arange(track.xy.shape[1]), there)
    open_ones: NDArray[np.bool_] = rows[:, None] & known & ~track.by_person & ~track.taken_away
    return open_ones


def _filled(track: Track, found: _Estimates, anew: NDArray[np.bool_], min_score: float, video: Video) -> Track:
    """A track with estimates where `anew` (F, K) is set."""
    sure = anew & (found.score > 0) & (found.score >= min_score)
    made = np.where(sure, np.where(inside(found.xy, video), 2, 1), 0)
    return replace(
        track,
        xy=np.where(anew[..., None], np.where(sure[..., None], found.xy, np.nan), track.xy),
        visibility=np.where(anew, made, track.visibility),
        score=np.where(anew, np.where(sure, found.score, np.nan), track.score),
        source=np.where(anew, np.where(sure, Source.DETECTED, Source.NONE), track.source),
        origin=np.where(anew[..., None], -1, track.origin),
    )
