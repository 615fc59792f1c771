"""DCPose, GLPose, PPN and DKD beside PoseWarper's aggregation and their frame-wise baselines, on rendered people.

    python -m benchmarks.temporal --work WORK                  # many hours on two cores; goes on after an interruption
    python -m benchmarks.temporal --work WORK --only longer --seeds 0
    python -m benchmarks.temporal --work WORK --rates          # on a quiet machine, when all is trained
    python -m benchmarks.temporal --work WORK --curve DKD "DKD, LSTM for PKD" --seeds 1 2
    python -m benchmarks.temporal --work WORK --print --keep benchmarks/results/temporal
    python -m benchmarks.temporal --work benchmarks/results/temporal --print

See `rendered_bench` for what WORK holds and how it all begins; with the WORK of `benchmarks.posewarper` the first
estimator is there already. Videos are labelled in all of their 7 frames and show other people than the test clips in
the same motions, among others. Every network, the frame-wise baselines included, begins with estimators that learned
from the same pictures, and takes the same count of gradient steps after them; a step of a model of several frames holds
fewer poses. PoseWarper, DCPose and GLPose keep their backbone as it is; PPN, DKD and the frame-wise networks train all
that they have, so the frame-wise networks stand there untuned, too. Models of several frames look through windows that
keep their size and lie on whole heatmap cells, a frame-wise network through each frame's own, fitted to that frame's
box; the rows "steady windows" show what that alone is worth. Test clips move fast and blur, with things in front
of people.

`--print` gives PCK with 95 % intervals over videos and seeds, PoseTrack AP (joints within 0.1 diagonals of the pose;
with several seeds the lowest and highest), parameters, GFLOPs for one more frame, and frames of two people a second,
decoding included, as `--rates` measured them one system after the other; then what the papers claim, as far as it is
measured.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.cells import Cells, difference, interval, mean_gain
from benchmarks.claims import CLAIMS, verdict
from benchmarks.rendered_bench import (
    ALPHA,
    LENGTH,
    PRETRAINING,
    PRETRAINING_ALL,
    Bench,
    found_boxes,
    hits_of,
    keep,
    shown,
    signed,
)
from benchmarks.rendered_sets import ALL_VALIDATION, ALL_VIDEOS, PICTURES, TEST, VALIDATION, labelled
from pwarp import checkpoints, formats
from pwarp.annotations import Annotations
from pwarp.estimation import Estimator, estimate
from pwarp.evaluation import pck
from pwarp.evaluation.measure import measure
from pwarp.evaluation.metric import Settings
from pwarp.evaluation.posetrack import PoseTrackAp
from pwarp.evaluation.videos import Labels
from pwarp.following import open_any
from pwarp.models.counting import parameters
from pwarp.refinement import estimate_over_time
from pwarp.refinement.scale import trail
from pwarp.training.sources import Clip
from pwarp.video import Video, open_video
from pwarp.weights.survey import frame_gflops

STEPS = 500
TESTED = 24  # frames of each test clip, from the first on
CURVE = (0.02, 0.04, 0.06, 0.08, 0.1, 0.12, 0.14, 0.16, 0.18, 0.2)  # thresholds of figure 4a of DKD
TIMED = 6  # clips that speed is measured on
RUN = "temporal-"  # how the names of its runs begin
# What is fresh on a backbone that stays as it is.
TRAINING: dict[str, Any] = {"steps": STEPS, "batch": 16, "rate": 5e-4}
# Networks that are trained as a whole and have learned before: at 5e-4 PPN's BodyNet forgot within 100 steps what it
# knew (from 64 to 57 % of the validation clips' keypoints, PCK@0.1); frame-wise networks come to the same at both.
WHOLE: dict[str, Any] = {**TRAINING, "batch": 32, "rate": 1e-4}
# A step of these holds clips of five crops. What is fresh in them learns at the one rate, the rest at the other.
CLIPS: dict[str, Any] = {**TRAINING, "known_factor": 0.2, "batch": 6, "frames": 5}
# The backbones that systems are built on: each is trained on the same pictures for the same steps.
BACKBONES: dict[str, dict[str, Any]] = {
    "r18": {"backbone": "duc-r18", "backbone_options": {"widths": (128, 64, 32)}},
    "mobile": {"backbone": "duc-mobilenet", "backbone_options": {"widths": (128, 64, 32)}},
    "r34": {"backbone": "simple-r34", "backbone_options": {"deconvs": 3}},
}


@dataclass(frozen=True)
class System:
    """kind: of training, or "begun" for an estimator as all begin. changes: of its recipe. backbone, head: names in
    `BACKBONES`. against: the systems that it is compared with. trained_as: the system whose weights it has. every:
    frames after which a recurrent model starts anew when it is measured. scales: at which it is. steady: whether a
    frame-wise network sees people through the windows of models of several frames, instead of each frame's own."""

    kind: str
    changes: Mapping[str, Any] = field(default_factory=lambda: TRAINING)
    backbone: str = "r18"
    head: str | None = None
    against: tuple[str, ...] = ("frame-wise", "frame-wise, steady windows")
    trained_as: str | None = None
    every: int | None = None
    scales: tuple[float, ...] = (1.0,)
    steady: bool = False


def _dcpose(*against: str, **model: Any) -> System:
    model = {"channels": 32, "dilations": (3, 6, 9, 12, 15), **model}  # the recipe `small` has three
    # With all five it broke with one seed of three (RESULTS.md), with three it did not.
    return System("dcpose", {**TRAINING, "model": model}, against=against or ("DCPose", "DCPose, dilations 3, 6, 9"))


def _glpose(*against: str, **model: Any) -> System:
    model = {"reach": 2, "proposals": 3, "sampled": 6, **model}
    return System("glpose", {**TRAINING, "model": model}, against=against or ("GLPose",))


def _ppn(*against: str, backbone: str = "r18", **model: Any) -> System:
    return System("ppn", {**CLIPS, "model": model}, backbone, "r18", against)


def _dkd(*against: str, **model: Any) -> System:
    # The paper's kernels of 7 cells on maps of 32 would be half as wide as the maps of 16 here.
    model = {"channels": 64, "kernel": 3, **model}
    return System("dkd", {**CLIPS, "model": model}, "mobile", "r18", against or ("DKD",))


SYSTEMS: dict[str, System] = {
    "frame-wise": System("estimator", WHOLE, against=()),
    "frame-wise, MobileNetV2": System("estimator", WHOLE, "mobile", against=("frame-wise",)),
    "frame-wise, R34": System("estimator", WHOLE, "r34", against=("frame-wise",)),
    "frame-wise, untuned": System("begun", against=("frame-wise",)),
    "frame-wise, MobileNetV2, untuned": System("begun", backbone="mobile", against=("frame-wise, MobileNetV2",)),
    "frame-wise, R34, untuned": System("begun", backbone="r34", against=("frame-wise, R34",)),
    "PoseWarper": System("posewarper", {**TRAINING, "model": {"channels": 32, "blocks": 5}}),
    "DCPose": _dcpose("frame-wise", "frame-wise, steady windows"),
    "GLPose": _glpose("frame-wise", "frame-wise, steady windows"),
    "PPN-Stable": _ppn("frame-wise, R34", "frame-wise, R34, steady windows"),
    "PPN-Swift": _ppn("frame-wise, MobileNetV2", "frame-wise, MobileNetV2, steady windows", "DKD", backbone="mobile"),
    "DKD": _dkd("frame-wise, MobileNetV2", "frame-wise, MobileNetV2, steady windows"),
}
SYSTEMS |= {
    f"{name}, steady windows": replace(system, against=(name,), trained_as=name, steady=True)
    for name, system in SYSTEMS.items()
    if system.kind == "estimator"
}
ABLATIONS: dict[str, System] = {
    "DCPose, sum for PTM": _dcpose(merger="sum"),
    "DCPose, without PTM": _dcpose(merger="current"),
    "DCPose, without PRF": _dcpose(fusion=False),
    "DCPose, dilation 3": _dcpose(dilations=(3,)),
    "DCPose, dilations 3, 6, 9": _dcpose("DCPose", "frame-wise", "frame-wise, steady windows", dilations=(3, 6, 9)),
    "DCPose, previous frame": _dcpose(neighbours="previous"),
    "DCPose, next frame": _dcpose(neighbours="next"),
    "DCPose, T = 2": _dcpose(interval=2),
    "DCPose, T = 3": _dcpose(interval=3),
    "DCPose, T = 4": _dcpose(interval=4),
    "GLPose, local": _glpose("GLPose", "GLPose, key frame", proposals=0),
    "GLPose, key frame": _glpose(reach=0, proposals=0),
    "GLPose, without enhancement": _glpose(enhancement=False),
    "PPN-Stable, without skip": _ppn("PPN-Stable", skip=False),
    "PPN-Stable, from the first frame": _ppn("PPN-Stable", path="first"),
    "DKD, without TAT": _dkd(
        "DKD", "frame-wise, MobileNetV2", "frame-wise, MobileNetV2, steady windows", adversary="none"
    ),
    "DKD, spatial adversary": _dkd(adversary="spatial"),
    "DKD, LSTM for PKD": _dkd(transfer="lstm"),
    "DKD, without PKD": _dkd(transfer="none"),
    "DKD, without both": _dkd("DKD, without TAT", transfer="none", adversary="none"),
}
# Table 3 of PPN: the same network, started anew after so many frames.
LENGTHS: dict[str, System] = {
    f"PPN-Stable, T = {every}": replace(
        SYSTEMS["PPN-Stable"], against=("PPN-Stable",), trained_as="PPN-Stable", every=every
    )
    for every in (1, 2, 5, 10, 15)
}
# Whether more steps mend what 500 leave behind.
LONGER = {
    f"{name}, {4 * STEPS} steps": replace(
        (system := {**SYSTEMS, **ABLATIONS}[name]),
        changes={**system.changes, "steps": 4 * STEPS},
        against=(name, *(f"{rival}, {4 * STEPS} steps" for rival in rivals)),
    )
    for name, rivals in {
        "frame-wise": (),
        "frame-wise, MobileNetV2": (),
        "GLPose": ("frame-wise",),
        "GLPose, without enhancement": ("frame-wise", "GLPose"),
        "PPN-Swift": ("frame-wise, MobileNetV2",),
        "DKD, without TAT": ("frame-wise, MobileNetV2",),  # its adversary makes a step five times as long
        "DKD, without both": ("frame-wise, MobileNetV2",),
    }.items()
}
# The test of PPN (IV.B) and DKD (4.1).
SEVEN = (0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4)
SCALES: dict[str, System] = {
    f"{name}, {len(SEVEN)} scales": replace(SYSTEMS[name], against=(name,), trained_as=name, scales=SEVEN)
    for name in ("frame-wise", "PPN-Stable", "DKD")
}
PARTS = {"systems": SYSTEMS, "ablations": ABLATIONS, "longer": LONGER, "lengths": LENGTHS, "scales": SCALES}


def estimators(bench: Bench) -> dict[str, Path]:
    """The estimators that all begin with. That on ResNet-18 is `rendered_bench`'s; the others learn from the same
    pictures for as many steps, the later ones at the lower rate, too."""
    pictures = [clip for each in PICTURES for clip in each.clips(bench.work)]
    bench = replace(bench, validation=VALIDATION)
    # That of `benchmarks.posewarper`, and noted with its cells.
    found = {"r18": replace(bench, cells=Cells(bench.work / "cells.jsonl")).pretrained()}
    for name in ("mobile", "r34"):
        own = BACKBONES[name]
        begun = bench.train("estimator", f"{RUN}pictures-{name}", pictures, {**PRETRAINING, **own})
        changes = {**PRETRAINING_ALL, **own}
        found[name] = bench.train("estimator", f"{RUN}pictures-all-{name}", pictures, changes, init=str(begun))
    return found


def trained(bench: Bench, name: str, system: System, seed: int, begun: Mapping[str, Path]) -> Path:
    """The checkpoint of a system."""
    if system.kind == "begun":
        return begun[system.backbone]
    run = f"{RUN}{slug(system.trained_as or name)}-{seed}"
    clips = ALL_VIDEOS.clips(bench.work)
    if system.kind == "estimator":
        changes = {**BACKBONES[system.backbone], **system.changes}
        return bench.train("estimator", run, clips, changes, seed=seed, init=str(begun[system.backbone]))
    head = None if system.head is None else str(begun[system.head])
    return bench.train(
        system.kind, run, clips, system.changes, seed=seed, backbone=str(begun[system.backbone]), head=head
    )


def measured(bench: Bench, name: str, system: System, seed: int, weights: Path) -> dict[str, Any]:
    """All that the tables say of a system but its speed: hits, PoseTrack AP, and what it costs."""
    hits = poses(bench, name, system, seed, weights)
    module, card = checkpoints.load(weights)
    return {
        "hits": hits,
        "ap": _precision(bench, _poses_of(bench, name, seed)),
        "parameters": parameters(module),
        "gflops": frame_gflops(card.model, card.size),
    }


def curves(bench: Bench, systems: Sequence[str], seeds: Sequence[int]) -> None:
    """A table of PCK by threshold (figure 4a of DKD), over the seeds whose poses are kept."""
    print(f"\n| PCK at | {' | '.join(f'{alpha:g}' for alpha in CURVE)} |\n|---|{'---|' * len(CURVE)}")
    for name in systems:
        total = np.zeros((len(CURVE), 2))
        for seed in seeds:
            folder = _poses_of(bench, name, seed)
            for clip in bench.test if folder.is_dir() else ():
                found = formats.read(folder / f"{clip.name}.json")
                result = pck(clip.annotations, found, length=LENGTH, alpha=CURVE)
                total += np.stack([result.hits.sum(axis=1), np.full(len(CURVE), result.counts.sum())], axis=1)
        print(f"| {name} | {' | '.join(f'{100 * hits / max(count, 1):.1f}' for hits, count in total)} |")


def _poses_of(bench: Bench, name: str, seed: int) -> Path:
    return bench.work / "poses" / f"{slug(name)}-{seed}"


def poses(bench: Bench, name: str, system: System, seed: int, weights: Path) -> list[list[list[int]]]:
    """What a system finds in boxes like a detector's: kept as label files, and [alpha][clip] hits and counts."""
    network = open_any(weights)
    folder = _poses_of(bench, name, seed)
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for clip in bench.test:
        with open_video(clip.video) as video:
            seen = _seen(network, system, video, clip)
            formats.write(seen, folder / f"{clip.name}.json", video=video, force=True)
        result = pck(clip.annotations, seen, length=LENGTH, alpha=ALPHA)
        count = int(result.counts.sum())
        found.append([[int(hits), count] for hits in result.hits.sum(axis=1)])
    hits: list[list[list[int]]] = np.moveaxis(np.array(found), 0, 1).tolist()
    return hits


def _seen(network: Any, system: System, video: Video, clip: Clip) -> Annotations:
    boxes = found_boxes(clip.annotations)
    if isinstance(network, Estimator):
        boxes = _steady(boxes, video, network) if system.steady else boxes
        return estimate(video, boxes, network, scales=system.scales)
    return estimate_over_time(video, boxes, network, every=system.every, scales=system.scales)


def _steady(boxes: Annotations, video: Video, network: Estimator) -> Annotations:
    """The boxes around which an estimator cuts out the windows that a walk through the video looks through."""
    tracks = []
    for track in boxes.tracks:
        way, steady = trail(track, video.width, video.height, network.codec, network.padding), track.boxes.copy()
        for place, row in enumerate(way.rows.tolist()):
            window = way.course(place).window(place)
            middle, half = np.array(window.centre), np.array(window.size) / (2 * network.padding)
            steady[row] = [*(middle - half), *(middle + half)]
        tracks.append(replace(track, boxes=steady))
    return replace(boxes, tracks=tuple(tracks))


def rates(bench: Bench, parts: Sequence[str]) -> None:
    """Frames a second of every system that is trained: the better of two passes over a few clips."""
    begun = estimators(bench)
    for part in parts:
        for name, system in PARTS[part].items():
            if cells := bench.cells.find(part=part, system=name):
                weights = trained(bench, name, system, cells[0]["cell"]["seed"], begun)
                bench.cells.make({"part": "rate", "system": name}, lambda s=system, w=weights: _rate(bench, s, w))


def _rate(bench: Bench, system: System, weights: Path) -> dict[str, Any]:
    network = open_any(weights)
    seconds = []
    for _ in range(2):
        began = time.perf_counter()
        for clip in bench.test[:TIMED]:
            with open_video(clip.video) as video:
                _seen(network, system, video, clip)
        seconds.append(time.perf_counter() - began)
    return {"frames_per_second": round(TIMED * TESTED / min(seconds), 2)}


def run(bench: Bench, part: str, seeds: Sequence[int], only: str | None) -> None:
    """All systems of a part for one seed, then for the next."""
    for seed in seeds:
        begun = estimators(bench)
        for name, system in PARTS[part].items():
            if only is None or only in name:
                weights = trained(bench, name, system, seed, begun)
                bench.cells.make(
                    {"part": part, "system": name, "seed": seed},
                    lambda n=name, s=system, w=weights, i=seed: measured(bench, n, s, i, w),
                )


def show(bench: Bench) -> None:
    """A Markdown table a part."""
    rows = bench.cells.find()
    everything = hits_of([row for row in rows if "hits" in row], "system")
    for part, systems in PARTS.items():
        there = {name: system for name, system in systems.items() if name in everything}
        if not there:
            continue
        print(
            f"\n| {part} | seeds | PCK@{ALPHA[0]} | PCK@{ALPHA[1]} | AP | M parameters | GFLOPs | frames/s | against |"
        )
        print("|---|---|---|---|---|---|---|---|---|")
        for name, system in there.items():
            hits = everything[name]
            rivals = [rival for rival in system.against if rival in everything]
            gain = "; ".join(f"{signed(_gain(rows, name, rival))} {rival}" for rival in rivals)
            cells = bench.cells.find(part=part, system=name)
            cost = f"{cells[0]['parameters'] / 1e6:.1f} | {cells[0]['gflops']:.2f}"
            rate = bench.cells.find(part="rate", system=name)
            cost += f" | {rate[0]['frames_per_second']:.1f}" if rate else " | "
            aps = [cell["ap"] for cell in cells]
            ap = f"{np.mean(aps):.1f}" + (f" ({min(aps):.1f} to {max(aps):.1f})" if len(aps) > 1 else "")
            print(
                f"| {name} | {len(hits[0])} | {shown(interval(hits[0]))} | {shown(interval(hits[1]))} | {ap} | {cost} "
                f"| {gain} |"
            )


def claims(bench: Bench) -> None:
    """A Markdown table of what the papers claim beside what was found, by the systems that are measured."""
    rows = bench.cells.find()
    seeds = _seeds(rows)
    print("\n| paper | better than, or by | in the paper | PCK@0.2 | AP | seeds | |\n|---|---|---|---|---|---|---|")
    for claim in CLAIMS:
        if both := seeds.get(claim.better, set()) & seeds.get(claim.worse, set()):
            gain, ap = _gain(rows, claim.better, claim.worse), _gain_in_ap(rows, claim.better, claim.worse, both)
            said = f"| {claim.paper} | {claim.text} | {claim.gain} | {signed(gain)} | {ap:+.1f} | {len(both)} "
            # One seed says nothing of how others would come out.
            print(f"{said}| {verdict(claim, *gain[1:]) if len(both) > 1 else ''} |")


def _seeds(rows: Sequence[Mapping[str, Any]]) -> dict[str, set[int]]:
    """With which each system was measured."""
    found: dict[str, set[int]] = {}
    for row in rows:
        if "hits" in row:
            found.setdefault(row["cell"]["system"], set()).add(row["cell"]["seed"])
    return found


def _gain(rows: Sequence[Mapping[str, Any]], name: str, rival: str) -> tuple[float, float, float]:
    """Of a system over a rival, in PCK at the larger threshold, over the seeds that both have.

    Seeds are drawn in pairs: with one seed both begin with the same estimators, and rows of `trained_as` are the same
    network.
    """
    made = [row for row in rows if "hits" in row and row["cell"]["system"] in (name, rival)]
    made = sorted(made, key=lambda row: row["cell"]["seed"])
    seeds = _seeds(made)
    if not (both := seeds[name] & seeds[rival]):
        hits = hits_of(made, "system")
        return difference(hits[name][1], hits[rival][1])
    hits = hits_of([row for row in made if row["cell"]["seed"] in both], "system")
    return mean_gain(hits[name][1][None], hits[rival][1][None])


def _gain_in_ap(rows: Sequence[Mapping[str, Any]], name: str, rival: str, seeds: Collection[int]) -> float:
    """Of a system over a rival, the mean over some seeds."""

    def mean(system: str) -> float:
        cells = ((row["cell"], row["ap"]) for row in rows if "hits" in row)
        return float(np.mean([ap for cell, ap in cells if cell["system"] == system and cell["seed"] in seeds]))

    return mean(name) - mean(rival)


def _precision(bench: Bench, folder: Path) -> float:
    """PoseTrack AP of the poses in a folder."""
    pairs = [
        (Labels(clip.name, clip.name, load=lambda c=clip: c.annotations), Labels(clip.name, clip.name, load=read))
        for clip, read in ((c, partial(formats.read, folder / f"{c.name}.json")) for c in bench.test)
    ]
    (result,) = measure(pairs, [PoseTrackAp(Settings(length="diag:0.2"))])
    return float(next(figure.value for figure in result.figures if figure.name == "Total" and figure.block == "AP"))


def slug(name: str) -> str:
    """A system as the name of a file."""
    return "".join(c if c.isalnum() else "-" for c in name.lower())


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--only", choices=list(PARTS), action="append")
    parser.add_argument("--system", metavar="TEXT", help="only systems with this in their name")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rates", action="store_true", help="measure the speed of what is trained, on a quiet machine")
    parser.add_argument(
        "--curve", nargs="+", metavar="SYSTEM", help="PCK by threshold of what was measured, and no more"
    )
    parser.add_argument("--print", action="store_true", dest="show")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="put cells.jsonl and curves.csv there")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    cells = arguments.work / "temporal.jsonl"
    if arguments.show and not cells.exists():
        cells = arguments.work / "cells.jsonl"  # as --keep calls it
    clips = [] if arguments.show else TEST.clips(arguments.work)
    test = [labelled(clip, tuple(range(TESTED))) for clip in clips]
    bench = Bench(arguments.work, Cells(cells), test, ALL_VALIDATION)
    if arguments.curve:
        curves(bench, arguments.curve, arguments.seeds)
        return
    if arguments.rates and not arguments.show:
        rates(bench, arguments.only or list(PARTS))
    elif not arguments.show:
        for part in arguments.only or PARTS:
            run(bench, part, arguments.seeds, arguments.system)
    show(bench)
    claims(bench)
    if arguments.keep is not None:
        keep(cells, arguments.keep)


if __name__ == "__main__":
    main()
