"""JSON Lines: labels as a stream, one frame a line, so that a program may work on the first before the last is there.

The first line says which video and which skeleton, each line after it all about one frame, and the last one what is
true of whole tracks. docs/jsonl.md describes it for people. It holds everything `Annotations` holds, in the native
format's values: what is read back is bit for bit what was written.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from io import BytesIO
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import orjson

from pwarp.annotations import Annotations, FloatArray
from pwarp.formats import coco_write
from pwarp.formats.coco_images import LAST_FRAME, last_part, read_identity
from pwarp.formats.coco_poses import Poses, into_tracks, joined, track_ids
from pwarp.formats.fields import Entry, entries, number_lists, shown, whole
from pwarp.formats.jsonl_write import NAME, VERSION, LineWriter
from pwarp.formats.label_file import LabelFile
from pwarp.formats.losses import Renamed
from pwarp.formats.native_fields import pose_fields, read_poses
from pwarp.formats.native_parts import read_skeleton, read_tracks
from pwarp.skeleton import Skeleton

if TYPE_CHECKING:
    from pwarp.video import Video

__all__ = ["NAME", "SUFFIXES", "LineWriter", "read", "sniff", "write", "write_to"]

SUFFIXES = (".jsonl", ".ndjson")
_PIECE = 1 << 14  # poses that are JSON objects at a time
_WHOSE = ("id", "image_id", "track_id", "attributes", "identified")


def sniff(file: LabelFile) -> bool:
    """A file whose first line says so."""
    if not file.looks_like_json:
        return False
    first = next((line for line in BytesIO(file.head) if not line.isspace()), b"")
    if not first.endswith(b"\n") and len(file.head) < len(file.content):
        first = next((line for line in BytesIO(file.content) if not line.isspace()), b"")
    try:
        header = orjson.loads(first.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError:
        return False
    info = header.get("info") if isinstance(header, dict) else None
    return isinstance(info, dict) and info.get("format") == NAME


def read(file: LabelFile, *, video: Video | None, only: str | None) -> Annotations:  # noqa: ARG001
    """The annotations of the stream's video; PwarpError names the line, and refuses a stream that was cut off."""
    lines = _lines(file)
    place, header = next(lines, (file, {}))
    info = header.get("info")
    if not isinstance(info, dict) or info.get("format") != NAME:
        raise file.error(f'does not begin with a line {{"info": {{"format": "{NAME}", ...}}, "category": ...}}')
    if whole(place, "version in info", info.get("version", VERSION)) > VERSION:
        raise place.error(f"is of version {info['version']} of the format, this pwarp knows {VERSION}; use a newer one")
    skeleton = read_skeleton(place, _part(place, header, "category", "keypoints"))
    identity = read_identity(place, _part(place, header, "video"))
    if only is not None and only not in (identity.path, last_part(identity.path or ""), skeleton.name):
        raise file.error(f"holds no video and no category '{only}'")
    frames: list[int] = []
    marks: list[tuple[int, bool]] = []
    regions: dict[int, tuple[FloatArray, ...]] = {}
    pieces: list[Poses] = []
    rows: list[Entry] = []
    end: tuple[LabelFile, Entry] | None = None
    for place, line in lines:
        if end is not None:
            raise place.error("stands after the line with 'end'; a stream holds one video")
        if "end" in line:
            end = place, _part(place, line, "end")
            continue
        frame = whole(place, "frame", line.get("frame"), least=0, most=LAST_FRAME)
        if frames and frame <= frames[-1]:
            raise place.error(
                f"frame {frame} follows frame {frames[-1]}; a stream has one line a frame, in rising order"
            )
        frames.append(frame)
        if (mark := line.get("labelled")) is not None:
            if not isinstance(mark, bool):
                raise place.error(f"labelled is {shown(mark)}, expected true or false")
            marks.append((frame, mark))
        if "ignore_regions" in line:
            regions[frame] = _regions(place, line["ignore_regions"])
        for pose in entries(place, line, "poses", required=False):
            pose["image_id"] = frame
            rows.append(pose)
        if len(rows) >= _PIECE:
            pieces.append(_poses(file, rows, skeleton))
            rows = []
    if end is None:
        raise file.error("ends without its last line, the one with 'end': what wrote it was interrupted")
    place, closing = end
    if whole(place, "frames of end", closing.get("frames")) != len(frames):
        raise place.error(f"counts {closing['frames']} frames, and there are {len(frames)}; lines were lost")
    poses = joined([*pieces, _poses(file, rows, skeleton)])
    del pieces
    listed = entries(place, closing, "tracks", required=False)
    ids, identified = track_ids(file, poses.rows, listed)
    said = ("identified" not in row or _identified(file, row) for row in poses.rows)
    identified &= np.fromiter(said, dtype=np.bool_, count=len(poses.rows))
    tracks = read_tracks(place, listed, into_tracks(file, poses, ids, identified), [], skeleton)
    labelled = np.array([frame for frame, yes in marks if yes], dtype=np.int64) if marks else None
    return Annotations(skeleton, identity, tracks, labelled, regions)


def _poses(file: LabelFile, rows: Sequence[Entry], skeleton: Skeleton) -> Poses:
    """Some poses as columns, and of each what says whose it is; image_id is the frame."""
    poses = read_poses(file, rows, np.array([row["image_id"] for row in rows], dtype=np.int64), skeleton)
    return replace(poses, rows=[{key: row[key] for key in _WHOSE if key in row} for row in rows])


def _lines(file: LabelFile) -> Iterator[tuple[LabelFile, Entry]]:
    """Each line as an object, with a file of its own that names the line in messages."""
    for number, text in enumerate(file.lines(), start=1):
        if text.isspace():
            continue
        place = LabelFile(file.path, f"{file.name}: line {number}")
        try:
            line = orjson.loads(text.removeprefix(b"\xef\xbb\xbf") if number == 1 else text)
        except orjson.JSONDecodeError as error:
            cut = (
                "was cut off; copy or make the file again"
                if not text.endswith(b"\n")
                else f"is not JSON at column {error.colno}: {error.msg}"
            )
            raise place.error(cut) from None
        if not isinstance(line, dict):
            raise place.error(f"is {shown(line)}, expected an object")
        yield place, line


def _part(place: LabelFile, line: Entry, key: str, needed: str | None = None) -> Entry:
    """An object in a line; empty where it is missing and nothing in it is needed."""
    value = line.get(key, {})
    if not isinstance(value, dict):
        raise place.error(f"{key} is {shown(value)}, expected an object")
    if needed is not None and needed not in value:
        raise place.error(f"{key} has no {needed}; add them")
    return value


def _identified(file: LabelFile, row: Entry) -> bool:
    value = row["identified"]
    if not isinstance(value, bool):
        raise file.error(f"frame {row['image_id']}: identified is {shown(value)}, expected true or false")
    return value


def _regions(place: LabelFile, value: Any) -> tuple[FloatArray, ...]:
    """Polygons (P, 2) from lists of points."""
    if not isinstance(value, list) or not all(isinstance(polygon, list) for polygon in value):
        raise place.error(f"ignore_regions is {shown(value)}, expected a list of polygons")
    return tuple(number_lists(place, polygon, 2, lambda _: "a point of an ignore region") for polygon in value)


def write(annotations: Annotations, path: Path, *, video: Video | None) -> Renamed:  # noqa: ARG001
    """Write everything there is, by frame, then by track id."""
    with path.open("wb") as out:
        write_to(annotations, out)
    return Renamed()


def write_to(annotations: Annotations, out: BinaryIO) -> None:
    """Write everything there is to an open file."""
    tracks = annotations.tracks
    fields = [pose_fields(track) for track in tracks]
    poses = {
        frame: [(tracks[index], fields[index][row]) for _, index, row in some]
        for frame, some in groupby(coco_write.in_order(annotations), key=lambda pose: pose[0])
    }
    labelled = None if annotations.labelled is None else set(annotations.labelled.tolist())
    said = poses.keys() | annotations.ignore_regions.keys() | (labelled or set())
    lines = LineWriter(out, annotations.skeleton, annotations.video)
    # A frame that is not declared labelled says that frames are declared at all.
    for frame in sorted(said) or ([] if labelled is None else [0]):
        mark = None if labelled is None else frame in labelled
        lines.frame(frame, poses.get(frame, []), labelled=mark, regions=annotations.ignore_regions.get(frame))
    lines.end(tracks)
