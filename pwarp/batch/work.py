"""One video of many, done."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pwarp import formats
from pwarp.annotations import Annotations
from pwarp.batch.segments import divided, finished_beside, journal_of, refuse_link, remove_segments
from pwarp.batch.task import Result, Task
from pwarp.errors import PwarpError
from pwarp.progress import unheard
from pwarp.propagation import Planned
from pwarp.propagation.journal import identity_of
from pwarp.propagation.result import write_result
from pwarp.video import Video, open_video


def work(task: Task) -> Result:
    """Propagate through one video or segment. Whatever goes wrong is in the result; only an interruption is raised.

    What an interrupted run of the same task had finished is not done again. The output stands at `task.made` then.
    """
    began = time.perf_counter()
    notes: list[str] = []
    try:
        return _worked(task, notes, began)
    except PwarpError as error:
        return Result(task, "failed", str(error), tuple(notes), seconds=time.perf_counter() - began)
    except OSError as error:
        where = "" if error.filename is None else f"{os.fsdecode(error.filename)}: "
        why = f"{task.video}: {where}{error.strerror or error}"
        return Result(task, "failed", why, tuple(notes), seconds=time.perf_counter() - began)
    except Exception as error:
        # A defect of pwarp must not cost the other videos their night.
        defect = f"{task.video}: a defect of pwarp, {type(error).__name__}: {' '.join(str(error).split())}"
        return Result(task, "failed", f"{defect}; propagate it alone to see where", tuple(notes))


def rehearse(task: Task, *, engine: bool) -> str | None:
    """Why `work` would fail before it begins, None where nothing speaks against it.

    engine: whether to open what the engine's settings name, which is the same for all tasks of a run.
    """
    try:
        with open_video(task.video) as video:
            _, planned = _planned(task, video)
            if engine:
                planned.check(unheard)
    except PwarpError as error:
        return str(error)
    return None


def _planned(task: Task, video: Video) -> tuple[Annotations, Planned]:
    """The labels of a task, and what is to be filled."""
    settings = task.settings
    keys = formats.read(task.labels, format=settings.from_, video=video, alignment=settings.alignment)
    return keys, Planned(video, keys, settings.options)


def _worked(task: Task, notes: list[str], began: float) -> Result:
    tell, settings, output = notes.append, task.settings, Path(task.output)
    with task.opened or open_video(task.video) as video:
        keys, planned = _planned(task, video)
        journal = journal_of(output, identity_of(keys, video, settings.options), task.segment)
        done = False
        try:
            if task.segment is not None:
                first, last = task.segment
                some = [span for span in planned.spans if first <= span.first and span.last <= last]
                planned.fill(some, journal, unheard, tell)
                return Result(task, "filled", notes=tuple(notes), seconds=time.perf_counter() - began)
            finished_beside(output, journal)
            if settings.segment is not None and task.opened is None:
                parts = divided(task, video, planned.spans, journal)
                if parts:
                    spent = time.perf_counter() - began
                    return Result(task, "divided", notes=tuple(notes), seconds=spent, parts=parts)
            formats.check_target(output, settings.format, force=True)
            with _room_for(task):
                loss, tally = write_result(
                    planned, task.made, format=settings.format, video=video, force=True,
                    tolerance=settings.tolerance, journal=journal, advance=unheard, tell=tell,
                )  # fmt: skip
            done = True
        finally:
            journal.close(done=done)
    remove_segments(output)
    summary, spent = tally.values(keys, len(planned.labels.tracks)), time.perf_counter() - began
    return Result(task, "done", "", tuple(notes), tuple(loss.lines()), summary, spent)


@contextmanager
def _room_for(task: Task) -> Iterator[None]:
    """A folder to put the output in, which goes again where nothing comes of it."""
    try:
        refuse_link(task.made.parent)
        task.made.parent.mkdir(exist_ok=True)
    except OSError as error:
        raise PwarpError(f"{task.made.parent}: cannot make the folder: {error.strerror}") from error
    try:
        yield
    except BaseException:
        task.put_away()
        raise
