"""An ONNX network that runs: by onnxruntime where it is installed (extra `onnx`), else by OpenCV."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from pwarp.errors import PwarpError
from pwarp.onnx.header import Header, read_header

_BETTER = "onnxruntime may: pip install 'pwarp[onnx]'"
_PROVIDERS = ("CUDAExecutionProvider", "CPUExecutionProvider")


class Network(Protocol):
    """header: what the file says about itself."""

    header: Header

    def __call__(self, *inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """The first output for all inputs, in the file's order; mostly one, (B, 3, H, W)."""


def open_network(path: Path) -> Network:
    """The network in an ONNX file; raises PwarpError where there is none or it cannot be run."""
    header = read_header(path)
    if find_spec("onnxruntime") is not None:
        return RuntimeNetwork(path, header)
    return OpenCVNetwork(path, header)


class RuntimeNetwork:
    """Runs in onnxruntime, on a GPU where its build can."""

    def __init__(self, path: Path, header: Header) -> None:
        import onnxruntime

        self.header = header
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        there = [p for p in _PROVIDERS if p in onnxruntime.get_available_providers()]
        try:
            # Its own second try would print what went wrong with the first.
            self._session: Any = onnxruntime.InferenceSession(str(path), options, providers=there, enable_fallback=0)
        except Exception as error:  # onnxruntime has a class of its own for every fault
            raise PwarpError(f"{path}: onnxruntime cannot load it: {_first_line(error)}") from error
        self._inputs = [one.name for one in self._session.get_inputs()]
        outputs = [one.name for one in self._session.get_outputs()]
        if not outputs:
            raise PwarpError(f"{path}: a network without outputs")
        self._output = outputs[0]

    def __call__(self, *inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Network`."""
        try:
            feeds = dict(zip(self._inputs, inputs, strict=False))
            return np.asarray(self._session.run([self._output], feeds)[0], np.float32)
        except Exception as error:
            raise PwarpError(f"onnxruntime cannot run the network: {_first_line(error)}") from error


class OpenCVNetwork:
    """Runs in OpenCV, which needs no other library."""

    def __init__(self, path: Path, header: Header) -> None:
        self.header = header
        try:
            self._net = cv2.dnn.readNetFromONNX(str(path))
        except cv2.error as error:
            raise PwarpError(f"{path}: OpenCV cannot load it: {_first_line(error)}; {_BETTER}") from error
        # Joining layers gives wrong numbers for some networks.
        self._net.enableFusion(False)

    def __call__(self, *inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Network`; one input only."""
        try:
            (pixels,) = inputs
            self._net.setInput(pixels)
            return np.asarray(self._net.forward(), np.float32)
        except cv2.error as error:
            raise PwarpError(f"OpenCV cannot run the network: {_first_line(error)}; {_BETTER}") from error


def _first_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
