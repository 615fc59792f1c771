"""SimpleBaseline: Xiao et al., Simple Baselines for Human Pose Estimation and Tracking, ECCV 2018.

Parameter names with a ResNet are those of the official code, so its files load by name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from pwarp.models.backbone import BackboneConfig, small_normal
from pwarp.models.config import fail
from pwarp.models.trunk import MobileNetTrunk, ResNetTrunk

_CHANNELS = 256  # of each deconvolution


@dataclass(frozen=True)
class SimpleBaselineConfig(BackboneConfig):
    """name: "simple-r18", -r34, -r50, -r101, -r152 or "simple-mobilenet".

    deconvs: transposed convolutions after the trunk: 3 as in the paper (stride 4), or 2 as in DKD (stride 8).
    """

    deconvs: int = 3

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.deconvs not in (2, 3):
            fail(self, f"{self.deconvs} deconvolutions; there can be 2 or 3")

    @property
    def stride(self) -> int:
        """Crop pixels a heatmap cell."""
        return 32 >> self.deconvs


class SimpleBaseline(ResNetTrunk):
    """A ResNet, deconvolutions of 4x4 at stride 2, and a 1x1 convolution.

    The trunk starts as torchvision initialises it (the official code starts it from ImageNet weights, see
    `load_imagenet`), the head as in the paper.
    """

    config_type: ClassVar[type[BackboneConfig]] = SimpleBaselineConfig

    def __init__(self, config: SimpleBaselineConfig) -> None:
        super().__init__("resnet" + config.name.removeprefix("simple-r"))
        self.config = config
        self.feature_channels = _CHANNELS
        self.deconv_layers = deconvolutions(self.trunk_channels, config.deconvs)
        self.final_layer = nn.Conv2d(_CHANNELS, config.keypoints, 1)
        small_normal(self.final_layer)

    def features(self, crops: Tensor) -> Tensor:
        """(B, 256, h, w)."""
        found: Tensor = self.deconv_layers(self.trunk(crops))
        return found


class MobileSimpleBaseline(MobileNetTrunk):
    """The same head on MobileNetV2: PPN's paper compares its DUC heads with it."""

    config_type: ClassVar[type[BackboneConfig]] = SimpleBaselineConfig

    def __init__(self, config: SimpleBaselineConfig) -> None:
        super().__init__(expanded=True)
        self.config = config
        self.feature_channels = _CHANNELS
        self.deconv_layers = deconvolutions(self.trunk_channels, config.deconvs)
        self.final_layer = nn.Conv2d(_CHANNELS, config.keypoints, 1)
        small_normal(self.final_layer)

    def features(self, crops: Tensor) -> Tensor:
        """(B, 256, h, w)."""
        found: Tensor = self.deconv_layers(self.trunk(crops))
        return found


def deconvolutions(inputs: int, count: int) -> nn.Sequential:
    """`count` times deconvolution, BatchNorm, ReLU: each doubles height and width."""
    layers: list[nn.Module] = []
    for i in range(count):
        deconvolution = nn.ConvTranspose2d(_CHANNELS if i else inputs, _CHANNELS, 4, stride=2, padding=1, bias=False)
        layers += [deconvolution, nn.BatchNorm2d(_CHANNELS), nn.ReLU(inplace=True)]
    made = nn.Sequential(*layers)
    small_normal(made)
    return made
