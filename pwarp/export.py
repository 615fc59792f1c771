"""Networks as ONNX files, for onnxruntime and everything that reads ONNX.

An estimator becomes one file: crops (B, 3, H, W), normalised, in, heatmaps (B, K, h, w) out. A PoseWarper becomes two:
that of its backbone, and beside it FILE.warp.onnx: heatmaps, to_features, from_features, each (B, K, h, w), in, warped
(B, K, h, w) out. The card of the checkpoint stands in the metadata of each under "pwarp", so that `onnx:FILE` needs no
other file to say what the numbers mean. Deformable convolution is written as GridSample, which every runtime has.
"""

from __future__ import annotations

import warnings
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pwarp.checkpoints import Card, load, read_card
from pwarp.errors import PwarpError
from pwarp.files import atomic_path, check_output
from pwarp.following.exported import warp_file
from pwarp.models.backbone import Backbone, BackboneConfig
from pwarp.models.posewarper import PoseWarper, PoseWarperConfig
from pwarp.onnx import CARD

CROPS, HEATMAPS = "crops", "heatmaps"
WARP_INPUTS, WARPED = ("heatmaps", "to_features", "from_features"), "warped"
_OPSET = 17
_TOLERANCE = 1e-4
_BATCH = 3  # of the trial, and not that of the export


@dataclass(frozen=True)
class Exported:
    """One file. difference: the largest between what torch and onnxruntime make of the same input, as a share of the
    largest value where that is above 1."""

    path: Path
    difference: float


def files_for(checkpoint: str | Path, path: Path) -> tuple[Card, list[Path]]:
    """The card of a checkpoint, and the files that its export writes.

    Raises PwarpError for packages that are missing, then for what is no checkpoint or has no ONNX form.
    """
    if missing := [name for name in ("onnx", "onnxruntime") if find_spec(name) is None]:
        raise PwarpError(f"export needs {missing[0]}; install it with: pip install 'pwarp[onnx]'")
    card = read_card(checkpoint)
    if isinstance(card.model, BackboneConfig):
        return card, [path]
    if isinstance(card.model, PoseWarperConfig):
        return card, [path, warp_file(path)]
    raise PwarpError(f"{checkpoint}: holds '{card.model.name}'; only estimators and posewarper have an ONNX form")


def export(checkpoint: str | Path, output: Path, *, force: bool = False) -> list[Exported]:
    """Write a checkpoint's network as ONNX, and run it once in onnxruntime to see that it computes the same.

    Raises PwarpError for a network that has no ONNX form, an output that cannot be written, packages that are missing,
    and results that differ by more than 1e-4; nothing is written then.
    """
    _, targets = files_for(checkpoint, output)
    for target in targets:
        check_output(target, force=force)
    module, card = load(checkpoint)
    with ExitStack() as stack:
        temporary = [stack.enter_context(atomic_path(target, force=force)) for target in targets]
        found = []
        for graph, path, target in zip(_graphs(module, card), temporary, targets, strict=True):
            _write(graph, path, card)
            found.append(Exported(target, _difference(graph, path, target)))
    return found


@dataclass(frozen=True)
class _Graph:
    """module: what is written. inputs: one tensor without the batch for each name."""

    module: nn.Module
    inputs: dict[str, Tensor]
    output: str


class _Warp(nn.Module):
    """The warping alone; its own heatmaps come first, as in `PoseWarper.warp`."""

    def __init__(self, model: PoseWarper) -> None:
        super().__init__()
        self.warper = model.warper

    def forward(self, heatmaps: Tensor, to_features: Tensor, from_features: Tensor) -> Tensor:
        warped: Tensor = self.warper(heatmaps, to_features - from_features)
        return warped


def _graphs(module: nn.Module, card: Card) -> list[_Graph]:
    """The graphs of a network in the order of `files_for`."""
    (width, height), stride = card.size, card.codec.stride
    crop = torch.zeros(3, height, width)
    if isinstance(module, Backbone):
        return [_Graph(module, {CROPS: crop}, HEATMAPS)]
    assert isinstance(module, PoseWarper)
    maps = torch.zeros(len(card.skeleton), height // stride, width // stride)
    warp = _Graph(_Warp(module).eval(), dict.fromkeys(WARP_INPUTS, maps), WARPED)
    return [_Graph(module.backbone, {CROPS: crop}, HEATMAPS), warp]


def _write(graph: _Graph, path: Path, card: Card) -> None:
    import onnx

    names = [*graph.inputs]
    with warnings.catch_warnings(), torch.no_grad():
        # The exporter by tracing: the newer one cannot leave the batch open for these networks (torch 2.12).
        warnings.simplefilter("ignore")
        torch.onnx.export(
            graph.module,
            tuple(value[None] for value in graph.inputs.values()),
            str(path),
            input_names=names,
            output_names=[graph.output],
            dynamic_axes={name: {0: "batch"} for name in (*names, graph.output)},
            opset_version=_OPSET,
            dynamo=False,
        )
    model = onnx.load(str(path))
    model.metadata_props.add(key=CARD, value=card.to_json().decode())
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def _difference(graph: _Graph, path: Path, target: Path) -> float:
    """See `Exported`; raises PwarpError where it is too large."""
    import onnxruntime

    random = torch.Generator().manual_seed(0)
    trial = {name: torch.randn(_BATCH, *value.shape, generator=random) for name, value in graph.inputs.items()}
    with torch.no_grad():
        expected: Tensor = graph.module(*trial.values())
    options: Any = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session: Any = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    found = torch.from_numpy(session.run(None, {name: value.numpy() for name, value in trial.items()})[0])
    difference = float((found - expected).abs().max() / max(1.0, float(expected.abs().max())))
    if not difference <= _TOLERANCE:
        raise PwarpError(f"{target}: onnxruntime differs from torch by {difference:.1e}; nothing is written")
    return difference
