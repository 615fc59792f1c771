"""Maps of many frames, in memory while they are few, else in a temporary file."""

from __future__ import annotations

import tempfile

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

IN_MEMORY = 400e6  # bytes of the shelves that are in use together


class Shelf:
    """(N, ...) float32 maps, zero until they are put there. A file, where there is one, goes with the shelf.

    share: of all shelves that are in use together, in what may be kept in memory.
    """

    def __init__(self, shape: tuple[int, ...], share: float = 1.0) -> None:
        if 4 * np.prod(shape, dtype=np.float64) <= IN_MEMORY * share:
            self._maps: NDArray[np.float32] = np.zeros(shape, np.float32)
        else:
            # Nameless: the system takes the file away with its last user, however that one ends.
            with tempfile.TemporaryFile(prefix="pwarp-") as file:
                self._maps = np.memmap(file, np.float32, "w+", shape=shape)

    def __setitem__(self, rows: object, maps: Tensor) -> None:
        self._maps[rows] = maps.numpy()  # type: ignore[call-overload]

    def __getitem__(self, rows: object) -> Tensor:
        return torch.from_numpy(np.array(self._maps[rows]))  # type: ignore[call-overload]
