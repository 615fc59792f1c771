"""DKD: dynamic kernels, which frame's kernels go where, the ablations, adversarial training, size and cost."""

from __future__ import annotations

import copy
from functools import cache
from pathlib import Path
from typing import Any, Literal, cast

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from pwarp import checkpoints
from pwarp.checkpoints import Card
from pwarp.errors import PwarpError
from pwarp.heatmaps import Codec
from pwarp.models import build, configure
from pwarp.models.adversary import Adversary, Verdict
from pwarp.models.backbone import Backbone
from pwarp.models.conv_lstm import ConvLSTM
from pwarp.models.counting import GIGA, multiply_adds, parameters
from pwarp.models.dkd import DKD, DKDConfig, simple
from pwarp.models.pose_kernels import DynamicConv2d, PoseKernels
from pwarp.skeleton import Skeleton
from pwarp.training.networks import network_config
from pwarp.training.recipes import recipe

LARGE = configure("duc-mobilenet", keypoints=5, widths=(12, 8, 6))
SMALL = configure("duc-mobilenet", keypoints=5, widths=(11, 9, 7))


def model(**options: Any) -> DKD:
    return copy.deepcopy(trained(**options))


@cache
def trained(**options: Any) -> DKD:
    torch.manual_seed(3)
    made = DKD(DKDConfig("dkd", LARGE, SMALL, **({"channels": 8, "kernel": 3, "hidden": 4} | options)))
    with torch.no_grad():
        for net in (made.initial, made.encoder):
            if isinstance(net.final_layer, torch.nn.Conv2d):
                net.final_layer.weight.add_(torch.randn_like(net.final_layer.weight))
        # BatchNorm as after training, so that crops differ.
        for part in made.modules():
            if isinstance(part, torch.nn.BatchNorm2d):
                part.momentum = 1.0
        made.train()(torch.randn(2, 2, 3, 64, 64))
    return made.eval()


def clip(frames: int) -> Tensor:
    return torch.randn(2, frames, 3, 64, 96, generator=torch.Generator().manual_seed(4))


@pytest.mark.parametrize("size", [1, 3, 7])
def test_dynamic_convolution_is_a_loop_over_samples(size: int) -> None:
    x = torch.randn(3, 5, 8, 11, dtype=torch.float64, requires_grad=True)
    kernels = torch.randn(3, 5, size, size, dtype=torch.float64, requires_grad=True)
    found = DynamicConv2d()(x, kernels)
    each = [functional.conv2d(x[i : i + 1], kernels[i, :, None], padding="same", groups=5) for i in range(3)]
    torch.testing.assert_close(found, torch.cat(each))
    by = torch.randn_like(found)
    for ours, theirs in zip(
        torch.autograd.grad(found, (x, kernels), by),
        torch.autograd.grad(torch.cat(each), (x, kernels), by),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs)


@torch.no_grad()
def test_the_factors_are_one_kernel_a_keypoint() -> None:
    """Equation 6: U · (k' ⊛ (V · f)) is f convolved with k = U ⊗ k' ⊗ V of S x S x C x K."""
    torch.manual_seed(3)
    unit = PoseKernels(6, keypoints=5, channels=4, size=3, rectified=True).double().eval()
    features, kernels = torch.randn(1, 6, 9, 8).double(), torch.randn(1, 4, 3, 3).double()
    u, v = unit.u.weight[:, :, 0, 0], unit.v.weight[:, :, 0, 0]
    whole = torch.einsum("kc,cyx,cf->kfyx", u, kernels[0], v)
    expected = unit.bn(functional.conv2d(features, whole, padding=1))
    torch.testing.assert_close(unit.match(features, kernels), expected)


@torch.no_grad()
def test_kernels_begin_with_what_a_trained_encoder_knows() -> None:
    """Its heatmaps, each a little blurred, whatever the pose before was; and the other channels can still learn."""
    torch.manual_seed(3)
    unit = PoseKernels(6, keypoints=5, channels=8, size=3, rectified=True).train()
    last = torch.nn.Conv2d(6, 5, 1)
    unit.begin_as(last)
    features, before = torch.randn(4, 6, 24, 16), torch.rand(4, 5, 24, 16)
    kernels = unit.distil(features, before)
    assert kernels.min() >= 0
    assert kernels.mean() == pytest.approx(1 / 9, rel=0.05)
    assert 0.1 < kernels.std() * 9 < 0.5
    blurred = functional.avg_pool2d(last(features) - last.bias[:, None, None], 3, stride=1, padding=1)
    for found, known in zip(unit.match(features, kernels).unbind(1), blurred.unbind(1), strict=True):
        assert torch.corrcoef(torch.stack([found.flatten(), known.flatten()]))[0, 1] > 0.9
    with torch.enable_grad():
        unit.match(features, unit.distil(features, before)).square().mul(before).sum().backward()
    assert unit.u.weight.grad is not None
    assert (unit.u.weight.grad[:, 5:] != 0).all()


def test_fewer_kernels_than_keypoints_begin_as_they_are() -> None:
    unit = PoseKernels(6, keypoints=5, channels=4, size=3, rectified=True)
    before = copy.deepcopy(unit.state_dict())
    unit.begin_as(torch.nn.Conv2d(6, 5, 1))
    assert all(torch.equal(value, before[name]) for name, value in unit.state_dict().items())


@pytest.mark.parametrize(("side", "wide"), [(32, 32), (16, 16), (8, 6), (96, 72)])
def test_kernels_have_their_size_on_any_map(side: int, wide: int) -> None:
    unit = PoseKernels(6, keypoints=5, channels=4, size=7, rectified=True).eval()
    kernels = unit.distil(torch.randn(2, 6, side, wide), torch.rand(2, 5, side, wide))
    assert kernels.shape == (2, 4, 7, 7)
    assert (kernels >= 0).all()
    signed = PoseKernels(6, keypoints=5, channels=4, size=7, rectified=False).eval()
    assert (signed.distil(torch.randn(2, 6, side, wide), torch.rand(2, 5, side, wide)) < 0).any()


def test_maps_too_small_are_refused() -> None:
    unit = PoseKernels(6, keypoints=5, channels=4, size=7, rectified=True)
    with pytest.raises(PwarpError, match=r"heatmaps of 8x4 cells are too small .*; use larger crops or a finer stride"):
        unit.distil(torch.zeros(1, 6, 4, 8), torch.zeros(1, 5, 4, 8))


@torch.no_grad()
def test_each_frame_is_matched_with_the_kernels_of_the_one_before() -> None:
    made, crops = model(), clip(4)
    found = made(crops)
    assert isinstance(made.transfer, PoseKernels)
    torch.testing.assert_close(found[:, 0], made.initial(crops[:, 0]))
    for t in (1, 2, 3):
        kernels = made.transfer.distil(made.encoder(crops[:, t - 1]), found[:, t - 1])
        expected = made.transfer.match(made.encoder(crops[:, t]), kernels)
        torch.testing.assert_close(found[:, t], expected, atol=1e-4, rtol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("transfer", ["kernels", "lstm", "none"])
def test_a_known_pose_stands_in_for_the_initialiser(transfer: str) -> None:
    made, crops = model(transfer=transfer), clip(3)
    own = made(crops)
    known = torch.rand(2, 5, 16, 24)
    made.initial = None  # type: ignore[assignment]
    state, heatmaps = made.start(crops[:, 0], known)
    assert torch.equal(heatmaps, known)
    found = made(crops, known)
    assert torch.equal(found[:, 0], known)
    for t in (1, 2):
        state, heatmaps = made.step(state, crops[:, t])
        torch.testing.assert_close(heatmaps, found[:, t], atol=1e-4, rtol=1e-4)
    # The pose is carried on, but for the frame-wise ablation.
    assert ((found - own)[:, 2].abs().max() > 1e-5) == (transfer != "none")


@torch.no_grad()
@pytest.mark.parametrize("transfer", ["kernels", "lstm", "none"])
def test_the_state_does_not_grow(transfer: str) -> None:
    made, crops = model(transfer=transfer), clip(4)
    state, _ = made.start(crops[:, 0])
    sizes = []
    for t in (1, 2, 3):
        state, heatmaps = made.step(state, crops[:, t])
        sizes.append([tuple(part.shape) for part in state])
        assert heatmaps.shape == (2, 5, 16, 24)
    assert sizes[0] == sizes[1] == sizes[2]
    assert made(crops[:, :1]).shape == (2, 1, 5, 16, 24)


@torch.no_grad()
def test_without_kernels_the_encoder_sees_each_frame_alone() -> None:
    made, crops = model(transfer="none"), clip(3)
    found = made(crops)
    for t in (1, 2):
        torch.testing.assert_close(found[:, t], made.encoder(crops[:, t]), atol=1e-5, rtol=1e-5)
    made.encoder.load_state_dict(build(SMALL).state_dict())


@torch.no_grad()
def test_the_lstm_is_the_textbooks() -> None:
    torch.manual_seed(3)
    cell = ConvLSTM(6, keypoints=5, hidden=4)
    features, known = torch.randn(3, 2, 6, 8, 9), torch.rand(2, 5, 8, 9)
    state, before = cell.begin(features[0], known), known
    hidden, cells = torch.zeros(2, 2, 4, 8, 9)
    for t, given_ in enumerate(features):
        i, f, o, g = cell.gates(torch.cat([given_, before, hidden], 1)).split(4, 1)
        cells = torch.sigmoid(f) * cells + torch.sigmoid(i) * torch.tanh(g)
        hidden = torch.sigmoid(o) * torch.tanh(cells)
        if t:
            state, before = cell.step(state, given_)
            torch.testing.assert_close(before, cell.final_layer(hidden))
        torch.testing.assert_close(state[0], hidden)


@pytest.mark.parametrize("transfer", ["lstm", "none"])
def test_every_parameter_of_an_ablation_gets_gradients(transfer: str) -> None:
    made = model(transfer=transfer).train()
    made(torch.randn(2, 3, 3, 64, 64)).square().mean().backward()
    assert [n for n, p in made.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_it_comes_back_from_a_checkpoint(tmp_path: Path) -> None:
    made = model()
    skeleton = Skeleton("cow", ("nose", "left_horn", "right_horn", "tail", "hoof"), flip_pairs=((1, 2),))
    card = Card(model=made.config, skeleton=skeleton, codec=Codec("msra", (96, 64), 4, 2.0))
    checkpoints.save(tmp_path / "dkd.safetensors", made, card)
    again, said = checkpoints.load(tmp_path / "dkd.safetensors")
    assert said.model == made.config
    with torch.no_grad():
        assert torch.equal(again(clip(3)), made(clip(3)))
    made.encoder.load_state_dict(build(SMALL).state_dict())  # a trained estimator with its last layer


def adversary(form: Literal["temporal", "spatial"] = "temporal") -> Adversary:
    torch.manual_seed(3)
    return Adversary(SMALL, form)


def maps(frames: int, seed: int = 5) -> Tensor:
    return torch.rand(2, frames, 5, 16, 16, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("form", "inputs", "places"), [("temporal", 2 * (3 + 5), 2), ("spatial", 3 + 5, 3)])
def test_the_discriminator_sees_crops_with_heatmaps(
    form: Literal["temporal", "spatial"], inputs: int, places: int
) -> None:
    against, crops, heatmaps = adversary(form), torch.randn(2, 3, 3, 64, 64), maps(3)
    against.eval()
    seen: list[Tensor] = []
    against.discriminator.register_forward_hook(lambda _, given, __: seen.append(given[0]))
    with torch.no_grad():
        assert against.repeated(crops, heatmaps).shape == (2, places, 5, 16, 16)
    first = seen[0].unflatten(0, (2, places))[1, 1]
    assert first.shape == (inputs, 64, 64)
    large = functional.interpolate(heatmaps[1], (64, 64), mode="bilinear", align_corners=False)
    expected = [crops[1, 1], large[1], crops[1, 2], large[2]][: 4 if places == 2 else 2]
    torch.testing.assert_close(first, torch.cat(expected))
    with torch.device("meta"):
        made = DKD(cast("DKDConfig", network_config("dkd", recipe("dkd", "paper", {}), 13))).adversary()
    assert made is not None
    assert made.discriminator.get_submodule("conv1").in_channels == 32
    assert made.discriminator.config.keypoints == 13


def test_the_losses_are_those_of_the_paper() -> None:
    """By hand, from what the discriminator repeats; keypoint 2 of the second sample's last frame has no truth."""
    against, crops, estimated, true = adversary().eval(), torch.randn(2, 3, 3, 64, 64), maps(3), maps(3, seed=6)
    against.balance.fill_(0.3)
    weight = torch.ones(2, 3, 5)
    weight[1, 2, 2] = 0
    with torch.no_grad():
        verdict = against(crops, estimated, true, weight)
        errors = []
        for heatmaps in (true, estimated):
            squared = (against.repeated(crops, heatmaps) - (heatmaps[:, 1:] - heatmaps[:, :-1])) ** 2
            squared[1, 1, 2] = 0
            errors.append(sum(squared[:, t].mean() for t in range(2)))
    real, fake = errors
    places = true.shape[-2] * true.shape[-1]  # the balance goes by squared norms, not by means
    torch.testing.assert_close(verdict.real, places * real)
    torch.testing.assert_close(verdict.fake, places * fake)
    torch.testing.assert_close(verdict.estimator, 0.1 * fake)
    torch.testing.assert_close(verdict.discriminator, real - 0.3 * fake)
    against.control(verdict)
    torch.testing.assert_close(against.balance, torch.clamp(0.3 + 0.1 * places * (real - fake), 0, 1))


def test_each_part_of_the_verdict_trains_its_own_side() -> None:
    against, crops, true = adversary(), torch.randn(2, 3, 3, 64, 64), maps(3)
    against.balance.fill_(0.5)
    estimated = maps(3, seed=6).requires_grad_()
    verdict = against(crops, estimated, true)
    verdict.estimator.backward(retain_graph=True)
    assert estimated.grad is not None and estimated.grad.any()
    assert all(p.grad is None and p.requires_grad for p in against.parameters())
    before = estimated.grad.clone()
    verdict.discriminator.backward()
    assert torch.equal(before, estimated.grad)
    assert [n for n, p in against.named_parameters() if p.grad is None or not p.grad.any()] == []


@given(st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 1e6)), min_size=1, max_size=20))
@settings(max_examples=50, deadline=None)
def test_the_balance_stays_between_0_and_1(errors: list[tuple[float, float]]) -> None:
    against = object.__new__(Adversary)
    torch.nn.Module.__init__(against)
    against.rate = 0.1
    against.register_buffer("balance", torch.zeros(()))
    before = 0.0
    for real, fake in errors:
        nothing = torch.zeros(())
        against.control(Verdict(nothing, nothing, torch.tensor(real), torch.tensor(fake)))
        assert 0 <= float(against.balance) <= 1
        assert real <= fake or float(against.balance) >= before
        assert real >= fake or float(against.balance) <= before
        before = float(against.balance)


def test_the_balance_is_kept_with_the_discriminator() -> None:
    against = adversary()
    against.balance.fill_(0.25)
    other = adversary()
    other.load_state_dict(against.state_dict())
    assert float(other.balance) == 0.25


def test_what_it_is_trained_against_is_a_choice() -> None:
    with torch.device("meta"):
        temporal, spatial, none = (
            DKD(DKDConfig("dkd", LARGE, SMALL, adversary=form)).adversary() for form in ("temporal", "spatial", "none")
        )
    assert temporal is not None and spatial is not None
    assert (temporal.frames, spatial.frames, none) == (2, 1, None)


def norms_counted(name: str) -> float:
    with torch.device("meta"):
        network = build(configure(name, keypoints=13, deconvs=2))
    assert isinstance(network, Backbone)
    return multiply_adds(network, (1, 3, 256, 256), norms=True) / GIGA


def test_the_backbones_cost_what_the_paper_says() -> None:
    """Table 1 with BatchNorm counted: 11.02 of ResNet-101, and the differences of the smaller ones, whose own figures
    (4.28, 6.69, 7.66) cannot be had from the architecture that the paper describes."""
    r18, r34, r50, r101 = (norms_counted(f"simple-r{depth}") for depth in (18, 34, 50, 101))
    assert r101 == pytest.approx(11.02, abs=5e-3)
    assert r34 - r18 == pytest.approx(2.417, abs=1e-3)
    assert r50 - r34 == pytest.approx(0.966, abs=1e-3)


@pytest.mark.parametrize(("transfer", "more", "within"), [("kernels", 0.99, 5e-3), ("lstm", 3.47, 2e-2)])
def test_a_step_adds_what_the_tables_say(transfer: Any, more: float, within: float) -> None:
    """Tables 1 and 2 on ResNet-34: 7.68 and 10.16 of 6.69 for the encoder alone."""
    backbones = simple("simple-r101", 13), simple("simple-r34", 13)
    with torch.device("meta"):
        made = DKD(DKDConfig("dkd", *backbones, transfer=transfer))
        alone = build(backbones[1])
    one, two = (multiply_adds(made, (1, frames, 3, 256, 256)) for frames in (1, 2))
    encoder = multiply_adds(alone, (1, 3, 256, 256))
    assert (two - one - encoder) / GIGA == pytest.approx(more, abs=within)
    assert parameters(made.initial) == 51_941_709
