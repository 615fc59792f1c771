"""Writing COCO-like JSON: one picture or annotation a line, so that versions of a label file can be compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
from numpy.typing import NDArray

from pwarp.annotations import Annotations, FloatArray, Track, extents
from pwarp.errors import PwarpError
from pwarp.formats.fields import Entry

if TYPE_CHECKING:
    from pwarp.video import Video

# What may be listed unasked, and the frames listed for each that has labels.
_LISTED, _SPARSE = 50_000, 1000


def dump(document: Mapping[str, Any], path: Path) -> None:
    """Write a JSON object; a list of objects in it gets a line for each. Raises PwarpError for names not in UTF-8."""
    try:
        _dump(document, path)
    except orjson.JSONEncodeError as error:
        raise PwarpError(f"JSON cannot hold a name among these labels ({error}); rename the file or folder") from error


def _dump(document: Mapping[str, Any], path: Path) -> None:
    with path.open("wb") as out:
        for i, (key, value) in enumerate(document.items()):
            out.write(b"{" if i == 0 else b",\n")
            out.write(orjson.dumps(key) + b":")
            if isinstance(value, list) and value:
                out.write(b"[\n" + b",\n".join(map(orjson.dumps, value)) + b"\n]")
            else:
                out.write(orjson.dumps(value))
        out.write(b"}\n")


def frames_of(annotations: Annotations) -> list[int]:
    """Every frame that something is said about, in rising order.

    Where there are none, frame 0 stands in, to carry what is known of the video.
    """
    frames = {int(f) for track in annotations.tracks for f in track.frames}
    frames.update(annotations.ignore_regions)
    if annotations.labelled is not None:
        frames.update(int(f) for f in annotations.labelled)
    return sorted(frames) or [0]


def frames_to_list(annotations: Annotations, video: Video | None, *, most: int, format: str) -> int:
    """How many frames a format lists that lists all: those of the video, else as many as the labels say or need.

    Raises PwarpError for more than `most`, and where a few labels stand for very many frames and no video does.
    """
    count = annotations.video.frame_count if video is None else video.frame_count
    if count is None:
        count = last_frame(annotations) + 1
    if count > most:
        raise PwarpError(f"{count} frames, a {format} file lists {most} at most; cut the video")
    if video is None:
        check_listed(count, annotations)
    return count


def last_frame(annotations: Annotations) -> int:
    """The last frame that something is said about, 0 where there is none."""
    last = [int(track.frames[-1]) for track in annotations.tracks if len(track)]
    last += [] if annotations.labelled is None else annotations.labelled[-1:].tolist()
    return max([*last, *annotations.ignore_regions], default=0)


def check_listed(count: int, annotations: Annotations) -> None:
    """Raise PwarpError where labels of a few frames would become a list of very many, as a wrong number makes it."""
    if count > _LISTED:
        told = len(frames_of(annotations))
        if count > _SPARSE * told:
            raise PwarpError(
                f"the format lists every frame, which are {count}, of which {told} have labels; give the video, too "
                "(--video), so that it is sure"
            )


def picture_names(video: Video | None, frames: Sequence[int], path: str | None) -> list[str]:
    """A file name for each frame: the picture's own where the video is a folder of them, else 'dog.mp4#3'.

    path: how the file calls the video; None where it has no name for it.
    """
    if video is not None and video.names is not None:
        folder = "" if path is None else f"{path}/"
        return [f"{folder}{video.names[frame]}" for frame in frames]
    return [f"frame-{frame:06d}" if path is None else f"{path}#{frame}" for frame in frames]


def image_entries(annotations: Annotations, frames: Sequence[int], names: Sequence[str]) -> list[Entry]:
    """The pictures of the given frames, with the frame number as id, and PoseTrack's marks and ignore regions."""
    video = annotations.video
    size = {"width": video.width, "height": video.height, "nframes": video.frame_count}
    known = {key: value for key, value in size.items() if value is not None}
    labelled = None if annotations.labelled is None else set(annotations.labelled.tolist())
    entries: list[Entry] = []
    for frame, name in zip(frames, names, strict=True):
        entry = {"id": frame, "frame_id": frame, "file_name": name, **known}
        if labelled is not None:
            entry["is_labeled"] = frame in labelled
        regions = annotations.ignore_regions.get(frame, ())
        if regions:
            entry["ignore_regions_x"] = [polygon[:, 0].tolist() for polygon in regions]
            entry["ignore_regions_y"] = [polygon[:, 1].tolist() for polygon in regions]
        entries.append(entry)
    return entries


def in_order(annotations: Annotations, renumbered: Mapping[int, int] | None = None) -> Iterator[tuple[int, int, int]]:
    """(frame, index of the track, row of the track) of every pose, by frame, then by track id.

    renumbered: the id that counts, for tracks whose own does not.
    """
    tracks = annotations.tracks
    frame = np.concatenate([t.frames for t in tracks] or [np.empty(0, np.int64)])
    index = np.repeat(np.arange(len(tracks)), [len(t) for t in tracks])
    row = np.concatenate([np.arange(len(t)) for t in tracks] or [np.empty(0, np.int64)])
    ids = np.array([(renumbered or {}).get(t.id, t.id) for t in tracks], dtype=np.int64)
    order = np.lexsort((ids[index], frame))
    return zip(frame[order].tolist(), index[order].tolist(), row[order].tolist(), strict=True)


def keypoint_lists(xy: FloatArray, labelled: NDArray[np.bool_], third: NDArray[Any]) -> list[list[float | int]]:
    """For each of F poses x, y and third value of every keypoint in one list; x and y are 0 where it is unlabelled.

    xy: (F, K, 2). labelled: (F, K). third: (F, K) whole numbers.
    """
    poses, keypoints = labelled.shape
    # Slices of plain lists: a table of objects takes three times as long.
    flat: list[float | int] = [0] * (3 * poses * keypoints)
    for axis in (0, 1):
        flat[axis::3] = xy[..., axis].ravel().tolist()
    for at in np.flatnonzero(~labelled).tolist():
        flat[3 * at : 3 * at + 2] = 0, 0
    flat[2::3] = third.ravel().astype(np.int64).tolist()
    return [flat[at : at + 3 * keypoints] for at in range(0, 3 * poses * keypoints, 3 * keypoints)]


def standard_fields(track: Track) -> list[Entry]:
    """COCO's own fields for each frame: keypoints, num_keypoints, bbox (x, y, width, height), area, iscrowd."""
    check_boxes(track)
    box = xywh(np.where(np.isnan(track.boxes), extent(track), track.boxes))
    area = np.round(box[:, 2] * box[:, 3], 2).tolist()
    columns = (
        keypoint_lists(track.xy, track.labelled, track.visibility),
        track.labelled.sum(axis=1).tolist(),
        box.tolist(),
        area,
    )
    return [
        {"keypoints": keypoints, "num_keypoints": count, "bbox": box, "area": area, "iscrowd": 0}
        for keypoints, count, box, area in zip(*columns, strict=True)
    ]


def score_list(scores: FloatArray) -> list[float | None]:
    """The scores of one pose with null for none."""
    return [None if score != score else score for score in scores.tolist()]


def xywh(boxes: FloatArray) -> FloatArray:
    """(N, 4) x, y, width, height of boxes x1, y1, x2, y2, such that x + width gives x2 to the last bit.

    For boxes far left of or above the picture no such number may exist; the nearest is taken then.
    """
    start, end = boxes[:, :2], boxes[:, 2:]
    size = end - start
    for near in (np.nextafter(size, np.inf), np.nextafter(size, -np.inf)):
        size = np.where((start + size != end) & (start + near == end), near, size)
    return np.concatenate([start, size], axis=1)


def extent(track: Track) -> FloatArray:
    """(F, 4) the smallest boxes around the labelled keypoints; zeros where there are none."""
    return np.nan_to_num(extents(track.xy), nan=0.0)


def check_boxes(track: Track) -> None:
    """Refuse boxes that are only partly there: no format has a way to say that."""
    for name in ("boxes", "head_boxes"):
        finite = np.isfinite(getattr(track, name))
        torn = finite.any(axis=1) & ~finite.all(axis=1)
        if torn.any():
            frame = track.frames[torn][0]
            raise PwarpError(f"track {track.id}, frame {frame}: {name} has numbers that are not finite")
