"""An account of what is wrong with a video file, in lines that a person can act on."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray


@dataclass
class Problem:
    """One kind of trouble: its first wording, how often, and before which frames it came up."""

    first: str
    times: int = 0
    ordinals: array[int] = field(default_factory=lambda: array("q"))

    def add(self, ordinal: int) -> None:
        """Count one more."""
        self.times += 1
        if not self.ordinals or self.ordinals[-1] != ordinal:
            self.ordinals.append(ordinal)


@dataclass
class Damage:
    """What reading a file came across; false where it is sound.

    cut_off: how the data falls short of what the header declares, or empty. corrupt: ordinals of frames that the
    decoder marks as patched up. undefined: number of frames without a defined picture. other_sizes: how many frames
    of each size (width, height) other than that of the first frame. problems: by the part that met them.
    """

    cut_off: str = ""
    corrupt: array[int] = field(default_factory=lambda: array("q"))
    undefined: int = 0
    other_sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    problems: dict[str, Problem] = field(default_factory=dict)

    def report(self, part: str, problem: str, ordinal: int) -> None:
        """Note a problem that came up while the frame of an ordinal, or one soon after it, was read."""
        self.problems.setdefault(part, Problem(problem)).add(ordinal)

    def renumber(self, kept: NDArray[np.int64]) -> None:
        """Go over to the ordinals of the frames that are kept, given by their old ordinals, rising."""
        self.corrupt = array("q", np.flatnonzero(np.isin(kept, self.corrupt)).tolist())
        for problem in self.problems.values():
            problem.ordinals = array("q", np.searchsorted(kept, problem.ordinals).tolist())

    def __bool__(self) -> bool:
        return bool(self.corrupt or self.undefined or self.other_sizes or self.problems)

    def lines(self) -> tuple[str, ...]:
        """One line a kind, the gravest first."""
        lines = []
        if self.cut_off:
            lines.append(f"cut off: {self.cut_off}")
        if self.undefined:
            lines.append(f"{_count(self.undefined)} left out: the data ends within the picture")
        for (width, height), count in self.other_sizes.items():
            lines.append(f"{_count(count)} left out: {width}x{height}, unlike the first one")
        if self.corrupt:
            lines.append(
                f"{_places(self.corrupt)} damaged: the picture is the decoder's guess, and so may be those after it, "
                "up to the next key frame"
            )
        for part, problem in self.problems.items():
            more = f" ({problem.times} times)" if problem.times > 1 else ""
            lines.append(f"near {_places(problem.ordinals)}: {part}: {problem.first}{more}")
        return tuple(lines)


def _count(frames: int) -> str:
    return f"{frames} frame{'s' if frames > 1 else ''}"


def _places(ordinals: Sequence[int]) -> str:
    """Ordinals in few words: "frame 3", "frames 3, 5-8"; beyond four stretches only their number."""
    rising = sorted(set(ordinals))
    breaks = [(a, b) for a, b in pairwise(rising) if b > a + 1]
    starts, ends = [rising[0], *(b for _, b in breaks)], [*(a for a, _ in breaks), rising[-1]]
    words = [str(a) if a == b else f"{a}-{b}" for a, b in zip(starts, ends, strict=True)]
    rest = f" and {len(words) - 4} more places" if len(words) > 4 else ""
    return ("frame " if len(rising) == 1 else "frames ") + ", ".join(words[:4]) + rest
