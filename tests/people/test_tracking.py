"""Tracking on made-up streets: people come, go, cross and hide, and nobody becomes somebody else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from walkers import HEIGHT, POSE, SIZE, THING, WIDTH, Street, Walker

from pwarp.annotations import Annotations, Source, Track
from pwarp.errors import PwarpError
from pwarp.formats import read
from pwarp.tracking import Options, Unsure, track
from pwarp.tracking.affinity import iou, oks
from pwarp.tracking.appearance import Look
from pwarp.tracking.link import Chain
from pwarp.tracking.sighting import Sighting
from pwarp.video import open_video

FRAMES = 25


def stands(x: float, y: float = 64.0) -> Walker:
    return Walker(lambda _: (x, y))


def walks(start: float, speed: float, y: float = 64.0, clothes: int = 0) -> Walker:
    """A walker at x = start + speed * frame, who is not there while outside the picture."""

    def way(frame: int) -> tuple[float, float] | None:
        x = start + speed * frame
        return (x, y) if -SIZE[0] / 3 < x < WIDTH + SIZE[0] / 3 else None

    return Walker(way, clothes)


def tracked(
    walkers: Mapping[int, Walker], frames: Sequence[int], *, poses: bool, options: Options | None = None
) -> list[list[tuple[int, int]]]:
    """The tracks as (frame, walker)."""
    street = Street(walkers, FRAMES)
    seen, who = street.seen(frames, poses=poses)
    return street.paths(seen, who, track(street, seen, options).annotations)


def whole(walkers: Mapping[int, Walker], frames: Sequence[int]) -> list[list[tuple[int, int]]]:
    """The tracks as they should be, where nobody is away for long."""
    return sorted([(f, id) for f in frames if w.way(f) is not None] for id, w in walkers.items())


STREETS: dict[str, dict[int, Walker]] = {
    "one stands": {0: stands(60)},
    "two in step": {0: walks(30, 3), 1: walks(70, 3, clothes=1)},
    "crossing": {0: walks(55, 3, 60), 1: walks(130, -3, 68, clothes=1)},
    "three, two cross": {0: walks(20, 3, 60), 1: walks(100, -2.5, 68, clothes=1), 2: walks(170, 0.5, 64, clothes=2)},
    "entering": {0: stands(60), 1: walks(200, -3, clothes=1)},
    "leaving": {0: stands(130), 1: walks(60, -3, clothes=1)},
    "one comes, one goes": {0: walks(40, -2.5), 1: walks(210, -3, clothes=1)},
}


@pytest.mark.parametrize(("every", "poses"), [(1, False), (4, True), (12, True)])
@pytest.mark.parametrize("name", STREETS)
def test_everybody_stays_who_they_are(name: str, every: int, poses: bool) -> None:
    frames = range(0, FRAMES, every)
    assert tracked(STREETS[name], frames, poses=poses) == whole(STREETS[name], frames)


def test_looks_tell_who_came_out_from_behind_whom() -> None:
    """Both turn round while one hides the other: their ways alone would say that they passed each other."""

    def bounces(start: float, speed: float, y: float, clothes: int) -> Walker:
        return Walker(lambda frame: (start + speed * (frame if frame < 12 else 24 - frame), y), clothes)

    walkers = {0: bounces(60, 2.6, 62, 0), 1: bounces(124, -2.6, 66, 1)}
    frames = [0, 4, 8, 16, 20, 24]
    assert tracked(walkers, frames, poses=False) == whole(walkers, frames)


def test_somebody_hidden_for_a_while_is_found_again_but_not_for_ever() -> None:
    def way(frame: int) -> tuple[float, float] | None:
        return None if 8 <= frame < 14 else (30 + 3.0 * frame, 64)

    walkers = {0: Walker(way), 1: stands(170)}
    frames = range(FRAMES)
    assert len(tracked(walkers, frames, poses=False)) == 2
    assert len(tracked(walkers, frames, poses=False, options=Options(max_lost=6))) == 2
    assert len(tracked(walkers, frames, poses=False, options=Options(max_lost=5))) == 3


def test_key_frames_as_far_apart_as_they_like_are_joined_whatever_may_be_lost() -> None:
    assert tracked(STREETS["two in step"], [0, 20], poses=True, options=Options(max_lost=0)) == whole(
        STREETS["two in step"], [0, 20]
    )


def test_another_person_in_the_same_place_is_not_the_same() -> None:
    """One leaves, and many frames later one in other clothes stands nearby."""
    walkers = {
        0: Walker(lambda f: (90, 64) if f < 4 else None, 0),
        1: Walker(lambda f: (108, 64) if f >= 16 else None, 1),
    }
    assert tracked(walkers, range(0, FRAMES, 2), poses=False) == whole(walkers, range(0, FRAMES, 2))


def test_twins_that_may_be_swapped_are_named() -> None:
    """Two in the same clothes stand where each might have been the other."""
    walkers = {0: Walker(lambda f: (80 if f < 12 else 96, 64)), 1: Walker(lambda f: (112 if f < 12 else 96.5, 65))}
    street = Street(walkers, FRAMES)
    seen, _ = street.seen([0, 24], poses=False)
    assert {u.frame for u in track(street, seen).unsure} == {24}
    clear, _ = Street(STREETS["two in step"], FRAMES).seen([0, 8], poses=False)
    assert track(Street(STREETS["two in step"], FRAMES), clear).unsure == ()
    assert Unsure(3, 1) == Unsure(frame=3, track=1)


def test_nothing_that_was_known_changes() -> None:
    street = Street(STREETS["two in step"], FRAMES)
    seen, _ = street.seen(range(0, FRAMES, 6), poses=True)
    nan = float("nan")
    known = Track.make(0, [0, 5], [[[1, 2]] * 5, [[3, 4]] * 5], boxes=[[0, 0, 9, 9], [nan] * 4])
    mixed = [
        replace(
            t,
            id=t.id + 1,
            visibility=np.array([[2, 1, 0, 2, 2]], np.uint8),
            xy=np.where(np.array([1, 1, 0, 1, 1])[:, None] > 0, t.xy, nan),
            source=np.array([[1, 5, 0, 2, 1]], np.uint8),
            score=np.array([[nan, nan, nan, 0.25, nan]]),
        )
        for t in seen.tracks
    ]
    out = track(street, replace(seen, tracks=(known, *mixed))).annotations
    assert out.track(0).same_as(known)
    assert [t.id for t in out.tracks] == [0, 1, 2]
    assert all(t.identified for t in out.tracks)
    rows = {t.frames[0].item() * 1000 + t.boxes[0, 0]: t for t in mixed}
    for made in out.tracks[1:]:
        for row, frame in enumerate(made.frames):
            before = rows[frame * 1000 + made.boxes[row, 0]]
            after = replace(made.rows([row]), id=before.id, identified=False)
            assert after.same_as(before)


def test_short_tracks_go_but_never_a_persons_labels() -> None:
    walkers = {0: stands(60), 1: Walker(lambda f: (150, 64) if f in (6, 7) else None, 1)}
    lengths = {
        n: sorted(len(p) for p in tracked(walkers, range(FRAMES), poses=False, options=Options(min_length=n)))
        for n in (1, 2, 3)
    }
    assert lengths == {1: [2, 25], 2: [2, 25], 3: [25]}
    assert len(tracked(walkers, range(FRAMES), poses=True, options=Options(min_length=3))) == 2


def test_a_frame_without_anybody_was_looked_at() -> None:
    """Declared frames without people end a track as soon as nobody may be lost."""
    street = Street({0: stands(60)}, FRAMES)
    seen, _ = street.seen([0, 10], poses=False)
    looked = replace(seen, labelled=np.array([0, 5, 10]))
    assert len(track(street, seen, Options(max_lost=4)).annotations.tracks) == 1
    assert len(track(street, looked, Options(max_lost=4)).annotations.tracks) == 2


def test_labels_with_neither_box_nor_keypoints_stay_alone() -> None:
    street = Street({0: stands(60)}, FRAMES)
    empty = Track.make(5, [3], np.full((1, 5, 2), np.nan), identified=False)
    marked = Track.make(6, [3], [[[9.0, 9]] * 5], absent=[(7, 9)], identified=False)
    out = track(street, Annotations(THING, tracks=(empty, marked))).annotations
    assert [(t.id, t.identified) for t in out.tracks] == [(5, False), (6, False)]


def test_a_single_keypoint_is_enough() -> None:
    street = Street({0: walks(30, 3)}, FRAMES)
    dots = [
        Track.make(f, [f], [[[30 + 3 * f, 60.0], *[(np.nan, np.nan)] * 4]], identified=False) for f in range(0, 25, 6)
    ]
    out = track(street, Annotations(THING, tracks=tuple(dots))).annotations
    assert [t.frames.tolist() for t in out.tracks] == [[0, 6, 12, 18, 24]]
    assert (out.tracks[0].source[:, 0] == Source.MANUAL).all()


def test_the_same_input_gives_the_same_output() -> None:
    street = Street(STREETS["three, two cross"], FRAMES)
    seen, _ = street.seen(range(0, FRAMES, 3), poses=False)
    once, again = track(street, seen), track(street, seen)
    assert once.annotations.same_as(again.annotations)
    assert once.unsure == again.unsure


def test_progress_counts_the_frames_between_the_first_and_the_last() -> None:
    street = Street(STREETS["one stands"], FRAMES)
    seen, _ = street.seen([4, 9, 20], poses=False)
    expected, done = [], []
    track(street, seen, started=expected.append, advance=done.append)
    assert expected == [17]
    assert sum(done) == 17


@pytest.mark.parametrize(("field", "value"), [("max_lost", -1), ("min_length", 0)])
def test_numbers_that_are_none_are_refused(field: str, value: int) -> None:
    with pytest.raises(PwarpError, match=field):
        Options(**{field: value})


def test_labels_of_another_video_are_refused() -> None:
    seen, _ = Street({0: stands(60)}, FRAMES).seen([0, 4], poses=False)
    with pytest.raises(PwarpError, match="frame_count"):
        track(Street({0: stands(60)}, FRAMES + 3), seen)


@st.composite
def crowds(draw: st.DrawFn) -> tuple[Annotations, int]:
    """Any boxes and poses in any frames, even the same ones twice."""
    frames = draw(st.lists(st.integers(0, 6), min_size=1, max_size=9))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    tracks = []
    for i, frame in enumerate(frames):
        middle = rng.uniform((0, 0), (WIDTH, HEIGHT)) if draw(st.booleans()) else np.array([50.0, 60.0])
        half = SIZE / 2 * rng.uniform(0.2, 2)
        xy = np.where(rng.random((5, 1)) < draw(st.sampled_from((0.0, 0.7))), middle + POSE * half, np.nan)
        box = None if draw(st.booleans()) else [[*(middle - half), *(middle + half)]]
        tracks.append(Track.make(i, [frame], xy[None], boxes=box, identified=False))
    return Annotations(THING, tracks=tuple(tracks)), draw(st.integers(0, 30))


@given(crowds())
@settings(max_examples=15, deadline=None)
def test_two_of_one_frame_are_never_one_and_nobody_is_lost(case: tuple[Annotations, int]) -> None:
    people, max_lost = case
    out = track(Street({0: walks(10, 3)}, 7), people, Options(max_lost=max_lost)).annotations
    assert len({t.id for t in out.tracks}) == len(out.tracks)
    for t in out.tracks:
        assert all(a < b for a, b in pairwise(t.frames.tolist()))

    def content(annotations: Annotations) -> list[tuple[int, bytes, bytes]]:
        rows = ((t, i) for t in annotations.tracks for i in range(len(t)))
        return sorted((int(t.frames[i]), t.xy[i].tobytes(), t.boxes[i].tobytes()) for t, i in rows)

    assert content(out) == content(people)


def test_similarities_by_hand() -> None:
    a = np.array([0.0, 0, 10, 10])
    assert iou(a, a) == 1
    assert iou(a, np.array([5.0, 0, 15, 10])) == pytest.approx(1 / 3)
    assert iou(a, np.array([20.0, 0, 30, 10])) == 0
    assert iou(a, np.array([3.0, 3, 3, 3])) == 0
    pose = np.array([[0.0, 0], [8, 0], [np.nan, np.nan], [0, 8], [1, 1]])
    assert oks(pose, pose, 10, THING) == 1
    # One of the four common keypoints is 1.6 = 2 sigma x size away: exp(-1/2) there.
    moved = pose + np.array([[1.6, 0], [0, 0], [0, 0], [0, 0], [0, 0]])
    assert oks(pose, moved, 10, THING) == pytest.approx((3 + np.exp(-0.5)) / 4)
    assert oks(pose, moved, 10, THING, spread=0.12) == pytest.approx((3 + np.exp(-(0.16**2) / (2 * 0.04))) / 4)
    assert oks(pose, np.full((5, 2), np.nan), 10, THING) is None


def test_looks_by_hand() -> None:
    picture = np.full((40, 60, 3), (120, 128, 128), np.uint8)
    picture[:, 30:] = (120, 190, 70)
    nobody, blind = np.full((5, 2), np.nan), np.zeros(5, np.bool_)

    def look(x0: int, x1: int) -> Look:
        return Look.of(picture, np.array([x0, 0.0, x1, 39]), nobody, blind, THING)

    assert look(0, 20).difference(look(5, 25)) == pytest.approx(0)
    assert look(0, 20).difference(look(35, 55)) == pytest.approx(1)
    # Half of each band is of the other colour: the overlap of the roots is 1 / sqrt(2).
    assert look(0, 20).difference(look(20, 39)) == pytest.approx(1 - np.sqrt(0.5), abs=0.06)
    assert np.isfinite(look(-90, -70).difference(look(0, 20)))


@pytest.mark.parametrize("every", [10, 20])
def test_bonn_without_ids_comes_back_without_a_switch(data_dir: Path, every: int) -> None:
    """Four people who cross and hide each other."""
    true = read(data_dir / "bonn" / f"sparse-{every}.json")
    lone = tuple(
        replace(t.rows([i]), id=100 * n + i, absent=t.absent[:0], identified=False)
        for n, t in enumerate(true.tracks)
        for i in range(len(t))
    )
    with open_video(data_dir / "bonn" / "images") as video:
        out = track(video, replace(true, tracks=lone)).annotations
    expected = sorted(t.xy.tobytes() for t in true.tracks)
    assert sorted(t.xy.tobytes() for t in out.tracks) == expected


def test_what_somebody_looked_like_long_ago_is_forgotten() -> None:
    def sighting(frame: int) -> Sighting:
        box, none = np.array([0.0, 0.0, 20.0, 40.0]), np.zeros((0, 2))
        look = Look(np.zeros((3, 8)), np.zeros((0, 3)))
        return Sighting(frame, 7 * frame, box, none, np.zeros(0, np.bool_), none, look, 1.0)

    chain = Chain.of(0, sighting(0))
    for frame in range(1, 100):
        chain.goes_on(sighting(frame))
    assert chain.sightings == 100
    assert [s.frame for s in chain.recent] == list(range(92, 100)) and chain.last.frame == 99
    assert len(chain.looks) == 8
