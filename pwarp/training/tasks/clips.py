"""Training models that walk through a video, end to end on a few consecutive frames: PPN, DKD."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pwarp.errors import PwarpError
from pwarp.models.adversary import Adversary, Verdict
from pwarp.training.losses import l2
from pwarp.training.tasks.base import Seen, Task


@dataclass
class Walking(Task):
    """`length` consecutive frames; whatever of them is labelled counts.

    All are seen through one window, the one of the box in the frame in the middle, so that the person strays from it
    least; the video's first and last frames have theirs at the side. For validation the labelled frame is the last
    one, or as late as the video allows: the model has then come so far as it would have online. A video shorter than
    the clip, as a single picture is, stands still at its end.
    """

    length: int = 5

    def __post_init__(self) -> None:
        self.every_frame = True
        self.reach = self.length - 1

    def frames(self, random: np.random.Generator | None, frame: int, last: int, number: int) -> tuple[int, ...]:
        before = self.length - 1 if random is None else self.length // 2
        first = max(min(frame - before, last - self.length + 1), 0)
        return tuple(min(first + t, last) for t in range(self.length))

    def heatmaps(self, network: Any, seen: Seen) -> Tensor:
        found: Tensor = network(seen.clip)
        # The last of them: where a short video stands still, the model has come as far as it comes.
        back = (seen.offsets == 0).flip(1).int().argmax(1)
        return found[torch.arange(len(found), device=found.device), found.shape[1] - 1 - back]


@dataclass
class Propagating(Walking):
    """PPN (Liu & Chen, IEEE Access 2020, equation 1): HeadNet's first estimate counts beside those of all frames."""

    def loss(self, network: Any, seen: Seen, target: Tensor, weight: Tensor) -> Tensor:
        initial, found = network.unroll(seen.clip)
        return l2(initial, target[:, 0], weight[:, 0]) + l2(found, target, weight)


@dataclass
class Distilling(Walking):
    """DKD (Nie et al., ICCV 2019, sections 3.1 and 3.3, algorithm 1).

    adversary: what it is trained against, with gradients of its own; None for none. Both take one step on what one
    batch shows, as in the algorithm; after it the balance λ follows equation 7.
    """

    adversary: Adversary | None = None
    _verdict: Verdict | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.length < 2:
            raise PwarpError("dkd carries a pose from frame to frame; clips must have at least 2 frames")

    @property
    def beside(self) -> nn.Module | None:
        return self.adversary

    def loss(self, network: Any, seen: Seen, target: Tensor, weight: Tensor) -> Tensor:
        heatmaps = network(seen.clip)
        loss = l2(heatmaps, target, weight)
        if self.adversary is not None:
            self._verdict = self.adversary(seen.clip, heatmaps.float(), target, weight)
            loss = loss + self._verdict.estimator + self._verdict.discriminator
        return loss

    def stepped(self, mean: Callable[[Tensor], Tensor]) -> None:
        if self.adversary is not None and self._verdict is not None:
            verdict, self._verdict = self._verdict, None
            self.adversary.control(verdict._replace(real=mean(verdict.real), fake=mean(verdict.fake)))

    def figures(self) -> dict[str, float]:
        return {} if self.adversary is None else {"balance": float(self.adversary.balance)}
