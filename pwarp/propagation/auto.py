"""The engine `auto`: beliefs from both key frames meet on a grid around every keypoint.

For each keypoint of each track there is a chain of beliefs over its frames, known at its key frames. What is done
here is the forward-backward algorithm on that chain, with optical flow as the transition: go forward and keep the
messages, come back and multiply.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pwarp.errors import PwarpError
from pwarp.propagation import motion
from pwarp.propagation.belief import Belief, BeliefConfig, Grid, normalised
from pwarp.propagation.engine import Job
from pwarp.propagation.guide import Guide
from pwarp.propagation.interpolate import key_visibility
from pwarp.propagation.motion import Flow
from pwarp.propagation.plan import NONE, Fill, Span
from pwarp.propagation.walk import Around, FrameCache, Motion, Strand, Walker, travel

if TYPE_CHECKING:
    from pwarp.propagation.evidence import Evidence, Odds
    from pwarp.propagation.witness import Witness


@dataclass(frozen=True)
class Auto:
    """Forward-backward belief propagation along DIS optical flow, and what an estimator sees where there is one.

    estimator: a frame-wise estimator, a checkpoint or onnx:FILE (`pwarp.estimation`); its heatmaps are evidence for the
    keypoints that it knows by name. device: where a checkpoint runs. batch: crops that it gets at a time.
    """

    estimator: str | None = None
    device: str = "auto"
    batch: int = 16

    def __post_init__(self) -> None:
        if self.batch < 1:
            raise PwarpError(f"batch {self.batch} must be 1 or more")
        if self.estimator is None and (self.device, self.batch) != (Auto.device, Auto.batch):
            raise PwarpError("--device and --batch are for a network: give --estimator, too, or leave them out")

    def check(self, job: Job) -> None:
        """Open the estimator; raises PwarpError as `fill` does."""
        self._witness(job)

    def fill(self, job: Job, spans: Iterable[Span], advance: Callable[[int], None]) -> Iterator[list[Fill]]:
        """Fill spans; see `pwarp.propagation.engine`. Raises PwarpError where an estimator is no good, or knows none of
        the keypoints; those that it does not know are told."""
        witness = self._witness(job)
        cache = FrameCache(job.video)
        step = advance if witness is None else _halved(advance)
        with Guide(cache) as guide, Walker(cache, motion.dis, Around(cache.width, cache.height)) as walker:
            for span in spans:
                found = guide.strands(span)
                evidence = None if witness is None else witness.look(span, found, step)
                beliefs = _Beliefs(found, BeliefConfig(), evidence)
                travel(walker, found, span, beliefs, step)
                yield beliefs.fills()

    def _witness(self, job: Job) -> Witness | None:
        if self.estimator is None:
            return None
        from pwarp.estimation import open_estimator
        from pwarp.propagation.witness import Witness

        return Witness(job, open_estimator(self.estimator, self.device), self.batch)


def _halved(advance: Callable[[int], None]) -> Callable[[int], None]:
    """Who listens to two passes through the same frames, and hears of each frame once."""
    done = 0

    def step(frames: int) -> None:
        nonlocal done
        advance((done + frames) // 2 - done // 2)
        done += frames

    return step


class _Beliefs:
    """The traveller: beliefs about all strands of a span."""

    def __init__(
        self, strands: Sequence[Strand], config: BeliefConfig, evidence: Sequence[Evidence] | None = None
    ) -> None:
        each: Sequence[Evidence | None] = evidence or [None] * len(strands)
        self._chains = [_Chain(s, config, e) for s, e in zip(strands, each, strict=True)]

    def forward(self, frame: int, motion: dict[int, Motion]) -> None:
        for i, (forth, back) in motion.items():
            self._chains[i].forward(frame, forth, back)

    def backward(self, frame: int, motion: dict[int, Motion]) -> None:
        for i, (forth, back) in motion.items():
            self._chains[i].backward(frame, forth, back)

    def forget(self, first: int, last: int) -> None:
        for chain in self._chains:
            chain.forget(first, last)

    def fills(self) -> list[Fill]:
        return [chain.fill() for chain in self._chains]


@lru_cache(maxsize=64)  # sizes come in quarter octaves, so there are few
def _grid(diagonal: float, config: BeliefConfig) -> Grid:
    return Grid(diagonal, config)


@lru_cache(maxsize=64)
def _label(grid: Grid) -> Belief:
    """(1, n, n) what a person's label says, at the centre."""
    return grid.peak(np.zeros((1, 2)))


class _Chain:
    """Beliefs about the K keypoints of one strand. Rows count from the strand's first frame."""

    def __init__(self, strand: Strand, config: BeliefConfig, evidence: Evidence | None) -> None:
        plan = strand.plan
        self._plan = plan
        self._evidence = evidence
        self._grid = _grid(strand.diagonal, config)
        # A keypoint with key frames on both sides is looked for around the strand's path; one with a key frame on one
        # side only is followed from there, its later centres being set on the way.
        self._centres = np.nan_to_num(strand.path)
        self._known = plan.known
        self._from_past = ~self._known & (plan.before != NONE)
        self._from_coming = ~self._known & (plan.after != NONE)
        count = self._centres.shape[1]
        # The same for every keypoint, and for every strand of this size: views of one, for there may be many strands.
        self._label = np.broadcast_to(_label(self._grid), (count, self._grid.n, self._grid.n))
        self._nothing = np.broadcast_to(self._grid.uniform(1), self._label.shape)
        self._forward: dict[int, Belief] = {}
        self._backward: dict[int, Belief] = {}
        self._xy = np.full_like(strand.path, np.nan)
        self._score = np.zeros(strand.path.shape[:2])

    def forward(self, frame: int, forth: Flow, back: Flow) -> None:
        """The message from frame to frame + 1."""
        row = frame - self._plan.first
        belief = self._on_the_way(self._message(self._forward, row), row, self._odds(row))
        self._follow(belief, row, row + 1, forth, self._from_past[row + 1] & ~self._from_coming[row + 1])
        arrives = self._from_past[row + 1]
        if arrives.any():
            carried = self._grid.carry(belief, self._centres[row], self._centres[row + 1], back)
            self._forward[row + 1] = self._mixed(row + 1, arrives, carried)

    def backward(self, frame: int, forth: Flow, back: Flow) -> None:
        """The message from frame + 1 back to frame, and what both sides say together about frame + 1."""
        row = frame - self._plan.first
        odds = self._odds(row + 1)
        belief = self._on_the_way(self._message(self._backward, row + 1), row + 1, odds)
        self._conclude(row + 1, odds)
        self._follow(belief, row + 1, row, back, self._from_coming[row] & ~self._from_past[row])
        arrives = self._from_coming[row]
        if arrives.any():
            carried = self._grid.carry(belief, self._centres[row + 1], self._centres[row], forth)
            self._backward[row] = self._mixed(row, arrives, carried)
        if row == 0:
            self._conclude(row, self._odds(row))

    def _odds(self, row: int) -> Odds | None:
        """What is seen around the centres of a row, which have to be set."""
        if self._evidence is None or not (self._evidence.sees & ~self._known[row]).any():
            return None
        points = self._grid.points(self._centres[row])
        return self._evidence.odds(row, points.reshape(-1, self._grid.n, self._grid.n, 2))

    def _on_the_way(self, belief: Belief, row: int, odds: Odds | None) -> Belief:
        """The belief that a row's message goes on with: what arrived there, and what is seen there of what is open."""
        if odds is None or self._evidence is None:
            return belief
        return self._swayed(belief, ~self._known[row], odds, self._evidence.config.on_the_way)

    def _swayed(self, belief: Belief, which: NDArray[np.bool_], odds: Odds, weight: float) -> Belief:
        """The belief with the odds of some keypoints, to the last bit as it was for those that nobody sees."""
        assert self._evidence is not None
        which = which & self._evidence.sees
        belief = belief.copy()
        belief[which] = normalised(belief[which] * np.exp(weight * odds[which]))
        return belief

    def _message(self, messages: dict[int, Belief], row: int) -> Belief:
        """The message that arrived at a row; a person's label where there is one, else nothing is known."""
        if row not in messages:
            messages[row] = self._mixed(row, np.zeros(len(self._label), np.bool_), self._nothing)
        return messages[row]

    def _mixed(self, row: int, arrives: NDArray[np.bool_], carried: Belief) -> Belief:
        known = self._known[row][:, None, None]
        return np.where(known, self._label, np.where(arrives[:, None, None], carried, self._nothing))

    def _follow(self, belief: Belief, row: int, to: int, flow: Flow, lone: NDArray[np.bool_]) -> None:
        """Move the centres of keypoints that only one side knows to where the belief goes with the flow."""
        if lone.any():
            offset, _ = self._grid.read(belief[lone])
            here = self._centres[row, lone] + offset
            self._centres[to, lone] = here + flow.at(here[None])[0, :, :2]

    def _conclude(self, row: int, odds: Odds | None) -> None:
        """Read the belief of both sides at a row with what is seen there, and let the messages go."""
        forward, backward = self._message(self._forward, row), self._message(self._backward, row)
        del self._forward[row], self._backward[row]
        belief = normalised(forward * backward)
        if odds is not None and self._evidence is not None:
            belief = self._swayed(belief, ~self._known[row], odds, self._evidence.config.at_the_end)
        offset, self._score[row] = self._grid.read(belief)
        self._xy[row] = self._centres[row] + offset

    def forget(self, first: int, last: int) -> None:
        """Drop the forward messages strictly between two frames."""
        between = range(first + 1 - self._plan.first, last - self._plan.first)
        for row in [row for row in self._forward if row in between]:
            del self._forward[row]

    def fill(self) -> Fill:
        """The result, once the way back is done."""
        return Fill(self._plan.id, self._plan.first, self._xy, key_visibility(self._plan), self._score)
