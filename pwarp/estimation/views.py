"""One person through several windows: larger, smaller, in a mirror. Their heatmaps are averaged.

PPN and DKD are published with seven scales, 0.8 to 1.4 (section IV.B of the one, 4.1 of the other); HRNet's flip test
is one mirrored view beside the usual one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from pwarp.annotations import FloatArray
from pwarp.crops import invert
from pwarp.errors import PwarpError
from pwarp.heatmaps import Codec, flip_back

SMALLEST, LARGEST = 0.25, 4.0


@dataclass(frozen=True)
class View:
    """scale: how many times as large as usual the person is in the crop. mirrored: whether left is right."""

    scale: float = 1.0
    mirrored: bool = False


AS_IT_IS = (View(),)


def views(scales: Sequence[float] = (1.0,), flip: bool = False) -> tuple[View, ...]:
    """Each scale, and with `flip` its mirror image, too; raises PwarpError for scales that make no sense."""
    if not scales or len(set(scales)) < len(scales) or any(not SMALLEST <= scale <= LARGEST for scale in scales):
        shown = ",".join(f"{scale:g}" for scale in scales)
        raise PwarpError(f"scales {shown}: give different ones from {SMALLEST:g} to {LARGEST:g}, such as 0.8,1,1.2")
    return tuple(View(scale, mirrored) for scale in scales for mirrored in ((False, True) if flip else (False,)))


def averaged(
    parts: Sequence[Tensor],
    seen: Sequence[View],
    cells: Sequence[FloatArray],
    pairs: Iterable[tuple[int, int]],
    codec: Codec,
) -> Tensor:
    """The mean (B, K, h, w) of what several views show of the usual window, each cell's over the views that reach it.

    parts: heatmaps (B, K, h, w) of each view. cells: for each the affine maps (B, 2, 3) from cells of the usual window
    to its own, not mirrored ones (`between`). pairs: keypoints that trade places in a mirror.
    """
    pairs = list(pairs)
    total: Tensor | None = None
    share: Tensor | None = None
    for part, view, at in zip(parts, seen, cells, strict=True):
        # As in `flip_test`: the cells of a mirror image lie beside those of the picture, unless the codec is udp.
        maps = flip_back(part, pairs, shift=not codec.unbiased) if view.mirrored else part
        reached = maps.new_ones(len(maps), 1, *maps.shape[2:])
        if view.scale != 1:
            maps, reached = resampled(maps, at), resampled(reached, at)
        total = maps if total is None else total + maps
        share = reached if share is None else share + reached
    assert total is not None and share is not None
    return total / share.clamp_min(1e-3)


def between(usual: FloatArray, other: FloatArray, codec: Codec, *, mirrored: bool = False) -> FloatArray:
    """(B, 2, 3) from heatmap cells of usual windows to those of others, both given as (B, 2, 3) picture to crop.

    mirrored: whether the crops of both are mirror images of what the windows show.
    """
    back, spacing = invert(usual), np.asarray(codec.spacing)
    linear = other[..., :2] @ back[..., :2]
    offset = (other[..., :2] @ back[..., 2:])[..., 0] + other[..., 2]
    if mirrored:
        edge, turn = np.array([codec.size[0] - 1.0, 0.0]), np.array([-1.0, 1.0])
        offset = edge + turn * (linear @ edge + offset)
        linear = turn[:, None] * linear * turn
    return np.concatenate([linear * spacing / spacing[:, None], (offset / spacing)[..., None]], axis=-1)


def resampled(maps: Tensor, cells: FloatArray) -> Tensor:
    """Maps (B, C, h, w) read bilinearly at the cells to which affine maps (B, 2, 3) carry each cell; zero outside."""
    rows, columns = maps.shape[2:]
    y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    here = torch.stack([x, y, torch.ones_like(x)], dim=-1).to(maps)
    there = torch.einsum("hwi,bji->bhwj", here, torch.as_tensor(cells).to(maps))
    scale = there.new_tensor([max(columns - 1, 1), max(rows - 1, 1)])
    return functional.grid_sample(maps, 2 * there / scale - 1, align_corners=True)
