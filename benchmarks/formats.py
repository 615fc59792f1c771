"""How fast label files are read and written.

    python -m benchmarks.formats [--frames 6000]

Four people of 17 keypoints in every frame, once as a person's labels and once as propagated ones with scores. Times
are computing time of this process, so that other work on the machine disturbs them less; the best of three. `parse`
is what the JSON parser alone takes: no reader can be faster. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import orjson

from pwarp import formats, registry
from pwarp.annotations import Annotations, Source, Track, VideoIdentity
from pwarp.skeleton import POSETRACK_17

PEOPLE = 4
REPEATS = 3


def people(frames: int, *, propagated: bool) -> Annotations:
    """Random poses with two decimals and boxes, or with all decimals, scores and origins."""
    generator = np.random.default_rng(0)
    tracks = []
    for id in range(PEOPLE):
        xy = generator.uniform(0, 1920, (frames, len(POSETRACK_17), 2))
        if propagated:
            shape = xy.shape[:2]
            source, score = np.full(shape, Source.PROPAGATED), generator.random(shape)
            origin = np.broadcast_to(np.array([3, 9]), (*shape, 2))
            tracks.append(Track.make(id, np.arange(frames), xy, source=source, score=score, origin=origin))
        else:
            xy = np.round(xy, 2)
            boxes = np.concatenate([xy.min(axis=1), xy.max(axis=1)], axis=1)
            tracks.append(Track.make(id, np.arange(frames), xy, boxes=boxes))
    return Annotations(POSETRACK_17, VideoIdentity("clip.mp4", 1920, 1080, frames), tuple(tracks))


def _seconds(work: Callable[[], object]) -> float:
    best = float("inf")
    for _ in range(REPEATS):
        start = time.process_time()
        work()
        best = min(best, time.process_time() - start)
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=6000)
    frames: int = parser.parse_args().frames
    print("| labels | format | MB | parse MB/s | read MB/s | write and compare MB/s |\n|---|---|---|---|---|---|")
    with TemporaryDirectory(prefix="pwarp-benchmark-") as folder:
        path = Path(folder, "labels.json")
        for what, propagated in (("by a person", False), ("propagated", True)):
            labels = people(frames, propagated=propagated)
            for name in registry.names("format"):
                write = _seconds(partial(formats.write, labels, path, format=name, force=True))
                size = path.stat().st_size / 1e6
                parse = _seconds(partial(orjson.loads, path.read_bytes()))
                read = _seconds(partial(formats.read, path, format=name))
                speeds = " | ".join(f"{size / seconds:.0f}" for seconds in (parse, read, write))
                print(f"| {what} | {name} | {size:.1f} | {speeds} |")


if __name__ == "__main__":
    main()
