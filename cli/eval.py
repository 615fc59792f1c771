"""`pwarp eval`: numbers that can stand in a paper's table."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, get_args

import click

from pwarp import registry
from pwarp.errors import PwarpError
from pwarp.evaluation.bootstrap import check_resampled
from pwarp.evaluation.matching import Matching, find_labels, is_dataset, match
from pwarp.evaluation.measure import make_metrics, measure
from pwarp.evaluation.metric import Settings
from pwarp.evaluation.pairing import Selection
from pwarp.evaluation.partners import TrackMatching
from pwarp.evaluation.report import FORMATS, Column, Report
from pwarp.files import check_output

from .asked import asked, refuse_if_asked
from .numbers import Real, Whole, positive
from .paths import Read, Written
from .progress import progress
from .summary import Ending, ending_options

_LEAST_RESAMPLINGS = 100
# What an option sets, see `Settings` and `Selection`; each metric says which of it changes its figures.
_SETTINGS = {
    "length": "length",
    "alphas": "alphas",
    "strict": "strict",
    "auc_limit": "auc_limit",
    "occluded": "visible_only",
    "count_given": "exclude_manual",
    "every": "every",
    "tracks": "tracks",
    "sigmas": "sigmas",
    "bins": "bins",
}


class _List(click.ParamType):
    """Values between commas."""

    def __init__(self, name: str, item: Callable[[str], Any]) -> None:
        self.name, self._item = name, item

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return tuple(self._item(part.strip()) for part in value.split(","))
        except ValueError as error:
            return self.fail(str(error), param, ctx)


def _metric(text: str) -> str:
    known = registry.names("metric")
    if text not in known:
        raise ValueError(f"unknown metric '{text}'; known: {', '.join(known)}")
    return text


def _option(text: str) -> tuple[str, Any]:
    """NAME=VALUE, or NAME for true; values true, false and whole numbers are what they look like."""
    name, _, value = text.partition("=")
    words = {"": True, "true": True, "false": False}
    return name.replace("-", "_"), words.get(value, int(value) if re.fullmatch("[0-9]{1,18}", value) else value)


@click.command()
@click.argument("predictions", type=Read(), nargs=-1, required=True)
@click.argument("truth", type=Read())
@click.option(
    "--metric",
    "metrics",
    type=_List("names", _metric),
    default="pck,error",
    show_default=True,
    help=f"What to measure, between commas: {', '.join(registry.names('metric'))}.",
)
@click.option(
    "--length",
    metavar="LENGTH",
    help="Reference length: body, torso:A-B, head, diag:F or pixels.  [default: by metric, named in the output]",
)
@click.option(
    "--alpha",
    "alphas",
    type=_List("numbers", positive),
    help="Thresholds in reference lengths.  [default: pck 0.1,0.2; pckh 0.5; calibration 0.1, else the first]",
)
@click.option("--strict", is_flag=True, help="A hit needs error < alpha x length instead of <=.")
@click.option("--auc-limit", type=Real(0, above=True), help="Largest alpha of the AUC.  [default: 0.5]")
@click.option(
    "--occluded/--visible",
    default=None,
    help="Count keypoints labelled as occluded too, or visible ones alone.  [default: as the truth's data set is "
    "published, JHMDB and MPII with occluded ones; else visible ones]",
)
@click.option("--count-given", is_flag=True, help="Count keypoints that a person set in the prediction too.")
@click.option(
    "--every",
    type=Whole(1),
    metavar="K",
    help="Leave out frames 0, K, 2K, ... and the last where a prediction does not say what a person gave.",
)
@click.option(
    "--tracks",
    type=click.Choice(get_args(TrackMatching)),
    default="auto",
    show_default=True,
    help="How people find each other: by track id, by best overlap of whole tracks, or frame by frame.",
)
@click.option("--sigmas", type=_List("numbers", positive), help="OKS sigmas, one for all keypoints or one each.")
@click.option("--bins", type=Whole(1, 100), default=10, show_default=True, help="Of the reliability table.")
@click.option("--split", metavar="NAME", help="Split of a data set, or a group of splits to average over.")
@click.option(
    "--dataset-option", "options", multiple=True, metavar="NAME[=VALUE]", help="Option of a data set's reader."
)
@click.option("--partial", is_flag=True, help="Leave out, and name, videos without partner or that cannot be judged.")
@click.option("--per-joint", is_flag=True, help="Show each keypoint in every table.")
@click.option("--per-video", is_flag=True, help="Add a table with a row for each video.")
@click.option(
    "--bootstrap",
    type=Whole(_LEAST_RESAMPLINGS),
    metavar="N",
    help="95 % intervals from N resamplings of the videos.",
)
@click.option(
    "--format", "style", type=click.Choice(FORMATS), default="table", show_default=True, help="Of the output."
)
@click.option("--plot", type=Written(Path, unpiped="figures"), metavar="FILE", help="Also draw figures: .png or .svg.")
@ending_options(as_json="As --format json.")
def evaluate(
    predictions: tuple[str, ...],
    truth: str,
    metrics: tuple[str, ...],
    length: str | None,
    alphas: tuple[float, ...] | None,
    strict: bool,
    auc_limit: float | None,
    occluded: bool | None,
    count_given: bool,
    every: int | None,
    tracks: TrackMatching,
    sigmas: tuple[float, ...] | None,
    bins: int,
    split: str | None,
    options: tuple[str, ...],
    partial: bool,
    per_joint: bool,
    per_video: bool,
    bootstrap: int | None,
    style: str,
    plot: Path | None,
    ending: Ending,
) -> None:
    """Measure PREDICTIONS, one or several, against TRUTH, as the official evaluators do.

    Each is a label file, a folder of them, the root of a data set, or '-' for stdin. Videos are matched by name, else
    by the video that the labels name. Keypoints that a person set in a prediction are left out, so that propagated
    ones alone are measured; keypoints that the prediction lacks are misses.

    \b
    Reference lengths: body (longer side of the person's box), torso:A-B (two keypoints by number from 0 or by name),
    head (0.6 x diagonal of the head box), diag:F (F x diagonal of the box around the keypoints), pixels.

    \b
    Examples:
      pwarp eval dense.json truth.json
      pwarp eval linear.json dense.json truth.json --length torso:1-8 --alpha 0.1,0.2
      pwarp eval results/ posetrack/annotations/val/ --metric posetrack-ap,mota
      pwarp eval results/ Penn_Action/ --split test --bootstrap 1000 --format json
    """
    if [*predictions, truth].count("-") > 1:
        raise click.UsageError("'-' can stand for one of them only, for there is one stdin")
    _check_settings(metrics)
    if (asked("split") or asked("options")) and not any(is_dataset(place) for place in (*predictions, truth)):
        raise click.UsageError(
            f"--{'split' if asked('split') else 'dataset-option'} goes with the root of a data set; leave it out"
        )
    style = _style(style, as_json=ending.as_json)
    if per_joint and style in ("json", "csv"):
        refuse_if_asked("per_joint", f"--per-joint is of tables; {style} has each keypoint anyway: leave it out")
    if ending.force and plot is None:
        refuse_if_asked("force", "--force goes with --plot: give that, too, or leave it out")
    if plot is not None:
        # matplotlib is slow to import and may be missing: look only where it is needed, but before the work.
        from pwarp.evaluation.plots import check_plot

        check_plot(plot, metrics)
        check_output(plot, force=ending.force)
    settings = Settings(
        selection=Selection(
            visible_only=None if occluded is None else not occluded,
            exclude_manual=not count_given,
            every=every,
            tracks=tracks,
        ),
        length=length,
        alphas=alphas,
        strict=strict,
        auc_limit=auc_limit,
        sigmas=sigmas,
        bins=bins,
    )
    chosen = make_metrics(metrics, settings)
    reader_options = dict(_option(text) for text in options)
    true_labels = find_labels(truth, split=split, options=reader_options)
    matchings = [match(true_labels, find_labels(place, split=split, options=reader_options)) for place in predictions]
    names = _names(predictions)
    for name, matching in zip(names, matchings, strict=True):
        _account(name, matching, ending, partial=partial)
    if bootstrap:
        check_resampled(min(len(matching.pairs) for matching in matchings))
    if ending.dry_run:
        pairs = sum(len(matching.pairs) for matching in matchings)
        what = f"{', '.join(metrics)} of {pairs} pairs of videos"
        ending.would_write(plot or "-", what, {"pairs": pairs})
        return
    columns = []
    with progress(sum(len(m.pairs) for m in matchings), "eval", unit="videos", quiet=ending.quiet) as advance:
        for name, matching in zip(names, matchings, strict=True):
            measured = measure(
                matching.pairs, chosen, bootstrap=bootstrap or 0, per_video=per_video, lenient=partial, advance=advance
            )
            columns.append(
                Column(
                    prediction=name,
                    videos=tuple(labels.name for labels, _ in matching.pairs),
                    without_prediction=tuple(labels.name for labels in matching.only_truth),
                    without_truth=tuple(labels.name for labels in matching.only_prediction),
                    measured=tuple(measured),
                )
            )
    report = Report(truth=truth, columns=tuple(columns), settings=settings, bootstrap=bootstrap or 0)
    # The figures first: a disc that is full costs the picture only.
    click.echo(report.rendered(style, per_joint=per_joint), nl=False)
    if plot is not None:
        from pwarp.evaluation.plots import draw

        draw(report, plot, force=ending.force)


def _style(style: str, *, as_json: bool) -> str:
    """The form of the output; raises UsageError where --json and --format ask for two."""
    if as_json and (asked("as_json") or not asked("style")):
        if style != "json":
            refuse_if_asked("style", f"--json is --format json, and not {style}: leave one out")
        return "json"
    return style


def _check_settings(metrics: Sequence[str]) -> None:
    """Raise UsageError for a setting that was given and that none of the metrics looks at."""
    for option in click.get_current_context().command.params:
        setting = _SETTINGS.get(option.name or "")
        if setting is None or not asked(option.name or ""):
            continue
        using = [name for name in registry.names("metric") if setting in registry.load("metric", name).uses]
        if not set(using) & set(metrics):
            raise click.UsageError(
                f"{option.opts[0]} goes with --metric {', '.join(using)}; name one of these, or leave it out"
            )


def _account(name: str, matching: Matching, ending: Ending, *, partial: bool) -> None:
    """Say on stderr what matched; raise PwarpError where something did not and nobody allowed it."""
    if not matching.pairs:
        raise PwarpError(f"{name}: no video matches the truth: {matching.account()}; files pair up by their names")
    if not matching.complete and not partial:
        raise PwarpError(f"{name}: {matching.account()}; give --partial to measure those that matched")
    if not ending.quiet and (len(matching.pairs) > 1 or not matching.complete):
        click.echo(f"{name}: {matching.account()}", err=True)


def _names(places: Sequence[str]) -> list[str]:
    """What columns are called: the last part of each path, or all of it where two are alike."""
    short = [Path(place).name or place for place in places]
    count = Counter(short)
    return [name if count[name] == 1 else place for name, place in zip(short, places, strict=True)]
