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
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from pwarp.annotations import Annotations, VideoIdentity
from pwarp.datasets.base import Dataset, Sample
from pwarp.errors import PwarpError
from pwarp.files import check_inside
from pwarp.formats.matlab import numbers, read_mat
from pwarp.formats.penn import VARIABLES, picture_size, pose_rows
from pwarp.skeleton import PENN_13

_LABEL_FILE = re.compile(r"\d{4}\.mat")


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
            flag = float(numbers(read_mat(check_inside(folder, path), ["train"]), "train", str(path)))
            if flag not in (1, -1):
                raise PwarpError(f"{path}: field 'train' is {flag:g}, expected 1 (training) or -1 (test)")
            if (flag == 1) == (split == "train"):
                yield Sample(path.stem, self.root / "frames" / path.stem, path, partial(self._read, path))

    def _read(self, path: Path) -> Annotations:
        record, where = read_mat(path, VARIABLES), str(path)
        track = pose_rows(record, where, keep_defaults=self.keep_defaults)
        if self.swap_sides:
            order = _swapped_order()
            track = replace(track, **{name: getattr(track, name)[:, order] for name in ("xy", "visibility", "source")})
        width, height = self._size(record, path)
        identity = VideoIdentity(path=f"frames/{path.stem}", width=width, height=height, frame_count=len(track))
        return Annotations(PENN_13, identity, (track,), labelled=track.frames)

    def _size(self, record: dict[str, Any], path: Path) -> tuple[int | None, int | None]:
        """Width and height: of the pictures where they are, else what the label file says if that can be."""
        folder = self.root / "frames" / path.stem
        if folder.is_dir():
            from pwarp.video import open_video

            video = open_video(folder)
            return video.width, video.height
        return picture_size(record, str(path))


def _swapped_order() -> list[int]:
    order = list(range(len(PENN_13)))
    for left, right in PENN_13.flip_pairs:
        order[left], order[right] = right, left
    return order
