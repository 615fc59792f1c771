"""What a COCO-like file says of one video: the part of `images`, `categories` and `annotations` that a reader wants."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import TYPE_CHECKING

import numpy as np

from pwarp.annotations import IntArray
from pwarp.formats.coco_images import Images, frame_id, read_images
from pwarp.formats.coco_rows import called_annotation, category_ids, check_categories
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
    check_categories(file, document, rows)
    categories = category_ids(rows)
    ids = _image_ids(rows)
    frames = [None if id is None else images.frame_of.get(id) for id in ids]
    used = {category for category, frame in zip(categories, frames, strict=True) if frame is not None}
    category, alike, category_named = choose_category(file, document, used or set(categories), only)
    if only is not None and not (video_named or category_named):
        raise file.error(f"holds no video and no category '{only}'")
    if None in frames or used - alike:
        meant = [
            _is_meant(file, row, id, images) and its in alike
            for row, id, its in zip(rows, ids, categories, strict=True)
        ]
        rows, frames = list(compress(rows, meant)), list(compress(frames, meant))
    return VideoPart(images, category, rows, np.array(frames, dtype=np.int64))


def _image_ids(rows: Sequence[Entry]) -> Sequence[int | str | None]:
    """The id of each annotation's picture; None for what can be none."""
    values = [row.get("image_id") for row in rows]
    if set(map(type, values)) <= {int, str}:
        return values
    return [_key(int(v) if type(v) is float and v.is_integer() else v) for v in values]


def _is_meant(file: LabelFile, row: Entry, id: int | str | None, images: Images) -> bool:
    """Whether an annotation is of this video; raises PwarpError where it is of no picture at all."""
    if id in images.frame_of:
        return True
    if id in images.elsewhere:
        return False
    raise file.error(f"{called_annotation(row)}: image_id {shown(row.get('image_id'))} is the id of no image")


def _key(value: object) -> int | str | None:
    """A value as an id: None where it can be none."""
    return value if type(value) is int or isinstance(value, str) else None
