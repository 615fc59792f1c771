"""The folders that PoseTrack 2017, 2018 and 2021 share.

Annotations, one JSON file a video, in `annotations/<split>/`, `posetrack_data/annotations/<split>/` (2018) or
`posetrack_data/<split>/` (2021); pictures where the files say, mostly `images/<split>/<video>/`, below the root or
below `posetrack_data/`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from functools import partial
from pathlib import Path, PurePosixPath

from pwarp.annotations import Annotations
from pwarp.datasets.base import Dataset, Sample, inside
from pwarp.files import check_inside
from pwarp.formats.label_file import LabelFile

_SPLITS = ("train", "val", "test")
_FOLDERS = ("annotations", "posetrack_data/annotations", "posetrack_data")
_HEAD_BYTES = 4096


class PoseTrack(Dataset):
    """A PoseTrack dataset; a subclass knows its files, this class where they are."""

    @classmethod
    def sniff(cls, root: Path) -> bool:
        first = [path for folder in annotation_folders(root).values() for path in json_files(folder)[:1]]
        return any(cls.has_mark(_start(path)) for path in first)

    @classmethod
    @abstractmethod
    def has_mark(cls, start: bytes) -> bool:
        """Whether a file that starts like this is one of the dataset's."""

    @property
    def splits(self) -> tuple[str, ...]:
        return tuple(annotation_folders(self.root))

    def _samples(self, split: str) -> Iterator[Sample]:
        folder = annotation_folders(self.root)[split]
        for path in json_files(folder):
            check_inside(folder, path)
            video = self.pictures(self.first_picture(LabelFile.open(path)), path)
            yield Sample(path.stem, video, path, partial(self.read, path))

    @abstractmethod
    def first_picture(self, file: LabelFile) -> str:
        """The first picture that an annotation file names; raises PwarpError where it names none."""

    @abstractmethod
    def read(self, path: Path) -> Annotations:
        """The annotations of one file."""

    def pictures(self, picture: str, path: Path) -> Path:
        """The folder of a picture that an annotation file names; PwarpError where that is outside the root."""
        name = str(PurePosixPath(picture.replace("\\", "/")).parent)
        folder = inside(self.root, name, str(path))
        other = inside(self.root / "posetrack_data", name, str(path))
        return other if other.is_dir() and not folder.is_dir() else folder


def annotation_folders(root: Path) -> dict[str, Path]:
    """By split, the folders that hold annotation files."""
    found: dict[str, Path] = {}
    for base in _FOLDERS:
        for split in _SPLITS:
            folder = root / base / split
            if split not in found and folder.is_dir() and json_files(folder):
                found[split] = folder
    return {split: found[split] for split in _SPLITS if split in found}


def json_files(folder: Path) -> list[Path]:
    """The JSON files of a folder by name, without hidden ones, which are leavings of other programs."""
    return sorted(p for p in folder.iterdir() if p.suffix == ".json" and not p.name.startswith("."))


def _start(path: Path) -> bytes:
    """The first bytes of a file, none where it cannot be read."""
    try:
        with path.open("rb") as handle:
            return handle.read(_HEAD_BYTES)
    except OSError:
        return b""
