"""Where tasks are done: in this process, or in several beside it."""

from __future__ import annotations

import multiprocessing
import signal
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from types import FrameType
from typing import TYPE_CHECKING, Protocol

from pwarp.batch.work import Result, Task, work

if TYPE_CHECKING:
    from multiprocessing.context import SpawnProcess


class Executor(Protocol):
    """Does tasks, wherever that is.

    Takes a task when there is somebody to do it and not before, and gives a result for each, in any order. When its
    iterator is closed or interrupted, all that still works is stopped before that returns; a task that was stopped has
    no result. Tasks and results can be sent to other processes and machines that see the same files.
    """

    def __call__(self, tasks: Iterable[Task]) -> Iterator[Result]: ...


class Here:
    """One task after another, in this process."""

    def __call__(self, tasks: Iterable[Task]) -> Iterator[Result]:
        yield from map(work, tasks)


class Processes:
    """Up to `count` tasks at a time, each in a process of its own: one that crashes takes no other with it."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __call__(self, tasks: Iterable[Task]) -> Iterator[Result]:
        context = multiprocessing.get_context("spawn")
        waiting = iter(tasks)
        at_work: dict[Connection, tuple[SpawnProcess, Task]] = {}
        try:
            while True:
                while len(at_work) < self.count and (task := next(waiting, None)) is not None:
                    theirs, ours = context.Pipe(duplex=False)
                    process = context.Process(target=_child, args=(ours, task), daemon=True)
                    with _uninterrupted():
                        process.start()
                    ours.close()
                    at_work[theirs] = process, task
                if not at_work:
                    return
                for end in wait(list(at_work)):
                    assert isinstance(end, Connection)
                    process, task = at_work.pop(end)
                    yield _received(end, process, task)
        finally:
            for process, _ in at_work.values():
                process.terminate()
            for process, _ in at_work.values():
                process.join()


def _received(end: Connection, process: SpawnProcess, task: Task) -> Result:
    try:
        result: Result = end.recv()
    except EOFError:
        process.join()
        code = process.exitcode or 0
        why = f"signal {-code}" if code < 0 else f"exit code {code}"
        return Result(task, "failed", f"{task.video}: its process died of {why}; is there memory enough? Fewer --jobs")
    finally:
        end.close()
    process.join()
    return result


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


def _child(out: Connection, task: Task) -> None:
    def stop(_: int, __: FrameType | None) -> None:
        # As Ctrl-C would: temporary files go, and what is finished of the video is kept.
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    try:
        out.send(work(task))
    except KeyboardInterrupt:
        sys.exit(1)
