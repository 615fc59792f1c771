"""Heatmaps as a picture: a row for each part of a network, a column for each keypoint."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from pwarp.annotations import FloatArray
from pwarp.heatmaps import Codec
from pwarp.review.heatmaps import Seen
from pwarp.review.palette import GROUND, MUTED, PAPER
from pwarp.review.text import Picture, write

_GAP, _LINE, _TALL = 6, 13, 128  # pixels: between panels, of letters, of a panel
_DIM = 0.4  # of the picture's light is left under a heatmap


def heatmap_sheet(
    shown: Sequence[Seen], names: Sequence[str], chosen: Sequence[int], codec: Codec, title: str
) -> Picture:
    """(H, W, 3) for each person and frame a block of rows, one a part; first the crop, then each chosen keypoint.

    names: of all keypoints. A heatmap lies over the crop, on one scale for all parts of the same keypoint and block;
    its highest value stands below it. The ring is where the labels have the keypoint.
    """
    width, height = round(codec.size[0] * _TALL / codec.size[1]), _TALL
    step, line = height + _LINE + _GAP, _LINE + 5
    head = 2 * line + _GAP
    blocks = [line + step * len(seen.parts) + _GAP for seen in shown]
    sheet = np.full((head + sum(blocks), _GAP + (width + _GAP) * (1 + len(chosen)), 3), GROUND, np.uint8)
    write(sheet, title, _GAP, 3, _LINE, PAPER)
    columns = [_GAP + (width + _GAP) * column for column in range(1 + len(chosen))]
    for left, k in zip(columns[1:], chosen, strict=True):
        write(sheet[:, left : left + width], names[k], 0, 3 + line, _LINE, PAPER)
    top = head
    for seen, block in zip(shown, blocks, strict=True):
        write(sheet, f"frame {seen.frame}, track {seen.track}", _GAP, top, _LINE, PAPER)
        scales = [max(float(max(maps[k].max() for _, maps in seen.parts)), 1e-6) for k in chosen]
        crop = np.asarray(cv2.resize(seen.crop, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
        for row, (part, maps) in enumerate(seen.parts):
            y = top + line + step * row
            panels = [crop] + [
                _panel(crop, maps[k], scale, seen.here[k], codec) for k, scale in zip(chosen, scales, strict=True)
            ]
            captions = [part, *(f"{float(maps[k].max()):.2f}" for k in chosen)]
            for left, panel, caption in zip(columns, panels, captions, strict=True):
                sheet[y : y + height, left : left + width] = panel
                write(sheet[:, left : left + width], caption, 0, y + height + 1, _LINE, MUTED)
        top += block
    return sheet


def _panel(crop: Picture, maps: NDArray[np.float32], scale: float, here: FloatArray, codec: Codec) -> Picture:
    """A heatmap (h, w) over a crop, and a ring around a place in pixels of the network's crop."""
    height, width = crop.shape[:2]
    # A panel's pixel as a crop's, and that as a cell: heatmaps have theirs on the crop's first pixel, not around it.
    ratio = np.array([codec.size[0] / width, codec.size[1] / height])
    cell = ratio / np.array(codec.spacing)
    first = (ratio / 2 - 0.5) / np.array(codec.spacing)
    matrix = np.array([[cell[0], 0, first[0]], [0, cell[1], first[1]]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    strength = cv2.warpAffine(maps, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    strength = np.clip(strength / scale, 0, 1)
    colours = cv2.applyColorMap((255 * strength).astype(np.uint8), cv2.COLORMAP_INFERNO)[..., ::-1]
    grey = _DIM * cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)[..., None].astype(np.float32)
    share = np.sqrt(strength)[..., None]
    panel = np.ascontiguousarray(np.clip((1 - share) * grey + share * colours, 0, 255).astype(np.uint8))
    if np.isfinite(here).all():
        x, y = ((here + 0.5) / ratio - 0.5).round().astype(int).tolist()
        if 0 <= x < width and 0 <= y < height:
            cv2.circle(panel, (x, y), 4, PAPER, 1, cv2.LINE_AA)
    return panel
