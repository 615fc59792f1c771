"""The figures of a report as a picture: PCK curve, reliability, error by keypoint, whichever were measured."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pwarp.errors import PwarpError, UsageError
from pwarp.evaluation.measure import Measured
from pwarp.evaluation.report import Report
from pwarp.files import atomic_path

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SUFFIXES = (".png", ".svg")
_PANEL_INCHES = (5.0, 4.0)


def draw(report: Report, target: Path, *, force: bool = False) -> None:
    """Draw a panel for each metric that has one, a line or group of bars for each prediction, as PNG or SVG.

    Raises PwarpError for another suffix, where matplotlib is missing, and where no measured metric has a panel.
    """
    check_plot(target, [measured.metric for measured in report.columns[0].measured])
    panels = [
        (index, panel)
        for index, measured in enumerate(report.columns[0].measured)
        if (panel := _PANELS.get(measured.metric)) is not None
    ]
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    width, height = _PANEL_INCHES
    figure = Figure(figsize=(width * len(panels), height), layout="constrained")
    FigureCanvasAgg(figure)
    for place, (index, panel) in enumerate(panels, start=1):
        axes = figure.add_subplot(1, len(panels), place)
        panel(axes, {column.prediction: column.measured[index] for column in report.columns})
        if len(report.columns) > 1:
            axes.legend(fontsize="small")
    # Without a date and names of chance, so that the same figures give the same file.
    with atomic_path(target, force=force) as temporary, rc_context({"svg.hashsalt": "pwarp"}):
        figure.savefig(temporary, dpi=150, metadata={"Date": None} if target.suffix.lower() == ".svg" else None)


def check_plot(target: Path, metrics: Iterable[str]) -> None:
    """Raise PwarpError where a plot of these metrics could not be written in that format, or not drawn at all."""
    if not _PANELS.keys() & set(metrics):
        raise UsageError(f"--plot draws {', '.join(_PANELS)}; measure one of these, or leave --plot out")
    if target.suffix.lower() not in SUFFIXES:
        raise UsageError(f"{target}: plots are written as {' or '.join(SUFFIXES)}; choose such a file name")
    if find_spec("matplotlib") is None:
        raise PwarpError("--plot needs matplotlib; install it with: pip install 'pwarp[plot]'")


def _pck_panel(axes: Axes, measured: dict[str, Measured]) -> None:
    for name, of in measured.items():
        curve = of.details["pck_curve"]
        axes.plot(curve["alpha"], curve["percent"], label=name)
    length = next(iter(measured.values())).details["length"]
    axes.set(title="PCK", xlabel=f"alpha ({length})", ylabel="keypoints within alpha [%]", ylim=(0, 100))
    axes.set_xlim(left=0)
    axes.grid(alpha=0.3)


def _calibration_panel(axes: Axes, measured: dict[str, Measured]) -> None:
    axes.plot([0, 1], [0, 1], color="0.6", linestyle="--", linewidth=1)
    for name, of in measured.items():
        rows = [row for row in of.details["reliability"] if row["count"]]
        axes.plot([row["mean_score"] for row in rows], [row["right"] for row in rows], marker="o", label=name)
    axes.set(title="Reliability", xlabel="mean score", ylabel="share right", xlim=(0, 1), ylim=(0, 1))
    axes.grid(alpha=0.3)


def _error_panel(axes: Axes, measured: dict[str, Measured]) -> None:
    joints = [f.name for f in next(iter(measured.values())).figures if f.kind == "joint"]
    thickness = 0.8 / len(measured)
    for i, (name, of) in enumerate(measured.items()):
        values = [f.value for f in of.figures if f.kind == "joint"]
        axes.barh([row + i * thickness for row in range(len(joints))], values, height=thickness, label=name)
    middle = 0.4 - thickness / 2
    axes.set_yticks([row + middle for row in range(len(joints))], joints, fontsize="small")
    axes.invert_yaxis()
    axes.set(title="Error by keypoint", xlabel="median error [px]")


_PANELS: dict[str, Callable[[Any, dict[str, Measured]], None]] = {
    "pck": _pck_panel,
    "pckh": _pck_panel,
    "auc": _pck_panel,
    "error": _error_panel,
    "calibration": _calibration_panel,
}
