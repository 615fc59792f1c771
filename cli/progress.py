"""The one progress display of all commands: how far, how fast, how long still.

It lives on stderr and only on a terminal, so that logs and pipes stay clean, and it wipes itself off at the end,
when the command's summary line takes its place.

    with progress(total=120, what="propagate") as advance:
        for frame in frames:
            ...
            advance()
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class Advance(Protocol):
    """Tells the display that some more frames are done, or how many there are to do once that is known."""

    def __call__(self, frames: int = 1) -> None: ...

    def expect(self, total: int) -> None: ...


@contextmanager
def progress(total: int | None, what: str, *, unit: str = "frames", quiet: bool = False) -> Iterator[Advance]:
    """Show a bar while the block runs; it yields the function that moves it.

    total: how many there are to do; None where nobody knows (then only count and speed are shown).
    what: the work in a word or two, at the left of the bar. unit: what is counted.
    quiet: show nothing, as where stderr is no terminal; the yielded function then does nothing.
    """
    if quiet or not sys.stderr.isatty():
        yield _Silent()
        return
    with _display(unit) as display:
        yield _Bar(display, display.add_task(what, total=total))


class _Silent:
    """The display's stand-in where nobody looks."""

    def __call__(self, frames: int = 1) -> None:
        """Nothing moves."""

    def expect(self, total: int) -> None:
        """Nothing is shown."""


class _Bar:
    def __init__(self, display: Progress, task: TaskID) -> None:
        self._display = display
        self._task = task

    def __call__(self, frames: int = 1) -> None:
        self._display.update(self._task, advance=frames)

    def expect(self, total: int) -> None:
        self._display.update(self._task, total=total)


def _display(unit: str) -> Progress:
    # rich costs about 0.1 s to import: only where a bar is drawn.
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Task as RichTask
    from rich.text import Text

    class Speed(ProgressColumn):
        """Frames a second, measured over the last half minute."""

        def render(self, task: RichTask) -> Text:
            speed = task.finished_speed or task.speed
            return Text("" if speed is None else f"{speed:.1f} {unit}/s", style="progress.data.speed")

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        Speed(),
        TextColumn("ETA"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        # stdout belongs to results: rich must not reroute it to stderr.
        redirect_stdout=False,
    )
