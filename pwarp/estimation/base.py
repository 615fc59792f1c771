"""What every estimator of poses can do, whatever runs its network."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pwarp.crops import PADDING
from pwarp.heatmaps import Codec
from pwarp.skeleton import Skeleton

if TYPE_CHECKING:
    from torch import Tensor

Crops = NDArray[np.uint8]


class Estimator(ABC):
    """Heatmaps for crops of single people (or whatever it was trained on).

    name: for messages. skeleton: of the heatmaps' channels. codec: size of the crops, and how the heatmaps are read.
    padding: factor by which boxes are enlarged before they are cut (`Window.around`).
    """

    name: str
    skeleton: Skeleton
    codec: Codec
    padding: float = PADDING

    @property
    def size(self) -> tuple[int, int]:
        """(w, h) of the crops in pixels."""
        return self.codec.size

    @abstractmethod
    def heatmaps(self, crops: Crops) -> Tensor:
        """(B, K, h, w) float32 heatmaps, on the estimator's device, for crops (B, H, W, 3) RGB of `size`.

        Raises PwarpError where the network cannot be run, such as for want of memory.
        """
