"""torchvision's detectors with the weights that torchvision itself downloads, or with a local file of them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pwarp.detection.base import Detections, Wanted, skeleton_for
from pwarp.detection.categories import class_of
from pwarp.errors import PwarpError
from pwarp.skeleton import Skeleton

# The best of them where a GPU runs it; without one, the best that runs several frames a second.
_ON_GPU, _ON_CPU = "fasterrcnn_resnet50_fpn_v2", "fasterrcnn_mobilenet_v3_large_fpn"
_SUFFIXES = (".pth", ".pt", ".safetensors")
_SURE = 0.5


class TorchvisionDetector:
    """One of torchvision's detectors; those of keypoints fill these, too."""

    def __init__(self, name: str, network: torch.nn.Module, names: Sequence[str], skeleton: Skeleton, wanted: Wanted):
        self.name = name
        self.skeleton = skeleton
        self._label = class_of(wanted.category, names, name)
        self._wanted = wanted
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._network: Any = network.eval().to(self._device)

    @torch.inference_mode()
    def __call__(self, pictures: Sequence[NDArray[np.uint8]]) -> list[Detections]:
        """The detections in each of the (H, W, 3) RGB pictures."""
        # One at a time: pictures of a batch are padded to one size, and that changes a little what is found.
        return [self._found(picture) for picture in pictures]

    def _found(self, picture: NDArray[np.uint8]) -> Detections:
        pixels = torch.from_numpy(np.ascontiguousarray(picture)).to(self._device).permute(2, 0, 1).float() / 255
        found = {key: value.cpu().numpy() for key, value in self._network([pixels])[0].items()}
        mine = found["labels"] == self._label
        xy = scores = None
        if "keypoints" in found:
            # Logits of heatmaps; the sign is as good as a probability of one half.
            logits = found["keypoints_scores"][mine]
            scores = 1 / (1 + np.exp(-logits.astype(np.float64)))
            sure = scores >= _SURE
            xy = np.where(sure[..., None], found["keypoints"][mine][..., :2], np.nan)
            scores = np.where(sure, scores, np.nan)
        return Detections.make(
            found["boxes"][mine],
            found["scores"][mine],
            (picture.shape[1], picture.shape[0]),
            len(self.skeleton),
            xy,
            scores,
            self._wanted.min_score,
        )


def open_torchvision(model: str | None, wanted: Wanted) -> TorchvisionDetector:
    """A detector of torchvision by name, with the weights it downloads; or the usual one with weights from a file.

    Raises PwarpError for an unknown name, weights that do not fit, and where the download fails.
    """
    import torchvision

    known = torchvision.models.list_models(module=torchvision.models.detection)
    usual = _ON_GPU if torch.cuda.is_available() else _ON_CPU
    from_file = model is not None and (Path(model).suffix in _SUFFIXES or Path(model).exists())
    name = usual if model is None or from_file else model
    if name not in known:
        raise PwarpError(f"torchvision has no detector '{name}'; it has: {', '.join(known)}")
    weights = torchvision.models.get_model_weights(name).DEFAULT
    names = weights.meta["categories"]
    if from_file:
        network = torchvision.models.get_model(name, weights=None, weights_backbone=None, num_classes=len(names))
        _load(network, Path(str(model)), name)
    else:
        network = _downloaded(name, weights)
    points = weights.meta.get("keypoint_names")
    skeleton = skeleton_for(wanted.category) if points is None else Skeleton.from_names(wanted.category, points)
    return TorchvisionDetector(f"torchvision {name}", network, names, skeleton, wanted)


def _downloaded(name: str, weights: Any) -> torch.nn.Module:
    import torchvision

    try:
        # It tells of its download on stdout, which carries results.
        with redirect_stdout(sys.stderr):
            network: torch.nn.Module = torchvision.models.get_model(name, weights=weights, weights_backbone=None)
    except (OSError, RuntimeError) as error:
        raise PwarpError(
            f"torchvision cannot download its weights {weights.url} ({error}); download the file elsewhere and give "
            "it with --weights, or use another --detector"
        ) from error
    return network


def _load(network: torch.nn.Module, path: Path, name: str) -> None:
    """Put the weights of a file into a network. Nothing in the file is executed."""
    if not path.is_file():
        raise PwarpError(f"{path}: no such file; check the path")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
        network.load_state_dict(state)
    except Exception as error:  # whatever torch and safetensors raise for a file that is none of theirs
        reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise PwarpError(f"{path}: is no weights file of torchvision's {name}: {reason}") from error
