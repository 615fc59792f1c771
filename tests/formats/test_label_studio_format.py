"""Label Studio's video JSON: what its exports mean, what is written for its import, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pwarp import formats
from pwarp.annotations import OPEN_END, Annotations, Source, Track, VideoIdentity
from pwarp.errors import PwarpError
from pwarp.formats.label_file import LabelFile
from pwarp.skeleton import COCO_17, Skeleton
from pwarp.video import Video, open_video

SIZE = (200, 50)
TRIO = Skeleton.from_names("Dog", ("nose", "left_paw", "right_paw"), ((0, 1), (1, 2), (2, 0)))


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Video:
    """Twelve pictures of 200x50."""
    folder = tmp_path_factory.mktemp("clip")
    for i in range(12):
        cv2.imwrite(str(folder / f"{i:03d}.png"), np.zeros((50, 200, 3), np.uint8))
    return open_video(folder)


def vertices(*ids: str, x: float = 10.0) -> list[dict[str, Any]]:
    """Vertices in a row at 10, 20, ... percent of the width, linked as they were drawn."""
    before = [None, *ids]
    return [
        {"id": id, "x": x + 10 * n, "y": 50, "prevPointId": before[n], "isBezier": False} for n, id in enumerate(ids)
    ]


def item(frame: int, points: list[dict[str, Any]] | None = None, enabled: bool = True, **more: Any) -> dict[str, Any]:
    posed = {} if points is None else {"vertices": points, "closed": False}
    return {"frame": frame, "enabled": enabled, "time": frame / 24} | posed | more


def region(*sequence: dict[str, Any], id: str = "Xk3_a9", label: str = "Dog", **more: Any) -> dict[str, Any]:
    """A result as Label Studio exports it; more: 'type', 'origin', or fields of the value."""
    box = not any("vertices" in one for one in sequence)
    outer = {
        "id": id,
        "type": more.pop("type", "videorectangle" if box else "videovectorlabels"),
        "from_name": "labels",
        "to_name": "video",
        "origin": more.pop("origin", "manual"),
    }
    value = {"framesCount": 12, "duration": 0.5, "sequence": list(sequence), "labels": [label]}
    return {"value": value | more} | outer


def task(*regions: dict[str, Any], **more: Any) -> dict[str, Any]:
    annotation = {"id": 31, "completed_by": 1, "result": list(regions), "was_cancelled": False, "lead_time": 9.1}
    return {
        "id": 7,
        "data": {"video": "/data/upload/1/3f0cd1aa-dog.mp4"},
        "annotations": [annotation],
        "predictions": [],
        "file_upload": "3f0cd1aa-dog.mp4",
    } | more


def read(folder: Path, document: Any, **options: Any) -> Annotations:
    path = folder / "export.json"
    path.write_bytes(orjson.dumps(document))
    assert formats.sniff(path) == "label-studio"
    return formats.read(path, **options)


class TestReading:
    def test_a_project(self, tmp_path: Path, video: Video) -> None:
        points = vertices("a", "b", "c")
        labels = read(tmp_path, [task(region(item(1, points), item(6, points[:2])))], video=video)
        assert labels.skeleton == Skeleton("Dog", ("a", "b", "c"), ((0, 1), (1, 2)))
        (dog,) = labels.tracks
        assert dog.frames.tolist() == [0, 5]
        assert dog.xy[0].tolist() == [[20, 25], [40, 25], [60, 25]]
        assert dog.visibility.tolist() == [[2, 2, 2], [2, 2, 0]]
        assert set(dog.source[0].tolist()) == {Source.MANUAL}
        assert not len(dog.absent)

    def test_places_are_percent_of_a_size_that_must_be_known(self, tmp_path: Path) -> None:
        with pytest.raises(PwarpError, match=r"in percent of a picture whose size it does not say; give the video"):
            read(tmp_path, [task(region(item(1, vertices("a"))))])

    def test_a_life_ends_with_the_frame_that_is_not_enabled(self, tmp_path: Path, video: Video) -> None:
        points = vertices("a", "b")
        life = region(item(1, points), item(4, points, enabled=False), item(8, points), item(9, points, enabled=False))
        (dog,) = read(tmp_path, [task(life)], video=video).tracks
        assert dog.frames.tolist() == [0, 3, 7, 8]
        assert dog.absent.tolist() == [[4, 6], [9, 11]]

    def test_an_end_without_a_shape_is_no_pose(self, tmp_path: Path, video: Video) -> None:
        """As trackers put around what they have found."""
        life = region(item(3, enabled=False), item(4, vertices("a")), item(6, enabled=False))
        (dog,) = read(tmp_path, [task(life)], video=video).tracks
        assert (dog.frames.tolist(), dog.absent.tolist()) == ([3], [[2, 2], [5, 11]])

    def test_rectangles(self, tmp_path: Path, video: Video) -> None:
        shape = {"x": 10, "y": 20, "width": 30, "height": 40, "rotation": 0}
        turned = shape | {"rotation": 90}
        labels = read(tmp_path, [task(region(item(1, **shape), item(5, **turned), label="person"))], video=video)
        assert labels.skeleton == COCO_17
        # 60 wide and 20 high at (20, 10); turned by 90 degrees about that corner it lies to the left and below.
        assert labels.tracks[0].boxes.tolist() == [[20, 10, 80, 30], [0, 10, 20, 70]]
        both = [region(item(1, **shape), id="box"), region(item(1, vertices("a", "b")))]
        assert [len(t.xy[0]) for t in read(tmp_path, [task(*both)], video=video).tracks] == [2, 2]
        with pytest.raises(PwarpError, match=r"holds several kinds of things; choose a label with --only: Cat, Dog"):
            cat = region(item(1, vertices("x", "y", "z")), id="cat", label="Cat")
            read(tmp_path, [task(*both, cat)], video=video)

    def test_rectangles_beside_skeletons_are_theirs_with_their_label_or_none(
        self, tmp_path: Path, video: Video
    ) -> None:
        shape = {"x": 10, "y": 20, "width": 30, "height": 40, "rotation": 0}
        boxes = [region(item(n, **shape), id=name, label=name) for n, name in enumerate(("Dog", "car", ""), start=2)]
        del boxes[2]["value"]["labels"]  # as drawn with the configuration in docs/formats.md
        labels = read(tmp_path, [task(region(item(1, vertices("a", "b"))), *boxes)], video=video)
        assert labels.skeleton.name == "Dog"
        assert [track.frames.tolist() for track in labels.tracks] == [[0], [1], [3]]
        # Asked for by its name, a skeleton comes with the same.
        named = read(tmp_path, [task(region(item(1, vertices("a", "b"))), *boxes)], video=video, only="Dog")
        assert named.same_as(labels)

    def test_boxes_of_several_things_are_not_taken_for_one(self, tmp_path: Path, video: Video) -> None:
        shape = {"x": 10, "y": 20, "width": 30, "height": 40, "rotation": 0}
        kinds = [region(item(n, **shape), id=name, label=name) for n, name in enumerate(("person", "car", ""), start=1)]
        with pytest.raises(PwarpError, match=r"several kinds of things; .* --only: \(no label\), car, person$"):
            read(tmp_path, [task(*kinds)], video=video)
        person = read(tmp_path, [task(*kinds)], video=video, only="person")
        assert person.skeleton == COCO_17 and [t.frames.tolist() for t in person.tracks] == [[0]]
        assert [t.frames.tolist() for t in read(tmp_path, [task(*kinds)], video=video, only="car").tracks] == [[1]]
        nameless = read(tmp_path, [task(*kinds)], video=video, only="(no label)").tracks
        assert [t.frames.tolist() for t in nameless] == [[2]]
        # The task by its video, the label by its name.
        both = [task(*kinds), task(*kinds, data={"video": str(video.path)})]
        assert len(read(tmp_path, both, video=video, only="car").tracks) == 1
        with pytest.raises(PwarpError, match=r"choose a label with --only, and the task with --video: "):
            read(tmp_path, both, video=video, only="dog")

    def test_the_json_min_export(self, tmp_path: Path, video: Video) -> None:
        value = region(item(2, vertices("a", "b")))["value"]
        document = [{"video": "/data/upload/1/3f0cd1aa-dog.mp4", "id": 7, "labels": [value], "annotator": 1}]
        labels = read(tmp_path, document, video=video)
        assert labels.tracks[0].frames.tolist() == [1]
        assert labels.video.path == "/data/upload/1/3f0cd1aa-dog.mp4"

    def test_labels_in_a_result_of_their_own(self, tmp_path: Path, video: Video) -> None:
        shape = region(item(2, vertices("a")), type="videovector")
        del shape["value"]["labels"]
        label = {"id": "Xk3_a9", "type": "labels", "value": {"labels": ["Cow"]}, "from_name": "l", "to_name": "video"}
        assert read(tmp_path, [task(shape, label)], video=video).skeleton.name == "Cow"

    @pytest.mark.parametrize(
        ("changes", "expected"),
        [
            ({}, Source.MANUAL),
            ({"origin": "prediction-changed"}, Source.MANUAL),
            ({"origin": "prediction"}, Source.DETECTED),
        ],
    )
    def test_whose_work_a_region_is(
        self, tmp_path: Path, video: Video, changes: dict[str, Any], expected: Source
    ) -> None:
        (dog,) = read(tmp_path, [task(region(item(1, vertices("a")), **changes))], video=video).tracks
        assert dog.source.tolist() == [[expected]]

    def test_predictions_where_nobody_annotated(self, tmp_path: Path, video: Video) -> None:
        prediction = {"model_version": "1", "result": [region(item(1, vertices("a")))]}
        (dog,) = read(tmp_path, [task(annotations=[], predictions=[prediction])], video=video).tracks
        assert dog.source.tolist() == [[Source.DETECTED]]

    def test_one_task_and_one_annotation_are_chosen(self, tmp_path: Path, video: Video) -> None:
        def annotation(id: int, frame: int, **more: Any) -> dict[str, Any]:
            return {"id": id, "result": [region(item(frame, vertices("a")))]} | more

        def frames(document: Any, **options: Any) -> list[int]:
            return read(tmp_path, document, video=video, **options).tracks[0].frames.tolist()

        two = task(annotations=[annotation(1, 2), annotation(2, 3), annotation(3, 4, was_cancelled=True)])
        assert frames([two], only="2") == [2]
        with pytest.raises(PwarpError, match=r"2 annotations of one video; choose one with --only: 1, 2"):
            frames([two])
        assert frames([task(annotations=[annotation(1, 2), annotation(2, 3, ground_truth=True)])]) == [2]
        cat = task(region(item(9, vertices("a"))), id=8, data={"video": "cat.mp4"})
        tasks = [task(region(item(1, vertices("a")))), cat]
        assert [frames(tasks, only=name) for name in ("cat", "8", "dog.mp4", "7")] == [[8], [8], [0], [0]]
        with pytest.raises(PwarpError, match=r"holds 2 tasks; choose one with --only: /data/upload/1/3f0cd1aa-dog.mp4"):
            frames(tasks)

    @pytest.mark.parametrize("count", [12, 11.4, 12.96, 13])
    def test_the_browsers_count_is_reconciled_with_the_frames(self, tmp_path: Path, video: Video, count: float) -> None:
        labels = read(tmp_path, [task(region(item(1, vertices("a")), framesCount=count))], video=video)
        assert labels.video.frame_count == 12

    def test_a_duration_of_next_to_nothing_tells_no_rate(self, tmp_path: Path, video: Video) -> None:
        labels = read(tmp_path, [task(region(item(1, vertices("a")), duration=1e-16))], video=video)
        assert labels.video.fps is None

    def test_another_count_is_refused(self, tmp_path: Path, video: Video) -> None:
        with pytest.raises(PwarpError, match=r"are for 24 frames, the video has 12: step 2: .*: --frame-step 1/2"):
            read(tmp_path, [task(region(item(1, vertices("a")), framesCount=24))], video=video)

    @pytest.mark.parametrize(
        ("sequence", "message"),
        [
            ([item(0, vertices("a"))], r"region 'Xk3_a9' \(text\): frame is 0, Label Studio counts from 1"),
            ([item(2, vertices("a")), item(2, vertices("a"))], r"frame 2: is a key frame twice"),
            ([item(2, [{"id": "a", "x": "1", "y": 2}])], r"frame 2: x is '1' \(text\), expected a finite number"),
            ([item(2, [{"x": 1, "y": 2}])], r"id of a vertex is null, expected text"),
            ([item(2, vertices("a", "a"))], r"frame 2: keypoint 'a' is there twice; remove a vertex"),
            ([item(2, vertices("a"), enabled=1)], r"frame 2: enabled is 1, expected true or false"),
            ([item(2, vertices("a")), 3], r"a key frame is 3, expected an object"),
            ([item(2, vertices("a")) | {"vertices": [5]}], r"vertices is \[5\] \(a list\), expected a list of objects"),
        ],
    )
    def test_what_is_wrong_is_one_line(self, tmp_path: Path, video: Video, sequence: list[Any], message: str) -> None:
        broken = region(item(1, vertices("a")))
        broken["value"]["sequence"] = sequence
        with pytest.raises(PwarpError, match=message) as caught:
            read(tmp_path, [task(broken)], video=video)
        assert "\n" not in str(caught.value)


@given(data=st.data())
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_spoilt_file_is_read_or_refused_in_one_line(tmp_path: Path, video: Video, data: st.DataObject) -> None:
    document: Any = [
        [
            task(
                region(item(1, vertices("a", "b")), item(4, enabled=False)),
                region(item(2, x=1, y=2, width=3, height=4), id="box"),
            )
        ]
    ]
    for _ in range(data.draw(st.integers(1, 2))):
        *way, last = data.draw(st.sampled_from(places(document)[1:]))
        holder = document
        for key in way:
            holder = holder[key]
        holder[last] = data.draw(
            st.sampled_from([None, True, 0, -1, 1.5, 2**63, 1e308, "", "x", [], [1], {}, [{}], [[]]])
        )
    path = tmp_path / "spoilt.json"
    path.write_bytes(orjson.dumps(document[0]))
    try:
        formats.read(path, format="label-studio", video=video)
    except PwarpError as refusal:
        assert "\n" not in str(refusal) and len(str(refusal)) < 600


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to every part of a JSON document."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(place for key, part in inner for place in places(part, (*at, key)))]


class TestNames:
    def drawn(self, *regions: tuple[str, ...]) -> list[Any]:
        shapes = [region(item(1, vertices(*ids)), id=f"r{n}") for n, ids in enumerate(regions)]
        return [task(*shapes)]

    def test_a_side_file_names_the_vertices(self, tmp_path: Path, video: Video) -> None:
        side = tmp_path / "export.vertices.json"
        side.write_bytes(orjson.dumps({"p1": "tail", "p2": "nose", "q7": "nose", "q8": "tail"}))
        labels = read(tmp_path, self.drawn(("p1", "p2"), ("q7", "q8")), video=video)
        assert labels.skeleton.keypoints == ("tail", "nose")
        assert [t.xy[0, :, 0].tolist() for t in labels.tracks] == [[20, 40], [40, 20]]

    def test_a_side_file_may_be_given_and_say_more(self, tmp_path: Path, video: Video) -> None:
        side = tmp_path / "names.json"
        more = {"vertices": {"p1": "tail", "p2": "nose"}, "keypoints": ["nose", "tail", "ear"], "skeleton": [[1, 2]]}
        side.write_bytes(orjson.dumps(more))
        path = tmp_path / "export.json"
        path.write_bytes(orjson.dumps(self.drawn(("p1", "p2"))))
        labels = formats.read(LabelFile(path, str(path), side), video=video)
        assert labels.skeleton == Skeleton("Dog", ("nose", "tail", "ear"), ((0, 1),))
        assert labels.tracks[0].visibility.tolist() == [[2, 2, 0]]
        side.write_bytes(orjson.dumps({"p1": "tail"}))
        with pytest.raises(PwarpError, match=r"region 'r0' .*: vertex 'p2' \(text\) is no keypoint that is known"):
            formats.read(LabelFile(path, str(path), side), video=video)
        side.write_bytes(b"[1]")
        with pytest.raises(PwarpError, match=r"names.json: is \[1\] \(a list\), expected an object of vertex id"):
            formats.read(LabelFile(path, str(path), side), video=video)

    def test_one_is_refused_for_labels_that_have_names(
        self, tmp_path: Path, shell: Callable[..., Any], video: Video
    ) -> None:
        path = tmp_path / "export.json"
        path.write_bytes(orjson.dumps(self.drawn(("p1", "p2"))))
        formats.write(formats.read(path, video=video), tmp_path / "named.json", format="coco")
        done = shell("info", tmp_path / "named.json", "--vertices", "nothing.json")
        assert (done.code, done.out) == (1, b"")
        said = f"{tmp_path}/named.json: is coco, and --vertices goes with label-studio; leave it out"
        assert done.err == f"pwarp: {said}\n"
        assert "nothing.json" in shell("info", path, "--video", video.path, "--vertices", "nothing.json").err
        (tmp_path / "project.toml").write_text("[info]\nvertices = 'nothing.json'\n")
        assert shell("--config", tmp_path / "project.toml", "info", tmp_path / "named.json").code == 0

    def test_without_one_the_order_of_drawing_counts(self, tmp_path: Path, video: Video) -> None:
        labels = read(tmp_path, self.drawn(("p1", "p2", "p3"), ("q7", "q8", "q9")), video=video)
        assert labels.skeleton == Skeleton("Dog", ("1", "2", "3"), ((0, 1), (1, 2)))
        assert labels.tracks[1].xy[0, :, 0].tolist() == [20, 40, 60]

    def test_where_the_order_tells_nothing_names_are_asked_for(self, tmp_path: Path, video: Video) -> None:
        with pytest.raises(PwarpError, match=r"not the same number of them.* name them .* \(--vertices, or NAME"):
            read(tmp_path, self.drawn(("p1", "p2", "p3"), ("q7", "q8")), video=video)


class TestWriting:
    def labels(self, *tracks: Track, **video: Any) -> Annotations:
        identity = {"path": "dog.mp4", "width": 200, "height": 50, "frame_count": 40, "fps": Fraction(25)}
        return Annotations(TRIO, VideoIdentity(**(identity | video)), tracks)

    def written(self, folder: Path, labels: Annotations, **options: Any) -> tuple[Any, list[str]]:
        path = folder / "out.json"
        report = formats.write(labels, path, format="label-studio", force=True, **options)
        (document,) = orjson.loads(path.read_bytes())
        return document, report.lines()

    def test_what_label_studio_imports(self, tmp_path: Path) -> None:
        xy = np.array([[[20, 25], [40, 10.5], [60, 50]], [[21, 25], [41, 10], [61, 50]]])
        dog = Track.make(5, [0, 8], xy, [[2, 1, 0], [2, 2, 2]], absent=[(9, 19)])
        document, lines = self.written(tmp_path, self.labels(dog))
        assert document["data"]["video"] == "dog.mp4"
        (result,) = document["annotations"][0]["result"]
        assert result["type"] == "videovectorlabels" and result["id"] == "track-5" and result["origin"] == "manual"
        value = result["value"]
        assert (value["framesCount"], value["duration"], value["labels"]) == (40, 1.6, ["Dog"])
        first, second = value["sequence"]
        assert (first["frame"], first["enabled"], first["time"]) == (1, True, 0.04)
        assert (second["frame"], second["enabled"]) == (9, False)
        assert first["vertices"] == [
            {"id": "nose", "x": 10, "y": 50, "prevPointId": None, "isBezier": False},
            {"id": "left_paw", "x": 20, "y": 21, "prevPointId": "nose", "isBezier": False, "visibility": 1},
        ]
        assert [v["prevPointId"] for v in second["vertices"]] == [None, "nose", "nose"]
        assert lines == ["label-studio cannot hold stretches of absence: 1, e.g. track 5, frames 9 to 19"]

    def test_what_was_written_comes_back(self, tmp_path: Path) -> None:
        xy = np.random.default_rng(0).uniform(0, 50, (3, 3, 2)).round(4)
        labels = self.labels(
            Track.make(5, [0, 8, 20], xy, [[2, 1, 0], [2, 2, 2], [1, 1, 1]], absent=[(9, 19), (21, OPEN_END)]),
            Track.make(9, [3], np.full((1, 3, 2), np.nan), boxes=[[1, 2, 30.25, 40]], absent=[(4, OPEN_END)]),
        )
        _, lines = self.written(tmp_path, labels)
        assert lines == []
        assert formats.read(tmp_path / "out.json").same_as(labels)

    def test_a_skeleton_with_a_ring_comes_back_whole(self, tmp_path: Path) -> None:
        """Label Studio draws trees; the task's data has all edges."""
        self.written(tmp_path, self.labels(Track.make(5, [0], np.ones((1, 3, 2)))))
        assert formats.read(tmp_path / "out.json").skeleton == TRIO

    def test_percent_fit_a_scaled_copy(self, tmp_path: Path, video: Video) -> None:
        labels = self.labels(
            Track.make(5, [0], np.full((1, 3, 2), 10.0)), width=400, height=100, frame_count=12, fps=None
        )
        self.written(tmp_path, labels)
        assert formats.read(tmp_path / "out.json", video=video).tracks[0].xy.tolist() == [[[5, 5]] * 3]

    def test_a_region_is_all_of_one_origin(self, tmp_path: Path) -> None:
        source = np.array([[Source.MANUAL] * 3, [Source.PROPAGATED] * 3])
        document, lines = self.written(tmp_path, self.labels(Track.make(5, [3, 4], np.ones((2, 3, 2)), source=source)))
        (result,) = document["annotations"][0]["result"]
        assert result["origin"] == "manual"
        assert [line.partition(": ")[0] for line in lines] == [
            "label-studio cannot hold that a track is absent nowhere",
            "label-studio cannot hold sources of keypoints",
        ]

    def test_the_size_must_be_known(self, tmp_path: Path) -> None:
        with pytest.raises(PwarpError, match=r"do not say the size of the picture: give the video"):
            self.written(tmp_path, self.labels(width=None))

    def test_dense_tracks_are_thinned(self, tmp_path: Path) -> None:
        xy = np.linspace(0, 40, 40)[:, None, None] * np.ones((1, 3, 2))
        dense = Track.make(5, np.arange(40), xy, source=np.full((40, 3), Source.PROPAGATED))
        document, lines = self.written(tmp_path, self.labels(dense))
        assert [k["frame"] for k in document["annotations"][0]["result"][0]["value"]["sequence"]] == [1, 40]
        assert lines[0].startswith("label-studio cannot hold poses between key frames: 38, e.g. track 5, frame 1;")
