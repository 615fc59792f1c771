"""YOLO-pose: the dataset folder that Ultralytics trains on; pictures, a text file for each, and a `data.yaml`.

A line is one person: `class cx cy w h` of the box, then `x y v` of each keypoint, all but class and visibility as parts
of the picture's width and height. There are no tracks and no frame numbers: pwarp puts the number into the names
(`images/train/dog-000123.jpg`, `labels/train/dog-000123.txt`), and every line is read as a pose of its own.
`kpt_names` in `data.yaml` names the keypoints, `flip_idx` what trades places when a picture is mirrored.

Read: pictures of one video, wherever `train`, `val` and `test` in `data.yaml` say, below its folder.
Written: a picture of each frame in which anybody is labelled, or that is declared labelled; the last fifth of them is
for validation, in one block, because neighbouring frames are too alike to judge by. Ultralytics throws away pictures
with anything outside 0 to 1: boxes are cut off at the picture, keypoints outside become unlabelled. A pose without a
box gets the extent of its keypoints and a tenth more on each side.
https://docs.ultralytics.com/datasets/pose/
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import orjson

from pwarp.annotations import Annotations, FloatArray
from pwarp.errors import PwarpError
from pwarp.formats import coco_write, yolo_read
from pwarp.formats.losses import Renamed
from pwarp.formats.mirrored import flip_index
from pwarp.skeleton import BUILTIN, Skeleton

if TYPE_CHECKING:
    from pwarp.video import Video

NAME = "yolo-pose"
SUFFIXES: tuple[str, ...] = ()
_FILE = re.compile(r"(?:images|labels)/(?:train|val)/(.*)-[0-9]{6,}\.(?:jpg|txt)", re.DOTALL)
_TRAINERS = re.compile(r"labels/(?:train|val)\.cache")  # made of the labels by whoever trains on them
MODEL = "yolo11n-pose.pt"
_FOR_VALIDATION = 0.2
_JPEG_QUALITY = 95
_BOX_MARGIN, _LEAST_MARGIN = 0.1, 4.0  # of the larger side; pixels
_PIXEL_DECIMALS, _DECIMALS = yolo_read.PIXEL_DECIMALS, 12

sniff = yolo_read.sniff
read = yolo_read.read


def writes_folder(path: Path) -> bool:  # noqa: ARG001 - whatever its name
    """Always."""
    return True


def is_ours(file: Path, folder: Path, annotations: Annotations | None) -> bool:
    """Whether a file of a dataset is one that is written for these labels; for any, where none are given."""
    name = file.relative_to(folder).as_posix()
    of_frame = _FILE.fullmatch(name)
    if of_frame is None:
        return name == "data.yaml" or _TRAINERS.fullmatch(name) is not None
    return annotations is None or of_frame[1] == yolo_read.stem_of(annotations.video.path)


def next_step(path: Path) -> str:
    """The command that trains on a dataset written here."""
    return f"yolo pose train data={shlex.quote(str(path.absolute() / 'data.yaml'))} model={MODEL}"


def write(annotations: Annotations, path: Path, *, video: Video | None) -> Renamed:
    """Write pictures and labels; PwarpError without a video to take the pictures from, and where nobody is labelled."""
    if video is None:
        raise PwarpError("a YOLO-pose dataset holds pictures; give the video of the labels with --video")
    lines: dict[int, list[str]] = {}
    ids: dict[tuple[int, int], int] = {}
    size = np.array([video.width, video.height], np.float64)
    for track in annotations.tracks:
        coco_write.check_boxes(track)
    for frame, index, row in coco_write.in_order(annotations):
        track = annotations.tracks[index]
        line = _line(track.xy[row], track.visibility[row], track.boxes[row], size)
        if line is not None:
            ids[track.id, frame] = len(ids)
            lines.setdefault(frame, []).append(line)
    frames = sorted({*lines, *([] if annotations.labelled is None else annotations.labelled.tolist())})
    if not lines:
        raise PwarpError("no poses inside the picture, so there is nothing to write")
    if frames[-1] >= video.frame_count:
        raise PwarpError(f"frame {frames[-1]} is labelled, but {video.path} has {video.frame_count} frames")
    training = max(1, len(frames) - max(1, round(_FOR_VALIDATION * len(frames))))
    stem = yolo_read.stem_of(annotations.video.path)
    parts = {frame: "train" if at < training else "val" for at, frame in enumerate(frames)}
    for part in dict.fromkeys(parts.values()):
        for kind in ("images", "labels"):
            (path / kind / part).mkdir(parents=True)
    for frame in frames:
        text = "".join(line + "\n" for line in lines.get(frame, []))
        (path / "labels" / parts[frame] / f"{stem}-{frame:06d}.txt").write_text(text, encoding="ascii")
    _write_pictures(video, {frame: path / "images" / parts[frame] / f"{stem}-{frame:06d}.jpg" for frame in frames})
    (path / "data.yaml").write_text(_yaml(annotations.skeleton, "val" in parts.values()), encoding="utf-8")
    return Renamed(poses=ids)


def _write_pictures(video: Video, targets: dict[int, Path]) -> None:
    """A JPEG of each frame, in one go through the video."""
    import cv2

    dense = len(targets) * 8 > max(targets) - min(targets)
    among = video.frames(min(targets), max(targets) + 1) if dense else ((i, video.frame(i)) for i in sorted(targets))
    for frame, picture in among:
        if frame in targets:
            coded = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1]
            targets[frame].write_bytes(coded.tobytes())


def _line(xy: FloatArray, visibility: FloatArray, box: FloatArray, size: FloatArray) -> str | None:
    """One person's line; None for somebody who is not in the picture at all."""
    xy = np.round(xy, _PIXEL_DECIMALS)
    labelled = (visibility > 0) & (xy >= 0).all(axis=1) & (xy <= size).all(axis=1)
    corners = _inside(box, size)
    if corners is None and labelled.any():
        low, high = xy[labelled].min(axis=0), xy[labelled].max(axis=0)
        margin = max(_BOX_MARGIN * float((high - low).max()), _LEAST_MARGIN)
        corners = _inside(np.concatenate([low - margin, high + margin]), size)
    if corners is None:
        return None
    centre, extent = (corners[:2] + corners[2:]) / 2 / size, (corners[2:] - corners[:2]) / size
    parts = ["0", *map(_number, (*centre, *extent))]
    for point, seen, there in zip(xy / size, visibility, labelled, strict=True):
        parts += [_number(point[0]), _number(point[1]), str(int(seen))] if there else ["0", "0", "0"]
    return " ".join(parts)


def _inside(box: FloatArray, size: FloatArray) -> FloatArray | None:
    """The part of a box that lies in the picture; None where there is no box, or none of it does."""
    if not np.isfinite(box).all():
        return None
    clipped = np.clip(box, 0, np.concatenate([size, size]))
    corners: FloatArray = np.asarray(np.round(clipped, _PIXEL_DECIMALS), dtype=np.float64)
    return corners if (corners[2:] > corners[:2]).all() else None


def _number(value: float) -> str:
    text = f"{value:.{_DECIMALS}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _yaml(skeleton: Skeleton, validation: bool) -> str:
    """The dataset's description. JSON's texts and lists are YAML, too."""
    names = [orjson.dumps(name).decode() for name in skeleton.keypoints]
    category = orjson.dumps("person" if skeleton.name in BUILTIN else skeleton.name).decode()
    flip = flip_index(len(skeleton), skeleton.flip_pairs)
    return "\n".join(
        [
            "# Pictures are below the folder of this file.",
            "train: images/train",
            f"val: images/{'val' if validation else 'train'}",
            f"kpt_shape: [{len(skeleton)}, 3]",
            f"flip_idx: {flip}",
            f"names:\n  0: {category}",
            f"kpt_names:\n  0: [{', '.join(names)}]",
            "",
        ]
    )
