"""Recipes: all that decides what comes out of training, as plain values with a name.

`paper` follows the text of Bertasius et al. (NeurIPS 2019, section 3.3), `released` their code, `small` fits two CPU
cores. Every value can be replaced.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

from pwarp.crops import PADDING
from pwarp.errors import PwarpError
from pwarp.heatmaps import Codec, Kind
from pwarp.training.augment import AUGMENTATION, Augmentation

Schedule = Literal["drops", "cosine", "linear"]


@dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    name: of the recipe that it began with. backbone: of the frame-wise estimator, and its options. warp: options of
    the warping part. size: (w, h) of crops. codec, sigma: of the target heatmaps. padding: of the window around a box.
    steps: optimiser steps, None for `epochs` over the labelled poses. batch: poses a step, of all processes together.
    rate: Adam's. schedule: "drops" multiplies the rate by `factor` at each of `drops` (shares of all steps), "cosine"
    and "linear" take it to 0. decay: weight decay. clip: largest norm of the gradient, 0 for any.
    delta, cycle, frozen, moving_statistics: see `pwarp.training.tasks.Warping`.
    """

    name: str
    backbone: str = "hrnet-w48"
    backbone_options: Mapping[str, Any] = field(default_factory=dict)
    warp: Mapping[str, Any] = field(default_factory=dict)
    size: tuple[int, int] = (288, 384)
    codec: Kind = "msra"
    sigma: float = 3.0
    padding: float = PADDING
    steps: int | None = None
    epochs: float = 20.0
    batch: int = 32
    rate: float = 1e-4
    schedule: Schedule = "drops"
    drops: tuple[float, ...] = (0.5, 0.75)
    factor: float = 0.1
    decay: float = 0.0
    clip: float = 0.0
    augmentation: Augmentation = AUGMENTATION
    delta: int = 3
    cycle: float = 0.0
    frozen: bool = True
    moving_statistics: bool = False

    def __post_init__(self) -> None:
        problems = {
            "batch": self.batch < 1,
            "steps": self.steps is not None and self.steps < 1,
            "epochs": not self.epochs > 0,
            "rate": not self.rate > 0,
            "delta": self.delta < 0,
            "cycle": self.cycle < 0,
        }
        for name, wrong in problems.items():
            if wrong:
                raise PwarpError(f"recipe '{self.name}': {name} is {getattr(self, name)}; give a larger value")
        if self.schedule not in get_args(Schedule):
            raise PwarpError(f"recipe '{self.name}': schedule '{self.schedule}' is none of {get_args(Schedule)}")

    def keypoint_codec(self, stride: int) -> Codec:
        """How keypoints become heatmaps, for a backbone with this many crop pixels a cell."""
        return Codec(kind=self.codec, size=self.size, stride=stride, sigma=self.sigma)

    def total_steps(self, poses: int) -> int:
        """Optimiser steps for so many labelled poses."""
        return self.steps if self.steps is not None else max(1, math.ceil(self.epochs * poses / self.batch))

    def rate_at(self, step: int, total: int) -> float:
        """The learning rate of a step, counted from 0."""
        done = step / total
        if self.schedule == "cosine":
            return self.rate * 0.5 * (1 + math.cos(math.pi * done))
        if self.schedule == "linear":
            return self.rate * (1 - done)
        return self.rate * self.factor ** sum(done >= drop for drop in self.drops)


_SMALL = Recipe(
    "small",
    backbone="duc-r18",
    warp={"channels": 32, "blocks": 4},
    size=(128, 128),
    codec="dark",
    sigma=2.0,
    steps=2000,
    batch=16,
    rate=1e-3,
    schedule="cosine",
    augmentation=Augmentation(scale=0.3, rotation=30.0),
)

# By what is trained, by name. The first one is the default.
RECIPES: dict[str, dict[str, Recipe]] = {
    "estimator": {
        "small": _SMALL,
        "paper": Recipe("paper"),
        "released": Recipe("released", epochs=10.0, drops=(0.5, 0.7)),
    },
    "posewarper": {
        "small": _SMALL,
        "paper": Recipe("paper", warp={"combine": "sum", "offsets": [-3, -2, -1, 0, 1, 2, 3], "weights": []}),
        "released": Recipe("released", delta=2, moving_statistics=True, batch=64),
    },
}


def recipe(kind: str, name: str, changes: Mapping[str, Any]) -> Recipe:
    """A recipe with some values replaced; None leaves a value as it is, and epochs take the place of steps.

    Raises PwarpError for a name that there is not.
    """
    table = RECIPES[kind]
    if name not in table:
        raise PwarpError(f"no recipe '{name}' for {kind}; there are: {', '.join(table)}")
    given = {key: value for key, value in changes.items() if value is not None}
    if "epochs" in given and "steps" not in given:
        given["steps"] = None
    return replace(table[name], **given)
