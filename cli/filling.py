"""The options that say how frames between key frames are filled, of one video or of many."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pwarp import registry

from .asked import asked
from .numbers import Real, Whole
from .paths import Read
from .together import together

if TYPE_CHECKING:
    from pwarp.propagation import Options

_OPTIONS = (
    click.option(
        "--engine", type=click.Choice(registry.names("engine")), default="auto", show_default=True, help="How to fill."
    ),
    click.option(
        "--reach",
        type=Whole(0),
        metavar="N",
        help="Frames beyond a person's first and last key frame, and around a correction of what a network saw.  "
        "[default: half the median key spacing, or half a second]",
    ),
    click.option("--max-gap", type=Whole(1), metavar="N", help="Do not bridge key frames that are farther apart."),
    click.option(
        "--min-score",
        type=Real(0, 1),
        default=0.0,
        metavar="S",
        help="Leave keypoints unlabelled that are less sure than this.",
    ),
    click.option(
        "--calibration",
        type=Read(Path),
        metavar="FILE",
        help="Make scores shares of right keypoints, as pwarp study -o measured them.",
    ),
)
_OWN_OPTIONS = (
    click.option(
        "--estimator",
        type=Read(),
        metavar="FILE|onnx:FILE",
        help="auto: let this estimator's heatmaps have a say; a checkpoint of pwarp, or an ONNX network.",
    ),
    click.option(
        "--weights",
        type=Read(Path),
        metavar="FILE|onnx:FILE",
        help="posewarper: a checkpoint of pwarp train posewarper, or its export.",
    ),
    click.option("--flip", is_flag=True, help="posewarper: look at mirror images, too: twice the time, a bit better."),
    click.option("--device", metavar="auto|cpu|cuda|mps", help="Where a network runs.  [default: auto]"),
    click.option("--batch", type=Whole(1), metavar="N", help="Crops that a network gets at a time.  [default: 16]"),
)
# Settings that an engine refuses without another one.
_GOES_WITH = {
    "auto": {"device": "estimator", "batch": "estimator"},
    "posewarper": {"init": "adapt", "save_weights": "adapt"},
}


@dataclass(frozen=True)
class Filling:
    """What the options say. settings: those of the engine's own that were given."""

    engine: str
    reach: int | None
    max_gap: int | None
    min_score: float
    calibration: Path | None
    settings: dict[str, Any]

    def options(self, **more: Any) -> Options:
        """What the engine is asked for; more: settings that only one command has, None or False where not given.

        Raises UsageError for settings of the command line that the engine does not have, or that do not go together.
        """
        from pwarp.errors import PwarpError
        from pwarp.propagation import Options, Reach
        from pwarp.propagation.engine import make_engine
        from pwarp.propagation.scores import read_calibration

        settings = _fitting(self.engine, self.settings | _given(**more))
        try:
            make_engine(self.engine, settings)
        except PwarpError as error:
            raise click.UsageError(str(error)) from error
        scores = None if self.calibration is None else read_calibration(self.calibration).of(self.engine, settings)
        return Options(self.engine, Reach(self.reach, self.max_gap), self.min_score, settings, scores)


def _fitting(engine: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Without those that only a configuration file has, and that do not fit the engine or what the command line asks.

    The engine itself refuses the others.
    """
    from pwarp.propagation.engine import settings_of

    known = settings_of(engine)
    fitting = {name: value for name, value in settings.items() if name in known or asked(name)}
    if {"weights", "adapt"} <= fitting.keys() and asked("weights") != asked("adapt"):
        del fitting["adapt" if asked("weights") else "weights"]
    for name, other in _GOES_WITH.get(engine, {}).items():
        if name in fitting and other not in fitting and not asked(name):
            del fitting[name]
    return fitting


def _given(**settings: Any) -> dict[str, Any]:
    """Those that were: an option that stands for nothing is None, a flag False."""
    return {name: value for name, value in settings.items() if value is not None and value is not False}


def _filling(
    engine: str, reach: int | None, max_gap: int | None, min_score: float, calibration: Path | None, **settings: Any
) -> Filling:
    return Filling(engine, reach, max_gap, min_score, calibration, _given(**settings))


filling_options = together("filling", _filling, *_OPTIONS, *_OWN_OPTIONS)
own_options = together("settings", _given, *_OWN_OPTIONS)
