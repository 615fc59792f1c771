"""What arguments and options are that name files: those that a command reads, and those that it writes."""

from __future__ import annotations

from pathlib import Path

import click


class Read(click.Path):
    """A file or folder to read, '-' or a glob where the command takes those; other words may stand for none.

    No output takes the place of what such a parameter names.
    """

    def __init__(self, path_type: type[str] | type[Path] = str, *, folder: bool = False) -> None:
        """folder: it has to be a folder that is there."""
        super().__init__(
            path_type=path_type, readable=folder, exists=folder, file_okay=not folder, allow_dash=not folder
        )


class Written(click.Path):
    """A file or folder to write; '-' is stdout where the command takes it."""

    def __init__(self, path_type: type[str] | type[Path] = str) -> None:
        super().__init__(path_type=path_type, readable=False, allow_dash=True)
