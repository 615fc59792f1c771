"""pwarp view: draw labels over a video, or on a contact sheet."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pwarp.review import OVERLAY_SUFFIXES, SHEET_SUFFIXES

from .asked import called, refuse_if_asked, weaker
from .numbers import LARGEST_ID, Real, Whole
from .paths import Read, Written
from .progress import progress
from .reading import Reading, reading_options
from .shown import shown
from .summary import Ending, counted, duration, ending_options
from .target import Target

if TYPE_CHECKING:
    from pwarp.annotations import Annotations
    from pwarp.review.options import ViewOptions
    from pwarp.video import Video

_DRAWN = {"start", "stop", "tracks", "min_score", "names", "width"}
# Options by what is drawn.
_GO_WITH = {
    "overlay": _DRAWN | {"fps"},
    "sheet": _DRAWN | {"frames", "at", "worst", "columns", "whole"},
    "offsets": {"frames", "at", "tracks", "weights", "delta"},
    "heatmaps": {"frames", "at", "tracks", "weights", "beside", "keypoints"},
}
# Sheets that need a network, and which.
_OF_NETWORKS = {
    "offsets": "a checkpoint of pwarp train posewarper",
    "heatmaps": "a checkpoint of pwarp or onnx:FILE",
}


@click.command()
@click.argument("video", type=Read())
@click.argument("labels", type=Read())
@click.option(
    "-o",
    "--output",
    "destination",
    type=Written(),
    required=True,
    help="overlay .mp4 (.mov, .mkv) or sheet .png (.jpg); '-' for stdout.",
)
@click.option(
    "--format",
    "style",
    type=click.Choice([suffix[1:] for suffix in OVERLAY_SUFFIXES + SHEET_SUFFIXES]),
    help="-o -: what to write to stdout.  [default: png]",
)
@click.option("--start", type=Whole(0), default=0, help="First frame shown.")
@click.option("--stop", type=Whole(1), help="Frame to stop before; the video's end if left out.")
@click.option(
    "--track",
    "tracks",
    type=Whole(largest=LARGEST_ID),
    multiple=True,
    metavar="ID",
    help="Show this track only; may be repeated.",
)
@click.option("--min-score", type=Real(0, 1), default=0.0, help="Leave out computed keypoints less sure than this.")
@click.option("--names", is_flag=True, help="Write each keypoint's name beside it.")
@click.option("--width", type=Whole(64, 7680), help="Width of the output in pixels; strokes and letters grow with it.")
@click.option("--fps", type=Real(0.1, 1000), help="Overlay of pictures: frames a second.  [default: 25]")
@click.option(
    "--frames",
    type=Whole(1, 400),
    help="Sheet: how many frames to show.  [default: 12; --offsets, --heatmaps: 4]",
)
@click.option("--at", type=Whole(0), multiple=True, metavar="FRAME", help="Sheet: show this frame; may be repeated.")
@click.option("--worst", is_flag=True, help="Sheet: show the least sure frames, worst first.")
@click.option("--columns", type=Whole(1, 40), help="Sheet: how many pictures in a row.")
@click.option("--whole", is_flag=True, help="Sheet: show whole pictures, never cut to the people.")
@click.option("--offsets", is_flag=True, help="Sheet of what a PoseWarper has learned of motion, beside optical flow.")
@click.option("--heatmaps", is_flag=True, help="Sheet of what a network sees: its heatmaps, part by part.")
@click.option(
    "--weights",
    type=Read(Path),
    metavar="FILE",
    help="--offsets: the checkpoint of a PoseWarper. --heatmaps: of any network, or onnx:FILE.",
)
@click.option(
    "--beside",
    type=Read(Path),
    metavar="FILE",
    help="--heatmaps: also what this network sees of the same crops, frame by frame.",
)
@click.option(
    "--keypoint",
    "keypoints",
    multiple=True,
    metavar="NAME",
    help="--heatmaps: show this keypoint only; may be repeated.  [default: the first 24]",
)
@click.option(
    "--delta",
    type=Whole(1),
    metavar="N",
    help="--offsets: frames between two that are compared.  [default: 3]",
)
@reading_options()
@ending_options()
def view(
    video: str,
    labels: str,
    destination: str,
    style: str | None,
    ending: Ending,
    reading: Reading,
    **drawing: Any,
) -> None:
    """Draw LABELS over VIDEO: a video to watch, or a contact sheet to look over.

    VIDEO is a video file, a folder of pictures or a glob; LABELS a label file, or '-' for stdin. The suffix of the
    output decides: .mp4 gives every frame as H.264 that a browser plays, with the source's timing and without sound;
    .png gives chosen frames side by side.

    Keypoints set by hand are diamonds, computed ones are discs whose core tells the score, from red (0) to white
    (1); occluded ones are hollow. The strip below shows each track's key frames, and how sure it is over time.

    --heatmaps shows what a network sees of the people in LABELS. Beside its own heatmaps stand: for PPN those of its
    two parts, for DKD those of its initialiser, for PoseWarper and DCPose those of their backbone alone, and those of
    any network that looks at single frames with --beside.

    \b
    Examples:
      pwarp view video.mp4 dense.json -o overlay.mp4
      pwarp view video.mp4 dense.json -o sheet.png --frames 20
      pwarp view video.mp4 dense.json -o doubts.png --worst --track 1
      pwarp propagate video.mp4 keys.json -o - | pwarp view video.mp4 - -o - > sheet.png
      pwarp view video.mp4 dense.json -o motion.png --offsets --weights warper.safetensors
      pwarp view video.mp4 dense.json -o maps.png --heatmaps --weights warper.safetensors --at 4
    """
    output = _target(destination, style)
    drawing = {name: value for name, value in drawing.items() if value not in (None, (), False)}
    kind = _kind(output, drawing)
    drawing = _fitting(kind, drawing)
    as_overlay, fps = kind == "overlay", drawing.pop("fps", None)
    read = partial(reading.read, labels)
    if kind in _OF_NETWORKS:
        weights: Path | None = drawing.pop("weights", None)
        if weights is None:
            raise click.UsageError(f"--{kind} needs --weights, {_OF_NETWORKS[kind]}")
        if kind == "offsets":
            _view_offsets(video, read, output, weights, drawing.pop("delta", 3), drawing, ending)
            return
        from .view_heatmaps import view_heatmaps

        view_heatmaps(video, labels, read, output, weights, drawing.pop("beside", None), drawing, ending)
        return

    from pwarp.review.options import ViewOptions
    from pwarp.review.sheet import ContactSheet, SheetOptions, check_picture, save_picture
    from pwarp.video import open_video

    began = time.perf_counter()
    frames: Sequence[int]
    # First of all: an output that cannot be written is refused before the video is decoded.
    output.check(force=ending.force)
    with output.opened(force=ending.force, dry_run=ending.dry_run) as temporary, open_video(video) as source:
        if fps is not None and source.fps is not None:
            refuse_if_asked("fps", f"--fps: {video} has frame times of its own; leave it out")
            fps = None
        annotations = read(source)
        title = f"{Path(video).name}   {Path(labels).name}"
        options: ViewOptions
        if as_overlay:
            options, sheet = ViewOptions(**drawing), None
            frames = range(*options.span(source.frame_count))
            span = f"frames {frames.start} to {frames.stop - 1}"
        else:
            options = of_sheet = SheetOptions(**drawing)
            sheet = ContactSheet(source, annotations, of_sheet, title)
            check_picture(output.suffix, sheet.size)
            frames = sheet.frames
            span = f"{'frame' if len(frames) == 1 else 'frames'} {', '.join(map(str, frames))}"
        ids = [track.id for track in options.chosen(annotations)]
        if ending.dry_run:
            what = f"{'an overlay' if sheet is None else 'a sheet'} of {counted(len(ids), 'track')}, {span}"
            values: dict[str, Any] = {"tracks": ids} if sheet is None else {"tracks": ids, "shown": frames}
            ending.would_write(output, what, values, aside=output.to_stdout)
            return
        with progress(len(frames), "view", quiet=ending.quiet) as advance:
            if sheet is None:
                _overlay(temporary, source, annotations, options, fps, title, advance)
            else:
                save_picture(temporary, sheet.draw(advance))
    seconds = time.perf_counter() - began
    values = {"output": output.name, "frames": len(frames), "tracks": ids, "seconds": round(seconds, 3)}
    if not as_overlay:
        values["shown"] = frames
    line = f"{output}: {counted(len(frames), 'frame')}, {counted(len(ids), 'track')}, {duration(seconds)}"
    ending.report(line, values, aside=output.to_stdout)


def _overlay(
    path: Path,
    video: Video,
    annotations: Annotations,
    options: ViewOptions,
    fps: float | None,
    title: str,
    advance: Callable[[], object],
) -> None:
    """Write the overlay; fps: of pictures, where it was asked for."""
    from pwarp.review.overlay import PICTURE_RATE, write_overlay

    rate = PICTURE_RATE if fps is None else Fraction(fps).limit_denominator(1001)
    write_overlay(path, video, annotations, options, picture_rate=rate, title=title, on_frame=advance)


def _view_offsets(
    video: str,
    read: Callable[..., Annotations],
    output: Target,
    weights: Path,
    delta: int,
    drawing: dict[str, Any],
    ending: Ending,
) -> None:
    """Figure 5 of PoseWarper: fields, and how well motion is told."""
    from dataclasses import asdict

    from pwarp.following import open_window_runner
    from pwarp.models.posewarper import PoseWarper
    from pwarp.review.fields import offsets_sheet, summary
    from pwarp.review.offsets import Pair, pairs, places, study
    from pwarp.review.sheet import save_picture
    from pwarp.video import open_video

    output.check(force=ending.force)
    with output.opened(force=ending.force, dry_run=ending.dry_run) as temporary, open_video(video) as source:
        annotations = read(source)
        if drawing.get("tracks"):
            from dataclasses import replace

            chosen = tuple(annotations.track(id) for id in drawing["tracks"])
            annotations = replace(annotations, tracks=chosen)
        runner = open_window_runner(weights, PoseWarper)
        runner.channels(annotations.skeleton)
        found = places(annotations, delta, drawing.get("at", ()))
        wanted = shown(found, drawing)
        if ending.dry_run:
            what = f"{counted(len(wanted), 'pair')} of {len(found)}"
            planned = {"delta": delta, "pairs": len(found), "shown": [frame for frame, _ in wanted]}
            ending.would_write(output, what, planned, aside=output.to_stdout)
            return
        with progress(len(found), "offsets", unit="pairs", quiet=ending.quiet) as advance:

            def seen() -> Iterator[Pair]:
                for pair in pairs(source, found, runner, delta):
                    yield pair
                    advance()

            measured, kept = study(seen(), {(frame, track.id) for frame, track in wanted})
        save_picture(temporary, offsets_sheet(kept, measured, delta))
    values = {k: v for k, v in asdict(measured).items() if k != "weights"}
    values = {"output": output.name, "delta": delta, **values, "shown": [pair.frame for pair in kept]}
    line = f"{output}: " + "; ".join(summary(measured))
    ending.report(line, values, aside=output.to_stdout)


def _kind(output: Target, drawing: dict[str, Any]) -> str:
    """What to draw: an "overlay", a "sheet", "offsets" or "heatmaps". It is taken out of what the options say."""
    chosen = [name for name in _OF_NETWORKS if drawing.pop(name, False)]
    if len(chosen) > 1:
        chosen.remove(weaker("offsets", "heatmaps", "--offsets does not go with --heatmaps: leave it out"))
    as_overlay = output.suffix in OVERLAY_SUFFIXES
    for name in chosen:
        if not as_overlay:
            return name
        refuse_if_asked(name, f"--{name} makes a sheet: end the output in .png")
    return "overlay" if as_overlay else "sheet"


def _fitting(kind: str, drawing: dict[str, Any]) -> dict[str, Any]:
    """The options that go with what is drawn; raises UsageError where the command line has others."""
    others = [name for name in drawing if name not in _GO_WITH[kind]]
    for name in others:
        refuse_if_asked(name, _why(name, kind))
    fitting = {name: value for name, value in drawing.items() if name not in others}
    for name in ("frames", "worst"):
        if "at" in fitting and name in fitting:
            del fitting[weaker("at", name, f"--at chooses the frames itself: leave out --{name}")]
    return fitting


def _why(name: str, kind: str) -> str:
    """Why an option is refused."""
    if kind in _OF_NETWORKS:
        return f"{called(name)} does not go with --{kind}: leave it out"
    if name in ("weights", "delta"):
        return "--weights and --delta go with --offsets (--weights with --heatmaps, too): give that, too"
    if name in ("keypoints", "beside"):
        return f"{called(name)} goes with --heatmaps: give that, too, or leave it out"
    if kind == "overlay":
        return f"{called(name)} goes with a contact sheet: end the output in .png, or leave it out"
    return f"{called(name)} goes with an overlay: end the output in .mp4, or leave it out"


def _target(output: str, style: str | None) -> Target:
    """Where it goes and what it is; raises UsageError where the suffix asks for nothing that is made here."""
    if output == "-":
        return Target(output, f".{style or 'png'}")
    if style is not None:
        refuse_if_asked("style", "--format goes with -o -, for there the suffix of a name says what to draw")
    suffix = Path(output).suffix.lower()
    if suffix not in OVERLAY_SUFFIXES + SHEET_SUFFIXES:
        raise click.UsageError(
            f"-o {output}: end it in {', '.join(OVERLAY_SUFFIXES)} for an overlay video, "
            f"in {', '.join(SHEET_SUFFIXES)} for a contact sheet"
        )
    return Target(output, suffix)
