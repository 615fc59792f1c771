"""The progress display and the summary that every command ends with."""

from __future__ import annotations

import io
import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from pwarp_cli.progress import progress
from pwarp_cli.summary import duration, report


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_sees_count_speed_and_eta_on_stderr_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = _Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr("sys.stderr", terminal)
    with progress(7, "propagate") as advance:
        advance()
        advance(6)
        print("a result")
    shown = terminal.getvalue()
    assert "propagate" in shown and "7/7" in shown and "frames/s" in shown and "ETA" in shown
    assert capsys.readouterr().out == "a result\n"


@pytest.mark.parametrize(("stream", "quiet"), [(io.StringIO(), False), (_Terminal(), True)])
def test_nothing_is_shown_in_a_log_or_when_quiet(
    monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, quiet: bool
) -> None:
    monkeypatch.setattr("sys.stderr", stream)
    with progress(None, "view", quiet=quiet) as advance:
        advance(3)
    assert stream.getvalue() == ""


def test_summary_is_one_line_or_one_json_object_or_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    values = {
        "output": Path("dense.json"),
        "frames": np.int64(120),
        "fps": Fraction(25, 2),
        "pck": float("nan"),
        "tracks": {3: np.arange(4)},
    }
    report("120 frames", values)
    assert capsys.readouterr().out == "120 frames\n"
    report("120 frames", values, as_json=True)
    printed = capsys.readouterr().out
    assert printed.count("\n") == 1
    assert json.loads(printed) == {
        "output": "dense.json",
        "frames": 120,
        "fps": 12.5,
        "pck": None,
        "tracks": {"3": [0, 1, 2, 3]},
    }
    report("120 frames", values, quiet=True)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.84, "0.8 s"), (42.4, "42 s"), (59.6, "1 min 00 s"), (185.0, "3 min 05 s"), (3720.0, "1 h 02 min")],
)
def test_durations_read_as_people_say_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text
