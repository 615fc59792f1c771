"""What an interrupted run had finished, so that the next one can go on from there."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import numpy as np
import orjson

from pwarp import __version__
from pwarp.annotations import Annotations
from pwarp.errors import PwarpError
from pwarp.files import spare_inputs
from pwarp.locks import keep

_BEGIN = b'{"run":'
_LONGEST = 1 << 30  # bytes of a line
_NOT_ASTRAY = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


class Journal:
    """A file beside the output with a record, a line of JSON, for each thing that is finished; it goes when the output
    is written.

    The first line says what the run was made of. A line that was cut off by a crash is not there. Numbers are
    written so that they come back bit-identical: a resumed run gives the same bytes as an uninterrupted one, where it
    computes on the same device in batches of the same size.
    """

    def __init__(
        self,
        path: Path,
        identity: str,
        *,
        take: Callable[[Any], bool | None],
        resume: bool,
        alone: bool = False,
    ) -> None:
        """identity: as made by `identity_of`. take: gets each record of the run before, in order; says whether one can
        go on right behind it, and None for one that no run has written. The next run goes on behind the last record
        where one can, and what follows is not there any more. resume: go on from what the file holds, else start it
        anew once this run has finished something; until then one may still change one's mind. alone: keep the file
        from other processes that want it alone.

        Raises PwarpError where the file cannot be written, belongs to another run, or another process has it.
        """
        self.path = path
        self._identity = identity
        self._file = _opened(path, alone)
        lines = _whole_lines(path) if resume else iter(())
        head = next(lines, None)
        if head is not None and _parsed(head) != {"run": identity}:
            self._file.close()
            raise PwarpError(
                f"{path}: was left by a run with other labels, video or options; run without --resume to start over"
            )
        self._kept = 0 if head is None else len(head) + _taken(lines, take)
        self._empty = head is None or self._kept == len(head)
        self._spares = not resume and os.fstat(self._file.fileno()).st_size > 0
        try:
            if not self._spares:
                self._begin(self._kept)
        except (OSError, PwarpError) as error:
            self.close(done=False)
            if isinstance(error, PwarpError):
                raise
            raise PwarpError(f"{path}: cannot write: {error.strerror}; choose another output with -o") from error

    def _begin(self, kept: int) -> None:
        """Go on behind so many bytes. What is kept stays in place, so that a second interruption cannot lose it."""
        self._file.truncate(kept)
        self._file.seek(kept)
        if not kept:
            self._write({"run": self._identity})

    def consult(self, other: Path, take: Callable[[Any], bool | None]) -> None:
        """Give away the records of another file of the same run, which stays where it is; take: as for a new journal.

        A file of another run holds nothing. Raises PwarpError where it cannot be read.
        """
        lines = _whole_lines(other)
        head = next(lines, None)
        if head is not None and _parsed(head) == {"run": self._identity}:
            _taken(lines, take)

    def records(self) -> Iterator[Any]:
        """Once more what the run before had finished, one record at a time, as far as this run goes on from it."""
        lines, at = _whole_lines(self.path), 0
        for line in lines if self._kept else ():
            if at and at < self._kept:
                yield orjson.loads(line)
            at += len(line)
            if at >= self._kept:
                return

    def add(self, record: dict[str, Any]) -> None:
        """Remember what is finished, on the disc alone: nobody asks for it before the next run. A record of more than
        1 GB is left out."""
        if self._spares:
            self._spares = False
            self._begin(0)
        self._write(record)
        self._empty = False

    def _write(self, record: dict[str, Any]) -> None:
        try:
            line = orjson.dumps(record, option=orjson.OPT_SERIALIZE_NUMPY) + b"\n"
            if len(line) <= _LONGEST:
                self._file.write(line)
                self._file.flush()
        except OSError as error:
            raise PwarpError(f"{self.path}: cannot write: {error.strerror}") from error

    def close(self, *, done: bool) -> None:
        """Close the file, and remove it when the run is done or there is nothing in it to go on from."""
        with suppress(OSError):  # of the disc, which whoever wrote was told
            self._file.close()
        if done or (self._empty and not self._spares):
            self.path.unlink(missing_ok=True)


def identity_of(annotations: Annotations, *deciding: object) -> str:
    """A hash of everything that decides a result: labels, all of them, and values with a readable `repr`."""
    digest = hashlib.blake2b(digest_size=16)
    digest.update(repr((__version__, annotations.skeleton, *deciding)).encode())
    # Frames that are declared labelled part people who are found by where they are.
    digest.update(repr(None if annotations.labelled is None else annotations.labelled.tolist()).encode())
    for track in annotations.tracks:
        digest.update(repr((track.id, track.identified)).encode())
        for values in (track.frames, track.xy, track.visibility, track.source, track.absent, track.boxes):
            digest.update(repr(values.shape).encode())
            digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()


def _opened(path: Path, alone: bool) -> IO[bytes]:
    """The file as it is, or an empty one, to be read and written; see `Journal`."""
    spare_inputs(path)
    try:
        # Neither through a link nor, for ever, into a pipe.
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | _NOT_ASTRAY, 0o666)
    except OSError as error:
        why = "is a link" if path.is_symlink() else error.strerror
        raise PwarpError(f"{path}: cannot write: {why}; choose another output with -o") from error
    foreign = PwarpError(
        f"{path}: is not what an interrupted run leaves; move it away, or choose another output with -o"
    )
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise foreign
    file = os.fdopen(descriptor, "r+b")
    if not _BEGIN.startswith(file.peek(len(_BEGIN))[: len(_BEGIN)]):
        file.close()
        raise foreign
    if alone and not keep(file.fileno()):
        file.close()
        raise PwarpError(f"{path}: another process is at work with it; wait for it, or choose another output with -o")
    return file


def _taken(lines: Iterator[bytes], take: Callable[[Any], bool | None]) -> int:
    """Give away the records of a file's lines as far as they are sound; how many bytes there are to go on from."""
    kept = read = 0
    for line in lines:
        record = _parsed(line)
        going_on = None if record is None else take(record)
        if going_on is None:
            break
        read += len(line)
        if going_on:
            kept = read
    return kept


def _whole_lines(path: Path) -> Iterator[bytes]:
    """The lines with their ends, one at a time, up to one that was cut off or is longer than any that is written."""
    try:
        with path.open("rb") as file:
            while (line := file.readline(_LONGEST)).endswith(b"\n"):
                yield line
    except FileNotFoundError:
        return
    except OSError as error:
        raise PwarpError(f"{path}: cannot read: {error.strerror}") from error


def _parsed(line: bytes) -> Any:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
