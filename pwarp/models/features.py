"""Backbones cut off where a model takes their features: called, they give features instead of heatmaps."""

from __future__ import annotations

from functools import partial
from typing import Any

from torch import Tensor, nn

from pwarp.models.backbone import Backbone, BackboneConfig
from pwarp.models.hrnet import HRNet
from pwarp.models.window import build_backbone


def headless(config: BackboneConfig) -> Backbone:
    """A backbone that gives its `features` (B, `feature_channels`, h, w): all of it but the last layer.

    Weights of the whole backbone can be loaded into it; what was cut off is left out.
    """
    return _cut(build_backbone(config), {"final_layer": nn.Identity()})


def stage3(config: BackboneConfig) -> Backbone:
    """Branch 0 after stage 3 of an HRNet, and nothing computed or kept that it does not need; of any other backbone,
    which has no stages so near to its heatmaps, its `features`. Weights are loaded as into `headless`.
    """
    backbone = build_backbone(config)
    if not isinstance(backbone, HRNet):
        return _cut(backbone, {"final_layer": nn.Identity()})
    # Called, an HRNet gives the first of the branches that stage 4 gives; here stage 4 hands them through.
    parts = {"transition3": nn.ModuleDict({"3": nn.Identity()}), "stage4": nn.Identity(), "final_layer": nn.Identity()}
    exchange = f"stage3.{len(backbone.stage3) - 1}.fuse_layers"
    first = backbone.get_submodule(f"{exchange}.0")
    return _cut(backbone, {**parts, exchange: nn.ModuleList([first])})


def _cut(backbone: Backbone, replaced: dict[str, nn.Module]) -> Backbone:
    """The backbone with other modules in some places."""
    whole = set(backbone.state_dict())
    for name, module in replaced.items():
        parent, _, last = name.rpartition(".")
        backbone.get_submodule(parent).add_module(last, module)
    hook = partial(_leave_out, whole - set(backbone.state_dict()))
    backbone.register_load_state_dict_pre_hook(hook)  # type: ignore[no-untyped-call]
    return backbone


def _leave_out(names: set[str], _: nn.Module, state: dict[str, Tensor], prefix: str, *__: Any) -> None:
    for name in names:
        state.pop(prefix + name, None)
