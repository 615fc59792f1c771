"""The warping of PoseWarper (Bertasius et al., NeurIPS 2019, section 3), also the propagation unit of PPN.

Module names follow the official code: `offset_feats`, `offsets1..`, `deform_conv1..`.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from typing import Literal, Self

import torch
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock

from pwarp.models.deform import TAPS, DeformConv2d

Motion = tuple[Tensor, ...]


class Warper(nn.Module):
    """Where to sample heatmaps, learned from the difference of two frames, and the sampling.

    keypoints: K. channels, blocks: of the residual blocks on the difference ψ. dilations: of the deformable
    convolutions, one deformable group a keypoint. combine: whether their outputs are averaged (as released) or summed
    (as the paper writes). Fresh, it returns `gain` times what it is given: offsets are zero and the kernels multiples
    of the identity.
    """

    def __init__(
        self,
        keypoints: int,
        channels: int,
        blocks: int,
        dilations: tuple[int, ...],
        combine: Literal["mean", "sum"] = "mean",
        gain: float = 1.0,
    ) -> None:
        super().__init__()
        self.keypoints = keypoints
        self.dilations = dilations
        self.combine = combine
        projection = None
        if keypoints != channels:
            projection = nn.Sequential(nn.Conv2d(keypoints, channels, 1, bias=False), nn.BatchNorm2d(channels))
        first = BasicBlock(keypoints, channels, downsample=projection)
        self.offset_feats = nn.Sequential(first, *(BasicBlock(channels, channels) for _ in range(blocks - 1)))
        for part in self.offset_feats.modules():
            if isinstance(part, nn.Conv2d):
                nn.init.normal_(part.weight, std=0.001)
        share = gain / len(dilations) if combine == "sum" else gain
        for number, dilation in enumerate(dilations, 1):
            motion = nn.Conv2d(channels, 2 * TAPS * keypoints, 3, padding=dilation, dilation=dilation, bias=False)
            nn.init.zeros_(motion.weight)
            self.add_module(f"offsets{number}", motion)
            self.add_module(f"deform_conv{number}", DeformConv2d(keypoints, dilation, scale=share))
        self._still: tuple[object, Motion] | None = None

    def motion(self, difference: Tensor) -> Motion:
        """ψ (B, K, h, w) -> for each dilation the offsets (B, 2·9·K, h, w) in cells, (dy, dx) tap by tap."""
        found = self.offset_feats(difference)
        return tuple(offsets(found) for offsets, _ in self._branches())

    def still(self, like: Tensor) -> Motion:
        """The motion (1, 2·9·K, h, w) of a frame against itself, where ψ = 0, for maps of the size of `like`.

        It depends on nothing but the parameters, so in evaluation it is found once for each state of them.
        """
        zero = torch.zeros_like(like[:1])
        state = [*self.parameters(), *self.buffers()]
        unknown = torch.is_grad_enabled() or any(tensor.is_inference() for tensor in state)
        if self.training or unknown or torch.compiler.is_compiling():
            return self.motion(zero)
        key = (zero.shape, zero.dtype, zero.device, [(id(tensor), tensor._version) for tensor in state])
        if self._still is None or self._still[0] != key:
            self._still = (key, self.motion(zero))
        return self._still[1]

    def train(self, mode: bool = True) -> Self:
        """As of any module; forgets the motion at rest, for the sake of those who write to `.data`."""
        self._still = None
        return super().train(mode)

    def resample(self, tensor: Tensor, motion: Motion) -> Tensor:
        """Heatmaps (B, K, h, w) sampled along a motion; one of batch 1 serves the whole batch."""
        return self._combined(
            sample(tensor, offsets.expand(len(tensor), -1, -1, -1))
            for (_, sample), offsets in zip(self._branches(), motion, strict=True)
        )

    def forward(self, tensor: Tensor, difference: Tensor) -> Tensor:
        """Heatmaps (B, K, h, w) warped along the motion that ψ (B, K, h, w) shows.

        Dilation by dilation, because the offsets of one are 18 times the size of the heatmaps.
        """
        found = self.offset_feats(difference)
        return self._combined(sample(tensor, offsets(found)) for offsets, sample in self._branches())

    def _branches(self) -> list[tuple[nn.Module, nn.Module]]:
        numbers = range(1, len(self.dilations) + 1)
        return [(self.get_submodule(f"offsets{n}"), self.get_submodule(f"deform_conv{n}")) for n in numbers]

    def _combined(self, warped: Iterable[Tensor]) -> Tensor:
        total = reduce(torch.add, warped)
        return total / len(self.dilations) if self.combine == "mean" else total
