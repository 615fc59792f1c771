"""A correction changes the frames up to that keypoint's neighbouring key frames, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from engines import ENGINES, options
from moving_texture import MovingTexture, labels, poses

from pwarp.annotations import Annotations, Replaced, Source, Track
from pwarp.propagation import Options, Reach, propagate

KEYS = [4, 14, 24, 34]  # of tracks 3 and 5; track 4 is labelled in between
FRAME, KEYPOINT = 18, 1  # what is corrected, in track 3
VIDEO = MovingTexture(161, 120, 42, lambda t: (0.4 * t, 3 * np.sin(t / 6)))


def keyed(id: int, frames: list[int], centre: tuple[float, float], growth: float = 1.0) -> Track:
    """A track whose person grows from key frame to key frame."""
    size = growth ** np.arange(len(frames))[:, None, None]
    xy = centre + (poses(frames, centre, 3, spread=9) - centre) * size
    return Track.make(id, frames, xy, np.full((len(frames), 3), 2))


SPARSE = labels(keyed(3, KEYS, (60, 60), 1.4), keyed(4, [9, 20, 29], (70, 58)), keyed(5, KEYS, (74, 66)))


def corrected(annotations: Annotations, shift: tuple[float, float]) -> Annotations:
    """The annotations with one propagated keypoint of track 3 moved by a person."""
    track = annotations.track(3)
    row = track.at(FRAME)
    xy, score, source, origin = (getattr(track, name).copy() for name in ("xy", "score", "source", "origin"))
    xy[row, KEYPOINT] += shift
    score[row, KEYPOINT], source[row, KEYPOINT], origin[row, KEYPOINT] = np.nan, Source.CORRECTED, -1
    better = replace(track, xy=xy, score=score, source=source, origin=origin)
    return replace(annotations, tracks=tuple(better if t.id == 3 else t for t in annotations.tracks))


def frames_that_differ(a: Track, b: Track) -> set[int]:
    rows = {int(f): (a.at(f), b.at(f)) for f in np.union1d(a.frames, b.frames)}
    return {f for f, (i, j) in rows.items() if i is None or j is None or not a.rows([i]).same_as(b.rows([j]))}


@pytest.mark.parametrize("engine", ENGINES)
def test_only_frames_between_the_neighbouring_key_frames_change(engine: str) -> None:
    dense = propagate(VIDEO, SPARSE, options(engine))
    # So far that the person's crop and size change as well.
    again = propagate(VIDEO, corrected(dense, (-31.0, 24.0)), options(engine))
    first, last = (14, 24) if engine != "pchip" else (4, 34)  # pchip bends the stretches beside it, as it says
    between = set(range(first + 1, last))
    changed = {t.id: frames_that_differ(t, again.track(t.id)) for t in dense.tracks}
    assert {FRAME, FRAME - 1, FRAME + 1} <= changed[3] <= between
    assert changed[4] == set()  # labelled in other frames: a correction that it carried on would go far
    assert changed[5] <= between


@pytest.mark.parametrize("engine", ENGINES)
def test_what_was_propagated_before_does_not_matter(engine: str) -> None:
    few = labels(SPARSE.track(3))
    dense = propagate(VIDEO, few, options(engine))
    assert propagate(VIDEO, dense, options(engine)).same_as(dense)


def test_a_corrected_keypoint_is_a_key_frame_for_itself_alone() -> None:
    dense = propagate(VIDEO, SPARSE, Options("linear"))
    track = propagate(VIDEO, corrected(dense, (4.0, -3.0)), Options("linear")).track(3)
    row = track.at(FRAME)
    assert row is not None
    np.testing.assert_array_equal(track.xy[row, KEYPOINT], dense.track(3).xy[row, KEYPOINT] + (4.0, -3.0))
    assert track.source[row].tolist() == [Source.PROPAGATED, Source.CORRECTED, Source.PROPAGATED]
    assert track.origin[row - 1].tolist() == [[14, 24], [14, 18], [14, 24]]
    assert track.origin[row + 1].tolist() == [[14, 24], [18, 24], [14, 24]]


def test_a_correction_leaves_the_default_reach_as_it_is() -> None:
    dense = propagate(VIDEO, SPARSE, Options("copy"))
    again = propagate(VIDEO, corrected(dense, (4.0, -3.0)), Options("copy"))
    np.testing.assert_array_equal(dense.track(3).frames, again.track(3).frames)
    assert dense.track(3).frames[[0, -1]].tolist() == [0, 39]


def test_what_a_network_saw_stays_where_nothing_is_propagated_in_its_place() -> None:
    """One keypoint corrected in a track that nobody labelled: its pose, and all beyond its reach, stay as they were."""
    xy = poses(list(range(42)), (60, 60), 3, spread=9)
    source = np.full((42, 3), Source.DETECTED)
    source[30:33], source[33:36] = Source.REFINED, Source.PROPAGATED
    source[FRAME, KEYPOINT] = Source.CORRECTED
    seen = Track.make(3, range(42), xy, source=source, score=np.where(source == Source.CORRECTED, np.nan, 0.5))
    track = propagate(VIDEO, labels(seen), Options("linear", Reach(beyond=2))).track(3)
    assert track.frames.tolist() == [*range(33), *range(36, 42)]
    expected = np.delete(source, [33, 34, 35], axis=0)
    expected[[FRAME - 2, FRAME - 1, FRAME + 1, FRAME + 2], KEYPOINT] = Source.PROPAGATED
    np.testing.assert_array_equal(track.source, expected)
    kept = np.flatnonzero(expected[:, KEYPOINT] != Source.PROPAGATED)
    was = seen.rows(np.isin(seen.frames, track.frames))
    assert track.rows(kept).same_as(was.rows(kept))
    np.testing.assert_array_equal(track.xy[:, 0], was.xy[:, 0])


def boxed(frames: list[int], given: list[int]) -> Track:
    track = keyed(3, frames, (60, 60))
    around = np.concatenate([track.xy.min(axis=1) - 4, track.xy.max(axis=1) + 4], axis=1)
    return replace(track, boxes=np.where(np.isin(frames, given)[:, None], around, np.nan))


@pytest.mark.parametrize("noted", [False, True])
def test_a_box_that_was_propagated_follows_the_corrected_pose(noted: bool) -> None:
    dense = propagate(VIDEO, labels(boxed([0, 40], [0, 40])), Options("linear")).track(3)
    row, xy, source = 20, dense.xy.copy(), dense.source.copy()
    xy[row] += (0, 60)
    source[row] = Source.CORRECTED
    old = [Replaced(row, k, *dense.xy[row, k].tolist(), 2, Source.PROPAGATED) for k in range(3)] if noted else []
    moved = replace(dense, xy=xy, source=source, replaced=tuple(old))
    again = propagate(VIDEO, labels(moved), Options("linear")).track(3)
    np.testing.assert_allclose(again.boxes[row], dense.boxes[row] + (0, 60, 0, 60))
    np.testing.assert_array_equal(again.boxes[[0, 40]], dense.boxes[[0, 40]])


def test_a_box_that_was_given_stays_though_all_its_keypoints_are_corrected() -> None:
    given = boxed([0, 20, 40], [0, 20, 40])
    old = [Replaced(20, k, *given.xy[1, k].tolist(), 2, Source.MANUAL) for k in range(3)]
    xy, source = given.xy + np.array([0, 2, 0])[:, None, None], given.source.copy()
    source[1] = Source.CORRECTED
    again = propagate(VIDEO, labels(replace(given, xy=xy, source=source, replaced=tuple(old))), Options("linear"))
    np.testing.assert_array_equal(again.track(3).boxes[20], given.boxes[1])


def test_frames_that_are_no_longer_filled_are_gone() -> None:
    dense = propagate(VIDEO, labels(boxed([0, 40], [0, 40])), Options("linear"))
    assert len(dense.track(3)) == 42
    again = propagate(VIDEO, dense, Options("linear", Reach(beyond=1, max_gap=5))).track(3)
    assert again.frames.tolist() == [0, 40, 41]
