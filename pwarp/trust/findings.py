"""What a check finds: one suspicious place in labels, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["swap", "jump", "limb", "duplicate", "outside", "identity"]

KINDS: dict[Kind, str] = {
    "swap": "left and right have traded places",
    "jump": "a keypoint, or a whole pose, is elsewhere for a moment",
    "limb": "a limb is far longer than it can be",
    "duplicate": "two tracks lie on one person",
    "outside": "a point lies outside the picture",
    "identity": "a track goes over from one person to another",
}


@dataclass(frozen=True)
class Finding:
    """One place where labels look wrong.

    kind: what is wrong, see `KINDS`. track: where. first, last: frames (inclusive) that it concerns.
    keypoints: which, by index; empty for the whole pose. why: the evidence in one line, for people.
    sure: 0.5 where the evidence just reaches what counts as suspicious, towards 1 the farther it goes beyond.
    other: the second track of a duplicate, or the one that an identity seems to come from.
    """

    kind: Kind
    track: int
    first: int
    last: int
    keypoints: tuple[int, ...]
    why: str
    sure: float
    other: int | None = None


def sureness(evidence: float, threshold: float) -> float:
    """1 - threshold / (2 evidence): 0.5 at the threshold, towards 1 beyond it, below 0.5 short of it."""
    return max(0.0, 1.0 - threshold / (2.0 * max(evidence, 1e-12)))
