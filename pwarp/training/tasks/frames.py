"""Training an estimator of single frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from pwarp.training.losses import joints_mse
from pwarp.training.tasks.base import Seen, Task


@dataclass
class FrameWise(Task):
    """An estimator of single frames: heatmaps of the labelled frame, nothing else."""

    def loss(self, network: Any, seen: Seen, target: Tensor, weight: Tensor) -> Tensor:
        return joints_mse(network(seen.clip[:, 0]), target, weight)

    def heatmaps(self, network: Any, seen: Seen) -> Tensor:
        found: Tensor = network(seen.clip[:, 0])
        return found
