"""Poses in the boxes of a video by a model of several frames."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from pwarp.annotations import Annotations
from pwarp.estimation.filling import Filling, bare, usable_boxes
from pwarp.following.runner import RecurrentRunner, WindowRunner
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
    started: Callable[[int], None] = unheard,
    advance: Callable[[int], None] = unheard,
) -> Annotations:
    """As `pwarp.estimation.estimate`, by a model that looks at other frames, too; every, scales, flip as in `refine`.

    Only boxes say where to look. A recurrent model makes its own first estimate in the first frame of each track and
    after each gap, and nothing that it says of a frame depends on later boxes or pictures. A box without a track id is
    a track of its own.
    """
    filling = Filling(boxes, runner.skeleton, runner.name, video)
    rows = [np.flatnonzero(usable_boxes(track, video.width, video.height)) for track in boxes.tracks]
    tracks = [bare(track.rows(some), len(runner.skeleton)) for track, some in zip(boxes.tracks, rows, strict=True)]
    walk = walk_along(video, tracks, runner, every=every, scales=scales, flip=flip)
    started(walk.frames)
    for found in walk.walk(advance):
        filling.take(found.track, int(rows[found.track][found.row]), found.xy, found.score)
    return filling.annotations(min_score)
