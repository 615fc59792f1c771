"""Pipes: what goes from one command to the next, when, and what becomes of a pipe that breaks."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import Outcome
from pwarp_cli.summary import report, say

from pwarp import formats
from pwarp.annotations import Annotations, Source
from pwarp.detection import Detections, Detector
from pwarp.skeleton import COCO_17
from pwarp.synthetic import Scene, SceneConfig, write_scene

Shell = Callable[..., Outcome]
FRAMES, EVERY = 9, 4


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with video.mp4, keys.json and truth.json."""
    folder = tmp_path_factory.mktemp("clip")
    config = SceneConfig(seed=4, frames=FRAMES, width=112, height=84, people=2, samples=1, camera=False)
    write_scene(Scene(config), folder, every=EVERY)
    return folder


class Knows:
    """A detector that reads the truth, frame after frame, and notes what was printed before each."""

    name = "knows"
    skeleton = COCO_17

    def __init__(self, truth: Annotations) -> None:
        self.truth, self.frame, self.lines_before = truth, 0, list[int]()

    def __call__(self, pictures: list[np.ndarray]) -> list[Detections]:
        if isinstance(sys.stdout.buffer, io.BytesIO):
            self.lines_before.append(sys.stdout.buffer.getvalue().count(b"\n"))
        return [self.one() for _ in pictures]

    def one(self) -> Detections:
        rows = [(t, t.at(self.frame)) for t in self.truth.tracks]
        xy = [t.xy[row] for t, row in rows if row is not None]
        self.frame += 1
        boxes = [[*np.nanmin(p, axis=0), *np.nanmax(p, axis=0)] for p in xy]
        return Detections.make(boxes, [0.9] * len(boxes), (112, 84), 17)


@pytest.fixture
def detector(clip: Path, monkeypatch: pytest.MonkeyPatch) -> Knows:
    """What `--detector hog` is in this test."""
    knows = Knows(formats.read(clip / "truth.json"))

    def opened(*_: object) -> Detector:
        knows.frame = 0
        return knows

    monkeypatch.setattr("pwarp.detection.hog.open_hog", opened)
    monkeypatch.chdir(clip)
    return knows


@pytest.mark.usefixtures("detector")
def test_a_pipe_of_commands_loses_nothing(shell: Shell) -> None:
    boxes = shell("detect", "video.mp4", "-o", "-", "--detector", "hog")
    assert (boxes.code, boxes.out.splitlines()[0][:24]) == (0, b'{"info":{"format":"jsonl')
    assert [json.loads(line)["frame"] for line in boxes.out.splitlines()[1:-1]] == list(range(FRAMES))
    people = shell("track", "video.mp4", "-", "-o", "-", "--json", given=boxes.out)
    assert people.out.startswith(b'{"info":{"format":"jsonl"')
    # stdout carries the labels, so the summary goes aside.
    assert json.loads(people.err)["tracks"] == 2
    dense = shell("convert", "-", "-", given=people.out)
    assert dense.out.startswith(b'{"info":{"format":"pwarp"')
    assert shell("convert", "-", "-", "--to", "jsonl", given=dense.out).out == people.out


def test_propagate_takes_lines_and_gives_them_where_asked(clip: Path, shell: Shell) -> None:
    lines = shell("convert", clip / "keys.json", "-", "--to", "jsonl").out
    dense = shell("propagate", clip / "video.mp4", "-", "-o", "-", "--engine", "linear", "-q", given=lines)
    assert (dense.code, dense.err) == (0, "")
    assert dense.out.startswith(b'{"info":{"format":"pwarp"')
    told = shell("info", "-", "--json", given=dense.out)
    sources = [track["sources"] for track in json.loads(told.out)["tracks"]]
    assert all(set(s) == {Source.MANUAL.name.lower(), Source.PROPAGATED.name.lower()} for s in sources)


def test_each_frame_is_written_when_it_is_done(
    detector: Knows, monkeypatch: pytest.MonkeyPatch, shell: Shell, tmp_path: Path
) -> None:
    from pwarp_cli.main import main

    before, printed = sys.stdout, io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(printed))
    main(["detect", "video.mp4", "-o", "-", "--detector", "hog", "--batch", "4", "-q"], standalone_mode=False)
    assert detector.lines_before == [1, 5, 9]  # the header, then four frames a batch
    streamed = printed.getvalue()
    monkeypatch.setattr(sys, "stdout", before)
    file = tmp_path / "boxes.jsonl"
    assert shell("detect", "video.mp4", "-o", file, "--detector", "hog").code == 0
    assert file.read_bytes() == streamed
    again = tmp_path / "again.jsonl"
    formats.write(formats.read(file), again)
    assert again.read_bytes() == streamed


def test_a_video_through_a_pipe_is_called_that_and_not_by_its_temporary_file(
    clip: Path, shell: Shell, tmp_path: Path
) -> None:
    film = (clip / "video.mp4").read_bytes()
    keys = formats.read(clip / "keys.json")
    formats.write(replace(keys, video=replace(keys.video, width=119)), tmp_path / "wide.json")
    refused = shell("view", "-", tmp_path / "wide.json", "-o", tmp_path / "x.png", given=film)
    assert refused.code == 1 and "standard input: size: " in refused.err
    assert shell("review", "-", clip / "keys.json", "-o", tmp_path / "r.html", given=film).code == 0
    page = (tmp_path / "r.html").read_text()
    assert tempfile.gettempdir() + "/pwarp-" not in page


@pytest.mark.usefixtures("detector")
def test_a_stream_whose_writer_died_is_not_taken_for_a_whole_one(shell: Shell) -> None:
    boxes = shell("detect", "video.mp4", "-o", "-", "--detector", "hog").out
    cut = boxes[: boxes.rindex(b'{"end"')]
    done = shell("track", "video.mp4", "-", "-o", "-", given=cut)
    assert (done.code, done.out) == (1, b"")
    assert done.err.startswith("pwarp: standard input: ends without its last line") and done.err.count("\n") == 1


def test_a_reader_that_goes_away_ends_it_quietly(clip: Path) -> None:
    """`pwarp ... | head -c 10`: neither a traceback nor a complaint."""
    code = "from pwarp_cli.main import run; import sys; sys.argv = ['pwarp', *sys.argv[1:]]; run()"
    long = ["convert", str(clip / "truth.json"), "-", "--to", "jsonl"]
    with subprocess.Popen(
        [sys.executable, "-c", code, *long], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 1


def test_colour_stays_out_where_it_is_not_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    from pwarp_cli.progress import progress

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    shown = {}
    for wish in (None, "1"):
        terminal = Terminal()
        monkeypatch.setenv("TERM", "xterm-256color")
        monkeypatch.setattr("sys.stderr", terminal)
        if wish is None:
            monkeypatch.delenv("NO_COLOR", raising=False)
        else:
            monkeypatch.setenv("NO_COLOR", wish)
        with progress(3, "look") as advance:
            advance(3)
        shown[wish] = terminal.getvalue()
    # Of 16 colours or of 256: rich keeps the codes of its styles as the first terminal of the process wanted them.
    colour = re.compile(r"\x1b\[(?:3[0-8]|9[0-7])[;m]")
    assert colour.search(shown[None])
    assert not colour.search(shown["1"]) and "3/3" in shown["1"]


@pytest.mark.parametrize(
    "line", ["propagate - - -o x.json", "track - - -o x.json", "view - - -o x.png", "info - --check -", "suggest - -"]
)
def test_stdin_stands_for_one_thing_only(line: str, shell: Shell) -> None:
    done = shell(*line.split())
    assert done.code == 2 and "and there is one stdin; give a name" in done.err


def test_what_a_stranger_wrote_steers_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    report("cow\x1b[2J\n\x1b]0;owned\x07", {})
    say("a\rb")
    out, err = capsys.readouterr()
    assert out == "cow\\x1b[2J\n\\x1b]0;owned\\x07\n"
    assert err == "pwarp: a\\rb\n"
