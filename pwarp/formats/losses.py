"""What a format could not hold: named, counted, with an example of each."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

# What a format of key frames leaves to the lines that its tool draws.
THINNED = "poses between key frames"


@dataclass(frozen=True)
class Loss:
    """One kind of thing that would read back differently.

    what: the thing. count: how many of them. example: where one of them is, or what becomes of it. farthest: of places,
    how far off any of them is along x or y, in pixels; None of other things.
    """

    what: str
    count: int
    example: str
    farthest: float | None = field(default=None, compare=False)

    @property
    def line(self) -> str:
        """For people; a distance is rounded up."""
        if not self.farthest:
            return f"{self.what}: {self.count}, e.g. {self.example}"
        digit = 10.0 ** (math.floor(math.log10(self.farthest)) - 1)
        most = f"{math.ceil(self.farthest / digit) * digit:.2g}"
        return f"{self.what}: {self.count}, {most} px off at most, e.g. {self.example}"


@dataclass(frozen=True)
class LossReport:
    """Everything that writing in a format lost; false where nothing was."""

    format: str
    losses: tuple[Loss, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.losses)

    def lines(self) -> list[str]:
        """One line a loss, for people."""
        return [f"{self.format} cannot hold {loss.line}" for loss in self.losses]


@dataclass(frozen=True)
class Renamed:
    """What a writer had to call differently, so that before and after can be compared.

    tracks: new id by old id. keypoints: new name by old name. What is not named keeps its name.
    poses: for a format that knows no tracks, the id that each pose gets as a track of its own, by the old id and the
    frame of the pose; None for a format that keeps tracks.
    """

    tracks: Mapping[int, int] = field(default_factory=dict)
    keypoints: Mapping[str, str] = field(default_factory=dict)
    poses: Mapping[tuple[int, int], int] | None = None
