"""What `pwarp train` does with its options: a run with its bars and its last line."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import click

from pwarp import registry

from .asked import refuse_if_asked, weaker
from .progress import Advance, progress
from .summary import Ending, duration, say

if TYPE_CHECKING:
    from pwarp.training.run import Report
    from pwarp.training.sources import Places

_TWICE = "--val and --val-split exclude each other"
_GIB = 1 << 30
# Options that are values of a recipe.
_RECIPE = ("steps", "epochs", "batch", "rate", "optimiser", "schedule", "size", "codec", "sigma")


def run(kind: str, options: dict[str, Any], changes: Mapping[str, Any], model: Mapping[str, Any]) -> None:
    """Train, or say what would be trained.

    changes: of values in the recipe besides those of all commands. model: options of the model. None: not asked for.
    """
    from pwarp.training.augment import NO_AUGMENTATION
    from pwarp.training.loop import Pace
    from pwarp.training.run import Request, rehearse, train
    from pwarp.training.sources import Places

    began = time.perf_counter()
    ending = Ending(*(options[name] for name in ("dry_run", "force", "as_json", "quiet")))
    dataset_options = dict(_named(text) for text in options["options"])
    places = partial(Places, videos=options["videos"], options=dataset_options)
    chosen = {name: options[name] for name in _RECIPE}
    if options["epochs"] is not None and options["steps"] is not None:
        chosen[weaker("steps", "epochs", "--steps and --epochs exclude each other")] = None
    resume, force = options["resume"], ending.force
    if resume and force:
        why = "--resume goes on with a run, --force starts it over: leave one out"
        resume = weaker("resume", "force", why) == "force"
        force = not resume
    asked = {name: value for name, value in model.items() if value is not None}
    networks = {role: options.get(role) for role in ("backbone", "head")}
    named = {role: value for role, value in networks.items() if value in registry.names("backbone")}
    augmentation = NO_AUGMENTATION if options["no_augmentation"] else None
    request = Request(
        kind=kind,
        data=places(tuple(options["data"]), split=options["split"]),
        output=options["output"],
        recipe=options["recipe"],
        changes={
            **chosen,
            **changes,
            **named,
            **_deconvolutions(options, {**_of_recipe(kind, options), **named}),
            "augmentation": augmentation,
            "model": asked or None,
        },
        validation=_validation(options, places),
        init=options["init"],
        backbone=None if "backbone" in named else networks["backbone"],
        head=None if "head" in named else networks["head"],
        pseudo=options["pseudo_weights"],
        seed=options["seed"],
        device=options["device"],
        precision=options["precision"],
        workers=options["workers"],
        pace=Pace(log=options["log_every"], validate=options["val_every"], save=options["save_every"]),
        most=options["val_poses"],
        cache=int(options["cache"] * _GIB),
        resume=resume,
        force=force,
    )
    if ending.dry_run:
        data = rehearse(request)
        held_out = 0 if data.validation_poses is None else len(data.validation_poses)
        what = f"a run on {len(data.poses)} poses of {len(data.clips)} videos, {held_out} poses to validate on"
        values = {"poses": len(data.poses), "validation_poses": held_out, "videos": len(data.clips)}
        if _is_first():
            ending.would_write(request.output, what, values)
        return
    with _Display(ending.quiet) as display:
        done = train(request, display, on_frame=display.frame)
    if _is_first():
        _report(done, time.perf_counter() - began, ending)
    if done.outcome.interrupted:
        raise click.Abort


def _of_recipe(kind: str, options: Mapping[str, Any]) -> dict[str, str]:
    """The networks that the recipe brings, where the command line names none."""
    from pwarp.training.recipes import recipe

    base = recipe(kind, options["recipe"], {})
    return {role: getattr(base, role) for role in ("backbone", "head") if role in options and options[role] is None}


def _deconvolutions(options: Mapping[str, Any], named: Mapping[str, str]) -> dict[str, dict[str, int]]:
    """The options of the networks by name that --deconvs is about, by their place in the recipe."""
    count = options.get("deconvs")
    if count is None:
        return {}
    found = {f"{role}_options": {"deconvs": count} for role, name in named.items() if name.startswith("simple-")}
    if not found:
        refuse_if_asked("deconvs", "--deconvs is of networks named simple-*; name one, such as simple-r18")
    return found


def _is_first() -> bool:
    """Whether this is the one of several processes that speaks."""
    return int(os.environ.get("RANK", "0")) == 0


def _validation(options: Mapping[str, Any], places: Callable[..., Places]) -> float | Places | None:
    """The share of the videos, or the other labels, that --val and --val-split name."""
    given: tuple[str, ...] = options["validation"]
    split: str | None = options["val_split"]
    if given and split is not None and weaker("validation", "val_split", _TWICE) == "val_split":
        split = None
    if split is not None:
        return places(tuple(options["data"]), split=split)
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


def _report(done: Report, seconds: float, ending: Ending) -> None:
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
    for what, count in left_out.items():
        if count:
            ending.remark(f"left out {count} {what}")
    if done.unasked:
        ending.remark(
            f"no labels for {', '.join(done.unasked)}, which the checkpoint knows: nothing is learned of them"
        )
    if done.sideless:
        ending.remark(
            "half of the samples were mirrored, and no two keypoints are known as left and right; if some are, name "
            "them so (left_ear, ear_L) or give flip_pairs, or train with --no-augmentation"
        )
    if outcome.interrupted:
        say(f"stopped at step {outcome.steps}; the same command with --resume goes on")
    measured = "" if outcome.best is None else f", best PCK@0.1 {outcome.best:.1f} % at step {outcome.best_step}"
    line = (
        f"{values['checkpoint']}: {outcome.steps} steps on {done.poses} poses of {done.videos[0]} videos{measured}, "
        f"{duration(seconds)}"
    )
    ending.report(line, values)
