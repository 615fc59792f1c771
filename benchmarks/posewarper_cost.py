"""What PoseWarper costs: how near `propagate` and `refine` come to the work that cannot be avoided.

    python -m benchmarks.posewarper_cost                       # the paper's size; minutes on two CPU cores
    python -m benchmarks.posewarper_cost --small               # the light warp on a small backbone, 64 x 96
    python -m benchmarks.posewarper_cost --device cuda --precision bf16

The floor is one backbone pass a crop and one warp a pair of frames, timed alone in the same run on as many crops and
pairs. The official schedule is re-enacted with the same modules: there every pair of frames goes through the backbone,
both of them, and in aggregation every supporting frame with its target, the target itself being warped, too.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.clips import Clip, key_frames, rendered_clips
from pwarp import checkpoints
from pwarp.annotations import Track
from pwarp.checkpoints import Card
from pwarp.following import open_window_runner
from pwarp.heatmaps import Codec
from pwarp.models import build, configure
from pwarp.models.posewarper import PoseWarper, PoseWarperConfig
from pwarp.propagation import Options, propagate
from pwarp.refinement import refine
from pwarp.skeleton import COCO_17

FRAMES, EVERY, BATCH = 15, 7, 8


class Count:
    """How many crops and pairs of frames go through a model."""

    def __init__(self) -> None:
        self.crops = self.pairs = 0

    def watch(self, model: PoseWarper) -> None:
        """Count what goes through a model from now on."""
        features, warp = model.frame_features, model.warp

        def counted_features(crops: Tensor) -> Tensor:
            self.crops += len(crops)
            return features(crops)

        def counted_warp(tensor: Tensor, to: Tensor, from_: Tensor) -> Tensor:
            self.pairs += len(tensor)
            return warp(tensor, to, from_)

        model.frame_features = counted_features  # type: ignore[method-assign]
        model.warp = counted_warp  # type: ignore[method-assign]


@contextmanager
def counting() -> Iterator[list[Count]]:
    """A list that holds the count of the first model which is opened while the block runs, once it is."""
    counts: list[Count] = []
    opened = PoseWarper.eval

    def watched(model: PoseWarper) -> PoseWarper:
        if not counts:
            counts.append(Count())
            counts[0].watch(model)
        return opened(model)

    PoseWarper.eval = watched  # type: ignore[method-assign, assignment]
    try:
        yield counts
    finally:
        PoseWarper.eval = opened  # type: ignore[method-assign]


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    size, config, sigma = _size(arguments.small)
    model = build(config)
    assert isinstance(model, PoseWarper)
    with TemporaryDirectory() as folder, rendered_clips(1, frames=FRAMES, people=1, width=640, height=480) as clips:
        path = Path(folder) / "model.safetensors"
        codec = Codec("msra", size=size, sigma=sigma)
        checkpoints.save(path, model, Card(model=config, skeleton=COCO_17, codec=codec, training={}))
        _table(next(iter(clips)), path, arguments.device, arguments.precision)


def _size(small: bool) -> tuple[tuple[int, int], PoseWarperConfig, float]:
    if small:
        backbone = configure("duc-r18", keypoints=17, widths=(128, 64, 32))
        return (64, 96), PoseWarperConfig.light(backbone), 1.5  # type: ignore[arg-type]
    return (288, 384), PoseWarperConfig(name="posewarper"), 3.0


def _table(clip: Clip, path: Path, device: str, precision: str) -> None:
    autocast: Any = torch.autocast(device, torch.bfloat16) if precision == "bf16" else nullcontext()
    with autocast:
        runner = open_window_runner(path, device=device, batch=BATCH)
        model = runner.model
        assert isinstance(model, PoseWarper)
        crops = torch.randn(BATCH, 3, *reversed(runner.codec.size), device=runner.device)
        crops = crops.contiguous(memory_format=torch.channels_last)
        with torch.inference_mode():
            maps = model.frame_features(crops)
            crop = _seconds(lambda: model.frame_features(crops)) / BATCH
            pair = _seconds(lambda: model.warp(maps, maps.flip(0), maps)) / BATCH
        print(f"backbone {1e3 * crop:.1f} ms a crop, warp {1e3 * pair:.1f} ms a pair (batches of {BATCH})\n")
        print("| work | crops | pairs | seconds | to the floor | official schedule | gain |")
        print("|---|---|---|---|---|---|---|")
        keys = key_frames(clip.truth, EVERY)
        with clip.open() as video:
            options = Options(engine="posewarper", settings={"weights": path, "device": device, "batch": BATCH})
            with counting() as counts:
                seconds = _seconds(lambda: propagate(video, keys, options), repeat=1)
            official = partial(_in_pairs, model, crops, maps)
            _line("propagate ±3, both sides", counts[0], seconds, (crop, pair), partial(official, counts[0].pairs))
            boxes = replace(clip.truth, tracks=tuple(_boxes(t) for t in clip.truth.tracks), labelled=None)
            for offsets in ((-2, -1, 0, 1, 2), (-3, -2, -1, 0, 1, 2, 3)):
                count = Count()
                count.watch(model)
                seconds = _seconds(partial(refine, video, boxes, runner, offsets=offsets), repeat=1)
                pairs = FRAMES * len(offsets)
                again = partial(official, pairs, both=False)
                _line(f"aggregate {len(offsets)} frames", count, seconds, (crop, pair), again)
    print(f"\npeak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB", end="")
    print(f", GPU {torch.cuda.max_memory_allocated() / 2**20:.0f} MiB" if device.startswith("cuda") else "")


def _in_pairs(model: PoseWarper, crops: Tensor, maps: Tensor, pairs: int, both: bool = True) -> None:
    """The official schedule: for each pair its own backbone passes (of both frames, or of the supporting one), and a
    warp."""
    with torch.inference_mode():
        for start in range(0, pairs, BATCH):
            some = min(BATCH, pairs - start)
            for _ in range(2 if both else 1):
                model.frame_features(crops[:some])
            model.warp(maps[:some], maps[:some].flip(0), maps[:some])


def _line(what: str, count: Count, seconds: float, alone: tuple[float, float], official: Callable[[], None]) -> None:
    crops, pairs = count.crops, count.pairs
    floor = crops * alone[0] + pairs * alone[1]
    theirs = _seconds(official, repeat=1)
    ratios = f"{seconds / floor:.2f} | {theirs:.1f} | {theirs / seconds:.2f}"
    print(f"| {what} | {crops} | {pairs} | {seconds:.1f} | {ratios} |", flush=True)


def _boxes(track: Track) -> Track:
    return Track.make(track.id, track.frames, np.full_like(track.xy, np.nan), boxes=track.boxes)


def _seconds(work: Callable[[], object], repeat: int = 3) -> float:
    """The shortest of some runs."""
    times = []
    for _ in range(repeat):
        _finish()
        began = time.perf_counter()
        work()
        _finish()
        times.append(time.perf_counter() - began)
    return min(times)


def _finish() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


if __name__ == "__main__":
    main()
