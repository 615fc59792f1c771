"""A video that comes through a pipe."""

from __future__ import annotations

import atexit
import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from pwarp.annotations import VideoIdentity
from pwarp.errors import PwarpError
from pwarp.video.container import ContainerVideo

_NAME = "standard input"


class PipedVideo(ContainerVideo):
    """The video file on standard input, kept in a temporary file for as long as it is open.

    Its frames are read out of order, which no pipe allows. The labels made of it name no video.
    Raises PwarpError where standard input holds no video.
    """

    def __init__(self) -> None:
        folder = Path(tempfile.mkdtemp(prefix="pwarp-"))
        # For those who do not close it.
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        self._folder = folder
        file = folder / "video"
        with file.open("wb") as handle:
            shutil.copyfileobj(sys.stdin.buffer, handle)
        if not file.stat().st_size:
            raise PwarpError(f"{_NAME}: is empty; pipe a video file into it")
        try:
            super().__init__(str(file))
        except PwarpError as error:
            raise PwarpError(str(error).replace(str(file), _NAME)) from error
        self.path = _NAME

    @property
    def identity(self) -> VideoIdentity:
        return replace(super().identity, path=None)

    def close(self) -> None:
        super().close()
        shutil.rmtree(self._folder, ignore_errors=True)
