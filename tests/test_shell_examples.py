"""Each command of the README and of the help texts does what stands beside it: it is run, on small files of its names.

What needs a network, a GPU, a data set or minutes is named in `NOT_RUN`, with the reason, and at least has to be a call
that the command understands; where there is a --dry-run, its inputs are looked at, too.
"""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import click
import pytest
from conftest import ROOT, Outcome
from pwarp_cli.main import COMMANDS, main

Shell = Callable[..., Outcome]
DRY, PARSED = "dry", "parsed"

# (what the line holds, how far it goes, why): the first that fits counts.
NOT_RUN = (
    (r"\b[A-Z]{4,}\b", None, "a pattern with placeholders, no call"),
    (r"^torchrun ", PARSED, "several processes that train a large network"),
    (r"Penn_Action|posetrack|results/", PARSED, "a data set, or results on one"),
    (r"onnx:|--weights \S+\.onnx", PARSED, "a network that somebody has to bring"),
    (r"^pwarp weights convert", PARSED, "the authors' files"),
    (r"^pwarp weights download", DRY, "the internet"),
    (r"^pwarp train ", DRY, "minutes of training"),
    (r"--adapt", DRY, "minutes of training"),
    (r"^pwarp synth ", DRY, "renders for minutes"),
    (r"--jobs|--executor ray", DRY, "starts processes; test_shell_run.py and test_run_on_ray.py do"),
    (r"^pwarp models", PARSED, "counts large networks for seconds; test_weights.py does so once"),
)
# Where a command writes to.
OUTPUTS = ("-o", "--output", "--out", "--report", "--save-weights", "--log", "--plot")


def of_readme() -> Iterator[str]:
    for line in (ROOT / "README.md").read_text().splitlines():
        found = re.match(r"(?:    )(?:\$ )?(pwarp .*)", line)
        if found:
            yield found[1]


def of_help(command: click.Command, context: click.Context) -> Iterator[str]:
    section = re.search(r"Examples?:\n(.*?)(?:\n\s*\n|\Z)", (command.help or "").replace("\b", ""), flags=re.S)
    assert section is not None
    yield from (line.strip() for line in section[1].splitlines() if line.strip())
    if isinstance(command, click.Group) and command is not main:
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from of_help(inner, context)


def lines() -> list[str]:
    context = click.Context(main)
    texts = [*of_readme(), *of_help(main, context)]
    for name in COMMANDS:
        command = main.get_command(context, name)
        assert command is not None
        texts += of_help(command, context)
    return list(dict.fromkeys(line.split("  #")[0].strip() for line in texts))


LINES = lines()


def how(line: str) -> tuple[str | None, str] | None:
    """How far a line goes that is not run, and why; None for one that is."""
    return next(((far, why) for pattern, far, why in NOT_RUN if re.search(pattern, line)), None)


def segments(line: str) -> list[list[str]]:
    """The words of each command of a pipe, with < and > as words."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|<>")
    lexer.whitespace_split = True
    commands: list[list[str]] = [[]]
    for word in lexer:
        if word == "|":
            commands.append([])
        else:
            commands[-1] += (sorted(map(str, Path().glob(word))) if "*" in word else []) or [word]
    return commands


@pytest.fixture
def here(own_examples: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where examples run. `--detector auto` would go and fetch a network: it is hog here."""
    monkeypatch.setattr("pwarp.detection.choose._BY_QUALITY", ("hog",))
    return own_examples


def understood(words: list[str]) -> click.Command:
    """A call without its deed: every argument and option is one, and of the right kind. The command that it calls."""
    context = main.make_context("pwarp", list(words))
    while isinstance(context.command, click.Group):
        name, command, rest = context.command.resolve_command(context, [*context._protected_args, *context.args])
        assert name is not None and command is not None
        context = command.make_context(name, rest, parent=context)
    return context.command


def options(words: list[str]) -> set[str]:
    """The options of the command that is called."""
    return {name for parameter in understood(words).params for name in parameter.opts}


def cleared(words: list[str]) -> None:
    """Outputs that stand there already are those of somebody who tried the example before."""
    positional = [("-o", words[3])] if words[1] == "convert" else []
    for option, value in [*pairwise(words), *positional]:
        if option in (*OUTPUTS, ">") and value != "-":
            path = Path(value)
            if path.is_dir() and option != ">":
                shutil.rmtree(path)
            path.unlink(missing_ok=True)


def everything() -> dict[str, int]:
    """All that is in the current folder, and when it was changed."""
    return {str(path): path.stat().st_mtime_ns for path in Path().rglob("*")}


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("line", LINES)
def test_an_example_works(line: str, shell: Shell) -> None:
    far, _ = how(line) or ("run", "")
    if far is None:
        return
    given = b""
    for words in segments(line):
        words = words[words.index("pwarp") :]
        if far == PARSED:
            understood(words[1 : words.index(">")] if ">" in words else words[1:])
            continue
        cleared(words)
        into = Path(words.pop(words.index(">") + 1)) if ">" in words else None
        source = Path(words.pop(words.index("<") + 1)) if "<" in words else None
        arguments = [word for word in words[1:] if word not in "<>"]
        given = source.read_bytes() if source else given
        if "--dry-run" in options(arguments):
            before = everything()
            tried = shell(*arguments, "--dry-run", given=given)
            assert tried.code == 0, tried.err
            assert b"nothing written (--dry-run)" in tried.out + tried.err.encode() or b'"written":false' in tried.out
            assert everything() == before
        if far == DRY:
            continue
        done = shell(*arguments, given=given)
        # `check --strict` says with 1 that it found something.
        assert done.code in ((0, 1) if "--strict" in words and words[1] == "check" else (0,)), done.err
        assert "Traceback" not in done.err
        if into is not None:
            into.write_bytes(done.out)
        for option, value in () if "--dry-run" in words else pairwise(words):
            assert option not in OUTPUTS or value == "-" or Path(value).exists(), f"{option} {value} was not written"
        given = done.out


def test_there_are_examples_of_every_command() -> None:
    named = {segment[segment.index("pwarp") :][1] for line in LINES for segment in segments(line) if "pwarp" in segment}
    assert set(COMMANDS) <= named
    assert len(LINES) > 50


def test_whatever_is_not_run_says_why() -> None:
    """And every reason is still one."""
    for pattern, _, why in NOT_RUN:
        assert why
        assert any(re.search(pattern, line) for line in LINES), f"no example holds {pattern} any more"
    assert sum(how(line) is None for line in LINES) >= 0.5 * len(LINES)
