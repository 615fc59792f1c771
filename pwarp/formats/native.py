"""pwarp's own format: a COCO-video file that COCO tools can read, and that holds everything `Annotations` holds.

docs/format.md describes it for people. What is read back is bit for bit what was written.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pwarp.annotations import Annotations, FloatArray, IntArray, Source, Track
from pwarp.formats import coco_write
from pwarp.formats.coco_images import LAST_FRAME, read_images
from pwarp.formats.coco_poses import (
    Poses,
    boxes,
    called_annotation,
    into_tracks,
    keypoint_scores,
    keypoint_triples,
    likely_sources,
    person_scores,
    rows_of_video,
    track_ids,
    visibility_of,
)
from pwarp.formats.coco_skeleton import choose_category, same_keypoints
from pwarp.formats.fields import Entry, entries, number_lists, shown, whole
from pwarp.formats.label_file import LabelFile
from pwarp.formats.losses import Renamed
from pwarp.formats.native_parts import read_skeleton, read_tracks, skeleton_entry, track_entry
from pwarp.skeleton import Skeleton

if TYPE_CHECKING:
    from pwarp.video import Video

NAME = "pwarp"
SUFFIXES = (".json",)
VERSION = 1
_OWN_FIELDS = ("absent", "sources", "origin")
_CODES = {source.name.lower(): int(source) for source in Source}
_NAMES = {int(source): source.name.lower() for source in Source}
_HAS_ORIGIN = (Source.PROPAGATED, Source.REFINED)


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
    if not isinstance(document, dict):
        raise file.error(f"is {shown(document)}, expected an object with images, annotations and categories")
    _check_version(file, document)
    images, video_named = read_images(file, document, video=video, only=only)
    rows = entries(file, document, "annotations")
    used = {r["category_id"] for r in rows if isinstance(r.get("category_id"), (int, str))}
    category, category_named = choose_category(file, document, used, only)
    if only is not None and not (video_named or category_named):
        raise file.error(f"holds no video and no category '{only}'")
    skeleton = read_skeleton(file, category)
    kept, frame = rows_of_video(file, rows, images, same_keypoints(document, category) | {None})
    ids, identified = track_ids(file, kept)
    marks = np.array([row.get("absent") is True for row in kept], dtype=np.bool_)
    _check_marks(file, kept, marks, identified)
    absences = list(zip(ids[marks].tolist(), frame[marks].tolist(), strict=True))
    poses = _poses(file, [row for row in kept if row.get("absent") is not True], frame[~marks], skeleton)
    labelled = into_tracks(file, poses, ids[~marks], identified[~marks])
    listed = entries(file, document, "tracks", required=False)
    tracks = read_tracks(file, listed, labelled, absences, skeleton)
    return Annotations(skeleton, images.identity, tracks, images.labelled, images.ignore_regions)


def _check_version(file: LabelFile, document: Entry) -> None:
    info = document.get("info")
    version = info.get("version") if isinstance(info, dict) and info.get("format") == NAME else VERSION
    if whole(file, "version in info", VERSION if version is None else version) > VERSION:
        raise file.error(f"is of version {version} of the format, this pwarp knows {VERSION}; use a newer pwarp")


def _check_marks(
    file: LabelFile, rows: Sequence[Entry], marks: NDArray[np.bool_], identified: NDArray[np.bool_]
) -> None:
    for at, row in enumerate(rows):
        if row.get("absent", False) not in (True, False):
            raise file.error(f"{called_annotation(row, at)}: absent is {shown(row['absent'])}, expected true")
        if marks[at] and not identified[at]:
            raise file.error(f"{called_annotation(row, at)}: absent, but no track_id says who; add track_id")
        if marks[at] and any(row.get("keypoints") or ()):
            raise file.error(f"{called_annotation(row, at)}: absent, but has keypoints; remove one of them")


def _poses(file: LabelFile, rows: Sequence[Entry], frame: IntArray, skeleton: Skeleton) -> Poses:
    triples = keypoint_triples(file, rows, frame, skeleton)
    visibility = visibility_of(file, rows, frame, skeleton, triples[..., 2])
    score = keypoint_scores(file, rows, len(skeleton))
    source = _sources(file, rows, visibility, score)
    return Poses(
        rows=rows,
        frame=frame,
        xy=triples[..., :2],
        visibility=visibility,
        score=score,
        source=source,
        origin=_origins(file, rows, source),
        boxes=_exact(file, rows, boxes(file, rows, "bbox"), "box"),
        head_boxes=_exact(file, rows, boxes(file, rows, "bbox_head"), "head_box"),
        person_score=person_scores(file, rows),
    )


def _sources(
    file: LabelFile, rows: Sequence[Entry], visibility: NDArray[np.uint8], score: FloatArray
) -> NDArray[np.uint8]:
    """(N, K) from `sources`: one name for all labelled keypoints of a row, or a list with one for each (or null)."""
    source = likely_sources(rows, visibility, score)
    labelled = visibility > 0
    codes = np.zeros(len(rows), dtype=np.uint8)
    for at, row in enumerate(rows):
        value = row.get("sources")
        if isinstance(value, str):
            codes[at] = _code(file, row, at, value)
        elif isinstance(value, list):
            if len(value) != visibility.shape[1]:
                raise file.error(
                    f"{called_annotation(row, at)}: {len(value)} sources for {visibility.shape[1]} keypoints"
                )
            source[at] = [0 if name is None else _code(file, row, at, name) for name in value]
        elif value is not None:
            raise file.error(f"{called_annotation(row, at)}: sources is {shown(value)}, expected names")
    return np.where(labelled & (codes > 0)[:, None], codes[:, None], source).astype(np.uint8)


def _code(file: LabelFile, row: Entry, at: int, name: Any) -> int:
    code = _CODES.get(name) if isinstance(name, str) else None
    if not code:
        known = ", ".join(list(_CODES)[1:])
        raise file.error(f"{called_annotation(row, at)}: source {shown(name)} is none of {known}")
    return code


def _origins(file: LabelFile, rows: Sequence[Entry], source: NDArray[np.uint8]) -> IntArray:
    """(N, K, 2) from `origin`: the key frames before and after, for all propagated keypoints or for each."""
    count = source.shape[1]
    origin = np.full((*source.shape, 2), -1, dtype=np.int64)

    given = [(i, row["origin"]) for i, row in enumerate(rows) if row.get("origin") is not None]
    each = [i for i, value in given if isinstance(value, list) and value and isinstance(value[0], list)]
    for i in each:
        if len(rows[i]["origin"]) != count:
            raise file.error(f"{called_annotation(rows[i], i)}: {len(rows[i]['origin'])} origins for {count} keypoints")
    pairs = [pair for i in each for pair in rows[i]["origin"]]
    origin[each] = _frame_pairs(file, rows, pairs, np.repeat(np.array(each, dtype=np.int64), count)).reshape(
        -1, count, 2
    )
    chosen = set(each)
    one = [i for i, _ in given if i not in chosen]
    spread = _frame_pairs(file, rows, [rows[i]["origin"] for i in one], np.array(one, dtype=np.int64))[:, None]
    origin[one] = np.where(np.isin(source[one], _HAS_ORIGIN)[..., None], spread, -1)
    return origin


def _frame_pairs(file: LabelFile, rows: Sequence[Entry], pairs: Sequence[Any], row_of: NDArray[np.int64]) -> IntArray:
    """(N, 2) pairs of frames, -1 for null; row_of: (N,) the row that each pair belongs to."""

    def called(i: int) -> str:
        return f"{called_annotation(rows[row_of[i]], int(row_of[i]))}: origin"

    table = number_lists(file, pairs, 2, called, null=True)
    table[np.isnan(table)] = -1
    bad = (table != np.floor(table)) | (table < -1) | (table > LAST_FRAME)
    if bad.any():
        at = int(np.argwhere(bad)[0][0])
        raise file.error(f"{called(at)} is {pairs[at]}, expected the key frames before and after, or null")
    return table.astype(np.int64)


def _exact(file: LabelFile, rows: Sequence[Entry], derived: FloatArray, key: str) -> FloatArray:
    """(N, 4) boxes where `box` (x1, y1, x2, y2, or null for none) overrules COCO's bbox."""
    at = [i for i, row in enumerate(rows) if key in row]
    there = [i for i in at if rows[i][key] is not None]
    derived[at] = np.nan
    if there:
        given = [rows[i][key] for i in there]
        derived[there] = number_lists(file, given, 4, lambda i: f"{called_annotation(rows[there[i]], there[i])}: {key}")
    return derived


def write(annotations: Annotations, path: Path, *, video: Video | None) -> Renamed:
    """Write everything there is, in the order of frames, then of tracks."""
    frames = coco_write.frames_of(annotations)
    names = coco_write.picture_names(video, frames, annotations.video.path)
    images = coco_write.image_entries(annotations, frames, names)
    for image in images:
        image["video_id"] = 1
    rows = []
    fields = [_fields(track) for track in annotations.tracks]
    for number, (frame, index, row) in enumerate(coco_write.in_order(annotations), start=1):
        head = {"id": number, "image_id": frame, "category_id": 1, "track_id": annotations.tracks[index].id}
        rows.append(head | fields[index][row])
    identity = annotations.video
    known = {
        "name": identity.path,
        "width": identity.width,
        "height": identity.height,
        "frame_count": identity.frame_count,
        "fps": None if identity.fps is None else str(identity.fps),
        "fingerprint": identity.fingerprint,
    }
    coco_write.dump(
        {
            "info": {"format": NAME, "version": VERSION},
            "videos": [{"id": 1, **{key: value for key, value in known.items() if value is not None}}],
            "categories": [skeleton_entry(annotations.skeleton)],
            "tracks": [track_entry(track, annotations.skeleton) for track in annotations.tracks],
            "images": images,
            "annotations": rows,
        },
        path,
    )
    return Renamed()


def _fields(track: Track) -> list[Entry]:
    """What an annotation says about each frame of a track, beyond which frame and track it is."""
    fields = coco_write.standard_fields(track)
    for row, entry in enumerate(fields):
        source = track.source[row]
        labelled = source[source != Source.NONE]
        scores = np.isfinite(track.score[row])
        person_score = float(track.person_score[row])
        if scores.any():
            entry["scores"] = coco_write.score_list(track.score[row])
        if person_score == person_score:
            entry["score"] = person_score
        if len(labelled) and (labelled != labelled[0]).any():
            entry["sources"] = [None if code == 0 else _NAMES[code] for code in source.tolist()]
        elif len(labelled) and (labelled[0] != Source.MANUAL or scores.any() or "score" in entry):
            entry["sources"] = _NAMES[int(labelled[0])]
        entry |= _origin_field(track.origin[row], np.isin(source, _HAS_ORIGIN))
    _add_boxes(fields, track.boxes, "bbox", "box")
    _add_boxes(fields, track.head_boxes, "bbox_head", "head_box")
    return fields


def _origin_field(origin: NDArray[np.int64], propagated: NDArray[np.bool_]) -> Entry:
    def pair(frames: NDArray[np.int64]) -> list[int | None]:
        return [None if frame < 0 else frame for frame in frames.tolist()]

    if (origin == -1).all():
        return {}
    first = origin[int(np.argmax(propagated))]
    if (origin[propagated] == first).all() and (origin[~propagated] == -1).all():
        return {"origin": pair(first)}
    return {"origin": [pair(frames) for frames in origin]}


def _add_boxes(fields: Sequence[Entry], corners: FloatArray, key: str, exact: str) -> None:
    """COCO's field for a box, and the exact corners where that field cannot say them (or says one there is not)."""
    coco = coco_write.xywh(corners)
    faithful = (coco[:, :2] + coco[:, 2:] == corners[:, 2:]).all(axis=1)
    for row, entry in enumerate(fields):
        if np.isnan(corners[row, 0]):
            # COCO's tools want a bbox in any case, and get the extent of the keypoints.
            if key in entry:
                entry[exact] = None
            continue
        entry[key] = coco[row].tolist()
        if not faithful[row]:
            entry[exact] = corners[row].tolist()
