"""Temporally adversarial training of DKD (Nie et al., ICCV 2019, sections 3.1 and 3.3), and the spatial one of Chou et
al., Self Adversarial Training for Human Pose Estimation, CVPR Workshop 2017.

A discriminator D sees crops with heatmaps, and repeats how the heatmaps change: well for the true ones, badly for
estimated ones. The estimator learns to be repeated well. The paper's equation 5 reads min over the estimator, max over
D of L_G + η L_D with L_D = λ Σ l2(d^f, d) - Σ l2(d^r, d̂); its algorithm 1 lets the estimator minimise
L_G + η Σ l2(d^f, d) and D minimise -L_D: the same directions, but λ does not weigh the estimator's part. Here it is as
in algorithm 1.

l2 is the mean squared error, as the paper says below equation 3, and in the losses its scale is but a learning rate. In
equation 7 it decides how far λ goes, and there this deviates from the text: it is the squared norm of the difference of
two maps, a mean over keypoints and samples only. Were it a mean over the map's places, too, errors would be about 1e-3,
and γ = 0.1 would move λ by 1e-4 a step.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from pwarp.models.backbone import Backbone, BackboneConfig
from pwarp.models.window import build_backbone

_COLOURS = 3


class Verdict(NamedTuple):
    """Of one batch. estimator: η Σ l2(d^f, d), to be added to the estimator's own loss L_G; its gradients reach the
    heatmaps only. discriminator: -L_D, to be minimised; its gradients reach D only. Their sum therefore serves one
    backward pass and one optimiser. real, fake: Σ |d^r - d̂|² and Σ |d^f - d|², without gradients."""

    estimator: Tensor
    discriminator: Tensor
    real: Tensor
    fake: Tensor


class Adversary(nn.Module):
    """The discriminator and the balance λ, which lies in 0..1 and starts at 0.

    backbone: that D is made from; the paper takes the frame encoder's. form: "temporal", D sees two neighbouring frames
    and repeats the change of their heatmaps; "spatial", one frame and its heatmaps. weight: η. rate: γ.

    After each step of training call `control` with the verdict. The loss of a step is
    Σ_t l2(h_t, ĥ_t) + verdict.estimator + verdict.discriminator, of which only the first two are the estimator's.
    """

    balance: Tensor

    def __init__(
        self,
        backbone: BackboneConfig,
        form: Literal["temporal", "spatial"] = "temporal",
        weight: float = 0.1,
        rate: float = 0.1,
    ) -> None:
        super().__init__()
        self.frames = 2 if form == "temporal" else 1
        self.weight, self.rate = weight, rate
        self.discriminator = _widened(build_backbone(backbone), self.frames * (_COLOURS + backbone.keypoints))
        self.register_buffer("balance", torch.zeros(()))

    def forward(self, clip: Tensor, heatmaps: Tensor, target: Tensor, weight: Tensor | None = None) -> Verdict:
        """clip (B, T, 3, H, W), estimated and true heatmaps (B, T, K, h, w) -> how D judges them.

        weight: (B, T, K), 0 where a keypoint has no truth; a change counts as far as both its ends do. T is at least 2
        where the form is temporal.
        """
        weight = torch.ones_like(target[..., 0, 0]) if weight is None else weight
        with _held(self.discriminator):
            estimator = self._error(clip, heatmaps, weight)
        real, fake = self._error(clip, target, weight), self._error(clip, heatmaps.detach(), weight)
        places = target.shape[-2] * target.shape[-1]
        return Verdict(
            self.weight * estimator, real - self.balance * fake, places * real.detach(), places * fake.detach()
        )

    @torch.no_grad()
    def control(self, verdict: Verdict) -> None:
        """λ of the next step, equation 7: the better the estimator passes, the more D looks at what is estimated."""
        self.balance += self.rate * (verdict.real - verdict.fake)
        self.balance.clamp_(0, 1)

    def repeated(self, clip: Tensor, heatmaps: Tensor) -> Tensor:
        """What D repeats, (B, T - 1, K, h, w), or T of them where the form is spatial. Heatmaps go in enlarged."""
        flat = functional.interpolate(heatmaps.flatten(0, 1), clip.shape[-2:], mode="bilinear", align_corners=False)
        seen = torch.cat([clip, flat.reshape(*clip.shape[:2], *flat.shape[1:])], 2)
        if self.frames == 2:
            seen = torch.cat([seen[:, :-1], seen[:, 1:]], 2)
        found: Tensor = self.discriminator(seen.flatten(0, 1))
        return found.reshape(*seen.shape[:2], *found.shape[1:])

    def _error(self, clip: Tensor, heatmaps: Tensor, weight: Tensor) -> Tensor:
        """l2, the mean squared error, summed over time."""
        wanted = heatmaps
        if self.frames == 2:
            wanted, weight = heatmaps[:, 1:] - heatmaps[:, :-1], weight[:, 1:] * weight[:, :-1]
        squared = (self.repeated(clip, heatmaps).float() - wanted).square().mean((-2, -1))
        return (weight * squared).mean((0, 2)).sum()


def _widened(backbone: Backbone, inputs: int) -> Backbone:
    """The backbone with a first convolution of so many channels, freshly initialised."""
    name, first = next((n, m) for n, m in backbone.named_modules() if isinstance(m, nn.Conv2d))
    wider = nn.Conv2d(
        inputs,
        first.out_channels,
        (first.kernel_size[0], first.kernel_size[1]),
        (first.stride[0], first.stride[1]),
        (int(first.padding[0]), int(first.padding[1])),
        bias=first.bias is not None,
    )
    parent, _, last = name.rpartition(".")
    backbone.get_submodule(parent).add_module(last, wider)
    return backbone


@contextmanager
def _held(module: nn.Module) -> Iterator[None]:
    """What is computed here gives no gradients to the module's parameters."""
    trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
    for parameter in trained:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)
