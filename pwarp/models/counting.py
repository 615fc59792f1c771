"""Parameters and multiply-adds of a network, in the two conventions in which papers print them."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor, nn

from pwarp.models.deform import DeformConv2d
from pwarp.models.pose_kernels import DynamicConv2d

Convention = Literal["true", "hrnet"]
GIGA = 1e9
GIBI = 2.0**30


def parameters(module: nn.Module) -> int:
    """How many numbers are learned."""
    return sum(parameter.numel() for parameter in module.parameters())


def multiply_adds(
    module: nn.Module,
    *shapes: tuple[int, ...],
    convention: Convention = "true",
    run: Callable[..., object] | None = None,
    deformable: bool = True,
    norms: bool = False,
) -> int:
    """Multiply-adds of one pass over inputs of these shapes, of convolutions and linear layers only.

    "true": what is computed; a transposed convolution costs its weights at each *input* position. "hrnet": as the
    `get_model_summary` of HRNet's code, by which HRNet and SimpleBaseline are published: its weights at each *output*
    position, four times as many at stride 2. Published GFLOPs are `multiply_adds / GIGA` of the first and
    `multiply_adds / GIBI` of the second.

    run: called with a copy of the module and the inputs; by default the module's forward pass. deformable: whether
    deformable convolutions count (as their kernel at each position; the sampling is never counted). norms: whether each
    number that BatchNorm gives counts as one, as the GFLOPs of DKD's paper seem to. The pass is made on torch's meta
    device: it takes neither memory nor time.
    """
    total = 0

    def count(layer: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
        nonlocal total
        total += _cost(layer, inputs, output, convention)

    counted: list[type[nn.Module]] = [nn.Conv2d, nn.ConvTranspose2d, nn.Linear, DynamicConv2d]
    counted += [kind for kind, wanted in ((DeformConv2d, deformable), (_Norm, norms)) if wanted]
    ghost = _without_data(module).eval()
    for layer in ghost.modules():
        if isinstance(layer, tuple(counted)):
            layer.register_forward_hook(count)
    with torch.no_grad():
        inputs = [torch.empty(shape, device="meta") for shape in shapes]
        if run is None:
            ghost(*inputs)
        else:
            run(ghost, *inputs)
    return total


class _Norm(nn.Identity):
    """In place of BatchNorm."""


def _cost(layer: nn.Module, inputs: tuple[Any, ...], output: Tensor, convention: Convention) -> int:
    """The weights, times the positions that they are applied at; the weights hold the channels of one group."""
    if isinstance(layer, _Norm):
        return output.numel()
    if isinstance(layer, DynamicConv2d):
        kernels: Tensor = inputs[1]  # of each sample
        return kernels.numel() * output.shape[-2] * output.shape[-1]
    weight = layer.weight
    assert isinstance(weight, Tensor)
    if isinstance(layer, nn.Linear):
        return weight.numel() * (output.numel() // output.shape[-1])
    at: Tensor = inputs[0] if isinstance(layer, nn.ConvTranspose2d) and convention == "true" else output
    return weight.numel() * at.shape[0] * at.shape[-2] * at.shape[-1]


def _without_data(module: nn.Module) -> nn.Module:
    """A copy whose parameters and buffers have shapes, but no values. It leaves BatchNorm out, which is not counted and
    without data would take most of the time."""
    tensors: list[Tensor] = [*module.parameters(), *module.buffers()]
    memo: dict[int, Any] = {id(tensor): torch.empty_like(tensor, device="meta") for tensor in tensors}
    for parameter in module.parameters():
        memo[id(parameter)] = nn.Parameter(memo[id(parameter)], requires_grad=False)
    memo |= {id(part): _Norm() for part in module.modules() if isinstance(part, nn.BatchNorm2d)}
    return copy.deepcopy(module, memo)
