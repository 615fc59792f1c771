"""A full disc, an output that cannot be written, two that write at once: one clear line, and what was there stays.

The disc is a small one of memory where this system lets us mount one, and everywhere a limit on the size of files.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import torch
from conftest import ROOT, Outcome
from test_shell_contract import ALL as EVERY_COMMAND
from test_shell_contract import options
from writing_commands import ALL, files

from pwarp import formats
from pwarp.batch import Manifest
from pwarp.errors import PwarpError
from pwarp.files import atomic_path, write_bytes
from pwarp.following import feature_store
from pwarp.locks import kept
from pwarp.propagation import SpanJournal
from pwarp.training.folder import RunFolder

Shell = Callable[..., Outcome]
# Writes as another one here does.
ALIKE = {"pchip", "farneback", "auto", "recurrent", "posewarper", "estimator"}
# A run goes on with other videos, and training keeps what it can go on from.
GROWING = {"run", "train"}
WRITING = {name: line.format("{}", threads=1) for name, line in ALL.items() if name not in ALIKE}
# What else writes, and why it is not here.
ELSEWHERE = {
    "weights convert": "writes a checkpoint as train does",
    "weights download": "writes what the internet sends; test_weights.py",
}
linux = pytest.mark.skipif(sys.platform != "linux", reason="limits and mounts are Linux's")


@pytest.fixture
def out(examples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for outputs; the current one is that of the examples."""
    monkeypatch.chdir(examples)
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def older(out: Path, name: str) -> dict[str, bytes]:
    """Put something older where a command writes to; what is there now."""
    target = Path(next(word for word in WRITING[name].split() if word.startswith("{}")).format(out))
    inside = {"run": "a.json", "yolo": "data.yaml", "synth": "truth.json"}
    if name != "train":
        target = target / inside[name] if name in inside else target
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(b"older")
    return files(out)


def call(shell: Shell, name: str, out: Path) -> Outcome:
    line = WRITING[name].format(out).split()
    return shell(*line, "--force", *(["-q"] if "-q" not in line else []))


def refused(done: Outcome, name: str) -> None:
    """With a line of ours; of a run, one a video."""
    assert done.code == 1, done.err
    lines = done.err.splitlines()
    assert all(line.startswith("pwarp: ") for line in lines), done.err
    assert "cannot" in lines[-1]
    assert len(lines) == 1 or name == "run"


@contextmanager
def limited(size: int) -> Iterator[None]:
    """No file of this process may grow beyond so many bytes."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def mounted(folder: Path, *options: str) -> Iterator[None]:
    """A disc of 64 KiB at a folder; the test is skipped where none may be mounted."""
    words = ["mount", "-t", "tmpfs", "-o", ",".join(("size=64k", *options)), "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(words, stderr=subprocess.DEVNULL).returncode:
        pytest.skip("this system lets us mount no disc of memory")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_every_command_that_writes_is_here() -> None:
    here = {WRITING[name].split(" -o ")[0].split()[0] for name in WRITING}
    for name, command in EVERY_COMMAND.items():
        if "--force" in options(command) and name not in ELSEWHERE:
            assert name.split()[0] in here, name


@linux
@pytest.mark.parametrize("name", sorted(WRITING.keys() - {"sleap"}))  # the HDF5 library crashes: test_a_full_disc
def test_files_that_cannot_grow(name: str, out: Path, shell: Shell) -> None:
    before = older(out, name)
    with limited(4):
        done = call(shell, name, out)
    refused(done, name)
    left = files(out)
    if name in GROWING:
        left = {path: left[path] for path in before}
    assert left == before


@linux
@pytest.mark.parametrize("name", ["linear", "flow", "run", "overlay", "sheet", "review", "sleap", "yolo", "train"])
def test_a_full_disc(name: str, out: Path, shell: Shell) -> None:
    with mounted(out):
        before = older(out, name)
        with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)), (out / "filler").open("wb") as filler:
            while True:
                filler.write(bytes(4096))
                filler.flush()
        done = call(shell, name, out)
        left = files(out)
    refused(done, name)
    assert os.strerror(errno.ENOSPC) in done.err
    assert {path: left[path] for path in before} == before
    if name not in GROWING:
        assert left.keys() == before.keys() | {"filler"}


@linux
@pytest.mark.parametrize("name", WRITING)
def test_a_disc_that_is_only_read(name: str, out: Path, shell: Shell) -> None:
    with mounted(out):
        before = older(out, name)
        subprocess.run(["mount", "-o", "remount,ro", str(out)], check=True)
        done = call(shell, name, out)
        left = files(out)
    refused(done, name)
    assert left == before


FILLED = """
import numpy as np, torch
from pwarp.errors import PwarpError
from pwarp.following import feature_store
feature_store.IN_MEMORY = 1e4
try:
    maps = feature_store.FeatureStore((ROWS, 4, 8, 8))
    for row in range(ROWS):
        maps[row] = torch.full((4, 8, 8), float(row))
    assert all((maps[row] == row).all() for row in range(ROWS))
    print("kept")
except PwarpError as error:
    print(error)
"""


@linux
@pytest.mark.parametrize("rows", [20, 400])
def test_maps_for_which_there_is_no_room(rows: int, out: Path) -> None:
    """A mapped file with holes fails where it is written to, with a signal and not a word."""
    with mounted(out):
        done = subprocess.run(
            [sys.executable, "-c", FILLED.replace("ROWS", str(rows))],
            env={**os.environ, "TMPDIR": str(out), "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
        )
        assert files(out) == {}
    assert done.returncode == 0, done
    if rows == 20:
        assert done.stdout == "kept\n"
    else:
        assert done.stdout.startswith(f"{out}: no room for 0 MB of maps: {os.strerror(errno.ENOSPC)}; ")
        assert done.stdout.endswith("set TMPDIR to a folder that has it\n")


@pytest.mark.parametrize("fallocate", [True, False])
def test_maps_in_a_file_begin_with_zeros(fallocate: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_store, "IN_MEMORY", 0)
    if not fallocate:
        monkeypatch.delattr(os, "posix_fallocate", raising=False)
    maps = feature_store.FeatureStore((300, 7, 13, 11))
    maps[3] = torch.ones(7, 13, 11)
    assert [float(maps[row].sum()) for row in (0, 3, 299)] == [0, 7 * 13 * 11, 0]


# --- two at once ---


def test_a_file_that_came_meanwhile_is_not_replaced_unasked(tmp_path: Path) -> None:
    target = tmp_path / "labels.json"
    with (
        pytest.raises(PwarpError, match="another process has written it meanwhile; give --force"),
        atomic_path(target) as temporary,
    ):
        temporary.write_bytes(b"slow")
        write_bytes(target, b"quick")
    assert files(tmp_path) == {"labels.json": b"quick"}
    with atomic_path(target, force=True) as temporary:
        temporary.write_bytes(b"slow")
        write_bytes(target, b"quicker", force=True)
    assert files(tmp_path) == {"labels.json": b"slow"}


def test_where_there_are_no_links_files_get_their_name_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refuse)
    write_bytes(tmp_path / "labels.json", b"one")
    assert files(tmp_path) == {"labels.json": b"one"}


@linux
@pytest.mark.parametrize("name", ["flow", "run", "train"])
def test_what_grows_belongs_to_one_process(name: str, out: Path, shell: Shell) -> None:
    """The second one is told at once, and the first is not disturbed."""
    folder = out / "run"
    folder.mkdir()
    with ExitStack() as first:
        if name == "flow":
            journal = SpanJournal(out / "dense.json.partial", "mine", resume=False, alone=True)
            first.callback(journal.close, done=False)
        elif name == "run":
            first.enter_context(Manifest(folder))
        else:
            first.enter_context(RunFolder(folder).alone())
        before = files(out)
        second = shell(*WRITING[name].format(out).split(), "-q")
        assert files(out) == before
    assert second.code == 1
    assert re.fullmatch(r"pwarp: \S+: another (process|run) is at work .*; .*\n", second.err), second.err
    assert shell(*WRITING[name].format(out).split(), "-q").code == 0


@linux
def test_a_lock_goes_with_its_process(tmp_path: Path) -> None:
    """Also where it is killed."""
    code = "import sys, time\nfrom pathlib import Path\nfrom pwarp.locks import kept\n"
    code += "with kept(Path(sys.argv[1]), 'somebody', 'go'):\n    print(flush=True)\n    time.sleep(600)\n"
    with subprocess.Popen([sys.executable, "-c", code, tmp_path], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with (
            pytest.raises(PwarpError, match="somebody is at work in it; wait until it has ended, or go"),
            kept(tmp_path, "somebody", "go"),
        ):
            pass
        process.kill()
    with kept(tmp_path, "somebody", "go"):
        pass


@linux
def test_two_at_once_come_to_the_same_file(out: Path, examples: Path) -> None:
    """Whoever is first; the other one says why it did not write, or replaced it with the same where it was told to."""
    path = os.pathsep.join(map(str, (ROOT, ROOT / "tests")))
    code = "from pwarp_cli.main import run; run()"
    for force in ((), ("--force",)):
        words = ["convert", "dense.json", str(out / "labels.csv"), "--video", "video.mp4", "-q", *force]
        both = [
            subprocess.Popen(
                [sys.executable, "-c", code, *words],
                cwd=examples,
                stderr=subprocess.PIPE,
                text=True,
                env={**os.environ, "PYTHONPATH": path},
            )
            for _ in range(2)
        ]
        said = [process.communicate(timeout=300)[1] for process in both]
        codes = sorted(process.returncode for process in both)
        assert codes == [0, 0] if force else [0, 1], said
        assert all("Traceback" not in text for text in said)
        assert list(files(out)) == ["labels.csv"]
        formats.read(out / "labels.csv")
