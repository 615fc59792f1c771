"""What a folder of outputs holds already, and what it was made of."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Literal, Self

import orjson

from pwarp.batch.task import Task, content_digest
from pwarp.errors import PwarpError
from pwarp.files import take_name
from pwarp.locks import keep

NAME = "pwarp-run.jsonl"
State = Literal["missing", "done", "stale", "foreign"]


class Manifest:
    """A file in the folder of outputs that gets a line when a task begins and one when its output takes its name.

    The last line about an output says what it was made of; all lines together say which bytes are of runs, and not a
    person's work. A line that was cut off by a crash is not there, and the line comes before the name, so it survives
    whatever ends a run. It is read when made and written, if at all, between entering and leaving its block, while no
    other process may do so.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        self._known: dict[str, _Known] = {}
        self._file: IO[bytes] | None = None
        self._read()

    def _read(self) -> None:
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return
        except OSError as error:
            raise PwarpError(f"{self.path}: cannot read: {error.strerror}") from error
        for line in content.split(b"\n"):
            self._take(line)

    def _take(self, line: bytes) -> None:
        try:
            record = orjson.loads(line)
            output, key, digest = record["output"], record["key"], record.get("digest")
        except (ValueError, TypeError, KeyError, AttributeError):
            return
        if isinstance(output, str) and isinstance(key, str) and isinstance(digest, str | None):
            self._known.setdefault(output, _Known()).take(key, digest)

    def __enter__(self) -> Self:
        try:
            self._file = self.path.open("ab")
            if not keep(self._file.fileno()):
                self._file.close()
                raise PwarpError(f"{self.path.parent}: another run is at work here; wait for it, or give another --out")
            # Whoever was at work here when it was made may have added to it.
            self._read()
            if self._file.tell():
                # What a crash left of a line must not spoil the next one.
                self._file.write(b"\n")
        except OSError as error:
            raise PwarpError(f"{self.path}: cannot write: {error.strerror}; choose another --out") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            with suppress(OSError):  # of the disc, which whoever wrote was told
                self._file.close()

    def state(self, task: Task) -> State:
        """Whether the output of a task is there, and whose it is.

        done: made of the same. stale: made by a run, of something else. foreign: made or changed by somebody else.
        """
        output = Path(task.output)
        if not output.exists():
            return "missing"
        known, digest = self._of(task), content_digest(output)
        if digest not in known.ours:
            return "foreign"
        return "done" if (known.key, known.digest) == (task.key, digest) else "stale"

    def begin(self, task: Task) -> None:
        """From now on no output counts as made of what the task says, until it is done."""
        self._write({"output": Path(task.output).name, "key": task.key})

    def finish(self, task: Task, *, force: bool = False) -> None:
        """Give the name of the output to what was made of it.

        Raises PwarpError where somebody has put another one there meanwhile, unless forced.
        """
        output, made = Path(task.output), task.made
        if not force and output.exists() and content_digest(output) not in self._of(task).ours:
            raise PwarpError(f"{output}: somebody changed it meanwhile; move it away, or give --force to replace it")
        self._write({"output": output.name, "key": task.key, "digest": content_digest(made)})
        try:
            take_name(made, output)
        except OSError as error:
            raise PwarpError(f"{output}: cannot write: {error.strerror or error}") from error

    def _of(self, task: Task) -> _Known:
        return self._known.get(Path(task.output).name, _Known())

    def _write(self, record: dict[str, str]) -> None:
        assert self._file is not None, "a manifest is written inside its block"
        try:
            self._file.write(orjson.dumps(record) + b"\n")
            self._file.flush()
        except OSError as error:
            raise PwarpError(f"{self.path}: cannot write: {error.strerror}; make room, and run it again") from error
        except orjson.JSONEncodeError as error:
            raise PwarpError(f"{self.path}: cannot write: {error}") from error
        self._take(orjson.dumps(record))


@dataclass
class _Known:
    """Of an output. key, digest: what it was made of last, and its bytes; None where that was begun and never done.

    ours: digests of all that runs ever made of it. Only these may be replaced.
    """

    key: str = ""
    digest: str | None = None
    ours: set[str] = field(default_factory=set)

    def take(self, key: str, digest: str | None) -> None:
        self.key, self.digest = key, digest
        if digest is not None:
            self.ours.add(digest)
