"""Fixtures that every test may use."""

from __future__ import annotations

import io
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# How fast examples are drawn says how busy the machine is, not whether the code is right.
settings.register_profile("pwarp", suppress_health_check=[HealthCheck.too_slow], deadline=None)
settings.load_profile("pwarp")

ROOT = Path(__file__).resolve().parent.parent

# Whole files go to one process or another; what takes half a minute or longer begins first, so that none is left over
# for one process when the others are done.
LONG = (
    "fuzz", "format_contract", "engine_contract", "shell_examples", "same_bytes", "synthetic", "video", "weights",
    "accuracy", "export", "review_page", "examples", "training_command", "kill", "propagate_command", "models_parity",
    "run_on_ray", "format_fuzz",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first, in the order of `LONG`."""
    places = {f"test_{name}": place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: places.get(item.path.stem, len(LONG)))


def _shared(variable: str, folder: str) -> Path:
    path = Path(os.environ.get(variable) or ROOT.parent / "shared" / folder)
    if not path.is_dir():
        pytest.skip(f"needs {variable}, the folder of shared measuring material")
    return path


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Real video with truth; see PWARP_DATA in CONTRIBUTING.md."""
    return _shared("PWARP_DATA", "data")


@pytest.fixture(scope="session")
def oracle_dir() -> Path:
    """Inputs with the official evaluators' outputs; see PWARP_ORACLE in CONTRIBUTING.md."""
    return _shared("PWARP_ORACLE", "oracle")


@pytest.fixture(scope="session")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with all that the commands' examples name (`example_files`). Commands run in it and write elsewhere."""
    from example_files import write_files

    folder = tmp_path_factory.mktemp("examples")
    write_files(folder)
    before = sorted(folder.rglob("*"))
    yield folder
    assert sorted(folder.rglob("*")) == before, "a test left something in the folder of all"


@pytest.fixture
def own_examples(examples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of them that may be written to, the current folder. Files are links: replace them, don't change them."""
    folder = tmp_path / "here"
    shutil.copytree(examples, folder, copy_function=os.link)
    monkeypatch.chdir(folder)
    return folder


@dataclass(frozen=True)
class Outcome:
    """How a command ended: exit code, what went to stdout, and what to stderr."""

    code: int
    out: bytes
    err: str


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]) -> Callable[..., Outcome]:
    """Runs `pwarp` with arguments, in this process and down to the exit code."""
    from pwarp_cli.main import run

    def call(*arguments: object, given: bytes = b"") -> Outcome:
        monkeypatch.setattr(sys, "argv", ["pwarp", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
        with pytest.raises(SystemExit) as end:
            run()
        captured = capsysbinary.readouterr()
        return Outcome(int(end.value.code or 0), captured.out, captured.err.decode())

    return call
