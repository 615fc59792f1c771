"""The walk for models that look at a window of frames around each."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence, Set
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pwarp.annotations import Track
from pwarp.estimation.views import AS_IT_IS, View
from pwarp.following.course import moved
from pwarp.following.runner import WindowRunner
from pwarp.refinement.walk import Look, Picture, Place, Walk
from pwarp.video import Video

Key = tuple[int, int, int, int]  # a view and a track by their numbers, a row of its trail, a level
Stray = tuple[int, int, int, int]  # the same, and an offset: a frame in which the track has no row of its own


class WindowWalk(Walk[WindowRunner]):
    """A walk with a model that looks at frames `offsets` around each, and perhaps at crops from all over the video.

    wanted: frames that are looked at; None for all. held counts features, of views and candidates, too.
    """

    def __init__(
        self,
        video: Video,
        tracks: Sequence[Track],
        runner: WindowRunner,
        offsets: Sequence[int],
        views: Sequence[View] = AS_IT_IS,
        wanted: Collection[int] | None = None,
    ) -> None:
        super().__init__(video, tracks, runner, views)
        self._tracks, self._offsets, self._wanted = tracks, tuple(offsets), wanted
        self._rows = [{int(f): i for i, f in enumerate(frames)} for frames in self._frames]
        self._features: dict[Key, Tensor] = {}
        self._sampled: dict[Key, Tensor] = {}
        self._strays: dict[Stray, Tensor] = {}
        self._candidates: list[Place] = []

    def looks(self, advance: Callable[[int], None]) -> Iterator[Look]:
        """As in `Walk`; a frame is done when the last one that it looks at is."""
        shown = self._shown()
        if not shown:
            return
        if self._runner.model.sampled:
            self._sample()
        behind, ahead = max(0, *(-o for o in self._offsets)), max(0, *self._offsets)
        first, last = max(min(shown) - behind, 0), min(max(shown) + ahead, self._video.frame_count - 1)
        for frame, picture in self._video.frames(first, last + 1):
            self._look(frame, picture)
            yield from self._conclude(frame - ahead, advance)
        for frame in range(last + 1 - ahead, last + 1):
            yield from self._conclude(frame, advance)

    def _shown(self) -> list[int]:
        return [frame for frame in self._by_frame if self._wanted is None or frame in self._wanted]

    def _go_on(self, done: Set[Place], memory: Any) -> int:
        # A look at a frame knows nothing of other looks. One whose people were looked at in parts is looked at again.
        shown = self._shown()
        left = [
            frame
            for frame in shown
            if any((n, int(self._trails[n].rows[row])) not in done for n, row in self._by_frame[frame])
        ]
        if done:
            self._wanted = frozenset(left)
        return len(shown) - len(left)

    def _sample(self) -> None:
        """See the candidates: crops of anybody, evenly spread over the video. Only they are read out of order."""
        everybody = [(frame, place) for frame in sorted(self._by_frame) for place in self._by_frame[frame]]
        count = min(self._runner.model.sampled, len(everybody))
        chosen = [everybody[i] for i in np.linspace(0, len(everybody) - 1, count).round().astype(int).tolist()]
        self._candidates = [place for _, place in chosen]
        for frame in dict.fromkeys(frame for frame, _ in chosen):
            some = [place for at, place in chosen if at == frame]
            keys = [(v, n, row, self._own(n, row)) for v in range(len(self._views)) for n, row in some]
            self._sampled.update(zip(keys, self._seen(keys, self._video.frame(frame)), strict=True))

    def _look(self, frame: int, picture: Picture) -> None:
        """Cut and see everybody in a frame, in each size in which somebody near in time looks at them."""
        if self._wanted is not None and not any(frame - offset in self._wanted for offset in (0, *self._offsets)):
            return
        keys = [
            (v, n, row, level)
            for n, row in self._by_frame.get(frame, ())
            for level in self._levels(n, frame)
            for v in range(len(self._views))
        ]
        known = {key: self._sampled[key] for key in keys if key in self._sampled}
        strays = [
            (v, n, row, offset)
            for offset in self._offsets
            for n, row in self._by_frame.get(frame - offset, ())
            if self._wanted is None or frame - offset in self._wanted
            if frame not in self._rows[n] and self._tracks[n].present_at(np.array([frame]))[0]
            for v in range(len(self._views))
        ]
        fresh = [key for key in keys if key not in known]
        seen = self._seen([*fresh, *((v, n, row, self._own(n, row)) for v, n, row, _ in strays)], picture)
        self._features |= known | dict(zip(fresh, seen, strict=False))
        self._strays.update(zip(strays, seen[len(fresh) :], strict=True))
        self.held = max(self.held, len(self._features.keys() | self._sampled.keys()) + len(self._strays))

    def _seen(self, keys: Sequence[Key], picture: Picture) -> list[Tensor]:
        """The features of a picture through each of some windows."""
        crops = [
            self._runner.cut(picture, self._through[v][n].courses[level].window(row), mirrored=self._views[v].mirrored)
            for v, n, row, level in keys
        ]
        return list(self._runner.features(crops)) if crops else []

    def _own(self, number: int, row: int) -> int:
        return int(self._trails[number].level[row])

    def _levels(self, number: int, frame: int) -> list[int]:
        """The sizes in which a frame of a track is looked at: its own, and those of the frames that it supports."""
        rows = (self._rows[number].get(frame - offset) for offset in (0, *self._offsets))
        return sorted({self._own(number, row) for row in rows if row is not None})

    def _conclude(self, frame: int, advance: Callable[[int], None]) -> Iterator[Look]:
        """The poses of a frame whose window has been seen; what no later one needs is let go."""
        wanted = self._wanted is None or frame in self._wanted
        places = self._by_frame.get(frame, []) if wanted else []
        for start in range(0, len(places), self._runner.batch):
            some = places[start : start + self._runner.batch]
            with self._runner.memory_for(len(some)):
                parts = [self._fused(frame, some, v) for v in range(len(self._views))]
            heatmaps = self._in_window(some, parts)
            yield Look(frame, some, heatmaps, np.zeros(heatmaps.shape[:2], np.bool_))
        if places:
            advance(1)
        oldest = frame + 1 + min(0, *self._offsets)
        for key in [key for key in self._features if self._frames[key[1]][key[2]] < oldest]:
            del self._features[key]
        for stray in [stray for stray in self._strays if self._frames[stray[1]][stray[2]] <= frame]:
            del self._strays[stray]

    @torch.inference_mode()
    def _fused(self, frame: int, places: Sequence[Place], view: int) -> Tensor:
        windows = [self._window(place, frame, view) for place in places]
        device = self._runner.device
        features = torch.stack([maps for maps, _ in windows]).to(device)
        offsets = torch.tensor([used for _, used in windows], dtype=torch.float32, device=device)
        more: dict[str, Tensor] = {}
        if self._candidates:
            seen = [self._sampled[view, n, row, self._own(n, row)] for n, row in self._candidates]
            more["candidates"] = torch.stack(seen).to(device).expand(len(places), -1, -1, -1, -1)
            more["present"] = torch.tensor([self._elsewhere(n, frame) for n, _ in places], device=device)
        return self._runner.model.fuse(features, offsets, **more).float().cpu()

    def _elsewhere(self, number: int, frame: int) -> list[bool]:
        """Which candidates are of other frames, and not those of the person that the window shows anyhow."""
        reach = max(abs(offset) for offset in self._offsets)
        away = [(n, abs(int(self._frames[n][row]) - frame)) for n, row in self._candidates]
        return [distance > (reach if n == number else 0) for n, distance in away]

    def _window(self, place: Place, frame: int, view: int) -> tuple[Tensor, list[int]]:
        """(T, C, h, w) what is seen around a pose, in the window of its frame, and how far off these frames are.

        A frame in which the track has no row is seen through the pose's own window, as in training; where the video
        has none, or the person is marked absent, the pose's frame stands in.
        """
        number, row = place
        level = self._own(number, row)
        course = self._through[view][number].courses[level]
        maps, used = [], []
        for offset in self._offsets:
            if (stray := self._strays.get((view, number, row, offset))) is not None:
                maps.append(stray)
                used.append(offset)
                continue
            other = self._rows[number].get(frame + offset)
            at, there = (row, 0) if other is None else (other, offset)
            dx, dy = course.shift(at, row)
            shift = np.array([(-dx if self._views[view].mirrored else dx, dy)], dtype=np.int64)
            maps.append(moved(self._features[view, number, at, level][None], shift)[0])
            used.append(there)
        return torch.stack(maps), used
