"""Published weights into a checkpoint of pwarp: every name and shape is checked, and nothing in the file can run."""

from __future__ import annotations

import hashlib
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pwarp.checkpoints import Card, check_names, empty, save
from pwarp.errors import PwarpError
from pwarp.files import check_output
from pwarp.models import Config
from pwarp.weights.names import names_in
from pwarp.weights.published import Published, published

if TYPE_CHECKING:
    from torch import Tensor

_LARGEST = 4 << 30
_WRAPPED = ("state_dict", "model", "model_state_dict")
_PARALLEL = "module."
_COUNTER = "num_batches_tracked"
_FIRST = "conv1.weight"


def convert(source: str | Path, name: str, target: str | Path, *, force: bool = False) -> Card:
    """Write what a file of published weights holds as a checkpoint, and return its card.

    source: the authors' file (torch.save's, or .safetensors with the same names). name: of the entry in `PUBLISHED`
    that it is. Raises PwarpError in one line where the file is damaged, holds more than tensors, or is of another
    network: a missing or left-over name, another shape (such as another number of keypoints), a value not finite.
    """
    import torch

    entry = published(name)
    check_output(Path(target), force=force)
    source = Path(source)
    found = read_tensors(source)
    config = Config.from_dict(entry.model)
    module = empty(config)
    try:
        tensors = _renamed(found, names_in(entry.layout, module), module.state_dict(), entry)
    except PwarpError as error:
        raise PwarpError(f"{source}: not {name}: {error}") from None
    for ours, value in tensors.items():
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise PwarpError(f"{source}: '{ours}' holds values that are not finite; the file is damaged")
    card = Card(config, entry.skeleton, entry.codec, training=_origin(entry, source))
    if entry.bgr:
        tensors[_FIRST] = tensors[_FIRST].flip(1)
        card = Card(
            config, entry.skeleton, entry.codec, mean=card.mean[::-1], std=card.std[::-1], training=card.training
        )
    module.load_state_dict(tensors, strict=True, assign=True)
    save(target, module, card, force=force)
    return card


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The named tensors in a file of torch.save or safetensors, without what wraps them, and without 'module.'.

    torch reads it with weights_only, which runs nothing. Raises PwarpError for every file that is not just that.
    """
    if path.is_dir() or not path.exists():
        raise PwarpError(
            f"{path}: " + ("is a folder; name the file in it" if path.is_dir() else "no such file; check the path")
        )
    size = path.stat().st_size
    if size > _LARGEST:
        raise PwarpError(f"{path}: larger than {_LARGEST >> 30} GiB; no published pose model is")
    if _unpacked(path) > size:
        raise PwarpError(f"{path}: an archive that unpacks to more than its {size} bytes; torch packs nothing")
    held = _safetensors(path) if path.suffix == ".safetensors" else _torch(path)
    for key in _WRAPPED:
        if isinstance(held, Mapping) and isinstance(held.get(key), Mapping):
            held = held[key]
    return _named_tensors(path, held)


def _named_tensors(path: Path, held: object) -> dict[str, Tensor]:
    import torch

    if not isinstance(held, Mapping) or not held:
        raise PwarpError(f"{path}: holds no named weights; give the file that the authors publish")
    for name, value in held.items():
        if not isinstance(name, str) or not isinstance(value, torch.Tensor):
            raise PwarpError(f"{path}: {str(name)[:80]!r} in it is no tensor; give the file that the authors publish")
    parallel = all(name.startswith(_PARALLEL) for name in held)
    return {name.removeprefix(_PARALLEL) if parallel else name: value for name, value in held.items()}


def _torch(path: Path) -> Any:
    import torch

    try:
        with warnings.catch_warnings(action="ignore"):
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch, zipfile and the unpickler each raise their own
        if "weights_only" in str(error) or "Weights only" in str(error):
            raise PwarpError(
                f"{path}: holds more than tensors, which could run code, so it is not opened; give weights alone"
            ) from None
        raise PwarpError(f"{path}: no PyTorch file, or one that was cut off; download it again") from None


def _safetensors(path: Path) -> Any:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise PwarpError(f"{path}: no safetensors file, or one that was cut off: {error}") from None


def _unpacked(path: Path) -> int:
    """Bytes of everything in a zip archive, by its own directory; 0 where it is none."""
    try:
        with zipfile.ZipFile(path) as archive:
            return sum(item.file_size for item in archive.infolist())
    except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError):
        return 0


def _renamed(
    found: Mapping[str, Tensor], ours: Mapping[str, str], wanted: Mapping[str, Tensor], entry: Published
) -> dict[str, Tensor]:
    """The tensors under our names, all there and of the right shape and type."""
    import torch

    # Files from before torch 0.4.1 lack BatchNorm's counter, which nothing depends on.
    counters = {name for name in ours if name.endswith(_COUNTER)}
    complete = dict(found) | {name: torch.zeros((), dtype=torch.int64) for name in counters - found.keys()}
    shapes = {theirs: tuple(wanted[name].shape) for theirs, name in ours.items()}
    check_names(shapes, {name: tuple(value.shape) for name, value in complete.items()}, str(entry.model["name"]))
    tensors = {}
    for theirs, name in ours.items():
        if complete[theirs].is_floating_point() != wanted[name].is_floating_point():
            raise PwarpError(f"'{theirs}' is {complete[theirs].dtype}, expected {wanted[name].dtype}")
        tensors[name] = complete[theirs].to(wanted[name].dtype).contiguous()
    return tensors


def _origin(entry: Published, source: Path) -> dict[str, Any]:
    with source.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    origin = {"converted": entry.name, "file": source.name, "sha256": digest}
    return origin | {"repository": entry.repository, "licence": entry.licence}
