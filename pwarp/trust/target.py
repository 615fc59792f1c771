"""How good labels have to be: a share of keypoints that is right, and what right means."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pwarp.errors import UsageError
from pwarp.evaluation.lengths import Length, default, parse
from pwarp.skeleton import Skeleton

_DEFAULT_ALPHA, _DEFAULT_SHARE = 0.1, 0.95


@dataclass(frozen=True)
class Target:
    """A share (0..1) of keypoints is to have error <= alpha x length."""

    length: Length
    alpha: float
    share: float

    @property
    def text(self) -> str:
        """As it is given: "torso:1-8@0.1:0.95"."""
        return f"{self.length.text}@{self.alpha:g}:{self.share:g}"

    @property
    def right(self) -> str:
        """What right means, for people."""
        return f"error <= {self.alpha:g} x {self.length.text} ({self.length.meaning})"


def parse_target(text: str | None, skeleton: Skeleton) -> Target:
    """The target of a text LENGTH@ALPHA:SHARE; None: the skeleton's usual length, at 0.1, for 95 %.

    Raises PwarpError that shows the form for anything else.
    """
    if text is None:
        return Target(parse(default(skeleton), skeleton), _DEFAULT_ALPHA, _DEFAULT_SHARE)
    length, at, rest = text.rpartition("@")
    alpha, colon, share = rest.partition(":")
    numbers = [_number(alpha), _number(share)]
    if not (at and colon) or numbers[0] is None or numbers[1] is None or not numbers[1] < 1:
        raise UsageError(
            f"target '{text}': give LENGTH@ALPHA:SHARE with a share below 1, such as {default(skeleton)}@0.1:0.95"
        )
    return Target(parse(length, skeleton), numbers[0], numbers[1])


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 < value < math.inf else None
