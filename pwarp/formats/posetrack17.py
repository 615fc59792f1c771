"""PoseTrack17 JSON: one annolist a video, 15 joints, head boxes, track ids (Andriluka et al., CVPR 2018).

Read: the frame of a picture is its place among the pictures of the video, where they are given; else the number in
its name less one, because PoseTrack17 counts from 00000001.jpg; else its `imgnum` less one. `pwarp.formats.annolist`
says what a person and a joint are.
Written: every frame of the video, as poseval wants it, and, beside the annolist, `nframes` where it is known. There is
no place for person boxes; a file of predictions has a score for every joint.
https://posetrack.net, https://github.com/leonid-pishchulin/poseval
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pwarp.annotations import Annotations, Track, VideoIdentity
from pwarp.errors import PwarpError
from pwarp.formats import coco_write
from pwarp.formats.annolist import (
    Part,
    annotations_of,
    folder_of,
    frame_number,
    number_of,
    picture_of,
    places_of,
    read_annolist,
    refuse_repeats,
)
from pwarp.formats.coco_images import LAST_FRAME
from pwarp.formats.fields import Entry, whole
from pwarp.formats.label_file import LabelFile
from pwarp.formats.losses import Renamed
from pwarp.formats.slots import head_aliases, slots_of, track_numbers
from pwarp.skeleton import POSETRACK_15

if TYPE_CHECKING:
    from pwarp.video import Video

NAME = "posetrack17"
SUFFIXES: tuple[str, ...] = ()
_MOST_FRAMES = 10**7


def sniff(file: LabelFile) -> bool:
    """An object with an annolist."""
    document = file.json if file.looks_like_json else None
    return isinstance(document, dict) and isinstance(document.get("annolist"), list)


def read(file: LabelFile, *, video: Video | None, only: str | None) -> Annotations:
    """The people of the one video in a file; PwarpError names file, entry, person and joint of what is wrong."""
    annolist = read_annolist(file)
    pictures = [picture_of(frame) for frame in annolist]
    folders = {folder_of(picture) for picture in pictures}
    if only is not None and only not in folders:
        raise file.error(f"holds no video '{only}'")
    if len(folders) > 1:
        raise file.error(f"has pictures of several folders ({', '.join(sorted(folders)[:3])}); split it, one a video")
    folder = next(iter(folders), ".")
    frames = _frames(file, annolist, pictures, video)
    count = file.json.get("nframes")
    if count is not None:
        count = whole(file, "nframes", count, least=0, most=LAST_FRAME)
    identity = VideoIdentity(path=None if folder == "." else folder, frame_count=count)
    return annotations_of(file, annolist, frames, identity)


def _frames(file: LabelFile, annolist: Sequence[Part], pictures: Sequence[str], video: Video | None) -> list[int]:
    names = video.names if video is not None else None
    if names is not None:
        places = {name: place for place, name in enumerate(names)}
        return places_of(file, pictures, places, f"{video.path}" if video is not None else "the video")
    numbers = [frame_number(frame) for frame in annolist]
    told = [number for number in numbers if number is not None]
    if len(told) == len(numbers) and not all(number_of(picture) for picture in pictures):
        refuse_repeats(file, pictures, told)
        return told
    return places_of(file, pictures, None, "")


def write(annotations: Annotations, path: Path, *, video: Video | None) -> Renamed:
    """Write one video, all its frames, labelled or not.

    Where anything has a score the file is one of predictions, and every joint needs one: a person's get 1, those of
    unknown score 0. Raises PwarpError where no keypoint is one of PoseTrack17's, and for too many frames or tracks.
    """
    count = coco_write.frames_to_list(annotations, video, most=_MOST_FRAMES, format="PoseTrack17")
    aliases = head_aliases(annotations.skeleton)
    slots = slots_of(annotations.skeleton, POSETRACK_15, "PoseTrack17", aliases)
    ids = track_numbers(annotations.tracks)
    predicted = any(np.isfinite(track.score).any() for track in annotations.tracks)
    people: dict[int, list[Entry]] = {}
    rows = [_people(track, slots, ids[track.id], predicted) for track in annotations.tracks]
    for frame, index, row in coco_write.in_order(annotations, ids):
        people.setdefault(frame, []).append(rows[index][row])
    names = _picture_names(annotations, count, video)
    known = annotations.video.frame_count
    document = {} if known is None else {"nframes": known}
    annolist = [_entry(annotations, n, names[n], people.get(n, [])) for n in range(count)]
    coco_write.dump({"annolist": annolist, **document}, path)
    return Renamed(tracks=ids, keypoints=aliases)


def _picture_names(annotations: Annotations, count: int, video: Video | None) -> list[str]:
    """The video's own names, which count from 1 or plainly do not; such as 00000001.jpg where it has none."""
    folder = "" if annotations.video.path is None else f"{annotations.video.path}/"
    names = video.names if video is not None else None
    if video is not None and names is not None:
        numbers = [number_of(name) for name in names]
        if numbers == list(range(1, count + 1)) or not all(numbers):
            return [folder + name for name in names]
        raise PwarpError(
            f"PoseTrack17 takes frames from the names of pictures, counted from 1 without gaps; those of {video.path} "
            f"begin with {names[0]}: rename them, or write without the video"
        )
    return [f"{folder}{frame + 1:08d}.jpg" for frame in range(count)]


def _entry(annotations: Annotations, frame: int, name: str, people: list[Entry]) -> Entry:
    marked = bool(people) if annotations.labelled is None else bool(np.isin(frame, annotations.labelled))
    regions = [
        {"point": [{"x": [x], "y": [y]} for x, y in polygon.tolist()]}
        for polygon in annotations.ignore_regions.get(frame, ())
    ]
    entry: Entry = {"image": [{"name": name}], "annorect": people, "imgnum": [frame + 1], "is_labeled": [int(marked)]}
    return entry | ({"ignore_regions": regions} if regions else {})


def _people(track: Track, slots: Sequence[int], id: int, predicted: bool) -> list[Entry]:
    """The person's entry in each of the track's frames."""
    coco_write.check_boxes(track)
    score = track.score
    if predicted:
        score = np.where(np.isnan(score), np.where(track.by_person, 1.0, 0.0), score)
    people = []
    for row in range(len(track)):
        head = track.head_boxes[row]
        person: Entry = {"track_id": [id]}
        if np.isfinite(head).all():
            person |= {side: [value] for side, value in zip(("x1", "y1", "x2", "y2"), head.tolist(), strict=True)}
        if np.isfinite(track.person_score[row]):
            person["score"] = [float(track.person_score[row])]
        points = [_point(track, row, k, joint, score[row, k]) for joint, k in enumerate(slots) if k >= 0]
        person["annopoints"] = [{"point": [point for point in points if point]}]
        people.append(person)
    return people


def _point(track: Track, row: int, keypoint: int, joint: int, score: float) -> Mapping[str, list[float]] | None:
    """A joint of a person, None where it is unlabelled."""
    if not track.visibility[row, keypoint]:
        return None
    x, y = track.xy[row, keypoint].tolist()
    point = {"id": [joint], "x": [x], "y": [y], "is_visible": [int(track.visibility[row, keypoint] == 2)]}
    return point if np.isnan(score) else point | {"score": [float(score)]}
