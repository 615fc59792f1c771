"""What arguments and options are that name files: those that a command reads, and those that it writes."""

from __future__ import annotations

import os
from itertools import product
from pathlib import Path
from typing import Any

import click

_STDIN = _STDOUT = "-"


class Read(click.Path):
    """A file or folder to read, '-' or a glob where the command takes those; other words may stand for none.

    No output takes the place of what such a parameter names.
    """

    def __init__(self, path_type: type[str] | type[Path] = str, *, folder: bool = False) -> None:
        """folder: it has to be a folder that is there."""
        super().__init__(
            path_type=path_type, readable=folder, exists=folder, file_okay=not folder, allow_dash=not folder
        )

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == _STDIN and ctx is not None:
            for other in ctx.command.params:
                there = ctx.params.get(str(other.name))
                if isinstance(other.type, Read) and _STDIN in (there if isinstance(there, tuple) else (there,)):
                    self.fail(f"'-' is {_called(other)} already, and there is one stdin; give a name", param, ctx)
        return super().convert(value, param, ctx)


class Written(click.Path):
    """A file or folder to write, another one than any that the same call writes elsewhere."""

    def __init__(
        self, path_type: type[str] | type[Path] = str, *, unpiped: str | None = None, beside: tuple[str, ...] = ()
    ) -> None:
        """unpiped: what it is, where '-' cannot mean stdout. beside: what comes after the name of other files that
        are written with it."""
        super().__init__(path_type=path_type, readable=False, allow_dash=True)
        self._unpiped, self._beside = unpiped, beside

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if self._unpiped is not None:
            refuse_stdout(os.fspath(value), self._unpiped, param, ctx)
        for other in () if ctx is None else ctx.command.params:
            there = None if ctx is None else ctx.params.get(str(other.name))
            if isinstance(other.type, Written) and other is not param and there is not None:
                for ours, theirs in product(self._files(value), other.type._files(there)):
                    if why := _clash(ours, theirs, _called(other)):
                        self.fail(f"{why}; give another name", param, ctx)
        return super().convert(value, param, ctx)

    def _files(self, value: str | Path) -> list[str]:
        name = os.fspath(value)
        return [name] if name == _STDOUT else [name, *(name + end for end in self._beside)]


def refuse_stdout(name: str, what: str, param: click.Parameter | None = None, ctx: click.Context | None = None) -> None:
    """Raise BadParameter where the name of an output that is none for pipes is '-'. what: such as "a folder"."""
    if name == _STDOUT:
        raise click.BadParameter(f"'-' is standard output, which cannot carry {what}; give a name", ctx, param)


def _called(parameter: click.Parameter) -> str:
    return parameter.opts[-1] if isinstance(parameter, click.Option) else parameter.human_readable_name


def _clash(ours: str, theirs: str, other: str) -> str | None:
    """Why two outputs of one call cannot both be written, or None; theirs is what the parameter `other` names."""
    if _STDOUT in (ours, theirs):
        return f"standard output carries {other} already" if ours == theirs else None
    one, two = (Path(os.path.realpath(name)) for name in (ours, theirs))  # by whatever name, be it there or not
    if one == two:
        return f"{ours}: {other} writes it, too"
    if two in one.parents:
        return f"{ours}: lies in {theirs}, which {other} writes"
    return f"{ours}: {theirs}, which {other} writes, lies in it" if one in two.parents else None
