"""What all tasks have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor, nn

from pwarp.models.window import WindowModel


@dataclass(frozen=True, eq=False)
class Seen:
    """What a network is shown of B samples.

    clip: (B, T, 3, H, W) crops of one person through one window, normalised. offsets: (B, T) frames from the labelled
    one. candidates: (B, M, 3, H, W) crops of anybody in other frames of the video, for tasks that ask for them (M is 0
    for others). present: (B, M) which of them a sample has.
    """

    clip: Tensor
    offsets: Tensor
    candidates: Tensor
    present: Tensor


class Task(ABC):
    """A way of training.

    reach: most frames between a sample's frames and the labelled one. anchor: place of the labelled frame among
    them. every_frame: whether labels of the others count, too; the targets then have a time axis after the batch, and
    the labelled frame may stand at any place. candidates: how many crops of anybody in other frames it asks for. known:
    networks within the one that is trained that began with weights of their own.
    """

    reach: int = 0
    anchor: int = 0
    every_frame: bool = False
    candidates: int = 0
    known: Sequence[nn.Module] = ()

    def frames(self, random: np.random.Generator | None, frame: int, last: int, number: int) -> tuple[int, ...]:
        """The sample's T frames; see `pwarp.training.samples.Shots`."""
        return (frame,)

    def prepare(self, network: Any) -> None:  # noqa: B027 - most train all of it
        """Freeze what is not trained."""

    @property
    def beside(self) -> nn.Module | None:
        """What is trained beside the network and is no part of it."""
        return None

    @abstractmethod
    def loss(self, network: Any, seen: Seen, target: Tensor, weight: Tensor) -> Tensor:
        """The loss of a batch, a mean over its samples.

        target: (B, K, h, w) heatmaps of the labelled frame and weight (B, K); with every_frame (B, T, K, h, w) and
        (B, T, K).
        """

    @abstractmethod
    def heatmaps(self, network: Any, seen: Seen) -> Tensor:
        """(B, K, h, w) what the network says about the labelled frame, for validation."""

    def stepped(self, mean: Callable[[Tensor], Tensor]) -> None:  # noqa: B027 - most need not know
        """Called after each gradient step. mean: of a tensor over all processes."""

    def figures(self) -> Mapping[str, float]:
        """More for the curve than the loss."""
        return {}


def settle(network: WindowModel, *, frozen: bool, moving_statistics: bool) -> None:
    """Freeze a window model's backbone, or train it, too.

    moving_statistics: whether the BatchNorm of a frozen one follows what it sees all the same, as it does in the
    released code of PoseWarper and DCPose.
    """
    if frozen:
        network.freeze_backbone(statistics=not moving_statistics)
    else:
        network.unfreeze_backbone()
