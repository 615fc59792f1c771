"""What every video can do, whatever its frames are stored in."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from fractions import Fraction
from types import TracebackType
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from pwarp.annotations import VideoIdentity
from pwarp.errors import PwarpError

Color = Literal["rgb", "gray"]
Difference = Literal["size", "frame_count", "fingerprint"]
Picture = NDArray[np.uint8]


class Video(ABC):
    """Frames by ordinal, upright, as arrays.

    path: as given. width, height: of the upright picture (rotation applied), in stored pixels: a pixel that is
    not square stays one pixel. frame_count: frames that can be decoded. fps: average frame rate; None for
    pictures, and for a single frame of unknown rate. times: (N,) presentation time of each frame in seconds; the
    ordinals for pictures. names: file names of pictures in natural order, else None. damage: one line a problem,
    empty for a sound video. variable_rate: whether the times deviate from a constant rate by more than their
    rounding. rotation: degrees clockwise that were applied to the stored picture.

    A video is for one thread; every iterator of `frames` keeps its own place, so that several may run at once. It can
    be sent to another process, which opens the file for itself.
    """

    path: str
    width: int
    height: int
    frame_count: int
    fps: Fraction | None
    times: NDArray[np.float64]
    names: tuple[str, ...] | None
    damage: tuple[str, ...]
    variable_rate: bool
    rotation: int

    @abstractmethod
    def _fingerprint_source(self) -> bytes:
        """What tells this video's frame times (or names) from another's."""

    @abstractmethod
    def _read(self, ordinal: int, color: Color) -> Picture:
        """One frame that is known to exist."""

    @abstractmethod
    def _read_in_order(self, ordinals: range, color: Color) -> Iterator[Picture]:
        """The frames of rising ordinals that are known to exist."""

    @property
    def file(self) -> str:
        """Where its frames are read from: its path, but of what came through a pipe."""
        return self.path

    def repeats(self) -> NDArray[np.int64]:
        """Ordinals of frames that show the pixels of the frame before; of a container's frames their checksums tell."""
        same, before = [], None
        for i, picture in self.frames():
            if before is not None and np.array_equal(picture, before):
                same.append(i)
            before = picture
        return np.array(same, dtype=np.int64)

    @property
    def identity(self) -> VideoIdentity:
        """How annotations remember this video; `check_identity` compares."""
        digest = hashlib.blake2b(str(self.frame_count).encode(), digest_size=8)
        digest.update(self._fingerprint_source())
        return VideoIdentity(
            path=self.path,
            width=self.width,
            height=self.height,
            frame_count=self.frame_count,
            fps=self.fps,
            fingerprint=digest.hexdigest(),
        )

    def content(self) -> bytes:
        """What tells its pictures from another video's of the same times or names; empty where nothing does."""
        return b""

    def frame(self, i: int, *, color: Color = "rgb") -> Picture:
        """Frame i: (height, width, 3) RGB, or (height, width) for "gray".

        The same bits as the i-th frame of a read from the beginning. Raises PwarpError for i out of range.
        """
        self._check(i)
        return self._read(i, color)

    def frames(
        self, start: int = 0, stop: int | None = None, *, step: int = 1, color: Color = "rgb"
    ) -> Iterator[tuple[int, Picture]]:
        """(ordinal, frame) of every step-th frame from start up to, not including, stop, or to the end.

        Decodes forward once. A stop past the end is the end, as in a slice. Raises PwarpError for a start below 0.
        """
        if step < 1:
            raise ValueError(f"step must be at least 1, not {step}")
        if start < 0:
            self._check(start)
        end = self.frame_count if stop is None else min(stop, self.frame_count)
        ordinals = range(start, end, step)
        return zip(ordinals, self._read_in_order(ordinals, color), strict=True)

    def _check(self, i: int) -> None:
        if not 0 <= i < self.frame_count:
            raise PwarpError(f"{self.path}: no frame {i}; there are {self.frame_count} (0 to {self.frame_count - 1})")

    def close(self) -> None:  # noqa: B027 - pictures hold nothing open
        """Let go of the file. Frames that were read stay valid."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def check_identity(
    labels: VideoIdentity, video: Video, explain: Callable[[Difference], str | None] = lambda _: None
) -> None:
    """Raise PwarpError where labels were made for another video than this one.

    Compares size, frame count and frame times, in this order, and leaves out what the labels do not know. The
    message has both values and the likely cause: what `explain` says of the difference, where it knows better.
    """
    actual = video.identity
    found = (video.width, video.height)
    wanted = (labels.width or video.width, labels.height or video.height)
    if wanted != found:
        raise PwarpError(
            f"{video.path}: size: the labels are for {wanted[0]}x{wanted[1]}, the video is {found[0]}x{found[1]}: "
            f"{explain('size') or _why_size_differs(wanted, found)}"
        )
    if labels.frame_count is not None and labels.frame_count != video.frame_count:
        missing = labels.frame_count - video.frame_count
        if abs(missing) == 1:
            why = "off by one: were the frames counted from 1?"
        elif video.damage:
            why = f"the video is damaged: {video.damage[0]}"
        else:
            why = "another cut of the video, or frames were dropped"
        raise PwarpError(
            f"{video.path}: frame_count: the labels are for {labels.frame_count} frames, "
            f"the video has {video.frame_count}: {explain('frame_count') or why}"
        )
    if labels.fingerprint is not None and labels.fingerprint != actual.fingerprint:
        kind = "files of other names" if video.names else "re-encoded or repacked with other frame times"
        raise PwarpError(
            f"{video.path}: fingerprint: the labels are for {labels.fingerprint}, the video has "
            f"{actual.fingerprint}: "
            f"{explain('fingerprint') or f'{kind}, or another video of the same size and length'}"
        )


def _why_size_differs(wanted: tuple[int, int], found: tuple[int, int]) -> str:
    if wanted == found[::-1]:
        return "rotated; label the upright picture, or use the copy that was labelled"
    # Scaled copies are rounded to whole (often even) pixels.
    if abs(wanted[0] * found[1] - wanted[1] * found[0]) <= 2 * max(*wanted, *found):
        return "scaled; use the video that was labelled, or scale the labels"
    return "cropped, or another video"
