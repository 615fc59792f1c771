"""Training and measuring on rendered people: what the benchmarks of the learned models share.

Everything is made in one folder: clips, runs (with their curves) and `cells.jsonl`, a line for each cell that is done.
All systems begin with one estimator that was trained on fully labelled pictures, as the papers' begin with one trained
on COCO; seeds vary all that comes after.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.cells import Cells, difference, interval
from benchmarks.clips import key_frames
from benchmarks.rendered_sets import PICTURES, VALIDATION, RenderedSet
from pwarp.annotations import Annotations, Track
from pwarp.estimation import estimate, open_estimator
from pwarp.evaluation import pck
from pwarp.following import open_window_runner
from pwarp.propagation import Options, propagate
from pwarp.refinement import refine
from pwarp.training.augment import Augmentation
from pwarp.training.loop import Pace
from pwarp.training.poses import gather
from pwarp.training.run import Data, Request, train
from pwarp.training.sources import Clip, Places
from pwarp.video import open_video

ALPHA = (0.1, 0.2)
LENGTH = "torso:5-12"
EVERY = 7  # key frames, so that labels go three frames to both sides
NETWORK = {
    "backbone": "duc-r18", "backbone_options": {"widths": (128, 64, 32)}, "size": (64, 96), "codec": "dark",
    "sigma": 1.5, "augmentation": Augmentation(scale=0.25, rotation=25.0, half_body=0.0), "schedule": "cosine",
}  # fmt: skip
# Steps and learning rate of what all begin with.
PRETRAINING = {"steps": 3000, "batch": 32, "rate": 2e-3}
PRETRAINING_ALL = {"steps": 1800, "batch": 32, "rate": 1e-3}
TUNING: dict[str, Any] = {"steps": 300, "batch": 32, "rate": 5e-4}


@dataclass(frozen=True)
class Bench:
    """Where results go, the clips that everything is measured on, and those that curves are drawn from."""

    work: Path
    cells: Cells
    test: Sequence[Clip]
    validation: RenderedSet = VALIDATION

    def train(
        self,
        kind: str,
        name: str,
        clips: Sequence[Clip] | Callable[[], Sequence[Clip]],
        changes: Mapping[str, Any],
        **more: Any,
    ) -> Path:
        """A trained network's checkpoint; its curve stands in the run's folder. clips: or what makes them."""
        folder = self.work / "runs" / name

        def work() -> Mapping[str, Any]:
            validation = self.validation.clips(self.work)
            given = clips() if callable(clips) else clips
            request = Request(
                kind=kind, data=Places(()), output=folder, changes={**NETWORK, **changes},
                pace=Pace(log=20, validate=100, save=100), most=280, resume=folder.is_dir(), **more,
            )  # fmt: skip
            report = train(request, data=Data(given, gather(given), validation, gather(validation), 0))
            if report.outcome.interrupted:
                raise KeyboardInterrupt
            return {"poses": report.poses, "steps": report.outcome.steps, "best": report.outcome.best}

        self.cells.make({"part": "train", "run": name}, work)
        return folder / "last.safetensors"

    def pretrained(self) -> Path:
        """The estimator that all begin with: first on the larger set of pictures, then on all."""
        first, second = (pictures.clips(self.work) for pictures in PICTURES)
        begun = self.train("estimator", "pictures", first, PRETRAINING)
        return self.train("estimator", "pictures-all", [*first, *second], PRETRAINING_ALL, init=str(begun))

    def tuned(self, name: str, clips: Sequence[Clip], seed: int, more: int = 0) -> Path:
        """It, trained on. more: steps than usual."""
        changes = {**TUNING, "steps": TUNING["steps"] + more}
        return self.train("estimator", f"{name}-{seed}", clips, changes, seed=seed, init=str(self.pretrained()))

    def propagated(self, engine: str, settings: Mapping[str, Any], every: int = EVERY) -> list[list[list[int]]]:
        """[alpha][clip] hits and counts of the frames between the test clips' key frames."""
        return self.measured(lambda clip, keys: _propagated(clip, keys, engine, settings), every)

    def estimated(self, weights: Path, every: int = EVERY) -> list[list[list[int]]]:
        """The same for an estimator that looks into the true box of each frame, and at its mirror image."""

        def look(clip: Clip) -> Annotations:
            with open_video(clip.video) as video:
                return estimate(video, boxes_of(clip.annotations), open_estimator(weights), flip=True)

        return self.measured(lambda clip, _: look(clip), every)

    def refined(self, weights: Path, offsets: Sequence[int] | None) -> list[list[list[int]]]:
        """The same for PoseWarper's aggregation over frames around each, in boxes as a detector finds them; without
        offsets, for an estimator there."""

        def look(clip: Clip) -> Annotations:
            boxes = found_boxes(clip.annotations)
            with open_video(clip.video) as video:
                if offsets is None:
                    return estimate(video, boxes, open_estimator(weights))
                return refine(video, boxes, open_window_runner(weights), offsets=tuple(offsets)).annotations

        return self.measured(lambda clip, _: look(clip))

    def measured(self, fill: Callable[[Clip, Annotations], Annotations], every: int = EVERY) -> list[list[list[int]]]:
        """[alpha][clip] hits and counts of what fills the frames between a clip's key frames."""
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


def _between(truth: Annotations, keys: Annotations) -> Annotations:
    """The truth of the frames that are no key frames of their track; some have none."""
    labelled = {track.id: track.frames for track in keys.tracks}
    tracks = (t.rows(~np.isin(t.frames, labelled.get(t.id, ()))) for t in truth.tracks)
    return replace(truth, tracks=tuple(t for t in tracks if len(t)), labelled=None)


def boxes_of(truth: Annotations) -> Annotations:
    """The boxes alone."""
    return _boxed(truth, [track.boxes for track in truth.tracks])


def found_boxes(truth: Annotations, spread: float = 0.04) -> Annotations:
    """The boxes as a detector would find them: each side moved by so much of the box, as a standard deviation.

    True boxes end at keypoints. A network that always saw people cut out by them knows from where the crop ends where
    those keypoints are: with true boxes a frame-wise estimator found 76.4 % of the keypoints of the validation clips
    (PCK@0.1), and 73.9 % through windows that were half a heatmap cell off. That is no gain that it would have on
    anybody's video, and models that follow people through windows of their own do not have it.
    """
    random = np.random.default_rng(0)
    sides = [np.tile(track.boxes[:, 2:] - track.boxes[:, :2], 2) for track in truth.tracks]
    return _boxed(
        truth,
        [t.boxes + spread * s * random.standard_normal(s.shape) for t, s in zip(truth.tracks, sides, strict=True)],
    )


def _boxed(truth: Annotations, boxes: Sequence[np.ndarray]) -> Annotations:
    tracks = [
        Track.make(t.id, t.frames, np.full_like(t.xy, np.nan), boxes=b)
        for t, b in zip(truth.tracks, boxes, strict=True)
    ]
    return replace(truth, tracks=tuple(tracks), labelled=None)


def keep(cells: Path, folder: Path) -> None:
    """What stands behind the tables, small enough to be committed: the cells, and the validation of their runs, with
    the balance of an adversary where there is one."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(cells, folder / "cells.jsonl")
    with (folder / "curves.csv").open("w") as file:
        file.write("run,step,loss,pck@0.1,pck@0.2,balance\n")
        for run in sorted(row["cell"]["run"] for row in Cells(cells).find(part="train")):
            curve = cells.parent / "runs" / run / "curve.jsonl"
            loss, balance = math.nan, ""
            for figures in map(json.loads, curve.read_text().splitlines()):
                loss = figures.get("loss", loss)
                if "balance" in figures:
                    balance = f"{figures['balance']:.3f}"
                if "pck@0.1" in figures:
                    found = f"{loss:.6f},{figures['pck@0.1']:.2f},{figures['pck@0.2']:.2f},{balance}"
                    file.write(f"{run},{figures['step']},{found}\n")


def compared(cells: Cells, part: str, title: str, rivals: Sequence[str]) -> None:
    """The table of a part, with differences at the second threshold from some of its own rows."""
    found = hits_of(cells.find(part=part), "system")
    if not found:
        return
    against = "".join(f" against {rival}, @{ALPHA[1]} |" for rival in rivals)
    print(f"\n| {title} | seeds | PCK@{ALPHA[0]} | PCK@{ALPHA[1]} |{against}\n|---|---|---|---|{'---|' * len(rivals)}")
    for system, hits in found.items():
        gains = [signed(difference(hits[1], found[r][1])) if r in found and r != system else "" for r in rivals]
        row = " | ".join([str(len(hits[0])), *map(shown, map(interval, hits)), *gains])
        print(f"| {system} | {row} |")


def hits_of(rows: Sequence[Mapping[str, Any]], name: str) -> dict[str, list[np.ndarray]]:
    """For each system the (seeds, videos, 2) hits at each threshold."""
    found: dict[str, list[Any]] = {}
    for row in rows:
        found.setdefault(row["cell"][name], []).append(row["hits"])
    return {system: [np.array([h[a] for h in hits]) for a in range(len(ALPHA))] for system, hits in found.items()}


def shown(figure: tuple[float, float, float]) -> str:
    return f"{figure[0]:.1f} ({figure[1]:.1f} to {figure[2]:.1f})"


def signed(figure: tuple[float, float, float]) -> str:
    return f"{figure[0]:+.1f} ({figure[1]:+.1f} to {figure[2]:+.1f})"
