"""What propagation makes of key frames that are hidden from it: how far its labels can be trusted on this video.

Hiding a key frame doubles the gap that it stood in, and it lies in the middle of that gap, where propagation is worst.
So the figures are conservative. They are a report on quality, and not a contest of engines: with few hidden frames
the wrong engine wins as easily as the right one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pwarp import registry
from pwarp.annotations import Annotations, FloatArray, IntArray
from pwarp.errors import PwarpError
from pwarp.propagation import Options, propagate
from pwarp.propagation.join import join_by_position
from pwarp.trust.given import only_by_person
from pwarp.trust.hide import Round, default_strides, key_runs, rounds
from pwarp.trust.target import Target

if TYPE_CHECKING:
    from pwarp.video import Video

ENGINES = ("linear", "pchip", "flow", "auto")


@dataclass(frozen=True, eq=False)
class Evidence:
    """E hidden keypoints and what became of them.

    keypoint: (E,) index. pose: (E,) number of the hidden pose (a track in a frame), the same in every round. stride,
    gap: (E,) how it was hidden: which key frames were kept, and the frames between those on either side.
    px: (E,) error in pixels, infinite where nothing was propagated. scale: (E,) reference length in pixels.
    score: (E,) NaN where nothing was propagated.
    """

    keypoint: IntArray
    pose: IntArray
    stride: IntArray
    gap: IntArray
    px: FloatArray
    scale: FloatArray
    score: FloatArray

    def __len__(self) -> int:
        return len(self.px)

    def where(self, mask: NDArray[np.bool_]) -> Evidence:
        """The keypoints of a mask (E,)."""
        return Evidence(**{name: value[mask] for name, value in vars(self).items()})

    def right(self, alpha: float) -> NDArray[np.bool_]:
        """(E,) whether the error is at most alpha x the reference length."""
        near: NDArray[np.bool_] = self.px <= alpha * self.scale
        return near

    @property
    def found(self) -> NDArray[np.bool_]:
        """(E,) whether anything was propagated."""
        return np.isfinite(self.px)


@dataclass(frozen=True, eq=False)
class Study:
    """The evidence by engine; failed: why an engine could not run, by name. strides: how key frames were hidden.

    spacing: median distance of the labels' key frames in frames. settings: what each engine had, where it had any.
    """

    target: Target
    strides: tuple[int, ...]
    spacing: float
    engines: Mapping[str, Evidence]
    failed: Mapping[str, str]
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def study(
    video: Video,
    annotations: Annotations,
    target: Target,
    *,
    engines: Sequence[str] = ENGINES,
    strides: Sequence[int] | None = None,
    occluded: bool = False,
    settings: Mapping[str, Any] | None = None,
    expect: Callable[[int], None] = lambda _: None,
    advance: Callable[[int], None] = lambda _: None,
) -> Study:
    """Hide key frames in turn, propagate, and compare.

    strides: keep every so many-th key frame; None: see `hide.default_strides`. occluded: whether occluded keypoints
    count, too. settings: of engines, each for those that know it. expect is told how many frames there are to fill,
    advance of those done.

    Raises PwarpError where there is nothing to hide, or no engine can run.
    """
    own = shared_out(settings or {}, engines)
    given, all_rounds = hidden(annotations, strides)
    steps = [np.diff(frames) for track in given.tracks for frames in key_runs(track)]
    expect(len(engines) * len(all_rounds) * video.frame_count)
    evidence, failed = {}, {}
    for engine in engines:
        try:
            parts = []
            for one in all_rounds:
                # What an engine cannot do is its own affair here: it shows in the figures.
                dense = propagate(video, one.kept, Options(engine, settings=own[engine]), tell=lambda _: None)
                parts += list(_judged(given, dense, one, target, occluded))
                advance(video.frame_count)
            evidence[engine] = _joined(parts)
        except PwarpError as error:
            failed[engine] = str(error)
    if not evidence:
        raise PwarpError(f"no engine can run here: {'; '.join(f'{name}: {why}' for name, why in failed.items())}")
    if not any(len(e) for e in evidence.values()):
        raise PwarpError(
            f"no hidden keypoint can be judged: the poses lack what {target.length.text} is made of, or none is "
            "visible; give another length with --target, or --occluded"
        )
    used = tuple(sorted({one.stride for one in all_rounds}))
    return Study(target, used, float(np.median(np.concatenate(steps))), evidence, failed, own)


def hidden(annotations: Annotations, strides: Sequence[int] | None = None) -> tuple[Annotations, list[Round]]:
    """What people set in some labels, and the rounds of hiding it; strides as in `study`.

    Raises PwarpError where there is nothing to hide.
    """
    given = join_by_position(only_by_person(annotations))
    found = list(rounds(given, strides or default_strides(given)))
    if not found:
        default_strides(given)  # says so where there is nothing to hide at all
        raise PwarpError(f"no track has enough key frames to keep every {min(strides or (2,))}-th; keep more of them")
    return given, found


def shared_out(settings: Mapping[str, Any], engines: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The settings that each engine knows; raises PwarpError for one that none does."""
    known = {engine: {item.name for item in fields(registry.load("engine", engine))} for engine in engines}
    for name in settings:
        if not any(name in of_engine for of_engine in known.values()):
            raise PwarpError(f"none of {', '.join(engines)} has a setting '{name}'; leave it out, or add its engine")
    return {engine: {n: v for n, v in settings.items() if n in known[engine]} for engine in engines}


def _judged(
    given: Annotations, dense: Annotations, one: Round, target: Target, occluded: bool
) -> Iterator[dict[str, Any]]:
    """The evidence of each track with hidden frames."""
    first_pose = 0
    for track in given.tracks:
        if track.id in one.hidden:
            frames = one.hidden[track.id]
            rows = np.searchsorted(track.frames, frames)
            truth, labelled = track.xy[rows], track.visibility[rows] >= (1 if occluded else 2)
            found, score = np.full(truth.shape, np.nan), np.full(labelled.shape, np.nan)
            answer = dense.track(track.id)
            there = np.isin(frames, answer.frames)
            at = np.searchsorted(answer.frames, frames[there])
            found[there], score[there] = answer.xy[at], answer.score[at]
            px = np.linalg.norm(found - truth, axis=2)
            scale = target.length.of_keypoints(truth, track.boxes[rows], track.head_boxes[rows])
            row, keypoint = np.nonzero(labelled & np.isfinite(scale)[:, None])
            yield {
                "keypoint": keypoint,
                "pose": first_pose + rows[row],
                "stride": np.full(len(row), one.stride),
                "gap": one.gaps[track.id][row],
                "px": np.where(np.isnan(px), np.inf, px)[row, keypoint],
                "scale": scale[row],
                "score": score[row, keypoint],
            }
        first_pose += len(track)


def _joined(parts: Iterable[Mapping[str, Any]]) -> Evidence:
    each = list(parts)
    return Evidence(**{name: np.concatenate([part[name] for part in each]) for name in each[0]})
