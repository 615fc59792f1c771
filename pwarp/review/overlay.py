"""The overlay video: every frame with its poses, who set them, how sure they are, and where we are in the video."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np

from pwarp.annotations import Annotations
from pwarp.review.h264 import h264_file
from pwarp.review.options import ViewOptions, key_frames, moment
from pwarp.review.palette import GROUND, INK, PAPER
from pwarp.review.poses import Look, Window, draw_poses
from pwarp.review.text import Picture, plate_size, write_plate
from pwarp.review.timeline import Timeline
from pwarp.video import Video

# Strokes and letters are sized for a picture whose longer side has this many pixels.
NOMINAL = 960
# Smaller than this, letters cannot be read, however small the picture.
_LEAST_UNIT = 0.6

# Frames a second of pictures, which have no times of their own.
PICTURE_RATE = Fraction(25)


class Overlay:
    """Draws the frames of one video; nothing in it grows with the video's length.

    width, height: of a finished frame, in pixels, both even as H.264's colour sampling asks for.
    """

    def __init__(self, video: Video, annotations: Annotations, options: ViewOptions, title: str = "") -> None:
        start, stop = options.span(video.frame_count)
        scale = max(1.0, NOMINAL / max(video.width, video.height))
        if options.width is not None:
            scale = options.width / video.width
        self._window = Window(0, 0, video.width, video.height, scale)
        width, height = self._window.output_size
        unit = max(max(width, height) / NOMINAL, _LEAST_UNIT)
        self._look = Look.of(annotations, unit, min_score=options.min_score, names=options.names)
        self._tracks = options.chosen(annotations)
        self._keys = frozenset(key_frames(self._tracks).tolist())
        self._video = video
        self._timeline = Timeline(self._tracks, start, stop, _even(width), self._look, title)
        self.width, self.height = _even(width), _even(height + self._timeline.height)

    def draw(self, picture: Picture, frame: int) -> Picture:
        """The finished frame (self.height, self.width, 3) for the video's picture (H, W, 3) of that frame."""
        canvas = np.full((self.height, self.width, 3), GROUND, dtype=np.uint8)
        width, height = self._window.output_size
        view = canvas[:height, :width]
        view[:] = self._window.cut(picture)
        draw_poses(view, self._window, self._tracks, frame, self._look)
        self._draw_corner(view, frame)
        self._timeline.draw(canvas[height : height + self._timeline.height], [frame])
        return canvas

    def _draw_corner(self, view: Picture, frame: int) -> None:
        size, edge = self._look.px(13), self._look.px(8)
        text = f"{frame} / {self._video.frame_count - 1}   {moment(self._video, frame)}"
        write_plate(view, text, edge, edge, size, INK, PAPER, 0.7)
        if frame in self._keys:
            left = edge + plate_size(text, size)[0] + self._look.px(5)
            write_plate(view, "KEY", left, edge, size, PAPER, INK, 1.0)


def write_overlay(
    path: Path,
    video: Video,
    annotations: Annotations,
    options: ViewOptions,
    *,
    picture_rate: Fraction = PICTURE_RATE,
    title: str = "",
    on_frame: Callable[[], object] = lambda: None,
) -> int:
    """Draw annotations over a video into an H.264 file, with the source's timing, and return how many frames it has.

    Frames stream: memory does not grow with the video's length. Audio is not kept. picture_rate: frames a second
    where the source is pictures without times. on_frame is called after each frame.
    Raises PwarpError where options do not fit the video or the annotations, or the file cannot be written.
    """
    start, stop = options.span(video.frame_count)
    overlay = Overlay(video, annotations, options, title)
    times = video.times if video.fps is not None else np.arange(video.frame_count) / float(picture_rate)
    count = 0
    with h264_file(path, overlay.width, overlay.height, video.fps or picture_rate) as write:
        for frame, picture in video.frames(start, stop):
            write(overlay.draw(picture, frame), float(times[frame] - times[start]))
            count += 1
            on_frame()
    return count


def _even(pixels: int) -> int:
    return math.ceil(pixels / 2) * 2
