"""Which label file belongs to which: manual and propagated labels of many videos."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pwarp import formats
from pwarp.annotations import Annotations, VideoIdentity
from pwarp.errors import PwarpError
from pwarp.formats.folder import label_files


@dataclass(frozen=True, eq=False)
class Pair:
    """The labels of one video. name: of the manual file without suffix; a side that has none is None."""

    name: str
    manual: Annotations | None
    propagated: Annotations | None


def pair(manual: str | Path, propagated: str | Path) -> list[Pair]:
    """Pairs of the label files (one each, or those of two folders) that are of the same video.

    Two single files are a pair. In folders, a file goes with the one that agrees with it in most of: path of the
    video, name of the file, name of the video - and that contradicts nothing it knows of the video.

    Raises PwarpError where a file is broken, a folder holds no labels, or a file has two partners as good.
    """
    mine, theirs = _read(Path(manual)), _read(Path(propagated))
    if not Path(manual).is_dir() and not Path(propagated).is_dir():
        return [Pair(mine[0][0].stem, mine[0][1], theirs[0][1])]
    pairs, free = [], dict(enumerate(theirs))
    for path, labels in mine:
        alike = {j: _alike((path, labels), other) for j, other in free.items()}
        best = max(alike.values(), default=0)
        partners = [j for j, value in alike.items() if best and value == best]
        if len(partners) > 1:
            raise PwarpError(
                f"{path}: {free[partners[0]][0]} and {free[partners[1]][0]} may both be of its video; rename the one "
                f"that is to '{path.name}'"
            )
        pairs.append(Pair(path.stem, labels, free.pop(partners[0])[1] if partners else None))
    pairs += [Pair(path.stem, None, labels) for path, labels in free.values()]
    names = [p.name for p in pairs]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise PwarpError(f"two label files of different videos are called '{twice}'; rename one")
    return pairs


_Read = tuple[Path, Annotations]


def _read(path: Path) -> list[_Read]:
    """The labels of a file, or of every label file in a folder, by name."""
    if not path.is_dir() or formats.holds_labels(path):
        return [(path, formats.read(path))]
    return [(file, formats.read(file)) for file in label_files(path)]


def _alike(a: _Read, b: _Read) -> int:
    """How much speaks for two label files being of one video; 0 where nothing does or anything speaks against it."""
    one, other = a[1].video, b[1].video
    for what in ("width", "height", "frame_count", "fingerprint"):
        if None not in (getattr(one, what), getattr(other, what)) and getattr(one, what) != getattr(other, what):
            return 0
    same_path = one.path is not None and one.path == other.path
    same_name = _name(one) is not None and _name(one) == _name(other)
    return 4 * same_path + 2 * (a[0].stem == b[0].stem) + same_name


def _name(video: VideoIdentity) -> str | None:
    return PurePosixPath(video.path.replace("\\", "/")).stem if video.path else None
