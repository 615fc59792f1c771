"""The pose kernel distillator of DKD (Nie et al., ICCV 2019, sections 3.1 and 3.2).

What a person looks like in one frame becomes convolution kernels that find them in the next.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from pwarp.errors import PwarpError

_SMALLEST = 6  # cells on a side of the heatmaps: of those the second convolution leaves one
_VARIED = 0.3  # deviation of the kernels that a trained encoder begins with, as a share of their mean
_SCALE = 0.1  # about the deviation of a heatmap with one Gaussian of two cells on 32x32


class DynamicConv2d(nn.Module):
    """A depthwise convolution whose kernels are an input, others for each sample; it keeps height and width."""

    def forward(self, x: Tensor, kernels: Tensor) -> Tensor:
        """x (B, C, h, w), kernels (B, C, S, S), S odd -> (B, C, h, w): one grouped convolution over the batch."""
        batch, channels, size = kernels.shape[:3]
        weight = kernels.reshape(batch * channels, 1, size, size)
        merged = x.reshape(1, batch * channels, *x.shape[2:])
        return functional.conv2d(merged, weight, padding=size // 2, groups=batch * channels).reshape(x.shape)


class PoseKernels(nn.Module):
    """Distils the kernel bases k' (B, channels, size, size) of a frame, and matches the next one with them.

    features: channels of what the frame encoder gives. rectified: whether k' is kept from being negative by the last
    ReLU, as the paper writes. Layers' sizes are not printed: these cost the 0.99 GFLOPs of table 1.
    """

    def __init__(self, features: int, keypoints: int, channels: int, size: int, rectified: bool) -> None:
        super().__init__()
        self.size = size
        layers = [
            *_conv_bn(features + keypoints, channels, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
            *_conv_bn(channels, channels, 3, padding=0),
            nn.ReLU(inplace=True),
            nn.AdaptiveMaxPool2d(size),  # on maps of 32x32, halves 14x14
            *_conv_bn(channels, channels, size, padding=size // 2),
        ]
        self.distillator = nn.Sequential(*layers, *([nn.ReLU(inplace=True)] if rectified else []))
        self.v = nn.Conv2d(features, channels, 1, bias=False)
        self.dynamic = DynamicConv2d()
        self.u = nn.Conv2d(channels, keypoints, 1, bias=False)
        self.bn = nn.BatchNorm2d(keypoints)
        nn.init.constant_(self.bn.weight, _SCALE)

    @torch.no_grad()
    def begin_as(self, last: nn.Conv2d) -> None:
        """The heatmaps of a layer (features -> keypoints, 1x1) at first, each smoothed by a kernel of its own; channels
        beyond one a keypoint give nothing yet. With fewer channels it begins as it is.

        Fresh, it would have to learn again what the layer knew, which takes longer than the kernels themselves.
        """
        keypoints, channels = self.u.weight.shape[:2]
        if channels < keypoints:
            return
        self.v.weight[:keypoints] = last.weight
        self.u.weight.zero_()[:, :keypoints, 0, 0] = torch.eye(keypoints)
        norm = [part for part in self.distillator if isinstance(part, nn.BatchNorm2d)][-1]
        mean = 1 / self.size**2
        nn.init.constant_(norm.weight, _VARIED * mean)
        nn.init.constant_(norm.bias, mean)

    @staticmethod
    def check_cells(width: int, height: int) -> None:
        """Raise PwarpError where heatmaps of so many cells are too small to distil kernels from."""
        if min(width, height) < _SMALLEST:
            raise PwarpError(
                f"heatmaps of {width}x{height} cells are too small to distil kernels from, which takes "
                f"{_SMALLEST}x{_SMALLEST}; use larger crops or a finer stride"
            )

    def distil(self, features: Tensor, heatmaps: Tensor) -> Tensor:
        """features (B, C, h, w) and heatmaps (B, K, h, w) of a frame -> k' (equation 1); raises PwarpError for maps
        that are too small."""
        self.check_cells(heatmaps.shape[3], heatmaps.shape[2])
        kernels: Tensor = self.distillator(torch.cat([features, heatmaps], 1))
        return kernels

    def match(self, features: Tensor, kernels: Tensor) -> Tensor:
        """features of the next frame -> its heatmaps BN(U · (k' ⊛ (V · f))), equations 2 and 6."""
        found: Tensor = self.bn(self.u(self.dynamic(self.v(features), kernels)))
        return found

    def begin(self, features: Tensor, heatmaps: Tensor) -> tuple[Tensor, ...]:
        """What is kept of a frame for the next: what its kernels are distilled from."""
        return features, heatmaps

    def step(self, state: Sequence[Tensor], features: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
        """The state of the frame before and this frame's features -> this frame's state and heatmaps."""
        heatmaps = self.match(features, self.distil(*state))
        return self.begin(features, heatmaps), heatmaps


def _conv_bn(inputs: int, outputs: int, size: int, padding: int) -> tuple[nn.Module, nn.Module]:
    return nn.Conv2d(inputs, outputs, size, padding=padding, bias=False), nn.BatchNorm2d(outputs)
