"""Options that belong together, given to a command as one value."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

Command = Callable[..., Any]
Decorator = Callable[[Command], Command]


def together(name: str, make: Callable[..., Any], *options: Decorator) -> Decorator:
    """Give a command these options, and hand it under `name` what `make` makes of their values, called by name."""
    parts = _names(options)

    def decorated(command: Command) -> Command:
        @functools.wraps(command)
        def with_value(*arguments: Any, **values: Any) -> Any:
            value = make(**{part: values.pop(part) for part in parts})
            return command(*arguments, **{name: value}, **values)

        whole: Command = with_value
        for option in reversed(options):
            whole = option(whole)
        return whole

    return decorated


def _names(options: tuple[Decorator, ...]) -> list[str]:
    """What click calls the values of options."""

    def command() -> None: ...

    for option in options:
        option(command)
    return [parameter.name for parameter in command.__click_params__]  # type: ignore[attr-defined]
