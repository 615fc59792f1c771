"""GLPose: Jiao et al., GLPose: Global-Local Representation Learning for Human Pose Estimation, ACM TOMM 2022.

The features of a person's crop are joined by those of the frames around it (local) and by those of crops of anybody in
the video that look alike (non-local); then what the key frame misses is taken from the mixture. No code was published;
what the text leaves open is said where it is decided.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock

from pwarp.models.backbone import small_normal
from pwarp.models.config import fail
from pwarp.models.features import stage3
from pwarp.models.window import WindowConfig, WindowModel


@dataclass(frozen=True)
class GLPoseConfig(WindowConfig):
    """backbone: its features are branch 0 after stage 3 of an HRNet (HRNet-W48 in the paper), and of any other backbone
    what its last layer turns into heatmaps.

    reach: k, frames used on each side. proposals: n, non-local crops used. sampled: from how many they are chosen.
    channels: of the mixture; None for as many as the features have, as in the paper. blocks: residual blocks that make
    it. enhancement: whether the key frame is then enhanced, or the mixture taken as it is. mask: ψ of the enhancement
    for each channel, or one for all. head: a convolution, or two layers at each position. (Ablations: table 4.)
    """

    reach: int = 4
    proposals: int = 6
    sampled: int = 20
    channels: int | None = None
    blocks: int = 3
    enhancement: bool = True
    mask: Literal["channels", "positions"] = "channels"
    head: Literal["mlp", "3x3", "5x5"] = "3x3"

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.reach, self.proposals) < 0:
            fail(self, "reach and proposals cannot be negative")
        if self.proposals > self.sampled:
            fail(self, f"{self.proposals} proposals cannot be chosen from {self.sampled} sampled ones")
        if self.blocks < 1 or (self.channels is not None and self.channels < 1):
            fail(self, "channels and blocks must be at least 1")


class GLPose(WindowModel):
    """Heatmaps of the current frame from features of its neighbours, of crops that look alike, and its own.

    sampled: how many crops of other frames of the video, of anybody, a caller should offer as candidates; 0 where none
    are used. They go through `frame_features` like all others.
    """

    config_type: ClassVar[type[WindowConfig]] = GLPoseConfig
    config: GLPoseConfig

    def __init__(self, config: GLPoseConfig) -> None:
        super().__init__(config)
        self.offsets = tuple(range(-config.reach, config.reach + 1))
        self.sampled = config.sampled if config.proposals else 0
        self.backbone = stage3(config.backbone)
        inputs = self.backbone.feature_channels
        channels = config.channels or inputs
        count = 1 + 2 * config.reach + config.proposals
        self.aggregation = nn.Sequential(
            _block(count * inputs, channels), *(_block(channels, channels) for _ in range(config.blocks - 1))
        )
        self.mask: nn.Conv2d | None = None
        self.enhancement: nn.Sequential | None = None
        if config.enhancement:
            self.mask = nn.Conv2d(inputs, channels if config.mask == "channels" else 1, 3, padding=1)
            self.enhancement = nn.Sequential(
                nn.Conv2d(channels + inputs, channels, 3, padding=1, bias=False),
                nn.BatchNorm2d(channels),
                nn.ReLU(inplace=True),
            )
        self.head = _head(config.head, channels, config.keypoints)
        for name, part in self.named_children():
            if name != "backbone":
                small_normal(part)
        if self.enhancement is not None:
            _pass_on(self.enhancement[0])
        self.freeze_backbone()

    def forward(
        self,
        clip: Tensor,
        offsets: Tensor | None = None,
        candidates: Tensor | None = None,
        present: Tensor | None = None,
    ) -> Tensor:
        """As of any window model; candidates (B, M, 3, H, W) are crops here, present (B, M) is as in `fuse`."""
        if offsets is None:
            offsets = clip.new_tensor(self.offsets).expand(len(clip), -1)
        seen = None if candidates is None or not self.sampled else self._there(candidates, present)
        return self.fuse(self._all(clip), offsets, seen, present)

    def fuse(
        self, features: Tensor, offsets: Tensor, candidates: Tensor | None = None, present: Tensor | None = None
    ) -> Tensor:
        """features (B, T, C, h, w) and offsets (B, T) as of any window model; the current frame is the one in the
        middle.

        candidates: features (B, M, C, h, w) of non-local crops, any number; those used are chosen here, and where there
        are fewer than n, or none, the current frame stands in. present: (B, M) which of them a sample really has,
        where samples have different numbers.
        """
        middle = self.config.reach
        current = features[:, middle]
        parts = [current[:, None]]
        if self.config.reach:
            local = torch.cat([features[:, :middle], features[:, middle + 1 :]], 1)
            parts.append(_spread(self.local_weights(offsets)) * local)
        if self.config.proposals:
            chosen, weights = choose(current, self.config.proposals, candidates, present)
            parts.append(_spread(weights) * chosen)
        mixture: Tensor = self.aggregation(torch.cat(parts, 1).flatten(1, 2))
        heatmaps: Tensor = self.head(self._enhanced(mixture, current))
        return heatmaps

    def local_weights(self, offsets: Tensor) -> Tensor:
        """offsets (B, T) -> weights (B, T - 1) of the frames beside the current one, summing to 1 (equation 2).

        1 / distance, which is not printed, normalised. Where the current frame stands in for a missing one it has the
        weight that this one would have had.
        """
        usual = offsets.new_tensor([offset for offset in self.offsets if offset])
        middle = self.config.reach
        given = torch.cat([offsets[:, :middle], offsets[:, middle + 1 :]], 1)
        weights = 1 / torch.where(given == 0, usual, given).abs()
        return weights / weights.sum(1, keepdim=True)

    def _enhanced(self, mixture: Tensor, current: Tensor) -> Tensor:
        """Equation 5: where the key frame is not active, the mixture comes in. A is not printed; here they are
        concatenated and convolved."""
        if self.mask is None or self.enhancement is None:
            return mixture
        missed = 1 - self.mask(current).sigmoid()
        enhanced: Tensor = self.enhancement(torch.cat([missed * mixture, current], 1))
        return enhanced

    def _there(self, crops: Tensor, present: Tensor | None) -> Tensor | None:
        """As `_all`; what is no crop of anybody is not looked at, so that it leaves no trace in BatchNorm, and is 0."""
        if present is None or present.all():
            return self._all(crops)
        if not present.any():
            return None
        features = self.frame_features(crops[present])
        return features.new_zeros(*present.shape, *features.shape[1:]).index_put((present,), features)

    def _all(self, crops: Tensor) -> Tensor:
        """(B, T, 3, H, W) -> (B, T, C, h, w)."""
        features = self.frame_features(crops.flatten(0, 1))
        return features.reshape(*crops.shape[:2], *features.shape[1:])


def embedding(features: Tensor) -> Tensor:
    """(..., C, h, w) -> (..., C), what a crop is compared by: φ of equation 3, the mean over all positions."""
    return features.float().mean((-2, -1))


def choose(
    current: Tensor, count: int, candidates: Tensor | None = None, present: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """The `count` candidates most similar to the current frame, and their weights: equation 3 and section 3.3.

    current (B, C, h, w), candidates (B, M, C, h, w), present (B, M) -> (B, count, C, h, w) and weights (B, count) that
    sum to 1, the most similar first, then the current frame where candidates are missing. Similarity is the dot product
    of embeddings; weights are its softmax over the chosen.
    """
    key = embedding(current)
    own = (key * key).sum(1, keepdim=True)
    chosen, similarity = current[:, None], own
    if candidates is not None and candidates.shape[1]:
        found = (embedding(candidates) * key[:, None]).sum(2)
        present = torch.ones_like(found, dtype=torch.bool) if present is None else present
        found = found.masked_fill(~present, -torch.inf)
        best, place = found.topk(min(count, found.shape[1]), 1)
        there = present.gather(1, place)
        picked = candidates.gather(1, _spread(place).expand(-1, -1, *candidates.shape[2:]))
        chosen = torch.cat([torch.where(_spread(there), picked, chosen), chosen], 1)
        similarity = torch.cat([torch.where(there, best, own), own], 1)
    missing = count - chosen.shape[1]
    if missing > 0:
        chosen = torch.cat([chosen, current[:, None].expand(-1, missing, -1, -1, -1)], 1)
        similarity = torch.cat([similarity, own.expand(-1, missing)], 1)
    return chosen[:, :count], similarity[:, :count].softmax(1).to(current.dtype)


def _pass_on(convolution: nn.Module) -> None:
    """Let the enhancement begin with the mixture as it is, doubled, as the mask is a half at first.

    The paper draws all weights from N(0, 0.001). So begun, the current frame's features, which are good from the first
    step on, were learned from instead of the mixture, which is fresh: RESULTS.md has what it cost.
    """
    assert isinstance(convolution, nn.Conv2d)
    with torch.no_grad():
        for channel in range(convolution.out_channels):
            convolution.weight[channel, channel, 1, 1] = 2.0


def _spread(weights: Tensor) -> Tensor:
    """(B, T) -> (B, T, 1, 1, 1)."""
    return weights[..., None, None, None]


def _block(inputs: int, outputs: int) -> BasicBlock:
    projection = None
    if inputs != outputs:
        projection = nn.Sequential(nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs))
    return BasicBlock(inputs, outputs, downsample=projection)


def _head(kind: str, channels: int, keypoints: int) -> nn.Module:
    if kind == "mlp":
        return nn.Sequential(nn.Conv2d(channels, channels, 1), nn.ReLU(inplace=True), nn.Conv2d(channels, keypoints, 1))
    size = int(kind[0])
    return nn.Conv2d(channels, keypoints, size, padding=size // 2)
