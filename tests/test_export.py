"""Exported networks compute in onnxruntime what they compute in torch, and say themselves what they mean."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from conftest import Outcome
from torch import nn

from pwarp import checkpoints
from pwarp.annotations import Source
from pwarp.checkpoints import Card
from pwarp.errors import PwarpError
from pwarp.estimation import open_estimator
from pwarp.export import export
from pwarp.following.exported import open_exported, warp_file
from pwarp.formats import read
from pwarp.heatmaps import Codec
from pwarp.models import build, configure
from pwarp.propagation import Options, propagate
from pwarp.skeleton import Skeleton
from pwarp.synthetic import Scene, SceneConfig, write_scene
from pwarp.video import open_video

SIZE = (32, 64)
SKELETON = Skeleton("quadruped", ("nose", "left_paw", "right_paw"), flip_pairs=((1, 2),))
SMALL = {"name": "duc-r18", "keypoints": 3, "widths": [16, 16, 8]}


def checkpoint(path: Path, name: str, **options: object) -> nn.Module:
    torch.manual_seed(2)
    config = configure(name, **options)
    network = build(config).eval()
    for value in network.parameters():  # none is left as it began, or a fresh warper would only copy
        value.data += 0.02 * torch.randn_like(value)
    codec = Codec("dark", SIZE, 4, 1.5)
    card = Card(config, SKELETON, codec, padding=1.1, mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7))
    checkpoints.save(path, network, card)
    return network


@pytest.mark.parametrize("name", ["duc-r18", "duc-mobilenet", "simple-r18"])
def test_an_exported_estimator_is_the_estimator(name: str, tmp_path: Path) -> None:
    checkpoint(tmp_path / "a.safetensors", name, keypoints=3)
    (exported,) = export(tmp_path / "a.safetensors", tmp_path / "a.onnx")
    assert exported.path == tmp_path / "a.onnx"
    assert exported.difference < 1e-4
    own, other = open_estimator(tmp_path / "a.safetensors"), open_estimator(f"onnx:{tmp_path / 'a.onnx'}")
    assert (other.skeleton, other.codec, other.padding) == (own.skeleton, own.codec, own.padding)
    crops = np.random.default_rng(1).integers(256, size=(5, 64, 32, 3), dtype=np.uint8)
    torch.testing.assert_close(other.heatmaps(crops), own.heatmaps(crops), atol=1e-4, rtol=1e-4)


def test_a_warper_is_two_files(tmp_path: Path) -> None:
    network = checkpoint(tmp_path / "w.safetensors", "posewarper", backbone=configure(**SMALL), channels=8, blocks=2)
    exported = export(tmp_path / "w.safetensors", tmp_path / "w.onnx")
    assert [one.path for one in exported] == [tmp_path / "w.onnx", warp_file(tmp_path / "w.onnx")]
    session = onnxruntime.InferenceSession(tmp_path / "w.warp.onnx")
    labels, to, from_ = torch.randn(3, 4, 3, 16, 8)
    feeds = {"heatmaps": labels.numpy(), "to_features": to.numpy(), "from_features": from_.numpy()}
    with torch.no_grad():
        expected = network.warp(labels, to, from_)
        assert not torch.allclose(expected, labels, atol=1e-2)
    np.testing.assert_allclose(session.run(None, feeds)[0], expected, atol=1e-4)


def test_what_cannot_be_exported_leaves_nothing(tmp_path: Path) -> None:
    small = configure(**SMALL)
    checkpoint(tmp_path / "p.safetensors", "ppn", head=small, body=small)
    with pytest.raises(PwarpError, match=r"holds 'ppn'; only estimators and posewarper"):
        export(tmp_path / "p.safetensors", tmp_path / "p.onnx")
    checkpoint(tmp_path / "w.safetensors", "posewarper", backbone=small, channels=8, blocks=2)
    (tmp_path / "w.warp.onnx").write_text("an older one")
    with pytest.raises(PwarpError, match=r"w\.warp\.onnx: exists"):
        export(tmp_path / "w.safetensors", tmp_path / "w.onnx")
    assert (tmp_path / "w.warp.onnx").read_text() == "an older one"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["p.safetensors", "w.safetensors", "w.warp.onnx"]


def test_the_command(tmp_path: Path, shell: Callable[..., Outcome]) -> None:
    checkpoint(tmp_path / "a.safetensors", "duc-r18", keypoints=3, widths=[16, 16, 8])
    source, target = str(tmp_path / "a.safetensors"), tmp_path / "a.onnx"
    assert not target.exists()
    done: Outcome = shell("export", source, "-o", str(target), "--dry-run")
    assert (done.code, target.exists()) == (0, False)
    assert shell("export", source, "-o", str(target)).code == 0
    again: Outcome = shell("export", source, "-o", str(target))
    assert (again.code, "exists" in again.err) == (1, True)
    small = configure(**SMALL)
    checkpoint(tmp_path / "p.safetensors", "ppn", head=small, body=small)
    for more in ([], ["--dry-run"]):
        none: Outcome = shell("export", str(tmp_path / "p.safetensors"), "-o", str(tmp_path / "p.onnx"), *more)
        assert (none.code, none.out, "holds 'ppn'; only estimators and posewarper" in none.err) == (1, b"", True)
    wrong: Outcome = shell("export", source, "-o", str(tmp_path / "a.pt"))
    assert (wrong.code, ".onnx" in wrong.err) == (2, True)


def test_the_summary_is_one_object_of_all_files(tmp_path: Path, shell: Callable[..., Outcome]) -> None:
    checkpoint(tmp_path / "w.safetensors", "posewarper", backbone=configure(**SMALL), channels=8, blocks=2)
    target = tmp_path / "w.onnx"
    tried, done = (
        json.loads(shell("export", tmp_path / "w.safetensors", "-o", target, "--json", *more).out)
        for more in (["--dry-run"], [])
    )
    files = [str(target), str(warp_file(target))]
    assert [one["path"] for one in tried["files"]] == [one["path"] for one in done["files"]] == files
    assert all(one["difference"] < 1e-4 for one in done["files"])
    assert {(one["output"], one["model"]) for one in (tried, done)} == {(str(target), "posewarper")}
    assert tried["written"] is False


def test_an_exported_warper_propagates_as_the_checkpoint_does(tmp_path: Path) -> None:
    checkpoint(tmp_path / "w.safetensors", "posewarper", backbone=configure(**SMALL), channels=8, blocks=2)
    export(tmp_path / "w.safetensors", tmp_path / "w.onnx")
    write_scene(Scene(SceneConfig(seed=3, frames=9, width=96, height=72, people=1, samples=1)), tmp_path, every=8)
    found = []
    with open_video(tmp_path / "video.mp4") as video:
        people = read(tmp_path / "keys.json", video=video)
        names = dict(zip(people.skeleton.keypoints, SKELETON.keypoints, strict=False))  # the network knows these three
        skeleton = Skeleton("cat", tuple(names.get(name, name) for name in people.skeleton.keypoints))
        keys = replace(people, skeleton=skeleton)
        for weights in ("w.safetensors", "onnx:w.onnx"):
            place = Path(weights.replace("w.", f"{tmp_path}/w."))
            with pytest.warns(UserWarning, match="does not know 14 of 17"):
                found.append(propagate(video, keys, Options("posewarper", settings={"weights": place})).tracks[0])
    np.testing.assert_allclose(found[0].xy[:, :3], found[1].xy[:, :3], atol=0.01)
    assert (found[0].source[:, :3] == Source.PROPAGATED).any()


@pytest.mark.parametrize(("broken", "message"), [("w.warp.onnx", "no such file"), ("other", "not the export of one")])
def test_halves_that_do_not_belong_together_are_refused(broken: str, message: str, tmp_path: Path) -> None:
    small = configure(**SMALL)
    checkpoint(tmp_path / "w.safetensors", "posewarper", backbone=small, channels=8, blocks=2)
    export(tmp_path / "w.safetensors", tmp_path / "w.onnx")
    (tmp_path / "w.warp.onnx").unlink()
    if broken == "other":
        checkpoint(tmp_path / "v.safetensors", "posewarper", backbone=small, channels=8, blocks=1)
        export(tmp_path / "v.safetensors", tmp_path / "v.onnx")
        (tmp_path / "v.warp.onnx").rename(tmp_path / "w.warp.onnx")
    with pytest.raises(PwarpError, match=message):
        open_exported(tmp_path / "w.onnx")
