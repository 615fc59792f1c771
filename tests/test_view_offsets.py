"""`pwarp view --offsets`: the regression from offsets to motion, the sheet, and what is refused."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pwarp_cli.main import run
from toy_warper import toy_checkpoint

from pwarp import formats
from pwarp.annotations import Annotations, Track, VideoIdentity
from pwarp.errors import PwarpError
from pwarp.review.offsets import Pair, places, study
from pwarp.skeleton import Skeleton
from pwarp.synthetic import Scene, SceneConfig, write_scene

Outcome = tuple[int, str, str]


def pair(frame: int, rng: np.random.Generator, mix: np.ndarray) -> Pair:
    """Six offset channels of which the motion of five keypoints is a linear function; the pictures say nothing."""
    offsets = rng.normal(size=(9, 7, 6)).astype(np.float32)
    here = rng.integers(0, [7, 9], (5, 2)).astype(float)
    moved = offsets[here[:, 1].astype(int), here[:, 0].astype(int)] @ mix
    crops = tuple(rng.integers(0, 256, (36, 28, 3), dtype=np.uint8) for _ in range(2))
    return Pair(frame, 1, (crops[0], crops[1]), offsets, here, moved, pixels=3.0)


def test_motion_that_lies_in_the_offsets_is_told_and_other_is_not() -> None:
    rng = np.random.default_rng(2)
    mix = rng.normal(size=(6, 2))
    measured, kept = study((pair(f, rng, mix) for f in range(40)), {(7, 1), (9, 1)})
    assert [p.frame for p in kept] == [7, 9]
    assert (measured.pairs, measured.keypoints) == (40, 200)
    assert measured.learned.r2 > 0.99
    assert measured.flow.r2 < 0.2
    np.testing.assert_allclose(measured.weights[:-1], mix, atol=0.05)
    strangers, _ = study((pair(f, rng, rng.normal(size=(6, 2))) for f in range(40)), set())
    assert strangers.learned.r2 < 0.3
    assert strangers.still.error == pytest.approx(strangers.learned.error, rel=0.2)


def test_a_keypoint_that_is_not_labelled_or_not_in_the_window_does_not_count() -> None:
    rng = np.random.default_rng(2)
    seen = [pair(f, rng, rng.normal(size=(6, 2))) for f in range(40)]
    for one in seen:
        one.moved[0], one.here[1] = np.nan, (-3, 4)
    assert study(seen, set())[0].keypoints == 120
    with pytest.raises(PwarpError, match="too few for a regression"):
        study(seen[:4], set())


@pytest.fixture
def view(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Runs `pwarp view` beside video.mp4 and truth.json."""
    scene = Scene(SceneConfig(seed=4, frames=14, width=112, height=84, samples=1))
    write_scene(scene, tmp_path)
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["pwarp", "view", "video.mp4", "truth.json", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            run()
        out, err = capsys.readouterr()
        return int(end.value.code or 0), out, err

    return call


def test_the_sheet_and_what_it_says(view: Callable[..., Outcome]) -> None:
    truth = formats.read("truth.json")
    weights = toy_checkpoint(truth.skeleton.keypoints, 0.3)
    sheet = ("-o", "motion.png", "--offsets", "--weights", weights, "--frames", 3, "--delta", 2, "--json")
    tried = json.loads(view(*sheet, "--dry-run")[1])
    code, out, err = view(*sheet)
    assert (code, err) == (0, "")
    values = json.loads(out)
    assert tried == {name: values[name] for name in ("output", "delta", "pairs", "shown")} | {"written": False}
    assert len(values["shown"]) == 3
    assert values["pairs"] == len(places(truth, 2))
    assert all(np.isfinite(values[name]["r2"]) for name in ("learned", "flow", "fitted_flow", "still"))
    with Image.open("motion.png") as picture:
        width, height = picture.size
    assert width == 6 + 7 * (144 + 6)  # seven panels of crops 48 x 64, 192 pixels high
    assert height > 3 * 192


def test_what_does_not_go_together_is_refused(view: Callable[..., Outcome]) -> None:
    for arguments, said in (
        (("-o", "m.png", "--offsets"), "--offsets needs --weights"),
        (("-o", "m.png", "--delta", 3), "go with --offsets"),
        (("-o", "m.mp4", "--offsets", "--weights", "w"), "end the output in .png"),
        (("-o", "m.png", "--offsets", "--weights", "w", "--names"), "--names does not go with --offsets"),
        (("-o", "m.png", "--offsets", "--weights", "w", "--at", 1, "--frames", 2), "leave out --frames"),
    ):
        code, _, err = view(*arguments)
        assert code == 2
        assert said in err
    code, _, err = view("-o", "m.png", "--offsets", "--weights", "w.safetensors")
    assert (code, err) == (1, "pwarp: w.safetensors: no such file; check the path\n")
    weights = toy_checkpoint(formats.read("truth.json").skeleton.keypoints)
    code, _, err = view("-o", "m.png", "--offsets", "--weights", weights, "--at", 3, "--at", 12)
    assert (code, err) == (1, "pwarp: nobody to look at in frame 12, but from frame 0 to 10; mend --at\n")
    assert not Path("m.png").exists()


def test_a_frame_that_is_asked_for_is_among_those_of_a_long_video() -> None:
    frames = np.arange(1000)
    track = Track.make(1, frames, np.zeros((1000, 2, 2)))
    long = Annotations(Skeleton("pair", ("a", "b")), VideoIdentity(), (track,))
    spread = [frame for frame, _ in places(long, 3)]
    assert (len(spread), 1 in spread) == (600, False)
    assert {*spread, 1} == {frame for frame, _ in places(long, 3, at=(1,))}
