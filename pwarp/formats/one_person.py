"""What the Matlab label files of Penn Action and JHMDB share: one person a file, all frames, pixels counted from 1.

A pose is a row of an array with a row for every frame, so several people need several files. pwarp adds two variables
that the data sets' own tools pass over: `track`, the id of the person, and `video`, of which files are of one video.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pwarp.annotations import Annotations, FloatArray, Track
from pwarp.errors import PwarpError
from pwarp.files import check_inside
from pwarp.formats import coco_write
from pwarp.formats.coco_images import last_part
from pwarp.formats.label_file import LabelFile
from pwarp.formats.losses import Renamed
from pwarp.formats.matlab import numbers, parse_mat, variable_names

if TYPE_CHECKING:
    from pwarp.video import Video

SUFFIX = ".mat"
_MOST_FRAMES = 10**6
_MOST_FILES = 10**5
_TEXT_BYTES = 116  # of the header, which otherwise holds the time of writing
_MATLAB = b"MATLAB"
_OURS = b"MATLAB 5.0 MAT-file, written by pwarp"

Reader = Callable[[LabelFile], Annotations]


def holds_variables(file: LabelFile, names: set[str]) -> bool:
    """Whether a file is Matlab's and has variables of these names."""
    return file.head.startswith(_MATLAB) and names <= variable_names(file.content)


def variables(file: LabelFile, names: Sequence[str]) -> dict[str, Any]:
    """The named variables of a file, and those of pwarp's own, `track` and `video`, where they are there."""
    if not file.head.startswith(_MATLAB):
        raise file.error(f"is no Matlab file: {file.looks_like}")
    there = variable_names(file.content)
    return parse_mat(file.content, [*names, *(name for name in ("track", "video", "size") if name in there)], file.name)


def track_id(record: Mapping[str, Any], where: str) -> int:
    """The id of the person that a file says, or 0."""
    return int(numbers(record, "track", where)) if "track" in record else 0


def video_name(record: Mapping[str, Any], otherwise: str | None) -> str | None:
    """The video that a file says it is of."""
    name = record.get("video", otherwise)
    return name if isinstance(name, str) and name else None


def with_anything(track: Track) -> Track:
    """The track without frames in which nothing is labelled and no box is drawn, which these files cannot leave out."""
    return track.rows(track.labelled.any(axis=1) | np.isfinite(track.boxes).all(axis=1))


def read_file(file: LabelFile, only: str | None, read: Reader) -> Annotations:
    """The one person in a file; PwarpError where `only` names neither the file nor its video."""
    labels = read(file)
    path = labels.video.path or ""
    if only is not None and only not in {path, last_part(path), Path(file.name).stem}:
        raise file.error(f"holds no video '{only}'; a file is of one person, so leave --only out")
    return labels


def read_files(file: LabelFile, files: Mapping[str, Path], only: str | None, read: Reader) -> Annotations:
    """One of the label files in a folder, or all of them where they are of one video.

    files: their paths by the name that `only` may choose. Raises PwarpError where the choice is open.
    """
    if only is not None and only not in files:
        raise file.error(f"holds no label file '{only}'")
    if len(files) > _MOST_FILES:
        raise file.error(f"holds more than {_MOST_FILES} label files; name one of them")
    assert file.path is not None
    chosen = [check_inside(file.path, path) for path in (files.values() if only is None else [files[only]])]
    first = LabelFile.open(chosen[0])
    if len(chosen) > 1:
        sources = [_video_of(LabelFile.open(path)) for path in chosen]
        if None in sources or len(set(sources)) > 1:
            known = ", ".join(list(files)[:20]) + (f" and {len(files) - 20} more" if len(files) > 20 else "")
            raise file.error(f"holds {len(files)} videos; choose one with --only: {known}")
    parts = [read(first), *(read(LabelFile.open(path)) for path in chosen[1:])]
    counts = {part.video.frame_count for part in parts}
    sizes = {(part.video.width, part.video.height) for part in parts} - {(None, None)}
    if len(counts) > 1 or len(sizes) > 1:
        raise file.error("has label files of one video that disagree about its frames or its size; choose with --only")
    # A file that cannot know the size leaves it to the others.
    width, height = next(iter(sizes), (None, None))
    video = replace(parts[0].video, width=width, height=height)
    return Annotations(parts[0].skeleton, video, tuple(track for part in parts for track in part.tracks))


def _video_of(file: LabelFile) -> str | None:
    """The video that pwarp wrote into a label file; None in one of other origin."""
    record = parse_mat(file.content, ["video"], file.name) if "video" in variable_names(file.content) else {}
    name = record.get("video")
    return name if isinstance(name, str) else None


def write_files(
    annotations: Annotations,
    path: Path,
    name: Callable[[int], str],
    made: Callable[[Track], dict[str, Any]],
) -> Renamed:
    """Write the one track into a file, or every track into a file of its own below a folder.

    name: the name within the folder of the n-th file, counted from 1. made: the variables of a track's file.
    """
    tracks = annotations.tracks
    if not tracks:
        raise PwarpError("no poses to write, and a label file of this format is of one person")
    if not path.is_dir():
        if len(tracks) > 1:
            raise PwarpError(
                f"{len(tracks)} tracks, but a file of this format holds one person; "
                "give a folder (a name without .mat), which gets a file for each"
            )
        path.write_bytes(_matlab(_of_video(annotations, tracks[0]) | made(tracks[0])))
        return Renamed()
    if len(tracks) > _MOST_FILES:
        raise PwarpError(f"{len(tracks)} tracks need as many files; join or drop some")
    for number, track in enumerate(tracks, start=1):
        target = path / name(number)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(_matlab(_of_video(annotations, track) | made(track)))
    return Renamed()


def is_ours(file: Path, folder: Path, annotations: Annotations | None) -> bool:  # noqa: ARG001 - told by what is in it
    """Whether pwarp has written a file of a folder of such files; of which labels does not matter."""
    if file.suffix != SUFFIX or not file.is_file() or file.is_symlink():
        return False
    with file.open("rb") as handle:
        return handle.read(len(_OURS)) == _OURS


def _of_video(annotations: Annotations, track: Track) -> dict[str, Any]:
    return {"track": np.int64(track.id), "video": annotations.video.path or ""}


def _matlab(content: Mapping[str, Any]) -> bytes:
    """A Matlab v5 file, the same bytes for the same content."""
    from scipy.io import savemat

    out = io.BytesIO()
    try:
        savemat(out, dict(content), do_compression=True)
    except UnicodeEncodeError as error:
        raise PwarpError(f"Matlab files cannot hold a name among these labels ({error}); rename the video") from error
    return _OURS.ljust(_TEXT_BYTES) + out.getvalue()[_TEXT_BYTES:]


def frame_count(annotations: Annotations, video: Video | None) -> int:
    """How many rows a file has: all frames of the video, or up to the last one that is known."""
    return coco_write.frames_to_list(annotations, video, most=_MOST_FRAMES, format="Matlab label")


def slotted(track: Track, slots: Sequence[int], count: int) -> tuple[FloatArray, NDArray[np.uint8], FloatArray]:
    """(n, S, 2) coordinates, (n, S) visibility and (n, 4) boxes, counted from 1 and for all n frames, NaN for none."""
    xy = np.full((count, len(slots), 2), np.nan)
    visibility = np.zeros((count, len(slots)), np.uint8)
    boxes = np.full((count, 4), np.nan)
    held = np.array(slots) >= 0
    frames = track.frames
    xy[np.ix_(frames, np.flatnonzero(held))] = track.xy[:, np.array(slots)[held]]
    visibility[np.ix_(frames, np.flatnonzero(held))] = track.visibility[:, np.array(slots)[held]]
    boxes[frames] = track.boxes
    return _from_one(xy), visibility, _from_one(boxes)


def _from_one(values: FloatArray) -> FloatArray:
    """Numbers one larger, such that what is read back from them and written again is the same."""
    read = (values + 1) - 1
    larger: FloatArray = read + 1
    return larger
