"""Labels together with their video: frames by picture names, the identity completed, the wrong video refused."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import orjson
import pytest
from labels import coco, pose, read

from pwarp import formats
from pwarp.annotations import OPEN_END, Annotations, Track, VideoIdentity
from pwarp.errors import PwarpError
from pwarp.skeleton import POSETRACK_17, Skeleton
from pwarp.video import Video, open_video

NAMES = ("a9.png", "a10.png", "a11.png", "b3.png", "b4.png")


def pictures(folder: Path, names: tuple[str, ...] = NAMES, pattern: str = "") -> Video:
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        cv2.imwrite(str(folder / name), np.zeros((24, 32, 3), np.uint8))
    return open_video(folder / pattern)


@pytest.fixture
def video(tmp_path: Path) -> Video:
    return pictures(tmp_path / "pictures")


def named(*names: str, **changes: Any) -> dict[str, Any]:
    images = [{"id": 100 + i, "file_name": name} | changes for i, name in enumerate(names)]
    return coco(*(pose(i) for i in range(len(names))), images=images)


@pytest.mark.parametrize("before", ["", "labelled/", "C:\\labelled\\"])
def test_pictures_are_found_by_name_in_whatever_folder_they_were(tmp_path: Path, video: Video, before: str) -> None:
    labels = read(tmp_path, named(before + "a10.png", before + "b4.png"), video=video)
    assert labels.tracks[0].frames.tolist() == [1, 4]


def test_pictures_that_are_not_there_are_named(tmp_path: Path, video: Video) -> None:
    with pytest.raises(PwarpError, match=r"image 101 'c.png' .* none of the pictures of the video \('a9.png', ...\)"):
        read(tmp_path, named("a10.png", "c.png"), video=video)


def test_a_name_that_two_folders_share_needs_its_folder(tmp_path: Path) -> None:
    video = pictures(tmp_path / "cams", ("left/1.png", "right/1.png"), pattern="*/1.png")
    assert read(tmp_path, named("x/right/1.png"), video=video).tracks[0].frames.tolist() == [1]
    with pytest.raises(PwarpError, match=r"image 100 '1.png' has no frame_id and is none of the pictures"):
        read(tmp_path, named("1.png"), video=video)


def test_frame_id_and_place_must_agree(tmp_path: Path, video: Video) -> None:
    assert read(tmp_path, named("a10.png", frame_id=1), video=video).tracks[0].frames.tolist() == [1]
    message = r"image 100 'a10.png' has frame_id 2, but that picture is frame 1 of the folder; mend frame_id"
    with pytest.raises(PwarpError, match=message):
        read(tmp_path, named("a10.png", frame_id=2), video=video)


def test_names_of_another_kind_do_not_disturb_frame_ids(tmp_path: Path, video: Video) -> None:
    assert read(tmp_path, named("dog.mp4#3", frame_id=3), video=video).tracks[0].frames.tolist() == [3]


def test_a_video_file_has_no_pictures_to_find(tmp_path: Path) -> None:
    single = pictures(tmp_path / "pictures", ("a9.png",))
    single.names = None
    with pytest.raises(PwarpError, match=r"image 100 'a9.png' has no frame_id; add frame_id"):
        read(tmp_path, named("a9.png"), video=single)


def test_the_video_completes_the_identity(tmp_path: Path, video: Video) -> None:
    labels = read(tmp_path, coco(pose(0), frames=(0,)), video=video)
    assert labels.video == VideoIdentity("dog.mp4", 32, 24, 5, None, video.identity.fingerprint)
    assert formats.write(labels, tmp_path / "o.json").losses == ()
    assert formats.read(tmp_path / "o.json", video=video).same_as(labels)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        ({"width": 64, "height": 48}, r"the labels are for 64x48, the video is 32x24"),
        ({"nframes": 6}, r"the labels are for 6 frames, the video has 5"),
        ({"frame_id": 5}, r"track 3 is labelled in frame 5, but the video has 5 frames \(0 to 4\)"),
    ],
)
def test_labels_of_another_video_are_refused(tmp_path: Path, video: Video, image: dict[str, Any], message: str) -> None:
    with pytest.raises(PwarpError, match=message) as caught:
        read(tmp_path, named("dog.mp4#0", **({"frame_id": 0} | image)), video=video)
    assert str(caught.value).startswith(str(tmp_path / "labels.json"))


def test_an_absence_without_end_ends_with_the_video(tmp_path: Path, video: Video) -> None:
    document = coco(pose(0), {"image_id": 103, "track_id": 3, "absent": True}, frames=(0, 3))
    assert read(tmp_path, document).tracks[0].absent.tolist() == [[3, OPEN_END]]
    assert read(tmp_path, document, video=video).tracks[0].absent.tolist() == [[3, 4]]


def test_the_video_chooses_its_labels_among_several(tmp_path: Path, video: Video) -> None:
    images = [{"id": 100 + i, "frame_id": 1, "video_id": i} for i in range(2)]
    videos = [{"id": 0, "name": "other"}, {"id": 1, "name": "clips/pictures"}]
    document = coco(pose(0, 8), pose(1, 9), images=images, videos=videos)
    assert [t.id for t in read(tmp_path, document, video=video).tracks] == [9]


@pytest.mark.parametrize("format", ["pwarp", "coco", "posetrack18"])
def test_written_pictures_have_their_real_names(tmp_path: Path, video: Video, format: str) -> None:
    labels = Annotations(
        POSETRACK_17, VideoIdentity("clips", frame_count=5), (Track.make(0, [3], np.ones((1, 17, 2))),)
    )
    report = formats.write(labels, tmp_path / "o.json", format=format, video=video)
    images = orjson.loads((tmp_path / "o.json").read_bytes())["images"]
    assert f"clips/{NAMES[3]}" in [image["file_name"] for image in images]
    assert "poses" not in [loss.what for loss in report.losses]
    assert formats.read(tmp_path / "o.json", format=format).tracks[0].frames.tolist() == [3]


@pytest.mark.parametrize("format", ["pwarp", "coco", "posetrack18"])
def test_the_pictures_of_another_video_lend_no_names(tmp_path: Path, video: Video, format: str) -> None:
    track = Track.make(0, [5], np.ones((1, 17, 2)))
    for identity, message in ((VideoIdentity(), "5 frames"), (VideoIdentity(frame_count=6), "are for 6 frames")):
        with pytest.raises(PwarpError, match=message):
            formats.write(
                Annotations(POSETRACK_17, identity, (track,)), tmp_path / "o.json", format=format, video=video
            )
    assert not (tmp_path / "o.json").exists()


def test_every_picture_is_listed_where_the_labels_do_not_count_them(tmp_path: Path, video: Video) -> None:
    labels = Annotations(POSETRACK_17, tracks=(Track.make(0, [1], np.ones((1, 17, 2))),))
    formats.write(labels, tmp_path / "o.json", format="posetrack18", video=video)
    assert [i["file_name"] for i in orjson.loads((tmp_path / "o.json").read_bytes())["images"]] == list(NAMES)


def test_the_labels_know_the_rate_of_pictures(tmp_path: Path, video: Video) -> None:
    document = coco(pose(0), frames=(0,), videos=[{"id": 1, "fps": "30000/1001"}])
    assert read(tmp_path, document, video=video).video.fps == Fraction(30000, 1001)


def test_a_skeleton_of_the_file_is_not_touched_by_the_video(tmp_path: Path, video: Video) -> None:
    labels = read(tmp_path, coco(pose(0)), video=video)
    assert labels.skeleton == Skeleton.from_names("dog", ("nose", "left_paw", "right_paw"), [(0, 1)])
