"""`pwarp run`: labels propagated through many videos."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from pwarp import registry
from pwarp.errors import PwarpError
from pwarp.files import check_output, check_place

from .asked import weaker
from .executors import Place, executor_options
from .filling import Filling, filling_options
from .paths import Read, Written
from .progress import progress
from .reading import Reading, reading_options
from .summary import Ending, as_line, duration, ending_options, say
from .target import fitting_tolerance, tolerance_option

if TYPE_CHECKING:
    from pwarp.batch import Result, Settings, Task

_LONGEST_LINE = 1 << 20  # bytes of a log's line that are looked at


@click.command()
@click.argument("videos", type=Read(), nargs=-1, required=True)
@click.option(
    "--labels",
    required=True,
    type=Read(Path),
    metavar="DIR",
    help="Folder of label files, called as the videos are.",
)
@click.option(
    "-o", "--out", required=True, type=Written(Path, unpiped="a folder"), metavar="DIR", help="Folder for the outputs."
)
@executor_options
@filling_options
@click.option(
    "--format",
    "to",
    type=click.Choice(registry.names("format")),
    default="pwarp",
    show_default=True,
    help="Of outputs.",
)
@tolerance_option
@reading_options("LABELS", one=False)
@click.option("--partial", is_flag=True, help="Leave out, and name, videos without a label file.")
@click.option(
    "--log",
    type=Written(),
    metavar="FILE",
    help="Append a line of JSON for each video when it is done; '-' for stdout.",
)
@ending_options("Do all videos, and replace what is there.")
def run(
    videos: tuple[str, ...],
    labels: Path,
    out: Path,
    place: Place,
    filling: Filling,
    to: str,
    tolerance: float | None,
    reading: Reading,
    partial: bool,
    log: str | None,
    ending: Ending,
) -> None:
    """Propagate the labels of many VIDEOS, each from the file in --labels that is called as the video is.

    VIDEOS are video files, folders of them, folders of pictures (one video each), or globs. Run it again after an
    interruption, or with more videos or labels: what was done of the same labels, video and options is skipped, what
    was made of other ones is made anew, and what somebody changed since is left alone. A video that fails stops no
    other; exit code 1 then says so at the end. DIR/pwarp-run.jsonl remembers what was made of what.

    A long video is divided into segments that are worked on at the same time; the output is the same, bit for bit.
    On a Ray cluster all machines have to see the current folder, videos, labels and outputs under the same names, as on
    a shared file system, and need the same pwarp; work on a machine that goes away is done again elsewhere.

    \b
    Examples:
      pwarp run videos/ --labels keys/ --out dense/
      pwarp run 'videos/*.mp4' --labels keys/ --out dense/ --jobs 4 --engine linear --log run.jsonl
      pwarp run videos/ --labels keys/ --out dense/ --executor ray --address auto --cpus 2 --retries 5
    """
    from pwarp import batch

    began = time.perf_counter()
    if log == "-" and ending.as_json:
        if weaker("log", "as_json", "--log - and --json both go to stdout; name a file for the log") == "log":
            log = None
        else:
            ending = replace(ending, as_json=False)
    tolerance = fitting_tolerance(to, tolerance)
    settings = _settings(to, place, filling, tolerance, reading)
    tasks, without = batch.make_tasks(batch.find_videos(videos), labels, out, settings, partial=partial)
    if without:
        ending.remark(f"{len(without)} videos without labels: {', '.join(v.stem for v in without)}")
    check_place(out)
    if log not in (None, "-"):
        _check_log(Path(str(log)))
    if ending.dry_run:
        _plan(tasks, out, ending)
        return
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PwarpError(f"{out}: cannot make the folder: {error.strerror}; choose another --out") from error
    executor = place.make(ending.remark)
    results: list[Result] = []
    interrupted = False
    with (
        _log(log) as file,
        batch.Manifest(out) as manifest,
        progress(len(tasks), "run", unit="videos", quiet=ending.quiet) as bar,
    ):
        try:
            for result in batch.run(tasks, manifest, executor, force=ending.force):
                results.append(result)
                _tell(result, file, ending)
                bar()
        except KeyboardInterrupt:
            interrupted = True
    order = {task.video: at for at, task in enumerate(tasks)}
    results.sort(key=lambda result: order[result.task.video])
    _report(results, len(tasks), time.perf_counter() - began, ending, aside=log == "-")
    if interrupted:
        ending.remark("the same command goes on from here")
        raise click.Abort
    if any(result.status == "failed" for result in results):
        sys.exit(1)


def _settings(to: str, place: Place, filling: Filling, tolerance: float | None, reading: Reading) -> Settings:
    from pwarp.batch import Settings

    options = filling.options()
    return Settings(options, to, reading.format, reading.alignment, tolerance, place.length(filling.engine))


def _plan(tasks: list[Task], out: Path, ending: Ending) -> None:
    """Say what would be done, and end with 1 where some of it cannot be."""
    from pwarp import batch

    planned, settled = batch.plan(tasks, batch.Manifest(out), force=ending.force)
    skipped = [result.task.output for result in settled if result.status == "skipped"]
    failed = [result.message for result in settled if result.status == "failed"]
    todo: list[Task] = []
    with progress(len(planned), "check", unit="videos", quiet=ending.quiet) as advance:
        for task in planned:
            # What all share is opened with the first that can be done.
            why = batch.rehearse(task, engine=not todo)
            todo += [task] if why is None else []
            failed += [] if why is None else [why]
            advance()
    lines = [f"{task.output}: from {task.video} and {task.labels}" for task in todo]
    counts = f"{len(todo)} to do, {len(skipped)} done before, {len(failed)} that cannot be done"
    values = {"written": False, "todo": [task.output for task in todo], "skipped": skipped, "failed": failed}
    text = "\n".join([*lines, *failed, f"{counts}; nothing written (--dry-run)"])
    ending.report(text, values)
    if failed:
        sys.exit(1)


def _check_log(path: Path) -> None:
    """Raise PwarpError where a file cannot be added to as a log."""
    check_output(path, force=True)
    try:
        with path.open("rb") as file:
            if not _is_log(file.readline(_LONGEST_LINE)):
                raise PwarpError(f"{path}: is not the log of a run, which would be added to; choose another --log")
    except FileNotFoundError:
        return
    except OSError as error:
        raise PwarpError(f"{path}: cannot read: {error.strerror}; choose another --log") from error


@contextmanager
def _log(name: str | None) -> Iterator[IO[bytes] | None]:
    """The file that --log names, to be appended to, which is checked."""
    if name is None or name == "-":
        yield None if name is None else sys.stdout.buffer
        return
    try:
        with Path(name).open("ab") as file:
            yield file
    except OSError as error:
        raise PwarpError(f"{name}: cannot write: {error.strerror}; choose another --log") from error


def _is_log(line: bytes) -> bool:
    """Whether a file's first line is nothing, or what `_tell` writes."""
    import orjson

    try:
        return not line or {"video", "status"} <= orjson.loads(line).keys()
    except (orjson.JSONDecodeError, AttributeError):
        return False


def _tell(result: Result, file: IO[bytes] | None, ending: Ending) -> None:
    """What is known of a video as soon as it is."""
    if file is not None:
        file.write(as_line(result.values()))
        file.flush()
    if result.status == "failed":
        say(result.message)
    for note in result.notes:
        ending.remark(f"{result.task.video}: {note}")
    for loss in result.losses:
        say(f"{result.task.video}: {loss}")


def _report(results: list[Result], asked: int, seconds: float, ending: Ending, *, aside: bool) -> None:
    count = Counter[str](result.status for result in results)
    ends = {name: count[name] for name in ("done", "skipped", "failed")}
    left = asked - len(results)
    total = f"{asked} videos: " + ", ".join(f"{number} {name}" for name, number in ends.items())
    total += f", {left} not begun or not finished" if left else ""
    values = {"videos": [r.values() for r in results], **ends, "left": left, "seconds": round(seconds, 3)}
    lines = [*map(_row, results), f"{total}, {duration(seconds)}"]
    ending.report("\n".join(lines), values, aside=aside)


def _row(result: Result) -> str:
    said = result.message or result.task.output
    if result.status == "done":
        of = result.summary
        unsure = f"{of['keypoints_unsure']} of {of['keypoints_filled']} keypoints unsure"
        said += f": {of['frames_filled']} frames filled, {unsure}, {duration(result.seconds)}"
    return f"{result.status:<8} {said}"
