"""One belief a keypoint, carried along optical flow, on a grid that moves with the person.

It is PoseWarper's idea (Bertasius et al., NeurIPS 2019) without learning: render a key frame's keypoint as a soft
heatmap, warp it along the motion, here from both sides, and multiply. What travels is a distribution: where the
flow is torn the belief spreads instead of walking off, and the other side decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pwarp.annotations import FloatArray
from pwarp.propagation.motion import Flow

Belief = NDArray[np.float32]  # (K, n, n): a distribution over the grid cells of each keypoint

_AT_ONCE = 256  # keypoints; OpenCV samples pictures of less than 2^15 rows only


@dataclass(frozen=True)
class BeliefConfig:
    """Lengths are in units of the person's box diagonal D. Values were tuned on bonn, penn 0001, cows, dog and a
    few rendered clips (seeds 0 to 5 and 300 to 304)."""

    cells: int = 65  # grid cells a side: a third of a diagonal to each side of the path
    step: float = 1 / 96  # cell size
    key_sigma: float = 0.008  # how exactly a person labels
    blur: float = 0.004  # diffusion of a step along consistent flow
    torn_blur: float = 0.012  # diffusion where forward and backward flow disagree
    torn_at: float = 0.01  # disagreement that counts as torn
    drift_share: float = 0.02  # part of the belief that keeps to the path of the whole body, not to the flow
    drift_blur: float = 0.03
    hazard: float = 0.01  # chance, each frame, that the track is lost
    smooth: float = 0.02  # read-out: smoothing before the peak
    mean: float = 0.05  # read-out: local mean around the peak
    trust: float = 0.04  # the score is the probability mass within this radius


class Grid:
    """The cells around a keypoint and what is done with beliefs on them, for one person of diagonal D."""

    def __init__(self, diagonal: float, config: BeliefConfig) -> None:
        self.config = config
        self.diagonal = diagonal
        self.n = config.cells
        self.step = config.step * diagonal
        half = (self.n - 1) / 2
        self.offsets = (np.arange(self.n) - half) * self.step
        self._torn = config.torn_at * diagonal
        self._blur = self._kernel(config.blur)
        self._torn_blur = self._kernel(config.torn_blur)
        self._drift_blur = self._kernel(config.drift_blur)
        self._smooth = self._kernel(config.smooth)

    def _kernel(self, sigma: float) -> NDArray[np.float32]:
        """(n, n) a Gaussian of sigma (in D) as a matrix, so that blurring is one product a side; it sums to one
        over the cell's whole neighbourhood, so mass that leaves the grid is lost."""
        cells = sigma / self.config.step
        distance = np.arange(self.n)[:, None] - np.arange(self.n)[None, :]
        full = np.exp(-0.5 * (np.arange(-4 * self.n, 4 * self.n + 1) / cells) ** 2).sum()
        return _gaussian(distance / cells) / np.float32(full)

    def points(self, centres: FloatArray) -> NDArray[np.float32]:
        """(K·n, n, 2) picture coordinates of the cells around centres (K, 2), keypoint below keypoint."""
        points = np.empty((len(centres), self.n, self.n, 2), np.float32)
        points[..., 0] = (centres[:, 0, None] + self.offsets)[:, None, :]
        points[..., 1] = (centres[:, 1, None] + self.offsets)[:, :, None]
        return points.reshape(-1, self.n, 2)

    def uniform(self, count: int) -> Belief:
        """(K, n, n) knowing nothing."""
        return np.full((count, self.n, self.n), 1 / self.n**2, np.float32)

    def peak(self, offset: FloatArray) -> Belief:
        """(K, n, n) a person's label, at offsets (K, 2) from the centres in pixels."""
        sigma = self.config.key_sigma * self.diagonal
        x = _gaussian((self.offsets - offset[:, 0, None]) / sigma)
        y = _gaussian((self.offsets - offset[:, 1, None]) / sigma)
        return normalised(y[:, :, None] * x[:, None, :])

    def carry(self, belief: Belief, here: FloatArray, there: FloatArray, flow: Flow) -> Belief:
        """(K, n, n) the belief around centres `here`, carried to centres `there` in the neighbouring frame.

        flow: from that neighbouring frame back to this one.
        """
        count, n = len(belief), self.n
        if count > _AT_ONCE:
            parts = [slice(i, i + _AT_ONCE) for i in range(0, count, _AT_ONCE)]
            return np.concatenate([self.carry(belief[p], here[p], there[p], flow) for p in parts])
        points = self.points(there)
        motion = flow.at(points)
        source = (points + motion[..., :2]).reshape(count, n, n, 2) - here[:, None, None, :].astype(np.float32)
        moved = self._sample(belief, source / np.float32(self.step) + np.float32((n - 1) / 2))
        torn = np.clip(motion[..., 2].reshape(count, n, n) / self._torn, 0, 1)
        sharp = self._blur @ moved @ self._blur
        spread = self._torn_blur @ moved @ self._torn_blur
        message = normalised(sharp + torn * (spread - sharp))
        drift = normalised(self._drift_blur @ belief @ self._drift_blur)
        config = self.config
        message += config.drift_share / (1 - config.drift_share) * drift
        message *= (1 - config.hazard) * (1 - config.drift_share)
        message += config.hazard / n**2
        return message

    def _sample(self, belief: Belief, at: NDArray[np.float32]) -> Belief:
        """Bilinear values of each keypoint's belief at cells (K, n, n, 2), zero outside its grid.

        All keypoints are sampled by one call: their grids lie below each other with empty rows between.
        """
        count, n = len(belief), self.n
        sheet = np.zeros((count, n + 2, n), np.float32)
        sheet[:, 1:-1] = belief
        u = at[..., 0]
        v = np.clip(at[..., 1], -1, n) + (np.arange(count, dtype=np.float32) * (n + 2) + 1)[:, None, None]
        flat = (count * n, n)
        sampled = cv2.remap(
            sheet.reshape(-1, n), u.reshape(flat), v.reshape(flat), cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT
        )
        return np.asarray(sampled, np.float32).reshape(count, n, n)

    def read(self, belief: Belief) -> tuple[FloatArray, FloatArray]:
        """(K, 2) where each keypoint is, as pixels from its centre, and (K,) the belief's mass near there."""
        count, n = len(belief), self.n
        smooth = self._smooth @ belief @ self._smooth
        peak = smooth.reshape(count, -1).argmax(axis=1)
        row, column = np.divmod(peak, n)
        cells = np.arange(n, dtype=np.float32)
        width = self.config.mean / self.config.step
        near_y = np.exp(-0.5 * ((cells - row[:, None]) / width) ** 2)
        near_x = np.exp(-0.5 * ((cells - column[:, None]) / width) ** 2)
        by_row = belief @ near_x[:, :, None]  # (K, n, 1)
        mass = (by_row[..., 0] * near_y).sum(axis=1)
        y = (by_row[..., 0] * near_y * cells).sum(axis=1) / mass
        by_column = near_y[:, None, :] @ belief  # (K, 1, n)
        x = (by_column[:, 0] * near_x * cells).sum(axis=1) / mass
        distance = (cells[None, None, :] - x[:, None, None]) ** 2 + (cells[None, :, None] - y[:, None, None]) ** 2
        radius = self.config.trust / self.config.step
        score = np.where(distance <= radius**2, belief, 0).sum(axis=(1, 2))
        offset = (np.stack([x, y], axis=1) - (n - 1) / 2) * self.step
        return offset.astype(np.float64), score.astype(np.float64)


def _gaussian(x: NDArray[Any]) -> NDArray[np.float32]:
    """exp(-x²/2), cut to zero at 6 sigma: farther out lie denormal numbers, which cost 100 times the time."""
    return np.where(np.abs(x) < 6, np.exp(-0.5 * np.square(x)), 0).astype(np.float32)


def normalised(belief: NDArray[Any]) -> Belief:
    """The belief scaled to sum to one; uniform where nothing is left."""
    total = belief.sum(axis=(1, 2), keepdims=True)
    lost = total < 1e-12
    return np.where(lost, 1 / belief[0].size, belief / np.where(lost, 1, total)).astype(np.float32)
