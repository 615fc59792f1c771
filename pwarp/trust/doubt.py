"""How wrong each propagated keypoint is expected to be, and how that falls when a key frame comes near.

The doubt of a keypoint is a number m >= 0; the chance that it is right is taken for exp(-m). Engines that look at
pictures say it themselves: m = -log(score). The scores of engines that look at labels alone fall with the distance to
the key frames and say nothing else; there m is an expected error, from how the keypoint moves between the key frames:

    error = 0.8 * bend (f - a)(b - f) / 2 + (0.4 * speed + 0.002 D) (f - a)(b - f) / (b - a)

for a frame f between the key frames a and b, with the speed in this gap and the bend, the change of speed towards the
gaps next to it, and the person's size D. Fitted to linear interpolation of 80 of Penn Action's label files (4, 6 and 9
key frames a video): rank correlation with the true error 0.74, that of the distance alone 0.40.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pwarp.annotations import Annotations, FloatArray, IntArray, Track
from pwarp.propagation.plan import posed_frames
from pwarp.trust.course import Course
from pwarp.trust.hide import key_runs

_BEND, _SPEED, _ANY = 0.8, 0.4, 0.002
_RIGHT = 0.035  # body sizes: about a tenth of a torso; an error as large is a doubt of 1
_LEAST_SCORE = 1e-3
_SAME = 1e-6  # scores that are nearer than this are equal


@dataclass(frozen=True, eq=False)
class Doubt:
    """One track's doubts. frames: (F,) that were propagated, or passed over between two key frames, and in which a
    person set nothing. m: (F, K), 0 where there is no keypoint, nor should be. keys: (N,) frames in which a person set
    anything: what is still propagated there, they saw. absent: (A, 2) first and last frames of the track's absences.
    """

    track: int
    frames: IntArray
    m: FloatArray
    keys: IntArray
    absent: IntArray

    def stretches(self) -> list[Doubt]:
        """The doubts of each stretch of frames in which the person is there, by itself.

        One without any key frame of its own keeps those of the track.
        """
        parts = [np.searchsorted(self.absent[:, 0], frames) for frames in (self.frames, self.keys)]
        found = []
        for part in np.unique(parts[0]):
            mine, keys = parts[0] == part, self.keys[parts[1] == part]
            found.append(replace(self, frames=self.frames[mine], m=self.m[mine], keys=keys if len(keys) else self.keys))
        return found or [self]


def doubts(annotations: Annotations) -> list[Doubt]:
    """The doubts of every track with key frames, in their order; none where no track was propagated."""
    tracks = [track for track in annotations.tracks if track.by_person.any()]
    if not any(_propagated(track).any() for track in tracks):
        return []
    by_motion = not scores_tell(annotations)
    return [_doubt(track, by_motion=by_motion) for track in tracks]


def scores_tell(annotations: Annotations) -> bool:
    """Whether scores say more than how far the next key frame is: keypoints equally far from it differ in them."""
    far, score = [], []
    for track in annotations.tracks:
        row, k = np.nonzero(_propagated(track) & (track.origin >= 0).any(axis=2) & np.isfinite(track.score))
        origin = track.origin[row, k]
        away = np.where(origin < 0, np.iinfo(np.int64).max, np.abs(origin - track.frames[row, None]))
        far.append(away.min(axis=1))
        score.append(track.score[row, k])
    if not far or not sum(map(len, far)):
        return False
    _, group = np.unique(np.concatenate(far), return_inverse=True)
    values = np.concatenate(score)
    low, high = np.full(group.max() + 1, np.inf), np.full(group.max() + 1, -np.inf)
    np.minimum.at(low, group, values)
    np.maximum.at(high, group, values)
    return bool((high - low > _SAME).any())


def between(frames: FloatArray, before: FloatArray, after: FloatArray) -> FloatArray:
    """(f - a)(b - f) / (b - a): how doubt grows from key frame to key frame, as the variance of a random walk that is
    known at both ends. Infinite a or b: the distance to the other one."""
    past, coming = frames - before, after - frames
    with np.errstate(invalid="ignore"):
        both = past * coming / (past + coming)
    result: FloatArray = np.where(np.isinf(past), coming, np.where(np.isinf(coming), past, both))
    return result


def _propagated(track: Track) -> NDArray[np.bool_]:
    propagated: NDArray[np.bool_] = track.labelled & ~track.by_person
    return propagated


def _doubt(track: Track, *, by_motion: bool) -> Doubt:
    open_ = _propagated(track)
    rows = np.flatnonzero(open_.any(axis=1) & ~track.by_person.any(axis=1))
    if by_motion:
        m = _error(track, rows, posed_frames(track)) / _RIGHT
    else:
        score = np.nan_to_num(track.score[rows], nan=1.0)
        m = -np.log(np.clip(score, _LEAST_SCORE, 1.0))
    passed, missing = _passed_over(track)
    frames = np.union1d(track.frames[rows], passed)
    every = np.zeros((len(frames), track.xy.shape[1]))
    every[np.searchsorted(frames, track.frames[rows])] = np.where(open_[rows], m, 0.0)
    every[np.searchsorted(frames, passed)] += missing * -np.log(_LEAST_SCORE)
    return Doubt(track.id, frames, every, track.key_frames, track.absent)


def _passed_over(track: Track) -> tuple[IntArray, NDArray[np.bool_]]:
    """Frames (P,) between two key frames in which a person set nothing, and (P, K) the keypoints that both of these
    have and the frame does not: the gap was too long for propagation, or they were not sure enough."""
    count = track.xy.shape[1]
    frames, missing = [np.empty(0, np.int64)], [np.empty((0, count), np.bool_)]
    for run in key_runs(track):
        for ends in pairwise(run.tolist()):
            wanted = track.labelled[np.searchsorted(track.frames, ends)].all(axis=0)
            inner = np.arange(ends[0] + 1, ends[1])
            lacks = np.tile(wanted, (len(inner), 1))
            rows = slice(*np.searchsorted(track.frames, [ends[0] + 1, ends[1]]))
            at = track.frames[rows] - inner[0] if len(inner) else inner
            lacks[at] &= ~track.labelled[rows]
            lacks[at[track.by_person[rows].any(axis=1)]] = False
            frames.append(inner[lacks.any(axis=1)])
            missing.append(lacks[lacks.any(axis=1)])
    passed, lacking = np.concatenate(frames), np.concatenate(missing)
    for old in track.replaced:  # what a person took away is not missing
        lacking[passed == old.frame, old.keypoint] = False
    some = lacking.any(axis=1)
    return passed[some], lacking[some]


def _error(track: Track, rows: IntArray, keys: IntArray) -> FloatArray:
    """(F, K) the expected error of interpolation at some rows, in body sizes."""
    at = np.searchsorted(track.frames, keys)
    course = Course(track)
    places = track.xy[at] / course.size[at, None, None]
    frames = track.frames[rows].astype(float)
    gap = np.searchsorted(keys, frames) - 1  # -1 and len(keys) - 1: beyond the first and the last
    ends = np.concatenate([[-np.inf], keys, [np.inf]])
    away = between(frames, ends[gap + 1], ends[gap + 2])[:, None]
    if len(keys) < 2:
        return np.broadcast_to(_ANY * away, (len(rows), places.shape[1])).copy()
    steps = np.diff(keys).astype(float)
    velocity = np.diff(places, axis=0) / steps[:, None, None]
    speed = np.nan_to_num(np.linalg.norm(velocity, axis=2))
    bend = np.zeros(speed.shape)
    if len(steps) > 1:
        turn = np.linalg.norm(np.diff(velocity, axis=0), axis=2) / ((steps[1:] + steps[:-1]) / 2)[:, None]
        known = np.isfinite(turn)
        count = np.pad(known, ((1, 0), (0, 0))).astype(int) + np.pad(known, ((0, 1), (0, 0)))
        total = np.pad(np.nan_to_num(turn), ((1, 0), (0, 0))) + np.pad(np.nan_to_num(turn), ((0, 1), (0, 0)))
        bend = total / np.maximum(count, 1)
    inner = np.clip(gap, 0, len(steps) - 1)
    inside = ((gap >= 0) & (gap < len(steps)))[:, None]
    curved = np.where(inside, bend[inner] * away * steps[inner][:, None] / 2, 0.0)
    error: FloatArray = _BEND * curved + (_SPEED * speed[inner] + _ANY) * away
    return error
