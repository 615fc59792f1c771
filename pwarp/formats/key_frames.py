"""Tracks as CVAT and Label Studio keep them: key frames, straight lines between them, and marks where nobody is.

A key frame says where keypoints are from then on; what a tool draws between two of them is no label and is not read.
A keypoint may be keyed as outside: it is not there until it is keyed otherwise. Where all keypoints of a track (and
its box) are outside, the track is absent.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pwarp.annotations import OPEN_END, FloatArray, Source, Track
from pwarp.errors import PwarpError

# States of a keypoint in a key frame, beside visibility 1 and 2.
NOT_KEYED, OUTSIDE = -1, 0
NO_BOX = (np.nan,) * 4


@dataclass(frozen=True, eq=False)
class Key:
    """A key frame of one track with K keypoints.

    xy: (K, 2) pixels, meant where the state is 1 or 2. state: (K,) NOT_KEYED, OUTSIDE, or the visibility. source:
    (K,) values of `Source`. box: x1, y1, x2, y2 of a track of boxes; NaN where there is none.
    """

    frame: int
    xy: FloatArray
    state: NDArray[np.int8]
    source: NDArray[np.uint8]
    box: tuple[float, ...] = NO_BOX

    @property
    def says(self) -> bool:
        """Whether anything is there in this frame by this key alone."""
        return bool((self.state > 0).any()) or bool(np.isfinite(self.box[0]))

    @classmethod
    def outside(cls, frame: int, keypoints: int) -> Key:
        """Nothing is there from this frame on."""
        none = np.zeros(keypoints, np.int8)
        return cls(frame, np.full((keypoints, 2), np.nan), none, none.astype(np.uint8))


def track_of(id: int, keys: Sequence[Key], keypoints: int, *, lone_step: int | None = None) -> Track:
    """The track that key frames make; they may come in any order.

    lone_step: a single pose that goes outside this many frames later is a label by itself, which is how CVAT exports
    a shape that belongs to no track. None: never.

    Raises PwarpError where a frame is keyed twice.
    """
    keys = sorted(keys, key=lambda key: key.frame)
    for one, other in pairwise(keys):
        if one.frame == other.frame:
            raise PwarpError(f"track {id}: frame {one.frame} is a key frame twice; remove one of them")
    posed = [key for key in keys if key.says]
    absent = list(_absences(keys, keypoints))
    lone = len(keys) == 2 and keys[0].says and absent == [(keys[0].frame + (lone_step or -1), OPEN_END)]
    state = np.array([key.state for key in posed], np.int8).reshape(-1, keypoints)
    labelled = state > 0
    return Track.make(
        id,
        [key.frame for key in posed],
        np.array([key.xy for key in posed]).reshape(-1, keypoints, 2),
        np.where(labelled, state, 0),
        source=np.where(labelled, np.array([key.source for key in posed]).reshape(-1, keypoints), Source.NONE),
        boxes=np.array([key.box for key in posed]).reshape(-1, 4),
        absent=() if lone else absent,
        identified=not lone,
    )


def _absences(keys: Sequence[Key], keypoints: int) -> Iterator[tuple[int, int]]:
    """First and last frame of each stretch where all keypoints and the box are outside."""
    there = np.zeros(keypoints, np.bool_)
    since: int | None = None
    for key in keys:
        keyed = key.state != NOT_KEYED
        there[keyed] = key.state[keyed] > 0
        present = bool(there.any()) or bool(np.isfinite(key.box[0]))
        if present and since is not None:
            yield since, key.frame - 1
            since = None
        elif not present and since is None:
            since = key.frame
    if since is not None:
        yield since, OPEN_END


def keys_of(track: Track, frame_count: int | None) -> list[Key]:
    """The key frames that hold every pose of a track, and the marks where nobody is. A row that says nothing, such as a
    box alone beside keypoints in other frames, is no mark.

    A track that ends with a pose that no person set ends there; one that ends with a person's stays open, as the
    labels say nothing of what follows. frame_count: of the video; beyond it nothing is keyed.
    """
    keypoints = track.xy.shape[1]
    boxed = not track.labelled.any()
    posed = []
    for row, frame in enumerate(track.frames.tolist()):
        state, box = track.visibility[row].astype(np.int8), tuple(track.boxes[row].tolist()) if boxed else NO_BOX
        key = Key(frame, track.xy[row], state, track.source[row], box)
        posed += [key] if key.says else []
    absent = [int(first) for first, _ in track.absent]
    if posed:
        alone = not track.identified and len(posed) == 1 and not absent
        if alone or not np.isin(posed[-1].source, (Source.MANUAL, Source.CORRECTED)).any():
            absent.append(posed[-1].frame + 1)
    keyed = {key.frame for key in posed}
    marks = [Key.outside(frame, keypoints) for frame in set(absent) - keyed]
    kept: list[Key] = []
    for key in sorted([*posed, *marks], key=lambda key: key.frame):
        beyond = frame_count is not None and key.frame >= frame_count
        if not beyond and (key.says or not kept or kept[-1].says):
            kept.append(key)
    return kept
