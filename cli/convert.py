"""`pwarp convert`: one label format into another, and what was lost on the way."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path

import click

from pwarp import registry
from pwarp.files import check_output, write_bytes

from .paths import Read, Written
from .reading import Reading, reading_options
from .summary import Ending, ending_options, say
from .target import fitting_tolerance, tolerance_option


@click.command()
@click.argument("input", type=Read(), metavar="IN")
@click.argument("output", type=Written(), metavar="OUT")
@click.option("--to", type=click.Choice(registry.names("format")), help="Format of OUT.  [default: by its suffix]")
@click.option(
    "--video",
    type=Read(),
    metavar="VIDEO",
    help="The video of the labels: checks them, and completes what they say of it.",
)
@click.option("--strict", is_flag=True, help="Write nothing where anything would be lost; exit with 1.")
@tolerance_option
@reading_options("IN")
@click.option(
    "--report", "report_file", type=Written(), metavar="FILE", help="Write what was lost as JSON; '-' for stdout."
)
@ending_options()
def convert(
    input: str,
    output: str,
    to: str | None,
    video: str | None,
    strict: bool,
    tolerance: float | None,
    reading: Reading,
    report_file: str | None,
    ending: Ending,
) -> None:
    """Turn the label file IN into OUT, and say on stderr what OUT's format cannot hold.

    '-' is stdin or stdout. With --video frame numbers may come from the names of its pictures, and pictures get their
    real names in OUT. Labels that count frames or pixels otherwise than VIDEO are refused, with the option that maps
    them. CVAT and Label Studio draw lines between key frames: a dense track is thinned to the fewest that they need.

    \b
    Examples:
      pwarp convert annotations.xml labels.json --video clip.mp4
      pwarp convert dense.json annotations.xml --to cvat --tolerance 2 --report loss.json
      pwarp convert labels.json - --to posetrack18 > 000123_mpii_test.json
      pwarp convert labels.json labels.jsonl --strict
    """
    import orjson

    from pwarp import formats
    from pwarp.formats.losses import THINNED
    from pwarp.video import open_video

    # Everything that can be refused is refused before work starts.
    to = to or formats.format_for(output)
    formats.check_target(output, to, force=ending.force)
    tolerance = fitting_tolerance(to, tolerance)
    if report_file not in (None, "-"):
        check_output(Path(str(report_file)), force=ending.force)
    with nullcontext() if video is None else open_video(video) as opened:
        labels = reading.read(input, opened)
        loss = formats.write(
            labels,
            output,
            format=to,
            video=opened,
            force=ending.force,
            strict=strict,
            tolerance=tolerance,
            dry=ending.dry_run,
        )
    for line in loss.lines():
        say(line)
    counts = {"tracks": len(labels.tracks), "poses": sum(len(track) for track in labels.tracks)}
    counts["poses_kept"] = counts["poses"] - sum(one.count for one in loss.losses if one.what == THINNED)
    thinned = "" if counts["poses_kept"] == counts["poses"] else f" by {counts['poses_kept']} key frames"
    what = f"{counts['poses']} poses of {counts['tracks']} tracks{thinned}, as {to}"
    if ending.dry_run:
        values = {"format": to, **counts, "losses": [asdict(one) for one in loss.losses]}
        ending.would_write(output, what, values, aside="-" in (output, report_file))
        return
    if (command := formats.next_step(output, to)) is not None:
        ending.remark(f"next: {command}")
    summary = orjson.dumps(asdict(loss), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    if report_file == "-":
        click.echo(summary, nl=False)
    elif report_file is not None:
        write_bytes(Path(report_file), summary, force=ending.force)
    values = {"output": output, "format": to, **counts, "losses": [asdict(one) for one in loss.losses]}
    ending.report(f"{output}: {what}", values, aside="-" in (output, report_file))
