"""What the native format says about one pose beyond COCO: scores, sources, origins and exact boxes.

Each is left out where it says nothing, and short where one value holds for the whole pose.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pwarp.annotations import FloatArray, IntArray, Source, Track
from pwarp.formats import coco_write
from pwarp.formats.coco_images import LAST_FRAME
from pwarp.formats.coco_poses import (
    Poses,
    boxes,
    keypoint_scores,
    keypoint_triples,
    likely_sources,
    person_scores,
    visibility_of,
)
from pwarp.formats.coco_rows import called_annotation
from pwarp.formats.fields import Entry, number_lists, shown
from pwarp.formats.label_file import LabelFile
from pwarp.skeleton import Skeleton

_CODES = {source.name.lower(): int(source) for source in Source if source is not Source.NONE}
_NAMES = {code: name for name, code in _CODES.items()}
_HAS_ORIGIN = (Source.PROPAGATED, Source.REFINED)


def read_poses(file: LabelFile, rows: Sequence[Entry], frame: IntArray, skeleton: Skeleton) -> Poses:
    """The annotations (but marks of absence) as columns."""
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
            codes[at] = _code(file, row, value)
        elif isinstance(value, list):
            if len(value) != visibility.shape[1]:
                raise file.error(f"{called_annotation(row)}: {len(value)} sources for {visibility.shape[1]} keypoints")
            source[at] = [0 if name is None else _code(file, row, name) for name in value]
        elif value is not None:
            raise file.error(f"{called_annotation(row)}: sources is {shown(value)}, expected names")
    return np.where(labelled & (codes > 0)[:, None], codes[:, None], source).astype(np.uint8)


def _code(file: LabelFile, row: Entry, name: Any) -> int:
    code = _CODES.get(name) if isinstance(name, str) else None
    if code is None:
        known = ", ".join(_CODES)
        raise file.error(f"{called_annotation(row)}: source {shown(name)} is none of {known}")
    return code


def _origins(file: LabelFile, rows: Sequence[Entry], source: NDArray[np.uint8]) -> IntArray:
    """(N, K, 2) from `origin`: the key frames before and after, for all propagated keypoints or for each."""
    count = source.shape[1]
    origin = np.full((*source.shape, 2), -1, dtype=np.int64)

    given = [(i, row["origin"]) for i, row in enumerate(rows) if row.get("origin") is not None]
    each = [i for i, value in given if isinstance(value, list) and value and isinstance(value[0], list)]
    for i in each:
        if len(rows[i]["origin"]) != count:
            raise file.error(f"{called_annotation(rows[i])}: {len(rows[i]['origin'])} origins for {count} keypoints")
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
        return f"{called_annotation(rows[row_of[i]])}: origin"

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
        derived[there] = number_lists(file, given, 4, lambda i: f"{called_annotation(rows[there[i]])}: {key}")
    return derived


def pose_fields(track: Track) -> list[Entry]:
    """What an annotation says about each frame of a track, beyond which frame and track it is."""
    fields = coco_write.standard_fields(track)
    scored: list[bool] = np.any(np.isfinite(track.score), axis=1).tolist()
    least = np.where(track.labelled, track.source, 255).min(axis=1).tolist()
    most = track.source.max(axis=1).tolist()
    for row, (entry, person_score) in enumerate(zip(fields, track.person_score.tolist(), strict=True)):
        if scored[row]:
            entry["scores"] = coco_write.score_list(track.score[row])
        if person_score == person_score:
            entry["score"] = person_score
        if most[row] == Source.NONE:
            continue
        if least[row] != most[row]:
            entry["sources"] = [_NAMES.get(code) for code in track.source[row].tolist()]
        elif most[row] != Source.MANUAL or scored[row] or "score" in entry:
            entry["sources"] = _NAMES[most[row]]
    _add_origins(fields, track)
    _add_boxes(fields, track.boxes, "bbox", "box")
    _add_boxes(fields, track.head_boxes, "bbox_head", "head_box")
    return fields


def _add_origins(fields: Sequence[Entry], track: Track) -> None:
    """The key frames before and after: one pair where all propagated keypoints share it, else one for each."""
    if (track.origin == -1).all():
        return
    propagated = np.isin(track.source, _HAS_ORIGIN)
    first = track.origin[np.arange(len(track)), propagated.argmax(axis=1)]
    alike = np.where(propagated[..., None], first[:, None], -1)
    shared = np.all(track.origin == alike, axis=(1, 2))
    none = np.all(track.origin == -1, axis=(1, 2))

    def pairs(frames: IntArray) -> list[list[int | None]]:
        return [[None if frame < 0 else frame for frame in pair] for pair in frames.tolist()]

    for row, (entry, pair) in enumerate(zip(fields, pairs(first), strict=True)):
        if not none[row]:
            entry["origin"] = pair if shared[row] else pairs(track.origin[row])


def _add_boxes(fields: Sequence[Entry], corners: FloatArray, key: str, exact: str) -> None:
    """COCO's field for a box, and the exact corners where that field cannot say them (or says one there is not)."""
    coco = coco_write.xywh(corners)
    missing = np.isnan(corners[:, 0]).tolist()
    faithful = (coco[:, :2] + coco[:, 2:] == corners[:, 2:]).all(axis=1).tolist()
    for row, (entry, box) in enumerate(zip(fields, coco.tolist(), strict=True)):
        if not missing[row]:
            entry[key] = box
            if not faithful[row]:
                entry[exact] = corners[row].tolist()
        elif key in entry:
            # COCO's tools want a bbox in any case, and get the extent of the keypoints.
            entry[exact] = None
