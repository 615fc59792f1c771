"""The part of labels that a person gave."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pwarp.annotations import Annotations, Source, Track


def only_by_person(annotations: Annotations) -> Annotations:
    """The annotations without any keypoint that nobody set by hand, and without frames that then hold nothing."""
    return replace(annotations, tracks=tuple(_given(track) for track in annotations.tracks))


def _given(track: Track) -> Track:
    ours = track.by_person
    given = replace(
        track,
        xy=np.where(ours[..., None], track.xy, np.nan),
        visibility=np.where(ours, track.visibility, 0),
        score=np.where(ours, track.score, np.nan),
        source=np.where(ours, track.source, Source.NONE),
        origin=np.where(ours[..., None], track.origin, -1),
    )
    return given.rows(ours.any(axis=1))
