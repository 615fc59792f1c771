"""What a format could not hold: named, counted, with an example of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Loss:
    """One kind of thing that would read back differently.

    what: the thing. count: how many of them. example: where one of them is, or what becomes of it.
    """

    what: str
    count: int
    example: str


@dataclass(frozen=True)
class LossReport:
    """Everything that writing in a format lost; false where nothing was."""

    format: str
    losses: tuple[Loss, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.losses)

    def lines(self) -> list[str]:
        """One line a loss, for people."""
        return [f"{self.format} cannot hold {loss.what}: {loss.count}, e.g. {loss.example}" for loss in self.losses]


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
