"""PoseWarper: Bertasius et al., Learning Temporal Pose Estimation from Sparsely-Labeled Videos, NeurIPS 2019.

As released (facebookresearch/PoseWarper) by default, where the text is silent or differs; the recipe `paper` of
`pwarp.training.recipes` has the text's values.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, Self

import torch
from torch import Tensor

from pwarp.models.backbone import BackboneConfig
from pwarp.models.config import fail
from pwarp.models.warper import Motion, Warper
from pwarp.models.window import WindowConfig, WindowModel, build_backbone


@dataclass(frozen=True)
class PoseWarperConfig(WindowConfig):
    """channels, blocks, dilations, combine: of the warping, see `Warper`.

    offsets: frames that aggregation uses, 0 among them. weights: of a frame in aggregation by its distance from the
    current one, starting with the current one itself (the last for all beyond); empty for equal weights.
    """

    channels: int = 128
    blocks: int = 20
    dilations: tuple[int, ...] = (3, 6, 12, 18, 24)
    combine: Literal["mean", "sum"] = "mean"
    offsets: tuple[int, ...] = (-2, -1, 0, 1, 2)
    weights: tuple[float, ...] = (0.3, 0.25, 0.1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.channels, self.blocks, len(self.dilations), *self.dilations) < 1:
            fail(self, "channels, blocks and dilations must be at least 1")
        if 0 not in self.offsets or len(set(self.offsets)) < len(self.offsets):
            fail(self, f"offsets {list(self.offsets)}; they must differ, and 0, the current frame, be among them")
        if self.weights and min(self.weights) <= 0:
            fail(self, f"weights {list(self.weights)}; they must be positive")

    @classmethod
    def light(cls, backbone: BackboneConfig) -> Self:
        """A warping of 16 channels and 10 blocks, the size that fits PPN's GFLOPs: 1/35 of the paper's, for CPU."""
        return cls(name="posewarper", backbone=backbone, channels=16, blocks=10)


class PoseWarper(WindowModel):
    """Heatmaps of one frame, resampled to where the pose is in another.

    The features of a frame are its raw heatmaps f. A fresh model returns what it warps unchanged.
    """

    config_type: ClassVar[type[WindowConfig]] = PoseWarperConfig
    config: PoseWarperConfig

    def __init__(self, config: PoseWarperConfig) -> None:
        super().__init__(config)
        self.offsets = config.offsets
        self.backbone = build_backbone(config.backbone)
        self.warper = Warper(config.keypoints, config.channels, config.blocks, config.dilations, config.combine)
        self.freeze_backbone()

    def official_name(self, name: str) -> str:
        """What the official code calls an entry of the state dict: there all is at one level."""
        return name.partition(".")[2]

    def warp(self, tensor: Tensor, to_features: Tensor, from_features: Tensor) -> Tensor:
        """tensor (B, K, h, w), which lives in frame `from`, as it looks in frame `to`; ψ = f_to - f_from.

        Training warps f_B to the labelled frame A: warp(f_B, f_A, f_B). Propagation warps the rendered Gaussians
        y_A of a labelled frame to another: warp(y_A, f_B, f_A). (Section 3.)
        """
        warped: Tensor = self.warper(tensor, to_features - from_features)
        return warped

    def motion(self, to_features: Tensor, from_features: Tensor) -> Motion:
        """For each dilation the offsets (B, 2·9·K, h, w), in cells, (dy, dx) tap by tap, that `warp` samples at."""
        return self.warper.motion(to_features - from_features)

    def cycle(self, tensor: Tensor, features: Tensor, other_features: Tensor) -> Tensor:
        """tensor (B, K, h, w) warped to the other frame and back (figure 3): it should come back as it was."""
        there = self.warp(tensor, other_features, features)
        return self.warp(there, features, other_features)

    def fuse(self, features: Tensor, offsets: Tensor) -> Tensor:
        """Spatiotemporal aggregation (section 3): every frame, the current one too, warped to the current one and
        averaged with `weights`.

        The weights are divided by their sum, also where they are equal, so that heatmaps keep their scale. At least one
        frame of each sample is at offset 0.
        """
        own = offsets == 0
        current = features[torch.arange(len(features), device=features.device), own.int().argmax(1)]
        rested = self.warper.resample(features[own], self.warper.still(current))
        warped = rested.new_empty(features.shape)
        warped[own] = rested
        if len(rested) < own.numel():
            target = current[:, None].expand_as(features)
            warped[~own] = self.warp(features[~own], target[~own], features[~own])
        return (warped * self._weights(offsets)[..., None, None, None]).sum(1)

    def _weights(self, offsets: Tensor) -> Tensor:
        """(B, T) that sum to 1 over T."""
        weights = offsets.new_tensor(self.config.weights or (1.0,))
        each = weights[offsets.abs().round().long().clamp(max=len(weights) - 1)]
        return each / each.sum(1, keepdim=True)
