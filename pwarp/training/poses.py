"""The labelled poses of many clips as columns: what a sample is drawn from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from pwarp.annotations import FloatArray, IntArray, Track
from pwarp.crops import boxes_around
from pwarp.errors import PwarpError
from pwarp.skeleton import Skeleton
from pwarp.training.sources import Clip

# How much keypoints weigh that no person set: like the others, by their score, or nothing.
PseudoWeights = Literal["one", "score", "ignore"]


@dataclass(frozen=True)
class Account:
    """What was left out. unlabelled: poses without one usable keypoint; outside: poses whose box misses the picture."""

    unlabelled: int = 0
    outside: int = 0


@dataclass(frozen=True, eq=False)
class Poses:
    """N labelled poses with K keypoints.

    skeleton: of all. clip: (N,) index of the clip. track: (N,) its number in the clip. frame: (N,).
    xy: (N, K, 2) picture pixels, NaN where nothing is labelled. visibility: (N, K). weight: (N, K) in the loss, 0
    where nothing is labelled. boxes: (N, 4) of the person, made of the keypoints where the labels give none.
    head_boxes: (N, 4), NaN where there is none. account: what was left out.
    """

    skeleton: Skeleton
    clip: IntArray
    track: IntArray
    frame: IntArray
    xy: FloatArray
    visibility: NDArray[np.uint8]
    weight: FloatArray
    boxes: FloatArray
    head_boxes: FloatArray
    account: Account

    def __len__(self) -> int:
        return len(self.frame)

    def rows(self, keep: NDArray[np.bool_] | IntArray) -> Poses:
        """Some of the poses, by a mask or by their numbers."""
        columns: dict[str, Any] = {name: getattr(self, name)[keep] for name in _COLUMNS}
        return replace(self, **columns)

    def in_skeleton(self, skeleton: Skeleton) -> Poses:
        """The same poses with all keypoints of a skeleton that has theirs; the others are unlabelled."""
        if skeleton.keypoints == self.skeleton.keypoints:
            return self
        places = [skeleton.index(name) for name in self.skeleton.keypoints]

        def spread(column: Any, empty: float) -> Any:
            wide = np.full((len(self), len(skeleton), *column.shape[2:]), empty, dtype=column.dtype)
            wide[:, places] = column
            return wide

        return replace(
            self,
            skeleton=skeleton,
            xy=spread(self.xy, np.nan),
            visibility=spread(self.visibility, 0),
            weight=spread(self.weight, 0),
        )


_COLUMNS = tuple(f.name for f in fields(Poses) if f.name not in ("skeleton", "account"))


def gather(clips: Sequence[Clip], pseudo: PseudoWeights = "score") -> Poses:
    """The poses of clips that have one skeleton.

    pseudo: "score" lets keypoints that no person set weigh as much as their score says (1 where they have none),
    "one" as much as a person's, "ignore" leaves them out. Raises PwarpError where nothing is left, saying why.
    """
    if pseudo not in get_args(PseudoWeights):
        raise PwarpError(
            f"unknown weights '{pseudo}' for propagated labels; known: {', '.join(get_args(PseudoWeights))}"
        )
    parts = [
        part
        for index, clip in enumerate(clips)
        for number, track in enumerate(clip.annotations.tracks)
        if (part := _of_track(clip, index, number, track, pseudo)) is not None
    ]
    if not parts:
        raise PwarpError(f"{_shown(clips)}: no labels at all; label at least one frame of one video")
    account = Account(sum(p.account.unlabelled for p in parts), sum(p.account.outside for p in parts))
    whole: dict[str, Any] = {name: np.concatenate([getattr(part, name) for part in parts]) for name in _COLUMNS}
    poses = Poses(skeleton=parts[0].skeleton, account=account, **whole)
    if not len(poses):
        raise PwarpError(f"{_shown(clips)}: {_why_empty(account, pseudo)}")
    return poses


def _shown(clips: Sequence[Clip]) -> str:
    if not clips:
        return "the data"
    return clips[0].name if len(clips) == 1 else f"{clips[0].name} and {len(clips) - 1} more"


def _why_empty(account: Account, pseudo: PseudoWeights) -> str:
    if not account.outside:
        kind = "set by a person" if pseudo == "ignore" else "labelled"
        return f"all keypoints of all {account.unlabelled} poses are unlabelled; at least one must be {kind}"
    return (
        f"no pose to train on: {account.outside} boxes lie outside the picture, {account.unlabelled} poses have no "
        "labelled keypoint; are the coordinates pixels of this video?"
    )


def _of_track(clip: Clip, index: int, number: int, track: Track, pseudo: PseudoWeights) -> Poses | None:
    if not len(track):
        return None
    weight = np.where(track.labelled, 1.0, 0.0)
    others = track.labelled & ~track.by_person
    if pseudo == "score":
        weight[others] = np.clip(np.where(np.isnan(track.score), 1.0, track.score), 0.0, 1.0)[others]
    elif pseudo == "ignore":
        weight[others] = 0.0
    usable = (weight > 0).any(axis=1)
    boxes = _boxes(clip, track, weight > 0)
    width, height = clip.size
    with np.errstate(invalid="ignore"):
        meets = (boxes[:, 0] < width - 0.5) & (boxes[:, 1] < height - 0.5) & (boxes[:, 2:] > -0.5).all(axis=1)
    keep = usable & meets
    return Poses(
        skeleton=clip.annotations.skeleton,
        clip=np.full(int(keep.sum()), index, dtype=np.int64),
        track=np.full(int(keep.sum()), number, dtype=np.int64),
        frame=track.frames[keep],
        xy=track.xy[keep],
        visibility=track.visibility[keep],
        weight=weight[keep],
        boxes=boxes[keep],
        head_boxes=track.head_boxes[keep],
        account=Account(unlabelled=int((~usable).sum()), outside=int((usable & ~meets).sum())),
    )


def _boxes(clip: Clip, track: Track, counted: NDArray[np.bool_]) -> FloatArray:
    """(F, 4) the track's boxes; where there is none, the extent of the counted keypoints with a margin."""
    own = track.boxes
    with np.errstate(invalid="ignore"):
        there = np.isfinite(own).all(axis=1) & (own[:, 2] > own[:, 0]) & (own[:, 3] > own[:, 1])
    return np.where(there[:, None], own, boxes_around(track.xy, counted, clip.size))
