"""One video of many: what is to be done, what decides the result, doing it, and how it went."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pwarp import __version__, formats
from pwarp.errors import PwarpError
from pwarp.propagation import Journal, Options, propagate
from pwarp.propagation.journal import identity_of
from pwarp.propagation.summary import summary
from pwarp.video import open_video

Status = Literal["done", "skipped", "failed"]


@dataclass(frozen=True)
class Settings:
    """What is the same for all videos of a run.

    options: of propagation. format: of the outputs. from_: of the labels, None to find out. alignment, tolerance: as
    for `formats.read` and `formats.write`.
    """

    options: Options = field(default_factory=Options)
    format: str = "pwarp"
    from_: str | None = None
    alignment: formats.Alignment | None = None
    tolerance: float | None = None


@dataclass(frozen=True)
class Task:
    """One video to propagate labels through; paths as a person wrote them."""

    video: str
    labels: str
    output: str
    settings: Settings

    @property
    def key(self) -> str:
        """A hash of everything that decides the output: pwarp, settings, the labels' bytes, and which video it is.

        A video counts by name, size and time of change, because reading all of it takes as long as the work itself.
        """
        options = self.settings
        deciding = (options.options.deciding, options.format, options.from_, options.alignment, options.tolerance)
        digest = hashlib.blake2b(digest_size=16)
        digest.update(repr((__version__, deciding, _stamp(Path(self.video)))).encode())
        digest.update(content_digest(Path(self.labels)).encode())
        return digest.hexdigest()


@dataclass(frozen=True)
class Result:
    """How a task ended. message: why it failed. notes: what its user has to know of. summary: as of `propagate`."""

    task: Task
    status: Status
    message: str = ""
    notes: tuple[str, ...] = ()
    summary: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    def values(self) -> dict[str, Any]:
        """The result as JSON holds it."""
        task = self.task
        head = {"video": task.video, "labels": task.labels, "output": task.output, "status": self.status}
        tail = {"message": self.message} if self.message else {}
        notes = {"notes": list(self.notes)} if self.notes else {}
        return {**head, **tail, **notes, **self.summary, "seconds": round(self.seconds, 3)}


def work(task: Task) -> Result:
    """Propagate through one video. Whatever goes wrong is in the result; only an interruption is raised.

    What an interrupted run of the same task had finished is not done again. Replaces an older output.
    """
    began = time.perf_counter()
    notes: list[str] = []
    try:
        values = _propagated(task, notes.append)
    except PwarpError as error:
        return Result(task, "failed", str(error), tuple(notes), seconds=time.perf_counter() - began)
    except Exception as error:
        # A defect of pwarp must not cost the other videos their night.
        defect = f"{task.video}: a defect of pwarp, {type(error).__name__}: {' '.join(str(error).split())}"
        return Result(task, "failed", f"{defect}; propagate it alone to see where", tuple(notes))
    return Result(task, "done", notes=tuple(notes), summary=values, seconds=time.perf_counter() - began)


def _propagated(task: Task, tell: Callable[[str], None]) -> dict[str, Any]:
    settings, output = task.settings, Path(task.output)
    with open_video(task.video) as video:
        keys = formats.read(task.labels, format=settings.from_, video=video, alignment=settings.alignment)
        journal = _journal(output, identity_of(keys, video.identity, settings.options))
        done = False
        try:
            dense = propagate(video, keys, settings.options, journal=journal, tell=tell)
            loss = formats.write(
                dense, output, format=settings.format, video=video, force=True, tolerance=settings.tolerance
            )
            done = True
        finally:
            journal.close(done=done)
    for line in loss.lines():
        tell(line)
    return summary(keys, dense)


def _journal(output: Path, identity: str) -> Journal:
    """What an interrupted run had finished; a new one where it was another run."""
    partial = output.with_name(output.name + ".partial")
    try:
        return Journal(partial, identity, resume=True)
    except PwarpError:
        return Journal(partial, identity, resume=False)


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
