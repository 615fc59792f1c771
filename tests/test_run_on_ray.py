"""`pwarp run --executor ray`: on a cluster of several nodes, of which one dies, and a driver that dies, too."""

from __future__ import annotations

import errno
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import Outcome

from pwarp import __version__, batch
from pwarp.batch import Manifest, Result, Settings, Task
from pwarp.propagation import Options
from pwarp.synthetic import Scene, SceneConfig, write_scene

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112 - not 15, which would let others starve them
ray = pytest.importorskip("ray", reason="needs the extra 'ray': pip install 'pwarp[ray]'")

Shell = Callable[..., Outcome]
NAMES = ("ape", "bee", "cow")
FRAMES, EVERY = 25, 4


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video with its labels, and what `work` makes of them in this process."""
    folder = tmp_path_factory.mktemp("clip")
    config = SceneConfig(seed=4, frames=FRAMES, width=64, height=48, people=1, samples=1, camera=False)
    write_scene(Scene(config), folder, every=EVERY)
    task = batch.Task(str(folder / "video.mp4"), str(folder / "keys.json"), str(folder / "dense.json"), settings())
    assert batch.work(task).status == "done"
    task.made.replace(task.output)
    return folder


def settings(segment: int | None = None) -> Settings:
    return Settings(Options("linear"), segment=segment)


@pytest.fixture
def here(clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three videos in videos/ and their labels in keys/. One, ape, is a pipe that nobody writes to: it has no end."""
    for folder in ("videos", "keys", "dense"):
        (tmp_path / folder).mkdir()
    for name in NAMES:
        shutil.copy(clip / "video.mp4", tmp_path / f"videos/{name}.mp4")
        shutil.copy(clip / "keys.json", tmp_path / f"keys/{name}.json")
    (tmp_path / "videos/ape.mp4").unlink()
    os.mkfifo(tmp_path / "videos/ape.mp4")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def mend(here: Path, clip: Path) -> None:
    """Put the video in place of the pipe: who waits at the pipe goes on waiting, who comes anew finds the video."""
    shutil.copy(clip / "video.mp4", here / "ape.mp4")
    (here / "ape.mp4").replace(here / "videos/ape.mp4")


def outputs(here: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in (here / "dense").iterdir() if p.suffix != ".jsonl"}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head that takes no tasks, and a node that takes one at a time."""
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    try:
        made.add_node(num_cpus=1)
        yield made
    finally:
        ray.shutdown()
        made.shutdown()


def test_a_driver_that_dies_repeats_nothing_when_it_is_started_again(
    here: Path, clip: Path, cluster: Any, shell: Shell
) -> None:
    names = ("bee", "ape", "cow")
    place = ("--executor", "ray", "--address", cluster.address)
    call = ["run", *(f"videos/{n}.mp4" for n in names), "--labels", "keys", "--out", "dense", "--engine", "linear"]
    launch = "from pwarp_cli.main import run; run()"
    manifest = here / "dense/pwarp-run.jsonl"
    with subprocess.Popen([sys.executable, "-c", launch, *call, *place], stderr=subprocess.PIPE) as process:
        end = time.monotonic() + 300
        while not (manifest.exists() and b'"digest"' in manifest.read_bytes()):
            assert time.monotonic() < end and process.poll() is None, process.communicate()
            time.sleep(0.05)
        process.kill()
    assert sorted(outputs(here)) == ["bee.json"]
    written = (here / "dense/bee.json").stat().st_mtime_ns
    mend(here, clip)
    done = shell(*call, *place, "--json")
    assert (done.code, done.err) == (0, "")
    values = json.loads(done.out)
    assert [video["status"] for video in values["videos"]] == ["skipped", "done", "done"]
    assert (here / "dense/bee.json").stat().st_mtime_ns == written
    assert outputs(here) == {f"{name}.json": (clip / "dense.json").read_bytes() for name in NAMES}


def reader_of(pipe: str) -> int:
    """Waits until somebody reads from a pipe; until what is returned is closed, the pipe has no end."""
    until = time.monotonic() + 300
    while True:
        try:
            return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            assert error.errno == errno.ENXIO and time.monotonic() < until
            time.sleep(0.05)


class Staged:
    """Tasks, with something that happens before the second one is given out."""

    def __init__(self, tasks: Iterable[Task], happens: Callable[[], object]) -> None:
        self._tasks, self._happens, self._given = iter(tasks), happens, 0

    def __iter__(self) -> Iterator[Task]:
        return self

    def __next__(self) -> Task:
        task = next(self._tasks)
        self._given += 1
        if self._given == 2:
            self._happens()
        return task


def test_what_a_dead_node_had_begun_is_done_by_another(here: Path, clip: Path, cluster: Any) -> None:
    """The only node reads from the pipe. Another comes and does the rest, and what the first one had when that dies."""
    from pwarp.batch.on_ray import Ray

    [first] = cluster.worker_nodes
    videos = batch.find_videos([f"videos/{name}.mp4" for name in NAMES])
    tasks, _ = batch.make_tasks(videos, Path("keys"), Path("dense"), settings(segment=9))
    pipes: list[int] = []

    def second_node() -> None:
        pipes.append(reader_of("videos/ape.mp4"))
        cluster.add_node(num_cpus=1)

    def executor(some: Iterable[Task]) -> Iterator[Result]:
        on_ray = Ray(cluster.address, retries=1, tell=told.append)
        return on_ray(some if pipes else Staged(some, second_node))

    told: list[str] = []
    ends = []
    with Manifest(here / "dense") as manifest:
        for result in batch.run(tasks, manifest, executor):
            ends.append((Path(result.task.video).stem, result.status, result.message))
            if len(ends) == 2:
                mend(here, clip)
                cluster.remove_node(first, allow_graceful=False)
    os.close(pipes[0])
    assert sorted(ends[:2]) == [("bee", "done", ""), ("cow", "done", "")]
    assert ends[2:] == [("ape", "done", "")]
    assert told == []
    assert outputs(here) == {f"{name}.json": (clip / "dense.json").read_bytes() for name in NAMES}


@pytest.mark.usefixtures("here")
def test_a_cluster_that_is_not_there_is_one_line(shell: Shell) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        call = ("run", "videos/bee.mp4", "--labels", "keys", "--out", "dense", "--executor", "ray")
        done = shell(*call, "--address", address)
    assert (done.code, done.out) == (1, b"")
    assert done.err.startswith(f"pwarp: {address}: no Ray cluster answers there (")
    assert done.err.count("\n") == 1
    done = shell(*call, "--address", "nonsense:port")
    assert (done.code, done.err.count("\n")) == (1, 1)


def test_a_task_that_no_machine_can_do_is_told() -> None:
    from pwarp.batch.on_ray import Ray, _Room

    class Few:
        def nodes(self) -> list[dict[str, Any]]:
            small = {"Alive": True, "Resources": {"CPU": 4.0, "GPU": 1.0}}
            return [small, {"Alive": False, "Resources": {"CPU": 64.0, "GPU": 8.0}}, small]

    told: list[str] = []
    assert _Room(Ray(cpus=2, tell=told.append), Few())() == 2 * (2 + 2) + 2
    assert _Room(Ray(cpus=1, gpus=0.5, tell=told.append), Few())() == 2 * (2 + 2) + 2
    assert _Room(Ray(at_once=3, tell=told.append), Few())() == 3
    assert told == []
    _Room(Ray(cpus=8, gpus=1, tell=told.append), Few())
    assert told == ["no machine of the cluster has room for a task of 8 CPUs and 1 GPUs; waiting for one that has"]


def test_a_machine_with_other_files_or_another_pwarp_says_so(here: Path) -> None:
    from pwarp.batch.on_ray import _work_there

    task = batch.Task("videos/bee.mp4", "keys/bee.json", "dense/bee.json", settings())
    elsewhere = _work_there(str(here / "nowhere"), __version__, task)
    assert elsewhere.status == "failed" and "all machines must share their files" in elsewhere.message
    older = _work_there(str(here), "0.0.1", task)
    assert older.status == "failed" and "install the same everywhere" in older.message
