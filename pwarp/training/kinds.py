"""What can be trained: for each kind, where its backbones stand in it and what its task is.

A new model is a line here and its recipes in `recipes`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from pwarp.training.recipe import Recipe
from pwarp.training.tasks.base import Task
from pwarp.training.tasks.clips import Distilling, Propagating
from pwarp.training.tasks.frames import FrameWise
from pwarp.training.tasks.warping import Warping
from pwarp.training.tasks.windows import Around

Role = Literal["backbone", "head"]


@dataclass(frozen=True)
class Kind:
    """places: the backbones of the model by what they do, "backbone" in every frame and "head" in a person's first
    one, and their names in model and config; an estimator is itself its backbone, under no name. task: of a fresh
    network. frozen: whether the recipe may freeze the backbone, which then has to be trained before. on_heatmaps:
    whether a frozen backbone's heatmaps are what the model works on, so that its channels must be the labels'."""

    places: Mapping[Role, str]
    task: Callable[[Recipe, Any], Task]
    frozen: bool = False
    on_heatmaps: bool = True


def _warping(recipe: Recipe, _: Any) -> Task:
    return Warping(recipe.delta, recipe.cycle, recipe.frozen, recipe.moving_statistics)


def _around(recipe: Recipe, network: Any, *, nearer: bool) -> Task:
    return Around(
        network.offsets,
        nearer=nearer,
        candidates=network.sampled,
        frozen=recipe.frozen,
        moving_statistics=recipe.moving_statistics,
    )


_ONE: Mapping[Role, str] = {"backbone": "backbone"}
KINDS: dict[str, Kind] = {
    "estimator": Kind({"backbone": ""}, lambda _, __: FrameWise()),
    "posewarper": Kind(_ONE, _warping, frozen=True),
    "dcpose": Kind(_ONE, partial(_around, nearer=True), frozen=True),
    "glpose": Kind(_ONE, partial(_around, nearer=False), frozen=True, on_heatmaps=False),
    "ppn": Kind({"backbone": "body", "head": "head"}, lambda recipe, _: Propagating(recipe.frames)),
    "dkd": Kind(
        {"backbone": "encoder", "head": "initial"},
        lambda recipe, network: Distilling(recipe.frames, network.adversary()),
    ),
}
