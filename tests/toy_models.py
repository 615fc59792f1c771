"""Each model of several frames, small enough to run thousands of crops in a test: backbones of one convolution."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import torch
from toy_warper import toy_card

from pwarp import registry
from pwarp.checkpoints import save
from pwarp.following import RecurrentRunner, WindowRunner
from pwarp.models import build, configure
from pwarp.models.window import WindowModel

MODELS = registry.names("model")
RECURRENT = ["ppn", "dkd"]
WINDOWS = [name for name in MODELS if name not in RECURRENT]

_OPTIONS: dict[str, dict[str, Any]] = {
    "posewarper": {"channels": 6, "blocks": 1, "dilations": (1, 2), "offsets": (-1, 0, 1), "weights": ()},
    "dcpose": {"channels": 6, "dilations": (1, 2)},
    "glpose": {"reach": 1, "proposals": 2, "sampled": 4, "channels": 5, "blocks": 1},
    "ppn": {"channels": 5, "blocks": 1, "dilations": (1, 2)},
    "dkd": {"channels": 6, "kernel": 3},
}


def toy_model(name: str, keypoints: int, **options: Any) -> Any:
    """One whose every weight does something, as after training."""
    toy = configure("toy", keypoints=keypoints)
    backbones = {"ppn": ("head", "body"), "dkd": ("initial", "encoder")}.get(name, ("backbone",))
    torch.manual_seed(5)
    model = build(configure(name, **dict.fromkeys(backbones, toy), **(_OPTIONS[name] | options)))
    with torch.no_grad():
        for part, parameter in model.named_parameters():
            parameter.add_(torch.randn_like(parameter) * 0.7 / max(parameter[0].numel(), 1) ** 0.5)
            if part.endswith("bias"):
                parameter.abs_().add_(0.5)  # nearly all heatmaps have something positive
    return model.eval()


def toy_runner(name: str, names: tuple[str, ...], batch: int = 4, **options: Any) -> Any:
    model = toy_model(name, len(names), **options)
    kind = WindowRunner if isinstance(model, WindowModel) else RecurrentRunner
    return kind("toy", model, toy_card(model, names), torch.device("cpu"), batch=batch)


@cache
def toy_model_file(name: str, names: tuple[str, ...]) -> Path:
    """A checkpoint of one, by the names of its keypoints."""
    folder = Path(tempfile.mkdtemp(prefix="pwarp-toy-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = folder / f"{name}.safetensors"
    model = toy_model(name, len(names))
    save(path, model, toy_card(model, names))
    return path
