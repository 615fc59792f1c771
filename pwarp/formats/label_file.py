"""A label file as the readers get it: its name for messages, its bytes, its JSON.

Files come from strangers, so the size is bounded, and whatever is wrong with the text becomes one line.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from pwarp.errors import PwarpError

STANDARD_INPUT = "-"
LARGEST = 1 << 30
LARGEST_STREAM = 1 << 33  # read line by line
_HEAD = 1 << 16
_BOM = b"\xef\xbb\xbf"
_BINARY = {
    b"\x1f\x8b": "a gzip archive; unpack it first",
    b"PK\x03\x04": "a zip archive; unpack it first",
    b"\x89HDF": "an HDF5 file",
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"%PDF": "a PDF document",
}
_NOT_FINITE = (b"NaN", b"Infinity", b"-Infinity")


@dataclass(frozen=True)
class LabelFile:
    """A label file, folder or standard input.

    path: where it lies; None for standard input. name: what messages call it. beside: a file that says what this one
    leaves out, for formats that need one.
    """

    path: Path | None
    name: str
    beside: Path | None = None

    @classmethod
    def open(cls, path: str | Path) -> LabelFile:
        """A label file by its path, '-' being standard input; raises PwarpError where there is nothing.

        What is neither file nor folder, such as a shell's `<(command)`, gives its bytes but once: they are read here.
        """
        if str(path) == STANDARD_INPUT:
            return cls(path=None, name="standard input")
        path = Path(path)
        try:
            if not path.exists():
                raise PwarpError(f"{path}: no such file; check the path")
        except OSError as error:
            raise PwarpError(f"{path}: cannot open: {error.strerror or error}") from error
        file = cls(path=path, name=str(path))
        if path.is_char_device() or path.is_block_device():
            raise PwarpError(f"{path}: is a device, no label file; check the path")
        return file if path.is_file() or path.is_dir() else cls.of(file.content, file.name)

    @classmethod
    def of(cls, content: bytes, name: str) -> LabelFile:
        """A label file that is in memory alone."""
        file = cls(path=None, name=name)
        vars(file)["content"] = content  # where `cached_property` keeps it
        return file

    def with_beside(self, beside: Path) -> LabelFile:
        """The same file, with another one beside it; what was read of it is kept."""
        other = replace(self, beside=beside)
        vars(other).update({name: value for name, value in vars(self).items() if name == "content"})
        return other

    @property
    def is_folder(self) -> bool:
        """Whether the labels are in a folder instead of one file."""
        return self.path is not None and self.path.is_dir()

    @cached_property
    def content(self) -> bytes:
        """All bytes of the file; raises PwarpError for a folder, an unreadable or an immense file."""
        content = self._read(LARGEST + 1)
        if len(content) > LARGEST:
            raise self.error(f"larger than {LARGEST >> 20} MiB; split it, one video a file")
        return content

    def lines(self) -> Iterator[bytes]:
        """The lines with their ends, one in memory at a time where the file has a path; errors as for `content`."""
        if self.path is None or not self.path.is_file():
            yield from BytesIO(self.content)
            return
        size = 0
        try:
            with self.path.open("rb") as handle:
                while line := handle.readline(LARGEST + 1):
                    size += len(line)
                    if len(line) > LARGEST or size > LARGEST_STREAM:
                        most = LARGEST if len(line) > LARGEST else LARGEST_STREAM
                        raise self.error(f"larger than {most >> 20} MiB; split it, one video a file")
                    yield line
        except OSError as error:
            raise self.error(f"cannot read: {error.strerror or error}") from error

    @cached_property
    def head(self) -> bytes:
        """The first 64 KiB, empty for a folder: enough to guess what it is, even where it is an immense video."""
        if self.is_folder:
            return b""
        # What is no plain file (stdin, a pipe) can be read but once, so all of it.
        plain = self.path is not None and self.path.is_file()
        return self._read(_HEAD) if plain else self.content[:_HEAD]

    def _read(self, size: int) -> bytes:
        if self.is_folder:
            raise self.error("is a folder, this format is a file; name the file in it")
        try:
            if self.path is None:
                return _first(sys.stdin.buffer, size, _HEAD)
            with self.path.open("rb") as handle:
                return _first(handle, size, os.fstat(handle.fileno()).st_size + 1)
        except OSError as error:
            raise self.error(f"cannot read: {error.strerror or error}") from error

    @property
    def looks_like_text(self) -> bool:
        """Whether the first 64 KiB hold anything and no zero byte, which every video and archive soon has."""
        return bool(self.head) and b"\0" not in self.head

    @property
    def looks_like_json(self) -> bool:
        """Whether the text begins the way a JSON object or list does."""
        return self.head.removeprefix(_BOM).lstrip()[:1] in (b"{", b"[")

    @property
    def looks_like_xml(self) -> bool:
        """Whether the text begins the way an XML document does."""
        return self.head.removeprefix(_BOM).lstrip()[:1] == b"<"

    @property
    def looks_like(self) -> str:
        """A few words on what the file is, for a person who gave another one than was meant."""
        if self.is_folder:
            return "a folder"
        for magic, what in _BINARY.items():
            if self.head.startswith(magic):
                return f"it looks like {what}"
        if not self.head.strip():
            return "it is empty"
        if not self.looks_like_text:
            return "it looks like binary data"
        if not self.looks_like_json:
            return "it looks like text, not JSON"
        if isinstance(self.json, dict):
            return f"it looks like JSON with the fields {', '.join(map(repr, list(self.json)[:8])) or '(none)'}"
        return "it looks like a JSON list"

    @property
    def json(self) -> Any:
        """The file as parsed JSON. NaN and Infinity stay in: a reader that meets one can say whose it is.

        Raises PwarpError that says what is wrong and at which byte: empty, binary, cut off, not UTF-8, too deep.
        """
        return self._parsed[0]

    @property
    def not_finite_at(self) -> int | None:
        """Byte of the first number that is not finite in the JSON that was read; no reader's result stands with one."""
        return self._parsed[1] if "_parsed" in vars(self) else None

    @cached_property
    def _parsed(self) -> tuple[Any, int | None]:
        content = self.content
        if not content or content.isspace():
            raise self.error("is empty")
        try:
            with no_garbage():
                return orjson.loads(content.removeprefix(_BOM)), None
        except orjson.JSONDecodeError as error:
            return self._parsed_by_python(content, error)

    def forget(self) -> None:
        """Let go of the parsed JSON."""
        vars(self).pop("_parsed", None)

    def _parsed_by_python(self, content: bytes, error: orjson.JSONDecodeError) -> tuple[Any, int]:
        """Parse JSON whose only fault are numbers that are not finite; for every other fault, say what it is."""
        for magic, what in _BINARY.items():
            if content.startswith(magic):
                raise self.error(f"is {what}, not JSON") from None
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError as fault:
            raise self.error(f"not UTF-8 text at byte {fault.start}; save it as UTF-8") from None
        at = len(text[: error.pos].encode()) + len(content) - len(content.removeprefix(_BOM))
        if "recursion" in error.msg:
            raise self.error(f"lists or objects nested too deep at byte {at}; no label file looks like this") from None
        if "end of data" in error.msg:
            raise self.error(
                f"JSON ends in the middle at byte {at}; the file was cut off, copy or write it again"
            ) from None
        if "infinity" in error.msg or content[at:].startswith(_NOT_FINITE):
            try:
                return json.loads(text, parse_int=_int), at
            except (ValueError, RecursionError):
                raise self.error(f"a number at byte {at} is not finite; JSON has no NaN or Infinity") from None
        raise self.error(f"not JSON at byte {at} (line {error.lineno}, column {error.colno}): {error.msg}") from None

    def error(self, message: str) -> PwarpError:
        """The message with the file's name before it."""
        return PwarpError(f"{self.name}: {message}")

    def no_picture_of(self, video: Sequence[str], called: str, mend: str) -> PwarpError:
        """For what is called so and is none of the pictures of the video, by their names."""
        return self.error(f"{called} is none of the pictures of the video ('{video[0]}', ...); {mend}")


def _first(handle: BinaryIO, size: int, step: int) -> bytes:
    """The first bytes, read in steps: `read(size)` would ask for as much memory, however short the file is."""
    parts = []
    while size > 0 and (part := handle.read(min(size, step))):
        parts.append(part)
        size -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _int(digits: str) -> int | float:
    """A JSON integer the way orjson reads it: a float where it fits no 64 bits."""
    return int(digits) if len(digits) < 19 else float(digits)


@contextmanager
def no_garbage() -> Iterator[None]:
    """Leave the garbage collector off for a while.

    A file being read or written is one heap of young objects, none of them garbage; looking for some takes longer than
    all the rest where they are nested.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()
