"""One video of many: what is to be done, what decides the result, doing it, and how it went."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pwarp import __version__, formats
from pwarp.batch.segments import divided, finished_beside, journal_of, remove_segments
from pwarp.errors import PwarpError
from pwarp.formats.label_file import LabelFile
from pwarp.formats.label_studio_names import side_file
from pwarp.propagation import Options, Planned
from pwarp.propagation.journal import identity_of
from pwarp.propagation.result import write_result
from pwarp.video import Video, open_video

# What a user hears of: done, skipped, failed. divided: a long video that others are to do, segment by segment; filled:
# such a segment.
Status = Literal["done", "skipped", "failed", "divided", "filled"]


@dataclass(frozen=True)
class Settings:
    """What is the same for all videos of a run.

    options: of propagation. format: of the outputs. from_: of the labels, None to find out. alignment, tolerance: as
    for `formats.read` and `formats.write`. segment: about how many frames a task should have, so that a longer video
    is divided; None: never. It changes no output.
    """

    options: Options = field(default_factory=Options)
    format: str = "pwarp"
    from_: str | None = None
    alignment: formats.Alignment | None = None
    tolerance: float | None = None
    segment: int | None = None

    @cached_property
    def deciding(self) -> str:
        """All that decides an output, found out once a run: settings may be large files."""
        return repr((__version__, (self.options.deciding, self.format, self.from_, self.alignment, self.tolerance)))


@dataclass(frozen=True)
class Task:
    """One video to propagate labels through, or a segment of one; paths as a person wrote them.

    opened: the video, where somebody opened it before: opening decodes all of it. segment: first and last frame of the
    spans that are to be filled and only noted in a file beside the output; None: all are, and the output is written.
    """

    video: str
    labels: str
    output: str
    settings: Settings
    opened: Video | None = field(default=None, repr=False, compare=False)
    segment: tuple[int, int] | None = None

    @cached_property
    def key(self) -> str:
        """A hash of everything that decides the output: pwarp, settings, the labels' bytes, and which video it is.

        The names of vertices beside the labels count as the labels do.

        A video counts by name, size and time of change, because reading all of it takes as long as the work itself.
        It is made once: labels that change while they are worked on are then not taken for those of the output.
        """
        digest = hashlib.blake2b(digest_size=16)
        digest.update(repr((self.settings.deciding, _stamp(Path(self.video)))).encode())
        labels = Path(self.labels)
        digest.update(content_digest(labels).encode())
        if (names := side_file(LabelFile(labels, self.labels))) is not None:
            digest.update(content_digest(names).encode())
        return digest.hexdigest()

    @property
    def made(self) -> Path:
        """Where `work` puts the output, in a folder of its own under its own name, until `Manifest.finish` takes it."""
        output = Path(self.output)
        return output.with_name(f"{output.name}.made.partial") / output.name

    def put_away(self) -> None:
        """Remove what `work` left beside the output."""
        shutil.rmtree(self.made.parent, ignore_errors=True)


@dataclass(frozen=True)
class Result:
    """How a task ended. message: why it failed. notes: what its user has to know of. summary: as of `propagate`.

    parts: the tasks that a video was divided into.
    """

    task: Task
    status: Status
    message: str = ""
    notes: tuple[str, ...] = ()
    summary: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    parts: tuple[Task, ...] = ()

    def values(self) -> dict[str, Any]:
        """The result as JSON holds it."""
        task = self.task
        head = {"video": task.video, "labels": task.labels, "output": task.output, "status": self.status}
        tail = {"message": self.message} if self.message else {}
        notes = {"notes": list(self.notes)} if self.notes else {}
        return {**head, **tail, **notes, **self.summary, "seconds": round(self.seconds, 3)}


def work(task: Task) -> Result:
    """Propagate through one video or segment. Whatever goes wrong is in the result; only an interruption is raised.

    What an interrupted run of the same task had finished is not done again. The output stands at `task.made` then.
    """
    began = time.perf_counter()
    notes: list[str] = []
    try:
        status, values, parts = _worked(task, notes.append)
    except PwarpError as error:
        return Result(task, "failed", str(error), tuple(notes), seconds=time.perf_counter() - began)
    except Exception as error:
        # A defect of pwarp must not cost the other videos their night.
        defect = f"{task.video}: a defect of pwarp, {type(error).__name__}: {' '.join(str(error).split())}"
        return Result(task, "failed", f"{defect}; propagate it alone to see where", tuple(notes))
    return Result(task, status, "", tuple(notes), values, time.perf_counter() - began, parts)


def _worked(task: Task, tell: Callable[[str], None]) -> tuple[Status, dict[str, Any], tuple[Task, ...]]:
    settings, output = task.settings, Path(task.output)
    with task.opened or open_video(task.video) as video:
        keys = formats.read(task.labels, format=settings.from_, video=video, alignment=settings.alignment)
        planned = Planned(video, keys, settings.options)
        journal = journal_of(output, identity_of(keys, video.identity, settings.options), task.segment)
        done = False
        try:
            if task.segment is not None:
                first, last = task.segment
                some = [span for span in planned.spans if first <= span.first and span.last <= last]
                planned.fill(some, journal, _nobody, tell)
                return "filled", {}, ()
            finished_beside(output, journal)
            if settings.segment is not None and task.opened is None:
                parts = divided(task, video, planned.spans, journal)
                if parts:
                    return "divided", {}, parts
            formats.check_target(output, settings.format, force=True)
            with _room_for(task):
                loss, tally = write_result(
                    planned, task.made, format=settings.format, video=video, force=True,
                    tolerance=settings.tolerance, journal=journal, advance=_nobody, tell=tell,
                )  # fmt: skip
            done = True
        finally:
            journal.close(done=done)
    remove_segments(output)
    for line in loss.lines():
        tell(line)
    return "done", tally.values(keys, len(planned.labels.tracks)), ()


@contextmanager
def _room_for(task: Task) -> Iterator[None]:
    """A folder to put the output in, which goes again where nothing comes of it."""
    try:
        task.made.parent.mkdir(exist_ok=True)
    except OSError as error:
        raise PwarpError(f"{task.made.parent}: cannot make the folder: {error.strerror}") from error
    try:
        yield
    except BaseException:
        task.put_away()
        raise


def _nobody(_frames: int) -> None:
    """Nobody listens to the progress within a video."""


def _stamp(path: Path) -> list[tuple[str, int, int]]:
    """Name, size and time of change of a file, or of each in a folder."""
    try:
        files = sorted(p for p in path.iterdir() if p.is_file()) if path.is_dir() else [path]
        return [(p.name, p.stat().st_size, p.stat().st_mtime_ns) for p in files]
    except OSError as error:
        raise PwarpError(f"{path}: cannot read: {error.strerror}; check the path") from error


def content_digest(path: Path) -> str:
    """A hash of a file's bytes, or of the names and bytes of all in a folder; PwarpError where they cannot be read."""
    digest = hashlib.blake2b(digest_size=16)
    try:
        for file in sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]:
            digest.update(f"{file.relative_to(path)}\0".encode(errors="surrogateescape"))
            with file.open("rb") as handle:
                digest.update(hashlib.file_digest(handle, "blake2b").digest())
    except OSError as error:
        raise PwarpError(f"{path}: cannot read: {error.strerror}; check the path") from error
    return digest.hexdigest()
