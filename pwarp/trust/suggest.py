"""Which frames to label next.

A new key frame makes the frames around it more certain. How much is expected from the doubts (`doubt`): within a gap
between key frames doubt is what it is, times how much shorter the way to the nearest key frames becomes. The expected
number of keypoints that turn from wrong to right is a sum over frames whose terms only shrink as key frames are added
(it is submodular), so that taking the best frame again and again comes within 1 - 1/e of the best choice
(Nemhauser, Wolsey and Fisher 1978), and frames spread over time and people by themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

from pwarp.annotations import Annotations, FloatArray, IntArray
from pwarp.errors import PwarpError
from pwarp.trust.doubt import Doubt, between, doubts

Strategy = Literal["uniform", "expected", "score"]
STRATEGIES: tuple[Strategy, ...] = ("uniform", "expected", "score")

_CANDIDATES = 64  # a gap
_BLOCK = 1 << 22  # numbers at a time
_WORTH = 0.05  # of a frame's gain: who gains less need not be labelled there


@dataclass(frozen=True)
class Suggestion:
    """A frame to label. tracks: who gains by it, most first. gain: keypoints that are expected to turn right.

    gap: the key frames before and after (None: there is none) that it parts, of the first of these tracks. doubtful:
    that track and the index of the keypoint that is least sure in this frame, and the chance that it is right.
    """

    frame: int
    tracks: tuple[int, ...]
    gain: float
    gap: tuple[int | None, int | None]
    doubtful: tuple[int, float]


def suggest(annotations: Annotations, count: int, strategy: Strategy = "uniform") -> list[Suggestion]:
    """The `count` frames to label next in labels that were propagated, best first; fewer where nothing is left.

    "uniform" halves the longest gap. "expected" takes the frame by which most is gained, and where nothing more is, as
    "uniform". "score" takes the least sure frame of each gap, worst first. Frames between two key frames that
    propagation passed over count, too, as wrong.

    Raises PwarpError where nothing was propagated.
    """
    people = [_Person(stretch) for doubt in doubts(annotations) for stretch in doubt.stretches()]
    if not people:
        raise PwarpError(
            "nothing in these labels was propagated; give the output of pwarp propagate, where it is empty made with a "
            "larger --max-gap or a smaller --min-score"
        )
    found: list[Suggestion] = []
    while len(found) < count:
        frame = _CHOICES[strategy](people)
        if frame is None:
            break
        found.append(_suggestion(frame, people))
        for person in people:
            person.add(frame)
    return found


class _Person:
    """A track, in a stretch in which its person is there, and what a key frame in each of its frames would bring."""

    def __init__(self, doubt: Doubt) -> None:
        self.track, self.frames, self.m = doubt.track, doubt.frames, doubt.m.copy()
        self.keys: list[int] = doubt.keys.tolist()
        self.fresh: set[int] = set()
        self.gain = np.zeros(len(self.frames))
        for before, after in self.gaps():
            self._weigh(before, after)

    def gaps(self) -> list[tuple[float, float]]:
        """The gaps between key frames, infinite at the ends."""
        return list(pairwise([-np.inf, *self.keys, np.inf]))

    def inside(self, before: float, after: float) -> IntArray:
        """Rows of the frames strictly inside a gap."""
        first = np.searchsorted(self.frames, before, side="right")
        return np.arange(first, np.searchsorted(self.frames, after, side="left"))

    def around(self, frame: int) -> tuple[float, float]:
        """The gap that a frame lies in."""
        at = int(np.searchsorted(self.keys, frame))
        before = self.keys[at - 1] if at else -np.inf
        return float(before), float(self.keys[at]) if at < len(self.keys) else np.inf

    def row(self, frame: int) -> int | None:
        """The row of a frame that is still open."""
        row = int(np.searchsorted(self.frames, frame))
        known = row < len(self.frames) and self.frames[row] == frame and frame not in self.keys
        return row if known else None

    def add(self, frame: int) -> None:
        """Let a frame be a key frame: doubts in its gap fall, and gains are found anew there."""
        if self.row(frame) is None:
            return
        before, after = self.around(frame)
        rows = self.inside(before, after)
        self.m[rows] *= self.shrink(rows, before, after, np.array([float(frame)]))[0][:, None]
        self.keys.insert(int(np.searchsorted(self.keys, frame)), frame)
        self.fresh.add(frame)
        self.gain[rows] = 0.0
        self._weigh(before, frame)
        self._weigh(frame, after)

    def shrink(self, rows: IntArray, before: float, after: float, keys: FloatArray) -> FloatArray:
        """(C, R) what is left of the doubt at the rows with one of the frames `keys` (C,) as a key frame."""
        frames = self.frames[rows].astype(float)
        now = between(frames, np.full(len(rows), before), np.full(len(rows), after))
        left = frames[None] <= keys[:, None]
        then = between(
            np.broadcast_to(frames, left.shape),
            np.where(left, before, keys[:, None]),
            np.where(left, keys[:, None], after),
        )
        result: FloatArray = then / np.maximum(now, 1e-9)
        return result

    def _weigh(self, before: float, after: float) -> None:
        """Find the gains of the frames in a gap."""
        rows = self.inside(before, after)
        if not len(rows):
            return
        wrong = 1 - np.exp(-self.m[rows])
        tried = np.unique(np.linspace(0, len(rows) - 1, min(len(rows), _CANDIDATES)).round().astype(np.int64))
        size = max(_BLOCK // max(self.m[rows].size, 1), 1)
        for start in range(0, len(tried), size):
            part = tried[start : start + size]
            left = self.shrink(rows, before, after, self.frames[rows[part]].astype(float))
            still = 1 - np.exp(-self.m[rows][None] * left[..., None])
            self.gain[rows[part]] = wrong.sum() - still.sum(axis=(1, 2))


def _expected(people: Sequence[_Person]) -> int | None:
    total = _total(people)
    best = max(total, key=lambda frame: (total[frame], -frame), default=None)
    return _uniform(people) if best is None or total[best] <= 0 else best


def _total(people: Sequence[_Person]) -> dict[int, float]:
    """The gains of everybody, by frame."""
    frames = np.concatenate([p.frames for p in people])
    gains = np.concatenate([p.gain for p in people])
    distinct, index = np.unique(frames, return_inverse=True)
    return dict(zip(distinct.tolist(), np.bincount(index, gains).tolist(), strict=True))


def _uniform(people: Sequence[_Person]) -> int | None:
    """The middle of the longest gap; what lies beyond the outermost key frames counts double, and is asked for at its
    end."""
    best: tuple[float, int] | None = None
    for person in people:
        for before, after in person.gaps():
            rows = person.inside(before, after)
            if not len(rows):
                continue
            frames = person.frames[rows]
            if np.isinf(before) or np.isinf(after):
                frame = int(frames[0] if np.isinf(before) else frames[-1])
                length = 2.0 * (frames[-1] - frames[0] + 1)
            else:
                length = after - before
                frame = int(frames[np.argmin(np.abs(frames - (before + after) / 2))])
            if best is None or (length, -frame) > (best[0], -best[1]):
                best = length, frame
    return None if best is None else best[1]


def _least_sure(people: Sequence[_Person]) -> int | None:
    """The least sure frame of all people, first of gaps that no suggestion has parted yet."""
    best: tuple[bool, float, int] | None = None
    for person in people:
        for before, after in person.gaps():
            rows = person.inside(before, after)
            if not len(rows):
                continue
            untouched = before not in person.fresh and after not in person.fresh
            doubt = person.m[rows].sum(axis=1)
            row = int(doubt.argmax())
            candidate = untouched, float(doubt[row]), int(person.frames[rows[row]])
            if best is None or (candidate[0], candidate[1], -candidate[2]) > (best[0], best[1], -best[2]):
                best = candidate
    return None if best is None else best[2]


_CHOICES = {"uniform": _uniform, "expected": _expected, "score": _least_sure}


def _suggestion(frame: int, people: Sequence[_Person]) -> Suggestion:
    there = [(p, row) for p in people if (row := p.row(frame)) is not None]
    gains = [_gain(person, frame) for person, _ in there]
    order = sorted(range(len(there)), key=lambda i: (-gains[i], there[i][0].track))
    worth = [i for i in order if gains[i] >= _WORTH * max(gains)]
    person, row = there[order[0]]
    before, after = person.around(frame)
    gap = (None if np.isinf(before) else int(before), None if np.isinf(after) else int(after))
    k = int(person.m[row].argmax())
    chance = float(np.exp(-person.m[row, k]))
    return Suggestion(frame, tuple(there[i][0].track for i in worth), float(sum(gains)), gap, (k, chance))


def _gain(person: _Person, frame: int) -> float:
    """What a person gains by a key frame, also where it was not among those tried."""
    before, after = person.around(frame)
    rows = person.inside(before, after)
    left = person.shrink(rows, before, after, np.array([float(frame)]))[0]
    return float((np.exp(-person.m[rows] * left[:, None]) - np.exp(-person.m[rows])).sum())
