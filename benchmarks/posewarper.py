"""What PoseWarper's paper claims, measured on rendered people: its table 1 and figure 4.

    python -m benchmarks.posewarper --work WORK                # hours on two cores; go on after an interruption
    python -m benchmarks.posewarper --work WORK --only table1 --seeds 0
    python -m benchmarks.posewarper --work WORK --print        # the tables of what is done
    python -m benchmarks.posewarper --work WORK --print --keep benchmarks/results/posewarper   # cells and curves

See `rendered_bench` for what WORK holds and how it all begins. Every system takes the same count of gradient steps.
Figure 4a's estimators begin with nothing. Networks also look at mirror images, as in the papers' own evaluation.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.cells import Cells, difference, interval, mean_gain
from benchmarks.raft import cached
from benchmarks.rendered_bench import ALPHA, Bench, compared, hits_of, keep, shown, signed
from benchmarks.rendered_sets import TEST, VALIDATION, VIDEOS, RenderedSet, labelled
from pwarp.augment import AugmentOptions, join
from pwarp.propagation import Options, Reach, propagate
from pwarp.training.sources import Clip
from pwarp.video import open_video

PARTS = ("table1", "cycle", "light", "aggregation", "videos", "labels", "far", "whole")
FAR = 15
ENGINES = ("copy", "linear", "pchip", "farneback", "flow", "auto")
# Steps and learning rate of each kind of training.
SCRATCH: dict[str, Any] = {"steps": 400, "batch": 32, "rate": 2e-3}
WARPING: dict[str, Any] = {"steps": 800, "batch": 16, "rate": 1e-3, "model": {"channels": 32, "blocks": 5}}
COUNTS = (60, 20, 200, 600)  # videos, a point of the curve each
# Longer videos for the question how many labels a video are needed: key frames 3, 10, 17 and 24.
LONG = RenderedSet(11_300, 60, 28, VIDEOS.motions)
LABELS = (1, 4, 2)
# The engine's ways over longer gaps.
WAYS: dict[str, dict[str, Any]] = {
    "chain": {"far": "chain"},
    "direct": {"far": "direct"},
    "chain, mean of both sides": {"far": "chain", "fuse": "mean"},
}
AGGREGATED: dict[str, tuple[int, ...]] = {"five frames": (-2, -1, 0, 1, 2), "seven frames": (-3, -2, -1, 0, 1, 2, 3)}
SYSTEMS = ("GT 1x", "GT 1x + pGT 6x", "GT 7x")
# Figure 4a is measured on people of other motions than the videos', as all else, and on other people of the same ones.
SEEDS = 3
CURVES = {"videos": "videos", "labels": "labels a video"}
SAME = ", the same motions"


def sparse(clips: Sequence[Clip], keys: tuple[int, ...] = (3,)) -> list[Clip]:
    """Clips whose key frames alone are labelled."""
    return [labelled(clip, keys) for clip in clips]


def table1(bench: Bench, seeds: Sequence[int]) -> None:
    """Labels of every 7th frame, carried three frames to both sides."""
    for engine in ENGINES:
        bench.cells.make({"part": "table1", "system": engine}, lambda e=engine: {"hits": bench.propagated(e, {})})
    if (size := cached()) is None:
        print("RAFT is left out: its weights are not in torch's cache")
    else:
        bench.cells.make(
            {"part": "table1", "system": f"raft, {size}"}, lambda: {"hits": bench.propagated("raft", {"size": size})}
        )
    videos = sparse(VIDEOS.clips(bench.work))
    for seed in seeds:
        backbone = bench.tuned("gt1-600", videos, seed)
        _warped(bench, "posewarper", videos, seed, backbone)
        weights = bench.tuned("gt1-600-longer", videos, seed, more=WARPING["steps"])
        bench.cells.make(
            {"part": "table1", "system": "frame-wise", "seed": seed}, lambda w=weights: {"hits": bench.estimated(w)}
        )
        bench.cells.make(
            {"part": "table1", "system": "auto + frame-wise", "seed": seed},
            lambda w=weights: {"hits": bench.propagated("auto", {"estimator": str(w)})},
        )


def cycle(bench: Bench, seeds: Sequence[int]) -> None:
    """Table 1's last row: the warper that also has to bring a frame's own heatmaps there and back."""
    videos = sparse(VIDEOS.clips(bench.work))
    for seed in seeds:
        _warped(bench, "posewarper + cycle", videos, seed, bench.tuned("gt1-600", videos, seed), cycle=1.0)


def _warper(bench: Bench, name: str, clips: Sequence[Clip], seed: int, backbone: Path, cycle: float = 0.0) -> Path:
    """PoseWarper on an estimator, which stays as it is."""
    changes = {**WARPING, "cycle": cycle}
    return bench.train("posewarper", f"{name}-{seed}", clips, changes, seed=seed, backbone=str(backbone))


def _warped(bench: Bench, system: str, videos: Sequence[Clip], seed: int, backbone: Path, cycle: float = 0.0) -> None:
    weights = _warper(bench, system.replace(" ", ""), videos, seed, backbone, cycle)
    bench.cells.make(
        {"part": "table1", "system": system, "seed": seed},
        lambda: {"hits": bench.propagated("posewarper", {"weights": weights, "flip": True})},
    )


def far(bench: Bench, seeds: Sequence[int]) -> None:
    """Labels of every 15th frame: how far the warper carries them, and what the estimator is worth to `auto`."""
    for engine in ENGINES[1:]:
        bench.cells.make({"part": "far", "system": engine}, lambda e=engine: {"hits": bench.propagated(e, {}, FAR)})
    videos = sparse(VIDEOS.clips(bench.work))
    for seed in seeds:
        backbone = bench.tuned("gt1-600", videos, seed)
        longer = bench.tuned("gt1-600-longer", videos, seed, more=WARPING["steps"])
        weights = _warper(bench, "posewarper", videos, seed, backbone)
        systems = {
            f"posewarper: {way}": ("posewarper", {**used, "weights": weights, "flip": True})
            for way, used in WAYS.items()
        }
        systems["auto + frame-wise"] = ("auto", {"estimator": str(longer)})
        for system, (engine, settings) in systems.items():
            bench.cells.make(
                {"part": "far", "system": system, "seed": seed},
                lambda e=engine, s=settings: {"hits": bench.propagated(e, s, FAR)},
            )
        bench.cells.make(
            {"part": "far", "system": "frame-wise", "seed": seed},
            lambda w=longer: {"hits": bench.estimated(w, FAR)},
        )


def light(bench: Bench, seeds: Sequence[int]) -> None:
    """What a warping of 0.15 G multiply-adds costs in accuracy."""
    _sized(bench, seeds, 16, 10)


def whole(bench: Bench, seeds: Sequence[int]) -> None:
    """The warping in the paper's size, for the same steps: an hour a seed."""
    _sized(bench, seeds, 128, 20)


def _sized(bench: Bench, seeds: Sequence[int], channels: int, blocks: int) -> None:
    clips = sparse(VIDEOS.clips(bench.work))
    for seed in seeds:
        backbone = bench.tuned("gt1-600", clips, seed)
        changes = {**WARPING, "model": {"channels": channels, "blocks": blocks}}
        weights = bench.train(
            "posewarper", f"warp{channels}x{blocks}-{seed}", clips, changes, seed=seed, backbone=str(backbone)
        )
        bench.cells.make(
            {"part": "size", "system": f"{channels} x {blocks}", "seed": seed},
            lambda w=weights: {"hits": bench.propagated("posewarper", {"weights": w, "flip": True})},
        )


def videos(bench: Bench, seeds: Sequence[int]) -> None:
    """Figure 4a: how good an estimator becomes, by the number of sparsely labelled videos."""
    for count in COUNTS:
        clips = VIDEOS.clips(bench.work, count)
        for seed in seeds:
            _three(bench, "videos", count, clips, (3,), seed)


def labels(bench: Bench, seeds: Sequence[int]) -> None:
    """Figure 4a: the same by the number of labelled frames a video."""
    clips = LONG.clips(bench.work)
    for count in LABELS:
        for seed in seeds:
            _three(bench, "labels", count, clips, (3, 10, 17, 24)[:count], seed)


def _three(bench: Bench, part: str, count: int, clips: Sequence[Clip], keys: tuple[int, ...], seed: int) -> None:
    """The three systems of one point of a curve: estimators that know nothing but these labels.

    Were they trained on pictures before, as PoseWarper's own estimator is, there would be little left to learn.
    """
    few = sparse(clips, keys)
    name = f"{{}}-{count}" if part == "videos" else f"{{}}-labels{count}"
    whole = part == "videos" and count == VIDEOS.count
    backbone = bench.tuned(name.format("gt1"), few, seed)
    carrier = _warper(bench, "posewarper" if whole else name.format("posewarper"), few, seed, backbone)
    around = tuple(frame + step for frame in keys for step in range(-3, 4))
    data = {
        "GT 1x": lambda: few,
        "GT 1x + pGT 6x": lambda: [_augmented(clip, carrier) for clip in few],
        "GT 7x": lambda: sparse(clips, around),
    }
    known = replace(bench, test=VALIDATION.clips(bench.work))
    for number, (system, make) in enumerate(data.items()):
        run = f"{name.format(('alone', 'pseudo', 'all')[number])}-{seed}"
        cell = {"system": system, "count": count, "seed": seed}

        def weights(make: Any = make, run: str = run) -> Path:
            return bench.train("estimator", run, make, SCRATCH, seed=seed)

        bench.cells.make({"part": part, **cell}, lambda w=weights: {"hits": bench.estimated(w())})
        bench.cells.make({"part": part + SAME, **cell}, lambda w=weights: {"hits": known.estimated(w())})


def _augmented(clip: Clip, weights: Path) -> Clip:
    """A clip with its key frames' labels carried three frames to both sides."""
    options = Options(engine="posewarper", reach=Reach(beyond=3), settings={"weights": weights})
    with open_video(clip.video) as video:
        dense = propagate(video, clip.annotations, options)
    joined, _ = join(clip.annotations, dense, AugmentOptions(max_distance=3, weights="one"))
    return replace(clip, annotations=joined)


def aggregation(bench: Bench, seeds: Sequence[int]) -> None:
    """Figure 4b: the estimator of sparse labels alone, and heatmaps of several frames warped and averaged. Boxes are as
    a detector finds them, see `found_boxes`; without mirror images, which would double the time."""
    clips = sparse(VIDEOS.clips(bench.work))
    for seed in seeds:
        backbone = bench.tuned("gt1-600", clips, seed)
        weights = _warper(bench, "posewarper", clips, seed, backbone)
        systems = {"one frame": (backbone, None), **{name: (weights, offsets) for name, offsets in AGGREGATED.items()}}
        for name, (network, offsets) in systems.items():
            bench.cells.make(
                {"part": "aggregation", "system": name, "seed": seed},
                lambda n=network, o=offsets: {"hits": bench.refined(n, o)},
            )


def show(cells: Cells) -> None:
    """Markdown tables with 95 % intervals."""
    compared(cells, "table1", "system", ("farneback", "frame-wise"))
    compared(cells, "far", f"key frames {FAR} apart", ("farneback", "auto"))
    compared(cells, "size", "warping", ("16 x 10",))
    compared(cells, "aggregation", "frames", ("one frame",))
    gains = [f"{system} against {SYSTEMS[0]}" for system in SYSTEMS[1:]]
    for part, title in ((part + more, title + more) for more in ("", SAME) for part, title in CURVES.items()):
        rows = cells.find(part=part)
        counts = sorted({row["cell"]["count"] for row in rows})
        if rows:
            print(f"\n| {title}, PCK@{ALPHA[1]} | seeds | {' | '.join(SYSTEMS)} | {' | '.join(gains)} |")
            print("|---|---|---|---|---|---|---|")
        for count in counts:
            found = hits_of([row for row in rows if row["cell"]["count"] == count], "system")
            each = [shown(interval(found[s][1])) if s in found else "" for s in SYSTEMS]
            least = found[SYSTEMS[0]][1]
            more = [signed(difference(found[s][1], least)) if s in found else "" for s in SYSTEMS[1:]]
            seeds = min(len(hits[1]) for hits in found.values())
            print(f"| {count} | {seeds} | {' | '.join([*each, *more])} |")
    for more in ("", SAME):
        _over_all_points(cells, more)


def _over_all_points(cells: Cells, more: str) -> None:
    """What labels gain on average over the points of figure 4a that have all their seeds; one alone shows little."""
    found: dict[tuple[str, int], dict[str, np.ndarray]] = {}
    for part in CURVES:
        rows = cells.find(part=part + more)
        for count in sorted({row["cell"]["count"] for row in rows}):
            some = sorted((r for r in rows if r["cell"]["count"] == count), key=lambda row: int(row["cell"]["seed"]))
            hits = {system: np.array(each[1]) for system, each in hits_of(some, "system").items()}
            if hits.keys() == set(SYSTEMS) and {len(each) for each in hits.values()} == {SEEDS}:
                found[part, count] = hits
    if found:
        least, *others = (np.stack([hits[system] for hits in found.values()]) for system in SYSTEMS)
        gains = [f"{system} {signed(mean_gain(o, least))}" for system, o in zip(SYSTEMS[1:], others, strict=True)]
        points = ", ".join(f"{count} {CURVES[part]}" for part, count in found)
        print(f"\nMean gain over {points}{more}: {', '.join(gains)}")


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--only", choices=PARTS, action="append")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--print", action="store_true", dest="show")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="put cells.jsonl and curves.csv there")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    cells = Cells(arguments.work / "cells.jsonl")
    if not arguments.show:
        bench = Bench(arguments.work, cells, TEST.clips(arguments.work))
        parts = {part.__name__: part for part in (table1, cycle, light, aggregation, videos, labels, far, whole)}
        for part in arguments.only or PARTS:
            for seed in arguments.seeds:  # all of a part for one seed, then for the next
                parts[part](bench, [seed])
    show(cells)
    if arguments.keep is not None:
        keep(arguments.work / "cells.jsonl", arguments.keep)


if __name__ == "__main__":
    main()
