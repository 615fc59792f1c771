"""Going on after an interruption: what commands that take long keep beside their output."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, TypeVar

import click

from .asked import refuse_if_asked
from .paths import Written
from .summary import Ending

SUFFIX = ".partial"


class Closable(Protocol):
    """A journal: see `pwarp.journal`."""

    def close(self, *, done: bool) -> None:
        """Close it, and remove it where the run is done."""


J = TypeVar("J", bound=Closable)

output_option = click.option(
    "-o", "--output", type=Written(beside=(SUFFIX,)), required=True, help="Label file to write; '-' for stdout."
)


def resume_option(more: str = "") -> Callable[[click.decorators.FC], click.decorators.FC]:
    """--resume; more: what its help adds."""
    what = f"Go on after an interruption, from what OUTPUT{SUFFIX} holds{more}."
    return click.option("--resume", is_flag=True, help=what)


def beside(output: str) -> Path:
    """Where the journal of an output is."""
    return Path(output + SUFFIX)


def going_on(output: str, *, resume: bool) -> bool:
    """Whether to go on from what is beside an output: nothing is beside stdout. Raises UsageError where it is asked for
    all the same."""
    if resume and output == "-":
        refuse_if_asked("resume", "--resume needs an output file: nothing is kept beside stdout")
        return False
    return resume


@contextmanager
def journalled(output: str, journal: Callable[[Path], J], ending: Ending, *, resume: bool) -> Iterator[J | None]:
    """The journal of an output within the block, None for stdout; it goes when the block ends well. journal: makes
    one."""
    if output == "-":
        yield None
        return
    begun, made = beside(output).exists(), journal(beside(output))
    done = False
    try:
        if begun and not resume:
            ending.remark(
                f"{beside(output)} of an interrupted run is started over; stop at once and --resume goes on with it"
            )
        yield made
        done = True
    finally:
        made.close(done=done)
