"""A network of several frames, opened from a checkpoint and ready to look through windows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pwarp.checkpoints import Card, load
from pwarp.crops import Window, cut
from pwarp.errors import PwarpError
from pwarp.estimation.checkpoint import choose_device
from pwarp.heatmaps import Codec
from pwarp.models.window import WindowModel
from pwarp.skeleton import Skeleton

Crops = NDArray[np.uint8]


class Sight:
    """A window model and how it wants to see people.

    name: for messages. model: on `device`, in evaluation. card: of its checkpoint. batch: most crops, or pairs of
    frames, at a time. seen: crops that went through the backbone so far.
    """

    def __init__(self, name: str, model: WindowModel, card: Card, device: torch.device, batch: int = 16) -> None:
        self.name, self.card, self.device, self.batch = name, card, device, batch
        self.model = model.eval().to(device)
        self.seen = 0
        self._mean = 255 * torch.tensor(card.mean, device=device).view(1, 3, 1, 1)
        self._std = 255 * torch.tensor(card.std, device=device).view(1, 3, 1, 1)

    @property
    def codec(self) -> Codec:
        """Size of the crops, and how its heatmaps are meant."""
        return self.card.codec

    @property
    def padding(self) -> float:
        """Factor by which boxes are enlarged before they are cut."""
        return self.card.padding

    @property
    def skeleton(self) -> Skeleton:
        """Of the heatmaps' channels."""
        return self.card.skeleton

    def cut(self, picture: NDArray[np.uint8], window: Window) -> Crops:
        """(h, w, 3) what the network sees through a window of a picture (H, W, 3) RGB."""
        return cut(picture, window, self.codec.size, unbiased=self.codec.unbiased)

    def features(self, crops: Sequence[Crops]) -> Tensor:
        """(B, C, h, w) float32 on the CPU: what the network makes of each crop, at most `batch` at a time."""
        self.seen += len(crops)
        with torch.inference_mode():
            parts = [
                self.model.frame_features(self._normalised(np.stack(crops[at : at + self.batch]))).float().cpu()
                for at in range(0, len(crops), self.batch)
            ]
        return torch.cat(parts)

    def _normalised(self, crops: Crops) -> Tensor:
        pixels = torch.from_numpy(crops).to(self.device).permute(0, 3, 1, 2).float()
        return (pixels - self._mean) / self._std

    def channels(self, skeleton: Skeleton) -> NDArray[np.int64]:
        """(K,) for each keypoint of a skeleton the channel of the same name, -1 for one that the network does not know.

        Raises PwarpError where it knows none.
        """
        return channels_for(self.name, self.skeleton, skeleton)


def channels_for(name: str, known: Skeleton, skeleton: Skeleton) -> NDArray[np.int64]:
    """(K,) for each keypoint of a skeleton the index of the same name in a known one, -1 where there is none.

    name: of the network that knows the other one. Raises PwarpError where no name is in both.
    """
    place = {keypoint: i for i, keypoint in enumerate(known.keypoints)}
    found = np.array([place.get(keypoint, -1) for keypoint in skeleton.keypoints], dtype=np.int64)
    if (found < 0).all():
        raise PwarpError(
            f"{name}: knows none of the keypoints of '{skeleton.name}' ({_some(skeleton)}); it was trained "
            f"on '{known.name}' ({_some(known)})"
        )
    return found


def open_sight(path: str | Path, *kinds: type[WindowModel], device: str = "auto", batch: int = 16) -> Sight:
    """The window model in a checkpoint; kinds: it must be one of these, where any are named.

    Raises PwarpError for a file that is no good, another kind of network, and a device that is not there.
    """
    module, card = load(path)
    if not isinstance(module, kinds or (WindowModel,)):
        wanted = " or ".join(kind.config_type.__name__.removesuffix("Config") for kind in kinds) or "a window model"
        raise PwarpError(f"{path}: holds '{card.model.name}', and {wanted} is needed; see 'pwarp train --help'")
    return Sight(Path(path).name, module, card, choose_device(device), batch)


def _some(skeleton: Skeleton) -> str:
    shown = ", ".join(skeleton.keypoints[:4])
    return shown if len(skeleton) <= 4 else f"{shown}, ... {len(skeleton)} in all"
