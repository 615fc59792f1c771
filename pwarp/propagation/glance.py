"""A frame-wise estimator as an eye of `look`: its heatmaps are what is seen of a crop."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from pwarp.crops import Window, cut
from pwarp.estimation import Estimator
from pwarp.following import channels_for
from pwarp.following.runner import Crops
from pwarp.heatmaps import Codec
from pwarp.skeleton import Skeleton


class Glance:
    """An estimator that looks through windows. batch: most crops at a time."""

    def __init__(self, estimator: Estimator, batch: int = 16) -> None:
        self._estimator, self.batch = estimator, batch
        self.name, self.skeleton = estimator.name, estimator.skeleton

    @property
    def codec(self) -> Codec:
        """Size of the crops, and how the heatmaps are meant."""
        return self._estimator.codec

    @property
    def padding(self) -> float:
        """Factor by which boxes are enlarged before they are cut."""
        return self._estimator.padding

    def cut(self, picture: NDArray[np.uint8], window: Window) -> Crops:
        """(h, w, 3) what the estimator sees through a window of a picture (H, W, 3) RGB."""
        return cut(picture, window, self.codec.size, unbiased=self.codec.unbiased)

    def features(self, crops: Sequence[Crops]) -> Tensor:
        """(B, C, h, w) float32 on the CPU: the heatmaps of each crop."""
        return self._estimator.heatmaps(np.stack(crops)).float().cpu()

    def channels(self, skeleton: Skeleton) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(K,) for each keypoint of a skeleton the channel of the same name, and that of its other side; -1 for none.

        Raises PwarpError where no name is known.
        """
        own = channels_for(self.name, self.skeleton, skeleton)
        other = np.arange(len(self.skeleton))
        for left, right in self.skeleton.flip_pairs:
            other[[left, right]] = right, left
        return own, np.where(own < 0, own, other[own])
