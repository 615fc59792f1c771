"""COCO keypoints: the JSON of annotation tools, data sets and evaluators, and COCO results files.

Read: `images`, `annotations` and `categories`, with what has grown around COCO for video (`frame_id`, `track_id`,
`nframes`, `vid_id`, PoseTrack's head boxes, marks and ignore regions; CVAT's and sleap-io's attributes). A results
file is a bare list with `score`, where the third value of a keypoint is a confidence. Crowds become ignore regions.
Written: COCO with the same additions, but for CVAT's and sleap-io's.
https://cocodataset.org/#format-data and #format-results
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pwarp.annotations import Annotations, FloatArray, Track
from pwarp.formats import coco_write
from pwarp.formats.coco_document import VideoPart, part_of_video
from pwarp.formats.coco_poses import (
    Poses,
    boxes,
    into_tracks,
    keypoint_scores,
    keypoint_triples,
    likely_sources,
    person_scores,
    track_ids,
    visibility_of,
)
from pwarp.formats.coco_rows import called_annotation
from pwarp.formats.coco_skeleton import category_entry, read_skeleton
from pwarp.formats.fields import Entry, entries, whole
from pwarp.formats.label_file import LabelFile
from pwarp.formats.losses import Renamed
from pwarp.skeleton import BUILTIN, COCO_17, Skeleton

if TYPE_CHECKING:
    from pwarp.video import Video

NAME = "coco"
SUFFIXES: tuple[str, ...] = ()


def sniff(file: LabelFile) -> bool:
    """An object with images and annotations, or a bare list of poses."""
    if not file.looks_like_json:
        return False
    document = file.json
    if isinstance(document, dict):
        return "images" in document and "annotations" in document
    return isinstance(document, list) and any(isinstance(row, dict) and "keypoints" in row for row in document[:1])


def read(file: LabelFile, *, video: Video | None, only: str | None) -> Annotations:
    """The poses of one video; PwarpError names file, annotation, frame and keypoint of what is wrong."""
    document = file.json
    is_results = isinstance(document, list)
    if is_results:
        document = _document_of_results(file, document)
    part = part_of_video(file, document, video=video, only=only)
    skeleton = read_skeleton(file, part.category)
    kept, frame = part.rows, part.frame
    regions = _crowds(file, part)
    people = [i for i, row in enumerate(kept) if not row.get("iscrowd")]
    kept, frame = [kept[i] for i in people], frame[people]

    triples = keypoint_triples(file, kept, frame, skeleton)
    score = keypoint_scores(file, kept, len(skeleton))
    if is_results:
        visibility = np.where(triples.any(axis=2), 2, 0).astype(np.uint8)
        score = np.where(visibility > 0, triples[..., 2], np.nan)
    else:
        visibility = visibility_of(file, kept, frame, skeleton, triples[..., 2])
    poses = Poses(
        rows=kept,
        frame=frame,
        xy=triples[..., :2],
        visibility=visibility,
        score=np.where(visibility > 0, score, np.nan),
        source=likely_sources(kept, visibility, score),
        origin=np.full((len(kept), len(skeleton), 2), -1, dtype=np.int64),
        boxes=boxes(file, kept, "bbox"),
        head_boxes=boxes(file, kept, "bbox_head"),
        person_score=person_scores(file, kept),
    )
    tracks = into_tracks(file, poses, *track_ids(file, kept))
    return Annotations(skeleton, part.images.identity, tracks, part.images.labelled, regions)


def _document_of_results(file: LabelFile, rows: list[Entry]) -> Entry:
    """A results file as a whole COCO file; its image_id is the frame number, or the name of a picture."""
    rows = entries(file, {"results": rows}, "results")
    if not all("score" in row for row in rows):
        at = next(i for i, row in enumerate(rows) if "score" not in row)
        raise file.error(
            f"{called_annotation(rows[at])} has no score, so this list is no COCO results file; "
            "labels go into an object with images, annotations and categories"
        )
    images: dict[object, Entry] = {}
    for row in rows:
        value = row.get("image_id")
        if not isinstance(value, str):
            value = whole(file, f"{called_annotation(row)}: image_id", value, least=0)
        named = {"file_name": value} if isinstance(value, str) else {"frame_id": value}
        images[value] = {"id": value, **named}
    lengths = [len(row["keypoints"]) for row in rows if isinstance(row.get("keypoints"), list)]
    count = max(lengths, default=0) // 3
    skeleton = COCO_17 if count in (0, len(COCO_17)) else None
    names = list(skeleton.keypoints) if skeleton else [f"keypoint_{k}" for k in range(count)]
    used = {row.get("category_id") for row in rows if isinstance(row.get("category_id"), int)}
    return {
        "images": list(images.values()),
        "annotations": rows,
        "categories": [{"id": key, "name": "person", "keypoints": names} for key in used or {1}],
    }


def _crowds(file: LabelFile, part: VideoPart) -> dict[int, tuple[FloatArray, ...]]:
    """The ignore regions with the boxes of crowds added: nobody in a crowd is labelled one by one."""
    regions = dict(part.images.ignore_regions)
    crowds = [i for i, row in enumerate(part.rows) if row.get("iscrowd")]
    for i, (x1, y1, x2, y2) in zip(crowds, boxes(file, [part.rows[i] for i in crowds], "bbox"), strict=True):
        if np.isnan(x1):
            raise file.error(f"{called_annotation(part.rows[i])} is a crowd without bbox; add its bbox or remove it")
        frame = int(part.frame[i])
        corners = np.array([(x1, y1), (x2, y1), (x2, y2), (x1, y2)])
        regions[frame] = (*regions.get(frame, ()), corners)
    return regions


def write(annotations: Annotations, path: Path, *, video: Video | None) -> Renamed:
    """Write COCO keypoints. Where a pose has no box, COCO's tools still want one: the extent of its keypoints.

    Lone labels (tracks that are not identified, in one frame) get no track_id, and a fresh one when they are read.
    """
    frames = coco_write.frames_of(annotations)
    names = coco_write.picture_names(video, frames, annotations.video.path)
    rows: list[Entry] = []
    fresh = _fresh_ids(annotations.tracks)
    fields = [coco_write.standard_fields(track) for track in annotations.tracks]
    head_boxes = [coco_write.xywh(track.head_boxes).tolist() for track in annotations.tracks]
    # In COCO a score is what tells a prediction from a label, so a person's work gets none.
    predicted = [np.isfinite(t.person_score) & ~np.isin(t.frames, t.key_frames) for t in annotations.tracks]
    scored: list[list[bool]] = [np.any(np.isfinite(track.score), axis=1).tolist() for track in annotations.tracks]
    headed: list[list[bool]] = [np.all(np.isfinite(track.head_boxes), axis=1).tolist() for track in annotations.tracks]
    for number, (frame, index, row) in enumerate(coco_write.in_order(annotations, fresh), start=1):
        track = annotations.tracks[index]
        entry: Entry = {"id": number, "image_id": frame, "category_id": 1}
        if track.id not in fresh:
            entry["track_id"] = track.id
        entry |= fields[index][row]
        if predicted[index][row]:
            entry["score"] = float(track.person_score[row])
        if scored[index][row]:
            entry["scores"] = coco_write.score_list(track.score[row])
        if headed[index][row]:
            entry["bbox_head"] = head_boxes[index][row]
        rows.append(entry)
    coco_write.dump(
        {
            "categories": [category_entry(annotations.skeleton, _category_name(annotations.skeleton))],
            "images": coco_write.image_entries(annotations, frames, names),
            "annotations": rows,
        },
        path,
    )
    return Renamed(tracks=fresh)


def _fresh_ids(tracks: Sequence[Track]) -> dict[int, int]:
    """The ids that a reader will give to lone labels: on from the largest of the others, in the order of frames."""
    lone = [(int(track.frames[0]), track.id) for track in tracks if not track.identified and len(track) == 1]
    alone = {id for _, id in lone}
    first = max((track.id for track in tracks if len(track) and track.id not in alone), default=-1) + 1
    return {id: first + i for i, (_, id) in enumerate(sorted(lone))}


def _category_name(skeleton: Skeleton) -> str:
    """What tools that ask COCO for 'person' expect: all built-in skeletons are people's."""
    return "person" if skeleton.name in BUILTIN else skeleton.name
