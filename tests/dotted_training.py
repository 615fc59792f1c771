"""A short run with a network without BatchNorm, whose statistics would be each process's own; also a script."""

from __future__ import annotations

import sys
from pathlib import Path

import dotted_network
import pytest
import torch
from torch import nn

from pwarp import registry
from pwarp.training.loop import Pace
from pwarp.training.run import Request, train
from pwarp.training.sources import Places

# A model with an adversary, too; these parts of it have no BatchNorm.
KINDS: dict[str, dict[str, object]] = {
    "estimator": {},
    "dkd": {"model": {"transfer": "lstm", "hidden": 4}, "head": dotted_network.NAME, "frames": 2},
}


def run(output: Path, labels: list[str], patch: pytest.MonkeyPatch) -> None:
    """Four steps of four poses, by each kind of network into a folder of its own."""
    patch.setitem(registry.PARTS["backbone"], dotted_network.NAME, dotted_network.WHERE)
    patch.setattr(nn, "BatchNorm2d", lambda _: nn.Identity())
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    for kind, more in KINDS.items():
        request = Request(
            kind,
            Places(tuple(labels)),
            output / kind,
            changes={"backbone": dotted_network.NAME, "size": (32, 32), "batch": 4, "steps": 4, **more},
            validation=0.5,
            device="cpu",
            precision="fp32",
            pace=Pace(log=1, validate=2, save=3),
        )
        train(request)
    torch.set_num_threads(threads)


if __name__ == "__main__":
    run(Path(sys.argv[1]), sys.argv[2:], pytest.MonkeyPatch())
