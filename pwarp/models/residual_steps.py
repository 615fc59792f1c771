"""Residual steps blocks of RSN (Cai et al., Learning Delicate Local Representations, ECCV 2020) as DCPose uses them.

Module names are those of DCPose's official code.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

_SPLIT = 4


class ConvBn(nn.Module):
    """Convolution with bias and BatchNorm, then ReLU where asked."""

    def __init__(self, inputs: int, outputs: int, kernel: int, groups: int = 1, relu: bool = True) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, groups=groups)
        self.bn = nn.BatchNorm2d(outputs)
        self.relu = relu

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, h, w) -> (B, outputs, h, w)."""
        found: Tensor = self.bn(self.conv(x))
        return found.relu_() if self.relu else found


class ResidualSteps(nn.Module):
    """1x1 convolution, four branches of one to four 3x3 convolutions, 1x1 convolution, and a shortcut.

    Branch r has r steps; each sees the step before and what the same step of branch r - 1 found. The branches are
    ⌊26 · inputs / 64⌋ channels wide. groups: 1 as DCPose is released; the number of keypoints as its text says: then no
    keypoint sees another, channels come keypoint by keypoint, and the width is rounded down to a multiple of them.
    """

    def __init__(self, inputs: int, outputs: int, shortcut: bool, groups: int = 1) -> None:
        super().__init__()
        self.groups = groups
        width = max(26 * inputs // 64 // groups, 1) * groups
        self.conv_bn_relu1 = ConvBn(inputs, _SPLIT * width, 1, groups)
        for branch in range(1, _SPLIT + 1):
            for step in range(1, branch + 1):
                self.add_module(f"conv_bn_relu2_{branch}_{step}", ConvBn(width, width, 3, groups))
        self.conv_bn_relu3 = ConvBn(_SPLIT * width, outputs, 1, groups, relu=False)
        self.downsample = ConvBn(inputs, outputs, 1, groups, relu=False) if shortcut else None

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, h, w) -> (B, outputs, h, w), not negative."""
        # Each group's channels are split in four, so that a part holds something of every group.
        batch, _, height, width = x.shape
        split = self.conv_bn_relu1(x).reshape(batch, self.groups, _SPLIT, -1, height, width)
        last: list[Tensor] = []
        before: list[Tensor] = []
        for branch, part in enumerate(split.unbind(2), 1):
            found, steps = part.flatten(1, 2), []
            for step in range(1, branch + 1):
                if step <= len(before):
                    found = found + before[step - 1]
                found = self.get_submodule(f"conv_bn_relu2_{branch}_{step}")(found)
                steps.append(found)
            last.append(found)
            before = steps
        grouped = [found.reshape(batch, self.groups, -1, height, width) for found in last]
        output = self.conv_bn_relu3(torch.cat(grouped, 2).flatten(1, 2))
        total: Tensor = output + (x if self.downsample is None else self.downsample(x))
        return total.relu_()


class ResidualStack(nn.Module):
    """`blocks` residual steps blocks, the first of which changes the number of channels."""

    def __init__(self, inputs: int, outputs: int, blocks: int, groups: int = 1) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *(ResidualSteps(outputs if i else inputs, outputs, i == 0, groups) for i in range(blocks))
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, h, w) -> (B, outputs, h, w)."""
        found: Tensor = self.layers(x)
        return found
