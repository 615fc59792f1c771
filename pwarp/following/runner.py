"""Networks of several frames, opened from a checkpoint and ready to look through windows."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pwarp.annotations import FloatArray
from pwarp.checkpoints import Card, load
from pwarp.crops import Window, cut
from pwarp.errors import PwarpError
from pwarp.estimation.checkpoint import Precision, TorchEstimator, choose_device
from pwarp.heatmaps import Codec
from pwarp.memory import enough_memory
from pwarp.models.recurrent import RecurrentModel, State
from pwarp.models.window import WindowModel
from pwarp.skeleton import Skeleton

Crops = NDArray[np.uint8]


class Runner:
    """How a network wants to see people: crops, cut and normalised.

    name: for messages. card: of its checkpoint. batch: most crops, or pairs of frames, at a time. seen: crops that went
    through the backbone so far.
    """

    def __init__(self, name: str, card: Card, device: torch.device, batch: int = 16) -> None:
        self.name, self.card, self.device, self.batch = name, card, device, batch
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

    def cut(self, picture: NDArray[np.uint8], window: Window, *, mirrored: bool = False) -> Crops:
        """(h, w, 3) what the network sees through a window of a picture (H, W, 3) RGB, or its mirror image."""
        crop = cut(picture, window, self.codec.size, unbiased=self.codec.unbiased)
        return np.ascontiguousarray(crop[:, ::-1]) if mirrored else crop

    def memory_for(self, people: int) -> AbstractContextManager[None]:
        """Turns want of memory into a PwarpError that says how to ask for less. people: looked at at once."""
        return enough_memory(f"{people} crops at once on {self.device}; lower --batch")

    def normalised(self, crops: Crops) -> Tensor:
        """(B, 3, H, W) on the device, of crops (B, H, W, 3)."""
        pixels = torch.from_numpy(crops).to(self.device).permute(0, 3, 1, 2).float()
        return (pixels - self._mean) / self._std

    def channels(self, skeleton: Skeleton) -> NDArray[np.int64]:
        """(K,) for each keypoint of a skeleton the channel of the same name, -1 for one that the network does not know.

        Raises PwarpError where it knows none.
        """
        return channels_for(self.name, self.skeleton, skeleton)


class WindowRunner(Runner):
    """A window model and how it wants to see people. model: on `device`, in evaluation."""

    def __init__(self, name: str, model: WindowModel, card: Card, device: torch.device, batch: int = 16) -> None:
        super().__init__(name, card, device, batch)
        self.model: WindowModel = model.eval().to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def features(self, crops: Sequence[Crops]) -> Tensor:
        """(B, C, h, w) float32 on the CPU: what the network makes of each crop, at most `batch` at a time."""
        self.seen += len(crops)
        with torch.inference_mode(), self.memory_for(min(len(crops), self.batch)):
            parts = [
                self.model.frame_features(self.normalised(np.stack(crops[at : at + self.batch]))).float().cpu()
                for at in range(0, len(crops), self.batch)
            ]
        return torch.cat(parts)


class RecurrentRunner(Runner):
    """A model that walks from frame to frame. model: on `device`, in evaluation.

    The state of a person is maps (C, h, w) on the device, in heatmap cells of the crop that they were last seen in.
    """

    def __init__(self, name: str, model: RecurrentModel, card: Card, device: torch.device, batch: int = 16) -> None:
        super().__init__(name, card, device, batch)
        self.model: RecurrentModel = model.eval().to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @cached_property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """(C, h, w) of each of a state's maps."""
        (width, height), (columns, rows) = self.codec.size, self.codec.cells
        pixels = torch.zeros(1, 3, height, width, device=self.device)
        heatmaps = torch.zeros(1, len(self.skeleton), rows, columns, device=self.device)
        with torch.inference_mode(), self.memory_for(1):
            state, _ = self.model.start(pixels, heatmaps)
        return tuple(tuple(maps.shape[1:]) for maps in state)

    @torch.inference_mode()
    def start(self, crops: Sequence[Crops], xy: FloatArray, known: NDArray[np.bool_]) -> tuple[list[State], Tensor]:
        """The states of B people and their heatmaps (B, K, h, w), float32 on the CPU, in the first frame of each.

        xy: (B, K, 2) crop pixels of what is known of their poses and known: (B, K) what that is; the rest comes from
        the model's own first estimate, which is not made where all is known.
        """
        self.seen += len(crops)
        there = torch.from_numpy(known)
        with self.memory_for(len(crops)):
            pixels = self.normalised(np.stack(crops))
            drawn, _ = self.codec.encode(torch.from_numpy(xy).float(), there.float())
            given = drawn.to(self.device)
            lacking = (~there.all(dim=1)).to(self.device)
            if lacking.any():
                kept = there.to(self.device)[lacking][..., None, None]
                given[lacking] = torch.where(kept, given[lacking], self.model.first(pixels[lacking]).float())
            return self._each(*self.model.start(pixels, given))

    @torch.inference_mode()
    def step(self, states: Sequence[State], crops: Sequence[Crops]) -> tuple[list[State], Tensor]:
        """The states and heatmaps (B, K, h, w) of the same people in the next frame, from B crops (H, W, 3)."""
        self.seen += len(crops)
        with self.memory_for(len(crops)):
            before = tuple(torch.stack(maps) for maps in zip(*states, strict=True))
            return self._each(*self.model.step(before, self.normalised(np.stack(crops))))

    def _each(self, state: State, heatmaps: Tensor) -> tuple[list[State], Tensor]:
        return [tuple(maps[i] for maps in state) for i in range(len(heatmaps))], heatmaps.float().cpu()


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


def open_window_runner(
    path: str | Path, *kinds: type[WindowModel], device: str = "auto", batch: int = 16
) -> WindowRunner:
    """The window model in a checkpoint; kinds: it must be one of these, where any are named.

    Raises PwarpError for a file that is no good, another kind of network, and a device that is not there.
    """
    module, card = load(path)
    if not isinstance(module, kinds or (WindowModel,)):
        wanted = " or ".join(kind.config_type.__name__.removesuffix("Config") for kind in kinds) or "a window model"
        raise PwarpError(f"{path}: holds '{card.model.name}', and {wanted} is needed; see 'pwarp train --help'")
    return WindowRunner(Path(path).name, module, card, choose_device(device), batch)


def open_model(path: str | Path, *, device: str = "auto", batch: int = 16) -> WindowRunner | RecurrentRunner:
    """The model of several frames in a checkpoint, of any kind; errors as of `open_window_runner`."""
    found = open_any(path, device=device, batch=batch)
    if isinstance(found, TorchEstimator):
        raise PwarpError(
            f"{path}: holds '{found.card.model.name}', which looks at single frames: use it with 'pwarp estimate'; "
            "'pwarp models' names those that look at several"
        )
    return found


def open_any(
    path: str | Path, *, device: str = "auto", batch: int = 16, precision: Precision = "fp32"
) -> TorchEstimator | WindowRunner | RecurrentRunner:
    """Whatever network a checkpoint holds; precision: of one that looks at single frames.

    Raises PwarpError for a file that is no good, a device that is not there, and a precision that does not apply.
    """
    name, (module, card) = Path(path).name, load(path)
    if isinstance(module, WindowModel | RecurrentModel) and precision != "fp32":
        raise PwarpError(f"{path}: '{card.model.name}' runs in fp32 only; leave --precision out")
    if isinstance(module, WindowModel):
        return WindowRunner(name, module, card, choose_device(device), batch)
    if isinstance(module, RecurrentModel):
        return RecurrentRunner(name, module, card, choose_device(device), batch)
    return TorchEstimator(name, module, card, choose_device(device), precision)


def _some(skeleton: Skeleton) -> str:
    shown = ", ".join(skeleton.keypoints[:4])
    return shown if len(skeleton) <= 4 else f"{shown}, ... {len(skeleton)} in all"
