"""The table of a DeepLabCut file, CSV or HDF5: columns by individual, body part and coordinate, a row for each frame.

The rows of a header are `scorer`, `individuals` (in projects with several animals), `bodyparts` and `coords`. Rows are
called by a frame number in files of predictions, by the path of a picture in files of labels (in one column, or in
three: `labeled-data`, the video's folder, the picture).
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pwarp.annotations import FloatArray
from pwarp.errors import PwarpError
from pwarp.formats.label_file import LARGEST, LabelFile

COORDS = ("x", "y", "likelihood")
LEVELS = ("scorer", "individuals", "bodyparts", "coords")
_MARK = b"\xef\xbb\xbf"
Column = tuple[str, str, str]  # individual ("" where the file has none), body part, coordinate


@dataclass(frozen=True)
class Table:
    """What a file holds.

    index: what calls each row, a frame number or a path. values: (rows, columns), NaN for none.
    """

    scorer: str
    columns: tuple[Column, ...]
    index: tuple[int | str, ...]
    values: FloatArray


def looks_like_dlc(file: LabelFile) -> bool:
    """Whether a text begins with the header of a DeepLabCut CSV."""
    if not file.looks_like_text or not file.head.removeprefix(_MARK).startswith(b"scorer,"):
        return False
    # The header of many animals is longer than the part of a file that is looked at first.
    lines = io.BytesIO(file.content)
    return any(next(lines, b"").startswith((b"bodyparts,", b"individuals,")) for _ in range(3))


def check_columns(
    file: LabelFile, names: Sequence[str], columns: Sequence[Sequence[str]]
) -> tuple[str, tuple[Column, ...]]:
    """The scorer and the columns from their levels; raises PwarpError for what DeepLabCut does not write.

    names: of the levels. columns: the names of each column, one a level.
    """
    if not columns or any(len(column) != len(names) for column in columns):
        raise file.error("has no columns such as DeepLabCut writes; expected scorer, bodyparts and coords above them")
    if missing := [level for level in LEVELS if level not in names and level != "individuals"]:
        raise file.error(f"has no header row '{missing[0]}'; is it a file of DeepLabCut?")
    found = []
    for column in columns:
        by_level = dict(zip(names, column, strict=True))
        if by_level["coords"] not in COORDS:
            raise file.error(f"has a column for '{by_level['coords'][:40]}'; known are {', '.join(COORDS)}")
        found.append((by_level.get("individuals", ""), by_level["bodyparts"], by_level["coords"]))
    if len(set(found)) < len(found):
        twice = next(column for column in found if found.count(column) > 1)
        raise file.error(f"has two columns for {' '.join(filter(None, twice))}; only one scorer a file is read")
    return columns[0][list(names).index("scorer")], tuple(found)


def read_csv(file: LabelFile) -> Table:
    """The table in a CSV; raises PwarpError that names the line of what is wrong."""
    try:
        text = file.content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise file.error(f"not UTF-8 text at byte {error.start}; save it as UTF-8") from error
    try:
        return _from_rows(file, csv.reader(io.StringIO(text, newline="")))
    except csv.Error as error:
        raise file.error(f"is no table that can be read: {error}") from error


def _from_rows(file: LabelFile, reader: Any) -> Table:
    header: list[list[str]] = []
    for row in reader:
        if not row:
            continue
        header.append(row)
        if row[0] == "coords" or len(header) == len(LEVELS) or row[0] not in LEVELS:
            break
    names = [row[0] for row in header]
    if not names or names[-1] != "coords" or len({len(row) for row in header}) > 1:
        raise file.error("does not begin with DeepLabCut's rows scorer, bodyparts and coords")
    keys = next((at for at, name in enumerate(header[0]) if at and name), len(header[0]))
    scorer, columns = check_columns(file, names, list(zip(*(row[keys:] for row in header), strict=True)))
    index: list[int | str] = []
    values: list[list[float]] = []
    for row in reader:
        if not any(row):
            continue
        where = f"line {reader.line_num}"
        if len(row) != keys + len(columns):
            raise file.error(f"{where}: {len(row)} fields, the header has {keys + len(columns)}")
        path = "/".join(row[:keys])
        index.append(int(path) if path.isdecimal() and path.isascii() and len(path) < 16 else path)
        values.append([_value(file, where, text) for text in row[keys:]])
    return Table(scorer, columns, tuple(index), np.array(values, np.float64).reshape(len(index), len(columns)))


def _value(file: LabelFile, where: str, text: str) -> float:
    if text.strip() in ("", "nan", "NaN"):
        return math.nan
    try:
        return float(text)
    except ValueError:
        raise file.error(f"{where}: '{text[:40]}' is no number") from None


def write_csv(table: Table, path: Path) -> None:
    """Write the table the way DeepLabCut does, through pandas."""
    if 12 * table.values.size > LARGEST:
        raise PwarpError(f"{len(table.index)} rows of {len(table.columns)} columns are too many for one table")
    keys = 1 if not table.index or isinstance(table.index[0], int) else 3
    several = any(individual for individual, _, _ in table.columns)
    levels = [("scorer", [table.scorer] * len(table.columns))]
    levels += [("individuals", [column[0] for column in table.columns])] if several else []
    levels += [
        ("bodyparts", [column[1] for column in table.columns]),
        ("coords", [column[2] for column in table.columns]),
    ]
    try:
        with path.open("w", encoding="utf-8", newline="") as out:
            writer = csv.writer(out, lineterminator="\n")
            for name, cells in levels:
                writer.writerow([name, *[""] * (keys - 1), *cells])
            for key, row in zip(table.index, table.values.tolist(), strict=True):
                cells = ["" if value != value else repr(value) for value in row]
                writer.writerow([*(str(key).split("/") if keys > 1 else [key]), *cells])
    except UnicodeEncodeError as error:
        raise PwarpError(f"a table cannot hold a name among these labels ({error}); rename it") from error
