"""How many labels `pwarp suggest` saves: its strategies against key frames at equal distances.

    python -m benchmarks.suggesting --data DIR                    # Penn Action's label files, linear interpolation
    python -m benchmarks.suggesting --rendered 20 --engine linear --frames 121    # rendered people's motion alone
    python -m benchmarks.suggesting --rendered 20 --engine flow                   # with pictures

Every video begins with few key frames at equal distances. Then one more frame is labelled (from the truth, everybody in
it), chosen by the strategy from the labels propagated so far, and everything is propagated again, until the target is
reached: a share of all visible keypoints of the video has error <= alpha x length; labelled ones count as right, for
they are part of what one wants. "equal": the smallest number of key frames at equal distances that reaches it, spaced
anew for every number - which nobody can do who has begun to label, and so is the hardest to beat. "uniform": the
longest gap is halved. Saving is 1 - labels / labels of the baseline, its mean over videos with a 95 % interval
(bootstrap over videos, 10,000 resamplings). Seeds are fixed; the same figures on every run. Prints Markdown tables.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.clips import rendered_clips
from pwarp import formats, registry
from pwarp.annotations import Annotations, Track
from pwarp.evaluation import pck
from pwarp.propagation import Options, propagate
from pwarp.propagation.plan import Fill
from pwarp.synthetic import Scene, SceneConfig
from pwarp.trust.suggest import STRATEGIES, suggest
from pwarp.video import Video

PENN_LENGTH, RENDERED_LENGTH = "torso:1-8", "torso:5-12"
BLIND = ("copy", "linear", "pchip")
FIRST_SEED = 300
BASELINES = ("equal", "uniform")
RESAMPLINGS = 10_000


class NoPictures(Video):
    """A video of which only size and length are known: enough for engines that look at labels alone."""

    def __init__(self, annotations: Annotations) -> None:
        said = annotations.video
        self.path, self.names = "no pictures", None
        self.width, self.height = said.width or 10**6, said.height or 10**6
        last = max(int(track.frames[-1]) for track in annotations.tracks)
        self.frame_count = said.frame_count or last + 1
        self.fps = said.fps or Fraction(30)
        self.times = np.arange(self.frame_count) / 30
        self.damage, self.variable_rate, self.rotation = (), False, 0

    def _fingerprint_source(self) -> bytes:
        return b""

    def _read(self, ordinal: int, color: str) -> Any:
        raise NotImplementedError("there are no pictures")

    def _read_in_order(self, ordinals: range, color: str) -> Iterator[Any]:
        raise NotImplementedError("there are no pictures")


def labelled(truth: Annotations, frames: Iterable[int]) -> Annotations:
    """The truth of some frames alone, in every track; who has no keypoint in one of them is marked absent there."""
    wanted = np.array(sorted(frames))

    def of(track: Track) -> Track:
        seen = track.rows(np.isin(track.frames, wanted) & track.labelled.any(axis=1))
        gone = [f for f in wanted.tolist() if f not in seen.frames and track.at(f) is not None]
        marked = [*map(tuple, track.absent.tolist()), *((f, f) for f in gone if track.present_at(np.array([f]))[0])]
        return replace(seen, absent=np.array(sorted(marked), dtype=np.int64).reshape(-1, 2))

    return replace(truth, tracks=tuple(t for t in map(of, truth.tracks) if len(t)), labelled=None)


def equal(frames: np.ndarray, count: int) -> set[int]:
    """So many of the frames (F,) at equal distances, the first and the last among them."""
    return set(frames[np.unique(np.linspace(0, len(frames) - 1, count).round().astype(int))].tolist())


class Memory:
    """A journal that only remembers: what was filled between two key frames serves every choice that has both."""

    def __init__(self) -> None:
        self._spans: dict[tuple[int, int], list[Fill]] = {}

    def finished(self) -> dict[tuple[int, int], list[Fill]]:
        """The fills by first and last frame."""
        return self._spans

    def add(self, first: int, last: int, fills: Sequence[Fill]) -> None:
        """Remember a span."""
        self._spans[first, last] = list(fills)


class Task:
    """One video with its truth, and how good its labels have to be."""

    def __init__(self, truth: Annotations, video: Video, engine: str, length: str, target: float, alpha: float) -> None:
        self.truth, self.video, self.engine = truth, video, engine
        self.length, self.target, self.alpha = length, 100 * target, alpha
        self.frames = np.unique(np.concatenate([t.frames for t in truth.tracks]))
        self._known: dict[frozenset[int], tuple[Annotations, float]] = {}
        self._memory: Any = Memory()

    def dense(self, keys: set[int]) -> tuple[Annotations, float]:
        """What is propagated from some key frames, and the percentage that is right; made once."""
        index = frozenset(keys)
        if index not in self._known:
            keyed = labelled(self.truth, keys)
            dense = propagate(self.video, keyed, Options(self.engine), journal=self._memory, tell=lambda _: None)
            right = pck(self.truth, dense, length=self.length, alpha=self.alpha, exclude_manual=False).pooled[0]
            self._known[index] = dense, float(right)
        return self._known[index]

    def by_equal(self, start: int) -> int:
        """Labels needed at equal distances."""
        count = start
        while count < len(self.frames) and self.dense(equal(self.frames, count))[1] < self.target:
            count += 1
        return count

    def by(self, strategy: Any, start: int, step: int) -> int:
        """Labels needed when a strategy chooses, so many at a time."""
        keys = equal(self.frames, start)
        while True:
            dense, right = self.dense(keys)
            if right >= self.target:
                return len(keys)
            new = {s.frame for s in suggest(dense, step, strategy)} - keys
            keys |= new or {int(f) for f in self.frames if int(f) not in keys}


def measure(tasks: Iterable[Task], start: int, step: int) -> dict[str, np.ndarray]:
    """(V,) labels needed for each video, by the way of choosing them."""
    rows = []
    for number, task in enumerate(tasks, 1):
        rows.append([task.by_equal(start), *(task.by(s, start, step) for s in STRATEGIES)])
        print(f"video {number}: {rows[-1]} labels needed", file=sys.stderr, flush=True)
    table = np.array(rows, dtype=float)
    return {name: table[:, i] for i, name in enumerate(["equal", *STRATEGIES])}


def interval(values: np.ndarray) -> tuple[float, float]:
    """95 % interval of the mean."""
    drawn = np.random.default_rng(0).integers(len(values), size=(RESAMPLINGS, len(values)))
    low, high = np.percentile(values[drawn].mean(axis=1), (2.5, 97.5))
    return float(low), float(high)


def show(title: str, needed: dict[str, np.ndarray]) -> None:
    """Print labels needed and savings."""
    print(f"\n### {title}: {len(needed['equal'])} videos\n")
    print("| strategy | labels needed, mean | saving over equal distances | saving over uniform (halving) |")
    print("|---|---|---|---|")
    for name, labels in needed.items():
        cells = []
        for baseline in BASELINES:
            saving = 100 * (1 - labels / needed[baseline])
            low, high = interval(saving)
            cells.append("-" if name == baseline else f"{saving.mean():+.1f} % ({low:+.1f} to {high:+.1f})")
        print(f"| {name} | {labels.mean():.2f} | {' | '.join(cells)} |", flush=True)


def penn_tasks(data: Path, files: int, target: float, alpha: float) -> Iterator[Task]:
    """Videos of Penn Action with at least 40 frames, evenly spread; not those that the doubts were fitted to."""
    paths = sorted((data / "penn/labels").glob("*.mat"))
    unseen = [path for i, path in enumerate(paths) if i % 16]
    for i in np.linspace(0, len(unseen) - 1, files).astype(int):
        truth = formats.read(unseen[i])
        if len(truth.tracks) != 1 or len(truth.tracks[0]) < 40:
            continue
        task = Task(truth, NoPictures(truth), "linear", PENN_LENGTH, target, alpha)
        # A torso that is labelled in no frame is no length.
        if np.isfinite(task.dense(equal(task.frames, 4))[1]):
            yield task


def rendered_tasks(count: int, engine: str, frames: int, target: float, alpha: float) -> Iterator[Task]:
    """Clips of 320x240 with two rendered people; engines that look at labels alone get no pictures rendered."""
    config = {"width": 320, "height": 240, "frames": frames, "people": 2, "samples": 1}
    if engine in BLIND:
        for seed in range(FIRST_SEED, FIRST_SEED + count):
            truth = Scene(replace(SceneConfig(seed=seed), **config)).annotations
            yield Task(truth, NoPictures(truth), engine, RENDERED_LENGTH, target, alpha)
        return
    with rendered_clips(count, first_seed=FIRST_SEED, **config) as clips:
        for clip in clips:
            with clip.open() as video:
                yield Task(clip.truth, video, engine, clip.length, target, alpha)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with penn/")
    parser.add_argument("--files", type=int, default=80, help="how many of Penn's label files")
    parser.add_argument("--rendered", type=int, default=0, metavar="N", help="how many clips to render")
    parser.add_argument("--engine", choices=registry.names("engine"), default="flow", help="for the rendered clips")
    parser.add_argument("--frames", type=int, default=41, help="of a rendered clip")
    parser.add_argument("--target", type=float, default=0.95, help="share of keypoints that is to be right")
    parser.add_argument("--alpha", type=float, default=0.1, help="right is error <= alpha x torso")
    parser.add_argument("--start", type=int, default=4, help="key frames to begin with")
    parser.add_argument("--step", type=int, default=1, help="frames labelled before propagating again")
    options = parser.parse_args()
    goal = f"target {100 * options.target:g} % at {options.alpha:g} torso, from {options.start} key frames"
    if options.data is not None:
        tasks = penn_tasks(options.data, options.files, options.target, options.alpha)
        show(f"Penn Action, linear, {goal}", measure(tasks, options.start, options.step))
    if options.rendered:
        tasks = rendered_tasks(options.rendered, options.engine, options.frames, options.target, options.alpha)
        show(
            f"Rendered, {options.frames} frames, {options.engine}, {goal}", measure(tasks, options.start, options.step)
        )
    if options.data is None and not options.rendered:
        parser.error("--data DIR or --rendered N is needed")


if __name__ == "__main__":
    main()
