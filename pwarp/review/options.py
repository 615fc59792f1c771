"""What a review shows, of which video: the options that overlay and contact sheet share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pwarp.annotations import Annotations, IntArray, Track
from pwarp.errors import PwarpError, UsageError
from pwarp.video import Video


@dataclass(frozen=True)
class ViewOptions:
    """What is drawn, and how large.

    start, stop: frames start..stop-1; stop None means to the end.
    tracks: ids that are drawn; None means all.
    min_score: computed keypoints that are less sure are left out. names: write keypoint names beside the keypoints.
    width: of the output in pixels; None leaves it to the kind of output.
    """

    start: int = 0
    stop: int | None = None
    tracks: tuple[int, ...] | None = None
    min_score: float = 0.0
    names: bool = False
    width: int | None = None

    def span(self, frame_count: int) -> tuple[int, int]:
        """First frame and the one after the last, for a video of that length; raises PwarpError outside of it."""
        stop = frame_count if self.stop is None else self.stop
        if self.stop is not None and self.start >= self.stop:
            raise UsageError(f"--start {self.start} and --stop {self.stop}, itself not shown, leave no frame to show")
        if self.start >= frame_count:
            raise PwarpError(f"--start {self.start} is beyond the last frame of the video, {frame_count - 1}")
        if stop > frame_count:
            raise PwarpError(f"--stop {stop} is beyond the end of the video: {frame_count} is the most")
        return self.start, stop

    def chosen(self, annotations: Annotations) -> tuple[Track, ...]:
        """The tracks that are drawn; raises PwarpError for an id that is not there."""
        if self.tracks is None:
            return annotations.tracks
        return tuple(annotations.track(id) for id in dict.fromkeys(self.tracks))


def key_frames(tracks: Sequence[Track]) -> IntArray:
    """Frames where any of the tracks has a keypoint that a person set, rising."""
    return np.unique(np.concatenate([t.key_frames for t in tracks] or [np.empty(0, np.int64)]))


def moment(video: Video, frame: int) -> str:
    """What people call a frame beside its number: its time, or the name of its picture file."""
    return video.names[frame] if video.names is not None else clock(float(video.times[frame]))


def clock(seconds: float) -> str:
    """A place in a video: "1.480 s", "2:05.320", "1:02:05.320"."""
    whole, thousandths = divmod(round(seconds * 1000), 1000)
    if whole < 60:
        return f"{whole}.{thousandths:03d} s"
    hours, rest = divmod(whole, 3600)
    minutes = f"{hours}:{rest // 60:02d}" if hours else f"{rest // 60}"
    return f"{minutes}:{rest % 60:02d}.{thousandths:03d}"
