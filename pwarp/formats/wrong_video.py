"""Labels that do not fit a video: what is likely the matter, and which option maps them.

A guess is made only where numbers bear it out; nothing is mapped without being told. The options are those of
`pwarp.formats.alignment`.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Literal

import numpy as np

from pwarp.annotations import Annotations, IntArray

if TYPE_CHECKING:
    from pwarp.video import Video

Field = Literal["size", "frame_count", "fingerprint"]
# A larger quotient of two frame counts is chance.
_LARGEST_STEP = 60
# Rates that tools count at, whatever the video has; Label Studio's is 24 unless its configuration says otherwise.
_USUAL_RATES = (Fraction(24), Fraction(25), Fraction(30), Fraction(30000, 1001), Fraction(50), Fraction(60))


def refuse_other_video(labels: Annotations, video: Video) -> None:
    """Raise PwarpError where labels are not of this video, with the likely cause and the option that maps them."""
    from pwarp.video import check_identity

    check_identity(labels.video, video, explain=lambda field: likely_cause(labels, video, field))
    refuse_frames_beyond(labels, video.frame_count)


def refuse_frames_beyond(labels: Annotations, count: int | None) -> None:
    """Raise PwarpError where labels go beyond so many frames, with the likely cause and the option that maps them."""
    if count is not None:
        why = _why_beyond(labelled_frames(labels), count)
        replace(labels, video=replace(labels.video, frame_count=count)).check_frames(why)


def labelled_frames(labels: Annotations) -> IntArray:
    """(N,) rising frames with a pose of any track, with the mark that they are labelled, or with a region to ignore."""
    marks = [] if labels.labelled is None else [labels.labelled]
    regions = np.array(sorted(labels.ignore_regions), dtype=np.int64)
    return np.unique(np.concatenate([regions, *marks, *(track.frames for track in labels.tracks)]))


def likely_cause(labels: Annotations, video: Video, field: Field) -> str | None:
    """What speaks for one cause of a difference, and the option against it; None where nothing does."""
    if field == "size":
        return _why_size(labels, video)
    if field == "frame_count":
        return _why_count(labels, video)
    kind = "pictures of other names" if video.names else "re-encoded or repacked with other frame times"
    return (
        f"{kind}, or another video of the same size and length; if every frame is the one that was labelled: "
        "--frame-offset 0"
    )


def _why_size(labels: Annotations, video: Video) -> str | None:
    wanted = (labels.video.width or video.width, labels.video.height or video.height)
    found = (video.width, video.height)
    if wanted == found[::-1]:
        if video.rotation:
            return (
                f"rotated: labelled on the picture as it is stored, before {video.rotation} degrees clockwise are "
                f"applied: --rotate {video.rotation}"
            )
        return "rotated by a quarter: --rotate 90 or --rotate 270"
    # Scaled copies are rounded to whole (often even) pixels.
    if abs(wanted[0] * found[1] - wanted[1] * found[0]) <= 2 * max(*wanted, *found):
        return "scaled: --scale fit"
    return None


def _why_count(labels: Annotations, video: Video) -> str | None:
    wanted, found = labels.video.frame_count or 0, video.frame_count
    frames = labelled_frames(labels)
    if wanted - found == 1 and len(frames) and frames[0] >= 1 and frames[-1] == found:
        return "off by one: the frames are counted from 1: --frame-offset -1"
    if abs(wanted - found) == 1:
        return (
            "off by one: were the frames counted from 1? then --frame-offset -1; "
            "if their numbers are right as they are: --frame-offset 0"
        )
    if video.damage:
        return None
    if (step := _every(found, wanted)) is not None:
        return (
            f"step {step}: the labels number every {_th(step)} frame of the video: --frame-step {step}; "
            f"if they are of its first {wanted} frames: --frame-offset 0"
        )
    if (step := _every(wanted, found)) is not None and not (frames % step).any():
        return f"step {step}: the video has every {_th(step)} frame of the labelled one: --frame-step 1/{step}"
    if video.fps is None:
        return None
    dropped, length = _dropped(video)
    if dropped and abs(wanted - found - dropped) <= 1:
        return f"{dropped} frames were dropped, by the gaps in its times: --frame-rate {_rate(1 / length)}"
    seconds = found / video.fps
    rates = [labels.video.fps] if labels.video.fps is not None else _USUAL_RATES
    for rate in rates:
        if abs(rate / video.fps - 1) > Fraction(1, 200) and abs(wanted - seconds * rate) <= max(
            Fraction(2), rate / video.fps
        ):
            return f"re-encoded or counted at {_shown(rate)} frames a second: --frame-rate {_shown(rate)}"
    if 0 < wanted < found:
        return f"are they of another video? if they are of its first {wanted} frames: --frame-offset 0"
    return None


def _every(many: int, few: int) -> int | None:
    """The k of at least 2 for which every k-th of many, from the first, are just so few."""
    if few < 2:
        return None
    step = -(-many // few)
    for k in (step, step + 1, step - 1):
        if 2 <= k <= _LARGEST_STEP and -(-many // k) == few:
            return k
    return None


def _dropped(video: Video) -> tuple[int, float]:
    """How many frames are missing by the gaps between times, and the usual time between frames."""
    steps = np.diff(video.times)
    if len(steps) < 3:
        return 0, 1.0
    length = float(np.median(steps))
    return int((np.round(steps / max(length, 1e-9)) - 1).clip(0).sum()), length


def _why_beyond(frames: IntArray, count: int) -> str:
    if not len(frames):
        return "are the labels of another video, or of another cut of it?"
    if frames[0] >= 1 and frames[-1] == count:
        return "the frames are counted from 1: --frame-offset -1"
    step = int(np.gcd.reduce(frames))
    if step >= 2 and len(frames) > 2 and frames[-1] // step < count:
        return f"step {step}: the video has every {_th(step)} frame of the labelled one: --frame-step 1/{step}"
    return "are the labels of another video, or of another cut of it?"


def _th(n: int) -> str:
    return {2: "2nd", 3: "3rd"}.get(n, f"{n}th")


def _rate(rate: float) -> str:
    near = next((usual for usual in _USUAL_RATES if abs(float(usual) - rate) < 0.01), None)
    return f"{rate:.4g}" if near is None else _shown(near)


def _shown(rate: Fraction) -> str:
    return str(rate)
