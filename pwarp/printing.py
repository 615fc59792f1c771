"""Text of strangers (file names, keypoints, notes), made fit for a terminal and for JSON."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any


def printable(text: str) -> str:
    """Text with the escapes of what would break a line or steer a terminal."""
    return text if text.isprintable() else "".join(map(_escaped, text))


def json_ready(value: Any) -> Any:
    """Mappings with text keys, as JSON wants them, and names that are not UTF-8 as far as it can show them."""
    if isinstance(value, Mapping):
        return {json_ready(str(key)): json_ready(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_ready(item) for item in value]
    if isinstance(value, Path):
        value = str(value)
    return value.encode(errors="replace").decode() if isinstance(value, str) else value


def _escaped(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode()
