"""Several scales and the mirror: each shows the same keypoints, and their mean is where these are."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from pwarp.crops import Window, transform
from pwarp.errors import PwarpError
from pwarp.estimation import Crops, Estimator, estimate_poses
from pwarp.estimation.views import View, averaged, between, resampled, views
from pwarp.heatmaps import Codec, Kind
from pwarp.skeleton import Skeleton

SIZE = (96, 128)
PAIRS = ((0, 1),)
THERE = np.array([[52.0, 60], [71, 64], [60, 90]])  # picture pixels; the first two are each other's mirror names
BOX = np.array([30.0, 30, 90, 110])


def drawn(codec: Codec, window: Window, view: View) -> Tensor:
    """(1, 3, h, w) what a perfect estimator makes of a crop."""
    xy = transform(THERE, window.matrix(SIZE, codec.unbiased))
    if view.mirrored:
        xy[:, 0] = SIZE[0] - 1 - xy[:, 0]
        xy = xy[[1, 0, 2]]
    return codec.encode(torch.tensor(xy, dtype=torch.float32)[None], torch.ones(1, 3))[0]


@pytest.mark.parametrize("kind", ["dark", "udp"])
@pytest.mark.parametrize(
    ("scales", "flip", "off"),
    [((1.0,), True, 1.1), ((0.8,), False, 0.3), ((1.25,), False, 0.3), ((0.8, 1, 1.2), True, 0.8)],
)
def test_the_mean_of_several_views_is_where_each_sees_it(
    kind: Kind, scales: tuple[float, ...], flip: bool, off: float
) -> None:
    codec = Codec(kind, SIZE, 4, 2.0)
    seen = views(scales, flip)
    windows = [Window.around(BOX, SIZE, 1.25 / view.scale) for view in (View(), *seen)]
    matrices = [window.matrix(SIZE, codec.unbiased)[None] for window in windows]
    parts = [drawn(codec, window, view) for window, view in zip(windows[1:], seen, strict=True)]
    cells = [between(matrices[0], matrix, codec) for matrix in matrices[1:]]
    xy, score = codec.decode(averaged(parts, seen, cells, PAIRS, codec))
    # HRNet's mirror image lies a quarter of a cell beside the picture, but for udp.
    np.testing.assert_allclose(xy[0].numpy(), transform(THERE, matrices[0][0]), atol=0.3 if kind == "udp" else off)
    assert (score > 0.8).all()


def test_a_cell_is_the_mean_of_the_views_that_reach_it() -> None:
    """At scale 2 only the middle of the window is seen: around it the usual view speaks alone."""
    codec = Codec("dark", SIZE, 4, 2.0)
    seen = views((1.0, 2.0))
    windows = [Window.around(BOX, SIZE, 1.25 / view.scale) for view in (View(), *seen)]
    matrices = [window.matrix(SIZE)[None] for window in windows]
    cells = [between(matrices[0], matrix, codec) for matrix in matrices[1:]]
    ones = torch.ones(1, 3, 32, 24)
    found = averaged([ones, 3 * ones], seen, cells, (), codec)[0, 0]
    assert found[0].tolist() == [1.0] * 24
    assert found[16, 12] == 2.0


def test_maps_are_read_where_the_affine_map_says() -> None:
    maps = torch.arange(30.0).reshape(1, 1, 5, 6)
    shifted = resampled(maps, np.array([[[1.0, 0, 2], [0, 1, -1]]]))
    torch.testing.assert_close(shifted[0, 0, 1:, :4], maps[0, 0, :4, 2:])
    assert shifted[0, 0, 0].abs().sum() == 0
    assert shifted[0, 0, :, 4:].abs().sum() == 0
    halves = resampled(maps, np.array([[[0.5, 0, 0], [0, 0.5, 0]]]))
    torch.testing.assert_close(halves[0, 0, 2, :4], torch.tensor([6, 6.5, 7, 7.5]))


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("kind", ["msra", "udp"])
def test_cells_of_one_window_as_those_of_another(kind: Kind, mirrored: bool) -> None:
    codec = Codec(kind, SIZE, 4)
    one, other = Window((50, 60), (75, 100)), Window((58, 57), (60, 80))

    def cell(window: Window) -> np.ndarray:
        xy = transform(THERE, window.matrix(SIZE, codec.unbiased))
        if mirrored:
            xy[:, 0] = SIZE[0] - 1 - xy[:, 0]
        return xy / codec.spacing

    matrices = [window.matrix(SIZE, codec.unbiased)[None] for window in (one, other)]
    carried = transform(cell(one), between(*matrices, codec, mirrored=mirrored)[0])
    np.testing.assert_allclose(carried, cell(other), atol=1e-9)


class Bright(Estimator):
    """Its one keypoint is the brightest place."""

    name = "bright"
    skeleton = Skeleton("one", ("spot",))

    def __init__(self) -> None:
        self.codec = Codec("dark", SIZE, 4, 2.0)
        self.batches: list[int] = []

    def heatmaps(self, crops: Crops) -> Tensor:
        self.batches.append(len(crops))
        grey = torch.from_numpy(crops.astype(np.float32).mean(axis=3))
        at = grey.flatten(1).argmax(dim=1)
        xy = torch.stack([at % SIZE[0], torch.div(at, SIZE[0], rounding_mode="floor")], dim=1).float()
        return self.codec.encode(xy[:, None], torch.ones(len(crops), 1))[0]


def test_an_estimator_of_single_frames_looks_at_several_scales_too() -> None:
    picture = np.zeros((140, 120, 3), np.uint8)
    picture[64:67, 54:57] = 250
    finder = Bright()
    boxes = np.array([BOX, BOX + 4, BOX - 6])
    xy, score = estimate_poses(finder, picture, boxes, scales=(0.8, 1.0, 1.3), flip=True, batch=2)
    np.testing.assert_allclose(xy[:, 0], [[55, 65]] * 3, atol=1.0)
    assert (score > 0.8).all()
    assert finder.batches == [2] * 6 + [1] * 6


def test_scales_that_make_no_sense_are_refused() -> None:
    assert views() == (View(),)
    assert views((0.8, 1.2), flip=True) == (View(0.8), View(0.8, True), View(1.2), View(1.2, True))
    for scales in ((), (0.0,), (1.0, 1.0), (-1.0,), (float("nan"),), (5.0,)):
        with pytest.raises(PwarpError, match="give different ones from"):
            views(scales)
