"""Training PoseWarper: heatmaps of any near frame, warped to the labelled one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from pwarp.training.losses import joints_mse
from pwarp.training.tasks.base import Seen, Task, settle


@dataclass
class Warping(Task):
    """PoseWarper (Bertasius et al., NeurIPS 2019, section 3): the labelled frame A and any frame B near it.

    B's heatmaps are warped to A and compared with A's labels; B needs none. delta: B is drawn uniformly from the
    frames at most so far away, A itself included, and is the video's first or last frame where there is none, as in
    the released code. cycle: weight of the loss of A's own heatmaps warped to B and back (figure 3); 0 for none.
    frozen, moving_statistics: see `settle`.
    """

    delta: int = 3
    cycle: float = 0.0
    frozen: bool = True
    moving_statistics: bool = False

    def __post_init__(self) -> None:
        self.reach = self.delta

    def frames(self, random: np.random.Generator | None, frame: int, last: int, number: int) -> tuple[int, ...]:
        if random is None:
            away = [*range(-self.delta, 0), *range(1, self.delta + 1)] or [0]
            step = away[number % len(away)]
        else:
            step = int(random.integers(-self.delta, self.delta, endpoint=True))
        return frame, min(max(frame + step, 0), last)

    def prepare(self, network: Any) -> None:
        settle(network, frozen=self.frozen, moving_statistics=self.moving_statistics)

    def loss(self, network: Any, seen: Seen, target: Tensor, weight: Tensor) -> Tensor:
        a, b = self._features(network, seen.clip)
        loss = joints_mse(network.warp(b, a, b), target, weight)
        if self.cycle:
            loss = loss + self.cycle * joints_mse(network.cycle(a, a, b), target, weight)
        return loss

    def heatmaps(self, network: Any, seen: Seen) -> Tensor:
        a, b = self._features(network, seen.clip)
        found: Tensor = network.warp(b, a, b)
        return found

    def _features(self, network: Any, clip: Tensor) -> tuple[Tensor, Tensor]:
        """The heatmaps of A and of B."""
        features: Tensor = network.frame_features(clip.flatten(0, 1))
        return features[0::2], features[1::2]
