"""`pwarp study` and the calibration that it writes: on motion whose errors are known by hand."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numbered_clips import make_clip
from pwarp_cli.main import run

from pwarp import formats
from pwarp.annotations import Annotations, Replaced, Source, Track
from pwarp.errors import PwarpError
from pwarp.evaluation.calibration import expected_calibration_error, reliability
from pwarp.propagation import Options, propagate
from pwarp.propagation.scores import Calibration, ScoreMap, read_calibration, told_apart, write_calibration
from pwarp.skeleton import Skeleton
from pwarp.trust.calibrate import isotonic
from pwarp.trust.hide import default_strides, rounds
from pwarp.trust.spacing import Level, Spacing, levels, recommended
from pwarp.trust.study import study
from pwarp.trust.target import parse_target
from pwarp.video import Video, open_video

BIRD = Skeleton("bird", ("beak", "tail", "wing"), edges=((0, 1), (1, 2)))
KEYS = np.arange(0, 33, 4)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("study") / "video.mp4", count=33)


@pytest.fixture
def video(clip: Path) -> Video:
    return open_video(clip)


def labels() -> Annotations:
    """Key frames every 4: beak and tail stand still 50 px apart, the wing beats: 0 and 10 px up, from key to key."""
    xy = np.zeros((len(KEYS), 3, 2)) + np.array([[20.0, 40.0], [70.0, 40.0], [45.0, 40.0]])
    xy[1::2, 2, 1] -= 10
    return Annotations(BIRD, tracks=(Track.make(6, KEYS, xy),))


def test_what_is_hidden_by_hand() -> None:
    found = list(rounds(labels(), [2, 4]))
    assert [one.stride for one in found] == [2, 2, 4, 4]
    hidden = [one.hidden[6].tolist() for one in found]
    assert hidden[0] == [4, 12, 20, 28]
    assert hidden[1] == [8, 16, 24]
    assert hidden[2] == [4, 8, 12, 20, 24, 28]
    assert hidden[3] == [4, 12, 16, 20, 28]
    assert found[1].gaps[6].tolist() == [8, 8, 8]
    assert found[3].gaps[6].tolist() == [8, 16, 16, 16, 8]
    for one in found:
        assert sorted([*one.hidden[6], *one.kept.tracks[0].frames]) == KEYS.tolist()


def test_what_both_rounds_of_a_stride_hide_alike_counts_once() -> None:
    track = labels().tracks[0]
    few = Track.make(7, track.frames[:3], track.xy[:3])
    found = list(rounds(Annotations(BIRD, tracks=(track, few)), [4]))
    assert [7 in one.hidden for one in found] == [True, False]
    assert all(4 not in one.kept.track(7).frames for one in found)
    assert len(list(rounds(Annotations(BIRD, tracks=(few,)), [7]))) == 1


def test_nothing_is_hidden_beside_an_absence() -> None:
    track = labels().tracks[0]
    away = Track.make(6, track.frames, track.xy, absent=[(13, 15)])
    found = list(rounds(Annotations(BIRD, tracks=(away,)), [2]))
    assert [one.hidden[6].tolist() for one in found] == [[4, 20, 28], [8, 24]]
    assert found[0].gaps[6].tolist() == [8, 8, 8]


def test_default_strides() -> None:
    assert default_strides(labels()) == (2, 4)
    with pytest.raises(PwarpError, match="no track has three; label one more frame"):
        default_strides(Annotations(BIRD, tracks=(labels().tracks[0].rows(np.array([0, 1])),)))


def test_errors_of_linear_interpolation_by_hand(video: Video) -> None:
    """Hidden from both neighbours, the wing is 10 px off; from the key frames two apart, it is right."""
    goal = parse_target("torso:beak-tail@0.1:0.95", BIRD)
    result = study(video, labels(), goal, engines=["linear", "copy"], strides=[2])
    evidence = result.engines["linear"]
    wing = evidence.keypoint == 2
    assert len(evidence) == 7 * 3
    assert np.allclose(evidence.px[wing], 10)
    assert np.allclose(evidence.px[~wing], 0)
    assert (evidence.scale == 50).all()
    assert (evidence.gap == 8).all()
    (level,) = levels(evidence, 0.1)
    assert (level.gap, level.poses, level.keypoints, level.missing) == (8, 7, 21, 0)
    assert level.right == level.low == level.high == pytest.approx(2 / 3)
    assert levels(evidence, 0.2)[0].right == 1
    assert result.spacing == 4
    assert result.failed == {}


def test_a_hidden_correction_is_found_like_any_other_label(video: Video) -> None:
    """What it had replaced says of the whole labels that it was corrected, and of those left that it is hidden."""
    plain = labels()
    (track,) = plain.tracks
    source = track.source.copy()
    source[3] = Source.CORRECTED
    old = [Replaced(int(KEYS[3]), k, 1.0, 2.0, 2, Source.PROPAGATED) for k in range(3)]
    gone = Replaced(5, 0, 1.0, 2.0, 2, Source.PROPAGATED)
    corrected = replace(plain, tracks=(replace(track, source=source, replaced=(*old, gone)),))
    for one in rounds(corrected, [2]):
        hidden = KEYS[3] in one.hidden[6]
        assert one.kept.track(6).replaced == ((gone,) if hidden else (*old, gone))
    target = parse_target("pixels@5:0.9", BIRD)
    before, after = (study(video, given, target, engines=["linear"]).engines["linear"] for given in (plain, corrected))
    np.testing.assert_array_equal(before.px, after.px)


def test_corrections_are_no_key_frames_that_lie_close(video: Video) -> None:
    plain = labels()
    (track,) = plain.tracks
    frames = np.sort(np.concatenate([track.frames, KEYS[1] + np.arange(1, 4), KEYS[2] + np.arange(1, 4)]))
    rows = np.searchsorted(frames, track.frames)
    xy = np.full((len(frames), 3, 2), np.nan)
    xy[:, 1], xy[rows] = 20.0, track.xy
    corrected = replace(plain, tracks=(Track.make(track.id, frames, xy),))
    target = parse_target("pixels@5:0.9", BIRD)
    assert study(video, corrected, target, engines=["linear"]).spacing == 4


def test_labels_that_nobody_gave_are_no_truth(video: Video) -> None:
    dense = propagate(video, labels(), Options("linear"))
    goal = parse_target("pixels@5:0.9", BIRD)
    one = study(video, dense, goal, engines=["linear"])
    two = study(video, labels(), goal, engines=["linear"])
    assert np.array_equal(one.engines["linear"].px, two.engines["linear"].px)


def test_an_engine_that_cannot_run_is_left_out(video: Video) -> None:
    goal = parse_target(None, BIRD)
    assert goal.text == "diag:0.4@0.1:0.95"
    result = study(video, labels(), goal, engines=["posewarper", "linear"])
    assert list(result.engines) == ["linear"]
    assert list(result.failed) == ["posewarper"]
    with pytest.raises(PwarpError, match="no engine can run here: posewarper: "):
        study(video, labels(), goal, engines=["posewarper"])


@pytest.mark.parametrize("text", ["torso", "torso:0-1", "torso:0-1@0.1", "pixels@x:0.9", "pixels@5:1", "@0.1:0.9"])
def test_bad_targets(text: str) -> None:
    with pytest.raises(PwarpError):
        parse_target(text, BIRD)


def level(gap: float, right: float) -> Level:
    return Level(2, gap, int(gap), int(gap), 10, 100, right, right, right, 1.0, 0)


def test_the_recommended_spacing_by_hand() -> None:
    measured = [level(11, 0.9), level(21, 0.7)]
    assert recommended(measured, 0.8) == Spacing(16, "measured")
    assert recommended(measured, 0.95) == Spacing(6, "below what was measured")
    assert recommended(measured, 0.7) == Spacing(21, "at least")
    # Where a wider gap seems better, the two are one.
    assert recommended([level(11, 0.8), level(21, 1.0)], 0.9) == Spacing(21, "at least")
    assert recommended([level(11, 0.0)], 0.999) == Spacing(1, "below what was measured")


# --- calibration ---


def test_isotonic_regression_makes_scores_right() -> None:
    generator = np.random.default_rng(0)
    score = generator.random(4000)
    right = generator.random(4000) < score**2
    scores = isotonic(score[:2000], right[:2000])
    before, after = (
        expected_calibration_error(reliability(s, right[2000:], 10)) for s in (score[2000:], scores(score[2000:]))
    )
    assert before > 0.14
    assert after < 0.04
    assert scores.keypoints == 2000
    assert scores(np.array([0.5]))[0] == pytest.approx(0.25, abs=0.06)


def test_beyond_what_was_seen_scores_lead_to_0_and_1() -> None:
    scores = isotonic(np.full(50, 0.5), np.arange(50) < 40)
    assert scores(np.array([0.0, 0.25, 0.5, 0.75, 1.0])) == pytest.approx([0, 41 / 104, 41 / 52, 93 / 104, 1])
    with pytest.raises(PwarpError, match="39 hidden keypoints with a score are too few"):
        isotonic(np.full(39, 0.5), np.ones(39, dtype=bool))


def test_few_keypoints_that_are_as_right_as_their_scores_say_change_little() -> None:
    """All 60 with 0.99 are right: that is no reason to say 0.96. All with 0.6 are: that is one to say more."""
    assert isotonic(np.full(60, 0.99), np.ones(60, dtype=bool))(np.array([0.99]))[0] > 0.99
    assert isotonic(np.full(60, 0.6), np.ones(60, dtype=bool))(np.array([0.6]))[0] == pytest.approx(61.2 / 62)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=40, max_size=200))
def test_a_calibration_never_falls_and_stays_in_0_to_1(pairs: list[tuple[float, bool]]) -> None:
    score, right = (np.array(column) for column in zip(*pairs, strict=True))
    mapped = isotonic(score, right)(np.linspace(0, 1, 101))
    assert (np.diff(mapped) >= -1e-12).all()
    assert mapped.min() >= 0
    assert mapped.max() <= 1


def test_a_calibration_comes_back_from_its_file(tmp_path: Path) -> None:
    scores = ScoreMap((0.1, 0.5, 0.9), (0.2, 0.2, 0.95), 77)
    write_calibration(Calibration("torso:0-1", 0.1, {"auto": scores}), tmp_path / "c.json")
    assert read_calibration(tmp_path / "c.json") == Calibration("torso:0-1", 0.1, {"auto": scores})
    assert read_calibration(tmp_path / "c.json").of("auto") == scores
    with pytest.raises(PwarpError, match="is of auto, not of 'flow'"):
        read_calibration(tmp_path / "c.json").of("flow")
    assert np.isnan(scores(np.array([np.nan]))[0])


def test_a_calibration_is_of_the_settings_that_it_was_measured_with(tmp_path: Path) -> None:
    one, moved, other = (tmp_path / name for name in ("one.onnx", "moved.onnx", "other.onnx"))
    for path, content in ((one, b"network"), (moved, b"network"), (other, b"another")):
        path.write_bytes(content)
    scores, plain = ScoreMap((0.1, 0.9), (0.2, 0.95)), ScoreMap((0.3,), (0.4,))
    made = {"auto": told_apart({"estimator": f"onnx:{one}", "batch": 4})}
    write_calibration(Calibration("torso:0-1", 0.1, {"auto": scores, "flow": plain}, made), tmp_path / "c.json")
    calibration = read_calibration(tmp_path / "c.json")
    assert calibration.of("flow") == plain
    for path in (one, moved):
        assert calibration.of("auto", {"estimator": f"onnx:{path}", "device": "cpu"}) == scores
    refused: list[dict[str, Any]] = [{}, {"estimator": f"onnx:{other}"}]
    for mine in refused:
        with pytest.raises(PwarpError, match=r"^the calibration of 'auto' is with estimator .*make one") as error:
            calibration.of("auto", mine)
        assert "\n" not in str(error.value)
    with pytest.raises(PwarpError, match=r"\(--adapt\) has no calibration; leave --calibration out"):
        calibration.of("auto", {"adapt": True})
    with pytest.raises(PwarpError, match="is with no settings, not with estimator"):
        calibration.of("flow", {"estimator": str(one)})


def test_settings_go_to_the_engines_that_know_them(video: Video, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, dict[str, object]] = {}

    def heard(video: Video, labels: Annotations, options: Options, **others: Any) -> Annotations:
        asked[options.engine] = dict(options.settings)
        return propagate(video, labels, Options("linear"), **others)

    monkeypatch.setattr("pwarp.trust.study.propagate", heard)
    mine = {"weights": Path("w.safetensors"), "batch": 2}
    goal = parse_target("pixels@6:0.9", labels().skeleton)
    found = study(video, labels(), goal, engines=("linear", "posewarper"), strides=(2,), settings=mine)
    assert asked == {"linear": {}, "posewarper": mine} == found.settings
    with pytest.raises(PwarpError, match="none of linear has a setting 'weights'"):
        study(video, labels(), goal, engines=("linear",), settings=mine)


@pytest.mark.parametrize(
    "change",
    [
        {"info": {"format": "other", "version": 1}},
        {"info": {"format": "pwarp-calibration", "version": 2}},
        {"engines": {"auto": {"score": [0.1], "right": [0.1, 0.2], "keypoints": 5}}},
        {"engines": {"auto": {"score": [0.5, 0.2], "right": [0.1, 0.2], "keypoints": 5}}},
        {"engines": {"auto": {"score": [0.2, 0.5], "right": [0.3, 0.2], "keypoints": 5}}},
        {"engines": {"auto": {"score": [0.2, 1.5], "right": [0.1, 0.2], "keypoints": 5}}},
        {"engines": {"auto": {"score": "text", "right": [0.1, 0.2], "keypoints": 5}}},
        {"engines": {"auto": {}}},
        {"engines": {"auto": {"score": [0.2], "right": [0.1], "keypoints": 10**30}}},
        {"right": {"length": "pixels", "alpha": "nan"}},
        {"engines": 7},
        {"right": None},
    ],
)
def test_broken_calibrations(change: dict[str, object], tmp_path: Path) -> None:
    write_calibration(Calibration("pixels", 5, {"auto": ScoreMap((0.1,), (0.2,))}), tmp_path / "c.json")
    document = json.loads((tmp_path / "c.json").read_text()) | change
    (tmp_path / "c.json").write_text(json.dumps(document))
    with pytest.raises(PwarpError, match=r"c\.json: ") as error:
        read_calibration(tmp_path / "c.json")
    assert "\n" not in str(error.value)


def test_propagated_scores_are_mapped_and_nothing_else(video: Video) -> None:
    scores = ScoreMap((0.0, 1.0), (0.5, 0.6))
    plain = propagate(video, labels(), Options("linear")).tracks[0]
    mapped = propagate(video, labels(), Options("linear", calibration=scores)).tracks[0]
    filled = plain.source == Source.PROPAGATED
    assert np.allclose(mapped.score[filled], 0.5 + 0.1 * plain.score[filled])
    assert np.array_equal(mapped.xy, plain.xy)
    assert np.isnan(mapped.score[~filled]).all()
    # The least score is one of calibrated scores.
    strict = propagate(video, labels(), Options("linear", min_score=0.61, calibration=scores)).tracks[0]
    assert not (strict.source == Source.PROPAGATED).any()


# --- the commands ---


@pytest.fixture
def pwarp(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> Callable[..., tuple[int, str, str]]:
    """Runs pwarp in a folder with keys.json."""
    monkeypatch.chdir(tmp_path)
    formats.write(labels(), "keys.json")

    def call(*arguments: str) -> tuple[int, str, str]:
        said = [str(clip) if a == "VIDEO" else a for a in arguments]
        monkeypatch.setattr(sys, "argv", ["pwarp", *said])
        with pytest.raises(SystemExit) as end:
            run()
        captured = capsysbinary.readouterr()
        return int(end.value.code or 0), captured.out.decode(), captured.err.decode()

    return call


Pwarp = Callable[..., tuple[int, str, str]]


def test_the_report(pwarp: Pwarp) -> None:
    asked = ("study", "VIDEO", "keys.json", "--engines", "linear,copy", "--target", "pixels@6:0.9", "--keep", "2")
    code, out, err = pwarp(*asked)
    assert (code, err) == (0, "")
    lines = [line.split() for line in out.splitlines()]
    assert ["gap", "poses", "linear", "copy"] in lines
    assert ["8", "7", "66.7", "%", "(67-67)", "0.0", "px", "66.7", "%", "(67-67)", "0.0", "px"] in lines
    assert ["wing", "7", "0.0", "%", "10.0", "px", "0.0", "%", "10.0", "px"] in lines
    assert "  linear  about every 3 frames, by a line to below what was measured" in out
    assert "at least twice as wide" in out
    values = json.loads(pwarp(*asked, "--json")[1])
    assert values["engines"]["linear"]["by_gap"][0]["right"] == pytest.approx(2 / 3)
    assert values["engines"]["copy"]["by_keypoint"]["beak"] == {"keypoints": 7, "right": 1.0, "median_px": 0.0}
    assert values["engines"]["linear"]["spacing"] == {"frames": 3, "ground": "below what was measured"}


def test_study_writes_what_propagate_reads(pwarp: Pwarp) -> None:
    code, _, err = pwarp(
        "study", "VIDEO", "keys.json", "--engines", "linear", "--target", "pixels@6:0.9", "-o", "c.json"
    )
    assert code == 0
    assert err.startswith("c.json: calibration of linear, ")
    assert pwarp("propagate", "VIDEO", "keys.json", "-o", "a.json", "--engine", "linear")[0] == 0
    done = pwarp("propagate", "VIDEO", "keys.json", "-o", "b.json", "--engine", "linear", "--calibration", "c.json")
    assert done[0] == 0
    before, after = formats.read("a.json").tracks[0], formats.read("b.json").tracks[0]
    scores = read_calibration(Path("c.json")).of("linear")
    assert np.allclose(scores(before.score), after.score, equal_nan=True)
    assert not np.allclose(before.score, after.score, equal_nan=True)
    other = pwarp("propagate", "VIDEO", "keys.json", "-o", "x.json", "--engine", "copy", "--calibration", "c.json")
    assert other[0] == 1
    assert "not of 'copy'" in other[2]
    assert pwarp("study", "VIDEO", "keys.json", "--engines", "linear", "-o", "c.json")[0] == 1


def test_wrong_usage(pwarp: Pwarp) -> None:
    assert "unknown engine 'magic'" in pwarp("study", "VIDEO", "keys.json", "--engines", "magic")[2]
    assert pwarp("study", "VIDEO", "keys.json", "--keep", "1")[0] == 2
    code, _, err = pwarp("study", "VIDEO", "keys.json", "--engines", "linear,auto", "--weights", "w.safetensors")
    assert code == 2 and "none of linear, auto has a setting 'weights'" in " ".join(err.split())
    code, out, err = pwarp("study", "VIDEO", "keys.json", "--target", "torso@0.1:0.9")
    assert (code, out) == (1, "")
    assert err.startswith("pwarp: length 'torso': say which torso")
    assert pwarp("study", "VIDEO", "keys.json", "--engines", "linear", "--keep", "50")[0] == 0
