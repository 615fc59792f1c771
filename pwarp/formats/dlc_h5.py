"""DeepLabCut's HDF5: a pandas table under the key df_with_missing, read and written without pandas.

pandas and PyTables unpickle what a file says of its columns, which runs whatever code a stranger put there. Here the
two layouts that pandas writes are read as plain arrays: "fixed" (files of labels), whose columns are arrays
of names and of numbers of names, and "table" (files of predictions), whose columns are names in a pickle of the oldest
kind; `pwarp.formats.pickled_names` reads lists of names from it and nothing else. Written is "fixed".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pwarp.formats.dlc_table import Table, check_columns
from pwarp.formats.hdf5 import extra, one_line, opened
from pwarp.formats.label_file import LabelFile
from pwarp.formats.pickled_names import names_in

KEY = "df_with_missing"
_MOST_CELLS = 1 << 27


def read_h5(file: LabelFile) -> Table:
    """The table in a file; raises PwarpError for any other HDF5."""
    with opened(file) as handle:
        try:
            keys = [key for key in handle if "pandas_type" in handle[key].attrs]
            key = KEY if KEY in keys else keys[0] if len(keys) == 1 else None
            if key is None:
                raise file.error(f"has no table '{KEY}'; is it a file of DeepLabCut?")
            return _table(file, handle[key])
        except (LookupError, ValueError, TypeError, AttributeError, OverflowError, OSError, RuntimeError) as error:
            raise file.error(f"is no table of DeepLabCut that can be read ({one_line(error)})") from error


def _table(file: LabelFile, group: Any) -> Table:
    if _text(group.attrs["pandas_type"]) == "frame_table":
        rows = group["table"]
        names = names_in(bytes(rows.attrs["values_block_0_kind"]))
        levels = _level_names(len(names[0]) if names else 0)
        values = np.asarray(rows["values_block_0"], np.float64)
        index = _keys([np.asarray(rows["index"])])
    else:
        blocks = [_block(group, at) for at in range(int(group.attrs["nblocks"]))]
        names = [column for columns, _ in blocks for column in columns]
        levels = _level_names(len(names[0]) if names else 0)
        values = np.concatenate([values for _, values in blocks], axis=1)
        index = _keys(list(_levels(group, "axis1")))
    scorer, columns = check_columns(file, levels, names)
    if values.shape != (len(index), len(columns)):
        raise ValueError(f"{values.shape} values for {len(index)} rows and {len(columns)} columns")
    return Table(scorer, columns, index, values)


def _level_names(count: int) -> tuple[str, ...]:
    return ("scorer", "bodyparts", "coords") if count == 3 else ("scorer", "individuals", "bodyparts", "coords")


def _block(group: Any, at: int) -> tuple[list[tuple[str, ...]], Any]:
    """Column names and values of one block of a fixed layout."""
    levels = [[_text(name) for name in level.tolist()] for level in _levels(group, f"block{at}_items")]
    return list(zip(*levels, strict=True)), np.asarray(group[f"block{at}_values"], np.float64)


def _levels(group: Any, axis: str) -> Iterator[Any]:
    """The names along an axis, one array a level, each as long as the axis."""
    if _text(group.attrs[f"{axis}_variety"]) == "regular":
        yield np.asarray(group[axis])
        return
    for level in range(int(group.attrs[f"{axis}_nlevels"])):
        names, numbers = np.asarray(group[f"{axis}_level{level}"]), np.asarray(group[f"{axis}_label{level}"])
        if len(numbers) * max(names.dtype.itemsize, 1) > _MOST_CELLS:
            raise ValueError("an axis longer than any label file has")
        if len(numbers) and (numbers.min() < 0 or numbers.max() >= len(names)):
            raise ValueError("a column or row without a name")
        yield names[numbers]


def _keys(levels: Sequence[Any]) -> tuple[int | str, ...]:
    """What calls the rows: whole numbers, or paths from the names of all levels."""
    if len(levels) == 1 and levels[0].dtype.kind in "iu":
        return tuple(levels[0].tolist())
    if any(level.dtype.kind not in "SiuO" for level in levels):
        raise ValueError(f"rows called by {levels[0].dtype}")
    return tuple("/".join(map(_text, parts)) for parts in zip(*(level.tolist() for level in levels), strict=True))


def _text(value: Any) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


def write_h5(table: Table, path: Path) -> None:
    """Write the table as pandas' fixed layout, which `pandas.read_hdf` and DeepLabCut read."""
    h5py = extra("h5py", "DeepLabCut's HDF5 files")
    names = [[table.scorer] * len(table.columns), *zip(*table.columns, strict=True)]
    levels = ["scorer", "individuals", "bodyparts", "coords"]
    if not any(names[1]):
        del names[1], levels[1]
    with h5py.File(path, "w") as handle:
        _describe(h5py, handle, CLASS=b"GROUP", PYTABLES_FORMAT_VERSION=b"2.1", VERSION=b"1.0")
        group = handle.create_group(KEY)
        count = np.int64(len(levels))
        _describe(
            h5py, group, CLASS=b"GROUP", VERSION=b"1.0", encoding=b"UTF-8", errors=b"strict", pandas_type=b"frame"
        )
        _describe(h5py, group, nblocks=np.int64(1), ndim=np.int64(2))
        for axis in ("axis0", "block0_items"):
            _describe(h5py, group, **{f"{axis}_variety": b"multi", f"{axis}_nlevels": count})
            for at, (level, column) in enumerate(zip(levels, names, strict=True)):
                _level(h5py, group, axis, at, level, list(column))
        if table.index and isinstance(table.index[0], str):
            parts = list(zip(*(str(key).split("/") for key in table.index), strict=True))
            _describe(h5py, group, axis1_variety=b"multi", axis1_nlevels=np.int64(len(parts)))
            for at, column in enumerate(parts):
                _level(h5py, group, "axis1", at, None, list(column))
        else:
            _describe(h5py, group, axis1_variety=b"regular")
            _array(h5py, group, "axis1", np.array(table.index, np.int64), {"kind": b"integer", "name": _NONE})
        _array(h5py, group, "block0_values", table.values)


# How PyTables says that an axis has no name: None, pickled.
_NONE = b"N."


def _level(h5py: Any, group: Any, axis: str, at: int, name: str | None, column: Sequence[str]) -> None:
    """One level of an axis: its different names, and for each place the number of its name."""
    different = list(dict.fromkeys(column))
    coded = [text.encode("utf-8", errors="surrogateescape") for text in different]
    called = _NONE if name is None else name.encode()
    own = {"kind": b"string", "name": called, "nan_rep": None, f"{axis}_name{name}": called}
    width = max(1, *map(len, coded))
    _array(h5py, group, f"{axis}_level{at}", np.array(coded, f"S{width}"), own)
    numbers = {text: number for number, text in enumerate(different)}
    small = np.int8 if len(different) < 128 else np.int16 if len(different) < 2**15 else np.int32
    _array(h5py, group, f"{axis}_label{at}", np.array([numbers[text] for text in column], small))


def _array(h5py: Any, group: Any, name: str, values: Any, attributes: Mapping[str, Any] | None = None) -> None:
    array = group.create_dataset(name, data=values)
    _describe(h5py, array, CLASS=b"ARRAY", FLAVOR=b"numpy", VERSION=b"2.4", transposed=np.uint8(1))
    _describe(h5py, array, **(attributes or {}))


def _describe(h5py: Any, item: Any, **attributes: Any) -> None:
    """Attributes as PyTables writes them: UTF-8 texts of fixed length, an empty one for None, pickles as bytes."""
    for name, value in {"TITLE": None, **attributes}.items():
        if isinstance(value, bytes) and value != _NONE:
            item.attrs.create(name, value, dtype=h5py.string_dtype("utf-8", len(value)))
        elif value is None:
            item.attrs.create(name, h5py.Empty(h5py.string_dtype("utf-8", 1)))
        else:
            item.attrs[name] = np.bytes_(value) if isinstance(value, bytes) else value
