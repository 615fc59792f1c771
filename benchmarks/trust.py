"""Whether calibrated scores mean what they say, on keypoints that nothing was fitted to.

    python -m benchmarks.trust --data DIR --engine linear --engine auto
    python -m benchmarks.trust --data DIR --engine auto --rendered 4 --clip bonn

DIR holds bonn/, penn/ and badja/ (see CONTRIBUTING.md). Of each clip every k-th frame is a key frame. `pwarp study`
hides key frames from propagation and fits the calibration; no other label is seen by it. Then everything is propagated
from all key frames, and judged on all frames between them, as `pwarp eval --metric calibration` does: ECE, the expected
calibration error in percent, and AUROC, before and after. "of others": the calibration is fitted to the hidden key
frames of all other clips instead. Right is error <= 0.1 x the clip's length. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmarks.clips import Clip, key_frames, real_clips, rendered_clips
from pwarp import registry
from pwarp.annotations import Annotations, FloatArray
from pwarp.evaluation.calibration import auroc, expected_calibration_error, reliability
from pwarp.evaluation.errors import keypoint_errors
from pwarp.evaluation.lengths import parse
from pwarp.evaluation.pairing import Selection, pair_poses
from pwarp.propagation import Options, propagate
from pwarp.trust.calibrate import isotonic
from pwarp.trust.study import study
from pwarp.trust.target import Target

ALPHA, BINS = 0.1, 10
CLIPS = ("bonn", "penn 0001", "dog", "cows")


class Row:
    """One clip with one engine: what study saw (score, right), and what there is to judge by."""

    def __init__(self, clip: Clip, spacing: int, engine: str) -> None:
        keys = key_frames(clip.truth, spacing)
        target = Target(parse(clip.length, clip.truth.skeleton), ALPHA, 0.95)
        with clip.open() as video:
            evidence = study(video, keys, target, engines=[engine]).engines[engine]
            dense = propagate(video, keys, Options(engine))
        self.name, self.engine, self.spacing = clip.name, engine, spacing
        seen = np.isfinite(evidence.score)
        self.seen = evidence.score[seen], evidence.right(ALPHA)[seen]
        self.judged = judged(clip.truth, dense, clip.length)


def judged(truth: Annotations, dense: Annotations, length: str) -> tuple[FloatArray, FloatArray]:
    """(E,) scores of the propagated keypoints, and whether each is right."""
    errors = keypoint_errors(
        pair_poses(truth, dense, Selection(tracks="id")), truth.skeleton, parse(length, truth.skeleton)
    )
    scored = errors.found & np.isfinite(errors.score)
    return errors.score[scored], errors.hits(ALPHA)[scored]


def figures(score: FloatArray, right: FloatArray) -> str:
    """ECE in percent and AUROC."""
    return f"{100 * expected_calibration_error(reliability(score, right, BINS)):.1f} / {auroc(score, right):.3f}"


def show(rows: Sequence[Row]) -> None:
    """Print a table of rows of one engine, and of all their keypoints together."""
    everything: list[tuple[FloatArray, ...]] = []
    for row in rows:
        score, right = row.judged
        own = isotonic(*row.seen)(score)
        others = [other.seen for other in rows if other.name != row.name]
        foreign = isotonic(*(np.concatenate(part) for part in zip(*others, strict=True)))(score) if others else own
        everything.append((score, own, foreign, right))
        line(
            f"{row.name} | {row.engine} | {row.spacing} | {len(row.seen[0])} | {len(score)}", score, own, foreign, right
        )
    if len(rows) > 1:
        score, own, foreign, right = (np.concatenate(part) for part in zip(*everything, strict=True))
        line(f"all | {rows[0].engine} | | | {len(score)}", score, own, foreign, right)


def line(head: str, score: FloatArray, own: FloatArray, foreign: FloatArray, right: FloatArray) -> None:
    """Print one line of the table."""
    cells = " | ".join(figures(values, right) for values in (score, own, foreign))
    print(f"| {head} | {100 * right.mean():.1f} | {cells} |", flush=True)


def chosen(data: Path, names: Sequence[str], rendered: int) -> Iterator[tuple[Clip, int]]:
    """The clips, each with the spacing of its key frames in frames."""
    for clip in real_clips(data):
        if clip.name in names:
            yield clip, 10
    if rendered:
        with rendered_clips(rendered, first_seed=400, width=320, height=240, frames=41, people=2) as clips:
            for clip in clips:
                yield clip, 8


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with bonn/, penn/ and badja/")
    parser.add_argument("--engine", action="append", choices=registry.names("engine"), help="may be repeated")
    parser.add_argument("--clip", action="append", choices=CLIPS, help="real clips; may be repeated")
    parser.add_argument("--rendered", type=int, default=4, metavar="N", help="how many clips to render")
    options = parser.parse_args()
    engines = options.engine or ["linear", "auto"]
    print("ECE in percent / AUROC, as scores are, calibrated on the clip, and on others\n")
    print("| clip | engine | key every | hidden keypoints | judged | right, % | as it is | on the clip | on others |")
    print("|---|---|---|---|---|---|---|---|---|")
    rows: dict[str, list[Row]] = {engine: [] for engine in engines}
    for clip, spacing in chosen(options.data, options.clip or CLIPS, options.rendered):
        for engine in engines:
            rows[engine].append(Row(clip, spacing, engine))
            print(f"{clip.name}, {engine}: done", file=sys.stderr, flush=True)
    for engine in engines:
        show(rows[engine])


if __name__ == "__main__":
    main()
