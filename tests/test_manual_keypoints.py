"""Whatever is done with labels, in whatever order: what a person set stays, bit for bit.

Hypothesis draws annotations and chains of commands. A format that cannot hold all has to say so, and how far off places
are then. Corrections as the web page writes them are made in a browser by test_review_page.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from strategies import LAST_FRAME, annotations, randoms
from toy_models import toy_runner
from toy_warper import toy_checkpoint

from pwarp import augment, formats, tracking
from pwarp.annotations import Annotations, Replaced, Source, Track, VideoIdentity
from pwarp.errors import PwarpError
from pwarp.estimation import Estimator, estimate, open_estimator
from pwarp.formats.losses import LossReport
from pwarp.propagation import Options, propagate
from pwarp.refinement import refine
from pwarp.skeleton import COCO_17, JHMDB_15, PENN_13, POSETRACK_15, POSETRACK_17, Skeleton
from pwarp.trust.check import check
from pwarp.video import Color, Picture, Video

NAMES = tuple(f"point_{k}" for k in range(5))
LOSSLESS = ("pwarp", "jsonl")
LOSSY = ("coco", "csv", "cvat", "label-studio", "sleap", "dlc")
# Those of data sets, which have keypoints of their own; YOLO's with pictures of the video beside them.
OF_DATA_SETS = {
    "posetrack17": POSETRACK_15, "posetrack18": POSETRACK_17, "penn": PENN_13, "jhmdb": JHMDB_15, "yolo-pose": COCO_17,
}  # fmt: skip


class Grey(Video):
    """One picture for all frames, with something in it to hold on to."""

    def __init__(self) -> None:
        self.path, self.width, self.height, self.frame_count = "grey", 60, 40, LAST_FRAME + 3
        self.fps, self.times, self.names, self.damage = None, np.arange(self.frame_count, dtype=np.float64), None, ()
        self.variable_rate, self.rotation = False, 0
        self._picture = np.random.default_rng(2).integers(0, 256, (self.height, self.width), dtype=np.uint8)

    def _fingerprint_source(self) -> bytes:
        return b"grey"

    def _read(self, ordinal: int, color: Color) -> Picture:
        return self._picture if color == "gray" else np.repeat(self._picture[..., None], 3, axis=2)

    def _read_in_order(self, ordinals: range, color: Color) -> Iterator[Picture]:
        return (self._read(i, color) for i in ordinals)


VIDEO = Grey()


class Keypoint(NamedTuple):
    """One that a person set: place as the bits of it."""

    frame: int
    name: str
    place: bytes
    visibility: int
    source: int

    @property
    def xy(self) -> np.ndarray:
        return np.frombuffer(self.place)


def by_person(labels: Annotations) -> Counter[Keypoint]:
    """All keypoints that a person set; tracks may get other ids, as they do when lone labels are joined."""
    found = Counter[Keypoint]()
    for track in labels.tracks:
        for row, k in np.argwhere(track.by_person):
            values = track.xy[row, k].tobytes(), int(track.visibility[row, k]), int(track.source[row, k])
            found[Keypoint(int(track.frames[row]), labels.skeleton.keypoints[k], *values)] += 1
    return found


@cache
def estimator() -> Estimator:
    return open_estimator(toy_checkpoint(NAMES), device="cpu")


@cache
def runner() -> Any:
    return toy_runner("posewarper", NAMES)


def propagated(engine: str) -> Callable[[Annotations], Annotations]:
    options = {"weights": toy_checkpoint(NAMES, 0.3), "device": "cpu"} if engine == "posewarper" else {}
    return lambda labels: propagate(VIDEO, labels, Options(engine, settings=options))


def checked(labels: Annotations) -> Annotations:
    """It only looks."""
    check(labels)
    return labels


def augmented(labels: Annotations) -> Annotations:
    """Joined with what becomes of them."""
    return augment.join(labels, propagate(VIDEO, labels, Options("linear")))[0]


STEPS: dict[str, Callable[[Annotations], Annotations]] = {
    **{engine: propagated(engine) for engine in ("copy", "linear", "pchip", "flow", "farneback", "auto", "posewarper")},
    "track": lambda labels: tracking.track(VIDEO, labels).annotations,
    "estimate": lambda labels: estimate(VIDEO, labels, estimator()),
    "refine": lambda labels: refine(VIDEO, labels, runner(), offsets=(-1, 0, 1)).annotations,
    "check": checked,
    "augment": augmented,
}


def corrected(labels: Annotations, draw: np.random.Generator) -> tuple[Annotations, Counter[Keypoint]]:
    """One keypoint of a pose put elsewhere by a person, as the review page notes it, and what a person has set then."""
    tracks = [track for track in labels.tracks if len(track)]
    expected = by_person(labels)
    if not tracks:
        return labels, expected
    track = tracks[draw.integers(len(tracks))]
    row, k = int(draw.integers(len(track))), int(draw.integers(track.xy.shape[1]))
    old, visibility, source = track.xy[row, k], int(track.visibility[row, k]), Source(track.source[row, k])
    frame, name = int(track.frames[row]), labels.skeleton.keypoints[k]
    if track.by_person[row, k]:
        expected -= Counter([Keypoint(frame, name, old.tobytes(), visibility, int(source))])
    new = draw.uniform(0, 40, 2)
    expected[Keypoint(frame, name, new.tobytes(), 2, int(Source.CORRECTED))] += 1
    arrays = {n: getattr(track, n).copy() for n in ("xy", "visibility", "source", "score", "origin")}
    for array, value in zip(arrays.values(), (new, 2, Source.CORRECTED, np.nan, -1), strict=True):
        array[row, k] = value
    before = [one for one in track.replaced if (one.frame, one.keypoint) != (frame, k)]
    if visibility:
        before.append(Replaced(frame, k, float(old[0]), float(old[1]), visibility, source))
    better = replace(track, **arrays, replaced=tuple(before))
    return replace(labels, tracks=tuple(better if t is track else t for t in labels.tracks)), expected


def through(labels: Annotations, format: str, folder: Path) -> tuple[Annotations, LossReport]:
    path = folder / "labels"
    video = VIDEO if format == "yolo-pose" else None
    report = formats.write(labels, path, format=format, video=video, force=True)
    return formats.read(path, format=format, video=video), report


def named(before: Counter[Keypoint], after: Annotations, report: LossReport) -> None:
    """Every keypoint of a person is where it was, as near as the report says, or the report says what became of it."""
    said = {loss.what: loss for loss in report.losses}
    most = said["exact coordinates"].farthest if "exact coordinates" in said else 0.0
    assert most is not None
    places: dict[tuple[int, str], list[tuple[np.ndarray, int, int]]] = {}
    for track in after.tracks:
        for row, k in np.argwhere(track.labelled):
            values = (track.xy[row, k], int(track.visibility[row, k]), int(track.source[row, k]))
            places.setdefault((int(track.frames[row]), after.skeleton.keypoints[k]), []).append(values)
    missing = others = 0
    for one, count in before.items():
        near = [p for p in places.get((one.frame, one.name), []) if np.abs(p[0] - one.xy).max() <= most]
        missing += count if not near else 0
        others += count if near and one.visibility not in {p[1] for p in near} else 0
        assert "sources of keypoints" in said or not near or one.source in {p[2] for p in near}, report.lines()
    accounted = sum(loss.count for what, loss in said.items() if "(read back as" in what)
    assert others <= accounted, report.lines()
    if not {"tracks", "keypoints"} & said.keys():
        # What is not between the key frames of a person stays a pose of its own.
        poses = said["poses"].count if "poses" in said else 0
        assert missing <= accounted + poses * len(after.skeleton), report.lines()


def drawn(labels: Annotations, random: np.random.Generator) -> Annotations:
    """For any video, with poses near its picture, many of them set by a person."""
    tracks = []
    for t in labels.tracks:
        mine = random.random(t.visibility.shape) < 0.6
        where = {"visibility": np.where(mine, random.integers(1, 3, mine.shape), t.visibility)}
        for name, value in (("source", Source.MANUAL), ("score", np.nan), ("origin", -1)):
            old = getattr(t, name)
            where[name] = np.where(mine if old.ndim == 2 else mine[..., None], value, old).astype(old.dtype)
        xy = random.uniform(-5, 65, t.xy.shape)
        xy = np.where(random.random(mine.shape)[..., None] < 0.3, np.round(xy), xy)
        xy = np.where(where["visibility"][..., None] > 0, xy, np.nan)
        boxes = np.sort(random.uniform(0, 60, (len(t), 2, 2)), axis=1).reshape(-1, 4)
        tracks.append(replace(t, xy=xy, boxes=boxes, **where))
    return replace(labels, video=VideoIdentity(width=60, height=40), tracks=tuple(tracks))


things = st.integers(1, 4).map(lambda count: Skeleton("thing", NAMES[:count]))
some_labels = st.builds(drawn, annotations(things), randoms).filter(by_person)
chains = st.lists(st.sampled_from([*STEPS, *LOSSLESS, "correct"]), min_size=2, max_size=5)


@given(labels=some_labels, chain=chains, random=randoms)
@settings(max_examples=10)
def test_no_chain_of_commands_and_lossless_formats_changes_one_bit(
    tmp_path_factory: pytest.TempPathFactory, labels: Annotations, chain: list[str], random: np.random.Generator
) -> None:
    folder = tmp_path_factory.mktemp("chain")
    for step in chain:
        before = by_person(labels)
        try:
            if step == "correct":
                labels, before = corrected(labels, random)
            elif step in LOSSLESS:
                labels, report = through(labels, step, folder)
                assert not report, report.lines()
            else:
                labels = STEPS[step](labels)
        except PwarpError:
            continue  # refused, so nothing happened
        assert by_person(labels) == before, step


@given(labels=some_labels, format=st.sampled_from(LOSSY), step=st.sampled_from(["copy", "linear", "track", "refine"]))
@settings(max_examples=30)
def test_a_lossy_format_names_what_becomes_of_them_and_how_far_they_move(
    tmp_path_factory: pytest.TempPathFactory, labels: Annotations, format: str, step: str
) -> None:
    folder = tmp_path_factory.mktemp("chain")
    try:
        labels = STEPS[step](labels)
        after, report = through(labels, format, folder)
    except PwarpError:
        assume(False)
    named(by_person(labels), after, report)
    # From then on what the file holds is what stays.
    again, report = through(after, format, folder)
    assert by_person(again) == by_person(after)


@given(data=st.data(), format=st.sampled_from(list(OF_DATA_SETS)), step=st.sampled_from(["copy", "linear", "track"]))
@settings(max_examples=25)
def test_so_do_the_formats_of_data_sets(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, format: str, step: str
) -> None:
    some = st.builds(drawn, annotations(st.just(OF_DATA_SETS[format])), randoms).filter(by_person)
    folder = tmp_path_factory.mktemp("data-set")
    try:
        labels = STEPS[step](data.draw(some))
        after, report = through(labels, format, folder)
    except PwarpError:
        assume(False)
    named(by_person(labels), after, report)


def test_a_keypoint_that_moves_is_noticed() -> None:
    track = Track.make(3, [4], [[[10.0, 20.0]]], [[2]])
    labels = Annotations(Skeleton("thing", NAMES[:1]), tracks=(track,))
    moved = replace(labels, tracks=(replace(track, xy=track.xy + 1e-9),))
    assert by_person(moved) != by_person(labels)
    with pytest.raises(AssertionError):
        named(by_person(labels), moved, LossReport("none"))
