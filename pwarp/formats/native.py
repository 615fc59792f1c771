"""pwarp's own format: a COCO-video file that COCO tools can read, and that holds everything `Annotations` holds.

docs/format.md describes it for people. What is read back is bit for bit what was written.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pwarp.annotations import Annotations
from pwarp.formats import coco_write
from pwarp.formats.coco_document import part_of_video
from pwarp.formats.coco_poses import into_tracks, track_ids
from pwarp.formats.coco_rows import called_annotation
from pwarp.formats.fields import Entry, entries, shown, whole
from pwarp.formats.label_file import LabelFile
from pwarp.formats.losses import Renamed
from pwarp.formats.native_fields import pose_fields, read_poses
from pwarp.formats.native_parts import identity_entry, read_skeleton, read_tracks, skeleton_entry, track_entry

if TYPE_CHECKING:
    from pwarp.video import Video

NAME = "pwarp"
SUFFIXES = (".json",)
VERSION = 1
_OWN_FIELDS = ("absent", "sources", "origin")


def sniff(file: LabelFile) -> bool:
    """A file that says so, or one by hand that uses what only this format has."""
    document = file.json if file.looks_like_json else None
    if not isinstance(document, dict):
        return False
    info = document.get("info")
    if isinstance(info, dict) and info.get("format") == NAME:
        return True
    rows = document.get("annotations")
    by_hand = isinstance(rows, list) and any(isinstance(r, dict) and any(k in r for k in _OWN_FIELDS) for r in rows)
    return "images" in document and ("tracks" in document or by_hand)


def read(file: LabelFile, *, video: Video | None, only: str | None) -> Annotations:
    """The annotations of one video; PwarpError names file, frame, track and field of what is wrong."""
    document = file.json
    _check_version(file, document)
    part = part_of_video(file, document, video=video, only=only)
    skeleton = read_skeleton(file, part.category)
    kept, frame, images = part.rows, part.frame, part.images
    listed = entries(file, document, "tracks", required=False)
    ids, identified = track_ids(file, kept, listed)
    marks = np.array([row.get("absent") is True for row in kept], dtype=np.bool_)
    _check_marks(file, kept, marks, identified)
    absences = list(zip(ids[marks].tolist(), frame[marks].tolist(), strict=True))
    poses = read_poses(file, [row for row in kept if row.get("absent") is not True], frame[~marks], skeleton)
    labelled = into_tracks(file, poses, ids[~marks], identified[~marks])
    tracks = read_tracks(file, listed, labelled, absences, skeleton)
    return Annotations(skeleton, images.identity, tracks, images.labelled, images.ignore_regions)


def _check_version(file: LabelFile, document: object) -> None:
    info = document.get("info") if isinstance(document, dict) else None
    version = info.get("version") if isinstance(info, dict) and info.get("format") == NAME else VERSION
    if whole(file, "version in info", VERSION if version is None else version) > VERSION:
        raise file.error(f"is of version {version} of the format, this pwarp knows {VERSION}; use a newer pwarp")


def _check_marks(
    file: LabelFile, rows: Sequence[Entry], marks: NDArray[np.bool_], identified: NDArray[np.bool_]
) -> None:
    for at, row in enumerate(rows):
        if not isinstance(row.get("absent", False), bool):
            raise file.error(f"{called_annotation(row)}: absent is {shown(row['absent'])}, expected true")
        if marks[at] and not identified[at]:
            raise file.error(f"{called_annotation(row)}: absent, but no track_id says who; add track_id")
        if marks[at] and (row.get("keypoints") or row.get("bbox")):
            raise file.error(f"{called_annotation(row)}: absent, but has keypoints or a bbox; remove one or the other")


def write(annotations: Annotations, path: Path, *, video: Video | None) -> Renamed:
    """Write everything there is, by frame, then by track id."""
    frames = coco_write.frames_of(annotations)
    names = coco_write.picture_names(video, frames, annotations.video.path)
    images = coco_write.image_entries(annotations, frames, names)
    for image in images:
        image["video_id"] = 1
    rows = []
    fields = [pose_fields(track) for track in annotations.tracks]
    for number, (frame, index, row) in enumerate(coco_write.in_order(annotations), start=1):
        head = {"id": number, "image_id": frame, "category_id": 1, "track_id": annotations.tracks[index].id}
        rows.append(head | fields[index][row])
    coco_write.dump(
        {
            "info": {"format": NAME, "version": VERSION},
            "videos": [{"id": 1, **identity_entry(annotations.video)}],
            "categories": [skeleton_entry(annotations.skeleton)],
            "tracks": [track_entry(track, annotations.skeleton) for track in annotations.tracks],
            "images": images,
            "annotations": rows,
        },
        path,
    )
    return Renamed()
