"""What a PoseWarper has learned of motion: its offsets as fields, and how well they tell where keypoints go.

Bertasius et al. (NeurIPS 2019), figure 5 and section 4.3: the offsets are read where a keypoint is, a linear model of
them is fitted to its displacement, and stands beside Farneback's optical flow between the same crops.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from pwarp.annotations import Annotations, FloatArray, Track
from pwarp.crops import Window, boxes_around, transform
from pwarp.errors import PwarpError
from pwarp.following.runner import Crops, WindowRunner
from pwarp.models.posewarper import PoseWarper
from pwarp.video import Video

Field = NDArray[np.float32]  # (h, w, 2) dx, dy
Place = tuple[int, Track]
_FOLDS = 5  # stretches of the video; each is told by a model of the others
_MOST = 600  # pairs looked at, evenly spread over the video
_RIDGE = 0.01  # of the number of samples, on standardised offsets
_CHANNELS = 2  # of the offsets that are shown


@dataclass(frozen=True, eq=False)
class Pair:
    """One person in frames `frame` and `frame` + delta, seen through the window of the first.

    crops: of both. offsets: (h, w, D) learned, in cells: where frame + delta's heatmaps sample frame's. here: (K, 2)
    keypoints of frame + delta in cells; moved: (K, 2) how far each came since `frame`, in cells; NaN for those not
    labelled in both. pixels: picture pixels a cell.
    """

    frame: int
    track: int
    crops: tuple[Crops, Crops]
    offsets: NDArray[np.float32]
    here: FloatArray
    moved: FloatArray
    pixels: float


@dataclass(frozen=True)
class Told:
    """How well displacements of keypoints are told. r2: share of their variance, 1 being all (below 0: worse than
    their mean). error: mean distance in picture pixels."""

    r2: float
    error: float


@dataclass(frozen=True, eq=False)
class Study:
    """keypoints: pairs of keypoints measured. learned: by offsets, linearly, on stretches of the video that the model
    was not fitted to. fitted_flow: by Farneback's flow, in the same way; flow: as it is. still: by saying that nothing
    moves. weights: (D + 1, 2) of the linear model of all, mapping offsets and 1 to displacements in cells."""

    pairs: int
    keypoints: int
    learned: Told
    flow: Told
    fitted_flow: Told
    still: Told
    weights: FloatArray


def places(labels: Annotations, delta: int, at: Container[int] = ()) -> list[Place]:
    """Frames in which somebody is labelled who is so `delta` frames later, too: at most 600, evenly spread, and those
    among `at`.

    Raises PwarpError where there is nobody.
    """
    found = [(int(f), t) for t in labels.tracks for f in t.frames if _both(t, int(f), delta)]
    found.sort(key=lambda place: (place[0], place[1].id))
    if not found:
        raise PwarpError(f"nobody is labelled in two frames {delta} apart; give dense labels, or another --delta")
    spread = np.linspace(0, len(found) - 1, min(_MOST, len(found))).round().astype(int)
    asked = [i for i, (frame, _) in enumerate(found) if frame in at]
    return [found[i] for i in sorted({*spread.tolist(), *asked})]


def pairs(video: Video, wanted: Sequence[Place], runner: WindowRunner, delta: int) -> Iterator[Pair]:
    """What is seen at some places, in order of their frames; the video is read once."""
    by_frame: dict[int, list[Track]] = {}
    for frame, track in wanted:
        by_frame.setdefault(frame, []).append(track)
    waiting: list[tuple[int, Track, Window, Crops]] = []
    for frame, picture in video.frames(min(by_frame), max(by_frame) + delta + 1):
        for before, track, window, crop in waiting:
            if before + delta == frame:
                yield _pair(track, before, delta, window, (crop, runner.cut(picture, window)), runner)
        waiting = [one for one in waiting if one[0] + delta > frame]
        for track in by_frame.get(frame, ()):
            window = _window(track, frame, runner, (video.width, video.height))
            waiting.append((frame, track, window, runner.cut(picture, window)))


def _both(track: Track, frame: int, delta: int) -> bool:
    a, b = track.at(frame), track.at(frame + delta)
    return a is not None and b is not None and bool((track.labelled[a] & track.labelled[b]).any())


def _window(track: Track, frame: int, runner: WindowRunner, size: tuple[int, int]) -> Window:
    row = track.at(frame)
    assert row is not None
    box = track.boxes[row]
    if not (np.isfinite(box).all() and (box[2:] > box[:2]).all()):
        (box,) = boxes_around(track.xy[row, None], track.labelled[row, None], size)
    return Window.around(box, runner.codec.size, runner.card.padding)


def _pair(
    track: Track, frame: int, delta: int, window: Window, crops: tuple[Crops, Crops], runner: WindowRunner
) -> Pair:
    model = runner.model
    assert isinstance(model, PoseWarper)
    features = runner.features(crops).to(runner.device)
    with torch.inference_mode():
        motion = torch.cat(model.motion(features[1:], features[:1]), dim=1)[0]
    matrix = window.matrix(runner.codec.size, runner.codec.unbiased)
    rows = [track.at(frame), track.at(frame + delta)]
    spacing = np.array(runner.codec.spacing)
    a, b = (transform(np.where(track.labelled[r, :, None], track.xy[r], np.nan), matrix) / spacing for r in rows)
    offsets = motion.permute(1, 2, 0).float().cpu().numpy()
    return Pair(frame, track.id, crops, offsets, b, b - a, float(spacing[0] / abs(matrix[0, 0])))


def study(seen: Iterable[Pair], keep: Container[tuple[int, int]]) -> tuple[Study, list[Pair]]:
    """The linear regression and Farneback's flow on the keypoints of some pairs, and the pairs that are to be kept.

    keep: their (frame, track id). Of the others only what lies at keypoints is kept: offsets fill memory quickly.
    Raises PwarpError for too few keypoints.
    """
    parts: list[tuple[NDArray[np.floating], ...]] = []
    kept = []
    for pair in seen:
        flow = farneback(pair)
        height, width = flow.shape[:2]
        inside = (pair.here >= 0).all(axis=1) & (pair.here <= [width - 1, height - 1]).all(axis=1)  # false for NaN
        good = np.flatnonzero(inside & np.isfinite(pair.moved).all(axis=1))
        here, ones = pair.here[good], np.ones(len(good))
        told = (_sampled(pair.offsets, here), _sampled(flow, here), pair.moved[good])
        parts.append((*told, ones * pair.pixels, ones * pair.frame))
        if (pair.frame, pair.track) in keep:
            kept.append(pair)
    x, f, y, size, when = (np.concatenate(part).astype(np.float64) for part in zip(*parts, strict=True))
    if len(y) < 4 * _FOLDS or len(np.unique(when)) < _FOLDS:
        raise PwarpError(f"{len(y)} keypoints in two frames are too few for a regression; give labels of more frames")
    measured = Study(
        pairs=len(parts),
        keypoints=len(y),
        learned=_told(_cross_fitted(x, y, when), y, size),
        flow=_told(f, y, size),
        fitted_flow=_told(_cross_fitted(f, y, when), y, size),
        still=_told(np.zeros_like(y), y, size),
        weights=_fitted(x, y),
    )
    return measured, kept


def farneback(pair: Pair) -> Field:
    """(h, w, 2) motion from the first crop to the second, at the second's cells, in cells: minus the flow back."""
    a, b = (cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY) for crop in pair.crops)
    fresh: Any = None
    flow = np.asarray(cv2.calcOpticalFlowFarneback(b, a, fresh, 0.5, 3, 15, 3, 5, 1.2, 0), np.float32)
    height, width = pair.offsets.shape[:2]
    cell = np.array([a.shape[1] / width, a.shape[0] / height], np.float32)
    return np.asarray(-cv2.resize(flow, (width, height), interpolation=cv2.INTER_AREA) / cell, np.float32)


def predicted(pair: Pair, weights: FloatArray) -> Field:
    """(h, w, 2) motion that the linear model tells everywhere, in cells."""
    return np.asarray(pair.offsets @ weights[:-1] + weights[-1], np.float32)


def _sampled(field: NDArray[np.float32], at: FloatArray) -> NDArray[np.float32]:
    """(N, D) a field (h, w, D) at the cells nearest to (N, 2)."""
    height, width = field.shape[:2]
    x, y = np.clip(np.round(at), 0, [width - 1, height - 1]).astype(int).T
    return np.asarray(field[y, x])


def _fitted(x: FloatArray, y: FloatArray) -> FloatArray:
    """(D + 1, 2) ridge regression of y (N, 2) on x (N, D), standardised inside."""
    mean, spread = x.mean(axis=0), x.std(axis=0)
    spread = np.where(spread > 1e-6, spread, np.inf)  # a dead offset says nothing
    z, middle = (x - mean) / spread, y.mean(axis=0)
    ridge = _RIDGE * len(x)
    if x.shape[1] <= len(x):
        beta = np.linalg.solve(z.T @ z + ridge * np.eye(x.shape[1]), z.T @ (y - middle))
    else:
        beta = z.T @ np.linalg.solve(z @ z.T + ridge * np.eye(len(x)), y - middle)
    beta = beta / spread[:, None]
    return np.concatenate([beta, (middle - mean @ beta)[None]])


def _cross_fitted(x: FloatArray, y: FloatArray, when: FloatArray) -> FloatArray:
    """(N, 2) what models say that were fitted to the other stretches of the video."""
    said = np.empty_like(y)
    stretches = np.array_split(np.unique(when), _FOLDS)
    for stretch in stretches:
        own = np.isin(when, stretch)
        weights = _fitted(x[~own], y[~own])
        said[own] = x[own] @ weights[:-1] + weights[-1]
    return said


def _told(said: FloatArray, y: FloatArray, pixels: FloatArray) -> Told:
    off = ((said - y) ** 2).sum()
    return Told(
        r2=float(1 - off / max(((y - y.mean(axis=0)) ** 2).sum(), 1e-12)),
        error=float((np.linalg.norm(said - y, axis=1) * pixels).mean()),
    )


def strongest(seen: Sequence[Pair]) -> list[int]:
    """Offset channels (of pairs dy, dx) worth showing: the strongest, no two of one tap's kernel alike."""
    strength = np.mean([np.abs(pair.offsets).mean(axis=(0, 1)) for pair in seen], axis=0)
    both = strength[0::2] + strength[1::2]
    order = np.argsort(-both, kind="stable")
    chosen = [int(order[0])]
    fields = np.stack([pair.offsets for pair in seen[:8]])
    for channel in order[1:64].tolist():
        if len(chosen) == _CHANNELS:
            break
        mine, first = (fields[..., 2 * c : 2 * c + 2].ravel() for c in (channel, chosen[0]))
        norms = float(np.linalg.norm(mine) * np.linalg.norm(first))
        if abs(float(mine @ first)) < 0.5 * max(norms, 1e-12):
            chosen.append(channel)
    return chosen + [int(c) for c in order if int(c) not in chosen][: _CHANNELS - len(chosen)]
