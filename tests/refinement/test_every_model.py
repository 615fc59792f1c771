"""What refining and estimating promise, whichever model of several frames does it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from noise_clips import NAMES, Noise, labels, tracked
from torch import Tensor
from toy_models import MODELS, RECURRENT, WINDOWS, toy_runner

from pwarp.annotations import Annotations, Replaced, Source, Track
from pwarp.crops import Window
from pwarp.errors import PwarpError
from pwarp.refinement import estimate_over_time, refine
from pwarp.refinement.refine import walk_along
from pwarp.refinement.walk import Found
from pwarp.skeleton import Skeleton

SMALL = {"ppn": "body", "dkd": "encoder"}
LARGE = {"ppn": "head", "dkd": "initial"}


def counted(model: Any, part: str) -> list[int]:
    """Filled with the number of crops that go through a network inside a model."""
    seen: list[int] = []
    getattr(model, part).register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
    return seen


def two_people() -> Annotations:
    """One who moves, with a gap, and one who comes nearer."""
    rows = list(range(3, 12))
    sizes = [12 * 1.06**f for f in rows]
    boxes = [[70 - s / 2, 50 - s, 70 + s / 2, 50 + s] for s in sizes]
    return labels(tracked([2, 3, 4, 5, 8, 9, 10], id=1, step=1.7), tracked(rows, id=2, boxes=boxes))


def boxes_of(poses: Annotations) -> Annotations:
    """The same people with boxes only."""
    empty = [Track.make(t.id, t.frames, np.full(t.xy.shape, np.nan), boxes=t.boxes) for t in poses.tracks]
    return labels(*empty)


def values(done: Annotations) -> np.ndarray:
    return np.concatenate([np.concatenate([t.xy, t.score[..., None]], axis=2) for t in done.tracks])


@pytest.mark.parametrize("name", MODELS)
def test_poses_come_anew(name: str) -> None:
    given = two_people()
    done = refine(Noise(), given, toy_runner(name, NAMES))
    first = {(1, 2), (1, 8), (2, 3)} if name == "dkd" else set()  # it gives out what it was told
    changed = 0
    for before, after in zip(given.tracks, done.annotations.tracks, strict=True):
        for row, frame in enumerate(after.frames.tolist()):
            anew = after.source[row] == Source.REFINED
            if (after.id, frame) in first:
                assert not anew.any()
                assert after.xy[row].tolist() == before.xy[row].tolist()
                continue
            assert (after.score[row][anew] > 0).all()
            changed += int((after.xy[row][anew] != before.xy[row][anew]).any(axis=1).sum())
        assert after.visibility.tolist() == before.visibility.tolist()
    assert changed > 0.8 * 3 * (16 - len(first))
    assert done.starts == (3 if name in RECURRENT else None)


@pytest.mark.parametrize("name", MODELS)
def test_boxes_become_poses(name: str) -> None:
    found = estimate_over_time(Noise(), boxes_of(two_people()), toy_runner(name, NAMES))
    for track in found.tracks:
        assert track.labelled.mean() > 0.8
        assert (track.source[track.labelled] == Source.DETECTED).all()
        assert (track.score[track.labelled] > 0).all()


@pytest.mark.parametrize("name", MODELS)
def test_batches_of_any_size_say_the_same(name: str) -> None:
    one, many = (refine(Noise(), two_people(), toy_runner(name, NAMES, batch=b)).annotations for b in (1, 7))
    np.testing.assert_allclose(values(one), values(many), atol=1e-3)


@pytest.mark.parametrize("name", WINDOWS)
def test_a_window_model_sees_every_crop_once(name: str) -> None:
    """Of people of one size; one who changes size is seen in both sizes around the change, and a frame in which the
    person has no pose through the window of each pose beside it."""
    poses = labels(tracked([2, 3, 4, 5, 8, 9, 10], id=1, step=1.7), tracked(list(range(3, 12)), id=2))
    runner = toy_runner(name, NAMES)
    seen = counted(runner.model, "backbone")
    done = refine(Noise(), poses, runner)
    assert sum(seen) == done.crops == 16 + 6


@pytest.mark.parametrize("name", RECURRENT)
def test_a_recurrent_model_sees_every_crop_once_and_needs_no_first_estimate(name: str) -> None:
    runner = toy_runner(name, NAMES)
    small, large = counted(runner.model, SMALL[name]), counted(runner.model, LARGE[name])
    done = refine(Noise(), two_people(), runner)
    assert (sum(small), done.crops, large) == (16, 16, [])
    estimate_over_time(Noise(), boxes_of(two_people()), runner)
    assert (sum(small), sum(large)) == (32, 3)


@pytest.mark.parametrize("name", MODELS)
def test_what_a_person_set_is_not_touched(name: str) -> None:
    source = np.full((8, 3), Source.PROPAGATED)
    source[3], source[5, 1], source[6, 2] = Source.MANUAL, Source.CORRECTED, Source.NONE
    visibility = np.full((8, 3), 2)
    visibility[2, 0], visibility[6, 2] = 1, 0
    track = tracked(list(range(8)), step=1.3, source=source, visibility=visibility)
    mine = track.by_person
    for done in (
        refine(Noise(), labels(track), toy_runner(name, NAMES)).annotations,
        estimate_over_time(Noise(), labels(track), toy_runner(name, NAMES)),
    ):
        after = done.track(1)
        for field in ("xy", "visibility", "score", "source", "origin"):
            assert getattr(after, field)[mine].tobytes() == getattr(track, field)[mine].tobytes()
        assert (after.xy[~mine] != track.xy[~mine]).any()


@pytest.mark.parametrize("name", MODELS)
def test_what_a_person_took_away_stays_away(name: str) -> None:
    """One keypoint of a frame, and all that another frame had."""
    visibility = np.full((8, 3), 2)
    visibility[3, 1] = visibility[5, :] = 0
    taken = [Replaced(3, 1, 5, 6, 2), Replaced(5, 0, 5, 6, 2), Replaced(5, 2, 7, 8, 2)]
    source = np.where(visibility > 0, Source.PROPAGATED, Source.NONE)
    track = tracked(list(range(8)), source=source, visibility=visibility, replaced=taken)
    refined = refine(Noise(), labels(track), toy_runner(name, NAMES)).annotations.track(1)
    assert refined.visibility.tolist() == visibility.tolist()
    found = estimate_over_time(Noise(), labels(track), toy_runner(name, NAMES)).track(1)
    assert found.visibility[3, 1] == found.visibility[5, 0] == found.visibility[5, 2] == 0
    assert found.visibility[5, 1] > 0  # of which nobody said anything
    assert refined.replaced == found.replaced == track.replaced


@pytest.mark.parametrize("name", MODELS)
def test_a_video_of_one_frame(name: str) -> None:
    video, poses = Noise(frames=1), labels(tracked([0]))
    done = refine(video, poses, toy_runner(name, NAMES))
    assert done.crops == 1
    assert (done.annotations.track(1).source == Source.REFINED).any() == (name != "dkd")
    assert estimate_over_time(video, boxes_of(poses), toy_runner(name, NAMES)).track(1).labelled.any()


@pytest.mark.parametrize("name", MODELS)
def test_beyond_a_gap_lies_another_clip(name: str) -> None:
    """GLPose alone also looks at crops of far frames."""
    runner = toy_runner(name, NAMES, **({"proposals": 0} if name == "glpose" else {}))
    track = tracked([1, 2, 3, 7, 8, 9], step=1.7)
    whole = refine(Noise(), labels(track), runner).annotations
    after = refine(Noise(), labels(track.rows([3, 4, 5])), runner).annotations
    np.testing.assert_allclose(values(whole)[3:], values(after), atol=1e-3)


@pytest.mark.parametrize(("name", "flip"), [*((name, False) for name in MODELS), ("posewarper", True), ("dkd", True)])
def test_memory_does_not_grow_with_the_video(name: str, flip: bool) -> None:
    def held(frames: int) -> int:
        track = tracked(list(range(frames)))
        walk = walk_along(Noise(frames=frames), [track], toy_runner(name, NAMES), flip=flip)
        assert len(list(walk.walk(lambda _: None))) == frames
        return walk.held

    most = {"glpose": 3 + 4, "ppn": 1, "dkd": 1}.get(name, 3)
    assert held(23) == held(11) == most * (2 if flip else 1)


def walked(runner: Any, track: Track, **options: Any) -> list[Found]:
    return list(walk_along(Noise(), [track], runner, **options).walk(lambda _: None))


def clip_of(runner: Any, track: Track) -> tuple[Tensor, Any]:
    """The crops (1, T, 3, H, W) of a track that stands still, and the window's map back to the picture."""
    walk = walk_along(Noise(), [track], runner)
    course = walk._trails[0].course(0)
    crops = np.stack([runner.cut(Noise().frame(f), course.window(0)) for f in track.frames.tolist()])
    return runner.normalised(crops)[None], course


@pytest.mark.parametrize("name", RECURRENT)
def test_somebody_who_stands_still_is_the_models_own_clip(name: str) -> None:
    runner, track = toy_runner(name, NAMES), tracked(list(range(4, 10)))
    clip, course = clip_of(runner, track)
    with torch.no_grad():
        expected, score = runner.codec.decode(runner.model(clip)[0])
    found = walked(runner, track)
    for row, one in enumerate(found):
        np.testing.assert_allclose(one.score, score[row].numpy(), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(one.xy, course.to_picture(expected[row].double().numpy(), row), atol=1e-2)


@pytest.mark.parametrize("name", ["posewarper", "dcpose"])
def test_and_the_window_models_own_window(name: str) -> None:
    runner, track = toy_runner(name, NAMES), tracked([4, 5, 6])
    clip, course = clip_of(runner, track)
    with torch.no_grad():
        expected, score = runner.codec.decode(runner.model(clip))
    found = walked(runner, track)[1]
    np.testing.assert_allclose(found.score, score[0].numpy(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.xy, course.to_picture(expected[0].double().numpy(), 1), atol=1e-2)


@pytest.mark.parametrize("name", MODELS)
def test_boxes_alone_are_refined_into_the_models_own_skeleton(name: str) -> None:
    poses = replace(boxes_of(two_people()), skeleton=Skeleton("guess", ("a", "b", "c")))
    bare = [Track.make(t.id, t.frames, np.full((len(t), 3, 2), np.nan), boxes=t.boxes) for t in poses.tracks]
    found = refine(Noise(), replace(poses, tracks=tuple(bare)), toy_runner(name, NAMES))
    assert found.annotations.skeleton.keypoints == NAMES
    assert found.unknown == ()
    assert all(track.labelled.any() for track in found.annotations.tracks)


@pytest.mark.parametrize("name", MODELS)
def test_nobody_detected_is_a_result_like_any_other(name: str) -> None:
    assert estimate_over_time(Noise(), labels(), toy_runner(name, NAMES)).tracks == ()


# --- recurrent models ---


@pytest.mark.parametrize("name", RECURRENT)
def test_no_pose_depends_on_later_frames(name: str) -> None:
    boxes = boxes_of(two_people())
    whole = estimate_over_time(Noise(), boxes, toy_runner(name, NAMES))
    cut = labels(*(t.rows(t.frames <= 6) for t in boxes.tracks))
    part = estimate_over_time(Noise(frames=7), cut, toy_runner(name, NAMES))
    for mine, theirs in zip(part.tracks, whole.tracks, strict=True):
        np.testing.assert_array_equal(mine.xy, theirs.xy[: len(mine)])
        np.testing.assert_array_equal(mine.score, theirs.score[: len(mine)])


@pytest.mark.parametrize("name", RECURRENT)
def test_the_state_moves_against_the_window(name: str) -> None:
    """As if one window had served both frames, but for what it cuts off."""
    runner, track = toy_runner(name, NAMES), tracked([3, 4], step=9.0)
    walk = walk_along(Noise(), [track], runner)
    course = walk._trails[0].course(0)
    dx, dy = course.shift(0, 1)
    assert dx < 0 and dy == 0
    crops = [runner.normalised(runner.cut(Noise().frame(f), course.window(f - 3))[None]) for f in (3, 4)]
    with torch.no_grad():
        state, _ = runner.model.start(crops[0])
        aligned = []
        for maps in state:
            moved = torch.zeros_like(maps)
            moved[..., :dx] = maps[..., -dx:]
            aligned.append(moved)
        expected, score = runner.codec.decode(runner.model.step(tuple(aligned), crops[1])[1])
    found = walked(runner, track)[1]
    np.testing.assert_allclose(found.score, score[0].numpy(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.xy, course.to_picture(expected[0].double().numpy(), 1), atol=1e-2)


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_state_keeps_its_place_in_the_picture_when_the_window_changes_its_size(mirrored: bool) -> None:
    runner = toy_runner("ppn", NAMES)
    sizes = [20.0] * 10 + [26.0] * 10
    boxes = [[60 - s / 2 + f, 45 - s, 60 + s / 2 + f, 45 + s] for f, s in enumerate(sizes)]
    walk: Any = walk_along(Noise(), [tracked(list(range(20)), boxes=boxes)], runner, flip=True)
    trail = walk._trails[0]
    at = int(np.flatnonzero(np.diff(trail.level))[0])
    there = np.array([[72.0, 40], [75, 52], [79, 45]])

    def drawn(row: int) -> Tensor:
        xy = trail.course(row).to_crop(there, row)
        if mirrored:
            xy[:, 0] = 47 - xy[:, 0]
        return runner.codec.encode(torch.tensor(xy)[None], torch.ones(1, 3, dtype=torch.float64))[0][0]

    (carried,) = walk._carried(int(mirrored), 0, at, at + 1, (drawn(at),))
    expected, _ = runner.codec.decode(drawn(at + 1)[None])
    found, score = runner.codec.decode(carried[None])
    np.testing.assert_allclose(found.numpy(), expected.numpy(), atol=0.8)  # a fifth of a cell
    assert (score > 0.9).all()


def test_ppn_starts_from_the_given_pose() -> None:
    """And what is not known of it comes from HeadNet."""
    runner = toy_runner("ppn", NAMES)
    heads = counted(runner.model, "head")
    track = tracked([3, 4, 5])
    visibility = np.full((3, 3), 2)
    visibility[0, 1] = 0
    partly = tracked([3, 4, 5], visibility=visibility, source=np.where(visibility, Source.DETECTED, Source.NONE))
    clip, course = clip_of(runner, track)
    xy = torch.tensor(course.to_crop(track.xy[0], 0))[None]
    for poses, weight, asked in ((track, [1.0, 1, 1], 0), (partly, [1.0, 0, 1], 1)):
        heads.clear()
        found = refine(Noise(), labels(poses), runner).annotations.track(1)
        assert sum(heads) == asked
        given, _ = runner.codec.encode(xy.float(), torch.tensor([weight]))
        with torch.no_grad():
            if asked:
                given[:, 1] = runner.model.head(clip[:, 0])[:, 1]
            state, found_first = runner.model.start(clip[:, 0], given)
            rest = []
            for crops in clip[:, 1:].unbind(1):
                state, heatmaps = runner.model.step(state, crops)
                rest.append(heatmaps)
            expected, _ = runner.codec.decode(torch.cat([found_first, *rest]))
        for row in (1, 2):
            at = course.to_picture(expected[row].double().numpy(), row)
            good = found.source[row] == Source.REFINED
            assert good.any()
            np.testing.assert_allclose(found.xy[row][good], at[good], atol=1e-2)


@pytest.mark.parametrize("name", RECURRENT)
def test_starting_anew_every_so_many_frames(name: str) -> None:
    runner, track = toy_runner(name, NAMES), tracked(list(range(7)))
    done = refine(Noise(), labels(track), runner, every=3)
    assert done.starts == 3
    parts = [refine(Noise(), labels(track.rows(range(a, min(a + 3, 7)))), runner).annotations for a in (0, 3, 6)]
    expected = np.concatenate([values(part) for part in parts])
    np.testing.assert_allclose(values(done.annotations), expected, atol=1e-3)


@pytest.mark.parametrize("transfer", ["lstm", "none"])
def test_dkds_ablations_walk_too(transfer: str) -> None:
    runner = toy_runner("dkd", NAMES, transfer=transfer, hidden=3)
    assert values(estimate_over_time(Noise(), boxes_of(two_people()), runner)).shape == (16, 3, 3)
    assert refine(Noise(), two_people(), runner, flip=True).crops == 32


def test_options_of_the_other_kind_are_refused() -> None:
    poses = two_people()
    for name, options, said in (
        ("ppn", {"offsets": (-1, 0)}, "'ppn' goes from frame to frame and takes no offsets"),
        ("dcpose", {"every": 5}, "'dcpose' looks at a window of frames and never starts anew"),
        ("dcpose", {"offsets": (-2, -1, 0, 1, 2)}, "'dcpose' looks at 3 frames"),
        ("dkd", {"scales": (1.0, 9.0)}, "scales 1,9: give different ones from 0.25 to 4"),
        ("glpose", {"scales": ()}, "scales : give different ones"),
    ):
        with pytest.raises(PwarpError, match=said):
            refine(Noise(), poses, toy_runner(name, NAMES), **options)


# --- candidates of GLPose ---


def candidates_of(poses: Annotations, **options: Any) -> dict[int, tuple[int, list[bool]]]:
    """By frame how many candidates were offered for the first track, and which of them counted."""
    runner = toy_runner("glpose", NAMES, batch=1, **options)
    offered: list[tuple[int, list[bool]]] = []
    fuse = runner.model.fuse

    def watched(features: Tensor, offsets: Tensor, **more: Tensor) -> Tensor:
        present = more["present"][0].tolist()
        assert more["candidates"].shape[:2] == (1, len(present))
        offered.append((len(present), present))
        return fuse(features, offsets, **more)

    runner.model.fuse = watched
    walk = walk_along(Noise(), poses.tracks, runner)
    looks = list(walk.looks(lambda _: None))
    return {look.frame: one for look, one in zip(looks, offered, strict=True) if look.places[0][0] == 0}


def test_candidates_are_of_other_frames_and_evenly_spread() -> None:
    """Four of ten frames, 0, 3, 6 and 9; not the frame itself, nor its neighbours, which are seen anyhow."""
    offered = candidates_of(labels(tracked(list(range(10)))))
    assert offered[5] == (4, [True, True, False, True])
    assert offered[1] == (4, [False, True, True, True])
    assert offered[9] == (4, [True, True, True, False])


def test_somebody_else_in_a_neighbouring_frame_is_a_candidate() -> None:
    offered = candidates_of(labels(tracked([5], id=1), tracked([4, 5, 6], id=2)))
    assert offered[5] == (4, [True, False, False, True])  # frames 4, 5 (twice) and 6


def test_fewer_candidates_than_wanted() -> None:
    assert candidates_of(labels(tracked([5])))[5] == (1, [False])
    assert candidates_of(labels(tracked([5, 9])), sampled=30, proposals=6)[9] == (2, [True, False])
    lone = refine(Noise(), labels(tracked([5])), toy_runner("glpose", NAMES, sampled=30, proposals=6))
    assert (lone.annotations.track(1).source == Source.REFINED).any()


def test_candidates_change_what_is_said() -> None:
    poses = labels(tracked(list(range(12)), step=1.0))
    with_, without = (
        values(refine(Noise(), poses, toy_runner("glpose", NAMES, sampled=s, proposals=2)).annotations) for s in (9, 2)
    )
    assert (with_ != without).any()


# --- several views ---


@pytest.mark.parametrize("name", MODELS)
def test_one_scale_and_no_mirror_is_the_usual(name: str) -> None:
    usual, said = (
        refine(Noise(), two_people(), toy_runner(name, NAMES), **o).annotations for o in ({}, {"scales": (1.0,)})
    )
    assert usual.same_as(said)
    other = refine(Noise(), two_people(), toy_runner(name, NAMES), scales=(0.8, 1.2), flip=True)
    assert (values(other.annotations) != values(usual)).any()


def test_a_view_of_another_scale_is_cut_from_another_window() -> None:
    walk = walk_along(Noise(), [tracked([3, 4])], toy_runner("ppn", NAMES), scales=(1.25,))
    usual: Window = walk.window((0, 0))
    (other,) = walk._through[0][0].courses.values()
    np.testing.assert_allclose(np.array(other.size) * 1.25, usual.size)
