"""`pwarp --config FILE.toml`: what the command line leaves open, a file may say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from conftest import Outcome
from pwarp_cli.config import read_config
from pwarp_cli.main import main
from test_shell_contract import ALL

Shell = Callable[..., Outcome]


def read(folder: Path, text: str) -> dict[str, Any]:
    path = folder / "project.toml"
    path.write_text(text)
    return read_config(path, main, click.Context(main))


def seen(folder: Path, text: str, *arguments: str) -> dict[str, Any]:
    """The parameters that a command gets to see with that file and those arguments."""
    (folder / "project.toml").write_text(text)
    context = main.make_context("pwarp", ["--config", str(folder / "project.toml"), *arguments])
    while isinstance(context.command, click.Group):
        name, command, rest = context.command.resolve_command(context, [*context._protected_args, *context.args])
        assert name is not None and command is not None
        context = command.make_context(name, rest, parent=context)
    return context.params


def test_the_command_line_wins_over_the_file_and_the_file_over_the_default(tmp_path: Path) -> None:
    text = '[propagate]\nengine = "flow"\nmax-gap = 60\nmin_score = 0.25\nforce = true\n'
    values = seen(tmp_path, text, "propagate", "v.mp4", "k.json", "-o", "d.json", "--max-gap", "7")
    assert (values["engine"], values["max_gap"], values["min_score"], values["force"]) == ("flow", 7, 0.25, True)
    assert (values["reach"], values["quiet"]) == (None, False)


def test_an_option_of_two_sides_goes_by_either_name(tmp_path: Path) -> None:
    assert seen(tmp_path, "[eval]\nvisible = true\n", "eval", "a", "b")["occluded"] is False
    assert seen(tmp_path, "[eval]\noccluded = true\n", "eval", "a", "b")["occluded"] is True


def test_one_command_does_not_see_the_table_of_another(tmp_path: Path) -> None:
    assert seen(tmp_path, "[synth]\nframes = 7\n", "synth", "-o", "x")["frames"] == 7
    values = seen(tmp_path, "[train.estimator]\nsteps = 7\n", "train", "posewarper", "data", "-o", "x")
    assert values["steps"] is None
    assert seen(tmp_path, "[train.estimator]\nsteps = 7\n", "train", "estimator", "data", "-o", "x")["steps"] == 7


def test_lists_are_options_given_several_times_or_values_between_commas(tmp_path: Path) -> None:
    assert seen(tmp_path, '[synth]\nmotion = ["walk", "run"]\n', "synth", "-o", "x")["motions"] == ("walk", "run")
    assert seen(tmp_path, '[synth]\nmotion = "walk"\n', "synth", "-o", "x")["motions"] == ("walk",)
    values = seen(tmp_path, '[eval]\nalpha = [0.1, 0.2]\nmetric = ["pck"]\n', "eval", "a", "b")
    assert (values["alphas"], values["metrics"]) == ((0.1, 0.2), ("pck",))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('engine = "flow"\n', "'engine' stands outside a table; put it below one, such as [propagate]"),
        ("[propagat]\n", "there is no command 'propagat'; did you mean 'propagate'?"),
        ("[train.estimater]\n", "[train] has no command 'estimater'; did you mean 'estimator'?"),
        ("[propagate]\nengin = 'flow'\n", "[propagate] has no option 'engin'; did you mean 'engine'?"),
        ("[propagate]\nvideo = 'v.mp4'\n", "[propagate] has no option 'video'; there are: adapt, "),
        ("propagate = 1\n", "'propagate' is a command; write a table [propagate]"),
        ("[propagate]\nengine = 'lin'\n", "[propagate] engine: 'lin' is not one of 'auto', "),
        ("[propagate]\nmax-gap = 0\n", "[propagate] max-gap: 0 is not in the range x>=1."),
        ("[propagate]\nmax-gap = true\n", "[propagate] max-gap is True, expected text or a number"),
        ("[propagate]\nforce = 1\n", "[propagate] force is 1, expected true or false"),
        ("[propagate.engine]\n", "[propagate] engine is a table, expected a value"),
        ("[eval]\nmetric = ['pck', 'pick']\n", "[eval] metric: unknown metric 'pick'"),
        ("[propagate\n", "is not TOML: "),
        (f"[propagate]\nmax-gap = {'1' * 5000}\n", "is not TOML: Exceeds the limit (4300 digits)"),
    ],
)
def test_what_a_file_may_not_say_is_refused_with_the_likely_name(
    text: str, message: str, tmp_path: Path, shell: Shell
) -> None:
    path = tmp_path / "p.toml"
    path.write_text(text)
    done = shell("--config", path, "synth", "-o", tmp_path / "out")
    assert (done.code, done.out) == (1, b"")
    assert done.err.startswith(f"pwarp: {path}: ") and done.err.count("\n") == 1
    assert message in done.err
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_is_not_there_is_refused_even_where_it_is_not_needed(tmp_path: Path, shell: Shell) -> None:
    done = shell("--config", tmp_path / "no.toml", "synth", "-o", tmp_path / "out")
    assert (done.code, done.err.count("\n")) == (1, 1)
    assert "no.toml: cannot read: No such file" in done.err


@pytest.mark.parametrize("name", ALL)
def test_every_option_has_a_long_name_that_a_file_can_use(name: str) -> None:
    short = [o.opts for o in ALL[name].params if isinstance(o, click.Option) and not any(n[:2] == "--" for n in o.opts)]
    assert not short


def test_a_file_can_say_how_many_frames_are_suggested(tmp_path: Path) -> None:
    assert seen(tmp_path, "[suggest]\ncount = 7\n", "suggest", "v.mp4", "d.json")["count"] == 7
    assert seen(tmp_path, "[suggest]\ncount = 7\n", "suggest", "v.mp4", "d.json", "-n", "2")["count"] == 2


def test_every_option_of_every_command_can_be_named(tmp_path: Path) -> None:
    """Also by names that differ from the parameter's: `--json` is as_json, `--from` is from_."""
    text = "[propagate]\njson = true\nfrom = 'coco'\nformat = 'csv'\n"
    assert read(tmp_path, text) == {"propagate": {"as_json": True, "from_": "coco", "to": "csv"}}
