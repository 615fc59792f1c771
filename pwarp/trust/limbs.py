"""Limbs that break: distances of neighbouring keypoints that no body of this size can have.

A limb may look short, where it points at the camera, but hardly longer than it is. So only long limbs are suspicious.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
from scipy.sparse.csgraph import minimum_spanning_tree

from pwarp.skeleton import Edge, Skeleton
from pwarp.trust.course import Course, runs, spread
from pwarp.trust.findings import Finding, sureness

_LEAST_FRAMES = 5
_UPPER = 80  # percentile of a limb's lengths that is taken for its true length
_TIMES = 1.7  # times this length
_SPREADS = 6.0  # and so many spreads beyond it
_LEAST = 0.12  # body sizes beyond it


def limbs_of(course: Course, skeleton: Skeleton) -> tuple[Edge, ...]:
    """The skeleton's edges; without any, the tree of shortest median distances between its keypoints."""
    if skeleton.edges:
        return tuple(sorted({(min(e), max(e)) for e in skeleton.edges if e[0] != e[1]}))
    xy = course.xy / course.size[:, None, None]
    away = np.linalg.norm(xy[:, :, None] - xy[:, None], axis=3)
    ever = np.isfinite(away).any(axis=0)
    middle = np.zeros(ever.shape)
    middle[ever] = np.nanmedian(away[:, ever], axis=0) + 1e-9  # scipy takes 0 for no edge
    np.fill_diagonal(middle, 0)
    tree = minimum_spanning_tree(middle).tocoo()
    return tuple(sorted((int(min(a, b)), int(max(a, b))) for a, b in zip(tree.row, tree.col, strict=True)))


def breaks(course: Course, skeleton: Skeleton) -> list[Finding]:
    """Findings of kind limb in a track."""
    edges = limbs_of(course, skeleton)
    broken: dict[tuple[int, int], list[tuple[Edge, float, float]]] = {}
    for a, b in edges:
        length = np.linalg.norm(course.xy[:, a] - course.xy[:, b], axis=1) / course.size
        known = np.isfinite(length)
        if known.sum() < _LEAST_FRAMES:
            continue
        usual = float(np.percentile(length[known], _UPPER))
        beyond = spread(np.abs(length[known] - np.median(length[known])))
        limit = max(_TIMES * usual, usual + _SPREADS * beyond, usual + _LEAST)
        for first, last in runs(np.nan_to_num(length) > limit):
            worst = float(np.nanmax(length[first : last + 1]))
            broken.setdefault((first, last), []).append(((a, b), worst / max(usual, 1e-9), worst / limit))
    return [_finding(course, skeleton, span, limbs) for span, limbs in sorted(broken.items())]


def _finding(
    course: Course, skeleton: Skeleton, span: tuple[int, int], limbs: list[tuple[Edge, float, float]]
) -> Finding:
    """One finding for the limbs that break in the same frames; the keypoint that most of them share is to blame."""
    ends = Counter(k for edge, _, _ in limbs for k in edge)
    often = max(ends.values())
    blamed = tuple(sorted(k for k, count in ends.items() if count == often)) if often > 1 else limbs[0][0]
    edge, times, strength = max(limbs, key=lambda limb: limb[2])
    a, b = (skeleton.keypoints[k] for k in edge)
    why = f"{a} to {b} is {times:.1f} times as long as it ever is in this track"
    if len(limbs) > 1:
        why += f", and {len(limbs) - 1} other limb{'s' if len(limbs) > 2 else ''} with it"
    first, last = (int(course.frames[row]) for row in span)
    return Finding("limb", course.track.id, first, last, blamed, why, sureness(strength, 1.0))
