"""What a task of `pwarp run` costs beside the work, on the local executors and on Ray; what a segment costs; a restart.

python -m benchmarks.scale [--videos 200] [--jobs 2] [--only here|processes|ray|restart|segments]
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from pwarp import batch
from pwarp.batch import Executor, Here, Manifest, Processes, Settings, Task
from pwarp.propagation import Options
from pwarp.synthetic import Scene, SceneConfig, write_scene

PARTS = ("here", "processes", "ray", "restart", "segments")


def many(folder: Path, count: int) -> list[Task]:
    """Tasks of as many videos, all of 16 small frames: next to no work."""
    config = SceneConfig(seed=4, frames=16, width=64, height=48, people=1, samples=1, camera=False)
    write_scene(Scene(config), folder / "clip", every=5)
    for name in ("videos", "keys", "dense"):
        (folder / name).mkdir()
    for i in range(count):
        shutil.copy(folder / "clip/video.mp4", folder / f"videos/{i}.mp4")
        shutil.copy(folder / "clip/keys.json", folder / f"keys/{i}.json")
    videos = batch.find_videos([str(folder / "videos")])
    return batch.make_tasks(videos, folder / "keys", folder / "dense", Settings(Options("linear")))[0]


def spent(pid: int | None = None) -> float:
    """Seconds of CPU time of a process (this one), of those below it, and of those that it has seen end. Linux only."""
    folder = Path(f"/proc/{pid or os.getpid()}")
    try:
        times = folder.joinpath("stat").read_text().rpartition(")")[2].split()[11:15]
        below = [int(word) for path in folder.glob("task/*/children") for word in path.read_text().split()]
    except OSError:
        return 0.0
    return sum(map(int, times)) / os.sysconf("SC_CLK_TCK") + sum(map(spent, below))


def done(tasks: list[Task], executor: Executor) -> tuple[float, float, float]:
    """Seconds until the first task was done, seconds for all the others, and CPU seconds for these."""
    folder = Path(tasks[0].output).parent
    shutil.rmtree(folder)
    folder.mkdir()
    began, first, before = time.perf_counter(), 0.0, 0.0
    with Manifest(folder) as manifest:
        for result in batch.run(tasks, manifest, executor):
            assert result.status == "done", result.message
            if not first:
                first, before = time.perf_counter() - began, spent()
        return first, time.perf_counter() - began - first, spent() - before


def row(name: str, at_once: int, tasks: list[Task], executor: Executor) -> None:
    """One line of the table."""
    first, others, cpu = done(tasks, executor)
    rest = len(tasks) - 1
    print(f"| {name} | {at_once} | {first:.1f} | {rest / others:.1f} | {1000 * cpu / rest:.0f} |", flush=True)


def restart(tasks: list[Task]) -> None:
    """How fast a run finds out that everything is done."""
    done(tasks, Here())
    fresh = [Task(task.video, task.labels, task.output, task.settings) for task in tasks]
    began = time.perf_counter()
    todo, settled = batch.plan(fresh, Manifest(Path(tasks[0].output).parent))
    assert not todo and len(settled) == len(tasks)
    print(f"restart: {len(tasks) / (time.perf_counter() - began):.0f} finished videos a second are passed over")


def segments(folder: Path, length: int) -> None:
    """CPU seconds of a video as one task and in segments, one after another in this process: what dividing costs."""
    config = SceneConfig(seed=5, frames=241, width=480, height=360, people=1, samples=1, camera=False)
    write_scene(Scene(config), folder / "long", every=15)
    contents = []
    for segment in (None, length):
        settings = Settings(Options("auto"), segment=segment)
        out = folder / f"by-{segment}"
        out.mkdir()
        task = Task(str(folder / "long/video.mp4"), str(folder / "long/keys.json"), str(out / "dense.json"), settings)
        before = resource.getrusage(resource.RUSAGE_SELF)
        began = time.perf_counter()
        with Manifest(out) as manifest:
            [result] = batch.run([task], manifest, Here())
        seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        assert result.status == "done", result.message
        contents.append((out / "dense.json").read_bytes())
        what = "one task" if segment is None else f"segments of {segment}"
        print(f"241 frames as {what}: {cpu:.2f} s of CPU time, {seconds:.2f} s", flush=True)
    assert contents[0] == contents[1]


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--videos", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", choices=PARTS, action="append")
    given = parser.parse_args()
    only: list[str] = given.only or list(PARTS)
    with tempfile.TemporaryDirectory(prefix="pwarp-scale-") as name:
        tasks = many(Path(name), given.videos)
        executors: dict[str, tuple[int, Callable[[], Executor]]] = {
            "here": (1, Here),
            "processes": (given.jobs, lambda: Processes(given.jobs)),
            "ray": (given.jobs, lambda: on_ray(given.jobs)),
        }
        print(f"{given.videos} videos of 16 frames, linear; load of the machine before: {os.getloadavg()[0]:.1f}")
        print("| executor | at a time | s to the first | tasks/s then | ms of CPU time a task |\n|---|---|---|---|---|")
        for part, (at_once, make) in executors.items():
            if part in only:
                row(part, at_once, tasks, make())
        if "restart" in only:
            restart(tasks)
        if "segments" in only:
            segments(Path(name), 60)


def on_ray(jobs: int) -> Executor:
    """A cluster of this machine alone, which stays until the end, so that its processes can be looked at."""
    os.environ.setdefault("RAY_worker_niceness", "0")  # not 15, which nothing else here has
    import ray

    from pwarp.batch.on_ray import Ray

    ray.init("local", num_cpus=jobs, include_dashboard=False, log_to_driver=False)
    return Ray()


if __name__ == "__main__":
    main()
