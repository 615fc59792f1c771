"""Image classification networks of torchvision without their heads, as trunks of pose networks."""

from __future__ import annotations

from collections.abc import Callable
from urllib.error import URLError

import torch
import torchvision
from torch import Tensor, nn
from torch.nn.utils import skip_init
from torchvision.models.mobilenetv2 import MobileNetV2
from torchvision.models.resnet import ResNet

from pwarp.errors import PwarpError
from pwarp.models.backbone import Backbone

RESNET_STAGES = ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4")


class ResNetTrunk(Backbone):
    """The parts of a torchvision ResNet under their own names, as SimpleBaseline's files have them.

    A stride of 32 in all. `architecture` is torchvision's name, "resnet18" to "resnet152".
    """

    def __init__(self, architecture: str) -> None:
        super().__init__()
        self.architecture = architecture
        network: ResNet = torchvision.models.get_model(architecture, weights=None)
        for name in RESNET_STAGES:
            self.add_module(name, network.get_submodule(name))
        self.trunk_channels: int = network.fc.in_features

    def trunk(self, crops: Tensor) -> Tensor:
        """(B, 512 or 2048, H / 32, W / 32)."""
        for name in RESNET_STAGES:
            crops = self.get_submodule(name)(crops)
        return crops


class MobileNetTrunk(Backbone):
    """The `features` of torchvision's MobileNetV2, under that name; a stride of 32.

    expanded: with the last 1x1 convolution from 320 to 1280 channels, or without.
    """

    architecture = "mobilenet_v2"

    def __init__(self, expanded: bool) -> None:
        super().__init__()
        network: MobileNetV2 = torchvision.models.get_model(self.architecture, weights=None)
        self.mobilenet = network.features if expanded else network.features[:-1]
        for block in [module for module in self.mobilenet.modules() if isinstance(module, nn.Sequential)]:
            for name, layer in block.named_children():
                if isinstance(layer, nn.Conv2d) and layer.groups > 1 and max(layer.stride) > 1:
                    block.add_module(name, StridedDepthwise.of(layer))
        self.trunk_channels = 1280 if expanded else 320

    def trunk(self, crops: Tensor) -> Tensor:
        """(B, 1280 or 320, H / 32, W / 32)."""
        found: Tensor = self.mobilenet(crops)
        return found


class StridedDepthwise(nn.Conv2d):
    """A depthwise convolution with a stride that stays in fp32 where a CPU computes the rest in bf16.

    oneDNN has no fast gradient of it in bf16: 96 channels at 48 x 32 took 74 ms, 1.5 ms in fp32.
    """

    @classmethod
    def of(cls, layer: nn.Conv2d) -> StridedDepthwise:
        """With the weights of another convolution, and its settings."""
        ours: StridedDepthwise = skip_init(  # type: ignore[no-untyped-call]
            cls, layer.in_channels, layer.out_channels, layer.kernel_size, layer.stride, layer.padding,
            groups=layer.groups, bias=False,
        )  # fmt: skip
        ours.weight = layer.weight
        return ours

    def forward(self, input: Tensor) -> Tensor:
        """As every convolution's."""
        if input.device.type != "cpu" or not torch.is_autocast_enabled("cpu"):
            return super().forward(input)
        with torch.autocast("cpu", enabled=False):
            return super().forward(input.float())


def load_imagenet(backbone: nn.Module) -> None:
    """Put torchvision's ImageNet weights (the V1 recipe, which the papers started from) into a backbone's trunk.

    They come through torchvision's own download and cache (TORCH_HOME). Raises PwarpError where the backbone has no
    torchvision trunk, as HRNet has none, and where the weights can neither be found nor downloaded.
    """
    if not isinstance(backbone, ResNetTrunk | MobileNetTrunk):
        kind = type(backbone).__name__
        raise PwarpError(f"torchvision has no ImageNet weights for {kind}; convert its authors' file instead")
    weights = torchvision.models.get_model_weights(backbone.architecture)["IMAGENET1K_V1"]
    fetch: Callable[..., dict[str, Tensor]] = weights.get_state_dict
    try:
        found = fetch(progress=False, check_hash=True, weights_only=True)
    except (URLError, OSError, RuntimeError) as error:
        reason = getattr(error, "reason", None) or error
        raise PwarpError(
            f"cannot get ImageNet weights of {backbone.architecture}: {reason}; "
            f"put {weights.url} into torch's cache (TORCH_HOME) or train without"
        ) from error
    ours = backbone.state_dict()
    named = {name.replace("features.", "mobilenet.", 1): tensor for name, tensor in found.items()}
    backbone.load_state_dict({**ours, **{name: tensor for name, tensor in named.items() if name in ours}})
