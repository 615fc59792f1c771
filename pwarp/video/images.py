"""Pictures in a folder, or matching a glob, as a video."""

from __future__ import annotations

import glob
import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from pwarp.errors import PwarpError
from pwarp.files import check_inside
from pwarp.video.base import Color, Picture, Video

SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})


class ImageSequence(Video):
    """Picture files in natural order: frame2.png before frame10.png.

    All must have the size of the first one; that is checked when a picture is read.
    """

    def __init__(self, path: str, files: Sequence[Path]) -> None:
        """files: at least one, in order."""
        self.path = path
        self._files = tuple(files)
        first = _read_rgb(self._files[0])
        self.height, self.width = first.shape[:2]
        self.frame_count = len(self._files)
        self.fps = None
        self.times = np.arange(self.frame_count, dtype=np.float64)
        self.names = _names(self._files)
        self.damage = ()
        self.variable_rate = False
        self.rotation = 0

    def _fingerprint_source(self) -> bytes:
        return "\n".join(self.names or ()).encode(errors="surrogateescape")

    def content(self) -> bytes:
        digest = hashlib.blake2b()
        for path in self._files:
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "blake2b").digest())
        return digest.digest()

    def _read(self, ordinal: int, color: Color) -> Picture:
        picture = _read_rgb(self._files[ordinal])
        height, width = picture.shape[:2]
        if (height, width) != (self.height, self.width):
            raise PwarpError(
                f"{self._files[ordinal]}: frame {ordinal} is {width}x{height}, the first one, {self._files[0].name}, "
                f"is {self.width}x{self.height}; pictures of one video must have one size"
            )
        return picture if color == "rgb" else np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), dtype=np.uint8)

    def _read_in_order(self, ordinals: range, color: Color) -> Iterator[Picture]:
        for ordinal in ordinals:
            yield self._read(ordinal, color)


def is_picture(path: Path) -> bool:
    """Whether the suffix says that a file is a picture."""
    return path.suffix.lower() in SUFFIXES


def pictures_in(folder: Path) -> list[Path]:
    """The pictures of a folder, not of its subfolders, in natural order.

    Raises PwarpError where there is none, and where one is a link that leads out of the folder.
    """
    found = [check_inside(folder, picture) for picture in _pictures(folder.iterdir())]
    if not found:
        raise PwarpError(f"{folder}: no pictures in this folder; known are {', '.join(sorted(SUFFIXES))}")
    return found


def pictures_matching(pattern: str) -> list[Path]:
    """The pictures that match a glob, in natural order; PwarpError where there is none."""
    matches = [Path(name) for name in glob.glob(pattern, recursive=True)]  # noqa: PTH207 - the pattern may be absolute
    found = _pictures(matches)
    if not found:
        raise PwarpError(f"{pattern}: {len(matches)} files match, none of them a picture; check the pattern")
    return found


def _pictures(paths: Sequence[Path] | Iterator[Path]) -> list[Path]:
    # A dot in front marks what other programs left behind, such as the ._ files of macOS.
    return sorted((p for p in paths if is_picture(p) and not p.name.startswith(".") and p.is_file()), key=_natural)


def _natural(path: Path) -> tuple[list[tuple[int, int, str]], str]:
    """A sorting key in which digits count as numbers; the path itself settles what is left equal."""
    parts = re.split(r"([0-9]+)", str(path))
    return [(1, int(p), "") if p.isdecimal() else (0, 0, p.casefold()) for p in parts if p], str(path)


def _names(files: Sequence[Path]) -> tuple[str, ...]:
    """File names; with the folders in which they differ, where there is more than one folder."""
    folders = {f.parent for f in files}
    if len(folders) == 1:
        return tuple(f.name for f in files)
    common = os.path.commonpath(folders)
    return tuple(f.relative_to(common).as_posix() for f in files)


def _read_rgb(path: Path) -> Picture:
    """A picture with its EXIF orientation applied."""
    try:
        coded = np.fromfile(path, dtype=np.uint8)
        picture = cv2.imdecode(coded, cv2.IMREAD_COLOR) if coded.size else None
    except OSError as error:
        raise PwarpError(f"{path}: cannot read: {error.strerror}") from error
    except cv2.error as error:
        # OpenCV refuses by itself what `pwarp` has told it to (see pwarp/__init__.py), before it allocates.
        raise PwarpError(f"{path}: refused, it claims too many pixels ({error.err}); scale it down") from error
    if picture is None:
        raise PwarpError(f"{path}: not a picture that can be decoded; remove it or save it again")
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), dtype=np.uint8)
