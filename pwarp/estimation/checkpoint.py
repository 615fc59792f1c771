"""An estimator from one of pwarp's own checkpoints, run by torch."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from pwarp.checkpoints import Card, load
from pwarp.errors import PwarpError
from pwarp.estimation.base import Crops, Estimator
from pwarp.memory import enough_memory
from pwarp.models.backbone import Backbone
from pwarp.models.window import WindowModel

Precision = Literal["fp32", "bf16"]


class TorchEstimator(Estimator):
    """The frame-wise network of a checkpoint; of a model of several frames (PoseWarper), the backbone in it.

    precision: "bf16" computes convolutions in half the digits, which is quicker on GPUs and on CPUs with AMX.
    """

    def __init__(
        self, name: str, module: nn.Module, card: Card, device: torch.device, precision: Precision = "fp32"
    ) -> None:
        self.name, self.card = name, card
        self.skeleton, self.codec, self.padding = card.skeleton, card.codec, card.padding
        self.device, self._half = device, precision == "bf16"
        network = module.backbone if isinstance(module, WindowModel) else module
        # A backbone that was cut off where a model takes its features (GLPose) gives no heatmaps.
        if not isinstance(network, Backbone) or not isinstance(network.final_layer, nn.Conv2d):
            raise PwarpError(f"{name}: '{card.model.name}' has no part that looks at single frames; give a backbone")
        self.network = network.eval().to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        shift = torch.tensor(card.mean, device=device).view(1, 3, 1, 1)
        scale = torch.tensor(card.std, device=device).view(1, 3, 1, 1)
        self._shift, self._scale = 255 * shift, 255 * scale

    def heatmaps(self, crops: Crops) -> Tensor:
        """(B, K, h, w) float32, on the estimator's device; PwarpError where memory does not suffice."""
        with (
            enough_memory(f"{len(crops)} crops at once on {self.device}; lower --batch"),
            torch.inference_mode(),
            torch.autocast(self.device.type, torch.bfloat16, enabled=self._half),
        ):
            found: Tensor = self.network(self.normalised(crops))
            return found.float()

    def normalised(self, crops: Crops) -> Tensor:
        """(B, 3, H, W) as the network was trained on, channels last, on its device."""
        pixels = torch.from_numpy(crops).to(self.device).permute(0, 3, 1, 2).float()
        return (pixels - self._shift) / self._scale


def open_checkpoint(path: Path, device: str = "auto", precision: Precision = "fp32") -> TorchEstimator:
    """The estimator in a checkpoint; errors as of `checkpoints.load`, and for a device that is not there."""
    module, card = load(path)
    return TorchEstimator(path.name, module, card, choose_device(device), precision)


def use_threads(count: int | None) -> None:
    """How many CPU threads torch may use; None leaves it alone."""
    if count is not None:
        torch.set_num_threads(count)


def choose_device(name: str) -> torch.device:
    """A torch device; "auto" is a CUDA GPU where there is one, else the CPU. PwarpError where there is no such one."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise PwarpError(f"there is no kind of device '{name}'; give auto, cpu, cuda, cuda:1 or mps") from None
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError):
        raise PwarpError(f"torch finds no device '{name}' on this machine; give auto or cpu") from None
    return device
