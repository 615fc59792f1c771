"""Gaps of any length, in memory that does not grow with them."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from engines import ENGINES, options
from moving_texture import MovingTexture, labels, poses

from pwarp.annotations import Track
from pwarp.propagation import Reach, auto, propagate, walk
from pwarp.propagation.belief import BeliefConfig
from pwarp.propagation.plan import plan, spans

WIDTH, HEIGHT = 24, 18


def still(frames: int) -> MovingTexture:
    return MovingTexture(WIDTH, HEIGHT, frames, still=True)


def keyed(keys: list[int], keypoints: int = 1) -> Track:
    return Track.make(0, keys, poses(keys, (12, 9), keypoints, spread=4), np.full((len(keys), keypoints), 2))


@pytest.mark.parametrize("engine", ENGINES)
def test_neighbouring_key_frames_leave_nothing_to_fill_and_one_frame_is_a_gap(engine: str) -> None:
    dense = propagate(still(9), labels(keyed([3, 4, 6])), options(engine)).track(0)
    assert dense.frames.tolist() == [3, 4, 5, 6]
    assert dense.by_person[:, 0].tolist() == [True, True, False, True]


def test_nothing_to_fill_at_all() -> None:
    sparse = labels(keyed([3, 4]))
    for engine in ENGINES:
        assert propagate(still(9), sparse, options(engine)).track(0).same_as(sparse.track(0))


@pytest.mark.parametrize("engine", ["copy", "linear", "pchip"])
def test_ten_thousand_frames(engine: str) -> None:
    dense = propagate(still(10_001), labels(keyed([0, 10_000], 3)), options(engine)).track(0)
    assert dense.frames.tolist() == list(range(10_001))
    assert dense.labelled.all()
    assert (dense.origin[1:-1] == (0, 10_000)).all()


@pytest.mark.parametrize("engine", ["auto", "flow"])
def test_memory_does_not_grow_with_the_gap(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk, "_MEMORY", 5e5)  # about 16 frames
    monkeypatch.setattr(walk, "_KEPT", 1e4)

    def peak(gap: int) -> int:
        video, sparse = still(gap + 1), labels(keyed([0, gap]))
        tracemalloc.start()
        try:
            dense = propagate(video, sparse, options(engine))
            assert dense.track(0).labelled.all()
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(20)  # what is imported and made once
    # The flow of one frame takes 24 kB and a belief 10 kB; a belief each 16 frames may stay.
    assert peak(110) - peak(40) < 70 * 6_000


def test_people_labelled_in_turn_take_no_memory_in_advance() -> None:
    """No frame ever closes the span of two people of whom always one is open: it has a strand for each gap."""
    frames, count = 1000, 17
    keys = [list(range(start, frames, 10)) for start in (0, 5)]
    people = [Track.make(i, k, poses(k, (40, 30), count, spread=12)) for i, k in enumerate(keys)]
    plans = plan(labels(*people), frames, Reach(beyond=0))
    (span,) = spans(plans, frames)
    found = walk.strands(span, 100.0)
    assert len(found) > 180
    tracemalloc.start()
    try:
        beliefs = auto._Beliefs(found, BeliefConfig())
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert len(beliefs.fills()) == len(found)
    belief = 4 * count * BeliefConfig().cells ** 2
    assert held < 0.2 * belief * len(found)


def test_a_strand_is_asked_about_its_own_frames_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = 200
    keys = [list(range(start, frames, 10)) for start in (0, 5)]
    people = [Track.make(i, k, poses(k, (12, 9), 1, spread=4)) for i, k in enumerate(keys)]
    asked = 0
    needs = walk.Strand.needs

    def counted(strand: walk.Strand, frame: int) -> bool:
        nonlocal asked
        asked += 1
        return needs(strand, frame)

    monkeypatch.setattr(walk.Strand, "needs", counted)
    propagate(still(frames), labels(*people), options("flow", Reach(beyond=0)))
    assert asked < 12 * frames
