"""Minutes of `run` over rendered videos with faults put in, again and again in one process: does it grow?

Every round makes some of the videos and labels anew, breaks some (cut off, emptied, of another size, a label file that
is no JSON), runs them all, and checks that the sound ones are done with the right bytes and each broken one is failed.
At the end it fits a line through the memory of this process after each round, the first fifth left out.

python -m benchmarks.soak [--minutes 20] [--engine flow] [--jobs 1]
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np

from pwarp import batch
from pwarp.batch import Here, Manifest, Processes, Settings
from pwarp.propagation import Options
from pwarp.synthetic import Scene, SceneConfig, write_scene

VIDEOS = 6
FAULTS = ("video cut off", "video empty", "labels cut off", "labels of another size", "video of noise")


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


def spoil(fault: str, video: Path, labels: Path, draw: random.Random) -> None:
    """Put a fault into a video or its labels."""
    if fault == "video cut off":
        video.write_bytes(video.read_bytes()[: draw.randrange(100, 1500)])
    elif fault == "video empty":
        video.write_bytes(b"")
    elif fault == "video of noise":
        video.write_bytes(draw.randbytes(5000))
    elif fault == "labels cut off":
        labels.write_bytes(labels.read_bytes()[: -draw.randrange(20, 200)])
    else:
        labels.write_text(labels.read_text().replace('"width":96', '"width":97').replace('"width": 96', '"width": 97'))


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--engine", default="flow")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    draw = random.Random(given.seed)
    memory, rounds, failed, wrong = [], 0, 0, 0
    executor = Here() if given.jobs == 1 else Processes(given.jobs)
    with tempfile.TemporaryDirectory(prefix="pwarp-soak-") as name:
        work = Path(name)
        config = SceneConfig(seed=4, frames=25, width=96, height=72, people=2, samples=1, camera=False)
        write_scene(Scene(config), work / "clip", every=6)
        settings = Settings(Options(given.engine), segment=10)
        right: bytes | None = None
        end = time.monotonic() + 60 * given.minutes
        while time.monotonic() < end:
            for folder in ("videos", "keys", "dense"):
                shutil.rmtree(work / folder, ignore_errors=True)
                (work / folder).mkdir()
            broken = {}
            for i in range(VIDEOS):
                video, labels = work / f"videos/{i}.mp4", work / f"keys/{i}.json"
                shutil.copy(work / "clip/video.mp4", video)
                shutil.copy(work / "clip/keys.json", labels)
                if i and draw.random() < 0.4:
                    broken[i] = draw.choice(FAULTS)
                    spoil(broken[i], video, labels, draw)
            tasks, _ = batch.make_tasks(
                batch.find_videos([str(work / "videos")]), work / "keys", work / "dense", settings
            )
            with Manifest(work / "dense") as manifest:
                for result in batch.run(tasks, manifest, executor):
                    i = int(Path(result.task.video).stem)
                    expected = "failed" if i in broken else "done"
                    failed += result.status == "failed"
                    same = True
                    if result.status == "done":
                        made = Path(result.task.output).read_bytes()
                        right = right or made
                        same = made == right
                    if result.status != expected or not same or "defect" in result.message:
                        wrong += 1
                        print(f"round {rounds}, {broken.get(i, 'sound')}: {result.status} {result.message}", flush=True)
            rounds += 1
            memory.append((time.monotonic() - end + 60 * given.minutes, resident()))
    seconds, mb = np.array(memory).T
    late = len(mb) // 5
    slope = np.polyfit(seconds[late:] / 60, mb[late:], 1)[0] if len(mb) - late > 1 else float("nan")
    print(f"{rounds} rounds of {VIDEOS} videos, {failed} failed as they should, {wrong} wrong; {given.engine}")
    print(f"memory {mb[late]:.0f} MB after the first fifth, {mb[-1]:.0f} MB at the end: {slope:+.3f} MB a minute")


if __name__ == "__main__":
    main()
