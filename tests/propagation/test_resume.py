"""Going on after an interruption: the same bytes as without one, and nothing done twice."""

from __future__ import annotations

import json
import os
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from moving_texture import MovingTexture, labels, poses

from pwarp.annotations import Annotations, Track
from pwarp.errors import PwarpError
from pwarp.propagation import Options, Reach, SpanJournal, propagate
from pwarp.propagation.journal import identity_of
from pwarp.propagation.plan import Fill

KEYS = [0, 9, 20, 28, 40]  # four spans
ENGINES = ["auto", "flow", "pchip"]  # one of each kind
each_engine = pytest.mark.parametrize("engine", ENGINES)


def clip() -> MovingTexture:
    return MovingTexture(73, 50, 41, lambda t: (0.5 * t, np.sin(t / 3)))


def sparse() -> Annotations:
    xy = poses(KEYS, (30, 25), 3, spread=7)
    # The last keypoint is gone from frame 20 on: not everything has an answer, and NaN has to survive, too.
    visibility = np.array([[2, 2, 2], [2, 1, 2], [2, 2, 0], [2, 2, 0], [1, 2, 0]])
    return labels(Track.make(5, KEYS, xy, visibility))


class PlugPulledError(Exception):
    """An interruption."""


def unplugged(after: int) -> Callable[[int], None]:
    """A listener to the progress that fails once more than so many frames are done."""
    done = 0

    def advance(frames: int) -> None:
        nonlocal done
        done += frames
        if done > after:
            raise PlugPulledError

    return advance


def run(
    path: Path, engine: str, *, resume: bool, advance: Callable[[int], None] = lambda _: None
) -> tuple[Annotations, MovingTexture]:
    """A run with a journal, closed as the command line closes it."""
    video, options = clip(), Options(engine)
    journal = SpanJournal(path, identity_of(sparse(), video, options), resume=resume)
    done = False
    try:
        dense = propagate(video, sparse(), options, journal=journal, advance=advance)
        done = True
    finally:
        journal.close(done=done)
    return dense, video


@pytest.fixture(scope="module")
def undisturbed() -> dict[str, Annotations]:
    return {engine: propagate(clip(), sparse(), Options(engine)) for engine in ENGINES}


@each_engine
@pytest.mark.parametrize("after", [9, 25, 39])
def test_an_interrupted_run_goes_on_where_it_was(
    engine: str, after: int, tmp_path: Path, undisturbed: dict[str, Annotations]
) -> None:
    partial = tmp_path / "dense.json.partial"
    with pytest.raises(PlugPulledError):
        run(partial, engine, resume=False, advance=unplugged(after))
    assert partial.exists()
    told: list[int] = []
    dense, video = run(partial, engine, resume=True, advance=told.append)
    assert dense.same_as(undisturbed[engine])
    assert list(tmp_path.iterdir()) == []
    assert sum(told) == KEYS[-1]  # what was done before counts as done
    if engine != "pchip":
        finished = max(key for key in KEYS if key <= after)
        assert video.decoded == KEYS[-1] - finished + 1


def test_interrupted_again_and_again(tmp_path: Path, undisturbed: dict[str, Annotations]) -> None:
    partial = tmp_path / "partial"
    left = b""
    for after in (9, 21, 29):
        with pytest.raises(PlugPulledError):
            run(partial, "flow", resume=True, advance=unplugged(after))
        before, left = left, partial.read_bytes()
        assert left.startswith(before)
        assert len(left) > len(before)
    assert run(partial, "flow", resume=True)[0].same_as(undisturbed["flow"])


def test_nothing_stays_behind_where_there_is_nothing_to_go_on_from(tmp_path: Path) -> None:
    with pytest.raises(PlugPulledError):
        run(tmp_path / "partial", "auto", resume=False, advance=unplugged(2))
    assert list(tmp_path.iterdir()) == []


def test_without_resume_a_run_starts_over(tmp_path: Path) -> None:
    partial = tmp_path / "partial"
    with pytest.raises(PlugPulledError):
        run(partial, "flow", resume=False, advance=unplugged(25))
    _, video = run(partial, "flow", resume=False)
    assert video.decoded == KEYS[-1] + 1


def test_resume_without_anything_left_is_a_run(tmp_path: Path, undisturbed: dict[str, Annotations]) -> None:
    assert run(tmp_path / "partial", "pchip", resume=True)[0].same_as(undisturbed["pchip"])


def test_a_line_that_was_cut_off_is_done_again(tmp_path: Path, undisturbed: dict[str, Annotations]) -> None:
    partial = tmp_path / "partial"
    with pytest.raises(PlugPulledError):
        run(partial, "flow", resume=False, advance=unplugged(29))
    whole = partial.read_bytes()
    ends = [i + 1 for i, byte in enumerate(whole) if byte == ord("\n")]
    assert len(ends) == 4  # what run it is, and three spans
    for size in (0, ends[0] - 1, ends[0] + 1, ends[1] - 1, ends[2], len(whole) - 1):
        partial.write_bytes(whole[:size])
        dense, video = run(partial, "flow", resume=True)
        assert dense.same_as(undisturbed["flow"])
        spans = max(sum(end <= size for end in ends) - 1, 0)
        assert video.decoded == KEYS[-1] - KEYS[spans] + 1


@pytest.mark.parametrize("line", [b"{}", b"7", b'{"first": 0, "last": 9, "fills": 3}', b"\xff\x00"])
def test_a_line_that_no_run_has_written_is_done_again(
    line: bytes, tmp_path: Path, undisturbed: dict[str, Annotations]
) -> None:
    partial = tmp_path / "partial"
    with pytest.raises(PlugPulledError):
        run(partial, "pchip", resume=False, advance=unplugged(25))
    with partial.open("ab") as file:
        file.write(line + b"\n")
    assert run(partial, "pchip", resume=True)[0].same_as(undisturbed["pchip"])


def test_another_run_is_refused_and_its_journal_kept(tmp_path: Path) -> None:
    partial = tmp_path / "partial"
    with pytest.raises(PlugPulledError):
        run(partial, "pchip", resume=False, advance=unplugged(25))
    left = partial.read_bytes()
    with pytest.raises(PwarpError, match=r"partial: was left by a run with other labels.*without --resume"):
        run(partial, "flow", resume=True)
    assert partial.read_bytes() == left
    for resume in (True, False):
        partial.write_bytes(b"notes of mine\n")
        with pytest.raises(PwarpError, match=r"partial: is not what an interrupted run leaves; move it away"):
            run(partial, "flow", resume=resume)
        assert partial.read_bytes() == b"notes of mine\n"


def test_a_journal_is_not_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text("{}")
    partial = tmp_path / "partial"
    partial.symlink_to("mine.json")
    with pytest.raises(PwarpError, match=r"partial: cannot write: is a link"):
        run(partial, "flow", resume=False)
    assert (tmp_path / "mine.json").read_text() == "{}" and partial.is_symlink()


def test_a_journal_is_no_pipe(tmp_path: Path) -> None:
    partial = tmp_path / "partial"
    os.mkfifo(partial)
    for resume in (True, False):
        with pytest.raises(PwarpError, match=r"partial: is not what an interrupted run leaves; move it away"):
            run(partial, "flow", resume=resume)


def test_all_that_decides_the_result_tells_runs_apart() -> None:
    video, options, track = clip(), Options(), sparse().tracks[0]
    renamed, repainted = clip(), clip()
    vars(renamed)["path"] = "another"
    vars(repainted)["content"] = lambda: b"other pictures at the same times"

    def with_track(**changes: Any) -> str:
        return identity_of(replace(sparse(), tracks=(replace(track, **changes),)), video, options)

    moved = track.xy.copy()
    moved[2, 1, 0] = np.nextafter(moved[2, 1, 0], 100)
    hidden = np.where(track.visibility == 2, 1, track.visibility)
    identities = [
        identity_of(sparse(), video, options),
        identity_of(sparse(), renamed, options),
        identity_of(sparse(), repainted, options),
        identity_of(sparse(), video, Options(engine="flow")),
        identity_of(sparse(), video, Options(min_score=0.25)),
        identity_of(sparse(), video, Options(reach=Reach(beyond=3))),
        identity_of(sparse(), video, Options(reach=Reach(max_gap=30))),
        identity_of(replace(sparse(), labelled=np.array([0, 40])), video, options),
        identity_of(replace(sparse(), labelled=np.empty(0, np.int64)), video, options),
        with_track(id=6),
        with_track(frames=track.frames + 1),
        with_track(xy=moved),
        with_track(visibility=hidden),
        with_track(source=np.where(track.labelled, 5, 0)),
        with_track(absent=np.array([[60, 70]])),
        with_track(identified=False),
    ]
    assert len(set(identities)) == len(identities)
    assert identity_of(sparse(), clip(), Options()) == identities[0]


def test_what_a_run_had_finished_stays_until_the_one_that_starts_over_has_finished_something(tmp_path: Path) -> None:
    path = tmp_path / "partial"
    fill = Fill(1, 0, np.zeros((2, 3, 2)), np.full((2, 3), 2, np.uint8), np.ones((2, 3)))
    before = SpanJournal(path, "mine", resume=False)
    before.add(0, 3, [fill])
    before.add(3, 9, [replace(fill, first=3)])
    before.close(done=False)
    left = path.read_bytes()
    again = SpanJournal(path, "mine", resume=False)
    assert again.finished() == {}
    again.close(done=False)
    assert path.read_bytes() == left
    again = SpanJournal(path, "mine", resume=False)
    again.add(3, 9, [replace(fill, first=3)])
    again.close(done=False)
    assert list(SpanJournal(path, "mine", resume=True).finished()) == [(3, 9)]
    SpanJournal(path, "mine", resume=False).close(done=True)
    assert not path.exists()


def test_a_span_that_does_not_fit_is_done_again(undisturbed: dict[str, Annotations], tmp_path: Path) -> None:
    partial = tmp_path / "partial"
    with pytest.raises(PlugPulledError):
        run(partial, "flow", resume=False, advance=unplugged(10))
    head, line = partial.read_bytes().splitlines(keepends=True)[:2]
    record = json.loads(line)
    fill = record["fills"][0]
    for strange in (
        {"start": 900},
        {"start": -7},
        {"track": "one"},
        {"xy": 3.0},
        {"xy": fill["xy"][:-1]},
        {"score": fill["score"][0]},
        {"score": []},
        {"visibility": [values[:2] for values in fill["visibility"]]},
        {name: [values[:2] for values in fill[name]] for name in ("xy", "visibility", "score")},
    ):
        partial.write_bytes(head + json.dumps({**record, "fills": [{**fill, **strange}]}).encode() + b"\n")
        assert run(partial, "flow", resume=True)[0].same_as(undisturbed["flow"]), strange


def test_where_a_journal_cannot_be_written(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "no folder" / "partial"):
        for resume in (False, True):
            with pytest.raises(PwarpError, match="cannot"):
                SpanJournal(path, "run", resume=resume)


def test_going_on_takes_little_more_memory_than_what_was_finished(tmp_path: Path) -> None:
    random, count = np.random.default_rng(0), 300
    journal = SpanJournal(tmp_path / "partial", "mine", resume=False)
    for i in range(count):
        xy, visibility = random.uniform(0, 500, (8, 17, 2)), np.full((8, 17), 2, np.uint8)
        journal.add(8 * i, 8 * i + 7, [Fill(1, 8 * i, xy, visibility, random.random((8, 17)))])
    journal.close(done=False)
    tracemalloc.start()
    try:
        journal = SpanJournal(tmp_path / "partial", "mine", resume=True)
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(journal.finished()) == count
    journal.close(done=True)
    assert peak < 1.5 * kept
