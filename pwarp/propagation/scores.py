"""Calibrated scores: a map from what an engine says to how often that was right, and the file that keeps it.

The file is JSON:

    {"info": {"format": "pwarp-calibration", "version": 1, "pwarp": "1.0"},
     "right": {"length": "torso:1-8", "alpha": 0.1},
     "engines": {"auto": {"score": [0.2, 0.9], "right": [0.4, 0.97], "keypoints": 168, "settings": "flip 1f.."}}}

`right` says what counted as right: error <= alpha x length. For each engine, a score becomes the share of right ones
that lies on the lines between the listed points; before the first and after the last it is theirs. keypoints: how many
the points rest on. settings: those that the engine had, and a hash of them; left out where it had none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from pwarp import __version__
from pwarp.annotations import FloatArray
from pwarp.errors import PwarpError
from pwarp.files import write_bytes
from pwarp.propagation.engine import fixed

_FORMAT, _VERSION = "pwarp-calibration", 1
_LARGEST = 1 << 20  # bytes
_MOST = 2**53  # any number in a file
# Settings that change no more than the last digits of a score.
_WITHOUT_SAY = ("device", "batch", "save_weights")


@dataclass(frozen=True)
class ScoreMap:
    """A never falling map of scores in 0..1 to shares of right keypoints in 0..1, given by points.

    score: rising. right: as many, never falling. keypoints: how many it rests on.

    Raises PwarpError for anything else.
    """

    score: tuple[float, ...]
    right: tuple[float, ...]
    keypoints: int = 0

    def __post_init__(self) -> None:
        x, y = np.array(self.score, dtype=float), np.array(self.right, dtype=float)
        if x.shape != y.shape or not len(x):
            raise PwarpError(f"a calibration has {len(x)} scores and {len(y)} shares; it needs as many of each")
        inside = ((x >= 0) & (x <= 1)).all() and ((y >= 0) & (y <= 1)).all()
        if not inside or (np.diff(x) <= 0).any() or (np.diff(y) < 0).any():
            raise PwarpError("a calibration needs rising scores and never falling shares, all in 0..1")

    def __call__(self, score: FloatArray) -> FloatArray:
        """Scores of any shape, calibrated; NaN stays NaN."""
        mapped: FloatArray = np.interp(score, self.score, self.right)
        return np.where(np.isnan(score), np.nan, mapped)


@dataclass(frozen=True)
class Calibration:
    """Score maps by engine. length, alpha: right is error <= alpha x length.

    settings: by engine, what it had, as `told_apart` says it; an engine that is not here had none.
    """

    length: str
    alpha: float
    engines: Mapping[str, ScoreMap]
    settings: Mapping[str, str] = field(default_factory=dict)

    def of(self, engine: str, settings: Mapping[str, Any] | None = None) -> ScoreMap:
        """The map of an engine with its settings, whose scores differ from those with others.

        Raises PwarpError with the engines there are for another one, and where the settings were others.
        """
        if engine not in self.engines:
            raise PwarpError(
                f"the calibration is of {', '.join(self.engines)}, not of '{engine}'; choose that engine, or make one: "
                f"pwarp study VIDEO LABELS --engines {engine} -o CALIBRATION.json"
            )
        if (settings or {}).get("adapt"):
            raise PwarpError(
                "a network that is fitted to the video at hand (--adapt) has no calibration; leave --calibration out"
            )
        measured, asked = self.settings.get(engine, ""), told_apart(settings or {})
        if measured != asked:
            raise PwarpError(
                f"the calibration of '{engine}' is with {measured or 'no settings'}, not with {asked or 'none'}, and "
                f"the scores differ; make one with the same options: pwarp study VIDEO LABELS --engines {engine} ... "
                "-o CALIBRATION.json"
            )
        return self.engines[engine]


def told_apart(settings: Mapping[str, Any]) -> str:
    """The names of an engine's settings that decide its scores, and a hash of their values, or of what the files
    hold that they name; empty where there are none."""
    deciding = {name: value for name, value in settings.items() if name not in _WITHOUT_SAY}
    if not deciding:
        return ""
    # A file may move: it counts by what it holds, which follows its name.
    held = [(name, value[1:] if isinstance(value, tuple) else value) for name, value in fixed(deciding)]
    return f"{', '.join(sorted(deciding))} {hashlib.blake2b(repr(held).encode(), digest_size=8).hexdigest()}"


def write_calibration(calibration: Calibration, path: Path, *, force: bool = False) -> None:
    """Write a calibration, atomically."""
    write_bytes(path, calibration_file(calibration), force=force)


def calibration_file(calibration: Calibration) -> bytes:
    """The content of a calibration's file."""
    engines: dict[str, dict[str, Any]] = {
        name: {"score": list(m.score), "right": list(m.right), "keypoints": m.keypoints}
        for name, m in calibration.engines.items()
    }
    for name, settings in calibration.settings.items():
        if settings:
            engines[name]["settings"] = settings
    document = {
        "info": {"format": _FORMAT, "version": _VERSION, "pwarp": __version__},
        "right": {"length": calibration.length, "alpha": calibration.alpha},
        "engines": engines,
    }
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def read_calibration(path: Path) -> Calibration:
    """The calibration in a file; raises PwarpError where it is none."""
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
    except OSError as error:
        raise PwarpError(f"{path}: cannot read: {error.strerror}; give a file that pwarp study -o wrote") from error
    try:
        document = orjson.loads(content) if len(content) <= _LARGEST else None
    except orjson.JSONDecodeError:
        document = None
    try:
        return _parsed(document)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise PwarpError(f"{path}: is no calibration; give a file that pwarp study -o wrote") from error
    except PwarpError as error:
        raise PwarpError(f"{path}: {error}") from error


def _parsed(document: Any) -> Calibration:
    info, right = document["info"], document["right"]
    if info["format"] != _FORMAT:
        raise ValueError(info["format"])
    if info["version"] != _VERSION:
        raise PwarpError(f"calibration version {info['version']}, this pwarp knows {_VERSION}; make it anew")
    engines = {
        str(name): ScoreMap(
            tuple(map(_number, points["score"])),
            tuple(map(_number, points["right"])),
            int(_number(points["keypoints"])),
        )
        for name, points in document["engines"].items()
    }
    settings = {
        str(name): str(points["settings"]) for name, points in document["engines"].items() if "settings" in points
    }
    return Calibration(str(right["length"]), _number(right["alpha"]), engines, settings)


def _number(value: Any) -> float:
    """A number of a file; ValueError for text, what is not finite, and what only a hostile file counts to."""
    if type(value) not in (int, float) or not abs(value) <= _MOST:
        raise ValueError(value)
    return float(value)
