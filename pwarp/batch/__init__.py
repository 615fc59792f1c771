"""Many videos, each with the labels that are called as it is: done once, gone on with, and never all lost to one.

    tasks = make_tasks(find_videos(["clips/"]), Path("keys"), Path("dense"), Settings(Options()))
    with Manifest(Path("dense")) as manifest:
        for result in run(tasks, manifest, Processes(4)):
            print(result.video, result.status)

What a task is stands in `task`, how it is done in `work`, what was done in `manifest`, and where it is done in
`executors`: an executor is a function from tasks to results, in this process, in several, or on other machines.
"""

from pwarp.batch.executors import Executor, Here, Processes
from pwarp.batch.find import FoundVideo, find_videos, make_tasks
from pwarp.batch.manifest import Manifest
from pwarp.batch.run import plan, run
from pwarp.batch.task import Result, Settings, Task
from pwarp.batch.work import rehearse, work

__all__ = [
    "Executor",
    "FoundVideo",
    "Here",
    "Manifest",
    "Processes",
    "Result",
    "Settings",
    "Task",
    "find_videos",
    "make_tasks",
    "plan",
    "rehearse",
    "run",
    "work",
]
