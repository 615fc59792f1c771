"""The options that say how labels belong to their video, where frames or pixels are counted otherwise."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from pwarp.annotations import Annotations
    from pwarp.formats import Alignment
    from pwarp.formats.label_file import LabelFile
    from pwarp.video import Video


class _Ratio(click.ParamType):
    """A positive number, also as a fraction: 5, 0.5, 1/5, 30000/1001. words: what else it may be."""

    name = "ratio"

    def __init__(self, *words: str) -> None:
        self._words = words

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Fraction | str:
        if isinstance(value, Fraction) or value in self._words:
            return value  # type: ignore[no-any-return]
        try:
            ratio = Fraction(value)
        except (ValueError, ZeroDivisionError):
            ratio = Fraction(0)
        if not 0 < ratio < 10**6 or ratio.denominator > 10**6:
            expected = " or ".join(["a number above 0, such as 5, 0.5 or 1/5", *self._words])
            self.fail(f"'{value}' is not {expected}", param, ctx)
        return ratio


@dataclass(frozen=True)
class Belonging:
    """How labels belong to their video. alignment: what of it is given, or None. vertices: a file of vertex ids."""

    alignment: Alignment | None
    vertices: Path | None

    def read(self, path: str, *, format: str | None, video: Video | None, only: str | None) -> Annotations:
        """What `formats.read` makes of the labels, as they belong to the video."""
        from pwarp import formats

        return formats.read(self.file(path), format=format, video=video, only=only, alignment=self.alignment)

    def file(self, path: str) -> LabelFile:
        """The label file of a path, with what stands beside it."""
        from pwarp.formats.label_file import LabelFile

        opened = LabelFile.open(path)
        return opened if self.vertices is None else opened.with_beside(self.vertices)


def _options(labels: str, *, vertices: bool) -> tuple[Callable[..., Any], ...]:
    """Fresh options for a command whose argument is called so. vertices: whether it is one file, which may have any."""
    return (
        click.option(
            "--frame-offset", type=int, metavar="N", help=f"Frames of {labels} are N too low; 0: right as they are."
        ),
        click.option(
            "--frame-step", type=_Ratio(), metavar="N", help=f"{labels} count every N-th frame; 1/N: VIDEO has those."
        ),
        click.option(
            "--frame-rate", type=_Ratio(), metavar="FPS", help=f"{labels} count FPS frames a second: map by time."
        ),
        click.option("--rotate", type=click.Choice(["90", "180", "270"]), help="Turn the labelled picture clockwise."),
        click.option(
            "--scale", type=_Ratio("fit"), metavar="F|fit", help="VIDEO is F times the labelled size; fit: see."
        ),
        click.option("--single", is_flag=True, help=f"{labels} without track ids are of one person or animal."),
        *([_vertices_option(labels)] if vertices else []),
    )


def _vertices_option(labels: str) -> Callable[..., Any]:
    return click.option(
        "--vertices",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help=f"Label Studio: keypoint names by vertex id, as JSON.  [default: {labels}' name with .vertices.json]",
    )


def belonging_options_of(labels: str, *, vertices: bool = True) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command these options, of its argument of that name, and hand them to it together as `belonging`.

    vertices: whether that is one label file, whose file of vertex ids can be named.
    """
    return functools.partial(_with_options, options=_options(labels, vertices=vertices))


def _with_options(command: Callable[..., Any], options: tuple[Callable[..., Any], ...]) -> Callable[..., Any]:
    @functools.wraps(command)
    def with_belonging(
        *arguments: Any,
        frame_offset: int | None,
        frame_step: Fraction | None,
        frame_rate: Fraction | None,
        rotate: str | None,
        scale: Fraction | str | None,
        single: bool,
        vertices: Path | None = None,
        **others: Any,
    ) -> Any:
        from pwarp.formats import Alignment

        given = (frame_offset, frame_step, frame_rate, None if rotate is None else int(rotate), scale, single)
        alignment = None if given == (None,) * 5 + (False,) else Alignment(*given)
        return command(*arguments, belonging=Belonging(alignment, vertices), **others)

    for option in reversed(options):
        with_belonging = option(with_belonging)
    return with_belonging


belonging_options = belonging_options_of("LABELS")

tolerance_option = click.option(
    "--tolerance",
    type=click.FloatRange(0),
    metavar="PX",
    help="cvat, label-studio: keep the fewest key frames whose lines stay within PX.  [default: 1]",
)
