"""Binary files spoilt at random: HDF5, Matlab, safetensors and zip archives with their parts exchanged."""

from __future__ import annotations

import io
import json
import struct
import warnings
import zipfile
from collections.abc import Iterator
from random import Random
from typing import Any

import numpy as np

from benchmarks.fuzzing.mutations import HUGE, spoil_bytes, spoil_json

# What numbers become: of every type, and of values at its edges.
_TYPES = ("u1", "i1", "u2", "i4", "i8", "u8", "f2", "f4", "f8", "?", "c16", "S4")
_NUMBERS = (0, -1, 1, 2, 3, 255, 2**31 - 1, HUGE, 2**63 - 1, -(2**63), 0.5, 1e300, np.nan, np.inf, -np.inf)


def spoil_array(draw: Random, array: Any) -> Any:
    """A numpy array with an element, its type or its shape changed; structures and cells inside it, too."""
    if array.dtype == object or array.dtype.names:
        return _spoil_cells(draw, array)
    what = draw.randrange(7)
    with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
        try:
            if what <= 2 and array.size:
                array = np.array(array)
                array.reshape(-1)[draw.randrange(array.size)] = draw.choice(_NUMBERS)
            elif what == 3:
                array = array.astype(draw.choice(_TYPES))
            elif what == 4:
                array = np.full_like(array, draw.choice(_NUMBERS))
            elif what == 5:
                array = draw.choice((array.T, array.reshape(-1), array[:0], array[..., :1], array[:-1], array[None]))
            else:
                array = np.array(draw.choice(("text", "", 3.5, [[]], np.ones((2, 3, 4, 5)))))
        except (ValueError, TypeError, OverflowError, IndexError):
            pass
    return array


def _spoil_cells(draw: Random, array: Any) -> Any:
    array = array.copy()
    places = [(index, name) for index in np.ndindex(array.shape) for name in array.dtype.names or (None,)]
    if not places or draw.randrange(10) == 0:
        return draw.choice((array[:0], np.zeros((0, 0)), np.array("text"), np.ones((2, 3))))
    index, name = draw.choice(places)
    inner = array[index] if name is None else array[name][index]
    changed = spoil_array(draw, inner) if isinstance(inner, np.ndarray) else draw.choice(_NUMBERS)
    try:
        if name is None:
            array[index] = changed
        else:
            array[name][index] = changed
    except (ValueError, TypeError, OverflowError):
        pass
    return array


def spoil_mat(draw: Random, content: bytes) -> bytes:
    """A variable spoilt, left out or called otherwise. The file must be sound: scipy dies of some that are not."""
    from scipy.io import loadmat, savemat

    held = {k: v for k, v in loadmat(io.BytesIO(content)).items() if not k.startswith("__")}
    if not held:
        return content
    name = draw.choice(list(held))
    if (what := draw.randrange(10)) == 0:
        del held[name]
    elif what == 1:
        held["other"] = held.pop(name)
    else:
        held[name] = spoil_array(draw, held[name])
    out = io.BytesIO()
    try:
        with warnings.catch_warnings(action="ignore"):
            savemat(out, held, do_compression=bool(draw.randrange(2)))
    except Exception:  # scipy has many ways to say that it cannot
        return content
    return out.getvalue()


def spoil_hdf5(draw: Random, content: bytes) -> bytes:
    """An array, an attribute or a link changed; arrays of any size in no bytes, and links that lead elsewhere."""
    import h5py

    buffer = io.BytesIO(content)
    try:
        with h5py.File(buffer, "r+") as handle:
            _spoil_item(draw, h5py, handle, draw.choice(list(_items(h5py, handle, set()))))
    except Exception:  # h5py cannot make what was asked of it
        return content
    return buffer.getvalue()


def _items(h5py: Any, group: Any, known: set[int]) -> Iterator[Any]:
    """A group and all that is in it, each once. Not by `visititems`: that ends the process where Python collects
    garbage meanwhile, which may hold objects of earlier files."""
    yield group
    for name in group:
        item = group[name]
        place = h5py.h5o.get_info(item.id).addr
        if place in known:
            continue
        known.add(place)
        if isinstance(item, h5py.Group):
            yield from _items(h5py, item, known)
        else:
            yield item


def _spoil_item(draw: Random, h5py: Any, handle: Any, item: Any) -> None:
    attributes = list(item.attrs)
    if attributes and draw.randrange(2):
        _spoil_attribute(draw, item, draw.choice(attributes))
        return
    if not isinstance(item, h5py.Dataset):
        name = f"new{draw.randrange(9)}"
        item[name] = draw.choice((h5py.SoftLink("/"), h5py.ExternalLink("/etc/hostname", "/"), handle, np.ones(3)))
        return
    name, what = item.name, draw.randrange(6)
    if what <= 2 and item.shape != ():
        array = spoil_array(draw, item[:])
        del handle[name]
        handle[name] = array
    elif what == 3:
        del handle[name]
    elif what == 4:
        shape = draw.choice(((HUGE,), (2**30, 2**20), (2**28,), (0,), (2**20, 0)))
        kind = item.dtype
        del handle[name]
        handle.create_dataset(name, shape, kind, chunks=tuple(min(side, 64) or 1 for side in shape), maxshape=shape)
    elif item.parent is not None:
        others = [key for key in item.parent if key != name]
        handle[f"{name}x"] = item.parent[draw.choice(others)] if others else item


def _spoil_attribute(draw: Random, item: Any, name: str) -> None:
    value = item.attrs[name]
    if isinstance(value, bytes | str | np.bytes_):
        raw = value.encode() if isinstance(value, str) else bytes(value)
        changed: Any = np.bytes_((spoil_json if raw[:1] == b"{" and draw.randrange(4) else spoil_bytes)(draw, raw))
    else:
        changed = draw.choice(_NUMBERS)
    if draw.randrange(6) == 0:
        del item.attrs[name]
    else:
        item.attrs[name] = changed


def spoil_safetensors(draw: Random, content: bytes) -> bytes:
    """The header's length, its JSON (and the JSON inside that), or the numbers changed."""
    what = draw.randrange(6)
    if what == 0 or len(content) < 8:
        return spoil_bytes(draw, content)
    (length,) = struct.unpack("<Q", content[:8])
    text, body = content[8 : 8 + length], content[8 + length :]
    if what == 1:
        wrong = draw.choice((0, 1, 2, length + 1, max(length - 1, 0), 2**32, 2**63, 16 << 20))
        return struct.pack("<Q", wrong) + text + body
    if what == 2:
        kind, number = draw.choice((("<f", np.nan), ("<f", np.inf), ("<f", 1e38), ("<I", 0xFFFFFFFF)))
        at = draw.randrange(max(len(body) - 3, 1)) // 4 * 4
        return content[:8] + text + body[:at] + struct.pack(kind, number) + body[at + 4 :]
    try:
        header = json.loads(text)
        metadata = header.get("__metadata__")
        if what >= 4 and isinstance(metadata, dict) and metadata:
            name = draw.choice(list(metadata))
            metadata[name] = spoil_json(draw, metadata[name].encode()).decode(errors="replace")
            text = json.dumps(header).encode()
        else:
            text = spoil_json(draw, text)
    except (ValueError, AttributeError, RecursionError):
        return spoil_bytes(draw, content)
    return struct.pack("<Q", len(text)) + text + body


def spoil_zip(draw: Random, content: bytes) -> bytes:
    """A member of an archive spoilt, left out, or called by a name that leads out of it; or the archive's own bytes."""
    if draw.randrange(3) == 0:
        return spoil_bytes(draw, content)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = [(name, archive.read(name)) for name in archive.namelist()]
        name, held = draw.choice(members)
    except Exception:
        return spoil_bytes(draw, content)
    pickled = [pair for pair in members if pair[0].endswith(".pkl")]
    if pickled and draw.randrange(2):
        name, held = pickled[0]
    what = draw.randrange(8)
    at = members.index((name, held))
    if what == 0:
        del members[at]
    elif what == 1:
        members[at] = (draw.choice(("../../x", "/etc/x", "b", f"{name}/x")), held)
    elif what == 2:
        members[at] = (name, draw.choice(_PICKLES))
    else:
        members[at] = (name, spoil_bytes(draw, held))
    out = io.BytesIO()
    try:
        with warnings.catch_warnings(action="ignore"), zipfile.ZipFile(out, "w") as archive:
            for member, data in members:
                archive.writestr(member, data)
    except Exception:
        return spoil_bytes(draw, content)
    return out.getvalue()


# Pickles that run something, refer to modules, or build what is no tensor.
_PICKLES = (
    b"cos\nsystem\n(S'true'\ntR.",
    b"\x80\x02cbuiltins\neval\nX\x04\x00\x00\x001+1 \x85R.",
    b"\x80\x02}.",
    b"\x80\x02]q\x00h\x00a.",
    b"\x80\x02X\xff\xff\xff\x7fa.",
    b"\x80\x02ccollections\nOrderedDict\n)R.",
)
