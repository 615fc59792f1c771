"""Results files: what the official tools make of them, and that the pictures are the truth's."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_coco_dataset import document as coco_document
from test_coco_dataset import write as write_coco
from test_posetrack_datasets import annolist, posetrack18, write

from pwarp import formats
from pwarp.annotations import Annotations, Source, Track
from pwarp.datasets.base import Sample, open_dataset
from pwarp.datasets.posetrack17 import PoseTrack17
from pwarp.datasets.posetrack18 import PoseTrack18
from pwarp.datasets.results import write_coco_results, write_posetrack_results
from pwarp.errors import PwarpError
from pwarp.skeleton import COCO_17, MPII_16, PENN_13, POSETRACK_15, POSETRACK_17, Skeleton


def predicted(skeleton: Skeleton, id: int, frames: list[int], **other: Any) -> Track:
    """A detected person: every keypoint at a place of its own, every score another."""
    count = len(skeleton)
    xy = np.zeros((len(frames), count, 2))
    xy[..., 0] = 10 * id + np.arange(count)
    xy[..., 1] = 100 + np.array(frames)[:, np.newaxis]
    score = np.full((len(frames), count), 0.25) + np.arange(count) / 100
    source = np.full((len(frames), count), Source.DETECTED)
    return Track.make(id, frames, xy, **{"score": score, "source": source} | other)


def test_coco_results_are_what_cocos_tools_read(tmp_path: Path) -> None:
    """The truth handed in as prediction scores 1 in all that there are people for."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    dataset = write_coco(tmp_path, coco_document())
    predictions = {}
    for sample in dataset.samples("val2017"):
        people = sample.annotations
        scored = [replace(t, person_score=np.array([0.5 + t.id / 100])) for t in people.tracks]
        predictions[sample.name] = replace(people, tracks=tuple(scored))
    path = tmp_path / "results.json"
    write_coco_results(predictions, path)
    truth = COCO(str(tmp_path / "annotations" / "person_keypoints_val2017.json"))
    judge = COCOeval(truth, truth.loadRes(str(path)), "keypoints")
    judge.evaluate()
    judge.accumulate()
    judge.summarize()
    assert judge.stats[0] == pytest.approx(1)
    rows = json.loads(path.read_text())
    assert {(row["image_id"], row["score"]) for row in rows} == {(139, 0.62), (139, 0.54), (785, 0.59)}
    assert all(row.keys() == {"image_id", "category_id", "keypoints", "score"} for row in rows)


def test_coco_results_scores_order_and_gaps(tmp_path: Path) -> None:
    """Keypoints go by name; the person's score is the mean where there is none; unlabelled keypoints are zeros."""
    shuffled = Skeleton("shuffled", ("tail", *reversed(COCO_17.keypoints)))
    visibility = np.full((1, 18), 2)
    visibility[0, 3] = 0  # left_knee, the third from behind
    one = predicted(shuffled, 7, [0], visibility=visibility, source=np.where(visibility, Source.DETECTED, 0))
    manual = predicted(shuffled, 8, [0], score=None, source=np.full((1, 18), Source.MANUAL))
    nobody = predicted(shuffled, 9, [0], visibility=np.zeros((1, 18)), source=np.zeros((1, 18)))
    path = tmp_path / "results.json"
    write_coco_results({"000000000042": Annotations(shuffled, tracks=(one, manual, nobody))}, path)
    first, second = json.loads(path.read_text())
    assert first["image_id"] == 42
    keypoints = np.array(first["keypoints"]).reshape(17, 3)
    at = COCO_17.index("right_knee")
    assert shuffled.keypoints[3] == "right_knee"
    np.testing.assert_array_equal(keypoints[at], 0)
    np.testing.assert_allclose(keypoints[0], [70 + 17, 100, 0.25 + 0.17])
    kept = np.delete(np.arange(1, 18), 2)
    assert first["score"] == pytest.approx(0.25 + kept.mean() / 100)
    assert second["score"] == 1
    np.testing.assert_array_equal(np.array(second["keypoints"])[2::3], 1)


def test_coco_results_that_cannot_be(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    person = Annotations(COCO_17, tracks=(predicted(COCO_17, 1, [0]),))
    with pytest.raises(PwarpError, match="picture 'dog': COCO's pictures are called by their number"):
        write_coco_results({"dog": person}, path)
    with pytest.raises(PwarpError, match="skeleton 'penn-13' has no keypoint 'nose'"):
        write_coco_results({"1": Annotations(PENN_13)}, path)
    with pytest.raises(PwarpError, match="picture '1', track 1: has frame 3"):
        write_coco_results({"1": Annotations(COCO_17, tracks=(predicted(COCO_17, 1, [0, 3]),))}, path)
    assert not path.exists()
    write_coco_results({}, path)
    assert json.loads(path.read_text()) == []
    with pytest.raises(PwarpError, match="exists; give --force"):
        write_coco_results({"1": person}, path)
    write_coco_results({"1": person}, path, force=True)
    assert len(json.loads(path.read_text())) == 1


def samples18(root: Path) -> list[Sample]:
    write(root, posetrack18(), "annotations/val", "000342_mpii_test.json")
    return list(PoseTrack18(root).samples("val"))


def test_posetrack18_results_have_the_truths_pictures(tmp_path: Path) -> None:
    samples = samples18(tmp_path)
    people = Annotations(POSETRACK_15, tracks=(predicted(POSETRACK_15, 5, [0, 2]), predicted(POSETRACK_15, 1500, [2])))
    (path,) = write_posetrack_results({"000342_mpii_test": people}, samples, tmp_path / "out")
    assert path == tmp_path / "out" / "000342_mpii_test.json"
    written, truth = json.loads(path.read_text()), posetrack18()
    pairs = zip(written["images"], truth["images"], strict=True)
    assert all(a["id"] == b["id"] and a["file_name"] == b["file_name"] for a, b in pairs)
    assert not any("ignore_regions_x" in image for image in written["images"])
    assert [row["image_id"] - 10003420000 for row in written["annotations"]] == [0, 2, 2]
    assert all(row["track_id"] < 1000 and len(row["scores"]) == 17 for row in written["annotations"])
    back = formats.read(path, format="posetrack18")
    track = back.tracks[0]
    np.testing.assert_array_equal(track.frames, [0, 2])
    for joint, name in enumerate(POSETRACK_15.keypoints):
        np.testing.assert_allclose(track.xy[1, POSETRACK_17.index(name)], [50 + joint, 102])
        np.testing.assert_allclose(track.score[1, POSETRACK_17.index(name)], 0.25 + joint / 100)
    assert not track.labelled[:, POSETRACK_17.index("left_ear")].any()


def test_posetrack17_results_have_the_truths_pictures(tmp_path: Path) -> None:
    """Frames 11 to 13 of a folder that begins with 9: frames 2 to 4 of the video."""
    write(tmp_path, annolist())
    folder = tmp_path / "images/bonn_5sec/000342_mpii"
    folder.mkdir(parents=True)
    for number in (9, 10, 11, 12, 13):
        (folder / f"{number:08d}.jpg").touch()
    samples = list(PoseTrack17(tmp_path).samples("val"))
    people = Annotations(POSETRACK_15, tracks=(predicted(POSETRACK_15, 3, [2, 4]),))
    (path,) = write_posetrack_results({"00342_mpii": people}, samples, tmp_path / "out")
    frames = json.loads(path.read_text())["annolist"]
    assert [f["image"] for f in frames] == [f["image"] for f in annolist()["annolist"]]
    assert [len(f["annorect"]) for f in frames] == [1, 0, 1]
    (person,) = frames[2]["annorect"]
    assert person["track_id"] == [3]
    points = {p["id"][0]: (p["x"][0], p["y"][0], p["score"][0]) for p in person["annopoints"][0]["point"]}
    assert points == {k: pytest.approx((30 + k, 104, 0.25 + k / 100)) for k in range(15)}
    write(tmp_path, path.read_text())
    (sample,) = PoseTrack17(tmp_path).samples("val")
    assert sample.annotations.track(3).same_as(people.track(3))


def test_every_video_needs_a_prediction_and_every_prediction_a_video(tmp_path: Path) -> None:
    samples = samples18(tmp_path)
    out = tmp_path / "out"
    nobody = Annotations(POSETRACK_17)
    with pytest.raises(PwarpError, match=r"no prediction for video '000342_mpii_test' \(1 of 1 lack one\)"):
        write_posetrack_results({}, samples, out)
    with pytest.raises(PwarpError, match="prediction for 'b', which is no video of this split"):
        write_posetrack_results({"000342_mpii_test": nobody, "b": nobody}, samples, out)
    late = Annotations(POSETRACK_17, tracks=(predicted(POSETRACK_17, 1, [1, 3]),))
    with pytest.raises(PwarpError, match=r"track 1 has a pose in frame 3, which .*\.json does not list"):
        write_posetrack_results({"000342_mpii_test": late}, samples, out)
    with pytest.raises(PwarpError, match=r"out/000342_mpii_test\.json: .* shares no keypoint with PoseTrack's"):
        write_posetrack_results({"000342_mpii_test": Annotations(Skeleton("cow", ("tail",)))}, samples, out)
    (tmp_path / "file").touch()
    with pytest.raises(PwarpError, match="file: cannot make this folder"):
        write_posetrack_results({"000342_mpii_test": nobody}, samples, tmp_path / "file")
    write_posetrack_results({"000342_mpii_test": nobody}, samples, out)
    with pytest.raises(PwarpError, match="exists; give --force"):
        write_posetrack_results({"000342_mpii_test": nobody}, samples, out)
    upper_neck = Annotations(MPII_16, tracks=(predicted(MPII_16, 1, [1]),))
    (path,) = write_posetrack_results({"000342_mpii_test": upper_neck}, samples, out, force=True)
    (row,) = json.loads(path.read_text())["annotations"]
    head_bottom = np.array(row["keypoints"]).reshape(17, 3)[POSETRACK_17.index("head_bottom")]
    np.testing.assert_allclose(head_bottom, [10 + MPII_16.index("upper_neck"), 101, 1])


def test_the_oracles_predictions_come_back_as_they_were(tmp_path: Path, oracle_dir: Path) -> None:
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "val").symlink_to((oracle_dir / "posetrack/open/gt").resolve())
    samples = list(open_dataset(tmp_path).samples("val"))
    given = oracle_dir / "posetrack/open/pred"
    predictions = {s.name: formats.read(given / s.labels.name, format="posetrack18") for s in samples}
    for path in write_posetrack_results(predictions, samples, tmp_path / "out"):
        before, after = (json.loads(p.read_text()) for p in (given / path.name, path))
        assert [i["file_name"] for i in before["images"]] == [i["file_name"] for i in after["images"]]
        rows = {(r["image_id"], r["track_id"]): r for r in after["annotations"]}
        assert len(rows) == len(before["annotations"]) > 0
        for row in before["annotations"]:
            twin = rows[row["image_id"], row["track_id"]]
            assert twin["keypoints"] == row["keypoints"]
            there = np.array(row["keypoints"]).reshape(17, 3).any(axis=1)
            np.testing.assert_array_equal(np.array(twin["scores"])[there], np.array(row["scores"])[there])
