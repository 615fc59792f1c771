"""A PoseWarper small enough to run thousands of crops in a test: its backbone is one convolution."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from pwarp import registry
from pwarp.checkpoints import Card, save
from pwarp.heatmaps import Codec
from pwarp.models import build, configure
from pwarp.models.backbone import Backbone, BackboneConfig
from pwarp.skeleton import Skeleton

SIZE = (48, 64)


@dataclass(frozen=True)
class ToyConfig(BackboneConfig):
    """Nothing to choose."""


class Toy(Backbone):
    """Brightness, averaged over cells, through one convolution."""

    config_type: ClassVar[type[BackboneConfig]] = ToyConfig
    multiple: ClassVar[int] = 4
    feature_channels = 3

    def __init__(self, config: ToyConfig) -> None:
        super().__init__()
        self.config = config
        self.final_layer = nn.Conv2d(3, config.keypoints, 3, padding=1)

    def features(self, crops: Tensor) -> Tensor:
        return functional.avg_pool2d(crops, 4)


registry.PARTS["backbone"]["toy"] = "toy_warper:Toy"


def toy_warper(keypoints: int, **options: Any) -> Any:
    """A fresh one: it warps nothing."""
    torch.manual_seed(5)
    small = {"channels": 6, "blocks": 1, "dilations": (1, 2), **options}
    return build(configure("posewarper", backbone=configure("toy", keypoints=keypoints), **small)).eval()


def toy_card(model: Any, names: tuple[str, ...]) -> Card:
    return Card(model=model.config, skeleton=Skeleton("thing", names), codec=Codec("dark", SIZE))


@cache
def toy_checkpoint(names: tuple[str, ...], restless: float = 0.0, **options: Any) -> Path:
    """The file of one, by the names of its keypoints. restless: how much its offsets do."""
    model = toy_warper(len(names), **options)
    if restless:
        for name, parameter in model.warper.named_parameters():
            if name.startswith("offsets"):
                nn.init.normal_(parameter, std=restless)
    folder = Path(tempfile.mkdtemp(prefix="pwarp-toy-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = folder / "toy.safetensors"
    save(path, model, toy_card(model, names))
    return path
