"""Every engine with what it needs to run on things whose keypoints are called point_0, point_1, ..."""

from __future__ import annotations

from typing import Any

from toy_warper import toy_checkpoint

from pwarp import registry
from pwarp.propagation import Options

WITH_EVIDENCE = "auto, with an estimator"
ENGINES = [*registry.names("engine"), WITH_EVIDENCE]
KNOWN = tuple(f"point_{k}" for k in range(5))


def options(engine: str, *more: Any, **others: Any) -> Options:
    """Options of a run with a registered engine."""
    settings: dict[str, Any] = {}
    if engine == "posewarper":
        settings = {"weights": toy_checkpoint(KNOWN, 0.3), "device": "cpu"}
    elif engine == WITH_EVIDENCE:
        engine, settings = "auto", {"estimator": str(toy_checkpoint(KNOWN)), "device": "cpu"}
    return Options(engine, *more, settings=settings, **others)
