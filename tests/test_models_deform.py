"""Both forms of the deformable convolution are the one of a loop over its definition."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from pwarp.models.deform import DeformConv2d, grid_deform_conv2d, operator_deform_conv2d

FORMS = [grid_deform_conv2d, operator_deform_conv2d]


def example(
    batch: int = 2, channels: int = 6, height: int = 5, width: int = 7, outputs: int = 4, deformable: int = 3
) -> dict[str, Tensor]:
    torch.manual_seed(3)
    return {
        "x": torch.rand(batch, channels, height, width),
        "offset": torch.randn(batch, 18 * deformable, height, width) * 2,
        "weight": torch.randn(outputs, channels, 3, 3) / 10,
        "bias": torch.randn(outputs),
        "mask": torch.randn(batch, 9 * deformable, height, width),
    }


def by_definition(
    x: Tensor, offset: Tensor, weight: Tensor, bias: Tensor, mask: Tensor, dilation: int, groups: int = 1
) -> Tensor:
    batch, channels, height, width = x.shape
    deformable = offset.shape[1] // 18
    output = bias[None, :, None, None].repeat(batch, 1, height, width)

    def value(b: int, c: int, y: float, x_: float) -> float:
        total = 0.0
        for row in (math.floor(y), math.floor(y) + 1):
            for column in (math.floor(x_), math.floor(x_) + 1):
                if 0 <= row < height and 0 <= column < width:
                    total += float(x[b, c, row, column]) * (1 - abs(y - row)) * (1 - abs(x_ - column))
        return total

    for b in range(batch):
        for c in range(channels):
            g = c // (channels // deformable)
            for tap in range(9):
                dy, dx = tap // 3 - 1, tap % 3 - 1
                for row in range(height):
                    for column in range(width):
                        at_y = row + dy * dilation + float(offset[b, 18 * g + 2 * tap, row, column])
                        at_x = column + dx * dilation + float(offset[b, 18 * g + 2 * tap + 1, row, column])
                        sampled = value(b, c, at_y, at_x) * float(mask[b, 9 * g + tap, row, column])
                        kernel = c // (channels // groups)
                        each = len(weight) // groups
                        rows = slice(kernel * each, (kernel + 1) * each)
                        output[b, rows, row, column] += (
                            weight[rows, c % (channels // groups), tap // 3, tap % 3] * sampled
                        )
    return output


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dilation", [1, 3])
def test_both_forms_are_the_definition(form, dilation: int) -> None:
    given = example(batch=1)
    torch.testing.assert_close(
        form(dilation=dilation, **given), by_definition(dilation=dilation, **given), atol=1e-5, rtol=0
    )


@pytest.mark.parametrize("form", FORMS)
def test_grouped_kernels_see_their_own_channels(form) -> None:
    given = example(batch=1)
    given["weight"] = given["weight"][:, :3]
    expected = by_definition(dilation=2, groups=2, **given)
    torch.testing.assert_close(form(dilation=2, **given), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("height", "width"), [(24, 18), (1, 5), (33, 1), (64, 48)])
@pytest.mark.parametrize("masked", [False, True])
def test_the_forms_agree_in_values_and_gradients(height: int, width: int, masked: bool) -> None:
    given = example(3, 5, height, width, 5, 5)
    if not masked:
        given["mask"] = None
    leaves = [t.requires_grad_() for t in given.values() if t is not None]
    towards = torch.randn(3, 5, height, width) / (height * width)
    found = [form(dilation=6, **given) for form in FORMS]
    gradients = [torch.autograd.grad((output * towards).sum(), leaves) for output in found]
    torch.testing.assert_close(found[0], found[1], atol=1e-5, rtol=0)
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)


def test_samples_on_the_border_and_far_outside() -> None:
    """At the last row a sample is whole, half a cell outside it is half, one cell outside or far away zero."""
    x = torch.ones(1, 1, 4, 6)
    offset = torch.zeros(1, 18, 4, 6)
    offset[0, 8, 3] = torch.tensor([0, 0.5, 1, 1e6, -3.5, -1e6])
    weight = torch.zeros(1, 1, 3, 3)
    weight[0, 0, 1, 1] = 1
    for form in FORMS:
        assert form(x, offset, weight, None, 3)[0, 0, 3].tolist() == pytest.approx([1, 0.5, 0, 0, 0.5, 0])


def test_a_fresh_layer_is_the_identity() -> None:
    x = torch.rand(2, 6, 5, 7)
    still = torch.zeros(2, 108, 5, 7)
    for groups in (1, 2, 6):
        assert torch.equal(DeformConv2d(6, 12, groups=groups)(x, still), x)


def test_the_quick_form_is_taken_on_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    layer, given = DeformConv2d(6, 3), example(outputs=6)
    taken = []
    for form in FORMS:
        monkeypatch.setattr(f"pwarp.models.deform.{form.__name__}", lambda *a, f=form: taken.append(f) or f(*a))
    layer(given["x"], given["offset"])
    layer.form = "operator"
    layer(given["x"], given["offset"])
    assert taken == FORMS


def test_positions_stay_exact_under_mixed_precision() -> None:
    layer, given = DeformConv2d(6, 3), example(outputs=6)
    exact = layer(given["x"], given["offset"], given["mask"])
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(layer(given["x"], given["offset"], given["mask"]), exact)


def test_it_exports_without_deformable_convolution() -> None:
    """A traced graph holds grid_sample, whatever torch the runtime has."""
    layer, given = DeformConv2d(6, 3), example(outputs=6)
    program = torch.export.export(layer, (given["x"], given["offset"]))
    called = {str(node.target) for node in program.graph.nodes}
    assert any("grid_sampler" in name for name in called)
    assert not any("deform_conv" in name for name in called)
    torch.testing.assert_close(program.module()(given["x"], given["offset"]), layer(given["x"], given["offset"]))
