"""Options of `pwarp train` that its commands share, and the values that they take."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from pwarp import registry

from .numbers import MOST_THREADS, SEED, Real, Whole
from .paths import Read, Written
from .size import Size
from .summary import dry_run_option, json_option, quiet_option

# By command, as in pwarp.training.recipes, which would load torch for a --help.
RECIPES = {
    "estimator": ("small", "paper", "released"),
    "posewarper": ("small", "paper", "released"),
    "dcpose": ("small", "paper", "released"),
    "glpose": ("small", "paper"),
    "ppn": ("small", "paper"),
    "dkd": ("small", "paper"),
}
_CODECS = ("msra", "dark", "udp")

Command = TypeVar("Command", bound=Callable[..., Any])
Option = Callable[[Any], Any]


class Network(Read):
    """The name of a backbone, or the checkpoint of a trained one."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value not in registry.names("backbone") and not Path(value).is_file():
            known = ", ".join(registry.names("backbone"))
            self.fail(f"'{value}' is no checkpoint that is there, and no network; known: {known}", param, ctx)
        return super().convert(value, param, ctx)


class Dilations(click.ParamType):
    """Whole numbers with commas between them."""

    name = "dilations"

    def convert(
        self, value: str | tuple[int, ...], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        if not re.fullmatch(r"\d{1,3}(,\d{1,3})*", value):
            self.fail(f"'{value}' are no dilations; give whole numbers, such as 3,6,9", param, ctx)
        return tuple(int(part) for part in value.split(","))


def with_options(*groups: list[Option]) -> Callable[[Command], Command]:
    """A decorator that gives a command all options of some groups, in their order."""

    def decorated(function: Command) -> Command:
        for option in reversed([option for group in groups for option in group]):
            function = option(function)
        return function

    return decorated


def data_options(kind: str) -> list[Option]:
    """What to train on, and where to."""
    return [
        click.argument("data", type=Read(), nargs=-1, required=True),
        click.option(
            "-o", "--output", required=True, type=Written(Path, unpiped="a folder"), help="Folder of the run."
        ),
        click.option(
            "--recipe",
            type=click.Choice(RECIPES[kind]),
            default="small",
            show_default=True,
            help="What to begin with.",
        ),
        click.option(
            "--videos",
            type=Read(Path, folder=True),
            help="Folder to look for the label files' videos in.  [default: where the label files say]",
        ),
        click.option(
            "--val",
            "validation",
            type=Read(),
            multiple=True,
            metavar="SHARE|PLACE",
            help="Share of the videos, such as 0.1, or other labels; may be repeated.",
        ),
        click.option("--split", metavar="NAME", help="Split of a data set to train on.  [default: train]"),
        click.option("--val-split", metavar="NAME", help="Split of the same data set to validate on."),
        click.option(
            "--dataset-option", "options", multiple=True, metavar="NAME[=VALUE]", help="Option of a data set's reader."
        ),
        click.option(
            "--pseudo-weights",
            type=click.Choice(("one", "score", "ignore")),
            default="score",
            show_default=True,
            help="What keypoints weigh that no person set: as much as manual ones, their score, or nothing.",
        ),
    ]


window_options: list[Option] = [
    click.option("--backbone", type=Read(), metavar="FILE", help="Checkpoint of the estimator that it is built on."),
    click.option(
        "--init", type=Read(), metavar="FILE", help="Checkpoint of such a model to begin with, for fine-tuning."
    ),
    click.option("--train-backbone", is_flag=True, help="Do not freeze the estimator."),
    click.option("--moving-statistics", is_flag=True, help="Let a frozen estimator's BatchNorm follow what it sees."),
]
deconvs_option: Option = click.option(
    "--deconvs",
    type=Whole(2, 3),
    metavar="2|3",
    help="Deconvolutions of named simple-* networks: 2 as in DKD (stride 8).  [default: 3; 2 in dkd's recipe paper]",
)


def clip_options(least: int) -> list[Option]:
    """Of models that go through a clip. least: frames that it must have."""
    return [
        deconvs_option,
        click.option(
            "--init", type=Read(), metavar="FILE", help="Such a checkpoint to begin with, or 'imagenet' for the trunks."
        ),
        click.option("--frames", type=Whole(least, 100), metavar="T", help="Consecutive frames of a sample."),
    ]


recipe_options: list[Option] = [
    click.option("--steps", type=Whole(1), metavar="N", help="Gradient steps."),
    click.option("--epochs", type=Real(0, above=True), metavar="N", help="Instead of steps."),
    click.option("--batch", type=Whole(1), metavar="N", help="Poses a step, of all processes together."),
    click.option("--lr", "rate", type=Real(0, above=True), metavar="R", help="Learning rate at the beginning."),
    click.option("--optimiser", type=click.Choice(("adam", "rmsprop")), help="What takes the steps."),
    click.option("--schedule", type=click.Choice(("drops", "cosine", "linear")), help="How the rate goes down."),
    click.option("--size", type=Size(9_999, "128x128"), metavar="WxH", help="Of the crops."),
    click.option("--codec", type=click.Choice(_CODECS), help="How keypoints become heatmaps."),
    click.option("--sigma", type=Real(0, above=True), help="Of the heatmaps, in cells."),
    click.option("--no-augmentation", is_flag=True, help="Neither flip, turn, scale nor half bodies."),
]
run_options: list[Option] = [
    click.option("--seed", type=SEED, default=0, show_default=True, help="Of everything random."),
    click.option("--device", type=click.Choice(("auto", "cpu", "cuda", "mps")), default="auto", help="To train on."),
    click.option(
        "--precision",
        type=click.Choice(("auto", "fp32", "bf16")),
        default="auto",
        help="auto takes bf16 where the hardware multiplies it.",
    ),
    click.option(
        "--workers", type=Whole(0, MOST_THREADS), default=1, show_default=True, help="Threads that make batches."
    ),
    click.option("--log-every", type=Whole(1), default=20, show_default=True, help="Steps a line of the curve."),
    click.option("--val-every", type=Whole(1), default=200, show_default=True, help="Steps between validations."),
    click.option("--val-poses", type=Whole(1), default=1000, show_default=True, help="Poses to validate on."),
    click.option("--save-every", type=Whole(1), default=200, show_default=True, help="Steps between saved states."),
    click.option(
        "--cache",
        type=Real(0, above=True),
        default=4.0,
        show_default=True,
        metavar="GIB",
        help="Most memory (beyond 0.5 GiB: disc, until the run ends) for decoded crops, to train on and again to "
        "validate on.",
    ),
    click.option("--resume", is_flag=True, help="Go on after an interruption, or with more --steps."),
    click.option("--force", is_flag=True, help="Start over where the folder holds a run."),
    dry_run_option,
    json_option,
    quiet_option,
]
