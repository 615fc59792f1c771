"""Keypoints in the crop of one person: estimators behind one contract.

estimator = open_estimator("hrnet.safetensors")
xy, score = estimate_poses(estimator, picture, boxes)
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pwarp.errors import PwarpError
from pwarp.estimation.base import Crops, Estimator
from pwarp.estimation.poses import cut_out, estimate_poses, read_crops
from pwarp.estimation.video import Estimation, estimate

if TYPE_CHECKING:
    from pwarp.estimation.checkpoint import Precision

__all__ = ["Crops", "Estimation", "Estimator", "cut_out", "estimate", "estimate_poses", "open_estimator", "read_crops"]

_ONNX = "onnx:"


def open_estimator(spec: str | Path, device: str = "auto", precision: Precision = "fp32") -> Estimator:
    """The estimator in a checkpoint of pwarp, or in an ONNX file named as onnx:FILE (`pwarp.estimation.onnx`).

    device: auto, cpu, cuda, cuda:1, ... precision: fp32, or bf16 for quicker and coarser numbers. onnxruntime
    chooses device and precision by itself.

    Raises PwarpError in one line for a file that is no good, a device that is not there, and options that do not apply.
    """
    if str(spec).startswith(_ONNX):
        from pwarp.estimation.onnx import open_onnx

        if device not in ("auto", "cpu") or precision != "fp32":
            raise PwarpError(f"{spec}: device and precision are for checkpoints; an ONNX file chooses by itself")
        return open_onnx(Path(str(spec).removeprefix(_ONNX)))
    from pwarp.estimation.checkpoint import open_checkpoint

    return open_checkpoint(Path(spec), device, precision)
