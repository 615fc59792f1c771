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

from pwarp.datasets import matlab
from pwarp.datasets.matlab import numbers, read_mat, structures
from pwarp.errors import PwarpError

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
    path = tmp_path / "labels.mat"
    x = np.arange(6, dtype=np.uint16).reshape(2, 3)
    savemat(
        path,
        {"x": x, "action": "jump", "who": {"name": "a", "at": [{"y": 1.5}, {"y": 2.5}]}},
        do_compression=compressed,
    )
    found = read_mat(path, ["x", "action", "who"])
    np.testing.assert_array_equal(found["x"], x)
    assert found["action"] == "jump"
    assert found["who"]["name"] == "a"
    assert [item["y"] for item in structures(found["who"]["at"])] == [1.5, 2.5]


def test_a_file_from_a_big_endian_machine_is_read(tmp_path: Path) -> None:
    body = array(DOUBLE, (1, 3), element(9, struct.pack(">3d", 1, 2, 4), ">"), order=">")
    path = saved(tmp_path, b"MATLAB 5.0 MAT-file".ljust(124) + b"\x01\x00MI" + body)
    np.testing.assert_array_equal(read_mat(path, ["x"])["x"], [1, 2, 4])


def test_a_compressed_variable_without_its_end_mark_is_read(tmp_path: Path) -> None:
    """Penn Action's 1605.mat is like this, and complete."""
    packer = zlib.compressobj()
    stream = packer.compress(array(DOUBLE, (1, 3), element(9, struct.pack("<3d", 1, 2, 4)))) + packer.flush(
        zlib.Z_SYNC_FLUSH
    )
    path = saved(tmp_path, HEADER + struct.pack("<II", 15, len(stream)) + stream)
    np.testing.assert_array_equal(read_mat(path, ["x"])["x"], [1, 2, 4])


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
    "an object": array(OBJECT, (1, 1), b""),
    "a sparse matrix": array(SPARSE, (1, 1), b""),
    "no array": element(9, b"12345678"),
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE)
def test_a_file_cannot_ask_for_more_memory_than_it_fills(tmp_path: Path, body: bytes) -> None:
    path = saved(tmp_path, HEADER + body)
    with pytest.raises(PwarpError, match="damaged"):  # imports scipy, whose size is not the point here
        read_mat(saved(tmp_path, HEADER + b"1"), ["x"])
    path = saved(tmp_path, HEADER + body)
    tracemalloc.start()
    with pytest.raises(PwarpError, match=r"labels\.mat: damaged Matlab file"):
        read_mat(path, ["x"])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**20


def test_deep_nesting_is_refused(tmp_path: Path) -> None:
    """scipy's reader overflows its stack on this, which ends the process."""
    body = array(DOUBLE, (1, 1), element(9, struct.pack("<d", 1)))
    for _ in range(5000):
        body = array(CELL, (1, 1), body, name=b"")
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


@settings(max_examples=300, deadline=None)
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
    record = {"x": np.array([[3, 1], [2, 9], [4, 4]], np.uint8), "flag": np.int32(-1), "name": "a"}
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


def test_an_axis_of_one_that_simplification_took_is_put_back() -> None:
    assert numbers({"x": np.zeros(13)}, "x", "f.mat", (None, 13)).shape == (1, 13)
    assert numbers({"x": np.zeros((2, 15))}, "x", "f.mat", (2, 15, None)).shape == (2, 15, 1)
