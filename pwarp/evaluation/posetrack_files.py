"""PoseTrack18 files as poseval reads them.

`pwarp.formats` gives tracks; the official numbers hang on things that tracks leave out on purpose: the order of
people in the file, frames paired by position, `null` scores against missing ones, ids used twice in a frame.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pwarp.annotations import FloatArray
from pwarp.evaluation.people import NO_SCORE, NO_TRACK, People
from pwarp.formats.label_file import LabelFile
from pwarp.skeleton import POSETRACK_15, POSETRACK_17

# Other names in use for the joint between the shoulders.
_ALIASES = {"neck": "head_bottom", "upper_neck": "head_bottom"}


def is_posetrack18(content: Any) -> bool:
    """Whether parsed JSON has the layout of PoseTrack18: COCO, with what only PoseTrack has on images or people."""
    if not isinstance(content, Mapping) or not isinstance(content.get("images"), list):
        return False
    images, people = content["images"], content.get("annotations")
    first = images[0] if images and isinstance(images[0], Mapping) else {}
    return isinstance(people, list) and "vid_id" in first and bool({"frame_id", "nframes"} & first.keys())


def read_people(file: LabelFile) -> People:
    """The people of a PoseTrack18 file with poseval's 15 joints (`POSETRACK_15`).

    A joint is absent where x, y and its flag are all 0. Without `scores` (or with an empty list) every joint ranks
    last; a `null` score becomes NaN. Raises PwarpError, naming file, frame and annotation, for anything malformed.
    """
    content = file.json
    if not is_posetrack18(content):
        raise file.error("is no PoseTrack18 file: images with vid_id and frame_id, and annotations, are needed")
    images: list[Mapping[str, Any]] = content["images"]
    names = [_frame_name(image, position) for position, image in enumerate(images)]
    position = {_image_id(file, image): i for i, image in enumerate(images)}
    slots = _slots(file, content)
    people = [
        _Person(file, entry, number, position, names, slots) for number, entry in enumerate(content["annotations"])
    ]
    people.sort(key=lambda person: person.position)
    count = len(people)
    joints = np.array([slots.index(name) if name in slots else -1 for name in POSETRACK_15.keypoints])
    raw = np.array([person.keypoints for person in people]).reshape(count, len(slots), 3)
    scores = np.array([person.scores for person in people]).reshape(count, len(slots))
    xy = np.where((raw != 0).any(axis=2, keepdims=True), raw[..., :2], np.nan)[:, joints]
    xy[:, joints < 0] = np.nan
    return People(
        source=file.name,
        frames=tuple(names),
        frame=np.array([person.position for person in people], dtype=np.int64),
        xy=xy,
        score=scores[:, joints],
        track=np.array([person.track for person in people], dtype=np.int64),
        boxes=np.array([person.box for person in people]).reshape(count, 4),
        head_boxes=np.array([person.head_box for person in people]).reshape(count, 4),
        regions={i: polygons for i, image in enumerate(images) if (polygons := _regions(file, image, names[i]))},
    )


class _Person:
    """One entry of "annotations", checked."""

    def __init__(
        self,
        file: LabelFile,
        entry: Any,
        number: int,
        position: Mapping[Any, int],
        names: Sequence[str],
        slots: Sequence[str],
    ) -> None:
        if not isinstance(entry, Mapping):
            raise file.error(f"annotation {number} is no object")
        image = entry.get("image_id")
        if not isinstance(image, int | str) or image not in position:
            raise file.error(f"annotation {number}: image_id {image!r} is not the id of any image in the file")
        self.position = position[image]
        where = f"frame {names[self.position]}, annotation {entry.get('id', number)}"
        self.keypoints = _numbers(file, entry.get("keypoints"), f"{where}: keypoints")
        if len(self.keypoints) != 3 * len(slots):
            raise file.error(
                f"{where}: {len(self.keypoints)} numbers for keypoints, expected x, y, flag for each of {len(slots)}"
            )
        self.scores = self._scores(file, entry.get("scores"), len(slots), where)
        track = entry.get("track_id")
        if track is not None and (not isinstance(track, int) or track < 0):
            raise file.error(f"{where}: track_id {track!r} is no whole number from 0")
        self.track = NO_TRACK if track is None else track
        self.box = _corners(file, entry.get("bbox"), f"{where}: bbox")
        self.head_box = _corners(file, entry.get("bbox_head"), f"{where}: bbox_head")

    @staticmethod
    def _scores(file: LabelFile, scores: Any, count: int, where: str) -> list[float]:
        if not scores:
            return [NO_SCORE] * count
        if not isinstance(scores, list) or len(scores) < count:
            given = len(scores) if isinstance(scores, list) else "no list of"
            raise file.error(f"{where}: {given} scores for {count} keypoints; give one a keypoint, or none at all")
        known = _numbers(file, [0 if value is None else value for value in scores[:count]], f"{where}: scores")
        return [math.nan if value is None else number for value, number in zip(scores, known, strict=False)]


def _slots(file: LabelFile, content: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the keypoints in file order; without categories, the 17 slots of the published files."""
    categories = content.get("categories")
    if not categories:
        return POSETRACK_17.keypoints
    first = categories[0] if isinstance(categories, list) else None
    names: Any = first.get("keypoints") if isinstance(first, Mapping) else None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise file.error("categories: the first one does not list the names of its keypoints")
    slots = tuple(_ALIASES[name] if name in _ALIASES else str(name) for name in names)
    if not set(slots) & set(POSETRACK_15.keypoints):
        raise file.error(
            f"categories: none of the keypoints ({', '.join(names)}) is a joint of PoseTrack: "
            f"{', '.join(POSETRACK_15.keypoints)}"
        )
    return slots


def _image_id(file: LabelFile, image: Any) -> int | str:
    identity = image.get("id") if isinstance(image, Mapping) else None
    if not isinstance(identity, int | str):
        raise file.error(f"images: id {identity!r} is neither number nor text")
    return identity


def _frame_name(image: Any, position: int) -> str:
    name = image.get("file_name") if isinstance(image, Mapping) else None
    return name if isinstance(name, str) and name else str(position)


def _regions(file: LabelFile, image: Mapping[str, Any], name: str) -> tuple[FloatArray, ...]:
    columns = image.get("ignore_regions_x") or [], image.get("ignore_regions_y") or []
    if not all(isinstance(column, list) for column in columns) or len(columns[0]) != len(columns[1]):
        raise file.error(f"frame {name}: ignore_regions_x and ignore_regions_y do not list equally many regions")
    polygons = []
    for x, y in zip(*columns, strict=True):
        xs, ys = (_numbers(file, values, f"frame {name}: ignore region") for values in (x, y))
        if len(xs) != len(ys):
            raise file.error(f"frame {name}: an ignore region has {len(xs)} x but {len(ys)} y")
        if xs:
            polygons.append(np.array([xs, ys]).T)
    return tuple(polygons)


def _corners(file: LabelFile, box: Any, where: str) -> list[float]:
    """x1, y1, x2, y2 of a box given as x, y, width, height; NaN where there is none."""
    if not box:
        return [math.nan] * 4
    numbers = _numbers(file, box, where)
    if len(numbers) != 4:
        raise file.error(f"{where}: {len(numbers)} numbers, expected x, y, width, height")
    x, y, width, height = numbers
    return [x, y, x + width, y + height]


def _numbers(file: LabelFile, values: Any, where: str) -> list[float]:
    if not isinstance(values, list):
        raise file.error(f"{where}: missing, or no list of numbers")
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise file.error(f"{where}: {value!r} is no finite number")
    return values
