"""Heatmaps: keypoints drawn as little Gaussians, and read off them again.

Three ways of doing so, each with its own idea of where a keypoint lies between cells:

msra: HRNet's and Xiao et al.'s (ECCV 2018). Drawn at the nearest cell, read as the highest cell plus a quarter cell
    towards the higher neighbour.
dark: Zhang et al., "Distribution-Aware Coordinate Representation" (CVPR 2020). Drawn where it is; read by a Newton
    step on the logarithm of the smoothed map (eq. 9).
udp: Huang et al., "The Devil is in the Details" (CVPR 2020). Cells lie (size - 1) / (cells - 1) pixels apart, as
    `Window.matrix(unbiased=True)` has it; read like dark, also at the border.

The error of drawing and reading again, mean over sub-pixel positions at stride 4 and ten cells from the border, is
1.53 pixels of the crop for msra, 0.001 for dark and 0.0001 for udp, at sigma 2 and 3. Over the whole crop it is 1.54
for msra; for dark and udp it grows to 0.3 (192 x 256, sigma 2) and 0.5 (288 x 384, sigma 3), because the blur sees
the border. tests/test_heatmaps.py measures it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional

from pwarp.errors import PwarpError

Kind = Literal["msra", "dark", "udp"]
# What the published decoders put under the logarithm where a map is empty.
_DARK_FLOOR, _UDP_FLOOR = 1e-10, 1e-3
_UDP_CEILING = 50.0
# Far above what is published, far below what fills a memory: files of strangers say how large crops are.
_LARGEST_SIDE, _MOST_PIXELS, _LARGEST_SIGMA = 4096, 1 << 22, 100.0


@dataclass(frozen=True)
class Codec:
    """How keypoints in a crop become heatmaps and back.

    kind: msra, dark or udp. size: (w, h) of the crop in pixels. stride: crop pixels a cell. sigma: of the Gaussian,
    in cells; published models use 2, and 3 for crops of 288 x 384.

    Raises PwarpError where the kind is unknown, the stride does not divide the size, the size is none of a crop (see
    `check_size`), or sigma is not above 0 and at most 100.
    """

    kind: Kind = "msra"
    size: tuple[int, int] = (192, 256)
    stride: int = 4
    sigma: float = 2.0

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise PwarpError(f"unknown heatmap codec '{self.kind}'; known: {', '.join(get_args(Kind))}")
        object.__setattr__(self, "size", tuple(self.size))
        check_size(self.size)
        if self.stride < 1 or any(side % self.stride for side in self.size):
            raise PwarpError(f"a crop of size {self.size} has no whole cells of {self.stride} pixels; change the size")
        if min(self.cells) < 2:
            raise PwarpError(f"a crop of size {self.size} gives fewer than 2 cells of {self.stride} pixels a side")
        if not 0 < self.sigma <= _LARGEST_SIGMA:
            raise PwarpError(f"heatmaps need a positive sigma of at most {_LARGEST_SIGMA:g} cells, not {self.sigma}")

    @property
    def cells(self) -> tuple[int, int]:
        """(w, h) of a heatmap."""
        return self.size[0] // self.stride, self.size[1] // self.stride

    @property
    def unbiased(self) -> bool:
        """Whether crops are cut in UDP's geometry: `Window.matrix(size, unbiased=codec.unbiased)`."""
        return self.kind == "udp"

    @property
    def spacing(self) -> tuple[float, float]:
        """Crop pixels between cells, along x and y."""
        if not self.unbiased:
            return float(self.stride), float(self.stride)
        (w, h), (columns, rows) = self.size, self.cells
        return (w - 1) / (columns - 1), (h - 1) / (rows - 1)

    def encode(self, xy: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Draw keypoints.

        xy: (B, K, 2) crop pixels. weight: (B, K), 0 for keypoints that are unlabelled.
        Returns heatmaps (B, K, h, w) with unnormalised Gaussians (1 at their centre), and the weights, which become 0
        where the keypoint is not finite or so far outside that no cell lies within 3 sigma of it; maps of weight 0 are
        empty. msra and udp draw no farther than 3 sigma from the nearest cell, dark everywhere.
        """
        columns, rows = self.cells
        exact = xy / xy.new_tensor(self.spacing)
        # HRNet's int(): towards zero, also for what lies left of or above the crop.
        nearest = torch.trunc(exact + 0.5)
        reach = 3 * self.sigma
        centre = exact if self.kind == "dark" else nearest
        last = centre.new_tensor([columns - 1, rows - 1])
        near = ((centre + reach >= 0) & (centre - reach <= last)).all(dim=-1)  # false for NaN
        weight = torch.where(near & torch.isfinite(xy).all(dim=-1), weight, torch.zeros_like(weight))
        drawn = weight > 0
        shown = drawn[..., None]
        mean = torch.where(shown, nearest if self.kind == "msra" else exact, torch.zeros_like(exact))
        middle = torch.where(shown, nearest, torch.zeros_like(nearest))

        def profile(axis: int, count: int) -> Tensor:
            cell = torch.arange(count, device=xy.device, dtype=xy.dtype)
            values = torch.exp(-((cell - mean[..., axis, None]) ** 2) / (2 * self.sigma**2))
            if self.kind != "dark":
                values = values * ((cell - middle[..., axis, None]).abs() <= reach)
            return values

        maps = profile(1, rows)[..., :, None] * profile(0, columns)[..., None, :]
        return maps * drawn[..., None, None], weight

    def decode(self, heatmaps: Tensor) -> tuple[Tensor, Tensor]:
        """Read keypoints off heatmaps (B, K, h, w): xy (B, K, 2) in crop pixels and scores (B, K).

        The score is the highest value. Where that is not positive (or NaN) there is no keypoint: score 0 and, as in
        HRNet, coordinates 0. Raises ValueError where the maps are not of this codec's size.
        """
        columns, rows = self.cells
        if heatmaps.ndim != 4 or tuple(heatmaps.shape[2:]) != (rows, columns):
            raise ValueError(f"heatmaps have shape {tuple(heatmaps.shape)}, expected (B, K, {rows}, {columns})")
        maps = heatmaps.float()
        score, at = maps.flatten(2).max(dim=2)
        x, y = at % columns, torch.div(at, columns, rounding_mode="floor")
        step = {"msra": _quarter, "dark": self._dark_step, "udp": self._udp_step}[self.kind](maps, x, y)
        xy = (torch.stack([x, y], dim=2) + step) * maps.new_tensor(self.spacing)
        there = score > 0
        return torch.where(there[..., None], xy, 0.0), torch.where(there, score, 0.0)

    def _dark_step(self, maps: Tensor, x: Tensor, y: Tensor) -> Tensor:
        """DARK's eq. 9, derivatives over two cells each way; nothing next to the border."""
        logs = _smooth(maps, self.sigma).clamp_min(_DARK_FLOOR).log()
        at = _Around(logs, x, y)
        slope = torch.stack([at(1, 0) - at(-1, 0), at(0, 1) - at(0, -1)], dim=2) / 2
        xx = (at(2, 0) - 2 * at(0, 0) + at(-2, 0)) / 4
        yy = (at(0, 2) - 2 * at(0, 0) + at(0, -2)) / 4
        xy = (at(1, 1) - at(1, -1) - at(-1, 1) + at(-1, -1)) / 4
        rows, columns = maps.shape[2:]
        inner = (x > 1) & (x < columns - 2) & (y > 1) & (y < rows - 2)
        return _newton(slope, xx, xy, yy) * inner[..., None]

    def _udp_step(self, maps: Tensor, x: Tensor, y: Tensor) -> Tensor:
        """The same step with derivatives between neighbouring cells, the border repeated."""
        logs = _smooth(maps, self.sigma).clamp(_UDP_FLOOR, _UDP_CEILING).log()
        at = _Around(logs, x, y)
        slope = torch.stack([at(1, 0) - at(-1, 0), at(0, 1) - at(0, -1)], dim=2) / 2
        xx = at(1, 0) - 2 * at(0, 0) + at(-1, 0)
        yy = at(0, 1) - 2 * at(0, 0) + at(0, -1)
        xy = (at(1, 1) - at(1, 0) - at(0, 1) + 2 * at(0, 0) - at(-1, 0) - at(0, -1) + at(-1, -1)) / 2
        return _newton(slope, xx, xy, yy)


def check_size(size: Sequence[int]) -> None:
    """Raise PwarpError where (w, h) is no size of a crop: at most 4096 pixels a side, and 2048 x 2048 of them."""
    if len(size) != 2 or not all(1 <= side <= _LARGEST_SIDE for side in size) or size[0] * size[1] > _MOST_PIXELS:
        raise PwarpError(
            f"crops of {'x'.join(map(str, size))} pixels; give a width and a height of at most {_LARGEST_SIDE}, and "
            f"{_MOST_PIXELS} pixels in all"
        )


def flip_back(heatmaps: Tensor, pairs: Iterable[tuple[int, int]], *, shift: bool = False) -> Tensor:
    """Heatmaps (B, K, h, w) of a mirrored crop as those of the crop: mirrored, left and right traded.

    pairs: keypoint indices that trade places (`Skeleton.flip_pairs`). shift: one cell to the right, which HRNet's flip
    test does because the mirror image of stride-aligned cells lies beside them; the first column stays.
    """
    order = list(range(heatmaps.shape[1]))
    for left, right in pairs:
        order[left], order[right] = right, left
    mirrored = heatmaps[:, order].flip(3)
    if shift:
        mirrored = torch.cat([mirrored[..., :1], mirrored[..., :-1]], dim=3)
    return mirrored


def flip_test(heatmaps: Tensor, mirrored: Tensor, pairs: Iterable[tuple[int, int]], codec: Codec) -> Tensor:
    """The mean (B, K, h, w) of the heatmaps of crops and of those of their mirror images, (B, K, h, w), too.

    The latter are turned back and, unless the codec is udp, shifted by a cell.
    """
    return (heatmaps + flip_back(mirrored, pairs, shift=not codec.unbiased)) / 2


def _quarter(maps: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """A quarter cell towards the higher neighbour, away from the border."""
    at = _Around(maps, x, y)
    towards = torch.stack([at(1, 0) - at(-1, 0), at(0, 1) - at(0, -1)], dim=2).sign() / 4
    rows, columns = maps.shape[2:]
    inner = (x > 1) & (x < columns - 1) & (y > 1) & (y < rows - 1)
    return towards * inner[..., None]


class _Around:
    """Values of maps (B, K, h, w) around one cell (B, K) each; beyond the border the border is repeated."""

    def __init__(self, maps: Tensor, x: Tensor, y: Tensor) -> None:
        self._flat, self._x, self._y = maps.flatten(2), x, y
        self._rows, self._columns = maps.shape[2:]

    def __call__(self, dx: int, dy: int) -> Tensor:
        x = (self._x + dx).clamp(0, self._columns - 1)
        y = (self._y + dy).clamp(0, self._rows - 1)
        return self._flat.gather(2, (y * self._columns + x)[..., None])[..., 0]


def _newton(slope: Tensor, xx: Tensor, xy: Tensor, yy: Tensor) -> Tensor:
    """-H^-1 g (B, K, 2), at most one cell an axis, and nothing where H is not that of a maximum.

    The published decoders have no such bounds; a flat or broken map throws their keypoints anywhere.
    """
    determinant = xx * yy - xy * xy
    peak = (xx < 0) & (determinant > 0)
    safe = torch.where(peak, determinant, torch.ones_like(determinant))
    gx, gy = slope.unbind(dim=2)
    step = torch.stack([xy * gy - yy * gx, xy * gx - xx * gy], dim=2) / safe[..., None]
    return torch.where(peak[..., None], step, 0.0).clamp(-1, 1)


def _smooth(maps: Tensor, sigma: float) -> Tensor:
    """Maps blurred by OpenCV's Gaussian of DARK's kernel (11 cells for sigma 2, 17 for 3), each keeping its maximum.

    Beyond the border is nothing, as in DARK. UDP's code mirrors the map there, which doubles what lies at the border
    and moves it by up to two cells.
    """
    batch, keypoints, rows, columns = maps.shape
    radius = max(round(3 * sigma) - 1, 1)
    width = 0.3 * (radius - 1) + 0.8  # OpenCV's standard deviation for a kernel of that size
    cell = torch.arange(-radius, radius + 1, device=maps.device, dtype=maps.dtype)
    kernel = torch.exp(-(cell**2) / (2 * width**2))
    kernel = kernel / kernel.sum()
    flat = maps.reshape(batch * keypoints, 1, rows, columns)
    along_x = functional.conv2d(flat, kernel.view(1, 1, 1, -1), padding=(0, radius))
    blurred = functional.conv2d(along_x, kernel.view(1, 1, -1, 1), padding=(radius, 0)).reshape(maps.shape)
    highest = blurred.amax(dim=(2, 3), keepdim=True)
    scale = maps.amax(dim=(2, 3), keepdim=True) / torch.where(highest > 0, highest, torch.ones_like(highest))
    return blurred * scale
