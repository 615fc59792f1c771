"""How many key frames CVAT and Label Studio need for a dense track.

    python -m benchmarks.thinning --data DATA [--tolerance 1 2 3 5 10]

The label files of Penn Action's training videos (DATA/penn/labels), every frame of them labelled, taken as if none
were a person's, because a person's poses are never left out. `as labelled` keeps every change of visibility,
`places alone` counts occluded keypoints as visible, to tell how many key frames are due to these changes. `factor` is
poses by key frames of all videos together, `median` that of single videos, `off` the farthest that a keypoint is from
its line in pixels. Times are computing time of this process without reading. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from pwarp.annotations import Annotations, Source, Track
from pwarp.datasets.penn import PennAction
from pwarp.formats.thinning import thin

DECIMALS = 2


def nobodys(labels: Annotations, *, visible: bool) -> Annotations:
    """The labels as an engine's. visible: also with every labelled keypoint visible."""

    def of(track: Track) -> Track:
        source = np.where(track.labelled, Source.PROPAGATED, Source.NONE).astype(np.uint8)
        visibility = np.where(track.labelled, 2, 0).astype(np.uint8) if visible else track.visibility
        return replace(track, source=source, visibility=visibility)

    return replace(labels, tracks=tuple(of(track) for track in labels.tracks))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--tolerance", type=float, nargs="+", default=[1, 2, 3, 5, 10])
    options = parser.parse_args()
    samples = [sample.annotations for sample in PennAction(options.data / "penn").samples("train")]
    print(f"{len(samples)} videos\n")
    print(
        "| labels | tolerance px | poses | key frames | factor | median | off | s |\n|---|---|---|---|---|---|---|---|"
    )
    for what, visible in (("as labelled", False), ("places alone", True)):
        videos = [nobodys(labels, visible=visible) for labels in samples]
        for tolerance in options.tolerance:
            start = time.process_time()
            thinned = [thin(labels, tolerance, DECIMALS) for labels in videos]
            seconds = time.process_time() - start
            poses, kept = (sum(getattr(one, name) for one in thinned) for name in ("poses", "kept"))
            median = np.median([one.poses / one.kept for one in thinned])
            off = max(one.farthest for one in thinned)
            figures = f"{poses / kept:.2f} | {median:.2f} | {off:.2f} | {seconds:.0f}"
            print(f"| {what} | {tolerance:g} | {poses} | {kept} | {figures} |", flush=True)


if __name__ == "__main__":
    main()
