"""The engine `posewarper`: labels of key frames, carried by a network that has learned how poses move.

PoseWarper, section 3 "video pose propagation": the keypoints of a key frame A are rendered as Gaussians y_A and warped
to frame B by the offsets found in ψ = f_B - f_A, the difference of the two frames' heatmaps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pwarp.errors import PwarpError
from pwarp.following.course import moved
from pwarp.following.exported import ExportedWarper, open_exported
from pwarp.following.feature_store import FeatureStore
from pwarp.following.runner import WindowRunner, open_window_runner
from pwarp.models.posewarper import PoseWarper
from pwarp.progress import unheard
from pwarp.propagation.engine import Job
from pwarp.propagation.flow import DisFlow
from pwarp.propagation.guide import Guide
from pwarp.propagation.interpolate import key_visibility
from pwarp.propagation.look import BothWays, Eye, Looker, Seen
from pwarp.propagation.plan import NONE, Fill, Span
from pwarp.propagation.walk import FrameCache
from pwarp.skeleton import Skeleton

Far = Literal["chain", "direct"]
Align = Literal["picture", "person"]
Fuse = Literal["product", "mean"]
ONNX = "onnx:"
# Where people are is known, and finer cells are worth more than what lies around them.
_NEARER = 0.8
_SHARE = 1 / 3  # of what stores may keep in memory: what is seen, and what comes from the one side and the other
_FLOOR = 1e-4  # of a heatmap under a logarithm
_FITTED = "the network fitted to this video"
_FADE = 30.0  # frames from the key frame that halve the trust


@dataclass(frozen=True)
class WarpEngine:
    """Settings of the engine `posewarper`.

    weights: a PoseWarper checkpoint, or onnx:FILE of its export. adapt: fit a small one to the key frames of this video
    instead (`adapt.py`); init: the estimator that this begins with, a checkpoint or "imagenet"; save_weights: where to
    keep the result, and where a resumed run finds it; seed: of the fitting. device: of the network. batch: crops or
    pairs of frames at a time.
    far: how labels come farther than `step` frames: "chain" warps them on from frame to frame, `step` at a time;
    "direct" compares every frame with the key frame itself.
    align: what stands still when two frames are compared, the "picture", or the "person": their windows follow the
    person, so that what is left to be learned is how limbs move against the body.
    fuse: the heatmaps from both sides by their "product" or "mean", weighed by their distances.
    flip: also look at the mirror image of every crop, which takes twice as many backbone passes.
    """

    weights: Path | None = None
    adapt: bool = False
    init: str | None = None
    save_weights: Path | None = None
    seed: int = 0
    device: str = "auto"
    batch: int = 16
    far: Far = "chain"
    step: int = 3
    align: Align = "person"
    fuse: Fuse = "product"
    flip: bool = False
    writes: ClassVar[tuple[str, ...]] = ("save_weights",)

    def __post_init__(self) -> None:
        if self.weights is None and not self.adapt:
            raise PwarpError(
                "the engine 'posewarper' needs a network: give --weights (pwarp train posewarper makes one), or "
                "'pwarp propagate --adapt', which fits a small one to this video"
            )
        if self.weights is not None and self.adapt:
            raise PwarpError("--weights and --adapt exclude each other: leave one out")
        for option, given in (("--save-weights", self.save_weights), ("--init", self.init)):
            if given is not None and not self.adapt:
                raise PwarpError(f"{option} goes with --adapt: give that, too, or leave it out")
        if self.batch < 1 or self.step < 1:
            raise PwarpError(f"batch {self.batch} and step {self.step} must be 1 or more")

    def check(self, job: Job) -> None:
        """Open the network, or what one is to be fitted from; raises PwarpError as `fill` does before it looks."""
        if self.weights is not None:
            self._fitting(job, self._runner(job))
            return
        from pwarp.propagation import adapt

        adapt.check(job, init=self.init, seed=self.seed, device=self.device)
        self._check_flip(_FITTED, job.skeleton)

    def fill(self, job: Job, spans: Iterable[Span], advance: Callable[[int], None]) -> Iterator[list[Fill]]:
        """Fill spans. Keypoints whose name the network does not know are followed by the engine `flow`, which is told.

        Raises PwarpError where it knows none of them.
        """
        todo = list(spans)
        if not todo:
            return
        runner = self._runner(job)
        channels, eye = self._fitting(job, runner)
        strangers = channels < 0
        cache, looker = FrameCache(job.video), Looker(job.video, eye, _NEARER, _SHARE)
        followed: Iterator[list[Fill]] | None = None
        if strangers.any():
            followed = DisFlow().fill(job, todo, unheard)
        with Guide(cache) as guide:
            for span in todo:
                seen = looker.look(span, guide.strands(span), advance)
                fills = [_Warping(self, runner, one, channels).fill() for one in seen]
                yield fills if followed is None else _merged(fills, next(followed), strangers)

    def _runner(self, job: Job) -> WindowRunner | ExportedWarper:
        if self.weights is not None and str(self.weights).startswith(ONNX):
            return open_exported(Path(str(self.weights).removeprefix(ONNX)), self.batch)
        if self.weights is not None:
            return open_window_runner(self.weights, PoseWarper, device=self.device, batch=self.batch)
        if job.resumed and self.save_weights is not None and self.save_weights.exists():
            job.tell(f"going on with {self.save_weights}, which this run had fitted before it was interrupted")
            return open_window_runner(self.save_weights, PoseWarper, device=self.device, batch=self.batch)
        from pwarp.propagation.adapt import adapted

        self._check_flip(_FITTED, job.skeleton)  # not after minutes of fitting
        return adapted(
            job, init=self.init, seed=self.seed, device=self.device, batch=self.batch, save=self.save_weights
        )

    def _fitting(self, job: Job, runner: WindowRunner | ExportedWarper) -> tuple[NDArray[np.int64], Eye]:
        """(K,) the network's channels for a job's keypoints, those that it does not know being told, and its eye."""
        channels = runner.channels(job.skeleton)
        names = [name for name, channel in zip(job.skeleton.keypoints, channels, strict=True) if channel < 0]
        if names:
            job.tell(
                f"{runner.name} does not know {len(names)} of {len(channels)} keypoints ({', '.join(names[:4])}"
                f"{', ...' if len(names) > 4 else ''}): these are filled by the engine 'flow'"
            )
        self._check_flip(runner.name, runner.skeleton)
        return channels, BothWays(runner, runner.skeleton.flip_pairs) if self.flip else runner

    def _check_flip(self, name: str, skeleton: Skeleton) -> None:
        if self.flip and not skeleton.flip_pairs:
            raise PwarpError(f"{name}: its skeleton has no left and right, so there is nothing to --flip")


class _Warping:
    """The labels of one strand, carried to all its open frames. Rows count from the strand's first frame."""

    def __init__(
        self, engine: WarpEngine, runner: WindowRunner | ExportedWarper, seen: Seen, channels: NDArray[np.int64]
    ) -> None:
        network = runner if isinstance(runner, ExportedWarper) else runner.model
        assert isinstance(network, ExportedWarper | PoseWarper)
        self._engine, self._runner, self._seen, self._network = engine, runner, seen, network
        self._plan, self._course = seen.strand.plan, seen.course
        self._known_names = np.flatnonzero(channels >= 0)
        self._channels = torch.from_numpy(channels[self._known_names])
        # Labels are drawn, and found again, between cells: the way by whole cells is for training.
        self._codec = replace(runner.codec, kind="udp" if runner.codec.unbiased else "dark")

    @torch.inference_mode()
    def fill(self) -> Fill:
        """What the key frames of both sides say together."""
        plan, own = self._plan, self._known_names
        rows = np.flatnonzero(plan.open[:, own].any(axis=1))
        sides = [self._carried(keys[:, own]) for keys in (plan.before, plan.after)]
        xy = np.array(self._seen.strand.path)
        score = np.zeros(xy.shape[:2])
        for start in range(0, len(rows), self._runner.batch):
            some = rows[start : start + self._runner.batch]
            places, sure = self._codec.decode(self._together(some, sides))
            for index, row in enumerate(some.tolist()):
                # Where no heat is left, as outside the window, the way of the whole body is all there is to say.
                found = own[sure[index].numpy() > 0]
                there = self._course.to_picture(places[index].double().numpy(), row)
                xy[row, found] = there[np.isin(own, found)]
                score[row, own] = sure[index].numpy()
        return Fill(plan.id, plan.first, xy, key_visibility(plan), np.clip(score * self._faded(), 0, 1))

    def _faded(self) -> NDArray[np.float64]:
        """(F, K) how much trust is left so far from the nearer key frame."""
        plan = self._plan
        frames = np.arange(plan.first, plan.last + 1)[:, None]
        past = np.where(plan.before == NONE, np.inf, frames - plan.before)
        coming = np.where(plan.after == NONE, np.inf, plan.after - frames)
        return np.exp2(-np.minimum(past, coming) / _FADE)

    def _carried(self, keys: NDArray[np.int64]) -> FeatureStore:
        """(F, K, h, w) labels of the key frames (F, K) on one side, at all open frames; zero where there is none."""
        columns, rows = self._codec.cells
        store = FeatureStore((*keys.shape, rows, columns), _SHARE)
        open_ = self._plan.open[:, self._known_names]
        for key in np.unique(keys[open_ & (keys != NONE)]).tolist():
            from_here = open_ & (keys == key)
            source = key - self._plan.first
            targets = np.flatnonzero(from_here.any(axis=1))
            targets = targets[np.argsort(np.abs(targets - source), kind="stable")]
            for some, maps in self._warped(source, targets.tolist()):
                for index, row in enumerate(some):
                    wanted = np.flatnonzero(from_here[row])
                    store[row, wanted] = maps[index, self._channels[wanted]]
        return store

    def _warped(self, source: int, targets: list[int]) -> Iterator[tuple[list[int], Tensor]]:
        """Rows, and the labels of a key frame there: (B, C, h, w) in the windows of these rows, all channels."""
        labels, features = self._drawn(source), self._seen.features[[source]]
        node = source
        size = self._runner.batch if self._engine.far == "direct" else self._engine.step
        for start in range(0, len(targets), size):
            some = targets[start : start + size]
            maps = self._warp(labels, features, node, some)
            yield some, maps
            if self._engine.far == "chain":
                node, labels, features = some[-1], maps[-1:], self._seen.features[[some[-1]]]

    def _warp(self, labels: Tensor, features: Tensor, source: int, targets: list[int]) -> Tensor:
        """Labels (1, C, h, w) of one row as they look in others."""
        shifts = np.array([self._course.shift(source, to) for to in targets], dtype=np.int64)
        if self._engine.align == "person":
            shifts[:] = 0
        count, device = len(targets), self._runner.device
        tensor = moved(labels.expand(count, -1, -1, -1), shifts)
        theirs = moved(features.expand(count, -1, -1, -1), shifts)
        there = self._seen.features[targets]
        return self._network.warp(tensor.to(device), there.to(device), theirs.to(device)).float().cpu()

    def _drawn(self, row: int) -> Tensor:
        """(1, C, h, w) Gaussians of what a person set in a row, in its own window."""
        own = self._known_names
        channels = len(self._runner.skeleton)
        xy, weight = torch.zeros(1, channels, 2), torch.zeros(1, channels)
        places = self._course.to_crop(np.nan_to_num(self._plan.xy[row, own]), row)
        xy[0, self._channels] = torch.from_numpy(places).float()
        weight[0, self._channels] = torch.from_numpy(self._plan.known[row, own]).float()
        drawn, _ = self._codec.encode(xy, weight)
        return drawn

    def _together(self, rows: NDArray[np.int64], sides: list[FeatureStore]) -> Tensor:
        """(B, K, h, w) the maps of both sides as one, the nearer side weighing more."""
        plan, own = self._plan, self._known_names
        past, coming = (side[rows] for side in sides)
        before, after = plan.before[rows][:, own], plan.after[rows][:, own]
        frames = (plan.first + rows)[:, None]
        share = (frames - before) / np.maximum(after - before, 1)
        share = np.where(before == NONE, 1.0, np.where(after == NONE, 0.0, share))
        of_coming = torch.from_numpy(share).float()[..., None, None]
        if self._engine.fuse == "mean":
            return past * (1 - of_coming) + coming * of_coming
        logs = past.clamp_min(_FLOOR).log() * (1 - of_coming) + coming.clamp_min(_FLOOR).log() * of_coming
        return logs.exp() - _FLOOR


def _merged(fills: list[Fill], others: list[Fill], strangers: NDArray[np.bool_]) -> list[Fill]:
    """Fills with some keypoints from other ones."""
    return [
        replace(
            fill,
            xy=np.where(strangers[:, None], other.xy, fill.xy),
            visibility=np.where(strangers, other.visibility, fill.visibility),
            score=np.where(strangers, other.score, fill.score),
        )
        for fill, other in zip(fills, others, strict=True)
    ]
