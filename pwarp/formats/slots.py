"""Putting any skeleton's keypoints into the fixed slots of a data set, and any tracks under its small numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pwarp.annotations import Track
from pwarp.errors import PwarpError
from pwarp.skeleton import MPII_14, Skeleton

_FEW_TRACKS, _MOST_TRACKS = 1000, 10000


def slots_of(skeleton: Skeleton, target: Skeleton, owner: str, aliases: Mapping[str, str] | None = None) -> list[int]:
    """The skeleton's keypoint for each slot of the target, -1 for none.

    aliases: the target's name for keypoints of the skeleton that it calls otherwise. owner: whose slots they are.
    Raises PwarpError where no keypoint has a slot.
    """
    names = [(aliases or {}).get(name, name) for name in skeleton.keypoints]
    slots = [names.index(slot) if slot in names else -1 for slot in target.keypoints]
    if max(slots) < 0:
        raise PwarpError(
            f"skeleton '{skeleton.name}' shares no keypoint with {owner}'s ({', '.join(target.keypoints)}); "
            "write another format"
        )
    return slots


def head_aliases(skeleton: Skeleton) -> dict[str, str]:
    """Names of this skeleton's keypoints that PoseTrack calls otherwise.

    Its head_bottom is the upper neck, which MPII names upper_neck, or neck in the form with 14 joints.
    """
    if "head_bottom" in skeleton.keypoints:
        return {}
    if skeleton.keypoints == MPII_14.keypoints:
        return {"neck": "head_bottom"}
    return {"upper_neck": "head_bottom"} if "upper_neck" in skeleton.keypoints else {}


def track_numbers(tracks: Sequence[Track]) -> dict[int, int]:
    """A number below 1000 (10000 where there are too many) for each track: its own id where all ids are."""
    limit = _FEW_TRACKS if len(tracks) <= _FEW_TRACKS else _MOST_TRACKS
    if len(tracks) > limit:
        raise PwarpError(f"{len(tracks)} tracks, PoseTrack's tools read {limit} at most; join or drop some")
    if all(0 <= track.id < limit for track in tracks):
        return {track.id: track.id for track in tracks}
    return {track.id: number for number, track in enumerate(sorted(tracks, key=lambda track: track.id))}
