"""What is installed with pwarp, and what a command says that needs more; see benchmarks/clean_machine.py, too."""

from __future__ import annotations

import ast
import re
import shutil
import sys
import tomllib
from collections.abc import Callable, Iterator
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, Outcome

from benchmarks.clean_machine import MODULES, NEEDS, in_wheel, pretend, says_how

Shell = Callable[..., Outcome]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS = PROJECT["project"]["optional-dependencies"]
# A module of the extra `formats` that comes with sleap-io, which needs them itself.
WITH_SLEAP = {"pandas"}


@pytest.fixture(scope="module")
def prepared(examples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared")
    shutil.copytree(examples, folder, dirs_exist_ok=True)
    return folder


def distributions(requirements: list[str]) -> set[str]:
    return {re.split(r"[<>=]", text)[0].lower() for text in requirements}


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield node.module.partition(".")[0]


@pytest.mark.parametrize("folder", ["pwarp", "cli"])
def test_every_import_is_of_something_that_is_asked_for(folder: str) -> None:
    asked = distributions(PROJECT["project"]["dependencies"])
    asked |= {name for extra in EXTRAS if extra != "dev" for name in distributions(EXTRAS[extra])}
    comes_with = {name: {d.lower() for d in found} for name, found in packages_distributions().items()}
    for path in (ROOT / folder).rglob("*.py"):
        for name in set(imports(path)) - sys.stdlib_module_names - {"pwarp", "pwarp_cli", "triton"}:
            assert comes_with.get(name, set()) & asked, f"{path} imports {name}, which nothing in pyproject.toml brings"


def test_every_package_is_in_the_wheel() -> None:
    packages = PROJECT["tool"]["setuptools"]["packages"]
    data = PROJECT["tool"]["setuptools"]["package-data"]
    wanted = [Path(name) for name in in_wheel(ROOT) if "__pycache__" not in name]
    for path in wanted:
        package = ".".join(path.parent.parts)
        if path.suffix == ".py":
            assert package in packages, f"{path} is in no package of pyproject.toml"
        else:
            assert any(path.match(f"{name.replace('.', '/')}/{p}") for name in data for p in data[name]), path
    assert len(wanted) > 200


def test_every_extra_is_one_that_a_command_needs() -> None:
    assert NEEDS.keys() == MODULES.keys() == EXTRAS.keys() - {"dev"}
    for extra, modules in MODULES.items():
        brought = distributions(EXTRAS[extra])
        assert {name.replace("_", "-") for name in modules} - WITH_SLEAP == brought


@pytest.mark.parametrize(("extra", "line"), [(extra, line) for extra, lines in NEEDS.items() for line in lines])
def test_whoever_lacks_an_extra_reads_how_to_get_it(
    extra: str, line: str, prepared: Path, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(prepared)
    pretend(prepared)
    for modules in MODULES.values():
        for name in modules:
            for loaded in [one for one in sys.modules if one == name or one.startswith(f"{name}.")]:
                monkeypatch.delitem(sys.modules, loaded)
            monkeypatch.setitem(sys.modules, name, None)
    done = shell(*line.split())
    assert says_how(extra, done.code, done.out.decode(), done.err), done.err
