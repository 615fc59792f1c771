"""Which videos are meant, and which label file is of which."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pwarp import formats, registry
from pwarp.batch import manifest
from pwarp.batch.task import Settings, Task
from pwarp.errors import PwarpError
from pwarp.files import check_inside
from pwarp.video.images import is_picture
from pwarp.video.opening import SUFFIXES


@dataclass(frozen=True)
class FoundVideo:
    """A video file, or a folder of pictures. stem: what its label file and its output are called."""

    path: Path
    stem: str


def find_videos(places: Iterable[str]) -> list[FoundVideo]:
    """The videos at some places, each once, in order of the places and then by name.

    A place is a video file, a folder of video files (not of those below it), a folder of pictures, which is one video,
    or a glob of any of these. Raises PwarpError for a place without any, and for two videos of one name: their labels
    and outputs would have one name, too.
    """
    found: dict[str, FoundVideo] = {}
    for place in places:
        for path in _at(place):
            video = FoundVideo(path, path.resolve().name if path.is_dir() else path.stem)
            other = found.setdefault(video.stem, video)
            if other.path.resolve() != path.resolve():
                raise PwarpError(
                    f"{path} and {other.path} are both called '{video.stem}'; rename one, or run them apart with "
                    "another --out"
                )
    return list(found.values())


def _at(place: str) -> list[Path]:
    path = Path(place)
    if path.is_dir():
        inside = sorted(p for p in path.iterdir() if not p.name.startswith("."))
        videos = [p for p in inside if p.is_file() and p.suffix.lower() in SUFFIXES]
        if videos:
            return [check_inside(path, video) for video in videos]
        if any(is_picture(p) for p in inside if p.is_file()):
            return [path]
        raise PwarpError(f"{place}: holds neither videos nor pictures; name a folder that does, or '{place}/*'")
    if path.exists():
        if is_picture(path):
            raise PwarpError(f"{place}: is a picture; name the folder of the video's pictures")
        return [path]
    matches = sorted(glob.glob(place)) if glob.has_magic(place) else []  # noqa: PTH207 - a place may be absolute
    if not matches:
        raise PwarpError(f"{place}: no such file or folder; check the path")
    return [one for match in matches for one in _at(match)]


def make_tasks(
    videos: Sequence[FoundVideo], labels: Path, out: Path, settings: Settings, *, partial: bool = False
) -> tuple[list[Task], list[FoundVideo]]:
    """A task for each video with its label file, and the videos that have none.

    labels: folder of the label files, called as the videos are but for their suffix. out: folder of the outputs.
    partial: whether videos may lack labels. Raises PwarpError where one does and may not, where it is open which file
    is meant, and where an output would take the place of labels.
    """
    if not labels.is_dir():
        raise PwarpError(f"{labels}: no such folder; name the folder of the label files with --labels")
    if out.is_dir() and out.samefile(labels):
        raise PwarpError(f"{out}: is the folder of the labels, give --out another one")
    candidates: dict[str, list[Path]] = {}
    for path in sorted(labels.iterdir()):
        hidden = path.name.startswith(".") or path.suffix.lower() in SUFFIXES or path.suffix == ".partial"
        if not hidden and not is_picture(path) and (path.is_file() or path.is_dir()):
            candidates.setdefault(path.name if path.is_dir() else path.stem, []).append(check_inside(labels, path))
    suffix = _suffix(settings.format)
    tasks, without = [], []
    for video in videos:
        of_it = [p for p in candidates.get(video.stem, []) if p.resolve() != video.path.resolve()]
        if len(of_it) > 1:
            of_it = [p for p in of_it if formats.holds_labels(p)] or of_it
        if len(of_it) > 1:
            raise PwarpError(f"{of_it[0]} and {of_it[1]} may both be the labels of {video.path}; move one away")
        if not of_it:
            without.append(video)
            continue
        output = out / f"{video.stem}{suffix}"
        if output.name == manifest.NAME:
            raise PwarpError(f"{video.path}: its output would be {manifest.NAME}, the run's own list; rename the video")
        if output.resolve() in (of_it[0].resolve(), video.path.resolve()):
            raise PwarpError(f"{output}: would be replaced by the output; give --out another folder")
        tasks.append(Task(str(video.path), str(of_it[0]), str(output), settings))
    if without and not partial:
        more = f" and {len(without) - 1} more" if len(without) > 1 else ""
        raise PwarpError(
            f"{without[0].path}{more}: no label file called '{without[0].stem}.*' in {labels}; add it, or give "
            "--partial to leave such videos out"
        )
    return tasks, without


def _suffix(format: str) -> str:
    """The suffix of a file of a format; none for a format that only knows folders."""
    module = registry.load("format", format)
    for suffix in (*module.SUFFIXES, ".json", ".mat"):
        if not (hasattr(module, "writes_folder") and module.writes_folder(Path(f"x{suffix}"))):
            return str(suffix)
    return ""
