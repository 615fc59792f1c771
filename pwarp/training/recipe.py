"""A recipe: all that decides what comes out of training, as plain values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, get_args

from pwarp.checkpoints import IMAGENET_MEAN, IMAGENET_STD
from pwarp.crops import PADDING
from pwarp.errors import PwarpError
from pwarp.heatmaps import Codec, Kind
from pwarp.training.augment import AUGMENTATION, Augmentation

Schedule = Literal["drops", "cosine", "linear"]
Optimiser = Literal["adam", "rmsprop"]


@dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    name: of the recipe that it began with. backbone: of the network that looks at every frame, and its options. head:
    of the larger one that looks at a person's first frame, where a model has one (PPN's HeadNet, DKD's pose
    initialiser). model: options of what is built around them.
    size: (w, h) of crops. codec, sigma: of the target heatmaps. padding: of the window around a box.
    mean, std: of RGB in 0..1, subtracted from crops and divided by.
    steps: optimiser steps, None for `epochs` over the labelled poses. batch: poses a step, of all processes together.
    rate: of the optimiser. known_factor: of it for networks within a model that begin with weights of their own, beside
    parts that are fresh. schedule: "drops" multiplies the rate by `factor` at each of `drops` (shares of all steps),
    "cosine" and "linear" take it to 0. decay: weight decay. clip: largest norm of the gradient, 0 for any.
    delta, cycle: see `tasks.warping`. frozen, moving_statistics: see `tasks.base.settle`. frames: T, see `tasks.clips`.
    """

    name: str
    backbone: str = "hrnet-w48"
    backbone_options: Mapping[str, Any] = field(default_factory=dict)
    head: str = "hrnet-w48"
    head_options: Mapping[str, Any] = field(default_factory=dict)
    model: Mapping[str, Any] = field(default_factory=dict)
    size: tuple[int, int] = (288, 384)
    codec: Kind = "msra"
    sigma: float = 3.0
    padding: float = PADDING
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    steps: int | None = None
    epochs: float = 20.0
    batch: int = 32
    optimiser: Optimiser = "adam"
    rate: float = 1e-4
    known_factor: float = 1.0
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
    frames: int = 5

    def __post_init__(self) -> None:
        problems = {
            "batch": self.batch < 1,
            "steps": self.steps is not None and self.steps < 1,
            "epochs": not self.epochs > 0,
            "rate": not self.rate > 0,
            "known_factor": not self.known_factor > 0,
            "delta": self.delta < 0,
            "cycle": self.cycle < 0,
            "frames": self.frames < 1,
        }
        for name, wrong in problems.items():
            if wrong:
                raise PwarpError(f"recipe '{self.name}': {name} is {getattr(self, name)}; give a larger value")
        for name, known in (("schedule", Schedule), ("optimiser", Optimiser)):
            if getattr(self, name) not in get_args(known):
                raise PwarpError(
                    f"recipe '{self.name}': {name} '{getattr(self, name)}' is none of {', '.join(get_args(known))}"
                )

    def keypoint_codec(self, stride: int) -> Codec:
        """How keypoints become heatmaps, for a network with this many crop pixels a cell."""
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

    def to_dict(self) -> dict[str, Any]:
        """All values, ready for JSON; those of the augmentation beside the others."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        varied = asdict(values.pop("augmentation"))
        options = {name: dict(values[name]) for name in ("backbone_options", "head_options", "model")}
        return {**values, **options, **{f"augmentation_{name}": value for name, value in varied.items()}}
