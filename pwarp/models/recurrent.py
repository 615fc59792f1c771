"""What the models that walk through a video frame by frame have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn

from pwarp.models.config import Config

State = tuple[Tensor, ...]


class RecurrentModel(nn.Module, ABC):
    """`start` on a person's first crop, `step` on each one after; the state has the same size at any length.

    The state is maps (B, C, h, w) in the cells of the heatmaps, so that whoever moves the window can move it along.
    echoes: whether a pose that `start` is told is also what it gives out for that frame.
    """

    config_type: ClassVar[type[Config]]
    echoes: ClassVar[bool] = False

    @abstractmethod
    def first(self, crops: Tensor) -> Tensor:
        """crops (B, 3, H, W) -> heatmaps (B, K, h, w): the model's own first estimate, which looks at one frame."""

    @abstractmethod
    def start(self, crops: Tensor, heatmaps: Tensor | None = None) -> tuple[State, Tensor]:
        """crops (B, 3, H, W) of the first frame -> the state, and that frame's heatmaps (B, K, h, w).

        heatmaps: of a pose that is known there already, instead of the model's own first estimate.
        """

    @abstractmethod
    def step(self, state: State, crops: Tensor) -> tuple[State, Tensor]:
        """crops (B, 3, H, W) of the next frame -> the next state, and the frame's heatmaps (B, K, h, w)."""

    def check_size(self, width: int, height: int) -> None:
        """Raise PwarpError where crops of so many pixels are too small to go on from one frame to the next; most models
        do from maps of any size."""

    def taken_over(self, place: str, last: nn.Conv2d) -> None:
        """Called when a trained backbone has been put in one of its places, by the name in the config.

        last: the layer with which it made heatmaps, of this model's keypoints.
        """

    def forward(self, clip: Tensor) -> Tensor:
        """clip (B, T, 3, H, W) of consecutive frames -> heatmaps (B, T, K, h, w)."""
        state, heatmaps = self.start(clip[:, 0])
        found = [heatmaps]
        for t in range(1, clip.shape[1]):
            state, heatmaps = self.step(state, clip[:, t])
            found.append(heatmaps)
        return torch.stack(found, 1)
