"""Matlab files: what is read from good ones, and that bad ones cost neither a traceback nor memory."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import savemat

from pwarp.errors import PwarpError
from pwarp.formats import matlab
from pwarp.formats.matlab import numbers, read_mat, structures

HEADER = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM"
CELL, STRUCT, OBJECT, CHAR, SPARSE, DOUBLE = 1, 2, 3, 4, 5, 6


def element(kind: int, data: bytes, order: str = "<") -> bytes:
    return struct.pack(order + "II", kind, len(data)) + data + b"\0" * (-len(data) % 8)


def array(kind: int, dims: tuple[int, ...], body: bytes, name: bytes = b"x", order: str = "<") -> bytes:
    flags = element(6, struct.pack(order + "II", kind, 0), order)
    sizes = element(5, struct.pack(f"{order}{len(dims)}i", *dims), order)
    return element(14, flags + sizes + element(1, name, order) + body, order)


def saved(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "labels.mat"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("compressed", [False, True])
def test_values_come_back(tmp_path: Path, compressed: bool) -> None:
    """As scipy writes them, in the types and with the axes that they were given."""
    path = tmp_path / "labels.mat"
    fields: dict[str, Any] = {
        f"a_{t}": np.arange(24).reshape(2, 3, 4).astype(t) for t in ("u1", "i2", "u4", "f4", "f8")
    }
    cells = np.empty((1, 3), dtype=object)
    cells[0] = [np.ones((2, 3)), "text", np.zeros((0, 0))]
    people = np.zeros((1, 2), dtype=[("name", object), ("at", object)])
    people[0] = [("a", 1.5), ("b", np.arange(3))]
    fields |= {"flag": True, "lines": ["ab ", "cde"], "umlaut": "ä", "nothing": "", "cells": cells, "people": people}
    savemat(path, fields, do_compression=compressed)
    found = read_mat(path, list(fields))
    for name, value in fields.items():
        if name.startswith("a_"):
            assert found[name].dtype == value.dtype
            np.testing.assert_array_equal(found[name], value)
    assert found["flag"].shape == (1, 1)
    assert (found["lines"], found["umlaut"], found["nothing"]) == (["ab ", "cde"], "ä", "")
    np.testing.assert_array_equal(found["cells"][0], np.ones((2, 3)))
    assert found["cells"][1] == "text"
    assert found["cells"][2].shape == (0, 0)
    first, second = structures(found, "people")
    assert (first["name"], second["name"]) == ("a", "b")
    np.testing.assert_array_equal(second["at"], [[0, 1, 2]])
    assert structures(found, "flag") == structures(found, "absent") == []


def test_a_file_from_a_big_endian_machine_is_read(tmp_path: Path) -> None:
    body = array(DOUBLE, (1, 3), element(9, struct.pack(">3d", 1, 2, 4), ">"), order=">")
    path = saved(tmp_path, b"MATLAB 5.0 MAT-file".ljust(124) + b"\x01\x00MI" + body)
    np.testing.assert_array_equal(read_mat(path, ["x"])["x"], [[1, 2, 4]])


def test_a_compressed_variable_without_its_end_mark_is_read(tmp_path: Path) -> None:
    """Penn Action's 1605.mat is like this, and complete."""
    packer = zlib.compressobj()
    stream = packer.compress(array(DOUBLE, (1, 3), element(9, struct.pack("<3d", 1, 2, 4)))) + packer.flush(
        zlib.Z_SYNC_FLUSH
    )
    path = saved(tmp_path, HEADER + struct.pack("<II", 15, len(stream)) + stream)
    np.testing.assert_array_equal(read_mat(path, ["x"])["x"], [[1, 2, 4]])


HOSTILE = {
    "cells that are not there": array(CELL, (1, 2**31 - 1), b""),
    "structures that are not there": array(
        STRUCT, (2**31 - 1, 3), element(5, struct.pack("<i", 8)) + element(1, b"a".ljust(8))
    ),
    "structures without fields": array(STRUCT, (2**31 - 1, 3), element(5, struct.pack("<i", 8)) + element(1, b"")),
    "text that is not there": array(CHAR, (1, 2**31 - 1), element(4, b"")),
    "dimensions below zero": array(CELL, (-3, -5), b""),
    "no dimensions": array(CELL, (), b""),
    "numbers that are not there": array(DOUBLE, (2**31 - 1, 3), element(9, b"")),
    "a data element longer than the file": array(DOUBLE, (1, 3), struct.pack("<II", 9, 2**31)),
    "an object": array(CELL, (1, 1), array(OBJECT, (1, 1), b"")),
    "a sparse matrix": array(CELL, (1, 1), array(SPARSE, (1, 1), b"")),
    "complex numbers": element(14, element(6, struct.pack("<II", DOUBLE | 0x800, 0)) + b"\0" * 32),
    "numbers of no type": array(DOUBLE, (1, 1), element(8, b"12345678")),
    "text of no type": array(CHAR, (1, 3), element(9, b"12345678")),
    "text of another length in rows": array(CHAR, (2**31 - 1, 2), element(1, b"abc")),
    "text in half characters": array(CHAR, (1, 2), element(17, b"abc")),
    "more axes than arrays have": array(DOUBLE, (2,) * 40, b""),
    "axes of nothing": array(DOUBLE, (0, 2**31 - 1, 2**31 - 1, 2**31 - 1), element(9, b"")),
    "no array": element(9, b"12345678"),
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE)
def test_a_file_cannot_ask_for_more_memory_than_it_fills(tmp_path: Path, body: bytes) -> None:
    path = saved(tmp_path, HEADER + body)
    tracemalloc.start()
    with pytest.raises(PwarpError, match=r"labels\.mat: damaged Matlab file"):
        read_mat(path, ["x"])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**20


def test_deep_nesting_is_refused(tmp_path: Path) -> None:
    """A reader that follows would overflow its stack, which ends the process."""
    body = array(DOUBLE, (1, 1), element(9, struct.pack("<d", 1)))
    for name in [b""] * 5000 + [b"x"]:
        body = array(CELL, (1, 1), body, name)
    with pytest.raises(PwarpError, match="nested deeper than 16"):
        read_mat(saved(tmp_path, HEADER + body), ["x"])


@pytest.mark.parametrize("limit", [100, 10_000])
def test_more_bytes_than_any_dataset_has_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    """Before reading where the file is that large, while decompressing where only its content is."""
    path = tmp_path / "labels.mat"
    savemat(path, {"x": np.zeros((300, 70))}, do_compression=True)
    assert 100 < path.stat().st_size < 10_000
    monkeypatch.setattr(matlab, "MAX_BYTES", limit)
    with pytest.raises(PwarpError, match="MiB"):
        read_mat(path, ["x"])


def test_more_arrays_than_any_dataset_has_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each costs far more memory than the few bytes that it fills in the file."""
    path = tmp_path / "labels.mat"
    cells = np.empty((1, 30), dtype=object)
    cells[0] = [np.ones((1, n + 1)) for n in range(30)]
    savemat(path, {"x": cells})
    assert len(read_mat(path, ["x"])["x"]) == 30
    monkeypatch.setattr(matlab, "MAX_ARRAYS", 30)
    with pytest.raises(PwarpError, match="more than 30 of them"):
        read_mat(path, ["x"])


def test_what_cannot_be_read_does_not_matter_where_nobody_asks_for_it(tmp_path: Path) -> None:
    good = array(DOUBLE, (1, 1), element(9, struct.pack("<d", 7)))
    path = saved(tmp_path, HEADER + array(OBJECT, (1, 1), b"", name=b"table") + good)
    assert read_mat(path, ["x"])["x"] == 7
    with pytest.raises(PwarpError, match="no variable 'table'"):
        read_mat(path, ["table"])


def test_other_files_are_named_for_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(PwarpError, match=r"absent\.mat: cannot read: No such file"):
        read_mat(tmp_path / "absent.mat", ["x"])
    with pytest.raises(PwarpError, match=r"v7\.3 \(HDF5\)"):
        read_mat(saved(tmp_path, b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM"), ["x"])
    with pytest.raises(PwarpError, match=r"v7\.3 \(HDF5\)"):
        read_mat(saved(tmp_path, b"\x89HDF\r\n\x1a\n".ljust(200)), ["x"])
    with pytest.raises(PwarpError, match="no Matlab v5 header"):
        read_mat(saved(tmp_path, b""), ["x"])
    old = io.BytesIO()
    savemat(old, {"x": np.ones((2, 3))}, format="4")
    with pytest.raises(PwarpError, match="damaged"):
        read_mat(saved(tmp_path, old.getvalue()), ["x"])
    with pytest.raises(PwarpError, match="no variable 'y'"):
        read_mat(saved(tmp_path, HEADER + array(DOUBLE, (1, 1), element(9, struct.pack("<d", 1)))), ["y"])


def _good() -> bytes:
    out = io.BytesIO()
    savemat(out, {"x": np.ones((4, 3)), "s": {"a": [{"b": 1}, {"b": 2}], "c": "text"}, "u": np.ones((5, 2), np.uint16)})
    return out.getvalue()


GOOD = _good()


@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_damaged_bytes_end_in_values_or_in_one_line(tmp_path_factory: Any, data: st.DataObject) -> None:
    content = bytearray(GOOD)
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(124, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.one_of(st.just(len(content)), st.integers(0, len(content))))]
    path = tmp_path_factory.getbasetemp() / "damaged.mat"
    path.write_bytes(content)
    try:
        found = read_mat(path, ["x", "s"])
    except PwarpError as error:
        assert "damaged.mat" in str(error)
        assert "\n" not in str(error)
    else:
        assert set(found) == {"x", "s"}


def test_numbers_are_floats_of_the_shape_asked_for() -> None:
    record = {"x": np.array([[3, 1], [2, 9], [4, 4]], np.uint8), "flag": np.array([[-1]], np.int32), "name": "a"}
    x = numbers(record, "x", "f.mat", (None, 2))
    assert x.dtype == np.float64
    np.testing.assert_array_equal(x[1] - x[2], [-2, 5])  # would wrap in uint8
    assert numbers(record, "flag", "f.mat") == -1
    with pytest.raises(PwarpError, match=r"f\.mat: field 'x' has shape \(3, 2\), expected n x 13"):
        numbers(record, "x", "f.mat", (None, 13))
    with pytest.raises(PwarpError, match="expected a single number"):
        numbers(record, "x", "f.mat")
    with pytest.raises(PwarpError, match="'name' holds no numbers"):
        numbers(record, "name", "f.mat")
    with pytest.raises(PwarpError, match="'y' is missing"):
        numbers(record, "y", "f.mat")
    with pytest.raises(PwarpError, match="NaN or infinity"):
        numbers({"x": np.array([1, np.nan])}, "x", "f.mat", (2,))


def test_axes_of_one_come_and_go() -> None:
    """Matlab has at least two axes, and keeps none of length one at the end."""
    assert numbers({"x": np.zeros((1, 5))}, "x", "f.mat", (None,)).shape == (5,)
    assert numbers({"x": np.zeros((5, 1))}, "x", "f.mat", (5,)).shape == (5,)
    assert numbers({"x": np.zeros((1, 1))}, "x", "f.mat", (1,)).shape == (1,)
    assert numbers({"x": np.zeros((1, 1))}, "x", "f.mat").shape == ()
    assert numbers({"x": np.zeros((2, 15))}, "x", "f.mat", (2, 15, None)).shape == (2, 15, 1)
    assert numbers({"x": np.zeros((1, 13))}, "x", "f.mat", (None, 13)).shape == (1, 13)
    with pytest.raises(PwarpError, match=r"shape \(1, 13\), expected 13 x n"):
        numbers({"x": np.zeros((1, 13))}, "x", "f.mat", (13, None))
