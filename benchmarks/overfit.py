"""Whether every network can learn a handful of clips by heart: the plainest test of losses, gradients and geometry.

    python -m benchmarks.overfit --work WORK                  # minutes a network on a quiet core; goes on where it was
    python -m benchmarks.overfit --work WORK --only ppn dkd
    python -m benchmarks.overfit --work WORK --print

Four rendered clips of one person each, no augmentation, a small backbone that is trained from nothing together with all
else. A network passes where its error on the very frames that it was trained on is below 5 % of that of empty heatmaps,
and PCK at 0.2 torsos is at least 95 %.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.cells import Cells
from pwarp import checkpoints, formats
from pwarp.synthetic import Scene, SceneConfig, write_scene
from pwarp.training.augment import NO_AUGMENTATION
from pwarp.training.kinds import KINDS
from pwarp.training.loop import Pace
from pwarp.training.losses import l2
from pwarp.training.objective import Objective
from pwarp.training.poses import gather
from pwarp.training.recipes import recipe
from pwarp.training.run import Data, Request, make_samples, train
from pwarp.training.sources import Clip, Places
from pwarp.training.validation import Validation

CLIPS, FRAMES, FIRST = 4, 5, 40_000
LEAST_PCK, MOST_ERROR = 95.0, 5.0
NETWORK: dict[str, Any] = {
    "backbone": "duc-mobilenet", "backbone_options": {"widths": (64, 32, 32)}, "head": "duc-mobilenet",
    "head_options": {"widths": (64, 32, 32)}, "size": (64, 64), "codec": "dark", "sigma": 1.5, "frozen": False,
    "augmentation": NO_AUGMENTATION, "schedule": "cosine", "rate": 2e-3, "batch": 10, "steps": 150, "frames": 3,
}  # fmt: skip
# What differs from a model's recipe `small`: little models, since 20 poses are to be learned.
OWN: dict[str, dict[str, Any]] = {
    "estimator": {},
    "posewarper": {"model": {"channels": 32, "blocks": 3}, "delta": 2},
    "dcpose": {"model": {"channels": 32, "dilations": (3, 6)}},
    "glpose": {"model": {"reach": 1, "proposals": 2, "sampled": 3}, "batch": 5, "steps": 380},
    "ppn": {"batch": 5},
    "dkd": {"model": {"channels": 32}, "batch": 5, "steps": 260},
}


def rendered(work: Path) -> list[Clip]:
    """The clips, rendered where they are not there yet."""
    found = []
    for seed in range(FIRST, FIRST + CLIPS):
        place = work / "clips" / str(seed)
        if not place.is_dir():
            partial = place.with_suffix(".partial")
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(parents=True)
            config = SceneConfig(seed=seed, frames=FRAMES, width=160, height=120, people=1, occluders=0)
            write_scene(Scene(config), partial)
            partial.rename(place)
        found.append(Clip(str(seed), place / "video.mp4", formats.read(place / "truth.json")))
    return found


def learned(kind: str, work: Path, clips: Sequence[Clip], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Train, and look at the same frames again. error: per cent of that of empty heatmaps."""
    folder = work / "runs" / kind
    request = Request(
        kind=kind, data=Places(()), output=folder, changes={**NETWORK, **OWN[kind], **changes}, device="cpu",
        precision="fp32", pace=Pace(log=20, validate=0, save=100), resume=folder.is_dir(),
    )  # fmt: skip
    poses = gather(clips)
    report = train(request, data=Data(clips, poses, (), None, 0))
    network, card = checkpoints.load(folder / "last.safetensors")
    chosen = recipe(kind, "small", request.changes)
    task = KINDS[kind].task(chosen, network)
    objective = Objective(network, task, card).eval()
    samples = make_samples(clips, poses, task, chosen, card.codec, NO_AUGMENTATION, request, lambda: None)
    batch = samples.plain(range(len(poses)))
    seen = [torch.from_numpy(getattr(batch, name)) for name in ("crops", "offsets", "candidates", "present")]
    labelled = (batch.offsets == 0).argmax(axis=1)
    rows = range(len(poses)), labelled
    xy, weight = torch.from_numpy(batch.xy[rows]), torch.from_numpy(batch.weight[rows])
    target, weight = card.codec.encode(xy, weight)
    with torch.inference_mode():
        heatmaps = objective.heatmaps(*seen)
    hits = Validation.of(samples, len(poses), len(poses)).hits(
        lambda _: card.codec.decode(heatmaps)[0].double().numpy()
    )
    error = l2(heatmaps, target, weight) / l2(torch.zeros_like(target), target, weight)
    return {
        "poses": len(poses), "steps": report.outcome.steps, "error": 100 * float(error),
        "pck@0.1": 100 * float(hits[0] / hits[-1]), "pck@0.2": 100 * float(hits[1] / hits[-1]),
    }  # fmt: skip


def show(cells: Cells) -> None:
    """A Markdown table."""
    print("| network | poses | steps | error, % of empty maps | PCK@0.1 | PCK@0.2 | passes |")
    print("|---|---|---|---|---|---|---|")
    for row in cells:
        passes = row["error"] < MOST_ERROR and row["pck@0.2"] >= LEAST_PCK
        print(
            f"| {row['cell']['network']} | {row['poses']} | {row['steps']} | {row['error']:.2f} | {row['pck@0.1']:.1f} "
            f"| {row['pck@0.2']:.1f} | {'yes' if passes else 'no'} |"
        )


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--only", choices=list(KINDS), nargs="+", default=list(KINDS))
    parser.add_argument("--steps", type=int, help="instead of each network's own; more go on from where a run ended")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--print", action="store_true", dest="show")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    cells = Cells(arguments.work / "cells.jsonl")
    if not arguments.show:
        clips = rendered(arguments.work)
        for kind in arguments.only:
            steps = arguments.steps or {**NETWORK, **OWN[kind]}["steps"]
            cell = {"network": kind, "steps": steps}
            cells.make(cell, lambda k=kind, s=steps: learned(k, arguments.work, clips, {"steps": s}))
    show(cells)


if __name__ == "__main__":
    main()
