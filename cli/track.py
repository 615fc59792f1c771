"""`pwarp track`: who is who, for detections and for labels without track ids."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .numbers import Whole
from .paths import Read
from .progress import progress
from .reading import Reading, reading_options
from .resuming import going_on, journalled, output_option, resume_option
from .summary import Ending, duration, ending_options, say
from .target import format_option

if TYPE_CHECKING:
    from pwarp.tracking import TrackingJournal

_SHOWN = 5


@click.command()
@click.argument("video", type=Read())
@click.argument("labels", type=Read())
@output_option
@click.option(
    "--max-lost",
    type=Whole(0),
    metavar="N",
    help="Frames for which somebody may go unseen and still be the same.  [default: one second]",
)
@click.option(
    "--min-length",
    type=Whole(1),
    default=1,
    show_default=True,
    metavar="N",
    help="Leave out people who were detected fewer times; labels by a person always stay.",
)
@format_option
@resume_option()
@reading_options()
@ending_options()
def track(
    video: str,
    labels: str,
    output: str,
    max_lost: int | None,
    min_length: int,
    to: str | None,
    resume: bool,
    reading: Reading,
    ending: Ending,
) -> None:
    """Tracks for the detections or the labels without track ids in LABELS.

    VIDEO is a video file, a folder of pictures or a glob; LABELS what `pwarp detect` writes, a label file of any
    format, or '-' for stdin. Everybody is carried along the picture to the next frame that was detected or labelled,
    also where that is many frames on, and assigned by place and by looks. Two people of one frame never become one;
    tracks that have an id stay as they are; no keypoint, box or score changes. The summary says in which frames it was
    not clear who is who, and which labels belong to no other.

    \b
    Examples:
      pwarp detect video.mp4 -o - | pwarp track video.mp4 - -o people.json --min-length 5
      pwarp track video.mp4 keys-without-ids.json -o keys.json
    """
    from pwarp import formats
    from pwarp.tracking import Options, journal_of
    from pwarp.tracking import track as follow
    from pwarp.video import open_video

    began = time.perf_counter()
    to_stdout = output == "-"
    resume = going_on(output, resume=resume)
    to = to or ("jsonl" if to_stdout else formats.format_for(output))
    formats.check_target(output, to, force=ending.force)
    options = Options(max_lost=max_lost, min_length=min_length)
    with open_video(video) as source:
        people = reading.read(labels, source)
        if ending.dry_run:
            lone = sum(not t.identified for t in people.tracks)
            values = {"format": to, "lone": lone, "tracks": len(people.tracks) - lone}
            what = f"tracks of {lone} labels without track id and of {values['tracks']} tracks, as {to}"
            ending.would_write(output, what, values, aside=to_stdout)
            return

        def journal(path: Path) -> TrackingJournal:
            return journal_of(path, source, people, options, resume=resume, alone=True)

        with journalled(output, journal, ending, resume=resume) as done:
            with progress(None, "track", quiet=ending.quiet) as bar:
                tracked = follow(source, people, options, started=bar.expect, advance=bar, journal=done)
            loss = formats.write(tracked.annotations, output, format=to, video=source, force=ending.force)
    for line in loss.lines():
        say(line)
    joined = sum(not t.identified for t in people.tracks)
    seconds = round(time.perf_counter() - began, 3)
    had = {t.id for t in people.tracks if t.identified}
    alone = [int(t.frames[0]) for t in tracked.annotations.tracks if len(t) == 1 and t.id not in had]
    values = {
        "output": output,
        "joined": joined - len(alone) - tracked.left_out,
        "alone": alone,
        "left_out": tracked.left_out,
        "tracks": len(tracked.annotations.tracks),
        "longest": max((len(t) for t in tracked.annotations.tracks), default=0),
        "unsure": [{"frame": u.frame, "track": u.track} for u in tracked.unsure],
        "seconds": seconds,
    }
    frames = sorted({u.frame for u in tracked.unsure})
    unclear = f", not clear who is who in frames {_listed(frames)}" if frames else ""
    left = f", {len(alone)} left alone, in frames {_listed(alone)}" if alone else ""
    if tracked.left_out:
        left += f", {tracked.left_out} left out as tracks of less than {min_length}"
    line = (
        f"{output}: {values['joined']} labels without track id joined{left}, {values['tracks']} tracks, the longest of "
        f"{values['longest']} frames{unclear}, {duration(seconds)}"
    )
    ending.report(line, values, aside=to_stdout)


def _listed(frames: Sequence[int]) -> str:
    """The first of the frames, and how many more there are."""
    more = f" and {len(frames) - _SHOWN} more" if len(frames) > _SHOWN else ""
    return ", ".join(map(str, frames[:_SHOWN])) + more
