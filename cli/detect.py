"""`pwarp detect`: boxes around the people in a video, and their keypoints where the detector finds those."""

from __future__ import annotations

import time
from pathlib import Path

import click

from pwarp import registry
from pwarp.files import check_output

from .progress import progress
from .summary import duration, force_option, json_option, quiet_option, report

_AUTO = "auto"


@click.command()
@click.argument("video")
@click.option("-o", "--output", required=True, help="Label file to write; '-' for stdout.")
@click.option(
    "--detector",
    default=_AUTO,
    show_default=True,
    metavar="|".join((_AUTO, "yolo", "onnx:FILE", "torchvision[:MODEL]", "hog")),
    help="What finds them; auto takes the best that can run here, and says which.",
)
@click.option(
    "--weights",
    metavar="FILE",
    help="Weights of the detector: .onnx, Ultralytics' .pt, or torchvision's; or the name of some to download.",
)
@click.option("--category", default="person", show_default=True, metavar="NAME", help="What to look for.")
@click.option("--every", type=click.IntRange(1), default=1, show_default=True, metavar="K", help="Every K-th frame.")
@click.option(
    "--min-score",
    type=click.FloatRange(0, 1),
    default=0.3,
    show_default=True,
    metavar="S",
    help="Leave out detections that are less sure than this.",
)
@click.option("--batch", type=click.IntRange(1), default=8, show_default=True, metavar="N", help="Pictures at a time.")
@click.option("--format", "to", type=click.Choice(registry.names("format")), help="Format of the output.")
@force_option
@json_option
@quiet_option
def detect(
    video: str,
    output: str,
    detector: str,
    weights: str | None,
    category: str,
    every: int,
    min_score: float,
    batch: int,
    to: str | None,
    force: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Boxes around the people in VIDEO.

    VIDEO is a video file, a folder of pictures or a glob. Each detection is a label of its own, with box, score and no
    track id: `pwarp track` finds out who is who. A model for pose fills keypoints, too.

    \b
    Detectors: yolo (Ultralytics, extra `yolo`; downloads its weights), onnx:FILE (any YOLOX or YOLO as ONNX),
    torchvision (downloads its weights), hog (built in, needs nothing, finds least).

    \b
    Examples:
      pwarp detect video.mp4 -o boxes.json
      pwarp detect video.mp4 -o - --detector onnx:yolox.onnx | pwarp track video.mp4 - -o people.json
      pwarp detect farm.mp4 -o cows.json --weights yolox.onnx --category cow --every 5
    """
    from pwarp import formats
    from pwarp.detection import Wanted, open_detector
    from pwarp.detection import detect as look
    from pwarp.video import open_video

    began = time.perf_counter()
    to_stdout = output == "-"
    if not to_stdout:
        check_output(Path(output), force=force)
    to = to or formats.format_for(output)
    with open_video(video) as source:
        finder, why = open_detector(detector, Wanted(category, min_score), weights)
        if detector == _AUTO and not quiet:
            click.echo(f"pwarp: detector {finder.name}, {why}", err=True)
        with progress(-(-source.frame_count // every), "detect", quiet=quiet) as bar:
            found = look(source, finder, every=every, batch=batch, advance=bar)
        loss = formats.write(found, output, format=to, video=source, force=force)
    for line in loss.lines():
        click.echo(f"pwarp: {line}", err=True)
    looked = 0 if found.labelled is None else len(found.labelled)
    seconds = round(time.perf_counter() - began, 3)
    values = {
        "output": output,
        "detector": finder.name,
        "why": why,
        "frames": looked,
        "frames_with_detections": len({int(track.frames[0]) for track in found.tracks}),
        "detections": len(found.tracks),
        "keypoints": sum(int(track.labelled.sum()) for track in found.tracks),
        "seconds": seconds,
    }
    line = (
        f"{output}: {values['detections']} detections by {finder.name} in {values['frames_with_detections']} of "
        f"{looked} frames, {duration(seconds)}"
    )
    report(line, values, as_json=as_json, quiet=quiet, aside=to_stdout)
