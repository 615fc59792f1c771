"""Minutes of `run` over rendered videos with faults put in, again and again in one process: does it grow?

Every round makes some of the videos and labels anew, breaks some (cut off, emptied, of another size, a label file that
is no JSON or goes away, an output that stands in the way), runs them all, and checks that the sound ones are done with
the right bytes and each broken one is failed. At the end it fits a line through the memory of this process and those
below it after each round, the first fifth left out.

python -m benchmarks.soak [--minutes 20] [--engine flow] [--jobs 1]
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np

from pwarp import batch
from pwarp.batch import Here, Manifest, Processes, Result, Settings, Task
from pwarp.propagation import Options
from pwarp.synthetic import Scene, SceneConfig, write_scene

VIDEOS = 6
FAULTS = (
    "video cut off",
    "video empty",
    "video of noise",
    "labels cut off",
    "labels of another size",
    "labels go away",
    "output is a folder",
)


def resident() -> float:
    """MB of memory that this process and those below it hold. Linux only."""
    pids, pages = [os.getpid()], 0
    while pids:
        folder = Path(f"/proc/{pids.pop()}")
        try:
            pages += int(folder.joinpath("statm").read_text().split()[1])
            pids += [int(word) for path in folder.glob("task/*/children") for word in path.read_text().split()]
        except OSError:
            continue
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def spoil(fault: str, video: Path, labels: Path, output: Path, draw: random.Random) -> None:
    """Put a fault into a video, its labels or its output."""
    if fault == "video cut off":
        video.write_bytes(video.read_bytes()[: draw.randrange(100, 1500)])
    elif fault == "video empty":
        video.write_bytes(b"")
    elif fault == "video of noise":
        video.write_bytes(draw.randbytes(5000))
    elif fault == "labels cut off":
        labels.write_bytes(labels.read_bytes()[: -draw.randrange(20, 200)])
    elif fault == "labels go away":
        labels.unlink()
    elif fault == "output is a folder":
        output.mkdir()
    else:
        labels.write_text(labels.read_text().replace('"width":96', '"width":97').replace('"width": 96', '"width": 97'))


def tasks_of(work: Path, settings: Settings) -> list[Task]:
    """The tasks of a round, all of them sound."""
    for folder in ("videos", "keys", "dense"):
        shutil.rmtree(work / folder, ignore_errors=True)
        (work / folder).mkdir()
    for i in range(VIDEOS):
        shutil.copy(work / "clip/video.mp4", work / f"videos/{i}.mp4")
        shutil.copy(work / "clip/keys.json", work / f"keys/{i}.json")
    videos = batch.find_videos([str(work / "videos")])
    return batch.make_tasks(videos, work / "keys", work / "dense", settings)[0]


def what_is_wrong(result: Result, fault: str | None, right: bytes) -> str:
    """Why a result is not what its video deserves; empty where it is."""
    if "defect" in result.message or result.status != ("failed" if fault else "done"):
        return f"{result.status} {result.message}"
    if result.status == "done" and Path(result.task.output).read_bytes() != right:
        return "other bytes"
    return ""


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--engine", default="flow")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    draw = random.Random(given.seed)
    memory, put_in, wrong = [], Counter[str](), 0
    executor = Here() if given.jobs == 1 else Processes(given.jobs)
    with tempfile.TemporaryDirectory(prefix="pwarp-soak-") as name:
        work = Path(name)
        config = SceneConfig(seed=4, frames=25, width=96, height=72, people=2, samples=1, camera=False)
        write_scene(Scene(config), work / "clip", every=6)
        settings = Settings(Options(given.engine), segment=10)
        alone = tasks_of(work, replace(settings, segment=None))[0]
        assert batch.work(alone).status == "done"
        right = Path(alone.output).read_bytes()
        began = time.monotonic()
        while (now := time.monotonic() - began) < 60 * given.minutes:
            tasks = tasks_of(work, settings)
            faults = {task.video: draw.choice(FAULTS) for task in tasks if draw.random() < 0.35}
            for task in tasks:
                if fault := faults.get(task.video):
                    spoil(fault, *map(Path, (task.video, task.labels, task.output)), draw)
            put_in.update(faults.values())
            with Manifest(work / "dense") as manifest:
                results = list(batch.run(tasks, manifest, executor))
            missing = len(tasks) - len(results)
            for result in results:
                if why := what_is_wrong(result, faults.get(result.task.video), right):
                    wrong += 1
                    print(f"round {len(memory)}, {faults.get(result.task.video, 'sound')}: {why}", flush=True)
            if missing:
                wrong += missing
                print(f"round {len(memory)}: {missing} videos without a result", flush=True)
            memory.append((now / 60, resident()))
    minutes, mb = np.array(memory).T
    late = len(mb) // 5
    slope = np.polyfit(minutes[late:], mb[late:], 1)[0] if len(mb) - late > 1 else float("nan")
    print(
        f"{len(mb)} rounds of {VIDEOS} videos by {given.engine}, {put_in.total()} faults put in, {wrong} wrong results"
    )
    print("; ".join(f"{fault} {count}" for fault, count in put_in.most_common()))
    print(f"memory {mb[late]:.0f} MB after the first fifth, {mb[-1]:.0f} MB at the end: {slope:+.3f} MB a minute")
    fifths = (f"{part.mean():.1f}" for part in np.array_split(mb, 5) if len(part))
    print(f"mean of each fifth: {', '.join(fifths)} MB; most {mb.max():.1f}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
