"""What became of the keypoints of both sides."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Counts:
    """Keypoints unless said otherwise; every keypoint given is in one of them.

    manual_poses, propagated_poses: poses with at least one keypoint set by a person; all other poses kept.
    manual: set by a person, kept. propagated: computed, kept. unscored: those of them that had no score.
    below_score, too_far, in_absence, not_drawn: computed ones left out, by the first reason that held.
    corrected: set by a person in MANUAL, where a correction in PROPAGATED put another in its place or took it away.
    overruled: computed or set by a person in PROPAGATED, where MANUAL says otherwise.
    not_manual: in MANUAL, but not set by a person; left out.
    weight: sum of the weights of the propagated ones kept.
    """

    manual_poses: int = 0
    propagated_poses: int = 0
    manual: int = 0
    propagated: int = 0
    unscored: int = 0
    below_score: int = 0
    too_far: int = 0
    in_absence: int = 0
    not_drawn: int = 0
    corrected: int = 0
    overruled: int = 0
    not_manual: int = 0
    weight: float = 0.0

    @classmethod
    def total(cls, several: Iterable[Counts]) -> Counts:
        """The sum of several."""
        listed = list(several)
        return cls(**{item.name: sum(getattr(c, item.name) for c in listed) for item in fields(cls)})
