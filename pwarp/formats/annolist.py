"""The annolist files of PoseTrack17: Matlab structures turned into JSON, so that every number is in a list of its own.

- `annorect` is a person; its x1, y1, x2, y2 are the HEAD box, not the person's. People without points stay in, with
  every joint unlabelled: PoseTrack's evaluation looks at frames that have an entry, whatever is in it.
- A point is a labelled joint; `is_visible` 0 is occluded, 1 or missing is visible. Coordinates are taken as they are,
  as the official evaluator and its conversion to PoseTrack18 do.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from pwarp.annotations import Annotations, FloatArray, IntArray, Source, VideoIdentity
from pwarp.formats.coco_images import LAST_FRAME, last_part
from pwarp.formats.coco_poses import Poses, into_tracks, track_ids
from pwarp.formats.fields import LARGEST_WHOLE, Entry, entries, number, text, whole
from pwarp.formats.label_file import LabelFile
from pwarp.skeleton import POSETRACK_15

_JOINTS = len(POSETRACK_15)
_NUMBER = re.compile(r"[0-9]{1,9}(?![0-9])")


@dataclass(slots=True)
class Part:
    """One object inside an annolist file. within: the file, or the object that this one is in. place: where in that."""

    within: LabelFile | Part
    entry: Entry
    place: str = ""

    @property
    def where(self) -> str:
        """Where in the file the object is; '' for all of it."""
        outer = "" if isinstance(self.within, LabelFile) else self.within.where
        return f"{outer}.{self.place}" if outer else self.place

    @property
    def file(self) -> LabelFile:
        """The file, called by its own name and where in it the object is, for messages."""
        part = self
        while not isinstance(part.within, LabelFile):
            part = part.within
        return replace(part.within, name=f"{part.within.name}, {self.where}" if self.where else part.within.name)

    def entries(self, key: str) -> list[Entry]:
        """The objects in a list of this one, as they are; none where it is missing."""
        found = self.entry.get(key, [])
        if type(found) is not list or set(map(type, found)) - {dict}:
            return entries(self.file, self.entry, key, required=False)  # says what is wrong with it
        return found

    def parts(self, key: str) -> list[Part]:
        """The same with their places."""
        return [Part(self, entry, f"{key}[{at}]") for at, entry in enumerate(self.entries(key))]

    def has(self, key: str) -> bool:
        """Whether the field is there; Matlab writes a missing one as an empty list."""
        return self.entry.get(key) not in (None, [])

    def number(self, key: str) -> float:
        """A number, alone or in the list of one that Matlab's numbers become."""
        value: Any = self.entry.get(key)
        if isinstance(value, list):
            if len(value) != 1:
                raise self.file.error(f"{key} has {len(value)} values, expected one number")
            value = value[0]
        if type(value) in (int, float) and abs(value) < math.inf:  # all but always; the rest is for its message
            return float(value)
        return number(self.file, key, int(value) if isinstance(value, bool) else value)

    def whole(self, key: str, *, least: int = -LARGEST_WHOLE, most: int = LARGEST_WHOLE) -> int:
        """A whole number, likewise."""
        value = self.number(key)
        if value.is_integer() and least <= value <= most:
            return int(value)
        return whole(self.file, key, value, least=least, most=most)


def read_annolist(file: LabelFile) -> list[Part]:
    """The frames of an annolist file, in its order; raises PwarpError where it is none."""
    if not isinstance(file.json, dict) or "annolist" not in file.json:
        raise file.error(f"is no annolist file ({file.looks_like})")
    return Part(file, file.json).parts("annolist")


def picture_of(frame: Part) -> str:
    """The picture of a frame as the file names it."""
    images = frame.parts("image")
    if len(images) != 1:
        raise frame.file.error(f"has {len(images)} pictures in 'image', expected one")
    return text(images[0].file, "name", images[0].entry.get("name"))


def folder_of(picture: str) -> str:
    """The folder of a picture as the file names it."""
    picture = picture.replace("\\", "/")
    folder, slash, last = picture.rpartition("/")
    return str(PurePosixPath(picture).parent) if last in ("", ".") else _plain(folder + slash)


@lru_cache  # the pictures of a video lie in one folder, and a path object takes its time
def _plain(folder: str) -> str:
    return str(PurePosixPath(folder))


def places_of(file: LabelFile, pictures: Sequence[str], places: Mapping[str, int] | None, where: str) -> list[int]:
    """The frame of each picture: its place among the pictures of the video, or the number in its name less one.

    places: by the name of each picture; None where they are not there. where: what holds them, for messages.
    Raises PwarpError where a picture is not among them or two are the same frame.
    """
    names = [last_part(picture) for picture in pictures]
    if places is not None:
        if missing := [name for name in names if name not in places]:
            raise file.error(f"picture '{missing[0]}' is not in {where}; is the download complete?")
        frames = [places[name] for name in names]
    else:
        frames = [_counted_from_one(file, name) for name in names]
    refuse_repeats(file, names, frames)
    return frames


def refuse_repeats(file: LabelFile, names: Sequence[str], frames: Sequence[int]) -> None:
    """Raise PwarpError where two entries are the same frame."""
    seen: set[int] = set()
    for name, frame in zip(names, frames, strict=True):
        if frame in seen:
            raise file.error(f"frame of picture '{name}' is listed twice; an annolist has one entry a frame")
        seen.add(frame)


def number_of(picture: str) -> int | None:
    """The number that the name of a picture begins with."""
    found = _NUMBER.match(last_part(picture))
    return None if found is None else int(found[0])


def _counted_from_one(file: LabelFile, name: str) -> int:
    found = number_of(name)
    if not found:
        raise file.error(f"picture '{name}' has no frame number; PoseTrack17 counts from 00000001.jpg")
    return found - 1


def annotations_of(
    file: LabelFile, annolist: Sequence[Part], frames: Sequence[int], identity: VideoIdentity
) -> Annotations:
    """The people of an annolist whose entries are the given frames; PwarpError names entry, person and joint."""
    people = [frame.parts("annorect") for frame in annolist]
    of_person = np.repeat(np.array(frames, dtype=np.int64), [len(p) for p in people])
    poses = _poses([person for frame in people for person in frame], of_person)
    labelled = [
        at
        for at, frame, seen in zip(frames, annolist, people, strict=True)
        if (frame.number("is_labeled") if frame.has("is_labeled") else seen)
    ]
    regions = {at: _regions(frame) for at, frame in zip(frames, annolist, strict=True)}
    return Annotations(
        POSETRACK_15,
        identity,
        into_tracks(file, poses, *track_ids(file, poses.rows)),
        labelled=np.array(labelled, dtype=np.int64),
        ignore_regions={at: polygons for at, polygons in regions.items() if polygons},
    )


def frame_number(frame: Part) -> int | None:
    """`imgnum` as a frame ordinal: it counts from 1."""
    if not frame.has("imgnum"):
        return None
    return frame.whole("imgnum", least=1, most=LAST_FRAME) - 1


class _Points:
    """The N labelled joints of all people, field by field. row: (N,) of each point's person."""

    def __init__(self, people: Sequence[Part]) -> None:
        self._groups: list[Part] = []
        self._entries: list[Entry] = []
        starts, rows = [], []
        for row, person in enumerate(people):
            for group in person.parts("annopoints"):
                starts.append(len(self._entries))
                self._groups.append(group)
                self._entries += group.entries("point")
                rows += [row] * (len(self._entries) - starts[-1])
        self._starts = np.array(starts, dtype=np.int64)
        self.row: IntArray = np.array(rows, dtype=np.int64)

    def part(self, at: int) -> Part:
        """Point `at` with its place, for messages."""
        group = int(np.searchsorted(self._starts, at, side="right")) - 1
        return Part(self._groups[group], self._entries[at], f"point[{at - self._starts[group]}]")

    def numbers(self, key: str) -> FloatArray:
        """(N,) a number of each, as `Part.number` has it, but all at once where nothing is wrong."""
        return self._numbers(range(len(self._entries)), [entry.get(key) for entry in self._entries], key)

    def optional(self, key: str) -> FloatArray:
        """(N,) likewise, NaN where a point does not have it."""
        values = [entry.get(key) for entry in self._entries]
        there = [at for at, value in enumerate(values) if value is not None and value != []]
        found = np.full(len(values), np.nan)
        found[there] = self._numbers(there, [values[at] for at in there], key)
        return found

    def joints(self) -> IntArray:
        """(N,) the joint that each is; raises PwarpError where it is none."""
        found = self.numbers("id")
        wrong = np.flatnonzero((found % 1 != 0) | (found < 0) | (found >= _JOINTS))
        if len(wrong):
            self.part(int(wrong[0])).whole("id", least=0, most=_JOINTS - 1)
        return found.astype(np.int64)

    def _numbers(self, rows: Sequence[int], values: list[Any], key: str) -> FloatArray:
        if set(map(type, values)) == {list} and set(map(len, values)) == {1}:
            values = list(chain.from_iterable(values))
        if set(map(type, values)) <= {int, float}:
            found = np.array(values, dtype=np.float64)
            if np.isfinite(found).all():
                return found
        return np.array([self.part(at).number(key) for at in rows], dtype=np.float64)


def _poses(people: Sequence[Part], frame: IntArray) -> Poses:
    shape = (len(people), _JOINTS)
    xy, score = np.zeros((*shape, 2)), np.full(shape, np.nan)
    visibility = np.zeros(shape, dtype=np.uint8)
    head_boxes, person_score = np.full((len(people), 4), np.nan), np.full(len(people), np.nan)
    rows: list[Entry] = []
    for row, person in enumerate(people):
        ids = {"track_id": person.whole("track_id")} if person.has("track_id") else {}
        rows.append({"id": person.where, **ids})
        sides = ("x1", "y1", "x2", "y2")
        if any(person.has(side) for side in sides):
            head_boxes[row] = [person.number(side) for side in sides]
        if person.has("score"):
            person_score[row] = person.number("score")
    points = _Points(people)
    joint = points.joints()
    place = points.row * _JOINTS + joint
    _, first = np.unique(place, return_index=True)
    if len(first) < len(place):
        again = int(np.setdiff1d(np.arange(len(place)), first)[0])
        raise points.part(again).file.error(
            f"joint {joint[again]} ({POSETRACK_15.keypoints[joint[again]]}) is given twice"
        )
    xy.reshape(-1, 2)[place] = np.stack([points.numbers("x"), points.numbers("y")], axis=1)
    visibility.reshape(-1)[place] = np.where(points.optional("is_visible") == 0, 1, 2)
    score.reshape(-1)[place] = points.optional("score")
    # A file with any score is one of predictions: as in PoseTrack18, nothing in it is a person's.
    scored = np.isfinite(score).any() or np.isfinite(person_score).any()
    source = Source.DETECTED if scored else Source.MANUAL
    return Poses(
        rows=rows,
        frame=frame,
        xy=xy,
        visibility=visibility,
        score=score,
        source=np.where(visibility > 0, source, Source.NONE).astype(np.uint8),
        origin=np.full((*shape, 2), -1, dtype=np.int64),
        boxes=np.full((len(people), 4), np.nan),
        head_boxes=head_boxes,
        person_score=person_score,
    )


def _regions(frame: Part) -> tuple[FloatArray, ...]:
    """The ignore regions of a frame as polygons (P, 2)."""
    polygons = []
    for region in frame.parts("ignore_regions"):
        corners = [(corner.number("x"), corner.number("y")) for corner in region.parts("point")]
        if corners:
            polygons.append(np.array(corners, dtype=np.float64))
    return tuple(polygons)
