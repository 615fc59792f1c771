"""What every registered backbone and model promises, and what a config does."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pwarp import registry
from pwarp.errors import PwarpError
from pwarp.models import Config, build, configure
from pwarp.models.backbone import Backbone, BackboneConfig
from pwarp.models.config import config_class
from pwarp.models.window import WindowConfig, WindowModel

KEYPOINTS = 5
HEIGHT, WIDTH = 32, 64


def options(name: str) -> dict[str, Any]:
    """Of a small version of a model, on a small backbone."""
    if issubclass(config_class(name), BackboneConfig):
        return {"keypoints": KEYPOINTS}
    backbone = {"name": "duc-mobilenet", "keypoints": KEYPOINTS, "widths": [12, 8, 6]}
    if issubclass(config_class(name), WindowConfig):
        return {"backbone": backbone, **SMALL[name]}
    large, small = {"ppn": ("head", "body"), "dkd": ("initial", "encoder")}[name]
    return {large: backbone, small: backbone | {"widths": [11, 9, 7]}, **SMALL[name]}


SMALL: dict[str, dict[str, Any]] = {
    "posewarper": {"channels": 7, "blocks": 2, "dilations": [1, 3]},
    "dcpose": {"channels": 9, "dilations": [1, 3]},
    "glpose": {"reach": 1, "proposals": 2, "sampled": 3, "channels": 9},
    "dkd": {"channels": 10, "kernel": 3},
    "ppn": {"channels": 7, "blocks": 2, "dilations": [1, 3]},
}
BACKBONES = registry.names("backbone")
# One of each shape of network; the others differ in their number of blocks, and parity is tested at full size.
TRIED = ["hrnet-w32", "simple-r18", "simple-mobilenet", "duc-r18", "duc-mobilenet"]
WINDOWS = [name for name in registry.names("model") if issubclass(config_class(name), WindowConfig)]
RECURRENT = [name for name in registry.names("model") if name not in WINDOWS]


def made(name: str, **more: Any) -> Any:
    torch.manual_seed(5)
    return build(configure(name, **(options(name) | more)))


def frames_of(model: nn.Module) -> int:
    """As many frames as a clip for it has."""
    return len(model.offsets) if isinstance(model, WindowModel) else 3


def awake(model: nn.Module) -> nn.Module:
    """Weights and BatchNorm statistics as if trained: a fresh network is nearly constant."""
    torch.manual_seed(6)
    norms = [part for part in model.modules() if isinstance(part, nn.BatchNorm2d)]
    with torch.no_grad():
        for parameter in model.parameters():
            scale = 0.7 / parameter[0].numel() ** 0.5 if parameter.ndim >= 2 else 0.1
            parameter.add_(torch.randn_like(parameter) * scale)
        crops = clip(2, frames_of(model))
        for norm in norms:
            norm.train()
            norm.momentum = 1.0
        model(crops[:, 0] if isinstance(model, Backbone) else crops)
        for norm in norms:
            norm.train(model.training)
            norm.momentum = 0.1
    return model.train(model.training)


def clip(batch: int, frames: int) -> Tensor:
    torch.manual_seed(7)
    return torch.randn(batch, frames, 3, HEIGHT, WIDTH)


@pytest.mark.parametrize("name", BACKBONES + registry.names("model"))
def test_a_config_goes_to_json_and_comes_back(name: str) -> None:
    config = configure(name, **options(name))
    assert Config.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    assert config == configure(name, **options(name))
    assert hash(config) is not None
    with pytest.raises(PwarpError, match=f"{name}: unknown option 'nonsense'; known: "):
        configure(name, nonsense=1)


@pytest.mark.parametrize("name", TRIED)
def test_a_backbone_gives_heatmaps_of_each_crop_alone(name: str) -> None:
    network = awake(made(name)).eval().double()
    assert isinstance(network, Backbone)
    crops = clip(1, 3)[0].double()
    with torch.no_grad():
        found = network(crops)
        stride = network.config.stride
        assert found.shape == (3, KEYPOINTS, HEIGHT // stride, WIDTH // stride)
        assert network.features(crops).shape[1] == network.feature_channels
        assert found.std() > 0
        for i in range(3):
            torch.testing.assert_close(network(crops[i : i + 1])[0], found[i])


@pytest.mark.parametrize(
    ("name", "more", "stride"),
    [("simple-r18", {"deconvs": 2}, 8), ("duc-r18", {"widths": [12, 8]}, 8), ("duc-mobilenet", {"widths": [9]}, 16)],
)
def test_a_coarser_stride(name: str, more: dict[str, Any], stride: int) -> None:
    network = made(name, **more).eval()
    assert network.config.stride == stride
    assert network(clip(1, 1)[0]).shape == (1, KEYPOINTS, HEIGHT // stride, WIDTH // stride)


def test_crops_of_another_size_are_refused() -> None:
    with pytest.raises(
        PwarpError, match="crops of 96x100 pixels do not fit duc-r18; both sides must be multiples of 32"
    ):
        made("duc-r18")(torch.zeros(1, 3, 100, 96))


@pytest.mark.parametrize("name", [*TRIED, *registry.names("model")])
def test_every_parameter_that_is_trained_gets_gradients(name: str) -> None:
    model = made(name).train()
    for part in model.children():
        if isinstance(part, Backbone):
            awake(part)
    parameters = {key: p for key, p in model.named_parameters() if p.requires_grad}
    optimizer = torch.optim.Adam(parameters.values(), lr=1e-3)
    seen = dict.fromkeys(parameters, False)
    for _ in range(1 if isinstance(model, Backbone) else 4):
        crops = torch.randn(2, frames_of(model), 3, 64, 64)
        output = model(crops[:, 0] if isinstance(model, Backbone) else crops)
        optimizer.zero_grad()
        ((output - torch.rand_like(output)) ** 2).mean().backward()
        for key, p in parameters.items():
            seen[key] |= p.grad is not None and bool(p.grad.abs().max() > 0)
        optimizer.step()
    assert [key for key, found in seen.items() if not found] == []


@pytest.mark.parametrize("name", WINDOWS)
class TestWindow:
    def test_a_batch_is_its_singles(self, name: str) -> None:
        model = awake(made(name)).eval().double()
        crops = clip(3, len(model.offsets)).double()
        offsets = torch.tensor(model.offsets, dtype=torch.float64).repeat(3, 1)
        offsets[1] *= 2
        with torch.no_grad():
            found = model(crops, offsets)
            assert found.shape == (3, KEYPOINTS, HEIGHT // 4, WIDTH // 4)
            for i in range(3):
                alone = model(crops[i : i + 1], offsets[i : i + 1])[0]
                torch.testing.assert_close(alone, found[i])
        assert (found[0] - found[1]).abs().max() > 1e-4

    def test_features_once_a_crop_are_the_forward_pass(self, name: str) -> None:
        model = awake(made(name)).eval().double()
        crops = clip(2, len(model.offsets)).double()
        offsets = torch.tensor(model.offsets, dtype=torch.float64).repeat(2, 1)
        with torch.no_grad():
            features = torch.stack([model.frame_features(crops[:, t]) for t in range(crops.shape[1])], 1)
            torch.testing.assert_close(model.fuse(features, offsets), model(crops))

    def test_it_is_saved_and_loaded(self, name: str) -> None:
        model = awake(made(name)).eval()
        again = build(model.config.to_dict()).eval()
        again.load_state_dict(model.state_dict())
        crops = clip(1, len(model.offsets))
        with torch.no_grad():
            assert torch.equal(again(crops), model(crops))

    def test_a_frozen_backbone_stays_as_it_is(self, name: str) -> None:
        model = made(name).train()
        before = {key: value.clone() for key, value in model.backbone.state_dict().items()}
        model(clip(2, len(model.offsets)))
        assert all(torch.equal(before[key], value) for key, value in model.backbone.state_dict().items())
        assert not any(p.requires_grad for p in model.backbone.parameters())
        assert not model.backbone.training
        assert model.training

    def test_statistics_follow_where_asked(self, name: str) -> None:
        model = made(name).freeze_backbone(statistics=False).train()
        before = model.backbone.state_dict()["mobilenet.0.1.running_mean"].clone()
        weights = [p.clone() for p in model.backbone.parameters()]
        model(clip(2, len(model.offsets)))
        assert not torch.equal(before, model.backbone.state_dict()["mobilenet.0.1.running_mean"])
        assert all(torch.equal(a, b) for a, b in zip(weights, model.backbone.parameters(), strict=True))
        assert not any(p.requires_grad for p in model.backbone.parameters())

    def test_a_backbone_can_be_trained(self, name: str) -> None:
        model = awake(made(name)).unfreeze_backbone().train()
        model(clip(2, len(model.offsets))).square().mean().backward()
        gradient = next(model.backbone.parameters()).grad
        assert gradient is not None and gradient.abs().max() > 0


@pytest.mark.parametrize("name", RECURRENT)
class TestRecurrent:
    def test_it_walks_through_a_clip_of_any_length(self, name: str) -> None:
        model = awake(made(name)).eval().double()
        crops = clip(3, 4).double()
        with torch.no_grad():
            found = model(crops)
            assert found.shape == (3, 4, KEYPOINTS, HEIGHT // 4, WIDTH // 4)
            state, heatmaps = model.start(crops[:, 0])
            torch.testing.assert_close(heatmaps, found[:, 0])
            for t in range(1, 4):
                state, heatmaps = model.step(state, crops[:, t])
                torch.testing.assert_close(heatmaps, found[:, t])
            torch.testing.assert_close(model(crops[:, :2]), found[:, :2])

    def test_a_batch_is_its_singles(self, name: str) -> None:
        model = awake(made(name)).eval().double()
        crops = clip(3, 2).double()
        with torch.no_grad():
            found = model(crops)
            for i in range(3):
                torch.testing.assert_close(model(crops[i : i + 1])[0], found[i])

    def test_it_can_start_from_a_known_pose(self, name: str) -> None:
        model = awake(made(name)).eval()
        crops = clip(2, 2)
        with torch.no_grad():
            own = model.start(crops[:, 0])[1]
            given = model.start(crops[:, 0], torch.rand_like(own))[1]
        assert given.shape == own.shape
        assert (given - own).abs().max() > 1e-3

    def test_it_is_saved_and_loaded(self, name: str) -> None:
        model = awake(made(name)).eval()
        again = build(model.config.to_dict()).eval()
        again.load_state_dict(model.state_dict())
        with torch.no_grad():
            assert torch.equal(again(clip(1, 2)), model(clip(1, 2)))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "model config without a name; it must be one of hrnet-w32, "),
        ({"name": "hrnet-w33"}, "unknown model 'hrnet-w33'; did you mean 'hrnet-w32'?"),
        ({"name": "hrnet-w32", "keypoints": "17"}, "hrnet-w32: keypoints is '17'; it must be of type int"),
        ({"name": "hrnet-w32", "keypoints": True}, "hrnet-w32: keypoints is True; it must be of type int"),
        ({"name": "hrnet-w32", "keypoints": 0}, "hrnet-w32: 0 keypoints; there must be at least 1"),
        ({"name": "hrnet-w32", "keypoints": 10**9}, "keypoints is 1000000000; it must lie within ±4096"),
        ({"name": "simple-r18", "deconvs": 4}, "simple-r18: 4 deconvolutions; there can be 2 or 3"),
        ({"name": "duc-r18", "widths": 64}, "duc-r18: widths is 64; it must be a list"),
        ({"name": "duc-r18", "widths": [8, 8, 8, 8]}, "there must be one to three"),
        ({"name": "posewarper", "backbone": {"name": "posewarper"}}, "'posewarper' cannot stand here"),
        ({"name": "posewarper", "backbone": 3}, "posewarper: backbone is 3"),
        ({"name": "posewarper", "combine": "max"}, "combine is 'max'; it must be one of 'mean', 'sum'"),
        ({"name": "posewarper", "offsets": [-1, 1]}, "0, the current frame, be among them"),
        ({"name": "posewarper", "weights": [0.5, float("nan")]}, "weights is nan; it must lie within"),
        ({"name": "posewarper", "weights": [1, 0]}, "they must be positive"),
        ({"name": "posewarper", "dilations": []}, "must be at least 1"),
        ({"name": "dcpose", "interval": 0}, "must be at least 1"),
        ({"name": "ppn", "head": {"name": "duc-r18", "keypoints": 5}}, "head has 5 keypoints and body 17"),
        ({"name": "ppn", "head": {"name": "simple-r18", "deconvs": 2}}, "head has stride 8 and body 4"),
        ({"name": "glpose", "reach": -1}, "reach and proposals cannot be negative"),
        ({"name": "glpose", "proposals": 21}, "21 proposals cannot be chosen from 20 sampled ones"),
        ({"name": "glpose", "channels": 0}, "channels and blocks must be at least 1"),
        ({"name": "dkd", "kernel": 4}, "kernel 4; it must be odd"),
        ({"name": "dkd", "encoder": {"name": "duc-r18", "keypoints": 5}}, "initial has 17 keypoints and encoder 5"),
        ({"name": "dkd", "encoder": {"name": "duc-r18"}}, "initial has stride 8 and encoder 4; give both the same"),
        ({"name": "dkd", "transfer": "copy"}, "it must be one of 'kernels', 'lstm', 'none'"),
        ({"name": "dcpose", "merger": "none"}, "it must be one of 'network', 'sum', 'current'"),
    ],
)
def test_a_wrong_config_says_what_is_wrong(values: dict[str, Any], message: str) -> None:
    with pytest.raises(PwarpError) as caught:
        build(values)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
