"""Rendered people to train and to measure on, divided by motion and appearance.

Networks are trained on people who run, jump, wave, squat and dance, and measured on others who walk and throw; each
clip has its own two people, clothes, place, light and camera. A training clip is 7 frames long, so that its middle
frame is a key frame of the sparse labels and the others are the three before and the three after it.

Until November 2026 running was held out and walking learned. An estimator of this size then knew no running body (53 %
PCK@0.2, see RESULTS.md), and no warper can carry labels by heatmaps that are wrong. The change was made after that had
been seen, on other clips than the test clips of either division.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pwarp import formats
from pwarp.annotations import Annotations
from pwarp.synthetic import Scene, SceneConfig, write_scene
from pwarp.training.sources import Clip

LEARNED = ("run", "jump", "wave", "squat", "dance")
HELD_OUT = ("walk", "throw")


@dataclass(frozen=True)
class RenderedSet:
    """first: the first clip's seed. count: of clips. frames, fps: of each. motions: to draw from."""

    first: int
    count: int
    frames: int
    motions: tuple[str, ...]
    fps: int = 30

    def clips(self, work: Path, count: int | None = None) -> list[Clip]:
        """The first `count` clips, rendered into a folder where they are not there yet."""
        count = self.count if count is None else count
        return [self._clip(work / "clips", seed) for seed in range(self.first, self.first + count)]

    def _clip(self, folder: Path, seed: int) -> Clip:
        place = folder / str(seed)
        if not place.is_dir():
            partial = folder / f"{seed}.partial"
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(parents=True)
            config = SceneConfig(
                seed=seed, frames=self.frames, width=256, height=192, motions=self.motions, fps=self.fps,
                motion_blur=0.5 * self.fps / 30,  # the shutter is open for 1/60 s at any rate
            )  # fmt: skip
            write_scene(Scene(config), partial)
            partial.rename(place)
        video = place / "video.mp4"
        return Clip(str(seed), video, formats.read(place / "truth.json"))


# Stands in for the still pictures that papers pretrain on: all labelled, far apart in time.
PICTURES = RenderedSet(20_000, 1000, 7, LEARNED, fps=3)
# Sparsely labelled videos.
VIDEOS = RenderedSet(10_600, 600, 7, LEARNED)
# For curves: looked at while training, never trained on.
VALIDATION = RenderedSet(11_200, 40, 7, LEARNED)
TEST = RenderedSet(6_000, 24, 43, HELD_OUT)


def labelled(clip: Clip, frames: tuple[int, ...]) -> Clip:
    """The clip with labels on some frames only."""
    return replace(clip, annotations=at_frames(clip.annotations, frames))


def at_frames(annotations: Annotations, frames: tuple[int, ...]) -> Annotations:
    """The labels of some frames."""
    tracks = tuple(track.rows(np.isin(track.frames, frames)) for track in annotations.tracks)
    return replace(annotations, tracks=tuple(t for t in tracks if len(t)), labelled=None)
