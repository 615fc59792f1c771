"""Where the one file goes that a command writes: to a path, or to stdout by way of a temporary file; and the options
of label files that are written."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from pwarp import registry
from pwarp.errors import PwarpError

from .asked import asked
from .numbers import Real

format_option = click.option(
    "--format", "to", type=click.Choice(registry.names("format")), help="Format of the output."
)
tolerance_option = click.option(
    "--tolerance",
    type=Real(0),
    metavar="PX",
    help="cvat, label-studio: keep the fewest key frames whose lines stay within PX.  [default: 1]",
)


def fitting_tolerance(to: str, tolerance: float | None) -> float | None:
    """The tolerance for a format; None where it is of a configuration file, and the format does not thin tracks.

    Raises PwarpError where the command line gives it to such a format.
    """
    from pwarp import formats

    try:
        formats.check_tolerance(to, tolerance)
    except PwarpError:
        if asked("tolerance"):
            raise
        return None
    return tolerance


@dataclass(frozen=True)
class Target:
    """name: a path, or '-' for stdout. suffix: of what is written, such as ".png"."""

    name: str
    suffix: str

    @property
    def to_stdout(self) -> bool:
        """Whether stdout is the file's alone, so that all else has to be said on stderr."""
        return self.name == "-"

    def check(self, *, force: bool) -> None:
        """Raise PwarpError where nothing can be written there; before long work starts."""
        from pwarp.files import check_output

        if not self.to_stdout:
            check_output(Path(self.name), force=force)

    @contextmanager
    def opened(self, *, force: bool, dry_run: bool = False) -> Iterator[Path]:
        """A path to write to; its content arrives when the block ends well. dry_run: a path that nobody writes to."""
        from pwarp.files import atomic_path

        if dry_run:
            yield Path(self.name)
        elif self.to_stdout:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / f"result{self.suffix}"
                yield path
                with path.open("rb") as file:
                    shutil.copyfileobj(file, sys.stdout.buffer)
        else:
            with atomic_path(Path(self.name), force=force) as path:
                yield path

    def __str__(self) -> str:
        return self.name
