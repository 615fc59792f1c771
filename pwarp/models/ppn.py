"""PPN: Liu & Chen, PosePropagationNet: Towards Accurate and Efficient Pose Estimation in Videos, IEEE Access 2020.

A large HeadNet estimates the pose in the first frame, a small BodyNet in every frame, and the Pose Propagation Unit
(PPU) warps the pose of the frame before to where BodyNet sees it. No code was published.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal, NamedTuple

import torch
from torch import Tensor, nn

from pwarp.models.backbone import BackboneConfig
from pwarp.models.config import Config, fail
from pwarp.models.recurrent import RecurrentModel, State
from pwarp.models.warper import Warper
from pwarp.models.window import build_backbone, hrnet_w48


def duc_r18() -> BackboneConfig:
    """The BodyNet of PPN-Stable."""
    return BackboneConfig.from_dict({"name": "duc-r18"})


@dataclass(frozen=True)
class PPNConfig(Config):
    """head, body: of the two networks, with the same keypoints and stride.

    channels, blocks, dilations, combine: of the PPU, see `Warper`; its size is not printed, 16 x 10 fits the published
    GFLOPs. skip: whether BodyNet's heatmaps are added to the propagated ones. path: "frame" propagates from frame to
    frame, "first" from the first frame to each other one (figure 3b).
    """

    head: BackboneConfig = field(default_factory=hrnet_w48)
    body: BackboneConfig = field(default_factory=duc_r18)
    channels: int = 16
    blocks: int = 10
    dilations: tuple[int, ...] = (3, 6, 12, 18, 24)
    combine: Literal["mean", "sum"] = "sum"
    skip: bool = True
    path: Literal["frame", "first"] = "frame"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.head.keypoints != self.body.keypoints:
            fail(self, f"head has {self.head.keypoints} keypoints and body {self.body.keypoints}; give both the same")
        if self.head.stride != self.body.stride:
            fail(self, f"head has stride {self.head.stride} and body {self.body.stride}; give both the same")
        if min(self.channels, self.blocks, len(self.dilations), *self.dilations) < 1:
            fail(self, "channels, blocks and dilations must be at least 1")

    @property
    def keypoints(self) -> int:
        """K, the channels of the heatmaps."""
        return self.body.keypoints

    @property
    def stride(self) -> int:
        """Crop pixels a heatmap cell."""
        return self.body.stride


_CARRIED = 0.3  # the share of the pose before in a fresh network's; it is not printed


class Parts(NamedTuple):
    """What makes a frame's heatmaps, each (B, K, h, w): BodyNet's, the PPU's, and what is given out (figure 4)."""

    body: Tensor
    propagated: Tensor
    heatmaps: Tensor


class PPN(RecurrentModel):
    """h_t = ĥ_t + h̄_t, where ĥ_t is BodyNet's estimate and h̄_t is h_{t-1} warped along ψ = ĥ_t - h_{t-1}.

    The state, one tensor (B, K, h, w), is the pose that is propagated: h_{t-1}, at first HeadNet's.
    """

    config_type: ClassVar[type[Config]] = PPNConfig

    def __init__(self, config: PPNConfig) -> None:
        super().__init__()
        self.config = config
        self.head = build_backbone(config.head)
        self.body = build_backbone(config.body)
        # h_t = ĥ_t + gain · h_{t-1} at first: with a gain of 1 heatmaps would grow from frame to frame, to T + 1 times,
        # and with one of 0 nothing would tell the unit where to look, because kernels of 0 give offsets no gradient.
        gain = _CARRIED if config.skip else 1.0
        self.propagation = Warper(
            config.keypoints, config.channels, config.blocks, config.dilations, config.combine, gain
        )

    def taken_over(self, place: str, last: nn.Conv2d) -> None:
        """A BodyNet that knows the pose gives its share of it only, so that heatmaps keep their height at first."""
        if place == "body" and self.config.skip:
            for weight in self.body.final_layer.parameters():
                weight.data *= 1 - _CARRIED

    def first(self, crops: Tensor) -> Tensor:
        """HeadNet's ĥ_1."""
        found: Tensor = self.head(crops)
        return found

    def start(self, crops: Tensor, heatmaps: Tensor | None = None) -> tuple[State, Tensor]:
        """HeadNet (or the pose that is known) and one step: the first frame takes part twice, as the paper says."""
        return self.step((self.first(crops) if heatmaps is None else heatmaps,), crops)

    def step(self, state: State, crops: Tensor) -> tuple[State, Tensor]:
        """BodyNet of crops (B, 3, H, W), and the PPU: heatmaps (B, K, h, w)."""
        (before,) = state
        heatmaps = self.parts(before, self.body(crops)).heatmaps
        return (self._after(before, heatmaps),), heatmaps

    def parts(self, before: Tensor, body: Tensor) -> Parts:
        """The parts of a frame's heatmaps, from the pose before (B, K, h, w) and BodyNet's ĥ (B, K, h, w)."""
        propagated = self.propagation(before, body - before)
        return Parts(body, propagated, body + propagated if self.config.skip else propagated)

    def unroll(self, clip: Tensor) -> tuple[Tensor, Tensor]:
        """clip (B, T, 3, H, W) -> HeadNet's ĥ_1 (B, K, h, w) and h (B, T, K, h, w): both enter the loss (equation 1).

        Like `forward`, but BodyNet takes all frames in one batch.
        """
        initial = self.first(clip[:, 0])
        each = self.body(clip.flatten(0, 1))
        state, found = initial, []
        for body in each.reshape(*clip.shape[:2], *each.shape[1:]).unbind(1):
            found.append(self.parts(state, body).heatmaps)
            state = self._after(state, found[-1])
        return initial, torch.stack(found, 1)

    def forward(self, clip: Tensor) -> Tensor:
        """clip (B, T, 3, H, W) of consecutive frames -> heatmaps (B, T, K, h, w)."""
        return self.unroll(clip)[1]

    def _after(self, state: Tensor, heatmaps: Tensor) -> Tensor:
        return heatmaps if self.config.path == "frame" else state
