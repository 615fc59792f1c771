"""PCK against the oracle on the real Penn Action labels."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from pwarp_cli.eval import evaluate
from scipy.io import loadmat

from pwarp import formats
from pwarp.annotations import Annotations, Source, Track
from pwarp.evaluation.pck import PckResult, merged, pck
from pwarp.skeleton import PENN_13


def penn_truth(path: Path) -> Annotations:
    """The labels of a Penn Action file as they stand there, 1-based coordinates included."""
    mat = loadmat(path)
    x, y, seen = (np.asarray(mat[k], dtype=np.float64) for k in ("x", "y", "visibility"))
    boxes = np.asarray(mat["bbox"], dtype=np.float64)
    boxes = np.concatenate([boxes, np.repeat(boxes[-1:], len(x) - len(boxes), axis=0)])
    visibility = np.where(seen == 1, 2, 1)
    return Annotations(
        PENN_13, tracks=(Track.make(0, np.arange(len(x)), np.stack([x, y], -1), visibility, boxes=boxes),)
    )


@pytest.fixture(scope="module")
def videos(data_dir: Path, oracle_dir: Path) -> list[tuple[str, Annotations, Annotations]]:
    found = []
    with np.load(oracle_dir / "pck" / "open.npz") as predictions:
        for name in predictions.files:
            truth = penn_truth(data_dir / "penn" / "labels" / f"{name}.mat")
            xy = predictions[name].astype(np.float64)
            found.append((name, truth, Annotations(PENN_13, tracks=(Track.make(0, np.arange(len(xy)), xy),))))
    return found


@pytest.mark.parametrize("length", ["body", "torso:1-8", "torso:2-7"])
@pytest.mark.parametrize("alpha", [0.1, 0.2])
def test_equals_oracle(videos, oracle_dir: Path, length: str, alpha: float) -> None:
    key = f"{length.replace(':', '_').replace('-', '_')}@{alpha}"
    expected = json.loads((oracle_dir / "pck" / "open.json").read_text())["results"][key]
    each = [pck(truth, predicted, length=length, alpha=alpha) for _, truth, predicted in videos]
    for (name, _, _), result in zip(videos, each, strict=True):
        assert [int(result.hits.sum()), result.count] == expected["per_video_hits_and_counts"][name]
    total: PckResult = merged(each)
    assert total.hits[0].tolist() == expected["hits"]
    assert total.counts.tolist() == expected["counts"]
    assert total.pooled[0] == pytest.approx(expected["pooled"], abs=1e-9)
    assert total.per_joint[0] == pytest.approx(expected["per_joint"], abs=1e-9)
    names = [part.name for part in total.parts]
    by_part = {name: float(value) for name, value in zip(names, total.per_part[0], strict=True)}
    by_side = {name: float(value) for name, value in zip(names, total.per_part_by_side[0], strict=True)}
    assert by_part == pytest.approx(expected["parts_pooled"], abs=1e-9)
    assert by_side == pytest.approx(expected["parts"], abs=1e-9)


@pytest.mark.parametrize("length", ["body", "torso:1-8", "torso:2-7"])
def test_command_on_the_data_set_equals_oracle(data_dir: Path, oracle_dir: Path, tmp_path: Path, length: str) -> None:
    """Labels by the data set's reader, predictions in files, coordinates counted from 0 on both sides."""
    with np.load(oracle_dir / "pck" / "open.npz") as predictions:
        for name in predictions.files:
            xy = predictions[name].astype(np.float64) - 1
            source = np.full(xy.shape[:2], Source.DETECTED)
            track = Track.make(0, np.arange(len(xy)), xy, source=source)
            formats.write(Annotations(PENN_13, tracks=(track,)), tmp_path / f"{name}.json")
    arguments = [str(tmp_path), str(data_dir / "penn"), "--split", "test", "--partial", "--length", length]
    options = ["--metric", "pck", "--format", "json", "--dataset-option", "keep_defaults"]
    outcome = CliRunner().invoke(evaluate, [*arguments, *options])
    assert outcome.exit_code == 0, outcome.output
    (measured,) = json.loads(outcome.stdout)["predictions"][0]["metrics"]
    ours = {(f["block"], f["name"]): (f["value"], f["count"]) for f in measured["figures"] if f["kind"] == "total"}
    results = json.loads((oracle_dir / "pck" / "open.json").read_text())["results"]
    for alpha in ("0.1", "0.2"):
        expected = results[f"{length.replace(':', '_').replace('-', '_')}@{alpha}"]
        for name, key in (
            ("pooled", "pooled"),
            ("mean of joints", "mean_13"),
            ("mean of parts", "mean_7_pooled"),
            ("mean of parts, sides averaged", "mean_7"),
        ):
            value, count = ours[f"@{alpha}", name]
            assert value == pytest.approx(expected[key], abs=1e-9), (alpha, name)
            assert count == sum(expected["counts"])
