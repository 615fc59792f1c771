"""How fast label files are read and written, beside the JSON parser alone and beside other readers.

    python -m benchmarks.formats [--frames 6000] [--format NAME ...] [--only speed|peers]

Four people of 17 keypoints in every frame, once as a person's labels and once as propagated ones with scores. Times
are computing time of this process, so that other work on the machine disturbs them less; the best of three. `parse`
is what the JSON parser alone takes: no reader can be faster. `write` is what remains of writing without its last part,
in which each file is read back and compared. `peers` reads the same files with pycocotools and sleap-io. Prints
Markdown tables.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import orjson

from pwarp import formats
from pwarp.annotations import Annotations, Source, Track, VideoIdentity
from pwarp.skeleton import POSETRACK_17

PEOPLE = 4
REPEATS = 3
JSON = ("pwarp", "jsonl", "coco", "posetrack18", "posetrack17", "label-studio")


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


def _parse(content: bytes, *, lines: bool) -> None:
    for part in content.splitlines() if lines else [content]:
        orjson.loads(part)


def speed(folder: Path, frames: int, names: Sequence[str]) -> None:
    """MB/s of parsing, reading, writing, and writing with comparison."""
    print("| labels | format | MB | parse MB/s | read MB/s | write MB/s | write and compare MB/s |")
    print("|---|---|---|---|---|---|---|")
    path = folder / "labels.json"
    for what, propagated in (("by a person", False), ("propagated", True)):
        labels = people(frames, propagated=propagated)
        for name in names:
            both = _seconds(partial(formats.write, labels, path, format=name, force=True))
            size = path.stat().st_size / 1e6
            parse = _seconds(partial(_parse, path.read_bytes(), lines=name == "jsonl"))
            read = _seconds(partial(formats.read, path, format=name))
            # What is compared is at hand after reading: that takes hardly any time.
            speeds = " | ".join(f"{size / seconds:.0f}" for seconds in (parse, read, both - read, both))
            print(f"| {what} | {name} | {size:.1f} | {speeds} |", flush=True)


def peers(folder: Path, frames: int) -> None:
    """The same files read by others. They make less of them: objects as they stand, unchecked."""
    import sleap_io
    from pycocotools.coco import COCO

    print("| file | MB | pwarp s | peer | peer s |\n|---|---|---|---|---|")
    labels = people(frames, propagated=True)
    others: dict[str, tuple[str, str, Callable[[str], object]]] = {
        "coco": ("coco.json", "pycocotools", COCO),
        "sleap": ("poses.slp", "sleap-io", partial(sleap_io.load_slp, open_videos=False)),
    }
    for name, (file, peer, load) in others.items():
        path = folder / file
        formats.write(labels, path, format=name)
        ours = _seconds(partial(formats.read, path, format=name))
        with contextlib.redirect_stdout(io.StringIO()):  # pycocotools talks
            theirs = _seconds(partial(load, str(path)))
        print(f"| {name} | {path.stat().st_size / 1e6:.1f} | {ours:.2f} | {peer} | {theirs:.2f} |", flush=True)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=6000)
    parser.add_argument("--format", action="append", choices=JSON, help="measure only this; may be repeated")
    parser.add_argument("--only", choices=("speed", "peers"), action="append", help="measure only this")
    options = parser.parse_args()
    with TemporaryDirectory(prefix="pwarp-benchmark-") as folder:
        if "speed" in (options.only or ["speed"]):
            speed(Path(folder), options.frames, options.format or JSON)
        if "peers" in (options.only or ["peers"]):
            peers(Path(folder), options.frames)


if __name__ == "__main__":
    main()
