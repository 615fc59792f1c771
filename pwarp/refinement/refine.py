"""Poses of a video, refined by a model that looks at other frames, too."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pwarp.annotations import Annotations, FloatArray, IntArray, Source, Track
from pwarp.errors import PwarpError, UsageError
from pwarp.estimation.filling import inside, renamed
from pwarp.estimation.found import PoseJournal
from pwarp.estimation.views import views
from pwarp.following.runner import RecurrentRunner, WindowRunner
from pwarp.journal import identity_of
from pwarp.models.posewarper import PoseWarper
from pwarp.progress import unheard
from pwarp.refinement.recurrent import RecurrentWalk
from pwarp.refinement.window import WindowWalk
from pwarp.video import Video, check_identity

_FARTHEST = 100  # frames: features of that many stay in memory


@dataclass(frozen=True, eq=False)
class Refined:
    """annotations: refined. crops: how many went through the backbone. unknown: names of keypoints that the model does
    not know, which are as they were. starts: how often a recurrent model started anew; None for another one."""

    annotations: Annotations
    crops: int
    unknown: tuple[str, ...]
    starts: int | None = None


def refine(
    video: Video,
    poses: Annotations,
    runner: WindowRunner | RecurrentRunner,
    *,
    offsets: Sequence[int] | None = None,
    every: int | None = None,
    scales: Sequence[float] = (1.0,),
    flip: bool = False,
    min_score: float = 0.0,
    advance: Callable[[int], None] = unheard,
) -> Refined:
    """The poses as a model of several frames sees them.

    Every labelled keypoint that no person set comes anew, with source REFINED, the model's score and its old
    visibility; where a frame has a box only, all keypoints that the model knows, as visible, or as occluded outside the
    picture. Where nothing is labelled, the result has the model's skeleton. A keypoint stays as it was where the model
    scores it 0, or less than min_score. Keypoints that a person set stay bit-identical, and those that one took away
    stay away.

    A recurrent model starts from the given pose in the first frame of each track and after each gap; what it only
    repeats there (DKD) stays as it was.

    offsets: frames relative to the current one that a window model looks at; None: as it was made. every: frames after
    which a recurrent model starts anew; None: never. scales, flip: see `pwarp.estimation.views`. Raises PwarpError
    where they do not suit it, the labels are of another video, or the model knows none of their keypoints.
    """
    planned = Refinement(video, poses, runner, offsets=offsets, every=every, scales=scales, flip=flip)
    return planned.run(min_score, advance)


class Refinement:
    """What `refine` is to do, with everything checked and nothing done; arguments and errors are its own."""

    def __init__(
        self,
        video: Video,
        poses: Annotations,
        runner: WindowRunner | RecurrentRunner,
        *,
        offsets: Sequence[int] | None = None,
        every: int | None = None,
        scales: Sequence[float] = (1.0,),
        flip: bool = False,
    ) -> None:
        check_identity(poses.video, video)
        if not any(track.labelled.any() for track in poses.tracks):
            # Boxes alone: their skeleton is a guess of whoever wrote them.
            tracks = tuple(renamed(track, poses.skeleton, runner.skeleton) for track in poses.tracks)
            poses = replace(poses, skeleton=runner.skeleton, tracks=tracks)
        self._video, self._poses, self._runner = video, poses, runner
        self._channels = runner.channels(poses.skeleton)
        self._walk = walk_along(
            video, poses.tracks, runner, channels=self._channels, offsets=offsets, every=every, scales=scales, flip=flip
        )

    @property
    def frames(self) -> int:
        """How many frames have anybody in them; 0 where none is `wanted`."""
        return self._walk.frames if self.wanted else 0

    @property
    def wanted(self) -> bool:
        """Whether the model may set anything: a person may have set or taken away all that it knows."""
        known = self._channels >= 0
        return any(bool(_open(track)[:, known].any()) for track in self._poses.tracks)

    def journal(self, path: Path, *deciding: object, resume: bool, alone: bool = False) -> PoseJournal:
        """For `run`, as of `EstimationOverTime`."""
        identity = identity_of(self._poses, self._video.identity, self._video.content(), *deciding)
        rows, keypoints = [len(track) for track in self._poses.tracks], len(self._runner.skeleton)
        return PoseJournal(
            path, identity, rows=rows, keypoints=keypoints, recall=self._walk.recall, resume=resume, alone=alone
        )

    def run(
        self, min_score: float = 0.0, advance: Callable[[int], None] = unheard, journal: PoseJournal | None = None
    ) -> Refined:
        """The result of `refine`; advance, journal: as of `EstimationOverTime`. Crops and starts are those of this run,
        not of one that it goes on from."""
        video, poses, channels = self._video, self._poses, self._channels
        own = np.flatnonzero(channels >= 0)
        values = [_Values(track) for track in poses.tracks]
        before = self._runner.seen
        with closing(self._walk.walk(advance, journal)) as walk:
            for found in walk if self.wanted else ():
                xy, score = found.xy[channels[own]], found.score[channels[own]]
                good = (score > 0) & (score >= min_score)
                values[found.track].take(found.row, own, xy, score, good, np.where(inside(xy, video), 2, 1))
        tracks = tuple(value.track() for value in values)
        unknown = tuple(name for name, channel in zip(poses.skeleton.keypoints, channels, strict=True) if channel < 0)
        path = poses.video.path or video.identity.path
        refined = replace(poses, tracks=tracks, video=replace(video.identity, path=path))
        starts = self._walk.starts if isinstance(self._walk, RecurrentWalk) else None
        return Refined(refined, self._runner.seen - before, unknown, starts)


def walk_along(
    video: Video,
    tracks: Sequence[Track],
    runner: WindowRunner | RecurrentRunner,
    *,
    channels: IntArray | None = None,
    offsets: Sequence[int] | None = None,
    every: int | None = None,
    scales: Sequence[float] = (1.0,),
    flip: bool = False,
) -> WindowWalk | RecurrentWalk:
    """The walk of a model along some tracks; channels: see `RecurrentWalk`, the others as in `refine`."""
    seen = views(scales, flip)
    if isinstance(runner, RecurrentRunner):
        if offsets is not None:
            model = runner.card.model.name
            raise PwarpError(f"{runner.name}: '{model}' goes from frame to frame and takes no offsets; leave them out")
        return RecurrentWalk(video, tracks, runner, channels, seen, every)
    if every is not None:
        raise PwarpError(
            f"{runner.name}: '{runner.card.model.name}' looks at a window of frames and never starts anew; "
            "leave --every out"
        )
    return WindowWalk(video, tracks, runner, suitable(runner, offsets), seen)


def suitable(runner: WindowRunner, offsets: Sequence[int] | None) -> tuple[int, ...]:
    """The frames that a model is to look at; raises PwarpError for those that it cannot."""
    own = runner.model.offsets
    if offsets is None:
        return own
    chosen = tuple(sorted(set(offsets)))
    shown = ",".join(map(str, chosen))
    if 0 not in chosen or max(abs(o) for o in chosen) > _FARTHEST:
        raise UsageError(f"offsets {shown}: 0, the frame itself, must be among them, and all within ±{_FARTHEST}")
    if not isinstance(runner.model, PoseWarper) and [np.sign(o) for o in chosen] != [np.sign(o) for o in sorted(own)]:
        raise PwarpError(
            f"{runner.name}: '{runner.card.model.name}' looks at {len(own)} frames ({','.join(map(str, own))}), "
            f"not at {shown}; leave the offsets out"
        )
    return chosen


def _open(track: Track) -> NDArray[np.bool_]:
    """(F, K) which keypoints a model may set."""
    # A frame whose keypoints a person took away has more than a box: the knowledge that they are not there.
    bare = ~np.asarray((track.labelled | track.taken_away).any(axis=1))
    found: NDArray[np.bool_] = (track.labelled | bare[:, None]) & ~track.by_person
    return found


class _Values:
    """A track on its way to being refined."""

    def __init__(self, track: Track) -> None:
        self._track = track
        self._xy, self._score = track.xy.copy(), track.score.copy()
        self._visibility, self._source = track.visibility.copy(), track.source.copy()
        self._open = _open(track)

    def take(
        self, row: int, own: IntArray, xy: FloatArray, score: FloatArray, good: NDArray[np.bool_], fresh: IntArray
    ) -> None:
        """Keypoints `own` of a row, those that are good; fresh: the visibility of those that had none."""
        good = good & self._open[row, own]
        which = own[good]
        self._xy[row, which], self._score[row, which] = xy[good], score[good]
        self._source[row, which] = Source.REFINED
        known = self._visibility[row, which]
        self._visibility[row, which] = np.where(known > 0, known, fresh[good])

    def track(self) -> Track:
        return replace(self._track, xy=self._xy, score=self._score, visibility=self._visibility, source=self._source)
