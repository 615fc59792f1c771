"""Numbers that options take. What lies beyond every use is refused where it is typed: deep inside a library it is an
overflow, and `nan` compares as neither too small nor too large."""

from __future__ import annotations

import math
from typing import Any

import click

LARGEST = 2**31 - 1
LARGEST_ID = 2**63 - 1  # of what nothing counts up to: seeds and track ids
MOST_THREADS = 1024


class Whole(click.IntRange):
    """A whole number from `least` to `most`; where these are open, none farther from 0 than `largest`."""

    name = "whole number"

    def __init__(self, least: int | None = None, most: int | None = None, *, largest: int = LARGEST) -> None:
        super().__init__(least, most)
        self._largest = largest

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        number: int = super().convert(value, param, ctx)
        if abs(number) > self._largest:
            self.fail(f"{number} is too large; give at most {self._largest}", param, ctx)
        return number

    def _describe_range(self) -> str:
        # Click's own says "x<=None" where both ends are open.
        return "" if self.min is self.max is None else super()._describe_range()


class Real(click.FloatRange):
    """A finite number from `least` to `most`, or to `LARGEST`; above: without `least` itself."""

    name = "number"

    def __init__(self, least: float, most: float | None = None, *, above: bool = False) -> None:
        super().__init__(least, most, min_open=above)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number: float = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"'{value}' is not a number", param, ctx)
        if number > LARGEST:
            self.fail(f"{number:g} is too large; give at most {LARGEST}", param, ctx)
        return number


SEED = Whole(0, largest=LARGEST_ID)


def positive(text: str) -> float:
    """A number above 0 that is part of a longer text; raises ValueError for anything else."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number <= LARGEST:
        raise ValueError(f"'{text}' is no number above 0")
    return number
