"""Colours that mean something: one a track, and a ramp from unsure to sure."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

Colour = tuple[int, int, int]
"""Red, green, blue in 0..255."""

GROUND: Colour = (24, 24, 29)
INK: Colour = (18, 18, 22)
PAPER: Colour = (255, 255, 255)
MUTED: Colour = (150, 152, 160)

# Okabe and Ito's set (jfly.uni-koeln.de/color) without black, which drowns in dark video, and with its closest pairs
# moved apart: simulated red- and green-blindness leaves every two of them clearly different (tests measure it). Those
# unlike the score ramp come first.
_TRACKS: tuple[Colour, ...] = (
    (108, 158, 234),
    (16, 213, 128),
    (211, 144, 173),
    (249, 135, 32),
    (250, 243, 29),
    (42, 116, 243),
    (190, 81, 40),
)

# From unsure to sure: lightness rises all the way, so that the ramp also reads without colour.
_RAMP = np.array([(165, 0, 30), (230, 60, 20), (250, 160, 40), (255, 225, 130), (255, 255, 255)], dtype=np.float64)


def track_colours(ids: Iterable[int]) -> dict[int, Colour]:
    """A colour for every track id, the same for the same set of ids.

    Colours go by the rank of the id, so that the first seven tracks always differ, however their ids are spread.
    Later rounds use the same hues paler; the id beside the person tells equals apart.
    """
    colours = {}
    for rank, id in enumerate(sorted(set(ids))):
        pale = min(rank // len(_TRACKS), 2) * 0.3
        colours[id] = mixed(_TRACKS[rank % len(_TRACKS)], PAPER, pale)
    return colours


def score_colour(score: float) -> Colour:
    """The ramp's colour for a score: dark red at 0, white at 1; scores outside 0..1 count as the nearer end."""
    place = min(max(score, 0.0), 1.0) * (len(_RAMP) - 1)
    low = min(int(place), len(_RAMP) - 2)
    red, green, blue = _RAMP[low] + (place - low) * (_RAMP[low + 1] - _RAMP[low])
    return round(red), round(green), round(blue)


def mixed(colour: Colour, other: Colour, share: float) -> Colour:
    """`colour` with a share (0..1) of `other` in it."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(colour, other, strict=True))
    return red, green, blue


def ink_on(colour: Colour) -> Colour:
    """Dark or white, whichever is easier to read on that colour (by its luma, ITU-R BT.601)."""
    luma = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]
    return INK if luma > 115 else PAPER
