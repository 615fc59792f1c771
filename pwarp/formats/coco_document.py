"""What a COCO-like file says of one video: the part of `images`, `categories` and `annotations` that a reader wants."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import TYPE_CHECKING

import numpy as np

from pwarp.annotations import IntArray
from pwarp.formats.coco_images import Images, frame_id, read_images
from pwarp.formats.coco_skeleton import choose_category
from pwarp.formats.fields import Entry, entries, shown
from pwarp.formats.label_file import LabelFile

if TYPE_CHECKING:
    from pwarp.video import Video


@dataclass(frozen=True)
class VideoPart:
    """The part of one video and one category.

    images: its pictures. category: the entry of its category. rows: its N annotations. frame: (N,) theirs.
    """

    images: Images
    category: Entry
    rows: list[Entry]
    frame: IntArray


def part_of_video(
    file: LabelFile,
    document: object,
    *,
    video: Video | None,
    only: str | None,
    frame_id: Callable[[LabelFile, Entry], int | None] = frame_id,
    number: Callable[[Entry], int | None] = lambda _: None,
) -> VideoPart:
    """The part of the video, or category, that `only` names, or of the only one there is.

    frame_id: how the format means that field of a picture. number: the frame that a file name counts, in a format
    where it does; asked only where neither frame_id nor the folder of pictures tells.

    Raises PwarpError where the choice is open, and for annotations of pictures that the file does not list.
    """
    if not isinstance(document, dict):
        raise file.error(f"is {shown(document)}, expected an object with images, annotations and categories")
    images, video_named = read_images(file, document, video=video, only=only, frame_id=frame_id, number=number)
    rows = entries(file, document, "annotations")
    used = {_key(row.get("category_id")) for row in rows}
    category, alike, category_named = choose_category(file, document, used, only)
    if only is not None and not (video_named or category_named):
        raise file.error(f"holds no video and no category '{only}'")
    ids = _image_ids(rows)
    frames = [None if id is None else images.frame_of.get(id) for id in ids]
    if None in frames or used - alike:
        meant = [_is_meant(file, row, id, images, alike) for row, id in zip(rows, ids, strict=True)]
        rows, frames = list(compress(rows, meant)), list(compress(frames, meant))
    return VideoPart(images, category, rows, np.array(frames, dtype=np.int64))


def _image_ids(rows: Sequence[Entry]) -> Sequence[int | str | None]:
    """The id of each annotation's picture; None for what can be none."""
    values = [row.get("image_id") for row in rows]
    if set(map(type, values)) <= {int, str}:
        return values
    return [_key(int(v) if type(v) is float and v.is_integer() else v) for v in values]


def _is_meant(file: LabelFile, row: Entry, id: int | str | None, images: Images, alike: Collection[object]) -> bool:
    """Whether an annotation is of this video and category; raises PwarpError where it is of no picture at all."""
    if id in images.frame_of:
        return _key(row.get("category_id")) in alike
    if id in images.elsewhere:
        return False
    raise file.error(f"{called_annotation(row)}: image_id {shown(row.get('image_id'))} is the id of no image")


def called_annotation(row: Entry) -> str:
    """What messages call an annotation: its id, else the picture and track it is of."""
    if row.get("id") is not None:
        return f"annotation {shown(row['id'])}"
    track = f" and track {shown(row['track_id'])}" if row.get("track_id") is not None else ""
    return f"the annotation of image {shown(row.get('image_id'))}{track}"


def _key(value: object) -> int | str | None:
    """A value as an id: None where it can be none."""
    return value if type(value) is int or isinstance(value, str) else None
