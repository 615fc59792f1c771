"""A video whose motion is known exactly: a texture that moves as a whole, computed frame by frame."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from pwarp.annotations import Annotations, Track
from pwarp.skeleton import Skeleton
from pwarp.video import Color, Picture, Video

Path = Callable[[float], tuple[float, float]]
_WAVES = 60


class MovingTexture(Video):
    """A sum of waves shifted by `path(frame)` pixels: sub-pixel motion without any resampling.

    still: one picture stands for all frames, for videos of which only the length matters.
    """

    def __init__(
        self, width: int, height: int, frames: int, path: Path = lambda _: (0.0, 0.0), *, still: bool = False
    ) -> None:
        self.path = "texture"
        self.width, self.height, self.frame_count = width, height, frames
        self.fps = None
        self.times = np.arange(frames, dtype=np.float64)
        self.names = None
        self.damage = ()
        self.variable_rate = False
        self.rotation = 0
        self.decoded = 0  # frames handed out so far
        self._path = path
        rng = np.random.default_rng(7)
        self._frequency = rng.uniform(-0.16, 0.16, (_WAVES, 2))  # waves of at least 6 pixels
        self._weight = rng.uniform(4, 9, _WAVES) * np.exp(2j * np.pi * rng.uniform(size=_WAVES))
        self._still = self._picture(0) if still else None

    def _picture(self, frame: int) -> Picture:
        dx, dy = self._path(frame)
        along_x = np.exp(2j * np.pi * self._frequency[:, :1] * (np.arange(self.width) - dx))
        along_y = np.exp(2j * np.pi * self._frequency[:, 1:] * (np.arange(self.height) - dy))
        light = 128 + (along_y.T * self._weight @ along_x).real
        return np.clip(np.round(light), 0, 255).astype(np.uint8)

    def _read(self, ordinal: int, color: Color) -> Picture:
        self.decoded += 1
        grey = self._picture(ordinal) if self._still is None else self._still
        return grey if color == "gray" else np.repeat(grey[..., None], 3, axis=2)

    def _read_in_order(self, ordinals: range, color: Color) -> Iterator[Picture]:
        return (self._read(i, color) for i in ordinals)

    def _fingerprint_source(self) -> bytes:
        return b"texture"


def skeleton(keypoints: int) -> Skeleton:
    """A skeleton that nobody has a name for, without edges."""
    return Skeleton("thing", tuple(f"point_{k}" for k in range(keypoints)))


def poses(frames: list[int], centre: tuple[float, float], keypoints: int, *, spread: float = 15.0) -> np.ndarray:
    """(F, K, 2) keypoints scattered around a centre, drifting a little from frame to frame."""
    rng = np.random.default_rng(keypoints)
    around = rng.uniform(-spread, spread, (keypoints, 2))
    drift = np.array([(0.31 * f % 7, 0.17 * f % 5) for f in frames]).reshape(len(frames), 1, 2)
    return np.asarray(centre) + around + drift


def labels(*tracks: Track, keypoints: int | None = None) -> Annotations:
    """Annotations of tracks, for a video that they do not name."""
    return Annotations(skeleton(keypoints or tracks[0].xy.shape[1]), tracks=tracks)
