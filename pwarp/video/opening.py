"""From a path to a `Video`."""

from __future__ import annotations

import glob
import os
from pathlib import Path

from pwarp.errors import PwarpError
from pwarp.video.base import Video

SUFFIXES = frozenset((".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".ts", ".wmv"))  # usual ones


class UnreadableVideoError(PwarpError):
    """A path from which no video comes. path: as it was given."""

    def __init__(self, message: str, path: str = "") -> None:
        super().__init__(message)
        self.path = path


def open_video(path: str | os.PathLike[str]) -> Video:
    """Open a video file, a folder of pictures, a glob of pictures ('clip/*.png'), a single picture, or '-', stdin.

    A video file is decoded once from beginning to end, because nothing short of that tells how many frames it
    gives; see `pwarp.video.index`. A path that exists is never taken for a glob.

    Raises UnreadableVideoError, a PwarpError, where nothing is there or it may not be read, where it is no video, holds
    no video stream or no frame that can be decoded, and where a folder or a glob yields no picture.
    """
    name = os.fspath(path)
    try:
        return _open(name, Path(name))
    except OSError as error:
        why = f"{name}: cannot read: {error.strerror}; check the path and your permissions"
        raise UnreadableVideoError(why, name) from error
    except PwarpError as error:
        raise UnreadableVideoError(str(error), name) from error


def _open(name: str, place: Path) -> Video:
    # Imported here, because PyAV and OpenCV are heavy and only one of them is needed.
    if name == "-":
        from pwarp.video.piped import PipedVideo

        return PipedVideo()
    if place.is_dir():
        from pwarp.video.images import ImageSequence, pictures_in

        return ImageSequence(name, pictures_in(place))
    if place.exists():
        if place.is_char_device() or place.is_block_device():
            raise PwarpError(f"{name}: is a device, no video; check the path")
        with place.open("rb") as file:
            if not file.read(1):
                raise PwarpError(f"{name}: the file is empty; copy or record it again")
        from pwarp.video.images import ImageSequence, is_picture

        if is_picture(place):
            return ImageSequence(name, [place])
        from pwarp.video.container import ContainerVideo

        return ContainerVideo(name)
    if glob.has_magic(name):
        from pwarp.video.images import ImageSequence, pictures_matching

        return ImageSequence(name, pictures_matching(name))
    raise PwarpError(f"{name}: no such file or folder; check the path")
