"""Limbs that break: distances of neighbouring keypoints that no body of this size can have.

A limb may look short, where it points at the camera, but hardly longer than it is. So only long limbs are suspicious,
and how long a limb is shows in the other side's, too.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from scipy.sparse.csgraph import minimum_spanning_tree

from pwarp.annotations import FloatArray
from pwarp.skeleton import Edge, Skeleton
from pwarp.trust.course import Course, runs, spread
from pwarp.trust.findings import Finding, sureness

_LEAST_FRAMES = 5
_UPPER = 80  # percentile of a limb's lengths that is taken for its true length
_TIMES = 2.0  # times this length
_SPREADS = 6.0  # and so many spreads beyond it
_LEAST = 0.12  # body sizes beyond it


def limbs_of(course: Course, skeleton: Skeleton) -> tuple[Edge, ...]:
    """The skeleton's edges; without any, the tree of shortest median distances between its keypoints."""
    if skeleton.edges:
        return tuple(sorted({(min(e), max(e)) for e in skeleton.edges if e[0] != e[1]}))
    xy = course.xy / course.size[:, None, None]
    middle = np.zeros((len(skeleton), len(skeleton)))
    for a in range(len(skeleton)):  # one after another, for all at once are F x K x K numbers
        away = np.linalg.norm(xy[:, a, None] - xy[:, a + 1 :], axis=2)
        ever = np.isfinite(away).any(axis=0)
        middle[a, a + 1 :][ever] = np.nanmedian(away[:, ever], axis=0) + 1e-9  # scipy takes 0 for no edge
    middle += middle.T
    tree = minimum_spanning_tree(middle).tocoo()
    return tuple(sorted((int(min(a, b)), int(max(a, b))) for a, b in zip(tree.row, tree.col, strict=True)))


@dataclass
class _Break:
    """Limbs that break together. rows: first and last; limbs: (rows, limb, times its usual length, and its limit)."""

    first: int
    last: int
    limbs: list[tuple[int, Edge, float, float]]

    def takes(self, first: int, edge: Edge) -> bool:
        """Whether a limb that breaks from a row on belongs here: at the same time, with a keypoint in common."""
        return first <= self.last and any(set(edge) & set(other) for _, other, _, _ in self.limbs)


def breaks(course: Course, skeleton: Skeleton) -> list[Finding]:
    """Findings of kind limb in a track."""
    lengths = {edge: _length(course, edge) for edge in limbs_of(course, skeleton)}
    found = []
    for (a, b), length in lengths.items():
        known = np.isfinite(length)
        if known.sum() < _LEAST_FRAMES:
            continue
        usual = max(_usual(length), _usual(_length(course, _mirrored((a, b), skeleton))))
        beyond = spread(np.abs(length[known] - np.median(length[known])))
        limit = max(_TIMES * usual, usual + _SPREADS * beyond, usual + _LEAST)
        for first, last in runs(np.nan_to_num(length) > limit):
            worst = float(np.nanmax(length[first : last + 1]))
            found.append((first, last, (a, b), worst / max(usual, 1e-9), worst / limit))
    together: list[_Break] = []
    for first, last, edge, times, strength in sorted(found):
        limb = last - first + 1, edge, times, strength
        group = next((g for g in together if g.takes(first, edge)), None)
        if group is None:
            together.append(_Break(first, last, [limb]))
        else:
            group.last = max(group.last, last)
            group.limbs.append(limb)
    return [_finding(course, skeleton, group) for group in together]


def _length(course: Course, edge: Edge) -> FloatArray:
    """(F,) a limb's length in body sizes, NaN where an end is unlabelled."""
    a, b = edge
    length: FloatArray = np.linalg.norm(course.xy[:, a] - course.xy[:, b], axis=1) / course.size
    return length


def _usual(length: FloatArray) -> float:
    known = length[np.isfinite(length)]
    return float(np.percentile(known, _UPPER)) if len(known) >= _LEAST_FRAMES else 0.0


def _mirrored(edge: Edge, skeleton: Skeleton) -> Edge:
    """The same limb of the other side: an arm that points at the camera throughout is as long as the other one."""
    other = dict(skeleton.flip_pairs) | {b: a for a, b in skeleton.flip_pairs}
    return other.get(edge[0], edge[0]), other.get(edge[1], edge[1])


def _finding(course: Course, skeleton: Skeleton, group: _Break) -> Finding:
    """One finding for limbs that break together; the keypoint that breaks them for longest is to blame."""
    ends: Counter[int] = Counter()
    for rows, edge, _, _ in group.limbs:
        ends.update(dict.fromkeys(edge, rows))
    blamed = tuple(sorted(k for k, rows in ends.items() if rows == max(ends.values())))
    _, edge, times, strength = max(group.limbs, key=lambda limb: limb[3])
    a, b = (skeleton.keypoints[k] for k in edge)
    mirrored = ", of its other side, too" if set(_mirrored(edge, skeleton)) != set(edge) else ""
    why = f"{a} to {b} is {times:.1f} times as long as in most frames of this track{mirrored}"
    others = len({limb[1] for limb in group.limbs} - {edge})
    if others:
        why += f", and {others} other limb{'s' if others > 1 else ''} with it"
    first, last = (int(course.frames[row]) for row in (group.first, group.last))
    return Finding("limb", course.track.id, first, last, blamed, why, sureness(strength, 1.0))
