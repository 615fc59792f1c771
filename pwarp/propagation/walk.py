"""One walk through the pictures of a span: every frame decoded once, every flow computed once, for all tracks."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from threading import local
from typing import TYPE_CHECKING, Protocol

import cv2
import numpy as np

from pwarp.annotations import FloatArray
from pwarp.errors import PwarpError
from pwarp.propagation.interpolate import linear
from pwarp.propagation.motion import Crop, Flow, FlowMethod, Grey, crop_around, flow_pair, share_crops
from pwarp.propagation.plan import Span, TrackPlan, spans

if TYPE_CHECKING:
    from pwarp.video import Video

Motion = tuple[Flow, Flow]  # from a frame to the next one, and back

_KEPT = 200e6  # bytes of pictures kept
_MEMORY = 400e6  # bytes that the motion of a block may take
_STATE = 17_000  # bytes that a traveller keeps of one keypoint in one frame: a belief grid
_SMALLEST = 16.0  # pixels: no person is taken for smaller
_LONE = 0.1  # of the picture's diagonal: size of what one or two keypoints belong to
SKIPPED = 64  # frames that are decoded and dropped rather than sought past
_AHEAD = 3  # pairs of frames whose flow is computed while earlier ones are used


@dataclass(frozen=True, eq=False)
class Strand:
    """One track while it is open, from where all of it is known or closed to where that is so again.

    plan: cut to these frames. path: (F, K, 2) where the pose is looked for; the straight line between the keys, or
    what `guide` makes of it.
    diagonal: size D of the person there, in pixels.
    """

    plan: TrackPlan
    path: FloatArray
    diagonal: float

    def needs(self, frame: int) -> bool:
        """Whether anything travels between a frame and the next."""
        row = frame - self.plan.first
        return 0 <= row < len(self.path) - 1 and bool(self.plan.open[row : row + 2].any())


def strands(span: Span, picture: float) -> list[Strand]:
    """The tracks that are open in a span, in the pieces in which each would be filled if it were alone: what is found
    of a track does not depend on the key frames of others. picture: diagonal of the picture, in pixels."""
    parts = (p.between(span.first, span.last) for p in span.plans)
    pieces = (part.between(own.first, own.last) for part in parts for own in spans([part], span.last + 1))
    return [_strand(piece, picture) for piece in pieces]


def _strand(plan: TrackPlan, picture: float) -> Strand:
    path = linear(plan)
    keys = path[plan.known.any(axis=1)]
    diagonals = np.linalg.norm(np.nanmax(keys, axis=1) - np.nanmin(keys, axis=1), axis=-1)
    # One or two keypoints have no size of their own: how far they move depends on what they are part of.
    smallest = _SMALLEST if np.isfinite(keys[..., 0]).sum(axis=1).max() > 2 else _LONE * picture
    # In quarter octaves, so that a small correction changes nothing but the keypoint that it corrects.
    diagonal = 2.0 ** (round(4 * np.log2(max(float(np.median(diagonals)), smallest))) / 4)
    return Strand(plan, path, diagonal)


Look = Callable[[Sequence[Strand], int], list[tuple[Crop, list[int]]]]  # see `Around`


@dataclass(frozen=True)
class Around:
    """Crops close around the strands of a width x height picture, shared where people are near each other."""

    width: int
    height: int

    def __call__(self, strands: Sequence[Strand], frame: int) -> list[tuple[Crop, list[int]]]:
        """The crops to look at between a frame and the next, each with the indices of the strands it serves.

        Only strands that begin and end together share a crop, as they do where people are labelled in the same key
        frames: a crop follows all its strands, so a correction of one of them may change the others a little, and
        must not be carried by them beyond its own key frames.
        """
        together: dict[tuple[int, int], list[int]] = {}
        for i, strand in enumerate(strands):
            if strand.needs(frame):
                together.setdefault((strand.plan.first, strand.plan.last), []).append(i)
        found = []
        for here in together.values():
            rows = slice(frame - strands[here[0]].plan.first, frame - strands[here[0]].plan.first + 2)
            around = [crop_around(strands[i].path[rows], strands[i].diagonal, self.width, self.height) for i in here]
            found += [(crop, [here[m] for m in members]) for crop, members in share_crops(around)]
        return found


class Walker:
    """Computes the motion around strands. Use as a context: it owns threads, and keeps OpenCV to one thread a call,
    so that the same input gives the same flow on any number of cores."""

    def __init__(self, cache: FrameCache, method: Callable[[], FlowMethod], look: Look) -> None:
        self._cache = cache
        self._method = method
        self.look = look
        self._pool = ThreadPoolExecutor(max_workers=os.cpu_count() or 1)
        self._own = local()  # flow methods keep buffers, so each thread has its own

    def __enter__(self) -> Walker:
        self._threads = cv2.getNumThreads()
        cv2.setNumThreads(1)
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)
        cv2.setNumThreads(self._threads)

    def motions(self, strands: Sequence[Strand], first: int, last: int) -> Iterator[tuple[int, dict[int, Motion]]]:
        """For each frame of first..last-1, the motion to the next frame and back, by strand index."""
        waiting: deque[tuple[int, list[tuple[list[int], Future[Motion]]]]] = deque()
        there = _by_frame(strands, first, last)
        for frame, a, b in self._cache.pairs(first, last):
            here = there.get(frame, [])
            crops = self.look([strands[i] for i in here], frame)
            jobs = [([here[m] for m in members], self._pool.submit(self._flow, crop, a, b)) for crop, members in crops]
            waiting.append((frame, jobs))
            if len(waiting) > _AHEAD:
                yield _finished(*waiting.popleft())
        while waiting:
            yield _finished(*waiting.popleft())

    def _flow(self, crop: Crop, a: Grey, b: Grey) -> Motion:
        if not hasattr(self._own, "estimate"):
            self._own.estimate = self._method()
        return flow_pair(crop, a, b, self._own.estimate)


def _by_frame(strands: Sequence[Strand], first: int, last: int) -> dict[int, list[int]]:
    """The indices of the strands that go on from a frame of first..last-1, so that none is asked in other frames."""
    there: dict[int, list[int]] = {}
    for i, strand in enumerate(strands):
        for frame in range(max(first, strand.plan.first), min(last, strand.plan.last)):
            there.setdefault(frame, []).append(i)
    return there


def _finished(frame: int, jobs: list[tuple[list[int], Future[Motion]]]) -> tuple[int, dict[int, Motion]]:
    return frame, {member: job.result() for members, job in jobs for member in members}


class Traveller(Protocol):
    """What travels along the motion of a span, first forward in time, then back."""

    def forward(self, frame: int, motion: dict[int, Motion]) -> None:
        """Go from a frame to the next one."""

    def backward(self, frame: int, motion: dict[int, Motion]) -> None:
        """Come back from the next frame to this one."""

    def forget(self, first: int, last: int) -> None:
        """Drop what was kept for the frames strictly between; `forward` will come through them again."""


def travel(
    walker: Walker, strands: Sequence[Strand], span: Span, traveller: Traveller, advance: Callable[[int], None]
) -> None:
    """Take a traveller forward and back through a span, in bounded memory.

    A span whose motion fits into memory is walked once. A longer one is walked in blocks: forward through all of
    them, keeping only what is known at their borders, then block by block from the last to the first, each forward
    again and then back. The result is the same, bit for bit.
    """
    borders = _borders(walker, strands, span)
    blocks = list(pairwise(borders))
    for first, last in blocks[:-1]:
        for frame, motion in walker.motions(strands, first, last):
            traveller.forward(frame, motion)
        traveller.forget(first, last)
    for first, last in reversed(blocks):
        kept = []
        for frame, motion in walker.motions(strands, first, last):
            traveller.forward(frame, motion)
            kept.append((frame, motion))
        while kept:
            traveller.backward(*kept.pop())
            advance(1)


def _borders(walker: Walker, strands: Sequence[Strand], span: Span) -> list[int]:
    """Frames that divide the span into blocks of about _MEMORY bytes each."""
    middle = (span.first + span.last) // 2
    flow = sum(crop.area * 6 for crop, _ in walker.look(strands, middle))  # two fields of 3 floats, a quarter size
    kept = sum(s.path.shape[1] * _STATE for s in strands if s.needs(middle))
    length = max(int(_MEMORY / max(flow + kept, 1)), 16)
    return [*range(span.first, span.last, length), span.last]


class FrameCache:
    """Grey pictures of a video by frame number. Going forward decodes each once; the latest are kept for who comes
    through again, until they are told to go."""

    def __init__(self, video: Video) -> None:
        self.width, self.height = video.width, video.height
        self._video = video
        self._running: Iterator[tuple[int, Grey]] | None = None
        self._next = 0  # the frame that the decoder gives next
        self._kept: dict[int, Grey] = {}

    def pairs(self, first: int, last: int) -> Iterator[tuple[int, Grey, Grey]]:
        """(t, picture t, picture t + 1) for t in first..last-1."""
        before = self._picture(first)
        for frame in range(first, last):
            after = self._picture(frame + 1)
            yield frame, before, after
            before = after

    def forget(self, before: int) -> None:
        """Drop the pictures before a frame: nobody comes through them again."""
        self._kept = {frame: picture for frame, picture in self._kept.items() if frame >= before}

    def _picture(self, frame: int) -> Grey:
        if frame in self._kept:
            return self._kept[frame]
        if self._running is None or not 0 <= frame - self._next <= SKIPPED:
            self._running = self._video.frames(frame, color="gray")
        for number, picture in self._running:
            self._next = number + 1
            self._keep(number, picture)
            if number == frame:
                return picture
        raise PwarpError(f"frame {frame} cannot be decoded, though the video's index lists it")

    def _keep(self, frame: int, picture: Grey) -> None:
        while self._kept and (len(self._kept) + 1) * picture.nbytes > _KEPT:
            del self._kept[next(iter(self._kept))]
        self._kept[frame] = picture
