"""One video of many: what is to be done, what decides the result, and how it went."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pwarp import __version__, formats
from pwarp.errors import PwarpError
from pwarp.formats.label_file import LabelFile
from pwarp.formats.label_studio_names import side_file
from pwarp.propagation import Options
from pwarp.video import Video

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
    """How a task ended.

    message: why it failed. notes: what its user may want to know. losses: what the format cannot hold, which its user
    has to. summary: as of `propagate`. parts: the tasks that a video was divided into.
    """

    task: Task
    status: Status
    message: str = ""
    notes: tuple[str, ...] = ()
    losses: tuple[str, ...] = ()
    summary: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    parts: tuple[Task, ...] = ()

    def values(self) -> dict[str, Any]:
        """The result as JSON holds it."""
        task = self.task
        head = {"video": task.video, "labels": task.labels, "output": task.output, "status": self.status}
        tail = {"message": self.message} if self.message else {}
        notes = {"notes": [*self.notes, *self.losses]} if self.notes or self.losses else {}
        return {**head, **tail, **notes, **self.summary, "seconds": round(self.seconds, 3)}


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
