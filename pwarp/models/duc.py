"""Backbones with dense upsampling convolution, as PPN uses them (Liu & Chen, IEEE Access 2020).

DUC (Wang et al., Understanding Convolution for Semantic Segmentation, WACV 2018): a 3x3 convolution to four times the
channels, BatchNorm, ReLU, and pixels instead of channels. The widths are not printed in PPN's paper; those here
reproduce its GFLOPs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from pwarp.models.backbone import BackboneConfig, small_normal
from pwarp.models.config import fail
from pwarp.models.trunk import MobileNetTrunk, ResNetTrunk

_WIDTHS = {"duc-r18": (256, 128, 64), "duc-mobilenet": (128, 64, 32)}


@dataclass(frozen=True)
class DUCConfig(BackboneConfig):
    """name: "duc-r18" or "duc-mobilenet" (MobileNetV2 without its last 1x1 convolution).

    widths: channels after each doubling of height and width, one to three of them (stride 16 to 4); left empty, they
    are those that fit the paper's GFLOPs: 256, 128, 64 and 128, 64, 32.
    """

    widths: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.widths:
            object.__setattr__(self, "widths", _WIDTHS[self.name])
        if len(self.widths) > 3 or min(self.widths) < 1:
            fail(self, f"widths {list(self.widths)}; there must be one to three, each at least 1")

    @property
    def stride(self) -> int:
        """Crop pixels a heatmap cell."""
        return 32 >> len(self.widths)


class ResNetDUC(ResNetTrunk):
    """ResNet-18, DUC and a 1x1 convolution: the BodyNet of PPN-Stable."""

    config_type: ClassVar[type[BackboneConfig]] = DUCConfig

    def __init__(self, config: DUCConfig) -> None:
        super().__init__("resnet18")
        self.config = config
        self.feature_channels = config.widths[-1]
        self.upsampling = dense_upsampling(self.trunk_channels, config.widths)
        self.final_layer = nn.Conv2d(self.feature_channels, config.keypoints, 1)
        small_normal(self.final_layer)

    def features(self, crops: Tensor) -> Tensor:
        """(B, widths[-1], h, w)."""
        found: Tensor = self.upsampling(self.trunk(crops))
        return found


class MobileNetDUC(MobileNetTrunk):
    """MobileNetV2, DUC and a 1x1 convolution: the BodyNet of PPN-Swift."""

    config_type: ClassVar[type[BackboneConfig]] = DUCConfig

    def __init__(self, config: DUCConfig) -> None:
        super().__init__(expanded=False)
        self.config = config
        self.feature_channels = config.widths[-1]
        self.upsampling = dense_upsampling(self.trunk_channels, config.widths)
        self.final_layer = nn.Conv2d(self.feature_channels, config.keypoints, 1)
        small_normal(self.final_layer)

    def features(self, crops: Tensor) -> Tensor:
        """(B, widths[-1], h, w)."""
        found: Tensor = self.upsampling(self.trunk(crops))
        return found


def dense_upsampling(inputs: int, widths: tuple[int, ...]) -> nn.Sequential:
    """One DUC a width, each doubling height and width."""
    layers: list[nn.Module] = []
    for before, width in zip((inputs, *widths), widths, strict=False):
        layers += [
            nn.Conv2d(before, 4 * width, 3, padding=1, bias=False),
            nn.BatchNorm2d(4 * width),
            nn.ReLU(inplace=True),
            nn.PixelShuffle(2),
        ]
    return nn.Sequential(*layers)
