"""Where a run works: the options that say so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from .asked import called, refuse_if_asked
from .numbers import Real, Whole
from .together import together

if TYPE_CHECKING:
    from pwarp.batch import Executor

# Frames of a segment where nobody says: about a minute of work for `auto` with one person.
_SEGMENT = 2000

_OPTIONS = (
    click.option(
        "--executor",
        type=click.Choice(("local", "ray")),
        default="local",
        show_default=True,
        help="Where to work: on this machine, or on a Ray cluster whose machines share their files (extra 'ray').",
    ),
    click.option(
        "-j",
        "--jobs",
        type=Whole(1),
        metavar="N",
        help="Videos, or segments of them, at a time.  [default: 1; ray: what the cluster has room for]",
    ),
    click.option(
        "--segment",
        type=Whole(0),
        metavar="N",
        help="Divide videos into tasks of about N frames; 0: never.  "
        f"[default: {_SEGMENT} where pictures are looked at, several at a time]",
    ),
    click.option(
        "--address",
        metavar="HOST:PORT|auto",
        help="ray: the cluster.  [default: RAY_ADDRESS, else this machine alone]",
    ),
    click.option("--cpus", type=Real(0), metavar="N", help="ray: CPU cores that a task takes.  [default: 1]"),
    click.option("--gpus", type=Real(0), metavar="N", help="ray: GPUs that a task takes.  [default: 0]"),
    click.option(
        "--retries",
        type=Whole(0),
        metavar="N",
        help="ray: how often a task is done again whose machine went away.  [default: 3]",
    ),
)


@dataclass(frozen=True)
class Place:
    """What the options say. ray: those of its own that were given."""

    executor: str
    jobs: int | None
    segment: int | None
    ray: dict[str, Any]

    def length(self, engine: str) -> int | None:
        """Frames of a segment for an engine; None where videos stay whole."""
        if self.segment is not None:
            return self.segment or None
        from pwarp.propagation.engine import looks

        alone = self.executor == "local" and (self.jobs or 1) == 1
        # Where labels alone are looked at, opening the video is most of the work, and cannot be divided.
        return None if alone or not looks(engine) else _SEGMENT

    def make(self, tell: Callable[[str], None]) -> Executor:
        """The executor; `tell` gets what the user has to know of."""
        from pwarp import batch

        if self.executor == "ray":
            from pwarp.batch.on_ray import Ray

            return Ray(**self.ray, at_once=self.jobs, tell=tell)
        return batch.Here() if (self.jobs or 1) == 1 else batch.Processes(self.jobs or 1)


def _place(executor: str, jobs: int | None, segment: int | None, **ray: Any) -> Place:
    given = {name: value for name, value in ray.items() if value is not None}
    if given and executor != "ray":
        for name in given:
            refuse_if_asked(name, f"{called(name)} goes with --executor ray: give that, too, or leave it out")
        given = {}
    return Place(executor, jobs, segment, given)


executor_options = together("place", _place, *_OPTIONS)
