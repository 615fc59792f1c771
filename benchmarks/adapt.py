"""What `propagate --engine posewarper --adapt` takes and brings: a network fitted to one video's own key frames.

    python -m benchmarks.adapt --data DIR [--every 7 15] [--seeds 0 1 2] [--threads 2]

On penn 0001, 151 frames of one person: seconds and seconds of CPU time of the whole command, its fitting included, and
PCK at 0.1 and 0.2 torsos of the visible keypoints between the key frames, beside the engines that know nothing
beforehand either.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import torch

from benchmarks.clips import Clip, key_frames, real_clips
from pwarp.evaluation import pck
from pwarp.propagation import Options, propagate

RIVALS = ("linear", "farneback", "flow", "auto")


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--every", type=int, nargs="+", default=[7, 15])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    clip = next(clip for clip in real_clips(arguments.data) if clip.name == "penn 0001")
    print("| k | engine | seed | PCK@0.1 | PCK@0.2 | seconds | CPU seconds |\n|---|---|---|---|---|---|---|")
    for every in arguments.every:
        for engine in RIVALS:
            _row(clip, every, engine, {})
        for seed in arguments.seeds:
            _row(clip, every, "posewarper", {"adapt": True, "seed": seed})


def _row(clip: Clip, every: int, engine: str, settings: dict[str, Any]) -> None:
    keys = key_frames(clip.truth, every)
    wall, cpu = time.perf_counter(), time.process_time()
    with clip.open() as video:
        dense = propagate(video, keys, Options(engine, settings=settings))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    near, far = pck(clip.truth, dense, length=clip.length, alpha=(0.1, 0.2)).pooled
    name = f"{engine} --adapt" if "adapt" in settings else engine
    print(
        f"| {every} | {name} | {settings.get('seed', '')} | {near:.1f} | {far:.1f} | {wall:.0f} | {cpu:.0f} |",
        flush=True,
    )


if __name__ == "__main__":
    main()
