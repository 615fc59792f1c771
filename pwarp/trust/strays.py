"""Keypoints that lie aside for longer than a jump: they step away at once, and as far back after a while.

A tracker that has lost an elbow to the background does so, and a person who dragged the wrong point. Between the two
steps nothing need look wrong: no limb too long, no place that jumps.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import median_filter

from pwarp.annotations import FloatArray, IntArray
from pwarp.skeleton import Skeleton
from pwarp.trust.course import NORMAL, Course, spread
from pwarp.trust.findings import Finding, sureness

_SHORTEST = 2  # labelled frames; in one alone both steps are one jump
_LONGEST = 30  # labelled frames; what lies elsewhere for longer may be right
_LEAST_FRAMES = 8
_AROUND = 15  # steps: motion that is fast throughout these is motion
_TIMES = 8.0  # times the usual deviation of a step from those beside it, ever or around
_LEAST = 0.2  # body sizes
_FLOOR = 0.006  # body sizes: the accuracy of careful labels
_OPPOSITE = 0.5  # of the smaller step: so much may the way back differ from the way there
_WITHIN = 5  # keypoints from which on the pose's own motion is known


def strays(course: Course, skeleton: Skeleton) -> list[Finding]:
    """Findings of kind jump in a track, of 2 to 30 labelled frames."""
    moved = _motion(course)
    return [f for k in range(len(skeleton)) for f in _strays_of(course, skeleton, k, moved)]


def _motion(course: Course) -> FloatArray:
    """(F, 2) how far the whole pose has moved since the first frame: the sum of its keypoints' median steps."""
    path = np.zeros((len(course.frames), 2))
    steps = np.diff(course.xy, axis=0)
    known = np.isfinite(steps[..., 0]).sum(axis=1) >= _WITHIN
    path[1:][known] = np.nanmedian(steps[known], axis=1)
    return np.cumsum(path, axis=0)


def _strays_of(course: Course, skeleton: Skeleton, k: int, moved: FloatArray) -> list[Finding]:
    rows = np.flatnonzero(course.track.labelled[:, k])
    if len(rows) < _LEAST_FRAMES:
        return []
    place = (course.xy[rows, k] - moved[rows]) / course.size[rows, None]
    extra = _unsteady(place, course.frames[rows])
    amount = np.linalg.norm(extra, axis=1)
    around = NORMAL * median_filter(amount, size=_AROUND, mode="reflect")
    limit = np.maximum(_LEAST, _TIMES * np.maximum(around, max(spread(amount), _FLOOR)))
    found, free = [], 0
    big = np.flatnonzero(amount > limit).tolist()
    for i, out in enumerate(big):
        if out < free:
            continue
        for back in big[i + 1 :]:
            length = back - out
            least = float(min(amount[out], amount[back]))
            if length > _LONGEST:
                break
            if length < _SHORTEST or np.linalg.norm(extra[out] + extra[back]) > _OPPOSITE * least:
                continue
            first, last = rows[out + 1], rows[back]
            strength = float(min(amount[out] / limit[out], amount[back] / limit[back]))
            why = (
                f"{skeleton.keypoints[k]} steps {least * course.size[first]:.0f} px ({least:.2f} body sizes) aside in "
                f"one frame, and {length} frames later back again"
            )
            span = int(course.frames[first]), int(course.frames[last])
            found.append(Finding("jump", course.track.id, *span, (k,), why, sureness(strength, 1.0)))
            free = back + 1
            break
    return found


def _unsteady(place: FloatArray, frames: IntArray) -> FloatArray:
    """(N - 1, 2) what is in each step between places (N, 2) that is not in the median of the two before and after."""
    gap = np.diff(frames).astype(float)[:, None]
    pace = np.diff(place, axis=0) / gap
    padded = np.pad(pace, ((2, 2), (0, 0)), mode="reflect")
    count = len(pace)
    beside = np.median(np.stack([padded[i : i + count] for i in (0, 1, 3, 4)]), axis=0)
    result: FloatArray = (pace - beside) * gap
    return result
