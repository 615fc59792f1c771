"""Going on after an interruption of tracking: the same people as without one, and little looked at twice."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from walkers import Street, Walker

from pwarp.annotations import Annotations, Track
from pwarp.errors import PwarpError
from pwarp.progress import unheard
from pwarp.tracking import Options, Tracked, journal, journal_of, track
from pwarp.tracking.link import Linker

FRAMES = 25


class PlugPulledError(Exception):
    """An interruption."""


class Counting(Street):
    """A street, and which of its frames were read in order."""

    read: list[int]

    def _read_in_order(self, ordinals: range, color: Any) -> Iterator[Any]:
        self.read = list(ordinals)
        return super()._read_in_order(ordinals, color)


def street() -> Counting:
    """Two who cross, one who comes late and is hidden for a while, and twins who may be swapped."""
    return Counting(
        {
            0: Walker(lambda f: (55 + 3 * f, 60)),
            1: Walker(lambda f: (130 - 3 * f, 68), clothes=1),
            2: Walker(lambda f: None if f < 6 or 12 <= f < 17 else (20 + 2 * f, 62), clothes=2),
            3: Walker(lambda f: (150 if f < 12 else 166, 64)),
            4: Walker(lambda f: (182 if f < 12 else 166.5, 65)),
        },
        FRAMES,
    )


def unplugged(after: int) -> Callable[[int], None]:
    """A listener to the progress that fails once so many frames are done."""
    done = 0

    def advance(frames: int) -> None:
        nonlocal done
        done += frames
        if done >= after:
            raise PlugPulledError

    return advance


def seen(every: int, *, poses: bool) -> Annotations:
    return street().seen(range(0, FRAMES, every), poses=poses)[0]


def tracked(
    path: Path, given: Annotations, *, resume: bool, advance: Callable[[int], None] = unheard, **options: int
) -> tuple[Tracked, list[int]]:
    """The result with a journal, closed as the command line closes it, and which frames were read."""
    video, done = street(), False
    kept = journal_of(path, video, given, Options(**options), resume=resume)
    try:
        result = track(video, given, Options(**options), advance=advance, journal=kept)
        done = True
    finally:
        kept.close(done=done)
    return result, video.read


@cache
def undisturbed(every: int, *, poses: bool) -> Tracked:
    return track(street(), seen(every, poses=poses))


def same(a: Tracked, b: Tracked) -> bool:
    return a.annotations.same_as(b.annotations) and (a.unsure, a.left_out) == (b.unsure, b.left_out)


@pytest.mark.parametrize(("every", "poses", "after"), [(1, False, 1), (1, False, 14), (3, True, 8), (3, True, 24)])
def test_tracking_goes_on_where_it_was(every: int, poses: bool, after: int, tmp_path: Path) -> None:
    given, partial = seen(every, poses=poses), tmp_path / "people.json.partial"
    with pytest.raises(PlugPulledError):
        tracked(partial, given, resume=False, advance=unplugged(after))
    told: list[int] = []
    again, read = tracked(partial, given, resume=True, advance=told.append)
    assert same(again, undisturbed(every, poses=poses))
    assert list(tmp_path.iterdir()) == []
    looked = (after - 1) // every * every
    assert sum(told) == (FRAMES - 1) // every * every + 1
    assert read == list(range(looked, (FRAMES - 1) // every * every + 1))


def test_interrupted_again_and_again(tmp_path: Path) -> None:
    given, partial, left = seen(1, poses=False), tmp_path / "partial", b""
    whole = track(street(), given, Options(max_lost=3, min_length=9))
    assert whole.unsure and whole.left_out
    for after in (4, 9, 9, 20):
        with pytest.raises(PlugPulledError):
            tracked(partial, given, resume=True, advance=unplugged(after), max_lost=3, min_length=9)
        before, left = left, partial.read_bytes()
        assert left.startswith(before)
    assert same(tracked(partial, given, resume=True, max_lost=3, min_length=9)[0], whole)


def test_how_things_stand_is_noted_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is killed has no last words: then a run goes on from what was noted before."""
    monkeypatch.setattr(journal, "_AGAIN", 10)
    monkeypatch.setattr(journal.TrackingJournal, "last_words", lambda _: None)
    given, partial = seen(1, poses=False), tmp_path / "partial"
    with pytest.raises(PlugPulledError):
        tracked(partial, given, resume=False, advance=unplugged(19))
    assert [json.loads(line).get("frame") for line in partial.read_bytes().splitlines()] == [None, 0, 10]
    again, read = tracked(partial, given, resume=True)
    assert same(again, undisturbed(1, poses=False))
    assert read == list(range(10, FRAMES))


def test_an_interruption_within_a_look_leaves_what_was_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, partial, look = seen(1, poses=False), tmp_path / "partial", Linker.look

    def torn(self: Linker, frame: int, *more: Any) -> None:
        look(self, frame, *more)
        if frame == 11:
            raise KeyboardInterrupt

    with monkeypatch.context() as while_torn, pytest.raises(KeyboardInterrupt):
        while_torn.setattr(Linker, "look", torn)
        tracked(partial, given, resume=False)
    again, read = tracked(partial, given, resume=True)
    assert same(again, undisturbed(1, poses=False))
    assert read[0] == 10


def test_a_line_that_no_run_has_written_is_done_again(tmp_path: Path) -> None:
    given, partial = seen(1, poses=False), tmp_path / "partial"
    unknown = Track.make(999, [20], np.full((1, 5, 2), np.nan), identified=False)
    given = Annotations(given.skeleton, given.video, (*given.tracks, unknown), given.labelled)
    for after in (8, 14):
        with pytest.raises(PlugPulledError):
            tracked(partial, given, resume=True, advance=unplugged(after))
    lines = partial.read_bytes().splitlines(keepends=True)
    sound = json.loads(lines[3])
    (index, person, sure), one = sound["decided"][0], sound["followed"][0]
    nobody, later = len(given.tracks) - 1, len(given.tracks) - 2

    def comes_to(content: bytes) -> int | None:
        partial.write_bytes(content)
        kept = journal_of(partial, street(), given, Options(), resume=True)
        kept.close(done=False)
        return None if kept.standing is None else kept.standing.frame

    assert comes_to(b"".join(lines)) == 13
    for strange in (
        {"frame": 6},
        {"frame": FRAMES},
        {"frame": "soon"},
        {"decided": [[index, person, sure]] * 2},
        {"decided": [[index, 99, sure]]},
        {"decided": [[index, -1, sure]]},
        {"decided": [[nobody, person, sure]]},
        {"decided": [[0, person, sure]]},
        {"decided": [index]},
        {"followed": [{**one, "recent": []}]},
        {"followed": [{**one, "recent": [nobody]}]},
        {"followed": [{**one, "recent": one["recent"][::-1]}]},
        {"followed": [{**one, "recent": [later]}]},
        {"followed": [{**one, "moved": [None, 1.0]}]},
        {"followed": [{**one, "velocity": [1.0]}]},
        {"followed": [{"person": 0}]},
    ):
        assert comes_to(b"".join(lines[:3]) + json.dumps({**sound, **strange}).encode() + b"\n") == 7, strange
    assert comes_to(b"".join(lines[:3]) + b"{}\n" + lines[3]) == 7
    assert comes_to(b"".join(lines)[:-1]) == 7
    assert comes_to(b"".join(lines)[: len(lines[0]) + 3]) is None
    assert comes_to(lines[0][:-1]) is None


def test_all_that_decides_tells_runs_apart(tmp_path: Path) -> None:
    given, partial = seen(1, poses=False), tmp_path / "partial"
    with pytest.raises(PlugPulledError):
        tracked(partial, given, resume=False, advance=unplugged(6))
    fewer = Annotations(given.skeleton, given.video, given.tracks[:-1], given.labelled)
    for other, options in ((fewer, {}), (given, {"max_lost": 3}), (given, {"min_length": 2})):
        with pytest.raises(PwarpError, match="was left by a run with other labels, video or options"):
            tracked(partial, other, resume=True, **options)
    assert partial.exists()
