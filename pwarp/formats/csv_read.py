"""Reading the rows of `pwarp.formats.csv_table` into tracks, row by row, with every field checked."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pwarp.annotations import OPEN_END, Annotations, Replaced, Source, Track
from pwarp.errors import PwarpError
from pwarp.formats.coco_images import LAST_FRAME
from pwarp.formats.csv_write import COLUMNS
from pwarp.formats.fields import LARGEST_WHOLE, check_room
from pwarp.formats.label_file import LabelFile
from pwarp.skeleton import Skeleton

_NEEDED = ("frame", "x", "y")
_SOURCES = {source.name.lower(): source for source in Source}
_WHATS = ("keypoint", "box", "head box", "pose", "absent", "replaced", "lone", "labelled")
_MOST_KEYPOINTS = 10_000
_LONGEST_LINE = 1 << 20


@dataclass
class _Pose:
    """What the rows say of one track in one frame; keypoints by name as x, y, visibility, score, source, origin."""

    line: int
    keypoints: dict[str, tuple[float, float, int, float, int, int, int]] = field(default_factory=dict)
    box: tuple[float, ...] | None = None
    head_box: tuple[float, ...] | None = None
    score: float = math.nan


@dataclass
class _Rows:
    """What the rows say of one track."""

    poses: dict[int, _Pose] = field(default_factory=dict)
    absent: list[tuple[int, int]] = field(default_factory=list)
    replaced: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    identified: bool = True


@dataclass
class Table:
    """A table as far as it was read. keypoints: their names, in the order in which they first came."""

    file: LabelFile
    tracks: dict[int, _Rows] = field(default_factory=dict)
    keypoints: dict[str, int] = field(default_factory=dict)
    labelled: set[int] | None = None

    @classmethod
    def of(cls, file: LabelFile) -> Table:
        """The table of a file; raises PwarpError that names line and column of what is wrong."""
        table = cls(file)
        for line, row in _lines(file):
            table.add(_Row(file, line, row))
        return table

    def add(self, row: _Row) -> None:
        """Take in one row."""
        what = row.text("what") or "keypoint"
        frame = row.whole("frame", LAST_FRAME)
        if frame is None:
            raise row.error("frame", "is empty, expected a frame number from 0")
        if what == "labelled":
            self.labelled = self.labelled or set()
            self.labelled.add(frame)
            return
        id = row.whole("track", LARGEST_WHOLE, least=-LARGEST_WHOLE) if "track" in row.values else 0
        if id is None:
            raise row.error("track", "is empty, expected the number of the track")
        rows = self.tracks.setdefault(id, _Rows())
        if what == "absent":
            last = row.whole("until", OPEN_END)
            if last is not None and last < frame:
                raise row.error("until", f"is {last}, before the frame {frame} that it is absent from")
            rows.absent.append((frame, OPEN_END if last is None else last))
        elif what == "lone":
            rows.identified = False
        elif what == "replaced":
            rows.replaced.append(self._replaced(row, frame))
        else:
            self._pose(row, what, rows.poses.setdefault(frame, _Pose(row.line)))

    def _pose(self, row: _Row, what: str, pose: _Pose) -> None:
        """Take in a row of one pose."""
        if what == "keypoint":
            name = self._named(row)
            if name in pose.keypoints:
                raise row.error("keypoint", f"is '{name}', which this track has in this frame already")
            pose.keypoints[name] = _keypoint(row)
        elif what == "pose":
            score = row.number("score")
            pose.score = math.nan if score is None else score
        elif what in ("box", "head box"):
            corners = tuple(row.needed(side) for side in ("x", "y", "x2", "y2"))
            if what == "box":
                pose.box = corners
            else:
                pose.head_box = corners
        else:
            raise row.error("what", f"is '{what[:40]}', expected one of {', '.join(_WHATS)}")

    def _named(self, row: _Row) -> str:
        name = row.text("keypoint")
        if not name:
            raise row.error("keypoint", "is empty, expected the name of a keypoint")
        if self.keypoints.setdefault(name, len(self.keypoints)) >= _MOST_KEYPOINTS:
            raise row.error("keypoint", f"is the {_MOST_KEYPOINTS + 1}th name; no skeleton has so many keypoints")
        return name

    def _replaced(self, row: _Row, frame: int) -> tuple[str, dict[str, Any]]:
        x, y, visibility, _, source, _, _ = _keypoint(row, labelled=False)
        return self._named(row), {"frame": frame, "x": x, "y": y, "visibility": visibility, "source": Source(source)}

    def annotations(self) -> Annotations:
        """The rows as tracks, in rising order of id."""
        if not self.keypoints:
            raise self.file.error("names no keypoint; a row of a keypoint has its name in the column 'keypoint'")
        poses = [pose for rows in self.tracks.values() for pose in rows.poses.values()]
        check_room(self.file, len(poses), len(self.keypoints), sum(len(pose.keypoints) for pose in poses))
        skeleton = Skeleton.from_names("csv", list(self.keypoints))
        tracks = []
        for id, rows in sorted(self.tracks.items()):
            try:
                tracks.append(self._track(id, rows))
            except PwarpError as error:
                raise self.file.error(str(error)) from error
        labelled = None if self.labelled is None else np.array(sorted(self.labelled), dtype=np.int64)
        return Annotations(skeleton, tracks=tuple(tracks), labelled=labelled)

    def _track(self, id: int, rows: _Rows) -> Track:
        frames = sorted(rows.poses)
        count = len(self.keypoints)
        table = np.full((len(frames), count, 7), (np.nan, np.nan, 0, np.nan, Source.NONE, -1, -1))
        boxes, head_boxes = np.full((len(frames), 4), np.nan), np.full((len(frames), 4), np.nan)
        for at, frame in enumerate(frames):
            pose = rows.poses[frame]
            for name, values in pose.keypoints.items():
                table[at, self.keypoints[name]] = values
            boxes[at] = np.nan if pose.box is None else pose.box
            head_boxes[at] = np.nan if pose.head_box is None else pose.head_box
        return Track.make(
            id,
            frames,
            table[..., :2],
            table[..., 2].astype(np.uint8),
            score=table[..., 3],
            source=table[..., 4].astype(np.uint8),
            origin=table[..., 5:].astype(np.int64),
            boxes=boxes,
            head_boxes=head_boxes,
            person_score=[rows.poses[frame].score for frame in frames],
            absent=rows.absent,
            replaced=[Replaced(keypoint=self.keypoints[name], **values) for name, values in rows.replaced],
            identified=rows.identified,
        )


@dataclass(frozen=True)
class _Row:
    """One row: its line in the file and its fields by column."""

    file: LabelFile
    line: int
    values: Mapping[str, str]

    def error(self, column: str, message: str) -> PwarpError:
        return self.file.error(f"line {self.line}: {column} {message}")

    def text(self, column: str) -> str:
        """The field, empty where the table has no such column."""
        return self.values.get(column, "")

    def whole(self, column: str, most: int, *, least: int = 0) -> int | None:
        """A whole number; None where the field is empty."""
        number = self.number(column)
        if number is None:
            return None
        if not number.is_integer() or not least <= number <= most:
            raise self.error(column, f"is {self.text(column)[:40]}, expected a whole number from {least}")
        return int(number)

    def number(self, column: str) -> float | None:
        """A finite number; None where the field is empty, or says nan."""
        given = self.text(column).strip()
        if given in ("", "nan", "NaN", "NA"):
            return None
        try:
            number = float(given)
        except ValueError:
            raise self.error(column, f"is '{given[:40]}', expected a number") from None
        if not math.isfinite(number):
            raise self.error(column, f"is {given[:40]}, expected a finite number")
        return number

    def needed(self, column: str) -> float:
        """A number that must be there."""
        number = self.number(column)
        if number is None:
            raise self.error(column, "is empty, expected a number")
        return number


def _keypoint(row: _Row, *, labelled: bool = True) -> tuple[float, float, int, float, int, int, int]:
    """x, y, visibility, score, source, before, after. labelled: refuse a visible keypoint without coordinates."""
    x, y = row.number("x"), row.number("y")
    if (x is None) != (y is None):
        raise row.error("x and y", "are only half there; give both numbers, or leave both empty")
    visibility = row.whole("visibility", 2)
    if visibility is None:
        visibility = 0 if x is None else 2
    if visibility and x is None and labelled:
        raise row.error("visibility", f"is {visibility}, but x and y are empty; give numbers, or visibility 0")
    score, before, after = row.number("score"), row.whole("before", LAST_FRAME), row.whole("after", LAST_FRAME)
    name = row.text("source")
    if name and name not in _SOURCES:
        raise row.error("source", f"is '{name[:40]}', expected one of {', '.join(_SOURCES)}")
    source = _SOURCES[name] if name else Source.MANUAL if score is None else Source.DETECTED
    if labelled and (not visibility or source is Source.NONE):
        source = Source.MANUAL if visibility else Source.NONE
    return (
        math.nan if x is None else x,
        math.nan if y is None else y,
        visibility,
        math.nan if score is None else score,
        source,
        -1 if before is None else before,
        -1 if after is None else after,
    )


def _lines(file: LabelFile) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows by column, with their line; raises PwarpError for what is no table of this kind."""
    if file.head and not file.looks_like_text:
        raise file.error(f"is no table: {file.looks_like}")
    try:
        reader = csv.reader(_decoded(file), strict=True)
        given = next(reader, [])
        header = [name.strip() for name in given]
        if not header:
            raise file.error("is empty")
        _check_header(file, header)
        for row in reader:
            if not row:
                continue
            if len(row) != len(header):
                raise file.error(f"line {reader.line_num}: {len(row)} fields, the header has {len(header)}")
            # Whoever writes a space after each comma means no names that begin with one.
            yield reader.line_num, dict(zip(header, row if given == header else map(str.strip, row), strict=True))
    except csv.Error as error:
        raise file.error(f"is no table that can be read: {error}") from error


def _check_header(file: LabelFile, header: list[str]) -> None:
    for name in header:
        if name not in COLUMNS or header.count(name) > 1:
            what = "twice" if name in COLUMNS else "which is not known"
            raise file.error(f"has a column '{name[:40]}' {what}; columns are {', '.join(COLUMNS)}")
    if missing := [name for name in _NEEDED if name not in header]:
        raise file.error(f"has no column '{missing[0]}'; columns are {', '.join(COLUMNS)}")


def _decoded(file: LabelFile) -> Iterator[str]:
    """The lines of a UTF-8 file one by one, so that only its bytes are in memory whole."""
    content = file.content
    at = 3 if content.startswith(b"\xef\xbb\xbf") else 0
    while at < len(content):
        end = content.find(b"\n", at) + 1 or len(content)
        if end - at > _LONGEST_LINE:
            raise file.error(f"a line longer than {_LONGEST_LINE >> 20} MiB at byte {at}; this is no table")
        try:
            yield content[at:end].decode("utf-8")
        except UnicodeDecodeError as error:
            raise file.error(f"not UTF-8 text at byte {at + error.start}; save it as UTF-8") from error
        at = end
