"""How a command ends: one line for people, or one JSON object for programs; and the options that go with it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import click

from pwarp.printing import json_ready, printable

from .together import Decorator, together

json_option = click.option("--json", "as_json", is_flag=True, help="Print the summary as one JSON object.")
dry_run_option = click.option(
    "--dry-run", is_flag=True, help="Check everything and say what would be written, but write nothing."
)
quiet_option = click.option("-q", "--quiet", is_flag=True, help="No progress bar and no summary line.")


@dataclass(frozen=True)
class Ending:
    """How a command that writes ends, as its options say."""

    dry_run: bool
    force: bool
    as_json: bool
    quiet: bool

    def report(self, line: str, values: Mapping[str, Any], *, aside: bool = False) -> None:
        """Say what it did, see `report`."""
        report(line, values, as_json=self.as_json, quiet=self.quiet, aside=aside)

    def would_write(
        self, output: object, what: str, values: Mapping[str, Any] | None = None, *, aside: bool = False
    ) -> None:
        """With --dry-run: say where and what it would have written."""
        line = f"{output}: would hold {what}; nothing written (--dry-run)"
        self.report(line, {"output": str(output), **(values or {}), "written": False}, aside=aside)

    def remark(self, line: str) -> None:
        """Say something that people may want to know, unless they asked for quiet."""
        if not self.quiet:
            say(line)


def ending_options(
    force: str = "Replace the output where it exists.", as_json: str = "Print the summary as one JSON object."
) -> Decorator:
    """Give a command these options, and hand them to it together as `ending`. force, as_json: what two of them do."""
    return together(
        "ending",
        Ending,
        dry_run_option,
        click.option("--force", is_flag=True, help=force),
        click.option("--json", "as_json", is_flag=True, help=as_json),
        quiet_option,
    )


def report(
    line: str, values: Mapping[str, Any], *, as_json: bool = False, quiet: bool = False, aside: bool = False
) -> None:
    """Print what a command did: `values` as a JSON object where asked for, else `line` unless quiet.

    It goes to stdout; aside, to stderr, where stdout already carries the command's result. What would steer a terminal,
    in a stranger's file or its name, is shown as its escape.

    Values may be what JSON knows, numpy scalars and arrays, paths, fractions and mappings of these; numbers that are
    not finite become null.
    """
    if as_json:
        click.echo(as_line(values).decode().rstrip("\n"), err=aside)
    elif not quiet:
        click.echo("\n".join(map(printable, line.split("\n"))), err=aside)


def say(line: str) -> None:
    """Say something beside a command's results: on stderr, with our name, as pipes may hold several commands."""
    click.echo(f"pwarp: {printable(line)}", err=True)


def as_line(values: Mapping[str, Any]) -> bytes:
    """Values as a line of JSON, see `report`."""
    import orjson

    return orjson.dumps(
        json_ready(values), option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE, default=_written_out
    )


def counted(count: int, what: str) -> str:
    """How many of what: '1 frame', '2 frames'."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _written_out(value: Any) -> Any:
    if isinstance(value, Fraction):
        return float(value)
    raise TypeError(f"a summary cannot hold {type(value).__name__}")


def duration(seconds: float) -> str:
    """A span of time as people say it: "0.8 s", "42 s", "3 min 05 s", "1 h 02 min"."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = math.floor(seconds + 0.5)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
