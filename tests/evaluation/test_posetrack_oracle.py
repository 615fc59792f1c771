"""AP and MOTA against the outputs of poseval itself."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from pwarp_cli.eval import evaluate

from pwarp.errors import PwarpError
from pwarp.evaluation.mota import Tracking, follow, tracking
from pwarp.evaluation.people import Remarks, Scene
from pwarp.evaluation.posetrack import AveragePrecision, average_precision, rank
from pwarp.evaluation.posetrack_files import read_scene
from pwarp.formats.label_file import LabelFile

SETS = ["open/pred", "open/pred_ties", "perfect/pred", "perfect/pred_empty"]
# Where poseval computes both metrics.
EDGES = [
    "all_gt_ignored", "dup_track_gt", "fifteen_keypoints", "frame_order", "frame_without_gt", "frame_without_pred",
    "gt_joint_no_pred", "gt_people_without_points", "gt_people_without_points_ignore", "id_swap_once",
    "ignore_border", "ignore_bowtie", "last_frame_without_pred", "match_tie", "missing_scores",
    "no_gt_joint_no_pred", "no_gt_joint_with_pred", "null_score", "null_score_twin", "occluded", "plain",
    "threshold", "unlabelled_flag_with_gt", "video_without_gt", "zero_head_box",
]  # fmt: skip
# Where poseval ends with an exception, and what ours names in its one line.
REFUSED = {
    "big_track_id": ["pred/940001_mpii_test.json", "000001.jpg", "track 10000"],
    "dup_track_pred": ["pred/940001_mpii_test.json", "000001.jpg", "track 0", "twice"],
    "frame_count": ["pred/940001_mpii_test.json", "3 frames", "has 4", "000003.jpg"],
    "ignore_two_points": ["940001_mpii_test.json", "000001.jpg", "2 corners"],
    "no_head_box": ["gt/940001_mpii_test.json", "000001.jpg", "track 0", "head box"],
    "no_track_pred": ["pred/940001_mpii_test.json", "000001.jpg", "track_id"],
    "one_frame": ["gt/940001_mpii_test.json", "000000.jpg", "MOTA"],
    "short_scores": ["pred/940001_mpii_test.json", "000000.jpg", "annotation 0", "scores has 15 numbers, expected 17"],
}


def scenes(truth: Path, predicted: Path) -> list[Scene]:
    return [read_scene(LabelFile.open(f), LabelFile.open(predicted / f.name)) for f in sorted(truth.iterdir())]


def evaluated(folder: Path, predicted: str) -> tuple[AveragePrecision, Tracking]:
    videos = scenes(folder / "gt", folder / predicted)
    return average_precision([rank(v) for v in videos]), tracking([follow(v) for v in videos])


def expectation(oracle: Path, kind: str, name: str) -> dict[str, Any]:
    return json.loads((oracle / "posetrack" / kind / "expected.json").read_text())["results"][name]


def agrees(per_joint: np.ndarray, expected: list[float | None]) -> None:
    """Compare 15 joints and the NaN-ignoring total behind them."""
    actual = np.append(per_joint, np.nanmean(per_joint))
    np.testing.assert_allclose(actual, [np.nan if e is None else e for e in expected], rtol=0, atol=1e-9)


def check(result: AveragePrecision, tracks: Tracking, expected: dict[str, Any]) -> None:
    agrees(result.ap, expected.get("ap_reversed_stable", expected["ap"]))
    agrees(result.precision, expected["pre"])
    agrees(result.recall, expected["rec"])
    assert result.annotated.tolist() == expected["n_gt"]
    assert result.predicted.tolist() == expected["n_pred"]
    assert result.right.tolist() == expected["n_tp"]
    if "ap_tie_low" in expected:
        low, high = (np.array(expected[k][:-1], dtype=float) for k in ("ap_tie_low", "ap_tie_high"))
        assert ((low - 1e-9 <= result.ap) & (result.ap <= high + 1e-9)).all()
    agrees(tracks.mota, expected["mota"])
    agrees(tracks.motp, expected["motp_match_switch_only"])
    agrees(tracks.poseval_motp, expected["motp"])
    agrees(tracks.precision, expected["mot_pre"])
    agrees(tracks.recall, expected["mot_rec"])
    counts, ours = expected["mot_counts"], tracks.counts
    for field, key in (
        ("objects", "num_objects"), ("detections", "num_detections"), ("misses", "num_misses"),
        ("false_positives", "num_false_positives"), ("switches", "num_switches"), ("distance", "sum_d_match_switch"),
        ("logged_distance", "sum_d_all_events"),
    ):  # fmt: skip
        np.testing.assert_allclose(getattr(ours, field), counts[key], rtol=0, atol=1e-9, err_msg=field)


@pytest.mark.parametrize("name", SETS)
def test_equals_poseval(oracle_dir: Path, name: str) -> None:
    kind, predicted = name.split("/")
    result, tracks = evaluated(oracle_dir / "posetrack" / kind, predicted)
    check(result, tracks, expectation(oracle_dir, kind, predicted))


@pytest.mark.parametrize("case", EDGES)
def test_equals_poseval_on_edge_cases(oracle_dir: Path, case: str) -> None:
    check(*evaluated(oracle_dir / "posetrack" / "edge" / case, "pred"), expectation(oracle_dir, "edge", case))


def test_one_frame_has_ap(oracle_dir: Path) -> None:
    folder = oracle_dir / "posetrack" / "edge" / "one_frame"
    expected = expectation(oracle_dir, "edge", "one_frame")
    agrees(average_precision([rank(s) for s in scenes(folder / "gt", folder / "pred")]).ap, expected["ap"])


@pytest.mark.parametrize("case", REFUSED)
def test_says_what_poseval_stumbles_over(oracle_dir: Path, case: str) -> None:
    with pytest.raises(PwarpError) as caught:
        evaluated(oracle_dir / "posetrack" / "edge" / case, "pred")
    message = str(caught.value)
    assert "\n" not in message
    assert all(word in message for word in REFUSED[case]), message


def test_frames_paired_by_position_are_pointed_out(oracle_dir: Path) -> None:
    for case, differ in (("plain", False), ("frame_order", True)):
        folder = oracle_dir / "posetrack" / "edge" / case
        (video,) = scenes(folder / "gt", folder / "pred")
        assert bool(Remarks.lines([video.remarks])) == differ


@pytest.mark.parametrize("as_root", [True, False])
def test_command_on_folders_and_roots(oracle_dir: Path, tmp_path: Path, as_root: bool) -> None:
    shutil.copytree(oracle_dir / "posetrack" / "open" / "gt", tmp_path / "annotations" / "val")
    truth = tmp_path if as_root else tmp_path / "annotations" / "val"
    predictions = oracle_dir / "posetrack" / "open" / "pred"
    outcome = CliRunner().invoke(
        evaluate, [str(predictions), str(truth), "--metric", "posetrack-ap,mota", "--format", "json"]
    )
    assert outcome.exit_code == 0, outcome.output
    expected = expectation(oracle_dir, "open", "pred")
    ap, mota = (
        {(f["block"], f["name"]): f["value"] for f in metric["figures"] if f["kind"] != "joint"}
        for metric in json.loads(outcome.stdout)["predictions"][0]["metrics"]
    )
    for name, value in expected["ap_parts"].items():
        assert ap["AP", name.capitalize()] == pytest.approx(value, abs=1e-9)
    for block, key in (
        ("MOTA", "mota"), ("MOTP", "motp_match_switch_only"), ("MOTP as poseval prints it", "motp"),
        ("precision", "mot_pre"), ("recall", "mot_rec"),
    ):  # fmt: skip
        assert mota[block, "Total"] == pytest.approx(expected[key][-1], abs=1e-9)


def test_every_edge_case_is_tried(oracle_dir: Path) -> None:
    cases = json.loads((oracle_dir / "posetrack" / "edge" / "expected.json").read_text())["results"]
    assert sorted(cases) == sorted([*EDGES, *REFUSED])


def test_one_video_alone_equals_its_own_file(oracle_dir: Path) -> None:
    folder = oracle_dir / "posetrack" / "open"
    expected = expectation(oracle_dir, "open", "pred")["per_sequence"]
    for video, path in zip(scenes(folder / "gt", folder / "pred"), sorted((folder / "gt").iterdir()), strict=True):
        agrees(average_precision([rank(video)]).ap, expected[path.stem]["ap"]["ap"])
        agrees(tracking([follow(video)]).mota, expected[path.stem]["mot"]["mota"])
