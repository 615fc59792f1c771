"""DCPose: weights of unequal distances, which maps go where, ends of a video, the ablations of table 5."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pwarp.models import configure
from pwarp.models.dcpose import DCPose, DCPoseConfig, neighbour_weights
from pwarp.models.residual_steps import ResidualSteps

BACKBONE = configure("duc-mobilenet", keypoints=5, widths=(12, 8, 6))


def model(**options: Any) -> DCPose:
    torch.manual_seed(3)
    made = DCPose(DCPoseConfig("dcpose", BACKBONE, **({"channels": 9, "dilations": (1, 3)} | options))).eval()
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            if not name.startswith("backbone"):
                parameter.add_(torch.randn_like(parameter) * (0.5 / parameter[0].numel() ** 0.5))
    return made


def heatmaps(frames: int) -> Tensor:
    return torch.rand(2, frames, 5, 12, 9, generator=torch.Generator().manual_seed(4))


def inputs_of(part: nn.Module) -> list[Tensor]:
    seen: list[Tensor] = []
    part.register_forward_hook(lambda _, given, __: seen.append(given[0]))
    return seen


def test_the_nearer_neighbour_weighs_more() -> None:
    """Equation 1: p = c - 1, n = c + 3 gives 3/4 and 1/4; a missing one counts as one frame away."""
    before, after = neighbour_weights([torch.tensor([1.0, 2, 0, 4]), torch.tensor([3.0, 2, 3, 0])])
    assert before.flatten().tolist() == pytest.approx([0.75, 0.5, 0.75, 0.2])
    assert after.flatten().tolist() == pytest.approx([0.25, 0.5, 0.25, 0.8])
    assert neighbour_weights([torch.tensor([3.0])])[0].flatten().tolist() == [1]


@pytest.mark.parametrize("form", ["as_published", "as_paper"])
def test_maps_are_stacked_keypoint_by_keypoint(form: str) -> None:
    made = model(form=form, interval=3)
    assert made.offsets == (-3, 0, 3)
    merger, fusion = inputs_of(made.support_temporal_fuse), inputs_of(made.diff_temporal_fuse)
    maps = heatmaps(3)
    made.fuse(maps, torch.tensor([[-1.0, 0, 3], [-2, 0, 2]]))
    previous, current, following = maps.unbind(1)
    before, after = torch.tensor([0.75, 0.5])[:, None, None], torch.tensor([0.25, 0.5])[:, None, None]
    one, two = current - previous, current - following
    if form == "as_paper":
        two = following - current
    for k in range(5):
        merged = [current[:, k], before * previous[:, k], after * following[:, k]]
        torch.testing.assert_close(merger[0][:, 3 * k : 3 * k + 3], torch.stack(merged, 1))
        fused = [one[:, k], before * one[:, k], two[:, k], after * two[:, k]]
        torch.testing.assert_close(fusion[0][:, 4 * k : 4 * k + 4], torch.stack(fused, 1))


@pytest.mark.parametrize("form", ["as_published", "as_paper"])
def test_the_text_keeps_keypoints_apart_and_the_released_code_does_not(form: str) -> None:
    made = model(form=form)
    parts = {made.support_temporal_fuse: (15, 3, 1), made.diff_temporal_fuse: (20, 4, 2)}
    for part, (channels, before, after) in parts.items():
        x = torch.rand(1, channels, 6, 7)
        changed = x.clone()
        changed[:, 2 * before : 3 * before] += 1
        moved = (part(changed) - part(x)).abs().amax((0, 2, 3)).reshape(5, after).amax(1) > 0
        assert moved[2] or form == "as_published"
        assert moved.sum() == 1 if form == "as_paper" else moved.sum() > 1


def test_a_residual_steps_block_by_hand() -> None:
    """All weights 1 on one channel, BatchNorm off: parts x; branch r's steps are sums; then the shortcut x."""
    block = ResidualSteps(5, 1, shortcut=True)
    assert block.conv_bn_relu1.conv.out_channels == 4 * (26 * 5 // 64)
    for part in block.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.zeros_(part.bias)
            nn.init.zeros_(part.weight)
            part.weight.data[:, :, part.kernel_size[0] // 2, part.kernel_size[1] // 2] = 1 / part.in_channels
    block.eval()
    for part in block.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.eps = 0
    # With v in every channel: 1_1 v; 2_1 2v, 2_2 2v; 3_1 3v, 3_2 5v, 3_3 5v; 4_1 4v, 4_2 9v, 4_3 14v, 4_4 14v.
    # The mean of v, 2v, 5v and 14v is 5.5v; the shortcut adds v.
    found = block(torch.full((1, 5, 3, 4), 2.0))
    torch.testing.assert_close(found, torch.full((1, 1, 3, 4), 13.0))


def test_the_output_is_the_mean_over_dilations_of_what_is_resampled() -> None:
    made = model()
    maps, offsets = heatmaps(3), torch.tensor([[-1.0, 0, 1]]).repeat(2, 1)
    corrected: list[Tensor] = []
    for part in made.modulated_deform_conv_list:
        part.register_forward_hook(lambda _, __, found: corrected.append(found))
    found = made.fuse(maps, offsets)
    assert len(corrected) == 2
    torch.testing.assert_close(found, (corrected[0] + corrected[1]) / 2)


def test_a_missing_neighbour_is_the_current_frame_one_frame_away() -> None:
    made = model()
    maps = heatmaps(3)
    maps[:, 2] = maps[:, 1]
    there = made.fuse(maps, torch.tensor([[-1.0, 0, 0]]).repeat(2, 1))
    assert torch.equal(there, made.fuse(maps, torch.tensor([[-1.0, 0, 1]]).repeat(2, 1)))
    assert not torch.equal(there, made.fuse(maps, torch.tensor([[-1.0, 0, 2]]).repeat(2, 1)))


@pytest.mark.parametrize("neighbours", ["previous", "next"])
def test_one_neighbour(neighbours: Any) -> None:
    made = model(neighbours=neighbours, interval=2)
    assert made.offsets == ((-2, 0) if neighbours == "previous" else (0, 2))
    merger, fusion = inputs_of(made.support_temporal_fuse), inputs_of(made.diff_temporal_fuse)
    maps = heatmaps(2)
    assert made(torch.randn(1, 2, 3, 32, 64)).shape == (1, 5, 8, 16)
    merger.clear()
    fusion.clear()
    assert made.fuse(maps, torch.tensor([made.offsets] * 2)).shape == (2, 5, 12, 9)
    current, other = (maps[:, 1], maps[:, 0]) if neighbours == "previous" else (maps[:, 0], maps[:, 1])
    torch.testing.assert_close(merger[0], torch.stack([current, other], 2).flatten(1, 2))
    torch.testing.assert_close(fusion[0], torch.stack([current - other] * 2, 2).flatten(1, 2))


def test_the_ablations_of_the_merger_and_of_the_fusion() -> None:
    maps, offsets = heatmaps(3), torch.tensor([[-1.0, 0, 3]]).repeat(2, 1)
    made = model(merger="sum", fusion=False)
    merger, fusion = inputs_of(made.support_temporal_fuse), inputs_of(made.diff_temporal_fuse)
    assert made.fuse(maps, offsets).shape == (2, 5, 12, 9)
    torch.testing.assert_close(merger[0], maps.sum(1))
    torch.testing.assert_close(fusion[0], torch.cat([maps[:, 1] - maps[:, 0], maps[:, 2] - maps[:, 1]], 1))
    assert made.diff_temporal_fuse.weight.shape == (10, 10, 3, 3)
    assert made.support_temporal_fuse.weight.shape == (5, 5, 3, 3)
    made = model(merger="current", dilations=(3,))
    resampled = inputs_of(made.modulated_deform_conv_list[0])
    made.fuse(maps, offsets)
    assert torch.equal(resampled[0], maps[:, 1])
