"""Penn Action label files: one Matlab file a video of one person, 13 keypoints a frame (Zhang et al., ICCV 2013).

`x`, `y`, `visibility` (n, 13), `bbox` (n, 4) as x1, y1, x2, y2, `dimensions` (height, width, n), `nframes`, `action`,
`pose` and `train`. The first pixel is 1, pwarp's coordinates are one less. `visibility` 1 is visible; 0 is occluded
where somebody placed the keypoint, and unlabelled at the annotation tool's default place, (1, 1) scaled as the picture
was, or at (0, 0); `pwarp.datasets.penn` says what was measured of it.
Read: a label file, or a folder with `labels/0001.mat` and so on. Written: the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pwarp.annotations import Annotations, FloatArray, Track, VideoIdentity
from pwarp.errors import PwarpError
from pwarp.formats import one_person
from pwarp.formats.coco_write import check_boxes
from pwarp.formats.label_file import LabelFile
from pwarp.formats.losses import Renamed
from pwarp.formats.matlab import numbers
from pwarp.formats.slots import slots_of
from pwarp.skeleton import PENN_13

if TYPE_CHECKING:
    from pwarp.video import Video

NAME = "penn"
SUFFIXES: tuple[str, ...] = ()
VARIABLES = ("x", "y", "visibility", "bbox", "dimensions", "nframes")
LABEL_FILE = re.compile(r"\d{4,6}\.mat")
# Beyond every scale of a picture's default place, and before every real coordinate that is not visible (at least 5).
_DEFAULT_PLACE_END = 2.0
_NO_BOX = (1.0, 1.0, 0.0, 0.0)


def sniff(file: LabelFile) -> bool:
    """A Matlab file with Penn's variables, or a folder with numbered ones in `labels/`."""
    return bool(_label_files(file)) or one_person.holds_variables(file, {"x", "y", "visibility", "nframes"})


def _label_files(file: LabelFile) -> dict[str, Path]:
    """The label files of a folder by their number."""
    labels = file.path / "labels" if file.path is not None and file.is_folder else None
    if labels is None or not labels.is_dir():
        return {}
    return {path.stem: path for path in sorted(labels.iterdir()) if LABEL_FILE.fullmatch(path.name)}


def read(file: LabelFile, *, video: Video | None, only: str | None) -> Annotations:  # noqa: ARG001 - says all itself
    """The person of one file, or of all files that pwarp wrote for one video; PwarpError names file and field."""
    if not file.is_folder:
        return one_person.read_file(file, only, _read_file)
    files = _label_files(file)
    if not files:
        raise file.error("has no label files such as labels/0001.mat; give the root folder of Penn Action, or a file")
    return one_person.read_files(file, files, only, _read_file)


def _read_file(file: LabelFile) -> Annotations:
    record = one_person.variables(file, VARIABLES)
    track = pose_rows(record, file.name, id=one_person.track_id(record, file.name))
    width, height = picture_size(record, file.name)
    inside = file.path is not None and file.path.absolute().parent.name == "labels"
    path = one_person.video_name(record, f"frames/{file.path.stem}" if inside and file.path is not None else None)
    identity = VideoIdentity(path=path, width=width, height=height, frame_count=len(track))
    return Annotations(PENN_13, identity, (one_person.with_anything(track),))


def pose_rows(record: Mapping[str, Any], where: str, *, id: int = 0, keep_defaults: bool = False) -> Track:
    """The person as a track with every frame of the video in it.

    where: the file, for messages. keep_defaults: count keypoints at the default place as occluded, not as unlabelled.
    """
    x = numbers(record, "x", where, (None, len(PENN_13)))
    count = len(x)
    y = numbers(record, "y", where, (count, len(PENN_13)))
    flag = numbers(record, "visibility", where, (count, len(PENN_13)))
    if not np.isin(flag, (0, 1)).all():
        row = np.argwhere(~np.isin(flag, (0, 1)))[0][0]
        raise PwarpError(f"{where}, frame {row}: visibility is neither 0 nor 1")
    if (frames := numbers(record, "nframes", where)) != count:
        raise PwarpError(f"{where}: field 'nframes' is {frames:g}, but x has {count} rows")
    visibility = np.where(flag == 1, 2, 1)
    if not keep_defaults:
        visibility[_at_default_place(x, y) & (flag == 0)] = 0
    return Track.make(
        id, np.arange(count), np.stack([x, y], axis=2) - 1, visibility, boxes=_boxes(record, count, where)
    )


def _at_default_place(x: FloatArray, y: FloatArray) -> NDArray[np.bool_]:
    return np.asarray((x == y) & (x < _DEFAULT_PLACE_END))


def picture_size(record: Mapping[str, Any], where: str) -> tuple[int | None, int | None]:
    """Width and height that a label file says, None where they cannot be: a visible keypoint lies outside."""
    height, width, _ = numbers(record, "dimensions", where, (3,))
    x, y, flag = (numbers(record, name, where, (None, len(PENN_13))) for name in ("x", "y", "visibility"))
    if min(width, height) < 1 or (x[flag == 1] > width).any() or (y[flag == 1] > height).any():
        return None, None
    return int(width), int(height)


def _boxes(record: Mapping[str, Any], count: int, where: str) -> FloatArray:
    """(count, 4) boxes in pwarp's coordinates; NaN where x2 < x1 or y2 < y1."""
    boxes = numbers(record, "bbox", where, (None, 4)) - 1
    if len(boxes) == count - 1 and len(boxes):
        boxes = np.concatenate([boxes, boxes[-1:]])
    if len(boxes) != count:
        raise PwarpError(f"{where}: field 'bbox' has {len(boxes)} rows, x has {count}")
    inverted = (boxes[:, 2] < boxes[:, 0]) | (boxes[:, 3] < boxes[:, 1])
    return np.where(inverted[:, np.newaxis], np.nan, boxes)


is_ours = one_person.is_ours


def writes_folder(path: Path) -> bool:
    """Whether labels written under this name are a folder with a file for each person."""
    return str(path) != "-" and path.suffix.lower() != one_person.SUFFIX


def write(annotations: Annotations, path: Path, *, video: Video | None) -> Renamed:
    """Write one person into a file, or each one into a file of `labels/`; `action` and `pose` are not known.

    Raises PwarpError where no keypoint is one of Penn's, and for several people in one file.
    """
    slots = slots_of(annotations.skeleton, PENN_13, "Penn Action")
    count = one_person.frame_count(annotations, video)
    size = (annotations.video.height, annotations.video.width) if video is None else (video.height, video.width)

    def made(track: Track) -> dict[str, Any]:
        return _variables(track, slots, count, size)

    return one_person.write_files(annotations, path, lambda number: f"labels/{number:04d}.mat", made)


def _variables(track: Track, slots: Sequence[int], count: int, size: tuple[int | None, int | None]) -> dict[str, Any]:
    check_boxes(track)
    xy, visibility, boxes = one_person.slotted(track, slots, count)
    # What stands at the default place reads as unlabelled, so that is how it is written.
    labelled = (visibility == 2) | ((visibility == 1) & ~_at_default_place(xy[..., 0], xy[..., 1]))
    xy = np.where(labelled[..., np.newaxis], xy, 1.0)
    flag = (visibility == 2).astype(np.uint8)
    upright = np.all(boxes[:, 2:] >= boxes[:, :2], axis=1)
    height, width = size
    # Zeros where the size is not known, or would not be believed.
    if height is None or width is None or (xy[flag == 1] > (width, height)).any():
        height = width = 0
    return {
        "action": "unknown",
        "pose": "unknown",
        "x": xy[..., 0],
        "y": xy[..., 1],
        "visibility": flag,
        "train": np.int32(1),
        "bbox": np.where(upright[:, np.newaxis], boxes, _NO_BOX),
        "dimensions": np.array([[height, width, count]], np.float64),
        "nframes": np.float64(count),
    }
