"""A result in parts of successive frames is the whole result, to the last bit, and so is the file that it goes to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from moving_texture import MovingTexture, labels, poses

from pwarp import formats
from pwarp.annotations import Annotations, Replaced, Source, Track
from pwarp.formats.stream import write_parts
from pwarp.propagation import Options, Planned, SpanJournal, planned
from pwarp.propagation.summary import Tally
from pwarp.review.choice import least_sure_frames

FRAMES = 60
# One of each kind: labels alone and nearby, labels alone and far, pictures.
each_engine = pytest.mark.parametrize("engine", ["linear", "pchip", "flow"])


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts as short as they can be."""
    monkeypatch.setattr(planned, "_PART", 1)


def video() -> MovingTexture:
    return MovingTexture(73, 50, FRAMES, lambda t: (0.3 * t, 0.0))


def boxes(xy: np.ndarray, rows: Sequence[int]) -> np.ndarray:
    """Boxes around the poses of some rows, with margins that differ; NaN for the others."""
    around = np.concatenate([xy.min(axis=1) - 2.5, xy.max(axis=1) + np.arange(1, len(xy) + 1)[:, None]], axis=1)
    return np.where(np.isin(np.arange(len(xy)), rows)[:, None], around, np.nan)


def several() -> Annotations:
    """Tracks that end and begin, with boxes everywhere, here and there, and nowhere; marks, and labels taken away."""
    one, other, late = [0, 10, 20, 35, 50], [5, 10, 20, 29, 45], [40, 50, 59]
    xy = [poses(keys, (30 + 3 * i, 25), 3, spread=7) for i, keys in enumerate((one, other, late))]
    gone = Replaced(frame=12, keypoint=1, x=3.0, y=4.0, visibility=2)
    tracks = (
        Track.make(4, one, xy[0], boxes=boxes(xy[0], range(5)), replaced=[gone]),
        Track.make(9, other, xy[1], boxes=boxes(xy[1], [0, 2, 4]), absent=[(33, 36)]),
        Track.make(2, late, xy[2]),
        Track.make(3, [], np.empty((0, 3, 2)), absent=[(0, 7)]),
        computed(6, [40, 44], [3, 9, 14, 30, 31, 32, 42, 59]),
        computed(8, [], [9, 30, 46]),
    )
    some = labels(*tracks)
    region = (np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 0.5]]),)
    return replace(some, labelled=np.array([0, 10, 20, 58]), ignore_regions={57: region, 3: region})


def computed(id: int, keys: Sequence[int], frames: Sequence[int]) -> Track:
    """A track with poses that nobody set, of all sources in turn, beyond its key frames, too."""
    all_of = sorted({*keys, *frames})
    xy = poses(all_of, (33, 25), 3, spread=7)
    by_turns = np.resize([Source.DETECTED, Source.PROPAGATED, Source.PROPAGATED, Source.REFINED], (len(all_of), 3))
    source = np.where(np.isin(all_of, keys)[:, None], Source.MANUAL, by_turns)
    return Track.make(id, all_of, xy, source=source)


def parts_of(keys: Annotations, engine: str) -> tuple[Planned, list[Annotations]]:
    plan = Planned(video(), keys, Options(engine))
    return plan, list(plan.parts(None, lambda _: None, lambda _: None))


def whole_of(keys: Annotations, engine: str) -> Annotations:
    plan = Planned(video(), keys, Options(engine))
    return plan.assemble(plan.fill(plan.spans, None, lambda _: None, lambda _: None))


@each_engine
def test_parts_make_the_same_file_as_the_whole(engine: str, tmp_path: Path) -> None:
    whole = whole_of(several(), engine)
    plan, parts = parts_of(several(), engine)
    assert len(parts) > 1
    formats.write(whole, tmp_path / "whole.jsonl")
    assert not write_parts(parts, plan.labels, tmp_path / "parts.jsonl")
    assert (tmp_path / "parts.jsonl").read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
    assert formats.read(tmp_path / "parts.jsonl").same_as(whole)


@given(
    st.lists(
        st.tuples(
            st.lists(st.integers(0, FRAMES - 1), min_size=1, max_size=6, unique=True),
            st.integers(0, 63),
            st.lists(st.sampled_from(Source), min_size=6, max_size=6),
            st.lists(st.integers(1, 7) | st.just(7), min_size=6, max_size=6),
        ),
        min_size=1,
        max_size=3,
    )
)
def test_wherever_key_frames_and_boxes_are(people: list[tuple[list[int], int, list[Source], list[int]]]) -> None:
    tracks = []
    for id, (keys, boxed, sources, shown) in enumerate(people):
        xy = poses(sorted(keys), (30, 25 + 2 * id), 3, spread=7)
        given_boxes = boxes(xy, [i for i in range(6) if boxed >> i & 1])
        # One pose at least is a person's.
        of_pose, drawn = np.array([Source.MANUAL, *sources]), np.array(shown)[:, None] >> np.arange(3) & 1
        source = np.where(drawn == 1, of_pose[:6, None], Source.NONE)[: len(keys)]
        visibility = np.where(source == Source.NONE, 0, 2)
        tracks.append(Track.make(id, sorted(keys), xy, visibility, source=source, boxes=given_boxes))
    whole, (_, parts) = whole_of(labels(*tracks), "linear"), parts_of(labels(*tracks), "linear")
    for track in whole.tracks:
        pieces = [t for part in parts for t in part.tracks if t.id == track.id]
        for name in ("frames", "xy", "visibility", "score", "source", "origin", "boxes"):
            np.testing.assert_array_equal(np.concatenate([getattr(p, name) for p in pieces]), getattr(track, name))


def test_a_part_is_there_before_the_next_is_filled() -> None:
    filled: list[int] = []
    plan = Planned(video(), several(), Options("linear"))
    parts = plan.parts(None, filled.append, lambda _: None)
    first = next(parts)
    assert max(int(track.frames[-1]) for track in first.tracks) == 20
    assert sum(filled) < 25


def test_counted_part_by_part_it_comes_to_the_same() -> None:
    keys = several()
    _, parts = parts_of(keys, "linear")
    tally = Tally(video().frame_count)
    assert list(tally.through(parts)) == parts
    at_once = Tally(video().frame_count)
    at_once.add(whole_of(keys, "linear"))
    assert tally.values(keys, 6) == at_once.values(keys, 6)


def test_the_worst_frames_are_those_that_a_sheet_shows_first() -> None:
    """Not a key frame with one open keypoint, however little is known of it: a person set all others."""
    source, score = np.full((40, 3), Source.PROPAGATED), np.full((40, 3), 0.9)
    source[[0, 20]] = Source.MANUAL
    source[20, 2], score[20, 2] = Source.PROPAGATED, 0.1
    score[30:33] = [[0.4], [0.3], [0.5]]
    score[9, 1] = 0.2
    score[source == Source.MANUAL] = np.nan
    track = Track.make(0, range(40), np.ones((40, 3, 2)), source=source, score=score)
    score = np.full((40, 3), 0.8)
    score[25] = 0.35
    other = Track.make(1, range(40), np.ones((40, 3, 2)), source=np.full((40, 3), Source.PROPAGATED), score=score)
    dense = labels(track, other)
    tally = Tally(40)
    tally.add(dense)
    worst = tally.values(dense, 2)["worst_frames"]
    assert worst == sorted(least_sure_frames(dense.tracks, 0, 40, 3)) == [9, 25, 31]


def test_parts_go_on_from_a_journal(tmp_path: Path) -> None:
    def journal(*, resume: bool) -> SpanJournal:
        return SpanJournal(tmp_path / "partial", "run", resume=resume)

    whole = list(Planned(video(), several(), Options("flow")).parts(None, lambda _: None, lambda _: None))
    first = journal(resume=False)
    next(Planned(video(), several(), Options("flow")).parts(first, lambda _: None, lambda _: None))
    first.close(done=False)
    told: list[int] = []
    again = journal(resume=True)
    parts = list(Planned(video(), several(), Options("flow")).parts(again, told.append, lambda _: None))
    again.close(done=True)
    assert told[0] > 0, "what was finished counts at once"
    assert all(one.same_as(other) for one, other in zip(parts, whole, strict=True))
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_breaks_off_is_none(tmp_path: Path) -> None:
    plan, parts = parts_of(several(), "linear")

    def broken() -> object:
        yield parts[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_parts(broken(), plan.labels, tmp_path / "dense.jsonl")
    assert list(tmp_path.iterdir()) == []
