"""Heatmap codecs: what they draw and read by hand, and how much is lost between the two."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from pwarp.errors import PwarpError
from pwarp.heatmaps import Codec, Kind, flip_back, flip_test
from pwarp.skeleton import COCO_17

KINDS: tuple[Kind, ...] = ("msra", "dark", "udp")
# Crop, sigma; and the error (mean, largest) of drawing and reading again, in crop pixels, away from the border and
# (mean) everywhere. msra errs by the rounding to cells of 4 pixels: mean distance in a square of 4, 0.383 * 4 = 1.53.
BIG, SMALL = ((288, 384), 3.0), ((192, 256), 2.0)
ROUND_TRIP: dict[tuple[Kind, tuple[tuple[int, int], float]], tuple[float, float, float]] = {
    ("msra", SMALL): (1.53, 2.83, 1.54),
    ("msra", BIG): (1.53, 2.83, 1.54),
    ("dark", SMALL): (0.0009, 0.0025, 0.3),
    ("dark", BIG): (0.0002, 0.001, 0.44),
    ("udp", SMALL): (0.0001, 0.001, 0.3),
    ("udp", BIG): (0.0001, 0.001, 0.5),
}


def positions(size: tuple[int, int], margin: int, *, count: int = 15, keypoints: int = 37) -> Tensor:
    extent = torch.tensor([size[0] - 1 - 2 * margin, size[1] - 1 - 2 * margin])
    return torch.rand(count, keypoints, 2, generator=torch.Generator().manual_seed(7)) * extent + margin


@pytest.mark.parametrize(("kind", "crop"), ROUND_TRIP)
def test_what_drawing_and_reading_loses(kind: Kind, crop: tuple[tuple[int, int], float]) -> None:
    size, sigma = crop
    codec = Codec(kind, size, 4, sigma)
    mean, largest, everywhere = ROUND_TRIP[kind, crop]
    for margin in (40, 0):
        xy = positions(size, margin)
        maps, weight = codec.encode(xy, torch.ones(xy.shape[:2]))
        assert maps.shape == (15, 37, size[1] // 4, size[0] // 4)
        assert (weight == 1).all()
        found, score = codec.decode(maps)
        error = (found - xy).norm(dim=2)
        assert 0.85 < score.min() <= score.max() <= 1
        if margin:
            assert float(error.mean()) == pytest.approx(mean, rel=0.03, abs=1e-4 if kind != "msra" else 0)
            assert float(error.max()) <= largest
        else:
            assert float(error.mean()) == pytest.approx(everywhere, rel=0.15)


def test_msra_by_hand() -> None:
    codec = Codec("msra", (64, 48), 4, 1.0)
    xy = torch.tensor([[[21.9, 22.0], [-1.0, 0.0], [21.9, 22.0]]])
    maps, weight = codec.encode(xy, torch.tensor([[0.5, 1.0, 0.0]]))
    # int(21.9 / 4 + 0.5) = 5 and int(22 / 4 + 0.5) = 6; int(-0.25 + 0.5) = 0.
    assert maps[0, 0, 6, 5] == 1
    assert float(maps[0, 0, 6, 8]) == pytest.approx(math.exp(-4.5))
    assert maps[0, 0, 6, 9] == 0
    assert float(maps[0, 0, 4, 4]) == pytest.approx(math.exp(-2.5))
    assert maps[0, 1, 0, 0] == 1
    assert weight.tolist() == [[0.5, 1.0, 0.0]]
    assert not maps[0, 2].any()


@pytest.mark.parametrize("kind", KINDS)
def test_a_keypoint_far_outside_weighs_nothing(kind: Kind) -> None:
    codec = Codec(kind, (64, 48), 4, 2.0)
    # Cells 0 to 15 and 0 to 11, and 6 cells of reach.
    xy = torch.tensor([[[-24.0, 20], [-36, 20], [83, 20], [100, 20], [20, 67], [20, 84], [float("nan"), 3]]])
    maps, weight = codec.encode(xy, torch.ones(1, 7))
    assert weight.tolist() == [[1, 0, 1, 0, 1, 0, 0]]
    assert torch.isfinite(maps).all()
    assert maps.flatten(2).any(dim=2).tolist() == [[w > 0 for w in weight[0].tolist()]]


def test_weights_come_back_and_whole_maps_of_dark() -> None:
    codec = Codec("dark", (64, 48), 4, 2.0)
    maps, weight = codec.encode(torch.tensor([[[20.8, 17.2]]]), torch.tensor([[0.25]]))
    assert weight.tolist() == [[0.25]]
    assert (maps > 0).all()  # no window
    assert float(maps[0, 0, 9, 2]) == pytest.approx(math.exp(-(3.2**2 + 4.7**2) / 8))


def test_udp_spaces_its_cells_to_the_borders() -> None:
    codec = Codec("udp", (64, 48), 4, 2.0)
    assert codec.spacing == (63 / 15, 47 / 11)
    maps, _ = codec.encode(torch.tensor([[[63.0, 47.0]]]), torch.ones(1, 1))
    assert maps[0, 0, 11, 15] == 1
    assert maps[0, 0, 4, 15] == 0  # the window: 6 cells


def test_a_quarter_cell_towards_the_higher_neighbour() -> None:
    codec = Codec("msra", (32, 40), 4)
    maps = torch.zeros(1, 4, 10, 8)
    maps[0, 0, 5, 4], maps[0, 0, 5, 5], maps[0, 0, 4, 4] = 0.9, 0.5, 0.4
    maps[0, 1, 5, 4] = 0.8  # alone: no way to go
    maps[0, 2, 1, 4], maps[0, 2, 2, 4] = 0.7, 0.5  # row 1 is at the border for HRNet
    maps[0, 3, 5, 6], maps[0, 3, 5, 7] = 0.7, 0.5  # column 6 of 8 is not
    xy, score = codec.decode(maps)
    assert xy[0].tolist() == [[17, 19], [16, 20], [16, 4], [25, 20]]
    torch.testing.assert_close(score[0], torch.tensor([0.9, 0.8, 0.7, 0.7]))


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_map_has_no_keypoint(kind: Kind) -> None:
    maps = torch.stack([torch.zeros(10, 8), torch.full((10, 8), -0.3), torch.full((10, 8), float("nan"))])[None]
    xy, score = Codec(kind, (32, 40), 4).decode(maps)
    assert score.tolist() == [[0, 0, 0]]
    assert xy.tolist() == [[[0, 0]] * 3]


@pytest.mark.parametrize("kind", ["dark", "udp"])
def test_noise_moves_no_keypoint_farther_than_a_cell(kind: Kind) -> None:
    codec = Codec(kind, (64, 48), 4)
    maps = torch.rand(3, 5, 12, 16, generator=torch.Generator().manual_seed(0))
    xy, score = codec.decode(maps)
    at = maps.flatten(2).argmax(dim=2)
    cell = torch.stack([at % 16, at // 16], dim=2) * torch.tensor(codec.spacing)
    assert ((xy - cell).abs() <= torch.tensor(codec.spacing) + 1e-4).all()
    torch.testing.assert_close(score, maps.flatten(2).max(dim=2).values)


@pytest.mark.parametrize("kind", KINDS)
def test_scale_of_the_map_moves_nothing_and_half_precision_is_read(kind: Kind) -> None:
    codec = Codec(kind, (64, 48), 4)
    xy = positions((64, 48), 24, count=2, keypoints=3)
    maps, _ = codec.encode(xy, torch.ones(2, 3))
    found, score = codec.decode(maps)
    small, low = codec.decode(maps * 0.25)
    torch.testing.assert_close(small, found, atol=0.02, rtol=0)
    torch.testing.assert_close(low, score / 4)
    assert codec.decode(maps.bfloat16())[0].dtype == torch.float32


def test_flipping_back_trades_left_and_right() -> None:
    maps = torch.arange(2 * 3 * 2 * 4.0).reshape(2, 3, 2, 4)
    back = flip_back(maps, [(1, 2)])
    assert back[1, 0].tolist() == maps[1, 0].flip(1).tolist()
    assert back[0, 2].tolist() == maps[0, 1].flip(1).tolist()
    shifted = flip_back(maps, [(1, 2)], shift=True)
    assert shifted[0, 0].tolist() == [[3, 3, 2, 1], [7, 7, 6, 5]]


@pytest.mark.parametrize("kind", KINDS)
def test_the_flip_test_of_a_perfect_estimator_agrees_with_itself(kind: Kind) -> None:
    """It draws in the mirror image what the codec would; the mean still leads to the keypoint."""
    codec = Codec(kind, (64, 96), 4)
    xy = positions((64, 96), 28, count=2, keypoints=17)
    ones = torch.ones(2, 17)
    plain, _ = codec.encode(xy, ones)
    order = [{a: b for pair in COCO_17.flip_pairs for a, b in (pair, pair[::-1])}.get(k, k) for k in range(17)]
    there = torch.stack([63 - xy[:, order, 0], xy[:, order, 1]], dim=2)
    mirrored, _ = codec.encode(there, ones)
    found, _ = codec.decode(flip_test(plain, mirrored, COCO_17.flip_pairs, codec))
    # HRNet's shift by a cell is one pixel of the crop too many.
    error = (found - xy).norm(dim=2).mean()
    assert float(error) < {"msra": 1.8, "dark": 0.6, "udp": 0.01}[kind]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"kind": "gauss"}, "unknown heatmap codec 'gauss'; known: msra, dark, udp"),
        ({"size": (190, 256)}, "no whole cells of 4 pixels"),
        ({"stride": 0}, "no whole cells"),
        ({"size": (4, 8)}, "fewer than 2 cells"),
        ({"size": (40000, 40000), "stride": 4000}, "crops of 40000x40000 pixels; give a width and a height of at most"),
        ({"size": (4096, 2048)}, "4194304 pixels in all"),
        ({"size": (-64, -64)}, "crops of -64x-64 pixels"),
        ({"sigma": 0.0}, "positive sigma"),
        ({"sigma": 1e9}, "positive sigma of at most 100 cells, not 1000000000.0"),
        ({"sigma": float("inf")}, "positive sigma"),
    ],
)
def test_a_codec_without_meaning_is_refused(wrong: dict[str, object], says: str) -> None:
    with pytest.raises(PwarpError, match=says):
        Codec(**wrong)  # type: ignore[arg-type]


def test_maps_of_another_size_are_refused() -> None:
    with pytest.raises(ValueError, match="expected"):
        Codec(size=(64, 96)).decode(torch.zeros(1, 17, 16, 24))
