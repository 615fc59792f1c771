"""A process that opens spoilt files one after the other, and who watches over it.

A file that takes too long, too much memory, or the process itself with it, costs that process; another goes on after
it. Memory is bounded for the process as a whole (RLIMIT_DATA), so that what a file claims is refused by the system
before the machine suffers; the most that was really used is asked of the system after each file. Linux only.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import shutil
import tempfile
import time
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from typing import Any, Self

from benchmarks.fuzzing.specimens import Specimen
from pwarp.errors import PwarpError

SECONDS = 10.0
MEGABYTES = 1000
_START = 60.0  # seconds for imports and the first specimens on a busy machine
_LONGEST_LINE = 1500
_STATUS = Path("/proc/self/status")
_MEMORY = Path("/dev/shm")  # where writing thousands of small files waits for no disc


@dataclass(frozen=True)
class Outcome:
    """What became of one input.

    kind: accepted, refused (in one line), traceback, hang, crash (of the process), or memory (more than allowed).
    said: the refusal, or what failed. seconds: of computing. megabytes: by which the process grew at most while it
    read the input.
    """

    number: int
    kind: str
    said: str = ""
    seconds: float = 0.0
    megabytes: float = 0.0

    @property
    def good(self) -> bool:
        """Whether the reader did as it should."""
        return self.kind in ("accepted", "refused")


class Worker:
    """Reads spoilt files in a process of its own; used as a context."""

    def __init__(self) -> None:
        self._process: Any = None
        self._pipe: Connection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def outcomes(self, reader: str, numbers: range, seed: int = 0) -> Iterator[Outcome]:
        """What a reader makes of its inputs by their numbers. RuntimeError where it refuses its own specimens."""
        while numbers:
            pipe = self._started()
            pipe.send((reader, numbers, seed))
            patience = _START
            while numbers:
                try:
                    if self._answers(pipe, patience):
                        outcome = pipe.recv()
                    else:
                        outcome = Outcome(numbers[0], "hang", f"no answer within {patience:g} s", patience)
                except (EOFError, OSError):
                    self._process.join(1)
                    outcome = Outcome(numbers[0], "crash", f"the process ended with {self._process.exitcode}")
                if isinstance(outcome, str):
                    self._stop()
                    raise RuntimeError(outcome)
                patience = SECONDS
                if outcome is None:
                    continue
                numbers = numbers[1:]
                yield outcome
                if outcome.kind in ("hang", "crash"):
                    self._stop()
                    break

    def _answers(self, pipe: Connection, patience: float) -> bool:
        """Whether an answer comes within so many seconds of the process's own time, or ten times that on the clock."""
        end, own = time.monotonic() + 10 * patience, _seconds_of(self._process.pid) + patience
        while not pipe.poll(1.0):
            if time.monotonic() > end or _seconds_of(self._process.pid) > own:
                return False
        return True

    def _started(self) -> Connection:
        if self._pipe is None:
            context = multiprocessing.get_context("spawn")
            self._pipe, theirs = context.Pipe()
            self._process = context.Process(target=_work, args=(theirs,), daemon=True)
            self._process.start()
            theirs.close()
        return self._pipe

    def _stop(self) -> None:
        if self._pipe is not None:
            self._process.kill()
            self._process.join()
            self._pipe.close()
            self._pipe = None


def _work(pipe: Connection) -> None:
    """The process: jobs come in, outcomes go out."""
    os.environ["OMP_NUM_THREADS"] = "1"
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 2)  # what C libraries say of damaged files
    with tempfile.TemporaryDirectory(prefix="pwarp-fuzz-", dir=_MEMORY if _MEMORY.is_dir() else None) as folder:
        while True:
            try:
                name, numbers, seed = pipe.recv()
            except EOFError:
                return
            try:
                bench = Bench(name, Path(folder))
            except Exception as error:
                pipe.send(f"{name}: its own specimens fail: {''.join(traceback.format_exception(error))}")
                continue
            pipe.send(None)
            for number in numbers:
                pipe.send(bench.outcome(number, seed))


class Bench:
    """A reader with its specimens laid out in folders, and a limit of memory above what it needs for these."""

    def __init__(self, name: str, folder: Path) -> None:
        from benchmarks.fuzzing.readers import READERS

        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        resource.setrlimit(resource.RLIMIT_DATA, (hard, hard))
        self.reader = READERS[name]
        self._folder = folder / name
        self._again = self._folder / "again"
        shutil.rmtree(self._folder, ignore_errors=True)
        self._again.mkdir(parents=True)
        self._places: dict[int, Path] = {}
        for specimen in self.reader.all_specimens:
            place = self._place(specimen)
            read = self.reader.read(place / specimen.entry, Random(0))
            if self.reader.again is not None:
                self.reader.again(read, self._again, Random(0))
        resource.setrlimit(resource.RLIMIT_DATA, (_kilobytes("VmData") * 1024 + MEGABYTES * 10**6, hard))

    def _place(self, specimen: Specimen) -> Path:
        """The folder in which a specimen lies, made where there is none."""
        place = self._places.get(id(specimen))
        if place is None:
            place = self._places[id(specimen)] = self._folder / str(len(self._places))
            _write(place, specimen.files)
        return place

    def outcome(self, number: int, seed: int) -> Outcome:
        """What becomes of one input. The specimen lies as it was afterwards."""
        specimen, spoilt = self.reader.spoilt(number, seed)
        place = self._place(specimen)
        _write(place, spoilt)
        before = _forget_peak()
        start = time.process_time()
        kind, said = self._read(place / specimen.entry, Random(number))
        seconds, megabytes = time.process_time() - start, (_kilobytes("VmHWM") - before) / 1000
        _write(place, {name: specimen.files[name] for name in spoilt})
        if megabytes > MEGABYTES and kind in ("accepted", "refused"):
            kind, said = "memory", f"{megabytes:.0f} MB"
        return Outcome(number, kind, said, seconds, megabytes)

    def _read(self, path: Path, draw: Random) -> tuple[str, str]:
        try:
            read = self.reader.read(path, draw)
        except PwarpError as refusal:
            said = str(refusal)
            if "\n" in said or len(said) > _LONGEST_LINE or not said.isprintable():
                return "traceback", f"a refusal of {len(said)} characters that is no line: {said[:300]!r}"
            return "refused", said
        except MemoryError as error:
            return "memory", _last_lines(error)
        except BaseException as error:
            return "traceback", _last_lines(error)
        try:
            if self.reader.again is not None:
                self.reader.again(read, self._again, draw)
        except BaseException as error:
            return "traceback", f"once more: {_last_lines(error)}"
        return "accepted", ""


def _write(place: Path, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _last_lines(error: BaseException) -> str:
    lines = "".join(traceback.format_exception(error)).strip().splitlines()
    return "\n".join(line[:300] for line in lines[-14:])


def _seconds_of(pid: int) -> float:
    """Seconds that a process has computed, in all of its threads; a busy machine does not count."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _kilobytes(what: str) -> int:
    return next(int(line.split()[1]) for line in _STATUS.read_text().splitlines() if line.startswith(what))


def _forget_peak() -> int:
    """Kilobytes in use now; from now on the peak is that of what follows."""
    Path("/proc/self/clear_refs").write_text("5")
    return _kilobytes("VmHWM")
