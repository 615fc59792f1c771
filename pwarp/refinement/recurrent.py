"""The walk for models that go from frame to frame and keep a state of each person.

A person's windows have one size for as long as it fits and lie on a lattice of whole heatmap cells. In training one
window serves all frames of a clip, so the state, which is maps in the window's cells, is moved against the window: what
lay somewhere in the picture still lies there. Where the window's size changes it is resampled once. A person's windows
depend on no later frame.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pwarp.annotations import FloatArray, IntArray, Track
from pwarp.estimation.views import AS_IT_IS, View, between, resampled
from pwarp.following.course import moved
from pwarp.following.runner import Crops, RecurrentRunner
from pwarp.models.recurrent import State
from pwarp.refinement.walk import Look, Picture, Place, Walk
from pwarp.video import Video


@dataclass(frozen=True, eq=False)
class _Memory:
    """What is kept of a person. row: of the trail, last seen. age: frames since the start. states: of each view."""

    row: int
    age: int
    states: tuple[State, ...]


_Remembered = tuple[int, Mapping[int, _Memory]]  # a frame, and everybody who was seen in it, by their tracks' numbers


class RecurrentWalk(Walk[RecurrentRunner]):
    """A walk that starts anew in the first frame of each track, after each of its gaps, and after `every` frames.

    channels: (K,) the model's channel for each keypoint of the tracks, -1 for none: it starts from the poses that the
    tracks have; None: from its own first estimate. last: frame to stop after. starts: how many there were. held counts
    people's states, in all views.
    """

    def __init__(
        self,
        video: Video,
        tracks: Sequence[Track],
        runner: RecurrentRunner,
        channels: IntArray | None = None,
        views: Sequence[View] = AS_IT_IS,
        every: int | None = None,
        last: int | None = None,
    ) -> None:
        super().__init__(video, tracks, runner, views, causal=True)
        self._tracks, self._channels, self._every, self._last = tracks, channels, every, last
        self._memory: dict[int, _Memory] = {}
        self._whole: _Remembered | None = None
        self._mirrored = list(range(len(runner.skeleton)))
        for left, right in runner.skeleton.flip_pairs:
            self._mirrored[left], self._mirrored[right] = right, left
        self.starts = 0

    def looks(self, advance: Callable[[int], None]) -> Iterator[Look]:
        """As in `Walk`."""
        if not self._by_frame:
            return
        last = max(self._by_frame) if self._last is None else self._last
        first = min(self._by_frame) if self._whole is None else self._whole[0] + 1
        for frame, picture in self._video.frames(first, last + 1):
            places = self._by_frame.get(frame, [])
            going = [place for place in places if self._goes_on(place, frame)]
            fresh = [place for place in places if place not in going]
            self.starts += len(fresh)
            here = {number for number, _ in places}
            self._memory = {number: kept for number, kept in self._memory.items() if number in here}
            batch, seen = self._runner.batch, 0
            for group, proceed in ((fresh, self._started), (going, self._stepped)):
                for at in range(0, len(group), batch):
                    look = proceed(frame, group[at : at + batch], picture)
                    seen += len(look.places)
                    if seen == len(places):
                        self._whole = frame, dict(self._memory)
                    yield look
            self.held = max(self.held, len(self._memory) * len(self._views))
            if places:
                advance(1)

    @property
    def recall(self) -> Callable[[Any], Any] | None:
        """As in `Walk`."""
        return self._recalled

    def _go_on(self, done: Set[Place], memory: Any) -> int:
        if memory is None:
            return 0
        self._whole = memory
        frame, everybody = memory
        self._memory = dict(everybody)
        return sum(one <= frame for one in self._by_frame)

    def _remembered(self) -> tuple[int, Any] | None:
        return self._whole

    def _plain(self, remembered: tuple[int, Any]) -> Any:
        frame, everybody = remembered
        people = [
            [number, kept.row, kept.age, [[_plain_maps(maps) for maps in state] for state in kept.states]]
            for number, kept in everybody.items()
        ]
        return {"frame": frame, "people": people}

    def _recalled(self, plain: Any) -> _Remembered | None:
        """What `_plain` told, None from what it never told."""
        try:
            frame, people = int(plain["frame"]), {int(one[0]): self._person(*one) for one in plain["people"]}
            # Remembered is who was there.
            there = dict(self._by_frame[frame])
            return (frame, people) if {number: kept.row for number, kept in people.items()} == there else None
        except (ValueError, TypeError, KeyError, IndexError, OverflowError):
            return None

    def _person(self, number: int, row: int, age: int, views: Any) -> _Memory:
        if len(views) != len(self._views):
            raise ValueError("not in each view")
        states = tuple(tuple(_maps(maps).to(self._runner.device) for maps in state) for state in views)
        if any(tuple(tuple(maps.shape) for maps in state) != self._runner.shapes for state in states):
            raise ValueError("nothing that this network remembers")
        return _Memory(int(row), int(age), states)

    def _goes_on(self, place: Place, frame: int) -> bool:
        kept = self._memory.get(place[0])
        if kept is None or int(self._frames[place[0]][kept.row]) != frame - 1:
            return False
        return self._every is None or kept.age < self._every

    def _started(self, frame: int, places: Sequence[Place], picture: Picture) -> Look:
        parts, states = [], []
        known = np.zeros((len(places), len(self._runner.skeleton)), np.bool_)
        for v in range(len(self._views)):
            xy, known = self._told(places, v)
            order = self._mirrored if self._views[v].mirrored else slice(None)
            state, heatmaps = self._runner.start(self._cut(places, picture, v), xy[:, order], known[:, order])
            states.append(state)
            parts.append(heatmaps)
        self._keep(places, [1] * len(places), states)
        echo = known if self._runner.model.echoes else np.zeros_like(known)
        return Look(frame, places, self._in_window(places, parts), echo)

    def _stepped(self, frame: int, places: Sequence[Place], picture: Picture) -> Look:
        parts, states = [], []
        before = [self._memory[number] for number, _ in places]
        for v in range(len(self._views)):
            carried = [
                self._carried(v, n, kept.row, row, kept.states[v])
                for (n, row), kept in zip(places, before, strict=True)
            ]
            state, heatmaps = self._runner.step(carried, self._cut(places, picture, v))
            states.append(state)
            parts.append(heatmaps)
        self._keep(places, [kept.age + 1 for kept in before], states)
        heatmaps = self._in_window(places, parts)
        return Look(frame, places, heatmaps, np.zeros(heatmaps.shape[:2], np.bool_))

    def _keep(self, places: Sequence[Place], ages: Sequence[int], states: Sequence[Sequence[State]]) -> None:
        for (number, row), age, own in zip(places, ages, zip(*states, strict=True), strict=True):
            self._memory[number] = _Memory(row, age, own)

    def _cut(self, places: Sequence[Place], picture: Picture, view: int) -> list[Crops]:
        trails, mirrored = self._through[view], self._views[view].mirrored
        windows = [trails[n].course(row).window(row) for n, row in places]
        return [self._runner.cut(picture, window, mirrored=mirrored) for window in windows]

    def _told(self, places: Sequence[Place], view: int) -> tuple[FloatArray, NDArray[np.bool_]]:
        """xy (B, C, 2) in crop pixels of a view and (B, C) whether the poses at some places have that keypoint."""
        xy = np.full((len(places), len(self._runner.skeleton), 2), np.nan)
        known = np.zeros(xy.shape[:2], np.bool_)
        if self._channels is None:
            return xy, known
        mine = np.flatnonzero(self._channels >= 0)
        for index, (number, row) in enumerate(places):
            track, one = self._tracks[number], self._through[view][number]
            pose = int(one.rows[row])
            xy[index, self._channels[mine]] = one.course(row).to_crop(track.xy[pose, mine], row)
            known[index, self._channels[mine]] = track.labelled[pose, mine]
        if self._views[view].mirrored:
            xy[..., 0] = self._runner.codec.size[0] - 1 - xy[..., 0]
        return xy, known

    def _carried(self, view: int, number: int, before: int, row: int, state: State) -> State:
        """A state as it looks through the window of another row."""
        trail, mirrored = self._through[view][number], self._views[view].mirrored
        old, new = trail.course(before), trail.course(row)
        if old is new:
            dx, dy = new.shift(before, row)
            shift = np.array([(-dx if mirrored else dx, dy)], dtype=np.int64)
            return tuple(moved(maps[None], shift)[0] for maps in state)
        cells = between(new.matrix(row)[None], old.matrix(before)[None], self._runner.codec, mirrored=mirrored)
        with torch.inference_mode():
            return tuple(resampled(maps[None], cells)[0] for maps in state)


def _plain_maps(maps: Tensor) -> dict[str, Any]:
    values = maps.float().cpu().contiguous().numpy().astype("<f4")
    return {"shape": list(values.shape), "float32": base64.b64encode(values.tobytes()).decode()}


def _maps(plain: Any) -> Tensor:
    """What `_plain_maps` told; raises ValueError or TypeError for other values."""
    values = np.frombuffer(base64.b64decode(plain["float32"]), dtype="<f4")
    return torch.from_numpy(values.reshape(plain["shape"]).astype(np.float32))
