"""DKD: Nie et al., Dynamic Kernel Distillation for Efficient Pose Estimation in Videos, ICCV 2019.

A large network, the pose initialiser P, estimates the first frame; in every later one a small frame encoder F is
enough, because convolution kernels distilled from the frame before say what to look for. No code was published.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from pwarp.models.adversary import Adversary
from pwarp.models.backbone import Backbone, BackboneConfig
from pwarp.models.config import Config, fail
from pwarp.models.conv_lstm import ConvLSTM
from pwarp.models.features import headless
from pwarp.models.pose_kernels import PoseKernels
from pwarp.models.recurrent import RecurrentModel, State
from pwarp.models.window import build_backbone


def simple(name: str, keypoints: int = 17) -> BackboneConfig:
    """A backbone as DKD uses them: a ResNet and two deconvolutions, stride 8."""
    return BackboneConfig.from_dict({"name": name, "keypoints": keypoints, "deconvs": 2})


@dataclass(frozen=True)
class DKDConfig(Config):
    """initial, encoder: P and F, with the same keypoints and stride.

    kernel: S, the side of the pose kernels in cells. channels: C, how many of them. rectified: see `PoseKernels`.

    Ablations of tables 1 and 2. transfer: what carries the pose to the next frame: "kernels"; "lstm", a convolutional
    LSTM; "none", so that F estimates each frame alone. hidden: channels of the LSTM, not printed; 200 come near the
    printed GFLOPs. adversary: what it is trained against, see `Adversary`; it changes nothing in the network.
    """

    initial: BackboneConfig = field(default_factory=lambda: simple("simple-r101"))
    encoder: BackboneConfig = field(default_factory=lambda: simple("simple-r50"))
    kernel: int = 7
    channels: int = 256
    rectified: bool = True
    transfer: Literal["kernels", "lstm", "none"] = "kernels"
    hidden: int = 200
    adversary: Literal["temporal", "spatial", "none"] = "temporal"

    def __post_init__(self) -> None:
        super().__post_init__()
        p, f = self.initial, self.encoder
        if p.keypoints != f.keypoints:
            fail(self, f"initial has {p.keypoints} keypoints and encoder {f.keypoints}; give both the same")
        if p.stride != f.stride:
            fail(self, f"initial has stride {p.stride} and encoder {f.stride}; give both the same")
        if min(self.channels, self.hidden) < 1:
            fail(self, "channels and hidden must be at least 1")
        if self.kernel < 1 or self.kernel % 2 == 0:
            fail(self, f"kernel {self.kernel}; it must be odd, so that it has a middle")

    @property
    def keypoints(self) -> int:
        """K, the channels of the heatmaps."""
        return self.encoder.keypoints

    @property
    def stride(self) -> int:
        """Crop pixels a heatmap cell."""
        return self.encoder.stride


class DKD(RecurrentModel):
    """h_1 = P(I_1), then h_t = k_{t-1} ⊗ F(I_t), with the kernels k_{t-1} distilled from F(I_{t-1}) and h_{t-1}.

    The state is what the kernels are distilled from: features (B, C, h, w) and heatmaps (B, K, h, w) of the last frame.
    With an LSTM it is the hidden state, cells and heatmaps; with no transfer it is empty.
    """

    config_type: ClassVar[type[Config]] = DKDConfig
    echoes: ClassVar[bool] = True
    transfer: PoseKernels | ConvLSTM | None

    def __init__(self, config: DKDConfig) -> None:
        super().__init__()
        self.config = config
        self.initial = build_backbone(config.initial)
        self.encoder: Backbone
        if config.transfer == "none":
            self.encoder, self.transfer = build_backbone(config.encoder), None
            return
        self.encoder = headless(config.encoder)
        features = self.encoder.feature_channels
        self.transfer = (
            PoseKernels(features, config.keypoints, config.channels, config.kernel, config.rectified)
            if config.transfer == "kernels"
            else ConvLSTM(features, config.keypoints, config.hidden)
        )

    def check_size(self, width: int, height: int) -> None:
        """Kernels are distilled from maps of some size at least."""
        if isinstance(self.transfer, PoseKernels):
            self.transfer.check_cells(width // self.config.stride, height // self.config.stride)

    def taken_over(self, place: str, last: nn.Conv2d) -> None:
        """A frame encoder that knows the pose goes on finding it: its last layer becomes a part of the matching."""
        if place == "encoder" and isinstance(self.transfer, PoseKernels):
            self.transfer.begin_as(last)

    def adversary(self) -> Adversary | None:
        """A fresh discriminator to train against, with the backbone of the frame encoder; None where none is wanted."""
        if self.config.adversary == "none":
            return None
        return Adversary(self.config.encoder, self.config.adversary)

    def first(self, crops: Tensor) -> Tensor:
        """P's h_1."""
        found: Tensor = self.initial(crops)
        return found

    def start(self, crops: Tensor, heatmaps: Tensor | None = None) -> tuple[State, Tensor]:
        """P, or the pose that is known, which is then also what is given out."""
        heatmaps = self.first(crops) if heatmaps is None else heatmaps
        if self.transfer is None:
            return (), heatmaps
        return self.transfer.begin(self.encoder(crops), heatmaps), heatmaps

    def step(self, state: State, crops: Tensor) -> tuple[State, Tensor]:
        """F of crops (B, 3, H, W), and the kernels of the frame before: heatmaps (B, K, h, w)."""
        return self._step(state, self.encoder(crops))

    def forward(self, clip: Tensor, heatmaps: Tensor | None = None) -> Tensor:
        """clip (B, T, 3, H, W) of consecutive frames -> heatmaps (B, T, K, h, w).

        F takes all frames in one batch. heatmaps: of the first frame, as in `start`.
        """
        first = self.first(clip[:, 0]) if heatmaps is None else heatmaps
        # Without transfer the first frame is P's alone.
        crops = clip if self.transfer is not None else clip[:, 1:]
        if not crops.shape[1]:
            return first[:, None]
        each = self.encoder(crops.flatten(0, 1)).unflatten(0, crops.shape[:2]).unbind(1)
        state: State = ()
        if self.transfer is not None:
            state, each = self.transfer.begin(each[0], first), each[1:]
        found = [first]
        for features in each:
            state, heatmaps = self._step(state, features)
            found.append(heatmaps)
        return torch.stack(found, 1)

    def _step(self, state: State, features: Tensor) -> tuple[State, Tensor]:
        """As `step`, from what F gives: features, or heatmaps already where there is no transfer."""
        return ((), features) if self.transfer is None else self.transfer.step(state, features)
