"""Where the time of each command goes, and how near it comes to the work that cannot be avoided.

    python -m benchmarks.floors --data DIR [--clip dog] [--command auto ...]

A command is all that `pwarp` does once it is loaded: open the video, read the labels, do its work, write the result.
Its floor is timed in the same run, right after it:

    linear, eval    parsing the label files (linear opens the video, too: a file is decoded once)
    flow, auto      decoding once, and DIS flow forth and back between neighbouring frames on each person's crop
    posewarper      decoding once, and as many crops through the backbone and pairs through the warp as it takes
    refine          decoding once, one backbone pass a crop, one window of three frames put together a crop
    detect          decoding once, one pass of the network a frame
    farneback       no floor but a peer: a script that has OpenCV alone, with the same flow over whole pictures, one way

Ratios are of CPU seconds, which other work on the machine disturbs less; frames a second by the clock are given, too.
Stages are measured in a second run with one thread for decoding; opening a file decodes it, too, which is in them.
`person` is a rendered clip of one person, 854 x 480.
The network of posewarper and refine is the small one of `posewarper_cost`, untrained; that of detect is DIR's
weights/yolox_nano.onnx. Key frames are every 15th. Prints Markdown tables.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import orjson
import torch

from benchmarks.clips import Clip, key_frames, real_clips, rendered_clips
from benchmarks.posewarper_cost import Count, counting
from benchmarks.stages import Stages
from pwarp import checkpoints, formats
from pwarp.annotations import Annotations, Track
from pwarp.checkpoints import Card
from pwarp.detection import Wanted, detect, open_detector
from pwarp.evaluation import pck
from pwarp.following import open_window_runner
from pwarp.heatmaps import Codec
from pwarp.models import build, configure
from pwarp.models.posewarper import PoseWarper, PoseWarperConfig
from pwarp.propagation import Options, propagate
from pwarp.propagation.motion import Crop, crop_around, dis
from pwarp.refinement import refine
from pwarp.video import index

EVERY = 15
SIZE = (64, 96)
COMMANDS = ("linear", "flow", "auto", "farneback", "posewarper", "detect", "refine", "eval")


@dataclass(frozen=True)
class Cost:
    """Seconds of CPU, in all threads, and by the clock."""

    cpu: float
    clock: float


def cost(work: Callable[[], object]) -> Cost:
    """What some work takes, once."""
    clock, cpu = time.perf_counter(), time.process_time()
    work()
    return Cost(time.process_time() - cpu, time.perf_counter() - clock)


@dataclass(frozen=True)
class Bench:
    """A clip with its files. keys: every 15th frame. network: a checkpoint for its skeleton. detector: an ONNX file."""

    clip: Clip
    keys: Path
    truth: Path
    boxes: Path
    dense: Path
    network: Path
    detector: Path
    counts: dict[str, Count] = field(default_factory=dict)

    def run(self, command: str) -> None:
        """What the command does once it is loaded."""
        if command == "eval":
            pck(formats.read(self.truth), formats.read(self.dense), length=self.clip.length)
            return
        with self.clip.open() as video:
            if command == "detect":
                detector, _ = open_detector(f"onnx:{self.detector}", Wanted("person", 0.3))
                result = detect(video, detector)
            elif command == "refine":
                boxes = formats.read(self.boxes, video=video)
                result = refine(
                    video, boxes, open_window_runner(self.network, device="cpu"), offsets=(-1, 0, 1)
                ).annotations
            else:
                settings = {"weights": self.network, "device": "cpu"} if command == "posewarper" else {}
                keys = formats.read(self.keys, video=video)
                result = propagate(video, keys, Options(command, settings=settings))
                formats.write(result, self.dense, force=True)
                return
            formats.write(result, self.dense.with_name("other.json"), format="pwarp", force=True)

    def floor(self, command: str) -> None:
        """What the command cannot do without."""
        if command == "eval":
            _parse(self.truth, self.dense)
        elif command == "linear":
            self.clip.open().close()
            _parse(self.keys)
        elif command == "detect":
            self._decode()
            self._detections()
        elif command in ("flow", "auto"):
            self._decode_and_flow()
        elif command == "farneback":
            self._script()
        else:
            self._decode()
            self._network(command)

    def _decode(self) -> None:
        with self.clip.open() as video:
            # Opening a video file decodes it; pictures are decoded here.
            for _ in video.frames() if video.names else ():
                pass

    def _decode_and_flow(self) -> None:
        truth, (estimate, before) = self.clip.truth, (dis(), None)
        with self.clip.open() as video:
            frames = list(video.frames(color="gray")) if video.names else list(_grey(self.clip.path))
            shape = video.width, video.height
        crops = {frame: [_crop(track, frame, *shape) for track in truth.tracks] for frame, _ in frames}
        threads = cv2.getNumThreads()
        cv2.setNumThreads(1)
        for frame, picture in frames:
            for crop in crops[frame] if before is not None else ():
                one, other = crop.cut(before), crop.cut(picture)
                estimate(one, other)
                estimate(other, one)
            before = picture
        cv2.setNumThreads(threads)

    def _script(self) -> None:
        """Points that follow the flow from the nearer key frame, as one would write it in an afternoon."""
        video = self.clip.open()
        folder = self.clip.path if self.clip.path.is_dir() else None
        names = [str(folder / name) for name in video.names or ()] if folder else []
        capture = cv2.VideoCapture(str(self.clip.path)) if not names else None
        count = video.frame_count
        bgr = (cv2.imread(name) for name in names) if names else (capture.read()[1] for _ in range(count))
        grey = [cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY) for picture in bgr]
        points = {t: self.clip.truth.tracks[0].xy[0].astype(np.float32) for t in range(count)}
        for t in range(count - 1):
            ahead = t % EVERY < EVERY // 2  # the nearer key frame is the one before
            here, there = (t, t + 1) if ahead else (t + 1, t)
            flow = cv2.calcOpticalFlowFarneback(grey[here], grey[there], None, 0.5, 3, 15, 3, 5, 1.2, 0)
            x, y = (np.nan_to_num(points[here]).astype(int).clip(0, np.array(flow.shape[1::-1]) - 1)).T
            points[there] = points[here] + flow[y, x]

    def _network(self, command: str) -> None:
        model, count = open_window_runner(self.network, device="cpu").model, self.counts[command]
        assert isinstance(model, PoseWarper)
        crops = torch.zeros(16, 3, *reversed(SIZE)).contiguous(memory_format=torch.channels_last)
        with torch.inference_mode():
            maps = model.frame_features(crops)
            for start in range(16, count.crops, 16):
                model.frame_features(crops[: count.crops - start])
            for start in range(0, 0 if command == "refine" else count.pairs, 16):
                some = maps[: count.pairs - start]
                model.warp(some, some, some)
            for start in range(0, count.crops if command == "refine" else 0, 16):
                window = maps[: count.crops - start, None].expand(-1, 3, -1, -1, -1)
                model.fuse(window, torch.tensor([[-1.0, 0.0, 1.0]]).expand(len(window), -1))

    def _detections(self) -> None:
        detector, _ = open_detector(f"onnx:{self.detector}", Wanted("person", 0.3))
        network = detector._network  # type: ignore[attr-defined]
        blank = np.zeros((1, 3, 416, 416), np.float32)
        for _ in range(self.clip.truth.video.frame_count or 0):
            network(blank)


def _grey(path: Path) -> list[tuple[int, np.ndarray]]:
    """The frames of a video file, by FFmpeg alone."""
    import av

    with av.open(str(path)) as container:
        container.streams.video[0].codec_context.thread_type = "AUTO"
        return [(i, frame.to_ndarray(format="gray")) for i, frame in enumerate(container.decode(video=0))]


def _crop(track: Track, frame: int, width: int, height: int) -> Crop:
    at = int(np.argmin(np.abs(track.frames - frame)))
    xy = track.xy[at]
    diagonal = float(np.linalg.norm(np.nanmax(xy, axis=0) - np.nanmin(xy, axis=0)))
    return crop_around(xy, max(diagonal, 32.0), width, height)


def _parse(*paths: Path) -> None:
    for path in paths:
        orjson.loads(path.read_bytes())


def bench(clip: Clip, folder: Path, data: Path) -> Bench:
    """The files of a clip."""
    names = ("keys", "truth", "boxes", "dense")
    keys, truth, boxes, dense = (folder / f"{name}.json" for name in names)
    formats.write(key_frames(clip.truth, EVERY), keys)
    formats.write(clip.truth, truth)
    formats.write(_boxed(clip.truth), boxes)
    backbone = configure("duc-r18", keypoints=len(clip.truth.skeleton), widths=(128, 64, 32))
    model = build(PoseWarperConfig.light(backbone))  # type: ignore[arg-type]
    network = folder / "model.safetensors"
    codec = Codec("msra", size=SIZE, sigma=1.5)
    checkpoints.save(network, model, Card(model=model.config, skeleton=clip.truth.skeleton, codec=codec, training={}))
    return Bench(clip, keys, truth, boxes, dense, network, data / "weights/yolox_nano.onnx")


def _boxed(truth: Annotations) -> Annotations:
    """What `refine` starts from: the poses of the truth as if an estimator had found them."""
    return replace(truth, tracks=tuple(_found(track) for track in truth.tracks), labelled=None)


def _found(track: Track) -> Track:
    return Track.make(
        track.id, track.frames, track.xy, track.visibility, source=2 * (track.visibility > 0), boxes=track.boxes
    )


@contextmanager
def one_thread() -> Iterator[None]:
    """Decode in the thread that asks, where its time can be seen."""
    before, index._THREADS = index._THREADS, 1
    try:
        yield
    finally:
        index._THREADS = before


def measure(bench: Bench, command: str) -> None:
    """One command, its floor, and its stages."""
    with counting() as counts:
        bench.run(command)  # loads what is loaded on first use
    bench.counts[command] = counts[0] if counts else Count()
    stages = Stages()
    whole = cost(partial(bench.run, command))
    with stages.watching(), one_thread():
        watched = cost(partial(bench.run, command))
    floor = cost(partial(bench.floor, command))
    count = bench.clip.truth.video.frame_count or 1
    rest = watched.cpu - sum(stages.seconds.values())
    shares = [(name, seconds) for name, seconds in stages.seconds.most_common() if seconds > 0.01 * watched.cpu]
    listed = ", ".join(f"{name} {1e3 * seconds / count:.2f}" for name, seconds in shares)
    print(
        f"| {bench.clip.name} | {command} | {1e3 * whole.cpu / count:.2f} | {count / whole.cpu:.1f} "
        f"| {count / whole.clock:.1f} | {1e3 * floor.cpu / count:.2f} | {whole.cpu / floor.cpu:.2f} "
        f"| {listed}, else {1e3 * rest / count:.2f} |",
        flush=True,
    )


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with bonn/, penn/, badja/ and weights/")
    parser.add_argument("--clip", action="append", help="bonn, 'penn 0001', cows or dog; may be repeated")
    parser.add_argument("--command", action="append", choices=COMMANDS, help="measure only this; may be repeated")
    options = parser.parse_args()
    torch.set_num_threads(1)
    wanted = options.clip or ["penn 0001", "person"]
    titles = (
        "clip",
        "command",
        "CPU ms a frame",
        "frames a CPU second",
        "frames/s",
        "floor, CPU ms",
        "ratio",
        "stages",
    )
    print(f"| {' | '.join(titles)} |\n|{'---|' * len(titles)}", flush=True)
    with rendered_clips(1, width=854, height=480, frames=45, people=1, samples=1) as rendered:
        clips = [clip for clip in real_clips(options.data) if clip.name in wanted]
        clips += [replace(clip, name="person") for clip in rendered] if "person" in wanted else []
        for clip in clips:
            with TemporaryDirectory(prefix="pwarp-benchmark-") as folder:
                one = bench(clip, Path(folder), options.data)
                for command in options.command or COMMANDS:
                    measure(one, command)


if __name__ == "__main__":
    main()
