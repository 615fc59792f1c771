"""PoseWarper's table 1 on real clips: labels of every 7th frame of bonn and penn 0001, carried to the frames between.

    python -m benchmarks.real_table1 --data DIR --estimator onnx:FILE --weights NAME=FILE [--weights ...]

Frame-wise is the estimator alone, in boxes like a detector's (see `rendered_bench.found_boxes`); a NAME is a
PoseWarper, as `benchmarks.posewarper` leaves them in WORK/runs. Measured are the visible keypoints that all networks
know, between the key frames. Penn's sides are called as COCO calls them, so that a network is not wrong by their names.
Prints a Markdown table.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.clips import Clip, key_frames, real_clips
from benchmarks.rendered_bench import found_boxes
from pwarp.annotations import Annotations, Track
from pwarp.estimation import estimate, open_estimator
from pwarp.evaluation import pck
from pwarp.following import open_any
from pwarp.propagation import Options, propagate
from pwarp.video import Video

EVERY = 7
ALPHA = (0.1, 0.2)
ENGINES = ("copy", "linear", "pchip", "farneback", "flow", "auto")

Way = Callable[[Video, Annotations, Annotations], Annotations]


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with bonn/ and penn/")
    parser.add_argument("--estimator", required=True, metavar="FILE|onnx:FILE")
    parser.add_argument("--weights", action="append", default=[], metavar="NAME=FILE", help="a PoseWarper")
    options = parser.parse_args()
    warpers = dict(text.split("=", 1) for text in options.weights)
    known = set(open_estimator(options.estimator).skeleton.keypoints)
    for weights in warpers.values():
        known &= set(open_any(Path(weights)).skeleton.keypoints)
    ways = dict(_ways(options.estimator, warpers))
    clips = [_of(clip, known) for clip in real_clips(options.data) if clip.name in ("bonn", "penn 0001")]
    print(f"| system | {' | '.join(f'{clip.name}, PCK@0.1 / 0.2' for clip in clips)} |\n|---|{'---|' * len(clips)}")
    for name, way in ways.items():
        print(f"| {name} | {' | '.join(_measured(clip, way) for clip in clips)} |", flush=True)


def _ways(estimator: str, warpers: dict[str, str]) -> Iterator[tuple[str, Way]]:
    """From a video, its key frames and boxes of all frames to labels of all frames, by name."""
    for engine in ENGINES:
        yield engine, _carried(Options(engine))
    yield "frame-wise", lambda video, keys, boxes: estimate(video, _together(keys, boxes), open_estimator(estimator))
    yield "auto with the frame-wise estimator", _carried(Options("auto", settings={"estimator": estimator}))
    for name, weights in warpers.items():
        yield name, _carried(Options("posewarper", settings={"weights": weights, "flip": True}))


def _carried(options: Options) -> Way:
    return lambda video, keys, _boxes: propagate(video, keys, options, tell=_nobody)


def _nobody(_line: str) -> None:
    """What an engine could not do is to be seen in its figures."""


def _measured(clip: Clip, way: Way) -> str:
    keys = key_frames(clip.truth, EVERY)
    with clip.open() as video:
        found = way(video, keys, found_boxes(clip.truth))
    result = pck(clip.truth, found, length=clip.length, alpha=ALPHA)
    return f"{result.pooled[0]:.1f} / {result.pooled[1]:.1f} of {result.count}"


def _together(keys: Annotations, boxes: Annotations) -> Annotations:
    """The boxes of all frames, with the keypoints of the key frames."""
    return replace(boxes, tracks=tuple(_joined(keys.track(t.id), t) for t in boxes.tracks))


def _joined(keys: Track, boxes: Track) -> Track:
    xy, visibility = boxes.xy.copy(), boxes.visibility.copy()
    rows = np.isin(boxes.frames, keys.frames)
    xy[rows], visibility[rows] = keys.xy, keys.visibility
    return Track.make(boxes.id, boxes.frames, xy, visibility, boxes=boxes.boxes)


def _of(clip: Clip, known: Sequence[str] | set[str]) -> Clip:
    """The clip with labels of these keypoints alone, Penn's sides by their right names."""
    skeleton = clip.truth.skeleton
    if clip.name.startswith("penn"):
        skeleton = replace(skeleton, keypoints=tuple(map(_other_side, skeleton.keypoints)))
    there = np.isin(skeleton.keypoints, list(known))
    tracks = tuple(
        replace(t, visibility=np.where(there, t.visibility, 0), xy=np.where(there[:, None], t.xy, np.nan),
                source=np.where(there, t.source, 0))
        for t in clip.truth.tracks
    )  # fmt: skip
    return replace(clip, truth=replace(clip.truth, skeleton=skeleton, tracks=tracks))


def _other_side(name: str) -> str:
    here, _, rest = name.partition("_")
    other = {"left": "right", "right": "left"}
    return f"{other[here]}_{rest}" if rest else name


if __name__ == "__main__":
    main()
