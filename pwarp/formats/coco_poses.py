"""Annotations of COCO-like files as columns, and columns as tracks.

A row is one annotation: one pose of one person in one frame. Reading goes column by column, because a long video
has hundreds of thousands of rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pwarp.annotations import FloatArray, IntArray, Source, Track
from pwarp.formats.coco_rows import called_annotation
from pwarp.formats.fields import LARGEST_WHOLE, Entry, number, number_lists, shown, whole
from pwarp.formats.label_file import LabelFile
from pwarp.skeleton import Skeleton


@dataclass(frozen=True)
class Poses:
    """N annotations of one video as columns, in the order of the file.

    rows: the annotations themselves. frame: (N,). xy, visibility, score, source, origin, boxes, head_boxes,
    person_score: (N, ...) as in `Track`.
    """

    rows: Sequence[Entry]
    frame: IntArray
    xy: FloatArray
    visibility: NDArray[np.uint8]
    score: FloatArray
    source: NDArray[np.uint8]
    origin: IntArray
    boxes: FloatArray
    head_boxes: FloatArray
    person_score: FloatArray


def joined(pieces: list[Poses]) -> Poses:
    """Poses one after the other. The pieces are let go, so that there are never two of everything."""
    columns = {item.name: [getattr(piece, item.name) for piece in pieces] for item in fields(Poses)}
    pieces.clear()
    rows = [row for some in columns.pop("rows") for row in some]
    return Poses(rows=rows, **{name: np.concatenate(columns.pop(name)) for name in list(columns)})


def keypoint_triples(file: LabelFile, rows: Sequence[Entry], frame: IntArray, skeleton: Skeleton) -> FloatArray:
    """(N, K, 3) the `keypoints` of each row as they stand; rows with a box instead have zeros.

    Raises PwarpError that names annotation, frame and keypoint for a wrong length, type or number.
    """
    count = len(skeleton)
    empty = [0] * (3 * count)
    lists = []
    for row in rows:
        value = row.get("keypoints")
        if value is None:
            if row.get("bbox") is None:
                raise file.error(f"{called_annotation(row)} has neither keypoints nor bbox; add one or remove it")
            value = empty
        lists.append(empty if value == [] else value)
    for at, value in enumerate(lists):
        if isinstance(value, list) and len(value) != 3 * count:
            raise file.error(
                f"{called_annotation(rows[at])}: {len(value)} keypoint values, expected {3 * count} "
                f"(x, y, v for each of {count} keypoints)"
            )
    table = number_lists(
        file,
        lists,
        3 * count,
        lambda at: f"{called_annotation(rows[at])} (frame {frame[at]}): keypoints",
        finite=False,
    ).reshape(-1, count, 3)
    bad = ~np.isfinite(table)
    if bad.any():
        at, k, part = (int(i) for i in np.argwhere(bad)[0])
        raise file.error(
            f"{called_annotation(rows[at])}, frame {frame[at]}, keypoint '{skeleton.keypoints[k]}': "
            f"{'xyv'[part]} is {table[at, k, part]}; give a number, or 0,0,0 for an unlabelled keypoint"
        )
    return table


def visibility_of(
    file: LabelFile, rows: Sequence[Entry], frame: IntArray, skeleton: Skeleton, third: FloatArray, allowed: str = "012"
) -> NDArray[np.uint8]:
    """(N, K) the third values as visibility, refused where one is none of the allowed digits."""
    bad = ~np.isin(third, [int(digit) for digit in allowed])
    if bad.any():
        at, k = (int(i) for i in np.argwhere(bad)[0])
        raise file.error(
            f"{called_annotation(rows[at])}, frame {frame[at]}, keypoint '{skeleton.keypoints[k]}': "
            f"visibility {third[at, k]:g} is none of {', '.join(allowed)}; confidences belong in 'scores'"
        )
    return third.astype(np.uint8)


def keypoint_scores(file: LabelFile, rows: Sequence[Entry], count: int) -> FloatArray:
    """(N, K) the `scores` of each row; NaN where null or none are given."""
    table = np.full((len(rows), count), np.nan)
    at = [i for i, row in enumerate(rows) if row.get("scores")]
    if at:
        table[at] = number_lists(
            file,
            [rows[i]["scores"] for i in at],
            count,
            lambda i: f"{called_annotation(rows[at[i]])}: scores",
            null=True,
        )
    return table


def person_scores(file: LabelFile, rows: Sequence[Entry]) -> FloatArray:
    """(N,) the `score` of each row, NaN where there is none."""
    values = [row.get("score") for row in rows]
    if set(map(type, values)) - {float, int, type(None)}:
        for at, value in enumerate(values):
            if value is not None:
                number(file, f"{called_annotation(rows[at])}: score", value)
    table = np.array(values, dtype=np.float64)
    if np.isinf(table).any():
        at = int(np.flatnonzero(np.isinf(table))[0])
        raise file.error(f"{called_annotation(rows[at])}: score is {table[at]}, expected a finite number")
    return table


def boxes(file: LabelFile, rows: Sequence[Entry], key: str) -> FloatArray:
    """(N, 4) x1, y1, x2, y2 from the x, y, width, height in a field; NaN where a row has none."""
    table = np.full((len(rows), 4), np.nan)
    at = [i for i, row in enumerate(rows) if row.get(key)]
    if at:
        named = [rows[i][key] for i in at]
        xywh = number_lists(file, named, 4, lambda i: f"{called_annotation(rows[at[i]])}: {key}")
        with np.errstate(over="ignore"):
            table[at] = np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1)
        if np.isinf(table).any():
            row = rows[int(np.argwhere(np.isinf(table))[0][0])]
            raise file.error(f"{called_annotation(row)}: {key} is {shown(row[key])}, which ends beyond all numbers")
    return table


def track_ids(
    file: LabelFile, rows: Sequence[Entry], listed: Sequence[Entry] = ()
) -> tuple[IntArray, NDArray[np.bool_]]:
    """(N,) track ids and (N,) whether the file gave them. listed: tracks that the file has beside its rows.

    Taken from `track_id`, else from CVAT's `attributes.track_id` or sleap-io's `attributes.object_id`. Rows without
    one get fresh ids, counting on from the largest there is.
    """
    given: list[Any] = []
    for row in rows:
        value = row.get("track_id")
        if value is None and isinstance(row.get("attributes"), dict):
            value = row["attributes"].get("track_id")
            value = row["attributes"].get("object_id") if value is None else value
        given.append(value)
    if set(map(type, given)) - {int, type(None)}:
        for at, value in enumerate(given):
            if value is not None:
                given[at] = whole(file, f"{called_annotation(rows[at])}: track_id", value)
    known = np.array([value is not None for value in given], dtype=np.bool_)
    there = [value for value in given if value is not None]
    there += [whole(file, "id of a track", track.get("id")) for track in listed]
    largest, least = max(there, default=-1), min(there, default=0)
    if max(largest, -least) > LARGEST_WHOLE:
        raise file.error(f"track_id {largest if largest > -least else least} is too large")
    ids = np.array([-1 if value is None else value for value in given], dtype=np.int64)
    ids[~known] = max(largest, -1) + 1 + np.arange(np.count_nonzero(~known))
    return ids, known


def into_tracks(file: LabelFile, poses: Poses, ids: IntArray, identified: NDArray[np.bool_]) -> tuple[Track, ...]:
    """The rows grouped by track id, in rising order of id; raises PwarpError for two rows of one track and frame."""
    order = np.lexsort((poses.frame, ids))
    sorted_ids, frame = ids[order], poses.frame[order]
    twice = np.flatnonzero((np.diff(sorted_ids) == 0) & (np.diff(frame) == 0))
    if len(twice):
        first, second = (called_annotation(poses.rows[order[i]]) for i in (twice[0], twice[0] + 1))
        raise file.error(
            f"track {sorted_ids[twice[0]]} is labelled twice in frame {frame[twice[0]]} ({first} and {second}); "
            "give one of them another track_id, or remove it"
        )
    starts = np.flatnonzero(np.diff(sorted_ids, prepend=sorted_ids[:1] - 1))
    tracks = []
    for rows in np.split(order, starts[1:]) if len(order) else []:
        tracks.append(
            Track.make(
                int(ids[rows[0]]),
                poses.frame[rows],
                poses.xy[rows],
                poses.visibility[rows],
                score=poses.score[rows],
                source=poses.source[rows],
                origin=poses.origin[rows],
                boxes=poses.boxes[rows],
                head_boxes=poses.head_boxes[rows],
                person_score=poses.person_score[rows],
                identified=bool(identified[rows[0]]),
            )
        )
    return tuple(tracks)


def likely_sources(rows: Sequence[Entry], visibility: NDArray[np.uint8], score: FloatArray) -> NDArray[np.uint8]:
    """(N, K) where nothing says otherwise: an estimator's where the row has `score` or `scores`, else a person's.

    Among scored keypoints one without a score is a person's: null stands in `scores` for what nobody had to guess. Not
    where the row has a `score`, which tells a prediction.
    CVAT marks with `attributes.keyframe` false what it interpolated itself.
    """
    given: NDArray[np.bool_] = np.isfinite(score)
    scored = np.array([row.get("score") is not None for row in rows], dtype=np.bool_)
    estimated = given | scored[:, None]
    source = np.where(estimated, Source.DETECTED, Source.MANUAL).astype(np.uint8)
    for at, row in enumerate(rows):
        attributes = row.get("attributes")
        if isinstance(attributes, dict) and attributes.get("keyframe") is False:
            source[at] = Source.PROPAGATED
    return np.where(visibility > 0, source, np.uint8(Source.NONE)).astype(np.uint8)
