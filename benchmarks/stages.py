"""Where the CPU time of a command goes: functions watched by stage, in whatever thread they run."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from importlib import import_module
from typing import Any

# What is watched: a function "module:name" or a method "module:Class.name". A stage does not count what other stages do
# within it. "makes" are functions that return the function to watch.
STAGES = {
    "decode": ("pwarp.video.stream:StreamReader.decode", "pwarp.video.images:_read_rgb"),
    "checksum": ("pwarp.video.scan:checksum", "pwarp.video.container:checksum"),
    "convert": ("pwarp.video.orientation:Converter.__call__",),
    "crop": ("pwarp.propagation.motion:Crop.cut", "pwarp.following.runner:Runner.cut"),
    "flow": (),
    "check flow": ("pwarp.propagation.motion:_with_inconsistency", "pwarp.propagation.motion:_halved"),
    "follow the body": ("pwarp.propagation.guide:_Body.follow",),
    "follow keypoints": ("pwarp.propagation.flow:_Chain.follow",),
    "beliefs": ("pwarp.propagation.auto:_Chain.forward", "pwarp.propagation.auto:_Chain.backward"),
    "network": (
        "pwarp.models.posewarper:PoseWarper.frame_features",
        "pwarp.models.posewarper:PoseWarper.warp",
        "pwarp.models.posewarper:PoseWarper.fuse",
        "pwarp.onnx.network:RuntimeNetwork.__call__",
    ),
    "heatmaps": ("pwarp.heatmaps:Codec.encode", "pwarp.heatmaps:Codec.decode"),
    "assemble": ("pwarp.propagation.planned:assemble",),
    "read labels": ("pwarp.formats:read",),
    "write labels": ("pwarp.formats:write",),
}
MAKES = {"flow": ("pwarp.propagation.motion:dis", "pwarp.propagation.motion:farneback", "pwarp.propagation.guide:dis")}


class Stages:
    """CPU seconds by stage."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._own = threading.local()

    def _watched(self, stage: str, work: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(work)
        def timed(*given: Any, **named: Any) -> Any:
            outside = getattr(self._own, "within", 0.0)
            self._own.within, began = 0.0, time.thread_time()
            try:
                return work(*given, **named)
            finally:
                took = time.thread_time() - began
                with self._lock:
                    self.seconds[stage] += took - self._own.within
                self._own.within = outside + took

        return timed

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Count while the block runs."""
        before = []
        for stage, names in STAGES.items():
            for name in names:
                owner, attribute, work = found(name)
                before.append((owner, attribute, work))
                setattr(owner, attribute, self._watched(stage, work))
        for stage, names in MAKES.items():
            for name in names:
                owner, attribute, make = found(name)
                before.append((owner, attribute, make))
                setattr(owner, attribute, self._making(stage, make))
        try:
            yield
        finally:
            for owner, attribute, work in before:
                setattr(owner, attribute, work)

    def _making(self, stage: str, make: Callable[..., Any]) -> Callable[..., Any]:
        return wraps(make)(lambda *given, **named: self._watched(stage, make(*given, **named)))


def found(name: str) -> tuple[Any, str, Any]:
    """Where a watched function is kept, under which name, and the function."""
    module, _, path = name.partition(":")
    owner: Any = import_module(module)
    *outer, attribute = path.split(".")
    for part in outer:
        owner = getattr(owner, part)
    return owner, attribute, getattr(owner, attribute)
