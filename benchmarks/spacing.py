"""Whether key frames as far apart as `pwarp study` recommends are near enough.

    python -m benchmarks.spacing --data DIR                              # Penn Action's label files, linear
    python -m benchmarks.spacing --data DIR --clip bonn --engine auto    # video

Study sees every 10th frame of a video as labels, hides some of these in turn, and recommends the widest spacing at
which 95 % of the keypoints have error <= 0.1 x the clip's length. The truth: propagation from every k-th frame, for
rising k, judged on all visible keypoints of the frames between; "needed" is the widest spacing that still meets the
target, by lines between the k. "kept": what is truly right at the recommended spacing. Where study says a spacing is
met "at least", there is nothing wider that it could have seen. Prints Markdown tables; seeds are fixed.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.clips import key_frames, real_clips
from benchmarks.suggesting import PENN_LENGTH, NoPictures
from pwarp import formats, registry
from pwarp.annotations import Annotations
from pwarp.errors import PwarpError
from pwarp.evaluation import pck
from pwarp.evaluation.lengths import parse
from pwarp.propagation import Options, propagate
from pwarp.trust.spacing import Spacing, levels, recommended
from pwarp.trust.study import study
from pwarp.trust.target import Target
from pwarp.video import Video

ALPHA, SHARE, EVERY = 0.1, 0.95, 10
SPACINGS = (2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 25, 30, 40)
COARSE = (5, 7, 10, 15, 20, 30)


class Truth:
    """What is right at which spacing, measured when asked for."""

    def __init__(self, video: Video, truth: Annotations, length: str, engine: str) -> None:
        self.video, self.truth, self.length, self.engine = video, truth, length, engine
        self._known: dict[int, float] = {1: 1.0}

    def right(self, spacing: int) -> float:
        """The share (0..1) of the keypoints between key frames that is right."""
        if spacing not in self._known:
            dense = propagate(self.video, key_frames(self.truth, spacing), Options(self.engine), tell=lambda _: None)
            figure = pck(self.truth, dense, length=self.length, alpha=ALPHA).pooled[0]
            self._known[spacing] = float(figure) / 100
        return self._known[spacing]

    def needed(self, spacings: tuple[int, ...]) -> float:
        """The widest spacing that meets the target."""
        last = 1
        for spacing in spacings:
            if np.isnan(self.right(spacing)):
                continue  # truth on every fifth frame only: all of it is key frames
            if self.right(spacing) < SHARE:
                fall = self.right(last) - self.right(spacing)
                return last + (self.right(last) - SHARE) / fall * (spacing - last)
            last = spacing
        return float(last)


def said(video: Video, truth: Annotations, length: str, engine: str) -> Spacing:
    """What study recommends, by every 10th frame."""
    target = Target(parse(length, truth.skeleton), ALPHA, SHARE)
    evidence = study(video, key_frames(truth, EVERY), target, engines=[engine]).engines[engine]
    return recommended(levels(evidence, ALPHA), SHARE)


def penn(data: Path, files: int, engine: str) -> Iterator[tuple[Spacing, float, float]]:
    """Of Penn's label files with at least 60 frames: what study says, what is needed, and what is kept."""
    paths = sorted((data / "penn/labels").glob("*.mat"))
    for i in np.linspace(0, len(paths) - 1, files).astype(int):
        truth = formats.read(paths[i])
        if len(truth.tracks) != 1 or len(truth.tracks[0]) < 60:
            continue
        video = NoPictures(truth)
        try:
            spacing = said(video, truth, PENN_LENGTH, engine)
        except PwarpError:
            continue  # a torso that is labelled nowhere is no length
        known = Truth(video, truth, PENN_LENGTH, engine)
        yield spacing, known.needed(SPACINGS), known.right(spacing.frames)


def show_penn(rows: list[tuple[Spacing, float, float]], engine: str) -> None:
    """A line for each ground on which study recommends."""
    print(f"\n### Penn Action, {engine}: {len(rows)} videos\n")
    print("| ground | videos | recommended, median | needed, median | not too wide | kept, mean |")
    print("|---|---|---|---|---|---|")
    grounds = ["measured", "below what was measured", "at least"]
    for ground in [*grounds, "all"]:
        some = [row for row in rows if ground in ("all", row[0].ground)]
        if some:
            frames = np.array([spacing.frames for spacing, _, _ in some])
            needed, kept = np.array([row[1] for row in some]), np.array([row[2] for row in some])
            print(
                f"| {ground} | {len(some)} | {np.median(frames):g} | {np.median(needed):.1f} | "
                f"{100 * np.mean(frames <= needed):.0f} % | {100 * kept.mean():.1f} % |"
            )


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with bonn/, penn/ and badja/")
    parser.add_argument("--files", type=int, default=100, help="how many of Penn's label files")
    parser.add_argument("--clip", action="append", default=[], help="a video to measure on instead; may be repeated")
    parser.add_argument("--engine", choices=registry.names("engine"), default="linear")
    options = parser.parse_args()
    if not options.clip:
        show_penn(list(penn(options.data, options.files, options.engine)), options.engine)
        return
    print("| clip | engine | recommended | ground | needed | kept, % |\n|---|---|---|---|---|---|")
    for clip in real_clips(options.data):
        if clip.name in options.clip:
            with clip.open() as video:
                spacing = said(video, clip.truth, clip.length, options.engine)
                truth = Truth(video, clip.truth, clip.length, options.engine)
                needed, kept = truth.needed(COARSE), truth.right(spacing.frames)
            shown = "nothing to judge by" if np.isnan(kept) else f"{100 * kept:.1f}"
            advice = f"{spacing.frames} | {spacing.ground} | {needed:.1f} | {shown}"
            print(f"| {clip.name} | {options.engine} | {advice} |", flush=True)


if __name__ == "__main__":
    main()
