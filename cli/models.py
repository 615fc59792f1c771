"""`pwarp models`: the networks that there are, what they need and what they cost."""

from __future__ import annotations

import click

from .numbers import Whole
from .size import Size
from .summary import json_option, report


@click.command()
@click.option(
    "--size",
    type=Size(4096, "192x256"),
    default="192x256",
    show_default=True,
    metavar="WxH",
    help="Crop to count the GFLOPs for.",
)
@click.option("--keypoints", type=Whole(1, 4096), default=17, show_default=True, help="Keypoints, K.")
@json_option
def models(size: tuple[int, int], keypoints: int, as_json: bool) -> None:
    """Every network: its paper, the frames it needs, parameters, GFLOPs, published weights.

    GFLOPs are 1e9 multiply-adds of convolutions for one more frame of a video; in brackets, as HRNet's and
    SimpleBaseline's authors count (transposed convolutions four times, in 2^30). "whole past" are recurrent models,
    whose large first network runs in a track's first frame only and is not counted; "20 crops" are of anybody in the
    video.

    \b
    Examples:
      pwarp models
      pwarp models --size 288x384 --json
    """
    from pwarp.weights.survey import survey

    rows = survey(size, keypoints)
    if as_json:
        values = [
            {
                "name": row.name,
                "kind": row.kind,
                "config": row.config.to_dict(),
                "paper": row.paper,
                "frames": None if row.frames is None else list(row.frames),
                "sampled_crops": row.sampled,
                "parameters": row.parameters,
                "gflops": row.gflops,
                "gflops_hrnet": row.hrnet_gflops,
                "weights": list(row.weights),
            }
            for row in rows
        ]
        report("", {"size": list(size), "keypoints": keypoints, "models": values}, as_json=True)
        return
    wide = max(len(row.name) for row in rows)
    for row in rows:
        click.echo(
            f"{row.name:<{wide}}  {_frames(row.frames, row.sampled):<22} {row.parameters / 1e6:6.1f} M parameters "
            f"{row.gflops:7.2f} GFLOPs ({row.hrnet_gflops:.2f})"
        )
        click.echo(f"{'':<{wide}}  {row.paper}")
        weights = ", ".join(row.weights) or "none"
        click.echo(f"{'':<{wide}}  published weights: {weights}")


def _frames(offsets: tuple[int, ...] | None, sampled: int) -> str:
    """The frames that a network needs, in a few words."""
    if offsets is None:
        return "whole past"
    if len(offsets) == 1:
        return "one frame"
    return f"frames {min(offsets)}..{max(offsets)}" + (f", {sampled} crops" if sampled else "")
