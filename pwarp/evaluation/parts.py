"""Body parts: left and right keypoints under one name, as tables print them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pwarp.skeleton import Skeleton

_SIDE = re.compile(r"(^|[_\-. ])(left|right|l|r)(?=$|[_\-. ])", re.IGNORECASE)


@dataclass(frozen=True)
class Part:
    """A name and the 0-based keypoints that it stands for: one, or a left and a right one."""

    name: str
    keypoints: tuple[int, ...]


def parts_of(skeleton: Skeleton) -> tuple[Part, ...]:
    """The parts of a skeleton in the order of their first keypoint; the skeleton's flip pairs say what belongs
    together."""
    twin = {a: b for pair in skeleton.flip_pairs for a, b in (pair, pair[::-1])}
    parts = []
    for index, name in enumerate(skeleton.keypoints):
        other = twin.get(index)
        if other is None:
            parts.append(Part(name, (index,)))
        elif index < other:
            parts.append(Part(_without_side(name, skeleton.keypoints[other]), (index, other)))
    return tuple(parts)


def _without_side(name: str, twin: str) -> str:
    """The common name of two twins; "a/b" where it is not in their names."""
    stem, other = (_SIDE.sub("", text).strip("_-. ") for text in (name, twin))
    return stem if stem and stem == other else f"{name}/{twin}"
