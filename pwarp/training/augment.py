"""How crops are varied while training: half body, scale, rotation and flip, one choice for a whole clip.

HRNet's ways (Sun et al., CVPR 2019; Wang et al., "Deep High-Resolution Representation Learning", for the half body),
and those of networks that follow a single person: LSTM Pose Machines, DKD, PPN.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pwarp.annotations import FloatArray
from pwarp.crops import Window
from pwarp.skeleton import Skeleton

# Words in the names of keypoints that lie above and below the waist.
_UPPER = ("nose", "eye", "ear", "head", "face", "neck", "thorax", "shoulder", "elbow", "wrist", "hand")
_LOWER = ("hip", "knee", "ankle", "foot", "toe", "heel", "pelvis")
# Room around a half body, in place of the box's own.
_HALF_PADDING = 1.5
# A half needs more keypoints than this, else the other one is taken.
_FEWEST = 2


@dataclass(frozen=True)
class Variation:
    """What a sample has in common: factor of the window's size, angle in degrees and mirror image, see `Window`."""

    factor: float
    angle: float
    flipped: bool

    def of(self, window: Window) -> Window:
        """A window, varied."""
        width, height = window.size
        return replace(window, size=(width * self.factor, height * self.factor), angle=self.angle, flipped=self.flipped)


@dataclass(frozen=True)
class Augmentation:
    """What is drawn for each sample; every choice can be switched off with 0, zoom with 1.

    scale: the window's size is multiplied by 1 + scale x N(0, 1), at most `scale` away from 1. rotation: standard
    deviation of the angle in degrees, drawn with probability `turned`, at most twice that. flip: probability of the
    mirror image. half_body: probability of a crop around one half of the body, for poses with more than `least`
    labelled keypoints. zoom: how many times larger the person is shown, from and to, all equally likely. spin: angle,
    equally likely to both sides, besides that of `rotation`.
    """

    scale: float = 0.35
    rotation: float = 45.0
    turned: float = 0.6
    flip: float = 0.5
    half_body: float = 0.3
    least: int = 8
    zoom: tuple[float, float] = (1.0, 1.0)
    spin: float = 0.0

    def draw(self, random: np.random.Generator, whole: Window, halves: tuple[Window, ...]) -> Window:
        """A window for one sample. whole: around the person's box. halves: what may stand in for it."""
        window, variation = self.choose(random, whole, halves)
        return variation.of(window)

    def choose(
        self, random: np.random.Generator, whole: Window, halves: tuple[Window, ...]
    ) -> tuple[Window, Variation]:
        """The window that `draw` varies, and how. Always takes the same count of numbers from the generator."""
        half, which, size, turn, angle, mirror = (
            random.random(), random.random(), random.standard_normal(), random.random(), random.standard_normal(),
            random.random(),
        )  # fmt: skip
        window = halves[int(which * len(halves))] if halves and half < self.half_body else whole
        factor = float(np.clip(1 + self.scale * size, 1 - self.scale, 1 + self.scale))
        degrees = float(np.clip(self.rotation * angle, -2 * self.rotation, 2 * self.rotation))
        degrees = degrees if turn < self.turned else 0.0
        if self.zoom != (1.0, 1.0) or self.spin:
            factor /= random.uniform(*self.zoom)
            degrees += random.uniform(-self.spin, self.spin)
        return window, Variation(factor, degrees, mirror < self.flip)

    def radius(self, window: Window) -> float:
        """Picture pixels around a window's centre within which everything lies that it may show once varied."""
        w, h = window.size
        largest = (1 + self.scale) / self.zoom[0]
        if (self.rotation > 0 and self.turned > 0) or self.spin:
            return largest * math.hypot(w, h) / 2
        return largest * max(w, h) / 2

    def halves(self, xy: FloatArray, labelled: NDArray[np.bool_], skeleton: Skeleton, aspect: float) -> list[Window]:
        """The windows that may stand in for a pose's own: around its halves, if it has enough labelled keypoints.

        xy: (K, 2) picture pixels. labelled: (K,). aspect: width by height of the crop.
        """
        if not self.half_body or labelled.sum() <= self.least:
            return []
        found = [_around(xy[np.flatnonzero(half)], aspect) for half in half_bodies(xy, labelled, skeleton)]
        return [window for window in found if window is not None]


UNVARIED = Variation(1.0, 0.0, False)
AUGMENTATION = Augmentation()
NO_AUGMENTATION = Augmentation(scale=0.0, rotation=0.0, turned=0.0, flip=0.0, half_body=0.0)
# DKD's (section 4.1) and PPN's (section IV-B).
UNIFORM_AUGMENTATION = replace(NO_AUGMENTATION, flip=0.5, zoom=(0.8, 1.4), spin=40.0)


def half_bodies(xy: FloatArray, labelled: NDArray[np.bool_], skeleton: Skeleton) -> list[NDArray[np.bool_]]:
    """Masks (K,) of the halves of a pose: two equally likely ones, or the same twice.

    Where every keypoint's name tells whether it is above or below the waist, these are the upper and the lower body;
    a half with two keypoints or fewer gives way to the other. Else the pose is cut across its longest extent.
    """
    upper = upper_body(skeleton)
    if upper is None:
        upper = _first_half(xy, labelled)
    halves = [labelled & upper, labelled & ~upper]
    enough = [half for half in halves if half.sum() > _FEWEST]
    return [enough[0], enough[-1]] if enough else []


def upper_body(skeleton: Skeleton) -> NDArray[np.bool_] | None:
    """(K,) whether keypoints lie above the waist; None where the names do not tell of each."""
    above = [any(word in name.lower() for word in _UPPER) for name in skeleton.keypoints]
    below = [any(word in name.lower() for word in _LOWER) for name in skeleton.keypoints]
    if all(a != b for a, b in zip(above, below, strict=True)):
        return np.array(above)
    return None


def _first_half(xy: FloatArray, labelled: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(K,) the labelled keypoints on one side of the median along the direction in which the pose is longest."""
    points = xy[labelled] - xy[labelled].mean(axis=0)
    direction = np.linalg.svd(points, full_matrices=False)[2][0]
    along = points @ direction
    first = np.zeros(len(labelled), dtype=np.bool_)
    first[np.flatnonzero(labelled)[np.argsort(along, kind="stable")[: len(along) // 2]]] = True
    return first


def _around(points: FloatArray, aspect: float) -> Window | None:
    """HRNet's window around some keypoints: centred on their mean; None where they have no extent."""
    width, height = (points.max(axis=0) - points.min(axis=0)).tolist()
    width, height = max(width, height * aspect), max(height, width / aspect)
    if width <= 0:
        return None
    x, y = points.mean(axis=0).tolist()
    return Window(centre=(x, y), size=(width * _HALF_PADDING, height * _HALF_PADDING))


def mirrored_order(count: int, pairs: Iterable[tuple[int, int]]) -> NDArray[np.int64]:
    """(K,) for each keypoint of a mirrored picture the one that it was: left and right trade places."""
    order = np.arange(count)
    for left, right in pairs:
        order[left], order[right] = right, left
    return order
