"""Whether a trained warper's messages help `auto`: evidence from it, from a frame-wise estimator, and from both.

    python -m benchmarks.messages --work WORK [--clips 24] [--every 15] [--seeds 0 1 2]

WORK is that of `benchmarks.posewarper`, whose table 1 has to be there. A message is what the engine `posewarper` would
decode: labels of both sides' key frames warped to a frame, as heatmaps; `auto` takes them for an estimator's. Nothing
of this is in the engine.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.cells import Cells
from benchmarks.rendered_bench import Bench, compared
from benchmarks.rendered_sets import TEST
from pwarp.estimation import open_estimator
from pwarp.following import open_window_runner
from pwarp.following.feature_store import FeatureStore
from pwarp.models.posewarper import PoseWarper
from pwarp.propagation.auto import Auto
from pwarp.propagation.engine import Job
from pwarp.propagation.evidence import Evidence
from pwarp.propagation.look import BothWays, Looker, Seen
from pwarp.propagation.plan import Span
from pwarp.propagation.walk import Strand
from pwarp.propagation.warp import _NEARER, WarpEngine, _Warping
from pwarp.propagation.witness import Witness

Witnesses = Callable[[Job], Any]


class Messenger:
    """Testifies by what a warper brings from the key frames."""

    def __init__(self, job: Job, weights: Path) -> None:
        self._engine = WarpEngine(weights=weights)
        self._runner = open_window_runner(weights, PoseWarper)
        self._channels = self._runner.channels(job.skeleton)
        self._looker = Looker(job.video, BothWays(self._runner, self._runner.skeleton.flip_pairs), _NEARER)

    def look(self, span: Span, strands: Sequence[Strand], advance: Callable[[int], None]) -> list[Evidence]:
        """What it says of the strands of a span."""
        own = np.where(self._channels >= 0, np.arange(len(self._channels)), -1)
        return [
            Evidence(replace(seen, features=self._messages(seen)), own, own)
            for seen in self._looker.look(span, strands, advance)
        ]

    @torch.inference_mode()
    def _messages(self, seen: Seen) -> FeatureStore:
        """(F, K, h, w) of all open frames; of key frames what was labelled there."""
        warping = _Warping(self._engine, self._runner, seen, self._channels)
        plan, own = seen.strand.plan, warping._known_names
        sides = [warping._carried(keys[:, own]) for keys in (plan.before, plan.after)]
        columns, rows = warping._codec.cells
        store = FeatureStore((len(plan.open), len(self._channels), rows, columns))
        for row in range(len(plan.open)):
            if plan.known[row].any():
                store[row, own] = warping._drawn(row)[0, warping._channels]
            elif plan.open[row].any():
                store[row, own] = warping._together(np.array([row]), sides)[0]
        return store


class Several:
    """Witnesses whose odds are multiplied, each to the power of its share."""

    def __init__(self, witnesses: Sequence[Any], share: float) -> None:
        self._witnesses, self._share = witnesses, share

    def look(self, span: Span, strands: Sequence[Strand], advance: Callable[[int], None]) -> list[Any]:
        """What all say of the strands of a span."""
        each = [witness.look(span, strands, advance) for witness in self._witnesses]
        return [_Together(found, self._share) for found in zip(*each, strict=True)]


class _Together:
    def __init__(self, found: Sequence[Evidence], share: float) -> None:
        self._found, self._share, self.config = found, share, found[0].config
        self.sees = np.logical_or.reduce([one.sees for one in found])

    def odds(self, row: int, points: np.ndarray) -> np.ndarray:
        return np.float32(self._share) * np.sum([one.odds(row, points) for one in self._found], axis=0)


@contextmanager
def heard(make: Witnesses) -> Iterator[None]:
    """`auto` listens to these witnesses."""
    own = Auto._witness
    Auto._witness = lambda _engine, job: make(job)  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        Auto._witness = own  # type: ignore[method-assign]


def measure(bench: Bench, seed: int, every: int) -> None:
    """All cells of one seed."""
    estimator = open_estimator(str(bench.work / "runs" / f"gt1-600-longer-{seed}" / "last.safetensors"))
    warper = bench.work / "runs" / f"posewarper-{seed}" / "last.safetensors"
    systems: dict[str, Witnesses] = {
        "auto": lambda _job: None,
        "auto + estimator": lambda job: Witness(job, estimator, 16),
        "auto + messages": lambda job: Messenger(job, warper),
        "auto + both, at half": lambda job: Several([Witness(job, estimator, 16), Messenger(job, warper)], 0.5),
    }
    for system, make in systems.items():
        if system == "auto" and seed:
            continue

        def work(make: Witnesses = make) -> dict[str, Any]:
            with heard(make):
                return {"hits": bench.propagated("auto", {}, every)}

        bench.cells.make({"part": f"messages, every {every}", "system": system, "seed": seed}, work)


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--clips", type=int, default=24)
    parser.add_argument("--every", type=int, default=15)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    cells = Cells(arguments.work / f"messages-{arguments.clips}.jsonl")
    bench = Bench(arguments.work, cells, TEST.clips(arguments.work, arguments.clips))
    for seed in arguments.seeds:
        measure(bench, seed, arguments.every)
    compared(cells, f"messages, every {arguments.every}", f"key frames {arguments.every} apart", ("auto",))


if __name__ == "__main__":
    main()
