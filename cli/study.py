"""`pwarp study`: how far propagation can be trusted on one's own video."""

from __future__ import annotations

import re
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from pwarp import registry
from pwarp.files import check_output

from .asked import asked, refuse_if_asked
from .filling import own_options
from .paths import Read, Written
from .progress import progress
from .reading import Reading, reading_options
from .summary import Ending, duration, ending_options, say

if TYPE_CHECKING:
    from pwarp.annotations import Annotations
    from pwarp.trust.spacing import Spacing
    from pwarp.trust.study import Evidence, Study

_CONSERVATIVE = (
    "Hidden frames lie in gaps at least twice as wide as yours, most in their middle, where propagation is worst: "
    "with all your key frames it does better. This reports quality; it does not choose an engine."
)


class _Names(click.ParamType):
    """Engines between commas."""

    name = "engines"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        names = tuple(dict.fromkeys(part.strip() for part in value.split(",")))
        for name in names:
            if name not in registry.names("engine"):
                self.fail(f"unknown engine '{name}'; known: {', '.join(registry.names('engine'))}", param, ctx)
        return names


class _Strides(click.ParamType):
    """Whole numbers from 2 on between commas."""

    name = "numbers"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        parts = [part.strip() for part in value.split(",")]
        if not all(re.fullmatch("[0-9]{1,6}", part) and int(part) >= 2 for part in parts):
            self.fail(f"'{value}' is not whole numbers from 2 on, such as 2,4,8", param, ctx)
        return tuple(sorted({int(part) for part in parts}))


@click.command()
@click.argument("video", type=Read())
@click.argument("labels", type=Read())
@click.option("--engines", type=_Names(), default="linear,pchip,flow,auto", show_default=True, help="To measure.")
@click.option(
    "--target",
    metavar="LENGTH@ALPHA:SHARE",
    help="Recommend a spacing for this share of errors <= ALPHA x LENGTH.  [default: the usual length, at 0.1, 0.95]",
)
@click.option(
    "--keep",
    type=_Strides(),
    metavar="N,...",
    help="Hide all but every N-th key frame, for each N.  [default: 2,4,8,... as far as there are enough]",
)
@own_options
@click.option("--occluded", is_flag=True, help="Count keypoints labelled as occluded too, not only visible ones.")
@click.option(
    "-o",
    "--output",
    type=Written(),
    metavar="CALIBRATION",
    help="Write what makes scores shares of right keypoints, for propagate --calibration (.json); '-' for stdout.",
)
@reading_options()
@ending_options()
def study(
    video: str,
    labels: str,
    engines: tuple[str, ...],
    target: str | None,
    keep: tuple[int, ...] | None,
    settings: dict[str, Any],
    occluded: bool,
    output: str | None,
    reading: Reading,
    ending: Ending,
) -> None:
    """How well propagation does on VIDEO, measured on key frames in LABELS that are hidden from it in turn.

    LABELS is a label file, or '-' for stdin; only keypoints that a person set count, and a track needs three key
    frames. The first and the last of a track are never hidden. Prints, for each engine, the share of hidden keypoints
    that are right by the width of the gap and by keypoint, and the widest label spacing that meets the target. Lengths
    are those of pwarp eval.

    With -o, the scores of each engine are calibrated (isotonic regression): 0.8 then means that 80 % of such keypoints
    are right. It holds for the same engine with the same settings (--estimator, --weights, --flip).

    \b
    Examples:
      pwarp study video.mp4 keys.json --target torso:left_shoulder-right_hip@0.1:0.95
      pwarp study video.mp4 keys.json --engines auto -o calibration.json
      pwarp study video.mp4 keys.json --engines auto,posewarper --weights warper.safetensors
      pwarp propagate video.mp4 keys.json -o dense.json --calibration calibration.json
    """
    from pwarp.errors import PwarpError
    from pwarp.propagation.engine import settings_of
    from pwarp.propagation.scores import Calibration, calibration_file, told_apart, write_calibration
    from pwarp.trust.calibrate import fitted
    from pwarp.trust.study import hidden, shared_out
    from pwarp.trust.study import study as measure
    from pwarp.trust.target import parse_target
    from pwarp.video import open_video

    known = {name for engine in engines for name in settings_of(engine)}
    settings = {name: value for name, value in settings.items() if name in known or asked(name)}
    try:
        shared_out(settings, engines)
    except PwarpError as error:
        raise click.UsageError(str(error)) from error
    began = time.perf_counter()
    if ending.force and output is None:
        refuse_if_asked("force", "--force goes with -o: give that, too, or leave it out")
    to_stdout = output == "-"
    if output is not None and not to_stdout:
        check_output(Path(output), force=ending.force)
    with open_video(video) as source:
        annotations = reading.read(labels, source)
        goal = parse_target(target, annotations.skeleton)
        hidden(annotations, keep)  # refuses labels of which nothing can be hidden
        if ending.dry_run:
            what = f"a study of {', '.join(engines)} on {len(annotations.key_frames)} key frames"
            planned = {"engines": list(engines), "key_frames": len(annotations.key_frames)}
            ending.would_write(output or "-", what, planned, aside=to_stdout)
            return
        with progress(None, "study", quiet=ending.quiet) as bar:
            result = measure(
                source,
                annotations,
                goal,
                engines=engines,
                strides=keep,
                occluded=occluded,
                settings=settings,
                expect=bar.expect,
                advance=bar,
            )
    for name, why in result.failed.items():
        say(f"{name} was left out: {why}")
    values = _values(result, annotations)
    values["calibration"] = output
    values["seconds"] = round(time.perf_counter() - began, 3)
    # The report comes first: it stands also where there is too little to calibrate by.
    if ending.as_json:
        ending.report("", values, aside=to_stdout)
    elif not (to_stdout and ending.quiet):
        click.echo("\n".join(_lines(values)), err=to_stdout)
    if output is not None:
        maps = {name: fitted(evidence, goal.alpha) for name, evidence in result.engines.items()}
        made = {name: told_apart(result.settings[name]) for name in maps}
        calibration = Calibration(goal.length.text, goal.alpha, maps, made)
        if to_stdout:
            click.echo(calibration_file(calibration), nl=False)
        else:
            write_calibration(calibration, Path(output), force=ending.force)
        line = f"{output}: calibration of {', '.join(maps)}, {duration(values['seconds'])}"
        if not ending.as_json:
            ending.report(line, {}, aside=True)


def _values(result: Study, annotations: Annotations) -> dict[str, Any]:
    from pwarp.trust.spacing import levels, recommended

    engines: dict[str, Any] = {}
    for name, evidence in result.engines.items():
        by_gap = levels(evidence, result.target.alpha)
        narrow = evidence.where(evidence.stride == min(result.strides))
        engines[name] = {
            "by_gap": [asdict(level) for level in by_gap],
            "by_keypoint": _by_keypoint(narrow, annotations.skeleton.keypoints, result.target.alpha),
            "spacing": _spacing(recommended(by_gap, result.target.share)),
        }
    return {
        "target": result.target.text,
        "right": result.target.right,
        "share": result.target.share,
        "key_spacing": result.spacing,
        "engines": engines,
        "failed": dict(result.failed),
        "note": _CONSERVATIVE,
    }


def _by_keypoint(evidence: Evidence, names: tuple[str, ...], alpha: float) -> dict[str, Any]:
    right = evidence.right(alpha)
    table = {}
    for k, name in enumerate(names):
        own = evidence.keypoint == k
        if own.any():
            px = evidence.px[own & evidence.found]
            table[name] = {
                "keypoints": int(own.sum()),
                "right": float(right[own].mean()),
                "median_px": float(np.median(px)) if len(px) else float("nan"),
            }
    return table


def _spacing(spacing: Spacing) -> dict[str, Any]:
    return {"frames": spacing.frames, "ground": spacing.ground}


def _lines(values: dict[str, Any]) -> list[str]:
    """The tables for people: a column an engine; a cell is the share of right keypoints and the median error."""
    engines = values["engines"]
    lines = [f"Right is {values['right']}. Key frames every {values['key_spacing']:g} frames (median).", ""]
    first = next(iter(engines.values()))
    rows = [["gap", "poses", *engines]]
    for i, level in enumerate(first["by_gap"]):
        narrow, wide = level["narrowest"], level["widest"]
        gap = f"{level['gap']:g}" if narrow == wide else f"{level['gap']:g} ({narrow}-{wide})"
        rows.append([gap, str(level["poses"]), *(_level(e["by_gap"][i]) for e in engines.values())])
    lines += ["Right by gap (95 % interval), median error:", *_table(rows), ""]
    rows = [["keypoint", "count", *engines]]
    for name, row in first["by_keypoint"].items():
        rows.append([name, str(row["keypoints"]), *(_cell(e["by_keypoint"][name]) for e in engines.values())])
    lines += [f"Right by keypoint at the narrowest gap, {first['by_gap'][0]['gap']:g} frames:", *_table(rows), ""]
    lines.append(f"Label spacing for {100 * values['share']:g} % right:")
    width = max(map(len, engines))
    lines += [f"  {name:<{width}}  {_advice(e['spacing'])}" for name, e in engines.items()]
    return [*lines, "", values["note"]]


def _advice(spacing: dict[str, Any]) -> str:
    frames, ground = spacing["frames"], spacing["ground"]
    if ground == "at least":
        return f"every {frames} frames or more: the widest gap that was measured is good enough"
    if ground == "measured":
        return f"every {frames} frames"
    return f"about every {frames} frames, by a line to below what was measured" if frames > 1 else "every frame"


def _level(level: dict[str, Any]) -> str:
    interval = "" if np.isnan(level["low"]) else f" ({100 * level['low']:.0f}-{100 * level['high']:.0f})"
    return f"{100 * level['right']:.1f} %{interval} {level['median_px']:.1f} px"


def _cell(row: dict[str, Any]) -> str:
    return f"{100 * row['right']:.1f} % {row['median_px']:.1f} px"


def _table(rows: list[list[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  " + "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]
