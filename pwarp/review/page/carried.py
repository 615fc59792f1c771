"""The labels that a page carries to give back: what people set, what networks saw, and nothing that was propagated.

`pwarp propagate` makes everything else anew. They travel as the text of a native label file, so that every number
that nobody touches leaves the page with the same digits that went in.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from pwarp import formats
from pwarp.annotations import Annotations, Source, Track
from pwarp.errors import PwarpError
from pwarp.video import Video


def carried_file(annotations: Annotations, video: Video, folder: Path) -> bytes:
    """The carried labels as a native label file, whose lines the page takes apart; `folder` lends room for it."""
    target = folder / "carried.json"
    try:
        formats.write(carried(annotations), target, format="pwarp", video=video)
    except PwarpError as error:
        raise PwarpError(str(error).removeprefix(f"{target}: ")) from error
    return target.read_bytes()


def carried(annotations: Annotations) -> Annotations:
    """The annotations without what propagation made.

    A track without any keypoint that a person set stays whole: nothing could make it anew.
    """
    return replace(annotations, tracks=tuple(_carried(track) for track in annotations.tracks))


def _carried(track: Track) -> Track:
    if not track.by_person.any():
        return track
    labelled = track.labelled
    mine = labelled & (track.source != Source.PROPAGATED)
    # A frame without any keypoint may hold a box that somebody drew, and nobody computes a box of the head.
    drawn = mine.any(axis=1) | ~labelled.any(axis=1)
    rows = drawn | np.isfinite(track.head_boxes).all(axis=1)
    kept, mine = track.rows(rows), mine[rows]
    return replace(
        kept,
        boxes=np.where(drawn[rows][:, None], kept.boxes, np.nan),
        xy=np.where(mine[..., None], kept.xy, np.nan),
        visibility=np.where(mine, kept.visibility, 0),
        score=np.where(mine, kept.score, np.nan),
        source=np.where(mine, kept.source, Source.NONE),
        origin=np.where(mine[..., None], kept.origin, -1),
    )
