"""Points outside the picture."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pwarp.skeleton import Skeleton
from pwarp.trust.course import Course, runs
from pwarp.trust.findings import Finding, sureness

_HALF = 0.5  # pixel centres are whole numbers: the picture ends half a pixel beyond the last one
_THRESHOLD = 0.5  # pixels beyond the border that are as likely a rounding as a mistake


def outside(course: Course, skeleton: Skeleton, width: int, height: int) -> Iterator[Finding]:
    """Findings of kind outside in a track; runs of frames in which a keypoint is outside are one finding."""
    size = np.array([width, height])
    with np.errstate(invalid="ignore"):
        beyond = np.maximum(-_HALF - course.xy, course.xy - (size - _HALF)).max(axis=2)
    marked = np.nan_to_num(beyond, nan=-1.0) > 0
    for k in range(len(skeleton)):
        for first, last in runs(marked[:, k]):
            far = float(beyond[first : last + 1, k].max())
            why = f"{skeleton.keypoints[k]} is up to {far:.1f} px outside the picture of {width}x{height}"
            span = int(course.frames[first]), int(course.frames[last])
            yield Finding("outside", course.track.id, *span, (k,), why, sureness(far, _THRESHOLD))
