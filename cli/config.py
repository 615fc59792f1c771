"""`pwarp --config FILE.toml`: options of the commands, a table each, for those not given on the command line.

[propagate]
engine = "flow"
max-gap = 60

[train.estimator]
steps = 5000
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from pwarp.errors import PwarpError


def read_config(path: Path, group: click.Group, context: click.Context) -> dict[str, Any]:
    """The defaults that a file gives the commands of a group, as click takes them: parameter values by command.

    Raises PwarpError for what is no TOML, for commands, options and values that there are not, with the likely name.
    """
    try:
        with path.open("rb") as file:
            tables = tomllib.load(file)
    except OSError as error:
        raise PwarpError(f"{path}: cannot read: {error.strerror}; check the path after --config") from error
    except ValueError as error:  # also for bytes that are no text, and numbers of thousands of digits
        raise PwarpError(f"{path}: is not TOML: {error}") from error
    except RecursionError:
        raise PwarpError(f"{path}: is not TOML: nested too deep") from None
    return _commands(path, tables, group, context, ())


def _commands(
    path: Path, tables: Mapping[str, Any], group: click.Group, context: click.Context, above: tuple[str, ...]
) -> dict[str, Any]:
    defaults = {}
    for name, table in tables.items():
        command = group.get_command(context, name)
        place = (*above, name)
        if command is None and not above and not isinstance(table, dict):
            raise PwarpError(f"{path}: '{name}' stands outside a table; put it below one, such as [propagate]")
        if command is None:
            where = f"[{'.'.join(above)}] has no command" if above else "there is no command"
            raise PwarpError(f"{path}: {where} '{name}'{_likely(name, group.list_commands(context))}")
        if not isinstance(table, dict):
            raise PwarpError(f"{path}: '{'.'.join(place)}' is a command; write a table [{'.'.join(place)}]")
        inner = click.Context(command, info_name=name, parent=context)
        read = _commands if isinstance(command, click.Group) else _options
        defaults[name] = read(path, table, command, inner, place)  # type: ignore[arg-type]
    return defaults


def _options(
    path: Path, table: Mapping[str, Any], command: click.Command, context: click.Context, place: tuple[str, ...]
) -> dict[str, Any]:
    options = [option for option in command.params if isinstance(option, click.Option)]
    known = {name: option for option in options for name in _names(option.opts)}
    negative = {name: option for option in options for name in _names(option.secondary_opts)}
    where = f"{path}: [{'.'.join(place)}]"
    values = {}
    for key, value in table.items():
        name = key.replace("_", "-")
        if name not in known and name not in negative:
            raise PwarpError(f"{where} has no option '{key}'{_likely(name, [*known, *negative])}")
        option = known.get(name) or negative[name]
        given = _value(f"{where} {key}", value, option, context)
        values[str(option.name)] = given if name in known else not given
    return values


def _names(options: Sequence[str]) -> list[str]:
    """What a file may call an option: its long names without dashes."""
    return [name[2:] for name in options if name.startswith("--")]


def _value(where: str, value: Any, option: click.Option, context: click.Context) -> Any:
    """A value as the command line would have given it; refused where it would be, too."""
    if isinstance(value, dict):
        raise PwarpError(f"{where} is a table, expected a value")
    if option.is_flag:
        if not isinstance(value, bool):
            raise PwarpError(f"{where} is {value!r}, expected true or false")
        return value
    given = [_text(where, v) for v in value] if isinstance(value, list) else _text(where, value)
    if option.multiple:
        given = [given] if isinstance(given, str) else given
    elif isinstance(given, list):
        given = ",".join(given)
    try:
        option.type_cast_value(context, given)
    except click.BadParameter as error:
        raise PwarpError(f"{where}: {error.message}") from None
    return given


def _text(where: str, value: Any) -> str:
    """A value as people type it after an option."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise PwarpError(f"{where} is {value!r}, expected text or a number")
    return str(value)


def _likely(name: str, names: Collection[str]) -> str:
    close = difflib.get_close_matches(name, names, n=1)
    return f"; did you mean '{close[0]}'?" if close else f"; there are: {', '.join(sorted(names))}"
