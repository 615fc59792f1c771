"""Which keypoints trade places when a picture is mirrored, as formats say it: in pairs without left and right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pwarp.skeleton import Edge, Skeleton, flip_pairs_from_names


def flip_index(count: int, pairs: Sequence[Edge]) -> list[int]:
    """For each keypoint the one that it trades places with, itself where none; the last pair of a keypoint counts."""
    index = list(range(count))
    for a, b in pairs:
        index[a], index[b] = b, a
    sound = list(range(count))
    for a, b in pairs_of(index):
        sound[a], sound[b] = b, a
    return sound


def pairs_of(index: Sequence[int]) -> tuple[Edge, ...]:
    """The pairs in a flip index, the lower keypoint first."""
    return tuple((a, b) for a, b in enumerate(index) if a < b and index[b] == a)


def with_flips(skeleton: Skeleton, index: Sequence[int]) -> Skeleton:
    """The skeleton with the pairs of a flip index; left before right where the names tell which is which."""
    count = len(skeleton)
    for pairs in (skeleton.flip_pairs, flip_pairs_from_names(skeleton.keypoints)):
        if list(index) == flip_index(count, pairs):
            return replace(skeleton, flip_pairs=pairs)
    return replace(skeleton, flip_pairs=pairs_of(index))
