"""Labels that count frames or pixels otherwise than the video: mapped onto it, when told how.

Annotation tools number frames from 1, or every N-th frame of a video only, or by time; a copy of a video is scaled or
turned; labels without track ids may all be of one. Nothing of that is guessed: `pwarp.formats.wrong_video` says what is
likely, a person says what is so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from pwarp.annotations import (
    OPEN_END,
    Annotations,
    FloatArray,
    IntArray,
    Track,
    VideoIdentity,
    joined_track,
    merged_spans,
)
from pwarp.errors import PwarpError

if TYPE_CHECKING:
    from pwarp.video import Video

Frames = Callable[[IntArray], IntArray]
Places = Callable[[FloatArray], FloatArray]
FIT = "fit"


@dataclass(frozen=True)
class Alignment:
    """How labels become labels of a video.

    offset, step: frame n of the labels is frame n * step + offset; a step of 1/5 is for a video with every fifth frame
    of the one that was labelled. rate: the labels count frames at this rate, by time; needs the video. An offset of 0
    says that the numbers are right as they are, whatever else the labels say of the video's frames.
    rotate: degrees clockwise (90, 180, 270) from the labelled picture to the upright one of the video.
    scale: from the labelled picture to the video's, after turning; 'fit' takes it from both sizes.
    single: all labels without a track id are of one person or animal.
    """

    offset: int | None = None
    step: Fraction | None = None
    rate: Fraction | None = None
    rotate: int | None = None
    scale: Fraction | str | None = None
    single: bool = False

    @property
    def of_frames(self) -> bool:
        """Whether it says anything about frames."""
        return (self.offset, self.step, self.rate) != (None, None, None)


def align(labels: Annotations, alignment: Alignment, video: Video | None) -> Annotations:
    """The labels mapped. What they said of the video's frames or size goes where it spoke of another numbering or size.

    Raises PwarpError where two labels would get one frame, one would get none, or a size is not known.
    """
    if alignment.single:
        labels = _of_one(labels)
    if alignment.of_frames:
        labels = _with_frames(labels, _numbering(alignment, video), _first(alignment))
        identity = replace(labels.video, frame_count=None, fingerprint=None, fps=None)
        labels = replace(labels, video=identity)
    if alignment.rotate:
        width, height = _labelled_size(labels.video, video, alignment.rotate)
        labels = _with_places(labels, _turn(alignment.rotate, width, height))
        size = (height, width) if alignment.rotate in (90, 270) else (width, height)
        labels = replace(labels, video=replace(labels.video, width=size[0], height=size[1]))
    if alignment.scale is not None:
        factor = _factors(labels.video, video, alignment.scale)
        labels = _with_places(labels, lambda xy: (xy + 0.5) * factor - 0.5)
        labels = replace(labels, video=replace(labels.video, width=None, height=None))
    return labels


def _of_one(labels: Annotations) -> Annotations:
    """The labels with all lone ones as one track, which has the first free id."""
    lone = sorted((t for t in labels.tracks if not t.identified and len(t)), key=lambda t: int(t.frames[0]))
    for one, other in pairwise(lone):
        if one.frames[-1] >= other.frames[0]:
            raise PwarpError(
                f"frame {other.frames[0]} has two labels without a track id, so they are not of one person or animal: "
                "leave out --single"
            )
    if not lone:
        return labels
    others = tuple(t for t in labels.tracks if t.identified or not len(t))
    id = next(n for n in range(len(others) + 1) if all(t.id != n for t in others))
    return replace(labels, tracks=(*others, joined_track(lone, id)))


def _first(alignment: Alignment) -> int:
    """The first frame of the labels that is not before the video."""
    return max(0, math.ceil(-(alignment.offset or 0) / (alignment.step or Fraction(1))))


def _numbering(alignment: Alignment, video: Video | None) -> Frames:
    step, offset = alignment.step or Fraction(1), alignment.offset or 0

    def counted(frames: IntArray) -> IntArray:
        over = frames * step.numerator
        odd = np.flatnonzero(over % step.denominator)
        if len(odd):
            raise PwarpError(
                f"frame {frames[odd[0]]} of the labels is not in a video with every {step.denominator}th frame; "
                "correct --frame-step, or remove the label"
            )
        mapped: IntArray = over // step.denominator + offset
        if len(mapped) and mapped.min() < 0:
            at = frames[int(mapped.argmin())]
            raise PwarpError(f"frame {at} of the labels would be frame {mapped.min()}; correct --frame-offset")
        return mapped

    if alignment.rate is None:
        return counted
    if video is None or video.fps is None:
        raise PwarpError("--frame-rate maps frames by their times, which needs the video file: give it, too")
    times = video.times - video.times[0]
    length = float(1 / alignment.rate)

    def by_time(frames: IntArray) -> IntArray:
        wanted = counted(frames) * length
        after = np.clip(np.searchsorted(times, wanted), 1, max(len(times) - 1, 1))
        near = np.where(
            wanted - times[after - 1] <= times[np.minimum(after, len(times) - 1)] - wanted, after - 1, after
        )
        near = np.minimum(near, len(times) - 1)
        lost = np.flatnonzero(np.abs(times[near] - wanted) > length / 2 + 1e-3)
        if len(lost):
            raise PwarpError(
                f"frame {frames[lost[0]]} of the labels, at {wanted[lost[0]]:.3f} s, is not in the video ({len(lost)} "
                "such frames); correct --frame-rate, or remove those labels"
            )
        return near.astype(np.int64)

    return by_time


def _with_frames(labels: Annotations, numbering: Frames, first: int) -> Annotations:
    tracks = tuple(_renumbered(track, numbering, first) for track in labels.tracks)
    declared = None if labels.labelled is None else numbering(labels.labelled)
    regions = {int(numbering(np.array([frame]))[0]): value for frame, value in labels.ignore_regions.items()}
    return replace(
        labels, video=replace(labels.video, frame_count=None), tracks=tracks, labelled=declared, ignore_regions=regions
    )


def _renumbered(track: Track, numbering: Frames, first: int) -> Track:
    frames = numbering(track.frames)
    twice = np.flatnonzero(np.diff(frames) <= 0)
    if len(twice):
        one, next_one = track.frames[twice[0]], track.frames[twice[0] + 1]
        raise PwarpError(
            f"track {track.id}: frames {one} and {next_one} of the labels would both be frame "
            f"{frames[twice[0]]} of the video; correct --frame-step or --frame-rate"
        )
    known = dict(zip(track.frames.tolist(), frames.tolist(), strict=True))

    def other(frame: int) -> int:
        """A frame that is only told of: where it goes, or -1 where the video does not have it."""
        if frame < 0:
            return -1
        try:
            return known[frame] if frame in known else int(numbering(np.array([frame]))[0])
        except PwarpError:
            return -1

    places = {frame: other(frame) for frame in np.unique(track.origin).tolist()}
    origin = np.vectorize(places.get, otypes=[np.int64])(track.origin) if track.origin.size else track.origin
    replaced = [replace(value, frame=other(value.frame)) for value in track.replaced]
    return replace(
        track,
        frames=frames,
        origin=origin,
        absent=merged_spans(_absences(track, frames, numbering, first)),
        replaced=tuple(value for value in replaced if value.frame >= 0),
    )


def _absences(track: Track, frames: IntArray, numbering: Frames, first: int) -> list[tuple[int, int]]:
    """Stretches of absence: up to the frame before the first one that follows them in the labels."""

    def start_of(frame: int) -> int | None:
        """Where a frame goes, or the first one after it that is in the video at all."""
        frame = max(frame, first)
        for later in range(frame, frame + 1000):
            try:
                return int(numbering(np.array([later]))[0])
            except PwarpError:
                continue
        return None

    spans = []
    for begin, last in track.absent.tolist():
        start, after = start_of(begin), None if last == OPEN_END else start_of(last + 1)
        end = OPEN_END if after is None else after - 1
        posed = frames[(track.frames > last)]
        if len(posed):
            end = min(end, int(posed[0]) - 1)
        if start is not None and start <= end:
            spans.append((start, end))
    return spans


def _labelled_size(labels: VideoIdentity, video: Video | None, degrees: int) -> tuple[int, int]:
    """Width and height of the picture that was labelled."""
    if labels.width is not None and labels.height is not None:
        return labels.width, labels.height
    if video is None:
        raise PwarpError("--rotate needs the size of the picture, which these labels do not say: give the video, too")
    return (video.height, video.width) if degrees in (90, 270) else (video.width, video.height)


def _turn(degrees: int, width: int, height: int) -> Places:
    """How places in a picture go when it is turned clockwise; whole numbers are pixel centres."""

    def turned(xy: FloatArray) -> FloatArray:
        x, y = xy[..., 0], xy[..., 1]
        pairs = {90: (height - 1 - y, x), 180: (width - 1 - x, height - 1 - y), 270: (y, width - 1 - x)}
        return np.stack(pairs[degrees], axis=-1)

    return turned


def _factors(labels: VideoIdentity, video: Video | None, scale: Fraction | str) -> FloatArray:
    if scale != FIT:
        return np.array([float(scale)] * 2)
    if video is None or labels.width is None or labels.height is None:
        raise PwarpError(
            "--scale fit needs the sizes of both pictures, and these labels say none or no video is given; "
            "give the factor instead"
        )
    return np.array([video.width / labels.width, video.height / labels.height])


def _with_places(labels: Annotations, places: Places) -> Annotations:
    regions: Mapping[int, tuple[FloatArray, ...]] = {
        frame: tuple(places(polygon) for polygon in polygons) for frame, polygons in labels.ignore_regions.items()
    }
    return replace(labels, tracks=tuple(_moved(track, places) for track in labels.tracks), ignore_regions=regions)


def _moved(track: Track, places: Places) -> Track:
    def boxes(corners: FloatArray) -> FloatArray:
        moved = places(corners.reshape(-1, 2, 2))
        return np.concatenate([moved.min(axis=1), moved.max(axis=1)], axis=1)

    replaced = []
    for value in track.replaced:
        x, y = places(np.array([value.x, value.y])).tolist()
        replaced.append(replace(value, x=x, y=y))
    return replace(
        track,
        xy=places(track.xy),
        boxes=boxes(track.boxes),
        head_boxes=boxes(track.head_boxes),
        replaced=tuple(replaced),
    )
