"""Left and right that have traded places, for a while or for good.

Each pair of mirrored keypoints is a chain of frames in which it is as labelled or swapped. The cheapest course of such
states, by dynamic programming over pairs of successive states (Viterbi 1967), is the one in which both keypoints move
as steadily as they usually do; every change of state costs extra.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pwarp.annotations import FloatArray, IntArray
from pwarp.skeleton import Skeleton
from pwarp.trust.course import Course, runs, spread
from pwarp.trust.findings import Finding, sureness

_LEAST_FRAMES = 5
_CHANGE = 8.0  # what a change of state costs, in usual deviations from steady motion
_CAP = 12.0  # the most that one frame of one keypoint may say
_FLOOR = 0.015  # body sizes: the accuracy of careful labels
_APART = 0.06  # body sizes: a pair that is nearer together is not told apart


@dataclass(frozen=True)
class _Swap:
    """Rows first..last in which a pair is swapped; gain: what this saves, in changes. for_good: never changes back."""

    first: int
    last: int
    pair: tuple[int, int]
    gain: float
    for_good: bool


def swaps(course: Course, skeleton: Skeleton) -> list[Finding]:
    """Findings of kind swap in a track; pairs that are swapped in the same frames are one finding."""
    found = [swap for pair in sorted(set(skeleton.flip_pairs)) for swap in _swaps_of(course, pair)]
    together: dict[tuple[int, int], list[_Swap]] = {}
    for swap in found:
        together.setdefault((swap.first, swap.last), []).append(swap)
    return [_finding(course, skeleton, group) for _, group in sorted(together.items())]


def undone(course: Course, skeleton: Skeleton, found: Sequence[Finding]) -> Course:
    """The course with swaps that were found put right, so that nothing else is made of them."""
    track = course.track
    column = np.tile(np.arange(len(skeleton)), (len(track), 1))
    for finding in found:
        rows = (track.frames >= finding.first) & (track.frames <= finding.last)
        for a, b in skeleton.flip_pairs:
            if {a, b} <= set(finding.keypoints):
                column[rows, a], column[rows, b] = b, a
    at = np.arange(len(track))[:, None], column
    names = ("xy", "visibility", "score", "source", "origin")
    return replace(course, track=replace(track, **{name: getattr(track, name)[at] for name in names}))


def _swaps_of(course: Course, pair: tuple[int, int]) -> list[_Swap]:
    labelled = course.track.labelled[:, list(pair)].all(axis=1)
    rows = np.flatnonzero(labelled)
    if len(rows) < _LEAST_FRAMES:
        return []
    xy = course.xy[rows][:, list(pair)] / course.size[rows, None, None]
    frames = course.frames[rows]
    costs = _costs(xy, frames)
    state = _cheapest(costs)
    if state.mean() > 0.5:
        state = 1 - state  # nobody says which side is right: the rarer one is wrong
    apart = np.linalg.norm(xy[:, 0] - xy[:, 1], axis=1)
    found = []
    for first, last in runs(state == 1):
        if np.median(apart[first : last + 1]) < _APART:
            continue
        back = state.copy()
        back[first : last + 1] = 0
        changes = int(first > 0) + int(last < len(rows) - 1)
        gain = (_cost(costs, back) - _cost(costs, state)) / (_CHANGE * max(changes, 1)) + 1.0
        found.append(_Swap(int(rows[first]), int(rows[last]), pair, gain, changes < 2))
    return found


def _costs(xy: FloatArray, frames: IntArray) -> FloatArray:
    """(N, 2, 2, 2) cost of a row, by the states of the row before last, of the last and of this one.

    xy: (N, 2, 2) both keypoints of the pair in body sizes. A cost is how far both lie from where steady motion puts
    them, or from where they were, whichever is the more usual in this track, in usual deviations.
    """
    swapped = np.stack([xy, xy[:, ::-1]])  # by state
    steps = np.diff(frames).astype(float)
    held = np.zeros((len(xy), 2, 2, 2, 2))
    steady = np.zeros((len(xy), 2, 2, 2, 2))
    pace = (steps[1:] / steps[:-1])[:, None, None]
    for a in (0, 1):
        for b in (0, 1):
            for c in (0, 1):
                now, last, before = swapped[c], swapped[b], swapped[a]
                held[1:, a, b, c] = np.linalg.norm(now[1:] - last[:-1], axis=2)
                steady[1:, a, b, c] = held[1:, a, b, c]
                ahead = last[1:-1] + (last[1:-1] - before[:-2]) * pace
                steady[2:, a, b, c] = np.linalg.norm(now[2:] - ahead, axis=2)
    usual = [spread(kind[1:, 0, 0, 0].ravel()) for kind in (held, steady)]
    best = (held, steady)[int(usual[1] < usual[0])] / max(min(usual), _FLOOR)
    costs: FloatArray = np.minimum(best, _CAP).sum(axis=4)
    return costs


def _cheapest(costs: FloatArray) -> IntArray:
    """(N,) the cheapest course of states, changes included."""
    count = len(costs)
    total = np.zeros((2, 2))  # by the states of the last row and of this one
    total[:] = costs[1, 0] + _CHANGE * (1 - np.eye(2))
    back = np.zeros((count, 2, 2), dtype=np.int64)
    for row in range(2, count):
        way = total[:, :, None] + costs[row] + _CHANGE * (1 - np.eye(2))[None]
        back[row] = way.argmin(axis=0)
        total = way.min(axis=0)
    state = np.zeros(count, dtype=np.int64)
    state[-2], state[-1] = np.unravel_index(total.argmin(), total.shape)
    for row in range(count - 1, 1, -1):
        state[row - 2] = back[row, state[row - 1], state[row]]
    return state


def _cost(costs: FloatArray, state: IntArray) -> float:
    """What a course of states costs."""
    before = np.concatenate([[0], state[:-2]])
    rows = np.arange(1, len(state))
    own = costs[rows, before, state[:-1], state[1:]].sum()
    return float(own + _CHANGE * np.abs(np.diff(state)).sum())


def _finding(course: Course, skeleton: Skeleton, group: list[_Swap]) -> Finding:
    names = ", ".join(f"{skeleton.keypoints[a]} and {skeleton.keypoints[b]}" for a, b in (s.pair for s in group))
    one = replace(group[0], gain=max(s.gain for s in group))
    first, last = int(course.frames[one.first]), int(course.frames[one.last])
    why = f"{names} move on steadily only if they trade places here"
    if one.for_good:
        why += "; they never trade back, so either these frames are wrong or all the others"
    keypoints = tuple(sorted(k for swap in group for k in swap.pair))
    return Finding("swap", course.track.id, first, last, keypoints, why, sureness(one.gain + len(group) - 1, 1.0))
