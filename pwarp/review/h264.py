"""Writing H.264 that every browser plays, with the timing of the source."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace
from numpy.typing import NDArray

from pwarp.errors import PwarpError

# Fine enough for any frame rate in use, and what MPEG has always counted time in.
_CLOCK = 90_000
_THREADS = 2  # of the encoder: its bytes depend on their number, so that is the same on any number of cores


class WriteFrame(Protocol):
    """Append one picture (H, W, 3), RGB, that is shown from `seconds` on."""

    def __call__(self, picture: NDArray[np.uint8], seconds: float) -> None: ...


@contextmanager
def h264_file(
    path: Path, width: int, height: int, fps: Fraction, *, crf: int = 20, jump: int | None = None
) -> Iterator[WriteFrame]:
    """Open a video file and yield the function that appends pictures of one size to it.

    width, height: even, as 4:2:0 colour asks for. fps: the nominal frame rate; what counts is each picture's time.
    crf: constant quality, 18 (hardly a loss) to 28 (small). jump: for players that jump to single frames: a picture
    that needs no other at least every so many frames, and none that needs a later one.
    Colour is BT.709 with its tags set, so that no player has to guess; the index stands before the data, so that a
    browser starts at once.
    """
    faststart = {"movflags": "+faststart"} if path.suffix.lower() in (".mp4", ".mov") else {}
    try:
        with av.open(str(path), "w", options=faststart) as container:
            # x264's macroblock tree, in the build that PyAV carries, gives other bytes on every run; without it the
            # same pictures give the same file.
            coding = "mbtree=0" if jump is None else f"mbtree=0:keyint={jump}:bframes=0"
            options = {"crf": str(crf), "preset": "veryfast", "x264-params": coding}
            stream = container.add_stream("libx264", rate=fps, options=options)
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            stream.time_base = stream.codec_context.time_base = Fraction(1, _CLOCK)
            context = stream.codec_context
            context.thread_count = _THREADS
            context.colorspace, context.color_primaries, context.color_trc = 1, 1, 1  # BT.709
            context.color_range = ColorRange.MPEG
            last = -1

            def append(picture: NDArray[np.uint8], seconds: float) -> None:
                nonlocal last
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(
                    format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
                )
                # Two frames of one time would break the file: the clock moves on by its smallest step.
                last = max(last + 1, round(seconds * _CLOCK))
                frame.pts, frame.time_base = last, Fraction(1, _CLOCK)
                container.mux(stream.encode(frame))

            yield append
            container.mux(stream.encode(None))
    except av.FFmpegError as error:
        raise PwarpError(f"cannot encode the video: {error.strerror}; try another output with -o") from error
