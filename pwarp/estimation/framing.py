"""Boxes for labels that have none: formats for animals hold keypoints alone, and an estimator looks into boxes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pwarp.annotations import Annotations, Track
from pwarp.crops import boxes_around


def framed(labels: Annotations, width: int, height: int) -> Annotations:
    """The labels with a box around every pose, of its labelled keypoints, as training makes it; as they are where any
    pose has one.

    width, height: of the picture, in pixels.
    """
    if any(np.isfinite(track.boxes).any() for track in labels.tracks):
        return labels

    def with_boxes(track: Track) -> Track:
        return replace(track, boxes=boxes_around(track.xy, track.labelled, (width, height)))

    return replace(labels, tracks=tuple(with_boxes(track) for track in labels.tracks))


def unframed(labels: Annotations) -> Annotations:
    """The labels without any box."""
    tracks = tuple(replace(track, boxes=np.full_like(track.boxes, np.nan)) for track in labels.tracks)
    return replace(labels, tracks=tracks)
