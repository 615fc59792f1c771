"""`pwarp check`: errors planted into a walk that is known exactly, each found where it is, and nothing else."""

from __future__ import annotations

import io
import json
import re
import sys
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numbered_clips import HEIGHT, WIDTH, make_clip
from pwarp_cli.main import run

from pwarp import formats
from pwarp.annotations import Annotations, Source, Track, VideoIdentity
from pwarp.skeleton import Skeleton
from pwarp.trust import check as checking
from pwarp.trust.check import check
from pwarp.trust.course import Course, runs, spread
from pwarp.trust.findings import KINDS, Finding, sureness
from pwarp.trust.limbs import breaks, limbs_of
from pwarp.trust.strays import strays

FRAMES = 41
# A creature of five points: a head, and two legs of two points.
BEETLE = Skeleton(
    "beetle",
    ("head", "left_hip", "right_hip", "left_foot", "right_foot"),
    edges=((0, 1), (0, 2), (1, 3), (2, 4), (1, 2)),
    flip_pairs=((1, 2), (3, 4)),
)
REST = np.array([[0.0, -60.0], [-20.0, 0.0], [20.0, 0.0], [-25.0, 50.0], [25.0, 50.0]])


def walk(frames: int = FRAMES, *, x: float = 300.0) -> np.ndarray:
    """(F, 5, 2) a steady walk with swinging feet; labels are off by half a pixel or so, as a person's are."""
    when = np.arange(frames)
    xy = REST + np.array([x, 240.0]) + when[:, None, None] * (2.0, 0.3)
    swing = 12 * np.sin(when / 4)
    xy[:, 3, 0] += swing
    xy[:, 4, 0] -= swing
    return xy + np.random.default_rng(3).normal(0, 0.5, xy.shape)


def labels(*tracks: np.ndarray, skeleton: Skeleton = BEETLE) -> Annotations:
    """Tracks 10, 20, ... in a picture of 640x480."""
    made = tuple(Track.make(10 * (i + 1), np.arange(len(xy)), xy) for i, xy in enumerate(tracks))
    return Annotations(skeleton, VideoIdentity(width=640, height=480, frame_count=FRAMES), made)


def only(found: list[Finding]) -> Finding:
    assert len(found) == 1, found
    return found[0]


def test_nothing_is_found_where_nothing_is_wrong() -> None:
    assert check(labels(walk(), walk(x=400.0))) == []
    assert check(labels(walk()[::10], walk(x=400.0)[::10])) == []
    assert check(labels()) == []


def test_a_swapped_pair() -> None:
    xy = walk()
    xy[12:17, [3, 4]] = xy[12:17, [4, 3]]
    found = only(check(labels(xy)))
    assert (found.kind, found.track, found.first, found.last, found.keypoints) == ("swap", 10, 12, 16, (3, 4))
    assert "left_foot and right_foot" in found.why
    assert found.sure > 0.6


def test_pairs_that_are_swapped_together_are_one_finding_and_surer() -> None:
    one, both = walk(), walk()
    one[20:24, [3, 4]] = one[20:24, [4, 3]]
    both[20:24, [1, 2, 3, 4]] = both[20:24, [2, 1, 4, 3]]
    found = only(check(labels(both)))
    assert (found.kind, found.first, found.last, found.keypoints) == ("swap", 20, 23, (1, 2, 3, 4))
    assert found.sure > only(check(labels(one))).sure


def test_a_swap_for_good_is_told_for_the_smaller_part() -> None:
    xy = walk()
    xy[30:, [3, 4]] = xy[30:, [4, 3]]
    found = only(check(labels(xy)))
    assert (found.kind, found.first, found.last) == ("swap", 30, FRAMES - 1)
    assert "never trade back" in found.why
    xy = walk()
    xy[:9, [3, 4]] = xy[:9, [4, 3]]
    assert (only(check(labels(xy))).first, only(check(labels(xy))).last) == (0, 8)


@pytest.mark.parametrize("length", [1, 2, 3])
def test_a_jump_of_one_keypoint(length: int) -> None:
    xy = walk()
    xy[18 : 18 + length, 4] += (-55.0, 30.0)
    found = only(check(labels(xy)))
    assert (found.kind, found.first, found.last, found.keypoints) == ("jump", 18, 17 + length, (4,))
    assert re.match(r"right_foot lies 6\d px \(", found.why)


def test_a_jump_of_the_whole_pose() -> None:
    xy = walk()
    xy[25] += (0.0, -90.0)
    found = only(check(labels(xy)))
    assert (found.kind, found.first, found.last, found.keypoints) == ("jump", 25, 25, ())


def test_fast_motion_is_no_jump() -> None:
    xy = walk()
    when = np.arange(FRAMES)
    xy[:, 3, 1] -= 60 * np.exp(-(((when - 20) / 3.0) ** 2))  # a kick
    assert check(labels(xy)) == []


def test_a_limb_that_is_too_long_for_long() -> None:
    xy = walk()
    xy[15:22, 0] += (0.0, -110.0)
    found = only(check(labels(xy)))
    assert (found.kind, found.first, found.last, found.keypoints) == ("limb", 15, 21, (0,))
    assert re.match(r"head to (left|right)_hip is 2\.[5-9] times as long", found.why)
    assert "1 other limb with it" in found.why


@pytest.mark.parametrize("length", [2, 4, 12, 30])
def test_a_keypoint_that_lies_aside_for_a_while_is_one_finding_over_all_its_frames(length: int) -> None:
    """The foot stays as far from its hip as ever: no limb tells it, and a jump is over sooner."""
    xy = walk()
    xy[5 : 5 + length, 3, 1] -= 50
    found = only(check(labels(xy)))
    assert (found.kind, found.first, found.last, found.keypoints) == ("jump", 5, 4 + length, (3,))
    if length > 3:
        assert re.match(
            rf"left_foot steps \d+ px \(0\.\d+ body sizes\) aside in one frame, and {length} frames", found.why
        )


def test_what_stays_where_it_went_is_not_aside_for_a_while() -> None:
    away, elsewhere = walk(), walk()
    away[20:, 3, 1] -= 50
    elsewhere[10:, 3, 1] -= 50
    elsewhere[20:, 3, 0] -= 60
    for xy in (away, elsewhere):
        assert all(f.last - f.first < 3 for f in check(labels(xy)) if f.kind == "jump")


def test_motion_of_the_camera_is_no_motion_of_a_keypoint() -> None:
    many = Skeleton("ring", tuple("abcdef"))
    angle = np.arange(6) * np.pi / 3
    xy = 300 + 50 * np.stack([np.cos(angle), np.sin(angle)], axis=1)[None].repeat(FRAMES, axis=0)
    xy += np.random.default_rng(1).normal(0, 0.5, xy.shape)
    xy[12:20] += (60.0, 0.0)
    assert strays(Course(labels(xy, skeleton=many).tracks[0]), many) == []
    xy[12:20, 4] += (0.0, 40.0)
    (found,) = strays(Course(labels(xy, skeleton=many).tracks[0]), many)
    assert (found.first, found.last, found.keypoints) == (12, 19, (4,))


def test_a_limb_is_as_long_as_that_of_the_other_side() -> None:
    """The left leg points at the camera but for a moment; stretched, it is as long as the right one."""
    xy = walk()
    share = 0.3 + 0.7 * np.exp(-(((np.arange(FRAMES) - 20) / 2.5) ** 2))[:, None]
    xy[:, 3] = xy[:, 1] + (xy[:, 3] - xy[:, 1]) * share
    assert check(labels(xy)) == []
    xy[:, 4] = xy[:, 2] + (xy[:, 4] - xy[:, 2]) * 0.3
    found = only(check(labels(xy)))
    assert (found.kind, found.keypoints) == ("limb", (1, 3))


def test_limbs_that_share_a_keypoint_and_overlap_are_one_finding() -> None:
    xy = walk()
    xy[15:19, 0] += (0.0, -130.0)
    xy[17:21, 1] += (0.0, 130.0)
    found = only(breaks(Course(labels(xy).tracks[0]), BEETLE))
    assert (found.first, found.last, found.keypoints) == (15, 20, (0, 1))
    assert "and 2 other limbs with it" in found.why


def test_another_person_in_the_track_has_limbs_of_their_own() -> None:
    xy = walk()
    tall = xy[22:].mean(axis=1, keepdims=True)
    xy[22:] = tall + (xy[22:] - tall) * (1.0, 0.6) + (-220.0, 20.0)
    xy[22:, 0, 1] -= 90
    found = only(check(labels(xy)))
    assert (found.kind, found.first) == ("identity", 22)


def test_a_limb_may_look_short() -> None:
    xy = walk()
    xy[10:30, 0] += (0.0, 45.0) * np.sin(np.linspace(0, np.pi, 20))[:, None]
    assert check(labels(xy)) == []


def test_without_edges_limbs_are_the_tree_of_nearest_neighbours() -> None:
    bare = Skeleton("dots", ("a", "b", "c"))
    xy = np.zeros((6, 3, 2)) + np.array([[0.0, 0.0], [100.0, 0.0], [30.0, 5.0]])
    assert limbs_of(Course(Track.make(1, np.arange(6), xy)), bare) == ((0, 2), (1, 2))
    # A keypoint that is never labelled is no part of it.
    xy[:, 2] = np.nan
    assert limbs_of(Course(Track.make(1, np.arange(6), xy)), bare) == ((0, 1),)


def test_points_outside_the_picture() -> None:
    xy = walk()
    xy[20, 3] = (300.0, 479.4)  # within the last pixel
    assert [f.kind for f in check(labels(xy), kinds=["outside"])] == []
    xy[20:22, 3, 1] = (481.0, 484.0)
    found = only(check(labels(xy), kinds=["outside"]))
    assert (found.first, found.last, found.keypoints) == (20, 21, (3,))
    assert "up to 4.5 px outside the picture of 640x480" in found.why
    unknown = Annotations(BEETLE, tracks=labels(xy).tracks)
    assert check(unknown, kinds=["outside"]) == []


def test_two_tracks_on_one_person() -> None:
    xy = walk()
    double = xy + np.random.default_rng(0).normal(0, 2, xy.shape)
    apart = double + np.array([200.0, 0.0])
    apart[7:19] = double[7:19]
    found = [f for f in check(labels(xy, apart)) if f.kind == "duplicate"]
    assert [(f.track, f.other, f.first, f.last) for f in found] == [(20, 10, 7, 18)]
    assert found[0].sure > 0.7


def test_people_who_trade_tracks() -> None:
    left, right = walk(), walk(x=450.0)
    left[22:], right[22:] = right[22:].copy(), left[22:].copy()
    found = check(labels(left, right))
    assert [(f.kind, f.track, f.first, f.last, f.other) for f in found] == [
        ("identity", 10, 22, FRAMES - 1, 20),
        ("identity", 20, 22, FRAMES - 1, 10),
    ]
    assert "track 20 was there before" in found[0].why


def test_another_person_in_the_track() -> None:
    xy = walk()
    xy[22:] += (-170.0, 20.0)
    found = only(check(labels(xy)))
    assert (found.kind, found.first, found.other) == ("identity", 22, None)


def test_who_comes_back_from_an_absence_may_be_anywhere() -> None:
    """Also for a short while, which without the mark is a jump."""
    xy, frames = walk(), np.arange(FRAMES)
    xy[20:22] += (150.0, -40.0)
    xy[30:] += (-170.0, 60.0)
    there = (frames < 12) | (frames >= 20) & (frames < 22) | (frames >= 30)
    left = Track.make(10, frames[there], xy[there])
    marked = replace(left, absent=np.array([[12, 19], [22, 29]]))
    unmarked, found = (check(replace(labels(), tracks=(track,))) for track in (left, marked))
    assert {"identity", "jump"} & {finding.kind for finding in unmarked}
    assert found == []


def test_a_point_outside_has_the_name_that_the_file_gives_it() -> None:
    xy = walk(x=-5.0)
    xy[12:17, [3, 4]] = xy[12:17, [4, 3]]
    found = check(labels(xy))
    assert [(f.first, f.last) for f in found if f.kind == "swap"] == [(12, 16)]
    outside = [f for f in found if f.kind == "outside" and "right_foot" in [BEETLE.keypoints[k] for k in f.keypoints]]
    assert [(f.first >= 12, f.last <= 16) for f in outside] == [(True, True)]


def test_what_a_person_set_can_be_looked_at_alone() -> None:
    xy = walk()
    xy[18, 4] += (-55.0, 30.0)
    source = np.full(xy.shape[:2], Source.MANUAL)
    source[18] = Source.PROPAGATED
    track = Track.make(1, np.arange(FRAMES), xy, source=source)
    mixed = Annotations(BEETLE, VideoIdentity(width=640, height=480), (track,))
    assert only(check(mixed)).first == 18
    assert check(mixed, by_person=True) == []


def test_runs_and_spread_by_hand() -> None:
    assert runs(np.array([True, True, False, True])) == [(0, 1), (3, 3)]
    assert runs(np.zeros(3, dtype=bool)) == []
    assert spread(np.array([1.0, 2.0, 3.0, 1000.0, np.nan])) == pytest.approx(1.4826 * 2.5)
    assert (sureness(1, 1), sureness(2, 1), sureness(0.1, 1)) == (0.5, 0.75, 0.0)


# --- the command ---


@pytest.fixture
def pwarp(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> Callable[..., tuple[int, str, str]]:
    """Runs `pwarp check` in a folder with good.json and bad.json: a jump, and a point outside."""
    monkeypatch.chdir(tmp_path)
    xy = walk()
    formats.write(labels(xy), "good.json")
    xy[18, 4] += (-55.0, 30.0)
    xy[20, 3, 0] = -9.0
    formats.write(labels(xy), "bad.json")

    def call(*arguments: str, given: bytes = b"") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["pwarp", "check", *arguments])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
        with pytest.raises(SystemExit) as end:
            run()
        captured = capsysbinary.readouterr()
        return int(end.value.code or 0), captured.out.decode(), captured.err.decode()

    return call


Pwarp = Callable[..., tuple[int, str, str]]


def test_findings_are_lines_and_strict_says_so(pwarp: Pwarp) -> None:
    code, out, err = pwarp("bad.json")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == ["jump", "jump", "outside"]
    assert out.splitlines()[0].startswith("jump      frame 18, track 10, right_foot: right_foot lies ")
    assert err == "bad.json: 3 findings: 2 jump, 1 outside\n"
    assert pwarp("bad.json", "--strict")[0] == 1
    assert pwarp("good.json", "--strict") == (0, "", "good.json: nothing looks wrong\n")
    assert pwarp("good.json", "-q") == (0, "", "")


def test_json_and_json_lines_say_the_same(pwarp: Pwarp) -> None:
    whole = json.loads(pwarp("bad.json", "--json")[1])
    assert whole["counts"] == {"swap": 0, "jump": 2, "limb": 0, "duplicate": 0, "outside": 1, "identity": 0}
    lines = [json.loads(line) for line in pwarp("-", "--jsonl", given=Path("bad.json").read_bytes())[1].splitlines()]
    assert lines == whole["findings"]
    assert lines[0]["keypoints"] == ["right_foot"]
    assert json.loads(pwarp("bad.json", "--json", "--kind", "outside")[1])["counts"] == {"outside": 1}


def test_a_video_lends_its_size_and_refuses_labels_of_another(pwarp: Pwarp, tmp_path: Path) -> None:
    make_clip(tmp_path / "video.mp4", count=FRAMES)
    small = Annotations(BEETLE, tracks=(Track.make(1, np.arange(FRAMES), walk() / 3.5 + np.array([5.0, 0.0])),))
    formats.write(small, "small.json")
    code, out, err = pwarp("small.json", "--kind", "outside")
    assert (code, out) == (0, "")
    assert "give VIDEO" in err
    code, out, err = pwarp("small.json", "video.mp4", "--kind", "outside")
    assert (code, "give VIDEO" in err) == (0, False)
    assert f"px outside the picture of {WIDTH}x{HEIGHT}" in out
    assert pwarp("good.json", "video.mp4")[0] == 1


def test_wrong_usage(pwarp: Pwarp) -> None:
    code, out, err = pwarp("bad.json", "--kind", "swap,magic")
    assert (code, out) == (2, "")
    assert "unknown kind 'magic'; known: swap, jump" in err
    assert pwarp("bad.json", "--json", "--jsonl")[0] == 2
    assert pwarp("nowhere.json") == (1, "", "pwarp: nowhere.json: no such file; check the path\n")


# --- long labels ---


def told_once(found: list[Finding]) -> list[Finding]:
    """What `_once` says, every finding compared with every other."""
    kept: list[Finding] = []
    for finding in sorted(found, key=lambda f: (checking._rank(f), f.first - f.last)):
        cause = next((i for i, other in enumerate(kept) if checking._explains(other, finding)), None)
        if cause is None:
            kept.append(finding)
        elif {finding.kind, kept[cause].kind} <= {"jump", "limb"}:
            kept[cause] = checking._together(kept[cause], finding)
    return kept


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=60)
def test_only_what_is_near_in_time_explains_anything(seed: int) -> None:
    random = np.random.default_rng(seed)
    found = []
    for _ in range(60):
        first = int(random.integers(0, 400))
        last = first + int(random.choice([0, 1, 2, 5, 90], p=[0.4, 0.2, 0.2, 0.1, 0.1]))
        keypoints = tuple(np.flatnonzero(random.random(4) < 0.4).tolist())
        kind = random.choice(list(KINDS))
        found.append(Finding(kind, int(random.integers(0, 2)), first, last, keypoints, "why", float(random.random())))
    assert checking._once(found) == told_once(found)


def test_many_findings_are_not_compared_each_with_each(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = 0
    explains = checking._explains

    def counted(cause: Finding, finding: Finding) -> bool:
        nonlocal asked
        asked += 1
        return explains(cause, finding)

    monkeypatch.setattr(checking, "_explains", counted)
    found = [Finding("jump", 1, 8 * i, 8 * i, (i % 5,), "why", 0.9) for i in range(2000)]
    assert len(checking._once(found)) == 2000
    assert asked < 20 * len(found)


def test_limbs_of_many_keypoints_without_edges_take_little_memory() -> None:
    keypoints = 50
    xy = np.random.default_rng(0).normal(0, 30, (1200, keypoints, 2)) + 200
    skeleton = Skeleton("caterpillar", tuple(f"point {k}" for k in range(keypoints)))
    course = Course(Track.make(1, range(len(xy)), xy))
    tracemalloc.start()
    try:
        assert len(limbs_of(course, skeleton)) == keypoints - 1
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 12 * xy.nbytes
