"""Tracks for labels that came without track ids: people in consecutive key frames, joined by position."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from scipy.optimize import linear_sum_assignment

from pwarp.annotations import Annotations, FloatArray, Track
from pwarp.errors import PwarpError

# Distances between poses are medians over their common keypoints, in box diagonals of the larger one.
_SAME = 0.5  # a person who moves farther between key frames may as well be another one
_CLEAR = 1.5  # how many times farther the second best pairing has to be


def join_by_position(annotations: Annotations) -> Annotations:
    """The annotations with lone labels (`identified` False) joined into tracks; all others stay as they are.

    Raises PwarpError, with the frames and what to do, where it is not clear who is who.
    """
    lone = [t for t in annotations.tracks if not t.identified]
    if not lone:
        return annotations
    by_frame: dict[int, list[Track]] = {}
    for track in sorted(lone, key=lambda t: (int(t.frames[0]), t.id)):
        by_frame.setdefault(int(track.frames[0]), []).append(track)
    chains: list[list[Track]] = [[t] for t in next(iter(by_frame.values()))]
    open_chains = chains.copy()
    for before, frame in pairwise(by_frame):
        newcomers = by_frame[frame]
        pairs = _pairs([c[-1] for c in open_chains], newcomers, before, frame)
        for a, b in pairs.items():
            open_chains[a].append(newcomers[b])
        fresh = [[t] for i, t in enumerate(newcomers) if i not in pairs.values()]
        chains += fresh
        open_chains = [open_chains[a] for a in pairs] + fresh
    taken = {t.id for t in annotations.tracks if t.identified}
    ids = (i for i in range(len(chains) + len(taken)) if i not in taken)
    joined = [_joined(chain, next(ids)) for chain in chains]
    return replace(annotations, tracks=tuple(t for t in annotations.tracks if t.identified) + tuple(joined))


def _pairs(here: Sequence[Track], there: Sequence[Track], before: int, after: int) -> dict[int, int]:
    """Which person of one key frame is which of the next; people without a partner come or go."""
    cost = np.array([[_distance(a, b) for b in there] for a in here])
    rows, columns = linear_sum_assignment(np.minimum(cost, 2 * _SAME))
    pairs = {int(a): int(b) for a, b in zip(rows, columns, strict=True) if cost[a, b] <= _SAME}
    for a, b in pairs.items():
        for c, d in pairs.items():
            swapped = cost[a, d] + cost[c, b]
            if a < c and swapped <= _CLEAR * (cost[a, b] + cost[c, d]):
                raise PwarpError(_unclear(before, after, "two people stand so near that they could be swapped"))
        rivals = [cost[a, d] for d in range(len(there)) if d not in pairs.values()]
        rivals += [cost[c, b] for c in range(len(here)) if c not in pairs]
        if rivals and min(rivals) <= _CLEAR * cost[a, b]:
            raise PwarpError(_unclear(before, after, "somebody comes or goes right beside somebody else"))
    if len(here) == len(there) == 1 and not pairs:
        raise PwarpError(_unclear(before, after, "the one person is at very different places"))
    return pairs


def _unclear(before: int, after: int, why: str) -> str:
    return (
        f"labels have no track ids, and between key frames {before} and {after} it is not clear who is who: {why}; "
        "give each annotation a track_id"
    )


def _distance(a: Track, b: Track) -> float:
    """Median distance of the keypoints labelled in both one-frame tracks, in diagonals; infinite without any."""
    common = a.labelled[0] & b.labelled[0]
    if not common.any():
        return np.inf
    size = max(_diagonal(a.xy[0]), _diagonal(b.xy[0]), 1.0)
    return float(np.median(np.linalg.norm(a.xy[0, common] - b.xy[0, common], axis=1)) / size)


def _diagonal(xy: FloatArray) -> float:
    return float(np.linalg.norm(np.nanmax(xy, axis=0) - np.nanmin(xy, axis=0)))


def _joined(chain: Sequence[Track], id: int) -> Track:
    def all_of(name: str) -> FloatArray:
        return np.concatenate([getattr(t, name) for t in chain])

    return Track.make(
        id,
        all_of("frames"),
        all_of("xy"),
        all_of("visibility"),
        score=all_of("score"),
        source=all_of("source"),
        origin=all_of("origin"),
        boxes=all_of("boxes"),
        head_boxes=all_of("head_boxes"),
        person_score=all_of("person_score"),
        replaced=[r for t in chain for r in t.replaced],
    )
