"""What every dataset gives: named splits of samples, each a video (or picture) and its annotations, read when asked.

The readers know the published folder layouts with their quirks and turn them into pwarp's conventions
(`pwarp.annotations`) once. They read labels only; a video is opened by whoever needs its pictures.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, ClassVar

from pwarp import registry
from pwarp.annotations import Annotations
from pwarp.errors import PwarpError
from pwarp.files import check_inside

_LONGEST = 255  # bytes of a file's name, as Linux, macOS and Windows have it


@dataclass(frozen=True)
class Sample:
    """One video or picture of a dataset.

    name: unique in its split. video: a video file, a folder of pictures or one picture; it is not there where only
    the labels were downloaded. labels: the file that the annotations are in. load: reads them.
    """

    name: str
    video: Path
    labels: Path
    load: Callable[[], Annotations]

    @property
    def annotations(self) -> Annotations:
        """The annotations, read anew each time; raises PwarpError that names the file and the record."""
        with naming(self.labels):
            return self.load()


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Put a label file's name before whatever is said about its content, unless it stands there already."""
    try:
        yield
    except PwarpError as error:
        if str(error).startswith(str(path)):
            raise
        raise PwarpError(f"{path}: {error}") from error


class Dataset(ABC):
    """A dataset in its published layout under one root folder.

    A subclass says how it is called (`name`) and what it counts (`counts_occluded`), recognises its layout (`sniff`),
    lists its splits and makes their samples. Its keyword options are the parameters of its `__init__` after the root.
    """

    name: ClassVar[str]
    # Whether the published protocol asks for occluded keypoints as well as visible ones.
    counts_occluded: ClassVar[bool] = False

    def __init__(self, root: Path) -> None:
        self.root = Path(root)
        if not self.root.is_dir():
            raise PwarpError(f"{self.root}: no such folder; give the root folder of {self.name}")

    @classmethod
    @abstractmethod
    def sniff(cls, root: Path) -> bool:
        """Whether a folder looks like this dataset's root; reads little and raises nothing."""

    @property
    @abstractmethod
    def splits(self) -> tuple[str, ...]:
        """Names of the splits that are there."""

    @property
    def groups(self) -> Mapping[str, tuple[str, ...]]:
        """Splits that are reported as one average, by the group's name (JHMDB's three test splits)."""
        return {}

    @abstractmethod
    def _samples(self, split: str) -> Iterator[Sample]:
        """The samples of a split that exists."""

    def samples(self, split: str) -> Iterator[Sample]:
        """The samples of one split, in the order of their names or of the dataset's own list.

        Raises PwarpError where there is no such split, and while iterating where a list or an index is broken.
        """
        if split not in self.splits:
            there = ", ".join(self.splits) or "none"
            group = self.groups.get(split)
            hint = f"; '{split}' is the average over {', '.join(group)}" if group else ""
            raise PwarpError(f"{self.root}: {self.name} has no split '{split}'; there are: {there}{hint}")
        return self._samples(split)


def open_dataset(root: Path, *, dataset: str | None = None, **options: Any) -> Dataset:
    """The dataset under a root folder, recognised by its layout unless its name is given.

    options: the dataset's own, by name. Raises PwarpError where the folder is none or several of the known
    layouts, or an option is not one of this dataset's.
    """
    root = Path(root)
    if not root.is_dir():
        raise PwarpError(f"{root}: no such folder; give the root folder of a dataset")
    if dataset is None:
        found = sniffed(root)
        if not found:
            known = ", ".join(registry.names("dataset"))
            raise PwarpError(f"{root}: is in the layout of no known dataset ({known}); name it, or check the folder")
        if len(found) > 1:
            raise PwarpError(f"{root}: could be {' or '.join(found)}; name the one that you mean")
        dataset = found[0]
    part: type[Dataset] = registry.load("dataset", dataset)
    known_options = list(inspect.signature(part).parameters)[1:]
    for option in options:
        if option not in known_options:
            there = ", ".join(known_options) or "none"
            raise PwarpError(f"dataset '{dataset}' has no option '{option}'; it has: {there}")
    return part(root, **options)


def sniffed(root: Path) -> list[str]:
    """Names of the datasets whose layout a folder shows."""
    return [name for name in registry.names("dataset") if registry.load("dataset", name).sniff(Path(root))]


def mean_over_splits(figures: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The unweighted mean of each figure over the splits of a group, as JHMDB's papers report it.

    figures: one table of named figures a split. NaN in one split makes that mean NaN: an average that leaves a split
    out is none. Raises PwarpError where the tables do not hold the same figures.
    """
    if not figures:
        raise PwarpError("no split to average over")
    for table in figures[1:]:
        if odd := sorted(set(table) ^ set(figures[0])):
            raise PwarpError(f"figure '{odd[0]}' is there for some splits only; measure all splits alike")
    return {name: sum(table[name] for table in figures) / len(figures) for name in figures[0]}


def inside(folder: Path, name: str, where: str) -> Path:
    """The path of a file that a label file names, relative to a folder that it must not leave.

    where: what named it, for the message. Raises PwarpError for absolute names, for those with '..', for those that are
    too long for a file, and for a link that leads out of the folder.
    """
    path = PurePosixPath(name.replace("\\", "/"))
    if not name or "\0" in name or path.is_absolute() or ".." in path.parts or PureWindowsPath(name).drive:
        raise PwarpError(f"{where}: file name {name!r} points outside the dataset; names must stay inside its folder")
    if any(len(part.encode(errors="surrogatepass")) > _LONGEST for part in path.parts):
        raise PwarpError(f"{where}: file name {name[:40]!r}... is too long for a file")
    return check_inside(folder, folder.joinpath(path))
