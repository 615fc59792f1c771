"""The pictures that a COCO-like file lists: of which video they are, and which frame each one is.

Used by every format that keeps `images` the way COCO does. COCO itself knows no video and no frame number, so they
come from what has grown around it: `frame_id`, `video_id` or `vid_id`, `nframes`, and file names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from pwarp.annotations import LARGEST_SIDE, OPEN_END, FloatArray, IntArray, VideoIdentity
from pwarp.formats.fields import LARGEST_WHOLE, Entry, entries, number_lists, shown, text, whole
from pwarp.formats.label_file import LabelFile

if TYPE_CHECKING:
    from pwarp.video import Video

LAST_FRAME = OPEN_END - 1
_RATE = re.compile(r"(\d{1,12})(?:/(\d{1,12})|(\.\d{1,17}))?")


@dataclass(frozen=True)
class Images:
    """The pictures of one video in a file.

    frame_of: frame ordinal by image id. elsewhere: ids of pictures of other videos in the same file.
    labelled, ignore_regions: as in `Annotations`.
    """

    frame_of: Mapping[int | str, int]
    elsewhere: frozenset[int | str]
    identity: VideoIdentity
    labelled: IntArray | None
    ignore_regions: Mapping[int, tuple[FloatArray, ...]]


@dataclass(frozen=True)
class _Group:
    """The pictures that share a video id, and the entry of that video where the file has one."""

    key: int | str | None
    entry: Entry
    images: list[Entry]

    @property
    def names(self) -> tuple[str, ...]:
        """What a person may call the video: its name, path, last part of the path, stem, or id."""
        given = [self.entry.get("name"), _folder_of(self.images), self.key]
        names = [str(name) for name in given if name is not None]
        return tuple(dict.fromkeys([*names, *map(last_part, names), *(PurePosixPath(n).stem for n in names)]))


def read_images(
    file: LabelFile,
    document: Entry,
    *,
    video: Video | None,
    only: str | None,
    frame_id: Callable[[LabelFile, Entry], int | None],
    number: Callable[[Entry], int | None],
) -> tuple[Images, bool]:
    """The pictures of the one video that is meant, and whether `only` was needed as its name.

    frame_id, number: as in `coco_document.part_of_video`.
    """
    groups = _groups(file, document)
    group, named = _choose(file, groups, video, only)
    frames = _frames(file, group.images, video, frame_id, number)
    ids = image_ids(file, group.images)
    elsewhere = frozenset(id for g in groups if g is not group for id in image_ids(file, g.images))
    if len({*ids, *elsewhere}) != len(document["images"]) or len(set(frames)) != len(frames):
        _refuse_repeats(file, document, group.images, frames)
    images = Images(
        frame_of=dict(zip(ids, frames, strict=True)),
        elsewhere=elsewhere,
        identity=_identity(file, group),
        labelled=_labelled(file, group.images, frames),
        ignore_regions=_ignore_regions(file, group.images, frames),
    )
    return images, named


def image_id(file: LabelFile, image: Entry) -> int | str:
    """The id of a picture: a whole number or a text."""
    value = image.get("id")
    if isinstance(value, str) or (type(value) is int and abs(value) <= LARGEST_WHOLE):
        return value
    return whole(file, f"id of {called(image)}", value)


def image_ids(file: LabelFile, images: Sequence[Entry]) -> list[int | str]:
    """The id of each picture."""
    return [image_id(file, image) for image in images]


def called(image: Entry) -> str:
    """What messages call a picture."""
    name = image.get("file_name")
    return f"image {shown(image.get('id'))}" + (f" '{name}'" if isinstance(name, str) else "")


def last_part(name: str) -> str:
    """The last part of a path, whichever slashes it was written with."""
    name = name.replace("\\", "/")
    last = name.rpartition("/")[2]
    # A path object says the same of every name, and takes five times as long: files name thousands of pictures.
    return last if last not in ("", ".") else PurePosixPath(name).name


def _groups(file: LabelFile, document: Entry) -> list[_Group]:
    """The pictures by video, in the order of the file; videos without any only where none has."""
    table: dict[int | str | None, tuple[Entry, list[Entry]]] = {}
    for entry in entries(file, document, "videos", required=False):
        key = entry.get("id")
        table[key if isinstance(key, str) else whole(file, "id of a video", key)] = (entry, [])
    for image in entries(file, document, "images"):
        key = image.get("video_id", image.get("vid_id"))
        if not (key is None or type(key) is int or isinstance(key, str)):
            key = whole(file, f"video_id of {called(image)}", key)
        table.setdefault(key, ({}, []))[1].append(image)
    # Pictures that name no video belong to the only one there is.
    if len(table) == 2 and None in table:
        (entry, named), (_, unnamed) = next(v for k, v in table.items() if k is not None), table[None]
        if not named:
            key = next(k for k in table if k is not None)
            table = {key: (entry, unnamed)}
    groups = [_Group(key, entry, images) for key, (entry, images) in table.items()]
    return [group for group in groups if group.images] or groups or [_Group(None, {}, [])]


def _choose(file: LabelFile, groups: list[_Group], video: Video | None, only: str | None) -> tuple[_Group, bool]:
    matching = [g for g in groups if only is not None and only in g.names]
    if len(matching) == 1:
        return matching[0], True
    if len(groups) == 1:
        return groups[0], False
    if video is not None:
        wanted = {str(video.path), last_part(str(video.path)), PurePosixPath(str(video.path)).stem}
        matching = [g for g in groups if wanted & set(g.names)]
        if len(matching) == 1:
            return matching[0], False
    known = ", ".join(g.names[0] if g.names else "(no name)" for g in groups[:20])
    more = f" and {len(groups) - 20} more" if len(groups) > 20 else ""
    raise file.error(f"holds {len(groups)} videos; choose one with --only: {known}{more}")


def frame_id(file: LabelFile, image: Entry) -> int | None:
    """The `frame_id` of a picture, counting frames from 0; None where there is none."""
    value = image.get("frame_id")
    if value is None or (type(value) is int and 0 <= value <= LAST_FRAME):
        return value
    return whole(file, f"frame_id of {called(image)}", value, least=0, most=LAST_FRAME)


def _frames(
    file: LabelFile,
    images: Sequence[Entry],
    video: Video | None,
    frame_id: Callable[[LabelFile, Entry], int | None],
    number: Callable[[Entry], int | None],
) -> list[int]:
    """The frame of each picture: what the file says, else its place in the folder of pictures, else its number."""
    said = [frame_id(file, image) for image in images]
    place: dict[str, int] = {}
    if video is not None and video.names is not None:
        place = {name: i for i, name in enumerate(video.names)}
        _check_names(file, images, said, place)
    names = [image.get("file_name") for image in images]
    places = [_place_of(name, place) if place and isinstance(name, str) else None for name in names]
    # Where some names are those of the pictures, a number in another one says nothing of its place among them.
    counts = all(at is None for at in places)
    frames = []
    for image, frame, at in zip(images, said, places, strict=True):
        frame = at if frame is None else frame
        if frame is None and counts:
            frame = number(image)
        if frame is None:
            mend = "add frame_id (0-based frame number) to the images"
            if not place:
                raise file.error(
                    f"{called(image)} has no frame_id; {mend}, or give the folder of pictures as the video, if need be "
                    "to pwarp convert LABELS OUT --video FOLDER first"
                )
            raise file.no_picture_of(
                list(place), f"{called(image)} has no frame_id and", f"{mend}, or correct file_name"
            )
        frames.append(frame)
    return frames


def _place_of(name: str, places: Mapping[str, int]) -> int | None:
    """Where a named picture stands among the pictures of the video, whatever folders the file puts before it."""
    rest = name.replace("\\", "/")
    while rest:
        if rest in places:
            return places[rest]
        rest = rest.partition("/")[2]
    return None


def _check_names(
    file: LabelFile, images: Sequence[Entry], said: Sequence[int | None], places: Mapping[str, int]
) -> None:
    """Refuse frame numbers that disagree with where the named picture stands in the folder."""
    for image, frame in zip(images, said, strict=True):
        name = image.get("file_name")
        place = _place_of(name, places) if isinstance(name, str) else None
        if frame is not None and place is not None and frame != place:
            raise file.error(
                f"{called(image)} has frame_id {frame}, but that picture is frame {place} of the folder; "
                "mend frame_id (0-based place among the sorted pictures), or give the whole folder"
            )


def _refuse_repeats(file: LabelFile, document: Entry, images: Sequence[Entry], frames: Sequence[int]) -> None:
    """Refuse two pictures with one id (anywhere in the file) or with one frame (in the video)."""
    first_with: dict[Any, Entry] = {}
    for image in entries(file, document, "images"):
        key = image_id(file, image)
        if key in first_with:
            raise file.error(f"{called(image)} and {called(first_with[key])} share an id; ids must differ")
        first_with[key] = image
    first_at: dict[int, Entry] = {}
    for image, frame in zip(images, frames, strict=True):
        if frame in first_at:
            raise file.error(
                f"{called(image)} and {called(first_at[frame])} are both frame {frame}; "
                "for several videos in one file give each image a video_id"
            )
        first_at[frame] = image


def read_identity(file: LabelFile, entry: Entry) -> VideoIdentity:
    """A video as its entry alone describes it: name, width, height, frame_count, fps, fingerprint, as far as known."""
    return _identity(file, _Group(None, entry, []))


def _identity(file: LabelFile, group: _Group) -> VideoIdentity:
    """What the file says about the video: in its entry, else on its pictures."""
    entry, images = group.entry, group.images

    def count(key: str, on_images: str, most: int, least: int = 1) -> int | None:
        if entry.get(key) is not None:
            return whole(file, f"{key} of the video", entry[key], least=least, most=most)
        first: Entry | None = None
        for image in images:
            value = image.get(on_images)
            if value is None or (first is not None and value is first[on_images]):
                continue
            if type(value) is not int or not least <= value <= most:  # hardly ever; the rest is for its message
                whole(file, f"{on_images} of {called(image)}", value, least=least, most=most)
            if first is not None and value != first[on_images]:
                raise file.error(
                    f"{called(image)} has {on_images} {value}, {called(first)} has {first[on_images]}; "
                    "the pictures of one video agree, give other videos another video_id"
                )
            first = first or image
        return None if first is None else int(first[on_images])

    path = entry.get("name")
    fingerprint = entry.get("fingerprint")
    return VideoIdentity(
        path=_folder_of(images) if path is None else text(file, "name of the video", path),
        width=count("width", "width", LARGEST_SIDE),
        height=count("height", "height", LARGEST_SIDE),
        frame_count=count("frame_count", "nframes", LAST_FRAME, least=0),
        fps=None if entry.get("fps") is None else _rate(file, entry["fps"]),
        fingerprint=None if fingerprint is None else text(file, "fingerprint of the video", fingerprint),
    )


def _rate(file: LabelFile, value: Any) -> Fraction:
    """A frame rate: 25, 29.97 or, exactly, "30000/1001"."""
    found = _RATE.fullmatch(str(value)) if type(value) in (int, float, str) else None
    if found is None or (found[2] is not None and int(found[2]) == 0) or float(found[1] + (found[3] or "")) == 0:
        raise file.error(f'fps of the video is {shown(value)}, expected a rate such as 25 or "30000/1001"')
    exact = Fraction(str(value))
    # 29.97002997002997 is how 30000/1001 is written where there are no fractions.
    near = exact.limit_denominator(1001)
    return near if float(near) == float(exact) else exact


def _folder_of(images: Sequence[Entry]) -> str | None:
    """The video that all file names share: the folder they are in, or what stands before '#' in 'dog.mp4#3'."""
    shared = set()
    for image in images:
        name = image.get("file_name")
        if not isinstance(name, str):
            return None
        video, hash_, _ = name.rpartition("#")
        shared.add(video if hash_ else name.replace("\\", "/").rpartition("/")[0])
        if len(shared) > 1:
            return None
    return (shared.pop() or None) if shared else None


def _labelled(file: LabelFile, images: Sequence[Entry], frames: Sequence[int]) -> IntArray | None:
    marked = []
    for image, frame in zip(images, frames, strict=True):
        value = image.get("is_labeled")
        if value is not None:
            if value not in (True, False):
                raise file.error(f"is_labeled of {called(image)} is {shown(value)}, expected true or false")
            marked.append((frame, bool(value)))
    return np.array([f for f, yes in marked if yes], dtype=np.int64) if marked else None


def _ignore_regions(
    file: LabelFile, images: Sequence[Entry], frames: Sequence[int]
) -> dict[int, tuple[FloatArray, ...]]:
    """By frame, the polygons in PoseTrack's `ignore_regions_x` and `ignore_regions_y`."""
    regions: dict[int, tuple[FloatArray, ...]] = {}
    for image, frame in zip(images, frames, strict=True):
        if not ("ignore_regions_x" in image or "ignore_regions_y" in image):
            continue
        sides = [image.get("ignore_regions_x") or [], image.get("ignore_regions_y") or []]
        if not all(isinstance(side, list) for side in sides) or len(sides[0]) != len(sides[1]):
            raise file.error(f"ignore regions of {called(image)}: x and y are not lists of equal length")
        polygons = [_polygon(file, image, xs, ys) for xs, ys in zip(*sides, strict=True) if xs != [] or ys != []]
        if polygons:
            regions[frame] = tuple(polygons)
    return regions


def _polygon(file: LabelFile, image: Entry, xs: object, ys: object) -> FloatArray:
    """(P, 2) from the lists of its x and of its y."""
    count = len(xs) if isinstance(xs, list) else 0
    table = number_lists(file, [xs, ys], count, lambda _: f"an ignore region of {called(image)}")
    return np.ascontiguousarray(table.T)
