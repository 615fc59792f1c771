"""What this call asks for. A configuration file speaks for other calls, too: what it says and does not fit this one is
dropped, where it would be refused of the command line."""

from __future__ import annotations

import click
from click.core import ParameterSource


def asked(parameter: str) -> bool:
    """Whether the command line has a parameter of the command at work."""
    return click.get_current_context().get_parameter_source(parameter) is ParameterSource.COMMANDLINE


def refuse_if_asked(parameter: str, why: str) -> None:
    """Raise UsageError for a parameter that the command line has; whoever calls drops it otherwise."""
    if asked(parameter):
        raise click.UsageError(why)


def weaker(one: str, other: str, why: str) -> str:
    """Which of two parameters that exclude each other to drop: the one that only a file has.

    Raises UsageError where both come from the same place.
    """
    if asked(one) == asked(other):
        raise click.UsageError(why)
    return other if asked(one) else one


def called(parameter: str) -> str:
    """What people call an option of the command at work, with its dashes."""
    command = click.get_current_context().command
    names = next(option.opts for option in command.params if option.name == parameter)
    return next((name for name in names if name.startswith("--")), names[0])
