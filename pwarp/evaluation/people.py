"""Everyone in the frames of one video, truth beside prediction: what AP and MOTA are computed from.

Unlike PCK, these metrics ask who was found at all, so a frame is judged with everybody in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pwarp.annotations import Annotations, FloatArray, IntArray, Track
from pwarp.errors import PwarpError
from pwarp.evaluation.lengths import Length
from pwarp.evaluation.pairing import keypoint_order
from pwarp.evaluation.regions import strictly_inside
from pwarp.skeleton import POSETRACK_15, Skeleton

# poseval's rank of a keypoint without a score: behind every other one.
NO_SCORE = -9999.0
NO_TRACK = -1


@dataclass(frozen=True, eq=False)
class People:
    """N people of one side of a video, frame by frame, in the order of their file.

    source: the file, for messages. frames: names of the F frames, for messages. frame: (N,) rising position of the
    frame that a person is in. xy: (N, J, 2) pixels, NaN where the joint is absent. score: (N, J), NO_SCORE where
    there is none. track: (N,) id, NO_TRACK where there is none. size: (N,) reference length of true people, NaN where
    there is none. regions: by frame position, polygons (V, 2) that evaluation leaves out.
    """

    source: str
    frames: tuple[str, ...]
    frame: IntArray
    xy: FloatArray
    score: FloatArray
    track: IntArray
    size: FloatArray
    regions: Mapping[int, tuple[FloatArray, ...]] = field(default_factory=dict)

    @property
    def present(self) -> NDArray[np.bool_]:
        """(N, J) whether the joint is there."""
        return np.isfinite(self.xy[..., 0]) & np.isfinite(self.xy[..., 1])

    def rows(self, keep: NDArray[np.bool_]) -> People:
        """The people for whom keep (N,) is true."""
        kept = {n: getattr(self, n)[keep] for n in ("frame", "xy", "score", "track", "size")}
        return replace(self, **kept)

    def in_frames(self, kept: IntArray) -> People:
        """The same, restricted to frames at rising positions and with positions counted anew."""
        new = np.full(len(self.frames), -1, dtype=np.int64)
        new[kept] = np.arange(len(kept))
        regions = {int(new[f]): polygons for f, polygons in self.regions.items() if new[f] >= 0}
        people = self.rows(new[self.frame] >= 0)
        return replace(people, frames=tuple(self.frames[i] for i in kept), frame=new[people.frame], regions=regions)

    def where(self, row: int) -> str:
        """File, frame and track of a person, for messages."""
        track = "" if self.track[row] == NO_TRACK else f", track {self.track[row]}"
        return f"{self.source}: frame {self.frames[self.frame[row]]}{track}"


@dataclass(frozen=True, eq=False)
class Scene:
    """Truth and prediction of one video, cleaned as poseval does, with everybody measured against everybody.

    skeleton: its J keypoints are the joints. length: the reference length. truth: G people, predicted: P people,
    over the same F frames. given: how many further frames were left out because a person set the prediction there.
    renamed: of frames that paired up by position, two names that disagree, "" where all agree.
    true_row, predicted_row: (M,) the M pairs of a true and a predicted person in the same frame, by frame, then true
    person, then predicted person. distance: (M, J) in reference lengths, NaN where either lacks the joint.
    """

    skeleton: Skeleton
    length: Length
    truth: People
    predicted: People
    true_row: IntArray
    predicted_row: IntArray
    distance: FloatArray
    given: int
    renamed: str

    @property
    def remarks(self) -> Remarks:
        """What a reader of figures about the scene should know."""
        return Remarks(self.given, self.renamed)


@dataclass(frozen=True)
class Remarks:
    """given, renamed: as in `Scene`."""

    given: int
    renamed: str

    @staticmethod
    def lines(remarks: Sequence[Remarks]) -> list[str]:
        """Lines for people about several videos."""
        lines = []
        given = sum(remark.given for remark in remarks)
        if given:
            lines.append(f"{given} frames left out: a person set keypoints of the prediction there")
        renamed = [remark.renamed for remark in remarks if remark.renamed]
        if renamed:
            lines.append(
                f"in {len(renamed)} videos frames are called or ordered differently, such as {renamed[0]}; they were "
                "paired by position, as poseval does"
            )
        return lines


def joints_of(skeleton: Skeleton) -> Skeleton:
    """The joints that are judged: PoseTrack's 15, in poseval's order, where a skeleton has them all, else its own."""
    return POSETRACK_15 if set(POSETRACK_15.keypoints) <= set(skeleton.keypoints) else skeleton


def from_annotations(
    annotations: Annotations, frames: IntArray, joints: Skeleton, source: str, length: Length | None = None
) -> People:
    """The people in some frames (F,) of a video's annotations, with the given joints.

    length: of the annotations' skeleton, where the people are the truth. A keypoint that a person set ranks above
    every scored one. Rows without any keypoint are no people, as poseval has it for PoseTrack17, but their frame
    stays. Raises PwarpError where the annotations lack a joint.
    """
    order = keypoint_order(joints, annotations.skeleton)
    keypoints = len(annotations.skeleton)
    tracks = [track.rows(track.labelled.any(axis=1) & np.isin(track.frames, frames)) for track in annotations.tracks]
    frame = np.concatenate([np.empty(0, np.int64), *(np.searchsorted(frames, track.frames) for track in tracks)])
    by_frame = np.argsort(frame, kind="stable")

    def stacked(columns: Iterable[NDArray[Any]], *shape: int) -> NDArray[Any]:
        return np.concatenate([np.empty((0, *shape)), *columns])[by_frame]

    xy = stacked((track.xy for track in tracks), keypoints, 2)
    boxes, head_boxes = (stacked((getattr(t, name) for t in tracks), 4) for name in ("boxes", "head_boxes"))
    ids = (np.full(len(track), track.id if track.identified else NO_TRACK) for track in tracks)
    places = {int(f): i for i, f in enumerate(frames)}
    return People(
        source=source,
        frames=tuple(str(f) for f in frames),
        frame=frame[by_frame],
        xy=xy[:, order],
        score=stacked((_ranks(track) for track in tracks), keypoints)[:, order],
        track=stacked(ids).astype(np.int64),
        size=np.full(len(xy), np.nan) if length is None else length.of(xy, boxes, head_boxes),
        regions={places[f]: polygons for f, polygons in annotations.ignore_regions.items() if f in places},
    )


def _ranks(track: Track) -> FloatArray:
    unscored = np.where(track.by_person, np.inf, NO_SCORE)
    return np.where(np.isnan(track.score), unscored, track.score)


def scene(truth: People, predicted: People, joints: Skeleton, length: Length, given: int = 0) -> Scene:
    """Truth and prediction over the same frames made comparable, by poseval's rules.

    Keypoints strictly inside an ignore region of the truth go on both sides, and in a frame that has such regions
    everybody without keypoints. given: see `Scene`. Raises PwarpError where a region has fewer than three corners, or
    where a true person lacks the reference length in a frame with predictions.
    """
    regions = truth.regions
    truth, predicted = _without_ignored(truth, regions), _without_ignored(predicted, regions)
    true_row, predicted_row = _same_frame(truth.frame, predicted.frame, len(truth.frames))
    size = truth.size[true_row]
    if np.isnan(size).any():
        row = int(true_row[np.isnan(size)][0])
        lacks = "head box (bbox_head)" if length.kind == "head" else f"what the length {length.text} is made of"
        raise PwarpError(f"{truth.where(row)}: the person has no {lacks}; add it, or name a --length such as diag:0.2")
    step = truth.xy[true_row] - predicted.xy[predicted_row]
    with np.errstate(divide="ignore", invalid="ignore"):
        # A head box of size 0 matches nothing, not even a prediction without error (0 / 0 is NaN).
        distance = np.sqrt(step[..., 0] ** 2 + step[..., 1] ** 2) / size[:, None]
    return Scene(joints, length, truth, predicted, true_row, predicted_row, distance, given, _renamed(truth, predicted))


def _renamed(truth: People, predicted: People) -> str:
    """Two file names of one frame that differ, "" where none do."""
    for names in zip(truth.frames, predicted.frames, strict=True):
        true, found = (name.replace("\\", "/").rpartition("/")[2] for name in names)
        if true != found:
            return f"{found} against {true} of the truth"
    return ""


def _without_ignored(people: People, regions: Mapping[int, tuple[FloatArray, ...]]) -> People:
    if not regions:
        return people
    xy = people.xy.copy()
    keep = np.ones(len(xy), dtype=np.bool_)
    for position, polygons in regions.items():
        first, last = np.searchsorted(people.frame, (position, position + 1))
        here = xy[first:last]
        points = here.reshape(-1, 2)
        ignored = np.zeros(len(points), dtype=np.bool_)
        for polygon in polygons:
            if len(polygon) < 3:
                raise PwarpError(
                    f"{people.source}: frame {people.frames[position]}: an ignore region of {len(polygon)} corners "
                    "has no inside; give at least three"
                )
            ignored |= strictly_inside(points, polygon)
        points[ignored] = np.nan
        keep[first:last] = np.isfinite(here).any(axis=(1, 2))
    return replace(people, xy=xy).rows(keep)


def _same_frame(truth: IntArray, predicted: IntArray, frames: int) -> tuple[IntArray, IntArray]:
    """Rows (M,), (M,) of all pairs of a true and a predicted person in the same frame."""
    starts = np.searchsorted(predicted, np.arange(frames))
    counts = np.bincount(predicted, minlength=frames)[truth]
    true_row = np.repeat(np.arange(len(truth)), counts)
    within = np.arange(len(true_row)) - np.repeat(np.cumsum(counts) - counts, counts)
    return true_row, starts[truth[true_row]] + within
