"""A network, its task and its codec as one module: uint8 crops in, loss out."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pwarp.checkpoints import Card
from pwarp.training.tasks.base import Seen, Task


class Objective(nn.Module):
    """A network under training; one module, so that several processes can share it.

    network: what is trained. card: how keypoints become target heatmaps, and how crops are normalised. beside: see
    `Task.beside`.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, network: nn.Module, task: Task, card: Card) -> None:
        super().__init__()
        self.network, self.task, self.codec = network, task, card.codec
        self.beside = task.beside
        self.register_buffer("mean", 255 * torch.tensor(card.mean).view(1, 1, 3, 1, 1), persistent=False)
        self.register_buffer("deviation", 255 * torch.tensor(card.std).view(1, 1, 3, 1, 1), persistent=False)
        task.prepare(network)

    def forward(
        self, crops: Tensor, offsets: Tensor, candidates: Tensor, present: Tensor, xy: Tensor, weight: Tensor
    ) -> Tensor:
        """The loss. crops: (B, T, H, W, 3) uint8; offsets: (B, T); candidates: (B, M, H, W, 3) uint8; present: (B, M);
        xy: (B, T, K, 2) crop pixels; weight: (B, T, K)."""
        if self.task.every_frame:
            drawn, flat = self.codec.encode(xy.flatten(0, 1), weight.flatten(0, 1))
            target, weight = drawn.view(*xy.shape[:2], *drawn.shape[1:]), flat.view_as(weight)
        else:
            target, weight = self.codec.encode(xy[:, self.task.anchor], weight[:, self.task.anchor])
        seen = self._seen(crops, offsets, candidates, present)
        return self.task.loss(self.network, seen, target, weight)

    def heatmaps(self, crops: Tensor, offsets: Tensor, candidates: Tensor, present: Tensor) -> Tensor:
        """(B, K, h, w) float32 of the labelled frames."""
        return self.task.heatmaps(self.network, self._seen(crops, offsets, candidates, present)).float()

    def _seen(self, crops: Tensor, offsets: Tensor, candidates: Tensor, present: Tensor) -> Seen:
        return Seen(self.normalised(crops), offsets, self.normalised(candidates), present)

    def normalised(self, crops: Tensor) -> Tensor:
        """(B, T, 3, H, W) with the card's mean and deviation; channels stay last in memory, which is faster."""
        return (crops.permute(0, 1, 4, 2, 3).float() - self.mean) / self.deviation
