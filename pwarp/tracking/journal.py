"""What an interrupted tracking had decided: the journal of who is who."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pwarp.annotations import Annotations
from pwarp.errors import PwarpError
from pwarp.journal import Journal, identity_of
from pwarp.tracking.link import Decision, Following, Options, Standing
from pwarp.tracking.sighting import People, box_of, lone_people

if TYPE_CHECKING:
    from pwarp.video import Video

_AGAIN = 25  # frames after which it is noted again how things stand


class TrackingJournal:
    """A journal (`pwarp.journal`) with a record now and then: what was decided since the one before, and how things
    stand.

    What people look like is not in it: the video still shows it. decisions, standing: of the run before; none, and
    None, where there is nothing to go on from.
    """

    def __init__(self, path: Path, identity: str, people: People, *, resume: bool, alone: bool = False) -> None:
        """identity, resume, alone, errors: as of `Journal`."""
        # Who has neither box nor keypoints is never seen.
        self._frame_of = {
            index: frame for frame, here in people.items() for index, track in here if box_of(track) is not None
        }
        self._last, self._people = max(people, default=0), 0
        self.decisions: list[Decision] = []
        self.standing: Standing | None = None
        self._journal = Journal(path, identity, take=self._take, resume=resume, alone=alone)
        self._noted, self._frame = len(self.decisions), -_AGAIN if self.standing is None else self.standing.frame
        self._latest: tuple[Sequence[Decision], Standing] | None = None

    def _take(self, record: Any) -> bool | None:
        try:
            decided = [Decision(int(index), int(person), bool(sure)) for index, person, sure in record["decided"]]
            followed = tuple(_following(plain) for plain in record["followed"])
            standing = Standing(int(record["frame"]), len(self.decisions) + len(decided), followed)
            self._check(decided, standing)
        except (ValueError, TypeError, KeyError, OverflowError):
            return None
        self.decisions += decided
        self.standing = standing
        self._people = max([self._people, *(one.person + 1 for one in decided)])
        return True

    def _check(self, decided: Sequence[Decision], standing: Standing) -> None:
        """Raise ValueError or KeyError for what no run has written behind the records before."""
        before = -1 if self.standing is None else self.standing.frame
        if not before < standing.frame <= self._last:
            raise ValueError("no later frame")
        frames = [self._frame_of[one.index] for one in decided]
        people = [one.person for one in decided]
        new = {person for person in people if person >= self._people}
        if (
            not all(before < frame <= standing.frame for frame in frames)
            or len({one.index for one in decided}) < len(decided)
            or min(people, default=0) < 0
            or new != set(range(self._people, self._people + len(new)))
        ):
            raise ValueError("nobody who was seen there")
        for one in standing.followed:
            recent = [self._frame_of[index] for index in one.recent]
            if not recent or recent[-1] > standing.frame or any(b <= a for a, b in pairwise(recent)):
                raise ValueError("nobody who is followed")

    def note(self, decisions: Sequence[Decision], standing: Standing) -> None:
        """Remember, now and then on the disc, how things stand. decisions: all that were made."""
        self._latest = decisions, standing
        if standing.frame >= self._frame + _AGAIN:
            self._write()

    def last_words(self) -> None:
        """Put on the disc what is not there yet, where it has room for it."""
        with suppress(PwarpError):
            self._write()

    def _write(self) -> None:
        if self._latest is None:
            return
        (decisions, standing), self._latest = self._latest, None
        decided = [[one.index, one.person, one.sure] for one in decisions[self._noted : standing.decided]]
        self._noted, self._frame = standing.decided, standing.frame
        self._journal.add(
            {"frame": standing.frame, "decided": decided, "followed": [asdict(one) for one in standing.followed]}
        )

    def close(self, *, done: bool) -> None:
        """As of `Journal`."""
        self._journal.close(done=done)


def journal_of(
    path: Path, video: Video, annotations: Annotations, options: Options, *, resume: bool, alone: bool = False
) -> TrackingJournal:
    """For `track`. resume, alone, errors: as of `pwarp.journal.Journal`."""
    identity = identity_of(annotations, video.identity, video.content(), options)
    return TrackingJournal(path, identity, lone_people(annotations), resume=resume, alone=alone)


def _following(plain: Any) -> Following:
    """What `asdict` told; raises ValueError, TypeError or KeyError for other values."""
    moved, camera, velocity = (_pair(plain[name]) for name in ("moved", "camera", "velocity"))
    recent = tuple(int(index) for index in plain["recent"])
    return Following(
        int(plain["person"]), int(plain["sightings"]), recent, moved, camera, velocity, bool(plain["missed"])
    )


def _pair(plain: Any) -> tuple[float, float]:
    x, y = map(float, plain)
    if not np.isfinite([x, y]).all():
        raise ValueError("nowhere")
    return x, y
