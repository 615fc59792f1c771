"""An estimator that is small enough to find coloured dots after seconds of training."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from pwarp.models.backbone import Backbone, BackboneConfig

NAME = "dots"
WHERE = "dotted_network:Dots"


class Dots(Backbone):
    """Three convolutions, a stride of 4."""

    config_type: ClassVar[type[BackboneConfig]] = BackboneConfig
    feature_channels = 12

    def __init__(self, config: BackboneConfig) -> None:
        super().__init__()
        self.config = config
        layers: list[nn.Module] = []
        for inner, outer, stride in ((3, 8, 2), (8, 12, 2), (12, 12, 1)):
            layers += [nn.Conv2d(inner, outer, 3, stride, 1, bias=False), nn.BatchNorm2d(outer), nn.ReLU()]
        self.trunk = nn.Sequential(*layers)
        self.final_layer = nn.Conv2d(12, config.keypoints, 1)

    def features(self, crops: Tensor) -> Tensor:
        found: Tensor = self.trunk(crops)
        return found
