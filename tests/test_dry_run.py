"""--dry-run refuses what the command itself refuses, in the same words, and neither of the two leaves anything."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import Outcome
from toy_models import toy_model_file
from writing_commands import files

from pwarp import formats
from pwarp.skeleton import COCO_17, Skeleton

REFUSED = {
    "estimate, a window that starts anew": "estimate video.mp4 people.json -o new.json --model warper.safetensors "
    "--every 5",
    "estimate, scales": "estimate video.mp4 people.json -o new.json --model hrnet.safetensors --scales 9,nan",
    "estimate, scales over time": "estimate video.mp4 people.json -o new.json --model ppn.safetensors --scales 9",
    "estimate, other keypoints": "estimate video.mp4 cow.json -o new.json --model ppn.safetensors",
    "refine, a window that starts anew": "refine video.mp4 poses.json -o new.json --weights warper.safetensors "
    "--every 3",
    "refine, frames that do not suit": "refine video.mp4 poses.json -o new.json --weights dcpose.safetensors "
    "--offsets -3..3",
    "view, a frame that is not there": "view video.mp4 dense.json -o new.png --at 999",
    "view, nothing to doubt": "view video.mp4 keys.json -o new.png --worst",
    "view, a sheet too large": "view video.mp4 dense.json -o new.png --columns 1 --width 7680 --at 0 --at 1 --at 2 "
    "--at 3",
    "propagate, no estimator": "propagate video.mp4 keys.json -o new.json --estimator nope.safetensors",
    "propagate, an estimator of other keypoints": "propagate video.mp4 cow.json -o new.json --estimator "
    "hrnet.safetensors",
    "propagate, no network": "propagate video.mp4 keys.json -o new.json --engine posewarper --weights nope.safetensors",
    "propagate, another network": "propagate video.mp4 keys.json -o new.json --engine posewarper --weights "
    "ppn.safetensors",
    "propagate, no mirror": "propagate video.mp4 cow.json -o new.json --engine posewarper --adapt --flip",
    "propagate, nothing to begin with": "propagate video.mp4 keys.json -o new.json --engine posewarper --adapt --init "
    "nope.safetensors",
    "study, nothing to hide": "study video.mp4 two.json -o new.json --engines linear",
    "augment, no such format": "augment keys.json dense.json -o new.foo",
    "augment, other keypoints": "augment keys.json cow.json -o new.json",
    "augment, another video": "augment keys.json longer.json -o new.json",
    "augment, folders": "augment mixed dense -o new",
    "train, a file in the way": "train estimator keys.json -o dense.json --steps 1",
    "train, a file above": "train estimator keys.json -o dense.json/new --steps 1",
    "synth, a file in the way": "synth -o keys.json --frames 2 --size 64x64",
    "run, a file in the way": "run videos --labels keys --out keys.json --engine linear",
    "run, no folder for the log": "run videos --labels keys --out new --engine linear --log nosuch/x.jsonl",
    "refine, other keypoints": "refine video.mp4 cow.json -o new.json --weights ppn.safetensors",
}


@pytest.fixture
def here(own_examples: Path) -> Path:
    """The examples, with labels of another skeleton and a network for a window of its own."""
    labels = formats.read("keys.json")
    formats.write(replace(labels, tracks=tuple(t.rows(t.frames < 6) for t in labels.tracks)), "two.json")
    formats.write(replace(labels, video=replace(labels.video, frame_count=99)), "longer.json")
    cow = Skeleton("cow", tuple(f"joint {number}" for number in range(17)))
    formats.write(replace(labels, skeleton=cow), "cow.json")
    Path("mixed").mkdir()
    shutil.copy("keys/a.json", "mixed/a.json")
    of_b = formats.read("keys/b.json")
    formats.write(replace(of_b, skeleton=cow), "mixed/b.json")
    for name in ("dcpose", "dkd"):
        shutil.copy(toy_model_file(name, COCO_17.keypoints), f"{name}.safetensors")
    return own_examples


@pytest.mark.parametrize("line", REFUSED.values(), ids=REFUSED)
def test_a_dry_run_refuses_what_the_command_refuses(line: str, here: Path, shell: Callable[..., Outcome]) -> None:
    before = files(here)
    dry, real = (shell(*line.split(), *more) for more in (["--dry-run"], []))
    assert real.code in (1, 2) and dry == real
    assert len(real.err.splitlines()) == 1 or real.code == 2
    assert files(here) == before


@pytest.mark.usefixtures("here")
def test_a_dry_run_names_the_frames_of_a_sheet(shell: Callable[..., Outcome]) -> None:
    done = shell("view", "video.mp4", "dense.json", "-o", "new.png", "--frames", "2", "--dry-run")
    assert (done.code, done.out) == (
        0,
        b"new.png: would hold a sheet of 2 tracks, frames 0, 12; nothing written (--dry-run)\n",
    )
