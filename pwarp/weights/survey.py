"""Every registered network at a glance: its paper, what it needs, what it costs, and whether weights were published."""

from __future__ import annotations

import inspect
import sys
from dataclasses import dataclass

import torch
from torch import nn

from pwarp import registry
from pwarp.checkpoints import empty
from pwarp.models import Config, configure
from pwarp.models.counting import GIBI, GIGA, Convention, multiply_adds, parameters
from pwarp.models.window import WindowModel
from pwarp.weights.published import of_model

KINDS = ("backbone", "model")


@dataclass(frozen=True)
class Row:
    """One network. kind: "backbone" (one frame) or "model" (several).

    config: that was counted. paper: as the module says. frames: that it needs relative to the current one, or None
    for all before it. sampled: how many crops from all over the video it wants beside them. parameters: how many.
    gflops: 1e9 multiply-adds for one frame of a video, backbone included; what is shared between windows counts once.
    hrnet_gflops: the same as HRNet's code counts, in 2^30.
    weights: names of published ones.
    """

    name: str
    kind: str
    config: Config
    paper: str
    frames: tuple[int, ...] | None
    sampled: int
    parameters: int
    gflops: float
    hrnet_gflops: float
    weights: tuple[str, ...]


def survey(size: tuple[int, int] = (192, 256), keypoints: int = 17) -> list[Row]:
    """All registered networks, counted on crops of a size (w, h) and for a number of keypoints.

    Nothing is computed and no memory taken. Raises PwarpError for a size that does not fit a network.
    """
    return [_row(kind, name, size, keypoints) for kind in KINDS for name in registry.names(kind)]


def frame_gflops(config: Config, size: tuple[int, int]) -> float:
    """As `Row.gflops`, for one configuration."""
    kind = "backbone" if config.name in registry.names("backbone") else "model"
    return _cost(empty(config), kind, size, "true") / GIGA


def _row(kind: str, name: str, size: tuple[int, int], keypoints: int) -> Row:
    config = _config(name, keypoints)
    module = empty(config)
    cost = _cost(module, kind, size, "true")
    # The conventions differ in transposed convolutions only.
    transposed = any(isinstance(part, nn.ConvTranspose2d) for part in module.modules())
    return Row(
        name=name,
        kind=kind,
        config=config,
        paper=_paper(type(module)),
        frames=(0,) if kind == "backbone" else getattr(module, "offsets", None),
        sampled=module.sampled if isinstance(module, WindowModel) else 0,
        parameters=parameters(module),
        gflops=cost / GIGA,
        hrnet_gflops=(_cost(module, kind, size, "hrnet") if transposed else cost) / GIBI,
        weights=tuple(entry.name for entry in of_model(name)),
    )


def _config(name: str, keypoints: int) -> Config:
    """A network's default config for K keypoints, wherever it holds them."""
    values = configure(name).to_dict()
    for part in (values, *values.values()):
        if isinstance(part, dict) and "keypoints" in part:
            part["keypoints"] = keypoints
    return Config.from_dict(values)


def _cost(module: nn.Module, kind: str, size: tuple[int, int], convention: Convention) -> int:
    """Multiply-adds for one more frame of a video, when what is known of its neighbours is there."""
    crop = (1, 3, size[1], size[0])
    if kind == "backbone":
        return multiply_adds(module, crop, convention=convention)
    if not isinstance(module, WindowModel):
        first, both = (multiply_adds(module, (1, count, *crop[1:]), convention=convention) for count in (1, 2))
        return both - first
    with torch.no_grad():
        features = tuple(module.eval().frame_features(torch.empty(crop, device="meta")).shape)
    count = len(module.offsets)
    alone = multiply_adds(module, crop, convention=convention, run=lambda m, x: m.frame_features(x))
    if hasattr(module, "warp"):
        # One frame to another; its aggregation warps each frame of the window.
        pair = multiply_adds(module, *[features] * 3, convention=convention, run=lambda m, *f: m.warp(*f))
        return alone + count * pair
    window = ((1, count, *features[1:]), (1, count))
    return alone + multiply_adds(module, *window, convention=convention, run=lambda m, *w: m.fuse(*w))


def _paper(network: type[nn.Module]) -> str:
    """The first paragraph of the module that the network stands in, which names its paper."""
    text = inspect.getdoc(sys.modules[network.__module__]) or ""
    return " ".join(text.partition("\n\n")[0].split())
