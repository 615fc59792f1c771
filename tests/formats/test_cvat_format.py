"""CVAT for video 1.1: what its exports mean, what is written for its import, and what is refused."""

from __future__ import annotations

import tracemalloc
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cvat_files import box, document, skeleton, task, track
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pwarp import formats
from pwarp.annotations import OPEN_END, Annotations, Source, Track, VideoIdentity
from pwarp.errors import PwarpError
from pwarp.formats.label_file import LabelFile
from pwarp.skeleton import COCO_17, Skeleton

DOG = Skeleton.from_names("dog", ("nose", "left paw", "right paw"), ((1, 2), (0, 1)))


def read(folder: Path, content: bytes, **options: Any) -> Annotations:
    path = folder / "annotations.xml"
    path.write_bytes(content)
    assert options.get("format") or formats.sniff(path) == "cvat"
    return formats.read(path, **options)


def one(folder: Path, *shapes: str, **attributes: Any) -> Track:
    (only,) = read(folder, document(track(*shapes, **attributes))).tracks
    return only


class TestReading:
    def test_a_task(self, tmp_path: Path) -> None:
        labels = read(tmp_path, document(track(skeleton(0, "vox"), skeleton(4), id=3), track(skeleton(7), id=8)))
        assert labels.skeleton == DOG
        assert labels.video == VideoIdentity("dog.mp4", 854, 480, 60)
        first, second = labels.tracks
        assert (first.id, first.frames.tolist(), second.id) == (3, [0, 4], 8)
        assert first.visibility.tolist() == [[2, 1, 0], [2, 2, 2]]
        assert first.xy[1].tolist() == [[10, 14], [11, 14], [12, 14]] and np.isnan(first.xy[0, 2]).all()
        assert first.source[0].tolist() == [Source.MANUAL, Source.MANUAL, Source.NONE]
        assert not len(first.absent) and first.identified

    def test_what_cvat_drew_between_key_frames_is_no_label(self, tmp_path: Path) -> None:
        shapes = [skeleton(f, key=int(f % 5 == 0), at=10.0 + f) for f in range(11)]
        assert one(tmp_path, *shapes).frames.tolist() == [0, 5, 10]

    def test_each_point_has_its_own_key_frames(self, tmp_path: Path) -> None:
        shapes = (skeleton(0), skeleton(5, keys=(1, 0, 0)), skeleton(9, keys=(0, 1, 1)))
        assert one(tmp_path, *shapes).visibility.tolist() == [[2, 2, 2], [2, 0, 0], [0, 2, 2]]

    def test_a_key_frame_without_key_points_keys_them_all(self, tmp_path: Path) -> None:
        """As in the example of CVAT's documentation."""
        found = one(tmp_path, skeleton(0), skeleton(1, "xxx"), skeleton(6, keys=(0, 0, 0)), skeleton(7, "xxx"))
        assert found.frames.tolist() == [0, 6]
        assert found.absent.tolist() == [[1, 5], [7, OPEN_END]]

    def test_outside_lasts_until_a_key_frame_brings_a_point_back(self, tmp_path: Path) -> None:
        found = one(tmp_path, skeleton(0), skeleton(3, "xxv"), skeleton(5, "xxx"), skeleton(9, "vxx"), skeleton(20))
        assert found.absent.tolist() == [[5, 8]]
        assert found.visibility.tolist() == [[2, 2, 2], [0, 0, 2], [2, 0, 0], [2, 2, 2]]

    def test_points_outside_one_by_one_are_absent_only_together(self, tmp_path: Path) -> None:
        found = one(tmp_path, skeleton(0), skeleton(3, "xvv", keys=(1, 0, 0)), skeleton(5, "vxx", keys=(0, 1, 1)))
        assert found.frames.tolist() == [0]
        assert found.absent.tolist() == [[5, OPEN_END]]

    def test_a_shape_that_is_no_track_is_a_lone_label(self, tmp_path: Path) -> None:
        """CVAT exports it as a track that ends in the next frame of the task."""
        found = one(tmp_path, skeleton(30), skeleton(31, "xxx"))
        assert (found.frames.tolist(), found.identified, found.absent.tolist()) == ([30], False, [])
        meta = task(step=10, size=6)
        (found,) = read(tmp_path, document(track(skeleton(30), skeleton(40, "xxx")), meta=meta)).tracks
        assert not found.identified
        assert one(tmp_path, skeleton(30), skeleton(35, "xxx")).absent.tolist() == [[35, OPEN_END]]

    @pytest.mark.parametrize(
        ("source", "expected"),
        [("manual", Source.MANUAL), ("semi-auto", Source.MANUAL), ("file", Source.MANUAL), ("auto", Source.DETECTED)],
    )
    def test_whose_work_a_track_is(self, tmp_path: Path, source: str, expected: Source) -> None:
        assert set(one(tmp_path, skeleton(2), source=source).source[0]) == {expected}

    def test_every_nth_frame_keeps_its_number_in_the_source(self, tmp_path: Path) -> None:
        labels = read(tmp_path, document(track(skeleton(5), skeleton(15)), meta=task(size=12, start=5, step=10)))
        assert labels.tracks[0].frames.tolist() == [5, 15]
        assert labels.video.frame_count is None

    def test_a_job_knows_not_how_long_the_video_is(self, tmp_path: Path) -> None:
        meta = task(size=30).replace("<task>", "<job>").replace("</task>", "</job>")
        labels = read(tmp_path, document(track(skeleton(40)), meta=meta))
        assert labels.video == VideoIdentity("dog.mp4", 854, 480)
        assert labels.tracks[0].frames.tolist() == [40]

    def test_the_tasks_of_a_project_come_after_one_another(self, tmp_path: Path) -> None:
        tasks = [
            task("one", source="a.mp4", id=11, size=20, start=3, step=5, labels=False),
            task("two", source="b.mp4", id=12, size=30, labels=False),
            task("three", source="c.mp4", id=13, size=30, subset="Train", labels=False),
        ]
        labels = task().partition("<labels>")[2].partition("</labels>")[0]
        meta = f"<project><id>1</id><tasks>{''.join(tasks)}</tasks><labels>{labels}</labels></project>"
        content = document(
            track(skeleton(3), skeleton(8), id=0, task_id="11", subset="default"),
            track(skeleton(103 + 2), skeleton(103 + 9), id=1, task_id="12", subset="default"),
            track(skeleton(4), id=2, task_id="13", subset="Train"),
            meta=meta,
        )
        found = {name: read(tmp_path, content, only=name) for name in ("a.mp4", "two", "13")}
        assert [labels.tracks[0].frames.tolist() for labels in found.values()] == [[3, 8], [2, 9], [4]]
        assert [labels.video.path for labels in found.values()] == ["a.mp4", "b.mp4", "c.mp4"]
        assert found["two"].video.frame_count == 30
        with pytest.raises(PwarpError, match=r"holds 3 tasks; choose one with --only: a.mp4, b.mp4, c.mp4"):
            read(tmp_path, content)
        broken = content.replace(b'frame="105"', b'frame="99"')
        with pytest.raises(PwarpError, match=r"track 1: frame 99 lies before the 103 frames of the tasks before"):
            read(tmp_path, broken, only="two")

    def test_boxes_alone(self, tmp_path: Path) -> None:
        shapes = (
            box(0, (1, 2, 30, 40)),
            box(1, (2, 2, 31, 40), key=0),
            box(6, (9, 2, 38, 40)),
            box(7, (9, 2, 38, 40), 1, 1),
        )
        labels = read(tmp_path, document(track(*shapes, label="ball"), meta="<task></task>"))
        assert labels.skeleton == Skeleton("ball", ("centre",))
        (ball,) = labels.tracks
        assert ball.boxes.tolist() == [[1, 2, 30, 40], [9, 2, 38, 40]] and not ball.labelled.any()
        assert ball.absent.tolist() == [[7, OPEN_END]]
        assert read(tmp_path, document(track(*shapes, label="person"), meta="<task></task>")).skeleton == COCO_17

    def test_a_turned_box_becomes_the_upright_box_around_it(self, tmp_path: Path) -> None:
        turned = box(0, (40, 50, 120, 70)).replace("z_order", 'rotation="90.00" z_order')
        slanted = box(3, (10, 10, 30, 30)).replace("z_order", 'rotation="45.00" z_order')
        shape = track(turned, slanted, label="ball")
        (ball,) = read(tmp_path, document(shape, meta="<task></task>")).tracks
        assert ball.boxes[0].tolist() == [70, 20, 90, 100]
        np.testing.assert_allclose(ball.boxes[1], np.array([20, 20, 20, 20]) + 200**0.5 * np.array([-1, -1, 1, 1]))

    def test_boxes_of_other_things_are_no_dogs(self, tmp_path: Path) -> None:
        content = document(track(skeleton(0), id=0), track(box(0, (1, 2, 3, 4)), id=1, label="ball"))
        assert [t.id for t in read(tmp_path, content).tracks] == [0]
        (ball,) = read(tmp_path, content, only="ball").tracks
        assert ball.id == 1 and ball.boxes.tolist() == [[1, 2, 3, 4]]

    def test_points_from_before_there_were_skeletons(self, tmp_path: Path) -> None:
        def points(frame: int, value: str, **more: int) -> str:
            return f'<points frame="{frame}" keyframe="1" outside="0" occluded="{more.get("o", 0)}" points="{value}"/>'

        arm = track(points(0, "1,2;3,4"), points(5, "2,2;4,4", o=1), label="arm", id=9)
        beside = document(track(skeleton(0)), arm)
        with pytest.raises(PwarpError, match=r"choose a label with --only: dog, loose points$"):
            read(tmp_path, beside)
        assert read(tmp_path, beside, only="loose points").skeleton == Skeleton("arm", ("1", "2"))
        whole = document(arm, meta="<task></task>")
        labels = read(tmp_path, whole)
        assert labels.skeleton == Skeleton("arm", ("1", "2"))
        assert labels.tracks[0].visibility.tolist() == [[2, 2], [1, 1]]
        single = [
            track(points(0, f"{n},{n}"), id=n, label=label, group_id=group)
            for n, (label, group) in enumerate([("elbow", "4"), ("wrist", "4"), ("elbow", "9")])
        ]
        labels = read(tmp_path, document(*single, meta="<task></task>"))
        assert labels.skeleton.keypoints == ("elbow", "wrist")
        assert [t.visibility.tolist() for t in labels.tracks] == [[[2, 2]], [[2, 0]]]

    def test_without_labels_the_points_say_what_a_skeleton_is(self, tmp_path: Path) -> None:
        labels = read(tmp_path, document(track(skeleton(0)), meta=""))
        assert set(labels.skeleton.keypoints) == set(DOG.keypoints) and labels.video == VideoIdentity()

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"", r"is empty"),
            (b'{"a": 1}', r"not XML; export it as 'CVAT for video 1.1'"),
            (b"<svg></svg>", r"its root is <svg>, CVAT's is <annotations>"),
            (b"<annotations><image id='0'></image></annotations>", r"is CVAT for images, .* 'CVAT for video 1.1'"),
            (b"<annotations></annotations>", r"holds no skeleton, points or boxes, and defines no skeleton"),
            (document(track(skeleton(0)))[:-200], r"not XML at line \d+, column \d+: it ends in the middle; the file"),
            (document(track(skeleton(0))).replace(b"</skeleton>", b"</skelet>"), r"not XML at line 35.*mismatched tag"),
            (document(track(skeleton(0))).replace(b"utf-8", b"utf-99"), r"not XML|unknown encoding"),
            (document(track(skeleton(0))).replace(b'frame="0"', b'frame="-1"'), r"frame of a <skeleton> is '-1'"),
            (document(track(skeleton(0))).replace(b'frame="0"', b""), r"frame of a <skeleton> is missing"),
            (
                document(track(skeleton(0))).replace(b"10.00,", b"nan,"),
                r"track 0, frame 0, point 'nose': points is 'nan",
            ),
            (document(track(skeleton(0))).replace(b"10.00,", b"10.00;"), r"expected pairs of numbers 'x,y;x,y'"),
            (
                document(track(skeleton(0))).replace(b'label="nose"', b'label="tail"'),
                r"point 'tail' is none of the labels",
            ),
            (document(track(skeleton(0))).replace(b'label="nose"', b'label="left paw"'), r"'left paw' is there twice"),
            (document(track(skeleton(0))).replace(b'outside="0"', b'outside="no"'), r"outside of a <points> is 'no'"),
            (document(track(skeleton(4), skeleton(4))), r"track 0: frame 4 is a key frame twice; remove one of them"),
            (document(track(skeleton(70))), r"track 0 is labelled in frame 70, but the video has 60 frames"),
            (document(meta=task().replace("&lt;line", "&lt;lin")), r"the <svg> of skeleton 'dog' is no XML"),
            (document(meta=task().replace("<size>60", "<size>many")), r"<size> in <meta> is 'many', expected a whole"),
        ],
        ids=map(str, range(19)),
    )
    def test_what_is_wrong_is_one_line(self, tmp_path: Path, content: bytes, message: str) -> None:
        with pytest.raises(PwarpError, match=message) as caught:
            read(tmp_path, content, format="cvat")
        assert "\n" not in str(caught.value) and str(caught.value).startswith(str(tmp_path))

    @pytest.mark.parametrize(
        "bomb",
        [
            '<!DOCTYPE a [<!ENTITY x "ha">' + "".join(f'<!ENTITY x{n} "&x;&x;&x;">' for n in range(9)) + "]>",
            '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
            '<!DOCTYPE a SYSTEM "http://localhost/a.dtd">',
        ],
    )
    def test_entities_are_refused_before_they_do_anything(self, tmp_path: Path, bomb: str) -> None:
        content = document(track(skeleton(0))).replace(b"<annotations>", bomb.encode() + b"<annotations>")
        with pytest.raises(PwarpError, match=r"defines a document type or entities, which CVAT never does"):
            read(tmp_path, content, format="cvat")

    def test_a_long_export_is_not_held_as_a_tree(self, tmp_path: Path) -> None:
        shapes = [skeleton(f, key=int(f % 200 == 0)) for f in range(800)]
        path = tmp_path / "annotations.xml"
        path.write_bytes(document(track(*shapes), meta=task(size=800)))
        file = LabelFile.open(path)
        size = len(file.content)
        tracemalloc.start()
        assert len(formats.read(file, format="cvat").tracks[0]) == 4
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        # A tree takes more than five times the size of the file.
        assert peak < 2 * size

    @given(
        cut=st.integers(0, 2600),
        put=st.sampled_from([b"", b"\xff", b"<", b">", b'"', b"&x;", b"\0", b"</track>", b"-", b"999999999999"]),
        more=st.integers(0, 40),
    )
    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    def test_a_spoilt_file_is_read_or_refused_in_one_line(
        self, tmp_path: Path, cut: int, put: bytes, more: int
    ) -> None:
        content = document(track(skeleton(0), skeleton(3, "xov")), track(box(0, (1, 2, 3, 4)), label="ball", id=1))
        at = min(len(content) - cut, len(content)) % len(content)
        path = tmp_path / "spoilt.xml"
        path.write_bytes(content[:at] + put + content[at + more :])
        try:
            formats.read(path, format="cvat")
        except PwarpError as refusal:
            assert "\n" not in str(refusal) and len(str(refusal)) < 600


class TestWriting:
    def labels(self, *tracks: Track, **video: Any) -> Annotations:
        return Annotations(DOG, VideoIdentity("dog.mp4", 854, 480, **({"frame_count": 60} | video)), tracks)

    def written(self, folder: Path, labels: Annotations, **options: Any) -> tuple[Any, list[str]]:
        path = folder / "out.xml"
        report = formats.write(labels, path, force=True, **options)
        return ElementTree.parse(path).getroot(), report.lines()

    @pytest.mark.parametrize("format", ["cvat", "label-studio"])
    def test_a_box_between_poses_marks_no_absence(self, tmp_path: Path, format: str) -> None:
        """Nothing would be propagated over it."""
        xy = np.full((5, 3, 2), np.nan)
        xy[[0, 4]] = 7.0
        posed = Track.make(4, range(5), xy, boxes=[[1, 2, 30, 40]] * 5)
        labels = Annotations(DOG, VideoIdentity("dog.mp4", 854, 480, 60), (posed,))
        report = formats.write(labels, tmp_path / "out", format=format)
        (track,) = formats.read(tmp_path / "out", format=format).tracks
        assert track.frames.tolist() == [0, 4]
        assert not len(track.absent)
        assert {"poses", "boxes"} <= {loss.what for loss in report.losses}

    def test_an_export_comes_back_as_it_was(self, tmp_path: Path) -> None:
        labels = read(
            tmp_path, document(track(skeleton(0, "vox"), skeleton(9), skeleton(14, "xxx"), skeleton(20), id=3))
        )
        root, lines = self.written(tmp_path, labels)
        assert lines == []
        assert formats.read(tmp_path / "out.xml").same_as(labels)
        assert [s.get("frame") for s in root.iter("skeleton")] == ["0", "9", "14", "20"]

    def test_what_cvat_needs_is_there(self, tmp_path: Path) -> None:
        """Every attribute that CVAT's importer takes without asking whether it is there."""
        root, _ = self.written(tmp_path, self.labels(Track.make(4, [2, 9], np.ones((2, 3, 2)))))
        assert root.tag == "annotations" and root.findtext("version") == "1.1"
        names = {label.findtext("name"): label for label in root.iter("label")}
        assert [(n, label.findtext("type"), label.findtext("parent")) for n, label in names.items()] == [
            ("dog", "skeleton", None),
            *((name, "points", "dog") for name in DOG.keypoints),
        ]
        drawing = ElementTree.fromstring(f"<svg>{names['dog'].findtext('svg')}</svg>")
        assert [c.get("data-label-name") for c in drawing.iter("circle")] == list(DOG.keypoints)
        assert [(e.get("data-node-from"), e.get("data-node-to")) for e in drawing.iter("line")] == [
            ("2", "3"),
            ("1", "2"),
        ]
        (element,) = root.iter("track")
        assert {"id", "label", "source"} <= set(element.attrib)
        for shape in element:
            assert {"frame", "keyframe", "z_order"} <= set(shape.attrib)
            for point in shape:
                assert {"label", "keyframe", "outside", "occluded", "points"} <= set(point.attrib)

    def test_two_decimals_are_all(self, tmp_path: Path) -> None:
        root, lines = self.written(tmp_path, self.labels(Track.make(4, [2], np.full((1, 3, 2), 1.23456))))
        assert root.find(".//skeleton/points").get("points") == "1.23,1.23"
        assert [line.partition(": 3")[0] for line in lines] == ["cvat cannot hold exact coordinates"]

    def test_a_persons_last_pose_leaves_a_track_open_and_any_other_ends_it(self, tmp_path: Path) -> None:
        def ends(source: Source, **video: Any) -> list[str | None]:
            one = Track.make(4, [2, 3], np.ones((2, 3, 2)), source=np.full((2, 3), source))
            root, _ = self.written(tmp_path, self.labels(one, **video), tolerance=0)
            return [s.get("frame") for s in root.iter("skeleton") if s.find("points").get("outside") == "1"]

        assert ends(Source.MANUAL) == []
        assert ends(Source.PROPAGATED) == ["4"]
        assert ends(Source.PROPAGATED, frame_count=4) == []

    def test_a_point_stays_where_it_was_when_it_goes_outside(self, tmp_path: Path) -> None:
        xy = np.arange(12.0).reshape(2, 3, 2)
        one = Track.make(4, [2, 9], xy, [[2, 2, 0], [2, 0, 1]], absent=[(20, 30)])
        root, _ = self.written(tmp_path, self.labels(one))
        points = [[p.get("points") for p in shape] for shape in root.iter("skeleton")]
        assert points == [
            ["0.00,1.00", "2.00,3.00", "10.00,11.00"],
            ["6.00,7.00", "2.00,3.00", "10.00,11.00"],
            ["6.00,7.00", "2.00,3.00", "10.00,11.00"],
        ]

    def test_who_made_a_key_frame_stands_where_the_track_cannot_say_it(self, tmp_path: Path) -> None:
        source = np.array([[Source.MANUAL] * 3, [Source.PROPAGATED] * 3, [Source.MANUAL, Source.PROPAGATED, 0]])
        xy = np.ones((3, 3, 2)) * np.array([1, 50, 1])[:, None, None]
        one = Track.make(4, [2, 3, 4], xy, np.where(source > 0, 2, 0), source=source)
        root, _ = self.written(tmp_path, self.labels(one))
        assert root.find("track").get("source") == "semi-auto"
        assert [s.get("source") for s in root.iter("skeleton")][:3] == ["manual", "propagated", None]
        assert formats.read(tmp_path / "out.xml").tracks[0].source.tolist() == source.tolist()

    def test_a_dense_track_is_thinned_and_the_report_says_so(self, tmp_path: Path) -> None:
        x = np.linspace(0, 100, 60)[:, None] + np.zeros(3)
        source = np.full((60, 3), Source.PROPAGATED)
        source[10] = Source.MANUAL
        one = Track.make(4, np.arange(60), np.stack([x, 5 * np.sin(x / 30)], axis=2), source=source)
        root, lines = self.written(tmp_path, self.labels(one))
        frames = [int(s.get("frame")) for s in root.iter("skeleton")]
        assert 10 in frames and len(frames) < 12
        assert lines[0].startswith(
            f"cvat cannot hold poses between key frames: {60 - len(frames)}, e.g. track 4, frame"
        )
        assert f"lines between {len(frames)} key frames are " in lines[0] and "px off at most" in lines[0]
        assert len(list(self.written(tmp_path, self.labels(one), tolerance=5)[0].iter("skeleton"))) < len(frames)
        with pytest.raises(PwarpError, match=r"not written: cvat cannot hold poses between key frames"):
            formats.write(self.labels(one), tmp_path / "strict.xml", strict=True)

    def test_boxes_of_who_has_no_keypoints(self, tmp_path: Path) -> None:
        none = np.full((2, 3, 2), np.nan)
        boxed = Track.make(5, [2, 9], none, boxes=[[1, 2, 30.5, 40], [2, 2, 31, 40]])
        posed = Track.make(4, [2], np.ones((1, 3, 2)))
        root, lines = self.written(tmp_path, self.labels(posed, boxed))
        assert [t.get("label") for t in root.iter("track")] == ["dog", "dog box"]
        assert lines == ["cvat cannot hold that a track is absent nowhere: 1, e.g. track 5, frames 10 on"]
        assert formats.read(tmp_path / "out.xml").tracks[1].boxes.tolist() == boxed.boxes.tolist()

    def test_names_that_xml_must_escape_or_cannot_hold(self, tmp_path: Path) -> None:
        names = ("a<b", 'c"d', "e&f")
        labels = Annotations(
            Skeleton("<&>", names, ((0, 2),)), VideoIdentity("a&b.mp4"), (Track.make(0, [1], np.ones((1, 3, 2))),)
        )
        formats.write(labels, tmp_path / "out.xml")
        assert formats.read(tmp_path / "out.xml").same_as(labels)
        with pytest.raises(PwarpError, match=r"keypoint name 'a\\x00' holds a character that XML cannot hold"):
            formats.write(Annotations(Skeleton("x", ("a\0",))), tmp_path / "no.xml")
        with pytest.raises(PwarpError, match=r"a keypoint has an empty name; CVAT needs one"):
            formats.write(Annotations(Skeleton("x", ("",))), tmp_path / "no.xml")

    def test_who_is_nowhere_is_left_out(self, tmp_path: Path) -> None:
        root, lines = self.written(tmp_path, self.labels(Track.make(4, [], np.empty((0, 3, 2)))))
        assert not list(root.iter("track"))
        assert lines == ["cvat cannot hold tracks: 1, e.g. track 4"]
