"""What a propagation comes to, in a few numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from pwarp.annotations import Annotations, FloatArray, IntArray, Source
from pwarp.confidence import least_sure, pose_scores

UNSURE = 0.5
_WORST = 3


class Tally:
    """The summary of a result that comes in parts of successive frames."""

    def __init__(self, length: int) -> None:
        """length: of the video in frames."""
        self._length = length
        self._frames = self._filled = self._unsure = 0
        # Of each part the frames that were filled, and the score of the least sure pose of each: 16 bytes a frame.
        self._seen: list[tuple[IntArray, FloatArray]] = []

    def through(self, parts: Iterable[Annotations]) -> Iterator[Annotations]:
        """The parts, counted as they pass."""
        for part in parts:
            self.add(part)
            yield part

    def add(self, dense: Annotations) -> None:
        """Count what is in frames that are not counted yet."""
        frames, scores = [], []
        for track in dense.tracks:
            filled = track.source == Source.PROPAGATED
            rows = np.flatnonzero(filled.any(axis=1))
            frames.append(track.frames[rows])
            scores.append(pose_scores(track, rows))
            self._filled += int(filled.sum())
            self._unsure += int((track.score[filled] < UNSURE).sum())
        seen, at = np.unique(np.concatenate([*frames, np.empty(0, np.int64)]), return_inverse=True)
        least: FloatArray = np.full(len(seen), np.inf)
        np.fmin.at(least, at, np.concatenate([*scores, np.empty(0)]))
        self._frames += len(seen)
        self._seen.append((seen, least))

    def values(self, keys: Annotations, tracks: int) -> dict[str, Any]:
        """Counts of tracks, key frames, frames and keypoints filled, keypoints with a score below `UNSURE`; and the
        worst frames, those in which `view --worst` would find the least sure of the poses that were filled.

        keys: what went in. tracks: how many the result has.
        """
        frames = np.concatenate([seen for seen, _ in self._seen] or [np.empty(0, np.int64)])
        least = np.concatenate([scores for _, scores in self._seen] or [np.empty(0)])
        return {
            "tracks": tracks,
            "key_frames": len(keys.key_frames),
            "frames_filled": self._frames,
            "keypoints_filled": self._filled,
            "keypoints_unsure": self._unsure,
            "worst_frames": sorted(least_sure(frames, least, self._length, _WORST)),
        }
