"""What an estimator's heatmaps say about where keypoints are, as odds on the belief grids of `auto`.

An estimator that was trained on other pictures, by other people's idea of where a hip is, is no judge but a witness:

- Labels may call left what it calls right (Penn Action does so at times). Of the two readings the one counts that puts
  more heat near the labels of the key frames on either side.
- It finds every keypoint a little beside where this labeller puts it. How far is measured at the same key frames, and
  taken off.
- A keypoint may be hidden from it: a floor under the heat keeps it from ruling anything out.

All that is measured is measured at the key frames that the keypoints of a frame are filled from, so a correction
changes nothing beyond them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pwarp.annotations import FloatArray, IntArray
from pwarp.propagation.look import Seen
from pwarp.propagation.plan import NONE, TrackPlan

Odds = NDArray[np.float32]  # (K, n, n) logarithms, zero where nothing is said

_SHEET = 32_000  # rows; OpenCV samples pictures of less than 2^15 rows only
_ACROSS = 21  # points to each side of a label's neighbourhood


@dataclass(frozen=True)
class EvidenceConfig:
    """Values were tuned on bonn and penn 0001 and on rendered clips of seeds 300 to 303. Lengths are in units of the
    person's diagonal D."""

    on_the_way: float = 0.15  # exponent of the odds inside the messages: frames in a row are wrong in the same way
    at_the_end: float = 1.0  # exponent when the belief is read
    floor: float = 0.1  # heat that means nothing
    near: float = 0.1  # how far from a label its heat may lie
    sharpness: float = 4.0  # exponent of the heat whose centroid is its place
    steady: float = 0.5  # share of the offset that is that of all key frames at hand, shrunk as they are few;
    changing: float = 0.5  # and of what is interpolated between them


class Evidence:
    """What is seen of the K keypoints of one strand. Rows count from the strand's first frame."""

    def __init__(
        self, seen: Seen, own: NDArray[np.int64], other: NDArray[np.int64], config: EvidenceConfig | None = None
    ) -> None:
        """own, other: (K,) channels of the keypoints, and those of their other side; -1 for one that is not seen."""
        self.config = config or EvidenceConfig()
        self._seen = seen
        self.sees: NDArray[np.bool_] = own >= 0  # (K,) the keypoints that anything is said about
        self._names = np.flatnonzero(self.sees)
        self._plan = seen.strand.plan
        sides = np.stack([own[self._names], other[self._names]])
        heat, offset = self._at_labels(sides)
        before, after = (_Neighbours(self._plan, keys, self._names) for keys in (self._plan.before, self._plan.after))
        on_side = (before.of(heat) + after.of(heat)).sum(axis=2)
        side = (on_side[1] > on_side[0]).astype(np.int64)  # (F,)
        self._channels = sides[side]
        self._bias = self._bias_of(before, after, offset)[side, np.arange(len(side))]

    def odds(self, row: int, points: NDArray[np.float32]) -> Odds:
        """(K, n, n) logarithms of how much speaks for each of the picture's points (K, n, n, 2) in a row."""
        odds = np.zeros(points.shape[:3], np.float32)
        biased = points[self._names] + self._bias[row].astype(np.float32)[:, None, None]
        heat = self._heat(row, self._channels[row], biased)
        odds[self._names] = np.log(np.maximum(heat, 0) + np.float32(self.config.floor))
        return odds

    def _heat(self, row: int, channels: NDArray[np.int64], points: NDArray[Any]) -> NDArray[np.float32]:
        """(k, n, m) heat of channels (k,) at picture points (k, n, m, 2) of a row; nothing outside the window.

        All channels are sampled by one call: their maps lie below each other with empty rows between.
        """
        maps = self._seen.features[row].numpy()
        count, n, m, _ = points.shape
        rows, columns = maps.shape[1:]
        most = _SHEET // max(rows + 2, n)
        if count > most:
            parts = [slice(start, start + most) for start in range(0, count, most)]
            return np.concatenate([self._heat(row, channels[part], points[part]) for part in parts])
        course = self._seen.course
        cells = course.to_crop(points, row) / course.codec.spacing
        sheet = np.zeros((count, rows + 2, columns), np.float32)
        sheet[:, 1:-1] = maps[channels]
        first = (np.arange(count) * (rows + 2) + 1)[:, None, None]
        u = np.clip(cells[..., 0], -1, columns).astype(np.float32)
        v = (np.clip(cells[..., 1], -1, rows) + first).astype(np.float32)
        sampled = cv2.remap(
            sheet.reshape(-1, columns),
            u.reshape(count * n, m),
            v.reshape(count * n, m),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_CONSTANT,
        )
        return np.asarray(sampled, np.float32).reshape(count, n, m)

    def _at_labels(self, sides: NDArray[np.int64]) -> tuple[FloatArray, FloatArray]:
        """(2, F, k) the most heat near each label and (2, F, k, 2) how far off the label it lies, in pixels; 0 where
        there is no label."""
        plan, names = self._plan, self._names
        known = plan.known[:, names]
        heat, offset = np.zeros((2, *known.shape)), np.zeros((2, *known.shape, 2))
        reach = self.config.near * self._seen.strand.diagonal
        line = np.linspace(-reach, reach, _ACROSS)
        around = np.stack(np.meshgrid(line, line), axis=-1)
        disc = np.linalg.norm(around, axis=-1) <= reach * 1.0001
        for row in np.flatnonzero(known.any(axis=1)).tolist():
            here = np.flatnonzero(known[row])
            points = plan.xy[row, names[here]][:, None, None] + around
            for side, channels in enumerate(sides):
                found = np.maximum(self._heat(row, channels[here], points), 0) * disc
                heat[side, row, here] = most = found.max(axis=(1, 2))
                shown = np.where(most > 0, most, 1)[:, None, None]
                weight = (found / shown) ** self.config.sharpness
                total = np.maximum(weight.sum(axis=(1, 2)), 1)
                offset[side, row, here] = np.einsum("kyx,yxd->kd", weight, around) / total[:, None]
        return heat, offset

    def _bias_of(self, before: _Neighbours, after: _Neighbours, offset: FloatArray) -> FloatArray:
        """(2, F, k, 2) how far off its keypoint the heat lies in every row, by the offsets at the labels."""
        past, coming = before.of(offset), after.of(offset)
        count = (before.there.astype(np.int64) + after.there)[..., None]
        mean = (past + coming) / np.maximum(count, 1)
        frames = self._plan.first + np.arange(len(before.frame))[:, None]
        share = (frames - before.frame) / np.maximum(after.frame - before.frame, 1)
        share = np.where(before.there & after.there, share, ~before.there)[..., None]
        between = past + share * (coming - past)
        bias: FloatArray = self.config.steady * mean * count / (count + 1) + self.config.changing * between
        return bias


class _Neighbours:
    """The key frames on one side of every row, for k keypoints.

    frame: (F, k), NONE where there is none. there: (F, k) whether there is one.
    """

    def __init__(self, plan: TrackPlan, keys: IntArray, names: NDArray[np.int64]) -> None:
        self.frame = keys[:, names]
        self.there = self.frame != NONE
        self._row = np.clip(self.frame - plan.first, 0, len(self.frame) - 1)

    def of(self, values: FloatArray) -> FloatArray:
        """(2, F, k, ...) the values (2, F, k, ...) of these key frames, zero where there is none."""
        taken = values[:, self._row, np.arange(self._row.shape[1])]
        return np.where(self.there.reshape(1, *self.there.shape, *[1] * (values.ndim - 3)), taken, 0)
