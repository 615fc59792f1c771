"""Manual and propagated labels of one video, joined: who is who, what is kept, and how much it weighs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pwarp.annotations import (
    Annotations,
    FloatArray,
    IntArray,
    Source,
    Track,
    VideoIdentity,
    joined_track,
    merged_spans,
)
from pwarp.augment.counts import Counts
from pwarp.errors import PwarpError

Weights = Literal["score", "distance", "one"]
Mask = NDArray[np.bool_]

_ROUNDED = 0.5  # pixels by which a label may differ between two files of it: formats round
_PER_ROW = ("boxes", "head_boxes", "person_score")


@dataclass(frozen=True)
class AugmentOptions:
    """What propagated labels are good enough, and what they weigh.

    min_score: propagated keypoints less sure than this are left out, and where it is above 0 those without a score.
    max_distance: so are those more frames away from the key frame they came from; None: any distance.
    weights: "score": a keypoint weighs what its score says; "distance": half as much every `halving` frames from its
        key frame; "one": all weigh 1. The weight is written as the keypoint's score.
    sample: draw this many propagated poses for each key pose of a track, with chances as their weights, in place of
        weighing: those drawn weigh 1. None: take all. seed: of the draw.
    """

    min_score: float = 0.0
    max_distance: int | None = None
    weights: Weights = "score"
    halving: float = 7.0
    sample: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.min_score <= 1:
            raise PwarpError(f"min_score {self.min_score} is outside 0..1")
        if self.max_distance is not None and self.max_distance < 0:
            raise PwarpError(f"max_distance: {self.max_distance} frames; give 0 or more")
        if not self.halving > 0:
            raise PwarpError(f"halving: {self.halving} frames; give more than 0")
        if self.sample is not None and self.sample < 0:
            raise PwarpError(f"sample: {self.sample} poses; give 0 or more")


def join(
    manual: Annotations, propagated: Annotations, options: AugmentOptions | None = None
) -> tuple[Annotations, Counts]:
    """Both labels of one video as one, and what became of their keypoints.

    Keypoints that a person set in `manual` come back bit-identical and win over whatever stands in `propagated`, save
    over a correction that says it replaced, or took away, exactly them. Keypoints that a person set in `propagated`
    alone are kept, too. Marks of absence on either side hold, save in frames where a keypoint that a person set is
    kept. Tracks are paired by id; labels without a track by the pose itself, which propagation does not move.

    Raises PwarpError where the two do not go together, as `common_video` does.
    """
    options = options or AugmentOptions()
    video = common_video(manual, propagated)
    tracks, counts = [], []
    for mine, theirs in _partners(manual, propagated):
        track, count = _joined(mine, theirs, options)
        counts.append(count)
        if len(track) or len(track.absent):
            tracks.append(track)
    labelled = manual.labelled
    if labelled is not None:
        labelled = np.union1d(labelled, np.concatenate([t.frames for t in tracks] or [np.empty(0, np.int64)]))
    joined = Annotations(
        skeleton=manual.skeleton,
        video=video,
        tracks=tuple(tracks),
        labelled=labelled,
        ignore_regions={**propagated.ignore_regions, **manual.ignore_regions},
    )
    return joined, Counts.total(counts)


def common_video(manual: Annotations, propagated: Annotations) -> VideoIdentity:
    """The video of labels that can be joined; raises PwarpError where they are of different videos or skeletons."""
    if manual.skeleton.keypoints != propagated.skeleton.keypoints:
        raise PwarpError(
            f"the manual labels have skeleton '{manual.skeleton.name}' ({len(manual.skeleton)} keypoints), the "
            f"propagated ones '{propagated.skeleton.name}' ({len(propagated.skeleton)}); give labels propagated from "
            "the manual ones"
        )
    return same_video(manual.video, propagated.video)


def same_video(a: VideoIdentity, b: VideoIdentity) -> VideoIdentity:
    """What two identities know of one video together; raises PwarpError where they contradict each other."""
    for what in ("width", "height", "frame_count", "fingerprint"):
        one, other = getattr(a, what), getattr(b, what)
        if one is not None and other is not None and one != other:
            raise PwarpError(
                f"the manual labels are of a video with {what} {one} ({a.path or 'no name'}), the propagated ones of "
                f"one with {other} ({b.path or 'no name'}); give labels of the same video"
            )
    known = {name: getattr(a, name) if getattr(a, name) is not None else getattr(b, name) for name in vars(a)}
    return VideoIdentity(**known)


def _partners(manual: Annotations, propagated: Annotations) -> list[tuple[Track | None, Track | None]]:
    """Who is who: pairs (manual, propagated) of tracks, None where one side has nobody."""
    by_id = {t.id: t for t in propagated.tracks}
    mine: dict[int, list[Track]] = {}
    strangers = []
    for track in manual.tracks:
        id = track.id if track.identified and track.id in by_id else _holding(track, propagated.tracks)
        if id is None or any(np.isin(track.frames, other.frames).any() for other in mine.get(id, [])):
            strangers.append(track)
        else:
            mine.setdefault(id, []).append(track)
    pairs: list[tuple[Track | None, Track | None]] = [
        (joined_track(mine[t.id], t.id) if t.id in mine else None, t) for t in propagated.tracks
    ]
    taken = set(by_id)
    for track in strangers:
        id = track.id if track.id not in taken else max(taken) + 1
        taken.add(id)
        pairs.append((replace(track, id=id), None))
    return pairs


def _holding(track: Track, others: Sequence[Track]) -> int | None:
    """The id of the track in which a person set what stands in this one's first key frame, before any correction."""
    if track.identified or not len(track.key_frames):
        return None
    off = [(_off(track.rows([track.at(int(track.key_frames[0]))]), other), other.id) for other in others]
    nearest, id = min(off, default=(np.inf, -1))
    return id if nearest <= _ROUNDED else None


def _off(pose: Track, other: Track) -> float:
    """How far, in pixels, the keypoints that a person set in a track of one frame lie from those of another track;
    infinite where one of the two has more of them, corrections aside."""
    (frame,), (mine,) = pose.frames.tolist(), pose.by_person
    row = other.at(frame)
    held = np.empty(0, np.int64) if row is None else np.flatnonzero(other.by_person[row])
    placed: list[tuple[int, Any]] = [(int(k), other.xy[row, k]) for k in held]
    placed += [(r.keypoint, (r.x, r.y)) for r in other.replaced if r.frame == frame and Source(r.source).by_person]
    off = np.where(mine, np.inf, 0.0)
    for keypoint, place in placed:
        off[keypoint] = min(off[keypoint], float(np.abs(pose.xy[0, keypoint] - place).max()) if mine[keypoint] else 0)
    more = row is not None and bool((~mine & (other.source[row] == Source.MANUAL)).any())
    return float("inf") if more else float(off.max())


def _joined(mine: Track | None, theirs: Track | None, options: AugmentOptions) -> tuple[Track, Counts]:
    """One person's labels of both sides, on all frames where anything is kept."""
    if mine is None or theirs is None:
        whole = theirs if mine is None else mine
        assert whole is not None
        nobody = replace(whole.rows(np.zeros(len(whole), np.bool_)), replaced=())
        mine, theirs = (nobody if side is None else side for side in (mine, theirs))
    marks = merged_spans([*mine.absent.tolist(), *theirs.absent.tolist()])
    drawn_by_hand, left_standing, not_manual = mine.frames, theirs.frames, int((mine.labelled & ~mine.by_person).sum())
    frames = np.union1d(mine.frames, theirs.frames)
    distance = _distance(theirs, np.union1d(mine.key_frames, theirs.key_frames), frames)
    mine, theirs = _on(mine, frames), _on(theirs, frames)

    corrected = mine.by_person & _corrections(mine, theirs)
    by_me = mine.by_person & ~corrected
    by_them = theirs.by_person & ~by_me
    rest = theirs.labelled & ~by_me & ~by_them & ~corrected
    left_out = []
    absent = np.broadcast_to(~(mine.present_at(frames) & theirs.present_at(frames))[:, None], rest.shape)
    for reason in (absent, _unsure(theirs.score, options), _far(distance, options)):
        left_out.append(int((rest & reason).sum()))
        rest &= ~reason
    weight = _weight(theirs.score, distance, options)
    people = by_me | by_them
    if options.sample is not None:
        drawn = _drawn(rest, np.nan_to_num(weight, nan=1.0), people, options, mine.id)
        left_out.append(int((rest & ~drawn).sum()))
        rest, weight = drawn, np.ones_like(weight)

    take = rest | by_them
    given = {name: getattr(theirs, name) for name in _EMPTY} | {"score": np.where(rest, weight, theirs.score)}
    values: dict[str, Any] = {}
    for name, empty in _EMPTY.items():
        other = _where(take, given[name], np.full_like(given[name], empty))
        values[name] = _where(by_me, getattr(mine, name), other)
    for name in _PER_ROW:
        own = getattr(mine, name)
        values[name] = np.where(np.isnan(own), getattr(theirs, name), own)
    # A frame where a person drew no more than a box stays; one of which nothing propagated was kept goes, and so does
    # one of which a person took away all there was.
    taken = corrected.any(axis=1) & ~np.isin(frames, left_standing)
    keep = (people | take).any(axis=1) | np.isin(frames, drawn_by_hand) & ~taken
    track = replace(
        mine,
        frames=frames[keep],
        **{name: value[keep] for name, value in values.items()},
        absent=_parted(marks, frames[people.any(axis=1)]),
        replaced=tuple(dict.fromkeys((*mine.replaced, *theirs.replaced))),
        identified=mine.identified,
    )
    counts = Counts(
        manual_poses=int(people.any(axis=1).sum()),
        propagated_poses=int((rest.any(axis=1) & ~people.any(axis=1)).sum()),
        manual=int(people.sum()),
        propagated=int(rest.sum()),
        unscored=int((rest & np.isnan(theirs.score)).sum()),
        in_absence=left_out[0],
        below_score=left_out[1],
        too_far=left_out[2],
        not_drawn=sum(left_out[3:]),
        corrected=int(corrected.sum()),
        overruled=int((by_me & theirs.labelled & (mine.xy != theirs.xy).any(axis=2)).sum()),
        not_manual=not_manual,
        weight=float(np.nan_to_num(weight, nan=1.0)[rest].sum()),
    )
    return track, counts


def _parted(spans: IntArray, frames: IntArray) -> IntArray:
    """(A, 2) the spans without some of their frames."""
    parts = []
    for first, last in spans.tolist():
        inside = frames[(frames >= first) & (frames <= last)].tolist()
        parts += [(a + 1, b - 1) for a, b in pairwise([first - 1, *inside, last + 1]) if a + 1 <= b - 1]
    return merged_spans(parts)


_EMPTY = {"xy": np.nan, "visibility": 0, "score": np.nan, "source": Source.NONE, "origin": -1}


def _on(track: Track, frames: IntArray) -> Track:
    """The track stored for more frames (N,), nothing being known in the new ones."""
    at = np.searchsorted(frames, track.frames)

    def spread(name: str, empty: float) -> NDArray[Any]:
        old = getattr(track, name)
        values = np.full((len(frames), *old.shape[1:]), empty, old.dtype)
        values[at] = old
        return values

    rows: dict[str, Any] = {name: spread(name, empty) for name, empty in _EMPTY.items()}
    rows |= {name: spread(name, np.nan) for name in _PER_ROW}
    return replace(track, frames=frames, **rows)


def _where(mask: Mask, yes: NDArray[Any], no: NDArray[Any]) -> NDArray[Any]:
    """Values (F, K, ...) chosen by keypoint (F, K)."""
    return np.where(mask.reshape(mask.shape + (1,) * (yes.ndim - 2)), yes, no)


def _corrections(mine: Track, theirs: Track) -> Mask:
    """(F, K) where a correction in `theirs` says that it replaced, or took away, just what stands in `mine`."""
    found = np.zeros(mine.visibility.shape, np.bool_)
    for old in theirs.replaced:
        row = mine.at(old.frame)
        if row is not None and tuple(mine.xy[row, old.keypoint]) == (old.x, old.y):
            found[row, old.keypoint] = True
    return found


def _distance(track: Track, keys: IntArray, frames: IntArray) -> FloatArray:
    """(N, K) frames from the nearer key frame that a keypoint came from; where it does not say, from the nearest of
    `keys`; inf where there is none."""
    gaps = np.abs(frames[:, None] - keys).min(axis=1) if len(keys) else np.full(len(frames), np.inf)
    distance = np.repeat(gaps[:, None].astype(np.float64), track.xy.shape[1], axis=1)
    origin = np.where(track.origin >= 0, np.abs(track.frames[:, None, None] - track.origin), np.inf).min(axis=2)
    at = np.searchsorted(frames, track.frames)
    distance[at] = np.where(np.isfinite(origin), origin, distance[at])
    return distance


def _unsure(score: FloatArray, options: AugmentOptions) -> Mask:
    if options.min_score == 0:
        return np.zeros(score.shape, np.bool_)
    return ~(score >= options.min_score)


def _far(distance: FloatArray, options: AugmentOptions) -> Mask:
    return distance > (np.inf if options.max_distance is None else options.max_distance)


def _weight(score: FloatArray, distance: FloatArray, options: AugmentOptions) -> FloatArray:
    """(F, K) what each propagated keypoint weighs; NaN (that is, 1) where its score should say but there is none."""
    if options.weights == "score":
        weight: FloatArray = np.clip(score, 0.0, 1.0)
        return weight
    return np.exp2(-distance / options.halving) if options.weights == "distance" else np.ones_like(score)


def _drawn(kept: Mask, weight: FloatArray, people: Mask, options: AugmentOptions, id: int) -> Mask:
    """The kept keypoints of the poses that chance takes; poses of key frames stay whole."""
    key_poses = people.any(axis=1)
    candidates = np.flatnonzero(kept.any(axis=1) & ~key_poses)
    chance = np.array([weight[row, kept[row]].mean() for row in candidates])
    wanted = min((options.sample or 0) * int(key_poses.sum()), int((chance > 0).sum()))
    taken: Mask = np.array(key_poses)
    if wanted:
        rng = np.random.default_rng([options.seed, id % 2**64])  # ids of tracks may be negative
        taken[rng.choice(candidates, wanted, replace=False, p=chance / chance.sum())] = True
    drawn: Mask = kept & taken[:, None]
    return drawn
