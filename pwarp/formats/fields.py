"""Fields of JSON objects with their types checked, so that a wrong file ends in one line and never in a traceback.

Columns (one field of many objects) are checked at once and fast; only when the check fails is the culprit looked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

import numpy as np

from pwarp.annotations import FloatArray
from pwarp.formats.label_file import LabelFile

Entry = dict[str, Any]

# Beyond this no frame, size or track number is meant; all of them fit an int64 with room to add.
LARGEST_WHOLE = 2**53


# A pose takes memory for all keypoints of its skeleton, however few it names. Beyond so many, a share must be named.
_ROOM, _SPARSE = 1 << 21, 32


def check_room(file: LabelFile, poses: int, keypoints: int, named: int) -> None:
    """Raise PwarpError where a short file asks for much memory: poses that name hardly any of very many keypoints."""
    if poses * keypoints > max(_ROOM, _SPARSE * (poses + named)):
        raise file.error(f"has {poses} poses of {keypoints} keypoints and names only {named} points; split it")


def shown(value: Any) -> str:
    """A value as messages show it: its JSON-like form, cut short, with its type where that is the point."""
    text = repr(value)
    text = text if len(text) <= 40 else text[:37] + "..."
    kinds = {str: "text", list: "a list", dict: "an object", bool: "true/false"}
    if value is None:
        return "null"
    return f"{text} ({kinds[type(value)]})" if type(value) in kinds else text


def entries(file: LabelFile, document: Entry, key: str, *, required: bool = True) -> list[Entry]:
    """The list of objects in a field of the document; empty where a field that is not required is missing."""
    if key not in document:
        if not required:
            return []
        raise file.error(f"has no field '{key}'; a file of this format has a list there")
    value = document[key]
    if not isinstance(value, list):
        raise file.error(f"field '{key}' is {shown(value)}, expected a list of objects")
    if set(map(type, value)) - {dict}:
        at = next(i for i, item in enumerate(value) if not isinstance(item, dict))
        raise file.error(f"{key}[{at}] is {shown(value[at])}, expected an object")
    return value


def whole(file: LabelFile, where: str, value: Any, *, least: int = -LARGEST_WHOLE, most: int = LARGEST_WHOLE) -> int:
    """A whole number (1.0 counts as one); `where` names the field in messages."""
    if type(value) is float and value.is_integer():
        value = int(value)
    if type(value) is not int:
        raise file.error(f"{where} is {shown(value)}, expected a whole number")
    if not least <= value <= most:
        raise file.error(f"{where} is {value}, expected {least} to {most}")
    return value


def number(file: LabelFile, where: str, value: Any) -> float:
    """A finite number."""
    if type(value) not in (int, float) or not np.isfinite(value):
        raise file.error(f"{where} is {shown(value)}, expected a finite number")
    return float(value)


def text(file: LabelFile, where: str, value: Any) -> str:
    """A text."""
    if not isinstance(value, str):
        raise file.error(f"{where} is {shown(value)}, expected text")
    return value


def texts(file: LabelFile, where: str, value: Any) -> list[str]:
    """A list of texts."""
    if not isinstance(value, list) or set(map(type, value)) - {str}:
        raise file.error(f"{where} is {shown(value)}, expected a list of texts")
    return value


def number_lists(
    file: LabelFile,
    lists: Sequence[Any],
    width: int,
    where: Callable[[int], str],
    *,
    null: bool = False,
    finite: bool = True,
) -> FloatArray:
    """(N, width) from N lists of `width` numbers each; `where(i)` names list i in messages.

    null: whether a null is allowed, which becomes NaN. finite: whether numbers must be finite.
    """
    if set(map(type, lists)) - {list}:
        at = next(i for i, item in enumerate(lists) if not isinstance(item, list))
        raise file.error(f"{where(at)} is {shown(lists[at])}, expected a list of {width} numbers")
    if set(map(len, lists)) - {width}:
        at = next(i for i, item in enumerate(lists) if len(item) != width)
        raise file.error(f"{where(at)} has {len(lists[at])} numbers, expected {width}")
    allowed = {int, float, type(None)} if null else {int, float}
    if set(map(type, chain.from_iterable(lists))) - allowed:
        at, odd = next((i, v) for i, item in enumerate(lists) for v in item if type(v) not in allowed)
        raise file.error(f"{where(at)} holds {shown(odd)}, expected numbers")
    flat = chain.from_iterable(lists)
    if null:
        table = np.array(list(flat), dtype=np.float64).reshape(len(lists), width)
    else:
        table = np.fromiter(flat, dtype=np.float64, count=len(lists) * width).reshape(len(lists), width)
    if finite:
        # A null has become NaN; what else is not finite was written as NaN or Infinity.
        bad = np.isinf(table) if null else ~np.isfinite(table)
        if bad.any():
            at, place = np.argwhere(bad)[0]
            raise file.error(f"{where(int(at))}: number {place + 1} is {table[at, place]}, expected a finite number")
    return table
