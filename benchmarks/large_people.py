"""Whether it costs anything that training shows people far larger than the crop smoothed.

    python -m benchmarks.large_people --work WORK              # about 10 minutes on one core

Training keeps such people in pictures that were reduced by averaging (`pwarp.training.store`); wherever poses are
estimated, crops are sampled from the whole picture, as published weights want it. Here one network finds the same
people both ways, in the whole pictures and in pictures reduced as training keeps them: held-out rendered clips as
`rendered_sets.TEST` has them, but three and six times as large. The network is the one that `benchmarks.posewarper`
and `benchmarks.temporal` begin with, trained in WORK where it is not there yet; it learned from people of about the
crop's size. Scenes of different sizes are different scenes: compare the two rows of a size.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch

from benchmarks.cells import Cells
from benchmarks.rendered_bench import ALPHA, LENGTH, Bench, compared, found_boxes
from benchmarks.rendered_sets import HELD_OUT, TEST
from pwarp import formats
from pwarp.annotations import Annotations
from pwarp.estimation import Estimator, estimate, open_estimator
from pwarp.evaluation import pck
from pwarp.synthetic import Scene, SceneConfig, write_scene
from pwarp.training.plan import DETAIL, Framing
from pwarp.video import Color, Picture, Video, open_video

CLIPS, FRAMES = 8, 12
WIDTH, HEIGHT = 256, 192


class Reduced(Video):
    """A video whose pictures are averaged over by x by pixels; rows and columns beyond whole blocks are left out."""

    def __init__(self, video: Video, by: int) -> None:
        self._whole, self._by = video, by
        self.path, self.frame_count, self.fps, self.times = video.path, video.frame_count, video.fps, video.times
        self.width, self.height = video.width // by, video.height // by
        self.names, self.damage, self.variable_rate, self.rotation = None, (), video.variable_rate, 0

    def _fingerprint_source(self) -> bytes:
        return b"reduced"

    def _read(self, ordinal: int, color: Color) -> Picture:
        picture = self._whole.frame(ordinal, color=color)[: self.height * self._by, : self.width * self._by]
        return np.asarray(cv2.resize(picture, (self.width, self.height), interpolation=cv2.INTER_AREA), np.uint8)

    def _read_in_order(self, ordinals: range, color: Color) -> Iterator[Picture]:
        return (self._read(i, color) for i in ordinals)


def clip(folder: Path, seed: int, factor: int) -> tuple[Path, Annotations]:
    """A test clip so many times as large, rendered where it is not there yet, and its truth."""
    place = folder / f"{seed}-{factor}"
    if not (place / "truth.json").is_file():
        config = SceneConfig(seed=seed, frames=FRAMES, width=WIDTH * factor, height=HEIGHT * factor, motions=HELD_OUT)
        write_scene(Scene(config), place, force=True)
    return place / "video.mp4", formats.read(place / "truth.json")


def reduced(labels: Annotations, by: int) -> Annotations:
    """Labels in pictures reduced so."""
    tracks = tuple(
        replace(track, xy=(track.xy + 0.5) / by - 0.5, boxes=(track.boxes + 0.5) / by - 0.5) for track in labels.tracks
    )
    video = replace(labels.video, width=None, height=None, fingerprint=None)
    return replace(labels, tracks=tracks, video=video)


def reduction(boxes: Annotations, network: Estimator) -> int:
    """By how much training would reduce the pictures of these people, of middle size."""
    framing = Framing(network.codec.size, network.padding)
    widths = [framing.window(box).size[0] for track in boxes.tracks for box in track.boxes]
    return max(1, int(np.median(widths) / framing.size[0] / DETAIL))


def hits(folder: Path, network: Estimator, factor: int, smooth: bool) -> list[list[list[int]]]:
    """[alpha][clip] hits and counts in clips so many times as large."""
    found = []
    for seed in range(TEST.first, TEST.first + CLIPS):
        path, truth = clip(folder, seed, factor)
        boxes = found_boxes(truth)
        by = reduction(boxes, network) if smooth else 1
        with open_video(path) as video:
            seen = estimate(Reduced(video, by), reduced(boxes, by), network)
        result = pck(reduced(truth, by), seen, length=LENGTH, alpha=ALPHA)
        count = int(result.counts.sum())
        found.append([[int(hit), count] for hit in result.hits.sum(axis=1)])
    moved: list[list[list[int]]] = np.moveaxis(np.array(found), 0, 1).tolist()
    return moved


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    network = open_estimator(Bench(arguments.work, Cells(arguments.work / "cells.jsonl"), []).pretrained())
    cells, folder = Cells(arguments.work / "large.jsonl"), arguments.work / "large"
    for factor in (3, 6):
        for name in (whole := "whole", "reduced"):
            cells.make(
                {"part": str(factor), "system": name},
                lambda f=factor, n=name: {"hits": hits(folder, network, f, n != whole)},
            )
        compared(cells, str(factor), f"pictures, {factor} times as large", [whole])


if __name__ == "__main__":
    main()
