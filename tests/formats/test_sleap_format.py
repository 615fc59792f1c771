"""SLEAP's files through sleap-io: users and predictions, old coordinates, several videos, hostile HDF5."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from labels import Blank

from pwarp import formats
from pwarp.annotations import Annotations, Source, Track, VideoIdentity
from pwarp.errors import PwarpError
from pwarp.skeleton import Skeleton

sleap_io = pytest.importorskip("sleap_io")
import h5py  # noqa: E402 - comes with sleap-io

NAN = np.nan
POINTS = np.array([[1.5, 2], [NAN, NAN], [3, 4.25]])
DOG = Skeleton("dog", ("nose", "left_paw", "right_paw"), ((0, 1),), ((1, 2),))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A user's instance made from a prediction, a prediction with a track, and one without; two videos."""
    nodes = sleap_io.Skeleton(
        list(DOG.keypoints), edges=[("nose", "left_paw")], symmetries=[("left_paw", "right_paw")], name="dog"
    )
    videos = [
        sleap_io.Video(filename=f"/data/{n}.mp4", open_backend=False, backend_metadata={"shape": [90, 48, 64, 3]})
        for n in ("yard", "barn")
    ]
    rex, bo = sleap_io.Track("Rex"), sleap_io.Track("Bo")

    def predicted(track: Any = None, score: float = 0.5) -> Any:
        return sleap_io.PredictedInstance.from_numpy(
            POINTS + 10, skeleton=nodes, point_scores=np.array([0.25, NAN, 0.75]), score=score, track=track
        )

    guess = predicted(bo)
    user = sleap_io.Instance.from_numpy(POINTS, skeleton=nodes, track=bo, from_predicted=guess)
    user.points["visible"][2] = False  # put somewhere by SLEAP, not by a person
    frames = [
        sleap_io.LabeledFrame(video=videos[0], frame_idx=4, instances=[user, guess, predicted(rex)]),
        sleap_io.LabeledFrame(video=videos[0], frame_idx=9, instances=[predicted(bo), predicted(), predicted()]),
        sleap_io.LabeledFrame(video=videos[1], frame_idx=2, instances=[predicted(rex)]),
    ]
    labels = sleap_io.Labels(frames, videos=videos, skeletons=[nodes], tracks=[rex, bo])
    sleap_io.save_slp(labels, str(tmp_path / "project.slp"), verbose=False)
    return tmp_path / "project.slp"


def test_a_project(project: Path) -> None:
    assert formats.sniff(project) == "sleap"
    with pytest.raises(PwarpError, match=r"holds 2 videos; choose one with --only: yard.mp4, barn.mp4"):
        formats.read(project)
    labels = formats.read(project, only="yard")
    assert labels.skeleton == DOG
    assert labels.video == VideoIdentity("/data/yard.mp4", 64, 48)
    assert [(t.id, t.frames.tolist(), t.identified) for t in labels.tracks] == [
        *((0, [4], True), (1, [4, 9], True), (2, [9], False), (3, [9], False))
    ]
    rex, bo = labels.tracks[:2]
    assert bo.visibility.tolist() == [[2, 0, 0], [2, 0, 2]]
    assert bo.xy[0, 0].tolist() == [1.5, 2]
    assert bo.source[:, 0].tolist() == [Source.MANUAL, Source.DETECTED]
    assert np.isnan(bo.score[0]).all() and bo.score[1, [0, 2]].tolist() == [0.25, 0.75]
    assert rex.person_score.tolist() == [0.5]
    assert [t.frames.tolist() for t in formats.read(project, only="barn.mp4").tracks] == [[2]]


def test_a_skeleton_and_a_video_are_chosen_together(tmp_path: Path) -> None:
    nodes = [sleap_io.Skeleton([f"{name}_nose"], name=name) for name in ("fly", "mouse")]
    videos = [sleap_io.Video(filename=f"/data/{n}.mp4", open_backend=False) for n in ("one", "two")]
    frames = [
        sleap_io.LabeledFrame(
            video=video, frame_idx=4, instances=[sleap_io.Instance.from_numpy(POINTS[:1], skeleton=n) for n in nodes]
        )
        for video in videos
    ]
    labels = sleap_io.Labels(frames, videos=videos, skeletons=nodes)
    sleap_io.save_slp(labels, str(tmp_path / "both.slp"), verbose=False)
    with pytest.raises(PwarpError, match="several skeletons; choose one with --only, and the video with --video"):
        formats.read(tmp_path / "both.slp", only="one")
    with pytest.raises(PwarpError, match=r"2 videos; choose one with --video, or with --only: one\.mp4, two\.mp4"):
        formats.read(tmp_path / "both.slp", only="fly")
    clip = Blank()
    clip.path = "elsewhere/two.mp4"
    found = formats.read(tmp_path / "both.slp", only="fly", video=clip)
    assert (found.skeleton.name, found.video.path, len(found.tracks)) == ("fly", "/data/two.mp4", 1)


def test_a_project_without_tracks_is_of_one_animal(tmp_path: Path) -> None:
    """However far it moves: SLEAP's single-animal projects know no tracks. A person's instance supersedes a guess."""
    nodes = sleap_io.Skeleton(list(DOG.keypoints), name="dog")
    clip = sleap_io.Video(filename="yard.mp4", open_backend=False, backend_metadata={"shape": [90, 480, 640, 3]})

    def project(*instances: list[Any]) -> Annotations:
        frames = [
            sleap_io.LabeledFrame(video=clip, frame_idx=10 * n, instances=some) for n, some in enumerate(instances)
        ]
        path = tmp_path / "single.slp"
        sleap_io.save_slp(sleap_io.Labels(frames, videos=[clip], skeletons=[nodes]), str(path), verbose=False)
        return formats.read(path)

    def user(x: float) -> Any:
        return sleap_io.Instance.from_numpy(POINTS + x, skeleton=nodes)

    guess = sleap_io.PredictedInstance.from_numpy(POINTS, skeleton=nodes, point_scores=np.ones(3), score=0.5)
    (dog,) = project([user(0)], [guess, user(300)], [guess]).tracks
    assert (dog.id, dog.frames.tolist(), dog.identified) == (0, [0, 10, 20], True)
    assert dog.xy[1, 0].tolist() == [301.5, 302] and dog.key_frames.tolist() == [0, 10]
    two = project([user(0)], [user(0), user(300)]).tracks
    assert [(t.frames.tolist(), t.identified) for t in two] == [([0], False), ([10], False), ([10], False)]


def test_lone_labels_do_not_come_back_as_one_animal(tmp_path: Path) -> None:
    lone = tuple(Track.make(n, [5 * n], POINTS[np.newaxis], identified=False) for n in range(3))
    labels = Annotations(DOG, VideoIdentity("yard.mp4", 64, 48), lone)
    assert formats.write(labels, tmp_path / "o.slp").lines() == []
    assert formats.read(tmp_path / "o.slp").same_as(labels)


def test_coordinates_before_version_1_1_count_from_the_corner(project: Path) -> None:
    with h5py.File(project, "r+") as handle:
        handle["metadata"].attrs["format_id"] = 1.0
        old = handle["instances"][:]
        del handle["instances"]
        handle["instances"] = old[[name for name in old.dtype.names if name != "tracking_score"]].astype(
            [field for field in old.dtype.descr if field[0] != "tracking_score"]
        )
    assert formats.read(project, only="yard").tracks[1].xy[0, 0].tolist() == [1, 1.5]


def test_what_people_and_estimators_said_comes_back(tmp_path: Path) -> None:
    detected = np.where(np.isfinite(POINTS[:, 0]), Source.DETECTED, Source.NONE)
    walker = Track.make(7, [3], POINTS[np.newaxis])
    found = Track.make(
        *(2, [3, 5], np.stack([POINTS, POINTS])),
        source=[detected] * 2,
        score=[[0.1, NAN, 0.3], [0.5, NAN, NAN]],
        person_score=[0.25, NAN],
    )
    lone = Track.make(8, [5], POINTS[np.newaxis], source=[detected], identified=False)
    labels = Annotations(DOG, VideoIdentity("yard.mp4", 64, 48), (found, walker, lone))
    report = formats.write(labels, tmp_path / "o.slp")
    assert report.lines() == []
    assert formats.read(tmp_path / "o.slp").same_as(labels)
    written = sleap_io.load_slp(str(tmp_path / "o.slp"), open_videos=False)
    assert [track.name for track in written.tracks] == ["2", "7"]
    assert [len(frame.user_instances) for frame in written] == [1, 0]
    formats.write(labels, tmp_path / "p.slp")
    assert (tmp_path / "p.slp").read_bytes() == (tmp_path / "o.slp").read_bytes()


def test_what_it_cannot_hold_is_named(tmp_path: Path) -> None:
    source = [[Source.MANUAL, Source.NONE, Source.PROPAGATED]]
    track = Track.make(1, [3], POINTS[np.newaxis], [[1, 0, 2]], source=source, boxes=[[1, 2, 3, 4]], absent=[(8, 9)])
    report = formats.write(Annotations(DOG, VideoIdentity(frame_count=90), (track,)), tmp_path / "o.slp")
    assert {loss.what: loss.count for loss in report.losses} == {
        "the frame count of the video": 1,
        "stretches of absence": 1,
        "occluded keypoints (read back as visible)": 1,
        "visible keypoints (read back as unlabelled)": 1,
        "boxes": 1,
    }


def beyond(handle: Any) -> None:
    """An instance of a skeleton that is not there."""
    instances = handle["instances"][:]
    instances["skeleton"] = 99
    handle["instances"][:] = instances


def described(change: Callable[[Any], None]) -> Callable[[Any], None]:
    """A change to what the file says of its skeleton and nodes."""

    def changed(handle: Any) -> None:
        says = json.loads(handle["metadata"].attrs["json"])
        change(says)
        handle["metadata"].attrs["json"] = json.dumps(says)

    return changed


def symmetric_to_itself(says: Any) -> None:
    says["skeletons"][0]["links"][1]["target"] = says["skeletons"][0]["links"][1]["source"]


def nameless(says: Any) -> None:
    says["nodes"][2]["name"] = None


@pytest.mark.parametrize(
    "change",
    [
        described(symmetric_to_itself),
        described(nameless),
        lambda handle: handle.create_dataset("huge", (1 << 40,), "f8", chunks=(1024,)),
        lambda handle: handle.__setitem__("x", h5py.ExternalLink("/etc/passwd", "/")),
        lambda handle: handle.__delitem__("frames"),
        beyond,
    ],
)
def test_hostile_files_end_in_one_line(project: Path, change: Callable[[Any], None]) -> None:
    with h5py.File(project, "r+") as handle:
        change(handle)
    with pytest.raises(PwarpError) as caught:
        formats.read(project, only="yard")
    assert str(caught.value).startswith(f"{project}: ") and "\n" not in str(caught.value)


def test_what_is_no_hdf5(tmp_path: Path) -> None:
    (tmp_path / "text.slp").write_text("{}")
    with pytest.raises(PwarpError, match="is no HDF5 file: it looks like JSON"):
        formats.read(tmp_path / "text.slp", format="sleap")


def test_without_the_library_one_line_says_how_to_get_it(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sleap_io", None)
    with pytest.raises(PwarpError, match=r"need the package sleap_io; install it with: pip install 'pwarp\[formats\]'"):
        formats.read(project, only="yard")
