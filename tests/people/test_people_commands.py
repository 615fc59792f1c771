"""`pwarp detect` and `pwarp track`, alone and in a pipe."""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from pwarp_cli.main import run
from walkers import Street, Walker

from pwarp import formats
from pwarp.detection import Detections, Detector, Wanted
from pwarp.detection.journal import DetectionJournal
from pwarp.skeleton import COCO_17
from pwarp.tracking.link import Linker

FRAMES = 9
STREET = Street({0: Walker(lambda f: (50 + 2 * f, 60)), 1: Walker(lambda f: (150 - 2 * f, 66), 1)}, FRAMES)


class Knows:
    """A detector that knows where the walkers are; the frame is written in the picture's first pixel."""

    name = "knows"
    skeleton = COCO_17

    def __init__(self, wanted: Wanted) -> None:
        self.wanted = wanted

    def __call__(self, pictures: list[np.ndarray]) -> list[Detections]:
        return [self.one(int(p[0, 0, 0])) for p in pictures]

    def one(self, frame: int) -> Detections:
        seen, _ = STREET.seen([frame], poses=False)
        boxes = [t.boxes[0] for t in seen.tracks]
        return Detections.make(boxes, [0.9, 0.2][: len(boxes)], (192, 128), 17, min_score=self.wanted.min_score)


def opened(model: str | None, wanted: Wanted) -> Detector:
    assert model is None
    return Knows(wanted)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the pictures of the street, which is the current one; hog knows where everybody is."""
    (tmp_path / "street").mkdir()
    for frame, picture in STREET.frames():
        picture[0, 0] = frame
        cv2.imwrite(str(tmp_path / "street" / f"{frame}.png"), picture[..., ::-1])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("pwarp.detection.hog.open_hog", opened)
    return tmp_path


Pwarp = Callable[..., tuple[int, bytes, str]]


@pytest.fixture
def pwarp(monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]) -> Pwarp:
    """Runs `pwarp` with arguments, down to the exit code: code, stdout, stderr."""

    def call(*arguments: object, given: bytes = b"") -> tuple[int, bytes, str]:
        monkeypatch.setattr(sys, "argv", ["pwarp", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
        with pytest.raises(SystemExit) as end:
            run()
        captured = capsysbinary.readouterr()
        return int(end.value.code or 0), captured.out, captured.err.decode()

    return call


@pytest.mark.parametrize("output", ["boxes.json", "boxes.jsonl"])
def test_an_interrupted_detection_goes_on(
    output: str, here: Path, pwarp: Pwarp, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = ("detect", "street", "--detector", "hog", "--every", "2", "--batch", "1", "--min-score", "0.1", "-o")
    assert pwarp(*call, f"whole-{output}")[0] == 0
    looked: list[int] = []
    one, tired = Knows.one, True

    def counted(self: Knows, frame: int) -> Detections:
        if tired and len(looked) == 3:
            raise KeyboardInterrupt
        looked.append(frame)
        return one(self, frame)

    monkeypatch.setattr(Knows, "one", counted)
    assert pwarp(*call, output)[::2] == (130, "pwarp: interrupted\n")
    assert looked == [0, 2, 4] and not (here / output).exists()
    tired = False
    for other in ("--every", "--min-score"):
        assert pwarp(*call, output, "--resume", other, "1")[0] == 1
    assert looked == [0, 2, 4]
    assert pwarp(*call, output, "--resume", "-q") == (0, b"", "")
    assert looked == [0, 2, 4, 6, 8]
    assert (here / output).read_bytes() == (here / f"whole-{output}").read_bytes()
    assert not (here / f"{output}.partial").exists()


def test_a_detection_does_not_go_on_with_another_network(
    here: Path, pwarp: Pwarp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of the same name that holds something else."""
    seen = 0

    class Tired(Knows):
        def one(self, frame: int) -> Detections:
            nonlocal seen
            seen += 1
            if seen == 3:
                raise KeyboardInterrupt
            return super().one(frame)

    monkeypatch.setattr("pwarp.detection.onnx.open_onnx", lambda _, wanted: Tired(wanted))
    network = here / "people.onnx"
    network.write_bytes(b"one")
    call = ("detect", "street", "--detector", "onnx:people.onnx", "--batch", "1", "-o", "boxes.json")
    assert pwarp(*call)[0] == 130
    network.write_bytes(b"another")
    code, _, words = pwarp(*call, "--resume")
    assert code == 1 and "was left by a run with other labels, video or options" in words


def test_an_interrupted_tracking_goes_on(here: Path, pwarp: Pwarp, monkeypatch: pytest.MonkeyPatch) -> None:
    _, boxes, _ = pwarp("detect", "street", "-o", "-", "--detector", "hog", "--min-score", 0.1)
    (here / "boxes.jsonl").write_bytes(boxes)
    assert pwarp("track", "street", "boxes.jsonl", "-o", "whole.json", "-q")[0] == 0
    looked: list[int] = []
    look, tired = Linker.look, True

    def counted(self: Linker, frame: int, *more: Any) -> None:
        if tired and frame == 5:
            raise KeyboardInterrupt
        looked.append(frame)
        look(self, frame, *more)

    monkeypatch.setattr(Linker, "look", counted)
    assert pwarp("track", "street", "boxes.jsonl", "-o", "people.json")[::2] == (130, "pwarp: interrupted\n")
    assert looked == [0, 1, 2, 3, 4] and not (here / "people.json").exists()
    tired = False
    # The same labels, from a pipe, are the same.
    other = ("track", "street", "-", "-o", "people.json", "--resume", "--max-lost", 3)
    code, _, words = pwarp(*other, given=boxes)
    assert code == 1 and "was left by a run with other labels, video or options" in words
    assert pwarp(*other[:6], "-q", given=boxes) == (0, b"", "")
    assert looked == list(range(FRAMES))
    assert (here / "people.json").read_bytes() == (here / "whole.json").read_bytes()
    assert not (here / "people.json.partial").exists()


def test_a_record_that_no_detection_has_written_is_done_again(tmp_path: Path) -> None:
    def journal(*, resume: bool) -> DetectionJournal:
        return DetectionJournal(tmp_path / "partial", "mine", looks=range(0, 7, 3), keypoints=17, resume=resume)

    found = Knows(Wanted()).one(0)
    first = journal(resume=False)
    first.add([(0, found), (3, found)])
    first.close(done=False)
    left = (tmp_path / "partial").read_bytes()
    last = json.loads(left.splitlines()[1])["frames"][1]
    for strange in (
        {"frames": [last]},
        {"frames": []},
        {"frames": [[9, *last[1:]]]},
        {"frames": [[6, *last[1:]], [9, *last[1:]]]},
        {"frames": [[6, [[1, 2, 3]], *last[2:]]]},
        {"frames": [[6, *last[1:4], []]]},
        {"frames": 6},
    ):
        (tmp_path / "partial").write_bytes(left + json.dumps(strange).encode() + b"\n")
        again = journal(resume=True)
        assert (again.next, len(list(again.found()))) == (6, 2), strange
        again.close(done=False)
        assert (tmp_path / "partial").read_bytes() == left
    for frame, one in again.found():
        assert frame in (0, 3)
        for name in ("boxes", "score", "xy", "keypoint_score"):
            np.testing.assert_array_equal(getattr(one, name), getattr(found, name))


def test_a_pipe_from_detections_to_people(here: Path, pwarp: Pwarp) -> None:
    code, boxes, words = pwarp("detect", "street", "-o", "-", "--detector", "hog", "--min-score", 0.1)
    assert (code, words.count("\n")) == (0, 1)
    assert re.fullmatch(r"-: 18 detections by knows in 9 of 9 frames, .* s\n", words)
    code, out, words = pwarp("track", "street", "-", "-o", "people.json", given=boxes)
    assert (code, words) == (0, "")
    assert re.fullmatch(
        rb"people.json: 18 labels without track id joined, 2 tracks, the longest of 9 frames, .*\n", out
    )
    people = formats.read("people.json")
    assert [(t.identified, len(t)) for t in people.tracks] == [(True, 9), (True, 9)]
    for id, walker in STREET.walkers.items():
        centre = (people.tracks[id].boxes[:, :2] + people.tracks[id].boxes[:, 2:]) / 2
        np.testing.assert_allclose(centre, [walker.way(f) for f in range(FRAMES)])
    assert sorted(p.name for p in here.iterdir()) == ["people.json", "street"]


@pytest.mark.usefixtures("here")
def test_options_reach_the_detector_and_the_tracker(pwarp: Pwarp) -> None:
    code, out, _ = pwarp("detect", "street", "-o", "b.json", "--detector", "hog", "--every", 4, "--json")
    assert code == 0
    values = json.loads(out)
    assert {k: values[k] for k in ("detector", "frames", "frames_with_detections", "detections", "keypoints")} == {
        "detector": "knows",
        "frames": 3,
        "frames_with_detections": 3,
        "detections": 3,
        "keypoints": 0,
    }
    assert formats.read("b.json").labelled.tolist() == [0, 4, 8]
    code, out, _ = pwarp("track", "street", "b.json", "-o", "t.json", "--json", "--min-length", 4)
    values = json.loads(out)
    assert (values["joined"], values["left_out"], values["tracks"], values["longest"]) == (0, 3, 0, 0)
    assert values["unsure"] == []
    assert pwarp("track", "street", "b.json", "-o", "t.json", "--force", "-q") == (0, b"", "")
    assert [t.frames.tolist() for t in formats.read("t.json").tracks] == [[0, 4, 8]]


@pytest.mark.usefixtures("here")
def test_labels_that_belong_to_no_other_are_told(pwarp: Pwarp) -> None:
    pwarp("detect", "street", "-o", "b.json", "--detector", "hog", "--every", 4)
    seen = formats.read("b.json")
    one, two, *others = seen.tracks
    away = replace(two, boxes=two.boxes + np.array([70, -30, 70, -30]))
    formats.write(replace(seen, tracks=(one, away, *others)), "b.json", force=True)
    code, out, _ = pwarp("track", "street", "b.json", "-o", "t.json")
    assert code == 0 and b": 2 labels without track id joined, 1 left alone, in frames 4, 2 tracks," in out
    _, out, _ = pwarp("track", "street", "b.json", "-o", "t.json", "--json", "--force")
    assert (json.loads(out)["joined"], json.loads(out)["alone"]) == (2, [4])


@pytest.mark.usefixtures("here")
def test_auto_says_which_detector_and_why(pwarp: Pwarp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pwarp.detection.choose._BY_QUALITY", ("onnx", "hog"))
    _, _, words = pwarp("detect", "street", "-o", "b.json")
    assert words == "pwarp: detector knows, the best that runs here; onnx: onnx needs a file: --detector onnx:FILE, or --weights FILE\n"  # fmt: skip  # noqa: E501
    assert pwarp("detect", "street", "-o", "b.json", "--force", "-q") == (0, b"", "")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("detect", "nowhere.mp4", "-o", "b.json"), 1, "nowhere.mp4: no such file"),
        (("detect", "street", "-o", "old.json"), 1, "old.json: exists; give --force"),
        (("detect", "street", "-o", "b.json", "--detector", "dog"), 2, "unknown detector 'dog'; did you mean 'hog'"),
        (("detect", "street", "-o", "b.json", "--weights", "none.onnx"), 1, "none.onnx: no such file"),
        (("detect", "street", "-o", "b.txt"), 2, "'.txt'"),
        (("detect", "street"), 2, "Missing option '-o'"),
        (("detect", "street", "-o", "b.json", "--every", "0"), 2, "--every"),
        (("detect", "street", "-o", "b.json", "--min-score", "2"), 2, "--min-score"),
        (("track", "street", "nowhere.json", "-o", "t.json"), 1, "nowhere.json: no such file"),
        (("track", "street", "old.json", "-o", "t.json"), 1, "old.json: "),
        (("track", "street", "old.json", "-o", "t.json", "--min-length", "0"), 2, "--min-length"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    arguments: tuple[str, ...], code: int, message: str, here: Path, pwarp: Pwarp
) -> None:
    (here / "old.json").write_text("older")
    before = sorted(p.name for p in here.iterdir())
    done, out, words = pwarp(*arguments)
    assert (done, out) == (code, b"")
    assert message in words
    assert code == 2 or words.count("\n") == 1
    assert "Traceback" not in words
    assert sorted(p.name for p in here.iterdir()) == before
