"""How well `pwarp check` finds errors that are planted into labels by people.

    python -m benchmarks.planted --data DIR            # 100 label files of Penn Action, and Bonn's four people
    python -m benchmarks.planted --data DIR --files 40

DIR holds penn/labels and bonn/ (see CONTRIBUTING.md). Into each copy of a file one error is planted: each kind once
into each of Penn's, thirty times into Bonn's. Recall: the share of planted errors that a finding touches (same track,
frames and keypoints; exact: of that kind, too). Covered: the share of the planted frames that these findings name.
Precision: the share of findings in the copies that touch a planted error. The untouched files are checked as well: what
is found there is counted against check in each of the six copies, though Penn's labels do have swaps and jumps of their
own, and removed from what counts against precision in the second figure. Every 16th file from the 8th on is left out:
the thresholds were tried on these. Prints Markdown tables. Seed 0; the same figures on every run.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pwarp import formats
from pwarp.annotations import Annotations, Track
from pwarp.trust.check import check
from pwarp.trust.course import Course
from pwarp.trust.findings import KINDS, Finding, Kind

SETTLED = 3  # frames at either end of a track that nothing is planted in
BONN_TIMES = 30


@dataclass(frozen=True)
class Planted:
    """An error: its kind, track, frames and keypoints (none: the whole pose)."""

    kind: Kind
    track: int
    first: int
    last: int
    keypoints: tuple[int, ...] = ()
    other: int | None = None

    def touched_by(self, finding: Finding) -> bool:
        """Whether a finding is about this error, whatever kind it takes it for."""
        if self.kind == "duplicate":
            return finding.kind == "duplicate" and {finding.track, finding.other} == {self.track, self.other}
        if finding.track not in (self.track, self.other) or finding.kind == "duplicate":
            return False
        if self.kind == "identity":
            # A stranger may also walk out of the picture.
            return finding.first - 1 <= self.first <= finding.first + 1 or (
                finding.kind == "outside" and finding.last >= self.first
            )
        near = finding.first - 1 <= self.last and self.first <= finding.last + 1
        # A swap that is never undone may be told for the frames before it instead of those after it.
        return near and (not finding.keypoints or bool(set(self.keypoints) & set(finding.keypoints)))

    def covered_by(self, findings: Sequence[Finding]) -> int:
        """How many of its frames findings name."""
        return sum(any(f.first <= frame <= f.last for f in findings) for frame in range(self.first, self.last + 1))


Plant = Callable[[Annotations, np.random.Generator, Annotations], tuple[Annotations, Planted] | None]


def _place(track: Track, length: int, generator: np.random.Generator) -> slice | None:
    """Rows of a stretch of that length, away from the ends of the track."""
    last = len(track) - SETTLED - length
    if last <= SETTLED:
        return None
    start = int(generator.integers(SETTLED, last))
    return slice(start, start + length)


def _with(annotations: Annotations, track: Track, xy: np.ndarray) -> Annotations:
    changed = Track.make(track.id, track.frames, xy, track.visibility, boxes=track.boxes, head_boxes=track.head_boxes)
    return replace(annotations, tracks=tuple(changed if t.id == track.id else t for t in annotations.tracks))


def _someone(annotations: Annotations, generator: np.random.Generator) -> Track:
    long = [t for t in annotations.tracks if len(t) >= 2 * SETTLED + 12] or list(annotations.tracks)
    return long[int(generator.integers(len(long)))]


def plant_swap(
    labels: Annotations, generator: np.random.Generator, _: Annotations
) -> tuple[Annotations, Planted] | None:
    """One pair (half of the time) or all pairs, in 1 to 8 frames; the pair is at least 0.1 body sizes apart."""
    track = _someone(labels, generator)
    rows = _place(track, int(generator.integers(1, 9)), generator)
    pairs = list(labels.skeleton.flip_pairs)
    if rows is None or not pairs:
        return None
    if generator.random() < 0.5:
        pairs = [pairs[int(generator.integers(len(pairs)))]]
    xy = track.xy.copy()
    size = Course(track).size[rows]
    apart = [np.linalg.norm(xy[rows, a] - xy[rows, b], axis=1) / size for a, b in pairs]
    clear = [pair for pair, distance in zip(pairs, apart, strict=True) if np.nanmin([*distance, 9.0]) >= 0.1]
    clear = [p for p in clear if track.labelled[rows][:, list(p)].all()]
    if not clear:
        return None
    for a, b in clear:
        xy[rows, a], xy[rows, b] = track.xy[rows, b], track.xy[rows, a]
    where = int(track.frames[rows.start]), int(track.frames[rows.stop - 1])
    return _with(labels, track, xy), Planted("swap", track.id, *where, tuple(k for pair in clear for k in pair))


def _moved(
    labels: Annotations,
    generator: np.random.Generator,
    kind: Kind,
    lengths: tuple[int, int],
    sizes: tuple[float, float],
) -> tuple[Annotations, Planted] | None:
    """A keypoint moved the same way, by so many body sizes, in some frames."""
    track = _someone(labels, generator)
    rows = _place(track, int(generator.integers(lengths[0], lengths[1] + 1)), generator)
    if rows is None:
        return None
    there = np.flatnonzero(track.labelled[rows].all(axis=0))
    if not len(there):
        return None
    k, angle = int(generator.choice(there)), generator.uniform(0, 2 * np.pi)
    far = generator.uniform(*sizes) * Course(track).size[rows.start]
    xy = track.xy.copy()
    xy[rows, k] += far * np.array([np.cos(angle), np.sin(angle)])
    where = int(track.frames[rows.start]), int(track.frames[rows.stop - 1])
    return _with(labels, track, xy), Planted(kind, track.id, *where, (k,))


def plant_jump(
    labels: Annotations, generator: np.random.Generator, _: Annotations
) -> tuple[Annotations, Planted] | None:
    """A keypoint 0.25 to 0.7 body sizes away in 1 to 3 frames."""
    return _moved(labels, generator, "jump", (1, 3), (0.25, 0.7))


def plant_limb(
    labels: Annotations, generator: np.random.Generator, _: Annotations
) -> tuple[Annotations, Planted] | None:
    """A keypoint 0.5 to 1 body sizes away in 5 to 12 frames: too long for a jump."""
    return _moved(labels, generator, "limb", (5, 12), (0.5, 1.0))


def plant_outside(
    labels: Annotations, generator: np.random.Generator, _: Annotations
) -> tuple[Annotations, Planted] | None:
    """A keypoint 2 to 60 px beyond a border, in 1 to 3 frames."""
    track = _someone(labels, generator)
    rows = _place(track, int(generator.integers(1, 4)), generator)
    width, height = labels.video.width, labels.video.height
    if rows is None or not width or not height:
        return None
    there = np.flatnonzero(track.labelled[rows].all(axis=0))
    if not len(there):
        return None
    k, beyond = int(generator.choice(there)), generator.uniform(2, 60)
    axis = int(generator.integers(2))
    xy = track.xy.copy()
    xy[rows, k, axis] = -beyond if generator.random() < 0.5 else (width, height)[axis] + beyond
    where = int(track.frames[rows.start]), int(track.frames[rows.stop - 1])
    return _with(labels, track, xy), Planted("outside", track.id, *where, (k,))


def plant_duplicate(
    labels: Annotations, generator: np.random.Generator, _: Annotations
) -> tuple[Annotations, Planted] | None:
    """A second track on somebody for 5 to 15 frames, each keypoint 0.02 body sizes off (normal)."""
    track = _someone(labels, generator)
    rows = _place(track, int(generator.integers(5, 16)), generator)
    if rows is None or track.labelled[rows].sum(axis=1).min() < 3:
        return None
    part = track.rows(np.arange(rows.start, rows.stop))
    noise = generator.normal(0, 0.02, part.xy.shape) * Course(track).size[rows, None, None]
    id = max(t.id for t in labels.tracks) + 1
    double = Track.make(id, part.frames, part.xy + noise, part.visibility)
    found = Planted("duplicate", id, int(part.frames[0]), int(part.frames[-1]), (), track.id)
    return replace(labels, tracks=(*labels.tracks, double)), found


def plant_identity(
    labels: Annotations, generator: np.random.Generator, stranger: Annotations
) -> tuple[Annotations, Planted] | None:
    """Two people trade tracks from a frame on; beside somebody who is alone, a stranger of their size goes on."""
    track = _someone(labels, generator)
    rows = _place(track, 4, generator)
    if rows is None:
        return None
    start = rows.start
    frame = int(track.frames[start])
    others = [t for t in labels.tracks if t.id != track.id and (t.at(frame) or 0) > SETTLED and len(t) == len(track)]
    xy = track.xy.copy()
    if others:
        other = others[int(generator.integers(len(others)))]
        swapped = other.xy.copy()
        xy[start:], swapped[start:] = other.xy[start:], track.xy[start:]
        mixed = np.concatenate([track.visibility[:start], other.visibility[start:]])
        mixed_other = np.concatenate([other.visibility[:start], track.visibility[start:]])
        changed = {
            track.id: Track.make(track.id, track.frames, xy, mixed),
            other.id: Track.make(other.id, other.frames, swapped, mixed_other),
        }
        tracks = tuple(changed.get(t.id, t) for t in labels.tracks)
        return replace(labels, tracks=tracks), Planted("identity", track.id, frame, frame, (), other.id)
    person = stranger.tracks[0]
    left = len(track) - start
    if len(person) < left or person.xy.shape[1] != xy.shape[1]:
        return None
    moved = person.xy[:left] * Course(track).size[start] / Course(person).size[0]
    here, there = np.nanmean(xy[start], axis=0), np.nanmean(moved[0], axis=0)
    side = generator.choice([-1.0, 1.0]) * generator.uniform(0.6, 1.5) * Course(track).size[start]
    xy[start:] = moved - there + here + np.array([side, 0.0])
    visibility = np.concatenate([track.visibility[:start], person.visibility[:left]])
    changed_track = Track.make(track.id, track.frames, xy, visibility)
    return replace(labels, tracks=(changed_track,)), Planted("identity", track.id, frame, frame)


PLANTS: dict[Kind, Plant] = {
    "swap": plant_swap,
    "jump": plant_jump,
    "limb": plant_limb,
    "duplicate": plant_duplicate,
    "outside": plant_outside,
    "identity": plant_identity,
}


@dataclass
class Score:
    """Counts of one kind."""

    planted: int = 0
    touched: int = 0
    exact: int = 0
    frames: int = 0
    covered: int = 0


def measure(files: Sequence[Annotations], turns: Iterator[tuple[int, Kind]], title: str) -> None:
    """Print the tables of a collection of label files."""
    generator = np.random.default_rng(0)
    clean = [check(labels) for labels in files]
    frames = sum(len(track) for labels in files for track in labels.tracks)
    scores = {kind: Score() for kind in KINDS}
    right: Counter[Kind] = Counter()
    told: Counter[Kind] = Counter()
    own: Counter[Kind] = Counter()  # was found in the untouched file, too
    for index, kind in turns:
        labels = files[index]
        done = PLANTS[kind](labels, generator, files[(index + 1) % len(files)])
        if done is None:
            continue
        changed, planted = done
        found = check(changed)
        scores[kind].planted += 1
        touching = [f for f in found if planted.touched_by(f)]
        scores[kind].touched += any(f.kind != "outside" or kind == "outside" for f in touching)
        scores[kind].exact += any(f.kind == kind for f in touching)
        scores[kind].frames += planted.last - planted.first + 1
        scores[kind].covered += planted.covered_by([f for f in touching if f.kind != "outside" or kind == "outside"])
        known = {(f.kind, f.track, f.first, f.keypoints) for f in clean[index]}
        for finding in found:
            told[finding.kind] += 1
            right[finding.kind] += finding in touching
            own[finding.kind] += finding not in touching and (
                (finding.kind, finding.track, finding.first, finding.keypoints) in known
            )
    print(f"\n### {title}: {len(files)} label files, {frames} poses\n")
    print("| kind | planted | recall | recall, exact kind | covered | told | precision | without what the file had "
          "| untouched: findings in 1000 poses |\n|---|---|---|---|---|---|---|---|---|")  # fmt: skip
    for kind in KINDS:
        score = scores[kind]
        alarms = 1000 * sum(f.kind == kind for found in clean for f in found) / frames
        print(
            f"| {kind} | {score.planted} | {_share(score.touched, score.planted)} | "
            f"{_share(score.exact, score.planted)} | {_share(score.covered, score.frames)} | {told[kind]} | "
            f"{_share(right[kind], told[kind])} | "
            f"{_share(right[kind], told[kind] - own[kind])} | {alarms:.2f} |"
        )
    everything = [
        sum(getattr(s, name) for s in scores.values()) for name in ("planted", "touched", "exact", "covered", "frames")
    ]
    print(
        f"| all | {everything[0]} | {_share(everything[1], everything[0])} | {_share(everything[2], everything[0])} | "
        f"{_share(everything[3], everything[4])} | {told.total()} | {_share(right.total(), told.total())} | "
        f"{_share(right.total(), told.total() - own.total())} | {1000 * sum(map(len, clean)) / frames:.2f} |"
    )


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f} %" if whole else "-"


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with penn/ and bonn/")
    parser.add_argument("--files", type=int, default=100, help="how many of Penn's label files, evenly spread")
    parser.add_argument("--tuning", action="store_true", help="measure on Penn's files that are left out otherwise")
    parser.add_argument("--only", choices=("penn", "bonn"), help="measure on these alone")
    options = parser.parse_args()
    kinds = list(PLANTS)
    if options.only != "bonn":
        paths = sorted((options.data / "penn/labels").glob("*.mat"))
        paths = [path for i, path in enumerate(paths) if (i % 16 == 8) == options.tuning]
        chosen = [paths[i] for i in np.linspace(0, len(paths) - 1, min(options.files, len(paths))).astype(int)]
        penn = [formats.read(path) for path in chosen]
        measure(penn, ((i, kind) for i in range(len(penn)) for kind in kinds), "Penn Action")
    if options.only != "penn":
        bonn = [formats.read(options.data / "bonn/truth.json")]
        measure(bonn, ((0, kind) for kind in kinds for _ in range(BONN_TIMES)), "Bonn")


if __name__ == "__main__":
    main()
