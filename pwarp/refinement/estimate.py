"""Poses in the boxes of a video by a model of several frames."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from pwarp.annotations import Annotations
from pwarp.estimation.filling import Filling, bare, usable_boxes
from pwarp.estimation.found import PoseJournal
from pwarp.following.runner import RecurrentRunner, WindowRunner
from pwarp.journal import identity_of
from pwarp.progress import unheard
from pwarp.refinement.refine import walk_along
from pwarp.video import Video


def estimate_over_time(
    video: Video,
    boxes: Annotations,
    runner: WindowRunner | RecurrentRunner,
    *,
    every: int | None = None,
    scales: Sequence[float] = (1.0,),
    flip: bool = False,
    min_score: float = 0.0,
    advance: Callable[[int], None] = unheard,
) -> Annotations:
    """As `pwarp.estimation.estimate`, by a model that looks at other frames, too; every, scales, flip as in `refine`.

    Only boxes say where to look. A recurrent model makes its own first estimate in the first frame of each track and
    after each gap, and nothing that it says of a frame depends on later boxes or pictures. A box without a track id is
    a track of its own.
    """
    return EstimationOverTime(video, boxes, runner, every=every, scales=scales, flip=flip).run(min_score, advance)


class EstimationOverTime:
    """What `estimate_over_time` is to do, everything checked and nothing done; arguments and errors are its own."""

    def __init__(
        self,
        video: Video,
        boxes: Annotations,
        runner: WindowRunner | RecurrentRunner,
        *,
        every: int | None = None,
        scales: Sequence[float] = (1.0,),
        flip: bool = False,
    ) -> None:
        self._video, self._boxes, self._keypoints = video, boxes, len(runner.skeleton)
        self._filling = Filling(boxes, runner.skeleton, runner.name, video)
        self._rows = [np.flatnonzero(usable_boxes(track, video.width, video.height)) for track in boxes.tracks]
        seen = zip(boxes.tracks, self._rows, strict=True)
        tracks = [bare(track.rows(some), len(runner.skeleton)) for track, some in seen]
        self._walk = walk_along(video, tracks, runner, every=every, scales=scales, flip=flip)

    @property
    def frames(self) -> int:
        """How many frames have boxes to look into; 0 where a person saw to all that the model could find."""
        return self._walk.frames if any(rows.any() for rows in self._filling.wanted) else 0

    def journal(self, path: Path, *deciding: object, resume: bool, alone: bool = False) -> PoseJournal:
        """For `run`. deciding: values with a readable `repr` that tell the model and the other arguments from others.
        Else as of `PoseJournal`."""
        identity = identity_of(self._boxes, self._video.identity, self._video.content(), *deciding)
        rows = [len(rows) for rows in self._rows]
        return PoseJournal(
            path, identity, rows=rows, keypoints=self._keypoints, recall=self._walk.recall, resume=resume, alone=alone
        )

    def run(
        self, min_score: float = 0.0, advance: Callable[[int], None] = unheard, journal: PoseJournal | None = None
    ) -> Annotations:
        """The result of `estimate_over_time`; advance: told how many more frames are done. journal: remembers what was
        found, so that an interrupted run can go on."""
        with closing(self._walk.walk(advance, journal)) as walk:
            for found in walk if self.frames else ():
                self._filling.take(found.track, int(self._rows[found.track][found.row]), found.xy, found.score)
        return self._filling.annotations(min_score)
