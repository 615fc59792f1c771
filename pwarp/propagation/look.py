"""What a network sees of the strands of a span: every crop cut once, and through the backbone once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from pwarp.annotations import extents
from pwarp.crops import Window
from pwarp.following.course import Course, course_along, middles, window_size
from pwarp.following.feature_store import FeatureStore
from pwarp.following.runner import Crops
from pwarp.heatmaps import Codec, flip_test
from pwarp.propagation.plan import Span
from pwarp.propagation.walk import SKIPPED, Strand
from pwarp.video import Video

# Of the diagonal D: no side of a person is taken for smaller, also where a keypoint or two are all we have.
_LEAST = 0.7


@dataclass(frozen=True, eq=False)
class Seen:
    """A strand, the windows that follow it, and the features (F, C, h, w) of its crops; rows are the plan's."""

    strand: Strand
    course: Course
    features: FeatureStore


class Eye(Protocol):
    """What looks through windows; `pwarp.following.WindowRunner` is one. batch: most crops at a time."""

    batch: int

    @property
    def codec(self) -> Codec:
        """Size of the crops, and how its heatmaps are meant."""

    @property
    def padding(self) -> float:
        """Factor by which boxes are enlarged before they are cut."""

    def cut(self, picture: NDArray[np.uint8], window: Window) -> Crops:
        """(h, w, 3) what it sees through a window of a picture (H, W, 3) RGB."""

    def features(self, crops: Sequence[Crops]) -> Tensor:
        """(B, C, h, w) float32 on the CPU: what it makes of each crop."""


class BothWays:
    """An eye that also looks at the mirror image of every crop, and takes the mean: twice the work."""

    def __init__(self, eye: Eye, pairs: Sequence[tuple[int, int]]) -> None:
        """pairs: of channels that trade places in a mirror."""
        self._eye, self._pairs, self.batch = eye, pairs, eye.batch

    @property
    def codec(self) -> Codec:
        """The eye's."""
        return self._eye.codec

    @property
    def padding(self) -> float:
        """The eye's."""
        return self._eye.padding

    def cut(self, picture: NDArray[np.uint8], window: Window) -> Crops:
        """As the eye does."""
        return self._eye.cut(picture, window)

    def features(self, crops: Sequence[Crops]) -> Tensor:
        """(B, C, h, w) float32 on the CPU."""
        mirrored = self._eye.features([np.ascontiguousarray(crop[:, ::-1]) for crop in crops])
        return flip_test(self._eye.features(crops), mirrored, self._pairs, self.codec)


class Looker:
    """Looks at spans in order of time.

    A key frame ends one strand and begins the next, mostly in the same window: its features are kept till then. What is
    found of a track must not depend on others, down to the last bit, and networks round a little differently in
    batches of other sizes: so key frames go alone, and frames between two of them in batches of their own strand.
    """

    def __init__(self, video: Video, eye: Eye, nearer: float = 1.0, share: float = 1.0) -> None:
        """nearer: share of the eye's own padding that is kept; where people are is known.
        share: of what all stores together may keep in memory (`FeatureStore`), for what is seen here."""
        self._video, self._eye, self._nearer, self._share = video, eye, nearer, share
        self._pictures = _Reel(video)
        self._kept: dict[tuple[int, int, Window], Tensor] = {}

    def look(self, span: Span, strands: Sequence[Strand], advance: Callable[[int], None]) -> list[Seen]:
        """What is seen of the strands of a span."""
        share = self._share / max(len(strands), 1)
        looks = [_Look(strand, self._video, self._eye, self._nearer, self._kept, share) for strand in strands]
        for frame, picture in self._pictures.between(span.first, span.last):
            for look in looks:
                look.at(frame, picture)
            if frame < span.last:
                advance(1)
        for key in [key for key in self._kept if key[1] < span.last]:
            del self._kept[key]
        return [look.seen() for look in looks]


class _Reel:
    """Pictures of one run of frames after another, decoded once: a run may begin with the last frame of the one before,
    and a decoder that is near enough goes on, where a new one would begin at the video's last whole picture."""

    def __init__(self, video: Video) -> None:
        self._video = video
        self._running: Iterator[tuple[int, NDArray[np.uint8]]] = iter(())
        self._latest: tuple[int, NDArray[np.uint8]] | None = None

    def between(self, first: int, last: int) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """(frame, picture (H, W, 3)) of the frames first..last."""
        if self._latest is not None and self._latest[0] == first:
            yield self._latest
            first += 1
        if first > last:
            return
        if self._latest is None or not 0 < first - self._latest[0] <= SKIPPED:
            self._running = self._video.frames(first)
        for frame, picture in self._running:
            self._latest = frame, picture
            if frame >= first:
                yield frame, picture
            if frame == last:
                return


class _Look:
    """The looking at one strand."""

    def __init__(
        self,
        strand: Strand,
        video: Video,
        eye: Eye,
        nearer: float,
        kept: dict[tuple[int, int, Window], Tensor],
        share: float,
    ) -> None:
        plan = strand.plan
        self._strand, self._eye, self._kept, self._share = strand, eye, kept, share
        self._course = course_of(strand, video.width, video.height, eye, nearer)
        self._is_key = np.asarray(plan.known.any(axis=1))
        self._needed = np.asarray(self._is_key | plan.open.any(axis=1))
        self._features: FeatureStore | None = None
        self._waiting: list[tuple[int, Crops]] = []

    def at(self, frame: int, picture: NDArray[np.uint8]) -> None:
        """Look at a frame, wherever the strand needs it."""
        row = frame - self._strand.plan.first
        if not 0 <= row < len(self._course) or not self._needed[row]:
            return
        window = self._course.window(row)
        if self._is_key[row]:
            key = (self._strand.plan.id, frame, window)
            if key not in self._kept:
                self._kept[key] = self._eye.features([self._eye.cut(picture, window)])
            self._flush()
            self._put([row], self._kept[key])
            return
        self._waiting.append((row, self._eye.cut(picture, window)))
        if len(self._waiting) == self._eye.batch:
            self._flush()

    def _flush(self) -> None:
        if self._waiting:
            rows, crops = zip(*self._waiting, strict=True)
            self._waiting = []
            self._put(list(rows), self._eye.features(crops))

    def _put(self, rows: list[int], features: Tensor) -> None:
        if self._features is None:
            self._features = FeatureStore((len(self._course), *features.shape[1:]), self._share)
        self._features[rows] = features

    def seen(self) -> Seen:
        """All of it."""
        self._flush()
        assert self._features is not None  # a strand has a key frame
        return Seen(self._strand, self._course, self._features)


def course_of(strand: Strand, width: int, height: int, eye: Eye, nearer: float = 1.0) -> Course:
    """Windows around a strand's path in a picture of that size; far outside of it there is nothing to be seen."""
    size = np.array([width, height])
    path = np.clip(strand.path, -size, 2 * size)
    keys = path[strand.plan.known.any(axis=1)]
    window = window_size(keys, _LEAST * strand.diagonal, eye.codec, eye.padding * nearer)
    return course_along(middles(extents(path)), window, eye.codec)
