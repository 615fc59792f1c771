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
from pwarp.errors import PwarpError
from pwarp.evaluation.lengths import HEAD_BOX_SHARE, parse
from pwarp.evaluation.pairing import skipped_frames
from pwarp.evaluation.people import NO_SCORE, NO_TRACK, People, Scene, scene
from pwarp.formats.label_file import LabelFile
from pwarp.skeleton import POSETRACK_15, POSETRACK_17

# Other names in use for the joint between the shoulders.
_ALIASES = {"neck": "head_bottom", "upper_neck": "head_bottom"}


def is_posetrack18(content: Any) -> bool:
    """Whether parsed JSON has PoseTrack18's layout and all of its joints: COCO, with a video's id on the images."""
    if not isinstance(content, Mapping) or not isinstance(content.get("annotations"), list):
        return False
    images = content.get("images")
    first = images[0] if isinstance(images, list) and images else None
    if not isinstance(first, Mapping) or "vid_id" not in first or not {"frame_id", "nframes"} & first.keys():
        return False
    return "tracks" not in content and set(POSETRACK_15.keypoints) <= set(_slots(content))


def read_scene(truth_file: LabelFile, predicted_file: LabelFile, *, every: int | None = None) -> Scene:
    """Two PoseTrack18 files as the scene that poseval judges.

    Frames pair up by position in `images`. Frames in which the truth has no annotation are dropped, with the
    predictions in them; every: see `Selection`. Raises PwarpError where the numbers of frames differ, and for
    anything malformed.
    """
    truth, predicted = read_people(truth_file), read_people(predicted_file)
    if len(truth.frames) != len(predicted.frames):
        raise PwarpError(
            f"{predicted.source}: {len(predicted.frames)} frames, but the truth {truth.source} has "
            f"{len(truth.frames)}; list the same frames in both, people or not"
        )
    kept = np.unique(truth.frame)
    kept = np.setdiff1d(kept, skipped_frames(kept, every))
    return scene(truth.in_frames(kept), predicted.in_frames(kept), POSETRACK_15, parse("head", POSETRACK_15))


def read_people(file: LabelFile) -> People:
    """The people of a PoseTrack18 file with poseval's 15 joints (`POSETRACK_15`).

    A joint is absent where x, y and its flag are all 0. Without `scores` (or with an empty list) every joint ranks
    last; a `null` score becomes NaN. Raises PwarpError, naming file, frame and annotation, for anything malformed.
    """
    content = file.json
    if not is_posetrack18(content):
        raise file.error(
            "is no PoseTrack18 file; that has images with vid_id and frame_id, annotations, and categories with the "
            f"keypoints {', '.join(POSETRACK_15.keypoints)}"
        )
    images: list[Mapping[str, Any]] = content["images"]
    names = [_frame_name(image, position) for position, image in enumerate(images)]
    position = {_image_id(file, image): i for i, image in enumerate(images)}
    slots = _slots(content)
    people = [
        _Person(file, entry, number, position, names, slots) for number, entry in enumerate(content["annotations"])
    ]
    people.sort(key=lambda person: person.position)
    count = len(people)
    joints = [slots.index(name) for name in POSETRACK_15.keypoints]
    raw = np.array([person.keypoints for person in people]).reshape(count, len(slots), 3)
    scores = np.array([person.scores for person in people]).reshape(count, len(slots))
    xy = np.where((raw != 0).any(axis=2, keepdims=True), raw[..., :2], np.nan)[:, joints]
    return People(
        source=file.name,
        frames=tuple(names),
        frame=np.array([person.position for person in people], dtype=np.int64),
        xy=xy,
        score=scores[:, joints],
        track=np.array([person.track for person in people], dtype=np.int64),
        size=np.array([person.head_size for person in people]),
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
        self.head_size = _head_size(file, entry.get("bbox_head"), f"{where}: bbox_head")

    @staticmethod
    def _scores(file: LabelFile, scores: Any, count: int, where: str) -> list[float]:
        if not scores:
            return [NO_SCORE] * count
        if not isinstance(scores, list) or len(scores) < count:
            given = len(scores) if isinstance(scores, list) else "no list of"
            raise file.error(f"{where}: {given} scores for {count} keypoints; give one a keypoint, or none at all")
        known = _numbers(file, [0 if value is None else value for value in scores[:count]], f"{where}: scores")
        return [math.nan if value is None else number for value, number in zip(scores, known, strict=False)]


def _slots(content: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the keypoints in file order; without categories, the 17 slots of the published files."""
    categories = content.get("categories")
    if not categories:
        return POSETRACK_17.keypoints
    first = categories[0] if isinstance(categories, list) else None
    names: Any = first.get("keypoints") if isinstance(first, Mapping) else None
    return tuple(_ALIASES.get(str(name), str(name)) for name in names) if isinstance(names, list) else ()


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


def _head_size(file: LabelFile, box: Any, where: str) -> float:
    """Length of the head whose box is x, y, width, height; NaN where there is none."""
    if not box:
        return math.nan
    numbers = _numbers(file, box, where)
    if len(numbers) != 4:
        raise file.error(f"{where}: {len(numbers)} numbers, expected x, y, width, height")
    x, y, width, height = numbers
    # By way of the far corner, as poseval goes: the last digit decides about errors of exactly half a head.
    return HEAD_BOX_SHARE * math.sqrt((x + width - x) ** 2 + (y + height - y) ** 2)


def _numbers(file: LabelFile, values: Any, where: str) -> list[float]:
    if not isinstance(values, list):
        raise file.error(f"{where}: missing, or no list of numbers")
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise file.error(f"{where}: {value!r} is no finite number")
    return values
