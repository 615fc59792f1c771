"""The guide sees each size of the small picture once, however many people look at it."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from moving_texture import MovingTexture, labels, poses

from pwarp.annotations import Track
from pwarp.propagation import walk
from pwarp.propagation.guide import Guide
from pwarp.propagation.motion import Crop
from pwarp.propagation.plan import Reach, plan, spans
from pwarp.propagation.walk import FrameCache, Strand

SPREADS = (12, 17, 21, 25, 90)  # the last is so large that its picture is smaller
KEYS = [0, 7]


def person(id: int) -> Track:
    return Track.make(id, KEYS, poses(KEYS, (160, 120), 3 + id, spread=SPREADS[id])[:, :3])


def guided(*tracks: Track) -> list[Strand]:
    video = MovingTexture(320, 240, 8, lambda frame: (1.7 * frame, -0.9 * frame))
    plans = plan(labels(*tracks), 8, Reach(beyond=0))
    with Guide(FrameCache(video)) as guide:
        return [strand for span in spans(plans, 8) for strand in guide.strands(span)]


def test_flow_is_computed_once_a_size_and_is_what_each_person_alone_would_get(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: Counter[Crop] = Counter()
    compute = walk.flow_pair

    def counted(crop: Crop, *others: object) -> walk.Motion:
        seen[crop] += 1
        return compute(crop, *others)  # type: ignore[arg-type]

    monkeypatch.setattr(walk, "flow_pair", counted)
    together = guided(*map(person, range(5)))
    assert len({strand.diagonal for strand in together}) > 2
    assert len(seen) == 2 and set(seen.values()) == {7}
    for strand in together:
        (alone,) = guided(person(strand.plan.id))
        np.testing.assert_array_equal(strand.path, alone.path)
