"""What differs between annotations before and after a file: the loss report, measured instead of promised.

The door reads back every file it writes and compares here, so that no writer has to know its own faults.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pwarp.annotations import Annotations, FloatArray, IntArray, Source, Track
from pwarp.formats.losses import Loss, Renamed
from pwarp.skeleton import Skeleton

_IDENTITY = {
    "path": "the name of the video",
    "width": "the width of the video",
    "height": "the height of the video",
    "frame_count": "the frame count of the video",
    "fps": "the frame rate of the video",
    "fingerprint": "the fingerprint of the video",
}
_SKELETON = {
    "name": "the name of the skeleton",
    "edges": "the edges of the skeleton",
    "flip_pairs": "the flip pairs of the skeleton",
    "sigmas": "the OKS constants of the skeleton",
    "torso": "the torso of the skeleton",
}
_VISIBILITY = {0: "unlabelled", 1: "occluded", 2: "visible"}


class _Tally:
    """Losses as they are found: counted by what they are, the first of each kept as the example."""

    def __init__(self) -> None:
        self._found: dict[str, Loss] = {}

    def add(self, what: str, example: str, count: int = 1, farthest: float | None = None) -> None:
        known = self._found.get(what, Loss(what, 0, example, farthest))
        off = None if farthest is None else max(farthest, known.farthest or 0.0)
        self._found[what] = replace(known, count=known.count + count, farthest=off)

    def losses(self) -> list[Loss]:
        return list(self._found.values())


def differences(before: Annotations, after: Annotations, renamed: Renamed) -> list[Loss]:
    """Everything that is not the same after as before, but for the order of tracks; empty only if nothing differs."""
    tally = _Tally()
    if renamed.poses is not None:
        before = _taken_apart(tally, before, renamed.poses)
    _compare_skeletons(tally, before, after, renamed)
    for name, what in _IDENTITY.items():
        _compare_value(tally, what, getattr(before.video, name), getattr(after.video, name))
    _compare_marks(tally, before.labelled, after.labelled)
    _compare_regions(tally, before, after)
    there = {track.id: track for track in after.tracks}
    shared = _shared_keypoints(before.skeleton, after.skeleton, renamed)
    alike = shared[0] == shared[1] == list(range(len(before.skeleton)))
    for track in before.tracks:
        id = renamed.tracks.get(track.id, track.id)
        if id != track.id:
            tally.add("track ids", f"{track.id} becomes {id}")
        other = there.pop(id, None)
        if other is None:
            tally.add("tracks", f"track {track.id}")
        elif not (alike and track.same_as(other)):
            _compare_tracks(tally, before.skeleton, track, other, shared)
    for other in there.values():
        tally.add("tracks (there were none before)", f"track {other.id}")
    return tally.losses()


def _taken_apart(tally: _Tally, before: Annotations, ids: Mapping[tuple[int, int], int]) -> Annotations:
    """The annotations with each pose as a track of its own, so that poses can be compared where no tracks are kept."""
    lone: list[Track] = []
    for track in before.tracks:
        who = f"track {track.id}"
        if len(track) == 1 and not track.identified:
            if (id := ids.get((track.id, int(track.frames[0])), track.id)) != track.id:
                tally.add("track ids", f"{track.id} becomes {id}")
        else:
            tally.add("which poses are one track", f"{who} of {len(track)} poses")
        if len(track.absent):
            tally.add("stretches of absence", who, len(track.absent))
        if track.replaced:
            tally.add("values that corrections replaced", who, len(track.replaced))
        for row, frame in enumerate(track.frames.tolist()):
            if (track.id, frame) not in ids:
                tally.add("poses", f"{who}, frame {frame}")
                continue
            pose = replace(track.rows([row]), id=ids[track.id, frame], identified=False, replaced=())
            lone.append(replace(pose, absent=np.empty((0, 2), np.int64)))
    return replace(before, tracks=tuple(lone))


def _compare_value(tally: _Tally, what: str, before: Any, after: Any) -> None:
    if before != after:
        tally.add(what, f"{_short(before)} becomes {_short(after)}")


def _short(value: Any) -> str:
    text = "unknown" if value is None else str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _shared_keypoints(before: Skeleton, after: Skeleton, renamed: Renamed) -> tuple[list[int], list[int]]:
    """Indices of the same keypoints in both skeletons."""
    pairs = []
    for i, name in enumerate(before.keypoints):
        name = renamed.keypoints.get(name, name)
        if name in after.keypoints:
            pairs.append((i, after.keypoints.index(name)))
    return [i for i, _ in pairs], [j for _, j in pairs]


def _compare_skeletons(tally: _Tally, before: Annotations, after: Annotations, renamed: Renamed) -> None:
    old, new = before.skeleton, after.skeleton
    called = [renamed.keypoints.get(name, name) for name in old.keypoints]
    for i, name in enumerate(called):
        if name not in new.keypoints:
            labels = sum(int(track.labelled[:, i].sum()) for track in before.tracks)
            tally.add("keypoints", f"'{name}', labelled {labels} times")
        elif name != old.keypoints[i]:
            tally.add("keypoint names", f"'{old.keypoints[i]}' becomes '{name}'")
    kept = [name for name in called if name in new.keypoints]
    if kept == called and list(new.keypoints) != kept:
        extra = [name for name in new.keypoints if name not in kept]
        what = "just these keypoints (others are added)" if extra else "the order of keypoints"
        tally.add(what, ", ".join(extra or new.keypoints))
    if kept == called == list(new.keypoints):
        for name, what in _SKELETON.items():
            _compare_value(tally, what, getattr(old, name), getattr(new, name))


def _compare_marks(tally: _Tally, before: IntArray | None, after: IntArray | None) -> None:
    what = "which frames are labelled"
    if (before is None) != (after is None):
        note = "all of them" if after is None else "there were none before"
        tally.add(what, note, 1 if before is None else max(len(before), 1))
    elif before is not None and after is not None:
        changed = np.setxor1d(before, after)
        if len(changed):
            tally.add(what, f"frame {changed[0]}", len(changed))


def _compare_regions(tally: _Tally, before: Annotations, after: Annotations) -> None:
    for frame in sorted(before.ignore_regions.keys() | after.ignore_regions.keys()):
        old, new = before.ignore_regions.get(frame, ()), after.ignore_regions.get(frame, ())
        if len(old) != len(new) or not all(np.array_equal(a, b) for a, b in zip(old, new, strict=True)):
            tally.add("ignore regions", f"frame {frame}", max(len(old), 1))


def _compare_tracks(
    tally: _Tally, skeleton: Skeleton, before: Track, after: Track, shared: tuple[list[int], list[int]]
) -> None:
    who = f"track {before.id}"
    changed = np.setxor1d(before.frames, after.frames)
    if len(changed):
        tally.add("poses", f"{who}, frame {changed[0]}", len(changed))
    if not np.array_equal(before.absent, after.absent):
        spans = ", ".join(f"{first} to {last}" for first, last in before.absent[:3])
        what = "stretches of absence" if spans else "that a track is absent nowhere"
        spans = spans or f"{after.absent[0, 0]} on"
        tally.add(what, f"{who}, frames {spans}", max(len(before.absent), 1))
    if before.replaced != after.replaced:
        tally.add("values that corrections replaced", who, max(len(before.replaced), 1))
    if before.identified != after.identified:
        tally.add("that labels are not joined into tracks yet", who)

    frames, old, new = np.intersect1d(before.frames, after.frames, return_indices=True)
    ours = np.ix_(old, np.array(shared[0], dtype=np.int64))
    theirs = np.ix_(new, np.array(shared[1], dtype=np.int64))

    def at(row: int, keypoint: int) -> str:
        return f"{who}, frame {frames[row]}, {skeleton.keypoints[shared[0][keypoint]]}"

    def per_keypoint(
        what: str, changed: NDArray[np.bool_], name: str, shown: Callable[[Any], str], farthest: float | None = None
    ) -> None:
        if changed.any():
            row, keypoint = np.argwhere(changed)[0]
            values = (getattr(before, name)[ours][row, keypoint], getattr(after, name)[theirs][row, keypoint])
            example = f"{at(row, keypoint)}: {shown(values[0])} becomes {shown(values[1])}"
            tally.add(what, example, int(np.count_nonzero(changed)), farthest)

    seen, read = before.visibility[ours], after.visibility[theirs]
    for value, name in _VISIBILITY.items():
        for other, becomes in _VISIBILITY.items():
            changed = (seen == value) & (read == other)
            if value != other:
                per_keypoint(f"{name} keypoints (read back as {becomes})", changed, "visibility", str)
    both = (seen > 0) & (read > 0)
    off = np.where(both[..., None], np.abs(before.xy[ours] - after.xy[theirs]), 0.0)
    moved = np.asarray((off > 0).any(axis=2))
    farthest = float(off.max(initial=0.0))
    per_keypoint("exact coordinates", moved, "xy", lambda xy: f"({xy[0]:.6g}, {xy[1]:.6g})", farthest)
    scores = ~_equal(before.score[ours], after.score[theirs])
    per_keypoint("scores of keypoints", scores, "score", _number)
    sources = both & (before.source[ours] != after.source[theirs])
    per_keypoint("sources of keypoints", sources, "source", lambda code: Source(code).name.lower())
    origins = (before.origin[ours] != after.origin[theirs]).any(axis=2)
    per_keypoint("key frames that keypoints came from", origins, "origin", lambda pair: f"{pair[0]} and {pair[1]}")

    for name, what in (("boxes", "boxes"), ("head_boxes", "head boxes"), ("person_score", "scores of poses")):
        had, has = getattr(before, name)[old], getattr(after, name)[new]
        rest = tuple(range(1, had.ndim))
        same, none = np.all(_equal(had, has), axis=rest), np.any(np.isnan(had), axis=rest)
        for rows, note in ((~same & ~none, ""), (~same & none, " (there were none before)")):
            if rows.any():
                tally.add(what + note, f"{who}, frame {frames[rows][0]}", int(np.count_nonzero(rows)))


def _equal(a: FloatArray, b: FloatArray) -> NDArray[np.bool_]:
    """Elementwise equality with NaN equal to NaN."""
    return np.asarray((a == b) | (np.isnan(a) & np.isnan(b)))


def _number(value: float) -> str:
    return "none" if np.isnan(value) else f"{value:.6g}"
