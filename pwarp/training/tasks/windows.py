"""Training models that look at frames around the labelled one, all through the window of its box: DCPose, GLPose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from pwarp.training.losses import l2
from pwarp.training.tasks.base import Seen, Task, settle


@dataclass
class Around(Task):
    """The labelled frame among the frames that the model needs; these need no labels.

    DCPose (Liu et al., CVPR 2021, sections 3 and 4) and GLPose (Jiao et al., TOMM 2022, section 3.3). Where the video
    has no such frame, the labelled one stands in. The loss is weighed by visibility (DCPose's equation 10, GLPose's 6).

    offsets: of the model's frames, 0 among them. nearer: whether training draws any frame up to each of them, on the
    same side (DCPose's interval T); validation takes them as they are. candidates: crops of anybody in other frames of
    the video (GLPose's non-local frames). frozen, moving_statistics: see `settle`.
    """

    offsets: tuple[int, ...]
    nearer: bool = False
    candidates: int = 0
    frozen: bool = True
    moving_statistics: bool = False

    def __post_init__(self) -> None:
        self.reach = max(abs(offset) for offset in self.offsets)
        self.anchor = self.offsets.index(0)

    def frames(self, random: np.random.Generator | None, frame: int, last: int, number: int) -> tuple[int, ...]:
        steps = self.offsets
        if random is not None and self.nearer:
            steps = tuple(int(np.sign(o)) * int(random.integers(1, abs(o), endpoint=True)) if o else 0 for o in steps)
        return tuple(frame + step if 0 <= frame + step <= last else frame for step in steps)

    def prepare(self, network: Any) -> None:
        settle(network, frozen=self.frozen, moving_statistics=self.moving_statistics)

    def loss(self, network: Any, seen: Seen, target: Tensor, weight: Tensor) -> Tensor:
        return l2(self.heatmaps(network, seen), target, weight)

    def heatmaps(self, network: Any, seen: Seen) -> Tensor:
        more = (seen.candidates, seen.present) if self.candidates else ()
        found: Tensor = network(seen.clip, seen.offsets, *more)
        return found
