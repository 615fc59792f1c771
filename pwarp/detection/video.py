"""Detections in the frames of a video, as annotations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from pwarp.annotations import Annotations, Source, Track
from pwarp.detection.base import Detections, Detector
from pwarp.progress import unheard

if TYPE_CHECKING:
    from pwarp.video import Picture, Video


def detect(
    video: Video, detector: Detector, *, every: int = 1, batch: int = 8, advance: Callable[[int], None] = unheard
) -> Annotations:
    """What a detector finds in every `every`-th frame, as one; see `detections`.

    `labelled` of the result are the frames that were looked at. The same input gives the same output.
    """
    return gathered(video, detector, detections(video, detector, every=every, batch=batch, advance=advance))


def detections(
    video: Video, detector: Detector, *, every: int = 1, batch: int = 8, advance: Callable[[int], None] = unheard
) -> Iterator[tuple[int, list[Track]]]:
    """Every `every`-th frame with what a detector finds in it, as soon as that is known: each detection a track of its
    own, of one frame and not identified, with box and score, and keypoints where the detector finds those.
    `pwarp.tracking` finds out who is who.

    Ids count up from 0. batch: pictures that the detector gets at a time.
    """
    number = 0
    for frame, found in _found(video, detector, every, batch, advance):
        yield frame, [_lone(number + i, frame, found, i) for i in range(len(found))]
        number += len(found)


def gathered(video: Video, detector: Detector, looks: Iterable[tuple[int, Sequence[Track]]]) -> Annotations:
    """Frames that a detector looked at, and all that it found in them, as annotations."""
    looked: list[int] = []
    tracks: list[Track] = []
    for frame, found in looks:
        looked.append(frame)
        tracks += found
    return Annotations(detector.skeleton, video.identity, tuple(tracks), np.array(looked, dtype=np.int64))


def _found(
    video: Video, detector: Detector, every: int, batch: int, advance: Callable[[int], None]
) -> Iterator[tuple[int, Detections]]:
    pictures: Iterator[tuple[int, Picture]] = video.frames(step=every)
    while some := list(islice(pictures, batch)):
        yield from zip((frame for frame, _ in some), detector([picture for _, picture in some]), strict=True)
        advance(len(some))


def _lone(id: int, frame: int, found: Detections, at: int) -> Track:
    labelled = np.isfinite(found.xy[at, :, 0])
    return Track.make(
        id,
        [frame],
        found.xy[at][None],
        np.where(labelled, 2, 0)[None],
        score=np.where(labelled, np.clip(found.keypoint_score[at], 0, 1), np.nan)[None],
        source=np.where(labelled, Source.DETECTED, Source.NONE)[None],
        boxes=found.boxes[at][None],
        person_score=[found.score[at]],
        identified=False,
    )
