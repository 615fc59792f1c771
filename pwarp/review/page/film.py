"""The pictures of a page: the video again, in a form that a browser can jump about in frame by frame.

Browsers seek by time, and round it. So every frame gets the same time, whatever the source's timing, none depends on a
later one, and a jump decodes a few frames at most: at (n + 0.5) / fps there is frame n and no other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from pwarp.errors import PwarpError
from pwarp.review.h264 import h264_file
from pwarp.review.overlay import PICTURE_RATE
from pwarp.video import Video

# Wider pictures make pages that browsers are slow to load; --width asks for them.
WIDEST = 1280
# Frames from one independent picture to the next: what a jump may cost, against the size of the file.
JUMP = 12


@dataclass(frozen=True)
class Film:
    """width, height: of the picture within the film's, which is padded to even sizes at the right and at the bottom.
    fps: of every frame. size: of the file, in bytes."""

    width: int
    height: int
    fps: Fraction
    size: int


def film_size(video: Video, width: int | None) -> tuple[int, int]:
    """Width and height of the film's pictures; raises PwarpError for a width that is more than the video's own."""
    if width is not None and width > video.width:
        raise PwarpError(f"--width {width}: the video is {video.width} pixels wide; more would show nothing more")
    width = width or min(video.width, WIDEST)
    return width, max(1, round(video.height * width / video.width))


def write_film(
    path: Path, video: Video, *, width: int | None = None, on_frame: Callable[[], object] = lambda: None
) -> Film:
    """Write every frame of the video as H.264 at a constant rate; on_frame is called after each."""
    size = film_size(video, width)
    fps = video.fps or PICTURE_RATE
    padding = ((0, size[1] % 2), (0, size[0] % 2), (0, 0))
    with h264_file(path, size[0] + padding[1][1], size[1] + padding[0][1], fps, jump=JUMP) as append:
        for frame, picture in video.frames():
            if size != (video.width, video.height):
                picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
            append(np.pad(picture, padding, mode="edge"), float(frame / fps))
            on_frame()
    return Film(*size, fps, path.stat().st_size)
