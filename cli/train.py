"""`pwarp train`: networks from labelled videos."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

import click

from pwarp import registry

from .progress import Advance, progress
from .summary import dry_run_option, duration, json_option, quiet_option, report, would_write

if TYPE_CHECKING:
    from pwarp.training.run import Report
    from pwarp.training.sources import Places

# As in pwarp.training.recipes, which would load torch for a --help.
_RECIPES = ("small", "paper", "released")
_CODECS = ("msra", "dark", "udp")
_GIB = 1 << 30

Command = TypeVar("Command", bound=Callable[..., Any])


class _Size(click.ParamType):
    """WIDTHxHEIGHT in pixels."""

    name = "size"

    def convert(
        self, value: str | tuple[int, int], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        if isinstance(value, tuple):
            return value
        match = re.fullmatch(r"(\d{1,4})[xX](\d{1,4})", value)
        if match is None:
            self.fail(f"'{value}' is no size; give WIDTHxHEIGHT, such as 128x128", param, ctx)
        return int(match[1]), int(match[2])


_data_options = [
    click.argument("data", nargs=-1, required=True),
    click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder of the run."),
    click.option(
        "--recipe", type=click.Choice(_RECIPES), default="small", show_default=True, help="What to begin with."
    ),
    click.option(
        "--videos",
        type=click.Path(path_type=Path, exists=True, file_okay=False),
        help="Folder to look for the label files' videos in.  [default: where the label files say]",
    ),
    click.option(
        "--val",
        "validation",
        multiple=True,
        metavar="SHARE|PLACE",
        help="Share of the videos, such as 0.1, or other labels; may be repeated.",
    ),
    click.option("--split", metavar="NAME", help="Split of a data set to train on.  [default: train]"),
    click.option("--val-split", metavar="NAME", help="Split of the same data set to validate on."),
    click.option("--option", "options", multiple=True, metavar="NAME=VALUE", help="Option of a data set."),
    click.option(
        "--pseudo-weights",
        type=click.Choice(("one", "score", "none")),
        default="score",
        show_default=True,
        help="What keypoints weigh that no person set.",
    ),
]
_recipe_options = [
    click.option("--steps", type=click.IntRange(1), metavar="N", help="Gradient steps."),
    click.option("--epochs", type=click.FloatRange(0, min_open=True), metavar="N", help="Instead of steps."),
    click.option("--batch", type=click.IntRange(1), metavar="N", help="Poses a step, of all processes together."),
    click.option("--lr", "rate", type=click.FloatRange(0, min_open=True), metavar="R", help="Adam's learning rate."),
    click.option("--schedule", type=click.Choice(("drops", "cosine", "linear")), help="How the rate goes down."),
    click.option("--size", type=_Size(), metavar="WxH", help="Of the crops."),
    click.option("--codec", type=click.Choice(_CODECS), help="How keypoints become heatmaps."),
    click.option("--sigma", type=click.FloatRange(0, min_open=True), help="Of the heatmaps, in cells."),
    click.option("--no-augmentation", is_flag=True, help="Neither flip, turn, scale nor half bodies."),
]
_run_options = [
    click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of everything random."),
    click.option("--device", type=click.Choice(("auto", "cpu", "cuda", "mps")), default="auto", help="To train on."),
    click.option(
        "--precision",
        type=click.Choice(("auto", "fp32", "bf16")),
        default="auto",
        help="auto takes bf16 where the hardware multiplies it.",
    ),
    click.option("--workers", type=click.IntRange(0), default=1, show_default=True, help="Threads that make batches."),
    click.option(
        "--log-every", type=click.IntRange(1), default=20, show_default=True, help="Steps a line of the curve."
    ),
    click.option(
        "--val-every", type=click.IntRange(1), default=200, show_default=True, help="Steps between validations."
    ),
    click.option("--val-poses", type=click.IntRange(1), default=1000, show_default=True, help="Poses to validate on."),
    click.option(
        "--save-every", type=click.IntRange(1), default=200, show_default=True, help="Steps between saved states."
    ),
    click.option(
        "--cache",
        type=click.FloatRange(0, min_open=True),
        default=4.0,
        show_default=True,
        metavar="GIB",
        help="Most memory (beyond 0.5 GiB: disc) for decoded crops.",
    ),
    click.option("--resume", is_flag=True, help="Go on after an interruption, or with more --steps."),
    click.option("--force", is_flag=True, help="Start over where the folder holds a run."),
    dry_run_option,
    json_option,
    quiet_option,
]


def _with(*groups: list[Callable[[Any], Any]]) -> Callable[[Command], Command]:
    """A decorator that gives a command all options of some groups, in their order."""

    def decorated(function: Command) -> Command:
        for option in reversed([option for group in groups for option in group]):
            function = option(function)
        return function

    return decorated


@click.group()
def train() -> None:
    """Train networks on labelled videos: estimators of single frames, and PoseWarper on top of them.

    \b
    Example:
      pwarp train estimator clips/*/truth.json -o runs/r18 --val 0.1
      pwarp train posewarper clips/*/keys.json -o runs/warp --backbone runs/r18/best.safetensors --val 0.1
    """


@train.command()
@_with(
    _data_options,
    [
        click.option("--backbone", type=click.Choice(registry.names("backbone")), help="The network."),
        click.option("--init", metavar="FILE", help="Checkpoint to begin with, or 'imagenet' for the trunk."),
    ],
    _recipe_options,
    _run_options,
)
def estimator(**options: Any) -> None:
    """Train a frame-wise estimator: a crop in, a heatmap a keypoint out.

    DATA are label files, folders of label files and roots of data sets, one or many. --val sets videos apart, never
    frames of a video. The folder of the run gets best.safetensors (by validation, PCK at 0.1), last.safetensors,
    curve.jsonl, and tb for TensorBoard. The same data, options and seed give the same network.

    \b
    Recipes: small (two CPU cores: ResNet-18, 128x128, 2000 steps), paper and released (HRNet-W48, 288x384).

    \b
    Examples:
      pwarp train estimator labels/ --videos videos/ -o runs/r18 --val 0.1
      pwarp train estimator Penn_Action/ --split train --val-split test -o runs/penn --steps 10000
      pwarp train estimator train.json -o runs/tuned --init runs/r18/best.safetensors --lr 1e-4 --steps 500
      torchrun --nproc-per-node 4 --no-python pwarp train estimator posetrack/ -o runs/w48 --recipe paper
    """
    _train("estimator", options)


@train.command()
@_with(
    _data_options,
    [
        click.option("--backbone", metavar="FILE", help="Checkpoint of the estimator whose heatmaps are warped."),
        click.option("--init", metavar="FILE", help="PoseWarper checkpoint to begin with, for fine-tuning."),
        click.option("--delta", type=click.IntRange(0), metavar="N", help="Most frames from the labelled one."),
        click.option("--cycle", type=click.FloatRange(0), metavar="W", help="Weight of the loss there and back."),
        click.option("--train-backbone", is_flag=True, help="Do not freeze the estimator."),
        click.option(
            "--moving-statistics", is_flag=True, help="Let a frozen estimator's BatchNorm follow what it sees."
        ),
        click.option("--channels", type=click.IntRange(1), metavar="N", help="Of the warping's residual blocks."),
        click.option("--blocks", type=click.IntRange(1), metavar="N", help="How many residual blocks."),
    ],
    _recipe_options,
    _run_options,
)
def posewarper(**options: Any) -> None:
    """Train PoseWarper: warp what an estimator sees in a nearby frame to the labelled frame.

    The nearby frame needs no label, so one labelled frame in a video is enough. DATA, --val and the folder of the run
    are as in 'pwarp train estimator --help'. Crop size and heatmaps are the estimator's unless given.

    \b
    Recipes: small (two CPU cores), paper (as the text says), released (as the published code does).

    \b
    Examples:
      pwarp train posewarper labels/ --videos videos/ -o runs/warp --backbone runs/r18/best.safetensors --val 0.1
      pwarp train posewarper labels/ --videos videos/ -o runs/cycle --init runs/warp/best.safetensors --cycle 1
    """
    channels, blocks = options.pop("channels"), options.pop("blocks")
    options["warp"] = {k: v for k, v in (("channels", channels), ("blocks", blocks)) if v is not None}
    options["frozen"] = False if options.pop("train_backbone") else None
    options["moving_statistics"] = options.pop("moving_statistics") or None
    _train("posewarper", options)


def _train(kind: str, options: dict[str, Any]) -> None:
    from pwarp.training.augment import NO_AUGMENTATION
    from pwarp.training.loop import Pace
    from pwarp.training.recipes import RECIPES
    from pwarp.training.run import Request, rehearse, train
    from pwarp.training.sources import Places

    began = time.perf_counter()
    quiet, as_json = options["quiet"], options["as_json"]
    dataset_options = dict(_named(text) for text in options["options"])
    places = partial(Places, videos=options["videos"], options=dataset_options)
    changes = {
        name: options[name] for name in ("steps", "epochs", "batch", "rate", "schedule", "size", "codec", "sigma")
    }
    if options["epochs"] is not None and options["steps"] is not None:
        raise click.UsageError("--steps and --epochs exclude each other")
    changes["augmentation"] = NO_AUGMENTATION if options["no_augmentation"] else None
    base = RECIPES[kind][options["recipe"]]
    if kind == "estimator":
        changes["backbone"] = options["backbone"]
    else:
        changes |= {name: options[name] for name in ("delta", "cycle", "frozen", "moving_statistics")}
        changes["warp"] = {**base.warp, **options["warp"]} if options["warp"] else None
    request = Request(
        kind=kind,
        data=places(tuple(options["data"]), split=options["split"]),
        output=options["output"],
        recipe=options["recipe"],
        changes=changes,
        validation=_validation(options, places),
        init=options["init"],
        backbone=options["backbone"] if kind == "posewarper" else None,
        pseudo=options["pseudo_weights"],
        seed=options["seed"],
        device=options["device"],
        precision=options["precision"],
        workers=options["workers"],
        pace=Pace(log=options["log_every"], validate=options["val_every"], save=options["save_every"]),
        most=options["val_poses"],
        cache=int(options["cache"] * _GIB),
        resume=options["resume"],
        force=options["force"],
    )
    if options["dry_run"]:
        data = rehearse(request)
        held_out = 0 if data.validation_poses is None else len(data.validation_poses)
        what = f"a run on {len(data.poses)} poses of {len(data.clips)} videos, {held_out} poses to validate on"
        values = {"poses": len(data.poses), "validation_poses": held_out, "videos": len(data.clips)}
        if _is_first():
            would_write(request.output, what, values, as_json=as_json, quiet=quiet)
        return
    with _Display(quiet) as display:
        done = train(request, display, on_frame=display.frame)
    if _is_first():
        _report(done, time.perf_counter() - began, as_json=as_json, quiet=quiet)
    if done.outcome.interrupted:
        raise click.Abort


def _is_first() -> bool:
    """Whether this is the one of several processes that speaks."""
    return int(os.environ.get("RANK", "0")) == 0


def _validation(options: Mapping[str, Any], places: Callable[..., Places]) -> float | Places | None:
    """The share of the videos, or the other labels, that --val and --val-split name."""
    given: tuple[str, ...] = options["validation"]
    if options["val_split"] is not None:
        if given:
            raise click.UsageError("--val and --val-split exclude each other")
        return places(tuple(options["data"]), split=options["val_split"])
    if not given:
        return None
    if len(given) == 1 and re.fullmatch(r"[0-9]*\.?[0-9]+", given[0]) and not Path(given[0]).exists():
        share = float(given[0])
        if not 0 < share < 1:
            raise click.BadParameter(f"{given[0]} is no share; give one between 0 and 1, or labels", param_hint="--val")
        return share
    return places(given)


def _named(text: str) -> tuple[str, bool | str]:
    """NAME=VALUE, or NAME alone for a switch."""
    name, _, value = text.partition("=")
    return name.replace("-", "_"), {"": True, "true": True, "false": False}.get(value.lower(), value)


class _Display:
    """The watch of a run: a bar for reading, then one for training, with a line for each validation."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._bar = ExitStack()

    def __enter__(self) -> Self:
        self._advance: Advance = self._bar.enter_context(progress(None, "read", quiet=self._quiet))
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def frame(self) -> None:
        """A frame is read."""
        self._advance()

    def begin(self, step: int, total: int) -> None:
        """Reading is over."""
        self._bar.close()
        self._advance = self._bar.enter_context(progress(total, "train", unit="steps", quiet=self._quiet))
        self._advance(step)

    def step(self) -> None:
        """A step is done."""
        self._advance()

    def figures(self, figures: Mapping[str, float]) -> None:
        """Show what was validated; the loss is in the curve."""
        if sys.stderr.isatty() and not self._quiet and "loss" not in figures:
            click.echo(f"step {figures['step']:.0f}: {_shown(figures)}", err=True)


def _shown(figures: Mapping[str, float]) -> str:
    return ", ".join(f"{name.upper()} {value:.1f} %" for name, value in figures.items() if name.startswith("pck"))


def _report(done: Report, seconds: float, *, as_json: bool, quiet: bool) -> None:
    outcome, account, folder = done.outcome, done.account, done.folder
    values = {
        "output": folder.path,
        "steps": outcome.steps,
        "best_pck@0.1": outcome.best,
        "best_step": outcome.best_step,
        "checkpoint": folder.best if outcome.best is not None else folder.last,
        "interrupted": outcome.interrupted,
        "poses": done.poses,
        "validation_poses": done.validation_poses,
        "videos": done.videos[0],
        "validation_videos": done.videos[1],
        "skipped_unlabelled": account.unlabelled,
        "skipped_outside": account.outside,
        "without_video": done.without_video,
        "seconds": round(seconds, 3),
    }
    left_out = {
        "poses without a labelled keypoint": account.unlabelled,
        "poses with a box outside the picture": account.outside,
        "labelled videos that are not there": done.without_video,
    }
    if not quiet:
        for what, count in left_out.items():
            if count:
                click.echo(f"pwarp: left out {count} {what}", err=True)
    if outcome.interrupted:
        click.echo(f"pwarp: stopped at step {outcome.steps}; the same command with --resume goes on", err=True)
    measured = "" if outcome.best is None else f", best PCK@0.1 {outcome.best:.1f} % at step {outcome.best_step}"
    line = (
        f"{values['checkpoint']}: {outcome.steps} steps on {done.poses} poses of {done.videos[0]} videos{measured}, "
        f"{duration(seconds)}"
    )
    report(line, values, as_json=as_json, quiet=quiet)
