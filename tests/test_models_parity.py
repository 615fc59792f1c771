"""The forward pass equals that of the official code, for weights that both can rebuild from the parameters' names."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from pwarp.models import build, configure
from pwarp.models.backbone import Backbone
from pwarp.models.deform import DeformConv2d
from pwarp.models.window import WindowModel


def filled(name: str, **options: Any) -> Any:
    """A network with the oracle's weights, made without the time that random ones take."""
    with torch.device("meta"):
        network = build(configure(name, **options))
    fill(network.to_empty(device="cpu"))
    return network.eval()


def fill(module: Backbone | WindowModel) -> None:
    """Weights of the oracle: normal noise seeded by the official name of each entry."""
    for name, tensor in module.state_dict().items():
        name = module.official_name(name)
        seed = np.random.RandomState(zlib.crc32(name.encode()))
        x = seed.standard_normal(tuple(tensor.shape)).astype(np.float32)
        kind = name.rsplit(".", 1)[-1]
        if kind == "num_batches_tracked":
            value = np.zeros_like(x)
        elif kind == "running_mean":
            value = 0.1 * x
        elif kind == "running_var":
            value = 1 + 0.1 * np.abs(x)
        elif x.ndim >= 2:
            value = x * np.float32(0.5 / np.sqrt(np.prod(x.shape[1:])))
        else:
            value = 1 + 0.1 * x if kind == "weight" else 0.1 * x
        tensor.copy_(torch.from_numpy(np.asarray(value, np.float32)))


def oracle(folder: Path, name: str) -> tuple[dict[str, Any], torch.Tensor, torch.Tensor]:
    """What is expected, the input and the official output."""
    expected = json.loads((folder / "models" / "expected.json").read_text())[name]
    state = np.random.RandomState(expected["input_seed"])
    crops = state.standard_normal(expected["input_shape"]).astype(np.float32)
    output = np.load(folder / "models" / f"{name}.npz")["output"]
    return expected, torch.from_numpy(crops), torch.from_numpy(output)


@pytest.mark.parametrize(
    ("official", "ours"),
    [
        ("hrnet_w32", "hrnet-w32"),
        ("hrnet_w48", "hrnet-w48"),
        ("simplebaseline_r50", "simple-r50"),
        ("simplebaseline_r101", "simple-r101"),
    ],
)
def test_backbones_compute_what_the_official_code_computes(oracle_dir: Path, official: str, ours: str) -> None:
    expected, crops, output = oracle(oracle_dir, official)
    network = filled(ours, keypoints=expected["keypoints"])
    assert sum(p.numel() for p in network.parameters()) == expected["params"]
    with torch.no_grad():
        found = network(crops)
    assert found.shape == output.shape
    torch.testing.assert_close(found, output, atol=1e-4, rtol=0)


def test_posewarper_computes_what_the_official_code_computes(oracle_dir: Path) -> None:
    expected, crops, output = oracle(oracle_dir, "posewarper_pair")
    model = filled("posewarper")
    assert len(model.state_dict()) == 2010
    assert sum(p.numel() for p in model.parameters()) == expected["params"]
    with torch.no_grad():
        target, support = (model.frame_features(crops[:, i : i + 3]) for i in (0, 3))
        found = model.warp(support, target, support)
        with_operator(model)
        again = model.warp(support, target, support)
    torch.testing.assert_close(found, output, atol=1e-4, rtol=0)
    torch.testing.assert_close(again, output, atol=1e-4, rtol=0)
    torch.testing.assert_close(found, again, atol=1e-5, rtol=0)


def with_operator(model: nn.Module) -> None:
    for part in model.modules():
        if isinstance(part, DeformConv2d):
            part.form = "operator"


def test_dcpose_computes_what_the_official_code_computes(oracle_dir: Path) -> None:
    expected, crops, output = oracle(oracle_dir, "dcpose")
    model = filled("dcpose")
    assert sum(p.numel() for p in model.parameters()) == expected["params"]
    names = {model.official_name(name) for name in model.state_dict()}
    assert len(names) == 2215
    assert {
        "rough_pose_estimation_net.stage4.2.fuse_layers.0.1.0.weight",
        "diff_temporal_fuse.layers.0.conv_bn_relu2_4_3.conv.bias",
        "diff_temporal_fuse.layers.0.downsample.bn.running_var",
        "support_temporal_fuse.layers.0.conv_bn_relu3.bn.weight",
        "offsets_list.4.0.weight",
        "masks_list.0.0.weight",
        "modulated_deform_conv_list.3.deform_conv.bias",
    } <= names
    clip = crops.unflatten(1, (3, 3))[:, [1, 0, 2]]
    with torch.no_grad():
        found = model(clip, torch.tensor([[-1.0, 0, 1], [-1, 0, 2]]))
    torch.testing.assert_close(found, output, atol=1e-4, rtol=0)
