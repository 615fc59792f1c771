"""What is to be filled from what: presence, reach and gaps, keypoint by keypoint, before any engine runs.

Every keypoint of every track is a chain of its own: it is known where a person set it and is filled in the
frames between (and a little beyond) from the key frame before and the key frame after. An engine decides where
the keypoint is; where it may be filled at all is decided here, once, for all engines.

Corrections of what a network saw reach a little beyond only, to either side: between two of them that are far apart the
network saw the keypoint all the while, and nobody said that it was wrong there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pwarp.annotations import Annotations, FloatArray, IntArray, Source, Track
from pwarp.errors import PwarpError

NONE = -1  # no key frame on that side
_NOWHERE = 1e7  # pixels: labels farther out are outside any picture, and are computed with as if they were here


@dataclass(frozen=True)
class Reach:
    """How far propagation may go.

    beyond: frames beyond the first and last key frame of a track where no absent mark says how far; None: half
        the median distance of its key frames.
    max_gap: longest distance of two key frames of a keypoint, in frames, that is bridged; a longer one stays empty.
        None: any.

    Raises PwarpError for a distance that is none.
    """

    beyond: int | None = None
    max_gap: int | None = None

    def __post_init__(self) -> None:
        if self.beyond is not None and self.beyond < 0:
            raise PwarpError(f"reach: {self.beyond} frames beyond a key frame; give 0 or more")
        if self.max_gap is not None and self.max_gap < 1:
            raise PwarpError(f"reach: a max_gap of {self.max_gap} frames; give 1 or more")


@dataclass(frozen=True, eq=False)
class TrackPlan:
    """What to fill for one track, over the frames first..last (F of them, K keypoints).

    xy: (F, K, 2) what a person set, NaN elsewhere. visibility: (F, K) likewise, 0 elsewhere.
    before, after: (F, K) the key frame on either side that the keypoint is to be filled from; at a frame where a
        person set the keypoint both are that frame; both NONE where the keypoint is not to be filled.
    """

    id: int
    first: int
    xy: FloatArray
    visibility: NDArray[np.uint8]
    before: IntArray
    after: IntArray

    @property
    def last(self) -> int:
        """Last frame of the plan."""
        return self.first + len(self.xy) - 1

    @cached_property
    def known(self) -> NDArray[np.bool_]:
        """(F, K) where a person set the keypoint."""
        return self.visibility > 0

    @cached_property
    def open(self) -> NDArray[np.bool_]:
        """(F, K) where an engine has to fill the keypoint."""
        filled: NDArray[np.bool_] = (self.before != NONE) | (self.after != NONE)
        return filled & ~self.known

    def opens_in(self, first: int, last: int) -> bool:
        """Whether anything is to be filled in frames first..last (inclusive)."""
        return self.first <= last and self.last >= first and bool(self.between(first, last).open.any())

    def between(self, first: int, last: int) -> TrackPlan:
        """The part of the plan that falls into frames first..last (inclusive); it may have no frame."""
        first, last = max(first, self.first), min(last, self.last)
        cut = slice(first - self.first, max(last - self.first + 1, 0))
        return TrackPlan(self.id, first, self.xy[cut], self.visibility[cut], self.before[cut], self.after[cut])

    def key(self, frames: IntArray) -> FloatArray:
        """(..., K, 2) where each keypoint was set at key frames (..., K); NaN for NONE. Frames lie in the plan."""
        row = np.clip(frames - self.first, 0, len(self.xy) - 1)
        values = self.xy[row, np.arange(self.xy.shape[1])]
        return np.where((frames == NONE)[..., None], np.nan, values)


class NoKeyFrameError(PwarpError):
    """There are labels, and a person set none of them. Only whoever read them knows from which file."""


def plan(annotations: Annotations, frame_count: int, reach: Reach) -> list[TrackPlan]:
    """A plan for each track that has at least one keypoint set by a person; others have nothing to go by."""
    keyed = [t for t in annotations.tracks if t.by_person.any()]
    if not keyed:
        raise NoKeyFrameError(
            "no keypoint was set by a person, so there is nothing to propagate from; label at least one frame"
        )
    spacings = [_spacing(t) for t in keyed]
    everyone = np.concatenate(spacings)
    plans = []
    for track, spacing in zip(keyed, spacings, strict=True):
        beyond = reach.beyond
        if beyond is None:
            beyond = _half_median(spacing if len(spacing) else everyone, annotations)
        plans.append(_plan_track(track, frame_count, beyond, reach.max_gap))
    return plans


def posed_frames(track: Track) -> IntArray:
    """The key frames with more than half as many keypoints as is usual there.

    The others are corrections: a keypoint or two that a person set where propagation went wrong. They say nothing
    about how far apart poses were labelled, nor that the keypoints left alone are not there.

    Usual is what the fullest frame has on the side, before or after, where it has less, and at least two thirds of what
    the fullest of all has: one pose that is more complete than all others makes no corrections of these. Where
    everything in a frame corrects what was computed, usual is what the fullest has.
    """
    rows = np.flatnonzero(track.by_person.any(axis=1))
    count = track.by_person[rows].sum(axis=1)
    if len(rows) < 2:
        return track.key_frames
    before, after = np.maximum.accumulate(count)[:-1], np.maximum.accumulate(count[::-1])[::-1][1:]
    usual = np.concatenate([after[:1], np.minimum(before[:-1], after[1:]), before[-1:]])
    drawn = (track.source[rows] == Source.MANUAL).any(axis=1)
    usual = np.where(drawn, np.maximum(usual, count.max() * 2 / 3), count.max())
    posed: IntArray = track.frames[rows[2 * count > usual]]
    return posed


def _spacing(track: Track) -> IntArray:
    """Distances of successive poses, without those across an absence: nobody labels while there is nothing to see.

    Where a network labelled, how far apart corrections are says nothing.
    """
    posed = posed_frames(track)
    if _seen(track).any() and not (track.source == Source.MANUAL).any():
        posed = posed[:0]
    unbroken = np.diff(np.searchsorted(track.absent[:, 0], posed)) == 0
    spacing: IntArray = np.diff(posed)[unbroken]
    return spacing


def _seen(track: Track) -> NDArray[np.bool_]:
    """(F, K) where a network saw the keypoint."""
    seen: NDArray[np.bool_] = (track.source == Source.DETECTED) | (track.source == Source.REFINED)
    return seen


def _half_median(spacing: IntArray, annotations: Annotations) -> int:
    """Half the median key spacing; half a second where nobody has two key frames (12 frames, rate unknown)."""
    if len(spacing):
        return int(np.median(spacing)) // 2
    fps = annotations.video.fps
    return round(fps / 2) if fps else 12


def _plan_track(track: Track, frame_count: int, beyond: int, max_gap: int | None) -> TrackPlan:
    keys = track.key_frames
    start, end = _extent(track, frame_count, beyond)
    frames = np.arange(start, end + 1)
    count = track.xy.shape[1]
    by_person = track.by_person
    rows = np.flatnonzero(by_person.any(axis=1))
    xy = np.full((len(frames), count, 2), np.nan)
    visibility = np.zeros((len(frames), count), dtype=np.uint8)
    xy[keys - start] = np.where(by_person[rows][..., None], np.clip(track.xy[rows], -_NOWHERE, _NOWHERE), np.nan)
    visibility[keys - start] = np.where(by_person[rows], track.visibility[rows], 0)

    # Frames with the same stretch number are joined by unbroken presence; absent frames have none.
    present = track.present_at(frames)
    stretch = np.where(present, np.cumsum(np.diff(present.astype(np.int8), prepend=1) != 0), NONE)
    # Between two poses, what is known at either is filled: a keypoint may appear or go in between. Where it is
    # labelled at neither, it is not there. The outermost pose in a stretch is trusted up to the mark that ends it.
    posed = posed_frames(track)
    last_pose, next_pose = _neighbour(posed, frames, -1), _neighbour(posed, frames, +1)
    between = (last_pose != NONE) & (next_pose != NONE)
    if max_gap is not None:
        between &= next_pose - last_pose <= max_gap
    after_mark = {stretch[last + 1 - start] for _, last in track.absent if start <= last + 1 <= end}
    before_mark = {stretch[first - 1 - start] for first, _ in track.absent if start <= first - 1 <= end}
    to_mark = np.isin(stretch, list(before_mark)) & (_within(stretch, next_pose, start) == NONE)
    from_mark = np.isin(stretch, list(after_mark)) & (_within(stretch, last_pose, start) == NONE)

    before = np.full((len(frames), count), NONE)
    after = np.full((len(frames), count), NONE)
    seen, corrected = np.zeros((2, len(frames), count), dtype=np.bool_)
    rows = np.flatnonzero((track.frames >= start) & (track.frames <= end))
    seen[track.frames[rows] - start] = _seen(track)[rows]
    corrected[track.frames[rows] - start] = track.source[rows] == Source.CORRECTED
    for k in range(count):
        labels = start + np.flatnonzero(visibility[:, k])
        if len(labels) == 0:
            continue
        past, coming = (_within(stretch, _neighbour(labels, frames, side), start) for side in (-1, +1))
        both = (past != NONE) & (coming != NONE)
        bridged = both if max_gap is None else both & (coming - past <= max_gap)
        near_past = between | ~both & (to_mark | (frames - past <= beyond))
        near_coming = between | ~both & (from_mark | (coming - frames <= beyond))
        before[:, k] = np.where(bridged | near_past & (past >= last_pose), past, NONE)
        after[:, k] = np.where(bridged | near_coming & ((coming <= next_pose) | (next_pose == NONE)), coming, NONE)
        if seen[:, k].any():
            far_past = (past == NONE) | (frames - past > beyond)
            far_coming = (coming == NONE) | (coming - frames > beyond)
            right = _as_seen(seen[:, k] & far_past & far_coming, visibility[:, k] > 0, corrected[:, k])
            before[right & far_past, k] = NONE
            after[right & far_coming, k] = NONE
    return TrackPlan(track.id, int(start), xy, visibility, before, after)


def _as_seen(far: NDArray[np.bool_], known: NDArray[np.bool_], corrected: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(F,) the stretches from one frame where a person set a keypoint to the next, or to the end, that begin and end
    with corrections and in which a network saw it far from both. far: where it did. known: where a person set it."""
    # A frame that is known belongs to the stretch that it begins.
    number = np.cumsum(known)
    borders = np.flatnonzero(known)
    ends = np.concatenate([[True], corrected[borders], [True]])
    theirs = ends[:-1] & ends[1:]
    theirs[np.setdiff1d(np.arange(len(theirs)), number[far])] = False
    found: NDArray[np.bool_] = theirs[number]
    return found


def _extent(track: Track, frame_count: int, beyond: int) -> tuple[int, int]:
    """First and last frame that can be filled: `beyond` the outermost keys, or up to the absent mark there."""
    first_key, last_key = track.key_frames[[0, -1]]
    start, end = first_key - beyond, last_key + beyond
    for first, last in track.absent:
        if last < first_key:
            start = last + 1  # spans come in order: the last one before the first key wins
        elif first > last_key:
            end = first - 1
            break
    return max(int(start), 0), min(int(end), frame_count - 1)


def _neighbour(labels: IntArray, frames: IntArray, side: int) -> IntArray:
    """The nearest of the sorted labels at or before (side -1) or at or after (side +1) each frame, or NONE."""
    if side < 0:
        index = np.searchsorted(labels, frames, side="right") - 1
    else:
        index = np.searchsorted(labels, frames, side="left")
    inside = (index >= 0) & (index < len(labels))
    return np.where(inside, labels[np.clip(index, 0, len(labels) - 1)], NONE)


def _within(stretch: IntArray, neighbour: IntArray, start: int) -> IntArray:
    """The neighbouring key frame of each frame (F,) from `start` on, NONE where it lies in another stretch."""
    met = (neighbour != NONE) & (stretch != NONE)
    met[met] = stretch[neighbour[met] - start] == stretch[met]
    return np.where(met, neighbour, NONE)


@dataclass(frozen=True, eq=False)
class Span:
    """Frames first..last that can be computed on their own, with the plans of the tracks that are open in it.

    Only frames strictly inside have anything open (save at the ends of the video); at the ends everything is set
    by a person or is not filled at all, so nothing outside can change what is inside. A span is the unit of work
    and of resuming.
    """

    first: int
    last: int
    plans: tuple[TrackPlan, ...]


def spans(plans: Sequence[TrackPlan], frame_count: int) -> Iterator[Span]:
    """The independent spans that cover everything to be filled, in order of time: runs of open frames and their
    two neighbours."""
    if not plans:
        return
    start = min(p.first for p in plans)
    open_at = np.zeros(max(p.last for p in plans) - start + 3, dtype=np.int8)  # a closed frame on either side
    for p in plans:
        open_at[p.first - start + 1 : p.last - start + 2] |= p.open.any(axis=1)
    edges = np.diff(open_at)
    # Element i of open_at is frame start + i - 1, so element i of edges compares that frame with its successor.
    for before, last_open in zip(np.flatnonzero(edges == 1), np.flatnonzero(edges == -1), strict=True):
        first = max(start + int(before) - 1, 0)
        last = min(start + int(last_open), frame_count - 1)
        yield Span(first, last, tuple(p for p in plans if p.opens_in(first, last)))


@dataclass(frozen=True, eq=False)
class Fill:
    """What an engine makes of one track over some frames: arrays over frames first.. (F) and keypoints (K).

    xy: (F, K, 2), NaN where it has no answer. visibility: (F, K). score: (F, K) in 0..1, the engine's estimate
    of how likely the keypoint is right. Values at keypoints set by a person, or not open, are ignored.
    """

    track: int
    first: int
    xy: FloatArray
    visibility: NDArray[np.uint8]
    score: FloatArray
