"""What PoseWarper's paper claims, measured on rendered people: its table 1 and figure 4.

    python -m benchmarks.posewarper --work WORK                # hours on two cores; go on after an interruption
    python -m benchmarks.posewarper --work WORK --only table1 --seeds 0
    python -m benchmarks.posewarper --work WORK --print        # the tables of what is done
    python -m benchmarks.posewarper --work WORK --print --keep benchmarks/results/posewarper   # cells and curves

Everything is made in WORK: clips, runs (with their curves) and `cells.jsonl`, a line for each cell that is done. All
systems begin with one estimator that was trained on fully labelled pictures, as the paper's begin with one trained on
COCO; seeds vary all that comes after. Every system takes the same count of gradient steps. Figure 4a's estimators begin
with nothing.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.cells import Cells, difference, interval
from benchmarks.clips import key_frames
from benchmarks.raft import cached
from benchmarks.rendered_sets import PICTURES, TEST, VALIDATION, VIDEOS, RenderedSet, labelled
from pwarp.annotations import Annotations, Track
from pwarp.augment import AugmentOptions, join
from pwarp.estimation import estimate, open_estimator
from pwarp.evaluation import pck
from pwarp.following import open_sight
from pwarp.propagation import Options, Reach, propagate
from pwarp.refinement import refine
from pwarp.training.augment import Augmentation
from pwarp.training.loop import Pace
from pwarp.training.poses import gather
from pwarp.training.run import Data, Request, train
from pwarp.training.sources import Clip, Places
from pwarp.video import open_video

PARTS = ("table1", "cycle", "far", "videos", "labels", "aggregation", "size")
ALPHA = (0.1, 0.2)
LENGTH = "torso:5-12"
EVERY = 7  # key frames, so that labels go three frames to both sides
FAR = 15
ENGINES = ("copy", "linear", "pchip", "farneback", "flow", "auto")
NETWORK = {
    "backbone": "duc-r18", "backbone_options": {"widths": (128, 64, 32)}, "size": (64, 96), "codec": "dark",
    "sigma": 1.5, "augmentation": Augmentation(scale=0.25, rotation=25.0, half_body=0.0), "schedule": "cosine",
}  # fmt: skip
# Steps and learning rate of each kind of training.
PRETRAINING = {"steps": 3000, "batch": 32, "rate": 2e-3}
TUNING: dict[str, Any] = {"steps": 300, "batch": 32, "rate": 5e-4}
SCRATCH: dict[str, Any] = {"steps": 400, "batch": 32, "rate": 2e-3}
WARPING: dict[str, Any] = {"steps": 800, "batch": 16, "rate": 1e-3, "model": {"channels": 32, "blocks": 5}}
COUNTS = (600, 60, 200)  # videos, a point of the curve each
# Longer videos for the question how many labels a video are needed: key frames 3, 10, 17 and 24.
LONG = RenderedSet(11_300, 60, 28, VIDEOS.motions)
LABELS = (1, 4, 2)
# The engine's ways over longer gaps.
WAYS = {
    "chain, picture, product": {},
    "direct, picture, product": {"far": "direct"},
    "direct, person, product": {"far": "direct", "align": "person"},
    "chain, person, product": {"align": "person"},
    "direct, person, mean": {"far": "direct", "align": "person", "fuse": "mean"},
}
AGGREGATED = {"five frames": (-2, -1, 0, 1, 2), "seven frames": (-3, -2, -1, 0, 1, 2, 3)}
SYSTEMS = ("GT 1x", "GT 1x + pGT 6x", "GT 7x")


@dataclass(frozen=True)
class Bench:
    """Where results go, and the clips that everything is measured on."""

    work: Path
    cells: Cells
    test: Sequence[Clip]

    def train(self, kind: str, name: str, clips: Sequence[Clip], changes: Mapping[str, Any], **more: Any) -> Path:
        """A trained network's checkpoint; its curve stands in the run's folder."""
        folder = self.work / "runs" / name

        def work() -> Mapping[str, Any]:
            validation = VALIDATION.clips(self.work)
            request = Request(
                kind=kind, data=Places(()), output=folder, changes={**NETWORK, **changes},
                pace=Pace(log=20, validate=100, save=100), most=280, resume=folder.is_dir(), **more,
            )  # fmt: skip
            report = train(request, data=Data(clips, gather(clips), validation, gather(validation), 0))
            return {"poses": report.poses, "steps": report.outcome.steps, "best": report.outcome.best}

        self.cells.make({"part": "train", "run": name}, work)
        return folder / "last.safetensors"

    def pretrained(self) -> Path:
        """The estimator that all begin with."""
        return self.train("estimator", "pictures", PICTURES.clips(self.work), PRETRAINING)

    def tuned(self, name: str, clips: Sequence[Clip], seed: int, more: int = 0) -> Path:
        """It, trained on. more: steps than usual."""
        changes = {**TUNING, "steps": TUNING["steps"] + more}
        return self.train("estimator", f"{name}-{seed}", clips, changes, seed=seed, init=str(self.pretrained()))

    def warper(self, name: str, clips: Sequence[Clip], seed: int, backbone: Path, cycle: float = 0.0) -> Path:
        """PoseWarper on an estimator, which stays as it is."""
        changes = {**WARPING, "cycle": cycle}
        return self.train("posewarper", f"{name}-{seed}", clips, changes, seed=seed, backbone=str(backbone))

    def propagated(self, engine: str, settings: Mapping[str, Any], every: int = EVERY) -> list[list[list[int]]]:
        """[alpha][clip] hits and counts of the frames between the test clips' key frames."""
        return self._measured(lambda clip, keys: _propagated(clip, keys, engine, settings), every)

    def estimated(self, weights: Path, every: int = EVERY) -> list[list[list[int]]]:
        """The same for an estimator that looks into the true box of each frame."""
        return self._measured(lambda clip, _: _estimated(clip, weights), every)

    def refined(self, weights: Path, offsets: Sequence[int]) -> list[list[list[int]]]:
        """The same for PoseWarper's aggregation over frames around each."""
        sight = open_sight(weights)

        def look(clip: Clip) -> Annotations:
            with open_video(clip.video) as video:
                return refine(video, _boxes(clip.annotations), sight, offsets=tuple(offsets)).annotations

        return self._measured(lambda clip, _: look(clip))

    def _measured(self, fill: Any, every: int = EVERY) -> list[list[list[int]]]:
        found = []
        for clip in self.test:
            keys = key_frames(clip.annotations, every)
            result = pck(_between(clip.annotations, keys), fill(clip, keys), length=LENGTH, alpha=ALPHA)
            count = int(result.counts.sum())
            found.append([[int(hits), count] for hits in result.hits.sum(axis=1)])
        return np.moveaxis(np.array(found), 0, 1).tolist()


def _propagated(clip: Clip, keys: Annotations, engine: str, settings: Mapping[str, Any]) -> Annotations:
    with open_video(clip.video) as video:
        return propagate(video, keys, Options(engine=engine, settings=settings))


def _estimated(clip: Clip, weights: Path) -> Annotations:
    with open_video(clip.video) as video:
        return estimate(video, _boxes(clip.annotations), open_estimator(weights))


def _between(truth: Annotations, keys: Annotations) -> Annotations:
    """The truth of the frames that are no key frames of their track."""
    tracks = (t.rows(~np.isin(t.frames, k.frames)) for t, k in zip(truth.tracks, keys.tracks, strict=True))
    return replace(truth, tracks=tuple(t for t in tracks if len(t)), labelled=None)


def _boxes(truth: Annotations) -> Annotations:
    """The boxes alone."""
    tracks = [Track.make(t.id, t.frames, np.full_like(t.xy, np.nan), boxes=t.boxes) for t in truth.tracks]
    return replace(truth, tracks=tuple(tracks), labelled=None)


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
        weights = bench.tuned("gt1-600-longer", videos, seed, more=WARPING["steps"])
        bench.cells.make(
            {"part": "table1", "system": "frame-wise", "seed": seed}, lambda w=weights: {"hits": bench.estimated(w)}
        )
        bench.cells.make(
            {"part": "table1", "system": "auto + frame-wise", "seed": seed},
            lambda w=weights: {"hits": bench.propagated("auto", {"estimator": str(w)})},
        )
        _warped(bench, "posewarper", videos, seed, backbone)


def cycle(bench: Bench, seeds: Sequence[int]) -> None:
    """Table 1's last row: the warper that also has to bring a frame's own heatmaps there and back."""
    videos = sparse(VIDEOS.clips(bench.work))
    for seed in seeds:
        _warped(bench, "posewarper + cycle", videos, seed, bench.tuned("gt1-600", videos, seed), cycle=1.0)


def _warped(bench: Bench, system: str, videos: Sequence[Clip], seed: int, backbone: Path, cycle: float = 0.0) -> None:
    weights = bench.warper(system.replace(" ", ""), videos, seed, backbone, cycle)
    bench.cells.make(
        {"part": "table1", "system": system, "seed": seed},
        lambda: {"hits": bench.propagated("posewarper", {"weights": weights})},
    )


def far(bench: Bench, seeds: Sequence[int]) -> None:
    """Labels of every 15th frame: how far the warper carries them, and what the estimator is worth to `auto`."""
    for engine in ENGINES[1:]:
        bench.cells.make({"part": "far", "system": engine}, lambda e=engine: {"hits": bench.propagated(e, {}, FAR)})
    videos = sparse(VIDEOS.clips(bench.work))
    for seed in seeds:
        backbone = bench.tuned("gt1-600", videos, seed)
        longer = bench.tuned("gt1-600-longer", videos, seed, more=WARPING["steps"])
        weights = bench.warper("posewarper", videos, seed, backbone)
        systems = {f"posewarper: {way}": ("posewarper", {**used, "weights": weights}) for way, used in WAYS.items()}
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


def size(bench: Bench, seeds: Sequence[int]) -> None:
    """What a light warping costs in accuracy: the paper's size beside it, for the same steps."""
    clips = sparse(VIDEOS.clips(bench.work))
    for seed in seeds:
        backbone = bench.tuned("gt1-600", clips, seed)
        for channels, blocks in ((16, 10), (128, 20)):
            weights = bench.train(
                "posewarper", f"warp{channels}x{blocks}-{seed}", clips,
                {**WARPING, "model": {"channels": channels, "blocks": blocks}}, seed=seed, backbone=str(backbone),
            )  # fmt: skip
            bench.cells.make(
                {"part": "size", "system": f"{channels} x {blocks}", "seed": seed},
                lambda w=weights: {"hits": bench.propagated("posewarper", {"weights": w})},
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
    carrier = bench.warper("posewarper" if whole else name.format("posewarper"), few, seed, backbone)
    around = tuple(frame + step for frame in keys for step in range(-3, 4))
    data = {
        "GT 1x": lambda: few,
        "GT 1x + pGT 6x": lambda: [_augmented(clip, carrier) for clip in few],
        "GT 7x": lambda: sparse(clips, around),
    }
    for number, (system, make) in enumerate(data.items()):
        run = name.format(("alone", "pseudo", "all")[number])

        def work(make: Any = make, run: str = run) -> Mapping[str, Any]:
            return {"hits": bench.estimated(bench.train("estimator", f"{run}-{seed}", make(), SCRATCH, seed=seed))}

        bench.cells.make({"part": part, "system": system, "count": count, "seed": seed}, work)


def _augmented(clip: Clip, weights: Path) -> Clip:
    """A clip with its key frames' labels carried three frames to both sides."""
    options = Options(engine="posewarper", reach=Reach(beyond=3), settings={"weights": weights})
    with open_video(clip.video) as video:
        dense = propagate(video, clip.annotations, options)
    joined, _ = join(clip.annotations, dense, AugmentOptions(max_distance=3, weights="none"))
    return replace(clip, annotations=joined)


def aggregation(bench: Bench, seeds: Sequence[int]) -> None:
    """Figure 4b: the estimator of sparse labels alone, and heatmaps of several frames warped and averaged."""
    clips = sparse(VIDEOS.clips(bench.work))
    for seed in seeds:
        backbone = bench.tuned("gt1-600", clips, seed)
        weights = bench.warper("posewarper", clips, seed, backbone)
        for name, offsets in AGGREGATED.items():
            bench.cells.make(
                {"part": "aggregation", "system": name, "seed": seed},
                lambda w=weights, o=offsets: {"hits": bench.refined(w, o)},
            )
        bench.cells.make(
            {"part": "aggregation", "system": "one frame", "seed": seed},
            lambda b=backbone: {"hits": bench.estimated(b)},
        )


def keep(work: Path, folder: Path) -> None:
    """What stands behind the tables, small enough to be committed: the cells, and every run's validation."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(work / "cells.jsonl", folder)
    with (folder / "curves.csv").open("w") as file:
        file.write("run,step,loss,pck@0.1,pck@0.2\n")
        for curve in sorted((work / "runs").glob("*/curve.jsonl")):
            loss = math.nan
            for figures in map(json.loads, curve.read_text().splitlines()):
                loss = figures.get("loss", loss)
                if "pck@0.1" in figures:
                    found = f"{loss:.6f},{figures['pck@0.1']:.2f},{figures['pck@0.2']:.2f}"
                    file.write(f"{curve.parent.name},{figures['step']},{found}\n")


def show(cells: Cells) -> None:
    """Markdown tables with 95 % intervals."""
    _compared(cells, "table1", "system", ("farneback", "frame-wise"))
    _compared(cells, "far", f"key frames {FAR} apart", ("farneback", "auto"))
    _compared(cells, "size", "warping", ("16 x 10",))
    _compared(cells, "aggregation", "frames", ("one frame",))
    for part in ("videos", "labels"):
        rows = cells.find(part=part)
        counts = sorted({row["cell"]["count"] for row in rows})
        if rows:
            print(f"\n| {part} | {' | '.join(SYSTEMS)} | pGT against GT 1x |\n|---|---|---|---|---|")
        for count in counts:
            found = _hits([row for row in rows if row["cell"]["count"] == count], "system")
            shown = [_shown(interval(found[s][1])) if s in found else "" for s in SYSTEMS]
            gain = _signed(difference(found[SYSTEMS[1]][1], found[SYSTEMS[0]][1])) if SYSTEMS[1] in found else ""
            print(f"| {count} | {' | '.join(shown)} | {gain} |")


def _compared(cells: Cells, part: str, title: str, rivals: Sequence[str]) -> None:
    """The table of a part, with differences at the second threshold from some of its own rows."""
    found = _hits(cells.find(part=part), "system")
    if not found:
        return
    against = "".join(f" against {rival}, @{ALPHA[1]} |" for rival in rivals)
    print(f"\n| {title} | seeds | PCK@{ALPHA[0]} | PCK@{ALPHA[1]} |{against}\n|---|---|---|---|{'---|' * len(rivals)}")
    for system, hits in found.items():
        gains = [_signed(difference(hits[1], found[r][1])) if r in found and r != system else "" for r in rivals]
        shown = " | ".join([str(len(hits[0])), *map(_shown, map(interval, hits)), *gains])
        print(f"| {system} | {shown} |")


def _hits(rows: Sequence[Mapping[str, Any]], name: str) -> dict[str, list[np.ndarray]]:
    """For each system the (seeds, videos, 2) hits at each threshold."""
    found: dict[str, list[Any]] = {}
    for row in rows:
        found.setdefault(row["cell"][name], []).append(row["hits"])
    return {system: [np.array([h[a] for h in hits]) for a in range(len(ALPHA))] for system, hits in found.items()}


def _shown(figure: tuple[float, float, float]) -> str:
    return f"{figure[0]:.1f} ({figure[1]:.1f} to {figure[2]:.1f})"


def _signed(figure: tuple[float, float, float]) -> str:
    return f"{figure[0]:+.1f} ({figure[1]:+.1f} to {figure[2]:+.1f})"


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
        parts = {part.__name__: part for part in (table1, cycle, far, videos, labels, aggregation, size)}
        for part in arguments.only or PARTS:
            for seed in arguments.seeds:  # all of a part for one seed, then for the next
                parts[part](bench, [seed])
    show(cells)
    if arguments.keep is not None:
        keep(arguments.work, arguments.keep)


if __name__ == "__main__":
    main()
