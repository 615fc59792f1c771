"""Writing annotations as the rows of `pwarp.formats.csv_table`."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pwarp.annotations import OPEN_END, Annotations, FloatArray, Source, Track
from pwarp.errors import PwarpError
from pwarp.formats import coco_write
from pwarp.formats.fields import Entry

COLUMNS = (
    "frame", "track", "what", "keypoint", "x", "y", "x2", "y2", "visibility", "score", "source", "before", "after",
    "until",
)  # fmt: skip
ALWAYS = ("frame", "track", "keypoint", "x", "y", "visibility")


def write_rows(annotations: Annotations, path: Path) -> None:
    """Write the table: a first pass over the rows finds the columns that are needed, a second one writes them."""
    if not any(len(track) for track in annotations.tracks):
        raise PwarpError("no poses to write, and a table names its keypoints only in its poses")
    used = set(ALWAYS)
    for row in rows(annotations):
        used |= row.keys()
    columns = [name for name in COLUMNS if name in used]
    try:
        with path.open("w", encoding="utf-8", newline="") as out:
            writer = csv.DictWriter(out, columns, restval="", lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows(annotations))
    except UnicodeEncodeError as error:
        raise PwarpError(f"a table cannot hold a name among these labels ({error}); rename the keypoint") from error


def rows(annotations: Annotations) -> Iterator[Entry]:
    """The rows in the order of the file: marks, poses by frame and track, then what corrections replaced."""
    names = annotations.skeleton.keypoints
    for frame in () if annotations.labelled is None else annotations.labelled.tolist():
        yield {"frame": frame, "what": "labelled"}
    by_id = sorted(annotations.tracks, key=lambda track: track.id)
    for track in by_id:
        coco_write.check_boxes(track)
        for first, last in track.absent.tolist():
            yield {"frame": first, "track": track.id, "what": "absent", "until": "" if last == OPEN_END else last}
    several = any(_says_more(track) for track in annotations.tracks) or annotations.labelled is not None
    poses = [_pose_rows(track, names, {"what": "keypoint"} if several else {}) for track in annotations.tracks]
    for _, index, _ in coco_write.in_order(annotations):
        yield from next(poses[index])
    for track in by_id:
        yield from _replaced(track, names)


def _replaced(track: Track, names: tuple[str, ...]) -> Iterator[Entry]:
    """The values that corrections of a track replaced; last, because poses say in which order keypoints stand."""
    for value in track.replaced:
        place = {"frame": value.frame, "track": track.id, "what": "replaced", "keypoint": names[value.keypoint]}
        xy = {"x": _text(value.x), "y": _text(value.y), "visibility": value.visibility}
        yield place | xy | {"source": value.source.name.lower()}


def _says_more(track: Track) -> bool:
    """Whether a track has rows that are no keypoints."""
    return bool(
        len(track.absent)
        or track.replaced
        or not track.identified
        or np.isfinite(track.boxes).any()
        or np.isfinite(track.head_boxes).any()
        or np.isfinite(track.person_score).any()
    )


def _pose_rows(track: Track, names: tuple[str, ...], what: Entry) -> Iterator[list[Entry]]:
    """The rows of each pose of a track: its box, its head box, its score, then all its keypoints."""
    for row, frame in enumerate(track.frames.tolist()):
        place = {"frame": frame, "track": track.id}
        found: list[Entry] = []
        if not track.identified:
            found.append(place | {"what": "lone"})
        for kind, corners in (("box", track.boxes[row]), ("head box", track.head_boxes[row])):
            if np.isfinite(corners).all():
                found.append(place | {"what": kind} | _corners(corners))
        if np.isfinite(track.person_score[row]):
            found.append(place | {"what": "pose", "score": _text(track.person_score[row])})
        keypoints = zip(
            names,
            track.xy[row].tolist(),
            track.visibility[row].tolist(),
            track.score[row].tolist(),
            track.source[row].tolist(),
            track.origin[row].tolist(),
            strict=True,
        )
        for name, (x, y), visibility, score, source, (before, after) in keypoints:
            entry = place | what | {"keypoint": name, "visibility": visibility}
            if visibility:
                entry |= {"x": _text(x), "y": _text(y)}
                if source != Source.MANUAL or score == score:
                    entry["source"] = Source(source).name.lower()
            if score == score:
                entry["score"] = _text(score)
            if before >= 0:
                entry["before"] = before
            if after >= 0:
                entry["after"] = after
            found.append(entry)
        yield found


def _corners(box: FloatArray) -> Entry:
    return {name: _text(value) for name, value in zip(("x", "y", "x2", "y2"), box.tolist(), strict=True)}


def _text(value: float) -> str:
    """A number with all its digits and no more, empty for none."""
    return "" if value != value else repr(float(value))
