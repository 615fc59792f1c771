"""How often and how a network looks at each person: options of the commands that estimate and refine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from pwarp.errors import PwarpError

from .numbers import Whole

if TYPE_CHECKING:
    from pwarp.annotations import Annotations


class Scales(click.ParamType):
    """Positive numbers with commas between them."""

    name = "S,S,..."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, ...]:
        if isinstance(value, tuple):
            return value
        try:
            scales = tuple(float(one) for one in str(value).split(","))
        except ValueError:
            self.fail(f"'{value}' is no list of scales; write 0.8,1,1.2", param, ctx)
        from pwarp.estimation.views import views

        try:
            views(scales)
        except PwarpError as error:
            self.fail(str(error), param, ctx)
        return scales


flip_option = click.option(
    "--flip", is_flag=True, help="Also look at the mirror images: twice the time, a little better."
)
scales_option = click.option(
    "--scales",
    type=Scales(),
    default="1",
    show_default=True,
    metavar="S,S,...",
    help="Sizes to look at each person in, and take the mean. PPN and DKD: 0.8,0.9,1,1.1,1.2,1.3,1.4.",
)
every_option = click.option(
    "--every",
    type=Whole(1),
    metavar="N",
    help="ppn and dkd: start anew after N frames.  [default: only at the start of a track and after gaps]",
)


def loners(annotations: Annotations) -> str | None:
    """A line about boxes that no track id connects over time; None where there are none."""
    count = sum(len(track) for track in annotations.tracks if not track.identified)
    if not count:
        return None
    return f"{count} poses or boxes have no track id: each is looked at by itself; 'pwarp track' finds out who is who"
