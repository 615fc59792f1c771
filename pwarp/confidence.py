"""How sure a pose is of itself, by the scores of its keypoints, and which frames are therefore worth a look."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pwarp.annotations import FloatArray, IntArray, Source, Track


def set_by_person(source: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """For values of `Source`, whether a person set the keypoint.

    Track.by_person says the same for every frame of the track: too much to ask again in each frame.
    """
    return np.isin(source, (Source.MANUAL, Source.CORRECTED))


def pose_scores(track: Track, rows: slice | IntArray) -> FloatArray:
    """(R,) for each row the mean score of its keypoints, one that a person set counting 1; NaN where no computed
    keypoint has a score."""
    by_person = set_by_person(track.source[rows])
    scored = ~by_person & (track.visibility[rows] > 0) & np.isfinite(track.score[rows])
    total = np.where(scored, track.score[rows], by_person).sum(axis=1)
    count = (scored | by_person).sum(axis=1)
    mean: FloatArray = np.where(scored.any(axis=1), total / np.maximum(count, 1), np.nan)
    return mean


def least_sure(frames: IntArray, confidence: FloatArray, length: int, count: int) -> list[int]:
    """Up to `count` of some frames, the least sure one first.

    They keep some distance, so that one bad stretch does not take all places with its neighbours: half of what frames
    spread evenly over so long a video have. frames: rising. confidence: of each.
    """
    distance = max(1, length // (2 * count))
    chosen: list[int] = []
    for frame in frames[np.argsort(confidence, kind="stable")].tolist():
        if all(abs(frame - other) >= distance for other in chosen):
            chosen.append(frame)
            if len(chosen) == count:
                break
    return chosen
