"""What somebody gets who installs pwarp on a clean machine: built, installed without extras, and used, for each Python.

Wheel and sdist are built from the last commit, the wheel out of the sdist. Then, for each Python, in a fresh
virtual environment: the wheel is installed and `pip check` finds no fault, `pwarp --help`, `propagate` and `eval` work
on a small rendered clip, each command that needs an extra says in one line how to install it, and the sdist installs,
too. With --tests tests run there as well. About 5 minutes and 6 GB a Python, most of it torch; the environments go when
they are done.

python -m benchmarks.clean_machine [--python python3.11 --python python3.13] [--tests PYTEST-OPTIONS] [--work DIR]
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
import venv
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_VERSIONS = "import platform, torch; print(platform.python_version(), 'and torch', torch.__version__)"
# What works without any extra: in a folder with video.mp4, keys.json and truth.json.
CORE = (
    "--version",
    "--help",
    "info keys.json",
    "propagate video.mp4 keys.json -o linear.json --engine linear",
    "propagate video.mp4 keys.json -o flow.json --engine flow",
    "propagate video.mp4 keys.json -o dense.json",
    "eval dense.json truth.json",
    "convert dense.json dense.csv --video video.mp4",
    "convert dense.json dense.coco.json --to coco",
    "detect video.mp4 -o boxes.json --detector hog",
    "track video.mp4 boxes.json -o tracks.json",
    "check dense.json",
    "suggest video.mp4 dense.json",
    "view video.mp4 dense.json -o overlay.mp4",
    "review video.mp4 dense.json -o page.html",
    "run . --labels . --out out --engine linear --partial --dry-run",
    "models --help",
)
# A command that needs each extra; labels.slp and warper.onnx are files of these kinds in name only.
NEEDS = {
    "yolo": ("detect video.mp4 -o yolo.json --detector yolo",),
    "formats": (
        "convert dense.json dense.h5 --to dlc",
        "convert dense.json dense.slp --to sleap",
        "info labels.slp",
    ),
    "onnx": (
        "export hrnet.safetensors -o hrnet.onnx",
        "propagate video.mp4 keys.json -o warped.json --engine posewarper --weights onnx:warper.onnx",
    ),
    "plot": ("eval dense.json truth.json --plot curves.png",),
    "ray": ("run videos --labels keys --out ray --executor ray",),
}
# The modules that come with an extra and with nothing else.
MODULES = {
    "yolo": ("ultralytics",),
    "formats": ("sleap_io", "h5py", "pandas"),
    "onnx": ("onnx", "onnxruntime"),
    "plot": ("matplotlib",),
    "ray": ("ray",),
}


def pretend(folder: Path) -> None:
    """Files of the kinds that `NEEDS` names, beside video.mp4, keys.json and truth.json; nobody gets to read them."""
    for name, within in (("videos", "video.mp4"), ("keys", "keys.json")):
        (folder / name).mkdir(exist_ok=True)
        shutil.copy(folder / within, folder / name / f"a{Path(within).suffix}")
    (folder / "labels.slp").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(64))
    (folder / "warper.onnx").touch()
    (folder / "hrnet.safetensors").touch()


def says_how(extra: str, code: int, out: str, err: str) -> bool:
    """Whether a command that needs an extra ended with one line that says how to install it."""
    return code == 1 and not out and err.count("\n") == 1 and f"pip install 'pwarp[{extra}]'" in err


def tree(source: Path) -> Path:
    """The files of the last commit in a folder of their own."""
    source.mkdir()
    packed = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, check=True, capture_output=True).stdout
    subprocess.run(["tar", "-x", "-C", source], input=packed, check=True)
    return source


def build(work: Path, source: Path) -> tuple[Path, Path]:
    """The sdist, and the wheel that is built out of it; AssertionError where a module or a data file is missing."""
    python = environment(work / "builder", Path(sys.executable))
    call(python, "-m", "pip", "install", "--quiet", "build")
    call(python, "-m", "build", "--outdir", work / "dist", source)
    shutil.rmtree(work / "builder")
    (sdist,), (wheel,) = (work / "dist").glob("*.tar.gz"), (work / "dist").glob("*.whl")
    packed = set(zipfile.ZipFile(wheel).namelist())
    wanted = set(in_wheel(source))
    assert wanted <= packed, f"not in the wheel: {sorted(wanted - packed)}"
    return sdist, wheel


def in_wheel(source: Path) -> Iterator[str]:
    """Names in the wheel of all that pwarp needs to run: every file of the library and of the command line."""
    for folder, package in (("pwarp", "pwarp"), ("cli", "pwarp_cli")):
        for path in (source / folder).rglob("*"):
            if path.is_file() and path.suffix != ".pyc":
                yield f"{package}/{path.relative_to(source / folder).as_posix()}"


def environment(folder: Path, python: Path) -> Path:
    """A fresh virtual environment; its Python."""
    if python == Path(sys.executable):
        venv.create(folder, with_pip=True)
    else:
        subprocess.run([python, "-m", "venv", folder], check=True)
    return folder / "bin" / "python"


def call(*words: object, folder: Path | None = None) -> str:
    """What a command says on stdout; the end of what it said where it fails. Nothing of ours is on its path."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run([str(word) for word in words], cwd=folder, env=clean, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{shlex.join(map(str, words))}: {(done.stdout + done.stderr)[-3000:]}")
    return done.stdout


def use(python: Path, folder: Path) -> tuple[int, int]:
    """How many commands worked without an extra, and how many said which one they need."""
    pwarp = python.with_name("pwarp")
    folder.mkdir()
    call(pwarp, "synth", "-o", folder, "--frames", 25, "--size", "160x120", "--every", 6, "--force")
    pretend(folder)
    for line in CORE:
        call(pwarp, *line.split(), folder=folder)
    lines = [(extra, line) for extra, lines in NEEDS.items() for line in lines]
    for extra, line in lines:
        done = subprocess.run([pwarp, *line.split()], cwd=folder, capture_output=True, text=True)
        if not says_how(extra, done.returncode, done.stdout, done.stderr):
            raise SystemExit(f"without '{extra}', pwarp {line}: {done.returncode}, {done.stdout}{done.stderr}")
    return len(CORE), len(lines)


def run_tests(python: Path, source: Path, options: str) -> str:
    """pytest's last line; of the extras the environment has none."""
    project = tomllib.loads((source / "pyproject.toml").read_text())["project"]
    tools = [need for need in project["optional-dependencies"]["dev"] if re.match("hypothesis|pytest", need)]
    call(python, "-m", "pip", "install", "--quiet", *tools)
    return call(python, "-m", "pytest", *shlex.split(options), folder=source).strip().splitlines()[-1]


def check(python: str, work: Path, source: Path, built: Sequence[Path], tests: str | None) -> str:
    """A row of the table for a Python."""
    began = time.perf_counter()
    sdist, wheel = built
    found = shutil.which(python)
    if found is None:
        raise SystemExit(f"{python}: no such Python here")
    mine = work / "venv"
    try:
        inside = environment(mine, Path(found))
        call(inside, "-m", "pip", "install", "--quiet", "--cache-dir", work / "cache", wheel)
        sound = call(inside, "-m", "pip", "check").strip()
        version = call(inside, "-c", _VERSIONS).strip()
        worked, refused = use(inside, work / "use")
        passed = "not run" if tests is None else run_tests(inside, source, tests)
        call(inside, "-m", "pip", "install", "--quiet", "--force-reinstall", "--no-deps", sdist)
        call(inside.with_name("pwarp"), "--help", folder=work)
    finally:
        for folder in (mine, work / "use"):
            shutil.rmtree(folder, ignore_errors=True)
    minutes = (time.perf_counter() - began) / 60
    return f"| {version} | {sound} | {worked} | {refused} | {passed} | {minutes:.1f} |"


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", action="append", metavar="NAME", help="may be given again  [default: this one]")
    parser.add_argument("--tests", metavar="OPTIONS", help="of pytest, such as 'tests -k \"not ray\"'")
    parser.add_argument("--work", metavar="DIR", help="where to work  [default: a temporary folder]")
    given = parser.parse_args()
    if given.work is not None:
        Path(given.work).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="pwarp-clean-", dir=given.work) as name:
        work = Path(name)
        source = tree(work / "source")
        built = build(work, source)
        print(f"built {' and '.join(path.name for path in built)}")
        print("| Python | pip check | commands that work | that name their extra | tests | minutes |")
        print("|---|---|---|---|---|---|", flush=True)
        for python in given.python or [sys.executable]:
            print(check(python, work, source, built, given.tests), flush=True)


if __name__ == "__main__":
    main()
