"""ImageNet weights through torchvision's own API, without a network."""

from __future__ import annotations

from typing import Any
from urllib.error import URLError

import pytest
import torch
import torchvision
from torchvision.models._api import WeightsEnum

from pwarp.errors import PwarpError
from pwarp.models import build, configure
from pwarp.models.trunk import load_imagenet


@pytest.mark.parametrize(
    ("name", "architecture"),
    [
        ("simple-r18", "resnet18"),
        ("duc-r18", "resnet18"),
        ("duc-mobilenet", "mobilenet_v2"),
        ("simple-mobilenet", "mobilenet_v2"),
    ],
)
def test_the_trunk_takes_all_and_the_head_nothing(
    name: str, architecture: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(1)
    original = torchvision.models.get_model(architecture, weights=None)
    asked: list[Any] = []

    def fetch(self: WeightsEnum, **options: Any) -> dict[str, torch.Tensor]:
        asked.append((str(self).split(".")[-1], options["weights_only"]))
        return original.state_dict()

    monkeypatch.setattr(WeightsEnum, "get_state_dict", fetch)
    network = build(configure(name, keypoints=5)).eval()
    head = {key: value.clone() for key, value in network.state_dict().items() if "layer" in key and "layers" in key}
    load_imagenet(network)
    assert asked == [("IMAGENET1K_V1", True)]
    crops = torch.randn(1, 3, 32, 64)
    original.eval()
    with torch.no_grad():
        found = network.trunk(crops)
        if architecture == "resnet18":
            original.avgpool = original.fc = torch.nn.Identity()
            expected = original(crops).reshape(found.shape)
        else:
            expected = original.features[: len(network.mobilenet)](crops)
    torch.testing.assert_close(found, expected)
    assert all(torch.equal(value, network.state_dict()[key]) for key, value in head.items())


def test_no_network_and_no_such_weights_are_said_plainly(monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(*_: Any, **__: Any) -> None:
        raise URLError("Name or service not known")

    monkeypatch.setattr(WeightsEnum, "get_state_dict", fetch)
    with pytest.raises(
        PwarpError, match=r"^cannot get ImageNet weights of resnet18: Name or service not known; put http"
    ):
        load_imagenet(build(configure("simple-r18")))
    with torch.device("meta"):
        hrnet = build(configure("hrnet-w32"))
    with pytest.raises(PwarpError, match="torchvision has no ImageNet weights for HRNet"):
        load_imagenet(hrnet)
