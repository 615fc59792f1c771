"""OKS AP and AR against pycocotools called as its manual says, on COCO files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pwarp.errors import PwarpError
from pwarp.evaluation.measure import make_metrics, measure
from pwarp.evaluation.metric import Settings
from pwarp.evaluation.oks import STATISTICS
from pwarp.evaluation.videos import Labels


def oks(truth: Path, detections: Path, sigmas: list[float] | None = None) -> dict[str, float]:
    settings = Settings(sigmas=None if sigmas is None else tuple(sigmas))
    (measured,) = measure([(Labels.of_file(truth), Labels.of_file(detections))], make_metrics(["oks-ap"], settings))
    return {figure.name: figure.value for figure in measured.figures}


def same(ours: dict[str, float], expected: dict[str, float]) -> None:
    """Ours are percentages, and NaN where COCO has -1, which means that there is nothing in the range."""
    assert list(ours) == list(STATISTICS)
    wanted = {name: np.nan if value < 0 else 100 * value for name, value in expected.items()}
    assert ours == pytest.approx(wanted, abs=1e-9, nan_ok=True)


def results(oracle: Path, kind: str) -> dict[str, Any]:
    return json.loads((oracle / "coco" / kind / "expected.json").read_text())["results"]


def test_coco_17_with_the_sigmas_it_has(oracle_dir: Path) -> None:
    folder = oracle_dir / "coco" / "open"
    same(oks(folder / "gt17.json", folder / "dt17.json"), results(oracle_dir, "open")["17"]["stats"])


def test_other_skeleton_and_sigmas(oracle_dir: Path) -> None:
    folder, expected = oracle_dir / "coco" / "open", results(oracle_dir, "open")["15"]
    same(oks(folder / "gt15.json", folder / "dt15.json", expected["sigmas"]), expected["stats"])


def test_area_of_detections_without_box(oracle_dir: Path, tmp_path: Path) -> None:
    folder, expected = oracle_dir / "coco" / "open", results(oracle_dir, "open")["15_without_dt_bbox"]
    detections = json.loads((folder / "dt15.json").read_text())
    bare = tmp_path / "dt15.json"
    bare.write_text(json.dumps([{k: v for k, v in d.items() if k != "bbox"} for d in detections]))
    same(oks(folder / "gt15.json", bare, expected["sigmas"]), expected["stats"])


@pytest.mark.parametrize("case", ["no_large", "perfect"])
def test_edge_cases(oracle_dir: Path, case: str) -> None:
    folder = oracle_dir / "coco" / "edge"
    ours = oks(folder / f"{case}.gt.json", folder / f"{case}.dt.json")
    same(ours, results(oracle_dir, "edge")[case]["stats"])


def test_no_detections_are_zero_where_the_library_fails(oracle_dir: Path) -> None:
    folder = oracle_dir / "coco" / "edge"
    ours = oks(folder / "empty.gt.json", folder / "empty.dt.json")
    assert "error" in results(oracle_dir, "edge")["empty"]
    assert ours["AP"] == ours["AR"] == 0


def test_num_keypoints_is_counted_where_it_is_missing(oracle_dir: Path, tmp_path: Path) -> None:
    folder = oracle_dir / "coco" / "edge"
    assert "error" in results(oracle_dir, "edge")["no_num_keypoints"]
    truth = json.loads((folder / "no_num_keypoints.gt.json").read_text())
    for person in truth["annotations"]:
        person["num_keypoints"] = sum(flag > 0 for flag in person["keypoints"][2::3])
    counted = tmp_path / "gt.json"
    counted.write_text(json.dumps(truth))
    detections = folder / "no_num_keypoints.dt.json"
    ours, expected = oks(folder / "no_num_keypoints.gt.json", detections), oks(counted, detections)
    assert ours == pytest.approx(expected, abs=0, nan_ok=True)


def test_sigmas_must_be_known_and_fit(oracle_dir: Path) -> None:
    folder = oracle_dir / "coco" / "open"
    with pytest.raises(PwarpError, match=r"dt15.json: no OKS sigmas.*--sigmas.*15"):
        oks(folder / "gt15.json", folder / "dt15.json")
    with pytest.raises(PwarpError, match="3 sigmas for 17 keypoints"):
        oks(folder / "gt17.json", folder / "dt17.json", [0.1, 0.2, 0.3])


def test_wrong_number_of_keypoints_names_file_and_row(oracle_dir: Path, tmp_path: Path) -> None:
    folder = oracle_dir / "coco" / "open"
    detections = json.loads((folder / "dt17.json").read_text())
    detections[4]["keypoints"] = detections[4]["keypoints"][:-3]
    short = tmp_path / "short.json"
    short.write_text(json.dumps(detections))
    with pytest.raises(PwarpError, match=r"short.json: results\[4\] .*48 numbers, expected 51"):
        oks(folder / "gt17.json", short)
