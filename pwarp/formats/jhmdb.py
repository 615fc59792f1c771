"""JHMDB's `joint_positions.mat`: one Matlab file a video of one person, 15 keypoints (Jhuang et al., ICCV 2013).

`pos_img` (2, 15, n) counts pixels from 1, pwarp from 0. There is no visibility: a keypoint inside the picture is read
as visible, one outside as occluded. Every clip of the data set is 320x240; pwarp adds `size` (width, height; 0 where
unknown) for other videos, and writes NaN for what is unlabelled. `pos_world`, `scale` and `viewpoint`, which come from
fitting a puppet, are not written.
Read: a file, or a folder with `joint_positions/<action>/<video>/joint_positions.mat`. Written: the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pwarp.annotations import Annotations, FloatArray, Track, VideoIdentity
from pwarp.formats import one_person
from pwarp.formats.label_file import LabelFile
from pwarp.formats.losses import Renamed
from pwarp.formats.matlab import numbers
from pwarp.formats.slots import slots_of
from pwarp.skeleton import JHMDB_15

if TYPE_CHECKING:
    from pwarp.video import Video

NAME = "jhmdb"
SUFFIXES: tuple[str, ...] = ()
WIDTH, HEIGHT = 320, 240  # of every clip of the data set


def sniff(file: LabelFile) -> bool:
    """A Matlab file with pos_img, or a folder with such files where JHMDB has them."""
    return bool(_label_files(file)) or one_person.holds_variables(file, {"pos_img"})


def _label_files(file: LabelFile) -> dict[str, Path]:
    """The label files of a folder by action and video."""
    if file.path is None or not file.is_folder:
        return {}
    found = sorted(file.path.glob("joint_positions/*/*/joint_positions.mat"))
    return {f"{path.parts[-3]}/{path.parts[-2]}": path for path in found}


def read(file: LabelFile, *, video: Video | None, only: str | None) -> Annotations:  # noqa: ARG001 - says all itself
    """The person of one file, or of all files that pwarp wrote for one video; PwarpError names file and field."""
    if not file.is_folder:
        return one_person.read_file(file, only, _read_file)
    files = _label_files(file)
    if not files:
        raise file.error(
            "has no joint_positions/<action>/<video>/joint_positions.mat; give the root of JHMDB, or a file"
        )
    return one_person.read_files(file, files, only, _read_file)


def _read_file(file: LabelFile) -> Annotations:
    record = one_person.variables(file, ["pos_img"])
    xy = positions(record, file.name, finite=False)
    width, height = WIDTH, HEIGHT
    if "size" in record:
        width, height = (int(side) for side in numbers(record, "size", file.name, (2,)))
    known = min(width, height) > 0
    inside = inside_picture(xy, (width, height)) if known else np.ones(xy.shape[:2], np.bool_)
    visibility = np.where(np.isfinite(xy).all(axis=2), np.where(inside, 2, 1), 0)
    track = Track.make(one_person.track_id(record, file.name), np.arange(len(xy)), xy, visibility)
    within = file.path is not None and file.path.name == "joint_positions.mat"
    folders = file.path.absolute().parts[-3:-1] if within and file.path is not None else None
    path = one_person.video_name(record, "/".join(("Rename_Images", *folders)) if folders else None)
    identity = VideoIdentity(path, width if known else None, height if known else None, frame_count=len(xy))
    return Annotations(JHMDB_15, identity, (one_person.with_anything(track),))


def positions(record: dict[str, Any], where: str, *, finite: bool = True) -> FloatArray:
    """(n, 15, 2) `pos_img` in pwarp's coordinates; finite: refuse NaN, which is how pwarp writes what is unlabelled."""
    xy: FloatArray = numbers(record, "pos_img", where, (2, len(JHMDB_15), None), finite=finite).transpose(2, 1, 0) - 1
    return xy


def inside_picture(xy: FloatArray, size: tuple[int, int]) -> NDArray[np.bool_]:
    """(...) whether points (..., 2) lie in a picture of a width and height."""
    width, height = size
    return np.asarray(((xy > -0.5) & (xy < (width - 0.5, height - 0.5))).all(axis=-1))


is_ours = one_person.is_ours


def writes_folder(path: Path) -> bool:
    """Whether labels written under this name are a folder with a file for each person."""
    return str(path) != "-" and path.suffix.lower() != one_person.SUFFIX


def write(annotations: Annotations, path: Path, *, video: Video | None) -> Renamed:
    """Write one person into a file, or each one into a folder of `joint_positions/unknown/`.

    Raises PwarpError where no keypoint is one of JHMDB's, and for several people in one file.
    """
    slots = slots_of(annotations.skeleton, JHMDB_15, "JHMDB")
    count = one_person.frame_count(annotations, video)
    size = (annotations.video.width, annotations.video.height) if video is None else (video.width, video.height)

    def made(track: Track) -> dict[str, Any]:
        return _variables(track, slots, count, size)

    return one_person.write_files(
        annotations, path, lambda number: f"joint_positions/unknown/{number:04d}/joint_positions.mat", made
    )


def _variables(track: Track, slots: Sequence[int], count: int, size: tuple[int | None, int | None]) -> dict[str, Any]:
    xy, _, _ = one_person.slotted(track, slots, count)
    sides = (0, 0) if None in size else size
    return {"pos_img": xy.transpose(2, 1, 0), "size": np.array([sides], np.float64)}
