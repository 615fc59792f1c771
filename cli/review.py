"""`pwarp review`: a web page to look through labels and correct them."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import click

from .asked import refuse_if_asked
from .numbers import Whole
from .paths import Read, Written
from .progress import progress
from .reading import Reading, reading_options
from .summary import Ending, counted, duration, ending_options

if TYPE_CHECKING:
    from pwarp.annotations import Annotations
    from pwarp.review.page.film import Film


@click.command()
@click.argument("video", type=Read())
@click.argument("labels", type=Read())
@click.option("-o", "--output", type=Written(), required=True, help="Web page to write (.html); '-' for stdout.")
@click.option(
    "--width",
    type=Whole(64, 7680),
    help="Width of the pictures in the page, in pixels.  [default: the video's, at most 1280]",
)
@click.option(
    "--link", is_flag=True, help="Put the pictures into a video beside the page, NAME.review.mp4, not into the page."
)
@reading_options()
@ending_options()
def review(
    video: str,
    labels: str,
    output: str,
    width: int | None,
    link: bool,
    reading: Reading,
    ending: Ending,
) -> None:
    """A web page to look through LABELS of VIDEO and correct them.

    VIDEO is a video file, a folder of pictures or a glob; LABELS a label file, or '-' for stdin. The page is one file
    that needs no network: it plays the video with the poses drawn over it, shows how sure each keypoint is over time,
    and lists the least sure frames. Drag keypoints, set their visibility, mark people absent; '?' shows the keys.

    Its Export gives a label file with every keypoint that a person set or a network saw, digit by digit, and the
    corrections among them, what they replaced beside them. `pwarp propagate` makes the rest anew from it. Corrections
    that are not exported yet are kept by the browser.

    \b
    Examples:
      pwarp review video.mp4 dense.json -o review.html
      pwarp propagate video.mp4 dense-corrected.json -o dense-2.json
    """
    from pwarp.files import atomic_path, check_output
    from pwarp.review.page import PageOptions, write_page
    from pwarp.review.page.film import film_size
    from pwarp.video import open_video

    began = time.perf_counter()
    to_stdout = output == "-"
    if link and to_stdout:
        refuse_if_asked("link", "--link puts a file beside the page: give -o a file name")
        link = False
    if not to_stdout and Path(output).suffix.lower() not in (".html", ".htm"):
        raise click.UsageError(f"-o {output}: end it in .html, so that a browser opens it")
    target, beside = Path(output), Path(output).with_suffix(".review.mp4")
    for path in () if to_stdout else (target, beside) if link else (target,):
        check_output(path, force=ending.force)
    with open_video(video) as source, ExitStack() as outputs:
        annotations = reading.read(labels, source)
        options = PageOptions(labels, width, beside.name if link else None)
        size = film_size(source, width)
        film: Film | None = None
        if not ending.dry_run:
            film_path = outputs.enter_context(atomic_path(beside, force=ending.force)) if link else None
            if to_stdout:
                page: BinaryIO = sys.stdout.buffer
            else:
                path = outputs.enter_context(atomic_path(target, force=ending.force))
                page = cast(BinaryIO, outputs.enter_context(path.open("wb")))
            with progress(source.frame_count, "review", quiet=ending.quiet) as advance:
                film = write_page(page, source, annotations, options, film_path=film_path, on_frame=advance)
        frames = source.frame_count
    values: dict[str, Any] = {
        "output": output,
        "film": str(beside) if link else None,
        "written": not ending.dry_run,
        "frames": frames,
    }
    values |= {"tracks": len(annotations.tracks), "keypoints": _computed(annotations), "size": list(size)}
    if film is not None:
        values["film_bytes"] = film.size
        values["bytes"] = None if to_stdout else target.stat().st_size
    values["seconds"] = round(time.perf_counter() - began, 3)
    ending.report(_line(values), values, aside=to_stdout)


def _computed(annotations: Annotations) -> dict[str, int]:
    """How many keypoints a person set, and how many were computed."""
    by_person = sum(int(track.by_person.sum()) for track in annotations.tracks)
    labelled = sum(int(track.labelled.sum()) for track in annotations.tracks)
    return {"by_person": by_person, "computed": labelled - by_person}


def _line(values: dict[str, Any]) -> str:
    count, tracks = values["frames"], values["tracks"]
    what = f"{counted(count, 'frame')} of {values['size'][0]}x{values['size'][1]}, "
    what += f"{counted(tracks, 'track')}"
    if not values["written"]:
        return f"{values['output']}: would hold {what}; nothing written (--dry-run)"
    size = "" if values["bytes"] is None else f", {_megabytes(values['bytes'])}"
    beside = "" if values["film"] is None else f" + {_megabytes(values['film_bytes'])} in {values['film']}"
    return f"{values['output']}: {what}{size}{beside}, {duration(values['seconds'])}"


def _megabytes(count: int) -> str:
    return f"{count / 1e6:.1f} MB"
