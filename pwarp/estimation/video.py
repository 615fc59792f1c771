"""Poses for all boxes of a video, as annotations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pwarp.annotations import Annotations, FloatArray
from pwarp.estimation.base import Crops, Estimator
from pwarp.estimation.filling import Filling
from pwarp.estimation.found import Found, Place, PoseJournal
from pwarp.estimation.poses import BATCH, cut_out, read_crops
from pwarp.estimation.views import views
from pwarp.journal import identity_of
from pwarp.progress import unheard

if TYPE_CHECKING:
    from pwarp.video import Video


def estimate(
    video: Video,
    boxes: Annotations,
    estimator: Estimator,
    *,
    flip: bool = False,
    scales: Sequence[float] = (1.0,),
    min_score: float = 0.0,
    batch: int = BATCH,
    started: Callable[[int], None] = unheard,
    advance: Callable[[int], None] = unheard,
) -> Annotations:
    """The annotations with the estimator's keypoints in every box that shows some of the picture.

    Keypoints that a person set stay bit for bit, and their skeleton with them: the estimator then fills its other
    keypoints by name. Where nobody set any, the result has the estimator's skeleton, and keypoints of other origin make
    room. Estimated keypoints have source DETECTED, a score, and visibility 2, or 1 where they lie outside the
    picture; those that score 0, or less than min_score, are unlabelled. Frames without a box stay as they are, and so
    do frames where the track is marked absent. The video is read once, forward; the crops of at
    most `batch` boxes go to the network at a time, view by view.

    flip, scales: see `pwarp.estimation.views`. started: told how many frames have boxes; advance: told how many more
    are done. Raises PwarpError where none of the tracks has a box, or where a person's keypoints and the estimator's
    have no name in common.
    """
    planned = Estimation(video, boxes, estimator, flip=flip, scales=scales, batch=batch)
    started(planned.frames)
    return planned.run(min_score, advance)


class Estimation:
    """What `estimate` is to do, with everything checked and nothing done; arguments and errors are its own."""

    def __init__(
        self,
        video: Video,
        boxes: Annotations,
        estimator: Estimator,
        *,
        flip: bool = False,
        scales: Sequence[float] = (1.0,),
        batch: int = BATCH,
    ) -> None:
        self._video, self._boxes, self._estimator, self._batch = video, boxes, estimator, batch
        self._filling = Filling(boxes, estimator.skeleton, estimator.name, video)
        self._views = views(scales, flip)
        self._places: dict[int, list[Place]] = {}
        for t, (track, wanted) in enumerate(zip(boxes.tracks, self._filling.wanted, strict=True)):
            for at in np.flatnonzero(wanted).tolist():
                self._places.setdefault(int(track.frames[at]), []).append((t, at))

    @property
    def frames(self) -> int:
        """How many frames have boxes to look into; 0 where a person saw to all that the estimator could find."""
        return len(self._places)

    def journal(self, path: Path, *deciding: object, resume: bool, alone: bool = False) -> PoseJournal:
        """For `run`. deciding: values with a readable `repr` that tell the estimator and the other arguments from
        others. Else as of `PoseJournal`."""
        identity = identity_of(self._boxes, self._video.identity, self._video.content(), *deciding)
        rows, keypoints = [len(track) for track in self._boxes.tracks], len(self._estimator.skeleton)
        return PoseJournal(path, identity, rows=rows, keypoints=keypoints, resume=resume, alone=alone)

    def run(
        self, min_score: float = 0.0, advance: Callable[[int], None] = unheard, journal: PoseJournal | None = None
    ) -> Annotations:
        """The result of `estimate`; advance: told how many more frames are done. journal: remembers what was found, so
        that an interrupted run can go on."""
        done = set()
        for found in () if journal is None else journal.found():
            done.add((found.track, found.row))
            self._filling.take(found.track, found.row, found.xy, found.score)
        left = {frame: [place for place in some if place not in done] for frame, some in self._places.items()}
        left = {frame: some for frame, some in left.items() if some}
        advance(len(self._places) - len(left))
        for group, crops, matrices in self._crops(left, advance):
            xy, score = read_crops(self._estimator, crops, matrices, self._views)
            told = [Found(t, row, xy[i], score[i]) for i, (t, row) in enumerate(group)]
            if journal is not None:
                journal.add(told)
            for found in told:
                self._filling.take(found.track, found.row, found.xy, found.score)
        return self._filling.annotations(min_score)

    def _crops(
        self, places: dict[int, list[Place]], advance: Callable[[int], None]
    ) -> Iterator[tuple[list[Place], Crops, FloatArray]]:
        """At most `batch` people at a time, in the order of the frames: crops (B, V, h, w, 3), maps (B, V, 2, 3)."""
        tracks, batch = self._boxes.tracks, self._batch
        waiting: list[tuple[Place, Crops, FloatArray]] = []
        done = 0
        for frame, picture in self._video.frames(min(places, default=0), max(places, default=-1) + 1):
            for t, row in places.get(frame, ()):
                waiting.append(((t, row), *cut_out(self._estimator, picture, tracks[t].boxes[row], self._views)))
            done += frame in places
            while len(waiting) >= batch:
                yield _stacked(waiting[:batch])
                del waiting[:batch]
            if not waiting:
                advance(done)
                done = 0
        if waiting:
            yield _stacked(waiting)
        advance(done)


def _stacked(waiting: list[tuple[Place, Crops, FloatArray]]) -> tuple[list[Place], Crops, FloatArray]:
    group, crops, matrices = zip(*waiting, strict=True)
    return list(group), np.stack(crops), np.stack(matrices)
