"""What is to be done next, which may depend on what was done."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Self

from pwarp.batch.task import Result, Task
from pwarp.errors import PwarpError


class Agenda:
    """An iterator of tasks that may have more to give once a result was settled, though it had none before.

    When a video was divided, its segments come next, before other videos, and after the last of them the video itself
    once more, to be put together. begin: called with each video before it is given out first; where it raises
    PwarpError, the video counts as failed and stands in `refused`.
    """

    def __init__(self, tasks: Iterable[Task], begin: Callable[[Task], None]) -> None:
        self.refused: list[Result] = []
        self.given = 0
        self._todo = deque(tasks)
        self._begin = begin
        self._urgent: deque[Task] = deque()
        self._videos: dict[str, _Video] = {}

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Task:
        if self._urgent:
            self.given += 1
            return self._urgent.popleft()
        while self._todo:
            task = self._todo.popleft()
            try:
                self._begin(task)
            except PwarpError as error:
                self.refused.append(Result(task, "failed", str(error)))
            else:
                self.given += 1
                return task
        raise StopIteration

    def __bool__(self) -> bool:
        return bool(self._urgent or self._todo)

    def settle(self, result: Result) -> Result | None:
        """Take note of a result; what there is to say about its video as a whole, or None while there is nothing."""
        output = result.task.output
        if result.status == "divided":
            self._videos[output] = _Video(result.task, len(result.parts))
            self._urgent.extend(result.parts)
        video = self._videos.get(output)
        if video is None:
            # A segment of a video that failed meanwhile has nothing to add.
            return result if result.task.segment is None else None
        video.seconds += result.seconds
        video.notes.update(dict.fromkeys(result.notes))
        if result.status == "filled":
            video.left -= 1
            if not video.left:
                self._urgent.appendleft(replace(result.task, segment=None))
        if result.status in ("divided", "filled"):
            return None
        del self._videos[output]
        self._urgent = deque(task for task in self._urgent if task.output != output)
        return replace(result, task=video.task, notes=tuple(video.notes), seconds=video.seconds)


@dataclass
class _Video:
    """A video that was divided. left: segments that are not filled. notes: in order, each once."""

    task: Task
    left: int
    seconds: float = 0.0
    notes: dict[str, None] = field(default_factory=dict)
