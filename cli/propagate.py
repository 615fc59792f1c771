"""`pwarp propagate`: from a few labelled frames to labels for every frame."""

from __future__ import annotations

import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click

from pwarp.files import check_output

from .filling import Filling, filling_options
from .numbers import SEED
from .paths import Read, Written
from .progress import progress
from .reading import Reading, reading_options
from .resuming import beside, going_on, journalled, output_option, resume_option
from .summary import Ending, counted, duration, ending_options, say
from .target import fitting_tolerance, format_option, tolerance_option


@click.command()
@click.argument("video", type=Read())
@click.argument("labels", type=Read())
@output_option
@filling_options
@format_option
@click.option("--adapt", is_flag=True, help="posewarper: fit a small network to this video's key frames instead.")
@click.option(
    "--init", type=Read(), metavar="FILE|imagenet", help="--adapt: the estimator to begin with.  [default: none]"
)
@click.option(
    "--save-weights",
    type=Written(Path, unpiped="a checkpoint"),
    metavar="FILE",
    help="--adapt: keep the fitted network in FILE.",
)
@click.option("--seed", type=SEED, metavar="N", help="--adapt: of the fitting.  [default: 0]")
@tolerance_option
@reading_options()
@resume_option("; linear, pchip and copy keep none")
@ending_options()
def propagate(
    video: str,
    labels: str,
    output: str,
    filling: Filling,
    to: str | None,
    adapt: bool,
    init: str | None,
    save_weights: Path | None,
    seed: int | None,
    tolerance: float | None,
    reading: Reading,
    resume: bool,
    ending: Ending,
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
    from pwarp.errors import PwarpError
    from pwarp.propagation import Planned, SpanJournal
    from pwarp.propagation.engine import looks
    from pwarp.propagation.journal import identity_of
    from pwarp.propagation.plan import NoKeyFrameError
    from pwarp.propagation.planned import frames
    from pwarp.propagation.result import write_result
    from pwarp.video import open_video

    began = time.perf_counter()
    to_stdout = output == "-"
    resume = going_on(output, resume=resume)
    to = to or formats.format_for(output)
    formats.check_target(output, to, force=ending.force)
    tolerance = fitting_tolerance(to, tolerance)
    options = filling.options(adapt=adapt, init=init, save_weights=save_weights, seed=seed)
    engine = filling.engine
    save_weights = options.settings.get("save_weights")
    if save_weights is not None:
        # A run that left something to go on from has written it.
        check_output(save_weights, force=ending.force or (resume and beside(output).exists()))
    with open_video(video) as source:
        keys = reading.read(labels, source)
        try:
            planned = Planned(source, keys, options)
        except NoKeyFrameError as error:
            raise PwarpError(f"{'standard input' if labels == '-' else labels}: {error}") from error
        if ending.dry_run:
            planned.check(ending.remark)
            known, count = len(keys.key_frames), frames(planned.spans)
            what = f"{counted(known, 'key frame')}, and {counted(count, 'frame')} to go through by {engine}, as {to}"
            values = {"engine": engine, "format": to, "key_frames": known, "frames": count}
            ending.would_write(output, what, values, aside=to_stdout)
            return

        def journal(path: Path) -> SpanJournal:
            return SpanJournal(path, identity_of(keys, source, options), resume=resume, alone=True)

        # Labels alone are filled faster than a journal is written.
        kept = journalled(output, journal, ending, resume=resume) if looks(engine) else nullcontext()
        with kept as done, progress(frames(planned.spans), "propagate", quiet=ending.quiet) as bar:
            loss, tally = write_result(
                planned, output, format=to, video=source, force=ending.force, tolerance=tolerance,
                journal=done, advance=bar, tell=ending.remark,
            )  # fmt: skip
    for line in loss.lines():
        say(line)
    values = tally.values(keys, len(planned.labels.tracks))
    values = {"output": output, "engine": engine, **values, "seconds": round(time.perf_counter() - began, 3)}
    ending.report(_line(values), values, aside=to_stdout)


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
