"""From what a user asks for to a detector that runs."""

from __future__ import annotations

from pathlib import Path

from pwarp import registry
from pwarp.detection.base import Detector, Wanted
from pwarp.errors import PwarpError, UsageError

AUTO = "auto"
# Best first. A network in an ONNX file is only ever used when it is given.
_BY_QUALITY = ("yolo", "torchvision", "hog")


def open_detector(spec: str, wanted: Wanted, weights: str | None = None) -> tuple[Detector, str]:
    """The detector that `spec` asks for, and in a few words why this one.

    spec: a registered name, one with a model behind a colon ("onnx:FILE", "torchvision:NAME"), or "auto".
    weights: a file or a name of weights, another way to say the model; with "auto" its suffix decides.

    Raises PwarpError where the detector is unknown or cannot run here.
    """
    if spec == AUTO:
        if weights is None:
            return best_detector(wanted)
        kind = {".onnx": "onnx", ".pt": "yolo"}.get(Path(weights).suffix, "torchvision")
        return registry.load("detector", kind)(weights, wanted), f"by its weights {weights}"
    kind, colon, model = spec.partition(":")
    if colon and not model:
        raise UsageError(f"detector '{spec}': nothing after the colon; give a file or a name")
    if colon and weights is not None:
        raise UsageError(f"detector '{spec}' and weights '{weights}' both name a model; give one of them")
    try:
        load = registry.load("detector", kind)
    except PwarpError as error:
        raise UsageError(str(error)) from error
    return load(model or weights, wanted), "as asked for"


def best_detector(wanted: Wanted) -> tuple[Detector, str]:
    """The best detector that can run here, and what kept better ones from running.

    Raises PwarpError, with all reasons, where none can.
    """
    reasons = []
    for name in _BY_QUALITY:
        try:
            detector: Detector = registry.load("detector", name)(None, wanted)
        except PwarpError as error:
            # Without the advice: it is for who asked for this one.
            reasons.append(f"{name}: {str(error).partition('; ')[0]}")
            continue
        return detector, "; ".join(["the best that runs here", *reasons])
    raise PwarpError(f"no detector can run here: {'; '.join(reasons)}")
