"""HRNet: Sun et al., Deep High-Resolution Representation Learning for Human Pose Estimation, CVPR 2019.

Parameter names are those of the official code (HRNet/deep-high-resolution-net.pytorch), so its files load by name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, Bottleneck

from pwarp.models.backbone import Backbone, BackboneConfig, small_normal

WIDTHS = {"hrnet-w32": 32, "hrnet-w48": 48}
_BLOCKS = 4  # residual blocks a branch, and bottlenecks in the stem
_MODULES = {2: 1, 3: 4, 4: 3}  # exchange modules a stage


@dataclass(frozen=True)
class HRNetConfig(BackboneConfig):
    """name: "hrnet-w32" or "hrnet-w48", the number being the channels of the highest resolution."""

    @property
    def width(self) -> int:
        """Channels of branch 0; branch b has width · 2^b at stride 4 · 2^b."""
        return WIDTHS[self.name]


class HRNet(Backbone):
    """Four stages of parallel branches at strides 4, 8, 16, 32 that exchange what they found; branch 0 is used."""

    config_type: ClassVar[type[BackboneConfig]] = HRNetConfig

    def __init__(self, config: HRNetConfig) -> None:
        super().__init__()
        self.config = config
        channels = [config.width << branch for branch in range(4)]
        self.conv1 = nn.Conv2d(3, 64, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.conv2 = nn.Conv2d(64, 64, 3, stride=2, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        wider = nn.Sequential(*_conv_bn(64, 256, 1))
        self.layer1 = nn.Sequential(
            Bottleneck(64, 64, downsample=wider), *(Bottleneck(256, 64) for _ in range(_BLOCKS - 1))
        )
        # A transition has entries only for branches that change: the new one, and at first both.
        self.transition1 = nn.ModuleDict(
            {
                "0": nn.Sequential(*_conv_bn(256, channels[0], 3), nn.ReLU(inplace=True)),
                "1": _halved(256, channels[1]),
            }
        )
        self.stage2 = _stage(2, channels)
        self.transition2 = nn.ModuleDict({"2": _halved(channels[1], channels[2])})
        self.stage3 = _stage(3, channels)
        self.transition3 = nn.ModuleDict({"3": _halved(channels[2], channels[3])})
        self.stage4 = _stage(4, channels, last=1)
        self.feature_channels = channels[0]
        self.final_layer = nn.Conv2d(channels[0], config.keypoints, 1)
        small_normal(self)

    def stage3_branches(self, crops: Tensor) -> list[Tensor]:
        """What stage 3 gives: (B, width · 2^b, H / (4 · 2^b), W / (4 · 2^b)) for b = 0, 1, 2."""
        x = self.relu(self.bn1(self.conv1(crops)))
        x = self.relu(self.bn2(self.conv2(x)))
        x = self.layer1(x)
        branches = self.stage2([self.transition1["0"](x), self.transition1["1"](x)])
        found: list[Tensor] = self.stage3([*branches, self.transition2["2"](branches[-1])])
        return found

    def features(self, crops: Tensor) -> Tensor:
        """(B, width, H / 4, W / 4) branch 0 after stage 4."""
        branches = self.stage3_branches(crops)
        found: list[Tensor] = self.stage4([*branches, self.transition3["3"](branches[-1])])
        return found[0]


class Exchange(nn.Module):
    """One module of a stage: every branch through its blocks, then each sums what all of them found.

    outputs: how many of the branches are given back, highest resolution first.
    """

    def __init__(self, channels: Sequence[int], outputs: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(nn.Sequential(*(BasicBlock(c, c) for _ in range(_BLOCKS))) for c in channels)
        self.fuse_layers = nn.ModuleList(
            nn.ModuleDict({str(j): _exchanged(channels, j, i) for j in range(len(channels)) if j != i})
            for i in range(outputs)
        )
        self.relu = nn.ReLU(inplace=True)

    def forward(self, branches: list[Tensor]) -> list[Tensor]:
        """Branches from high to low resolution -> the first `outputs` of them."""
        found = [blocks(x) for blocks, x in zip(self.branches, branches, strict=True)]
        return [self.relu(self._sum(i, found)) for i in range(len(self.fuse_layers))]

    def _sum(self, i: int, found: list[Tensor]) -> Tensor:
        layers = self.fuse_layers[i]
        assert isinstance(layers, nn.ModuleDict)
        # Added in the official order, so that the rounding is the same.
        total = layers["0"](found[0]) if i else found[0]
        for j in range(1, len(found)):
            total = total + (found[j] if j == i else layers[str(j)](found[j]))
        return total


def _stage(number: int, channels: Sequence[int], last: int | None = None) -> nn.Sequential:
    """Stage 2, 3 or 4 with as many branches; its last module gives back `last` of them, or all."""
    count = _MODULES[number]
    make = partial(Exchange, channels[:number])
    return nn.Sequential(*(make(last if last and i == count - 1 else number) for i in range(count)))


def _exchanged(channels: Sequence[int], source: int, target: int) -> nn.Sequential:
    """Branch `source` as branch `target` wants it: 1x1 and nearest upwards, a chain of strided 3x3 downwards."""
    if source > target:
        layers = [*_conv_bn(channels[source], channels[target], 1), nn.Upsample(scale_factor=2 ** (source - target))]
        return nn.Sequential(*layers)
    chain = []
    for step in range(target - source):
        final = step == target - source - 1
        layers = list(_conv_bn(channels[source], channels[target] if final else channels[source], 3, stride=2))
        chain.append(nn.Sequential(*layers, *([] if final else [nn.ReLU(inplace=True)])))
    return nn.Sequential(*chain)


def _halved(inputs: int, outputs: int) -> nn.Sequential:
    """A new branch from the lowest one so far."""
    return nn.Sequential(nn.Sequential(*_conv_bn(inputs, outputs, 3, stride=2), nn.ReLU(inplace=True)))


def _conv_bn(inputs: int, outputs: int, kernel: int, stride: int = 1) -> tuple[nn.Conv2d, nn.BatchNorm2d]:
    conv = nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False)
    return conv, nn.BatchNorm2d(outputs)
