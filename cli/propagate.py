"""`pwarp propagate`: from a few labelled frames to labels for every frame."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from pwarp import registry
from pwarp.files import check_output

from .alignment import Belonging, belonging_options, tolerance_option
from .filling import Filling, filling_options, telling
from .progress import progress
from .summary import counted, dry_run_option, duration, force_option, json_option, quiet_option, report, would_write


@click.command()
@click.argument("video")
@click.argument("labels")
@click.option("-o", "--output", required=True, help="Label file to write; '-' for stdout.")
@filling_options
@click.option("--format", "to", type=click.Choice(registry.names("format")), help="Format of the output.")
@click.option("--from", "from_", type=click.Choice(registry.names("format")), help="Format of LABELS, if not sniffed.")
@click.option("--only", metavar="NAME", help="The video to take from LABELS that hold several.")
@click.option("--adapt", is_flag=True, help="posewarper: fit a small network to this video's key frames instead.")
@click.option("--init", metavar="FILE|imagenet", help="--adapt: the estimator to begin with.  [default: none]")
@click.option(
    "--save-weights", type=click.Path(path_type=Path), metavar="FILE", help="--adapt: keep the fitted network in FILE."
)
@click.option("--seed", type=click.IntRange(0), metavar="N", help="--adapt: of the fitting.  [default: 0]")
@tolerance_option
@belonging_options
@click.option(
    "--resume",
    is_flag=True,
    help="Go on after an interruption, from what OUTPUT.partial holds; linear, pchip and copy keep none.",
)
@dry_run_option
@force_option
@json_option
@quiet_option
def propagate(
    video: str,
    labels: str,
    output: str,
    filling: Filling,
    to: str | None,
    from_: str | None,
    only: str | None,
    adapt: bool,
    init: str | None,
    save_weights: Path | None,
    seed: int | None,
    tolerance: float | None,
    belonging: Belonging,
    resume: bool,
    dry_run: bool,
    force: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Labels for every frame of VIDEO from the key frames in LABELS.

    VIDEO is a video file, a folder of pictures or a glob; LABELS a label file, or '-' for stdin. Keypoints that a
    person set come out as they went in, bit for bit. All others get a score, and say from which key frames they
    came; what was propagated before is made anew, what a network saw stays where nothing is propagated in its place.
    Nothing is filled where a track is marked absent.

    \b
    Engines: auto (flow and beliefs from both sides, the best here; better still with --estimator, which need not know
    all keypoints: they are matched by name), flow and farneback (follow the picture from
    the nearer key frame), pchip, linear, copy (labels alone), posewarper (a network that has learned how people move;
    keypoints that it does not know are left to flow, and it says so).

    \b
    Examples:
      pwarp propagate video.mp4 keys.json -o dense.json
      pwarp propagate video.mp4 keys.json -o dense.json --estimator onnx:pose.onnx
      pwarp propagate video.mp4 keys.json -o dense.json --engine posewarper --adapt --save-weights mine.safetensors
      pwarp propagate frames/ keys.json -o - --engine linear | pwarp eval - truth.json
    """
    from pwarp import formats
    from pwarp.propagation import Journal, Planned
    from pwarp.propagation.engine import looks
    from pwarp.propagation.journal import identity_of
    from pwarp.propagation.planned import frames
    from pwarp.propagation.result import write_result
    from pwarp.video import open_video

    began = time.perf_counter()
    to_stdout = output == "-"
    if resume and to_stdout:
        raise click.UsageError("--resume needs an output file: nothing is kept beside stdout")
    to = to or formats.format_for(output)
    formats.check_target(output, to, force=force)
    formats.check_tolerance(to, tolerance)
    options = filling.options(adapt=adapt, init=init, save_weights=save_weights, seed=seed)
    engine = filling.engine
    if save_weights is not None:
        # A run that left something to go on from has written it.
        check_output(save_weights, force=force or (resume and Path(f"{output}.partial").exists()))
    with open_video(video) as source:
        keys = belonging.read(labels, format=from_, video=source, only=only)
        planned = Planned(source, keys, options)
        if dry_run:
            known, count = len(keys.key_frames), frames(planned.spans)
            what = f"{counted(known, 'key frame')}, and {counted(count, 'frame')} to go through by {engine}, as {to}"
            values = {"engine": engine, "format": to, "key_frames": known, "frames": count}
            would_write(output, what, values, as_json=as_json, quiet=quiet, aside=to_stdout)
            return
        journal = None
        # Labels alone are filled faster than a journal is written.
        if looks(engine) and not to_stdout:
            partial = Path(output + ".partial")
            if partial.exists() and not resume and not quiet:
                click.echo(f"pwarp: {partial} of an interrupted run is started over; --resume goes on", err=True)
            journal = Journal(partial, identity_of(keys, source, options), resume=resume, alone=True)
        done = False
        try:
            with progress(frames(planned.spans), "propagate", quiet=quiet) as bar:
                loss, tally = write_result(
                    planned, output, format=to, video=source, force=force, tolerance=tolerance,
                    journal=journal, advance=bar, tell=telling(quiet),
                )  # fmt: skip
            done = True
        finally:
            if journal is not None:
                journal.close(done=done)
    for line in loss.lines():
        click.echo(f"pwarp: {line}", err=True)
    values = tally.values(keys, len(planned.labels.tracks))
    values = {"output": output, "engine": engine, **values, "seconds": round(time.perf_counter() - began, 3)}
    report(_line(values), values, as_json=as_json, quiet=quiet, aside=to_stdout)


def _line(values: dict[str, Any]) -> str:
    from pwarp.propagation.summary import UNSURE

    share = values["keypoints_unsure"] / max(values["keypoints_filled"], 1)
    worst = ", ".join(str(frame) for frame in values["worst_frames"])
    return (
        f"{values['output']}: {counted(values['tracks'], 'track')}, {counted(values['key_frames'], 'key frame')}, "
        f"{counted(values['frames_filled'], 'frame')} filled by {values['engine']}, "
        f"{values['keypoints_unsure']} of {values['keypoints_filled']} keypoints below {UNSURE} ({share:.0%})"
        + (f", worst frames {worst}" if worst else "")
        + f", {duration(values['seconds'])}"
    )
