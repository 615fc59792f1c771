"""Matlab files from strangers: a reader of the few kinds of array that datasets use, bounded in time and memory.

scipy's reader is no choice here. It takes a file's word for the size of its arrays (200 bytes that claim two thousand
million cells cost gigabytes), and damaged or deeply nested files end the process with a segmentation fault.
Format: "MAT-File Format", MathWorks, Level 5 (files of Matlab v5 to v7).
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pwarp.annotations import FloatArray
from pwarp.errors import PwarpError

# MPII's file, the largest of the known ones, holds about 160 MiB in 2.5 million arrays when decompressed.
MAX_BYTES = 512 * 2**20
# Zeros take next to no room in a file: past the first figure, only so many times the file's own size.
UNPACKED, PACKED_BY = 64 * 2**20, 32
MAX_ARRAYS = 10_000_000
MAX_DEPTH = 16

_HEADER = 128
_MOST_AXES = 32
_NAME_WITHIN = 1024  # bytes of a variable that its flags, dimensions and name take up at most
_MATRIX, _COMPRESSED = 14, 15
_CELL, _STRUCT, _CHAR, _NUMERIC = 1, 2, 4, range(6, 16)
_COMPLEX = 0x0800
_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_TEXTS = {1: "latin-1", 2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
_EMPTY: NDArray[Any] = np.empty((0, 0))


class _MalformedError(Exception):
    """What is wrong with the bytes; becomes a PwarpError that names the file."""


def read_mat(path: Path, names: Collection[str]) -> dict[str, Any]:
    """The named variables of a Matlab v5 to v7 file; see `parse_mat`.

    Raises PwarpError also where the file is missing or larger than 512 MiB.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise PwarpError(f"{path}: larger than {MAX_BYTES >> 20} MiB; no known dataset has such a Matlab file")
        content = path.read_bytes()
    except OSError as error:
        raise PwarpError(f"{path}: cannot read: {error.strerror}; is the dataset complete?") from error
    return parse_mat(content, names, str(path))


def parse_mat(content: bytes, names: Collection[str], path: str) -> dict[str, Any]:
    """The named variables in the bytes of a Matlab v5 to v7 file; path: what messages call it.

    Numbers and logicals become numpy arrays with all axes that the file gives them (at least two), structure arrays
    lists of dictionaries and cell arrays lists, both by column; one row of text a str, several rows a list of them.
    Raises PwarpError where the file is v7.3 (HDF5), larger than 512 MiB (decompressed), damaged, lacks a
    variable, or holds anything else in it (objects, functions, sparse or complex numbers).
    """
    if b"MATLAB 7.3" in content[:_HEADER] or content[:8] == b"\x89HDF\r\n\x1a\n":
        raise PwarpError(f"{path}: Matlab v7.3 (HDF5) files are not read; save it in Matlab with -v7")
    found: dict[str, Any] = {}
    try:
        order = _byte_order(content)
        for variable in _variables(content, order):
            found |= _Reader(variable, order).named(names)
    except (_MalformedError, zlib.error, struct.error, ValueError) as error:
        raise PwarpError(f"{path}: damaged Matlab file ({error}); copy or download it again") from error
    for name in names:
        if name not in found:
            raise PwarpError(f"{path}: has no variable '{name}'; is it a label file of this dataset?")
    return found


def variable_names(content: bytes) -> set[str]:
    """Names of the variables in a Matlab v5 to v7 file, from their heads alone; none where it is no such file."""
    found = set()
    try:
        order = _byte_order(content)
        for variable in _variables(content, order, most=_NAME_WITHIN):
            reader = _Reader(variable, order)
            start = 8 if reader.tag.unpack_from(variable)[0] == _MATRIX else len(variable)
            found.add(reader.head(start, len(variable))[2])
    except (_MalformedError, zlib.error, struct.error, ValueError):
        pass
    return found


def numbers(
    record: Mapping[str, Any], field: str, where: str, shape: tuple[int | None, ...] = (), *, finite: bool = True
) -> FloatArray:
    """A field as float64 of a given shape, where None stands for any length; () is a single number.

    Floats, because label arrays are often uint8 or uint16 and would wrap when subtracted. where: file and record, for
    the message. finite: raise PwarpError where a number is not.
    """
    if field not in record:
        raise PwarpError(f"{where}: field '{field}' is missing")
    value = record[field]
    if not isinstance(value, np.ndarray):
        raise PwarpError(f"{where}: field '{field}' holds no numbers")
    given = value.shape
    if len(shape) < 2:  # Matlab has no vectors and no scalars, only arrays with axes of length one
        value = value.reshape([n for n in value.shape if n != 1] or [1] * len(shape))
    else:  # nor does it keep axes of length one at the end
        value = value.reshape(value.shape + (1,) * (len(shape) - value.ndim))
    if value.ndim != len(shape) or any(n is not None and n != m for n, m in zip(shape, value.shape, strict=True)):
        expected = " x ".join("n" if n is None else str(n) for n in shape) or "a single number"
        raise PwarpError(f"{where}: field '{field}' has shape {given}, expected {expected}")
    if finite and not np.isfinite(value).all():
        raise PwarpError(f"{where}: field '{field}' holds NaN or infinity")
    return value.astype(np.float64)


def structures(record: Mapping[str, Any], field: str) -> list[dict[str, Any]]:
    """A field that holds a structure array; empty where it is missing or holds something else."""
    value = record.get(field)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _byte_order(content: bytes) -> str:
    mark = content[_HEADER - 2 : _HEADER]
    if mark not in (b"IM", b"MI"):
        raise _MalformedError("no Matlab v5 header")
    return "<" if mark == b"IM" else ">"


def _variables(content: bytes, order: str, most: int | None = None) -> Iterator[bytes]:
    """The bytes of each variable, decompressed; at most that many of each."""
    total, at = 0, _HEADER
    largest = min(MAX_BYTES, max(UNPACKED, PACKED_BY * len(content)))
    while at < len(content):
        kind, size = struct.unpack_from(order + "II", content, at)
        if at + 8 + size > len(content):
            raise _MalformedError("ends inside a variable")
        variable = content[at : at + 8 + size]
        if kind == _COMPRESSED:
            # Streams without their end mark exist (Penn's 1605.mat); the reader notices where data are missing.
            unpack = zlib.decompressobj()
            variable = unpack.decompress(variable[8:], most or largest - total)
            if unpack.unconsumed_tail and most is None:
                raise _MalformedError(f"larger than {largest >> 20} MiB when decompressed")
        total += len(variable)
        yield variable
        at += 8 + size


class _Reader:
    """A reader of one variable's bytes."""

    def __init__(self, data: bytes, order: str) -> None:
        self.data = data
        self.order = order
        self.tag = struct.Struct(order + "II")
        self.arrays = 0

    def named(self, names: Collection[str]) -> dict[str, Any]:
        """The variable by its name, or nothing where the name is not one of those wanted."""
        kind, start, stop, _ = self.element(0, len(self.data))
        if kind != _MATRIX:
            raise _MalformedError(f"element of type {kind} where a variable should be")
        class_, _, name, _ = self.head(start, stop)
        known = class_ in (_CELL, _STRUCT, _CHAR) or class_ in _NUMERIC
        return {name: self.array(start, stop, depth=0)} if known and name in names else {}

    def element(self, at: int, end: int) -> tuple[int, int, int, int]:
        """Type of the element at a place, where its data start and stop, and where the next element is."""
        if end - at < 8:
            raise _MalformedError("ends inside an array")
        kind, size = self.tag.unpack_from(self.data, at)
        if kind >> 16:  # a small element: its size and up to four bytes of data are inside the tag
            kind, size = kind & 0xFFFF, kind >> 16
            start, after = at + 4, at + 8
        else:
            start = at + 8
            after = start + size + (-size % 8)
        stop = start + size
        if stop > min(after, end):
            raise _MalformedError("ends inside an array")
        return kind, start, stop, after

    def head(self, start: int, stop: int) -> tuple[int, tuple[int, ...], str, int]:
        """Class, dimensions and name of the array at a place, and where its content begins."""
        _, flags, flags_end, at = self.element(start, stop)
        if flags_end - flags != 8:
            raise _MalformedError("array without flags")
        flag = self.tag.unpack_from(self.data, flags)[0]
        if flag & _COMPLEX:
            raise _MalformedError("complex numbers")
        _, first, last, at = self.element(at, stop)
        if last - first > 4 * _MOST_AXES:
            raise _MalformedError(f"array with more than {_MOST_AXES} axes")
        dims = struct.unpack_from(f"{self.order}{(last - first) // 4}i", self.data, first)
        _, first, last, at = self.element(at, stop)
        return flag & 0xFF, dims, self.data[first:last].decode("latin-1"), at

    def array(self, start: int, stop: int, depth: int) -> Any:
        """The array between two places."""
        if start == stop:  # Matlab's []
            return _EMPTY
        self.arrays += 1
        if depth > MAX_DEPTH or self.arrays > MAX_ARRAYS:
            raise _MalformedError(f"arrays nested deeper than {MAX_DEPTH}, or more than {MAX_ARRAYS} of them")
        class_, dims, _, at = self.head(start, stop)
        if len(dims) < 2 or min(dims) < 0:
            raise _MalformedError("array without dimensions")
        count = math.prod(dims)
        if class_ in _NUMERIC:
            return self.numeric(dims, count, at, stop)
        if class_ == _CHAR:
            return self.text(dims, count, at, stop)
        if class_ == _CELL:
            return self.children(count, at, stop, depth)
        if class_ == _STRUCT:
            return self.structs(count, at, stop, depth)
        raise _MalformedError(f"holds an array of class {class_}")

    def numeric(self, dims: tuple[int, ...], count: int, at: int, stop: int) -> NDArray[Any]:
        kind, first, last, _ = self.element(at, stop)
        if kind not in _NUMBERS:
            raise _MalformedError(f"numbers of type {kind}")
        dtype = np.dtype(self.order + _NUMBERS[kind])
        if last - first != count * dtype.itemsize:
            raise _MalformedError("array shorter or longer than it claims")
        return np.ndarray(dims, dtype, self.data, first, order="F").astype(dtype.newbyteorder("="))

    def text(self, dims: tuple[int, ...], count: int, at: int, stop: int) -> str | list[str]:
        if count == 0:
            return ""
        kind, first, last, _ = self.element(at, stop)
        if kind not in _TEXTS:
            raise _MalformedError(f"text of type {kind}")
        endless = _TEXTS[kind] in ("latin-1", "utf-8")
        suffix = "" if endless else "-le" if self.order == "<" else "-be"
        text = self.data[first:last].decode(_TEXTS[kind] + suffix)
        if not text or len(text) > count or (len(text) < count and dims[0] != 1):
            raise _MalformedError("text shorter or longer than it claims")
        if dims[0] == 1:  # where the claim counts UTF-16 units, of which a character may have two
            return text
        return [text[row :: dims[0]] for row in range(dims[0])]

    def children(self, count: int, at: int, stop: int, depth: int) -> list[Any]:
        """The arrays that follow each other from a place."""
        if count * 8 > stop - at:  # an element has 8 bytes at least
            raise _MalformedError("array shorter than it claims")
        items = []
        for _ in range(count):
            kind, first, last, at = self.element(at, stop)
            if kind != _MATRIX:
                raise _MalformedError(f"element of type {kind} inside an array")
            items.append(self.array(first, last, depth + 1))
        return items

    def structs(self, count: int, at: int, stop: int, depth: int) -> list[dict[str, Any]]:
        _, first, last, at = self.element(at, stop)
        width = struct.unpack_from(self.order + "i", self.data, first)[0] if last - first == 4 else 0
        _, first, last, at = self.element(at, stop)
        if count == 0:
            return []
        if width <= 0 or last - first < width:
            raise _MalformedError("structure without field names")
        names = [self.data[i : i + width].split(b"\0")[0].decode("latin-1") for i in range(first, last, width)]
        values = self.children(count * len(names), at, stop, depth)
        return [dict(zip(names, values[i : i + len(names)], strict=True)) for i in range(0, len(values), len(names))]
