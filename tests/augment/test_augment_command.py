"""`pwarp augment`: which files it pairs, what it writes and says, and how it refuses."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from pwarp_cli.main import run

from pwarp.annotations import Annotations, Source, Track, VideoIdentity
from pwarp.augment import pair
from pwarp.errors import PwarpError
from pwarp.formats import read, write
from pwarp.skeleton import Skeleton

Outcome = tuple[int, str, str]


@pytest.fixture
def augment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Outcome]:
    """Runs `pwarp augment` in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["pwarp", "augment", *arguments])
        with pytest.raises(SystemExit) as end:
            run()
        out, err = capsys.readouterr()
        return int(end.value.code or 0), out, err

    return call


def labels(video: str, frames: list[int], propagated: list[int]) -> Annotations:
    listed = sorted(frames + propagated)
    source = [[Source.PROPAGATED if f in propagated else Source.MANUAL] * 2 for f in listed]
    score = [[0.6 if f in propagated else float("nan")] * 2 for f in listed]
    xy = [[[f, 2 * f], [f + 5, f + 7]] for f in listed]
    track = Track.make(1, listed, xy, score=score, source=source)
    return Annotations(Skeleton("pair", ("a", "b")), VideoIdentity(path=video, frame_count=40), (track,))


def test_two_files_become_one(augment: Callable[..., Outcome]) -> None:
    write(labels("a.mp4", [3, 9], []), "keys.json")
    write(labels("a.mp4", [3, 9], [4, 5, 6]), "dense.json")
    code, out, err = augment("keys.json", "dense.json", "-o", "train.json", "--max-distance", "2")
    assert (code, err) == (0, "")
    assert out == (
        "train.json: 1 video, 2 key poses (4 keypoints by hand), 2 propagated poses (4 keypoints, mean weight 0.60); "
        "left out: 2 too far from a key frame\n"
    )
    assert read("train.json").track(1).frames.tolist() == [3, 4, 5, 9]
    code, out, _ = augment("keys.json", "dense.json", "-o", "train.json", "--force", "--json")
    assert code == 0
    values = json.loads(out)
    assert (values["videos"], values["manual"], values["propagated"], values["too_far"]) == (1, 4, 6, 0)


def test_folders_are_paired_by_video(augment: Callable[..., Outcome]) -> None:
    for folder in ("keys", "dense"):
        Path(folder).mkdir()
    write(labels("videos/a.mp4", [3], []), "keys/one.json")
    write(labels("videos/b.mp4", [7], []), "keys/two.json")
    write(labels("videos/c.mp4", [8], []), "keys/three.json")
    write(labels("videos/b.mp4", [7], [8]), "dense/one.json")  # the path says more than the file's name
    write(labels("videos/a.mp4", [3], [4, 5]), "dense/two.json")
    Path("keys/notes.bin").write_bytes(b"\0\1")
    code, out, err = augment("keys", "dense", "-o", "train", "--json")
    assert code == 0
    assert err == "pwarp: three: no propagated labels of this video; the others are taken alone\n"
    assert json.loads(out)["videos"] == 3
    frames = {path.stem: read(path).track(1).frames.tolist() for path in Path("train").iterdir()}
    assert frames == {"one": [3, 4, 5], "two": [7, 8], "three": [8]}

    # The folder above may hold the result, too; the folders of the labels may not.
    code, out, _ = augment("keys", "dense", "-o", ".", "--json")
    assert code == 0 and {"keys", "dense", "one.json", "two.json", "three.json"} <= {p.name for p in Path().iterdir()}
    code, _, err = augment("keys", "dense", "-o", "dense", "--force")
    assert code == 1 and err.endswith("dense: is an input, which nothing may replace; give another name\n")


@pytest.mark.usefixtures("augment")
def test_whoever_agrees_most_goes_together_whatever_the_order() -> None:
    for folder in ("keys", "dense"):
        Path(folder).mkdir()
    nowhere = labels("a.mp4", [3], [])
    write(replace(nowhere, video=replace(nowhere.video, path=None)), "keys/a.json")
    write(labels("clips/z.mp4", [3], []), "keys/z.json")
    write(labels("clips/z.mp4", [3], [4]), "dense/a.json")
    found = {one.name: one.propagated is not None for one in pair("keys", "dense")}
    assert found == {"a": False, "z": True}


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("cam1/video.mp4", "cam2/video.mp4", False),
        ("cam1/video.mp4", "video.avi", True),
        ("/data/cam1/video.mp4", "cam1\\video.mp4", True),
        ("/data/cam1/video.mp4", "/home/cam1/video.mp4", False),
    ],
)
@pytest.mark.usefixtures("augment")
def test_videos_of_one_name_in_different_folders_are_different(one: str, other: str, same: bool) -> None:
    for folder in ("keys", "dense"):
        Path(folder).mkdir()
    write(labels(one, [3], []), "keys/one.json")
    write(labels(other, [3], [4]), "dense/other.json")
    assert len(pair("keys", "dense")) == (1 if same else 2)


@pytest.mark.usefixtures("augment")
def test_a_file_that_two_could_go_with_is_refused() -> None:
    for folder in ("keys", "dense"):
        Path(folder).mkdir()
    for name in ("one", "two"):
        write(labels("a.mp4", [3], []), f"keys/{name}.json")
    write(labels("a.mp4", [3], [4]), "dense/x.json")
    with pytest.raises(PwarpError, match=r"dense/x.json: keys/one.json and keys/two.json may both be of its video"):
        pair("keys", "dense")


def test_a_pairing_that_could_be_another_one_is_refused(augment: Callable[..., Outcome]) -> None:
    for folder in ("keys", "dense"):
        Path(folder).mkdir()
    write(labels("a.mp4", [3], []), "keys/x.json")
    for name in ("one", "two"):
        write(labels("a.mp4", [3], [4]), f"dense/{name}.json")
    with pytest.raises(PwarpError, match=r"dense/one.json and dense/two.json may both be of its video"):
        pair("keys", "dense")
    code, _, err = augment("keys", "dense", "-o", "train")
    assert (code, err.count("\n")) == (1, 1)


def test_labels_of_another_video_are_refused(augment: Callable[..., Outcome]) -> None:
    write(labels("a.mp4", [3], []), "keys.json")
    other = labels("a.mp4", [3], [4])
    write(replace(other, video=replace(other.video, frame_count=41)), "dense.json")
    code, _, err = augment("keys.json", "dense.json", "-o", "train.json")
    assert code == 1
    assert "frame_count 40" in err
    assert not Path("train.json").exists()


def test_what_exists_is_kept_unless_forced(augment: Callable[..., Outcome]) -> None:
    for folder in ("keys", "dense"):
        Path(folder).mkdir()
    for name in ("keys.json", "train.json", "keys/a.json", "dense/a.json"):
        write(labels("a.mp4", [3], []), name)
    code, _, err = augment("keys.json", "keys.json", "-o", "train.json")
    assert code == 1
    assert "--force" in err
    for folder in ("keys", "dense", "keys/../dense/"):
        code, _, err = augment("keys", "dense", "-o", folder, "--force")
        assert (code, err) == (
            1,
            f"pwarp: {Path(folder)}: is an input, which nothing may replace; give another name\n",
        )
    assert augment("keys.json", "keys.json", "-o", "x.json", "--halving", "3")[0] == 2
    code, _, err = augment("keys.json", "keys.json", "-o", "x.json", "--seed", "3")
    assert (code, err.splitlines()[-1]) == (2, "Error: --seed goes with --sample: give that, too, or leave it out")
