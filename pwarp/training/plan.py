"""Which parts of which frames training will ever look at: a rectangle a person and frame.

A sample shows a window around a labelled pose, varied, in its own frame and in neighbouring ones. All windows that
may be drawn for it lie in circles around a few centres; the rectangle around these circles, clipped to the picture,
is all that has to be kept of a frame. Poses of one track share the rectangles of the frames that they share.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pwarp.annotations import IntArray
from pwarp.crops import PADDING, Window
from pwarp.training.augment import Augmentation
from pwarp.training.poses import Poses
from pwarp.training.sources import Clip

# Kept pixels a pixel of the crop, at the window's usual size: enough for windows drawn a third smaller.
DETAIL = 1.5


@dataclass(frozen=True)
class Framing:
    """How poses are cut out. size: (w, h) of the crop. padding: of the window around the box."""

    size: tuple[int, int]
    padding: float = PADDING
    unbiased: bool = False

    @property
    def aspect(self) -> float:
        """Width by height."""
        return self.size[0] / self.size[1]

    def window(self, box: Sequence[float]) -> Window:
        """The window around a person's box."""
        return Window.around(box, self.size, self.padding)


@dataclass(frozen=True, eq=False)
class Plan:
    """R rectangles, ordered by clip, frame and track.

    key: (R, 3) clip, frame, track. rectangle: (R, 4) x1 y1 x2 y2 in whole pixels, the ends not included.
    reduction: (R,) whole number by which width and height are reduced when it is kept. row: of each key.
    """

    key: IntArray
    rectangle: IntArray
    reduction: IntArray
    row: dict[tuple[int, int, int], int]

    @property
    def shapes(self) -> IntArray:
        """(R, 2) height and width as kept."""
        x1, y1, x2, y2 = self.rectangle.T
        return np.stack([-((y1 - y2) // self.reduction), -((x1 - x2) // self.reduction)], axis=1)

    @property
    def sizes(self) -> IntArray:
        """(R,) bytes as kept."""
        return np.asarray(self.shapes.prod(axis=1) * 3)

    def digest(self, clips: Sequence[Clip]) -> str:
        """What tells the kept pixels of one plan and its videos from those of another."""
        state = hashlib.blake2b(digest_size=8)
        for array in (self.key, self.rectangle, self.reduction):
            state.update(np.ascontiguousarray(array, dtype="<i8").tobytes())
        for clip in clips:
            for path in sorted(clip.video.iterdir()) if clip.video.is_dir() else [clip.video]:
                stat = path.stat()
                state.update(f"{path.resolve()} {stat.st_size} {stat.st_mtime_ns}\n".encode())
        return state.hexdigest()


def pose_windows(
    poses: Poses, framing: Framing, augmentation: Augmentation
) -> tuple[list[Window], list[tuple[Window, ...]]]:
    """For each pose the window around its box, and those around its halves that may stand in for it."""
    whole = [framing.window(box) for box in poses.boxes]
    halves = [
        tuple(augmentation.halves(xy, weight > 0, poses.skeleton, framing.aspect))
        for xy, weight in zip(poses.xy, poses.weight, strict=True)
    ]
    return whole, halves


def make_plan(
    clips: Sequence[Clip],
    poses: Poses,
    windows: tuple[list[Window], list[tuple[Window, ...]]],
    framing: Framing,
    augmentation: Augmentation,
    reach: int,
) -> Plan:
    """Everything that samples may show. reach: frames before and after a pose's own that may be asked for."""
    rectangles: dict[tuple[int, int, int], list[int]] = {}
    for at, (whole, halves) in enumerate(zip(*windows, strict=True)):
        clip = int(poses.clip[at])
        rectangle = _rectangle(clips[clip], [whole, *halves], augmentation)
        # What is reduced is padded to whole blocks first: larger ones than the rectangle would cost memory alone.
        x1, y1, x2, y2 = rectangle
        reduction = max(1, min(int(whole.size[0] / framing.size[0] / DETAIL), x2 - x1, y2 - y1))
        frame, last = int(poses.frame[at]), clips[clip].frame_count - 1
        for other in range(max(0, frame - reach), min(last, frame + reach) + 1):
            key = clip, other, int(poses.track[at])
            known = rectangles.get(key)
            if known is None:
                rectangles[key] = [*rectangle, reduction]
            else:
                known[:2] = [min(a, b) for a, b in zip(known[:2], rectangle[:2], strict=True)]
                known[2:4] = [max(a, b) for a, b in zip(known[2:4], rectangle[2:], strict=True)]
                known[4] = min(known[4], reduction)
    keys = sorted(rectangles)
    table = np.array([rectangles[key] for key in keys], dtype=np.int64).reshape(-1, 5)
    return Plan(
        key=np.array(keys, dtype=np.int64).reshape(-1, 3),
        rectangle=table[:, :4],
        reduction=table[:, 4],
        row={key: row for row, key in enumerate(keys)},
    )


def _rectangle(clip: Clip, windows: Sequence[Window], augmentation: Augmentation) -> list[int]:
    """The part of the picture around all circles that the windows may be drawn in; at least a pixel."""
    width, height = clip.size
    # Two pixels more, for bilinear sampling and for HRNet's half pixel.
    circles = [(window.centre, augmentation.radius(window) + 2) for window in windows]
    x1 = min(x - r for (x, _), r in circles)
    y1 = min(y - r for (_, y), r in circles)
    x2 = max(x + r for (x, _), r in circles)
    y2 = max(y + r for (_, y), r in circles)
    left, top = min(max(int(x1), 0), width - 1), min(max(int(y1), 0), height - 1)
    return [left, top, min(max(int(x2) + 1, left + 1), width), min(max(int(y2) + 1, top + 1), height)]
