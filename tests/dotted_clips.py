"""Clips of three coloured dots on a grey ground: labels that a network can learn in seconds, pictures to look into."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from pwarp.annotations import Annotations, Track
from pwarp.formats import write
from pwarp.skeleton import Skeleton
from pwarp.video import open_video

PAWS = Skeleton("paws", ("tail", "left_paw", "right_paw"), flip_pairs=((1, 2),))
COLOURS = ((0, 0, 255), (0, 255, 0), (255, 0, 0))
WIDTH, HEIGHT = 96, 80


def dots(frame: int, seed: int = 0) -> np.ndarray:
    """(3, 2) where the dots are in a frame: they wander about the picture together."""
    phase = np.array([0.0, 2.1, 4.2]) + seed
    middle = np.array([48 + 12 * np.sin(frame / 5 + seed), 40 + 8 * np.cos(frame / 7 + 2 * seed)])
    return middle + 16 * np.stack([np.cos(phase + frame / 9), np.sin(phase + frame / 9)], axis=1)


def picture(frame: int, seed: int = 0) -> np.ndarray:
    """(HEIGHT, WIDTH, 3) uint8 RGB."""
    random = np.random.default_rng([seed, frame])
    image = random.integers(90, 130, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    for (x, y), colour in zip(dots(frame, seed), COLOURS, strict=True):
        at = tuple(round(float(v) * 16) for v in (x, y))
        cv2.circle(image, at, 4 * 16, colour[::-1], -1, shift=4)
    return image


def truth(frames: int, seed: int = 0, *, boxes: bool = True) -> Track:
    """All labels of a clip, by a person."""
    xy = np.array([dots(frame, seed) for frame in range(frames)])
    around = np.concatenate([xy.min(axis=1) - 6, xy.max(axis=1) + 6], axis=1)
    return Track.make(7, np.arange(frames), xy, boxes=around if boxes else None)


def dotted_clip(folder: Path, name: str, frames: int = 12, seed: int = 0, keys: tuple[int, ...] | None = None) -> Path:
    """Write a folder of pictures and, beside it, a label file that names it; the label file."""
    pictures = folder / name
    pictures.mkdir(parents=True)
    for frame in range(frames):
        cv2.imwrite(str(pictures / f"{frame:03d}.png"), picture(frame, seed)[..., ::-1])
    track = truth(frames, seed)
    if keys is not None:
        track = track.rows(np.array(keys))
    with open_video(pictures) as video:
        identity = replace(video.identity, path=name)
    labels = folder / f"{name}.json"
    write(Annotations(PAWS, identity, (track,)), labels, format="pwarp")
    return labels
