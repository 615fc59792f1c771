"""What is learned from a clip: which frames a sample has, and how a network turns them into a loss.

A task knows its network's interface (`pwarp.models`) and nothing about videos, files or optimisers.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pwarp.checkpoints import IMAGENET_MEAN, IMAGENET_STD
from pwarp.heatmaps import Codec
from pwarp.training.losses import joints_mse


class Task(ABC):
    """A way of training.

    reach: most frames between a sample's frames and the labelled one. anchor: place of the labelled frame among
    them. every_frame: whether labels of the others count, too; the targets then have a time axis after the batch.
    """

    reach: int = 0
    anchor: int = 0
    every_frame: bool = False

    def frames(self, random: np.random.Generator | None, frame: int, last: int, number: int) -> tuple[int, ...]:
        """The sample's T frames; see `pwarp.training.samples.Shots`."""
        return (frame,)

    def prepare(self, network: Any) -> None:  # noqa: B027 - most train all of it
        """Freeze what is not trained."""

    @abstractmethod
    def loss(self, network: Any, clip: Tensor, offsets: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        """The loss of a batch, a mean over its samples.

        clip: (B, T, 3, H, W) normalised. offsets: (B, T) frames from the labelled one. target: (B, K, h, w) heatmaps
        of the labelled frame and weight (B, K); with every_frame (B, T, K, h, w) and (B, T, K).
        """

    @abstractmethod
    def heatmaps(self, network: Any, clip: Tensor, offsets: Tensor) -> Tensor:
        """(B, K, h, w) what the network says about the labelled frame, for validation."""


@dataclass
class FrameWise(Task):
    """An estimator of single frames: heatmaps of the labelled frame, nothing else."""

    def loss(self, network: Any, clip: Tensor, offsets: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        return joints_mse(network(clip[:, 0]), target, weight)

    def heatmaps(self, network: Any, clip: Tensor, offsets: Tensor) -> Tensor:
        found: Tensor = network(clip[:, 0])
        return found


@dataclass
class Warping(Task):
    """PoseWarper (Bertasius et al., NeurIPS 2019, section 3): the labelled frame A and any frame B near it.

    B's heatmaps are warped to A and compared with A's labels; B needs none. delta: B is drawn uniformly from the
    frames at most so far away, A itself included, and is the video's first or last frame where there is none, as in
    the released code. cycle: weight of the loss of A's own heatmaps warped to B and back (figure 3); 0 for none.
    frozen: whether the backbone is left as it is. moving_statistics: whether its BatchNorm follows what it sees
    all the same, as it does in the released code.
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
        if self.frozen:
            network.freeze_backbone(statistics=not self.moving_statistics)
        else:
            network.unfreeze_backbone()

    def loss(self, network: Any, clip: Tensor, offsets: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        a, b = self._features(network, clip)
        loss = joints_mse(network.warp(b, a, b), target, weight)
        if self.cycle:
            loss = loss + self.cycle * joints_mse(network.cycle(a, a, b), target, weight)
        return loss

    def heatmaps(self, network: Any, clip: Tensor, offsets: Tensor) -> Tensor:
        a, b = self._features(network, clip)
        found: Tensor = network.warp(b, a, b)
        return found

    def _features(self, network: Any, clip: Tensor) -> tuple[Tensor, Tensor]:
        """The heatmaps of A and of B."""
        features: Tensor = network.frame_features(clip.flatten(0, 1))
        return features[0::2], features[1::2]


class Objective(nn.Module):
    """A network under training: uint8 crops in, loss out. One module, so that several processes can share it.

    network: what is trained. codec: how keypoints become target heatmaps.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, network: nn.Module, task: Task, codec: Codec) -> None:
        super().__init__()
        self.network, self.task, self.codec = network, task, codec
        self.register_buffer("mean", 255 * torch.tensor(IMAGENET_MEAN).view(1, 1, 3, 1, 1), persistent=False)
        self.register_buffer("deviation", 255 * torch.tensor(IMAGENET_STD).view(1, 1, 3, 1, 1), persistent=False)
        task.prepare(network)

    def forward(self, crops: Tensor, offsets: Tensor, xy: Tensor, weight: Tensor) -> Tensor:
        """The loss. crops: (B, T, H, W, 3) uint8; offsets: (B, T); xy: (B, T, K, 2) crop pixels; weight: (B, T, K)."""
        if self.task.every_frame:
            drawn, flat = self.codec.encode(xy.flatten(0, 1), weight.flatten(0, 1))
            target, weight = drawn.view(*xy.shape[:2], *drawn.shape[1:]), flat.view_as(weight)
        else:
            target, weight = self.codec.encode(xy[:, self.task.anchor], weight[:, self.task.anchor])
        return self.task.loss(self.network, self.normalised(crops), offsets, target, weight)

    def heatmaps(self, crops: Tensor, offsets: Tensor) -> Tensor:
        """(B, K, h, w) float32 of the labelled frames."""
        return self.task.heatmaps(self.network, self.normalised(crops), offsets).float()

    def normalised(self, crops: Tensor) -> Tensor:
        """(B, T, 3, H, W) with ImageNet's mean and deviation; channels stay last in memory, which is faster."""
        return (crops.permute(0, 1, 4, 2, 3).float() - self.mean) / self.deviation
