"""The network that a run starts with, and the card of the checkpoints that it writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from pwarp import checkpoints
from pwarp.checkpoints import Card
from pwarp.errors import PwarpError
from pwarp.models import Config, build, configure
from pwarp.models.backbone import Backbone
from pwarp.models.trunk import load_imagenet
from pwarp.skeleton import Skeleton
from pwarp.training.recipes import Recipe
from pwarp.training.tasks import FrameWise, Task, Warping

IMAGENET = "imagenet"


def start(
    kind: str,
    recipe: Recipe,
    skeleton: Skeleton,
    *,
    seed: int,
    init: str | None = None,
    backbone: str | None = None,
    asked: Mapping[str, Any] | None = None,
) -> tuple[nn.Module, Task, Recipe]:
    """A network, how it is trained, and the recipe as it is then.

    init: a checkpoint of this kind to begin with, or "imagenet" for an estimator's trunk. backbone: for a model of
    several frames, the checkpoint of its estimator; the crop size, codec and padding are then that one's, except for
    what was asked for (values of the recipe by name). Raises PwarpError where the parts do not fit.
    """
    torch.manual_seed(seed)
    if kind == "estimator":
        return _estimator(recipe, skeleton, init), FrameWise(), recipe
    task = Warping(
        delta=recipe.delta, cycle=recipe.cycle, frozen=recipe.frozen, moving_statistics=recipe.moving_statistics
    )
    if init is not None:
        network, card = checkpoints.load(init)
        if card.model.name != kind:
            raise PwarpError(f"{init}: holds a {card.model.name}; --init takes a {kind}, --backbone takes an estimator")
        _check_skeleton(init, card, skeleton)
        return network, task, _as_trained(recipe, card, asked or {})
    if backbone is None:
        if recipe.frozen:
            raise PwarpError(
                f"{kind} warps what a trained estimator sees: first 'pwarp train estimator', then --backbone with its "
                "best.safetensors (or train both together with --train-backbone)"
            )
        inner: Config = configure(recipe.backbone, keypoints=len(skeleton), **recipe.backbone_options)
        return build(configure(kind, backbone=inner, **recipe.warp)), task, recipe
    trained, card = checkpoints.load(backbone)
    if not isinstance(trained, Backbone):
        raise PwarpError(f"{backbone}: holds a {card.model.name}, no frame-wise estimator; --init goes on with it")
    _check_skeleton(backbone, card, skeleton)
    network = build(configure(kind, backbone=card.model, **recipe.warp))
    network.get_submodule("backbone").load_state_dict(trained.state_dict())
    return network, task, _as_trained(recipe, card, asked or {})


def card_of(network: nn.Module, recipe: Recipe, skeleton: Skeleton, training: Mapping[str, Any]) -> Card:
    """What the run's checkpoints say about themselves."""
    model: Any = network.config
    codec = recipe.keypoint_codec(model.stride)
    return Card(model=model, skeleton=skeleton, codec=codec, padding=recipe.padding, training=training)


def _estimator(recipe: Recipe, skeleton: Skeleton, init: str | None) -> nn.Module:
    if init is None or init == IMAGENET:
        network = build(configure(recipe.backbone, keypoints=len(skeleton), **recipe.backbone_options))
        if init == IMAGENET:
            load_imagenet(network)
        return network
    trained, card = checkpoints.load(init)
    if not isinstance(trained, Backbone):
        raise PwarpError(f"{init}: holds a {card.model.name}, no frame-wise estimator")
    if card.skeleton.keypoints == skeleton.keypoints:
        return trained
    network = build(replace(trained.config, keypoints=len(skeleton)))
    assert isinstance(network, Backbone)
    _transfer(trained, card.skeleton, network, skeleton)
    return network


def _transfer(trained: Backbone, known: Skeleton, network: Backbone, skeleton: Skeleton) -> None:
    """Everything but the last layer; of that, the channels of keypoints that both have, by name."""
    head = dict(network.final_layer.state_dict(prefix="final_layer."))
    rows = [(k, known.keypoints.index(n)) for k, n in enumerate(skeleton.keypoints) if n in known.keypoints]
    for name, value in trained.final_layer.state_dict(prefix="final_layer.").items():
        for ours, theirs in rows:
            head[name][ours] = value[theirs]
    network.load_state_dict({**trained.state_dict(), **head})


def _check_skeleton(path: str, card: Card, skeleton: Skeleton) -> None:
    if card.skeleton.keypoints != skeleton.keypoints:
        odd = sorted(set(card.skeleton.keypoints) ^ set(skeleton.keypoints))
        what = f"'{odd[0]}' is in one only" if odd else "in another order"
        raise PwarpError(f"{path}: has other keypoints than the labels ({what}); train its estimator on these labels")


def _as_trained(recipe: Recipe, card: Card, asked: Mapping[str, Any]) -> Recipe:
    """The recipe with crops and heatmaps as a checkpoint has them, but for what was asked for."""
    own: dict[str, Any] = {
        "size": card.size,
        "codec": card.codec.kind,
        "sigma": card.codec.sigma,
        "padding": card.padding,
    }
    return replace(recipe, **{name: value for name, value in own.items() if asked.get(name) is None})
