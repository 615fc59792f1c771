"""Matlab files from strangers: read by scipy, after a check that they cannot ask for more memory than they fill.

A file of 200 bytes may claim a cell array of two thousand million elements, or nest arrays until the reader's stack
overflows; scipy believes it. So the headers are walked first, over the decompressed bytes that scipy then gets.
Format: "MAT-File Format", MathWorks, Level 5.
"""

from __future__ import annotations

import io
import math
import struct
import warnings
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pwarp.annotations import FloatArray
from pwarp.errors import PwarpError

# MPII's file, the largest of the known ones, holds about 160 MiB when decompressed.
MAX_BYTES = 512 * 2**20
MAX_DEPTH = 16

_HEADER = 128
_MATRIX, _COMPRESSED = 14, 15
_CELL, _STRUCT, _CHAR = 1, 2, 4
_NUMERIC = range(6, 16)


class _MalformedError(Exception):
    """What is wrong with the bytes; becomes a PwarpError that names the file."""


def read_mat(path: Path, names: Sequence[str]) -> dict[str, Any]:
    """The named variables of a Matlab v5 to v7 file.

    Structures become dictionaries (one) or lists of them (arrays), numbers and cells numpy arrays, one-element
    arrays their element; nothing of the file is ever executed.
    Raises PwarpError where the file is missing, v7.3 (HDF5), larger than 512 MiB, damaged, or lacks a variable.
    """
    from scipy.io import loadmat

    try:
        if path.stat().st_size > MAX_BYTES:
            raise PwarpError(f"{path}: larger than {MAX_BYTES >> 20} MiB; no known dataset has such a Matlab file")
        content = path.read_bytes()
    except OSError as error:
        raise PwarpError(f"{path}: cannot read: {error.strerror}; is the dataset complete?") from error
    if b"MATLAB 7.3" in content[:_HEADER] or content[:8] == b"\x89HDF\r\n\x1a\n":
        raise PwarpError(f"{path}: Matlab v7.3 (HDF5) files are not read; save it in Matlab with -v7")
    try:
        plain = _decompressed(content)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found: dict[str, Any] = loadmat(io.BytesIO(plain), simplify_cells=True, variable_names=list(names))
    except Exception as error:  # scipy raises nearly anything on damaged bytes: TypeError, KeyError, zlib.error ...
        raise PwarpError(f"{path}: damaged Matlab file ({_first_line(error)}); copy or download it again") from error
    for name in names:
        if name not in found:
            raise PwarpError(f"{path}: has no variable '{name}'; is it a label file of this dataset?")
    return {name: found[name] for name in names}


def numbers(record: Mapping[str, Any], field: str, where: str, shape: tuple[int | None, ...] = ()) -> FloatArray:
    """A field as float64 of a given shape, where None stands for any length; () is a single number.

    Floats, because label arrays are often uint8 or uint16 and would wrap when subtracted. Finite, or PwarpError;
    where: file and record, for the message.
    """
    if field not in record:
        raise PwarpError(f"{where}: field '{field}' is missing")
    value = np.asarray(record[field])
    if value.dtype.kind not in "uifb":
        raise PwarpError(f"{where}: field '{field}' holds no numbers")
    value = value.astype(np.float64)
    # Axes of length one do not survive scipy's simplification: a video of one frame arrives as (13,).
    for length in (1, None):
        for axis, wanted in enumerate(shape):
            if wanted == length and value.size and axis <= value.ndim < len(shape):
                value = np.expand_dims(value, axis)
    if value.ndim != len(shape) or any(n is not None and n != m for n, m in zip(shape, value.shape, strict=True)):
        expected = " x ".join("n" if n is None else str(n) for n in shape) or "a single number"
        raise PwarpError(f"{where}: field '{field}' has shape {value.shape}, expected {expected}")
    if not np.isfinite(value).all():
        raise PwarpError(f"{where}: field '{field}' holds NaN or infinity")
    return value


def structures(value: Any) -> list[dict[str, Any]]:
    """A structure array as a list, also where simplification made one structure of it, or nothing."""
    if isinstance(value, Mapping):
        return [dict(value)]
    if isinstance(value, list | np.ndarray):
        return [dict(item) for item in value if isinstance(item, Mapping)]
    return []


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:120]


def _decompressed(content: bytes) -> bytes:
    """The same file with its top elements decompressed, checked to be well nested."""
    mark = content[_HEADER - 2 : _HEADER]
    if mark not in (b"IM", b"MI"):
        raise _MalformedError("no Matlab v5 header")
    order = "<" if mark == b"IM" else ">"
    parts, total, at = [content[:_HEADER]], 0, _HEADER
    tag = struct.Struct(order + "II")
    while at < len(content):
        if len(content) - at < 8:
            raise _MalformedError("ends inside a variable")
        kind, size = tag.unpack_from(content, at)
        if at + 8 + size > len(content):
            raise _MalformedError("ends inside a variable")
        if kind == _COMPRESSED:
            unpack = zlib.decompressobj()
            part = unpack.decompress(content[at + 8 : at + 8 + size], MAX_BYTES - total)
            # Streams without their end mark exist (Penn's 1605.mat): the walk tells whether an array is cut off.
            if unpack.unconsumed_tail:
                raise _MalformedError(f"holds more than {MAX_BYTES >> 20} MiB")
        else:
            part = content[at : at + 8 + size]
        _Walk(part, order).variable()
        parts.append(part)
        total += len(part)
        at += 8 + size
    return b"".join(parts)


class _Walk:
    """A walk over the headers of one variable."""

    def __init__(self, data: bytes, order: str) -> None:
        self.data = data
        self.order = order
        self.tag = struct.Struct(order + "II")

    def variable(self) -> None:
        kind, start, stop, _ = self.element(0, len(self.data))
        if kind != _MATRIX:
            raise _MalformedError(f"element of type {kind} where a variable should be")
        self.matrix(start, stop, depth=0)

    def element(self, at: int, end: int) -> tuple[int, int, int, int]:
        """Type of the element at a place, where its data start and stop, and where the next element is."""
        if end - at < 8:
            raise _MalformedError("ends inside an array")
        kind, size = self.tag.unpack_from(self.data, at)
        if kind >> 16:  # a small element: size and up to four bytes of data inside the tag
            kind, size = kind & 0xFFFF, kind >> 16
            start, after = at + 4, at + 8
        else:
            start = at + 8
            after = start + size + (-size % 8)
        stop = start + size
        if stop > min(after, end):
            raise _MalformedError("ends inside an array")
        return kind, start, stop, after

    def matrix(self, start: int, stop: int, depth: int) -> None:
        if start == stop:  # the empty matrix []
            return
        if depth > MAX_DEPTH:
            raise _MalformedError(f"arrays nested deeper than {MAX_DEPTH}")
        _, flags, flags_end, at = self.element(start, stop)
        if flags_end - flags != 8:
            raise _MalformedError("array without flags")
        kind = self.tag.unpack_from(self.data, flags)[0] & 0xFF
        _, dims, dims_end, at = self.element(at, stop)
        _, _, _, at = self.element(at, stop)  # the array's name
        if kind in _NUMERIC:  # the dimensions may claim what they like: scipy reads the data and then compares
            self.element(at, stop)
            return
        sizes = struct.unpack_from(f"{self.order}{(dims_end - dims) // 4}i", self.data, dims)
        if not sizes or min(sizes) < 0:
            raise _MalformedError("array without dimensions")
        count = math.prod(sizes)
        if kind == _STRUCT:
            _, length, length_end, at = self.element(at, stop)
            _, names, names_end, at = self.element(at, stop)
            if length_end - length != 4:
                raise _MalformedError("structure without field names")
            width = struct.unpack_from(self.order + "i", self.data, length)[0]
            fields = (names_end - names) // width if width > 0 else 0
            if count and not fields:
                raise _MalformedError("structure without field names")
            count *= fields
        elif kind == _CHAR:
            if count > stop - at:
                raise _MalformedError("text shorter than it claims")
            return
        elif kind != _CELL:
            raise _MalformedError(f"holds an object of class {kind}")
        if count * 8 > stop - at:
            raise _MalformedError("array shorter than it claims")
        for _ in range(count):
            child, inner, inner_end, at = self.element(at, stop)
            if child != _MATRIX:
                raise _MalformedError(f"element of type {child} inside an array")
            self.matrix(inner, inner_end, depth + 1)
