"""DCPose: Liu et al., Deep Dual Consecutive Network for Human Pose Estimation, CVPR 2021.

Three parts on the heatmaps h of the previous, current and next frame: the Pose Temporal Merger finds where to look (Φ),
the Pose Residual Fusion what moved (Ψ), and the Pose Correction Network resamples Φ accordingly. Module names are
those of the official code (Pose-Group/DCPose), with `backbone` for `rough_pose_estimation_net`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from pwarp.models.backbone import small_normal
from pwarp.models.config import fail
from pwarp.models.deform import TAPS, DeformConv2d
from pwarp.models.residual_steps import ResidualStack
from pwarp.models.window import WindowConfig, WindowModel, build_backbone


@dataclass(frozen=True)
class DCPoseConfig(WindowConfig):
    """form: "as_published" follows the released model; "as_paper" the text where they differ: keypoints apart in merger
    and fusion (group convolution), and the second residual as next - current instead of current - next.

    channels: that offsets and masks are found from. dilations: of the correction. interval: T; inference takes the
    frames T before and after, training any up to T.

    Ablations of table 5. merger: "network"; "sum", one 3x3 convolution on the sum of the heatmaps; "current", the
    current heatmaps as they are. fusion: without it, one 3x3 convolution on the two plain residuals.
    neighbours: which of the two is used.
    """

    form: Literal["as_published", "as_paper"] = "as_published"
    channels: int = 64
    dilations: tuple[int, ...] = (3, 6, 9, 12, 15)
    interval: int = 1
    merger: Literal["network", "sum", "current"] = "network"
    fusion: bool = True
    neighbours: Literal["both", "previous", "next"] = "both"

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.channels, self.interval, len(self.dilations), *self.dilations) < 1:
            fail(self, "channels, interval and dilations must be at least 1")


class ModulatedDeformConv2d(nn.Module):
    """The deformable convolution under the name that the official code gives it."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.deform_conv = DeformConv2d(channels, dilation, bias=True)

    def forward(self, x: Tensor, offset: Tensor, mask: Tensor) -> Tensor:
        """Shapes as in `DeformConv2d`."""
        found: Tensor = self.deform_conv(x, offset, mask)
        return found


class DCPose(WindowModel):
    """Heatmaps of the current frame from those of its neighbours and its own.

    A fresh model gives zeros, because its masks are; it is the initialisation of the paper and of the code.
    """

    config_type: ClassVar[type[WindowConfig]] = DCPoseConfig
    config: DCPoseConfig

    def __init__(self, config: DCPoseConfig) -> None:
        super().__init__(config)
        self.offsets = {
            "both": (-config.interval, 0, config.interval),
            "previous": (-config.interval, 0),
            "next": (0, config.interval),
        }[config.neighbours]
        self.backbone = build_backbone(config.backbone)
        keypoints, sides = config.keypoints, len(self.offsets) - 1
        groups = keypoints if config.form == "as_paper" else 1
        self.diff_temporal_fuse: nn.Module
        self.support_temporal_fuse: nn.Module
        if config.fusion:
            self.diff_temporal_fuse = ResidualStack(2 * sides * keypoints, 2 * keypoints, 2, groups)
        else:
            self.diff_temporal_fuse = nn.Conv2d(sides * keypoints, 2 * keypoints, 3, padding=1)
        if config.merger == "network":
            self.support_temporal_fuse = ResidualStack((sides + 1) * keypoints, keypoints, 1, groups)
        elif config.merger == "sum":
            self.support_temporal_fuse = nn.Conv2d(keypoints, keypoints, 3, padding=1)
        else:
            self.support_temporal_fuse = nn.Identity()
        self.offset_mask_combine_conv = ResidualStack(3 * keypoints, config.channels, 2)
        self.offsets_list = nn.ModuleList(_dilated(config, 2 * TAPS, d) for d in config.dilations)
        self.masks_list = nn.ModuleList(_dilated(config, TAPS, d) for d in config.dilations)
        self.modulated_deform_conv_list = nn.ModuleList(ModulatedDeformConv2d(keypoints, d) for d in config.dilations)
        for name, part in self.named_children():
            if name != "backbone":
                small_normal(part)
        self.freeze_backbone()

    def official_name(self, name: str) -> str:
        """What the official code calls an entry of the state dict."""
        return name.replace("backbone.", "rough_pose_estimation_net.", 1) if name.startswith("backbone.") else name

    def fuse(self, features: Tensor, offsets: Tensor) -> Tensor:
        """features (B, T, K, h, w) are raw heatmaps of the frames of `self.offsets`, which are in order of time.

        Where a neighbour is missing the current frame stands in, at offset 0 (the paper's same padding), and counts as
        one frame away, as in the official code.
        """
        maps = dict(zip(self.offsets, features.unbind(1), strict=True))
        current = maps.pop(0)
        distances = [offsets[:, i].abs() for i, offset in enumerate(self.offsets) if offset]
        weighed = list(zip(maps.values(), neighbour_weights(distances), strict=True))
        merged = self._merged(current, weighed)
        residuals = self._residuals(current, list(maps.items()), [weight for _, weight in weighed])
        combined = self.offset_mask_combine_conv(torch.cat([residuals, merged], 1))
        total = merged.new_zeros(())
        for offset, mask, correct in zip(
            self.offsets_list, self.masks_list, self.modulated_deform_conv_list, strict=True
        ):
            total = total + correct(merged, offset(combined), mask(combined))
        return total / len(self.offsets_list)

    def _merged(self, current: Tensor, weighed: list[tuple[Tensor, Tensor]]) -> Tensor:
        """Φ (B, K, h, w), equations 2 and 3, or its ablations."""
        if self.config.merger == "sum":
            current = sum((other for other, _ in weighed), current)
        elif self.config.merger == "network":
            current = _by_keypoint([current, *(weight * other for other, weight in weighed)])
        merged: Tensor = self.support_temporal_fuse(current)
        return merged

    def _residuals(self, current: Tensor, maps: list[tuple[int, Tensor]], weights: list[Tensor]) -> Tensor:
        """Ψ (B, 2K, h, w), equations 4 and 5, or its ablation."""
        forwards = self.config.form == "as_paper" or not self.config.fusion
        plain = [other - current if offset > 0 and forwards else current - other for offset, other in maps]
        if self.config.fusion:
            stacked = _by_keypoint(
                [x for part, weight in zip(plain, weights, strict=True) for x in (part, weight * part)]
            )
        else:
            stacked = torch.cat(plain, 1)
        residuals: Tensor = self.diff_temporal_fuse(stacked)
        return residuals


def neighbour_weights(distances: list[Tensor]) -> list[Tensor]:
    """Of each neighbour at distances (B,) in frames: (B, 1, 1, 1), the nearer the heavier (equation 1).

    For frames p < c < n they are (n - c) / (n - p) and (c - p) / (n - p); a single neighbour has weight 1. Distance 0,
    the current frame in place of a missing one, counts as 1.
    """
    distances = [torch.where(distance == 0, 1.0, distance) for distance in distances]
    if len(distances) == 1:
        return [torch.ones_like(distances[0])[:, None, None, None]]
    before, after = distances
    return [share[:, None, None, None] for share in (after / (before + after), before / (before + after))]


def _by_keypoint(maps: list[Tensor]) -> Tensor:
    """n times (B, K, h, w) -> (B, n·K, h, w): all maps of the first keypoint, then all of the second."""
    return torch.stack(maps, 2).flatten(1, 2)


def _dilated(config: DCPoseConfig, each: int, dilation: int) -> nn.Sequential:
    outputs = each * config.keypoints
    return nn.Sequential(nn.Conv2d(config.channels, outputs, 3, padding=dilation, dilation=dilation, bias=False))
