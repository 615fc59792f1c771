"""The clips that benchmarks measure on: real video with truth (`--data DIR`), and rendered people."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from pwarp import formats
from pwarp.annotations import Annotations, Track
from pwarp.datasets.base import open_dataset
from pwarp.synthetic import Scene, SceneConfig, write_scene
from pwarp.video import Video, open_video


@dataclass(frozen=True)
class Clip:
    """name; video path; truth; length that PCK is measured by; spacings: key spacings in frames worth measuring."""

    name: str
    path: Path
    truth: Annotations
    length: str
    spacings: tuple[int, ...]

    def open(self) -> Video:
        """The video."""
        return open_video(self.path)


def real_clips(data: Path) -> list[Clip]:
    """bonn, penn 0001, cows and dog. The animals carry truth on about every fifth frame only."""
    penn = next(s for s in open_dataset(data / "penn").samples("test") if s.name == "0001")
    return [
        _labelled("bonn", data / "bonn/images", data / "bonn/truth.json", (7, 15, 30)),
        Clip("penn 0001", penn.video, penn.annotations, "torso:1-8", (7, 15, 30)),
        _labelled("cows", data / "badja/cows.mp4", data / "badja/cows.json", (10, 15, 30)),
        _labelled("dog", data / "badja/dog.mp4", data / "badja/dog.json", (10, 15, 30)),
    ]


def _labelled(name: str, video: Path, labels: Path, spacings: tuple[int, ...]) -> Clip:
    return Clip(name, video, formats.read(labels), "diag:0.4", spacings)


@contextmanager
def rendered_clips(count: int, *, first_seed: int = 100, **config: Any) -> Iterator[Iterator[Clip]]:
    """Clips of rendered people, by rising seed, each rendered when it is asked for."""
    with TemporaryDirectory(prefix="pwarp-benchmark-") as folder:
        yield (_rendered(Path(folder), seed, config) for seed in range(first_seed, first_seed + count))


def _rendered(folder: Path, seed: int, config: dict[str, Any]) -> Clip:
    scene = Scene(replace(SceneConfig(seed=seed), **config))
    place = folder / str(seed)
    place.mkdir()
    video, truth, *_ = write_scene(scene, place)
    return Clip(f"rendered {seed}", video, formats.read(truth), "torso:5-12", (7, 15, 30))


def key_frames(truth: Annotations, every: int, *, occluded: bool = True) -> Annotations:
    """What a person would have labelled: every k-th frame of each track and its last one.

    Where the truth itself lies on every n-th frame only, every (k/n)-th of these. occluded: whether occluded
    keypoints are labelled in key frames, too; without, they are unlabelled there.
    """
    return replace(truth, tracks=tuple(_thinned(t, every, occluded) for t in truth.tracks if len(t)), labelled=None)


def _thinned(track: Track, every: int, occluded: bool) -> Track:
    spacing = float(np.median(np.diff(track.frames))) if len(track) > 1 else 1.0
    keep = np.zeros(len(track), dtype=np.bool_)
    keep[:: max(round(every / spacing), 1)] = True
    keep[-1] = True
    track = track.rows(keep)
    if occluded:
        return track
    seen = np.where(track.visibility == 2, 2, 0)
    return Track.make(track.id, track.frames, track.xy, seen, boxes=track.boxes, absent=map(tuple, track.absent))
