"""The examples run as they stand, and what goes to a tool and back loses nothing that a person set."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pwarp import formats

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
