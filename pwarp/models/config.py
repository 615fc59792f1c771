"""What a network is made of, as plain values: frozen dataclasses that go to JSON and come back the same.

A config comes from a checkpoint of a stranger, so every value is checked before a module is made of it.
"""

from __future__ import annotations

import difflib
import math
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, Self, Union

from pwarp import registry
from pwarp.errors import PwarpError

_KINDS = ("backbone", "model")
_LARGEST = 4096  # of any whole number in a config: far above every published model, far below what fills a memory


@dataclass(frozen=True)
class Config:
    """Base of all configs. name: as in the registry, kinds "backbone" and "model".

    Making one raises PwarpError that names the field where a value has the wrong type or is out of range.
    """

    name: str

    def __post_init__(self) -> None:
        hints = typing.get_type_hints(type(self))
        for field in fields(self):
            value = _checked(getattr(self, field.name), hints[field.name], f"{self.name}: {field.name}")
            object.__setattr__(self, field.name, value)

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts, lists, numbers and strings, ready for JSON; `from_dict` makes the equal config of it."""
        return {field.name: _plain(getattr(self, field.name)) for field in fields(self)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The config that `to_dict` described, of the class that its name asks for; fields left out take defaults.

        Raises PwarpError for an unknown name or field, for a wrong value, and for a config of another kind than cls.
        """
        name = values.get("name")
        if not isinstance(name, str):
            raise PwarpError("model config without a name; it must be one of " + ", ".join(_names()))
        kind = config_class(name)
        if not issubclass(kind, cls):
            raise PwarpError(f"'{name}' cannot stand here; it is no {cls.__name__.removesuffix('Config').lower()}")
        known = {field.name for field in fields(kind)}
        if unknown := sorted(set(values) - known):
            raise PwarpError(f"{name}: unknown option '{unknown[0]}'; known: {', '.join(sorted(known))}")
        try:
            return kind(**values)
        except TypeError as error:
            raise PwarpError(f"{name}: {error}") from error


def network_class(name: str) -> Any:
    """The nn.Module class of a registered backbone or model; PwarpError with the known names for any other."""
    for kind in _KINDS:
        if name in registry.PARTS[kind]:
            return registry.load(kind, name)
    close = difflib.get_close_matches(name, _names(), n=1)
    hint = f"did you mean '{close[0]}'? " if close else ""
    raise PwarpError(f"unknown model '{name}'; {hint}known: {', '.join(_names())}")


def config_class(name: str) -> type[Config]:
    """The config class of a registered backbone or model."""
    found: type[Config] = network_class(name).config_type
    return found


def fail(config: Config, message: str) -> typing.NoReturn:
    """Raise the PwarpError of a config whose values do not go together."""
    raise PwarpError(f"{config.name}: {message}")


def _names() -> list[str]:
    return [name for kind in _KINDS for name in registry.names(kind)]


def _plain(value: Any) -> Any:
    if isinstance(value, Config):
        return value.to_dict()
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


def _checked(value: Any, hint: Any, where: str) -> Any:
    """The value as its type hint wants it: lists become tuples, mappings configs."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        if value not in arguments:
            raise PwarpError(f"{where} is {value!r}; it must be one of {', '.join(map(repr, arguments))}")
        return value
    if origin is tuple:
        if not isinstance(value, list | tuple) or len(value) > _LARGEST:
            raise PwarpError(f"{where} is {value!r}; it must be a list")
        return tuple(_checked(item, arguments[0], where) for item in value)
    if origin in (Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        (inner,) = (argument for argument in arguments if argument is not type(None))
        return _checked(value, inner, where)
    if isinstance(hint, type) and issubclass(hint, Config):
        return value if isinstance(value, hint) else hint.from_dict(_checked(value, Mapping, where))
    return _plain_value(value, hint, where)


def _plain_value(value: Any, hint: Any, where: str) -> Any:
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if not isinstance(value, hint) or (hint is not bool and isinstance(value, bool)):
        raise PwarpError(f"{where} is {value!r}; it must be of type {hint.__name__}")
    if isinstance(value, int | float) and not (math.isfinite(value) and abs(value) <= _LARGEST):
        raise PwarpError(f"{where} is {value!r}; it must lie within ±{_LARGEST}")
    return value
