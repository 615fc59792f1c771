"""How many labelled people each detector finds, and how often tracking takes one person for another.

    python -m benchmarks.people --data DIR                       # everything
    python -m benchmarks.people --data DIR --only detect --weights FILE.onnx --weights yolo11n.pt

DIR holds bonn/ and, for its detector, weights/yolox_nano.onnx (see CONTRIBUTING.md). Prints Markdown tables.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment

from benchmarks.clips import Clip, real_clips, rendered_clips
from pwarp import registry
from pwarp.annotations import Annotations, FloatArray, Track
from pwarp.detection import Wanted, detect, open_detector
from pwarp.errors import PwarpError
from pwarp.tracking import track
from pwarp.tracking.affinity import iou

PARTS = ("detect", "labels", "detections", "rendered")
_SAME = 0.5  # IoU


def lone_labels(truth: Annotations, frames: Iterable[int], *, boxes: bool) -> tuple[Annotations, dict[int, int]]:
    """The truth in some frames with its track ids taken away, and who each lone label was. boxes: without keypoints."""
    chosen = sorted(frames)
    tracks: list[Track] = []
    who: dict[int, int] = {}
    for frame in chosen:
        for person in truth.tracks:
            row = person.at(frame)
            if row is None:
                continue
            who[len(tracks)] = person.id
            one = replace(person.rows([row]), id=len(tracks), absent=person.absent[:0], identified=False)
            if boxes:
                nothing = np.full_like(one.xy, np.nan)
                one = Track.make(one.id, one.frames, nothing, boxes=one.boxes, identified=False)
            tracks.append(one)
    return replace(truth, tracks=tuple(tracks), labelled=np.array(chosen, dtype=np.int64)), who


def switches(given: Annotations, who: dict[int, int], tracked: Annotations) -> tuple[int, int]:
    """How often a person's track id changes from one label to the next, and how many such steps there are."""
    ids = {(int(f), tuple(b)): t.id for t in tracked.tracks for f, b in zip(t.frames, t.boxes.tolist(), strict=True)}
    seen: dict[int, list[int]] = {}
    for label in given.tracks:  # in order of time
        seen.setdefault(who[label.id], []).append(ids[int(label.frames[0]), tuple(label.boxes[0].tolist())])
    steps = [a != b for path in seen.values() for a, b in pairwise(path)]
    return sum(steps), len(steps)


def found_people(truth: Annotations, found: Annotations) -> Iterator[tuple[int, int, int]]:
    """(frame, true id, predicted id) of people and detections that overlap by half, one to one in each frame."""
    for frame in np.unique(np.concatenate([t.frames for t in truth.tracks])):
        true, predicted = _boxes_at(truth, int(frame)), _boxes_at(found, int(frame))
        if not true or not predicted:
            continue
        overlap = np.array([[iou(a, b) for b in predicted.values()] for a in true.values()])
        rows, columns = linear_sum_assignment(np.where(overlap >= _SAME, 1 + overlap, 0), maximize=True)
        for a, b in zip(rows, columns, strict=True):
            if overlap[a, b] >= _SAME:
                yield int(frame), list(true)[a], list(predicted)[b]


def _boxes_at(people: Annotations, frame: int) -> dict[int, FloatArray]:
    rows = ((t, t.at(frame)) for t in people.tracks)
    return {t.id: t.boxes[row] for t, row in rows if row is not None and np.isfinite(t.boxes[row]).all()}


def detectors(clip: Clip, weights: list[str], min_score: float) -> dict[str, Annotations]:
    """A table of the recall of each detector that can run here; what they found, by name."""
    people = sum(len(t) for t in clip.truth.tracks)
    print(f"| detector | found of {people} | recall | others found | s/frame |\n|---|---|---|---|---|")
    results = {}
    specs = [(name, None) for name in registry.names("detector") if name != "onnx"] + [("auto", w) for w in weights]
    for spec, model in specs:
        try:
            detector, _ = open_detector(spec, Wanted(min_score=min_score), model)
        except PwarpError as error:
            print(f"| {spec} | cannot run here: {error} | | | |", flush=True)
            continue
        with clip.open() as video:
            began = time.perf_counter()
            found = detect(video, detector)
            seconds = (time.perf_counter() - began) / video.frame_count
        hits = len(list(found_people(clip.truth, found)))
        print(
            f"| {detector.name} | {hits} | {hits / people:.3f} | {len(found.tracks) - hits} | {seconds:.3f} |",
            flush=True,
        )
        results[detector.name] = found
    return results


def labels(clips: Iterable[Clip], spacings: Iterable[int]) -> None:
    """A table of the identity switches in key frames without ids, at every spacing, from every first frame."""
    print("| clip | labels | every | switches | steps | not clear |\n|---|---|---|---|---|---|")
    for clip in clips:
        count = clip.truth.video.frame_count or max(int(t.frames[-1]) for t in clip.truth.tracks) + 1
        with clip.open() as video:
            for boxes in (False, True):
                for every in spacings:
                    wrong = steps = unsure = 0
                    for first in range(0, every, max(every // 5, 1)):
                        given, who = lone_labels(clip.truth, range(first, count, every), boxes=boxes)
                        if not given.tracks:
                            continue
                        tracked = track(video, given)
                        found = switches(given, who, tracked.annotations)
                        wrong, steps, unsure = wrong + found[0], steps + found[1], unsure + len(tracked.unsure)
                    what = "boxes" if boxes else "poses"
                    print(f"| {clip.name} | {what} | {every} | {wrong} | {steps} | {unsure} |", flush=True)


def detections(clip: Clip, found: dict[str, Annotations]) -> None:
    """A table of the identity switches of tracked detections."""
    print("| detector | every | switches | people found | tracks | ids of each person |\n|---|---|---|---|---|---|")
    for name, boxes in found.items():
        for every in (1, 2, 5):
            some = replace(
                boxes,
                tracks=tuple(t for t in boxes.tracks if t.frames[0] % every == 0),
                labelled=None if boxes.labelled is None else boxes.labelled[boxes.labelled % every == 0],
            )
            with clip.open() as video:
                tracked = track(video, some).annotations
            ids: dict[int, list[int]] = {}
            for _, true, predicted in found_people(clip.truth, tracked):
                ids.setdefault(true, []).append(predicted)
            wrong = sum(a != b for path in ids.values() for a, b in pairwise(path))
            shown = " / ".join(str(len(set(path))) for path in ids.values())
            people = sum(len(path) for path in ids.values())
            print(f"| {name} | {every} | {wrong} | {people} | {len(tracked.tracks)} | {shown} |", flush=True)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with bonn/ and weights/")
    parser.add_argument("--only", choices=PARTS, action="append", help="measure only this; may be repeated")
    parser.add_argument("--weights", action="append", default=[], metavar="FILE", help="detectors beside yolox_nano")
    parser.add_argument("--min-score", type=float, default=0.3, help="of detections")
    parser.add_argument("--rendered", type=int, default=8, metavar="N", help="how many clips to render")
    options = parser.parse_args()
    parts = options.only or PARTS
    bonn = next(clip for clip in real_clips(options.data) if clip.name == "bonn")
    found: dict[str, Annotations] = {}
    if {"detect", "detections"} & set(parts):
        print(f"\n### Recall on bonn at IoU {_SAME}, score from {options.min_score:g}\n")
        found = detectors(bonn, [str(options.data / "weights/yolox_nano.onnx"), *options.weights], options.min_score)
    if "labels" in parts:
        print("\n### Identity switches on bonn, key frames without ids\n")
        labels([bonn], (5, 10, 20, 30))
    if "detections" in parts:
        print("\n### Identity switches on bonn, detections\n")
        detections(bonn, found)
    if "rendered" in parts:
        print("\n### Identity switches on rendered people, key frames without ids\n")
        with rendered_clips(options.rendered, first_seed=700, width=480, height=360, frames=61, people=3) as clips:
            labels(clips, (10, 20, 30))


if __name__ == "__main__":
    main()
