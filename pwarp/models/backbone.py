"""What the frame-wise estimators have in common: a crop in, heatmaps out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from pwarp.errors import PwarpError
from pwarp.models.config import Config, fail


@dataclass(frozen=True)
class BackboneConfig(Config):
    """keypoints: K, the channels of the heatmaps."""

    keypoints: int = 17

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.keypoints < 1:
            fail(self, f"{self.keypoints} keypoints; there must be at least 1")

    @property
    def stride(self) -> int:
        """Crop pixels a heatmap cell."""
        return 4


class Backbone(nn.Module, ABC):
    """(B, 3, H, W) crops -> (B, K, H / stride, W / stride) heatmaps; H and W are multiples of 32.

    feature_channels: of what `features` gives and `final_layer`, a convolution, turns into heatmaps.
    """

    config_type: ClassVar[type[BackboneConfig]]
    multiple: ClassVar[int] = 32
    config: BackboneConfig
    feature_channels: int
    final_layer: nn.Conv2d

    @abstractmethod
    def features(self, crops: Tensor) -> Tensor:
        """(B, C, h, w) what the heatmaps are made from, C being `feature_channels`."""

    def official_name(self, name: str) -> str:
        """What the official code calls an entry of the state dict: the same."""
        return name

    def forward(self, crops: Tensor) -> Tensor:
        """(B, K, h, w) heatmaps; PwarpError where the sides of the crops are no multiples of 32."""
        height, width = crops.shape[-2:]
        self.check_size(width, height)
        heatmaps: Tensor = self.final_layer(self.features(crops))
        return heatmaps

    def check_size(self, width: int, height: int) -> None:
        """Raise PwarpError where the sides of crops are no multiples of 32."""
        if height % self.multiple or width % self.multiple:
            raise PwarpError(
                f"crops of {width}x{height} pixels do not fit {self.config.name}; "
                f"both sides must be multiples of {self.multiple}"
            )


def small_normal(module: nn.Module) -> None:
    """Initialise as HRNet and SimpleBaseline do: convolutions N(0, 0.001²), BatchNorm 1 and 0, biases 0."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(part.weight, std=0.001)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
        elif isinstance(part, nn.BatchNorm2d):
            nn.init.ones_(part.weight)
            nn.init.zeros_(part.bias)
