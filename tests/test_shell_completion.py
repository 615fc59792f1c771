"""Shell completion: what is offered, and that no shell waits for torch."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable

import pytest
from conftest import Outcome
from pwarp_cli.main import COMMANDS

Shell = Callable[..., Outcome]


@pytest.fixture
def offered(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """What bash is told to offer for the last of some words."""

    def ask(*words: str) -> list[str]:
        monkeypatch.setenv("_PWARP_COMPLETE", "bash_complete")
        monkeypatch.setenv("COMP_WORDS", " ".join(["pwarp", *words]))
        monkeypatch.setenv("COMP_CWORD", str(len(words)))
        done = shell()
        assert (done.code, done.err) == (0, "")
        return done.out.decode().splitlines()

    return ask


def test_commands_options_and_choices_are_offered(offered: Callable[..., list[str]]) -> None:
    assert offered("") == [f"plain,{name}" for name in COMMANDS]
    assert offered("pro") == ["plain,propagate"]
    assert "plain,--config" in offered("--")
    assert offered("propagate", "--max") == ["plain,--max-gap"]
    assert offered("propagate", "--engine", "p") == ["plain,pchip", "plain,posewarper"]
    assert offered("train", "pose") == ["plain,posewarper"]


def test_everything_else_is_a_file(offered: Callable[..., list[str]]) -> None:
    """Otherwise a shell with completion could do less than one without."""
    assert offered("propagate", "vid") == ["file,vid"]
    assert offered("propagate", "v.mp4", "k.json", "-o", "out/") == ["file,out/"]


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_the_script_is_one_that_the_shell_takes(name: str, shell: Shell) -> None:
    done = shell("completion", name)
    assert (done.code, done.err) == (0, "")
    assert b"_PWARP_COMPLETE" in done.out
    if shutil.which(name):
        assert subprocess.run([name, "-n"], input=done.out, capture_output=True).returncode == 0


def test_another_shell_is_refused(shell: Shell) -> None:
    done = shell("completion", "tcsh")
    assert done.code == 2
    assert "'bash', 'zsh', 'fish'" in done.err


def test_a_shell_waits_for_nothing_heavy() -> None:
    code = (
        "import sys, atexit\n"
        "atexit.register(lambda: print('LOADED', *{n.split('.')[0] for n in sys.modules}))\n"
        "from pwarp_cli.main import run\nsys.argv = ['pwarp']\nrun()"
    )
    asked = {"_PWARP_COMPLETE": "bash_complete", "COMP_WORDS": "pwarp pro", "COMP_CWORD": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=os.environ | asked, capture_output=True, text=True)
    offered, loaded = done.stdout.splitlines()
    assert offered == "plain,propagate"
    assert not set(loaded.split()) & {"torch", "cv2", "numpy", "scipy", "av", "rich"}
