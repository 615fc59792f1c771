"""`pwarp eval` as a user meets it: output, exit codes, and one clear line for whatever is wrong."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from crowds import FIVE, crowd, guess

from pwarp import formats
from pwarp.annotations import Annotations, Source, Track
from pwarp.evaluation.several import videos_in
from pwarp.formats.label_file import LabelFile
from pwarp.skeleton import POSETRACK_17, Skeleton


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


Eval = Callable[..., Outcome]
Shell = Callable[..., Any]


@pytest.fixture
def evaluate(shell: Callable[..., Any]) -> Eval:
    def call(*arguments: object, given: bytes = b"") -> Outcome:
        done = shell("eval", *arguments, given=given)
        return Outcome(done.code, done.out.decode(), done.err)

    return call


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    return save(crowd(0, frames=6), tmp_path / "truth.json")


@pytest.fixture
def found(tmp_path: Path) -> Path:
    return save(guess(crowd(0, frames=6), 1), tmp_path / "found.json")


def save(annotations: Annotations, path: Path) -> Path:
    formats.write(annotations, path, force=True)
    return path


def complains(outcome: Outcome, *words: str) -> None:
    """One line on stderr with all the words, nothing on stdout, exit code 1."""
    assert outcome.code == 1
    assert outcome.out == ""
    line = outcome.err.rstrip("\n")
    assert "\n" not in line
    assert "Traceback" not in line
    assert line.startswith("pwarp: ")
    assert all(word in line for word in words), line


def test_table_names_length_joints_parts_means_and_counts(evaluate: Eval, found: Path, truth: Path) -> None:
    outcome = evaluate(found, truth)
    assert outcome.code == 0
    for words in (
        "PCK: error <= alpha x diag:0.4 (0.4 x diagonal of the labelled keypoints' box), visible keypoints",
        "@0.1, by keypoint", "@0.2, by part", "tail", "pooled", "mean of parts", "mean of joints", "median error",
        "found.json", "keypoints",
    ):  # fmt: skip
        assert words in outcome.out


def test_several_predictions_are_columns(evaluate: Eval, found: Path, truth: Path, tmp_path: Path) -> None:
    better = save(guess(crowd(0, frames=6), 2, error=1, missed=0), tmp_path / "better.json")
    outcome = evaluate(found, better, truth, "--format", "json")
    document = json.loads(outcome.out)
    assert [p["prediction"] for p in document["predictions"]] == ["found.json", "better.json"]
    pooled = [next(f["value"] for f in p["metrics"][0]["figures"] if f["main"]) for p in document["predictions"]]
    assert pooled[0] < pooled[1]
    header = evaluate(found, better, truth).out.splitlines()[1]
    assert header.split() == ["found.json", "better.json", "keypoints"]


def test_columns_of_one_name_show_their_folders(evaluate: Eval, found: Path, truth: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    twin = save(formats.read(found), tmp_path / "other" / "found.json")
    assert str(twin) in evaluate(found, twin, truth).out


@pytest.mark.parametrize("metric", ["posetrack-ap", "mota", "oks-ap", "pckh", "auc", "error", "jitter", "calibration"])
def test_every_metric(evaluate: Eval, found: Path, truth: Path, metric: str) -> None:
    outcome = evaluate(found, truth, "--metric", metric, "--per-joint", "--per-video")
    assert outcome.code == 0
    assert outcome.err == ""


def test_standard_input(evaluate: Eval, found: Path, truth: Path) -> None:
    expected = evaluate(found, truth, "--format", "csv").out.replace("found.json", "-")
    assert evaluate("-", truth, "--format", "csv", given=found.read_bytes()).out == expected
    assert evaluate(found, "-", "--format", "csv", given=truth.read_bytes()).out == expected.replace(
        "-,", "found.json,"
    )
    assert evaluate("-", "-").code == 2


@pytest.mark.parametrize(
    "arguments",
    [["--metric", "ap"], ["--alpha", "0"], ["--alpha", "a,b"], ["--every", "0"], ["--format", "xml"], ["--bins", "0"]],
)
def test_wrong_usage_is_code_2(evaluate: Eval, found: Path, truth: Path, arguments: list[str]) -> None:
    assert evaluate(found, truth, *arguments).code == 2


@pytest.mark.parametrize(
    ("metric", "option", "goes_with"),
    [
        ("posetrack-ap,mota", "--occluded", "pck, pckh, auc, error, jitter, calibration"),
        ("oks-ap", "--tracks=id", "pck, pckh, auc, error, jitter, calibration"),
        ("pckh,jitter,oks-ap", "--length=body", "pck, auc, error, calibration, posetrack-ap, mota"),
        ("error", "--alpha=0.1", "pck, pckh, calibration"),
        ("error,mota", "--strict", "pck, pckh, auc, calibration"),
        ("pck", "--auc-limit=0.5", "auc"),
        ("pck", "--sigmas=0.05", "oks-ap"),
        ("pck", "--bins=10", "calibration"),
    ],
)
def test_a_setting_that_changes_nothing_is_refused(
    evaluate: Eval, found: Path, truth: Path, metric: str, option: str, goes_with: str
) -> None:
    outcome = evaluate(found, truth, "--metric", metric, option)
    assert outcome.code == 2
    said = outcome.err.split("goes with --metric ")[1].split(";")[0]
    assert sorted(said.split(", ")) == sorted(goes_with.split(", "))
    assert evaluate(found, truth, "--metric", f"{metric},{said.split(', ')[0]}", option).code == 0


@pytest.mark.parametrize(
    "options",
    [
        "pck --length foo",
        "pck --length foo --partial",
        "posetrack-ap --length foo",
        "pck --length pixels",
        "auc --length pixels",
        "calibration --length pixels",
    ],
)
def test_settings_that_no_file_could_mend_are_wrong_usage(
    options: str, evaluate: Eval, found: Path, truth: Path
) -> None:
    outcome = evaluate(found, truth, "--metric", *options.split())
    assert (outcome.code, outcome.out) == (2, "") and "length" in outcome.err


@pytest.mark.parametrize("option", ["--split=val", "--dataset-option=keep_defaults"])
def test_what_is_of_data_sets_goes_with_one(evaluate: Eval, found: Path, truth: Path, option: str) -> None:
    outcome = evaluate(found, truth, option)
    assert outcome.code == 2
    assert f"{option.split('=')[0]} goes with the root of a data set" in outcome.err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--json --format csv", "--json is --format json, and not csv"),
        ("--per-joint --format csv", "--per-joint is of tables"),
        ("--per-joint --json", "--per-joint is of tables"),
        ("--force", "--force goes with --plot"),
    ],
)
def test_an_option_that_changes_nothing_is_refused_but_of_the_command_line_only(
    options: str, said: str, evaluate: Eval, found: Path, truth: Path
) -> None:
    outcome = evaluate(found, truth, *options.split())
    assert (outcome.code, outcome.out) == (2, "") and said in outcome.err


@pytest.mark.parametrize(
    ("config", "options", "like"),
    [
        ("format = 'csv'", "--json", "--format json"),
        ("json = true", "--format csv", "--format csv"),
        ("per-joint = true\nforce = true", "--format csv", "--format csv"),
    ],
)
def test_the_form_on_the_command_line_wins_over_the_file(
    config: str, options: str, like: str, shell: Shell, evaluate: Eval, found: Path, truth: Path, tmp_path: Path
) -> None:
    path = tmp_path / "project.toml"
    path.write_text(f"[eval]\n{config}\n")
    done = shell("--config", path, "eval", found, truth, *options.split())
    assert (done.code, done.out.decode()) == (0, evaluate(found, truth, *like.split()).out)


def test_markdown_is_a_table_of_keypoints_too(evaluate: Eval, found: Path, truth: Path) -> None:
    assert evaluate(found, truth, "--json", "--format", "json").code == 0
    assert evaluate(found, truth, "--per-joint", "--format", "markdown").code == 0


def test_one_argument_is_not_enough(evaluate: Eval, found: Path) -> None:
    assert evaluate(found).code == 2


def test_bare_torso_is_refused(evaluate: Eval, tmp_path: Path) -> None:
    people = crowd(0, skeleton=POSETRACK_17)
    path = save(people, tmp_path / "people.json")
    complains(evaluate(path, path, "--length", "torso"), "torso:5-12", "torso:6-11")


def test_empty_predictions_are_misses(evaluate: Eval, truth: Path, tmp_path: Path) -> None:
    nobody = save(replace(crowd(0, frames=6), tracks=()), tmp_path / "nobody.json")
    outcome = evaluate(nobody, truth, "--metric", "pck,error,mota,posetrack-ap,oks-ap,calibration,jitter,auc")
    assert outcome.code == 0
    assert "-100.0" in outcome.out


def test_not_a_number(evaluate: Eval, found: Path, truth: Path) -> None:
    document = json.loads(found.read_text())
    document["annotations"][4]["keypoints"][3] = float("nan")
    found.write_text(json.dumps(document))
    complains(evaluate(found, truth), "found.json", str(document["annotations"][4]["id"]), "nan")


def test_wrong_number_of_keypoints(evaluate: Eval, found: Path, truth: Path) -> None:
    document = json.loads(found.read_text())
    document["annotations"][2]["keypoints"] += [1, 2, 2]
    found.write_text(json.dumps(document))
    complains(evaluate(found, truth), "found.json", "18", "15")


def test_keypoint_names_that_differ(evaluate: Eval, truth: Path, tmp_path: Path) -> None:
    other = replace(crowd(0, frames=6), skeleton=Skeleton("o", ("tip", *FIVE.keypoints[1:4], "nose")))
    path = save(other, tmp_path / "other.json")
    complains(evaluate(path, truth), "other.json", "lacks 1", "right_tail", "nose")


def test_ids_used_twice_in_a_frame(evaluate: Eval, found: Path, truth: Path) -> None:
    document = json.loads(found.read_text())
    first = document["annotations"][0]
    document["annotations"].append({**first, "id": 9999})
    found.write_text(json.dumps(document))
    complains(evaluate(found, truth), "found.json", "track 0", "frame 0")


def test_cut_off_and_empty_files(evaluate: Eval, found: Path, truth: Path) -> None:
    found.write_bytes(found.read_bytes()[:500])
    complains(evaluate(found, truth), "found.json", "cut off", "500")
    found.write_bytes(b"")
    complains(evaluate(found, truth), "found.json", "empty")


def test_missing_file(evaluate: Eval, truth: Path, tmp_path: Path) -> None:
    complains(evaluate(tmp_path / "nowhere.json", truth), "nowhere.json", "no such file")


def test_posetrack_file_without_head_boxes(evaluate: Eval, tmp_path: Path) -> None:
    people = crowd(0, skeleton=POSETRACK_17)
    bare = replace(people, tracks=tuple(replace(t, head_boxes=np.full((len(t), 4), np.nan)) for t in people.tracks))
    truth, found = tmp_path / "truth.json", tmp_path / "found.json"
    formats.write(bare, truth, format="posetrack18")
    formats.write(guess(people, 1), found, format="posetrack18")
    complains(evaluate(found, truth, "--metric", "mota"), "truth.json", "000000.jpg", "track 0", "head box", "--length")
    assert evaluate(found, truth, "--metric", "mota", "--length", "diag:0.2").code == 0


def test_folders_that_do_not_overlap(evaluate: Eval, tmp_path: Path) -> None:
    for folder, name in (("truth", "a"), ("truth", "b"), ("found", "c"), ("found", "d")):
        (tmp_path / folder).mkdir(exist_ok=True)
        save(crowd(0), tmp_path / folder / f"{name}.json")
    outcome = evaluate(tmp_path / "found", tmp_path / "truth", "--partial")
    complains(outcome, "found", "no video matches", "a, b", "c, d")


def test_folders_that_overlap_in_part(evaluate: Eval, tmp_path: Path) -> None:
    for folder, names in (("truth", "abc"), ("found", "bcd")):
        (tmp_path / folder).mkdir()
        for name in names:
            save(crowd(ord(name)), tmp_path / folder / f"{name}.json")
    arguments = tmp_path / "found", tmp_path / "truth"
    complains(evaluate(*arguments), "2 videos matched", "without prediction: a", "without truth: d", "--partial")
    outcome = evaluate(*arguments, "--partial", "--format", "json")
    assert outcome.code == 0
    assert "2 videos matched" in outcome.err
    (prediction,) = json.loads(outcome.out)["predictions"]
    assert prediction["videos"] == {"matched": ["b", "c"], "without_prediction": ["a"], "without_truth": ["d"]}


@pytest.mark.parametrize("name", ["figure.png", "figure.svg"])
def test_plot(evaluate: Eval, found: Path, truth: Path, tmp_path: Path, name: str) -> None:
    target = tmp_path / name
    arguments = (found, truth, "--metric", "pck,error,calibration", "--plot", target)
    assert evaluate(*arguments).code == 0
    assert target.read_bytes()[:5] in (b"\x89PNG\r", b"<?xml")
    first = target.read_bytes()
    complains(evaluate(*arguments), "figure", "--force")
    assert evaluate(*arguments, "--force").code == 0
    if name.endswith("png"):
        assert target.read_bytes() == first


def test_plot_needs_a_picture_format_and_something_to_draw(
    evaluate: Eval, found: Path, truth: Path, tmp_path: Path
) -> None:
    refused = evaluate(found, truth, "--plot", tmp_path / "figure.pdf")
    assert refused.code == 2 and ".png or .svg" in refused.err
    for more in ((), ("--dry-run",)):
        refused = evaluate(found, truth, "--metric", "mota", "--plot", tmp_path / "f.png", *more)
        assert refused.code == 2 and "--plot draws pck, pckh, auc, error, calibration" in refused.err
    assert not (tmp_path / "f.png").exists()


def test_given_keypoints_are_left_out_unless_counted(evaluate: Eval, truth: Path, tmp_path: Path) -> None:
    whole = crowd(0, frames=6)
    source = np.full((6, len(FIVE)), Source.PROPAGATED)
    source[0] = Source.MANUAL
    tracks = (replace(t, source=np.where(t.labelled, source, Source.NONE)) for t in guess(whole, 1).tracks)
    path = save(replace(whole, tracks=tuple(tracks)), tmp_path / "dense.json")
    left_out, counted = evaluate(path, truth).out, evaluate(path, truth, "--count-given").out
    assert "keypoints left out: a person set them in the prediction" in left_out
    assert "left out" not in counted
    assert evaluate(path, truth, "--every", "2").out == left_out
    # The other way round it would measure nothing that anybody wants, and look as good.
    note = "keypoints of the truth were computed, not set by a person; the arguments are predictions, then the truth"
    assert note in evaluate(truth, path).out and note not in left_out


def test_help_explains_lengths(evaluate: Eval) -> None:
    outcome = evaluate("--help")
    assert outcome.code == 0
    for word in ("torso:A-B", "diag:F", "posetrack-ap", "Examples"):
        assert word in outcome.out


@pytest.mark.parametrize("metric", ["pck,error", "oks-ap", "posetrack-ap", "mota"])
def test_json_lines_are_measured_like_any_labels(
    truth: Path, found: Path, metric: str, tmp_path: Path, evaluate: Eval
) -> None:
    lines = save(formats.read(found), tmp_path / "found.jsonl")
    measured_by = ("--sigmas", "0.05") if metric == "oks-ap" else ("--length", "diag:0.2")
    options = ("--metric", metric, *measured_by)
    alike = [evaluate(path, truth, *options, "--format", "csv").out.partition(",")[2] for path in (found, lines)]
    assert alike[0].count("\n") > 3
    assert [text.replace("found.jsonl", "found.json") for text in alike] == [alike[0]] * 2


def test_two_truths_of_one_name_are_refused(truth: Path, found: Path, tmp_path: Path, evaluate: Eval) -> None:
    for folder in ("predicted", "true"):
        (tmp_path / folder).mkdir()
    for name in ("a.json", "b.json"):
        save(formats.read(found), tmp_path / "predicted" / name)
        save(formats.read(truth), tmp_path / "true" / name)
    save(formats.read(truth), tmp_path / "true" / "a.jsonl")
    complains(evaluate(tmp_path / "predicted", tmp_path / "true"), "another truth is also called 'a'")


def test_a_keypoint_alone_has_no_diagonal(tmp_path: Path, evaluate: Eval) -> None:
    """Its pose is left out and the reader told, instead of an error without end."""
    skeleton = Skeleton("pair", ("a", "b"))
    xy = np.array([[[10.0, 10], [40, 50]], [[10, 10], [0, 0]]])
    true = Annotations(skeleton, tracks=(Track.make(0, [0, 1], xy, [[2, 2], [2, 0]]),))
    seen = replace(true, tracks=(replace(true.tracks[0], xy=true.tracks[0].xy + 1, source=computed(true)),))
    done = evaluate(save(seen, tmp_path / "p.json"), save(true, tmp_path / "t.json"), "--format", "json")
    assert done.code == 0
    values = {f["block"]: f["value"] for m in json.loads(done.out)["predictions"][0]["metrics"] for f in m["figures"]}
    assert values["normalised mean error"] == pytest.approx(100 * np.sqrt(2) / 20)
    notes = json.loads(done.out)["predictions"][0]["metrics"][0]["notes"]
    assert any(note.startswith("1 keypoints left out: their poses lack what diag:0.4") for note in notes)


def test_a_skeleton_of_one_keypoint_is_measured_by_its_box(tmp_path: Path, evaluate: Eval) -> None:
    ball = Skeleton("ball", ("centre",))
    true = Annotations(ball, tracks=(Track.make(0, [0], [[[10.0, 10]]], boxes=[[0, 0, 20, 20]]),))
    near = replace(true, tracks=(replace(true.tracks[0], xy=true.tracks[0].xy + 1, source=computed(true)),))
    done = evaluate(save(near, tmp_path / "p.json"), save(true, tmp_path / "t.json"), "--metric", "pck")
    assert done.code == 0 and "body" in done.out and "100.0" in done.out


def test_perfect_predictions_have_the_whole_area_also_where_hits_are_strict(truth: Path, evaluate: Eval) -> None:
    for options in ([], ["--strict"]):
        done = evaluate(truth, truth, "--metric", "auc", "--format", "json", *options)
        assert json.loads(done.out)["predictions"][0]["metrics"][0]["figures"][-1]["value"] == 100


def test_names_that_are_not_utf8_go_into_json(truth: Path, found: Path, tmp_path: Path, evaluate: Eval) -> None:
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/pr\xff.json"))
    odd.write_bytes(found.read_bytes())
    done = evaluate(odd, truth, "--json")
    assert done.code == 0 and "pr?.json" in json.loads(done.out)["predictions"][0]["prediction"]


def test_videos_of_one_file_keep_what_is_no_suffix(tmp_path: Path) -> None:
    images = [{"id": i, "video_id": i, "frame_id": 0, "file_name": f"{i}.jpg"} for i in (1, 2, 3)]
    videos = [{"id": 1, "name": "cam.1"}, {"id": 2, "name": "cam.2"}, {"id": 3, "name": "clips/cam.3.mp4"}]
    path = tmp_path / "all.json"
    path.write_text(json.dumps({"images": images, "videos": videos, "annotations": [], "categories": []}))
    assert list(videos_in(LabelFile.open(path)).values()) == ["cam.1", "cam.2", "cam.3"]


def computed(annotations: Annotations) -> np.ndarray:
    """The sources of a first track whose keypoints nobody set."""
    return np.where(annotations.tracks[0].visibility > 0, Source.DETECTED, Source.NONE)
