"""The options that say how a label file is read, and how its labels belong to their video."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pwarp import registry

from .asked import asked
from .numbers import Whole
from .paths import Read
from .together import Decorator, together

if TYPE_CHECKING:
    from pwarp.annotations import Annotations
    from pwarp.formats import Alignment
    from pwarp.formats.label_file import LabelFile
    from pwarp.video import Video

_WITH_VERTICES = "label-studio"  # the format whose vertices have ids and no names


class _Ratio(click.ParamType):
    """A positive number, also as a fraction: 5, 0.5, 1/5, 30000/1001. words: what else it may be."""

    name = "ratio"

    def __init__(self, *words: str) -> None:
        self._words = words

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Fraction | str:
        if isinstance(value, Fraction) or value in self._words:
            return value  # type: ignore[no-any-return]
        try:
            # Of 1e999999999 it would write out every digit.
            ratio = Fraction(0 if re.search(r"[eE][+-]?[0-9_]{3}", str(value)) else value)
        except (ValueError, ZeroDivisionError):
            ratio = Fraction(0)
        if not 0 < ratio < 10**6 or ratio.denominator > 10**6:
            expected = " or ".join(["a number above 0, such as 5, 0.5 or 1/5", *self._words])
            self.fail(f"'{value}' is not {expected}", param, ctx)
        return ratio


@dataclass(frozen=True)
class Reading:
    """How a command reads labels. format: None to sniff. only: of a file that holds several. alignment: what is given
    of how they belong to their video, or None. vertices: a file of vertex ids."""

    format: str | None
    only: str | None
    alignment: Alignment | None
    vertices: Path | None

    def read(self, path: str, video: Video | None) -> Annotations:
        """What `formats.read` makes of the labels, as they belong to the video."""
        return self.read_opened(self.file(path), video)

    def read_opened(self, file: LabelFile, video: Video | None) -> Annotations:
        """The same of a file that is open."""
        from pwarp import formats

        if self.vertices is not None:
            name = self.format or formats.sniff(file)
            if name == _WITH_VERTICES:
                file = file.with_beside(self.vertices)
            elif asked("vertices"):
                raise file.error(f"is {name}, and --vertices goes with {_WITH_VERTICES}; leave it out")
        return formats.read(file, format=self.format, video=video, only=self.only, alignment=self.alignment)

    def file(self, path: str) -> LabelFile:
        """The label file of a path."""
        from pwarp.formats.label_file import LabelFile

        return LabelFile.open(path)


def _reading(
    from_: str | None,
    frame_offset: int | None,
    frame_step: Fraction | None,
    frame_rate: Fraction | None,
    rotate: str | None,
    scale: Fraction | str | None,
    single: bool,
    only: str | None = None,
    vertices: Path | None = None,
) -> Reading:
    from pwarp.formats import Alignment

    given = (frame_offset, frame_step, frame_rate, None if rotate is None else int(rotate), scale, single)
    alignment = None if given == (None,) * 5 + (False,) else Alignment(*given)
    return Reading(from_, only, alignment, vertices)


def reading_asked() -> bool:
    """Whether the command line says anything at all of how."""
    return any(map(asked, inspect.signature(_reading).parameters))


def reading_options(labels: str = "LABELS", *, one: bool = True) -> Decorator:
    """Give a command these options, of its argument of that name, and hand them to it together as `reading`.

    one: whether that is one label file, of which a part can be asked for, and whose vertex ids can be named.
    """
    of_one = (
        click.option("--only", metavar="NAME", help=f"The video (or category) to take, where {labels} has several."),
        click.option(
            "--vertices",
            type=Read(Path),
            metavar="FILE",
            help=f"Label Studio: keypoint names by vertex id, as JSON.  [default: as {labels}, but .vertices.json]",
        ),
    )
    only, vertices = ((option,) if one else () for option in of_one)
    return together(
        "reading",
        _reading,
        click.option(
            "--from", "from_", type=click.Choice(registry.names("format")), help=f"Format of {labels}, if not sniffed."
        ),
        *only,
        click.option(
            "--frame-offset", type=Whole(), metavar="N", help=f"Frames of {labels} are N too low; 0: right as they are."
        ),
        click.option(
            "--frame-step",
            type=_Ratio(),
            metavar="N",
            help=f"{labels} has every N-th frame; 1/N: VIDEO has those.",
        ),
        click.option(
            "--frame-rate", type=_Ratio(), metavar="FPS", help=f"{labels} has FPS frames a second: map by time."
        ),
        click.option("--rotate", type=click.Choice(["90", "180", "270"]), help="Turn the labelled picture clockwise."),
        click.option(
            "--scale", type=_Ratio("fit"), metavar="F|fit", help="VIDEO is F times the labelled size; fit: see."
        ),
        click.option("--single", is_flag=True, help=f"What has no track id in {labels} is one person or animal."),
        *vertices,
    )
