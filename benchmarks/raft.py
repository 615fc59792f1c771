"""RAFT (Teed & Deng, ECCV 2020) from torchvision as a flow to follow, where its weights lie in torch's cache.

The engines look at grey crops, so RAFT sees grey, too. Nothing is fetched here; where there is a network,
`python -c "from torchvision.models.optical_flow import *; raft_large(weights='DEFAULT')"` does that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torchvision.models import optical_flow

from pwarp import registry
from pwarp.propagation.engine import Job
from pwarp.propagation.flow import _follow
from pwarp.propagation.motion import Estimator, Grey
from pwarp.propagation.plan import Fill, Span

_BUILDERS = {"large": optical_flow.raft_large, "small": optical_flow.raft_small}
_WEIGHTS = {"large": optical_flow.Raft_Large_Weights.DEFAULT, "small": optical_flow.Raft_Small_Weights.DEFAULT}
_SMALLEST = 128  # pixels a side that RAFT needs, and then a multiple of 8

# As an engine it is known to whoever imports this module.
registry.PARTS["engine"]["raft"] = "benchmarks.raft:RaftFlow"


def cached() -> str | None:
    """The larger of the two networks whose weights are there."""
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    return next((size for size, w in _WEIGHTS.items() if (folder / Path(w.url).name).exists()), None)


@dataclass(frozen=True)
class RaftFlow:
    """Follow RAFT from the nearer key frame, as the engine `flow` follows DIS. size: "large" or "small". weights: to
    load; without, the network is random, which tells nothing."""

    size: str
    weights: bool = True

    def fill(self, job: Job, spans: Iterable[Span], advance: Callable[[int], None]) -> Iterator[list[Fill]]:
        """Fill spans; see `pwarp.propagation.engine`."""
        network = _BUILDERS[self.size](weights=_WEIGHTS[self.size] if self.weights else None).eval()
        return _follow(job, spans, advance, lambda: estimator(deepcopy(network)))  # it has a state of its own


def estimator(network: torch.nn.Module) -> Estimator:
    """The flow (h, w, 2) from one grey picture (h, w) to another."""

    @torch.inference_mode()
    def estimate(a: Grey, b: Grey) -> np.ndarray:
        height, width = a.shape
        right = max(_SMALLEST, -(-width // 8) * 8) - width
        below = max(_SMALLEST, -(-height // 8) * 8) - height
        pair = [cv2.copyMakeBorder(one, 0, below, 0, right, cv2.BORDER_REPLICATE) for one in (a, b)]
        first, second = (torch.from_numpy(one).float()[None, None].expand(-1, 3, -1, -1) / 127.5 - 1 for one in pair)
        found = network(first, second)[-1][0, :, :height, :width]
        return np.ascontiguousarray(found.permute(1, 2, 0).numpy())

    return estimate
