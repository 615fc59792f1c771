"""Checkpoints: a trained network in one file that says everything needed to use it.

A checkpoint is a .safetensors file: tensors under the network's own parameter names, and one JSON `Card` in the file's
metadata under "pwarp". Nothing in it can run; a file that is not exactly what its card says is refused.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from pwarp.errors import PwarpError
from pwarp.files import atomic_path
from pwarp.heatmaps import Codec
from pwarp.models import Config, build
from pwarp.skeleton import Skeleton

if TYPE_CHECKING:
    from torch import Tensor, nn

VERSION = 1
SUFFIX = ".safetensors"
# Of torchvision's ImageNet weights, for RGB in 0..1; every published pose model here was trained with it.
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_LARGEST_HEADER = 16 << 20
_METADATA = "pwarp"


@dataclass(frozen=True)
class Card:
    """What a checkpoint says about its network.

    model: config to build it from. skeleton: of the heatmaps' channels. codec: crop size and how heatmaps are drawn.
    padding: factor by which boxes are enlarged (`Window.around`). mean, std: of RGB in 0..1, subtracted and divided by.
    training: how it came about, any JSON: data, recipe, seed, figures, source, licence.

    Raises PwarpError where the parts do not fit each other.
    """

    model: Config
    skeleton: Skeleton
    codec: Codec
    padding: float = 1.25
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    training: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        count, stride = getattr(self.model, "keypoints", None), getattr(self.model, "stride", None)
        if count is not None and count != len(self.skeleton):
            raise PwarpError(
                f"{self.model.name} has {count} keypoints, skeleton '{self.skeleton.name}' has {len(self.skeleton)}"
            )
        if stride is not None and stride != self.codec.stride:
            raise PwarpError(f"{self.model.name} has stride {stride}, its codec has {self.codec.stride}")
        if not (math.isfinite(self.padding) and self.padding > 0):
            raise PwarpError(f"padding {self.padding} is no positive number")
        for name in ("mean", "std"):
            values = tuple(float(v) for v in getattr(self, name))
            if len(values) != 3 or not all(math.isfinite(v) for v in values) or (name == "std" and min(values) <= 0):
                raise PwarpError(f"{name} {values} must be three finite numbers" + (" above 0" * (name == "std")))
            object.__setattr__(self, name, values)

    @property
    def size(self) -> tuple[int, int]:
        """(w, h) of the crops in pixels."""
        return self.codec.size

    def to_json(self) -> bytes:
        """The card as JSON; `from_json` makes the equal card of it."""
        values: dict[str, Any] = {item.name: getattr(self, item.name) for item in fields(self)}
        values |= {"version": VERSION, "model": self.model.to_dict()}
        values |= {"skeleton": asdict(self.skeleton), "codec": asdict(self.codec), "training": dict(self.training)}
        return orjson.dumps(values, option=orjson.OPT_SERIALIZE_NUMPY)

    @classmethod
    def from_json(cls, text: str | bytes) -> Card:
        """Raises PwarpError, naming the field, where the text is no card."""
        try:
            values = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            raise PwarpError(f"the card is not JSON: {error.msg}") from None
        if not isinstance(values, dict):
            raise PwarpError("the card is no JSON object")
        version = values.pop("version", None)
        if version != VERSION:
            raise PwarpError(
                f"the card has version {version!r}, this pwarp reads {VERSION}; use the pwarp that wrote it"
            )
        names = {item.name for item in fields(cls)}
        if values.keys() != names:
            odd = sorted(values.keys() ^ names)[0]
            raise PwarpError(f"the card's field '{odd}' is {'missing' if odd in names else 'unknown'}")
        try:
            return cls(
                model=Config.from_dict(_mapping(values, "model")),
                skeleton=_skeleton(_mapping(values, "skeleton")),
                codec=_codec(_mapping(values, "codec")),
                padding=float(values["padding"]),
                mean=tuple(values["mean"]),
                std=tuple(values["std"]),
                training=_mapping(values, "training"),
            )
        except (TypeError, ValueError, LookupError, OverflowError) as error:
            raise PwarpError(f"the card cannot be understood: {error}") from None


def save(path: str | Path, module: nn.Module, card: Card, *, force: bool = False) -> None:
    """Write a network and its card, atomically. The same network and card always give the same bytes.

    Raises PwarpError where the file exists (unless forced) or cannot be written, and where the network is not one that
    the card's config builds.
    """
    import safetensors.torch
    from safetensors import SafetensorError

    tensors = {name: value.detach().cpu().contiguous().clone() for name, value in module.state_dict().items()}
    check_names(_shapes(empty(card.model).state_dict()), _shapes(tensors), card.model.name)
    with atomic_path(Path(path), force=force) as temporary:
        try:
            safetensors.torch.save_file(tensors, temporary, metadata={_METADATA: card.to_json().decode()})
        except SafetensorError as error:
            raise PwarpError(f"{path}: cannot write: {error}") from error


def load(path: str | Path) -> tuple[nn.Module, Card]:
    """The network in a checkpoint, on the CPU and in evaluation mode, and its card.

    Every parameter must be there with its shape and type, nothing may be left over, and all values must be finite.
    Raises PwarpError in one line for all that is wrong with the file.
    """
    import torch
    from safetensors import SafetensorError, safe_open

    card = read_card(path)
    try:
        module = empty(card.model)
        wanted = module.state_dict()
        with safe_open(path, framework="pt", device="cpu") as file:
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
            check_names(_shapes(wanted), shapes, card.model.name)
            tensors: dict[str, Tensor] = {name: file.get_tensor(name).clone() for name in shapes}
    except SafetensorError as error:
        raise PwarpError(f"{path}: cannot read: {error}; copy the file again") from None
    except PwarpError as error:
        raise PwarpError(f"{path}: {error}") from None
    for name, value in tensors.items():
        if value.dtype != wanted[name].dtype:
            raise PwarpError(f"{path}: '{name}' is {value.dtype}, expected {wanted[name].dtype}")
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise PwarpError(f"{path}: '{name}' holds values that are not finite; the training went wrong")
    module.load_state_dict(tensors, strict=True, assign=True)
    return module.eval(), card


def read_card(path: str | Path) -> Card:
    """The card of a checkpoint; its tensors are not read. Raises PwarpError where the file is no whole checkpoint."""
    metadata = _header(Path(path)).get("__metadata__")
    text = metadata.get(_METADATA) if isinstance(metadata, dict) else None
    if not isinstance(text, str):
        raise PwarpError(
            f"{path}: a safetensors file without pwarp's card; convert published weights with 'pwarp weights convert'"
        )
    try:
        return Card.from_json(text)
    except PwarpError as error:
        raise PwarpError(f"{path}: {error}") from None


def _header(path: Path) -> dict[str, Any]:
    """The JSON header of a safetensors file, read in bounded memory and held against the file's length."""
    if path.is_dir():
        raise PwarpError(f"{path}: is a folder; name the checkpoint file in it")
    try:
        with path.open("rb") as file:
            start = file.read(8)
            length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
            _check_start(path, start, length)
            text = file.read(length)
            total = file.seek(0, 2)
    except FileNotFoundError:
        raise PwarpError(f"{path}: no such file; check the path") from None
    except OSError as error:
        raise PwarpError(f"{path}: cannot read: {error.strerror or error}") from error
    if len(text) < length:
        raise PwarpError(f"{path}: ends in its header; the file was cut off, copy it again")
    try:
        header = orjson.loads(text)
        if not isinstance(header, dict):
            raise ValueError
        ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
        expected = 8 + length + max(ends, default=0)
    except (ValueError, TypeError, KeyError, IndexError):
        raise PwarpError(f"{path}: no safetensors file; its header is damaged or it is something else") from None
    if total < expected:
        raise PwarpError(f"{path}: has {total} of {expected} bytes; the file was cut off, copy it again")
    if total > expected:
        raise PwarpError(f"{path}: has {total - expected} bytes too many; copy the file again")
    return header


def _check_start(path: Path, start: bytes, length: int) -> None:
    """Tell the files that people mistake for checkpoints by their first bytes."""
    if (
        start.startswith((b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"))
        and length > _LARGEST_HEADER
    ):
        raise PwarpError(f"{path}: a PyTorch file (pickle), which is never opened here; use 'pwarp weights convert'")
    if path.suffix == ".onnx":
        raise PwarpError(f"{path}: an ONNX file, no checkpoint of pwarp; options that take ONNX want onnx:{path}")
    if len(start) < 8 or not 2 <= length <= _LARGEST_HEADER:
        raise PwarpError(f"{path}: no safetensors file; checkpoints are what pwarp's training and conversion write")


def empty(config: Config) -> nn.Module:
    """The network of a config without memory for its values: drawing them takes seconds, and moves torch's seed."""
    import torch

    with torch.device("meta"):
        return build(config)


def check_names(wanted: Mapping[str, tuple[int, ...]], found: Mapping[str, tuple[int, ...]], what: str) -> None:
    """Raise PwarpError where names or shapes of tensors are not those of a network."""
    if missing := [name for name in wanted if name not in found]:
        raise PwarpError(f"no weights of {what}: {_some(missing)} missing")
    if extra := [name for name in found if name not in wanted]:
        raise PwarpError(f"no weights of {what}: {_some(extra)} left over")
    for name, shape in wanted.items():
        if found[name] != shape:
            raise PwarpError(f"no weights of {what}: '{name}' has shape {found[name]}, expected {shape}")


def _some(names: Sequence[str]) -> str:
    return (
        f"'{names[0]}'"
        + (f" and {len(names) - 1} more" if len(names) > 1 else "")
        + (" are" if len(names) > 1 else " is")
    )


def _shapes(tensors: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in tensors.items()}


def _mapping(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    if not isinstance(values[name], dict):
        raise PwarpError(f"the card's field '{name}' is no JSON object")
    return dict(values[name])


def _skeleton(values: dict[str, Any]) -> Skeleton:
    def pairs(name: str) -> tuple[tuple[int, int], ...]:
        return tuple((int(a), int(b)) for a, b in values[name])

    sigmas, torso = values["sigmas"], values["torso"]
    return Skeleton(
        name=str(values["name"]),
        keypoints=tuple(str(name) for name in values["keypoints"]),
        edges=pairs("edges"),
        flip_pairs=pairs("flip_pairs"),
        sigmas=None if sigmas is None else tuple(float(s) for s in sigmas),
        torso=None if torso is None else (int(torso[0]), int(torso[1])),
    )


def _codec(values: dict[str, Any]) -> Codec:
    width, height = (int(side) for side in values["size"])
    return Codec(kind=values["kind"], size=(width, height), stride=int(values["stride"]), sigma=float(values["sigma"]))
