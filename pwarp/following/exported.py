"""A PoseWarper that `pwarp export` wrote as ONNX: its backbone in one file, its warping in another beside it."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pwarp.checkpoints import Card
from pwarp.errors import PwarpError
from pwarp.following.runner import Crops, Runner
from pwarp.onnx import CARD, Network, open_network
from pwarp.onnx import warp_file as warp_file


class ExportedWarper(Runner):
    """Sees and warps as `WindowRunner` and its PoseWarper do, in onnxruntime."""

    def __init__(self, name: str, card: Card, backbone: Network, warping: Network, batch: int = 16) -> None:
        super().__init__(name, card, torch.device("cpu"), batch)
        self._backbone, self._warping = backbone, warping

    def features(self, crops: Sequence[Crops]) -> Tensor:
        """(B, K, h, w) float32: the heatmaps of each crop, at most `batch` at a time."""
        self.seen += len(crops)
        parts = [
            self._backbone(self.normalised(np.stack(crops[at : at + self.batch])).contiguous().numpy())
            for at in range(0, len(crops), self.batch)
        ]
        return torch.from_numpy(np.concatenate(parts))

    def warp(self, tensor: Tensor, to_features: Tensor, from_features: Tensor) -> Tensor:
        """As `PoseWarper.warp`."""
        return torch.from_numpy(
            self._warping(*(one.contiguous().numpy() for one in (tensor, to_features, from_features)))
        )


def open_exported(path: Path, batch: int = 16) -> ExportedWarper:
    """The PoseWarper in an ONNX file and the one beside it.

    Raises PwarpError where a file is missing or no export of a PoseWarper, and without onnxruntime: OpenCV cannot warp.
    """
    if find_spec("onnxruntime") is None:
        raise PwarpError(f"{path}: needs onnxruntime; install it with: pip install 'pwarp[onnx]'")
    for file in (path, warp_file(path)):
        if not file.exists():
            raise PwarpError(f"{file}: no such file; 'pwarp export' writes both files of a PoseWarper")
    backbone, warping = open_network(path), open_network(warp_file(path))
    card = _card(path, backbone)
    if card.model.name != "posewarper" or _card(warp_file(path), warping) != card:
        raise PwarpError(f"{path}: is not the export of one PoseWarper with {warp_file(path).name}; export it again")
    return ExportedWarper(path.name, card, backbone, warping, batch)


def _card(path: Path, network: Network) -> Card:
    try:
        return Card.from_json(network.header.metadata.get(CARD, "{}"))
    except PwarpError as error:
        raise PwarpError(f"{path}: is no export of pwarp ({error})") from None
