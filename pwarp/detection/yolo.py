"""Ultralytics' YOLO. The only file that imports ultralytics, which is AGPL: an extra (`yolo`) that nothing else needs.

Nothing is told to anybody and nothing is installed: its analytics and its installing of packages are switched off.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pwarp.detection.base import Detections, Wanted, skeleton_for
from pwarp.detection.categories import class_of
from pwarp.detection.onnx import skeleton_of
from pwarp.errors import PwarpError
from pwarp.skeleton import Skeleton

_USUAL = "yolo11n.pt"


class YoloDetector:
    """A model of Ultralytics for detection or pose; the latter fills keypoints, too."""

    def __init__(self, name: str, model: Any, wanted: Wanted, **options: Any) -> None:
        self.name = name
        self._model = model
        self._wanted = wanted
        self._options = options
        names = [str(model.names[i]) for i in sorted(model.names)]
        self._class = class_of(wanted.category, names, name)
        shape = getattr(model.model, "kpt_shape", None) if model.task == "pose" else None
        self.skeleton: Skeleton = (
            skeleton_of(int(shape[0]), wanted.category, _keypoint_names(model, self._class))
            if shape
            else skeleton_for(wanted.category)
        )

    def __call__(self, pictures: Sequence[NDArray[np.uint8]]) -> list[Detections]:
        """The detections in each of the (H, W, 3) RGB pictures."""
        # One at a time where sizes differ: a batch of theirs is padded to the largest.
        alike = len({picture.shape for picture in pictures}) == 1
        batches = [pictures] if alike else [[picture] for picture in pictures]
        return [self._read(result) for batch in batches for result in self._results(batch)]

    def _results(self, pictures: Sequence[NDArray[np.uint8]]) -> list[Any]:
        # Arrays are taken for BGR.
        bgr = [np.ascontiguousarray(picture[..., ::-1]) for picture in pictures]
        found = self._model.predict(
            bgr, conf=max(self._wanted.min_score, 1e-3), classes=[self._class], verbose=False, **self._options
        )
        return list(found)

    def _read(self, result: Any) -> Detections:
        """Detections from a `Results` of Ultralytics."""
        height, width = result.orig_shape
        boxes = result.boxes.xyxy.cpu().numpy()
        score = result.boxes.conf.cpu().numpy()
        xy = scores = None
        if result.keypoints is not None and len(score):
            # Where a keypoint is unsure, Ultralytics says (0, 0).
            xy = result.keypoints.xy.cpu().numpy().astype(np.float64)
            there = (xy != 0).any(axis=-1)
            sure = result.keypoints.conf
            scores = np.full(there.shape, np.nan) if sure is None else sure.cpu().numpy().astype(np.float64)
            xy, scores = np.where(there[..., None], xy, np.nan), np.where(there, scores, np.nan)
        return Detections.make(
            boxes, score, (width, height), len(self.skeleton), xy, scores, min_score=self._wanted.min_score
        )


def _keypoint_names(model: Any, category: int) -> Sequence[str] | None:
    """The names of the keypoints of a class, where the model was trained from data that named them."""
    names = getattr(model.model, "kpt_names", None) or getattr(model.model, "yaml", {}).get("kpt_names")
    found = names.get(category) if isinstance(names, dict) else names
    return [str(name) for name in found] if isinstance(found, list | tuple) else None


def open_yolo(model: str | None, wanted: Wanted) -> YoloDetector:
    """A model of Ultralytics: weights from a file, or by a name that it downloads (YOLO11n where none is given).

    Weights are loaded without executing anything in them. Raises PwarpError where ultralytics is missing or too old,
    the weights cannot be downloaded, or a file is none of its own.
    """
    path = _path(model or _USUAL)
    os.environ["YOLO_AUTOINSTALL"] = "false"
    os.environ["ULTRALYTICS_SAFE_LOAD"] = "true"
    if path.exists():
        os.environ.setdefault("YOLO_OFFLINE", "true")
    # What it says goes aside: stdout carries results.
    with redirect_stdout(sys.stderr):
        network = _loaded(path)
    if network.task not in ("detect", "pose"):
        raise PwarpError(f"{path}: is a model for '{network.task}'; give one for detection or pose")
    return YoloDetector(f"yolo {path.name}", network, wanted)


def _loaded(path: Path) -> Any:
    try:
        tasks: Any = import_module("ultralytics.nn.tasks")
        safe = tasks.SAFE_LOAD
    except (ImportError, AttributeError) as error:
        raise PwarpError(
            "ultralytics is missing, or too old to load weights safely; install it with: pip install 'pwarp[yolo]'"
        ) from error
    _keep_quiet()
    try:
        # Raises for whatever is not a known part of a network, also where somebody imported ultralytics before.
        if not safe or path.exists():
            tasks.torch_safe_load(str(path), safe_only=True)
        return import_module("ultralytics").YOLO(str(path))
    except Exception as error:  # every kind: network, archive, unknown classes
        reason = " ".join(str(error).split())[:160]
        if path.exists():
            raise PwarpError(f"{path}: ultralytics cannot load it: {reason}") from error
        raise PwarpError(
            f"ultralytics cannot download {path.name} ({reason}); give a file with --weights, or another --detector"
        ) from error


def _path(model: str) -> Path:
    """A file that is there as it is; a bare name among torch's other downloads, so that nobody's folder fills up."""
    path = Path(model)
    if path.suffix != ".pt":
        raise PwarpError(f"{model}: weights of ultralytics end in .pt; for a network as .onnx say onnx:FILE")
    if path.exists():
        return path
    if path.name != model:
        raise PwarpError(f"{model}: no such file; check the path")
    return Path(torch.hub.get_dir()) / "checkpoints" / model


def _keep_quiet() -> None:
    """No log lines but errors, and no analytics."""
    logging.getLogger("ultralytics").setLevel(logging.ERROR)
    analytics: Any = import_module("ultralytics.utils.events")
    analytics.events.enabled = False
