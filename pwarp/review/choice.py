"""Which frames stand for a video on a contact sheet."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pwarp.annotations import FloatArray, IntArray, Track
from pwarp.confidence import least_sure, pose_scores
from pwarp.errors import PwarpError
from pwarp.review.options import key_frames


def row_confidence(track: Track, start: int, stop: int) -> FloatArray:
    """(stop - start,) for each frame the mean score of the track's keypoints (see `pose_scores`), clipped to 0..1; 1
    where a person set all of them or nobody scored them; NaN where nothing is labelled."""
    rows = slice(*np.searchsorted(track.frames, (start, stop)).tolist())
    score = pose_scores(track, rows)
    taken = np.where(np.isnan(score), 1.0, np.clip(score, 0, 1))
    confidence: FloatArray = np.full(stop - start, np.nan)
    confidence[track.frames[rows] - start] = np.where(track.labelled[rows].any(axis=1), taken, np.nan)
    return confidence


def spread_frames(tracks: Sequence[Track], start: int, stop: int, count: int) -> list[int]:
    """Up to `count` labelled frames spread evenly over those of start..stop-1, first and last included; of frames with
    boxes where none is labelled, and of all where there are none.

    A key frame within a third of the spacing comes first, so that a sheet shows both key frames and what was made
    between them.
    """
    labelled = _frames([t.frames[t.labelled.any(axis=1)] for t in tracks], start, stop)
    if len(labelled) == 0:
        labelled = _frames([t.frames[np.isfinite(t.boxes).all(axis=1)] for t in tracks], start, stop)
    if len(labelled) == 0:
        labelled = np.arange(start, stop)
    if len(labelled) <= count:
        return [int(frame) for frame in labelled]
    even = np.linspace(labelled[0], labelled[-1], count)
    chosen = _nearest(labelled, even)
    keys = np.intersect1d(key_frames(tracks), labelled)
    if len(keys) and count > 1:
        nearest = _nearest(keys, even)
        chosen = np.where(np.abs(nearest - even) <= (even[1] - even[0]) / 3, nearest, chosen)
    return [int(frame) for frame in np.unique(chosen)]


def _frames(parts: Sequence[IntArray], start: int, stop: int) -> IntArray:
    """The frames of several parts within start..stop-1, rising."""
    frames = np.unique(np.concatenate(parts or [np.arange(0)]))
    return frames[(frames >= start) & (frames < stop)]


def _nearest(frames: IntArray, places: FloatArray) -> IntArray:
    """(P,) for each place the nearest of some frames."""
    nearest: IntArray = frames[np.abs(places[:, None] - frames[None]).argmin(axis=1)]
    return nearest


def least_sure_frames(tracks: Sequence[Track], start: int, stop: int, count: int) -> list[int]:
    """Up to `count` frames of start..stop-1 where the least sure person is least sure, worst first and apart.

    Raises PwarpError where no computed keypoint has a score.
    """
    worst: FloatArray = np.full(stop - start, np.inf)
    for track in tracks:
        worst = np.fmin(worst, row_confidence(track, start, stop))
    doubtful = np.flatnonzero(worst < 1)
    if len(doubtful) == 0:
        raise PwarpError("--worst needs computed keypoints with scores, and there are none; leave it out")
    return least_sure(start + doubtful, worst[doubtful], stop - start, count)


def people_extent(tracks: Sequence[Track], frame: int) -> FloatArray | None:
    """(4,) the box x1, y1, x2, y2 around everybody's keypoints and boxes in a frame, in video pixels, or None."""
    corners: list[FloatArray] = []
    for track in tracks:
        row = track.at(frame)
        if row is not None:
            corners += [track.xy[row][track.visibility[row] > 0], track.boxes[row].reshape(2, 2)]
    points = np.concatenate(corners or [np.empty((0, 2))])
    points = points[np.isfinite(points).all(axis=1)]
    return np.concatenate([points.min(axis=0), points.max(axis=0)]) if len(points) else None
