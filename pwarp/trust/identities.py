"""Tracks and people that do not go together: two people in one track, two tracks on one person."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np

from pwarp.annotations import FloatArray, IntArray, Track
from pwarp.trust.course import Course, runs, spread
from pwarp.trust.findings import Finding, sureness

_LEAST_FRAMES = 5
_TIMES = 8.0  # times the usual deviation of the whole pose from steady motion
_LEAST = 0.35  # body sizes: a smaller step is no other person
_FLOOR = 0.02
_TAKEN_OVER = 0.5  # of the step: so near another track has to be, for this to be its person
_SAME = 0.1  # body sizes that the keypoints of two tracks on one person lie apart, in the median
_SAME_AT_MOST = 0.3  # and the farthest but one
_LEAST_COMMON = 3  # keypoints


def changes(courses: Sequence[Course]) -> list[Finding]:
    """Findings of kind identity: a pose goes on somewhere else, in one step, and stays there."""
    return [finding for course in courses for finding in _changes_of(course, courses)]


def _changes_of(course: Course, others: Sequence[Course]) -> Iterator[Finding]:
    track, frames = course.track, course.frames
    rows = np.flatnonzero(track.labelled.sum(axis=1) >= min(_LEAST_COMMON, track.xy.shape[1]))
    if len(rows) < _LEAST_FRAMES:
        return
    size = np.sqrt(course.size[rows[1:]] * course.size[rows[:-1]])
    apart = _mean_steps(course, rows) / size
    usual = spread(apart)
    limit = max(_LEAST, _TIMES * max(usual, _FLOOR))
    for step in np.flatnonzero(apart > limit).tolist():
        nearby = apart[max(step - 3, 0) : step + 4]
        if apart[step] < nearby.max() or _returns(course, rows, step, float(apart[step])):
            continue
        before, after = int(rows[step]), int(rows[step + 1])
        strength = float(apart[step] / limit)
        why = f"the whole pose goes on {apart[step]:.1f} body sizes away, {apart[step] / max(usual, _FLOOR):.0f} times"
        why += " its usual step, and stays there"
        other = _taken_over(course, before, after, others)
        if other is not None:
            strength *= 2
            why += f": track {other} was there before"
        else:
            why += ": another person, or the picture cuts"
        last = int(frames[-1])
        yield Finding("identity", track.id, int(frames[after]), last, (), why, sureness(strength, 1.0), other)


def _mean_steps(course: Course, rows: IntArray) -> FloatArray:
    """(N - 1,) mean distance in pixels of the keypoints of successive rows from where steady motion puts them."""
    xy, frames = course.xy[rows], course.frames[rows].astype(float)
    steps = np.diff(xy, axis=0)
    centre = np.stack([_centre(step) for step in steps])
    pace = centre / np.diff(frames)[:, None]
    # Steady is as before, or as afterwards: a step to another person is neither.
    expected = np.stack([np.roll(pace, 1, axis=0), np.roll(pace, -1, axis=0), np.zeros_like(pace)])
    expected[0, 0] = expected[1, -1] = 0.0
    off = np.linalg.norm(steps[None] - (expected * np.diff(frames)[:, None])[:, :, None], axis=3)
    known = np.isfinite(off)
    count = known.sum(axis=2)
    mean = np.where(known, off, 0.0).sum(axis=2) / np.maximum(count, 1)
    result: FloatArray = np.where(count[0] > 0, mean.min(axis=0), 0.0)
    return result


def _centre(step: FloatArray) -> FloatArray:
    known = np.isfinite(step[:, 0])
    middle: FloatArray = np.median(step[known], axis=0) if known.any() else np.zeros(2)
    return middle


def _returns(course: Course, rows: IntArray, step: int, apart: float) -> bool:
    """Whether the pose is back within three rows after, or had come within three before: then it is a jump."""
    here, there = rows[max(step - 2, 0) : step + 1], rows[step + 1 : step + 4]
    nearest = np.inf
    for a in here:
        for b in there:
            if (a, b) == (rows[step], rows[step + 1]):
                continue
            away = np.linalg.norm(course.xy[a] - course.xy[b], axis=1)
            if np.isfinite(away).any():
                nearest = min(nearest, float(np.nanmean(away)) / float(course.size[a]))
    return nearest < apart / 3


def _taken_over(course: Course, before: int, after: int, others: Sequence[Course]) -> int | None:
    """The track that was, just before, where this one is just after; or is now where this one was."""
    size = float(course.size[after])
    step = _distance(course.xy[before], course.xy[after]) / size
    best: tuple[float, int] | None = None
    for other in others:
        if other.track.id == course.track.id:
            continue
        for frame, pose in ((course.frames[before], course.xy[after]), (course.frames[after], course.xy[before])):
            row = other.track.at(int(frame))
            if row is None:
                continue
            away = _distance(other.xy[row], pose) / size
            if away < _TAKEN_OVER * step and (best is None or away < best[0]):
                best = away, other.track.id
    return None if best is None else best[1]


def _distance(one: FloatArray, other: FloatArray) -> float:
    """Mean distance of two poses (K, 2) over their common keypoints; infinite without any."""
    away = np.linalg.norm(one - other, axis=1)
    known = np.isfinite(away)
    return float(away[known].mean()) if known.any() else float("inf")


def duplicates(courses: Sequence[Course]) -> list[Finding]:
    """Findings of kind duplicate: two tracks that lie on one another, in all keypoints that both have."""
    return [finding for a, b in _meeting(courses) for finding in _duplicates_of(courses[a], courses[b])]


def _meeting(courses: Sequence[Course]) -> list[tuple[int, int]]:
    """Which courses have a frame in common: few pairs of thousands of lone labels do."""
    by_frame: dict[int, list[int]] = {}
    for index, course in enumerate(courses):
        for frame in course.frames.tolist():
            by_frame.setdefault(frame, []).append(index)
    return sorted({pair for there in by_frame.values() for pair in combinations(there, 2)})


def _duplicates_of(one: Course, other: Course) -> Iterator[Finding]:
    frames, a, b = np.intersect1d(one.frames, other.frames, return_indices=True)
    if not len(frames):
        return
    away = np.linalg.norm(one.xy[a] - other.xy[b], axis=2) / np.minimum(one.size[a], other.size[b])[:, None]
    known = np.isfinite(away)
    enough = known.sum(axis=1) >= min(_LEAST_COMMON, away.shape[1])
    sorted_away = np.sort(np.where(known, away, np.inf), axis=1)
    count = np.maximum(known.sum(axis=1), 1)
    middle = sorted_away[np.arange(len(frames)), (count - 1) // 2]
    farthest = sorted_away[np.arange(len(frames)), np.maximum(count - 2, 0)]
    on_one = enough & (middle <= _SAME) & (farthest <= _SAME_AT_MOST)
    younger, elder = sorted((one, other), key=lambda course: (_importance(course.track), -course.track.id))
    for first, last in runs(on_one):
        apart = float(np.median(middle[first : last + 1]))
        length = last - first + 1
        why = (
            f"tracks {elder.track.id} and {younger.track.id} lie {100 * apart:.0f} % of a body apart in {length} "
            f"frame{'s' if length > 1 else ''}"
        )
        sure = sureness(_SAME / max(apart, _SAME / 50), 1.0)
        span = int(frames[first]), int(frames[last])
        yield Finding("duplicate", younger.track.id, *span, (), why, sure, elder.track.id)


def _importance(track: Track) -> tuple[int, int]:
    """What a person labelled counts most, then what is longer."""
    return int(track.by_person.sum()), len(track)
