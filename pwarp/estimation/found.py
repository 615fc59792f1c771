"""What a network finds, pose by pose, and the journal of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pwarp.annotations import FloatArray
from pwarp.journal import Journal

Place = tuple[int, int]  # a track by its number, a row of it


@dataclass(frozen=True, eq=False)
class Found:
    """What a network says about one pose. track: its number. row: of the track. xy: (C, 2) picture pixels and score
    (C,) of the network's own keypoints; score 0 where it has nothing to say."""

    track: int
    row: int
    xy: FloatArray
    score: FloatArray


class PoseJournal:
    """A journal (`pwarp.journal`) with a record for the poses that were looked at together.

    What a network remembers of a person is noted with some of them: where it remembers anything, one can only go on
    behind such a record, and later ones are done again. memory: of the last one, as `recall` gave it; None without.
    """

    def __init__(
        self,
        path: Path,
        identity: str,
        *,
        rows: Sequence[int],
        keypoints: int,
        resume: bool,
        recall: Callable[[Any], Any] | None = None,
        alone: bool = False,
    ) -> None:
        """rows: how many each track has. keypoints: of the network. recall: a memory, as `add` got it, from plain
        values, None from those that are none; None where nothing is remembered. identity, resume, alone, errors: as of
        `Journal`."""
        self._rows, self._keypoints, self._recall = tuple(rows), keypoints, recall
        self.memory: Any = None
        self._journal = Journal(path, identity, take=self._take, resume=resume, alone=alone)

    def _take(self, record: Any) -> bool | None:
        if self._poses(record) is None:
            return None
        if self._recall is None:
            return True
        if "memory" not in record:
            return False
        memory = self._recall(record["memory"])
        if memory is None:
            return None
        self.memory = memory
        return True

    def _poses(self, record: Any) -> list[Found] | None:
        """The poses of a record, None for one that no run has written."""
        try:
            return [self._pose(*one) for one in record["found"]]
        except (ValueError, TypeError, KeyError, OverflowError):
            return None

    def _pose(self, track: int, row: int, xy: Any, score: Any) -> Found:
        found = Found(int(track), int(row), np.array(xy, dtype=np.float64), np.array(score, dtype=np.float64))
        known = 0 <= found.track < len(self._rows) and 0 <= found.row < self._rows[found.track]
        if not known or found.xy.shape != (self._keypoints, 2) or found.score.shape != (self._keypoints,):
            raise ValueError("no pose of this run")
        return found

    def found(self) -> Iterator[Found]:
        """What the run before had found, in order."""
        for record in self._journal.records():
            yield from self._poses(record) or ()

    def add(self, found: Sequence[Found], memory: Any = None) -> None:
        """Remember what was found, on the disc alone. memory: in plain values, where a network could go on from it."""
        # First, and by themselves: a memory may be too long for a line, and without its poses it would hide them.
        if found:
            poses = [[one.track, one.row, one.xy.tolist(), one.score.tolist()] for one in found]
            self._journal.add({"found": poses})
        if memory is not None:
            self._journal.add({"found": [], "memory": memory})

    def close(self, *, done: bool) -> None:
        """As of `Journal`."""
        self._journal.close(done=done)
