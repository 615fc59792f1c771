"""JHMDB (928 clips, 21 actions) and its subset Sub-JHMDB (316 clips, 12 actions, everybody wholly in the picture).

Jhuang et al., ICCV 2013. Layout: `joint_positions/<action>/<video>/joint_positions.mat`, the pictures in
`Rename_Images/<action>/<video>/`, masks in `puppet_mask/<action>/<video>/puppet_mask.mat`, and the lists
`splits/<action>_test_split1.txt` (JHMDB) or `sub_splits/<action>_test_split_1.txt` (Sub-JHMDB), whose lines are
`<video>.avi 1` (training) or `2` (test). Pictures and masks may be missing.

- `pos_img` (2, 15, n) is Matlab's, the first pixel being 1: pwarp's coordinates are one less.
- There is no visibility: a keypoint inside the picture counts as visible, one outside as occluded.
- Boxes are the extent of the puppet mask, from the centre of its first pixel to that of its last; without masks, and
  where a mask is empty, there are none.
- Papers report the mean over the three splits: `groups` and `pwarp.datasets.base.mean_over_splits`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from pwarp.annotations import Annotations, FloatArray, Track, VideoIdentity
from pwarp.datasets.base import Dataset, Sample, inside
from pwarp.errors import PwarpError
from pwarp.formats.jhmdb import HEIGHT, WIDTH, inside_picture, positions
from pwarp.formats.matlab import numbers, read_mat
from pwarp.skeleton import JHMDB_15

_SPLITS = (1, 2, 3)
_PARTS = {"1": "train", "2": "test"}


class JHMDB(Dataset):
    """JHMDB under its root folder; splits train-1 to train-3 and test-1 to test-3."""

    name: ClassVar[str] = "jhmdb"
    counts_occluded: ClassVar[bool] = True
    lists: ClassVar[str] = "splits"

    @classmethod
    def sniff(cls, root: Path) -> bool:
        return (root / "joint_positions").is_dir() and (root / cls.lists).is_dir()

    @property
    def splits(self) -> tuple[str, ...]:
        return tuple(f"{part}-{number}" for part in ("train", "test") for number in _SPLITS if self._lists(number))

    @property
    def groups(self) -> Mapping[str, tuple[str, ...]]:
        return {part: tuple(s for s in self.splits if s.startswith(part)) for part in ("train", "test")}

    def _lists(self, number: int) -> dict[str, Path]:
        """By action, the file that lists its videos for one of the three divisions."""
        folder = self.root / self.lists
        if not folder.is_dir():
            return {}
        pattern = re.compile(rf"(.+)_test_split_?{number}\.txt")
        found = ((pattern.fullmatch(path.name), path) for path in sorted(folder.iterdir()))
        return {match[1]: path for match, path in found if match}

    def _samples(self, split: str) -> Iterator[Sample]:
        part, _, number = split.partition("-")
        for action, path in self._lists(int(number)).items():
            for video in _videos(path, part):
                labels = self.root / "joint_positions" / action / video / "joint_positions.mat"
                pictures = self.root / "Rename_Images" / action / video
                yield Sample(f"{action}/{video}", pictures, labels, partial(self._read, action, video))

    def _read(self, action: str, video: str) -> Annotations:
        path = self.root / "joint_positions" / action / video / "joint_positions.mat"
        xy = positions(read_mat(path, ["pos_img"]), str(path))
        count = len(xy)
        boxes, (height, width) = None, (HEIGHT, WIDTH)
        mask_path = self.root / "puppet_mask" / action / video / "puppet_mask.mat"
        if mask_path.exists():
            mask = numbers(read_mat(mask_path, ["part_mask"]), "part_mask", str(mask_path), (None, None, count)) > 0
            boxes, (height, width) = _extents(mask), mask.shape[:2]
        visibility = np.where(inside_picture(xy, (width, height)), 2, 1)
        track = Track.make(0, np.arange(count), xy, visibility, boxes=boxes)
        identity = VideoIdentity(f"Rename_Images/{action}/{video}", width=width, height=height, frame_count=count)
        return Annotations(JHMDB_15, identity, (track,), labelled=np.arange(count))


class SubJHMDB(JHMDB):
    """Sub-JHMDB under its root folder; splits as in JHMDB."""

    name: ClassVar[str] = "sub-jhmdb"
    lists: ClassVar[str] = "sub_splits"


def _videos(path: Path, part: str) -> Iterator[str]:
    """The videos of one part that a list file names, without '.avi'."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise PwarpError(f"{path}: cannot read: {error}") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        name, _, mark = line.strip().rpartition(" ")
        if not name or mark not in _PARTS:
            raise PwarpError(f"{path}, line {number}: {line[:60]!r} is not '<video>.avi' and 1 (train) or 2 (test)")
        video = name.strip().removesuffix(".avi")
        inside(path.parent, video, f"{path}, line {number}")
        if _PARTS[mark] == part:
            yield video


def _extents(mask: NDArray[np.bool_]) -> FloatArray:
    """(n, 4) the extents of masks (height, width, n) between pixel centres; NaN where a mask is empty."""
    boxes = np.full((mask.shape[2], 4), np.nan)
    for frame in np.flatnonzero(mask.any(axis=(0, 1))):
        rows, columns = (np.flatnonzero(mask[:, :, frame].any(axis=axis)) for axis in (1, 0))
        boxes[frame] = columns[0], rows[0], columns[-1], rows[-1]
    return boxes
