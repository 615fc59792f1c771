"""Going on after an interruption of what networks find: the same poses as without one, and little done twice."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from noise_clips import NAMES, Noise, labels, tracked
from toy_models import MODELS, RECURRENT, WINDOWS, toy_runner

from pwarp import journal
from pwarp.annotations import Annotations, Track
from pwarp.errors import PwarpError
from pwarp.estimation.found import PoseJournal
from pwarp.progress import unheard
from pwarp.refinement import EstimationOverTime, Refinement, walk

FRAMES = 12


class PlugPulledError(Exception):
    """An interruption."""


class Counting(Noise):
    """Noise, and how many frames of it were read in order."""

    read = 0

    def _read_in_order(self, ordinals: range, color: Any) -> Any:
        for i in ordinals:
            self.read += 1
            yield self._read(i, color)


def three_people() -> Annotations:
    """One who moves, with a gap, one who comes nearer, and one who comes late."""
    rows = list(range(1, FRAMES))
    sizes = [12 * 1.06**f for f in rows]
    boxes = [[70 - s / 2, 50 - s, 70 + s / 2, 50 + s] for s in sizes]
    return labels(
        tracked([0, 1, 2, 3, 6, 7, 8, 9], id=1, step=1.7),
        tracked(rows, id=2, boxes=boxes),
        tracked([7, 8, 9, 10, 11], id=3, step=-0.8),
    )


def boxes_of(poses: Annotations) -> Annotations:
    empty = [Track.make(t.id, t.frames, np.full(t.xy.shape, np.nan), boxes=t.boxes) for t in poses.tracks]
    return labels(*empty)


def unplugged(after: int, seen: Callable[[], None] = lambda: None) -> Callable[[int], None]:
    """A listener to the progress that fails once so many frames are done."""
    done = 0

    def advance(frames: int) -> None:
        nonlocal done
        done += frames
        if done >= after:
            seen()
            raise PlugPulledError

    return advance


def refined(path: Path, name: str, *, resume: bool, advance: Callable[[int], None] = unheard, **more: Any) -> Any:
    """Poses refined with a journal, closed as the command line closes it, and how many frames were read."""
    video = Counting(frames=FRAMES)
    planned = Refinement(video, three_people(), toy_runner(name, NAMES, batch=2), **more)
    journal = planned.journal(path, name, resume=resume)
    done = False
    try:
        result = planned.run(0.0, advance, journal).annotations
        done = True
    finally:
        journal.close(done=done)
    return result, video.read


def undisturbed(name: str, **more: Any) -> Annotations:
    return Refinement(Noise(frames=FRAMES), three_people(), toy_runner(name, NAMES, batch=2), **more).run().annotations


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("after", [1, 5, 11])
def test_refining_goes_on_where_it_was(name: str, after: int, tmp_path: Path) -> None:
    partial = tmp_path / "refined.json.partial"
    whole = undisturbed(name)
    with pytest.raises(PlugPulledError):
        refined(partial, name, resume=False, advance=unplugged(after))
    assert partial.exists()
    told: list[int] = []
    again, read = refined(partial, name, resume=True, advance=told.append)
    assert again.same_as(whole)
    assert list(tmp_path.iterdir()) == []
    assert sum(told) == FRAMES
    behind = 0 if name in RECURRENT else 3  # frames that a window model looks at before those that are left
    assert read <= FRAMES - after + behind + (2 if name in WINDOWS else 1)


@pytest.mark.parametrize("name", ["glpose", *RECURRENT])
def test_with_every_view_and_interrupted_again_and_again(name: str, tmp_path: Path) -> None:
    options: dict[str, Any] = {"scales": (1.0, 1.2), "flip": True, **({"every": 4} if name in RECURRENT else {})}
    partial, left = tmp_path / "partial", b""
    for after in (3, 6, 9):
        with pytest.raises(PlugPulledError):
            refined(partial, name, resume=True, advance=unplugged(after), **options)
        before, left = left, partial.read_bytes()
        assert left.startswith(before)
        assert len(left) > len(before)
    assert refined(partial, name, resume=True, **options)[0].same_as(undisturbed(name, **options))


@pytest.mark.parametrize("name", RECURRENT)
def test_a_memory_is_noted_now_and_then(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is killed has no last words: then a run goes on from the last memory that was noted."""
    monkeypatch.setattr(walk, "_AGAIN", 4)
    partial, left = tmp_path / "partial", b""

    def look() -> None:
        nonlocal left
        left = partial.read_bytes()

    with pytest.raises(PlugPulledError):
        refined(partial, name, resume=False, advance=unplugged(11, look))
    noted = [json.loads(line)["memory"]["frame"] for line in left.splitlines() if b"memory" in line]
    assert noted == [0, 4, 8]
    partial.write_bytes(left)
    again, read = refined(partial, name, resume=True)
    assert again.same_as(undisturbed(name))
    assert read == FRAMES - 1 - 8


@pytest.mark.parametrize("name", RECURRENT)
def test_a_memory_too_long_for_a_line_is_not_noted(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then a run starts from the last one that was short enough, or over; it hides no poses and keeps none out."""
    monkeypatch.setattr(walk, "_AGAIN", 2)
    partial = tmp_path / "partial"
    with pytest.raises(PlugPulledError):
        refined(partial, name, resume=False, advance=unplugged(4))
    longest = max(len(line) for line in partial.read_bytes().splitlines() if b"memory" in line)
    monkeypatch.setattr(journal, "_LONGEST", longest - 1)
    partial.unlink()
    for after in (8, 9):
        with pytest.raises(PlugPulledError):
            refined(partial, name, resume=True, advance=unplugged(after))
        assert max(map(len, partial.read_bytes().splitlines(keepends=True))) < longest
    assert refined(partial, name, resume=True)[0].same_as(undisturbed(name))


@pytest.mark.parametrize("name", RECURRENT)
@pytest.mark.parametrize("written", [False, True])
def test_an_interruption_while_poses_are_noted_loses_none(
    written: bool, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A memory is of its frame only behind that frame's poses."""
    partial, add, calls = tmp_path / "partial", PoseJournal.add, 0

    def torn(self: PoseJournal, found: Any, memory: Any = None) -> None:
        nonlocal calls
        calls += 1
        if calls != 7 or written:
            add(self, found, memory)
        if calls == 7:
            raise KeyboardInterrupt

    with monkeypatch.context() as while_torn, pytest.raises(KeyboardInterrupt):
        while_torn.setattr(PoseJournal, "add", torn)
        refined(partial, name, resume=False)
    assert refined(partial, name, resume=True)[0].same_as(undisturbed(name))


@pytest.mark.parametrize("name", ["dcpose", "dkd"])
def test_a_line_that_no_run_has_written_is_done_again(name: str, tmp_path: Path) -> None:
    partial = tmp_path / "partial"
    with pytest.raises(PlugPulledError):
        refined(partial, name, resume=False, advance=unplugged(9))
    lines, whole = partial.read_bytes().splitlines(keepends=True), undisturbed(name)
    pose = json.loads(lines[1])["found"][0]
    maps = {"shape": [3, 8, 8], "float32": "AAAA"}
    for strange in (
        {},
        {"found": [[9, *pose[1:]]]},
        {"found": [[pose[0], 99, *pose[2:]]]},
        {"found": [[*pose[:2], pose[2][:2], pose[3]]]},
        {"found": [[*pose[:2], pose[2], "no"]]},
        {"found": [], "memory": {"frame": 3, "people": [[0, 3, 4, [[maps]]]]}},
        {"found": [], "memory": {"frame": 3, "people": [[7, 3, 4, [[]]]]}},
        {"found": [], "memory": {"frame": -5, "people": []}},
        {"found": [], "memory": {"frame": 3, "people": []}},
        {"found": [], "memory": [3]},
    ):
        partial.write_bytes(b"".join([*lines[:2], json.dumps(strange).encode() + b"\n", *lines[2:]]))
        assert refined(partial, name, resume=True)[0].same_as(whole), strange
    if name in RECURRENT:
        remembers = next(json.loads(line) for line in lines if b"memory" in line)
        (number, row, age, [state]), *others = remembers["memory"]["people"]
        thin = {"shape": [1, 8, 8], "float32": base64.b64encode(bytes(256)).decode()}
        for views in ([state, state], [[]], [[thin for _ in state]], [state[:1]], [[*state, thin]]):
            people = [[number, row, age, views], *others]
            strange = {**remembers, "memory": {**remembers["memory"], "people": people}}
            partial.write_bytes(lines[0] + json.dumps(strange).encode() + b"\n")
            assert refined(partial, name, resume=True)[0].same_as(whole), views
    for size in (len(lines[0]) - 1, len(lines[0]) + 3, len(b"".join(lines)) - 1):
        partial.write_bytes(b"".join(lines)[:size])
        assert refined(partial, name, resume=True)[0].same_as(whole), size


@pytest.mark.parametrize("name", MODELS)
def test_estimating_goes_on_where_it_was(name: str, tmp_path: Path) -> None:
    boxes, partial = boxes_of(three_people()), tmp_path / "partial"
    whole = EstimationOverTime(Noise(frames=FRAMES), boxes, toy_runner(name, NAMES)).run()
    for resume, after in ((False, 6), (True, 8), (True, 99)):
        planned = EstimationOverTime(Noise(frames=FRAMES), boxes, toy_runner(name, NAMES))
        journal = planned.journal(partial, resume=resume)
        try:
            found = planned.run(0.0, unplugged(after), journal)
        except PlugPulledError:
            journal.close(done=False)
    assert found.same_as(whole)
    journal.close(done=True)


def test_what_was_found_comes_first_and_once(tmp_path: Path) -> None:
    planned = Refinement(Noise(frames=FRAMES), three_people(), toy_runner("dcpose", NAMES))
    path = planned._walk
    journal = planned.journal(tmp_path / "partial", resume=False)
    with closing(path.walk(unheard, journal)) as looks:
        first = [next(looks) for _ in range(5)]
    journal.close(done=False)
    planned = Refinement(Noise(frames=FRAMES), three_people(), toy_runner("dcpose", NAMES))
    journal = planned.journal(tmp_path / "partial", resume=True)
    places = [(found.track, found.row) for found in planned._walk.walk(unheard, journal)]
    journal.close(done=True)
    assert places[:5] == [(found.track, found.row) for found in first]
    assert sorted(set(places)) == [(n, row) for n, t in enumerate(three_people().tracks) for row in range(len(t))]


def test_all_that_decides_tells_runs_apart(tmp_path: Path) -> None:
    partial = tmp_path / "partial"
    with pytest.raises(PlugPulledError):
        refined(partial, "dkd", resume=False, advance=unplugged(6))
    others = labels(*three_people().tracks[:2])
    for poses, deciding in ((three_people(), "other weights"), (others, "dkd")):
        planned = Refinement(Noise(frames=FRAMES), poses, toy_runner("dkd", NAMES, batch=2))
        with pytest.raises(PwarpError, match="was left by a run with other labels, video or options"):
            planned.journal(partial, deciding, resume=True)
