"""Plain CSV: one keypoint a row, for spreadsheets, pandas, R and scripts.

The header names the columns; they may stand in any order, and those that nothing has are left out:

    frame, track, what, keypoint, x, y, x2, y2, visibility, score, source, before, after, until

`what` says what a row is of; without it, every row is a keypoint.

- keypoint: x, y, visibility (left out: 2 where x and y are given), score, source (left out: manual, detected where
  there is a score), before and after: the key frames that it was propagated from.
- box, head box: corners x, y and x2, y2.
- pose: the score of the whole pose, or that there is one although nothing of it is known.
- absent: the person is not there from frame to `until`, or to the end of the video where that is empty.
- replaced: what a correction replaced of the keypoint.
- lone: this pose is not joined into a track yet.
- labelled: somebody looked for people in this frame.

Without a column `track` all rows are of one track. The keypoints are those that are named, in the order in which they
first are. Skeleton, video and ignore regions have no place in a table.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

from pwarp.annotations import Annotations
from pwarp.formats.csv_read import Table
from pwarp.formats.csv_write import write_rows
from pwarp.formats.label_file import LabelFile
from pwarp.formats.losses import Renamed

if TYPE_CHECKING:
    from pwarp.video import Video

NAME = "csv"
SUFFIXES = (".csv",)
_SHOWN = 80  # characters of a header
_NEEDED = {"frame", "keypoint", "x", "y"}


def sniff(file: LabelFile) -> bool:
    """A first line that names frame, keypoint, x and y among its columns."""
    if not file.looks_like_text:
        return False
    first = file.head.decode("utf-8-sig", errors="replace").partition("\n")[0]
    try:
        return {name.strip() for name in next(csv.reader([first]), [])} >= _NEEDED
    except csv.Error:
        return False


def missing(file: LabelFile) -> str:
    """What a text of the suffix .csv that is no label file should have had, and what it begins with."""
    first = file.head.decode("utf-8-sig", errors="replace").strip().partition("\n")[0].rstrip()
    shown = first if len(first) <= _SHOWN else f"{first[: _SHOWN - 3]}..."
    return f"a table needs a header with frame, keypoint, x and y between commas, a line a keypoint; it has: {shown}"


def read(file: LabelFile, *, video: Video | None, only: str | None) -> Annotations:  # noqa: ARG001 - has frame numbers
    """The annotations of a table; PwarpError names file, line and column of what is wrong."""
    if only is not None:
        raise file.error(f"holds no video '{only}'; a table is of one video, so leave --only out")
    return Table.of(file).annotations()


def write(annotations: Annotations, path: Path, *, video: Video | None) -> Renamed:  # noqa: ARG001 - has frame numbers
    """Write the rows by frame, then by track, each pose with all its keypoints; PwarpError where there is no pose."""
    write_rows(annotations, path)
    return Renamed()
