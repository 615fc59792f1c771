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
from pwarp.models.deform import DeformConv2d


def fill(module: nn.Module, official: Any = lambda name: name) -> None:
    """Weights of the oracle: normal noise seeded by the official name of each entry."""
    for name, tensor in module.state_dict().items():
        name = official(name)
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
    network = build(configure(ours, keypoints=expected["keypoints"])).eval()
    fill(network)
    assert sum(p.numel() for p in network.parameters()) == expected["params"]
    with torch.no_grad():
        found = network(crops)
    assert found.shape == output.shape
    torch.testing.assert_close(found, output, atol=1e-4, rtol=0)


def test_posewarper_computes_what_the_official_code_computes(oracle_dir: Path) -> None:
    expected, crops, output = oracle(oracle_dir, "posewarper_pair")
    model = build(configure("posewarper")).eval()
    fill(model, lambda name: name.removeprefix("backbone.").removeprefix("warper."))
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
