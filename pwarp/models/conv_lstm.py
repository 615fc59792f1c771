"""A convolutional LSTM (Shi et al., Convolutional LSTM Network, NeurIPS 2015), with which DKD's table 2 compares it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from pwarp.models.backbone import small_normal


class ConvLSTM(nn.Module):
    """Carries a pose from frame to frame in place of pose kernels: same methods as `PoseKernels`.

    In goes what the frame encoder gives with the heatmaps of the frame before; a 1x1 convolution makes heatmaps of the
    hidden state, which has `hidden` channels. Gates are 3x3 convolutions without peepholes.
    """

    def __init__(self, features: int, keypoints: int, hidden: int) -> None:
        super().__init__()
        self.gates = nn.Conv2d(features + keypoints + hidden, 4 * hidden, 3, padding=1)
        self.final_layer = nn.Conv2d(hidden, keypoints, 1)
        small_normal(self.final_layer)
        self.hidden = hidden

    def begin(self, features: Tensor, heatmaps: Tensor) -> tuple[Tensor, ...]:
        """features (B, C, h, w) and known heatmaps (B, K, h, w) of the first frame -> hidden state, cells, heatmaps."""
        empty = features.new_zeros(len(features), self.hidden, *features.shape[2:])
        return (*self._advance(empty, empty, features, heatmaps), heatmaps)

    def step(self, state: Sequence[Tensor], features: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
        """The state of the frame before and this frame's features -> this frame's state and heatmaps."""
        hidden, cells, before = state
        hidden, cells = self._advance(hidden, cells, features, before)
        heatmaps: Tensor = self.final_layer(hidden)
        return (hidden, cells, heatmaps), heatmaps

    def _advance(self, hidden: Tensor, cells: Tensor, features: Tensor, heatmaps: Tensor) -> tuple[Tensor, Tensor]:
        gates = self.gates(torch.cat([features, heatmaps, hidden], 1))
        taken, kept, shown, new = gates.chunk(4, 1)
        cells = kept.sigmoid() * cells + taken.sigmoid() * new.tanh()
        return shown.sigmoid() * cells.tanh(), cells
