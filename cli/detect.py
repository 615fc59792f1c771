"""`pwarp detect`: boxes around the people in a video, and their keypoints where the detector finds those."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from pwarp.files import atomic_path

from .numbers import Real, Whole
from .paths import Read
from .progress import progress
from .resuming import going_on, journalled, output_option, resume_option
from .summary import Ending, duration, ending_options, say
from .target import format_option

if TYPE_CHECKING:
    from pwarp.annotations import Track
    from pwarp.detection.journal import DetectionJournal

_AUTO = "auto"
_FETCHING = (_AUTO, "yolo", "torchvision")


@click.command()
@click.argument("video", type=Read())
@output_option
@click.option(
    "--detector",
    type=Read(),
    default=_AUTO,
    show_default=True,
    metavar="|".join((_AUTO, "yolo", "onnx:FILE", "torchvision[:MODEL]", "hog")),
    help="What finds them; auto takes the best that can run here, and says which.",
)
@click.option(
    "--weights",
    type=Read(),
    metavar="FILE",
    help="Weights of the detector: .onnx, Ultralytics' .pt, or torchvision's; or the name of some to download.",
)
@click.option("--category", default="person", show_default=True, metavar="NAME", help="What to look for.")
@click.option("--every", type=Whole(1), default=1, show_default=True, metavar="K", help="Every K-th frame.")
@click.option(
    "--min-score",
    type=Real(0, 1),
    default=0.3,
    show_default=True,
    metavar="S",
    help="Leave out detections that are less sure than this.",
)
@click.option("--batch", type=Whole(1), default=8, show_default=True, metavar="N", help="Pictures at a time.")
@format_option
@resume_option()
@ending_options()
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
    resume: bool,
    ending: Ending,
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
    from pwarp.detection import Wanted, detections, gathered, journal_of, open_detector
    from pwarp.formats.jsonl import LineWriter
    from pwarp.propagation.engine import fixed
    from pwarp.video import open_video

    began = time.perf_counter()
    loss: list[str] = []
    to_stdout = output == "-"
    resume = going_on(output, resume=resume)
    to = to or ("jsonl" if to_stdout else formats.format_for(output))
    formats.check_target(output, to, force=ending.force)
    # What may have to be downloaded is left alone.
    fetches = detector.partition(":")[0] in _FETCHING and not (weights and Path(weights).exists())
    with open_video(video) as source:
        if ending.dry_run:
            name = detector if fetches else open_detector(detector, Wanted(category, min_score), weights)[0].name
            frames = -(-source.frame_count // every)
            values = {"detector": name, "format": to, "frames": frames}
            what = f"detections by {name} in {frames} frames, as {to}"
            ending.would_write(output, what, values, aside=to_stdout)
            return
        finder, why = open_detector(detector, Wanted(category, min_score), weights)
        if detector == _AUTO:
            ending.remark(f"detector {finder.name}, {why}")
        counts = _Counts()

        def journal(path: Path) -> DetectionJournal:
            options = {"detector": detector, "weights": weights, "category": category, "min_score": min_score}
            return journal_of(path, source, finder, fixed(options), every=every, resume=resume, alone=True)

        with (
            journalled(output, journal, ending, resume=resume) as done,
            progress(-(-source.frame_count // every), "detect", quiet=ending.quiet) as bar,
        ):
            looks = counts.of(detections(source, finder, every=every, batch=batch, advance=bar, journal=done))
            if to == "jsonl":
                # Line by line, so that nothing is held of a video of any length.
                with _opened(output, force=ending.force) as out:
                    lines = LineWriter(out, finder.skeleton, source.identity)
                    for frame, tracks in looks:
                        lines.lone(frame, tracks)
                    lines.end(())
            else:
                found = gathered(source, finder, looks)
                loss = formats.write(found, output, format=to, video=source, force=ending.force).lines()
    for line in loss:
        say(line)
    seconds = round(time.perf_counter() - began, 3)
    values = {
        "output": output,
        "detector": finder.name,
        "why": why,
        **vars(counts),
        "seconds": seconds,
    }
    line = (
        f"{output}: {values['detections']} detections by {finder.name} in {values['frames_with_detections']} of "
        f"{counts.frames} frames, {duration(seconds)}"
    )
    ending.report(line, values, aside=to_stdout)


@dataclass
class _Counts:
    """What the summary tells of frames that passed by."""

    frames: int = 0
    frames_with_detections: int = 0
    detections: int = 0
    keypoints: int = 0

    def of(self, looks: Iterable[tuple[int, Sequence[Track]]]) -> Iterator[tuple[int, Sequence[Track]]]:
        """The same frames, counted."""
        for frame, tracks in looks:
            self.frames += 1
            self.frames_with_detections += bool(tracks)
            self.detections += len(tracks)
            self.keypoints += sum(int(track.labelled.sum()) for track in tracks)
            yield frame, tracks


@contextmanager
def _opened(output: str, *, force: bool) -> Iterator[BinaryIO]:
    """Where lines go as frames are done: stdout, or a file that takes its name at the end."""
    if output == "-":
        yield sys.stdout.buffer
        return
    with atomic_path(Path(output), force=force) as temporary, temporary.open("wb") as out:
        yield out
