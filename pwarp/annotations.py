"""What flows through pwarp: the keypoint annotations of one video.

Conventions, everywhere inside pwarp: a frame is the 0-based ordinal of a decoded frame; coordinates are pixels
of the upright (rotation applied) picture, x right and y down, whole numbers being pixel centres; boxes are
x1, y1, x2, y2 in the same continuous coordinates; visibility is COCO's 0 unlabelled, 1 labelled but occluded,
2 visible. A reader converts from its format's own conventions once, a writer converts back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from enum import IntEnum
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pwarp.errors import PwarpError
from pwarp.skeleton import Skeleton

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


# The last frame of an absence that lasts to the end of a video whose length is not known.
OPEN_END = 2**31 - 1
# Of a picture's width and height, in pixels; far above every camera.
LARGEST_SIDE = 2**20
# Of a coordinate, in pixels from the picture's corner: further away, sums and pixel numbers overflow.
FARTHEST = 1e9


class Source(IntEnum):
    """Where a keypoint came from. MANUAL and CORRECTED are a person's work, and sacred."""

    NONE = 0
    MANUAL = 1
    DETECTED = 2
    PROPAGATED = 3
    REFINED = 4
    CORRECTED = 5

    @property
    def by_person(self) -> bool:
        """Whether a person set this keypoint."""
        return self in (Source.MANUAL, Source.CORRECTED)


@dataclass(frozen=True)
class Replaced:
    """A value that a person's correction replaced: kept, never used for computing.

    A keypoint that is unlabelled where this stands was taken away by a person, and is not filled again.
    """

    frame: int
    keypoint: int
    x: float
    y: float
    visibility: int
    source: Source = Source.MANUAL

    def __eq__(self, other: object) -> bool:
        # The coordinates of what was unlabelled are NaN, and NaN equals NaN here as everywhere in annotations.
        return isinstance(other, Replaced) and repr(self) == repr(other)

    def __hash__(self) -> int:
        return hash(repr(self))


@dataclass(frozen=True)
class VideoIdentity:
    """Which video annotations belong to, and enough about it to notice when it is another one.

    path: as the label file names it. width, height: of the upright picture, in pixels. frame_count: decodable
    frames. fps: average frame rate. fingerprint: of the frame times (`Video.identity` makes it). None: not known.

    Raises PwarpError for a width or height that no picture has.
    """

    path: str | None = None
    width: int | None = None
    height: int | None = None
    frame_count: int | None = None
    fps: Fraction | None = None
    fingerprint: str | None = None

    def __post_init__(self) -> None:
        for name, side in (("width", self.width), ("height", self.height)):
            if side is not None and not 1 <= side <= LARGEST_SIDE:
                raise PwarpError(f"{name} of the video is {side}, expected 1 to {LARGEST_SIDE}")


@dataclass(frozen=True, eq=False)
class Track:
    """One identity through a video, stored for F frames where anything is known about it, with K keypoints.

    id: whole number, unique in its Annotations.
    frames: (F,) strictly rising frame ordinals.
    xy: (F, K, 2) pixels; NaN where visibility is 0.
    visibility: (F, K) 0, 1 or 2.
    score: (F, K) confidence in 0..1 (an estimator's score may exceed it); NaN where a person set the keypoint,
        where it is unlabelled, or where the source gave none.
    source: (F, K) values of `Source`; NONE exactly where visibility is 0.
    origin: (F, K, 2) key frames before and after that a propagated keypoint came from; -1 where none.
    boxes: (F, 4) person box; head_boxes: (F, 4); person_score: (F,) score of the whole person or box. NaN where
        there is none.
    absent: (A, 2) first and last frame (inclusive) of stretches where the person is known not to be there; last may
        be `OPEN_END`.
    replaced: what corrections replaced.
    identified: False where no file said that the frames belong together: a lone label that still needs a track.

    Coordinates, of boxes too, lie within `FARTHEST` of the picture's corner. Raises PwarpError for what breaks this.
    """

    id: int
    frames: IntArray
    xy: FloatArray
    visibility: NDArray[np.uint8]
    score: FloatArray
    source: NDArray[np.uint8]
    origin: NDArray[np.int64]
    boxes: FloatArray
    head_boxes: FloatArray
    person_score: FloatArray
    absent: IntArray
    replaced: tuple[Replaced, ...] = ()
    identified: bool = True

    @classmethod
    def make(
        cls,
        id: int,
        frames: Any,
        xy: Any,
        visibility: Any = None,
        *,
        score: Any = None,
        source: Any = None,
        origin: Any = None,
        boxes: Any = None,
        head_boxes: Any = None,
        person_score: Any = None,
        absent: Iterable[tuple[int, int]] = (),
        replaced: Sequence[Replaced] = (),
        identified: bool = True,
    ) -> Track:
        """A track from array-likes, with what is left out filled in.

        Without visibility, keypoints with finite coordinates count as visible; without source, labelled
        keypoints count as manual. Coordinates of unlabelled keypoints become NaN.
        """
        xy = np.array(xy, dtype=np.float64)
        if xy.ndim != 3 or xy.shape[2] != 2:
            raise PwarpError(f"track {id}: xy has shape {xy.shape}, expected (frames, keypoints, 2)")
        f, k = xy.shape[:2]
        if visibility is None:
            visibility = np.where(np.isfinite(xy).all(axis=2), 2, 0)
        visibility = np.array(visibility)
        if visibility.shape == (f, k):
            xy[visibility == 0] = np.nan
        if source is None:
            source = np.where(visibility > 0, Source.MANUAL, Source.NONE)

        def filled(value: Any, shape: tuple[int, ...]) -> FloatArray:
            return np.full(shape, np.nan) if value is None else np.array(value, dtype=np.float64)

        return cls(
            id=id,
            frames=np.array(frames, dtype=np.int64).reshape(-1),
            xy=xy,
            visibility=visibility,
            score=filled(score, (f, k)),
            source=np.array(source),
            origin=np.full((f, k, 2), -1, dtype=np.int64) if origin is None else np.array(origin, dtype=np.int64),
            boxes=filled(boxes, (f, 4)),
            head_boxes=filled(head_boxes, (f, 4)),
            person_score=filled(person_score, (f,)),
            absent=merged_spans(absent),
            replaced=tuple(replaced),
            identified=identified,
        )

    def __post_init__(self) -> None:
        where = f"track {self.id}"
        f, k = len(self.frames), self.xy.shape[1] if self.xy.ndim == 3 else -1
        expected = {
            "frames": (f,),
            "xy": (f, k, 2),
            "visibility": (f, k),
            "score": (f, k),
            "source": (f, k),
            "origin": (f, k, 2),
            "boxes": (f, 4),
            "head_boxes": (f, 4),
            "person_score": (f,),
            "absent": (len(self.absent), 2),
        }
        for name, shape in expected.items():
            actual = getattr(self, name).shape
            if actual != shape:
                raise PwarpError(f"{where}: {name} has shape {actual}, expected {shape}")
        if f and self.frames[0] < 0:
            raise PwarpError(f"{where}: frame {self.frames[0]} is negative; frames count from 0")
        steps = np.diff(self.frames)
        if (steps == 0).any():
            frame = self.frames[1:][steps == 0][0]
            raise PwarpError(f"{where}: labelled twice in frame {frame}; a track has one pose a frame")
        if (steps < 0).any():
            raise PwarpError(f"{where}: frames are not in rising order at frame {self.frames[1:][steps < 0][0]}")
        meaningful = (self.visibility == 0) | (self.visibility == 1) | (self.visibility == 2)
        if not meaningful.all():
            odd = self.visibility[~meaningful][0]
            raise PwarpError(f"{where}: visibility {odd} is none of 0 (unlabelled), 1 (occluded), 2 (visible)")
        labelled = self.visibility > 0
        bad = labelled & ~(np.abs(self.xy) <= FARTHEST).all(axis=2)
        if bad.any():
            row, keypoint = np.argwhere(bad)[0]
            point = self.xy[row, keypoint]
            wrong = f"lie beyond {FARTHEST:g} pixels" if np.isfinite(point).all() else "are not finite"
            raise PwarpError(
                f"{where}, frame {self.frames[row]}, keypoint {keypoint}: coordinates {tuple(point.tolist())} "
                f"{wrong}; give numbers, or visibility 0 for an unlabelled keypoint"
            )
        for name, boxes in (("box", self.boxes), ("head box", self.head_boxes)):
            bad = np.abs(boxes) > FARTHEST
            if bad.any():
                row = int(np.argwhere(bad)[0, 0])
                raise PwarpError(
                    f"{where}, frame {self.frames[row]}: {name} {tuple(boxes[row].tolist())} lies beyond {FARTHEST:g} "
                    "pixels; give its place in the picture, or none"
                )
        if not (self.source <= max(Source)).all() or (self.source < 0).any():
            raise PwarpError(f"{where}: source holds a value that is no Source")
        if ((self.source != Source.NONE) != labelled).any():
            row, keypoint = np.argwhere((self.source != Source.NONE) != labelled)[0]
            raise PwarpError(
                f"{where}, frame {self.frames[row]}, keypoint {keypoint}: visibility {self.visibility[row, keypoint]} "
                f"does not go with source {Source(self.source[row, keypoint]).name.lower()}"
            )
        if (self.absent[:, 0] > self.absent[:, 1]).any():
            raise PwarpError(f"{where}: an absent stretch ends before it begins")
        hidden = self.present_at(self.frames) | ~labelled.any(axis=1)
        if not hidden.all():
            raise PwarpError(
                f"{where}, frame {self.frames[~hidden][0]}: labelled in a frame where the track is marked absent; "
                "remove the label or the mark"
            )
        for name in ("visibility", "source"):
            object.__setattr__(self, name, getattr(self, name).astype(np.uint8))
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, np.ndarray):
                value.setflags(write=False)

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def labelled(self) -> NDArray[np.bool_]:
        """(F, K) whether a keypoint is labelled (visible or occluded)."""
        return self.visibility > 0

    @property
    def by_person(self) -> NDArray[np.bool_]:
        """(F, K) whether a person set the keypoint (manual or corrected)."""
        set_by_person: NDArray[np.bool_] = (self.source == Source.MANUAL) | (self.source == Source.CORRECTED)
        return set_by_person

    @property
    def taken_away(self) -> NDArray[np.bool_]:
        """(F, K) whether a person took the keypoint away: unlabelled, where a correction replaced a value."""
        taken = np.zeros(self.visibility.shape, np.bool_)
        for old in self.replaced:
            row = self.at(old.frame)
            if row is not None:
                taken[row, old.keypoint] = self.visibility[row, old.keypoint] == 0
        return taken

    @property
    def key_frames(self) -> IntArray:
        """Frames where the track has at least one keypoint that a person set."""
        return self.frames[self.by_person.any(axis=1)]

    def present_at(self, frames: IntArray) -> NDArray[np.bool_]:
        """(N,) False where the track is known to be absent, for frames (N,)."""
        present = np.ones(len(frames), dtype=np.bool_)
        for first, last in self.absent:
            present &= (frames < first) | (frames > last)
        return present

    def at(self, frame: int) -> int | None:
        """Row of a frame in the arrays, or None where nothing is stored for it."""
        row = int(np.searchsorted(self.frames, frame))
        return row if row < len(self.frames) and self.frames[row] == frame else None

    def rows(self, keep: Any) -> Track:
        """The track restricted to some rows: a boolean mask (F,) or row indices in rising order."""
        per_row = {n: getattr(self, n)[keep] for n in _PER_FRAME}
        return replace(self, **per_row)

    def same_as(self, other: Track) -> bool:
        """Whether two tracks hold the same values, bit for bit (NaN equals NaN)."""
        return all(_same(getattr(self, item.name), getattr(other, item.name)) for item in fields(self))


_PER_FRAME = (
    "frames", "xy", "visibility", "score", "source", "origin", "boxes", "head_boxes", "person_score",
)  # fmt: skip


def joined_track(parts: Sequence[Track], id: int) -> Track:
    """One identity of tracks, their rows in order of time; raises PwarpError where two have a frame in common."""
    values: dict[str, Any] = {name: np.concatenate([getattr(part, name) for part in parts]) for name in _PER_FRAME}
    order = np.argsort(values["frames"], kind="stable")
    return Track.make(
        id,
        **{name: of_all[order] for name, of_all in values.items()},
        absent=[(first, last) for part in parts for first, last in part.absent.tolist()],
        replaced=[value for part in parts for value in part.replaced],
    )


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray):
        return a.shape == b.shape and bool(np.array_equal(a, b, equal_nan=a.dtype.kind == "f"))
    return bool(a == b)


def extents(poses: FloatArray) -> FloatArray:
    """(P, 4) x1 y1 x2 y2 of the keypoints of poses (P, K, 2), NaN for a pose without any."""
    there: NDArray[np.bool_] = np.isfinite(poses[..., 0]) & np.isfinite(poses[..., 1])
    low = np.where(there[..., None], poses, np.inf).min(axis=1, initial=np.inf)
    high = np.where(there[..., None], poses, -np.inf).max(axis=1, initial=-np.inf)
    return np.where(np.asarray(there.any(axis=1))[:, None], np.concatenate([low, high], axis=1), np.nan)


def merged_spans(spans: Iterable[tuple[int, int]]) -> IntArray:
    """(A, 2) the same frames as the given inclusive spans, sorted, with touching ones joined."""
    merged: list[list[int]] = []
    for first, last in sorted((int(a), int(b)) for a, b in spans):
        if merged and first <= merged[-1][1] + 1:
            merged[-1][1] = max(merged[-1][1], last)
        else:
            merged.append([first, last])
    return np.array(merged, dtype=np.int64).reshape(-1, 2)


@dataclass(frozen=True, eq=False)
class Annotations:
    """The annotations of one video.

    skeleton: of every track in it. video: which video. tracks: with distinct ids.
    labelled: frames that the source declares to be labelled, also those without anybody in them; None where the
        source has no such mark.
    ignore_regions: by frame, polygons (P, 2) in pixels that evaluation leaves out.

    Labels of a file may count frames otherwise than the video; `check_frames` looks for such once they are mapped.

    Raises PwarpError where a track id repeats, a track has another number of keypoints, or a region lies beyond
    `FARTHEST`.
    """

    skeleton: Skeleton
    video: VideoIdentity = VideoIdentity()
    tracks: tuple[Track, ...] = ()
    labelled: IntArray | None = None
    ignore_regions: Mapping[int, tuple[FloatArray, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "tracks", tuple(self.tracks))
        if self.labelled is not None:
            labelled = np.unique(np.asarray(self.labelled, dtype=np.int64))
            labelled.flags.writeable = False
            object.__setattr__(self, "labelled", labelled)
        for frame, polygons in self.ignore_regions.items():
            if any((np.abs(polygon) > FARTHEST).any() for polygon in polygons):
                raise PwarpError(f"frame {frame}: a region to ignore lies beyond {FARTHEST:g} pixels; mend its corners")
        seen: set[int] = set()
        for track in self.tracks:
            if track.id in seen:
                raise PwarpError(f"track id {track.id} is used by two tracks; ids must differ")
            seen.add(track.id)
            if track.xy.shape[1] != len(self.skeleton):
                raise PwarpError(
                    f"track {track.id} has {track.xy.shape[1]} keypoints, "
                    f"skeleton '{self.skeleton.name}' has {len(self.skeleton)}"
                )

    def check_frames(self, why: str = "are the labels counted from 1, or of another video?") -> None:
        """Raise PwarpError, which ends with the cause, where a track, a mark that a frame is labelled or a region to
        ignore lies after the last frame of the video, or before its first."""
        count = self.video.frame_count
        said = [(f"track {track.id} is labelled in", track.frames) for track in self.tracks]
        marks = np.empty(0, dtype=np.int64) if self.labelled is None else self.labelled
        said += [("the labels are declared complete in", marks)]
        said += [("a region to ignore lies in", np.array(sorted(self.ignore_regions), dtype=np.int64))]
        for what, frames in said:
            if not len(frames):
                continue
            if frames[0] < 0:
                raise PwarpError(f"{what} frame {frames[0]}, but frames count from 0; mend its number")
            if count is not None and frames[-1] >= count:
                raise PwarpError(
                    f"{what} frame {frames[-1]}, but the video has {count} frames (0 to {count - 1}): {why}"
                )

    def track(self, id: int) -> Track:
        """The track with that id; raises PwarpError that lists the ids there are."""
        for track in self.tracks:
            if track.id == id:
                return track
        raise PwarpError(f"no track {id}; there are: {', '.join(str(t.id) for t in self.tracks) or 'none'}")

    @property
    def key_frames(self) -> IntArray:
        """Frames where any track has a keypoint that a person set."""
        return np.unique(np.concatenate([t.key_frames for t in self.tracks] or [np.empty(0, np.int64)]))

    def same_as(self, other: Annotations) -> bool:
        """Whether two annotations hold the same values, bit for bit (NaN equals NaN)."""
        return (
            self.skeleton == other.skeleton
            and self.video == other.video
            and (self.labelled is None) == (other.labelled is None)
            and (self.labelled is None or _same(self.labelled, other.labelled))
            and len(self.tracks) == len(other.tracks)
            and all(a.same_as(b) for a, b in zip(self.tracks, other.tracks, strict=True))
            and self.ignore_regions.keys() == other.ignore_regions.keys()
            and all(
                len(self.ignore_regions[f]) == len(other.ignore_regions[f])
                and all(_same(a, b) for a, b in zip(self.ignore_regions[f], other.ignore_regions[f], strict=True))
                for f in self.ignore_regions
            )
        )
