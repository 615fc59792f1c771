"""The fewest key frames whose linear interpolation stays within a given distance of a dense track.

CVAT and Label Studio draw a straight line between key frames, and a person edits key frames: a track with one in
every frame cannot be edited (cvat-ai/cvat#349, #720, #8481, #9502). All keypoints of a pose share their key frames:
Label Studio knows no others, and in CVAT it is the key frames of the whole skeleton that a person steps through.

Rows are nodes, and from row i to row j there is an edge where nothing between them needs to be kept: every keypoint
there has the visibility of row i and lies within the tolerance of the line from i to j. The shortest path is the
answer. Breadth-first search finds it, and one expansion looks at all j at once: the line from i to j must meet the
disc around every keypoint between, so its velocity must lie in all discs (p_r - p_i) / (r - i) of radius
tolerance / (r - i). Sixteen-sided polygons around and inside the discs decide almost all of that by running maxima,
and where both are empty no later j need be looked at; what lies between the two polygons is checked disc by disc.
A search that has looked at too much goes on from the farthest row alone, by the polygons inside the discs alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pwarp.annotations import Annotations, FloatArray, IntArray, Track

# Pixels that a keypoint may be off where nobody says otherwise: less than people can set it.
DEFAULT_TOLERANCE = 1.0
_ROUNDING = 1e-9
_FIRST_LOOK, _LONGEST_LOOK = 32, 2048
_ANGLES = np.arange(8) * np.pi / 8
_DIRECTIONS = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)])
_INNER = np.cos(np.pi / 16)
# Rows that a search may look at for each row of a stretch, before it is content with less than the best: of a person
# who hardly moves, where a line reaches about as far as from anywhere, it would look at all of them from each.
_MOST_WORK = 1000
_CALL = 32  # of the check of one line, in rows

# Rows from the first to the last of (N, K, 2) places, (N, K, 2) places as written, (N, K) states, at a tolerance.
Search = Callable[[FloatArray, FloatArray, NDArray[np.uint8], float], list[int]]


@dataclass(frozen=True)
class Thinned:
    """Labels with fewer poses, and what became of the others.

    poses: how many there were. kept: how many are left. farthest: distance in pixels of the farthest keypoint that
    was left out from the line between the key frames around it. example: where the first pose was left out.
    """

    labels: Annotations
    poses: int
    kept: int
    farthest: float
    example: str


def thin(labels: Annotations, tolerance: float, decimals: int) -> Thinned:
    """The labels with no more poses than linear interpolation needs to stay within `tolerance` pixels of them.

    A pose with anything that a person set stays, and so do both sides of every change of visibility and of every
    gap. decimals: how finely the format writes coordinates; the line is the one between the written numbers.
    """
    tracks, farthest, example = [], 0.0, ""
    for track in labels.tracks:
        rows = key_rows(track, tolerance, decimals)
        tracks.append(track if len(rows) == len(track) else track.rows(rows))
        if len(rows) < len(track):
            farthest = max(farthest, deviation(track, rows, decimals))
            gone = np.setdiff1d(np.arange(len(track)), rows)
            example = example or f"track {track.id}, frame {track.frames[gone[0]]}"
    poses, kept = (sum(map(len, some)) for some in (labels.tracks, tracks))
    return Thinned(replace(labels, tracks=tuple(tracks)), poses, kept, farthest, example)


def key_rows(track: Track, tolerance: float, decimals: int, search: Search | None = None) -> IntArray:
    """(R,) the rows of a track to keep as key frames, as few as can be (see `shortest_path`); see `thin`.

    search: finds the rows to keep in each stretch between those that must stay; None: `shortest_path`.
    """
    places, state = _points(track)
    written = np.round(places, decimals)
    kept: list[int] = []
    for first, last in _stretches(track, state):
        rows, seen = slice(first, last + 1), state[first] > 0
        path = list(range(last - first + 1))
        if last - first > 1:
            points = places[rows, seen], written[rows, seen], state[rows, seen]
            path = (search or shortest_path)(*points, tolerance + _ROUNDING)
        kept += [first + row for row in path if not kept or first + row > kept[-1]]
    return np.array(kept, dtype=np.int64)


def deviation(track: Track, rows: IntArray, decimals: int) -> float:
    """Pixels from the farthest keypoint of the rows left out to the line between the rows around it.

    rows: (R,) those that are kept, in rising order. decimals: that are written.
    """
    places, state = _points(track)
    written = np.round(places, decimals)
    gone = np.setdiff1d(np.arange(len(track)), rows)
    if not len(gone):
        return 0.0
    after = np.searchsorted(rows, gone)
    before, after = rows[after - 1], rows[after]
    share = ((gone - before) / (after - before))[:, None, None]
    off = np.linalg.norm(written[before] * (1 - share) + written[after] * share - places[gone], axis=2)
    return float(np.max(off, initial=0.0, where=(state[gone] > 0) & np.isfinite(off)))


def _points(track: Track) -> tuple[FloatArray, NDArray[np.uint8]]:
    """(F, K, 2) points that are interpolated and (F, K) their states, 0 being absent.

    These are the keypoints, or, where a track has none anywhere, two corners of its boxes.
    """
    if track.labelled.any() or not np.isfinite(track.boxes).any():
        return track.xy, track.visibility
    corners = track.boxes.reshape(-1, 2, 2)
    finite: NDArray[np.bool_] = np.all(np.isfinite(corners), axis=2)
    return corners, np.where(finite, 2, 0).astype(np.uint8)


def _stretches(track: Track, state: NDArray[np.uint8]) -> Iterator[tuple[int, int]]:
    """First and last row of stretches that are thinned on their own, each sharing its ends with its neighbours.

    They end at what a person set, at gaps (the next row starts a new one), and where a keypoint comes or goes.
    """
    if not len(track):
        return
    fixed: NDArray[np.bool_] = np.any(track.by_person, axis=1)
    fixed[[0, -1]] = True
    torn: NDArray[np.bool_] = (np.diff(track.frames) > 1) | np.any((state[1:] > 0) != (state[:-1] > 0), axis=1)
    fixed[:-1] |= torn
    fixed[1:] |= torn
    ends = np.flatnonzero(fixed)
    yield int(ends[0]), int(ends[0])
    yield from zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True)


@dataclass
class Work:
    """How many rows a search may still look at, one number each; `exact` until there are none left."""

    left: float = math.inf

    @property
    def exact(self) -> bool:
        return self.left > 0


def shortest_path(places: FloatArray, written: FloatArray, state: NDArray[np.uint8], tolerance: float) -> list[int]:
    """Rows from the first to the last, as few as can be; every row follows the one before in time.

    places: (N, K, 2) where keypoints are, all of them labelled; written: the same as the format writes them; state:
    (N, K) of 1 and 2. Where that would take too long, a few more rows than could be.
    """
    last = len(places) - 1
    work = Work(_MOST_WORK * len(places))
    came_from = {0: 0}
    frontier = [0]
    while last not in came_from:
        reached = []
        # From the farthest row on: its edges lead farther still, so the last row is met early.
        for i in sorted(frontier, reverse=True):
            for j in within_reach(places, written, state, i, tolerance, came_from, work):
                came_from[j] = i
                reached.append(j)
            if last in came_from or not work.exact:
                break
        frontier = reached if work.exact else [max(reached)]
    path = [last]
    while path[-1] != 0:
        path.append(came_from[path[-1]])
    return path[::-1]


def within_reach(
    places: FloatArray,
    written: FloatArray,
    state: NDArray[np.uint8],
    i: int,
    tolerance: float,
    known: Container[int] = (),
    work: Work | None = None,
) -> list[int]:
    """The rows j to which there is an edge from row i, farthest first, but for the known ones.

    work: what is looked at is taken from it; once there is none left, edges that only a check disc by disc would show
    are not found. The next row always is.
    """
    work = work or Work()
    reached: list[int] = []
    outer, inner = _Polygons(1.0), _Polygons(_INNER)
    first, end, size = i + 1, len(places) - 1, _FIRST_LOOK
    while first <= end and not outer.empty:
        rows = np.arange(first, min(first + size, end + 1))
        # What lies between must look like row i: j goes up to the first row that does not.
        unlike = np.flatnonzero((state[rows] != state[i]).any(axis=1))
        if len(unlike):
            rows = rows[: unlike[0] + 1]
            end = int(rows[-1])
        steps = (rows - i)[:, None, None].astype(np.float64)
        # As seen from row i, velocities (N, K, 2): of the line to each row, and to where its keypoints really are.
        line = (written[rows] - written[i]) / steps @ _DIRECTIONS
        centre = (places[rows] - written[i]) / steps @ _DIRECTIONS
        possible, sure = (p.hold(line, centre, tolerance / steps) for p in (outer, inner))
        work.left -= len(rows) * 2 * len(_ANGLES)
        for j, is_sure in zip(rows[possible].tolist(), sure[possible].tolist(), strict=True):
            if j in known:
                continue
            if not is_sure and work.exact:
                work.left -= j - i + _CALL
                is_sure = _is_near(places[i + 1 : j], written[i], written[j], tolerance)
            if is_sure:
                reached.append(j)
        first, size = int(rows[-1]) + 1, min(4 * size, _LONGEST_LOOK)
    return reached[::-1]


class _Polygons:
    """What the polygons around (share 1) or inside the discs of all rows so far have in common, by keypoint."""

    def __init__(self, share: float) -> None:
        self._share = share
        self._low, self._high = np.array(-np.inf), np.array(np.inf)
        self.empty = False

    def hold(self, line: FloatArray, centre: FloatArray, radius: FloatArray) -> NDArray[np.bool_]:
        """(N,) whether lines (N, K, 8) lie in the polygons of all rows before theirs; takes in the N rows' own."""
        width = self._share * radius
        low, high = (np.broadcast_to(bound, centre[:1].shape) for bound in (self._low, self._high))
        low = np.maximum.accumulate(np.concatenate([low, centre - width]))
        high = np.minimum.accumulate(np.concatenate([high, centre + width]))
        self._low, self._high = low[-1], high[-1]
        self.empty = bool((low[-1] > high[-1]).any())
        held: NDArray[np.bool_] = np.all((low[:-1] <= line) & (line <= high[:-1]), axis=(1, 2))
        return held


def _is_near(places: FloatArray, start: FloatArray, end: FloatArray, tolerance: float) -> bool:
    """Whether the line from start to end (K, 2) passes each of the N rows of places (N, K, 2) near enough."""
    share = (np.arange(1, len(places) + 1) / (len(places) + 1))[:, None, None]
    return bool((np.linalg.norm(start + (end - start) * share - places, axis=2) <= tolerance).all())
