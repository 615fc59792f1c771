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
    names = skeleton.keypoints
    members = [(i,) if i not in twin else (i, twin[i]) for i in range(len(names)) if i < twin.get(i, len(names))]
    called = [_without_side(*(names[i] for i in part)) for part in members]
    # A hip in the middle is not the two at the sides.
    return tuple(
        Part(name if called.count(name) == 1 else "/".join(names[i] for i in part), part)
        for name, part in zip(called, members, strict=True)
    )


def _without_side(name: str, twin: str | None = None) -> str:
    """The name of a keypoint without twin; the common name of two, "a/b" where it is not in their names."""
    if twin is None:
        return name
    stem, other = (_SIDE.sub("", text).strip("_-. ") for text in (name, twin))
    return stem if stem and stem == other else f"{name}/{twin}"
