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

    Two single files are a pair. In folders, those that agree in most go together first: path of the video, name of the
    file, name of the video, unless it lies in different folders - and in nothing contradict each other.

    Raises PwarpError where a file is broken, a folder holds no labels, or a file has two partners as good.
    """
    mine, theirs = _read(Path(manual)), _read(Path(propagated))
    if not Path(manual).is_dir() and not Path(propagated).is_dir():
        return [Pair(mine[0][0].stem, mine[0][1], theirs[0][1])]
    partner = _partners(mine, theirs)
    pairs = [
        Pair(path.stem, labels, theirs[partner[i]][1] if i in partner else None)
        for i, (path, labels) in enumerate(mine)
    ]
    taken = set(partner.values())
    pairs += [Pair(path.stem, None, labels) for j, (path, labels) in enumerate(theirs) if j not in taken]
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


def _partners(mine: list[_Read], theirs: list[_Read]) -> dict[int, int]:
    """Which file of theirs belongs to which of mine, by their numbers: whoever agrees most first."""
    alike = {(i, j): _alike(a, b) for i, a in enumerate(mine) for j, b in enumerate(theirs)}
    partner: dict[int, int] = {}
    for value in sorted({v for v in alike.values() if v}, reverse=True):
        taken = set(partner.values())
        free = [pair for pair, v in alike.items() if v == value and pair[0] not in partner and pair[1] not in taken]
        goes_with: dict[int, int] = {}
        comes_from: dict[int, int] = {}
        for i, j in free:
            if goes_with.setdefault(i, j) != j:
                raise PwarpError(_unclear(mine[i][0], theirs[goes_with[i]][0], theirs[j][0]))
            if comes_from.setdefault(j, i) != i:
                raise PwarpError(_unclear(theirs[j][0], mine[comes_from[j]][0], mine[i][0]))
        partner.update(free)
    return partner


def _unclear(path: Path, one: Path, other: Path) -> str:
    return f"{path}: {one} and {other} may both be of its video; rename the one that is to '{path.name}'"


def _alike(a: _Read, b: _Read) -> int:
    """How much speaks for two label files being of one video; 0 where nothing does or anything speaks against it."""
    one, other = a[1].video, b[1].video
    for what in ("width", "height", "frame_count", "fingerprint"):
        if None not in (getattr(one, what), getattr(other, what)) and getattr(one, what) != getattr(other, what):
            return 0
    same_path = one.path is not None and one.path == other.path
    return 4 * same_path + 2 * (a[0].stem == b[0].stem) + _same_name(one, other)


def _same_name(one: VideoIdentity, other: VideoIdentity) -> bool:
    """Whether two paths, of which one may begin farther up, lead to a video of the same name."""
    places = [PurePosixPath(v.path.replace("\\", "/")) for v in (one, other) if v.path]
    paths = [(*place.parts[:-1], place.stem) for place in places]
    length = min(map(len, paths), default=0)
    return len(paths) == 2 and paths[0][-length:] == paths[1][-length:]
