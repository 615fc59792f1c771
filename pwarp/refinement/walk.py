"""One walk through a video for all models of several frames.

Frames are decoded once, forward. The crops of all people in a frame go through the network together, each once. What
is kept of a frame is kept only while frames that need it are still to come: `WindowWalk`, `RecurrentWalk`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from pwarp.annotations import Track
from pwarp.crops import Window
from pwarp.errors import PwarpError
from pwarp.estimation.found import Found, PoseJournal
from pwarp.estimation.views import AS_IT_IS, View, averaged, between
from pwarp.following.runner import Runner
from pwarp.refinement.scale import Trail, trail
from pwarp.video import Video

Place = tuple[int, int]  # a track by its number, a row of its trail
Picture = NDArray[np.uint8]
R = TypeVar("R", bound=Runner)
_AGAIN = 500  # frames after which what a model remembers is noted again


@dataclass(frozen=True, eq=False)
class Look:
    """Heatmaps (B, C, h, w) of B poses of a frame, each in its window (`Walk.window`).

    echo: (B, C) what only repeats the pose that the model was told.
    """

    frame: int
    places: Sequence[Place]
    heatmaps: Tensor
    echo: NDArray[np.bool_]


class Walk(ABC, Generic[R]):
    """A walk along some tracks with a model.

    views: through which each person is seen; their heatmaps are averaged. causal: whether windows may depend on earlier
    frames alone. held: most crops' features, or people's states, kept at any time.
    """

    def __init__(
        self,
        video: Video,
        tracks: Sequence[Track],
        runner: R,
        views: Sequence[View] = AS_IT_IS,
        *,
        causal: bool = False,
    ) -> None:
        self._video, self._runner, self._views = video, runner, tuple(views)

        def trails(scale: float) -> list[Trail]:
            size = video.width, video.height
            return [trail(t, *size, runner.codec, runner.padding, scale=scale, causal=causal) for t in tracks]

        by_scale = {scale: trails(scale) for scale in {1.0, *(view.scale for view in views)}}
        self._trails = by_scale[1.0]
        self._through = [by_scale[view.scale] for view in views]
        self._frames = [t.frames[one.rows] for t, one in zip(tracks, self._trails, strict=True)]
        self._by_frame: dict[int, list[Place]] = {}
        for number, frames in enumerate(self._frames):
            for row, frame in enumerate(frames.tolist()):
                self._by_frame.setdefault(frame, []).append((number, row))
        self.held = 0

    @property
    def frames(self) -> int:
        """How many frames have anybody in them."""
        return len(self._by_frame)

    @abstractmethod
    def looks(self, advance: Callable[[int], None]) -> Iterator[Look]:
        """What the model sees of everybody, frame by frame. `advance` is told of frames that are done."""

    @property
    def recall(self) -> Callable[[Any], Any] | None:
        """How what is remembered comes out of a journal (`PoseJournal`); None where nothing is."""
        return None

    @abstractmethod
    def _go_on(self, done: Set[Place], memory: Any) -> int:
        """Leave out what an earlier walk did; how many frames that are. done: tracks and their rows. memory: as of
        `PoseJournal`."""

    def _remembered(self) -> tuple[int, Any] | None:
        """The last frame that is done, and what is remembered behind it, for `_plain`; None where nothing is."""
        return None

    def _plain(self, remembered: tuple[int, Any]) -> Any:
        """The same in plain values, for `recall`."""
        raise NotImplementedError

    def walk(self, advance: Callable[[int], None], journal: PoseJournal | None = None) -> Generator[Found, None, None]:
        """What the model says about everybody, frame by frame; advance as in `looks`.

        journal: remembers it, so that an interrupted walk can go on: what was found before comes first. Whoever does
        not walk to the end closes the iterator before the journal.
        """
        if journal is None:
            for look in self.looks(advance):
                yield from self._says(look)
            return
        done = set()
        for found in journal.found():
            done.add((found.track, found.row))
            yield found
        advance(self._go_on(done, journal.memory))
        latest = self._remembered()
        noted = None if latest is None else latest[0]
        try:
            for look in self.looks(advance):
                told, now = self._says(look), self._remembered()
                if now is None or (noted is not None and now[0] < noted + _AGAIN):
                    journal.add(told)
                else:
                    journal.add(told, self._plain(now))
                    noted = now[0]
                # Not before its poses are noted: whoever goes on from a memory looks at later frames alone.
                latest = now
                yield from told
        finally:
            if latest is not None and latest[0] != noted:
                with suppress(PwarpError):
                    journal.add((), self._plain(latest))

    def _says(self, look: Look) -> list[Found]:
        """What a look says."""
        xy, score = (values.double().numpy() for values in self._runner.codec.decode(look.heatmaps))
        score = np.where(look.echo, 0.0, score)
        told = []
        for index, (number, row) in enumerate(look.places):
            one = self._trails[number]
            told.append(Found(number, int(one.rows[row]), one.course(row).to_picture(xy[index], row), score[index]))
        return told

    def window(self, place: Place) -> Window:
        """Through which a pose is seen as usual."""
        number, row = place
        return self._trails[number].course(row).window(row)

    def _in_window(self, places: Sequence[Place], parts: Sequence[Tensor]) -> Tensor:
        """What each view shows (B, C, h, w), as one in the usual windows."""
        if len(self._views) == 1 and self._views[0] == View():
            return parts[0]
        usual = np.stack([self._trails[n].course(row).matrix(row) for n, row in places])
        cells = []
        for trails in self._through:
            other = np.stack([trails[n].course(row).matrix(row) for n, row in places])
            cells.append(between(usual, other, self._runner.codec))
        return averaged(parts, self._views, cells, self._runner.skeleton.flip_pairs, self._runner.codec)
