"""What the models of several frames around the current one have in common.

`frame_features` is the work on each crop, done once a crop however many windows it takes part in; `fuse` is the work on
a window. A walker over a video keeps features, not pictures.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar, Self

import torch
from torch import Tensor, nn

from pwarp.models import build
from pwarp.models.backbone import Backbone, BackboneConfig
from pwarp.models.config import Config


def hrnet_w48() -> BackboneConfig:
    """The backbone that the papers use."""
    return BackboneConfig.from_dict({"name": "hrnet-w48"})


@dataclass(frozen=True)
class WindowConfig(Config):
    """backbone: of the frame-wise estimator inside, HRNet-W48 in the papers; its keypoints are the model's."""

    backbone: BackboneConfig = field(default_factory=hrnet_w48)

    @property
    def keypoints(self) -> int:
        """K, the channels of the heatmaps."""
        return self.backbone.keypoints

    @property
    def stride(self) -> int:
        """Crop pixels a heatmap cell."""
        return self.backbone.stride


class WindowModel(nn.Module, ABC):
    """Crops of neighbouring frames -> heatmaps of the current one.

    offsets: the frames that it needs, relative to the current one, in the order in which `fuse` takes them.
    sampled: how many crops of other frames of the video, of anybody, it wants offered to `fuse` as candidates; most 0.
    The backbone starts frozen, its BatchNorm statistics with it, and `train()` leaves it so; see `freeze_backbone`.
    """

    config_type: ClassVar[type[WindowConfig]]
    config: WindowConfig
    offsets: tuple[int, ...]
    sampled: int = 0
    backbone: Backbone

    def __init__(self, config: WindowConfig) -> None:
        super().__init__()
        self.config = config
        self._frozen = False
        self._frozen_statistics = False

    def frame_features(self, crops: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, C, h, w), everything about a crop that `fuse` needs, without gradients while frozen."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self._frozen):
            return self._features(crops)

    def _features(self, crops: Tensor) -> Tensor:
        found: Tensor = self.backbone(crops)
        return found

    @abstractmethod
    def fuse(self, features: Tensor, offsets: Tensor) -> Tensor:
        """features (B, T, C, h, w) of T frames, offsets (B, T) from the current frame -> heatmaps (B, K, h, w).

        Frames stand in the order of `self.offsets`. Where the video has no such frame, a frame that it has stands in,
        at its own offset: the current one at 0, or another. Offsets are in frames, and say how far apart the frames
        really are.
        """

    def forward(self, clip: Tensor, offsets: Tensor | None = None) -> Tensor:
        """clip (B, T, 3, H, W) -> heatmaps (B, K, h, w); without offsets the frames are those of `self.offsets`."""
        if offsets is None:
            offsets = clip.new_tensor(self.offsets).expand(len(clip), -1)
        features = self.frame_features(clip.flatten(0, 1))
        return self.fuse(features.reshape(*clip.shape[:2], *features.shape[1:]), offsets)

    def official_name(self, name: str) -> str:
        """What the official code calls an entry of the state dict; for converting its files."""
        return name

    def freeze_backbone(self, statistics: bool = True) -> Self:
        """Take the backbone out of training; without `statistics` its BatchNorm still follows what it sees, as in the
        official code of PoseWarper and DCPose."""
        self.backbone.requires_grad_(False)
        self._frozen, self._frozen_statistics = True, statistics
        return self.train(self.training)

    def unfreeze_backbone(self) -> Self:
        """Train the backbone, too."""
        self.backbone.requires_grad_(True)
        self._frozen = self._frozen_statistics = False
        return self.train(self.training)

    def train(self, mode: bool = True) -> Self:
        """As of any module, but a frozen backbone stays in evaluation."""
        super().train(mode)
        if self._frozen_statistics:
            self.backbone.eval()
        return self


def build_backbone(config: BackboneConfig) -> Backbone:
    """The backbone inside a model."""
    backbone = build(config)
    assert isinstance(backbone, Backbone)
    return backbone
