"""What training reads: label files with their videos, data sets, division by video, and what is left out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from dotted_clips import HEIGHT, PAWS, WIDTH, dotted_clip, truth

from pwarp.annotations import Annotations, Source, Track, VideoIdentity
from pwarp.errors import PwarpError
from pwarp.formats import read, write
from pwarp.skeleton import Skeleton
from pwarp.training.poses import Account, gather
from pwarp.training.run import Request, read_data
from pwarp.training.sources import Clip, Places, beside, check_taken, divide, find_clips


def clip(track: Track | None, name: str = "a.json", skeleton: Skeleton = PAWS, frames: int = 12) -> Clip:
    identity = VideoIdentity(name, width=WIDTH, height=HEIGHT, frame_count=frames)
    return Clip(name, Path(f"/nowhere/{name}"), Annotations(skeleton, identity, () if track is None else (track,)))


def test_a_label_file_finds_its_video_beside_itself(tmp_path: Path) -> None:
    labels = dotted_clip(tmp_path, "one")
    (found,), missing = find_clips(Places((str(labels),)))
    assert missing == 0
    assert found.video == tmp_path / "one"
    assert found.frame_count == 12
    assert found.size == (WIDTH, HEIGHT)


def test_a_folder_of_videos_is_searched_by_path_and_by_name(tmp_path: Path) -> None:
    (tmp_path / "labels").mkdir()
    for name in ("one", "two"):
        dotted_clip(tmp_path / "made", name).rename(tmp_path / "labels" / f"{name}.json")
    annotations = read(tmp_path / "labels" / "two.json")
    elsewhere = replace(annotations, video=replace(annotations.video, path="C:\\recordings\\two.mp4"))
    write(elsewhere, tmp_path / "labels" / "two.json", force=True)
    clips, _ = find_clips(Places((str(tmp_path / "labels"),), videos=tmp_path / "made"))
    assert [c.video.name for c in clips] == ["one", "two"]


def test_a_video_that_is_not_found_is_named(tmp_path: Path) -> None:
    labels = dotted_clip(tmp_path, "one")
    (tmp_path / "one").rename(tmp_path / "moved")
    with pytest.raises(PwarpError, match=r"one\.json: its video 'one' is not beside it; name the folder .* --videos"):
        find_clips(Places((str(labels),)))


def test_labels_do_not_lead_out_of_their_folder(tmp_path: Path) -> None:
    dotted_clip(tmp_path, "one")
    (tmp_path / "inner").mkdir()
    (tmp_path / "one.json").rename(tmp_path / "inner" / "labels.json")
    annotations = read(tmp_path / "inner" / "labels.json")
    for path in ("../one", str(tmp_path / "one")):
        write(
            replace(annotations, video=replace(annotations.video, path=path)),
            tmp_path / "inner" / "labels.json",
            force=True,
        )
        with pytest.raises(PwarpError, match="is not beside it"):
            find_clips(Places((str(tmp_path / "inner" / "labels.json"),)))


def test_another_video_than_the_labelled_one_is_refused(tmp_path: Path) -> None:
    labels = dotted_clip(tmp_path, "one", frames=12)
    (tmp_path / "one" / "003.png").unlink()
    with pytest.raises(PwarpError, match="frame_count: the labels are for 12 frames, the video has 11"):
        find_clips(Places((str(labels),)))


def test_a_data_set_gives_the_videos_whose_pictures_are_there(data_dir: Path) -> None:
    clips, missing = find_clips(Places((str(data_dir / "penn"),), split="test"))
    assert [c.video.name for c in clips] == ["0001"]
    assert missing == 20


def test_a_split_or_an_option_that_no_place_takes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They were ignored beside label files. Labels may stand beside a data set that takes them."""
    labels, root = str(dotted_clip(tmp_path, "a", frames=3)), tmp_path / "root"
    root.mkdir()
    monkeypatch.setattr("pwarp.training.sources.sniffed", lambda path: ["penn"] if path == root else [])
    with pytest.raises(PwarpError, match=r"no data set, so it has no split 'train'; leave it out, or name a data set"):
        read_data(Request("estimator", Places((labels,), split="train"), tmp_path / "run"))
    with pytest.raises(PwarpError, match="no data set, so it has no option 'fold'"):
        read_data(Request("estimator", Places((labels,), options={"fold": "1"}), tmp_path / "run"))
    split = Places((labels,), split="test")
    with pytest.raises(PwarpError, match="no data set, so it has no split 'test'"):
        read_data(Request("estimator", Places((str(root),), split="train"), tmp_path / "run", validation=split))
    taken = Places((labels, str(root)), split="train", options={"fold": "1"})
    check_taken(taken, Places((labels,), options={"fold": "1"}))


def test_keypoints_in_another_order_are_brought_into_one(tmp_path: Path) -> None:
    files = [dotted_clip(tmp_path, "one"), dotted_clip(tmp_path, "two", seed=1)]
    turned = read(files[1])
    order = [2, 0, 1]
    track = turned.tracks[0]
    skeleton = Skeleton("paws", tuple(PAWS.keypoints[i] for i in order), flip_pairs=((0, 2),))
    write(
        replace(turned, skeleton=skeleton, tracks=(Track.make(7, track.frames, track.xy[:, order]),)),
        files[1],
        force=True,
    )
    clips, _ = find_clips(Places(tuple(map(str, files))))
    assert clips[1].annotations.skeleton.keypoints == PAWS.keypoints
    assert np.array_equal(clips[1].annotations.tracks[0].xy, track.xy)


def test_clips_with_other_keypoints_are_refused(tmp_path: Path) -> None:
    files = [dotted_clip(tmp_path, "one"), dotted_clip(tmp_path, "two")]
    other = read(files[1])
    skeleton = Skeleton("claws", ("tail", "left_claw", "right_claw"))
    write(replace(other, skeleton=skeleton), files[1], force=True)
    with pytest.raises(
        PwarpError, match=r"two\.json: has other keypoints than .*one\.json \('left_claw' is in one only"
    ):
        find_clips(Places(tuple(map(str, files))))


def test_division_is_by_video_and_by_seed() -> None:
    clips = [clip(truth(2), f"{i // 2}.json") for i in range(20)]
    train, validation = divide(clips, 0.3, seed=5)
    assert len(train) == 14
    assert len(validation) == 6
    assert not {c.video for c in train} & {c.video for c in validation}
    assert {c.video for c in divide(clips, 0.3, seed=6)[1]} != {c.video for c in validation}
    assert beside(train, validation) == validation
    assert len(divide(clips, 0.01, seed=0)[1]) == 2
    assert len(divide(clips, 0.99, seed=0)[0]) == 2


def test_one_video_cannot_be_divided() -> None:
    with pytest.raises(PwarpError, match=r"one video only, and validation needs videos .*; leave out --val"):
        divide([clip(truth(5)), clip(truth(5))], 0.5, seed=0)


def test_a_video_on_both_sides_is_refused() -> None:
    with pytest.raises(PwarpError, match="is trained on, too; validate on other videos"):
        beside([clip(truth(5))], [clip(truth(5))])


def test_validation_takes_the_order_of_keypoints_that_is_trained_on(tmp_path: Path) -> None:
    """Channels are those of the trained network, whatever order another file has."""
    files = [dotted_clip(tmp_path, "one"), dotted_clip(tmp_path, "two")]
    two = read(files[1])
    turned = Skeleton("turned", ("right_paw", "tail", "left_paw"))
    order = [2, 0, 1]
    track = two.tracks[0]
    moved = Track.make(track.id, track.frames, track.xy[:, order], track.visibility[:, order], boxes=track.boxes)
    write(replace(two, skeleton=turned, tracks=(moved,)), files[1], force=True)
    (train,), (validation,) = (find_clips(Places((str(file),)))[0] for file in files)
    (found,) = beside([train], [validation])
    assert found.annotations.skeleton == PAWS
    assert np.array_equal(found.annotations.tracks[0].xy, track.xy)


def test_no_labels_at_all() -> None:
    with pytest.raises(PwarpError, match="no labels at all; label at least one frame"):
        gather([clip(None), clip(Track.make(1, [], np.empty((0, 3, 2))))])


def test_all_keypoints_unlabelled() -> None:
    empty = Track.make(1, [0, 4], np.full((2, 3, 2), np.nan), boxes=[[0, 0, 9, 9]] * 2)
    with pytest.raises(PwarpError, match="all keypoints of all 2 poses are unlabelled; at least one must be labelled"):
        gather([clip(empty)])


def test_boxes_outside_the_picture_are_skipped_and_counted() -> None:
    track = truth(5)
    boxes = track.boxes.copy()
    boxes[1] = [200, 10, 220, 40]
    boxes[3] = [-40, -60, -1, -2]
    poses = gather([clip(replace(track, boxes=boxes))])
    assert poses.frame.tolist() == [0, 2, 4]
    assert poses.account == Account(outside=2)
    with pytest.raises(PwarpError, match="no pose to train on: 2 boxes lie outside the picture"):
        gather([clip(replace(track, boxes=boxes).rows([1, 3]))])


def test_a_box_is_the_tracks_own_or_around_its_keypoints() -> None:
    track = truth(3)
    boxes = track.boxes.copy()
    boxes[2] = np.nan
    poses = gather([clip(replace(track, boxes=boxes))])
    assert np.array_equal(poses.boxes[:2], boxes[:2])
    low, high = track.xy[2].min(axis=0), track.xy[2].max(axis=0)
    margin = 0.15 * (high - low)
    assert np.allclose(poses.boxes[2], [*(low - margin), *(high + margin)])


def test_a_lone_keypoint_has_a_box() -> None:
    xy = np.full((1, 3, 2), np.nan)
    xy[0, 1] = [30, 20]
    box = gather([clip(Track.make(1, [0], xy))]).boxes[0]
    assert np.allclose(box, [26, 16, 34, 24])


def test_what_nobody_set_weighs_what_is_asked() -> None:
    source = np.array([[Source.MANUAL, Source.PROPAGATED, Source.PROPAGATED]])
    xy = truth(1).xy
    track = Track.make(1, [0], xy, source=source, score=[[np.nan, 0.25, np.nan]])
    assert gather([clip(track)], "one").weight.tolist() == [[1, 1, 1]]
    assert gather([clip(track)]).weight.tolist() == [[1, 0.25, 1]]
    assert gather([clip(track)], "ignore").weight.tolist() == [[1, 0, 0]]
    with pytest.raises(PwarpError, match="unknown weights 'half'"):
        gather([clip(track)], "half")  # type: ignore[arg-type]


def test_without_a_persons_labels_none_is_left() -> None:
    source = np.full((4, 3), Source.DETECTED)
    track = Track.make(1, range(4), truth(4).xy, source=source)
    with pytest.raises(PwarpError, match="of all 4 poses are unlabelled; at least one must be set by a person"):
        gather([clip(track)], "ignore")
