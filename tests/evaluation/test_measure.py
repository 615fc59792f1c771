"""Many videos: matching, splits, intervals, what is left out, and what a report says."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from crowds import FIVE, crowd, guess, labels, measured

from pwarp import formats, registry
from pwarp.annotations import Annotations, Source, Track, VideoIdentity
from pwarp.errors import PwarpError
from pwarp.evaluation.matching import find_labels, match
from pwarp.evaluation.measure import make_metrics, measure
from pwarp.evaluation.metric import Figure, Settings
from pwarp.evaluation.pairing import Selection
from pwarp.evaluation.report import FORMATS, Column, Report
from pwarp.evaluation.videos import Labels
from pwarp.skeleton import COCO_17, Skeleton


def named(*names: str, group: str = "") -> list[Labels]:
    return [labels(Annotations(FIVE), name, group) for name in names]


def paired(matching) -> list[tuple[str, str]]:
    return [(t.name, p.name) for t, p in matching.pairs]


def test_by_name_whatever_the_order() -> None:
    matching = match(named("c", "a", "b"), named("b", "d", "a"))
    assert paired(matching) == [("a", "a"), ("b", "b")]
    assert [t.name for t in matching.only_truth] == ["c"]
    assert [p.name for p in matching.only_prediction] == ["d"]
    assert not matching.complete
    assert matching.account() == "2 videos matched; 1 without prediction: c; 1 predicted without truth: d"


def test_the_only_two_are_a_pair_whatever_they_are_called() -> None:
    assert paired(match(named("truth"), named("dense"))) == [("truth", "dense")]


def test_by_the_video_that_labels_name() -> None:
    def of(name: str, path: str) -> Labels:
        return labels(Annotations(FIVE, VideoIdentity(path=path)), name)

    truth = [of("t1", "clips/walk.mp4"), of("t2", "clips/jump.mp4"), of("t3", "clips/run.mp4")]
    predictions = [of("p1", "C:\\videos\\jump.mp4"), of("walk", "x.mp4"), of("p3", "other.mp4")]
    matching = match(truth, predictions)
    assert paired(matching) == [("t1", "walk"), ("t2", "p1")]
    assert [t.name for t in matching.only_truth] == ["t3"]


def test_a_prediction_that_several_truths_could_mean_goes_unused() -> None:
    def of(name: str, group: str = "") -> Labels:
        return labels(Annotations(FIVE, VideoIdentity(path="clip/video.mp4")), name, group)

    matching = match([of("a"), of("b"), of("d")], [of("a"), of("c")])
    assert paired(matching) == [("a", "a")]
    assert [p.name for p in matching.only_prediction] == ["c"]
    assert paired(match([of("a"), of("b")], [of("a"), of("c")])) == [("a", "a"), ("b", "c")]
    # Splits share a prediction, also by the video.
    assert paired(match([of("b", "s1"), of("b", "s2")], [of("c"), labels(Annotations(FIVE), "x")])) == [
        ("b", "c"), ("b", "c")
    ]  # fmt: skip


def test_splits_share_a_prediction() -> None:
    truth = [*named("a", "b", group="s1"), *named("b", "c", group="s2")]
    matching = match(truth, named("a", "b", "c"))
    assert [(t.group, p.name) for t, p in matching.pairs] == [("s1", "a"), ("s1", "b"), ("s2", "b"), ("s2", "c")]


def test_two_predictions_of_one_name_are_refused() -> None:
    with pytest.raises(PwarpError, match="also called 'a'"):
        match(named("a", "b"), named("a", "a"))


def write(folder: Path, names: list[str], seed: int = 0) -> None:
    folder.mkdir()
    for i, name in enumerate(names):
        formats.write(guess(crowd(i), seed + i, error=5.0 * seed), folder / f"{name}.json")


def test_folders_of_label_files(tmp_path: Path) -> None:
    write(tmp_path / "truth", ["a", "b", "c"])
    write(tmp_path / "found", ["c", "b", "a"], seed=1)
    (tmp_path / "found" / ".hidden.json").write_text("{}")
    (tmp_path / "found" / "notes.txt").write_text("hello")
    matching = match(find_labels(str(tmp_path / "truth")), find_labels(str(tmp_path / "found")))
    assert matching.complete
    assert paired(matching) == [("a", "a"), ("b", "b"), ("c", "c")]
    (tmp_path / "empty").mkdir()
    with pytest.raises(PwarpError, match="no label file"):
        find_labels(str(tmp_path / "empty"))
    with pytest.raises(PwarpError, match="no such file"):
        find_labels(str(tmp_path / "nowhere"))


def test_penn_root_with_split(data_dir: Path) -> None:
    with pytest.raises(PwarpError, match=r"several splits; name one with --split: train, test"):
        find_labels(str(data_dir / "penn"))
    found = find_labels(str(data_dir / "penn"), split="test")
    assert {"0001", "0077", "1154"} <= {each.name for each in found}


def same(one: Sequence[Figure], other: Sequence[Figure]) -> None:
    np.testing.assert_equal(*([(*f.key, f.value, f.count) for f in figures] for figures in (one, other)))


def pictures(names: list[str], id_first: int = 40) -> dict[str, object]:
    points = [v for k in range(17) for v in (10 + k, 20 + 2 * k, 2)]
    person = {"category_id": 1, "keypoints": points, "bbox": [0, 0, 50, 60], "scores": [0.5] * 17}
    return {
        "images": [{"id": id_first + i, "file_name": f"val/{name}"} for i, name in enumerate(names)],
        "annotations": [{"id": i, "image_id": id_first + i, **person} for i in range(len(names) - 1)],
        "categories": [{"id": 1, "name": "person", "keypoints": list(COCO_17.keypoints)}],
    }  # fmt: skip


def test_a_file_of_many_pictures_goes_with_a_data_set_of_pictures(tmp_path: Path) -> None:
    file = tmp_path / "found.json"
    file.write_text(json.dumps(pictures(["x.jpg", "y.jpg", "z.jpg"])))
    xy = np.array([[[10.0 + k, 20 + 2 * k] for k in range(17)]])
    truth = [
        labels(Annotations(COCO_17, tracks=(Track.make(3, [0], xy, identified=False),)), name)
        for name in ("z.jpg", "x.jpg", "y.jpg")
    ]
    matching = match(truth, find_labels(str(file)))
    assert matching.complete
    (result,) = measure(matching.pairs, make_metrics(["pck"], Settings(length="diag:0.4")), per_video=True)
    assert {v: next(f.value for f in figures if f.main) for v, figures in result.per_video.items()} == {
        "z.jpg": 0, "x.jpg": 100, "y.jpg": 100
    }  # fmt: skip


def test_a_file_of_several_videos_is_taken_apart(tmp_path: Path) -> None:
    document = pictures(["a.jpg", "b.jpg", "c.jpg"])
    for image, video in zip(document["images"], (7, 8, 8), strict=True):  # type: ignore[call-overload]
        image |= {"video_id": video, "frame_id": image["id"]}
    document["videos"] = [{"id": 7, "name": "walk.mp4"}, {"id": 8, "name": "jump.mp4"}]
    for name in ("truth", "found"):
        (tmp_path / f"{name}.json").write_text(json.dumps(document))
    truth, found = (find_labels(str(tmp_path / f"{name}.json")) for name in ("truth", "found"))
    assert [each.name for each in truth] == ["walk", "jump"]
    (result,) = measure(match(truth, found).pairs, make_metrics(["pck"], Settings(length="diag:0.4")), per_video=True)
    assert {v: next(f.count for f in figures if f.main) for v, figures in result.per_video.items()} == {
        "walk": 17,
        "jump": 17,
    }


def test_another_video_is_refused() -> None:
    truth = crowd(0)
    other = replace(guess(truth, 1), video=VideoIdentity(frame_count=9))
    with pytest.raises(PwarpError, match=r"another video.*9 frames against 4"):
        measured("pck", (truth, other))


def test_per_video_figures_are_those_of_the_video_alone() -> None:
    pairs = [(truth := crowd(i), guess(truth, i)) for i in range(3)]
    for metric in registry.names("metric"):
        together = measured(metric, *pairs, per_video=True)
        for i, pair in enumerate(pairs):
            same(together.per_video[f"v{i}"], measured(metric, pair).figures)


@pytest.mark.parametrize("metric", ["pck", "error", "calibration"])
def test_a_data_set_says_whether_occluded_keypoints_count(metric: str) -> None:
    truth = crowd(0)
    prediction = labels(guess(truth, 1))

    def by(occluded: bool | None, visible_only: bool | None) -> tuple[list[Figure], str]:
        metrics = make_metrics([metric], Settings(Selection(visible_only=visible_only)))
        true = labels(truth) if occluded is None else replace(labels(truth), occluded=occluded)
        (result,) = measure([(true, prediction)], metrics)
        return list(result.figures), "; ".join(result.notes)

    visible, everything = by(None, True), by(None, False)
    assert visible[0] != everything[0]
    same(by(None, None)[0], visible[0])
    same(by(True, None)[0], everything[0])
    same(by(True, True)[0], visible[0])
    assert ["protocol" in notes for _, notes in (visible, everything, by(True, None))] == [False, False, True]
    assert {n: registry.load("dataset", n).counts_occluded for n in ("jhmdb", "sub-jhmdb", "mpii", "penn", "coco")} == {
        "jhmdb": True, "sub-jhmdb": True, "mpii": True, "penn": False, "coco": False
    }  # fmt: skip


# For each setting two ways to measure that differ in it alone.
DIFFERENT = {
    "length": (Settings(alphas=(30.0,), auc_limit=30.0), Settings(length="pixels", alphas=(30.0,), auc_limit=30.0)),
    "alphas": (Settings(), Settings(alphas=(0.01,))),
    "strict": (PIXELS := Settings(length="pixels", alphas=(15.0,), auc_limit=15.0), replace(PIXELS, strict=True)),
    "auc_limit": (Settings(), Settings(auc_limit=0.05)),
    "sigmas": (Settings(), Settings(sigmas=(0.2,))),
    "bins": (Settings(), Settings(bins=3)),
    "visible_only": (Settings(), Settings(Selection(visible_only=False))),
    "exclude_manual": (Settings(), Settings(Selection(exclude_manual=False))),
    "every": (Settings(), Settings(Selection(every=2))),
    "tracks": (Settings(), Settings(Selection(tracks="id"))),
}


@pytest.mark.parametrize("setting", DIFFERENT)
@pytest.mark.parametrize("metric", registry.names("metric"))
def test_a_metric_uses_the_settings_that_it_says_and_no_others(metric: str, setting: str) -> None:
    whole = crowd(0, frames=7)
    truth = replace(whole, tracks=tuple(replace(t, xy=np.round(t.xy)) for t in whole.tracks))
    prediction = guess(truth, 1)
    if setting == "strict":
        heads = np.array([0.0, 0.0, 30.0, 40.0])  # so that half a head is 15 pixels, without a digit more
        truth = replace(truth, tracks=tuple(replace(t, head_boxes=np.tile(heads, (len(t), 1))) for t in truth.tracks))
        prediction = replace(prediction, tracks=tuple(_moved(t, 15.0) for t in guess(truth, 1, error=0).tracks))
    if setting == "tracks":
        prediction = replace(prediction, tracks=tuple(replace(t, id=(t.id + 1) % 3) for t in prediction.tracks))
    if setting == "exclude_manual":
        prediction = replace(prediction, tracks=tuple(_given(t, [2, 3, 4]) for t in prediction.tracks))
    ways = [s if metric != "pckh" or setting != "strict" else replace(s, alphas=(0.5,)) for s in DIFFERENT[setting]]
    one, other = (
        [(*f.key, f.value, f.count) for f in measured(metric, (truth, prediction), settings=way).figures]
        for way in ways
    )
    assert (repr(one) != repr(other)) == (setting in registry.load("metric", metric).uses)


def _moved(track: Track, pixels: float) -> Track:
    return replace(track, xy=track.xy + np.array([pixels, 0.0]))


def _given(track: Track, frames: Sequence[int]) -> Track:
    """The track with what a person is said to have set in some frames."""
    source = np.where(np.isin(track.frames, frames)[:, None] & track.labelled, Source.MANUAL, track.source)
    return replace(track, source=source)


def test_splits_are_averaged_and_counts_added() -> None:
    pairs = [(truth := crowd(i, frames=2 + i), guess(truth, i)) for i in range(3)]
    groups = ("one", "one", "two")
    grouped = [(labels(t, f"v{i}", groups[i]), labels(p, f"v{i}")) for i, (t, p) in enumerate(pairs)]
    (result,) = measure(grouped, make_metrics(["pck"], Settings()))
    first, second = measured("pck", *pairs[:2]), measured("pck", pairs[2])
    for mean, a, b in zip(result.figures, first.figures, second.figures, strict=True):
        assert mean.value == pytest.approx((a.value + b.value) / 2)
        assert mean.count == a.count + b.count
    assert "mean of 2 splits" in result.title


def test_lenient_leaves_out_and_names_what_cannot_be_judged() -> None:
    good, bad = crowd(0), crowd(1)
    other = replace(guess(bad, 1), skeleton=Skeleton("other", ("p", "q", "r", "s", "t")))
    pairs = [(good, guess(good, 0)), (bad, other)]
    with pytest.raises(PwarpError, match="lacks 5"):
        measured("pck", *pairs)
    result = measured("pck", *pairs, lenient=True)
    assert list(result.skipped) == ["v1"]
    same(result.figures, measured("pck", pairs[0]).figures)
    with pytest.raises(PwarpError, match=r"no video left to judge: .*lacks 5"):
        measured("pck", pairs[1], lenient=True)


def test_videos_with_different_keypoints_do_not_add_up() -> None:
    other = Skeleton("other", ("p", "q", "r", "s", "t"), sigmas=FIVE.sigmas)
    a, b = crowd(0), crowd(1, skeleton=other)
    for metric in ("pck", "auc", "error", "jitter", "calibration", "posetrack-ap", "mota"):
        with pytest.raises(PwarpError, match=r"different (keypoints|joints)"):
            measured(metric, (a, guess(a, 0)), (b, guess(b, 1)))


def test_interval_holds_the_figure_and_shrinks_with_more_videos() -> None:
    def width(videos: int) -> float:
        pairs = [(truth := crowd(i), guess(truth, i, error=10 + 3 * (i % 5))) for i in range(videos)]
        result = measured("pck", *pairs, bootstrap=100, settings=Settings(length="diag:0.4"))
        figure = next(f for f in result.figures if f.main)
        assert figure.low is not None
        assert figure.high is not None
        assert figure.low <= figure.value <= figure.high
        return figure.high - figure.low

    assert 0 < width(40) < width(4)


@pytest.mark.parametrize("metric", registry.names("metric"))
def test_interval_of_equal_videos_is_the_figure_itself(metric: str) -> None:
    truth = crowd(0)
    prediction = guess(truth, 1)
    result = measured(metric, *[(truth, prediction)] * 3, bootstrap=100)
    for figure in result.figures:
        if metric != "posetrack-ap":  # Videos that are equal have equal scores, and AP then hangs on their order.
            assert [figure.low, figure.high] == pytest.approx([figure.value] * 2, nan_ok=True)


def test_interval_needs_videos() -> None:
    truth = crowd(0)
    with pytest.raises(PwarpError, match="only one"):
        measured("pck", (truth, truth), bootstrap=100)


def reported(*metrics: str, predictions: int = 2, **options: object) -> Report:
    truth = [crowd(i) for i in range(3)]
    columns = []
    for p in range(predictions):
        pairs = [(labels(t, f"v{i}"), labels(guess(t, 10 * p + i), f"v{i}")) for i, t in enumerate(truth)]
        found = measure(pairs, make_metrics(metrics, Settings()), **options)  # type: ignore[arg-type]
        columns.append(Column(f"p{p}", ("v0", "v1", "v2"), (), (), tuple(found)))
    return Report("truth", tuple(columns), Settings())


@pytest.mark.parametrize("style", FORMATS)
def test_every_format_holds_every_metric_and_column(style: str) -> None:
    report = reported(*registry.names("metric"), per_video=True)
    text = report.rendered(style, per_joint=True)
    assert "p0" in text
    assert "p1" in text
    assert "v2" in text
    for column in report.columns:
        for found in column.measured:
            assert found.title.split(",")[0].replace("_", "\\_" if style == "markdown" else "_") in text


def test_json_has_every_figure_count_and_setting() -> None:
    report = reported("pck", "mota", predictions=1)
    document = json.loads(report.rendered("json"))
    assert document["settings"]["selection"]["visible_only"] is None
    (prediction,) = document["predictions"]
    for written, found in zip(prediction["metrics"], report.columns[0].measured, strict=True):
        assert [(f["block"], f["kind"], f["name"], f["count"]) for f in written["figures"]] == [
            (*f.key, f.count) for f in found.figures
        ]
        assert [f["value"] for f in written["figures"]] == pytest.approx([f.value for f in found.figures])


def test_csv_is_a_row_a_figure() -> None:
    report = reported("pck", "error", predictions=2)
    rows = list(csv.DictReader(io.StringIO(report.rendered("csv"))))
    assert len(rows) == sum(len(m.figures) for c in report.columns for m in c.measured)
    first = report.columns[0].measured[0].figures[0]
    assert float(rows[0]["value"]) == first.value
    assert int(rows[0]["count"]) == first.count


def test_table_says_joints_of_pck_unasked_and_others_on_request() -> None:
    report = reported("pck", "mota")
    plain, full = report.rendered("table"), report.rendered("table", per_joint=True)
    assert plain.count("left_fin") == 2
    assert full.count("left_fin") > plain.count("left_fin")
    assert "diag:0.4" in plain
