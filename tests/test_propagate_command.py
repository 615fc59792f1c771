"""`pwarp propagate`: what it writes, what it says, and how it refuses what cannot be done."""

from __future__ import annotations

import copy
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Outcome

from pwarp.annotations import Source
from pwarp.formats import read
from pwarp.synthetic import Scene, SceneConfig, write_scene

FRAMES, EVERY = 41, 8
Document = dict[str, Any]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with video.mp4, keys.json and truth.json."""
    folder = tmp_path_factory.mktemp("clip")
    config = SceneConfig(seed=4, frames=FRAMES, width=112, height=84, people=2, samples=1, camera=False)
    write_scene(Scene(config), folder, every=EVERY)
    return folder


@pytest.fixture
def here(clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The clip's video and key labels in a folder of their own, which is the current one."""
    for name in ("video.mp4", "keys.json"):
        shutil.copy(clip / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


Pwarp = Callable[..., Outcome]


@pytest.fixture
def pwarp(shell: Pwarp) -> Pwarp:
    """Runs `pwarp propagate` with arguments, down to the exit code."""
    return partial(shell, "propagate")


def contents(folder: Path) -> dict[str, bytes | None]:
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in folder.rglob("*")}


# --- what it does ---


def test_every_frame_is_labelled_and_the_keys_are_untouched(here: Path, pwarp: Pwarp) -> None:
    done = pwarp("video.mp4", "keys.json", "-o", "dense.json")
    assert (done.code, done.err) == (0, "")
    assert sorted(contents(here)) == ["dense.json", "keys.json", "video.mp4"]
    keys, dense = read("keys.json"), read("dense.json")
    assert dense.video == keys.video
    for before in keys.tracks:
        after = dense.track(before.id)
        assert after.rows(np.isin(after.frames, before.frames)).by_person.sum() == before.labelled.sum()
        rows = np.searchsorted(after.frames, before.frames)
        assert after.xy[rows][before.labelled].tobytes() == before.xy[before.labelled].tobytes()
        between = np.setdiff1d(np.arange(before.frames[0], before.frames[-1]), before.frames)
        there = between[before.present_at(between)]
        assert np.isin(there, after.frames).all()
        made = after.source == Source.PROPAGATED
        assert (np.isfinite(after.score) == made).all()


@pytest.mark.usefixtures("here")
def test_the_summary_is_one_line(pwarp: Pwarp) -> None:
    line = pwarp("video.mp4", "keys.json", "-o", "dense.json", "--engine", "linear").out.decode()
    assert line.count("\n") == 1
    assert line.startswith("dense.json: 2 tracks, 6 key frames, ")
    for part in (" frames filled by linear, ", " keypoints below 0.5 (", ", worst frames ", " s\n"):
        assert part in line


@pytest.mark.usefixtures("here")
def test_the_summary_as_json_agrees_with_the_file(pwarp: Pwarp) -> None:
    values = json.loads(pwarp("video.mp4", "keys.json", "-o", "dense.json", "--engine", "copy", "--json").out)
    dense = read("dense.json")
    made = [t.source == Source.PROPAGATED for t in dense.tracks]
    weak = [t.score[m] < 0.5 for t, m in zip(dense.tracks, made, strict=True)]
    assert values["output"] == "dense.json"
    assert values["engine"] == "copy"
    assert values["tracks"] == 2
    assert values["key_frames"] == 6
    assert values["frames_filled"] == len(
        {f for t, m in zip(dense.tracks, made, strict=True) for f in t.frames[m.any(1)]}
    )
    assert values["keypoints_filled"] == sum(m.sum() for m in made)
    assert values["keypoints_unsure"] == sum(w.sum() for w in weak)
    assert len(values["worst_frames"]) == 3
    assert values["seconds"] > 0


def test_the_same_input_gives_the_same_bytes(here: Path, pwarp: Pwarp) -> None:
    for name in ("a.json", "b.json"):
        assert pwarp("video.mp4", "keys.json", "-o", name, "--engine", "flow", "--quiet") == Outcome(0, b"", "")
    assert (here / "a.json").read_bytes() == (here / "b.json").read_bytes()


def test_labels_from_stdin_and_result_to_stdout(here: Path, pwarp: Pwarp) -> None:
    keys = (here / "keys.json").read_bytes()
    pwarp("video.mp4", "keys.json", "-o", "dense.json", "--engine", "pchip")
    done = pwarp("video.mp4", "-", "-o", "-", "--engine", "pchip", given=keys)
    assert done.code == 0
    assert done.out == (here / "dense.json").read_bytes()
    assert done.err.startswith("-: 2 tracks, ")
    assert done.err.count("\n") == 1
    done = pwarp("video.mp4", "-", "-o", "-", "--engine", "pchip", "--json", given=keys)
    assert done.out == (here / "dense.json").read_bytes()
    assert json.loads(done.err)["tracks"] == 2
    assert sorted(contents(here)) == ["dense.json", "keys.json", "video.mp4"]


def test_force_replaces_but_never_the_labels(here: Path, pwarp: Pwarp) -> None:
    keys = (here / "keys.json").read_bytes()
    refused(pwarp("video.mp4", "keys.json", "-o", "keys.json", "--force"), "keys.json: is an input")
    assert (here / "keys.json").read_bytes() == keys
    (here / "dense.json").write_text("old")
    assert pwarp("video.mp4", "keys.json", "-o", "dense.json", "--engine", "linear", "--force").code == 0
    assert (here / "dense.json").read_bytes() != b"old"


def test_options_reach_the_engine(here: Path, pwarp: Pwarp) -> None:
    document = json.loads((here / "keys.json").read_text())
    document["tracks"] = []  # without marks of absence
    document["annotations"] = [a for a in document["annotations"] if a["image_id"] in (EVERY, 2 * EVERY)]
    (here / "few.json").write_text(json.dumps(document))

    def filled(*options: object) -> set[int]:
        assert pwarp("video.mp4", "few.json", "-o", "x.json", "--engine", "copy", "--force", *options).code == 0
        return {int(f) for t in read("x.json").tracks for f in t.frames[(t.source == Source.PROPAGATED).any(axis=1)]}

    between = set(range(EVERY + 1, 2 * EVERY))
    assert filled("--reach", 0) == between
    assert filled("--reach", 3) == between | {5, 6, 7, 17, 18, 19}
    assert filled("--reach", 0, "--max-gap", EVERY - 1) == set()
    assert filled("--reach", 0, "--min-score", 0.6) == {9, 10, 14, 15}  # copy halves its score in 4 frames


@pytest.mark.usefixtures("here")
def test_another_format_says_what_was_lost(pwarp: Pwarp) -> None:
    done = pwarp("video.mp4", "keys.json", "-o", "dense.json", "--format", "coco", "--engine", "linear")
    assert done.code == 0
    assert done.err.startswith("pwarp: ")
    assert "source" in done.err
    assert read("dense.json", format="coco").tracks


# --- what it refuses ---


def edited(change: Callable[[Document], object]) -> Callable[[Document], bytes]:
    """A label file made from the good one by a change to its JSON."""

    def make(good: Document) -> bytes:
        document = copy.deepcopy(good)
        change(document)
        return json.dumps(document).encode()

    return make


def without_identity(document: Document) -> None:
    document["videos"] = [{"id": 1}]
    for image in document["images"]:
        for field in ("nframes", "width", "height"):
            image.pop(field)


def frame_outside(number: int) -> Callable[[Document], None]:
    def change(document: Document) -> None:
        without_identity(document)
        document["images"][-1]["frame_id"] = number

    return change


def first_keypoints(value: list[Any]) -> Callable[[Document], None]:
    def change(document: Document) -> None:
        document["annotations"][0]["keypoints"][: len(value)] = value

    return change


def far_apart_without_ids(document: Document) -> None:
    for annotation in document["annotations"]:
        del annotation["track_id"]
        annotation["keypoints"][0::3] = [7 * annotation["image_id"] + x for x in annotation["keypoints"][0::3]]
    document["tracks"] = []


def same_track_twice(document: Document) -> None:
    document["annotations"].append(document["annotations"][0] | {"id": 999})


def found_by_a_machine(document: Document) -> None:
    for annotation in document["annotations"]:
        annotation["score"] = 0.9


def absent_where_labelled(document: Document) -> None:
    document["tracks"] = [{"id": document["annotations"][0]["track_id"], "absent": [[0, 3]]}]


def other_video(**fields: object) -> Callable[[Document], object]:
    def change(document: Document) -> None:
        document["videos"][0].update(fields)
        for image in document["images"]:
            image.update({k: fields[k] for k in ("width", "height") if k in fields})
            image["nframes"] = fields.get("frame_count", image["nframes"])

    return change


BAD_LABELS: dict[str, tuple[Callable[[Document], bytes], str]] = {
    "nothing labelled": (edited(lambda d: d.update(annotations=[], tracks=[])), "label at least one frame"),
    "nothing set by a person": (edited(found_by_a_machine), "label at least one frame"),
    "twice the size": (edited(other_video(width=224, height=168)), "224x168.*112x84.*scaled"),
    "rotated": (edited(other_video(width=84, height=112)), "rotated"),
    "one frame more": (edited(other_video(frame_count=FRAMES + 1)), "42 frames.*41.*counted from 1"),
    "many frames more": (edited(other_video(frame_count=900)), "900 frames.*41"),
    "other frame times": (edited(other_video(fingerprint="0123456789abcdef")), "fingerprint.*re-encoded"),
    "frame after the last": (edited(frame_outside(FRAMES)), "frame 41, but the video has 41 frames"),
    "frame before the first": (edited(frame_outside(-1)), "-1"),
    "same track twice in a frame": (edited(same_track_twice), "labelled twice in frame 0"),
    "not a number": (edited(first_keypoints([float("nan")])), "frame 0, keypoint 'nose'.*nan"),
    "infinite": (edited(first_keypoints([1.0, float("-inf")])), "frame 0, keypoint 'nose'.*inf"),
    "text for a number": (edited(first_keypoints(["4"])), "keypoints"),
    "visibility 3": (edited(first_keypoints([1.0, 2.0, 3])), "visibility 3"),
    "unknown keypoint name": (
        edited(lambda d: d["categories"][0].update(torso=["left_shoulder", "tail"])),
        "no keypoint 'tail'; it has: nose, ",
    ),
    "a keypoint too few": (edited(lambda d: d["annotations"][0]["keypoints"].pop()), "50 keypoint values, expected 51"),
    "absent where labelled": (edited(absent_where_labelled), "marked absent"),
    "nobody knows who is who": (edited(far_apart_without_ids), "between key frames 0 and 8.*track_id"),
    "cut in half": (lambda good: json.dumps(good).encode()[: len(json.dumps(good)) // 2], "cut off"),
    "empty": (lambda _: b"", "empty"),
    "no JSON": (lambda _: b"frame,x,y\n0,1,2\n", "text, not JSON"),
    "binary": (lambda _: bytes(range(256)) * 9, "binary"),
    "no labels but JSON": (lambda _: b'{"shapes": []}', "shapes"),
}


def refused(done: Outcome, message: str, code: int = 1) -> None:
    """One line that says what is wrong, nothing on stdout, and the exit code."""
    assert done.code == code
    assert done.out == b""
    assert done.err.count("\n") == 1, done.err
    assert re.fullmatch(rf"pwarp: .*{message}.*\n", done.err), done.err


@pytest.mark.parametrize("case", BAD_LABELS)
def test_bad_labels(case: str, here: Path, pwarp: Pwarp) -> None:
    make, message = BAD_LABELS[case]
    (here / "bad.json").write_bytes(make(json.loads((here / "keys.json").read_text())))
    (here / "old.json").write_text("an older result")
    before = contents(here)
    refused(pwarp("video.mp4", "bad.json", "-o", "dense.json"), message)
    refused(pwarp("video.mp4", "bad.json", "-o", "old.json", "--force", "--json"), message)
    refused(pwarp("video.mp4", "-", "-o", "-", given=(here / "bad.json").read_bytes()), message)
    assert contents(here) == before


@pytest.mark.parametrize(
    ("video", "labels", "message"),
    [
        ("nowhere.mp4", "keys.json", "nowhere.mp4: no such file"),
        ("video.mp4", "nowhere.json", "nowhere.json: no such file"),
        ("keys.json", "keys.json", "keys.json: "),
        ("empty.mp4", "keys.json", "empty.mp4: the file is empty"),
        ("half.mp4", "keys.json", "half.mp4: "),
        ("folder", "keys.json", "folder: no pictures"),
        ("*.png", "keys.json", r"\*.png: "),
        ("video.mp4", "folder", "folder: "),
        ("video.mp4", "video.mp4", "video.mp4: "),
    ],
)
def test_bad_files(video: str, labels: str, message: str, here: Path, pwarp: Pwarp) -> None:
    (here / "empty.mp4").touch()
    (here / "half.mp4").write_bytes((here / "video.mp4").read_bytes()[:900])
    (here / "folder").mkdir()
    before = contents(here)
    refused(pwarp(video, labels, "-o", "dense.json"), message)
    assert contents(here) == before


@pytest.mark.parametrize(
    ("output", "code", "message"),
    [
        ("old.json", 1, "old.json: exists; give --force"),
        ("folder", 1, "folder: is a folder"),
        ("folder/none/dense.json", 1, "does not exist; make it first"),
        ("keys.json/dense.json", 1, "does not exist; make it first"),
        ("dense.txt", 2, "'.txt'"),
        ("dense", 2, "dense: "),
    ],
)
def test_bad_outputs_are_refused_before_the_work(
    output: str, code: int, message: str, here: Path, pwarp: Pwarp
) -> None:
    (here / "old.json").write_text("an older result")
    (here / "folder").mkdir()
    before = contents(here)
    # The video is not even looked for.
    refused(pwarp("nowhere.mp4", "keys.json", "-o", output), message, code)
    assert contents(here) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["video.mp4"], "Missing argument 'LABELS'"),
        (["video.mp4", "keys.json"], "Missing option '-o'"),
        (["video.mp4", "keys.json", "-o", "x.json", "--engine", "magic"], "'magic' is not one of 'auto'"),
        (["video.mp4", "keys.json", "-o", "x.json", "--format", "magic"], "'magic' is not one of 'jsonl'"),
        (["video.mp4", "keys.json", "-o", "x.json", "--min-score", "1.5"], "1.5 is not in the range"),
        (["video.mp4", "keys.json", "-o", "x.json", "--reach", "-1"], "-1 is not in the range"),
        (["video.mp4", "keys.json", "-o", "x.json", "--max-gap", "0"], "0 is not in the range"),
        (["video.mp4", "keys.json", "-o", "-", "--resume"], "--resume needs an output file"),
        (["video.mp4", "keys.json", "-o", "x.json", "--magic"], "No such option"),
    ],
)
def test_wrong_usage(arguments: list[str], message: str, here: Path, pwarp: Pwarp) -> None:
    before = contents(here)
    done = pwarp(*arguments)
    assert (done.code, done.out) == (2, b"")
    assert done.err.splitlines()[-1].startswith("Error: ")
    assert message in done.err.splitlines()[-1]
    assert contents(here) == before


def test_resuming_a_run_with_other_options_is_refused(here: Path, pwarp: Pwarp) -> None:
    (here / "dense.json.partial").write_bytes(b'{"run": "another"}\n{}\n')
    before = contents(here)
    refused(pwarp("video.mp4", "keys.json", "-o", "dense.json", "--resume"), "without --resume to start over")
    assert contents(here) == before


def test_resuming_replaces_no_weights_but_those_of_the_run(here: Path, pwarp: Pwarp) -> None:
    (here / "mine.safetensors").write_bytes(b"somebody's")
    line = ["video.mp4", "keys.json", "-o", "dense.json", "--engine", "posewarper", "--adapt", "--resume"]
    refused(pwarp(*line, "--save-weights", "mine.safetensors"), "mine.safetensors: exists")
    (here / "dense.json.partial").write_bytes(b'{"run": "another"}\n{}\n')
    refused(pwarp(*line, "--save-weights", "mine.safetensors"), "without --resume to start over")
    assert (here / "mine.safetensors").read_bytes() == b"somebody's"


# --- in a process of its own ---

_RUN = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from pwarp_cli.main import run; run()"


def process(*arguments: str, **streams: Any) -> subprocess.Popen[bytes]:
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | streams
    return subprocess.Popen([sys.executable, "-c", _RUN, "propagate", *arguments], **streams)


def stopped(by: signal.Signals, *arguments: str, journal: Path) -> Outcome:
    """A run that gets a signal as soon as its journal holds a finished span."""
    running = process(*arguments)
    deadline = time.monotonic() + 60
    while not (journal.exists() and journal.read_bytes().count(b"\n") >= 2):
        assert running.poll() is None, "it was over before it could be stopped"
        assert time.monotonic() < deadline
        time.sleep(0.005)
    running.send_signal(by)
    out, err = running.communicate(timeout=60)
    return Outcome(running.returncode, out, err.decode())


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGKILL])
def test_a_run_that_was_stopped_goes_on_to_the_same_bytes(by: signal.Signals, here: Path, pwarp: Pwarp) -> None:
    journal, flow = here / "dense.json.partial", ("video.mp4", "keys.json", "--engine", "flow")
    end = stopped(by, *flow, "-o", "dense.json", journal=journal)
    if by is signal.SIGINT:
        assert end == Outcome(130, b"", "pwarp: interrupted\n")
    assert sorted(contents(here)) == ["dense.json.partial", "keys.json", "video.mp4"]
    spans = journal.read_bytes().count(b"\n") - 1
    assert 0 < spans < FRAMES // EVERY
    assert pwarp(*flow, "-o", "dense.json", "--resume", "-q") == Outcome(0, b"", "")
    assert pwarp(*flow, "-o", "whole.json", "-q") == Outcome(0, b"", "")
    assert (here / "dense.json").read_bytes() == (here / "whole.json").read_bytes()
    assert sorted(contents(here)) == ["dense.json", "keys.json", "video.mp4", "whole.json"]


def test_an_older_output_survives_an_interruption(here: Path) -> None:
    (here / "dense.json").write_text("an older result")
    journal = here / "dense.json.partial"
    end = stopped(signal.SIGINT, "video.mp4", "keys.json", "-o", "dense.json", "--force", journal=journal)
    assert end.code == 130
    assert (here / "dense.json").read_text() == "an older result"


def test_starting_over_says_what_is_lost(here: Path, pwarp: Pwarp) -> None:
    (here / "dense.json.partial").write_bytes(b'{"run": "another"}\n')
    done = pwarp("video.mp4", "keys.json", "-o", "dense.json", "--engine", "flow")
    assert done.code == 0
    said = "dense.json.partial of an interrupted run is started over; stop at once and --resume goes on with it"
    assert done.err == f"pwarp: {said}\n"
    assert not (here / "dense.json.partial").exists()


def test_what_another_engine_left_is_kept_where_nothing_is_worth_keeping(here: Path, pwarp: Pwarp) -> None:
    (here / "dense.json.partial").write_bytes(b'{"run": "another"}\n')
    assert pwarp("video.mp4", "keys.json", "-o", "dense.json", "--engine", "linear", "-q") == Outcome(0, b"", "")
    assert (here / "dense.json.partial").exists()


@pytest.mark.usefixtures("here")
def test_exit_codes_and_clean_streams_of_the_real_thing() -> None:
    linear = ("video.mp4", "keys.json", "--engine", "linear")
    good = process(*linear, "-o", "-")
    out, err = good.communicate(timeout=60)
    assert good.returncode == 0
    assert json.loads(out)["info"]["format"] == "pwarp"
    assert err.count(b"\n") == 1
    for arguments, code in [((*linear, "-o", "keys.json"), 1), (("--engine", "x"), 2)]:
        bad = process(*arguments)
        out, err = bad.communicate(timeout=60)
        assert (bad.returncode, out) == (code, b"")
        assert b"Traceback" not in err


@pytest.mark.usefixtures("here")
def test_progress_is_drawn_on_a_terminal_only() -> None:
    ours, theirs = pty.openpty()
    running = process("video.mp4", "keys.json", "-o", "dense.json", "--engine", "flow", stderr=theirs)
    os.close(theirs)
    drawn = b""
    try:
        while chunk := os.read(ours, 4096):
            drawn += chunk
    except OSError:  # the terminal's end, once nobody holds it any more
        pass
    finally:
        os.close(ours)
    out, _ = running.communicate(timeout=60)
    assert running.returncode == 0
    assert b"propagate" in drawn
    assert f"/{FRAMES - 1}".encode() in drawn
    assert b"\x1b" not in out
    assert out.startswith(b"dense.json: 2 tracks")
