"""Label Studio's video JSON: VideoVectorLabels with a skeleton, and VideoRectangle.

Frames count from 1, places are percent of the picture's width and height, so its size must be known: from the video,
or from what pwarp wrote. Between key frames Label Studio draws straight lines, which are not read. A key frame with
`enabled` false is the last one before a thing is gone. It has no visibility; a vertex left out is unlabelled. Names of
keypoints: see `label_studio_names`. The browser's framesCount may be a fraction or off by one; against a video it is
reconciled with the frames that can be decoded.

Written: one task to import, with this configuration:

    <View><Video name="video" value="$video" framerate="25"/>
    <VideoVectorLabels name="pose" toName="video" skeleton="true"><Label value="NAME"/></VideoVectorLabels>
    <VideoRectangle name="box" toName="video"/></View>

The video's rate belongs there, or Label Studio counts 24 frames a second. Its skeleton and identity go into the task's
data, and an occluded vertex says "visibility": 1: Label Studio keeps both. Whose work a key frame is has no place:
`origin` says it of whole regions. https://labelstud.io/tags/videovectorlabels
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from pwarp.annotations import LARGEST_SIDE, Annotations, FloatArray, Source, VideoIdentity
from pwarp.errors import PwarpError
from pwarp.formats import native_parts
from pwarp.formats.coco_images import LAST_FRAME
from pwarp.formats.fields import Entry, check_room, number, shown, whole
from pwarp.formats.key_frames import OUTSIDE, Key, track_of
from pwarp.formats.label_file import LabelFile
from pwarp.formats.label_studio_names import Names, find_names, vertices_of
from pwarp.formats.label_studio_tasks import Region, choose_task, looks_like_tasks, regions_of, video_path
from pwarp.formats.label_studio_write import region_entries
from pwarp.formats.losses import Renamed
from pwarp.skeleton import COCO_17, Skeleton

if TYPE_CHECKING:
    from pwarp.video import Video

NAME = "label-studio"
SUFFIXES: tuple[str, ...] = ()
# Dense tracks are thinned before they are written. Percent keep many more decimals; pixels need no more.
DECIMALS = 6
_TRACK = re.compile(r"track-(\d{1,15})")
_NO_LABEL = "(no label)"  # what refusals call regions without one, and what asks for them
_MOST_FPS = 1e12  # no rate from here on; other formats have as many digits


def sniff(file: LabelFile) -> bool:
    """Tasks with data and annotations, or the values alone (JSON-MIN)."""
    return file.looks_like_json and looks_like_tasks(file.json)


def read(file: LabelFile, *, video: Video | None, only: str | None) -> Annotations:
    """The regions of one task and annotation; PwarpError names region and frame of what is wrong."""
    document = file.json
    if not looks_like_tasks(document):
        raise file.error("holds no tasks of Label Studio: objects with 'data' and 'annotations'")
    task, task_named = choose_task(file, document, video, only)
    regions, named = regions_of(file, task, None if task_named else only)
    labels = {region.label for region in regions}
    meant = "" if only == _NO_LABEL and only not in labels else only
    label = meant if not (task_named or named) and meant in labels else None
    if only is not None and label is None and not (task_named or named):
        there = ", ".join(sorted(labels - {""})) or "none"
        raise file.error(f"holds no task, annotation or label '{only}'; labels: {there}")
    vectors = [r for r in regions if r.is_vector and label in (None, r.label)]
    kinds = {r.label for r in vectors or regions if label in (None, r.label)}
    if len(kinds) > 1:
        known = ", ".join(kind or _NO_LABEL for kind in sorted(kinds))
        how = "--only, and the task with --video" if task_named else "--only"
        raise file.error(f"holds several kinds of things; choose a label with {how}: {known}")
    if vectors:
        label = vectors[0].label
    # The configuration above gives rectangles no label: beside skeletons those without one are theirs, too.
    meant_by = (label, "") if vectors else (label,)
    boxes = [r for r in regions if not r.is_vector and (label is None or r.label in meant_by)]
    chosen = [r for r in regions if r in vectors or r in boxes]
    written = _written(task)
    identity = _identity(file, task, written, chosen, video)
    size = _size(file, identity, video)
    skeleton_entry = written.get("skeleton")
    if vectors:
        names = find_names(file, skeleton_entry, vectors, label or "skeleton")
    else:
        names = Names(_skeleton_of_boxes(file, skeleton_entry, boxes), {})
    poses = [item for region in chosen for item in region.sequence if isinstance(item, dict)]
    points = sum(len(item["vertices"]) for item in poses if isinstance(item.get("vertices"), list))
    check_room(file, len(poses), len(names.skeleton), points)
    tracks = []
    for region, id in zip(chosen, _ids(chosen), strict=True):
        keys = _keys(file, region, names, size)
        tracks.append(track_of(id, keys, len(names.skeleton)))
    return Annotations(names.skeleton, identity, tuple(tracks))


def _written(task: Entry) -> Entry:
    """What pwarp put into the data of a task, if it did."""
    data = task.get("data")
    own = data.get("pwarp") if isinstance(data, dict) else None
    return own if isinstance(own, dict) else {}


def _skeleton_of_boxes(file: LabelFile, entry: Any, boxes: Sequence[Region]) -> Skeleton:
    if isinstance(entry, dict):
        return native_parts.read_skeleton(file, entry)
    if not boxes:
        raise file.error("holds no region of a video; label one, or export again")
    label = boxes[0].label
    return COCO_17 if label.lower() == "person" else Skeleton(label or "thing", ("centre",))


def _ids(regions: Sequence[Region]) -> list[int]:
    """The track of each region: its number where pwarp wrote it, else a fresh one."""
    found = [_TRACK.fullmatch(region.id) for region in regions]
    given = [None if match is None else int(match[1]) for match in found]
    used = {id for id in given if id is not None}
    if len(used) < sum(id is not None for id in given):
        return list(range(len(regions)))
    fresh = iter(range(max(used, default=-1) + 1, max(used, default=-1) + 1 + len(regions)))
    return [next(fresh) if id is None else id for id in given]


def _identity(
    file: LabelFile, task: Entry, written: Entry, regions: Sequence[Region], video: Video | None
) -> VideoIdentity:
    own = written.get("video")
    if isinstance(own, dict):
        return _own_identity(file, own, video)
    counts = [region.value["framesCount"] for region in regions if region.value.get("framesCount") is not None]
    lengths = [region.value["duration"] for region in regions if region.value.get("duration") is not None]
    count = max((number(file, "framesCount", value) for value in counts), default=None)
    length = max((number(file, "duration", value) for value in lengths), default=0.0)
    rate = count / length if count and length > 0 else 0.0
    fps = Fraction(rate).limit_denominator(1001) if rate < _MOST_FPS else None
    return VideoIdentity(video_path(task), frame_count=_frame_count(count, video), fps=fps or None)


def _frame_count(count: float | None, video: Video | None) -> int | None:
    """The decoded frames where the browser's count is about that; else its count, where that is a whole number."""
    if count is None or not 0 <= count <= LAST_FRAME:
        return None
    if video is not None and abs(count - video.frame_count) < 1.5:
        return video.frame_count
    return int(count) if count == int(count) and video is not None else None


def _own_identity(file: LabelFile, own: Entry, video: Video | None) -> VideoIdentity:
    def count(key: str, most: int, least: int = 1) -> int | None:
        value = own.get(key)
        return None if value is None else whole(file, f"{key} of the video", value, least=least, most=most)

    rate, fingerprint = own.get("fps"), own.get("fingerprint")
    fps = re.fullmatch(r"(\d{1,12})(/[1-9]\d{0,11})?", rate) if isinstance(rate, str) else None
    if rate is not None and (fps is None or int(fps[1]) == 0):
        raise file.error(f'fps of the video is {shown(rate)}, expected a rate such as "30000/1001"')
    width, height = count("width", LARGEST_SIDE), count("height", LARGEST_SIDE)
    if video is not None and width and height and abs(width * video.height - height * video.width) <= 2 * video.width:
        # Percent fit a picture that was scaled.
        width, height = video.width, video.height
    return VideoIdentity(
        path=own.get("path") if isinstance(own.get("path"), str) else None,
        width=width,
        height=height,
        frame_count=count("frame_count", LAST_FRAME, least=0),
        fps=None if fps is None else Fraction(fps[0]),
        fingerprint=fingerprint if isinstance(fingerprint, str) else None,
    )


def _size(file: LabelFile, identity: VideoIdentity, video: Video | None) -> tuple[int, int]:
    if identity.width is not None and identity.height is not None:
        return identity.width, identity.height
    if video is not None:
        return video.width, video.height
    raise file.error("has places in percent of a picture whose size it does not say; give the video, too (--video)")


def _keys(file: LabelFile, region: Region, names: Names, size: tuple[int, int]) -> list[Key]:
    """The key frames of a region; `enabled` false puts one more behind the last frame."""
    keypoints = len(names.skeleton)
    keys: dict[int, Key] = {}
    gone = []
    for item in region.sequence:
        if not isinstance(item, dict):
            raise file.error(f"region {shown(region.id)}: a key frame is {shown(item)}, expected an object")
        frame = whole(file, f"region {shown(region.id)}: frame", item.get("frame"), most=LAST_FRAME)
        if frame < 1:
            raise file.error(f"region {shown(region.id)}: frame is {frame}, Label Studio counts from 1")
        where = f"region {shown(region.id)}, frame {frame}"
        enabled = item.get("enabled", True)
        if not isinstance(enabled, bool):
            raise file.error(f"{where}: enabled is {shown(enabled)}, expected true or false")
        if item.get("vertices"):
            key: Key | None = _posed(file, where, frame - 1, item, names, size, region.source)
        else:
            key = _boxed(file, where, frame - 1, item, keypoints, size) if "width" in item else None
        if key is not None:
            if frame - 1 in keys:
                raise file.error(f"{where}: is a key frame twice; remove one of them")
            keys[frame - 1] = key
        if not enabled:
            gone.append(frame - 1 if key is None else frame)
    for frame in gone:
        keys.setdefault(frame, Key.outside(frame, keypoints))
    return list(keys.values())


def _posed(
    file: LabelFile, where: str, frame: int, item: Entry, names: Names, size: tuple[int, int], source: Source
) -> Key:
    vertices = vertices_of(file, where, item["vertices"])
    if names.by_order and len(vertices) > len(names.skeleton):
        raise file.error(f"{where}: {len(vertices)} vertices, expected {len(names.skeleton)}")
    keypoints = len(names.skeleton)
    xy = np.full((keypoints, 2), np.nan)
    state, sources = np.full(keypoints, OUTSIDE, np.int8), np.zeros(keypoints, np.uint8)
    places = names.of(file, where, vertices)
    if len(set(places)) < len(places):
        twice = next(place for n, place in enumerate(places) if place in places[:n])
        raise file.error(f"{where}: keypoint '{names.skeleton.keypoints[twice]}' is there twice; remove a vertex")
    xy[places] = _places(file, where, vertices, size)
    state[places] = [1 if vertex.get("visibility") == 1 else 2 for vertex in vertices]
    sources[places] = source
    return Key(frame, xy, state, sources)


def _places(file: LabelFile, where: str, vertices: Sequence[Entry], size: tuple[int, int]) -> FloatArray:
    """(N, 2) where vertices are, all at once where nothing is wrong."""
    values = [vertex.get(axis) for vertex in vertices for axis in "xy"]
    if set(map(type, values)) <= {int, float}:
        with np.errstate(over="ignore"):
            found = np.round(np.array(values, np.float64).reshape(-1, 2) * size / 100, DECIMALS)
        if np.isfinite(found).all():
            return found
    return np.array(
        [[_pixels(file, where, v, axis, side) for axis, side in zip("xy", size, strict=True)] for v in vertices]
    )


def _pixels(file: LabelFile, where: str, item: Entry, key: str, side: int) -> float:
    value = number(file, f"{where}: {key}", item.get(key))
    pixels = round(value * side / 100, DECIMALS)
    if not np.isfinite(pixels):
        raise file.error(f"{where}: {key} is {shown(value)}, far outside of every picture")
    return pixels


def _boxed(file: LabelFile, where: str, frame: int, item: Entry, keypoints: int, size: tuple[int, int]) -> Key:
    """A rectangle; one that is turned (about its first corner, clockwise) becomes the box around it."""
    x, y, w, h = (
        _pixels(file, where, item, k, s) for k, s in zip(("x", "y", "width", "height"), size * 2, strict=True)
    )
    angle = np.deg2rad(number(file, f"{where}: rotation", item.get("rotation") or 0))
    across, down = np.array([np.cos(angle), np.sin(angle)]) * w, np.array([-np.sin(angle), np.cos(angle)]) * h
    corners = np.array([(x, y)] * 4) + np.array([(0.0, 0.0), across, down, across + down])
    box = np.round(np.concatenate([corners.min(axis=0), corners.max(axis=0)]), DECIMALS)
    outside = Key.outside(frame, keypoints)
    return Key(frame, outside.xy, outside.state, outside.source, tuple(box.tolist()))


def write(annotations: Annotations, path: Path, *, video: Video | None) -> Renamed:
    """Write a task to import; PwarpError where the size of the picture is not known."""
    known = annotations.video
    size = (known.width, known.height) if video is None else (video.width, video.height)
    if size[0] is None or size[1] is None:
        raise PwarpError(
            "Label Studio has places in percent, and these labels do not say the size of the picture: "
            "give the video, too (--video)"
        )
    results, ids = region_entries(annotations, (size[0], size[1]))
    own = {
        "path": known.path,
        "width": size[0],
        "height": size[1],
        "frame_count": known.frame_count,
        "fps": None if known.fps is None else str(known.fps),
        "fingerprint": known.fingerprint,
    }
    data = {
        "video": known.path or "",
        "pwarp": {"video": own, "skeleton": native_parts.skeleton_entry(annotations.skeleton)},
    }
    try:
        content = orjson.dumps([{"data": data, "annotations": [{"result": results}]}], option=orjson.OPT_INDENT_2)
    except orjson.JSONEncodeError as error:
        raise PwarpError(f"JSON cannot hold a name in these labels: {error}; rename it") from error
    path.write_bytes(content + b"\n")
    return Renamed(tracks=ids)
