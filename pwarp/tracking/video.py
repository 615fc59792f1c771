"""Tracking through a video, and the tracks that come of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import cv2
import numpy as np

from pwarp.annotations import Annotations, Track, joined_track
from pwarp.progress import unheard
from pwarp.tracking.appearance import to_lab
from pwarp.tracking.carry import Grey, Motion, Stretch
from pwarp.tracking.journal import TrackingJournal
from pwarp.tracking.link import Chain, Decision, Linker, Options, Standing
from pwarp.tracking.sighting import People, Sighting, box_of, lone_people, sightings
from pwarp.video import check_identity

if TYPE_CHECKING:
    from pwarp.skeleton import Skeleton
    from pwarp.video import Picture, Video

_SECOND = 25  # frames, where the rate is not known


@dataclass(frozen=True)
class Unsure:
    """A frame where it was not clear that somebody is the one of that track."""

    frame: int
    track: int


@dataclass(frozen=True)
class Tracked:
    """annotations: with everybody in tracks. unsure: by frame, where to look whether they are right. left_out: how many
    detections are in none, as too few could be joined."""

    annotations: Annotations
    unsure: tuple[Unsure, ...]
    left_out: int = 0


def track(
    video: Video,
    annotations: Annotations,
    options: Options | None = None,
    *,
    started: Callable[[int], None] = unheard,
    advance: Callable[[int], None] = unheard,
    journal: TrackingJournal | None = None,
) -> Tracked:
    """Join lone labels and detections into tracks by looking at the video.

    A lone one is a track of one frame that is not `identified` and has no marks of absence. All other tracks stay as
    they are. Two of one frame never come into one track. Frames that are declared labelled, or hold a lone label,
    count as looked at: who is not among them was not there, or hidden. Every keypoint, box and score comes out as it
    went in.

    started: told once how many frames there are to look through; advance: told how many more are done. journal:
    remembers how far it has come, so that an interrupted tracking can go on; see `journal_of`.
    Raises PwarpError where the annotations are of another video or it cannot be decoded.
    """
    options = options or Options()
    check_identity(annotations.video, video)
    identity = video.identity
    annotations = replace(annotations, video=replace(identity, path=annotations.video.path or identity.path))
    annotations.check_frames()
    people = lone_people(annotations)
    if not people:
        started(0)
        return Tracked(annotations, ())
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)  # so that the same input gives the same flow on any number of cores
    try:
        decisions = _decided(video, annotations, people, options, started, advance, journal)
    finally:
        cv2.setNumThreads(threads)
    return _joined(annotations, decisions, options.min_length)


def _decided(
    video: Video,
    annotations: Annotations,
    people: People,
    options: Options,
    started: Callable[[int], None],
    advance: Callable[[int], None],
    journal: TrackingJournal | None,
) -> list[Decision]:
    declared = [] if annotations.labelled is None else annotations.labelled.tolist()
    looks = {*people, *(frame for frame in declared if frame < video.frame_count)}
    first, last = min(people), max(people)
    started(last - first + 1)
    second = _SECOND if video.fps is None else max(round(video.fps), 1)
    linker = Linker(annotations.skeleton, second if options.max_lost is None else options.max_lost)
    motion = Motion(video.width, video.height, _typical([t for some in people.values() for _, t in some]))
    begin = first
    if journal is not None and journal.standing is not None:
        begin = journal.standing.frame
        looks = {frame for frame in looks if frame > begin}
        linker.go_on(journal.decisions, _again(video, people, annotations.skeleton, journal.standing))
        advance(begin - first)
    stretch, before = Stretch(begin, begin), None
    try:
        for frame, picture in video.frames(begin, last + 1):
            after = _grey(picture)
            if before is not None and linker.waiting:
                step = motion.step(before, after)
                motion.add(stretch, step)
                linker.carry(step)
            if frame in looks:
                linker.look(frame, _seen(picture, frame, people, annotations.skeleton), stretch)
                stretch = Stretch(frame, frame)
                if journal is not None:
                    journal.note(linker.decisions, linker.standing(frame))
            before = after
            advance(1)
    finally:
        if journal is not None:
            journal.last_words()
    return linker.decisions


def _again(video: Video, people: People, skeleton: Skeleton, standing: Standing) -> list[Chain]:
    """Who is followed, with what was seen of them, which the video still shows."""
    recent = {index for following in standing.followed for index in following.recent}
    sighted: dict[int, Sighting] = {}
    for frame in sorted(frame for frame, here in people.items() if recent.intersection(index for index, _ in here)):
        sighted |= {one.index: one for one in _seen(video.frame(frame), frame, people, skeleton)}
    return [Chain.again(following, sighted) for following in standing.followed]


def _seen(picture: Picture, frame: int, people: People, skeleton: Skeleton) -> list[Sighting]:
    here = people.get(frame, [])
    return sightings(frame, here, to_lab(picture) if here else picture, skeleton)


def _grey(picture: Picture) -> Grey:
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.uint8)


def _typical(tracks: Sequence[Track]) -> float:
    """The lower quartile of the people's diagonals, in pixels: the small ones must be seen, too."""
    boxes = [box for box in map(box_of, tracks) if box is not None]
    return float(np.quantile([np.hypot(*(b[2:] - b[:2])) for b in boxes], 0.25)) if boxes else 1.0


def _joined(annotations: Annotations, decisions: Sequence[Decision], min_length: int) -> Tracked:
    people: dict[int, list[Decision]] = {}
    for decision in decisions:
        people.setdefault(decision.person, []).append(decision)
    decided = {decision.index for decision in decisions}
    kept = [t for i, t in enumerate(annotations.tracks) if i not in decided]
    taken = {t.id for t in kept}
    ids = (i for i in range(len(people) + len(taken)) if i not in taken)
    made, unsure, left_out = [], [], 0
    for _, one in sorted(people.items()):
        parts = [annotations.tracks[decision.index] for decision in one]
        if len(parts) < min_length and not any(t.by_person.any() for t in parts):
            left_out += len(parts)
            continue
        made.append(joined_track(parts, next(ids)))
        frames = [int(part.frames[0]) for part, decision in zip(parts, one, strict=True) if not decision.sure]
        unsure += [Unsure(frame, made[-1].id) for frame in frames]
    out = replace(annotations, tracks=tuple(kept) + tuple(made))
    return Tracked(out, tuple(sorted(unsure, key=lambda u: (u.frame, u.track))), left_out)
