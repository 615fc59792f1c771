"""`pwarp refine` and `pwarp estimate` with a checkpoint of each model of several frames."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Outcome
from PIL import Image
from toy_models import MODELS, RECURRENT, toy_model_file
from toy_warper import toy_checkpoint

from pwarp import formats
from pwarp.annotations import Annotations, Source, Track
from pwarp.checkpoints import Card, save
from pwarp.formats import read, write
from pwarp.heatmaps import Codec
from pwarp.models import build, configure
from pwarp.synthetic import Scene, SceneConfig, write_scene
from pwarp.video import open_video

Shell = Callable[..., Outcome]
ALL_SET = "a person set or took away all that the model knows"


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two people in nine frames: video.mp4, truth.json (by hand), dense.json (computed), boxes.json (without ids)."""
    folder = tmp_path_factory.mktemp("scene")
    config = SceneConfig(seed=4, frames=9, width=112, height=84, people=2, samples=1, camera=False)
    write_scene(Scene(config), folder)
    truth = formats.read(folder / "truth.json")
    with open_video(folder / "video.mp4") as video:
        computed, alone = [], []
        for track in truth.tracks:
            made = np.where(track.labelled, Source.PROPAGATED, Source.NONE)
            computed.append(Track.make(track.id, track.frames, track.xy, track.visibility, source=made))
            empty = np.full((1, *track.xy.shape[1:]), np.nan)
            for row, frame in enumerate(track.frames.tolist()):
                id = 100 * track.id + frame
                alone.append(Track.make(id, [frame], empty, boxes=track.boxes[[row]], identified=False))
        write(Annotations(truth.skeleton, video.identity, tuple(computed)), folder / "dense.json")
        write(Annotations(truth.skeleton, video.identity, tuple(alone)), folder / "boxes.json")
    return folder


@pytest.fixture
def here(scene: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for file in scene.glob("*.*"):
        (tmp_path / file.name).symlink_to(file)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def weights(name: str) -> Path:
    return toy_model_file(name, read("truth.json").skeleton.keypoints)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("name", MODELS)
def test_each_model_refines_a_file(name: str, shell: Shell) -> None:
    call = ("refine", "video.mp4", "dense.json", "--model", name, "--weights", weights(name), "-o", "out.json")
    done = shell(*call, "--json")
    assert (done.code, done.err) == (0, "")
    said = json.loads(done.out)
    refined = read("out.json")
    count = sum(int((track.source == Source.REFINED).sum()) for track in refined.tracks)
    assert said["model"] == name
    assert said["keypoints"] == count > 200
    assert said["starts"] == (2 if name in RECURRENT else None)
    assert said["crops"] >= 18


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("name", MODELS)
def test_each_model_estimates_in_the_boxes_of_a_file(name: str, shell: Shell) -> None:
    """A person set every second pose of the first track: these stay, all others are found."""
    truth = read("truth.json")
    kept = [np.arange(len(track)) % 2 == (0 if n == 0 else 2) for n, track in enumerate(truth.tracks)]
    half = tuple(
        Track.make(t.id, t.frames, np.where(mine[:, None, None], t.xy, np.nan), boxes=t.boxes)
        for t, mine in zip(truth.tracks, kept, strict=True)
    )
    write(replace(truth, tracks=half), "half.json")
    done = shell("estimate", "video.mp4", "half.json", "--model", weights(name), "-o", "out.json", "--json")
    assert (done.code, done.err) == (0, "")
    found = read("out.json").tracks
    count = sum(int((track.source == Source.DETECTED).sum()) for track in found)
    assert json.loads(done.out)["keypoints"] == count > 200
    for before, mine, after in zip(truth.tracks, kept, found, strict=True):
        assert after.labelled.any(axis=1).all()
        assert after.xy[mine].tobytes() == before.xy[mine].tobytes()
        assert np.array_equal(after.by_person.any(axis=1), mine)


@pytest.mark.usefixtures("here")
def test_where_a_person_set_everything_nothing_is_estimated(shell: Shell) -> None:
    done = shell("estimate", "video.mp4", "truth.json", "--model", weights("dcpose"), "-o", "out.json", "--json")
    assert (done.code, done.err) == (0, f"pwarp: nothing to estimate: {ALL_SET}\n")
    assert json.loads(done.out)["keypoints"] == 0


@pytest.mark.usefixtures("here")
def test_boxes_without_ids_are_looked_at_one_by_one_and_that_is_said(shell: Shell) -> None:
    count = len(read("boxes.json").tracks)
    done = shell("estimate", "video.mp4", "boxes.json", "--model", weights("dkd"), "-o", "out.json")
    assert done.code == 0
    assert done.err == (
        f"pwarp: {count} poses or boxes have no track id: each is looked at by itself; "
        "'pwarp track' finds out who is who\n"
    )
    assert all(track.labelled.any() for track in read("out.json").tracks)
    assert b"poses of 17 keypoints by dkd.safetensors in 9 frames" in done.out


@pytest.mark.usefixtures("here")
def test_scales_mirror_and_starting_anew_change_what_is_said(shell: Shell) -> None:
    found = {}
    for name, more in {
        "plain": (),
        "scales": ("--scales", "0.8,1,1.2"),
        "flip": ("--flip",),
        "every": ("--every", 1),
    }.items():
        out = f"{name}.json"
        done = shell("refine", "video.mp4", "dense.json", "--weights", weights("ppn"), *more, "-o", out, "-q")
        assert (done.code, done.err) == (0, "")
        found[name] = read(out).tracks[0].xy
    for name in ("scales", "flip", "every"):
        assert (np.nan_to_num(found[name]) != np.nan_to_num(found["plain"])).any()


@pytest.mark.usefixtures("here")
def test_what_does_not_fit_is_refused_in_one_line(shell: Shell) -> None:
    names = read("truth.json").skeleton.keypoints
    estimator = configure("toy", keypoints=len(names))
    card = Card(model=estimator, skeleton=read("truth.json").skeleton, codec=Codec("dark", (48, 64)))
    save("toy.safetensors", build(estimator), card)
    for call, said in (
        (("refine", "dense.json", "--weights", "toy.safetensors"), "'toy', which looks at single frames: use it with"),
        (("refine", "dense.json", "--weights", weights("dkd"), "--offsets", "-1..1"), "takes no offsets; leave them"),
        (("refine", "dense.json", "--weights", weights("glpose"), "--every", 3), "never starts anew; leave --every"),
        (("refine", "dense.json", "--weights", weights("dkd"), "--model", "ppn"), "holds 'dkd', not 'ppn'"),
        (("estimate", "truth.json", "--model", "toy.safetensors", "--every", 3), "never starts anew; leave --every"),
        (
            ("estimate", "truth.json", "--model", weights("ppn"), "--precision", "bf16"),
            "'ppn' runs in fp32 only; leave --precision out",
        ),
    ):
        done = shell(call[0], "video.mp4", *call[1:], "-o", "out.json")
        assert (done.code, done.err.count("\n")) == (1, 1)
        assert said in done.err
    for scales, said in (("a,b", "is no list of scales"), ("0", "give different ones from"), ("1,1", "give different")):
        done = shell("refine", "video.mp4", "dense.json", "--weights", "w", "--scales", scales, "-o", "o.json")
        assert done.code == 2 and said in done.err
    backwards = shell("refine", "video.mp4", "dense.json", "--weights", "w", "--offsets", "3..-3", "-o", "o.json")
    assert backwards.code == 2 and "'3..-3' is no range of frames; write -3..3" in backwards.err
    done = shell("estimate", "video.mp4", "truth.json", "--model", "ppn", "-o", "o.json")
    assert done.code == 2 and "--model ppn: is a kind of network; give a checkpoint of one" in done.err
    assert not Path("out.json").exists()


@pytest.mark.usefixtures("here")
def test_a_refinement_of_nothing_says_why(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    refine = ("refine", "video.mp4", "truth.json", "--force", "-o", "out.json", "--weights")
    done = shell(*refine, weights("dcpose"), "--json")
    assert done.err == f"pwarp: nothing to refine: {ALL_SET}\n"
    assert json.loads(done.out)["crops"] == 0
    labels = read("dense.json")
    seen = [replace(t, source=np.where(t.labelled, Source.DETECTED, Source.NONE)) for t in labels.tracks]
    formats.write(replace(labels, tracks=tuple(seen)), Path("seen.json"))
    echoes = shell("refine", "video.mp4", "seen.json", "-o", "e.json", "--weights", weights("dkd"), "--every", 1).err
    assert "nothing to refine: dkd gives the pose of a track's first frame back as it is" in echoes
    for number, views in enumerate((["--flip"], ["--scales", "0.8,1"])):
        again = ("refine", "video.mp4", "seen.json", "-o", f"e{number}.json", "--weights", weights("dkd"), "--every", 1)
        assert shell(*again, *views).err == echoes
    unsure = ("refine", "video.mp4", "seen.json", "-o", "u.json", "--weights", weights("dcpose"), "--min-score", 1e9)
    why = "nothing to refine: no keypoint scores --min-score\n"
    with monkeypatch.context() as while_interrupted:
        while_interrupted.setattr(formats, "write", interrupted)
        assert shell(*unsure).code == 130
    assert why in shell(*unsure, "--resume").err
    assert why in shell(*unsure, "--force").err


def interrupted(*_: Any, **__: Any) -> None:
    raise KeyboardInterrupt


@pytest.mark.usefixtures("here")
def test_an_estimation_of_nothing_says_why(shell: Shell) -> None:
    estimate = ("estimate", "video.mp4", "truth.json", "--model", weights("dcpose"), "--force", "-o", "out.json")
    assert f"pwarp: nothing to estimate: {ALL_SET}" in shell(*estimate).err
    unsure = ("estimate", "video.mp4", "boxes.json", "--model", weights("dcpose"), "-o", "u.json", "--min-score", 1e9)
    assert "nothing to estimate: no keypoint scores --min-score\n" in shell(*unsure).err


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("ppn", ["BodyNet", "PPU", "sum"]),
        ("dkd", ["dkd", "initialiser alone"]),
        ("dcpose", ["dcpose", "toy alone"]),
        ("posewarper", ["posewarper", "toy alone"]),
        ("glpose", ["glpose"]),
        ("toy", ["heatmaps"]),
    ],
)
def test_a_sheet_of_what_each_network_sees(name: str, parts: list[str], shell: Shell) -> None:
    truth = read("truth.json")
    if name == "toy":
        config = configure("toy", keypoints=17)
        save("toy.safetensors", build(config), Card(config, truth.skeleton, Codec("dark", (48, 64))))
    file = "toy.safetensors" if name == "toy" else weights(name)
    only = ("--at", 4, "--keypoint", "nose", "--keypoint", "left_knee")
    done = shell("view", "video.mp4", "truth.json", "-o", "s.png", "--heatmaps", "--weights", file, *only, "--json")
    assert (done.code, done.err) == (0, "")
    said = json.loads(done.out)
    assert said["parts"] == parts
    assert said["keypoints"] == ["nose", "left_knee"]
    assert said["shown"] == [[4, track.id] for track in truth.tracks]
    tried = shell(
        "view", "video.mp4", "truth.json", "-o", "t.png", "--heatmaps", "--weights", file, *only, "--json", "--dry-run"
    )
    assert json.loads(tried.out) == {
        "output": "t.png",
        "written": False,
        **{name: said[name] for name in ("model", "shown", "keypoints")},
    }
    with Image.open("s.png") as picture:
        assert picture.width == 6 + 3 * (96 + 6)  # a crop of 48 x 64 and two keypoints, 128 pixels high
        assert picture.height > 2 * len(parts) * 128


@pytest.mark.usefixtures("here")
def test_what_goes_with_a_sheet_of_heatmaps_and_what_does_not(shell: Shell) -> None:
    file = toy_checkpoint(read("truth.json").skeleton.keypoints)
    sheet = ("view", "video.mp4", "truth.json", "-o", "s.png")
    for more, said in (
        (("--heatmaps",), "--heatmaps needs --weights"),
        (("--heatmaps", "--weights", file, "--offsets"), "--offsets does not go with --heatmaps"),
        (("--heatmaps", "--weights", file, "--delta", 2), "--delta does not go with --heatmaps"),
        (("--heatmaps", "--weights", file, "--names"), "--names does not go with --heatmaps"),
        (("--heatmaps", "--weights", file, "--at", 1, "--frames", 2), "leave out --frames"),
        (("--keypoint", "nose"), "--keypoint goes with --heatmaps"),
        (("--offsets", "--weights", file, "--keypoint", "nose"), "--keypoint does not go with --offsets"),
    ):
        done = shell(*sheet, *more)
        assert done.code == 2
        assert said in done.err
    for more, said in (
        (("--keypoint", "tail"), "toy.safetensors knows no keypoint 'tail'; it knows nose"),
        (("--at", 40), "nobody to look at in frame 40, but from frame 0 to "),
        (("--at", 0, "--at", 40, "--at", 2, "--at", 39, "--dry-run"), "nobody to look at in frames 39, 40, but from"),
    ):
        done = shell(*sheet, "--heatmaps", "--weights", file, *more)
        assert (done.code, done.err.count("\n")) == (1, 1)
        assert said in done.err
    assert not Path("s.png").exists()
    done = shell(*sheet, "--heatmaps", "--weights", file, "--frames", 3, "--dry-run")
    assert b"would hold 17 keypoints of 3 people and frames" in done.out
    assert not Path("s.png").exists()
