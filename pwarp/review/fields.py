"""Figure 5 of PoseWarper as a picture: pairs of frames, learned offsets, flow, and the motion told from the offsets."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from pwarp.review.offsets import Field, Pair, Study, farneback, predicted, strongest
from pwarp.review.palette import GROUND, MUTED, PAPER
from pwarp.review.text import Picture, write

_GAP, _LINE, _TALL = 6, 14, 192  # pixels: between panels, of letters, of a panel


def offsets_sheet(shown: Sequence[Pair], study: Study, delta: int) -> Picture:
    """(H, W, 3) one row a pair: frame, later frame, two offset channels, their magnitude, Farneback, told motion.

    Colour is direction (red to the right, and on round the wheel), strength is saturation, on the scale of each kind.
    """
    channels = strongest(shown)
    heads = [
        "frame",
        f"{delta} later",
        *(f"offsets {c}" for c in channels),
        "magnitude",
        "Farneback",
        "told from offsets",
    ]
    rows = [_panels(pair, study, channels) for pair in shown]
    height, width = rows[0][0].shape[:2]
    top, step = _LINE * 5, height + _GAP + _LINE + 4
    sheet = np.full((top + step * len(rows) + _GAP, _GAP + (width + _GAP) * len(heads), 3), GROUND, np.uint8)
    for line, text in enumerate(summary(study)):
        write(sheet, text, _GAP, 4 + line * (_LINE + 3), _LINE, PAPER if line == 0 else MUTED)
    for column, head in enumerate(heads):
        write(sheet, head, _GAP + column * (width + _GAP), top - _LINE - 4, _LINE, PAPER)
    for index, (pair, panels) in enumerate(zip(shown, rows, strict=True)):
        y = top + index * step
        for column, panel in enumerate(panels):
            x = _GAP + column * (width + _GAP)
            sheet[y : y + height, x : x + width] = panel
        write(sheet, f"frame {pair.frame}, track {pair.track}", _GAP, y + height + 2, _LINE, MUTED)
    return sheet


def summary(study: Study) -> list[str]:
    """The regression in two lines."""

    def told(name: str, r2: float, error: float) -> str:
        return f"{name} R2 {r2:.2f}, {error:.1f} px"

    return [
        f"motion of {study.keypoints} keypoints in {study.pairs} pairs: "
        + told("offsets", study.learned.r2, study.learned.error),
        "; ".join(
            [
                told("Farneback", study.flow.r2, study.flow.error),
                told("Farneback fitted", study.fitted_flow.r2, study.fitted_flow.error),
                told("nothing moves", study.still.r2, study.still.error),
            ]
        ),
    ]


def _panels(pair: Pair, study: Study, channels: Sequence[int]) -> list[Picture]:
    height, width = pair.crops[0].shape[:2]
    size = round(width * _TALL / height), _TALL
    # Offsets say where a cell's content comes from; shown is where it goes, as for the motions.
    learned = [np.asarray(-pair.offsets[..., [2 * c + 1, 2 * c]], np.float32) for c in channels]
    strength = np.linalg.norm(pair.offsets.reshape(*pair.offsets.shape[:2], -1, 2), axis=3).mean(axis=2)
    motions = [farneback(pair), predicted(pair, study.weights)]
    scale = max(float(np.quantile(np.linalg.norm(motions, axis=3), 0.99)), 1e-6)
    drawn = [wheel(field, max(float(np.abs(field).max()), 1e-6)) for field in learned]
    drawn += [_bright(strength), *(wheel(field, scale) for field in motions)]
    pictures = [*pair.crops, *drawn]
    return [np.asarray(cv2.resize(p, size, interpolation=cv2.INTER_LINEAR), np.uint8) for p in pictures]


def wheel(field: Field, scale: float) -> Picture:
    """(h, w, 3) a motion field (h, w, 2) in colours, white where nothing moves, full at `scale`."""
    angle = np.degrees(np.arctan2(field[..., 1], field[..., 0])) % 360 / 2
    strength = np.clip(np.linalg.norm(field, axis=2) / scale, 0, 1)
    hsv = np.stack([angle, 255 * strength, np.full_like(angle, 255)], axis=2)
    return np.asarray(cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2RGB), np.uint8)


def _bright(strength: NDArray[np.float32]) -> Picture:
    low, high = float(strength.min()), float(strength.max())
    grey = np.clip(255 * (strength - low) / max(high - low, 1e-6), 0, 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)
