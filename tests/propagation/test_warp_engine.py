"""The engine posewarper: what an untrained network does, how often it looks, and what it says it cannot do."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from engines import KNOWN
from moving_texture import MovingTexture, labels, poses
from torch import Tensor, nn
from toy_warper import SIZE, toy_card, toy_checkpoint, toy_warper

from pwarp.annotations import Source, Track
from pwarp.checkpoints import Card, save
from pwarp.errors import PwarpError
from pwarp.following import feature_store
from pwarp.following.runner import WindowRunner
from pwarp.heatmaps import Codec
from pwarp.propagation import Options, Reach, SpanJournal, adapt, look, propagate, warp
from pwarp.propagation.engine import Job
from pwarp.propagation.journal import identity_of
from pwarp.propagation.look import BothWays
from pwarp.propagation.plan import plan
from pwarp.skeleton import Skeleton

WIDTH, HEIGHT, FRAMES = 160, 120, 31
FAR = pytest.mark.parametrize("far", ["chain", "direct"])
ALIGN = pytest.mark.parametrize("align", ["picture", "person"])


def video() -> MovingTexture:
    return MovingTexture(WIDTH, HEIGHT, FRAMES, lambda t: (0.4 * t, 2 * np.sin(t / 5)))


def person(id: int, keys: list[int], centre: tuple[float, float], visibility: Any = 2) -> Track:
    xy = poses(keys, centre, 5, spread=14)
    return Track.make(id, keys, xy, np.broadcast_to(visibility, xy.shape[:2]))


def options(weights: Path, **settings: Any) -> Options:
    reach = settings.pop("reach", Reach())
    return Options("posewarper", reach, settings={"weights": weights, "device": "cpu", **settings})


@FAR
@pytest.mark.parametrize("fuse", ["product", "mean"])
def test_a_fresh_network_leaves_the_labels_where_they_are_in_the_picture(far: str, fuse: str) -> None:
    track = person(1, [10], (80, 60))
    run = options(toy_checkpoint(KNOWN), far=far, fuse=fuse, align="picture", reach=Reach(beyond=8))
    dense = propagate(video(), labels(track), run).track(1)
    assert dense.frames.tolist() == list(range(2, 19))
    # Within half a heatmap cell, which is 2.8 pixels of the picture here: beside the border of a map places are whole.
    assert np.abs(dense.xy - track.xy[0]).max() < 1.5
    assert np.median(np.abs(dense.xy - track.xy[0])) < 0.4


def test_aligned_on_the_person_it_follows_the_body() -> None:
    track = person(1, [3], (60, 60))
    run = options(toy_checkpoint(KNOWN), align="person", reach=Reach(beyond=20))
    dense = propagate(video(), labels(track), run).track(1)
    moved = dense.xy[dense.at(23)] - dense.xy[dense.at(3)]
    truth = np.array([0.4 * 20, 2 * np.sin(23 / 5) - 2 * np.sin(3 / 5)])
    assert np.abs(moved - truth).max() < 4.3  # a cell, as windows move by whole ones, and half a cell as above


@FAR
def test_each_crop_goes_through_the_backbone_once(far: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bytes] = []
    original = WindowRunner.features

    def counted(self: WindowRunner, crops: Any) -> Tensor:
        seen.extend(crop.tobytes() for crop in crops)
        return original(self, crops)

    monkeypatch.setattr(WindowRunner, "features", counted)
    people = labels(person(1, [2, 9, 20], (60, 60)), person(2, [5, 20], (110, 70)))
    propagate(video(), people, options(toy_checkpoint(KNOWN, 0.3), far=far, reach=Reach(beyond=0)))
    assert len(seen) == 19 + 16  # the key frame between two stretches is seen in the same window, and counts once
    assert len(set(seen)) == len(seen)


def test_keypoints_that_it_does_not_know_are_followed_and_it_says_so() -> None:
    track = person(1, [4, 12], (80, 60))
    told: list[str] = []
    run = options(toy_checkpoint(("point_3", "point_1", "elsewhere")))
    dense = propagate(video(), labels(track), run, tell=told.append).track(1)
    flow = propagate(video(), labels(track), Options("flow")).track(1)
    assert told == [
        "toy.safetensors does not know 3 of 5 keypoints (point_0, point_2, point_4): these are filled by the engine "
        "'flow'"
    ]
    np.testing.assert_array_equal(dense.xy[:, [0, 2, 4]], flow.xy[:, [0, 2, 4]])
    np.testing.assert_array_equal(dense.score[:, [0, 2, 4]], flow.score[:, [0, 2, 4]])
    made = dense.source == Source.PROPAGATED
    assert (dense.xy[made[:, 1], 1] != flow.xy[made[:, 1], 1]).any()
    with pytest.raises(PwarpError, match="knows none of the keypoints of 'thing'"):
        propagate(video(), labels(track), options(toy_checkpoint(("a", "b"))))
    with pytest.warns(UserWarning, match="does not know 3 of 5"):  # where nobody listens
        propagate(video(), labels(track), run)


@ALIGN
def test_a_label_at_both_ends_is_surer_than_two_that_disagree(align: str) -> None:
    def score(shift: float) -> float:
        xy = poses([4, 10], (80, 60), 5, spread=14)
        xy[1] = xy[0]
        xy[1, 2] += (shift, 0)  # the others keep the window where it is
        track = Track.make(1, [4, 10], xy)
        run = options(toy_checkpoint(KNOWN), align=align)
        dense = propagate(MovingTexture(WIDTH, HEIGHT, FRAMES, still=True), labels(track), run).track(1)
        return float(dense.score[dense.at(7), 2])

    assert score(0) > 0.8
    assert score(0) > 2 * score(16)


def test_long_stretches_go_to_a_file_and_come_out_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    people = labels(person(1, [2, 25], (60, 60)))
    run = options(toy_checkpoint(KNOWN, 0.3))
    whole = propagate(video(), people, run)
    monkeypatch.setattr(feature_store, "IN_MEMORY", 1.0)
    assert propagate(video(), people, run).same_as(whole)


def test_what_is_seen_and_both_sides_share_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[int] = []

    class Weighed(feature_store.FeatureStore):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            held.append(0 if isinstance(self._maps, np.memmap) else self._maps.nbytes)

    for room in (look, warp):
        monkeypatch.setattr(room, "FeatureStore", Weighed)
    people = labels(person(1, [2, 25], (60, 60)))
    run = options(toy_checkpoint(KNOWN, 0.3), reach=Reach(beyond=0))
    propagate(video(), people, run)
    assert len(held) == 3 and all(held)
    for share in (0.3, 0.6, 0.99):
        monkeypatch.setattr(feature_store, "IN_MEMORY", share * sum(held))
        before = len(held)
        propagate(video(), people, run)
        assert sum(held[before:]) <= feature_store.IN_MEMORY
        del held[before:]


def test_a_window_far_from_the_picture_does_no_harm() -> None:
    xy = poses([3, 9], (80, 60), 5, spread=14)
    xy[1] += (400, 0)
    dense = propagate(video(), labels(Track.make(1, [3, 9], xy)), options(toy_checkpoint(KNOWN, 0.3))).track(1)
    found = dense.labelled & ~dense.by_person
    assert np.isfinite(dense.xy[found]).all()
    assert ((dense.xy[found] >= 0) & (dense.xy[found] <= (WIDTH - 1, HEIGHT - 1))).all()


def test_settings_that_do_not_go_together_are_refused() -> None:
    people = labels(person(1, [4, 12], (80, 60)))
    cases = {
        "needs a network": {},
        "exclude each other": {"weights": Path("w"), "adapt": True},
        "--save-weights goes with --adapt": {"weights": Path("w"), "save_weights": Path("x")},
        "has no setting 'weight'": {"weight": 1},
        "no such file": {"weights": Path("nowhere.safetensors")},
    }
    for message, settings in cases.items():
        with pytest.raises(PwarpError, match=message):
            propagate(video(), people, Options("posewarper", settings=settings))
    with pytest.raises(
        PwarpError, match="the engine 'copy' has no setting 'weights'; it has none, and --engine posewarper knows"
    ):
        propagate(video(), people, Options("copy", settings={"weights": Path("w")}))


def test_a_run_is_told_apart_by_what_its_weights_hold(tmp_path: Path) -> None:
    people, one = labels(person(1, [4, 12], (80, 60))), tmp_path / "one.safetensors"
    identities = []
    for std in (0.0, 0.1):
        model = toy_warper(5)
        nn.init.normal_(model.warper.offsets1.weight, std=std or 1e-9)
        save(one, model, toy_card(model, KNOWN), force=True)
        identities.append(identity_of(people, video(), options(one)))
    assert identities[0] != identities[1]
    assert identity_of(people, video(), options(one)) == identities[1]


def test_an_interrupted_run_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    people, run = labels(person(1, [2, 9, 20], (60, 60))), options(toy_checkpoint(KNOWN, 0.3))
    identity = identity_of(people, video(), run)
    done = 0

    def unplugged(frames: int) -> None:
        nonlocal done
        done += frames
        if done > 11:
            raise KeyboardInterrupt

    journal = SpanJournal(tmp_path / "partial", identity, resume=False)
    with pytest.raises(KeyboardInterrupt):
        propagate(video(), people, run, journal=journal, advance=unplugged)
    journal.close(done=False)
    journal = SpanJournal(tmp_path / "partial", identity, resume=True)
    assert journal.finished()
    resumed = propagate(video(), people, run, journal=journal)
    journal.close(done=True)
    assert resumed.same_as(propagate(video(), people, run))


def test_adapting_fits_a_small_network_and_repeats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On real files: training reads the video for itself."""
    from pwarp.synthetic import Scene, SceneConfig, key_labels, write_scene
    from pwarp.video import open_video

    tiny = {"backbone": "toy", "size": (32, 32), "batch": 4}
    monkeypatch.setattr(adapt, "_ESTIMATOR", {**adapt._ESTIMATOR, **tiny, "steps": 3})
    monkeypatch.setattr(adapt, "_WARPER", {"steps": 3, "batch": 4, "model": {"channels": 4, "blocks": 1}})
    scene = Scene(SceneConfig(seed=3, frames=9, width=96, height=80, samples=1))
    path, *_ = write_scene(scene, tmp_path)
    keys = key_labels(scene.annotations, 4)
    kept = tmp_path / "kept.safetensors"
    with open_video(path) as clip, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        first = propagate(
            clip, keys, Options("posewarper", settings={"adapt": True, "save_weights": kept, "device": "cpu"})
        )
        again = propagate(clip, keys, Options("posewarper", settings={"weights": kept, "device": "cpu"}))
        assert first.same_as(again)
        # A run that goes on takes the network that it had fitted, whose file does not make it another run.
        kept.unlink()
        run = Options("posewarper", settings={"adapt": True, "save_weights": kept, "device": "cpu"})
        identity = identity_of(keys, clip, run)
        journal = SpanJournal(tmp_path / "partial", identity, resume=False)
        left = 5

        def unplugged(frames: int) -> None:
            nonlocal left
            left -= frames
            if left < 0:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            propagate(clip, keys, run, journal=journal, advance=unplugged)
        journal.close(done=False)
        assert kept.exists()
        assert identity_of(keys, clip, run) == identity
        with monkeypatch.context() as broken:
            broken.setattr(adapt, "adapted", None)
            journal = SpanJournal(tmp_path / "partial", identity, resume=True)
            assert propagate(clip, keys, run, journal=journal).same_as(first)
            journal.close(done=True)
        job = Job(clip, keys.skeleton, tuple(plan(keys, clip.frame_count, Reach())), lambda _: None)
        twice = [adapt.adapted(job, device="cpu", seed=seed).model.state_dict() for seed in (0, 1)]
    saved = torch.cat([value.flatten().float() for value in twice[0].values()])
    other = torch.cat([value.flatten().float() for value in twice[1].values()])
    assert not torch.equal(saved, other)
    fitted = adapt.key_labels(job)
    assert [t.frames.tolist() for t in fitted.tracks] == [t.key_frames.tolist() for t in keys.tracks]


def test_both_ways_the_mirror_image_of_a_crop_is_seen_as_the_mirror_of_what_is_seen() -> None:
    model = toy_warper(3)
    card = Card(model.config, Skeleton("thing", ("left", "right", "top"), flip_pairs=((0, 1),)), Codec("udp", SIZE))
    eye = BothWays(WindowRunner("toy", model, card, torch.device("cpu")), card.skeleton.flip_pairs)
    crop = np.random.default_rng(3).integers(256, size=(64, 48, 3), dtype=np.uint8)
    seen, mirrored = eye.features([crop, np.ascontiguousarray(crop[:, ::-1])])
    torch.testing.assert_close(mirrored, seen[[1, 0, 2]].flip(2))


def test_flip_needs_sides() -> None:
    track = person(1, [4, 12], (80, 60))
    with pytest.raises(PwarpError, match="has no left and right"):
        propagate(video(), labels(track), options(toy_checkpoint(KNOWN), flip=True))
