"""How well and how fast key frames become labels for every frame, engine by engine.

    python -m benchmarks.propagation --data DIR            # accuracy on real and rendered clips, confidence, speed
    python -m benchmarks.propagation --data DIR --only real
    python -m benchmarks.propagation --data DIR --only real --engine auto --estimator onnx:FILE  # auto with evidence

DIR holds bonn/, penn/ and badja/ (see CONTRIBUTING.md). Prints Markdown tables.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.clips import Clip, key_frames, real_clips, rendered_clips
from pwarp import formats, registry
from pwarp.annotations import Annotations, Source
from pwarp.estimation import open_estimator
from pwarp.evaluation import pck
from pwarp.evaluation.calibration import auroc, expected_calibration_error, reliability
from pwarp.evaluation.lengths import parse
from pwarp.evaluation.pck import PckResult, merged
from pwarp.propagation import Options, Reach, motion, propagate
from pwarp.propagation.guide import Guide
from pwarp.propagation.plan import plan, spans
from pwarp.propagation.walk import Around, FrameCache, Walker
from pwarp.video import open_video

ALPHA = (0.1, 0.2)
EVIDENCE = "auto, estimator"  # a column
PARTS = ("real", "rendered", "confidence", "speed")


def options_of(column: str, estimator: str | None) -> Options:
    """How a column of a table is made."""
    return Options("auto", settings={"estimator": estimator}) if column == EVIDENCE else Options(column)


def accuracy(
    clips: Iterable[Clip], engines: Sequence[str], *, occluded: bool, pool: bool = False, estimator: str | None = None
) -> None:
    """A table of PCK@0.1 / PCK@0.2 / median pixels of the visible keypoints between the key frames."""
    print(f"| clip | k | {' | '.join(engines)} | keypoints |\n|---|---|{'---|' * (len(engines) + 1)}")
    pooled: dict[tuple[int, str], list[PckResult]] = {}
    for clip in clips:
        for k in clip.spacings:
            keys = key_frames(clip.truth, k, occluded=occluded)
            results = [_measured(clip, keys, options_of(engine, estimator)) for engine in engines]
            for engine, result in zip(engines, results, strict=True):
                pooled.setdefault((k, engine), []).append(result)
            _row(clip.name, k, results)
    if pool:
        for k in sorted({k for k, _ in pooled}):
            _row("all", k, [merged(pooled[k, engine]) for engine in engines])


def _measured(clip: Clip, keys: Annotations, options: Options) -> PckResult:
    with clip.open() as video:
        dense = propagate(video, keys, options, tell=_nobody)
    return pck(clip.truth, dense, length=clip.length, alpha=ALPHA)


def _nobody(_line: str) -> None:
    """What an engine could not do is to be seen in its figures."""


def _known(clips: Iterable[Clip], estimator: str | None) -> list[Clip]:
    """The clips that have any keypoint which the estimator knows; all where there is none."""
    if estimator is None:
        return list(clips)
    names = set(open_estimator(estimator).skeleton.keypoints)
    return [clip for clip in clips if names & set(clip.truth.skeleton.keypoints)]


def _row(name: str, k: int, results: Sequence[PckResult]) -> None:
    best = max(r.pooled[0] for r in results)
    cells = []
    for r in results:
        text = f"{r.pooled[0]:.1f} / {r.pooled[1]:.1f} / {r.median_px:.1f}"
        cells.append(f"**{text}**" if r.pooled[0] == best else text)
    print(f"| {name} | {k} | {' | '.join(cells)} | {results[0].count} |", flush=True)


def confidence(clips: Iterable[Clip], alpha: float = 0.1, estimator: str | None = None) -> None:
    """What `auto` says about itself, with an estimator where one is given: AUROC and calibration of its score, and the
    visibility that it decides."""
    print("| clip | k | right | mean score | ECE | AUROC | right at >= 0.95 | visibility: balanced accuracy, of copy |")
    print("|---|---|---|---|---|---|---|---|")
    for clip in clips:
        for k in clip.spacings:
            keys = key_frames(clip.truth, k)
            with clip.open() as video:
                options = options_of(EVIDENCE if estimator else "auto", estimator)
                dense = propagate(video, keys, options, tell=_nobody)
                held = propagate(video, keys, Options(engine="copy"))
            score, right = _judged(clip, dense, alpha)
            sure = score >= 0.95
            print(
                f"| {clip.name} | {k} | {right.mean():.3f} | {score.mean():.3f} "
                f"| {expected_calibration_error(reliability(score, right, 10)):.3f} | {auroc(score, right):.3f} "
                f"| {right[sure].mean() if sure.any() else float('nan'):.3f} of {sure.mean():.0%} "
                f"| {_visibility(clip, dense):.3f}, {_visibility(clip, held):.3f} |",
                flush=True,
            )


def _common(clip: Clip, dense: Annotations) -> Iterable[tuple[Any, Any, np.ndarray, np.ndarray]]:
    for truth in clip.truth.tracks:
        track = dense.track(truth.id)
        _, a, b = np.intersect1d(truth.frames, track.frames, return_indices=True)
        yield truth, track, a, b


def _judged(clip: Clip, dense: Annotations, alpha: float) -> tuple[np.ndarray, np.ndarray]:
    scores, rights = [], []
    length = parse(clip.length, clip.truth.skeleton)
    for truth, track, a, b in _common(clip, dense):
        scale = length.of(truth.xy[a], truth.boxes[a], truth.head_boxes[a])
        error = np.linalg.norm(track.xy[b] - truth.xy[a], axis=2) / scale[:, None]
        asked = (track.source[b] == Source.PROPAGATED) & (truth.visibility[a] == 2)
        scores.append(track.score[b][asked])
        rights.append(error[asked] <= alpha)
    return np.concatenate(scores), np.concatenate(rights)


def _visibility(clip: Clip, dense: Annotations) -> float:
    """Mean of the shares of visible and of occluded keypoints that are called so; NaN where the truth has only one."""
    said, true = [], []
    for truth, track, a, b in _common(clip, dense):
        asked = (track.source[b] == Source.PROPAGATED) & (truth.visibility[a] > 0)
        said.append(track.visibility[b][asked])
        true.append(truth.visibility[a][asked])
    said, true = np.concatenate(said), np.concatenate(true)
    return float(np.mean([(said[true == v] == v).mean() if (true == v).any() else np.nan for v in (1, 2)]))


def speed(data: Path, engines: Sequence[str], estimator: str | None = None) -> None:
    """Frames a second and peak memory, each in a process of its own, beside decoding alone, and with the flow alone."""
    print("| clip | people | what | frames/s | to decoding alone | to decoding and flow on the same crops | peak MB |")
    print("|---|---|---|---|---|---|---|")
    config = {"width": 1280, "height": 720, "frames": 90, "people": 3}
    with rendered_clips(1, first_seed=7, **config) as rendered:
        clips = [c for c in real_clips(data) if c.name in ("bonn", "penn 0001")] + list(rendered)
        for clip in clips:
            times: dict[str, float] = {}
            for what in ("decode", "flow alone", *engines):
                seconds, megabytes = _timed(clip, what, estimator)
                times[what] = seconds
                floor = times.get("flow alone", seconds)
                print(
                    f"| {clip.name} | {len(clip.truth.tracks)} | {what} "
                    f"| {clip.truth.video.frame_count / seconds:.1f} | {seconds / times['decode']:.2f} "
                    f"| {'' if what == 'decode' else f'{seconds / floor:.2f}'} | {megabytes:.0f} |",
                    flush=True,
                )


def _timed(clip: Clip, what: str, estimator: str | None) -> tuple[float, float]:
    """Seconds and peak megabytes of a child process; the best of three runs, as the machine may be busy."""
    with TemporaryDirectory(prefix="pwarp-benchmark-") as folder:
        keys = Path(folder) / "keys.json"
        formats.write(key_frames(clip.truth, 15), keys)
        command = [sys.executable, "-m", "benchmarks.propagation", "--child", what, str(clip.path), str(keys)]
        command += ["--estimator", estimator] if estimator else []
        runs = [subprocess.run(command, check=True, capture_output=True, text=True).stdout.split() for _ in range(3)]
    return min(float(r[0]) for r in runs), max(float(r[1]) for r in runs)


def child(what: str, path: str, labels: str, estimator: str | None) -> None:
    """Do one thing with one clip; print the seconds it took, imports left out, and the peak memory in MB."""
    with open_video(path) as video:
        keys = formats.read(labels)
        if what in registry.names("engine"):
            registry.load("engine", what)
        began = time.perf_counter()
        if what == "decode":
            for _ in video.frames(color="gray"):
                pass
        elif what == "flow alone":
            plans = plan(keys, video.frame_count, Reach())
            cache = FrameCache(video)
            around = Around(video.width, video.height)
            with Guide(cache) as guide, Walker(cache, motion.dis, around) as walker:
                for span in spans(plans, video.frame_count):
                    for _ in walker.motions(guide.strands(span), span.first, span.last):
                        pass
        else:
            propagate(video, keys, options_of(what, estimator), tell=_nobody)
        seconds = time.perf_counter() - began
    print(seconds, _peak_megabytes())


def _peak_megabytes() -> float:
    """Peak memory of this process. Linux's own word for it first: ru_maxrss also knows the parent's."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return float(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with bonn/, penn/ and badja/")
    parser.add_argument("--only", choices=PARTS, action="append", help="measure only this; may be repeated")
    parser.add_argument("--rendered", type=int, default=20, metavar="N", help="how many clips to render")
    parser.add_argument("--engine", action="append", choices=registry.names("engine"), help="may be repeated")
    parser.add_argument(
        "--estimator", metavar="FILE|onnx:FILE", help="also measure auto with it, on clips whose keypoints it knows"
    )
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(*options.child, options.estimator)
        return
    if options.data is None:
        parser.error("--data DIR is needed")
    # An engine that needs a network has benchmarks of its own: what it measures to depends on the network.
    engines = options.engine or [name for name in registry.names("engine") if name != "posewarper"]
    engines = [*engines, EVIDENCE] if options.estimator else engines
    more = {"estimator": options.estimator}
    parts = options.only or PARTS
    real = _known(real_clips(options.data), options.estimator)
    if "real" in parts:
        print("\n### Real clips, all key labels\n")
        accuracy(real, engines, occluded=True, **more)
        print("\n### Real clips, occluded keypoints left unlabelled in key frames\n")
        hidden = [c for c in real if any((t.visibility == 1).any() for t in c.truth.tracks)]
        accuracy(hidden, engines, occluded=False, **more)
    if "rendered" in parts:
        print(f"\n### {options.rendered} rendered clips\n")
        with rendered_clips(options.rendered, width=480, height=360, frames=46) as clips:
            accuracy(clips, engines, occluded=True, pool=True, **more)
    if "confidence" in parts:
        print("\n### Confidence of `auto`: right means error <= 0.1 of the length\n")
        confidence(real, **more)
        with rendered_clips(min(options.rendered, 4), first_seed=200, width=480, height=360, frames=46) as clips:
            confidence(clips, **more)
    if "speed" in parts:
        print("\n### Speed\n")
        speed(options.data, engines, **more)


if __name__ == "__main__":
    main()
