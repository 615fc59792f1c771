"""Kill -9 at a few random moments, as `python -m benchmarks.kill` does at many."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.kill import COMMANDS, FAULTS, OTHER, UNFINISHED, contents, finish, kill, prepare, template_in, trial


@pytest.mark.parametrize(("name", "moments"), [("run", 2), ("convert", 1)])
def test_whoever_goes_on_comes_to_the_same_bytes(name: str, moments: int, tmp_path: Path) -> None:
    assert not kill(name, tmp_path, moments, seed=1).keys() & set(FAULTS)


def test_what_is_wrong_is_counted(tmp_path: Path) -> None:
    """A result that differs from the one that is expected, after a kill before anything began."""
    command = COMMANDS["convert"]
    template = tmp_path / "template"
    template_in(template)
    found = trial(command, tmp_path / "case", template, {"out.csv": b"another"}, [0.0])
    assert found == {UNFINISHED: "", OTHER: "out.csv"}
    prepare(tmp_path / "case", template)
    assert finish(f"{command.call} --magic", tmp_path / "case")[0] == 2
    assert sorted(contents(tmp_path / "case", ("keys/*",))) == ["keys/a.json", "keys/b.json"]
