"""Annotations divided by time, so that those of a long video need not be in memory as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pwarp.annotations import OPEN_END, Annotations, Track
from pwarp.propagation.assemble import boxes_given
from pwarp.propagation.plan import TrackPlan


class Divided:
    """Annotations and the plans of their tracks, between any two frames.

    annotations: with every track that a plan is of.
    """

    def __init__(self, annotations: Annotations, plans: Sequence[TrackPlan]) -> None:
        self._annotations = annotations
        self._plan_of = plan_of = {plan.id: plan for plan in plans}
        # A track may be filled before its first row and after its last one.
        self._extents = np.array([_extent(track, plan_of.get(track.id)) for track in annotations.tracks]).reshape(-1, 2)
        given = [(t, boxes_given(t)) for t in annotations.tracks if t.id in plan_of]
        self._boxed = [(t, boxed, _extent(t, plan_of[t.id])) for t, boxed in given if boxed.any()]

    def between(self, first: int, last: int) -> tuple[Annotations, list[TrackPlan]]:
        """What there is in frames first..last (inclusive), with the tracks that anything can be filled of there.

        A track that has a plan at all has one there, if an empty one, for what was propagated before goes everywhere.
        """
        here = np.flatnonzero((self._extents[:, 0] <= last) & (self._extents[:, 1] >= first))
        tracks = tuple(_rows(self._annotations.tracks[i], first, last) for i in here)
        plans = [self._plan_of[t.id].between(first, last) for t in tracks if t.id in self._plan_of]
        return _between(self._annotations, tracks, first, last), plans

    def parts_at(self, frame: int) -> bool:
        """Whether what is made of the frames up to this one, and of it and those after it, is the same apart as
        together, given that nothing is open in it.

        Boxes between two given ones depend on both, see `assemble`: every track needs one in this frame, or nothing on
        one side of it.
        """
        for track, boxed, (first, last) in self._boxed:
            row = track.at(frame)
            measured = row is not None and boxed[row] and track.by_person[row].any()
            if not (measured or first > frame or last <= frame):
                return False
        return True


def since(annotations: Annotations, first: int) -> Annotations:
    """The annotations from a frame on; tracks without any are left out."""
    tracks = (_rows(track, first, OPEN_END) for track in annotations.tracks)
    return _between(annotations, tuple(track for track in tracks if len(track)), first, OPEN_END)


def _between(annotations: Annotations, tracks: tuple[Track, ...], first: int, last: int) -> Annotations:
    """The annotations with other tracks, and the marks and ignore regions of frames first..last alone."""
    marks = annotations.labelled
    return replace(
        annotations,
        tracks=tracks,
        labelled=None if marks is None else marks[_inside(marks, first, last)],
        ignore_regions={f: polygons for f, polygons in annotations.ignore_regions.items() if first <= f <= last},
    )


def _rows(track: Track, first: int, last: int) -> Track:
    inside = _inside(track.frames, first, last)
    return track if inside.all() else track.rows(inside)


def _inside(frames: NDArray[np.int64], first: int, last: int) -> NDArray[np.bool_]:
    return (frames >= first) & (frames <= last)


def _extent(track: Track, plan: TrackPlan | None) -> tuple[int, int]:
    """First and last frame that anything is, or may be, known of; (0, -1) for none."""
    ends = [int(frame) for frame in track.frames[[0, -1]]] if len(track) else []
    ends += [plan.first, plan.last] if plan is not None else []
    return (min(ends), max(ends)) if ends else (0, -1)
