"""DeepLabCut: labels (`CollectedData_<scorer>`) and predictions, CSV or HDF5, of one animal or of several.

Each individual is a track; one whose name ends in a number, when all do, has it as its id. Blank is unlabelled, there
is no occlusion. A file with likelihoods is one of predictions (detected, with scores), and its rows are called by
frame; a file without is of labels (manual), and its rows are called by the picture: its place among the pictures of
the video, or the number in its name where the video has no picture of any such name. Coordinates are taken as they are,
also of projects that crop.

Written: labels where a person set everything that is labelled, else predictions, where a person's keypoints have
likelihood 1. HDF5 under a name that ends in .h5 or .hdf5, else CSV.
https://deeplabcut.github.io; sleap-io's reader of these files sorts the body parts and drops likelihoods, so it is
not used.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from pwarp.annotations import Annotations, FloatArray, IntArray, Source, Track, VideoIdentity
from pwarp.errors import PwarpError
from pwarp.formats import coco_write
from pwarp.formats.coco_images import LAST_FRAME
from pwarp.formats.dlc_h5 import KEY, read_h5, write_h5
from pwarp.formats.dlc_table import COORDS, Table, looks_like_dlc, read_csv, write_csv
from pwarp.formats.hdf5 import MAGIC
from pwarp.formats.label_file import LabelFile
from pwarp.formats.losses import Renamed
from pwarp.skeleton import Skeleton

if TYPE_CHECKING:
    from pwarp.video import Video

NAME = "dlc"
SUFFIXES = (".h5", ".hdf5")
SCORER = "pwarp"
_MOST_CELLS = 1 << 26
_DIGITS = 15  # of an id
_MOST_DIGITS = 9  # of a frame number
_UNNAMED = "video"


def sniff(file: LabelFile) -> bool:
    """A CSV with DeepLabCut's header, or an HDF5 file with its table."""
    return looks_like_dlc(file) or (file.head.startswith(MAGIC) and KEY.encode() in file.head)


def read(file: LabelFile, *, video: Video | None, only: str | None) -> Annotations:
    """The individuals of one video; PwarpError names file and line of what is wrong."""
    table = read_h5(file) if file.head.startswith(MAGIC) else read_csv(file)
    rows, frames, name = _frames(file, table, video, only)
    parts = list(dict.fromkeys(part for _, part, _ in table.columns))
    individuals = list(dict.fromkeys(individual for individual, _, _ in table.columns))
    if np.isinf(table.values).any():
        raise file.error("holds a number that is not finite; leave the field empty for what is unlabelled")
    order = np.argsort(frames, kind="stable")
    if len(frames) and (np.diff(frames[order]) == 0).any():
        raise file.error(f"has two rows for frame {frames[order][:-1][np.diff(frames[order]) == 0][0]}; keep one")
    places = {column: at for at, column in enumerate(table.columns)}
    predicted = any(coord == "likelihood" for _, _, coord in table.columns)
    tracks = []
    for id, individual in zip(_ids(individuals), individuals, strict=True):
        cells = np.full((len(rows), len(parts), 3), np.nan)
        for k, part in enumerate(parts):
            for c, coord in enumerate(COORDS):
                if (individual, part, coord) in places:
                    cells[:, k, c] = table.values[rows, places[individual, part, coord]]
            if (half := np.isnan(cells[:, k, 0]) != np.isnan(cells[:, k, 1])).any():
                row = table.index[rows[int(np.flatnonzero(half)[0])]]
                raise file.error(
                    f"row '{row}': {' '.join(filter(None, (individual, part)))} has only one of x and y; give both, or "
                    "leave both empty"
                )
        track = _track(id, frames[order], cells[order], predicted)
        if len(track):
            tracks.append(track)
    try:
        skeleton = Skeleton.from_names(NAME, parts)
    except PwarpError as error:
        raise file.error(str(error)) from error
    return Annotations(skeleton, VideoIdentity(name), tuple(tracks))


def _track(id: int, frames: IntArray, cells: FloatArray, predicted: bool) -> Track:
    """cells: (F, K, 3) x, y, likelihood. Frames in which nothing is labelled are left out."""
    seen = np.all(np.isfinite(cells[..., :2]), axis=2)
    keep = np.any(seen, axis=1)
    source = Source.DETECTED if predicted else Source.MANUAL
    return Track.make(
        id,
        frames[keep],
        cells[keep, :, :2],
        np.where(seen, 2, 0)[keep],
        score=np.where(seen, cells[..., 2], np.nan)[keep],
        source=np.where(seen, source, Source.NONE)[keep],
    )


def _ids(individuals: Sequence[str]) -> list[int]:
    """The number at the end of each name, where all have a different one; else their place."""
    found = [re.search(rf"(?<!\d)(\d{{1,{_DIGITS}}})$", name) for name in individuals]
    numbers = [int(match[1]) for match in found if match]
    return numbers if len(set(numbers)) == len(individuals) else list(range(len(individuals)))


def _frames(
    file: LabelFile, table: Table, video: Video | None, only: str | None
) -> tuple[list[int], IntArray, str | None]:
    """Rows of the table that are of the video, their frames, and what the video is called."""
    if all(isinstance(key, int) for key in table.index):
        if only is not None:
            raise file.error(f"holds no video '{only}'; rows are called by frame, so leave --only out")
        numbers = [int(key) for key in table.index]
        if any(not 0 <= number <= LAST_FRAME for number in numbers):
            raise file.error(f"a row is called {min(numbers)} or {max(numbers)}, which is no frame number")
        return list(range(len(numbers))), np.array(numbers, dtype=np.int64), None
    paths = [PurePosixPath(str(key).replace("\\", "/")) for key in table.index]
    folders = list(dict.fromkeys(path.parent.name for path in paths))
    if only is None and len(folders) > 1 and video is not None:
        wanted = PurePosixPath(str(video.path).replace("\\", "/"))
        only = next((folder for folder in folders if folder in (wanted.name, wanted.stem)), None)
    if only is None and len(folders) > 1:
        raise file.error(f"holds {len(folders)} videos; choose one with --only: {', '.join(folders[:20])}")
    if only is not None and only not in folders:
        raise file.error(f"holds no video '{only}'; there are: {', '.join(folders[:20])}")
    name = folders[0] if only is None else only
    rows = [at for at, path in enumerate(paths) if path.parent.name == name]
    names = () if video is None or video.names is None else video.names
    place_of = {picture: at for at, picture in enumerate(names)}
    places = [place_of.get(paths[at].name) for at in rows]
    if any(place is not None for place in places) and None in places:
        lost = f"picture '{paths[rows[places.index(None)]]}'"
        raise file.no_picture_of(names, lost, "give the folder that holds them all")
    frames = [_number(file, paths[at]) if place is None else place for at, place in zip(rows, places, strict=True)]
    return rows, np.array(frames, dtype=np.int64), None if name in ("", _UNNAMED) else name


def _number(file: LabelFile, path: PurePosixPath) -> int:
    found = re.search(r"(\d+)(?!.*\d)", path.stem)
    if found is None or len(found[1]) > _MOST_DIGITS:
        raise file.error(f"picture '{path}' has no frame number in its name; give the folder of pictures as the video")
    return int(found[1])


def write(annotations: Annotations, path: Path, *, video: Video | None) -> Renamed:
    """Write labels, or predictions with a row for each frame up to the last one labelled (or of the video, if given).

    Raises PwarpError where nothing is labelled, and for more individuals and frames than a table holds.
    """
    tracks = sorted((t for t in annotations.tracks if t.labelled.any()), key=lambda track: track.id)
    if not tracks:
        raise PwarpError("no poses to write; nothing is labelled")
    names = annotations.skeleton.keypoints
    readable = tracks[0].id >= 0 and tracks[-1].id < 10**_DIGITS
    ids = {track.id: track.id if readable else at for at, track in enumerate(tracks)}
    labels = all((track.by_person == track.labelled).all() for track in tracks)
    coords = COORDS[: 2 if labels else 3]
    alone = list(ids.values()) == [0]
    individuals = ["" if alone else f"individual{ids[track.id]}" for track in tracks]
    columns = [(individual, part, coord) for individual in individuals for part in names for coord in coords]
    labelled = Annotations(annotations.skeleton, tracks=tuple(map(_labelled_rows, tracks)))
    frames: Sequence[int] = coco_write.frames_of(labelled)
    if not labels:
        frames = range(frames[-1] + 1 if video is None else video.frame_count)
    if video is None:
        coco_write.check_listed(len(frames), labelled)
    if len(frames) * len(columns) > _MOST_CELLS:
        raise PwarpError(
            f"{len(tracks)} tracks in {len(frames)} frames are too many for one table; join them with 'pwarp track', "
            "or write another format"
        )
    cells = np.concatenate([_cells(track, np.array(frames), len(coords)) for track in tracks], axis=1)
    table = Table(SCORER, tuple(columns), _index(annotations, frames, video) if labels else tuple(frames), cells)
    if path.suffix.lower() in SUFFIXES:
        write_h5(table, path)
    else:
        write_csv(table, path)
    return Renamed(tracks=ids)


def _labelled_rows(track: Track) -> Track:
    return track.rows(track.labelled.any(axis=1))


def _cells(track: Track, frames: IntArray, coords: int) -> FloatArray:
    """(F, K * coords) a track's columns in the given frames."""
    cells = np.full((len(frames), track.xy.shape[1], 3), np.nan)
    track = _labelled_rows(track)
    at = np.searchsorted(frames, track.frames)
    score = np.where(np.isnan(track.score) & track.by_person, 1.0, track.score)
    cells[at, :, :2], cells[at, :, 2] = track.xy, np.where(track.labelled, score, np.nan)
    return cells[..., :coords].reshape(len(frames), -1)


def _index(annotations: Annotations, frames: Sequence[int], video: Video | None) -> tuple[str, ...]:
    """The paths that DeepLabCut gives its pictures, or the video's own names of them."""
    path = annotations.video.path
    folder = "" if path is None else PurePosixPath(path.replace("\\", "/")).name
    stem = folder.rsplit(".", 1)[0] if re.search(r"\.[A-Za-z0-9]{1,5}$", folder) else folder
    within = f"labeled-data/{stem.strip('.') or _UNNAMED}"
    names = video.names if video is not None else None
    if names is not None and not any("/" in name for name in names):
        return tuple(f"{within}/{names[frame]}" for frame in frames)
    digits = len(str(frames[-1] if video is None else max(video.frame_count - 1, frames[-1])))
    return tuple(f"{within}/img{frame:0{digits}d}.png" for frame in frames)
