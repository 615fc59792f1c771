"""The strip below a picture: what the marks mean, and for each track when it is labelled, by whom and how surely."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from pwarp.annotations import FloatArray, Source, Track
from pwarp.review import marks
from pwarp.review.choice import row_confidence
from pwarp.review.palette import GROUND, MUTED, PAPER, mixed, score_colour
from pwarp.review.poses import Look
from pwarp.review.text import Picture, text_size, write

_MOST_ROWS = 24


class Timeline:
    """A strip for frames start..stop-1 of some tracks, drawn once; each frame only adds the current position.

    A row is a track: as high as the mean score of its keypoints (full height where a person set them or
    nobody scored them), with a diamond on every key frame. Where several frames share a column, the least sure shows.
    """

    def __init__(self, tracks: Sequence[Track], start: int, stop: int, width: int, look: Look, title: str = "") -> None:
        self._start, self._count = start, stop - start
        self._look = look
        shown = tracks[:_MOST_ROWS]
        row = look.px(18 if len(shown) <= 4 else 13 if len(shown) <= 8 else 7)
        legend = look.px(24)
        ids = max((text_size(str(t.id), look.px(10))[0] for t in shown), default=0)
        # However narrow the strip, each row has a column at least.
        self._left = min(look.px(14) + ids + look.px(8), width - 1)
        self._width = max(1, width - self._left - look.px(14))
        self._rows = (legend, legend + row * len(shown))
        more = look.px(16) if len(tracks) > len(shown) else 0
        self._strip = np.full((self._rows[1] + more + look.px(8), width, 3), GROUND, dtype=np.uint8)
        draw_legend(self._strip[:legend], tracks, look, title)
        for i, track in enumerate(shown):
            self._draw_row(self._strip[legend + i * row : legend + (i + 1) * row], track)
        if more:
            text = f"and {len(tracks) - len(shown)} more tracks"
            write(self._strip, text, self._left, self._rows[1], look.px(10), MUTED)

    @property
    def height(self) -> int:
        """Output pixels."""
        return len(self._strip)

    def draw(self, target: Picture, frames: Sequence[int]) -> None:
        """Copy the strip onto target (height, width, 3) and mark the given frames on it."""
        target[:] = self._strip
        top, bottom = self._rows
        half = max(1, self._look.px(2) // 2)
        for frame in frames:
            x = round(self._column(frame))
            target[top : bottom + self._look.px(3), max(0, x - half) : x + half] = PAPER

    def _column(self, frame: int) -> float:
        return self._left + (frame - self._start + 0.5) / self._count * self._width - 0.5

    def _draw_row(self, strip: Picture, track: Track) -> None:
        colour, look = self._look.colours[track.id], self._look
        height, size = len(strip), look.px(10)
        bar = max(2, round(0.7 * height))
        bottom = (height + bar) // 2
        if height >= size:
            write(strip, str(track.id), look.px(14), (height - round(size * 1.25)) // 2, size, colour)
        strip[bottom - 1 : bottom, self._left : self._left + self._width] = mixed(GROUND, MUTED, 0.4)

        level = worst_by_column(row_confidence(track, self._start, self._start + self._count), self._width)
        filled = np.rint(np.nan_to_num(level) * (bar - 1)).astype(np.int64) + np.isfinite(level)
        band = strip[bottom - bar : bottom, self._left : self._left + self._width]
        above = np.arange(bar)[:, None] - (bar - filled[None])
        band[above >= 0] = mixed(GROUND, colour, 0.5)
        band[above == 0] = colour

        keys = track.key_frames
        keys = keys[(keys >= self._start) & (keys < self._start + self._count)]
        radius = min(0.26 * height, 0.4 * self._width / self._count)
        for frame in keys.tolist():
            x = self._column(frame)
            if radius >= 1.2:
                marks.diamond(strip, (x, bottom - bar / 2), radius, colour)
            else:
                strip[bottom - bar : bottom, round(x)] = PAPER


def worst_by_column(values: FloatArray, columns: int) -> FloatArray:
    """(columns,) values (N,) spread over columns, the smallest where several share one; NaN counts as nothing."""
    first = np.arange(columns) * len(values) // columns
    smallest = np.fmin.reduceat(values, first)
    return np.asarray(smallest, dtype=np.float64)


def draw_legend(strip: Picture, tracks: Sequence[Track], look: Look, title: str = "") -> None:
    """Explain, at the right of a strip (H, W, 3), the marks that these tracks need; the title stands at the left.

    What the strip is too narrow for is left out.
    """
    size, edge, gap = look.px(11), look.px(14), look.px(16)
    top = (len(strip) - round(size * 1.25)) // 2
    right = strip.shape[1] - edge
    for item in _legend(tracks, look, size):
        left = right - item.width
        if left >= edge:
            item.draw(strip, left)
            right = left - gap
    if title and edge + text_size(title, size)[0] < right:
        write(strip, title, edge, top, size, MUTED)


class _Item(NamedTuple):
    """One entry of the legend: how wide it is, and what draws it onto a strip from a column on, in output pixels."""

    width: int
    draw: Callable[[Picture, int], None]


def _legend(tracks: Sequence[Track], look: Look, size: int) -> list[_Item]:
    """The entries that these tracks need, from the right."""
    sources = np.unique(np.concatenate([t.source[t.labelled] for t in tracks] or [np.empty(0, np.uint8)]))
    computed = [Source(s).name.lower() for s in sources if not Source(s).by_person]
    scored = any(np.isfinite(t.score).any() for t in tracks)
    radius = 4.0 * look.unit
    items = []
    if scored:
        items.append(_ramp(look, size, radius))
    if any((t.visibility == 1).any() for t in tracks):
        items.append(_explained("occluded", look, size, radius, partial(marks.ring, core=None)))
    if computed:
        core = PAPER if scored else None
        items.append(_explained(", ".join(computed), look, size, radius, partial(marks.disc, core=core)))
    if len(computed) < len(sources):
        items.append(_explained("set by hand", look, size, radius, marks.diamond, wide=1.5))
    return items


def _explained(words: str, look: Look, size: int, radius: float, mark: Callable[..., None], wide: float = 1.0) -> _Item:
    """A mark, and what it means; wide: half the mark's width, in radii."""
    half, apart = round(wide * radius), look.px(6)

    def draw(strip: Picture, left: int) -> None:
        mark(strip, (left + half, len(strip) / 2 - 0.5), radius, MUTED)
        write(strip, words, left + 2 * half + apart, (len(strip) - round(size * 1.25)) // 2, size, PAPER)

    return _Item(2 * half + apart + text_size(words, size)[0], draw)


def _ramp(look: Look, size: int, radius: float) -> _Item:
    """The colours of scores from 0 to 1."""
    bar, apart, low, high = look.px(70), look.px(6), "score 0", "1"
    start = text_size(low, size)[0] + apart

    def draw(strip: Picture, left: int) -> None:
        top, middle = (len(strip) - round(size * 1.25)) // 2, len(strip) / 2 - 0.5
        write(strip, low, left, top, size, PAPER)
        ramp = np.array([score_colour(i / (bar - 1)) for i in range(bar)], dtype=np.uint8)
        strip[round(middle - radius) : round(middle + radius) + 1, left + start : left + start + bar] = ramp
        write(strip, high, left + start + bar + apart, top, size, PAPER)

    return _Item(start + bar + apart + text_size(high, size)[0], draw)
