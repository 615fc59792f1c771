"""Where tasks are done: in this process, or in several beside it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from types import FrameType
from typing import TYPE_CHECKING, Protocol

from pwarp.batch.task import Result, Task
from pwarp.batch.work import work

if TYPE_CHECKING:
    from multiprocessing.context import SpawnProcess

_REST = 5.0  # seconds for what is stopped to put its work away


class Executor(Protocol):
    """Does tasks, wherever that is.

    Takes a task when there is somebody to do it and not before, and gives a result for each, in any order. Tasks may
    come of results: it is worth asking for a task again after each result, though there was none before. When its
    iterator is closed or interrupted, all that still works is stopped before that returns; a task that was stopped has
    no result. Tasks and results can be sent to other processes and machines that see the same files.
    """

    def __call__(self, tasks: Iterable[Task]) -> Iterator[Result]: ...


class Here:
    """One task after another, in this process."""

    def __call__(self, tasks: Iterable[Task]) -> Iterator[Result]:
        yield from map(work, tasks)


class Processes:
    """Up to `count` tasks at a time, each process one at a time: one that crashes takes no other task with it."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __call__(self, tasks: Iterable[Task]) -> Iterator[Result]:
        waiting = iter(tasks)
        idle: list[_Worker] = []
        at_work: dict[Connection, _Worker] = {}
        try:
            while True:
                while len(at_work) < self.count and (task := next(waiting, None)) is not None:
                    worker = _put_to_work(task, idle)
                    at_work[worker.end] = worker
                if not at_work:
                    return
                for end in wait(list(at_work)):
                    assert isinstance(end, Connection)
                    worker = at_work.pop(end)
                    result = worker.result()
                    if worker.process.exitcode is None:
                        idle.append(worker)
                    yield result
        finally:
            _end([*idle, *at_work.values()])


def _end(workers: Sequence[_Worker]) -> None:
    """Let workers put away what they are at, and make sure that they go."""
    # What a signal raises may be lost, as in a destructor: who does not go is asked once more.
    for ask in (_Worker.interrupt, _Worker.interrupt, _Worker.kill):
        for worker in workers:
            ask(worker)
        until = time.monotonic() + _REST
        for worker in workers:
            worker.process.join(max(until - time.monotonic(), 0))
    for worker in workers:
        worker.end.close()


class _Worker:
    """A process that does one task after another."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.end, theirs = context.Pipe()
        self.process: SpawnProcess = context.Process(target=_child, args=(theirs,), daemon=True)
        with _uninterrupted():
            self.process.start()
        theirs.close()

    def interrupt(self) -> None:
        if self.process.exitcode is None:
            self.process.terminate()

    def kill(self) -> None:
        if self.process.exitcode is None:
            self.process.kill()

    def give(self, task: Task) -> None:
        self._task = task
        self.end.send(task)

    def result(self) -> Result:
        """Of the latest task, which ended, or the process with it."""
        try:
            result: Result = self.end.recv()
            return result
        except (EOFError, OSError):
            self.process.join()
            self.end.close()
            code = self.process.exitcode or 0
            why = f"signal {-code}" if code < 0 else f"exit code {code}"
            video = self._task.video
            return Result(
                self._task, "failed", f"{video}: its process died of {why}; is there memory enough? Fewer --jobs"
            )


def _put_to_work(task: Task, idle: list[_Worker]) -> _Worker:
    while idle:
        worker = idle.pop()
        try:
            worker.give(task)
        except OSError:
            # Somebody ended it while it had nothing to do.
            worker.process.join()
            worker.end.close()
        else:
            return worker
    worker = _Worker()
    worker.give(task)
    return worker


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Keep Ctrl-C from what is started in the block: the process that started it decides what becomes of it."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _child(end: Connection) -> None:
    def stop(_: int, __: FrameType | None) -> None:
        # As Ctrl-C would: temporary files go, and what is finished of the video is kept.
        raise KeyboardInterrupt

    try:
        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        threading.Thread(target=_end_with_parent, daemon=True).start()
        while True:
            end.send(work(end.recv()))
    except (KeyboardInterrupt, EOFError, OSError):
        sys.exit(1)


def _end_with_parent() -> None:
    """Nobody wants results any more when the process is gone that asked for them."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
