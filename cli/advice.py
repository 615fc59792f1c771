"""What the command line adds to an error: what of it only the command at work knows."""

from __future__ import annotations

import re
from pathlib import Path

import click

from pwarp.errors import PwarpError

_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")


def better_said(error: PwarpError, command: click.Command, convert: click.Command) -> str | None:
    """What to say in place of the error, or None. convert: the command that has every option of reading labels."""
    return _misplaced(error, command) or _unnamed(error, command) or _elsewhere(error, command, convert)


def _misplaced(error: PwarpError, command: click.Command) -> str | None:
    """Labels stand where the command has its video."""
    from pwarp import formats
    from pwarp.video import UnreadableVideoError

    if not isinstance(error, UnreadableVideoError):
        return None
    place = Path(error.path)
    if not (place.is_file() or place.is_dir()) or not formats.holds_labels(place):  # what came by a pipe is gone
        return None
    order = [p.human_readable_name for p in command.params if isinstance(p, click.Argument)]
    give = f"give {order[0]} first, then {order[1]}" if len(order) == 2 and "VIDEO" in order else "give a video"
    return f"{error.path}: holds labels, and stands where the video belongs; {give}"


def _unnamed(error: PwarpError, command: click.Command) -> str | None:
    """The output's name asks for no label format, and some commands have an option that does."""
    from pwarp.formats import NoFormatError

    if not isinstance(error, NoFormatError):
        return None
    option = next((parameter.opts[0] for parameter in command.params if parameter.name == "to"), None)
    mend = "such as .json" if option is None else f"or name the format with {option}: {error.formats}"
    return f"{error.problem}; give another, {mend}"


def _elsewhere(error: PwarpError, command: click.Command, convert: click.Command) -> str | None:
    """Reading labels advises an option, and the command reads them without it."""
    if "pwarp convert" in str(error):  # says so itself
        return None
    advised = set(_OPTION.findall(str(error)))
    missing = sorted((advised - _options(command)) & _options(convert))
    return f"{error} ({', '.join(missing)}: of pwarp convert, for the labels)" if missing else None


def _options(command: click.Command) -> set[str]:
    """The options of a command, or of a group's commands."""
    below = command.commands.values() if isinstance(command, click.Group) else ()
    own = (option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts))
    return {*own, *(option for each in below for option in _options(each))}
