"""Small label files for the tests of formats."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from pwarp import formats
from pwarp.annotations import Annotations
from pwarp.video import Color, Picture, Video


def coco(*annotations: dict[str, Any], frames: tuple[int, ...] = (0, 5, 9), **changes: Any) -> dict[str, Any]:
    """A COCO document with three keypoints; image ids are 100 more than their frame."""
    return {
        "categories": [{"id": 1, "name": "dog", "keypoints": ["nose", "left_paw", "right_paw"], "skeleton": [[1, 2]]}],
        "images": [{"id": 100 + frame, "frame_id": frame, "file_name": f"dog.mp4#{frame}"} for frame in frames],
        "annotations": [{"id": 7 + i, "category_id": 1} | row for i, row in enumerate(annotations)],
    } | changes


def pose(frame: int = 0, track: int | None = 3, **changes: Any) -> dict[str, Any]:
    """An annotation in a `coco` document: one keypoint visible, one occluded, one unlabelled."""
    row: dict[str, Any] = {"image_id": 100 + frame, "keypoints": [10.5, 20, 2, 30, 40.25, 1, 0, 0, 0]}
    return row | ({} if track is None else {"track_id": track}) | changes


def read(folder: Path, document: Any, **options: Any) -> Annotations:
    """What is read of a document that is written to a file 'labels.json' of the folder."""
    path = folder / "labels.json"
    path.write_bytes(document if isinstance(document, bytes) else orjson.dumps(document))
    return formats.read(path, **options)


class Blank(Video):
    """A video of grey pictures, 160x120."""

    def __init__(self, frames: int = 41, path: str = "blank") -> None:
        self.path, self.width, self.height = path, 160, 120
        self.frame_count, self.fps, self.times = frames, None, np.arange(frames, dtype=np.float64)
        self.names, self.damage, self.variable_rate, self.rotation = None, (), False, 0

    def _fingerprint_source(self) -> bytes:
        return b"blank"

    def _read(self, ordinal: int, color: Color) -> Picture:
        return np.full((120, 160, 3) if color == "rgb" else (120, 160), ordinal, np.uint8)

    def _read_in_order(self, ordinals: range, color: Color) -> Iterator[Picture]:
        return (self._read(i, color) for i in ordinals)
