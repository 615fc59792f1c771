"""How fast the models of several frames are, and the sampler that they share on a CPU.

    python -m benchmarks.model_speed [--threads 2] [--only sampler|models] [--device cuda]

Models are those of `benchmarks.temporal`, untrained, which makes no difference, on crops of 256 x 256 of one person in
60 frames of 640 x 360, decoding included. They run in rounds, each network once a round: frames a second are the best
round's, the share of the estimator of the same backbone alone is the median of the rounds' (and their range), since a
shared machine is not the same from one minute to the next. PPN-Swift in crops a second is the row of that name. The
sampler is torchvision's deformable convolution beside the form by `grid_sample`, at the sizes of PoseWarper and DCPose.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from benchmarks.rendered_bench import boxes_of
from benchmarks.temporal import BACKBONES, SYSTEMS, System, slug
from pwarp import checkpoints, formats
from pwarp.annotations import Annotations
from pwarp.checkpoints import Card
from pwarp.estimation import Estimator, estimate
from pwarp.following import open_any
from pwarp.heatmaps import Codec
from pwarp.models import build, configure
from pwarp.models.deform import grid_deform_conv2d, operator_deform_conv2d
from pwarp.refinement import estimate_over_time
from pwarp.skeleton import COCO_17
from pwarp.synthetic import Scene, SceneConfig, write_scene
from pwarp.training.kinds import KINDS
from pwarp.training.recipes import recipe
from pwarp.video import open_video

STRIDES = {4: (128, 64, 32), 8: (128, 64)}
ROUNDS = 5
# Keypoints, height, width, whether samples have masks.
SAMPLED = ((13, 64, 64, False), (17, 96, 72, False), (17, 96, 72, True))


def sampler() -> None:
    """Milliseconds of one deformable convolution in both forms, forwards, and with gradients."""
    print("| keypoints, map | masks | | torchvision, ms | grid_sample, ms | times as fast | largest difference |")
    print("|---|---|---|---|---|---|---|")
    generator = torch.Generator().manual_seed(0)
    for keypoints, height, width, masked in SAMPLED:
        x = torch.rand(1, keypoints, height, width, generator=generator)
        offset = 4 * torch.randn(1, 18 * keypoints, height, width, generator=generator)
        mask = torch.rand(1, 9 * keypoints, height, width, generator=generator) if masked else None
        weight = torch.randn(keypoints, keypoints, 3, 3, generator=generator) / keypoints
        for trained in (False, True):
            given = [one.clone().requires_grad_(trained) for one in (x, offset, weight)]
            found = [
                _convolved(convolve, given, mask, trained) for convolve in (operator_deform_conv2d, grid_deform_conv2d)
            ]
            slow, fast = (1e3 * seconds for _, seconds in found)
            apart = float((found[0][0] - found[1][0]).abs().max())
            name = (
                f"| {keypoints}, {height} x {width} | {'yes' if masked else 'no'} | {'trained' if trained else 'run'} |"
            )
            print(f"{name} {slow:.2f} | {fast:.2f} | {slow / fast:.1f} | {apart:.0e} |", flush=True)


def _convolved(
    convolve: Callable[..., torch.Tensor], given: list[torch.Tensor], mask: torch.Tensor | None, trained: bool
) -> tuple[torch.Tensor, float]:
    """What comes out, and the least seconds of several times, the gradients included where it is trained."""
    x, offset, weight = given
    least = float("inf")
    for _ in range(10):
        began = time.perf_counter()
        with torch.set_grad_enabled(trained):
            out = convolve(x, offset, weight, None, 3, mask)
            if trained:
                torch.autograd.backward(out.sum())
        least = min(least, time.perf_counter() - began)
    return out.detach(), least


def models(device: str) -> None:
    """Frames a second of each model against its frame-wise backbone alone, one person, at strides 4 and 8."""
    print("| network | stride | frames/s | of its backbone's | range |\n|---|---|---|---|---|")
    with TemporaryDirectory() as name:
        folder = Path(name)
        write_scene(Scene(SceneConfig(frames=60, people=1, width=640, height=360)), folder)
        truth = boxes_of(formats.read(folder / "truth.json"))
        compared = [system for system, spec in SYSTEMS.items() if _is_compared(spec)]
        for stride, widths in STRIDES.items():
            weights = {}
            for system in compared:
                weights[system] = folder / f"{slug(system)}-{stride}.safetensors"
                config = _config(SYSTEMS[system], widths)
                codec = Codec("dark", (256, 256), stride, 2.0)
                checkpoints.save(weights[system], build(config), Card(config, COCO_17, codec))
            rounds = [
                {system: _rate(folder / "video.mp4", truth, path, device) for system, path in weights.items()}
                for _ in range(ROUNDS)
            ]
            for system in compared:
                alone = next(rival for rival in compared if _is_baseline(rival, SYSTEMS[system].backbone))
                shares = [rates[system] / rates[alone] for rates in rounds]
                print(
                    f"| {system} | {stride} | {max(rates[system] for rates in rounds):.1f} | "
                    f"{statistics.median(shares):.2f} | {min(shares):.2f} to {max(shares):.2f} |",
                    flush=True,
                )


def _is_compared(spec: System) -> bool:
    """Whether the row is a network of its own, and small enough to be run in every round."""
    return spec.backbone != "r34" and spec.kind != "begun" and not spec.steady


def _is_baseline(system: str, backbone: str) -> bool:
    spec = SYSTEMS[system]
    return spec.kind == "estimator" and spec.backbone == backbone


def _config(system: System, widths: tuple[int, ...]) -> Any:
    """The system's network at a stride."""
    each = {name: configure(BACKBONES[name]["backbone"], keypoints=17, widths=widths) for name in ("r18", "mobile")}
    if system.kind == "estimator":
        return each[system.backbone]
    places = KINDS[system.kind].places
    networks = {places["backbone"]: each[system.backbone]}
    if system.head is not None:
        networks[places["head"]] = each[system.head]
    return configure(system.kind, **networks, **recipe(system.kind, "small", system.changes).model)


def _rate(video: Path, boxes: Annotations, weights: Path, device: str) -> float:
    network = open_any(weights, device=device)
    with open_video(video) as source:
        began = time.perf_counter()
        if isinstance(network, Estimator):
            estimate(source, boxes, network)
        else:
            estimate_over_time(source, boxes, network)
        return source.frame_count / (time.perf_counter() - began)


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", choices=("sampler", "models"))
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.only != "models":
        sampler()
    if arguments.only != "sampler":
        models(arguments.device)


if __name__ == "__main__":
    main()
