"""Plain CSV: by hand, with everything a track may have, and what is wrong with a table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pwarp import formats
from pwarp.annotations import OPEN_END, Annotations, Replaced, Source, Track
from pwarp.errors import PwarpError
from pwarp.skeleton import Skeleton


@pytest.mark.parametrize(
    "header", ["frame;track;keypoint;x;y", "Frame,Animal,Part,X,Y", "frame,nose_x,nose_y", "frame," + "n" * 99]
)
def test_a_table_that_is_nearly_one_is_told_its_header(tmp_path: Path, header: str) -> None:
    path = tmp_path / "dog.CSV"
    path.write_bytes(b"\xef\xbb\xbf" + header.encode() + b"\r\n0,1,2\r\n")
    with pytest.raises(PwarpError) as caught:
        formats.read(path)
    told = header if len(header) < 80 else "frame," + "n" * 71 + "..."
    assert str(caught.value) == (
        f"{path}: is no label file that pwarp knows: a table needs a header with frame, keypoint, x and y between "
        f"commas, a line a keypoint; it has: {told}"
    )


def read(folder: Path, text: str) -> Annotations:
    (folder / "labels.csv").write_text(text)
    return formats.read(folder / "labels.csv")


def test_the_least_that_a_table_may_say(tmp_path: Path) -> None:
    labels = read(tmp_path, "keypoint,frame,x,y\nnose,4,10.5,20\ntail,4,,\nnose,7,11,21\n")
    assert formats.sniff(tmp_path / "labels.csv") == "csv"
    assert labels.skeleton.keypoints == ("nose", "tail")
    (track,) = labels.tracks
    assert (track.id, track.identified, track.frames.tolist()) == (0, True, [4, 7])
    assert track.visibility.tolist() == [[2, 0], [2, 0]]
    assert track.xy[0, 0].tolist() == [10.5, 20]
    assert track.source[0].tolist() == [Source.MANUAL, Source.NONE]


def test_spaces_after_commas_are_no_part_of_names(tmp_path: Path) -> None:
    labels = read(tmp_path, "frame, track, keypoint, x, y, source\n4, 1, nose, 10.5, 20, manual\n")
    assert formats.sniff(tmp_path / "labels.csv") == "csv"
    assert labels.skeleton.keypoints == ("nose",)
    assert labels.tracks[0].xy[0, 0].tolist() == [10.5, 20]
    assert read(tmp_path, "frame,keypoint,x,y\n4, nose,10.5,20\n").skeleton.keypoints == (" nose",)


def test_scores_make_detections_and_quotes_are_csvs_own(tmp_path: Path) -> None:
    labels = read(tmp_path, '\ufeffframe,track,keypoint,x,y,visibility,score\r\n3,8,"left, paw",1,2,1,0.25\r\n')
    (track,) = labels.tracks
    assert labels.skeleton.keypoints == ("left, paw",)
    assert (track.id, track.score[0, 0], track.visibility[0, 0]) == (8, 0.25, 1)
    assert track.source[0, 0] == Source.DETECTED


def test_only_the_columns_that_are_needed_are_written(tmp_path: Path) -> None:
    labels = Annotations(Skeleton("pair", ("nose", "tail")), tracks=(Track.make(2, [5], [[[1.5, 2], [np.nan] * 2]]),))
    formats.write(labels, tmp_path / "o.csv")
    expected = "frame,track,keypoint,x,y,visibility\n5,2,nose,1.5,2.0,2\n5,2,tail,,,0\n"
    assert (tmp_path / "o.csv").read_text() == expected


def test_everything_about_tracks_comes_back(tmp_path: Path) -> None:
    walker = Track.make(
        4,
        [1, 6],
        [[[0.1, 0.2], [3, 4]], [[5, 6], [7, 8.25]]],
        [[2, 1], [2, 2]],
        score=[[np.nan, np.nan], [0.5, np.nan]],
        source=[[Source.MANUAL, Source.CORRECTED], [Source.PROPAGATED, Source.REFINED]],
        origin=[[[-1, -1], [-1, -1]], [[1, 9], [1, -1]]],
        boxes=[[0, 0, 9.5, 8], [np.nan] * 4],
        head_boxes=[[np.nan] * 4, [1, 2, 3, 4]],
        person_score=[np.nan, 0.75],
        absent=[(2, 4), (8, OPEN_END)],
        replaced=[Replaced(1, 1, 2.5, 3.5, 2)],
    )
    lone = Track.make(9, [6], np.ones((1, 2, 2)), identified=False)
    labels = Annotations(Skeleton("csv", ("nose", "tail")), tracks=(walker, lone), labelled=[1, 6, 7])
    report = formats.write(labels, tmp_path / "o.csv")
    assert report.lines() == []
    assert formats.read(tmp_path / "o.csv").same_as(labels)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("frame,keypoint,x,y\n", "names no keypoint"),
        ("frame,keypoint,x,y,visibilty\n", "has a column 'visibilty' which is not known; columns are frame, track"),
        ("frame,keypoint,x,y,x\n", "has a column 'x' twice"),
        ("frame,keypoint,x,y\n1,nose,2\n", "line 2: 3 fields, the header has 4"),
        ("frame,keypoint,x,y\n1,nose,2,\n", "line 2: x and y are only half there"),
        ("frame,keypoint,x,y\n-1,nose,2,3\n", "line 2: frame is -1, expected a whole number from 0"),
        ("frame,keypoint,x,y\n1.5,nose,2,3\n", "line 2: frame is 1.5"),
        ("frame,keypoint,x,y\n,nose,2,3\n", "line 2: frame is empty"),
        ("frame,keypoint,x,y\n1,nose,inf,3\n", "line 2: x is inf, expected a finite number"),
        ("frame,keypoint,x,y\n1,nose,2a,3\n", "line 2: x is '2a', expected a number"),
        ("frame,keypoint,x,y\n1,nose,2,3\n1,nose,2,3\n", "line 3: keypoint is 'nose', which this track has"),
        ("frame,keypoint,x,y,visibility\n1,nose,2,3,3\n", "line 2: visibility is 3"),
        ("frame,keypoint,x,y,visibility\n1,nose,,,2\n", "line 2: visibility is 2, but x and y are empty"),
        ("frame,keypoint,x,y,source\n1,nose,2,3,guess\n", "line 2: source is 'guess', expected one of none, manual"),
        ("frame,keypoint,x,y,what\n1,nose,2,3,blob\n", "line 2: what is 'blob', expected one of keypoint, box"),
        ("frame,track,keypoint,x,y\n1,,nose,2,3\n", "line 2: track is empty"),
        ('frame,keypoint,x,y\n1,"nose,2,3\n', "is no table that can be read"),
        ("frame,keypoint,x,y,what,until\n5,,,,absent,3\n", "line 2: until is 3, before the frame 5"),
    ],
)
def test_what_is_wrong_is_named_by_line_and_column(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(PwarpError, match=message) as caught:
        read(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path / 'labels.csv'}: ")


def test_no_pose_is_no_table(tmp_path: Path) -> None:
    with pytest.raises(PwarpError, match="no poses to write"):
        formats.write(Annotations(Skeleton("pair", ("nose", "tail"))), tmp_path / "o.csv")
    assert not (tmp_path / "o.csv").exists()
