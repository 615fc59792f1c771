"""Batches: the n-th one is a function of the seed and n alone.

So training goes on after an interruption exactly where it was, any number of threads prepare the same batches, and
several processes share one global batch without talking to each other.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, fields
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pwarp.annotations import FloatArray, IntArray
from pwarp.crops import Window, transform
from pwarp.training.augment import UNVARIED, Augmentation, Variation, mirrored_order
from pwarp.training.plan import Framing
from pwarp.training.poses import Poses
from pwarp.training.sources import Clip
from pwarp.training.store import Store

# Streams of random numbers that must not repeat each other.
_ORDER, _SAMPLE = 1, 2


class Shots(Protocol):
    """Which frames make a sample.

    reach: how far they may lie from the labelled one. every_frame: whether the labels of all of them count; otherwise
    only those of the frame at the place `anchor`. candidates: M, how many crops of anybody in other frames come along.
    """

    reach: int
    anchor: int
    every_frame: bool
    candidates: int

    def frames(self, random: np.random.Generator | None, frame: int, last: int, number: int) -> tuple[int, ...]:
        """T frame ordinals from 0 to last, T being always the same; `frame` at the place of the anchor, or anywhere
        where every frame counts.

        random: for training; None, as in validation, makes it a function of the pose's number.
        """
        ...


@dataclass(frozen=True, eq=False)
class Batch:
    """B samples of T frames with K keypoints, seen through one window a sample.

    crops: (B, T, H, W, 3) uint8 RGB. offsets: (B, T) frames from the labelled one. candidates: (B, M, H, W, 3) crops of
    labelled poses in other frames of the video, each through the window of its own box, varied like the sample's.
    present: (B, M) whether there are so many. xy: (B, T, K, 2) crop pixels, NaN where not labelled. weight: (B, T, K),
    0 there. matrix: (B, 2, 3) picture to crop. pose: (B,) rows of the poses.
    """

    crops: NDArray[np.uint8]
    offsets: NDArray[np.float32]
    candidates: NDArray[np.uint8]
    present: NDArray[np.bool_]
    xy: NDArray[np.float32]
    weight: NDArray[np.float32]
    matrix: FloatArray
    pose: IntArray


class Samples:
    """Makes the samples of some poses; safe for several threads."""

    def __init__(
        self,
        clips: Sequence[Clip],
        poses: Poses,
        store: Store,
        shots: Shots,
        framing: Framing,
        augmentation: Augmentation,
        windows: tuple[list[Window], list[tuple[Window, ...]]],
        seed: int,
    ) -> None:
        self.poses = poses
        self._last = np.array([clip.frame_count - 1 for clip in clips], dtype=np.int64)
        self._store, self._shots, self._framing, self._augmentation = store, shots, framing, augmentation
        self._windows, self._seed = windows, seed
        self._mirrored = mirrored_order(len(poses.skeleton), poses.skeleton.flip_pairs)
        rows = zip(poses.clip.tolist(), poses.track.tolist(), poses.frame.tolist(), strict=True)
        self._row = {key: row for row, key in enumerate(rows)} if shots.every_frame else {}
        self._of_clip = [np.flatnonzero(poses.clip == clip) for clip in range(len(clips))] if shots.candidates else []
        self._orders: dict[int, IntArray] = {}

    def drawn(self, position: int) -> tuple[int, np.random.Generator]:
        """The pose at a place in the endless sequence of shuffled epochs, and the generator for its sample."""
        epoch, at = divmod(position, len(self.poses))
        order = self._orders.get(epoch)
        if order is None:
            order = np.random.default_rng([self._seed, _ORDER, epoch]).permutation(len(self.poses))
            # Threads may be a batch apart, so the epoch before is kept, too.
            self._orders = {epoch: order, **{e: o for e, o in self._orders.items() if abs(e - epoch) <= 1}}
        return int(order[at]), np.random.default_rng([self._seed, _SAMPLE, position])

    def training(self, positions: Sequence[int]) -> Batch:
        """The varied samples at some positions."""
        return _stacked([self._sample(pose, random) for pose, random in map(self.drawn, positions)])

    def plain(self, poses: Sequence[int]) -> Batch:
        """The samples of some poses as they are."""
        return _stacked([self._sample(pose, None) for pose in poses])

    def _sample(self, pose: int, random: np.random.Generator | None) -> Batch:
        poses = self.poses
        clip, track, frame = int(poses.clip[pose]), int(poses.track[pose]), int(poses.frame[pose])
        whole, halves = self._windows[0][pose], self._windows[1][pose]
        variation = UNVARIED
        if random is not None:
            whole, variation = self._augmentation.choose(random, whole, halves)
        window = variation.of(whole)
        frames = self._shots.frames(random, frame, int(self._last[clip]), pose)
        matrix = window.matrix(self._framing.size, self._framing.unbiased)
        count = len(poses.skeleton)
        crops = np.empty((len(frames), self._framing.size[1], self._framing.size[0], 3), dtype=np.uint8)
        xy = np.full((len(frames), count, 2), np.nan, dtype=np.float32)
        weight = np.zeros((len(frames), count), dtype=np.float32)
        seen: dict[int, int] = {}
        for at, other in enumerate(frames):
            if other in seen:
                crops[at] = crops[seen[other]]
            else:
                crops[at] = self._store.view(clip, other, track).crop(window, self._framing)
                seen[other] = at
            row = self._label(pose, at, other)
            if row is not None:
                order = self._mirrored if window.flipped else slice(None)
                xy[at] = transform(poses.xy[row], matrix)[order]
                weight[at] = poses.weight[row][order]
        offsets = np.array(frames, dtype=np.float32) - np.float32(frame)
        candidates, present = self._candidates(pose, random, variation)
        return Batch(crops, offsets, candidates, present, xy, weight, matrix, np.array(pose))

    def _label(self, pose: int, at: int, frame: int) -> int | None:
        """The row of the labels that belong to a frame of the pose's sample, at a place in it; None for none."""
        if self._shots.every_frame:
            poses = self.poses
            return self._row.get((int(poses.clip[pose]), int(poses.track[pose]), frame))
        return pose if at == self._shots.anchor else None

    def _candidates(
        self, pose: int, random: np.random.Generator | None, variation: Variation
    ) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """(M, H, W, 3) crops and (M,) which of them are there: any poses in other frames of the video, those of the
        same person not within reach; for training they are drawn, else spread evenly over all."""
        count, (width, height) = self._shots.candidates, self._framing.size
        crops, present = np.zeros((count, height, width, 3), dtype=np.uint8), np.zeros(count, dtype=np.bool_)
        if not count:
            return crops, present
        poses = self.poses
        others = self._of_clip[int(poses.clip[pose])]
        away = np.abs(poses.frame[others] - poses.frame[pose])
        others = others[away > np.where(poses.track[others] == poses.track[pose], self._shots.reach, 0)]
        if len(others) > count:
            even = np.linspace(0, len(others) - 1, count).round().astype(np.int64)
            others = others[even] if random is None else random.choice(others, count, replace=False)
        for at, row in enumerate(others.tolist()):
            view = self._store.view(int(poses.clip[row]), int(poses.frame[row]), int(poses.track[row]))
            crops[at], present[at] = view.crop(variation.of(self._windows[0][row]), self._framing), True
        return crops, present


def _stacked(samples: Sequence[Batch]) -> Batch:
    names = (field.name for field in fields(Batch))
    return Batch(**{name: np.stack([getattr(sample, name) for sample in samples]) for name in names})


def positions(step: int, batch: int, rank: int = 0, processes: int = 1) -> range:
    """Where in the sequence of samples a process finds its part of the batch of a step (counted from 0)."""
    own = batch // processes
    first = step * batch + rank * own
    return range(first, first + own)


def ahead(make: Callable[[int], Batch], steps: range, workers: int) -> Iterator[Batch]:
    """make(step) of each step in order; `workers` threads make the next ones meanwhile, 0 makes them when asked."""
    if workers < 1:
        yield from map(make, steps)
        return
    pool = ThreadPoolExecutor(workers, thread_name_prefix="pwarp-samples")
    waiting: deque[Future[Batch]] = deque()
    try:
        for step in steps:
            waiting.append(pool.submit(make, step))
            if len(waiting) > workers + 1:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
