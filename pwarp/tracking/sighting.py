"""One person seen in one frame, labelled or detected: what tracking needs to know of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pwarp.annotations import Annotations, FloatArray, Track
from pwarp.skeleton import Skeleton
from pwarp.tracking.appearance import Look

_LEAST = 16.0  # pixels of a box's side: a single keypoint has no extent of its own
_FEWEST = 3  # keypoints that follow the picture, and that make a pose
_LATTICE = (5, 7)  # points across and down a box
_INNER = np.array([0.5, 0.8])  # of a box, where its person surely is
_LEVEL = 0.05  # of a box's height: feet that are as near as this do not tell who is in front
_IN_SIGHT = 0.3  # share of a box that must show its person to follow them

People = dict[int, list[tuple[int, Track]]]  # by frame: one-frame tracks with their index


@dataclass(frozen=True, eq=False)
class Sighting:
    """frame; index: of the track that it came as. box: (4,). xy: (K, 2), NaN where there is none.

    points: (P, 2) on the body, which follow the picture. look: of what is in the box. clear: share of the box, 0..1,
    that shows this person and nobody in front.
    """

    frame: int
    index: int
    box: FloatArray
    xy: FloatArray
    visible: NDArray[np.bool_]
    points: FloatArray
    look: Look
    clear: float

    @property
    def diagonal(self) -> float:
        """Of the box, in pixels."""
        return float(np.hypot(*(self.box[2:] - self.box[:2])))

    @property
    def centre(self) -> FloatArray:
        """(2,) of the box, in pixels."""
        middle: FloatArray = (self.box[:2] + self.box[2:]) / 2
        return middle

    @property
    def in_sight(self) -> bool:
        """Whether its points move as the person does, not as somebody in front."""
        return bool(self.visible.sum() >= _FEWEST or self.clear >= _IN_SIGHT)

    @property
    def is_pose(self) -> bool:
        """Whether there are enough keypoints to compare poses."""
        return int(np.isfinite(self.xy[:, 0]).sum()) >= _FEWEST


def lone_people(annotations: Annotations) -> People:
    """Everybody who is in no track yet: tracks of one frame that are not identified and have no marks of absence."""
    people: People = {}
    for index, track in enumerate(annotations.tracks):
        if not track.identified and len(track) == 1 and not len(track.absent):
            people.setdefault(int(track.frames[0]), []).append((index, track))
    return people


def box_of(track: Track) -> FloatArray | None:
    """(4,) the box of the first pose, or around its keypoints where none is given; None where there is neither."""
    if np.isfinite(track.boxes[0]).all():
        return np.array(track.boxes[0])
    xy = track.xy[0, track.labelled[0]]
    if not len(xy):
        return None
    low, high = xy.min(axis=0), xy.max(axis=0)
    short = np.maximum(_LEAST - (high - low), 0) / 2
    return np.concatenate([low - short, high + short])


def sightings(
    frame: int, people: Sequence[tuple[int, Track]], lab: NDArray[np.uint8], skeleton: Skeleton
) -> list[Sighting]:
    """The people of one frame (index and one-frame track of each) in its Lab picture."""
    boxes = {index: box_of(track) for index, track in people}
    there = {index: box for index, box in boxes.items() if box is not None}
    found = []
    for index, track in people:
        if index not in there:
            continue
        box, xy, visible = there[index], np.array(track.xy[0]), track.visibility[0] == 2
        lattice = _lattice(box)
        seen = ~hidden(lattice, box, [other for i, other in there.items() if i != index])
        points = _in_picture(_on_the_body(lattice, seen, xy, visible), lab)
        look = Look.of(lab, box, xy, visible, skeleton)
        found.append(Sighting(frame, index, box, xy, visible, points, look, float(seen.mean())))
    return found


def _in_picture(points: FloatArray, lab: NDArray[np.uint8]) -> FloatArray:
    """The points (P, 2) that show something: those in the picture, or all where none is."""
    inside = ((points >= 0) & (points <= np.array([lab.shape[1] - 1, lab.shape[0] - 1]))).all(axis=1)
    return points[inside] if inside.any() else points


def _lattice(box: FloatArray) -> FloatArray:
    """(P, 2) points all over the inner part of a box."""
    middle, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) * _INNER / 2
    across, down = (np.linspace(-1, 1, n) for n in _LATTICE)
    points: FloatArray = middle + np.stack(np.meshgrid(across, down), axis=-1).reshape(-1, 2) * half
    return points


def hidden(points: FloatArray, box: FloatArray, others: Sequence[FloatArray]) -> NDArray[np.bool_]:
    """(P,) which points (P, 2) of who is in a box the boxes of others hide, or may hide.

    Of two people in each other's way, the one whose feet are lower in the picture is in front.
    """
    feet = box[3] - _LEVEL * (box[3] - box[1])
    covered = np.zeros(len(points), dtype=np.bool_)
    for other in others:
        if other[3] > feet:
            covered |= (points >= other[:2]).all(axis=1) & (points <= other[2:]).all(axis=1)
    return covered


def _on_the_body(
    lattice: FloatArray, seen: NDArray[np.bool_], xy: FloatArray, visible: NDArray[np.bool_]
) -> FloatArray:
    """(P, 2) points that move as the body does: visible keypoints, else the lattice in the box, what is seen of it."""
    if visible.sum() >= _FEWEST:
        return xy[visible]
    inside = lattice[seen] if seen.sum() >= _FEWEST else lattice
    return np.concatenate([inside, xy[np.isfinite(xy[:, 0])]])
