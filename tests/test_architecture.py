"""The arrows of ARCHITECTURE.md: who may import whom, what loads with what, and that everything named is there."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from pwarp_cli.main import COMMANDS, main

from pwarp import registry

ROOT = Path(__file__).resolve().parent.parent
LIBRARY = ROOT / "pwarp"
CLI = ROOT / "cli"

CORE = {
    "annotations",
    "skeleton",
    "errors",
    "memory",
    "files",
    "locks",
    "journal",
    "progress",
    "registry",
    "confidence",
    "printing",
    "__version__",
}
# Each room and the rooms that it may import, besides itself.
MAY_IMPORT: dict[str, set[str]] = {
    "__init__": set(),
    "printing": set(),
    "errors": {"printing"},
    "skeleton": {"errors"},
    "annotations": {"errors", "skeleton"},
    "confidence": {"annotations"},
    "memory": {"errors"},
    "files": {"errors"},
    "locks": {"errors"},
    "journal": {"__version__", "annotations", "errors", "files", "locks"},
    "progress": set(),
    "registry": {"errors"},
    "video": CORE,
    "overview": CORE | {"video"},
    "formats": CORE | {"video"},
    "datasets": CORE | {"video", "formats"},
    "evaluation": CORE | {"video", "formats", "datasets"},
    "crops": {"errors"},
    "heatmaps": {"errors", "skeleton"},
    "models": {"errors", "skeleton", "registry"},
    "checkpoints": CORE | {"heatmaps", "models"},
    "weights": CORE | {"heatmaps", "models", "checkpoints"},
    "export": CORE | {"onnx", "models", "checkpoints", "following"},
    "onnx": {"errors"},
    "estimation": CORE | {"video", "crops", "heatmaps", "models", "checkpoints", "onnx"},
    "training": CORE | {"video", "formats", "datasets", "evaluation", "crops", "heatmaps", "models", "checkpoints"},
    "following": CORE | {"onnx", "crops", "heatmaps", "models", "checkpoints", "estimation"},
    "refinement": CORE | {"video", "crops", "heatmaps", "models", "estimation", "following"},
    "propagation": CORE
    | {"video", "formats", "onnx", "crops", "heatmaps", "models", "checkpoints", "estimation", "training", "following"},
    "augment": CORE | {"formats"},
    "batch": CORE | {"video", "formats", "propagation"},
    "review": CORE | {"video", "formats", "crops", "heatmaps", "models", "estimation", "following", "refinement"},
    "synthetic": CORE | {"video", "formats", "review"},
    "detection": CORE | {"video", "onnx"},
    "tracking": CORE | {"video", "propagation"},
    "trust": CORE | {"video", "evaluation", "propagation"},
}
# Packages that a room must never import, not even inside a function. "" is the whole library.
NEVER: dict[str, set[str]] = {
    "": {"click", "rich", "pwarp_cli", "cli", "pickle", "marshal", "shelve", "dill", "joblib"},
    "formats": {"torch", "torchvision"},
    "evaluation": {"torch", "torchvision", "cv2"},
    "datasets": {"torch", "torchvision"},
    "models": {"cv2"},
}
HEAVY = {"torch", "torchvision", "cv2", "scipy", "av", "matplotlib", "pycocotools", "ultralytics", "rich"}
DRAWERS = {"utils", "util", "helpers", "helper", "misc", "common", "tools", "stuff"}


def imported(source: str) -> Iterator[str]:
    """Absolute dotted names that a module imports anywhere, with what is taken out of them."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def rooms(source: str) -> set[str]:
    """The rooms of the library that a module imports."""
    dotted = (name.split(".") for name in imported(source))
    return {parts[1] if len(parts) > 1 else "__init__" for parts in dotted if parts[0] == "pwarp"}


def packages(source: str) -> set[str]:
    """The packages that a module imports."""
    return {name.split(".")[0] for name in imported(source)}


def calls(source: str) -> set[str]:
    """Names of the functions that a module calls by their bare name."""
    nodes = (node.func for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))
    return {node.id for node in nodes if isinstance(node, ast.Name)}


def room_of(path: Path) -> str:
    return path.relative_to(LIBRARY).with_suffix("").parts[0]


def modules(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.py"))


def test_the_finders_find() -> None:
    source = (
        "import torch.nn\ndef f():\n    from pwarp.video.base import Video\n    from pwarp import registry, errors\n"
    )
    assert packages(source) == {"torch", "pwarp"}
    assert rooms(source) == {"video", "registry", "errors"}
    assert packages("from . import torch\nfrom .click import x") == set()
    assert calls("x = eval('1')\nmodel.eval()\n") == {"eval"}


def test_every_room_has_its_arrows() -> None:
    """A new room says here, and in ARCHITECTURE.md, whom it may import."""
    assert {room_of(path) for path in modules(LIBRARY)} <= MAY_IMPORT.keys()


def test_a_room_imports_only_the_rooms_below_it() -> None:
    upward = []
    for path in modules(LIBRARY):
        room = room_of(path)
        others = rooms(path.read_text()) - MAY_IMPORT.get(room, set()) - {room}
        upward += [f"{path.relative_to(ROOT)} imports {other}" for other in sorted(others)]
    assert upward == []


def test_no_room_is_allowed_more_than_it_needs() -> None:
    used: dict[str, set[str]] = {}
    for path in modules(LIBRARY):
        used.setdefault(room_of(path), set()).update(rooms(path.read_text()))
    allowed = {room: others - CORE for room, others in MAY_IMPORT.items()}
    assert {room: others - used[room] for room, others in allowed.items() if others - used[room]} == {}


def test_a_room_keeps_away_from_what_it_must_not_know() -> None:
    known = []
    for path in modules(LIBRARY):
        forbidden = NEVER[""] | NEVER.get(room_of(path), set())
        known += [f"{path.relative_to(ROOT)} imports {name}" for name in packages(path.read_text()) & forbidden]
    assert known == []


def test_nothing_that_is_read_is_executed() -> None:
    forbidden = {"eval", "exec", "compile", "__import__"}
    assert [p for p in modules(LIBRARY) + modules(CLI) if calls(p.read_text()) & forbidden] == []


def test_the_command_line_is_imported_by_nobody_else() -> None:
    others = [p for folder in ("benchmarks", "examples") for p in modules(ROOT / folder)]
    assert not [p for p in others + modules(LIBRARY) if "pwarp_cli" in packages(p.read_text())]


def test_no_drawers() -> None:
    """A module is called for its one idea."""
    everywhere = [p for folder in ("pwarp", "cli", "tests", "benchmarks", "examples") for p in modules(ROOT / folder)]
    assert not [p for p in everywhere if {p.stem, *(part for part in p.relative_to(ROOT).parts)} & DRAWERS]


def loaded_by(statement: str) -> set[str]:
    """Top-level packages in a fresh interpreter after a statement."""
    code = f"{statement}\nimport sys\nprint('\\nLOADED', *{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    return set(done.stdout.splitlines()[-1].split()[1:])


@pytest.mark.parametrize(
    "statement",
    [
        "import pwarp_cli.main",
        "from pwarp_cli.main import main\nmain.main(['--help'], standalone_mode=False)",
        "from pwarp_cli.main import main\nmain.main(['--version'], standalone_mode=False)",
        "from pwarp_cli.main import main\nmain.main(['train', 'estimator', '--help'], standalone_mode=False)",
        "import pwarp, pwarp.annotations, pwarp.registry",
    ],
)
def test_help_loads_nothing_heavy(statement: str) -> None:
    assert not loaded_by(statement) & HEAVY


@pytest.mark.parametrize("room", ["formats", "evaluation", "datasets"])
def test_labels_and_numbers_need_no_torch(room: str) -> None:
    """Also not through somebody else: every module of the room is loaded."""
    names = [".".join(p.relative_to(ROOT).with_suffix("").parts) for p in modules(LIBRARY / room)]
    loaded = loaded_by("\n".join(f"import {name.removesuffix('.__init__')}" for name in names))
    assert {"pwarp", "numpy"} <= loaded
    assert not loaded & {"torch", "torchvision", "ultralytics", "click", "rich"}


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in registry.PARTS for name in registry.names(kind)])
def test_every_registered_part_is_there(kind: str, name: str) -> None:
    assert registry.load(kind, name) is not None


def documented(command: click.Command, call: str) -> None:
    """Its help, and that of its subcommands, shows an example, and says what each option does."""
    assert "Example" in (command.help or "")
    assert call in (command.help or "")
    options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
    assert [o.name for o in options if not (o.help or "").strip()] == []
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            documented(inner, f"{call} {name}")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_documented(name: str) -> None:
    command = main.get_command(click.Context(main), name)
    assert command is not None
    documented(command, f"pwarp {name}")


def test_the_groups_own_help_names_every_command() -> None:
    context = click.Context(main)
    text = main.get_help(context)
    assert "Example" in text
    assert all(name in text for name in COMMANDS)
    assert all(line.endswith(".") for _, line in COMMANDS.values())
