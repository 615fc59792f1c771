"""HDF5 files from strangers, looked over before any library reads them.

An HDF5 file may be a web of links that lead into other files, take its values from any file of the disk, and claim
arrays of any size in a few bytes. What passes here holds plain arrays of bounded size, and nothing outside itself.
h5py comes with the extra `formats`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pwarp.errors import PwarpError
from pwarp.formats.label_file import LARGEST, LabelFile

MAGIC = b"\x89HDF\r\n\x1a\n"
_MOST_OBJECTS = 100_000
# Values that repeat take next to no room in a file: past the first figure, only so many times the file's own size.
_UNPACKED, _PACKED_BY = 1 << 26, 32
_WIDEST = 8  # bytes that a value may come to have in memory
_DEEPEST = 16


def extra(module: str, what: str) -> Any:
    """A module of the extra `formats`; raises PwarpError that says how to install it."""
    from importlib import import_module

    try:
        return import_module(module)
    except ImportError as error:
        raise PwarpError(
            f"{what} need the package {error.name}; install it with: pip install 'pwarp[formats]'"
        ) from error


@contextmanager
def opened(file: LabelFile, *, skip: str = "") -> Iterator[Any]:
    """The h5py.File of a label file, looked over; standard input is copied to a file first.

    skip: prefix of names at the top whose arrays may be of any size, because nobody reads them.
    Raises PwarpError where it is no HDF5 file, or one that no label file is like.
    """
    h5py = extra("h5py", "HDF5 files")
    if not file.head.startswith(MAGIC):
        raise file.error(f"is no HDF5 file: {file.looks_like}")
    with on_disk(file) as path:
        try:
            handle = h5py.File(path, "r")
        except (OSError, ValueError, RuntimeError) as error:
            raise file.error(f"is a damaged HDF5 file ({one_line(error)}); copy it again") from error
        with handle:
            try:
                total, count = _look_over(file, handle, h5py, skip, 0)
            except (OSError, ValueError, RuntimeError, KeyError, TypeError) as error:
                raise file.error(f"is a damaged HDF5 file ({one_line(error)}); copy it again") from error
            if total > min(LARGEST, max(_UNPACKED, _PACKED_BY * path.stat().st_size)) or count > _MOST_OBJECTS:
                raise file.error(f"claims {total >> 20} MiB in {count} arrays; no label file does")
            yield handle


@contextmanager
def on_disk(file: LabelFile) -> Iterator[Path]:
    """The path of a label file, or of a copy of standard input."""
    if file.path is not None:
        yield file.path.absolute()
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "labels"
        path.write_bytes(file.content)
        yield path


def one_line(error: BaseException) -> str:
    """What a library says, on one line and cut short."""
    return " ".join(str(error).split())[:160] or type(error).__name__


def _look_over(file: LabelFile, group: Any, h5py: Any, skip: str, depth: int) -> tuple[int, int]:
    """Bytes and number of the arrays in a group; raises PwarpError for what no label file holds."""
    total = count = 0
    if depth > _DEEPEST:
        raise file.error(f"has groups nested deeper than {_DEEPEST}; no label file does")
    for name in group:
        count += 1
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise file.error(f"has a link '{name[:40]}' that leads elsewhere; no label file does")
        item = group[name]
        if isinstance(item, h5py.Group):
            inner, more = _look_over(file, item, h5py, skip, depth + 1)
            outside = bool(skip) and depth == 0 and name.startswith(skip)
            total, count = total + (0 if outside else inner), count + more
        elif isinstance(item, h5py.Dataset):
            if item.is_virtual or item.external:
                raise file.error(f"has an array '{name[:40]}' that is stored elsewhere; no label file does")
            total += item.size * max(item.dtype.itemsize, _WIDEST) if item.shape is not None else 0
        if count > _MOST_OBJECTS:
            break
    return total, count
