"""MobileNet's strided convolutions keep full precision where a CPU computes the rest in half."""

from __future__ import annotations

import torch

from pwarp.models import build
from pwarp.models.trunk import StridedDepthwise


def test_strided_depthwise_convolutions_compute_in_fp32_under_autocast() -> None:
    trunk = build({"name": "duc-mobilenet", "keypoints": 3})
    layers = [layer for layer in trunk.modules() if isinstance(layer, StridedDepthwise)]
    assert [(layer.in_channels, layer.stride) for layer in layers] == [(c, (2, 2)) for c in (96, 144, 192, 576)]
    layer = layers[0]
    seen = torch.randn(2, 96, 9, 7, requires_grad=True)
    plain = layer(seen)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = layer(seen.bfloat16())
        assert trunk.mobilenet[0](torch.randn(1, 3, 32, 32)).dtype == torch.bfloat16
    assert mixed.dtype == torch.float32
    assert torch.equal(mixed, layer(seen.bfloat16().float()))
    assert plain.shape == mixed.shape == (2, 96, 5, 4)
    mixed.sum().backward()
    assert seen.grad is not None
    assert layer.weight.grad is not None
