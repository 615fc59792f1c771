"""Label files that hold more than one video, or many single pictures: taken apart into the labels of each."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import PurePosixPath

import orjson

from pwarp import formats
from pwarp.annotations import Annotations
from pwarp.evaluation.videos import Labels, Side
from pwarp.formats import jsonl
from pwarp.formats.fields import Entry, entries
from pwarp.formats.label_file import LabelFile
from pwarp.skeleton import COCO_17
from pwarp.video.opening import SUFFIXES

# What an image says of its video: how many frames that has, and which one it is.
_OF_VIDEO = ("nframes", "video_id", "vid_id")


def by_video(labels: Labels) -> list[Labels]:
    """The videos in a file, by the `video_id` or `vid_id` of its images; the labels as they are where it holds one."""
    file = Side(labels).file
    videos = {} if file is None else videos_in(file)
    if file is None or not videos:
        return [labels]
    return [
        Labels(name=name, shown=f"{labels.shown}, video {key}", load=partial(formats.read, file, only=key))
        for key, name in videos.items()
    ]


def videos_in(file: LabelFile) -> dict[str, str]:
    """What each video in a file is called, by what `formats.read` takes for `only`; empty where it holds just one."""
    # JSON Lines are of one video.
    document = file.json if file.looks_like_json and not jsonl.sniff(file) else None
    if not isinstance(document, dict):
        return {}
    images = entries(file, document, "images", required=False)
    keys = [image.get("video_id", image.get("vid_id")) for image in images]
    if not all(isinstance(key, int | str) for key in keys) or len(set(keys)) < 2:
        return {}
    videos = entries(file, document, "videos", required=False)
    titles = {video["id"]: video.get("name") for video in videos if isinstance(video.get("id"), int | str)}
    return {str(key): _without_suffix(str(titles.get(key) or key)) for key in dict.fromkeys(keys)}


def _without_suffix(title: str) -> str:
    """The last part of a path, less a suffix of video files: "cam.1" has none."""
    path = PurePosixPath(title)
    return path.stem if path.suffix.lower() in SUFFIXES else path.name or title


def by_picture(labels: Labels, wanted: Collection[str]) -> list[Labels]:
    """The pictures in a file, where at least one of them is called as wanted; else the labels as they are.

    A picture goes by its file name, that without suffix, or its id, whichever is wanted. In a COCO results list, a
    wanted picture that it does not name is one in which nobody was found.
    """
    side = Side(labels)
    file, document = side.file, side.document
    if file is not None and isinstance(document, list):
        return _listed(file, labels, wanted)
    if file is None or not isinstance(document, dict):
        return [labels]
    images = [i for i in entries(file, document, "images", required=False) if isinstance(i.get("id"), int | str)]
    names = [_called(image, wanted) for image in images]
    if not set(names) & set(wanted):
        return [labels]
    rows: dict[int | str, list[Entry]] = {image["id"]: [] for image in images}
    for row in entries(file, document, "annotations"):
        if isinstance(row.get("image_id"), int | str) and row["image_id"] in rows:
            rows[row["image_id"]].append({**row, "image_id": 0})
    return [
        _picture(labels, document, image, rows[image["id"]], name) for image, name in zip(images, names, strict=True)
    ]


def _picture(labels: Labels, document: Entry, image: Entry, rows: list[Entry], name: str) -> Labels:
    """A picture by itself, without what the file says of the video that all its pictures may make up."""
    own = {key: value for key, value in image.items() if key not in _OF_VIDEO}
    part = {**document, "images": [{**own, "id": 0, "frame_id": 0}], "annotations": rows}
    part |= {key: [] for key in ("videos", "tracks") if key in document}
    shown = f"{labels.shown}, picture {name}"
    return Labels(name, shown, load=lambda: formats.read(_part(shown, part)))


def _listed(file: LabelFile, labels: Labels, wanted: Collection[str]) -> list[Labels]:
    """The pictures of a COCO results list and all wanted ones; the labels as they are where it names none of these."""
    rows: dict[str, list[Entry]] = {}
    for row in entries(file, {"results": file.json}, "results"):
        key = row.get("image_id")
        if not isinstance(key, int | str):
            return [labels]
        rows.setdefault(_called({"id": key, "file_name": key}, wanted), []).append({**row, "image_id": 0})
    if rows and not rows.keys() & set(wanted):
        return [labels]
    # Also where nobody was found the keypoints have names: those of the people elsewhere.
    example = next(iter(rows.values()), [])[:1]

    def load(shown: str, found: list[Entry]) -> Annotations:
        if found:
            return formats.read(_part(shown, found))
        return replace(formats.read(_part(shown, example)), tracks=()) if example else Annotations(COCO_17)

    names = dict.fromkeys([*rows, *sorted(wanted)])
    shown = {name: f"{labels.shown}, picture {name}" for name in names}
    return [Labels(name, shown[name], load=partial(load, shown[name], rows.get(name, []))) for name in names]


def _called(image: Entry, wanted: Collection[str]) -> str:
    """What a picture is called: the first of its names that is wanted, else its id."""
    identity = str(image["id"])
    path = PurePosixPath(str(image.get("file_name", "")).replace("\\", "/"))
    return next((name for name in (path.name, path.stem, identity) if name in wanted), identity)


def _part(shown: str, content: object) -> LabelFile:
    return _Part(None, shown, held=orjson.dumps(content))


@dataclass(frozen=True)
class _Part(LabelFile):
    """A part of a label file as a file of its own, in memory."""

    held: bytes = b""

    @cached_property
    def content(self) -> bytes:
        return self.held
