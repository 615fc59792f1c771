"""The examples run as they stand, and what goes to a tool and back loses nothing that a person set."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pwarp import formats
from pwarp.annotations import Source
from pwarp.synthetic import Scene, SceneConfig, write_scene

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize(
    ("tool", "keys", "dense"), [("cvat", "keys.xml", "dense.xml"), ("label_studio", "task.json", "dense.json")]
)
def test_a_round_trip_keeps_what_a_person_set(tmp_path: Path, tool: str, keys: str, dense: str) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    done = subprocess.run(
        ["sh", str(ROOT / "examples" / f"{tool}_round_trip.sh"), str(tmp_path)],
        env=os.environ | {"PATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr
    assert "fits         nothing that the labels say of the video is otherwise" in done.stdout
    (before,), (after,) = (formats.read(tmp_path / name).tracks for name in ("keys.json", "back.json"))
    assert after.frames.tolist() == before.frames.tolist()
    assert np.array_equal(after.visibility, before.visibility)
    assert np.nanmax(np.abs(after.xy - before.xy)) <= 0.005 + 1e-9
    assert formats.read(tmp_path / keys).video.frame_count == 20
    (thinned,) = formats.read(tmp_path / dense).tracks
    assert set(before.frames) <= set(thinned.frames) and len(thinned) < 15
    assert "poses between key frames" in done.stderr


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Three videos: one that is labelled, without track ids, one that is not, and one that is none."""
    write_scene(Scene(SceneConfig(seed=4, frames=9, width=96, height=72, samples=1, camera=False)), tmp_path, every=4)
    for name in ("videos", "keys", "truth"):
        (tmp_path / name).mkdir()
    keys = json.loads((tmp_path / "keys.json").read_text()) | {"tracks": []}
    for row in keys["annotations"]:
        del row["track_id"]
    (tmp_path / "keys/a.json").write_text(json.dumps(keys))
    shutil.copy(tmp_path / "truth.json", tmp_path / "truth/a.json")
    shutil.copy(tmp_path / "video.mp4", tmp_path / "videos/a.mp4")
    shutil.copy(tmp_path / "video.mp4", tmp_path / "videos/b.mp4")
    (tmp_path / "videos/c.mp4").write_text("no video")
    return tmp_path


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_the_pipeline_makes_what_is_missing_and_no_more(project: Path) -> None:
    def make(*options: str) -> subprocess.CompletedProcess[str]:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
        settings = ("TRUTH=truth", "DETECTOR=hog", "EVERY=4", "ENGINE=linear", "NEXT=2")
        return subprocess.run(
            ["make", "-f", str(ROOT / "examples/pipeline.mk"), *settings, *options],
            cwd=project,
            env={**os.environ, "PATH": path, "OMP_NUM_THREADS": "1", "MAKEFLAGS": ""},
            capture_output=True,
            text=True,
            timeout=900,
        )

    def planned() -> list[str]:
        return [line.split()[1] for line in make("-n").stdout.splitlines() if line.startswith("pwarp ")]

    # The spoilt video stops no other.
    done = make("-k")
    assert done.returncode == 2
    assert "pwarp: videos/c.mp4: " in done.stderr and done.stderr.count("pwarp: videos/") == 1, done.stderr
    out = project / "out"
    assert sorted(path.name for path in out.glob("people/*")) == ["a.json", "b.json"]
    people = formats.read(out / "dense/a.json").tracks
    assert [track.frames.tolist() for track in people] == [list(range(9))] * 2
    assert len((out / "next/a.txt").read_text().split()) == 2
    assert "torso" in (out / "report.md").read_text()
    assert (out / "findings/a.jsonl").exists() and (out / "review/a.html").stat().st_size > 10_000
    (project / "videos/c.mp4").unlink()
    assert make("-q").returncode == 0 and planned() == []
    # As after an interruption, and as after more labels.
    (out / "next/a.txt").unlink()
    assert planned() == ["suggest"]
    newer = (out / "report.md").stat().st_mtime + 5
    os.utime(project / "keys/a.json", (newer, newer))
    assert sorted(planned()) == ["check", "eval", "propagate", "review", "suggest", "track"]


def test_from_a_raw_video_to_refined_poses(tmp_path: Path) -> None:
    """With clips of three frames and a step or two, which teach nothing: every command goes on from the one before."""
    for number in range(3):
        scene = SceneConfig(seed=7 + number, frames=3, width=96, height=72, samples=1)
        write_scene(Scene(scene), tmp_path / "clips" / str(number))
    # All that the detector needs to find somebody.
    scene = SceneConfig(frames=4, samples=1, motions=("walk",))
    write_scene(Scene(scene), tmp_path / "demo")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    done = subprocess.run(
        ["sh", str(ROOT / "examples/refine.sh"), str(tmp_path)],
        env=os.environ | {"PATH": path, "OMP_NUM_THREADS": "1", "STEPS": "2", "DETECTOR": "hog"},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr
    assert "poses.json  refined.json" in done.stdout and "Jitter" in done.stdout
    found, refined = (formats.read(tmp_path / name).tracks for name in ("poses.json", "refined.json"))
    assert len(found) >= 1 and [len(track) for track in found] == [len(track) for track in refined]
    assert {source for track in refined for source in track.source.ravel()} == {Source.REFINED}
    assert (tmp_path / "overlay.mp4").stat().st_size > 1000
