"""All videos of a run: what is done is skipped, what fails is noted, the rest goes on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from pwarp.batch.agenda import Agenda
from pwarp.batch.executors import Executor
from pwarp.batch.manifest import Manifest
from pwarp.batch.task import Result, Task
from pwarp.errors import PwarpError


def plan(tasks: Sequence[Task], manifest: Manifest, *, force: bool = False) -> tuple[list[Task], list[Result]]:
    """The tasks that are still to be done, and the results of those that are not.

    Skipped is what was done of the same labels, video and settings; an output of other ones is made anew. One that no
    run has made, or that somebody changed, is never replaced. force: all are to be done, whatever is there.
    """
    todo, settled = [], []
    for task in tasks:
        try:
            state = "missing" if force else manifest.state(task)
        except PwarpError as error:
            settled.append(Result(task, "failed", str(error)))
            continue
        if state == "done":
            settled.append(Result(task, "skipped"))
        elif state == "foreign":
            whose = "exists and no run has made it so; move it away, or give --force to replace it"
            settled.append(Result(task, "failed", f"{task.output}: {whose}"))
        else:
            todo.append(task)
    return todo, settled


def run(tasks: Sequence[Task], manifest: Manifest, executor: Executor, *, force: bool = False) -> Iterator[Result]:
    """Do all tasks that are not done, as `plan` says, and give a result for each as soon as there is one.

    Closing the iterator, or an interruption, stops what is at work; the same call goes on from there.
    """
    todo, settled = plan(tasks, manifest, force=force)
    yield from settled
    agenda = Agenda(todo, manifest.begin)
    while agenda:
        before = agenda.given
        for result in executor(agenda):
            told = agenda.settle(result)
            if told is None:
                continue
            yield _finished(told, manifest, force) if told.status == "done" else told
        if agenda.given == before:
            break
    yield from agenda.refused


def _finished(result: Result, manifest: Manifest, force: bool) -> Result:
    """What was done under its name, or failed where somebody else has put something there meanwhile."""
    try:
        manifest.finish(result.task, force=force)
    except PwarpError as error:
        result = replace(result, status="failed", message=str(error), summary={})
    result.task.put_away()
    return result
