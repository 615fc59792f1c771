"""Tracks for labels that came without track ids: people in consecutive key frames, joined by position."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from pwarp.annotations import Annotations, FloatArray, Track, joined_track
from pwarp.errors import PwarpError

# Distances between poses are medians over their common keypoints, in box diagonals of the larger one.
_SAME = 0.5  # a person who moves farther between key frames may as well be another one
_CLEAR = 1.5  # how many times farther the second best pairing has to be
_SMALLEST = 0.05  # of the picture's diagonal: a pose of one keypoint has no size of its own


def join_by_position(annotations: Annotations) -> Annotations:
    """The annotations with lone labels that a person set joined into tracks; all other tracks stay as they are.

    A lone label is a track of one frame that is not `identified`. One that is marked absent between its frame and the
    next, or the last, key frame is nobody there: its track ends, or begins, with it. Tracks keep their labels' marks.

    Raises PwarpError, with the frames and what to do, where it is not clear who is who.
    """
    lone = [t for t in annotations.tracks if not t.identified and len(t) == 1 and t.by_person.any()]
    if not lone:
        return annotations
    video = annotations.video
    smallest = _SMALLEST * np.hypot(video.width or 0, video.height or 0)
    # Frames that are declared labelled count, too: nobody is there whom they do not show.
    declared = np.empty(0) if annotations.labelled is None else annotations.labelled
    by_frame: dict[int, list[Track]] = {int(frame): [] for frame in declared}
    for track in sorted(lone, key=lambda t: t.id):
        by_frame.setdefault(int(track.frames[0]), []).append(track)
    frames = sorted(by_frame)
    chains: list[list[Track]] = [[t] for t in by_frame[frames[0]]]
    open_chains = chains.copy()
    for before, frame in pairwise(frames):
        open_chains = [chain for chain in open_chains if not any(_absent(t, before, frame) for t in chain)]
        newcomers = [t for t in by_frame[frame] if not _absent(t, before, frame)]
        distances = [_distance(chain, b, smallest) for chain in open_chains for b in newcomers]
        pairs = _pairs(np.array(distances).reshape(len(open_chains), len(newcomers)), before, frame)
        for a, b in pairs.items():
            open_chains[a].append(newcomers[b])
        known = {id(newcomers[b]) for b in pairs.values()}
        fresh = [[t] for t in by_frame[frame] if id(t) not in known]
        chains += fresh
        open_chains = [open_chains[a] for a in pairs] + fresh
    kept = tuple(t for t in annotations.tracks if all(t is not other for other in lone))
    taken = {t.id for t in kept}
    ids = (i for i in range(len(chains) + len(taken)) if i not in taken)
    joined = [joined_track(chain, next(ids)) for chain in chains]
    return replace(annotations, tracks=kept + tuple(joined))


def _pairs(cost: FloatArray, before: int, after: int) -> dict[int, int]:
    """Which person of one key frame is which of the next, by their distances; people without a partner come or go."""
    from scipy.optimize import linear_sum_assignment  # here, as most labels have ids and it loads for half a second

    rows, columns = linear_sum_assignment(np.minimum(cost, 2 * _SAME))
    pairs = {int(a): int(b) for a, b in zip(rows, columns, strict=True) if cost[a, b] <= _SAME}
    gone = [a for a in range(cost.shape[0]) if a not in pairs]
    come = [b for b in range(cost.shape[1]) if b not in pairs.values()]
    if gone and come:
        raise PwarpError(_unclear(before, after, "somebody is at a very different place, or left while another came"))
    for a, b in pairs.items():
        for c, d in pairs.items():
            swapped = cost[a, d] + cost[c, b]
            if a < c and swapped <= _CLEAR * (cost[a, b] + cost[c, d]):
                raise PwarpError(_unclear(before, after, "two people stand so near that they could be swapped"))
        rivals = [*cost[a, come], *cost[gone, b]]
        if rivals and min(rivals) <= _CLEAR * cost[a, b]:
            raise PwarpError(_unclear(before, after, "somebody comes or goes right beside somebody else"))
    return pairs


def _unclear(before: int, after: int, why: str) -> str:
    return (
        f"labels have no track ids, and between key frames {before} and {after} it is not clear who is who: {why}; "
        "give each annotation a track_id, say --single if all are of one person or animal, or let `pwarp track` look "
        "at the video"
    )


def _absent(track: Track, first: int, last: int) -> bool:
    """Whether the track is marked absent in any of the frames first..last."""
    return bool(((track.absent[:, 0] <= last) & (track.absent[:, 1] >= first)).any())


def _distance(chain: Sequence[Track], b: Track, smallest: float) -> float:
    """Median distance of the keypoints labelled in both the last of a chain and another one, in diagonals; infinite
    without any, and where the other one is marked absent in a frame of the chain."""
    a = chain[-1]
    common = a.labelled[0] & b.labelled[0]
    if not common.any() or any(_absent(b, int(t.frames[0]), int(t.frames[0])) for t in chain):
        return np.inf
    size = max(_diagonal(a.xy[0]), _diagonal(b.xy[0]), smallest, 1.0)
    return float(np.median(np.linalg.norm(a.xy[0, common] - b.xy[0, common], axis=1)) / size)


def _diagonal(xy: FloatArray) -> float:
    return float(np.linalg.norm(np.nanmax(xy, axis=0) - np.nanmin(xy, axis=0)))
