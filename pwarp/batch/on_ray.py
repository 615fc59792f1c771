"""Tasks on a Ray cluster: the machines of a group, with their GPUs. Needs the extra `ray`."""

from __future__ import annotations

import logging
import os
import platform
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pwarp import __version__
from pwarp.batch.task import Result, Task
from pwarp.batch.work import work
from pwarp.errors import PwarpError
from pwarp.progress import unheard

_PATIENCE = 5.0  # seconds for an address to answer
_REST = 20.0  # seconds for what is stopped to put its work away
_LOOK = 10.0  # seconds until the cluster is asked again how large it is


@dataclass(frozen=True)
class Ray:
    """An executor whose tasks run on a Ray cluster, as many at a time as it has room for.

    address: of the cluster, "host:port", "ray://host:port", or "auto" on one of its machines; None: what RAY_ADDRESS
    says, else a cluster of this machine alone, which ends with the run. cpus, gpus: that a task takes. retries: how
    often a task is done again whose machine or process went away. at_once: most tasks at a time; None: what there is
    room for. tell: gets what the user has to know of.

    All machines have to see the current folder and all files under the same names, and need the same pwarp. A task that
    is done again goes on from what its predecessor had finished. Calling it raises PwarpError without the extra, or
    where the cluster does not answer.
    """

    address: str | None = None
    cpus: float = 1.0
    gpus: float = 0.0
    retries: int = 3
    at_once: int | None = None
    tell: Callable[[str], None] = unheard

    def __call__(self, tasks: Iterable[Task]) -> Iterator[Result]:
        with _connected(self.address or os.environ.get("RAY_ADDRESS")) as ray:
            remote = ray.remote(num_cpus=self.cpus, num_gpus=self.gpus, max_retries=self.retries)(_work_there)
            room = _Room(self, ray)
            here, waiting = os.getcwd(), iter(tasks)  # noqa: PTH109 - goes through Ray as text
            at_work: dict[Any, Task] = {}
            try:
                while True:
                    while len(at_work) < room() and (task := next(waiting, None)) is not None:
                        at_work[remote.remote(here, __version__, task)] = task
                    if not at_work:
                        return
                    ready, _ = ray.wait(list(at_work), num_returns=1)
                    for reference in ready:
                        task = at_work.pop(reference)
                        yield self._result(ray, reference, task)
            finally:
                _stop(ray, list(at_work))

    def _result(self, ray: Any, reference: Any, task: Task) -> Result:
        try:
            result: Result = ray.get(reference)
            return result
        except ray.exceptions.RayError as error:
            tries = f"after {self.retries} retries, " if self.retries else ""
            return Result(task, "failed", f"{task.video}: {tries}Ray gave up: {_in_a_line(error)}")


class _Room:
    """How many tasks the cluster should know of: those that it can do, and as many in line, so that nothing idles while
    results travel, and a cluster that grows on demand sees a demand."""

    def __init__(self, executor: Ray, ray: Any) -> None:
        self._of, self._ray = executor, ray
        self._count, self._until = 0, 0.0
        if not self._slots():
            executor.tell(
                f"no machine of the cluster has room for a task of {executor.cpus:g} CPUs and {executor.gpus:g} GPUs; "
                "waiting for one that has"
            )

    def __call__(self) -> int:
        if time.monotonic() > self._until:
            self._count = 2 * self._slots() + 2
            self._until = time.monotonic() + _LOOK
        return self._count if self._of.at_once is None else self._of.at_once

    def _slots(self) -> int:
        return sum(_fit(node["Resources"], self._of) for node in self._ray.nodes() if node["Alive"])


def _fit(resources: dict[str, float], of: Ray) -> int:
    """How many tasks a machine can do at a time."""
    wanted = [(resources.get(name, 0.0), each) for name, each in (("CPU", of.cpus), ("GPU", of.gpus)) if each]
    return int(min(there // each for there, each in wanted)) if wanted else int(resources.get("CPU", 0))


def _work_there(folder: str, version: str, task: Task) -> Result:
    """The task, done on a machine of the cluster as if it were in the driver's folder."""
    machine = platform.node()
    if version != __version__:
        why = f"{machine} has pwarp {__version__}, the run was started with {version}; install the same everywhere"
        return Result(task, "failed", f"{task.video}: {why}")
    try:
        os.chdir(folder)
    except OSError as error:
        why = f"{machine} does not see the folder {folder} ({error.strerror}); all machines must share their files"
        return Result(task, "failed", f"{task.video}: {why}")
    return work(task)


def _stop(ray: Any, references: list[Any]) -> None:
    """End what is at work, as Ctrl-C would: temporary files go, and what is finished of a video is kept."""
    if not references:
        return
    for reference in references:
        ray.cancel(reference)
    _, stubborn = ray.wait(references, num_returns=len(references), timeout=_REST)
    for reference in stubborn:
        ray.cancel(reference, force=True)


@contextmanager
def _connected(address: str | None) -> Iterator[Any]:
    """Ray, with a cluster; one that the process is connected to already stays so."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise PwarpError("--executor ray needs the extra 'ray': pip install 'pwarp[ray]'") from error
    if ray.is_initialized():
        yield ray
        return
    _knock(address)
    try:
        if address is None:
            ray.init("local", include_dashboard=False, log_to_driver=False, logging_level=logging.CRITICAL)
        else:
            ray.init(address, log_to_driver=False, logging_level=logging.CRITICAL)
    except (ray.exceptions.RayError, ConnectionError, RuntimeError, ValueError, ImportError, SystemExit) as error:
        where = "on this machine" if address is None else f"at {address}"
        raise PwarpError(f"Ray cannot be used {where}: {_in_a_line(error)}; check --address") from error
    try:
        yield ray
    except SystemExit as error:
        # So it says that it lost the cluster, and so it turns a SIGTERM.
        raise PwarpError(f"Ray ended the run ({_in_a_line(error)}); the same command goes on from here") from error
    finally:
        ray.shutdown()


def _knock(address: str | None) -> None:
    """Raise PwarpError where nobody answers at an address with a port; Ray itself would try for minutes."""
    host, colon, port = (address or "").removeprefix("ray://").rpartition(":")
    if not colon:
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_PATIENCE).close()
    except (OSError, ValueError, OverflowError) as error:
        raise PwarpError(
            f"{address}: no Ray cluster answers there ({_in_a_line(error)}); 'ray start --head' prints its address"
        ) from error


def _in_a_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:300].rstrip(".")
