"""What the annotations of a COCO-like file are called, and which category each is of."""

from __future__ import annotations

from collections.abc import Sequence

from pwarp.formats.fields import Entry, entries, shown
from pwarp.formats.label_file import LabelFile


def called_annotation(row: Entry) -> str:
    """What messages call an annotation: its id, else the picture and track it is of."""
    if row.get("id") is not None:
        return f"annotation {shown(row['id'])}"
    track = f" and track {shown(row['track_id'])}" if row.get("track_id") is not None else ""
    return f"the annotation of image {shown(row.get('image_id'))}{track}"


def category_ids(rows: Sequence[Entry]) -> list[int | str | None]:
    """The category of each annotation, None where it says none."""
    return [category_key(row.get("category_id")) for row in rows]


def check_categories(file: LabelFile, document: Entry, rows: Sequence[Entry]) -> None:
    """Raises PwarpError for an annotation of a category that the file does not list, and for keypoints of one that has
    none: nothing would be left of such labels, and nobody would be told."""
    has_keypoints = {category_key(c.get("id")): bool(c.get("keypoints")) for c in entries(file, document, "categories")}
    ids, posed = category_ids(rows), {id for id, has in has_keypoints.items() if has}
    if not posed or set(ids) <= posed:
        return
    for row, id in zip(rows, ids, strict=True):
        if row.get("category_id") is None:
            continue
        if id is None or id not in has_keypoints:
            known = ", ".join(map(shown, list(has_keypoints)[:20]))
            raise file.error(
                f"{called_annotation(row)}: category_id {shown(row['category_id'])} is the id of no category; "
                f"there are: {known}"
            )
        if not has_keypoints[id] and row.get("keypoints"):
            raise file.error(
                f"{called_annotation(row)} has keypoints, but category {shown(id)} has none; add their names to it"
            )


def category_key(value: object) -> int | str | None:
    """The id of a category as it is compared: 1.0 is 1; None for what can be no id."""
    value = int(value) if isinstance(value, float) and value.is_integer() else value
    return value if type(value) is int or isinstance(value, str) else None
