"""PPN: what is propagated where, the first frame, the skip connection, constant memory."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from pwarp.models import configure
from pwarp.models.ppn import PPN, PPNConfig

HEAD = configure("duc-mobilenet", keypoints=5, widths=(12, 8, 6))
BODY = configure("duc-mobilenet", keypoints=5, widths=(11, 9, 7))


def model(**options: Any) -> PPN:
    torch.manual_seed(3)
    made = PPN(PPNConfig("ppn", HEAD, BODY, **({"channels": 7, "blocks": 2, "dilations": (1, 3)} | options)))
    with torch.no_grad():
        for net in (made.head, made.body):
            net.final_layer.bias.add_(torch.rand(5))
            net.final_layer.weight.add_(torch.randn_like(net.final_layer.weight))
        for parameter in made.propagation.parameters():
            parameter.add_(torch.randn_like(parameter) * (0.5 / parameter[0].numel() ** 0.5))
        # BatchNorm as after training, so that crops differ.
        for part in made.modules():
            if isinstance(part, torch.nn.BatchNorm2d):
                part.momentum = 1.0
        made.train()(torch.randn(2, 2, 3, 64, 64))
    return made.eval()


def clip(frames: int) -> Tensor:
    return torch.randn(2, frames, 3, 64, 96, generator=torch.Generator().manual_seed(4))


@torch.no_grad()
def test_one_frame_is_the_head_and_one_step() -> None:
    made, crops = model(), clip(1)
    initial, body = made.head(crops[:, 0]), made.body(crops[:, 0])
    expected = body + made.propagation(initial, body - initial)
    torch.testing.assert_close(made(crops)[:, 0], expected)
    found, heatmaps = made.unroll(crops)
    torch.testing.assert_close(found, initial)
    torch.testing.assert_close(heatmaps[:, 0], expected)


@torch.no_grad()
def test_each_frame_warps_the_one_before() -> None:
    made, crops = model(), clip(3)
    found = made(crops)
    for t in (1, 2):
        body = made.body(crops[:, t])
        expected = body + made.propagation(found[:, t - 1], body - found[:, t - 1])
        torch.testing.assert_close(found[:, t], expected, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_or_each_frame_warps_the_first_pose() -> None:
    made, crops = model(path="first"), clip(3)
    found, initial = made(crops), made.head(crops[:, 0])
    for t in range(3):
        body = made.body(crops[:, t])
        expected = body + made.propagation(initial, body - initial)
        torch.testing.assert_close(found[:, t], expected, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_without_the_skip_connection_only_what_is_propagated_is_given_out() -> None:
    made, crops = model(skip=False), clip(2)
    (state,), _ = made.start(crops[:, 0])
    parts = made.parts(state, made.body(crops[:, 1]))
    assert torch.equal(parts.heatmaps, parts.propagated)
    torch.testing.assert_close(made(crops)[:, 1], parts.propagated, atol=1e-4, rtol=1e-4)
    parts = model().parts(state, parts.body)
    assert torch.equal(parts.heatmaps, parts.body + parts.propagated)


@torch.no_grad()
def test_a_known_pose_stands_in_for_the_head() -> None:
    made, crops = model(), clip(1)[:, 0]
    known = torch.rand(2, 5, 16, 24)
    made.head = None  # type: ignore[assignment]
    (state,), heatmaps = made.start(crops, known)
    assert torch.equal(state, heatmaps)
    body = made.body(crops)
    torch.testing.assert_close(heatmaps, body + made.propagation(known, body - known))


@torch.no_grad()
def test_the_state_does_not_grow() -> None:
    made, crops = model(), clip(4)
    state, _ = made.start(crops[:, 0])
    sizes = []
    for t in (1, 2, 3):
        state, _ = made.step(state, crops[:, t])
        sizes.append([part.untyped_storage().nbytes() for part in state])
    assert sizes == [[state[0].numel() * 4]] * 3


@torch.no_grad()
def test_poses_do_not_grow_in_a_fresh_network_with_a_trained_body() -> None:
    """At any length: poses that were added up frame after frame would teach BodyNet to forget what it knew."""
    made = PPN(PPNConfig("ppn", BODY, BODY)).eval()
    made.body.final_layer.bias.add_(torch.rand(5))  # type: ignore[union-attr, operator]
    made.head.load_state_dict(made.body.state_dict())
    made.taken_over("head", made.head.final_layer)
    made.taken_over("body", made.body.final_layer)
    still = clip(1).expand(-1, 4, -1, -1, -1)
    for found in made(still).unbind(1):
        torch.testing.assert_close(found, made.head(still[:, 0]))


def test_a_fresh_network_learns_at_once_where_to_look() -> None:
    """The offsets have a gradient, which they have not while nothing is propagated."""
    made, crops = PPN(PPNConfig("ppn", HEAD, BODY)), clip(2)
    made(crops).square().sum().backward()
    offsets = [p for n, p in made.propagation.named_parameters() if n.startswith("offsets")]
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in offsets)


@torch.no_grad()
def test_a_fresh_one_without_the_skip_connection_keeps_the_first_pose() -> None:
    made, crops = PPN(PPNConfig("ppn", HEAD, BODY, skip=False)).eval(), clip(3)
    for found in made(crops).unbind(1):
        torch.testing.assert_close(found, made.head(crops[:, 0]))
