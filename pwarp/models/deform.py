"""Deformable convolution (Dai et al., ICCV 2017; modulated: Zhu et al., CVPR 2019) of 3x3 kernels, in two forms.

torchvision's operator is the main path. On CPU, and in exported graphs (ONNX has GridSample, but no deformable
convolution in the operator sets that runtimes serve), the same numbers come from `grid_sample` and one matrix
product: equal within 1e-5 for heatmaps of order one, and faster there by what `benchmarks.model_speed` finds.

Offsets (B, 2·9·G, h, w) are in cells, for each of G deformable groups (dy, dx) tap by tap in row order; a sample
outside the map is zero.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import Literal

import torch
from torch import Tensor, nn
from torch.amp.autocast_mode import is_autocast_available
from torch.nn import functional
from torchvision.ops import deform_conv2d

Form = Literal["auto", "operator", "grid"]
TAPS = 9


class DeformConv2d(nn.Module):
    """A 3x3 deformable convolution at stride 1 that keeps height and width (padding = dilation).

    groups: of the kernel, 1 mixing all channels. The number of deformable groups follows from the offsets.
    form: "operator" or "grid" to insist on one; "auto" takes torchvision's operator, and the grid on CPU and in
    exported graphs. Starts as `scale` times the identity at the centre tap, so that at zero offsets the output is
    the input.
    """

    def __init__(self, channels: int, dilation: int, *, bias: bool = False, groups: int = 1, scale: float = 1) -> None:
        super().__init__()
        self.dilation = dilation
        self.form: Form = "auto"
        self.weight = nn.Parameter(torch.zeros(channels, channels // groups, 3, 3))
        self.bias = nn.Parameter(torch.zeros(channels)) if bias else None
        with torch.no_grad():
            each = torch.arange(channels)
            self.weight[each, each % (channels // groups), 1, 1] = scale

    def forward(self, x: Tensor, offset: Tensor, mask: Tensor | None = None) -> Tensor:
        """x (B, C, h, w), offset (B, 18·G, h, w), mask (B, 9·G, h, w) factors of the samples, taken as they are."""
        grid = self.form == "grid" or (self.form == "auto" and prefers_grid(x))
        convolve = grid_deform_conv2d if grid else operator_deform_conv2d
        # Positions need more than the 8 bits of bfloat16: at 24 cells those are 0.1 cells apart.
        device = x.device.type
        mixed = is_autocast_available(device) and torch.is_autocast_enabled(device)
        with torch.autocast(device, enabled=False) if mixed else nullcontext():
            kind = torch.promote_types(x.dtype, torch.float32)
            bias = self.bias.to(kind) if self.bias is not None else None
            mask = mask.to(kind) if mask is not None else None
            return convolve(x.to(kind), offset.to(kind), self.weight.to(kind), bias, self.dilation, mask)


def prefers_grid(x: Tensor) -> bool:
    """The rule of "auto": the grid on CPU and wherever a graph is exported, torchvision's operator elsewhere."""
    return x.device.type == "cpu" or torch.onnx.is_in_onnx_export() or torch.compiler.is_exporting()


def operator_deform_conv2d(
    x: Tensor, offset: Tensor, weight: Tensor, bias: Tensor | None, dilation: int, mask: Tensor | None = None
) -> Tensor:
    """The deformable convolution by `torchvision.ops.deform_conv2d`; shapes as in `DeformConv2d.forward`."""
    return deform_conv2d(x, offset, weight, bias, padding=dilation, dilation=dilation, mask=mask)  # type: ignore[no-any-return]


def grid_deform_conv2d(
    x: Tensor, offset: Tensor, weight: Tensor, bias: Tensor | None, dilation: int, mask: Tensor | None = None
) -> Tensor:
    """The deformable convolution by `grid_sample` and a matrix product; shapes as in `DeformConv2d.forward`.

    Every deformable group is a picture of its own, sampled at the 9·h·w places of its taps. `grid_sample` wants
    (x, y) where offsets are (dy, dx), so the pictures are turned instead of the offsets, which are 18 times as many.
    """
    batch, channels, height, width = x.shape
    groups = offset.shape[1] // (2 * TAPS)
    # Sides of a power of two make the way to grid_sample's unit square and back exact; zeros are outside anyway.
    rows, columns = _power_of_two(height), _power_of_two(width)
    turned = functional.pad(x, (0, columns - width, 0, rows - height)).transpose(2, 3)
    pictures = turned.reshape(batch * groups, channels // groups, columns, rows)
    offset = offset.reshape(batch * groups, TAPS, 2, height * width)
    unit = offset.new_tensor([2 / rows, 2 / columns])[:, None]
    places = torch.addcmul(_tap_places(height, width, dilation, unit), offset, unit)
    sampled = functional.grid_sample(
        pictures, places.transpose(2, 3), mode="bilinear", padding_mode="zeros", align_corners=False
    )
    if mask is not None:
        sampled = sampled * mask.reshape(batch * groups, 1, TAPS, height * width)
    kernels = channels // weight.shape[1]
    taken = sampled.reshape(batch, kernels, weight.shape[1] * TAPS, height * width)
    kernel = weight.reshape(kernels, weight.shape[0] // kernels, weight.shape[1] * TAPS)
    output = (kernel @ taken).reshape(batch, weight.shape[0], height, width)
    return output if bias is None else output + bias[:, None, None]


def _tap_places(height: int, width: int, dilation: int, unit: Tensor) -> Tensor:
    """(9, 2, h·w) where the taps sample at zero offset, (y, x) in grid_sample's unit square of -1 to 1."""
    rows = torch.arange(height, device=unit.device)[:, None].expand(height, width)
    columns = torch.arange(width, device=unit.device).expand(height, width)
    reach = dilation * torch.arange(-1, 2, device=unit.device)
    taps = torch.stack([reach[:, None].expand(3, 3).flatten(), reach.expand(3, 3).flatten()], dim=1)
    places = torch.stack([rows.flatten(), columns.flatten()]) + taps[:, :, None]
    # What is added to offsets lies as they do: else their sum doesn't, and grid_sample takes 1.6 times as long.
    return ((places.to(unit.dtype) + 0.5) * unit - 1).contiguous()


def _power_of_two(side: int) -> int:
    return 1 << (int(side) - 1).bit_length()
