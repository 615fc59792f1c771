"""What the length of a video costs: peak memory and time of whole `pwarp propagate` commands, each in its own process.

    python -m benchmarks.lengths --only hour     # 108,000 frames of 1280 x 720, 10 people, through linear; goal: 1.5 GB
    python -m benchmarks.lengths --only slope    # flow and auto on five lengths up to 3 minutes; goal: memory flat

A short clip is looped by copying its packets, so that an hour of video is made in seconds: in `hour` a plain one, as no
engine looks at it, with random poses every 50th frame; in `slope` a rendered person, labelled every 15th frame. Results
go to JSON Lines, the format that is written as a stream. Prints Markdown tables; times are CPU times, as the machine
may be busy.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import numpy as np

from benchmarks.clips import rendered_clips
from pwarp import formats
from pwarp.annotations import Annotations, Track, VideoIdentity
from pwarp.review.h264 import h264_file
from pwarp.skeleton import COCO_17

PWARP = str(Path(sys.executable).with_name("pwarp"))
HOUR, PEOPLE, EVERY = 108_000, 10, 50
SECONDS = (11.25, 22.5, 45, 90, 180)
RATE = 15


@dataclass(frozen=True)
class Cost:
    """What a command took: seconds by the clock, seconds of CPU, peak memory in MB."""

    seconds: float
    cpu: float
    megabytes: float


def cost(command: Sequence[str]) -> Cost:
    """Run a command to its end; it has to succeed."""
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return Cost(time.perf_counter() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def looped(clip: Path, target: Path, frames: int) -> None:
    """A video of so many frames, which is a clip over and over again; nothing is encoded."""
    with av.open(str(clip)) as source, av.open(str(target), "w") as out:
        stream = source.streams.video[0]
        packets = [(bytes(p), p.pts, p.dts, p.duration, p.is_keyframe) for p in source.demux(stream) if p.size]
        to = out.add_stream_from_template(stream)
        length = sum(duration for _, _, _, duration, _ in packets)
        for i in range(frames):
            content, pts, dts, duration, key = packets[i % len(packets)]
            shift = i // len(packets) * length
            packet = av.Packet(content)
            packet.pts, packet.dts, packet.duration = pts + shift, dts + shift, duration
            packet.time_base, packet.is_keyframe, packet.stream = stream.time_base, key, to
            out.mux(packet)


def repeated(truth: Annotations, frames: int, every: int) -> Annotations:
    """Key frames of people who do what those of the clip do, over and over again."""
    keys = np.append(np.arange(0, frames - 1, every), frames - 1)
    rows = [(track, keys % len(track)) for track in truth.tracks]
    tracks = tuple(Track.make(track.id, keys, track.xy[at], track.visibility[at]) for track, at in rows)
    return Annotations(truth.skeleton, VideoIdentity("looped.mp4"), tracks)


def measured(folder: Path, clip: Path, keys: Annotations, frames: int, engine: str) -> Cost:
    """Propagate through a looped video."""
    video, labels, dense = folder / "looped.mp4", folder / "keys.json", folder / "dense.jsonl"
    looped(clip, video, frames)
    formats.write(keys, labels, force=True)
    found = cost([PWARP, "propagate", str(video), str(labels), "-o", str(dense), "--force", "--engine", engine, "-q"])
    print(
        f"| {engine} | {frames} | {len(keys.tracks)} | {dense.stat().st_size / 1e6:.0f} "
        f"| {found.megabytes:.0f} | {found.cpu:.1f} | {1e3 * found.cpu / frames:.2f} |",
        flush=True,
    )
    return found


def hour(frames: int) -> None:
    """A long video of many people."""
    width, height = 1280, 720
    generator = np.random.default_rng(0)
    moves = generator.uniform(0, height, (PEOPLE, EVERY, len(COCO_17), 2))
    truth = Annotations(COCO_17, tracks=tuple(Track.make(id, np.arange(EVERY), xy) for id, xy in enumerate(moves)))
    with TemporaryDirectory(prefix="pwarp-benchmark-") as name:
        folder = Path(name)
        with h264_file(folder / "plain.mp4", width, height, Fraction(RATE)) as append:
            for i in range(EVERY):
                picture = np.full((height, width, 3), 90, np.uint8)
                picture[200:264, 10 * i : 10 * i + 64] = 200
                append(picture, i / RATE)
        measured(folder, folder / "plain.mp4", repeated(truth, frames, EVERY), frames, "linear")
        again = cost([PWARP, "info", str(folder / "dense.jsonl")])
        print(
            f"| info on the result | {frames} | {PEOPLE} | | {again.megabytes:.0f} | {again.cpu:.1f} "
            f"| {1e3 * again.cpu / frames:.2f} |"
        )


def slope(engines: Sequence[str]) -> None:
    """The same clip at five lengths, and lines through what they cost."""
    lines = []
    with (
        rendered_clips(1, width=160, height=120, frames=90, people=1) as clips,
        TemporaryDirectory(prefix="pwarp-benchmark-") as folder,
    ):
        clip = next(iter(clips))
        frames = [round(RATE * seconds) for seconds in SECONDS]
        for engine in engines:
            costs = [measured(Path(folder), clip.path, repeated(clip.truth, n, RATE), n, engine) for n in frames]
            memory, _ = np.polyfit(frames, [c.megabytes for c in costs], 1)
            cpu, start = np.polyfit(frames, [c.cpu for c in costs], 1)
            off = max(abs(start + cpu * n - c.cpu) / c.cpu for n, c in zip(frames, costs, strict=True))
            lines.append(
                f"{engine}: {1e3 * memory:+.1f} MB in 1,000 frames, {1e3 * cpu:.1f} ms a frame, "
                f"at most {off:.0%} off the line"
            )
    print("\n" + "\n".join(lines))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=("hour", "slope"), action="append", help="measure only this")
    parser.add_argument("--frames", type=int, default=HOUR, help="of the long video")
    parser.add_argument("--engine", choices=("flow", "auto"), action="append", help="of slope; may be repeated")
    options = parser.parse_args()
    print("| engine | frames | people | result MB | peak MB | CPU s | CPU ms a frame |\n|---|---|---|---|---|---|---|")
    if "hour" in (options.only or ["hour"]):
        hour(options.frames)
    if "slope" in (options.only or ["slope"]):
        slope(options.engine or ["flow", "auto"])


if __name__ == "__main__":
    main()
