"""What an interrupted propagation had finished: the journal of spans."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pwarp import journal
from pwarp.annotations import Annotations
from pwarp.propagation.engine import looks
from pwarp.propagation.plan import Fill

if TYPE_CHECKING:
    from pwarp.propagation import Options
    from pwarp.video import Video


class SpanJournal:
    """A journal with a record a finished span."""

    def __init__(self, path: Path, identity: str, *, resume: bool, alone: bool = False) -> None:
        """identity: as made by `identity_of`; resume, alone, errors: as of `pwarp.journal.Journal`."""
        self._finished: dict[tuple[int, int], list[Fill]] = {}
        self._journal = journal.Journal(path, identity, take=self._take, resume=resume, alone=alone)

    def _take(self, record: Any) -> bool | None:
        try:
            span = int(record["first"]), int(record["last"])
            fills = [_fill(plain, *span) for plain in record["fills"]]
        except (ValueError, TypeError, KeyError, OverflowError):
            return None
        self._finished[span] = fills
        return True

    def consult(self, other: Path) -> None:
        """Count as finished what another file of the same run holds, which stays where it is.

        A file of another run holds nothing. Raises PwarpError where it cannot be read.
        """
        self._journal.consult(other, self._take)

    def finished(self) -> dict[tuple[int, int], list[Fill]]:
        """Fills by the first and last frame of their span, of those that were finished before this run."""
        return self._finished

    def add(self, first: int, last: int, fills: list[Fill]) -> None:
        """Remember a finished span, on the disc alone: nobody asks for it before the next run."""
        self._journal.add({"first": first, "last": last, "fills": [_plain(f) for f in fills]})

    def close(self, *, done: bool) -> None:
        """As of `pwarp.journal.Journal`."""
        self._journal.close(done=done)


def identity_of(annotations: Annotations, video: Video, options: Options) -> str:
    """A hash of everything that decides the result."""
    pictures = video.content() if looks(options.engine) else b""
    return journal.identity_of(annotations, video.identity, options.deciding, pictures)


def _plain(fill: Fill) -> dict[str, Any]:
    return {
        "track": fill.track,
        "start": fill.first,
        "xy": fill.xy.tolist(),
        "visibility": fill.visibility.tolist(),
        "score": fill.score.tolist(),
    }


def _fill(record: dict[str, Any], first: int, last: int) -> Fill:
    """What `_plain` told of a track in some frames of a span; raises ValueError, TypeError or KeyError for all else."""
    fill = Fill(
        track=int(record["track"]),
        first=int(record["start"]),
        xy=np.array(record["xy"], dtype=np.float64),  # null, JSON's word for NaN, becomes NaN again
        visibility=np.array(record["visibility"], dtype=np.uint8),
        score=np.array(record["score"], dtype=np.float64),
    )
    frames, keypoints = fill.score.shape
    if fill.xy.shape != (frames, keypoints, 2) or fill.visibility.shape != (frames, keypoints):
        raise ValueError("not as many of each")
    if not first <= fill.first <= fill.first + frames - 1 <= last:
        raise ValueError("not in this span")
    return fill
