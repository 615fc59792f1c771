"""The network that a run starts with, and the card of the checkpoints that it writes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from pwarp import checkpoints
from pwarp.checkpoints import IMAGENET_MEAN, IMAGENET_STD, Card
from pwarp.errors import PwarpError, UsageError
from pwarp.models import Config, build, configure
from pwarp.models.backbone import Backbone, BackboneConfig, small_normal
from pwarp.models.recurrent import RecurrentModel
from pwarp.models.trunk import load_imagenet
from pwarp.skeleton import Skeleton
from pwarp.training.kinds import KINDS, Kind, Role
from pwarp.training.recipe import Recipe
from pwarp.training.tasks.base import Task

IMAGENET = "imagenet"
# Channels that begin as those of another keypoint, where the network before knows no such name. Eyes become the ends of
# the head on the way from COCO to PoseTrack, as in the released code of PoseWarper and DCPose.
_STANDS_IN = {
    "head_bottom": ("upper_neck", "neck", "left_eye"),
    "head_top": ("right_eye",),
    "head": ("head_top", "nose"),
    "neck": ("upper_neck", "head_bottom"),
    "belly": ("pelvis",),
    "face": ("nose", "head_top"),
}


def start(
    kind: str,
    recipe: Recipe,
    skeleton: Skeleton,
    *,
    seed: int,
    init: str | None = None,
    backbone: str | None = None,
    head: str | None = None,
    asked: Mapping[str, Any] | None = None,
) -> tuple[nn.Module, Task, Recipe]:
    """A network, how it is trained, and the recipe as it is then.

    init: a checkpoint of this kind to begin with (for an estimator of any skeleton: what both know is taken over), or
    "imagenet" for the trunks that no checkpoint is given for. backbone, head: for a model of several frames,
    checkpoints of the estimators in it. Where a network begins with checkpoints its crop size, codec and padding are
    theirs, except for what was asked for (values of the recipe by name), and so is how its crops are normalised. The
    recipe names the networks that there are, whatever it named. Raises PwarpError where the parts do not fit, or other
    networks are asked for than init has.
    """
    torch.manual_seed(seed)
    what, asked = KINDS[kind], asked or {}
    begun = None if init == IMAGENET else init
    given: dict[Role, str | None] = {"backbone": begun} if kind == "estimator" else {"backbone": backbone, "head": head}
    if begun is not None and kind != "estimator":
        if beside := next((role for role in given if given[role] is not None), None):
            raise PwarpError(f"{begun}: has its own networks; leave --{what.places[beside]} {given[beside]} out")
        network, card = _continued(kind, begun, skeleton, asked.get("model") or {})
        recipe = _as_trained(recipe, card, asked)
    else:
        if what.frozen and recipe.frozen and backbone is None:
            raise PwarpError(
                f"{kind} builds on what a trained estimator sees: first 'pwarp train estimator', then --backbone with "
                "its best.safetensors (or train both together with --train-backbone)"
            )
        network, cards = _assembled(kind, what, recipe, skeleton, given)
        for card in reversed(cards.values()):
            recipe = _as_trained(recipe, card, asked)
        for role, card in cards.items():
            _check_colours(str(given[role]), card.mean, card.std, recipe)
    if init == IMAGENET:
        fresh = [place for role, place in what.places.items() if given[role] is None]
        if not fresh:
            raise UsageError(
                "--init imagenet is for networks that no checkpoint is given for, and all are; leave it out"
            )
        for place in fresh:
            load_imagenet(network.get_submodule(place))
            _check_colours(IMAGENET, IMAGENET_MEAN, IMAGENET_STD, recipe)
    if begun is not None:
        _check_networks(begun, what, network, asked)
    recipe = _as_built(recipe, what, network)
    for place in what.places.values():
        _backbone(network, place).check_size(*recipe.size)
    if isinstance(network, RecurrentModel):
        network.check_size(*recipe.size)
    task = what.task(recipe, network)
    if kind != "estimator" and begun is None:
        task.known = [network.get_submodule(what.places[role]) for role in cards]
    return network, task, recipe


def skeleton_for(kind: str, recipe: Recipe, skeleton: Skeleton, init: str | None, backbone: str | None) -> Skeleton:
    """The skeleton to train with: of the checkpoint whose channels stay as they are, where it has all keypoints of the
    labels, else the labels'.

    So the 15 joints of PoseTrack17 go into the 17 channels of published networks, whose ears no label asks for then.
    Raises PwarpError where the checkpoint cannot be read.
    """
    what = KINDS[kind]
    fixed = None if kind == "estimator" or init == IMAGENET else init
    if fixed is None and what.frozen and recipe.frozen and what.on_heatmaps:
        fixed = backbone
    if fixed is None:
        return skeleton
    known = checkpoints.read_card(fixed).skeleton
    return known if set(skeleton.keypoints) <= set(known.keypoints) else skeleton


def network_config(
    kind: str, recipe: Recipe, keypoints: int, trained: Mapping[str, BackboneConfig] | None = None
) -> Config:
    """The config of what a recipe trains. trained: backbones that there are already, by their names in the config."""
    configs: dict[str, Config] = dict(trained or {})
    for role, place in KINDS[kind].places.items():
        if place not in configs:
            options = getattr(recipe, f"{role}_options")
            configs[place] = configure(getattr(recipe, role), keypoints=keypoints, **options)
    return configs[""] if "" in configs else configure(kind, **configs, **recipe.model)


def card_of(network: nn.Module, recipe: Recipe, skeleton: Skeleton, training: Mapping[str, Any]) -> Card:
    """What the run's checkpoints say about themselves."""
    model: Any = network.config
    codec = recipe.keypoint_codec(model.stride)
    return Card(model, skeleton, codec, recipe.padding, recipe.mean, recipe.std, training)


def _assembled(
    kind: str, what: Kind, recipe: Recipe, skeleton: Skeleton, given: Mapping[Role, str | None]
) -> tuple[nn.Module, dict[Role, Card]]:
    """A network of trained and fresh backbones, and the cards of the trained ones."""
    trained = {role: _trained(kind, path) for role in what.places if (path := given.get(role)) is not None}
    known = {what.places[role]: replace(m.config, keypoints=len(skeleton)) for role, (m, _) in trained.items()}
    network = build(network_config(kind, recipe, len(skeleton), known))
    for role, (module, card) in trained.items():
        own = network.get_submodule(what.places[role])
        if what.frozen and recipe.frozen and what.on_heatmaps:
            _check_skeleton(str(given[role]), card, skeleton)  # frozen channels must be the labels'
        last = _last(module, card.skeleton, skeleton)
        own.load_state_dict({**module.state_dict(), **last.state_dict(prefix="final_layer.")})
        if isinstance(network, RecurrentModel):
            network.taken_over(what.places[role], last)
    return network, {role: card for role, (_, card) in trained.items()}


def _trained(kind: str, path: str) -> tuple[Backbone, Card]:
    """The estimator in a checkpoint."""
    module, card = checkpoints.load(path)
    if not isinstance(module, Backbone):
        hint = "" if kind == "estimator" else "; --init goes on with it"
        raise PwarpError(f"{path}: holds a {card.model.name}, no frame-wise estimator{hint}")
    return module, card


def _last(trained: Backbone, known: Skeleton, skeleton: Skeleton) -> nn.Conv2d:
    """A trained backbone's last layer, with a channel for each keypoint: fresh ones where it knows no such name."""
    layer = trained.final_layer
    if known.keypoints == skeleton.keypoints:
        return layer
    fresh = nn.Conv2d(layer.in_channels, len(skeleton), 1)
    small_normal(fresh)
    for channel, keypoint in enumerate(skeleton.keypoints):
        other = next((n for n in (keypoint, *_STANDS_IN.get(keypoint, ())) if n in known.keypoints), None)
        if other is not None:
            for ours, theirs in zip(fresh.parameters(), layer.parameters(), strict=True):
                ours.data[channel] = theirs.data[known.keypoints.index(other)]
    return fresh


def _continued(kind: str, path: str, skeleton: Skeleton, options: Mapping[str, Any]) -> tuple[nn.Module, Card]:
    """The model in a checkpoint, with other options where they leave its parameters as they are."""
    network, card = checkpoints.load(path)
    if card.model.name != kind:
        raise PwarpError(f"{path}: holds a {card.model.name}; --init takes a {kind}, --backbone takes an estimator")
    _check_skeleton(path, card, skeleton)
    if not options:
        return network, card
    other = build(Config.from_dict({**card.model.to_dict(), **options}))
    try:
        other.load_state_dict(network.state_dict())
    except RuntimeError:
        asked = ", ".join(f"{name} {value}" for name, value in options.items())
        raise PwarpError(f"{path}: holds a {kind} that cannot have {asked}; train a new one, or leave it out") from None
    return other, card


def _check_skeleton(path: str, card: Card, skeleton: Skeleton) -> None:
    if card.skeleton.keypoints != skeleton.keypoints:
        odd = sorted(set(card.skeleton.keypoints) ^ set(skeleton.keypoints))
        what = f"'{odd[0]}' is in one only" if odd else "in another order"
        raise PwarpError(f"{path}: has other keypoints than the labels ({what}); train its estimator on these labels")


def _as_trained(recipe: Recipe, card: Card, asked: Mapping[str, Any]) -> Recipe:
    """The recipe with crops and heatmaps as a checkpoint has them, but for what was asked for, and its colours."""
    own: dict[str, Any] = {
        "size": card.size,
        "codec": card.codec.kind,
        "sigma": card.codec.sigma,
        "padding": card.padding,
    }
    taken = {name: value for name, value in own.items() if asked.get(name) is None}
    return replace(recipe, **taken, mean=card.mean, std=card.std)


def _backbone(network: nn.Module, place: str) -> Backbone:
    found = network.get_submodule(place)
    assert isinstance(found, Backbone)
    return found


def _inner(what: Kind, network: Any) -> dict[Role, BackboneConfig]:
    """The configs of a network's backbones."""
    return {role: getattr(network.config, place) if place else network.config for role, place in what.places.items()}


def _check_networks(path: str, what: Kind, network: nn.Module, asked: Mapping[str, Any]) -> None:
    """Raise PwarpError where networks are asked for that a checkpoint does not have."""
    for role, own in _inner(what, network).items():
        name, options = asked.get(role), asked.get(f"{role}_options") or {}
        option = what.places[role] or role
        if name is not None and name != own.name:
            raise PwarpError(f"{path}: holds {own.name}, and --init goes on with that; leave --{option} {name} out")
        if options and configure(**{**own.to_dict(), **options}) != own:
            shown = ", ".join(f"{key} {value}" for key, value in options.items())
            raise PwarpError(f"{path}: its {own.name} has other options than {shown}; leave these out")


def _as_built(recipe: Recipe, what: Kind, network: Any) -> Recipe:
    """The recipe with the networks that there are where it would have built others."""
    config: Config = network.config
    inner = _inner(what, network)
    others: dict[str, Any] = {}
    for role, own in inner.items():
        options = getattr(recipe, f"{role}_options")
        if getattr(recipe, role) != own.name or configure(own.name, keypoints=own.keypoints, **options) != own:
            others |= {role: own.name, f"{role}_options": _options(own, {"name", "keypoints"})}
    if "" not in what.places.values():
        places = {what.places[role]: own for role, own in inner.items()}
        if not _makes(config, places, recipe.model):
            others["model"] = _options(config, {"name", *places})
    return replace(recipe, **others)


def _makes(config: Config, places: Mapping[str, Config], options: Mapping[str, Any]) -> bool:
    """Whether options make a config. Those of a recipe with some of another network's beside them need not fit."""
    try:
        return configure(config.name, **places, **options) == config
    except PwarpError:
        return False


def _options(config: Config, without: Collection[str]) -> dict[str, Any]:
    return {name: value for name, value in config.to_dict().items() if name not in without}


def _check_colours(name: str, mean: Sequence[float], std: Sequence[float], recipe: Recipe) -> None:
    """The networks of a model see the same crops, so those that they were trained on must be normalised alike."""
    if (mean, std) != (recipe.mean, recipe.std):
        ours, others = (
            " and ".join(",".join(f"{v:g}" for v in part) for part in parts)
            for parts in ((mean, std), (recipe.mean, recipe.std))
        )
        raise PwarpError(
            f"{name}: was trained on colours with mean and deviation {ours}, the network beside it {others}; begin "
            "with networks that were trained on the same"
        )
