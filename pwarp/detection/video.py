"""Detections in the frames of a video, as annotations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pwarp.annotations import Annotations, Source, Track
from pwarp.detection.base import Detections, Detector
from pwarp.detection.journal import DetectionJournal
from pwarp.journal import identity_of
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
    video: Video,
    detector: Detector,
    *,
    every: int = 1,
    batch: int = 8,
    advance: Callable[[int], None] = unheard,
    journal: DetectionJournal | None = None,
) -> Iterator[tuple[int, list[Track]]]:
    """Every `every`-th frame with what a detector finds in it, as soon as that is known: each detection a track of its
    own, of one frame and not identified, with box and score, and keypoints where the detector finds those.
    `pwarp.tracking` finds out who is who.

    Ids count up from 0. batch: pictures that the detector gets at a time. journal: of `journal_of`; remembers what was
    found, so that an interrupted run can go on.
    """
    number = 0
    for frame, found in _found(video, detector, every, batch, advance, journal):
        yield frame, [_lone(number + i, frame, found, i) for i in range(len(found))]
        number += len(found)


def journal_of(
    path: Path, video: Video, detector: Detector, *deciding: object, every: int = 1, resume: bool, alone: bool = False
) -> DetectionJournal:
    """For `detections`. deciding: values with a readable `repr` that tell the detector from others. every: as there.
    Others, errors: as of `pwarp.journal.Journal`."""
    nobody = gathered(video, detector, ())
    identity = identity_of(nobody, video.identity, video.content(), detector.name, every, *deciding)
    keypoints = len(detector.skeleton)
    looks = range(0, video.frame_count, every)
    return DetectionJournal(path, identity, looks=looks, keypoints=keypoints, resume=resume, alone=alone)


def gathered(video: Video, detector: Detector, looks: Iterable[tuple[int, Sequence[Track]]]) -> Annotations:
    """Frames that a detector looked at, and all that it found in them, as annotations."""
    looked: list[int] = []
    tracks: list[Track] = []
    for frame, found in looks:
        looked.append(frame)
        tracks += found
    return Annotations(detector.skeleton, video.identity, tuple(tracks), np.array(looked, dtype=np.int64))


def _found(
    video: Video,
    detector: Detector,
    every: int,
    batch: int,
    advance: Callable[[int], None],
    journal: DetectionJournal | None,
) -> Iterator[tuple[int, Detections]]:
    for frame, found in () if journal is None else journal.found():
        yield frame, found
        advance(1)
    pictures: Iterator[tuple[int, Picture]] = video.frames(0 if journal is None else journal.next, step=every)
    while some := list(islice(pictures, batch)):
        seen = list(zip((frame for frame, _ in some), detector([picture for _, picture in some]), strict=True))
        if journal is not None:
            journal.add(seen)
        yield from seen
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
