"""PoseWarper: which frame is warped where, aggregation, and the motion at rest."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor

from pwarp.models import configure
from pwarp.models.posewarper import PoseWarper, PoseWarperConfig
from pwarp.training.networks import network_config
from pwarp.training.recipes import recipe

BACKBONE = configure("duc-mobilenet", keypoints=5, widths=(12, 8, 6))


def as_the_text_has_it(backbone: Any = BACKBONE) -> Any:
    """What the recipe of the paper trains."""
    return network_config("posewarper", recipe("posewarper", "paper", {}), 5, {"backbone": backbone})


def model(**options: Any) -> PoseWarper:
    given = {"channels": 7, "blocks": 2, "dilations": (1, 3)} | options
    return PoseWarper(PoseWarperConfig("posewarper", BACKBONE, **given)).eval()


def trained(**options: Any) -> PoseWarper:
    """With a warping that does something; offsets of a few cells."""
    torch.manual_seed(2)
    made = model(**options)
    with torch.no_grad():
        for parameter in made.warper.parameters():
            scale = 0.7 / parameter[0].numel() ** 0.5 if parameter.ndim == 4 else 0.1
            parameter.add_(torch.randn_like(parameter) * scale)
    return made


def heatmaps(*shape: int) -> Tensor:
    return torch.rand(*shape, 5, 12, 9, generator=torch.Generator().manual_seed(4))


@pytest.mark.parametrize("config", [as_the_text_has_it, PoseWarperConfig.light, None])
def test_a_fresh_model_returns_what_it_warps(config: Any) -> None:
    fresh = PoseWarper(config(BACKBONE)).eval() if config else model()
    tensor, target, source = heatmaps(3, 2)
    torch.testing.assert_close(fresh.warp(tensor, target, source), tensor, atol=1e-6, rtol=0)
    if config is None:
        assert torch.equal(fresh.warp(tensor, target, source), tensor)


def test_the_text_and_the_released_code() -> None:
    released = PoseWarperConfig("posewarper")
    paper = network_config("posewarper", recipe("posewarper", "paper", {}), 17)
    assert isinstance(paper, PoseWarperConfig)
    assert released.backbone.name == paper.backbone.name == "hrnet-w48"
    assert (paper.channels, paper.blocks, paper.dilations, paper.weights) == (128, 20, (3, 6, 12, 18, 24), ())
    assert (released.channels, released.blocks, released.dilations) == (128, 20, (3, 6, 12, 18, 24))
    assert (released.combine, paper.combine) == ("mean", "sum")
    assert (released.offsets, paper.offsets) == ((-2, -1, 0, 1, 2), (-3, -2, -1, 0, 1, 2, 3))


def test_warping_samples_where_the_motion_says() -> None:
    """One dilation, the identity kernel and offsets of (dy, dx) = (2, -1) everywhere: content moves up and right."""
    mover = model(dilations=(3,))
    tensor = heatmaps(2)
    offsets = torch.tensor([2.0, -1.0]).repeat(9 * 5)[None, :, None, None].expand(2, -1, 12, 9)
    moved = mover.warper.resample(tensor, (offsets,))
    torch.testing.assert_close(moved[:, :, :-2, 1:], tensor[:, :, 2:, :-1], atol=1e-6, rtol=0)
    assert moved[:, :, -2:].abs().max() == 0 and moved[:, :, :, 0].abs().max() == 0


def test_only_the_difference_target_minus_source_counts() -> None:
    warper = trained()
    tensor, target, source = heatmaps(3, 2)
    found = warper.warp(tensor, target, source)
    assert torch.equal(found, warper.warper(tensor, target - source))
    torch.testing.assert_close(found, warper.warp(tensor, target + 1, source + 1), atol=1e-4, rtol=0)
    assert (found - warper.warp(tensor, source, target)).abs().max() > 0.01
    motion = warper.motion(target, source)
    assert [m.shape for m in motion] == [(2, 90, 12, 9)] * 2
    torch.testing.assert_close(warper.warper.resample(tensor, motion), found)


def test_a_cycle_goes_there_and_back() -> None:
    warper = trained()
    tensor, here, there = heatmaps(3, 2)
    expected = warper.warp(warper.warp(tensor, there, here), here, there)
    assert torch.equal(warper.cycle(tensor, here, there), expected)


def test_aggregation_weighs_every_warped_frame_by_its_distance() -> None:
    warper = trained()
    features = heatmaps(1, 5)
    current = features[:, 2]
    with torch.no_grad():
        warped = [warper.warp(features[:, t], current, features[:, t]) for t in range(5)]
        found = warper.fuse(features, torch.tensor([[-2.0, -1, 0, 1, 2]]))
        expected = sum(w * g for w, g in zip((0.1, 0.25, 0.3, 0.25, 0.1), warped, strict=True))
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
        # Where the video ends, the last frame stands in at its own distance, here 0: weights .1 .25 .3 .3 .3.
        ends = features[:, [0, 1, 2, 2, 2]]
        found = warper.fuse(ends, torch.tensor([[-2.0, -1, 0, 0, 0]]))
        expected = (0.1 * warped[0] + 0.25 * warped[1] + 0.9 * warped[2]) / 1.25
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_a_fresh_model_of_the_text_averages_its_frames() -> None:
    fresh = PoseWarper(as_the_text_has_it()).eval()
    features = heatmaps(2, 7)
    offsets = torch.tensor([[-3.0, -2, -1, 0, 1, 2, 3], [-30, -2, -1, 0, 9, 8, 3]])
    with torch.no_grad():
        torch.testing.assert_close(fresh.fuse(features, offsets), features.mean(1), atol=1e-6, rtol=0)


def test_the_motion_at_rest_is_found_once_for_each_state() -> None:
    warper = trained()
    passes = itertools.count()
    warper.warper.offset_feats.register_forward_hook(lambda *_: next(passes) and None)
    features, alone = heatmaps(2, 5), torch.zeros(2, 5)

    def found() -> tuple[Tensor, int]:
        before = next(passes)
        with torch.no_grad():
            return warper.fuse(features, alone), next(passes) - before - 1

    first, made = found()
    assert made == 1
    again, made = found()
    assert made == 0
    assert torch.equal(first, again)
    with torch.no_grad():
        torch.testing.assert_close(first[:1], warper.warp(features[:1].mean(1), features[:1, 0], features[:1, 0]))
    with torch.no_grad():
        warper.warper.get_submodule("offsets1").weight.mul_(1.5)
    changed, made = found()
    assert made == 1
    assert (changed - first).abs().max() > 1e-3
    warper.load_state_dict(trained().state_dict())
    assert torch.equal(found()[0], first)
    with torch.inference_mode():
        assert torch.equal(warper.fuse(features, alone), first)
    assert torch.equal(found()[0], first)


def test_training_sees_gradients_of_the_motion_at_rest() -> None:
    warper = trained()
    with torch.no_grad():
        warper.fuse(heatmaps(2, 5), torch.zeros(2, 5))
    warper.fuse(heatmaps(2, 5), torch.zeros(2, 5)).sum().backward()
    assert warper.warper.offset_feats[0].conv1.weight.grad is not None
