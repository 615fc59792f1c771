"""PoseTrack18 files as poseval reads them.

`pwarp.formats` gives tracks; the official numbers hang on things that tracks leave out on purpose: the order of
people in the file, frames paired by position, `null` scores against missing ones, ids used twice in a frame.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from pwarp.annotations import FloatArray, IntArray
from pwarp.errors import PwarpError
from pwarp.evaluation.lengths import HEAD_BOX_SHARE, parse
from pwarp.evaluation.pairing import skipped_frames
from pwarp.evaluation.people import NO_SCORE, NO_TRACK, People, Scene, scene
from pwarp.formats.fields import Entry, entries, number_lists, shown, whole
from pwarp.formats.label_file import LabelFile
from pwarp.skeleton import POSETRACK_15, POSETRACK_17

# Other names in use for the joint between the shoulders.
_ALIASES = {"neck": "head_bottom", "upper_neck": "head_bottom"}
Where = Callable[[int], str]


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
        missing = [name for name in truth.frames if name not in set(predicted.frames)]
        first = f" (such as {missing[0]})" if missing else ""
        raise PwarpError(
            f"{predicted.source}: {len(predicted.frames)} frames, but the truth {truth.source} has "
            f"{len(truth.frames)}{first}; list the same frames in both, people or not"
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
    images, rows = entries(file, content, "images"), entries(file, content, "annotations")
    names = [str(image.get("file_name", position)) for position, image in enumerate(images)]
    frame = _positions(file, images, rows)
    slots = _slots(content)
    joints = [slots.index(name) for name in POSETRACK_15.keypoints]

    def where(row: int) -> str:
        return f"frame {names[frame[row]]}, annotation {rows[row].get('id', row)}"

    lists = [row.get("keypoints") for row in rows]
    keypoints = number_lists(file, lists, 3 * len(slots), _field(where, "keypoints")).reshape(-1, len(slots), 3)
    xy = np.where((keypoints != 0).any(axis=2, keepdims=True), keypoints[..., :2], np.nan)
    by_frame = np.argsort(frame, kind="stable")
    return People(
        source=file.name,
        frames=tuple(names),
        frame=frame[by_frame],
        xy=xy[by_frame][:, joints],
        score=_scores(file, rows, len(slots), where)[by_frame][:, joints],
        track=_track_ids(file, rows, where)[by_frame],
        size=_head_sizes(file, rows, where)[by_frame],
        regions={i: polygons for i, image in enumerate(images) if (polygons := _regions(file, image, names[i]))},
    )


def _positions(file: LabelFile, images: Sequence[Entry], rows: Sequence[Entry]) -> IntArray:
    """(N,) for each annotation the position of its image in the list."""
    position: dict[Any, int] = {}
    for at, image in enumerate(images):
        identity = image.get("id")
        if not isinstance(identity, int | str):
            raise file.error(f"images[{at}]: id is {shown(identity)}, expected a number or text")
        position[identity] = at
    found = np.empty(len(rows), dtype=np.int64)
    for at, row in enumerate(rows):
        image_id = row.get("image_id")
        if not isinstance(image_id, int | str) or image_id not in position:
            raise file.error(f"annotations[{at}]: image_id {shown(image_id)} is the id of no image in the file")
        found[at] = position[image_id]
    return found


def _slots(content: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the keypoints in file order; without categories, the 17 slots of the published files."""
    categories = content.get("categories")
    if not categories:
        return POSETRACK_17.keypoints
    first = categories[0] if isinstance(categories, list) else None
    names: Any = first.get("keypoints") if isinstance(first, Mapping) else None
    return tuple(_ALIASES.get(str(name), str(name)) for name in names) if isinstance(names, list) else ()


def _scores(file: LabelFile, rows: Sequence[Entry], slots: int, where: Where) -> FloatArray:
    """(N, slots) scores; more of them than keypoints are cut."""
    table = np.full((len(rows), slots), NO_SCORE)
    scored = [at for at, row in enumerate(rows) if row.get("scores")]
    lists = [rows[at]["scores"] for at in scored]
    lists = [values[:slots] if isinstance(values, list) else values for values in lists]
    table[scored] = number_lists(file, lists, slots, lambda i: f"{where(scored[i])}: scores", null=True)
    return table


def _track_ids(file: LabelFile, rows: Sequence[Entry], where: Where) -> IntArray:
    ids = np.full(len(rows), NO_TRACK, dtype=np.int64)
    for at, row in enumerate(rows):
        if row.get("track_id") is not None:
            ids[at] = whole(file, f"{where(at)}: track_id", row["track_id"], least=0)
    return ids


def _head_sizes(file: LabelFile, rows: Sequence[Entry], where: Where) -> FloatArray:
    """(N,) length of each head from its box (x, y, width, height); NaN where there is none."""
    sizes = np.full(len(rows), np.nan)
    boxed = [at for at, row in enumerate(rows) if row.get("bbox_head")]
    lists = [rows[at]["bbox_head"] for at in boxed]
    box = number_lists(file, lists, 4, lambda i: f"{where(boxed[i])}: bbox_head")
    # By way of the far corner, as poseval goes: the last digit decides about errors of exactly half a head.
    step = box[:, :2] + box[:, 2:] - box[:, :2]
    sizes[boxed] = HEAD_BOX_SHARE * np.sqrt((step**2).sum(axis=1))
    return sizes


def _regions(file: LabelFile, image: Entry, name: str) -> tuple[FloatArray, ...]:
    xs, ys = (image.get(key) or [] for key in ("ignore_regions_x", "ignore_regions_y"))
    if not (isinstance(xs, list) and isinstance(ys, list) and len(xs) == len(ys)):
        raise file.error(f"frame {name}: ignore_regions_x and ignore_regions_y do not list equally many regions")
    polygons = []
    for x, y in zip(xs, ys, strict=True):
        if x or y:
            width = len(x) if isinstance(x, list) else 0
            polygons.append(number_lists(file, [x, y], width, lambda _: f"frame {name}: an ignore region").T)
    return tuple(polygons)


def _field(where: Where, name: str) -> Where:
    return lambda row: f"{where(row)}: {name}"
