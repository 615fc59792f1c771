"""What a propagation comes to, in a few numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from pwarp.annotations import Annotations, IntArray, Source

UNSURE = 0.5
_WORST = 3


class Tally:
    """The summary of a result that comes in parts of successive frames."""

    def __init__(self) -> None:
        self._frames = self._filled = self._unsure = 0
        self._worst: list[tuple[float, int]] = []  # mean score and frame

    def through(self, parts: Iterable[Annotations]) -> Iterator[Annotations]:
        """The parts, counted as they pass."""
        for part in parts:
            self.add(part)
            yield part

    def add(self, dense: Annotations) -> None:
        """Count what is in frames that are not counted yet."""
        empty: IntArray = np.empty(0, np.int64)
        frames, scores = [empty], [np.empty(0)]
        for track in dense.tracks:
            row, keypoint = np.nonzero(track.source == Source.PROPAGATED)
            frames.append(track.frames[row])
            scores.append(track.score[row, keypoint])
        score = np.concatenate(scores)
        seen, at = np.unique(np.concatenate(frames), return_inverse=True)
        mean = np.bincount(at, score) / np.bincount(at)
        self._frames += len(seen)
        self._filled += len(score)
        self._unsure += int((score < UNSURE).sum())
        self._worst = sorted([*self._worst, *zip(mean.tolist(), seen.tolist(), strict=True)])[:_WORST]

    def values(self, keys: Annotations, tracks: int) -> dict[str, Any]:
        """Counts of tracks, key frames, frames and keypoints filled, keypoints with a score below `UNSURE`; and the
        worst frames, whose propagated keypoints have the least mean score.

        keys: what went in. tracks: how many the result has.
        """
        return {
            "tracks": tracks,
            "key_frames": len(keys.key_frames),
            "frames_filled": self._frames,
            "keypoints_filled": self._filled,
            "keypoints_unsure": self._unsure,
            "worst_frames": sorted(frame for _, frame in self._worst),
        }
