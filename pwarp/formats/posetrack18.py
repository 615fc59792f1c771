"""PoseTrack18 and PoseTrack21 JSON: one file a video, 17 slots, and a flag where COCO has visibility.

The flag is 1 for visible, 0 for a joint that is occluded where it has coordinates, or not annotated where x and y
are 0 as well (that is how poseval, the official evaluator, tells presence). Ids are opaque; the frame of a picture is
the number in its file name. Predictions carry `scores`, one for each slot, and a track_id below 1000 (poseval's
current version reads below 10000).
https://posetrack.net, https://github.com/leonid-pishchulin/poseval
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pwarp.annotations import Annotations, Source, Track
from pwarp.formats import coco_write
from pwarp.formats.coco_document import part_of_video
from pwarp.formats.coco_images import LAST_FRAME, Images, called, last_part, read_images
from pwarp.formats.coco_poses import (
    Poses,
    boxes,
    into_tracks,
    keypoint_scores,
    keypoint_triples,
    person_scores,
    track_ids,
    visibility_of,
)
from pwarp.formats.coco_skeleton import category_entry, read_skeleton
from pwarp.formats.fields import Entry, whole
from pwarp.formats.label_file import LabelFile
from pwarp.formats.losses import Renamed
from pwarp.formats.slots import head_aliases, slots_of, track_numbers
from pwarp.skeleton import POSETRACK_17

if TYPE_CHECKING:
    from pwarp.video import Video

NAME = "posetrack18"
SUFFIXES: tuple[str, ...] = ()
# Ids of pictures in the data set are 1, six digits of the video, four of the frame.
_SMALLEST_PICTURE_ID = 10**10
_MOST_FRAMES = 10**6
_NUMBER = re.compile(r"([0-9]{1,9})(\.[^.]+)?")  # a name that is one, with its suffix


def sniff(file: LabelFile) -> bool:
    """Keypoints with PoseTrack's two of the head, pictures with vid_id, and no visibility 2 anywhere."""
    document = file.json if file.looks_like_json else None
    if not isinstance(document, dict):
        return False
    images, rows, categories = (document.get(key) for key in ("images", "annotations", "categories"))
    if not (isinstance(images, list) and isinstance(rows, list) and isinstance(categories, list)):
        return False
    return (
        any(map(_has_posetrack_head, categories))
        and any(isinstance(image, dict) and "vid_id" in image for image in images[:1])
        and not any(2 in flags for flags in map(_flags, rows))
    )


def _has_posetrack_head(category: object) -> bool:
    keypoints = category.get("keypoints") if isinstance(category, dict) else None
    return isinstance(keypoints, list) and "head_bottom" in keypoints and "head_top" in keypoints


def _flags(row: object) -> list[object]:
    keypoints = row.get("keypoints") if isinstance(row, dict) else None
    return keypoints[2::3] if isinstance(keypoints, list) else []


def read(file: LabelFile, *, video: Video | None, only: str | None) -> Annotations:
    """The poses of one video; PwarpError names file, annotation, frame and keypoint of what is wrong."""
    document = file.json
    if isinstance(document, dict) and not document.get("categories"):
        document = document | {"categories": [category_entry(POSETRACK_17, "person")]}
    part = part_of_video(file, document, video=video, only=only, frame_id=_frame_id, number=_number_in_name)
    skeleton = read_skeleton(file, part.category)
    kept, frame, images = part.rows, part.frame, part.images

    triples = keypoint_triples(file, kept, frame, skeleton)
    flag = visibility_of(file, kept, frame, skeleton, triples[..., 2], allowed="01")
    visibility = np.where(flag == 1, 2, np.where(triples[..., :2].any(axis=2), 1, 0)).astype(np.uint8)
    score = np.where(visibility > 0, keypoint_scores(file, kept, len(skeleton)), np.nan)
    # One scored person makes the file one of predictions, also for people without scores.
    source = Source.DETECTED if np.isfinite(score).any() else Source.MANUAL
    poses = Poses(
        rows=kept,
        frame=frame,
        xy=triples[..., :2],
        visibility=visibility,
        score=score,
        source=np.where(visibility > 0, source, Source.NONE).astype(np.uint8),
        origin=np.full((*visibility.shape, 2), -1, dtype=np.int64),
        boxes=boxes(file, kept, "bbox"),
        head_boxes=boxes(file, kept, "bbox_head"),
        person_score=person_scores(file, kept),
    )
    tracks = into_tracks(file, poses, *track_ids(file, kept))
    return Annotations(skeleton, images.identity, tracks, images.labelled, images.ignore_regions)


def read_pictures(
    file: LabelFile, document: Entry, *, video: Video | None = None, only: str | None = None
) -> tuple[Images, bool]:
    """The pictures of one video and whether `only` named it; see `pwarp.formats.coco_images.read_images`."""
    return read_images(file, document, video=video, only=only, frame_id=_frame_id, number=_number_in_name)


def _frame_id(file: LabelFile, image: Entry) -> int | None:
    """The frame_id of a picture where it is a frame number; in the data set itself it repeats the opaque id."""
    value = image.get("frame_id")
    if value is None:
        return None
    if type(value) is int and value >= _SMALLEST_PICTURE_ID:
        return None
    value = whole(file, f"frame_id of {called(image)}", value, least=0)
    if value >= _SMALLEST_PICTURE_ID:
        return None
    return whole(file, f"frame_id of {called(image)}", value, most=LAST_FRAME)


def _number_in_name(image: Entry) -> int | None:
    """The frame that the file name of a picture counts: 7 for '000007.jpg'."""
    name = image.get("file_name")
    digits = _NUMBER.fullmatch(last_part(name)) if isinstance(name, str) else None
    return None if digits is None else int(digits[1])


def write(annotations: Annotations, path: Path, *, video: Video | None) -> Renamed:
    """Write one video the way poseval and the data set's own tools want it: all its frames, labelled or not.

    Keypoints go to the slots of their names. Where anything has a score the file is one of predictions, and every
    keypoint needs one: a person's get 1, those of unknown score 0. Raises PwarpError where no keypoint has a slot,
    and for more frames or tracks than the format can number.
    """
    pictures = _pictures(annotations, video)
    image_ids = {frame: picture["id"] for frame, picture in enumerate(pictures)}
    predicted = any(np.isfinite(track.score).any() for track in annotations.tracks)
    rows, renamed = pose_rows(annotations, image_ids, predicted=predicted)
    skeleton = annotations.skeleton if annotations.skeleton.keypoints == POSETRACK_17.keypoints else POSETRACK_17
    coco_write.dump({"categories": [category_entry(skeleton, "person")], "images": pictures, "annotations": rows}, path)
    return renamed


def pose_rows(
    annotations: Annotations, image_ids: Mapping[int, Any], *, predicted: bool
) -> tuple[list[Entry], Renamed]:
    """The `annotations` of a file by frame and track, in 17 slots, and what had to be called otherwise.

    image_ids: the id of the picture of each frame. predicted: whether every keypoint gets a score; see `write`.
    """
    aliases = head_aliases(annotations.skeleton)
    slots = slots_of(annotations.skeleton, POSETRACK_17, "PoseTrack", aliases)
    ids = track_numbers(annotations.tracks)
    fields = [_fields(track, slots, predicted) for track in annotations.tracks]
    rows: list[Entry] = []
    for number, (frame, index, row) in enumerate(coco_write.in_order(annotations, ids), start=1):
        head = {"id": number, "image_id": image_ids[frame], "category_id": 1}
        rows.append(head | {"track_id": ids[annotations.tracks[index].id]} | fields[index][row])
    return rows, Renamed(tracks=ids, keypoints=aliases)


def _pictures(annotations: Annotations, video: Video | None) -> list[Entry]:
    """Every frame of the video from 0, as the data set lists them."""
    count = coco_write.frames_to_list(annotations, video, most=_MOST_FRAMES, format="PoseTrack18")
    folder = annotations.video.path
    within = "" if folder is None else f"{folder}/"
    names = [f"{frame:06d}.jpg" for frame in range(count)] if video is None or video.names is None else video.names
    video_id = "0" if folder is None else last_part(folder)
    digits = re.match(r"\d{1,6}", video_id)
    video_id = digits[0] if digits else video_id
    first = _SMALLEST_PICTURE_ID + (int(digits[0]) if digits else 0) * 10_000
    # Where the names count otherwise than the frames do, frame_id has to say which frame it is.
    plain = all(_number_in_name({"file_name": name}) == frame for frame, name in enumerate(names))
    pictures = coco_write.image_entries(annotations, range(count), [within + name for name in names])
    for frame, picture in enumerate(pictures):
        picture |= {"id": first + frame, "frame_id": first + frame if plain else frame, "vid_id": video_id}
    return pictures


def _fields(track: Track, slots: Sequence[int], predicted: bool) -> list[Entry]:
    """What an annotation says about each frame of a track, beyond which frame and track it is."""
    coco_write.check_boxes(track)

    def slotted(values: NDArray[Any], empty: float) -> NDArray[Any]:
        return np.where(np.array(slots) < 0, empty, values[:, slots])

    visibility = slotted(track.visibility, 0)
    xy = np.stack([slotted(track.xy[..., axis], np.nan) for axis in (0, 1)], axis=-1)
    # An occluded keypoint in the very corner reads like an unlabelled one; there is no other way to write it.
    labelled = (visibility == 2) | ((visibility == 1) & (xy != 0).any(axis=-1))
    keypoints = coco_write.keypoint_lists(xy, labelled, visibility == 2)
    fields: list[Entry] = [{"keypoints": values} for values in keypoints]
    if predicted:
        unknown = np.isnan(track.score)
        score = np.where(unknown & track.by_person, 1.0, np.where(unknown, 0.0, track.score))
        for entry, scores in zip(fields, np.where(labelled, slotted(score, 0.0), 0.0).tolist(), strict=True):
            entry["scores"] = scores
    for name, corners in (("bbox", track.boxes), ("bbox_head", track.head_boxes)):
        coco = coco_write.xywh(corners).tolist()
        for entry, box, there in zip(fields, coco, np.isfinite(corners[:, 0]), strict=True):
            if there:
                entry[name] = box
    return fields
