"""A size in pixels as people write it."""

from __future__ import annotations

import re

import click


class Size(click.ParamType):
    """WIDTHxHEIGHT. most: pixels of a side; example: for whoever writes it otherwise."""

    name = "size"

    def __init__(self, most: int, example: str) -> None:
        self._most, self._example = most, example

    def convert(
        self, value: str | tuple[int, int], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """(width, height); fails for anything else."""
        if isinstance(value, tuple):
            return value
        match = re.fullmatch(r"(\d{1,9})[xX](\d{1,9})", value)
        if match is None:
            self.fail(f"'{value}' is no size; give WIDTHxHEIGHT, such as {self._example}", param, ctx)
        width, height = int(match[1]), int(match[2])
        if min(width, height) < 1:
            self.fail(f"'{value}' has no pixels; no side is shorter than 1", param, ctx)
        if max(width, height) > self._most:
            self.fail(f"'{value}' is too large; no side is longer than {self._most}", param, ctx)
        return width, height
