"""What an ONNX file says about itself: the size of its input and its metadata, read without any library.

An ONNX file is a protocol buffer: fields of a number, a type and a value, messages in messages (onnx.proto3 of
onnx/onnx has the numbers). Only the few that are needed are looked at, everything else is skipped.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pwarp.errors import PwarpError

# ModelProto: graph, metadata_props. GraphProto: initializer, input. ValueInfoProto: name, type.
_GRAPH, _METADATA = 7, 14
_INITIALIZER, _INPUT = 5, 11
_NAME, _TYPE = 1, 2
_TENSOR_NAME = 8
# TypeProto: tensor_type; its shape; the shape's dims; a dim's value.
_SHAPE = (1, 2)
_DIM, _VALUE = 1, 1
_KEY, _TEXT = 1, 2
_LARGEST = 4 << 30
# The key of the metadata under which `pwarp export` leaves a checkpoint's card.
CARD = "pwarp"

Bytes = bytes | mmap.mmap


def warp_file(path: Path) -> Path:
    """Where the warping of an exported PoseWarper lies whose backbone is in `path`."""
    return path.with_name(f"{path.stem}.warp{path.suffix}")


@dataclass(frozen=True)
class Header:
    """shape: of the first input, (batch, channels, height, width), None where it is free. metadata: by key."""

    shape: tuple[int | None, ...]
    metadata: Mapping[str, str] = field(default_factory=dict)


def read_header(path: Path) -> Header:
    """The header of an ONNX file; raises PwarpError where it is none."""
    try:
        size = path.stat().st_size
        if path.is_dir() or not 0 < size < _LARGEST:
            raise PwarpError(f"{path}: is no ONNX file; give a network as .onnx")
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return _header(content)
    except OSError as error:
        raise PwarpError(f"{path}: cannot read: {error.strerror or error}; check the path") from error
    except (ValueError, IndexError, UnicodeDecodeError) as error:
        raise PwarpError(f"{path}: is no ONNX file, or a damaged one; export the network again") from error


def _header(content: mmap.mmap) -> Header:
    metadata: dict[str, str] = {}
    inputs: list[tuple[str, tuple[int | None, ...]]] = []
    constants = set()
    for number, start, end in _messages(content, 0, len(content)):
        if number == _METADATA:
            pair = {n: content[a:b].decode() for n, a, b in _messages(content, start, end)}
            metadata[pair.get(_KEY, "")] = pair.get(_TEXT, "")
        elif number == _GRAPH:
            for part, a, b in _messages(content, start, end):
                if part == _INPUT:
                    inputs.append((_text(content, a, b, _NAME), _shape(content, a, b)))
                elif part == _INITIALIZER:
                    constants.add(_text(content, a, b, _TENSOR_NAME))
    # Old exporters list the weights among the inputs.
    shapes = [shape for name, shape in inputs if name not in constants]
    if not shapes:
        raise ValueError("no input")
    return Header(shapes[0], metadata)


def _shape(content: mmap.mmap, start: int, end: int) -> tuple[int | None, ...]:
    for step in (_TYPE, *_SHAPE):
        start, end = next(((a, b) for n, a, b in _messages(content, start, end) if n == step), (end, end))
    dims = [(a, b) for n, a, b in _messages(content, start, end) if n == _DIM]
    values = (dict(_whole_numbers(content, a, b)).get(_VALUE) for a, b in dims)
    # A dimension of 0 or less stands for any, as does a named one.
    return tuple(v if v is not None and 0 < v < 1 << 20 else None for v in values)


def _text(content: mmap.mmap, start: int, end: int, number: int) -> str:
    return next((content[a:b].decode() for n, a, b in _messages(content, start, end) if n == number), "")


def _messages(content: mmap.mmap, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """(field number, first byte, end) of the fields that hold text or messages."""
    return ((n, a, b) for n, kind, a, b in _fields(content, start, end) if kind == 2)


def _whole_numbers(content: mmap.mmap, start: int, end: int) -> Iterator[tuple[int, int]]:
    """(field number, value) of the fields that hold whole numbers."""
    return ((n, _varint(content, a)[0]) for n, kind, a, _ in _fields(content, start, end) if kind == 0)


def _fields(content: mmap.mmap, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """(field number, wire type, first byte of the value, its end); ValueError where a field leaves its message."""
    while start < end:
        tag, start = _varint(content, start)
        kind = tag & 7
        if kind == 0:
            stop = _varint(content, start)[1]
        elif kind == 2:
            length, start = _varint(content, start)
            stop = start + length
        elif kind in (1, 5):
            stop = start + (8 if kind == 1 else 4)
        else:
            raise ValueError("no such wire type")
        if stop > end:
            raise ValueError("a field ends after its message")
        yield tag >> 3, kind, start, stop
        start = stop


def _varint(content: mmap.mmap, at: int) -> tuple[int, int]:
    """A whole number of 7 bits a byte, and where it ends."""
    value = shift = 0
    while True:
        byte = content[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
        if shift > 63:
            raise ValueError("a number of more than 64 bits")
