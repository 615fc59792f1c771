"""`pwarp info`: what a video or a label file holds."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from fractions import Fraction
from glob import glob
from typing import Any

import click

from pwarp.errors import PwarpError

from .asked import asked, weaker
from .paths import Read
from .progress import progress
from .reading import Reading, reading_asked, reading_options
from .summary import counted, duration, json_option, report

_HEADINGS = ("track", "poses", "frames", "keys", "visible", "occluded", "sources (keypoints)", "absent")


@click.command()
@click.argument("path", type=Read(), metavar="VIDEO|LABELS")
@click.option(
    "--video",
    type=Read(),
    metavar="VIDEO",
    help="Check LABELS against this video, and read frame numbers off its pictures.",
)
@click.option(
    "--check",
    type=Read(),
    metavar="LABELS",
    help="Whether these labels belong to VIDEO, frame by frame; exit with 1 if not.",
)
@reading_options()
@json_option
def info(
    path: str,
    video: str | None,
    check: str | None,
    reading: Reading,
    as_json: bool,
) -> None:
    """What a video or a label file holds, and what looks odd about it.

    VIDEO is a video file, a folder of pictures or a glob; LABELS a label file, or '-' for stdin. Labels whose frame
    count, size or fingerprint is another than VIDEO's are refused with the likely cause and the option that maps them,
    which every command knows that takes labels beside their video.

    \b
    Examples:
      pwarp info dog.mp4
      pwarp info labels.json --video dog.mp4
      pwarp info dog.mp4 --check annotations.xml
      pwarp info - --json < labels.json
    """
    from pwarp import formats
    from pwarp.overview import overview_of_labels, overview_of_match, overview_of_video
    from pwarp.video import open_video

    if check is not None and video is not None:
        why = "--check names the labels of VIDEO, --video the video of LABELS; give one of them"
        if weaker("check", "video", why) == "check":
            check = None
        else:
            video = None
    file, missing = None, None
    if check is None:
        try:
            file = reading.file(path)  # opened here and nowhere else: a pipe can be read but once
        except PwarpError as error:
            missing = error
    if check is not None:
        with open_video(path) as opened:
            values: dict[str, Any] = {"video": overview_of_video(opened)}
            labels = reading.read(check, opened)
            with progress(None, "check") as _:
                values["match"] = overview_of_match(labels, opened)
        lines = [*_video_lines(values["video"]), *_match_lines(check, values["match"])]
    elif reading.format is None and (file is None or not formats.holds_labels(file)):
        if asked("video") or reading_asked():
            if missing is not None and not glob(path):  # noqa: PTH207 - it may be a pattern of pictures
                raise missing
            raise click.UsageError(
                f"--video, --only and what maps labels onto a video are of labels, and '{path}' is no label file"
            )
        if path.endswith(".safetensors"):
            raise PwarpError(f"{path}: is a checkpoint; 'pwarp weights show' tells what it holds")
        with open_video(path) as opened:
            values = overview_of_video(opened)
        lines = _video_lines(values)
    else:
        with nullcontext() if video is None else open_video(video) as opened:
            file = file or reading.file(path)
            name = reading.format or formats.sniff(file)
            labels = reading.read_opened(file, opened)
        values = {"path": path, "format": name, **overview_of_labels(labels)}
        lines = _label_lines(values)
    report("\n".join(lines), values, as_json=as_json)


def _video_lines(values: dict[str, Any]) -> list[str]:
    length = "" if values["seconds"] is None else f", {duration(values['seconds'])}"
    rate = _rate(values["fps"]) + (" on average (variable)" if values["variable_rate"] else "")
    lines = [
        f"{values['path']}: {values['kind']}",
        f"size         {values['width']}x{values['height']}" + _turned(values["rotation"]),
        f"frames       {values['frames']}{length}",
        f"rate         {rate}",
        f"fingerprint  {values['fingerprint']}",
    ]
    return lines + [f"damage       {problem}" for problem in values["damage"]]


def _match_lines(check: str, match: dict[str, Any]) -> list[str]:
    """How frames of the labels and of the video go together."""
    between = "none" if match["interval"] is None else " to ".join(f"{t * 1000:.1f}" for t in match["interval"]) + " ms"
    span = "none" if match["first"] is None else f"{match['first']} to {match['last']}"
    seconds = "" if match["times"] is None else f", at {' to '.join(f'{t:.3f}' for t in match['times'])} s"
    lines = [
        f"times        {between} between frames",
        f"repeated     {counted(match['repeated'], 'frame')} with the pixels of the frame before"
        + (f", first {match['first_repeated']}" if match["repeated"] else ""),
        f"labels       {check}: frames {span}{seconds}",
    ]
    return lines + [f"fits         {match['agrees']}"] + [f"odd          {line}" for line in match["odd"]]


def _turned(degrees: int) -> str:
    return f" ({degrees} degrees clockwise applied)" if degrees else ""


def _rate(fps: str | None) -> str:
    """A rate as people say it: '30 fps', '30000/1001 fps (29.97)'."""
    if fps is None:
        return "unknown"
    return f"{fps} fps (about {float(Fraction(fps)):.4g})" if "/" in fps else f"{fps} fps"


def _label_lines(values: dict[str, Any]) -> list[str]:
    video, skeleton = values["video"], values["skeleton"]
    size = "size unknown" if video["width"] is None else f"{video['width']}x{video['height']}"
    frames = "frame count unknown" if video["frames"] is None else f"{video['frames']} frames"
    declared = "" if values["frames_declared"] is None else f", {values['frames_declared']} declared labelled"
    sigmas = "OKS sigmas" if skeleton["sigmas"] else "no OKS sigmas"
    parts = [
        counted(len(skeleton["keypoints"]), "keypoint"),
        counted(skeleton["edges"], "edge"),
        counted(skeleton["flip_pairs"], "flip pair"),
    ]
    lines = [
        f"{values['path']}: {values['format']} labels",
        f"video        {video['path'] or 'unnamed'}, {size}, {frames}, rate {_rate(video['fps'])}",
        f"fingerprint  {video['fingerprint'] or 'unknown'}",
        f"skeleton     {skeleton['name']}: {', '.join(parts)}, {sigmas}",
        f"keypoints    {', '.join(skeleton['keypoints'])}",
        f"frames       {values['frames_with_poses']} with poses, {values['key_frames']} key frames{declared}",
    ]
    if values["ignore_regions"]:
        lines.append(f"ignored      {values['ignore_regions']} regions")
    if values["tracks"]:
        lines += ["", *_aligned([_HEADINGS, *map(_track_cells, values["tracks"])])]
    if values["odd"]:
        lines += ["", *(f"odd: {line}" for line in values["odd"])]
    return lines


def _track_cells(track: dict[str, Any]) -> list[str]:
    span = "-" if track["first"] is None else f"{track['first']}-{track['last']}"
    sources = ", ".join(f"{name} {count}" for name, count in track["sources"].items())
    absent = ", ".join(f"{a}-{'' if b is None else b}" for a, b in track["absent"])
    cells = [track["id"], track["poses"], span, track["key_frames"]]
    return [*map(str, cells), f"{track['visible']:.0%}", f"{track['occluded']:.0%}", sources or "-", absent or "-"]


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of cells as lines with aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
