"""What is true of every engine: a person's work is untouched, all else is accounted for, and runs repeat exactly."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import cv2
import numpy as np
import pytest
from engines import ENGINES, options
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from moving_texture import MovingTexture, labels, poses, skeleton
from strategies import LAST_FRAME, annotations

from pwarp.annotations import FARTHEST, Annotations, Replaced, Source, Track, VideoIdentity
from pwarp.propagation import Reach, propagate, walk
from pwarp.propagation.assemble import boxes_given
from pwarp.propagation.plan import NONE

each_engine = pytest.mark.parametrize("engine", ENGINES)
WIDTH, HEIGHT, FRAMES, KEYPOINTS = 97, 80, 61, 5


def video(threads: int = 1) -> MovingTexture:
    """The same pictures each time; OpenCV is told a number of threads first."""
    cv2.setNumThreads(threads)
    return MovingTexture(WIDTH, HEIGHT, FRAMES, lambda t: (0.3 * t, 2 * np.sin(t / 7)))


def keyed(id: int, frames: list[int], centre: tuple[float, float], visibility: Any = 2, **more: Any) -> Track:
    xy = poses(frames, centre, KEYPOINTS, spread=9)
    return Track.make(id, frames, xy, np.broadcast_to(visibility, xy.shape[:2]), **more)


def people() -> Annotations:
    """Four tracks with all that a track can have; they come and go, and are labelled in different frames."""
    nan = float("nan")
    full = keyed(
        3,
        [2, 22, 40, 50],
        (40, 40),
        [[2, 2, 1, 0, 2], [2, 0, 1, 1, 2], [2, 0, 0, 0, 0], [2, 2, 2, 2, 1]],
        source=[[1, 1, 1, 0, 1], [1, 0, 5, 5, 1], [2, 0, 0, 0, 0], [1, 1, 3, 1, 1]],
        score=[[nan] * 5, [nan] * 5, [0.7, nan, nan, nan, nan], [nan, nan, 0.4, nan, nan]],
        boxes=[[25, 25, 60, 60], [nan] * 4, [nan] * 4, [30, 28, 61, 66]],
        head_boxes=[[nan] * 4, [30, 25, 40, 33], [nan] * 4, [nan] * 4],
        person_score=[nan, 0.9, 0.8, nan],
        replaced=[Replaced(22, 2, 31.5, 40.25, 2), Replaced(40, 4, 1.0, 2.0, 1, Source.PROPAGATED)],
    )
    leaves = keyed(9, [12, 58], (60, 30), absent=[(20, 33)])
    once = keyed(10, [21], (60, 50))
    found = keyed(11, [5, 6], (30, 60), source=np.full((2, KEYPOINTS), Source.DETECTED), score=np.full((2, 5), 0.5))
    return labels(full, leaves, once, found)


@cache
def dense(engine: str) -> Annotations:
    return propagate(video(), people(), options(engine))


@each_engine
def test_what_a_person_set_comes_back_bit_for_bit(engine: str) -> None:
    for given_track in people().tracks[:3]:
        out = dense(engine).track(given_track.id)
        rows = np.searchsorted(out.frames, given_track.frames)
        np.testing.assert_array_equal(out.frames[rows], given_track.frames)
        mine = given_track.by_person
        for name in ("xy", "visibility", "source", "score", "origin"):
            before, after = getattr(given_track, name)[mine], getattr(out, name)[rows][mine]
            assert before.tobytes() == after.tobytes(), name
        boxed = np.isfinite(given_track.boxes[:, 0])
        np.testing.assert_array_equal(out.boxes[rows][boxed], given_track.boxes[boxed])
        np.testing.assert_array_equal(out.head_boxes[rows], given_track.head_boxes)
        np.testing.assert_array_equal(out.person_score[rows], given_track.person_score)
        np.testing.assert_array_equal(out.absent, given_track.absent)
        assert out.replaced == given_track.replaced


@each_engine
def test_every_other_keypoint_says_where_it_came_from_and_how_sure_it_is(engine: str) -> None:
    for given_track in people().tracks[:3]:
        out = dense(engine).track(given_track.id)
        made = out.labelled & ~out.by_person
        assert made.sum() > 60
        assert (out.source[made] == Source.PROPAGATED).all()
        assert ((out.score[made] >= 0) & (out.score[made] <= 1)).all()
        assert (out.visibility[made] > 0).all()
        assert ((out.xy[made] >= 0) & (out.xy[made] <= (WIDTH - 1, HEIGHT - 1))).all()
        assert np.isnan(out.score[~made]).all()
        for row, k in np.argwhere(made):
            frame, (before, after) = out.frames[row], out.origin[row, k]
            keys = given_track.frames[given_track.by_person[:, k]]
            assert (before, after) != (NONE, NONE)
            assert before == NONE or before == max(keys[keys < frame])
            assert after == NONE or after == min(keys[keys > frame])


@each_engine
def test_estimates_among_the_labels_are_made_anew_and_never_leant_on(engine: str) -> None:
    out = dense(engine).track(3)
    at = out.at(40)
    assert out.source[at, 0] == Source.PROPAGATED
    assert out.origin[at, 0].tolist() == [22, 50]
    without = labels(people().track(3).rows([True, True, False, True]), people().track(10))
    again = propagate(video(), without, options(engine)).track(3)
    np.testing.assert_array_equal(again.xy, out.xy)


@each_engine
def test_a_track_without_anything_set_by_a_person_comes_back_as_it_is(engine: str) -> None:
    assert dense(engine).track(11).same_as(people().track(11))


@each_engine
def test_the_video_is_named_and_the_order_of_tracks_kept(engine: str) -> None:
    out = dense(engine)
    assert [t.id for t in out.tracks] == [3, 9, 10, 11]
    assert out.skeleton == people().skeleton
    assert (out.video.width, out.video.height, out.video.frame_count) == (WIDTH, HEIGHT, FRAMES)


@each_engine
def test_a_second_run_gives_the_same_on_any_number_of_threads(engine: str) -> None:
    threads, once = cv2.getNumThreads(), dense(engine)
    try:
        assert propagate(video(threads=5), people(), options(engine)).same_as(once)
        assert cv2.getNumThreads() == 5  # what was set before holds again
    finally:
        cv2.setNumThreads(threads)


@each_engine
def test_memory_for_a_few_frames_gives_the_same_as_memory_for_all(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk, "_MEMORY", 1.0)  # of motion
    monkeypatch.setattr(walk, "_KEPT", 1.0)  # of pictures
    pictures = video()
    assert propagate(pictures, people(), options(engine)).same_as(dense(engine))
    if engine in ("auto", "flow", "farneback"):
        assert pictures.decoded > FRAMES  # it did go through the blocks twice


@each_engine
@pytest.mark.parametrize("keypoints", [1, 2, 133])
def test_any_skeleton(engine: str, keypoints: int) -> None:
    keys = [3, 9]
    track = Track.make(7, keys, poses(keys, (45, 40), keypoints), np.full((2, keypoints), 2))
    out = propagate(video(), labels(track), options(engine)).track(7)
    assert out.frames.tolist() == list(range(13))
    assert out.labelled.mean() > 0.95  # a few may be lost at the border


@each_engine
def test_a_thousand_keypoints(engine: str) -> None:
    keys = [3, 5]
    track = Track.make(7, keys, poses(keys, (48, 40), 1000, spread=20), np.full((2, 1000), 2))
    out = propagate(video(), labels(track), options(engine, Reach(beyond=0))).track(7)
    assert out.frames.tolist() == [3, 4, 5]
    assert out.labelled.all()


@each_engine
def test_coordinates_far_out_of_the_picture_do_no_harm(engine: str) -> None:
    far = FARTHEST
    xy = [[[far, -far], [45, 40], [-1e8, 7]], [[-far, 3], [47, 40], [2e5, 7]]]
    out = propagate(video(), labels(Track.make(1, [4, 9], xy)), options(engine)).track(1)
    np.testing.assert_array_equal(out.xy[[out.at(4), out.at(9)]], xy)
    between = out.rows((out.frames > 4) & (out.frames < 9))
    assert np.isfinite(between.xy[between.labelled]).all()
    assert not between.labelled[:, 0].any()


@each_engine
def test_two_key_frames_of_which_one_is_out_of_the_picture(engine: str) -> None:
    track = Track.make(1, [9, 11], [[[46.0, 33.0]], [[60.0, 52.0]]])
    out = propagate(MovingTexture(60, 40, 43, still=True), labels(track), options(engine)).track(1)
    np.testing.assert_array_equal(out.xy[[out.at(9), out.at(11)]], track.xy)


@given(annotations(st.integers(1, 4).map(skeleton)), st.sampled_from(["copy", "linear", "pchip"]))
@settings(max_examples=40, suppress_health_check=[HealthCheck.filter_too_much])
def test_whatever_is_labelled_stays(mixed: Annotations, engine: str) -> None:
    tracks = tuple(replace(t, identified=True) for t in mixed.tracks)
    assume(any(t.by_person.any() for t in tracks))
    given_labels = replace(mixed, video=VideoIdentity(), tracks=tracks)
    pictures = MovingTexture(60, 40, LAST_FRAME + 3, still=True)
    out = propagate(pictures, given_labels, options(engine))
    np.testing.assert_array_equal(out.key_frames, given_labels.key_frames)
    for whole, after in zip(given_labels.tracks, out.tracks, strict=True):
        # What was propagated before is made anew, or goes.
        anew = whole.labelled.any(axis=1) & (~whole.labelled | (whole.source == Source.PROPAGATED)).all(axis=1)
        before = whole.rows(~anew)
        rows = np.searchsorted(after.frames, before.frames)
        np.testing.assert_array_equal(after.frames[rows], before.frames)
        for name in ("xy", "visibility", "source", "score", "origin"):
            kept = getattr(after, name)[rows][before.by_person]
            assert getattr(before, name)[before.by_person].tobytes() == kept.tobytes()
        boxed = boxes_given(before)
        np.testing.assert_array_equal(after.boxes[rows][boxed], before.boxes[boxed])


@each_engine
def test_scores_of_persons_and_head_boxes_outlast_a_second_propagation(engine: str) -> None:
    """Nobody computes them, so they are somebody's, also where the pose is made anew."""
    source = np.array([[Source.MANUAL], [Source.DETECTED], [Source.MANUAL]])
    head = [[np.nan] * 4, [30.0, 20.0, 40.0, 30.0], [np.nan] * 4]
    xy, scores = [[[40.0, 33.0]], [[42.0, 33.0]], [[44.0, 33.0]]], [np.nan, 0.8, np.nan]
    track = Track.make(1, [4, 6, 8], xy, source=source, person_score=scores, head_boxes=head)
    given = labels(track)
    for _ in range(2):
        given = propagate(video(), given, options(engine))
        found = given.track(1)
        assert found.person_score[found.at(6)] == 0.8
        np.testing.assert_array_equal(found.head_boxes[found.at(6)], head[1])


def test_a_keypoint_found_beside_a_given_box_does_not_narrow_the_others() -> None:
    """Margins are those that a person drew around the keypoints of that frame, not those found there since."""
    xy = [[[30.0, 20.0], [40.0, 30.0], [60.0, 40.0]], [[30.0, 20.0], [40.0, 30.0], [np.nan, np.nan]]] * 2
    visibility = [[2, 2, 2], [2, 2, 0]] * 2
    boxes = [[28.0, 18.0, 62.0, 42.0], [28.0, 18.0, 42.0, 32.0]] * 2
    given = labels(Track.make(1, [0, 4, 8, 11], xy, visibility, boxes=boxes))
    out = propagate(video(), given, options("linear")).track(1)
    assert out.labelled[out.at(4), 2]
    np.testing.assert_array_equal(out.boxes[out.at(4)], boxes[1])
    for frame in (1, 3, 5, 7):
        np.testing.assert_allclose(out.boxes[out.at(frame)], boxes[0])


def test_propagated_once_more_boxes_are_as_they_were() -> None:
    """Also those of a frame with one keypoint of a person, whose others and whose box were found."""
    xy = np.array([[[30.0, 20.0], [40.0, 30.0], [60.0, 40.0]]] * 3) + np.array([0, 4, 8])[:, None, None]
    visibility = [[2, 2, 2], [0, 2, 0], [2, 2, 2]]
    nobody = [np.nan] * 4
    track = Track.make(1, [0, 5, 10], xy, visibility, boxes=[[28, 18, 62, 42], nobody, [30, 20, 75, 55]])
    once = propagate(video(), labels(track), options("linear"))
    again = propagate(video(), once, options("linear")).track(1)
    assert once.track(1).labelled[5].all()
    np.testing.assert_allclose(again.boxes, once.track(1).boxes)
