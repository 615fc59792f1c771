"""Who is on a sheet of `pwarp view` for which a network has to look at people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from pwarp.errors import PwarpError

Who = TypeVar("Who")


def shown(found: Sequence[tuple[int, Who]], drawing: Mapping[str, Any]) -> list[tuple[int, Who]]:
    """Everybody in the frames asked for, else some, evenly spread.

    found: whom it can look at, frame and person, in order; there is somebody. drawing: at or frames where given.
    Raises PwarpError for frames asked for in which there is nobody.
    """
    if "at" in drawing:
        refuse_missing(drawing, [frame for frame, _ in found])
        return [place for place in found if place[0] in drawing["at"]]
    count = min(drawing.get("frames", 4), len(found))
    return [found[i * (len(found) - 1) // max(count - 1, 1)] for i in range(count)]


def refuse_missing(drawing: Mapping[str, Any], there: Sequence[int]) -> None:
    """Raise PwarpError for frames that were asked for and are not among those with somebody to look at."""
    if missing := sorted(set(drawing.get("at", ())) - set(there)):
        where = f"frame {missing[0]}" if len(missing) == 1 else f"frames {', '.join(map(str, missing))}"
        raise PwarpError(f"nobody to look at in {where}, but from frame {min(there)} to {max(there)}; mend --at")
