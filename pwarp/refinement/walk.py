"""One walk through a video for all models of several frames.

Frames are decoded once, forward. The crops of all people in a frame go through the network together, each once. What
is kept of a frame is kept only while frames that need it are still to come: `WindowWalk`, `RecurrentWalk`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from pwarp.annotations import FloatArray, Track
from pwarp.crops import Window
from pwarp.estimation.views import AS_IT_IS, View, averaged, between
from pwarp.following.runner import Runner
from pwarp.refinement.scale import Trail, trail
from pwarp.video import Video

Place = tuple[int, int]  # a track by its number, a row of its trail
Picture = NDArray[np.uint8]
R = TypeVar("R", bound=Runner)


@dataclass(frozen=True)
class Found:
    """What the model says about one pose. track: its number. row: of the track. xy: (C, 2) picture pixels and score
    (C,) of the model's own keypoints; score 0 where it has nothing to say."""

    track: int
    row: int
    xy: FloatArray
    score: FloatArray


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

    def walk(self, advance: Callable[[int], None]) -> Iterator[Found]:
        """What the model says about everybody, frame by frame; advance as in `looks`."""
        for look in self.looks(advance):
            xy, score = (values.double().numpy() for values in self._runner.codec.decode(look.heatmaps))
            score = np.where(look.echo, 0.0, score)
            for index, (number, row) in enumerate(look.places):
                one = self._trails[number]
                at = one.course(row).to_picture(xy[index], row)
                yield Found(number, int(one.rows[row]), at, score[index])

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
