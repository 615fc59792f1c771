"""What an interrupted detection had found: the journal of frames."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pwarp.annotations import FloatArray
from pwarp.detection.base import Detections
from pwarp.journal import Journal


class DetectionJournal:
    """A journal (`pwarp.journal`) with a record for the frames that were looked at together. next: frame to go on
    with."""

    def __init__(
        self, path: Path, identity: str, *, looks: range, keypoints: int, resume: bool, alone: bool = False
    ) -> None:
        """looks: the frames that are looked at. keypoints: of the detector. identity, resume, alone, errors: as of
        `Journal`."""
        self._left, self._keypoints = looks, keypoints
        self._journal = Journal(path, identity, take=self._take, resume=resume, alone=alone)

    def _take(self, record: Any) -> bool | None:
        frames = self._frames(record)
        if not frames or [frame for frame, _ in frames] != list(self._left[: len(frames)]):
            return None
        self._left = self._left[len(frames) :]
        return True

    def _frames(self, record: Any) -> list[tuple[int, Detections]]:
        """The frames of a record, none in one that no run has written."""
        try:
            return [(int(frame), self._detections(*values)) for frame, *values in record["frames"]]
        except (ValueError, TypeError, KeyError, OverflowError):
            return []

    def _detections(self, boxes: Any, score: Any, xy: Any, keypoint_score: Any) -> Detections:
        count = len(boxes)
        return Detections(
            _values(boxes, (count, 4)),
            _values(score, (count,)),
            _values(xy, (count, self._keypoints, 2)),
            _values(keypoint_score, (count, self._keypoints)),
        )

    @property
    def next(self) -> int:
        """The frame to go on with."""
        return self._left.start

    def found(self) -> Iterator[tuple[int, Detections]]:
        """What the run before had found, frame by frame."""
        for record in self._journal.records():
            yield from self._frames(record)

    def add(self, found: Sequence[tuple[int, Detections]]) -> None:
        """Remember what was found in successive frames, on the disc alone."""
        frames = [
            [frame, one.boxes.tolist(), one.score.tolist(), one.xy.tolist(), one.keypoint_score.tolist()]
            for frame, one in found
        ]
        self._journal.add({"frames": frames})

    def close(self, *, done: bool) -> None:
        """As of `Journal`."""
        self._journal.close(done=done)


def _values(plain: Any, shape: tuple[int, ...]) -> FloatArray:
    """An array of a shape from plain values; raises ValueError where they are not as many."""
    values = np.array(plain, dtype=np.float64)  # null, JSON's word for NaN, becomes NaN again
    return values.reshape(shape)
