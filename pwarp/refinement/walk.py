"""One walk through a video for all models that look at a window of frames around each.

Frames are decoded once, forward. The crops of all people in a frame go through the network together, each once; what
it made of them is kept only while frames near enough are still to come.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pwarp.annotations import FloatArray, Track
from pwarp.following.course import moved
from pwarp.following.sight import Sight
from pwarp.refinement.scale import Trail, trail
from pwarp.video import Video

Place = tuple[int, int]  # a track by its number, a row of its trail
Key = tuple[int, int, int]  # the same, and a level


@dataclass(frozen=True)
class Found:
    """What the model says about one pose. track: its number. row: of the track. xy: (C, 2) picture pixels and score
    (C,) of the model's own keypoints; score 0 where it has nothing to say."""

    track: int
    row: int
    xy: FloatArray
    score: FloatArray


class WindowWalk:
    """A walk with a model that looks at frames `offsets` around each. held: most features kept at any time."""

    def __init__(self, video: Video, tracks: Sequence[Track], sight: Sight, offsets: Sequence[int]) -> None:
        self._video, self._sight, self._offsets = video, sight, tuple(offsets)
        self._trails = [trail(t, video.width, video.height, sight.codec, sight.card.padding) for t in tracks]
        self._frames = [t.frames[one.rows] for t, one in zip(tracks, self._trails, strict=True)]
        self._rows = [{int(f): i for i, f in enumerate(frames)} for frames in self._frames]
        self._by_frame: dict[int, list[Place]] = {}
        for number, frames in enumerate(self._frames):
            for row, frame in enumerate(frames.tolist()):
                self._by_frame.setdefault(frame, []).append((number, row))
        self._features: dict[Key, Tensor] = {}
        self.held = 0

    @property
    def frames(self) -> int:
        """How many frames have anybody in them."""
        return len(self._by_frame)

    def walk(self, advance: Callable[[int], None]) -> Iterator[Found]:
        """What the model says about everybody, frame by frame. `advance` is told of frames that are done."""
        if not self._by_frame:
            return
        first, last = min(self._by_frame), max(self._by_frame)
        ahead = max(0, *self._offsets)
        for frame, picture in self._video.frames(first, last + 1):
            self._look(frame, picture)
            yield from self._conclude(frame - ahead, advance)
        for frame in range(last + 1 - ahead, last + 1):
            yield from self._conclude(frame, advance)

    def _look(self, frame: int, picture: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> None:
        """Cut and see everybody in a frame, in each size in which somebody near in time looks at them."""
        keys = [(n, row, level) for n, row in self._by_frame.get(frame, ()) for level in self._levels(n, frame)]
        if not keys:
            return
        crops = [self._sight.cut(picture, self._trails[n].courses[level].window(row)) for n, row, level in keys]
        self._features.update(zip(keys, self._sight.features(crops), strict=True))
        self.held = max(self.held, len(self._features))

    def _levels(self, number: int, frame: int) -> list[int]:
        """The sizes in which a frame of a track is looked at: its own, and those of the frames that it supports."""
        rows = (self._rows[number].get(frame - offset) for offset in (0, *self._offsets))
        return sorted({int(self._trails[number].level[row]) for row in rows if row is not None})

    def _conclude(self, frame: int, advance: Callable[[int], None]) -> Iterator[Found]:
        """The poses of a frame whose window has been seen; what no later one needs is let go."""
        places = self._by_frame.get(frame, [])
        for start in range(0, len(places), self._sight.batch):
            yield from self._fused(frame, places[start : start + self._sight.batch])
        if places:
            advance(1)
        oldest = frame + 1 + min(0, *self._offsets)
        for key in [key for key in self._features if self._frames[key[0]][key[1]] < oldest]:
            del self._features[key]

    @torch.inference_mode()
    def _fused(self, frame: int, places: Sequence[Place]) -> Iterator[Found]:
        windows = [self._window(place, frame) for place in places]
        features = torch.stack([maps for maps, _ in windows])
        offsets = torch.tensor([used for _, used in windows], dtype=torch.float32)
        device = self._sight.device
        heatmaps = self._sight.model.fuse(features.to(device), offsets.to(device)).float().cpu()
        xy, score = (values.double().numpy() for values in self._sight.codec.decode(heatmaps))
        for index, (number, row) in enumerate(places):
            one: Trail = self._trails[number]
            course = one.courses[int(one.level[row])]
            yield Found(number, int(one.rows[row]), course.to_picture(xy[index], row), score[index])

    def _window(self, place: Place, frame: int) -> tuple[Tensor, list[int]]:
        """(T, C, h, w) what is seen around a pose, in the window of its frame, and how far off these frames are.

        Where a frame is missing, at the ends of a track and beside its gaps, the frame itself stands in.
        """
        number, row = place
        level = int(self._trails[number].level[row])
        course = self._trails[number].courses[level]
        maps, used = [], []
        for offset in self._offsets:
            other = self._rows[number].get(frame + offset)
            at, there = (row, 0) if other is None else (other, offset)
            shift = np.array([course.shift(at, row)], dtype=np.int64)
            maps.append(moved(self._features[number, at, level][None], shift)[0])
            used.append(there)
        return torch.stack(maps), used
