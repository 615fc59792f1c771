"""Penn Action: 2,326 videos of one person each, 13 keypoints labelled in every frame (Zhang et al., ICCV 2013).

Layout: `labels/0001.mat` and `frames/0001/000001.jpg`; the pictures may be missing. Splits by the `train` field.

What the label files hold, measured on the 1,258 training and 21 test videos at hand (1,156,519 keypoints):
- Coordinates are Matlab's, the first pixel being 1: pwarp's are one less. The arrays are often uint8 or uint16.
- `visibility` is 1 (pwarp: 2, visible) or 0. Of those with 0, 64 % have real coordinates (pwarp: 1, occluded); the
  other 36 % stand at the annotation tool's default place, (1, 1) scaled as the picture was (0.67 to 1.5, equal x and
  y), or at (0, 0): nobody placed them, so they are unlabelled (pwarp: 0). No visible keypoint is there.
- `bbox` (x1, y1, x2, y2) lacks its last row in videos 1154 and 1865: the row before stands in. The last row of 2173
  is inverted, so that frame has no box; 11 boxes around a single visible keypoint have no extent.
- `dimensions` (height, width, frames) cannot be right in 1024 and 1032, where visible keypoints lie outside: the size
  is then unknown, unless the pictures are there and tell it.
- Left and right are swapped against COCO's, which are the person's own, in 86 % of the 664 videos seen from the front
  or the back; `swap_sides` names them the other way round, in all videos alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from pwarp.annotations import Annotations, FloatArray, Track, VideoIdentity
from pwarp.datasets.base import Dataset, Sample
from pwarp.errors import PwarpError
from pwarp.formats.matlab import numbers, read_mat
from pwarp.skeleton import PENN_13

_FIELDS = ("x", "y", "visibility", "bbox", "dimensions", "nframes")
_LABEL_FILE = re.compile(r"\d{4}\.mat")
# Beyond every scale of a picture's default place, and before every real coordinate that is not visible (at least 5).
_DEFAULT_PLACE_END = 2.0


class PennAction(Dataset):
    """Penn Action under its root folder.

    swap_sides: give left keypoints their right names and the other way round.
    keep_defaults: count keypoints at the default place as occluded instead of unlabelled. Published PCK figures by
    torso length need that: they measure from wherever the coordinates are, and in 19 % of the frames an end of the
    torso is at the default place, a corner of the picture.
    """

    name: ClassVar[str] = "penn"

    def __init__(self, root: Path, *, swap_sides: bool = False, keep_defaults: bool = False) -> None:
        super().__init__(root)
        self.swap_sides = swap_sides
        self.keep_defaults = keep_defaults

    @classmethod
    def sniff(cls, root: Path) -> bool:
        labels = root / "labels"
        return labels.is_dir() and any(_LABEL_FILE.fullmatch(p.name) for p in labels.iterdir())

    @property
    def splits(self) -> tuple[str, ...]:
        return ("train", "test")

    def _samples(self, split: str) -> Iterator[Sample]:
        folder = self.root / "labels"
        if not folder.is_dir():
            raise PwarpError(f"{folder}: no such folder; {self.name} has its label files there")
        for path in sorted(folder.iterdir()):
            if not _LABEL_FILE.fullmatch(path.name):
                continue
            flag = float(numbers(read_mat(path, ["train"]), "train", str(path)))
            if flag not in (1, -1):
                raise PwarpError(f"{path}: field 'train' is {flag:g}, expected 1 (training) or -1 (test)")
            if (flag == 1) == (split == "train"):
                yield Sample(path.stem, self.root / "frames" / path.stem, path, partial(self._read, path))

    def _read(self, path: Path) -> Annotations:
        record, where = read_mat(path, _FIELDS), str(path)
        x = numbers(record, "x", where, (None, len(PENN_13)))
        count = len(x)
        y = numbers(record, "y", where, (count, len(PENN_13)))
        flag = numbers(record, "visibility", where, (count, len(PENN_13)))
        if not np.isin(flag, (0, 1)).all():
            row = np.argwhere(~np.isin(flag, (0, 1)))[0][0]
            raise PwarpError(f"{where}, frame {row}: visibility is neither 0 nor 1")
        if (frames := numbers(record, "nframes", where)) != count:
            raise PwarpError(f"{where}: field 'nframes' is {frames:g}, but x has {count} rows")
        default = (flag == 0) & (x == y) & (x < _DEFAULT_PLACE_END)
        visibility = np.where(flag == 1, 2, 1)
        if not self.keep_defaults:
            visibility[default] = 0
        xy = np.stack([x, y], axis=2) - 1
        if self.swap_sides:
            order = _swapped_order()
            xy, visibility = xy[:, order], visibility[:, order]
        track = Track.make(0, np.arange(count), xy, visibility, boxes=_boxes(record, count, where))
        width, height = self._size(record, path, x[flag == 1], y[flag == 1])
        identity = VideoIdentity(path=f"frames/{path.stem}", width=width, height=height, frame_count=count)
        return Annotations(PENN_13, identity, (track,), labelled=np.arange(count))

    def _size(
        self, record: dict[str, Any], path: Path, seen_x: FloatArray, seen_y: FloatArray
    ) -> tuple[int | None, int | None]:
        """Width and height: of the pictures where they are, else what the label file says if that can be."""
        folder = self.root / "frames" / path.stem
        if folder.is_dir():
            from pwarp.video import open_video

            video = open_video(folder)
            return video.width, video.height
        height, width, _ = numbers(record, "dimensions", str(path), (3,))
        if (seen_x > width).any() or (seen_y > height).any():
            return None, None
        return int(width), int(height)


def _boxes(record: dict[str, Any], count: int, where: str) -> FloatArray:
    """(count, 4) boxes in pwarp's coordinates; NaN where x2 < x1 or y2 < y1."""
    boxes = numbers(record, "bbox", where, (None, 4)) - 1
    if len(boxes) == count - 1 and len(boxes):
        boxes = np.concatenate([boxes, boxes[-1:]])
    if len(boxes) != count:
        raise PwarpError(f"{where}: field 'bbox' has {len(boxes)} rows, x has {count}")
    inverted = (boxes[:, 2] < boxes[:, 0]) | (boxes[:, 3] < boxes[:, 1])
    return np.where(inverted[:, np.newaxis], np.nan, boxes)


def _swapped_order() -> list[int]:
    order = list(range(len(PENN_13)))
    for left, right in PENN_13.flip_pairs:
        order[left], order[right] = right, left
    return order
