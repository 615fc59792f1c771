"""An estimator from an ONNX file, run by onnxruntime or else by OpenCV.

The network takes (B, 3, H, W) normalised RGB and gives heatmaps (B, K, h, w). What the file does not say about itself
stands in a JSON file beside it, FILE.json, every field of which may be left out:

    skeleton    name of a built-in one, or {"name": ..., "keypoints": [...], "flip_pairs": [[0, 1], ...]}
                [coco-17 for 17 heatmaps, else numbered keypoints]
    size        [w, h] of the crops, for a network that takes any
    padding     factor by which boxes are enlarged [1.25]
    codec       msra, dark or udp [msra]; sigma [2]
    mean, std   of RGB in 0..1 [ImageNet's]

What `pwarp export` wrote says all of this about itself.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import torch
from numpy.typing import NDArray
from torch import Tensor

from pwarp.checkpoints import IMAGENET_MEAN, IMAGENET_STD, Card
from pwarp.crops import PADDING
from pwarp.errors import PwarpError
from pwarp.estimation.base import Crops, Estimator
from pwarp.heatmaps import Codec, check_size
from pwarp.onnx import CARD, Network, open_network
from pwarp.skeleton import BUILTIN, COCO_17, Skeleton, flip_pairs_from_names

_LARGEST = 1 << 20
_FIELDS = {"skeleton", "size", "padding", "codec", "sigma", "mean", "std"}


class OnnxEstimator(Estimator):
    """A network of somebody else's, with what its FILE.json says about it."""

    def __init__(self, name: str, network: Network, said: dict[str, Any]) -> None:
        self.name, self._network = name, network
        shape = network.header.shape
        if len(shape) != 4 or shape[1] not in (3, None):
            shown = "x".join("any" if n is None else str(n) for n in shape)
            raise PwarpError(f"{name}: takes an input of shape {shown}, not crops (batch, 3, height, width)")
        width, height = said.get("size") or (shape[3], shape[2])
        if width is None or height is None:
            raise PwarpError(f'{name}: takes crops of any size; name one as "size": [w, h] in {name}.json')
        for asked, fixed in ((width, shape[3]), (height, shape[2])):
            if fixed is not None and asked != fixed:
                raise PwarpError(f'{name}: takes crops of {shape[3]}x{shape[2]}; mend "size" in {name}.json')
        try:
            check_size((width, height))
        except PwarpError as error:
            raise PwarpError(f"{name}: {error}") from None
        self._mean = np.array(said.get("mean", IMAGENET_MEAN), np.float32)
        self._std = np.array(said.get("std", IMAGENET_STD), np.float32)
        self._together = shape[0]
        probe = self._run(np.zeros((1, height, width, 3), np.uint8)).shape
        if (
            len(probe) != 4
            or probe[0] != 1
            or 0 in probe[2:]
            or width % probe[3]
            or width // probe[3] * probe[2] != height
        ):
            shown = "x".join(map(str, probe))
            raise PwarpError(
                f"{name}: gives {shown} for a crop of {width}x{height}, which are no heatmaps (1, K, h, w)"
            )
        self.padding = float(said.get("padding", PADDING))
        self.skeleton = _skeleton(name, probe[1], said.get("skeleton"))
        sigma = float(said.get("sigma", 2.0))
        try:
            self.codec = Codec(said.get("codec", "msra"), (width, height), width // probe[3], sigma)
        except PwarpError as error:
            raise PwarpError(f"{name}.json: {error}") from error

    def heatmaps(self, crops: Crops) -> Tensor:
        """(B, K, h, w) float32 on the CPU."""
        return torch.from_numpy(self._run(crops))

    def _run(self, crops: Crops) -> NDArray[np.float32]:
        normalised = (crops.astype(np.float32) / 255 - self._mean) / self._std
        pixels: NDArray[np.float32] = np.ascontiguousarray(normalised.transpose(0, 3, 1, 2), dtype=np.float32)
        if self._together is None:
            return self._network(pixels)
        # A network for batches of one size gets the last crop again.
        found = []
        for start in range(0, len(pixels), self._together):
            some = pixels[start : start + self._together]
            short = self._together - len(some)
            found.append(self._network(np.concatenate([some, some[-1:].repeat(short, axis=0)]))[: len(some)])
        return np.concatenate(found)


def open_onnx(path: Path) -> OnnxEstimator:
    """The estimator in an ONNX file; PwarpError where it, or the JSON file beside it, is no good."""
    if not path.exists():
        raise PwarpError(f"{path}: no such file; check the path")
    beside = path.with_name(path.name + ".json")
    network = open_network(path)
    of_itself = _of_card(path, network.header.metadata)
    return OnnxEstimator(path.name, network, of_itself | (_said(beside) if beside.exists() else {}))


def _of_card(path: Path, metadata: Mapping[str, str]) -> dict[str, Any]:
    """The same fields from the card that an exported checkpoint carries; none where there is no card."""
    if CARD not in metadata:
        return {}
    try:
        card = Card.from_json(metadata[CARD])
    except PwarpError as error:
        raise PwarpError(f"{path}: {error}; export it again") from None
    codec = card.codec
    values = {"codec": codec.kind, "sigma": codec.sigma, "padding": card.padding, "mean": card.mean, "std": card.std}
    return {"skeleton": card.skeleton, "size": list(codec.size), **values}


def _said(path: Path) -> dict[str, Any]:
    """The checked fields of a FILE.json."""
    try:
        with path.open("rb") as file:
            said = orjson.loads(file.read(_LARGEST))
    except OSError as error:
        raise PwarpError(f"{path}: cannot read: {error.strerror or error}") from error
    except orjson.JSONDecodeError as error:
        raise PwarpError(f"{path}: not JSON: {error.msg} (line {error.lineno})") from None
    if not isinstance(said, dict):
        raise PwarpError(f"{path}: is no JSON object; see 'pwarp estimate --help'")
    if unknown := sorted(said.keys() - _FIELDS):
        raise PwarpError(f"{path}: unknown field '{unknown[0]}'; known: {', '.join(sorted(_FIELDS))}")

    def numbers(name: str, count: int, least: float) -> None:
        values: Any = said.get(name) if count > 1 else [said.get(name)]
        right = isinstance(values, list) and len(values) == count
        if name in said and not (right and all(_is_number(v) and v > least for v in values)):
            what = f"{count} numbers" if count > 1 else "a number"
            raise PwarpError(f"{path}: '{name}' is {said[name]!r}, expected {what}" + f" above {least}" * (least == 0))

    for name, count, least in (
        ("mean", 3, -math.inf),
        ("std", 3, 0),
        ("size", 2, 0),
        ("padding", 1, 0),
        ("sigma", 1, 0),
    ):
        numbers(name, count, least)
    if not all(isinstance(side, int) for side in said.get("size", ())):
        raise PwarpError(f"{path}: 'size' is {said['size']}, expected whole numbers")
    return said


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _skeleton(name: str, count: int, said: object) -> Skeleton:
    """What FILE.json says, held against the number of heatmaps."""
    if said is None:
        if count == len(COCO_17):
            return COCO_17
        return Skeleton(f"onnx-{count}", tuple(f"keypoint {i + 1}" for i in range(count)))
    if isinstance(said, Skeleton):
        skeleton = said
    elif isinstance(said, str):
        if said not in BUILTIN:
            raise PwarpError(f"{name}.json: unknown skeleton '{said}'; built in: {', '.join(BUILTIN)}, or describe it")
        skeleton = BUILTIN[said]
    else:
        skeleton = _described(name, said)
    if len(skeleton) != count:
        raise PwarpError(f"{name}: gives {count} heatmaps, skeleton '{skeleton.name}' has {len(skeleton)} keypoints")
    return skeleton


def _described(name: str, said: object) -> Skeleton:
    try:
        if not isinstance(said, dict):
            raise TypeError
        keypoints = tuple(str(keypoint) for keypoint in said["keypoints"])
        pairs = said.get("flip_pairs")
        flips = flip_pairs_from_names(keypoints) if pairs is None else tuple((int(a), int(b)) for a, b in pairs)
        return Skeleton(str(said.get("name", "onnx")), keypoints, flip_pairs=flips)
    except (KeyError, TypeError, ValueError):
        raise PwarpError(f'{name}.json: skeleton must be a name or {{"name": ..., "keypoints": [...]}}') from None
