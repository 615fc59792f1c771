"""How fast the metrics are, and that they hold for a whole data set.

    python -m benchmarks.evaluation --data DIR [--videos 200] [--only penn|posetrack]

penn: all Penn Action label files under DIR/penn, their keypoints moved about, by every PCK variant. posetrack: a
generated set in PoseTrack18's layout, by AP and MOTA, from files. Prints Markdown tables.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import orjson

from pwarp.annotations import Annotations, Source, Track
from pwarp.datasets.base import open_dataset
from pwarp.evaluation.matching import find_labels, match
from pwarp.evaluation.measure import make_metrics, measure
from pwarp.evaluation.metric import Settings
from pwarp.evaluation.pairing import Selection
from pwarp.evaluation.videos import Labels
from pwarp.skeleton import POSETRACK_17

LENGTHS = ("body", "torso:1-8", "torso:2-7", "diag:0.4", "pixels")
PARTS = ("penn", "posetrack")
FRAMES_OF_A_VIDEO = 100
RESAMPLINGS = 1000


def penn(root: Path) -> None:
    """PCK by every length, with < and <=, over visible and over all keypoints of every label file."""
    start = time.perf_counter()
    dataset = open_dataset(root, keep_defaults=True)
    truth = [sample.annotations for split in dataset.splits for sample in dataset.samples(split)]
    frames = sum(len(track) for video in truth for track in video.tracks)
    print(f"{len(truth)} videos, {frames} frames read in {time.perf_counter() - start:.1f} s\n")
    generator = np.random.default_rng(0)
    pairs = [_pair(str(i), video, _perturbed(video, generator)) for i, video in enumerate(truth)]
    print("| length | hit | keypoints | PCK@1st | PCK@2nd | count | s | CPU s | frames/s |")
    print("|---|---|---|---|---|---|---|---|---|")
    for length, strict, visible in product(LENGTHS, (False, True), (True, False)):
        alphas = (5.0, 10.0) if length == "pixels" else (0.1, 0.2)
        settings = Settings(Selection(visible_only=visible), length=length, alphas=alphas, strict=strict)
        seconds, cpu, (figures,) = _timed(pairs, ["pck"], settings)
        first, second = (f for f in figures if f.main)
        how = "<" if strict else "<=", "visible" if visible else "all"
        print(
            f"| {length} | {' | '.join(how)} | {first.value:.2f} | {second.value:.2f} | {first.count} | {seconds:.1f} "
            f"| {cpu:.1f} | {frames / seconds:,.0f} |"
        )
    names = ["pck", "auc", "error", "jitter", "calibration"]
    seconds, cpu, _ = _timed(pairs, names, Settings(length="torso:1-8"))
    print(f"\n{', '.join(names)} in one go: {seconds:.1f} s (CPU {cpu:.1f} s), {frames / seconds:,.0f} frames/s")
    plain, _, _ = _timed(pairs, ["pck"], Settings(length="torso:1-8"))
    seconds, _, (figures,) = _timed(pairs, ["pck"], Settings(length="torso:1-8"), bootstrap=RESAMPLINGS)
    low, high = next((f.low, f.high) for f in figures if f.main)
    print(f"\n{RESAMPLINGS} resamplings of the videos: {seconds - plain:.1f} s, 95 % interval [{low:.2f}, {high:.2f}]")


def posetrack(videos: int) -> None:
    """AP and MOTA of a generated set, from files."""
    with TemporaryDirectory(prefix="pwarp-benchmark-") as folder:
        truth, predictions = Path(folder, "truth"), Path(folder, "predictions")
        people = write_posetrack_set(truth, predictions, videos)
        frames = videos * FRAMES_OF_A_VIDEO
        matching = match(find_labels(str(truth)), find_labels(str(predictions)))
        print(f"\n{videos} videos, {frames} frames, {people} true people\n")
        print("| metric | total | s | CPU s | frames/s |\n|---|---|---|---|---|")
        for names in (["posetrack-ap"], ["mota"], ["posetrack-ap", "mota"]):
            seconds, cpu, tables = _timed(matching.pairs, names, Settings())
            totals = ", ".join(f"{f.value:.2f}" for figures in tables for f in figures if f.main)
            print(f"| {' and '.join(names)} | {totals} | {seconds:.1f} | {cpu:.1f} | {frames / seconds:,.0f} |")


def write_posetrack_set(truth: Path, predictions: Path, videos: int, frames: int = FRAMES_OF_A_VIDEO) -> int:
    """Write videos of walking crowds and imperfect predictions of them in PoseTrack18's layout; returns true people."""
    truth.mkdir()
    predictions.mkdir()
    total = 0
    for number in range(videos):
        generator = np.random.default_rng(number)
        people = int(generator.integers(1, 9))
        total += people * frames
        start = generator.uniform((100, 100), (1100, 600), (people, 1, 1, 2))
        path = start + np.cumsum(generator.normal(0, 3, (people, frames, 1, 2)), axis=1)
        shape = generator.normal(0, 40, (people, 1, len(POSETRACK_17), 2))
        poses = path + shape + generator.normal(0, 1, (people, frames, len(POSETRACK_17), 2))
        poses[:, :, 3:5] = np.nan
        poses[generator.random(poses.shape[:3]) < 0.1] = np.nan
        found = poses + generator.normal(0, 5, poses.shape)
        ids = np.tile(np.arange(people)[:, None], frames)
        # Somebody else takes over a track now and then, and people are missed.
        ids[:, frames // 2 :] = np.roll(ids[:, frames // 2 :], 1, axis=0)
        kept = generator.random((people, frames)) > 0.1
        _write(truth / f"{number:06d}.json", number, poses, ids=np.tile(np.arange(people)[:, None], frames), heads=True)
        scores = generator.random(poses.shape[:3])
        _write(predictions / f"{number:06d}.json", number, found, ids=ids, kept=kept, scores=scores)
    return total


def _write(
    path: Path, video: int, poses: Any, *, ids: Any, kept: Any = None, scores: Any = None, heads: bool = False
) -> None:
    people, frames = poses.shape[:2]
    images = [
        {"id": f, "frame_id": f, "vid_id": str(video), "nframes": frames, "file_name": f"images/{video}/{f:06d}.jpg"}
        for f in range(frames)
    ]
    annotations = []
    for frame, person in np.ndindex(frames, people):
        if kept is not None and not kept[person, frame]:
            continue
        xy = poses[person, frame]
        triples = np.where(np.isnan(xy[:, :1]), 0.0, np.column_stack([xy, np.ones(len(xy))]))
        entry = {
            "id": len(annotations), "image_id": frame, "category_id": 1, "track_id": int(ids[person, frame]),
            "keypoints": np.round(triples, 2).ravel().tolist(),
        }  # fmt: skip
        if heads:
            entry["bbox_head"] = [0.0, 0.0, 30.0, 40.0]
        if scores is not None:
            entry["scores"] = scores[person, frame].tolist()
        annotations.append(entry)
    category = {"id": 1, "name": "person", "keypoints": list(POSETRACK_17.keypoints)}
    path.write_bytes(orjson.dumps({"images": images, "annotations": annotations, "categories": [category]}))


def _pair(name: str, truth: Annotations, prediction: Annotations) -> tuple[Labels, Labels]:
    return Labels(name, name, load=_giving(truth)), Labels(name, name, load=_giving(prediction))


def _giving(annotations: Annotations) -> Callable[[], Annotations]:
    return lambda: annotations


def _perturbed(truth: Annotations, generator: np.random.Generator) -> Annotations:
    """The truth with a heavy-tailed error, and a score that knows a little about it."""
    tracks = []
    for track in truth.tracks:
        size = generator.exponential(8, track.visibility.shape)
        angle = generator.uniform(0, 2 * np.pi, size.shape)
        xy = track.xy + size[..., None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
        score = np.clip(np.exp(-size / 20) + generator.normal(0, 0.2, size.shape), 0, 1)
        source = np.where(track.labelled, Source.PROPAGATED, Source.NONE)
        tracks.append(Track.make(track.id, track.frames, xy, track.visibility, score=score, source=source))
    return Annotations(truth.skeleton, truth.video, tuple(tracks))


def _timed(
    pairs: Sequence[tuple[Labels, Labels]], names: Sequence[str], settings: Settings, bootstrap: int = 0
) -> tuple[float, float, list[Any]]:
    """Seconds, seconds of computing (others may use the machine too), and the figures of each metric."""
    start, cpu = time.perf_counter(), time.process_time()
    measured = measure(pairs, make_metrics(names, settings), bootstrap=bootstrap)
    return time.perf_counter() - start, time.process_time() - cpu, [of.figures for of in measured]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with penn/")
    parser.add_argument("--videos", type=int, default=200, help="of the generated set")
    parser.add_argument("--only", choices=PARTS)
    arguments = parser.parse_args()
    if arguments.only in (None, "penn"):
        penn(arguments.data / "penn")
    if arguments.only in (None, "posetrack"):
        posetrack(arguments.videos)
    print(f"\npeak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


if __name__ == "__main__":
    main()
