"""A folder of labels is taken for what it holds, whatever pwarp itself has put beside the labels."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Outcome

from pwarp import batch
from pwarp.errors import PwarpError
from pwarp.formats.folder import RUN_MANIFEST, label_files
from pwarp.synthetic import Scene, SceneConfig, write_scene
from pwarp.training.sources import Places, find_clips

Shell = Callable[..., Outcome]


def test_what_pwarp_puts_beside_labels_is_no_label_file(tmp_path: Path) -> None:
    for name in (
        RUN_MANIFEST, "b.json", "a.XML", "c.jsonl", "a.vertices.json", ".d.json", "e.json.partial", "f.mp4", "g.mat",
    ):  # fmt: skip
        (tmp_path / name).write_bytes(b"")
    assert [path.name for path in label_files(tmp_path)] == ["a.XML", "b.json", "c.jsonl", "g.mat"]
    assert RUN_MANIFEST == batch.manifest.NAME


def test_a_folder_without_labels_is_refused(tmp_path: Path) -> None:
    (tmp_path / RUN_MANIFEST).write_bytes(b"")
    with pytest.raises(PwarpError, match=r"no label file \(\.csv, .*\.json, .*\) in this folder"):
        label_files(tmp_path)


def test_a_link_that_leads_out_is_refused(tmp_path: Path) -> None:
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels/a.json").symlink_to(tmp_path / "secret.json")
    (tmp_path / "secret.json").write_bytes(b"{}")
    with pytest.raises(PwarpError, match="leads out of its folder"):
        label_files(tmp_path / "labels")


def test_what_run_writes_can_be_joined_measured_and_trained_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shell: Shell
) -> None:
    monkeypatch.chdir(tmp_path)
    write_scene(Scene(SceneConfig(seed=4, frames=7, width=64, height=48, people=1, samples=1)), Path("clip"), every=3)
    for folder, source in (("videos", "video.mp4"), ("keys", "keys.json"), ("truth", "truth.json")):
        Path(folder).mkdir()
        for name in ("ape", "bee"):
            shutil.copy(Path("clip") / source, Path(folder) / f"{name}{Path(source).suffix}")
    assert shell("run", "videos", "--labels", "keys", "--out", "dense", "--engine", "linear").code == 0
    assert (tmp_path / "dense" / RUN_MANIFEST).exists()
    joined = shell("augment", "keys", "dense", "-o", "train", "--json")
    assert (joined.code, json.loads(joined.out)["videos"]) == (0, 2)
    measured = shell("eval", "dense", "truth", "--json")
    assert json.loads(measured.out)["predictions"][0]["videos"]["matched"] == ["ape", "bee"]
    clips, missing = find_clips(Places(("dense",), videos=Path("videos")))
    assert (len(clips), missing) == (2, 0)
