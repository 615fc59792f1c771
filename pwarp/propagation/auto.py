"""The engine `auto`: beliefs from both key frames meet on a grid around every keypoint.

For each keypoint of each track there is a chain of beliefs over its frames, known at its key frames. What is done
here is the forward-backward algorithm on that chain, with optical flow as the transition: go forward and keep the
messages, come back and multiply.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pwarp.propagation import motion
from pwarp.propagation.belief import Belief, BeliefConfig, Grid, normalised
from pwarp.propagation.engine import Job
from pwarp.propagation.guide import Guide
from pwarp.propagation.interpolate import key_visibility
from pwarp.propagation.motion import Flow
from pwarp.propagation.plan import NONE, Fill, Span
from pwarp.propagation.walk import Around, Feed, Motion, Strand, Walker, travel


@dataclass(frozen=True)
class Auto:
    """Forward-backward belief propagation along DIS optical flow."""

    def fill(self, job: Job, spans: Iterable[Span], advance: Callable[[int], None]) -> Iterator[list[Fill]]:
        """Fill spans; see `pwarp.propagation.engine`."""
        feed = Feed(job.video)
        with Guide(feed) as guide, Walker(feed, motion.dis, Around(feed.width, feed.height)) as walker:
            for span in spans:
                found = guide.strands(span)
                beliefs = _Beliefs(found, BeliefConfig())
                travel(walker, found, span, beliefs, advance)
                yield beliefs.fills()


class _Beliefs:
    """The traveller: beliefs about all strands of a span."""

    def __init__(self, strands: Sequence[Strand], config: BeliefConfig) -> None:
        self._chains = [_Chain(s, config) for s in strands]

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


class _Chain:
    """Beliefs about the K keypoints of one strand. Rows count from the strand's first frame."""

    def __init__(self, strand: Strand, config: BeliefConfig) -> None:
        plan = strand.plan
        self._plan = plan
        self._grid = Grid(strand.diagonal, config)
        # A keypoint with key frames on both sides is looked for around the strand's path; one with a key frame on one
        # side only is followed from there, its later centres being set on the way.
        self._centres = np.nan_to_num(strand.path)
        self._known = plan.known
        self._from_past = ~self._known & (plan.before != NONE)
        self._from_coming = ~self._known & (plan.after != NONE)
        count = self._centres.shape[1]
        self._label = self._grid.peak(np.zeros((count, 2)))
        self._nothing = self._grid.uniform(count)
        self._forward: dict[int, Belief] = {}
        self._backward: dict[int, Belief] = {}
        self._xy = np.full_like(strand.path, np.nan)
        self._score = np.zeros(strand.path.shape[:2])

    def forward(self, frame: int, forth: Flow, back: Flow) -> None:
        """The message from frame to frame + 1."""
        row = frame - self._plan.first
        belief = self._message(self._forward, row)
        self._follow(belief, row, row + 1, forth, self._from_past[row + 1] & ~self._from_coming[row + 1])
        arrives = self._from_past[row + 1]
        if arrives.any():
            carried = self._grid.carry(belief, self._centres[row], self._centres[row + 1], back)
            self._forward[row + 1] = self._mixed(row + 1, arrives, carried)

    def backward(self, frame: int, forth: Flow, back: Flow) -> None:
        """The message from frame + 1 back to frame, and what both sides say together about frame + 1."""
        row = frame - self._plan.first
        belief = self._message(self._backward, row + 1)
        self._conclude(row + 1)
        self._follow(belief, row + 1, row, back, self._from_coming[row] & ~self._from_past[row])
        arrives = self._from_coming[row]
        if arrives.any():
            carried = self._grid.carry(belief, self._centres[row + 1], self._centres[row], forth)
            self._backward[row] = self._mixed(row, arrives, carried)
        if row == 0:
            self._conclude(row)

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

    def _conclude(self, row: int) -> None:
        """Read the belief of both sides at a row, and let the messages go."""
        forward, backward = self._message(self._forward, row), self._message(self._backward, row)
        del self._forward[row], self._backward[row]
        offset, self._score[row] = self._grid.read(normalised(forward * backward))
        self._xy[row] = self._centres[row] + offset

    def forget(self, first: int, last: int) -> None:
        """Drop the forward messages strictly between two frames."""
        for row in range(first + 1 - self._plan.first, last - self._plan.first):
            self._forward.pop(row, None)

    def fill(self) -> Fill:
        """The result, once the way back is done."""
        return Fill(self._plan.id, self._plan.first, self._xy, key_visibility(self._plan), self._score)
