"""Maps of many frames, in memory while they are few, else in a temporary file."""

from __future__ import annotations

import math
import os
import tempfile
from typing import IO

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pwarp.errors import PwarpError

IN_MEMORY = 400e6  # bytes of the stores that are in use together


class FeatureStore:
    """(N, ...) float32 maps, zero until they are put there. A file, where there is one, goes with the store.

    share: of all stores that are in use together, in what may be kept in memory.

    Raises PwarpError where there is no room for the file.
    """

    def __init__(self, shape: tuple[int, ...], share: float = 1.0) -> None:
        size = 4 * math.prod(shape)
        if size <= IN_MEMORY * share:
            self._maps: NDArray[np.float32] = np.zeros(shape, np.float32)
            return
        try:
            # Nameless: the system takes the file away with its last user, however that one ends.
            with tempfile.TemporaryFile(prefix="pwarp-") as file:
                _take_room(file, size)
                self._maps = np.memmap(file, np.float32, "r+", shape=shape)
        except OSError as error:
            folder = tempfile.tempdir or "no folder for temporary files"
            raise PwarpError(
                f"{folder}: no room for {size / 1e6:.0f} MB of maps: {error.strerror or error}; "
                "make some, or set TMPDIR to a folder that has it"
            ) from error

    def __setitem__(self, rows: object, maps: Tensor) -> None:
        self._maps[rows] = maps.numpy()  # type: ignore[call-overload]

    def __getitem__(self, rows: object) -> Tensor:
        return torch.from_numpy(np.array(self._maps[rows]))  # type: ignore[call-overload]


def _take_room(file: IO[bytes], size: int) -> None:
    """Make a file that many bytes long, all of them really there: a full disc shows now, as an error.

    Where a mapped file has holes, a full disc shows as a signal that ends the process.
    """
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), 0, size)
        return
    zeros = bytes(1 << 20)
    for start in range(0, size, len(zeros)):
        file.write(zeros[: size - start])
    file.flush()
