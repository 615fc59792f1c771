"""How many key frames CVAT and Label Studio need for a dense track.

    python -m benchmarks.thinning --data DATA [--tolerance 0.5 1 2 4 10] [--every 1]

The label files of Penn Action's training videos (DATA/penn/labels), every frame of them labelled. `as labelled` takes
them as if no pose were a person's, because a person's poses are never left out, and keeps every change of visibility;
`places alone` counts occluded keypoints as visible, to tell how many key frames are due to these changes; `every 15th a
person's` is as labelled, with every 15th pose and the last set by a person. `factor` is poses by key frames of all
videos together, `median` that of single videos, `greedy` the factor of going from each key frame as far as the
tolerance allows, `off` the farthest that a keypoint is from its line in pixels. Times are computing time of this
process without reading. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pwarp.annotations import Annotations, Source, Track
from pwarp.datasets.penn import PennAction
from pwarp.formats.thinning import key_rows, thin, within_reach

DECIMALS = 2
EVERY = 15


def given(labels: Annotations, *, visible: bool = False, by_person: bool = False) -> Annotations:
    """The labels as an engine's. visible: with every labelled keypoint visible. by_person: every 15th is a person's."""

    def of(track: Track) -> Track:
        source = np.where(track.labelled, Source.PROPAGATED, Source.NONE).astype(np.uint8)
        if by_person:
            rows = np.unique([*range(0, len(track), EVERY), len(track) - 1])
            source[rows] = np.where(track.labelled[rows], Source.MANUAL, Source.NONE)
        visibility = np.where(track.labelled, 2, 0).astype(np.uint8) if visible else track.visibility
        return replace(track, source=source, visibility=visibility)

    return replace(labels, tracks=tuple(of(track) for track in labels.tracks))


def greedy(places: Any, written: Any, state: Any, tolerance: float) -> list[int]:
    """Each time as far as the tolerance allows; see `pwarp.formats.thinning.shortest_path`."""
    path = [0]
    while path[-1] < len(places) - 1:
        path.append(within_reach(places, written, state, path[-1], tolerance)[0])
    return path


WAYS = {"as labelled": {}, "places alone": {"visible": True}, f"every {EVERY}th a person's": {"by_person": True}}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with penn/")
    parser.add_argument("--tolerance", type=float, nargs="+", default=[0.5, 1, 2, 4, 10], help="in pixels")
    parser.add_argument("--every", type=int, default=1, help="take every so many-th file")
    options = parser.parse_args()
    samples = [s.annotations for s in list(PennAction(options.data / "penn").samples("train"))[:: options.every]]
    print(f"{len(samples)} videos\n")
    print("| labels | tolerance px | poses | key frames | factor | median | greedy | off px | s |")
    print("|---|---|---|---|---|---|---|---|---|")
    for what, way in WAYS.items():
        videos = [given(labels, **way) for labels in samples]
        for tolerance in options.tolerance:
            start = time.process_time()
            thinned = [thin(labels, tolerance, DECIMALS) for labels in videos]
            seconds = time.process_time() - start
            poses, kept = (sum(getattr(one, name) for one in thinned) for name in ("poses", "kept"))
            hasty = sum(len(key_rows(t, tolerance, DECIMALS, greedy)) for labels in videos for t in labels.tracks)
            median = np.median([one.poses / one.kept for one in thinned])
            off = max(one.farthest for one in thinned)
            figures = f"{poses / kept:.2f} | {median:.2f} | {poses / hasty:.2f} | {off:.2f} | {seconds:.0f}"
            print(f"| {what} | {tolerance:g} | {poses} | {kept} | {figures} |", flush=True)


if __name__ == "__main__":
    main()
