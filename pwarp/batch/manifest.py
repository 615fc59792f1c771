"""What a folder of outputs holds already, and what it was made of."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Literal, Self

import orjson

from pwarp.batch.work import Task, content_digest
from pwarp.errors import PwarpError
from pwarp.locks import keep

NAME = "pwarp-run.jsonl"
State = Literal["missing", "done", "stale", "foreign"]


class Manifest:
    """A file in the folder of outputs that gets a line when a task begins and one when it is done.

    The last line about an output counts; a line that was cut off by a crash is not there. So it survives whatever ends
    a run. It is read when made and written, if at all, between entering and leaving its block, while no other process
    may do so.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        # By output: what it was made of, and what its bytes were; None where it was begun and never done.
        self._known: dict[str, tuple[str, str | None]] = {}
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
            self._known[output] = key, digest

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
        key, digest = self._known.get(output.name, ("", ""))
        if digest is None:
            return "stale"
        if digest != content_digest(output):
            return "foreign"
        return "done" if key == task.key else "stale"

    def begin(self, task: Task) -> None:
        """From now on what stands at the output is the run's."""
        self._write({"output": Path(task.output).name, "key": task.key})

    def finish(self, task: Task) -> None:
        """The output is there."""
        output = Path(task.output)
        self._write({"output": output.name, "key": task.key, "digest": content_digest(output)})

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
