"""Key frames hidden in turn, so that what propagation makes of them can be measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from pwarp.annotations import Annotations, IntArray, Replaced, Track
from pwarp.errors import PwarpError
from pwarp.propagation.plan import posed_frames

_LEVELS = 5  # of hiding, by default


@dataclass(frozen=True, eq=False)
class Round:
    """Labels of which every `stride`-th key frame was kept.

    kept: the labels that are left. hidden: by track, the frames (H,) that were hidden, less those that the round before
    hid between the same two; gaps: by track, the distance (H,) in frames of the key frames left on either side of each.
    """

    stride: int
    kept: Annotations
    hidden: Mapping[int, IntArray]
    gaps: Mapping[int, IntArray]


def default_strides(annotations: Annotations) -> tuple[int, ...]:
    """2, 4, 8, ...: at most five, as long as the longest track keeps two stretches between key frames.

    Raises PwarpError where no track has three key frames without an absence between them.
    """
    longest = max((len(run) for track in annotations.tracks for run in key_runs(track)), default=0)
    if longest < 3:
        raise PwarpError(
            "hiding a key frame needs one before and one after it, and no track has three; label one more frame"
        )
    strides = [2**n for n in range(1, _LEVELS + 1)]
    return tuple(s for s in strides if s == 2 or (longest - 1) // s >= 2)


def rounds(annotations: Annotations, strides: Sequence[int]) -> Iterator[Round]:
    """Two rounds a stride, keeping different key frames; the two of stride 2 hide each inner key frame once.

    Each track's key frames are counted by themselves. The first and the last are always kept, as are those beside an
    absence. Corrections, which set only a few of the keypoints, are kept.
    """
    for stride in strides:
        seen: set[tuple[int, int, int, int]] = set()
        for offset in (0, stride // 2):
            one = _round(annotations, stride, offset, seen)
            if one.hidden:
                yield one


def _round(annotations: Annotations, stride: int, offset: int, seen: set[tuple[int, int, int, int]]) -> Round:
    """seen: of each frame that was hidden already its track, itself and the key frames left beside it; is added to.

    Where key frames are few, both rounds of a stride hide the same: to judge them twice would count them twice.
    """
    tracks, hidden, gaps = [], {}, {}
    for track in annotations.tracks:
        out, judged = [], list[tuple[int, int, int]]()
        for frames in key_runs(track):
            index = np.arange(len(frames))
            keep = (index % stride == offset) | (index == 0) | (index == len(frames) - 1)
            left = frames[keep]
            after = np.searchsorted(left, frames[~keep])
            out.append(frames[~keep])
            judged += zip(out[-1].tolist(), left[after - 1].tolist(), left[after].tolist(), strict=True)
        gone = np.concatenate([np.empty(0, dtype=np.int64), *out])
        # What a hidden correction had replaced would say that somebody took the keypoint away.
        old = tuple(r for r in track.replaced if r.frame not in gone or not _stands(track, r))
        tracks.append(replace(track.rows(~np.isin(track.frames, gone)), replaced=old))
        new = [place for place in judged if (track.id, *place) not in seen]
        seen.update((track.id, *place) for place in new)
        if new:
            hidden[track.id] = np.array([frame for frame, _, _ in new], dtype=np.int64)
            gaps[track.id] = np.array([after - before for _, before, after in new], dtype=np.int64)
    return Round(stride, replace(annotations, tracks=tuple(tracks), labelled=None), hidden, gaps)


def _stands(track: Track, old: Replaced) -> bool:
    """Whether a person set the keypoint that once was another one."""
    row = track.at(old.frame)
    return row is not None and bool(track.by_person[row, old.keypoint])


def key_runs(track: Track) -> list[IntArray]:
    """A track's posed key frames, parted where it is absent: corrections are none of them."""
    if not track.by_person.any():
        return []
    posed = posed_frames(track)
    part = np.searchsorted(track.absent[:, 0], posed)
    return [posed[part == number] for number in np.unique(part)]
