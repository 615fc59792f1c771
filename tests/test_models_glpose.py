"""GLPose: weights of frames and candidates, who is chosen, what stands in for what is missing, table 4, size, cost."""

from __future__ import annotations

import copy
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from pwarp import checkpoints
from pwarp.checkpoints import Card
from pwarp.heatmaps import Codec
from pwarp.models import build, configure
from pwarp.models.counting import GIGA, multiply_adds, parameters
from pwarp.models.features import stage3
from pwarp.models.glpose import GLPose, GLPoseConfig, choose, embedding
from pwarp.models.hrnet import HRNet
from pwarp.skeleton import Skeleton

BACKBONE = configure("duc-mobilenet", keypoints=5, widths=(12, 8, 6))
CHANNELS = 6


def model(**options: Any) -> GLPose:
    return copy.deepcopy(noisy(**options))


@cache
def noisy(**options: Any) -> GLPose:
    """Noisy weights, so that everything shows in the output."""
    torch.manual_seed(3)
    made = GLPose(GLPoseConfig("glpose", BACKBONE, **({"reach": 2, "proposals": 3, "channels": 7} | options))).eval()
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            if not name.startswith("backbone"):
                parameter.add_(torch.randn_like(parameter) * (0.9 / parameter[0].numel() ** 0.5))
    return made


def features(*shape: int, seed: int = 4) -> Tensor:
    return torch.rand(*shape, CHANNELS, 9, 11, generator=torch.Generator().manual_seed(seed))


def inputs_of(part: nn.Module) -> list[Tensor]:
    seen: list[Tensor] = []
    part.register_forward_hook(lambda _, given, __: seen.append(given[0]))
    return seen


def usual(made: GLPose, batch: int = 2) -> Tensor:
    return torch.tensor(made.offsets, dtype=torch.float32).repeat(batch, 1)


def test_the_nearer_frame_weighs_more() -> None:
    """1/2, 1, 1, 1/2 over 3; where the current frame stands in, the weight is that of the frame that is missing."""
    made = model()
    assert made.offsets == (-2, -1, 0, 1, 2)
    given_ = torch.tensor([[-2.0, -1, 0, 1, 2], [0, 0, 0, 1, 2], [-2, -1, 0, 1, 4]])
    found = made.local_weights(given_)
    torch.testing.assert_close(found[0], torch.tensor([1.0, 2, 2, 1]) / 6)
    torch.testing.assert_close(found[1], found[0])
    torch.testing.assert_close(found[2], torch.tensor([2.0, 4, 4, 1]) / 11)


@given(st.integers(1, 4), st.integers(1, 6), st.integers(0, 8), st.integers(0, 2**31))
@settings(max_examples=30, deadline=None)
def test_weights_sum_to_one(reach: int, count: int, offered: int, seed: int) -> None:
    made = object.__new__(GLPose)
    made.config = GLPoseConfig("glpose", BACKBONE, reach=reach)
    made.offsets = tuple(range(-reach, reach + 1))
    random = torch.Generator().manual_seed(seed)
    offsets = torch.randint(-9, 10, (3, 2 * reach + 1), generator=random).float()
    local = made.local_weights(offsets)
    torch.testing.assert_close(local.sum(1), torch.ones(3))
    assert (local > 0).all()
    present = torch.rand(3, offered, generator=random) < 0.5
    chosen, weights = choose(features(3, seed=seed), count, features(3, offered, seed=seed + 1), present)
    assert chosen.shape == (3, count, CHANNELS, 9, 11)
    torch.testing.assert_close(weights.sum(1), torch.ones(3))


def test_the_most_similar_candidates_are_chosen() -> None:
    """Worked by hand: embeddings (1, 0) against (3, 9), (5, 0), (1, 1): dot products 3, 5, 1."""
    place = torch.ones(2, 3)
    current = torch.tensor([1.0, 0])[None, :, None, None] * place
    offered = torch.tensor([[3.0, 9], [5, 0], [1, 1]])[None, :, :, None, None] * place
    assert torch.equal(embedding(offered)[0], torch.tensor([[3.0, 9], [5, 0], [1, 1]]))
    chosen, weights = choose(current, 2, offered)
    assert torch.equal(chosen[0], offered[0, [1, 0]])
    torch.testing.assert_close(weights[0], torch.tensor([5.0, 3]).softmax(0))
    chosen, weights = choose(current, 2, offered, torch.tensor([[True, False, True]]))
    assert torch.equal(chosen[0], offered[0, [0, 2]])
    torch.testing.assert_close(weights[0], torch.tensor([3.0, 1]).softmax(0))


def test_fewer_candidates_than_used() -> None:
    """The current frame (dot product 1 with itself) stands in, after those that there are, however unlike."""
    place = torch.ones(2, 3)
    current = torch.tensor([1.0, 0])[None, :, None, None] * place
    offered = torch.tensor([[-3.0, 9], [5, 0]])[None, :, :, None, None] * place
    chosen, weights = choose(current, 4, offered)
    assert torch.equal(chosen[0], torch.cat([offered[0, [1, 0]], current, current]))
    torch.testing.assert_close(weights[0], torch.tensor([5.0, -3, 1, 1]).softmax(0))
    for nothing in (None, offered[:, :0]):
        chosen, weights = choose(current, 4, nothing)
        assert torch.equal(chosen[0], current.expand(4, -1, -1, -1))
        assert weights.tolist() == [[0.25] * 4]


def test_what_goes_into_the_mixture() -> None:
    made, maps, offered = model(), features(2, 5), features(2, 4, seed=5)
    seen = inputs_of(made.aggregation)
    offsets = usual(made) * torch.tensor([[1.0], [3.0]])
    made.fuse(maps, offsets, offered)
    chosen, weights = choose(maps[:, 2], 3, offered)
    local = torch.tensor([1.0, 2, 2, 1]) / 6
    expected = [maps[:, 2], *(w * maps[:, t] for w, t in zip(local, (0, 1, 3, 4), strict=True))]
    expected += [weights[:, i, None, None, None] * chosen[:, i] for i in range(3)]
    torch.testing.assert_close(seen[0], torch.cat(expected, 1))


@pytest.mark.parametrize("present", [[[True, False, True], [False] * 3], [[False] * 3] * 2, [[True] * 3] * 2])
def test_what_is_no_candidate_is_not_looked_at(present: list[list[bool]]) -> None:
    """A black picture would leave its trace in the statistics of BatchNorm where these are followed."""
    made, there = model(), torch.tensor(present)
    crops, others = torch.randn(2, 5, 3, 64, 32), torch.randn(2, 3, 3, 64, 32)
    seen = inputs_of(made.backbone)
    with torch.no_grad():
        found = made(crops, candidates=others, present=there)
        assert sum(map(len, seen)) == crops.shape[0] * crops.shape[1] + int(there.sum())
        for i in range(2):
            alone = made(crops[i : i + 1], candidates=others[i : i + 1, there[i]])
            torch.testing.assert_close(found[i], alone[0], atol=1e-4, rtol=1e-4)


def test_samples_with_different_numbers_of_candidates() -> None:
    """As if each were alone with those that it has; what stands where none is, is never looked at."""
    made, maps, offered = model(), features(3, 5), features(3, 4, seed=5)
    present = torch.tensor([[True] * 4, [False, True, False, False], [False] * 4])
    offered[~present] = torch.nan
    with torch.no_grad():
        found = made.fuse(maps, usual(made, 3), offered, present)
        for i in range(3):
            alone = made.fuse(maps[i : i + 1], usual(made, 1), offered[i : i + 1, present[i]])
            torch.testing.assert_close(found[i], alone[0])
    assert (found[0] - found[1]).abs().max() > 1e-3


def test_one_frame_of_one_person() -> None:
    """The frame stands in for everything: its neighbours and the candidates."""
    made, one = model(), features(2)
    seen = inputs_of(made.aggregation)
    with torch.no_grad():
        found = made.fuse(one[:, None].expand(-1, 5, -1, -1, -1), torch.zeros(2, 5))
    weights = torch.tensor([1, *(torch.tensor([1.0, 2, 2, 1]) / 6), 1 / 3, 1 / 3, 1 / 3])
    torch.testing.assert_close(seen[0], torch.cat([w * one for w in weights], 1))
    assert found.isfinite().all() and found.std() > 0


@torch.no_grad()
def test_the_mixture_comes_in_where_the_key_frame_is_not_active() -> None:
    made, maps = model(), features(2, 5)
    assert made.mask is not None and made.enhancement is not None
    mixed: list[Tensor] = []
    made.aggregation.register_forward_hook(lambda _, __, output: mixed.append(output))
    seen = inputs_of(made.enhancement)
    made.fuse(maps, usual(made))
    missed = 1 - 1 / (1 + torch.exp(-made.mask(maps[:, 2])))
    torch.testing.assert_close(seen[0], torch.cat([missed * mixed[0], maps[:, 2]], 1))
    # A key frame that is active everywhere leaves nothing of the mixture.
    made.mask.bias.fill_(1e4)
    made.fuse(maps, usual(made))
    assert not seen[1][:, :7].any() and torch.equal(seen[1][:, 7:], maps[:, 2])


@torch.no_grad()
def test_a_fresh_enhancement_gives_the_mixture_back() -> None:
    """All else in it is small: what the current frame shows already is not an easier way out."""
    made = GLPose(GLPoseConfig("glpose", BACKBONE, reach=2, proposals=3, channels=7)).eval()
    current = features(3)
    mixture = torch.rand(3, 7, *current.shape[-2:])
    torch.testing.assert_close(made._enhanced(mixture, current), mixture, atol=0.1, rtol=0)


@pytest.mark.parametrize(
    "options",
    [
        {"reach": 0},
        {"proposals": 0},
        {"reach": 0, "proposals": 0},
        {"enhancement": False},
        {"mask": "positions"},
        {"head": "mlp"},
        {"head": "5x5", "blocks": 1, "channels": None},
    ],
    ids=str,
)
def test_the_ablations_are_networks_of_their_own(options: dict[str, Any]) -> None:
    """Table 4: what is removed has no influence, and what is left has."""
    made = model(**options)
    maps, offered = features(2, len(made.offsets)), features(2, 4, seed=5)
    with torch.no_grad():
        found = made.fuse(maps, usual(made), offered)
        assert found.shape == (2, 5, 9, 11)
        other = made.fuse(maps, usual(made), features(2, 4, seed=6))
        assert torch.equal(found, other) == (made.config.proposals == 0)
        maps[:, made.config.reach] += 1
        assert not torch.equal(found, made.fuse(maps, usual(made), offered))
    assert made.sampled == (20 if made.config.proposals else 0)
    assert ("mask.weight" in dict(made.named_parameters())) == made.config.enhancement
    assert parameters(made) != parameters(model()) or options == {"reach": 0}


def test_candidates_are_crops_in_a_forward_pass() -> None:
    made = model()
    clip, offered = torch.randn(2, 5, 3, 64, 32), torch.randn(2, 4, 3, 64, 32)
    with torch.no_grad():
        seen = made.frame_features(clip.flatten(0, 1)).unflatten(0, (2, 5))
        there = made.frame_features(offered.flatten(0, 1)).unflatten(0, (2, 4))
        assert seen.shape == (2, 5, CHANNELS, 16, 8)
        expected = made.fuse(seen, usual(made), there)
        torch.testing.assert_close(made(clip, candidates=offered), expected)


def test_it_comes_back_from_a_checkpoint(tmp_path: Path) -> None:
    made = model()
    skeleton = Skeleton("cow", ("nose", "left_horn", "right_horn", "tail", "hoof"), flip_pairs=((1, 2),))
    card = Card(model=made.config, skeleton=skeleton, codec=Codec("msra", (64, 96), 4, 2.0))
    checkpoints.save(tmp_path / "glpose.safetensors", made, card)
    again, said = checkpoints.load(tmp_path / "glpose.safetensors")
    assert said.model == made.config
    clip = torch.randn(2, 5, 3, 96, 64)
    with torch.no_grad():
        assert torch.equal(again(clip), made(clip))


def test_weights_of_a_whole_backbone_can_be_loaded() -> None:
    """Of what a trained estimator has, the part that is there is taken; anything strange is still refused."""
    whole, made = build(BACKBONE), model()
    made.backbone.load_state_dict(whole.state_dict())
    assert all(torch.equal(whole.state_dict()[name], value) for name, value in made.backbone.state_dict().items())
    assert set(whole.state_dict()) - set(made.backbone.state_dict()) == {"final_layer.weight", "final_layer.bias"}
    with pytest.raises(RuntimeError, match="Unexpected key"):
        made.backbone.load_state_dict(whole.state_dict() | {"strange": torch.zeros(1)})


def test_features_of_hrnet_are_branch_0_after_stage_3() -> None:
    whole = HRNet(configure("hrnet-w32", keypoints=5)).eval()
    with torch.no_grad():
        for parameter in whole.parameters():
            parameter.add_(torch.randn_like(parameter) * (0.5 / parameter[0].numel() ** 0.5))
        part = stage3(whole.config).eval()
        part.load_state_dict(whole.state_dict())
        crops = torch.randn(1, 3, 32, 32)
        assert torch.equal(part(crops), whole.stage3_branches(crops)[0])
        assert part(crops).std() > 0


def test_size_and_cost_at_the_papers_size() -> None:
    """518,799 parameters and 3.58 GFLOPs beside the features. Stage 3 with all its branches is 17.04 M and 20.55 a
    frame; the last exchange into branches 1 and 2, which nothing uses, is left out."""
    with torch.device("meta"):
        made = GLPose(GLPoseConfig("glpose", configure("hrnet-w48", keypoints=15)))
        whole = HRNet(configure("hrnet-w48", keypoints=15))
    assert len(made.offsets) == 9
    head = parameters(made) - parameters(made.backbone)
    assert head == 518_799
    window = ((1, 9, 48, 96, 72), (1, 9), (1, 20, 48, 96, 72))
    assert multiply_adds(made, *window, run=lambda m, *w: m.fuse(*w)) / GIGA == pytest.approx(3.58, abs=5e-3)
    crop = (1, 3, 384, 288)
    stages = [part for name, part in whole.named_children() if name not in ("transition3", "stage4", "final_layer")]
    assert sum(map(parameters, stages)) == 17_036_544
    cost = multiply_adds(whole, crop, run=lambda m, x: m.stage3_branches(x)) / GIGA
    assert cost == pytest.approx(20.55, abs=5e-3)
    assert parameters(made.backbone) == 16_705_824
    ours = multiply_adds(made, crop, run=lambda m, x: m.frame_features(x)) / GIGA
    # Into branch 1: 3x3 48->96 and 1x1 192->96; into branch 2: 3x3 48->48, 48->192 and 96->192.
    left_out = (9 * 48 * 96 * 48 * 36 + 192 * 96 * 24 * 18) + (9 * 48 * 48 * 48 * 36 + 9 * (48 + 96) * 192 * 24 * 18)
    assert (cost - ours) == pytest.approx(left_out / GIGA, abs=1e-9)
