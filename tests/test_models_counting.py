"""Parameters and GFLOPs equal those of the official models, in both ways of counting."""

from __future__ import annotations

from functools import cache
from typing import Any, cast

import pytest
import torch
from torch import nn

from pwarp.models import build, configure
from pwarp.models.backbone import Backbone
from pwarp.models.counting import GIBI, GIGA, multiply_adds, parameters
from pwarp.models.dcpose import DCPose, DCPoseConfig
from pwarp.models.posewarper import PoseWarper, PoseWarperConfig
from pwarp.models.ppn import PPN, PPNConfig
from pwarp.training.networks import network_config
from pwarp.training.recipes import recipe


def test_the_conventions_differ_in_transposed_convolutions() -> None:
    """Worked by hand: 3·5·16 weights at 4x6 inputs or 8x12 outputs; 5·7·9 weights at 8x12; grouped 7·9."""
    net = nn.Sequential(
        nn.ConvTranspose2d(3, 5, 4, stride=2, padding=1),
        nn.Conv2d(5, 7, 3, padding=1),
        nn.BatchNorm2d(7),
        nn.Conv2d(7, 7, 3, padding=1, groups=7),
        nn.Flatten(2),
        nn.Linear(96, 11),
    )
    rest = (5 * 7 * 9 + 7 * 9) * 96 + 96 * 11 * 7
    assert multiply_adds(net, (1, 3, 4, 6)) == 240 * 24 + rest
    assert multiply_adds(net, (1, 3, 4, 6), convention="hrnet") == 240 * 96 + rest
    assert multiply_adds(net, (3, 3, 4, 6)) == 3 * multiply_adds(net, (1, 3, 4, 6))
    assert next(net.parameters()).device.type == "cpu"


@cache
def build_on_meta(name: str, keypoints: int, **options: Any) -> Backbone:
    with torch.device("meta"):
        network = build(configure(name, keypoints=keypoints, **options))
    assert isinstance(network, Backbone)
    return network


# name, keypoints, options, (height, width), parameters, 1e9 true multiply-adds, 2^30 in HRNet's convention
TABLE = [
    ("hrnet-w32", 17, {}, (256, 192), 28_536_113, 7.645, 7.120),
    ("hrnet-w32", 17, {}, (384, 288), 28_536_113, 17.201, 16.020),
    ("hrnet-w48", 17, {}, (256, 192), 63_595_745, 15.692, 14.614),
    ("hrnet-w48", 17, {}, (384, 288), 63_595_745, 35.307, 32.882),
    ("hrnet-w48", 13, {}, (256, 256), 63_595_549, 20.922, 19.485),
    ("simple-r18", 17, {}, (256, 192), 15_376_721, 2.897, 5.792),
    ("simple-r18", 17, {}, (384, 288), 15_376_721, 6.519, 13.032),
    ("simple-r34", 17, {}, (256, 192), 25_484_881, 4.709, 7.480),
    ("simple-r34", 17, {}, (384, 288), 25_484_881, 10.596, 16.829),
    ("simple-r50", 17, {}, (256, 192), 33_999_697, 5.426, 8.991),
    ("simple-r50", 17, {}, (384, 288), 33_999_697, 12.209, 20.230),
    ("simple-r101", 17, {}, (256, 192), 52_991_825, 9.063, 12.378),
    ("simple-r101", 17, {}, (384, 288), 52_991_825, 20.391, 27.850),
    ("simple-r152", 17, {}, (256, 192), 68_635_473, 12.699, 15.765),
    ("simple-r152", 17, {}, (384, 288), 68_635_473, 28.573, 35.471),
    ("simple-r18", 13, {}, (256, 256), 15_375_693, 3.859, 7.719),
    ("simple-r34", 13, {}, (256, 256), 25_483_853, 6.275, 9.969),
    ("simple-r50", 13, {}, (256, 256), 33_998_669, 7.231, 11.984),
    ("simple-r101", 13, {}, (256, 256), 52_990_797, 12.080, 16.500),
    ("simple-r18", 13, {"deconvs": 2}, (256, 256), 14_326_605, 2.775, 3.709),
    ("simple-r34", 13, {"deconvs": 2}, (256, 256), 24_434_765, 5.191, 5.959),
    ("simple-r50", 13, {"deconvs": 2}, (256, 256), 32_949_581, 6.147, 7.975),
    ("simple-r101", 13, {"deconvs": 2}, (256, 256), 51_941_709, 10.996, 12.490),
    ("duc-r18", 13, {}, (256, 256), 17_374_093, 3.278, 3.053),
    ("duc-mobilenet", 13, {}, (256, 256), 3_657_133, 0.612, 0.570),
    ("simple-mobilenet", 13, {}, (256, 256), 9_568_781, 2.082, 6.627),
]


@pytest.mark.parametrize(("name", "keypoints", "options", "size", "count", "true", "hrnet"), TABLE)
def test_backbones_have_the_size_and_cost_of_the_published(
    name: str, keypoints: int, options: dict[str, Any], size: tuple[int, int], count: int, true: float, hrnet: float
) -> None:
    network = build_on_meta(name, keypoints, **options)
    assert parameters(network) == count
    assert multiply_adds(network, (1, 3, *size)) / GIGA == pytest.approx(true, abs=6e-4)
    assert multiply_adds(network, (1, 3, *size), convention="hrnet") / GIBI == pytest.approx(hrnet, abs=6e-4)


@pytest.mark.parametrize(("keypoints", "count"), [(15, 63_595_647), (16, 63_595_696)])
def test_a_keypoint_more_is_49_parameters_more(keypoints: int, count: int) -> None:
    assert parameters(build_on_meta("hrnet-w48", keypoints)) == count


@pytest.mark.parametrize(("keypoints", "count"), [(13, 7_133_365), (15, 7_345_805), (17, 7_558_605)])
def test_the_warping_has_the_size_of_the_released_one(keypoints: int, count: int) -> None:
    with torch.device("meta"):
        model = PoseWarper(PoseWarperConfig("posewarper", configure("hrnet-w48", keypoints=keypoints)))
    assert parameters(model.warper) == count
    if keypoints == 17:
        assert parameters(model) == 71_154_350
        assert parameters(model.warper.offset_feats) == 5_783_040
        assert [parameters(model.warper.get_submodule(f"offsets{n}")) for n in range(1, 6)] == [352_512] * 5
        assert [parameters(model.warper.get_submodule(f"deform_conv{n}")) for n in range(1, 6)] == [2_601] * 5


def test_posewarper_costs_what_the_released_one_costs() -> None:
    with torch.device("meta"):
        model = PoseWarper(PoseWarperConfig("posewarper"))
    backbone = multiply_adds(model, (1, 3, 384, 288), run=lambda m, crops: m.frame_features(crops))
    warp = multiply_adds(model, *[(1, 17, 96, 72)] * 3, run=lambda m, *features: m.warp(*features))
    assert warp / GIGA == pytest.approx(52.17, abs=6e-3)
    assert (2 * backbone + warp) / GIGA == pytest.approx(122.79, abs=6e-3)
    assert 5 * (backbone + warp) / GIGA == pytest.approx(437.4, abs=6e-2)


def test_dcpose_has_the_size_and_cost_of_the_released() -> None:
    with torch.device("meta"):
        model = DCPose(DCPoseConfig("dcpose"))
    assert parameters(model) == 65_198_798
    assert sum(p.numel() for p in model.parameters() if p.requires_grad) == 1_603_053
    parts = {name: parameters(part) for name, part in model.named_children() if name != "backbone"}
    assert parts == {
        "diff_temporal_fuse": 99_670,
        "support_temporal_fuse": 43_249,
        "offset_mask_combine_conv": 125_124,
        "offsets_list": 881_280,
        "masks_list": 440_640,
        "modulated_deform_conv_list": 13_090,
    }
    head = multiply_adds(model, (1, 3, 17, 96, 72), (1, 3), run=lambda m, *window: m.fuse(*window))
    backbone = multiply_adds(model, (1, 3, 384, 288), run=lambda m, crops: m.frame_features(crops))
    assert head / GIGA == pytest.approx(11.04, abs=6e-3)
    assert (3 * backbone + head) / GIGA == pytest.approx(116.96, abs=6e-3)


def test_the_light_warping_is_35_times_as_cheap() -> None:
    backbone = configure("duc-mobilenet", keypoints=13)
    light = PoseWarper(PoseWarperConfig.light(backbone))
    assert parameters(light.warper) == 222_613
    cost = [
        multiply_adds(light, *[(1, 13, 32, 32)] * 3, run=lambda m, *f: m.warp(*f), deformable=counted) / GIBI
        for counted in (False, True)
    ]
    assert cost == pytest.approx([0.2044, 0.2117], abs=6e-5)


def trained_ppn(**changes: Any) -> PPN:
    """What the recipe of PPN's paper trains, with changes of it."""
    with torch.device("meta"):
        return PPN(cast("PPNConfig", network_config("ppn", recipe("ppn", "paper", changes), 13)))


def propagation(model: PPN, size: int) -> float:
    """Of the PPU, in 2^30; PPN's GFLOPs leave the deformable kernels out."""
    shape = (1, 13, size, size)
    return multiply_adds(model.propagation, shape, shape, convention="hrnet", deformable=False) / GIBI


@pytest.mark.parametrize(("backbone", "gflops"), [(None, 3.87), ("duc-mobilenet", 1.39)])
def test_ppn_costs_what_its_paper_says(backbone: str | None, gflops: float) -> None:
    """A frame after the first, of PPN-Stable and PPN-Swift: BodyNet at 256x256 and the PPU at 64x64."""
    model = trained_ppn(backbone=backbone)
    body = multiply_adds(model.body, (1, 3, 256, 256), convention="hrnet") / GIBI
    assert parameters(model.propagation) == 222_613
    assert body + propagation(model, 64) == pytest.approx(gflops, abs=5e-3)


def test_ppn_beside_dkd_adds_a_fifth_of_a_gflop() -> None:
    """Table 4: the networks of DKD, with two deconvolutions each."""
    two = {"deconvs": 2}
    model = trained_ppn(backbone="simple-r18", backbone_options=two, head="simple-r101", head_options=two)
    assert model.config.stride == 8
    assert parameters(model.head) == 51_941_709
    assert propagation(model, 32) == pytest.approx(0.2044, abs=5e-5)
