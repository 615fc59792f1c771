"""Kill -9 at random moments: what a command leaves behind, and whether going on comes to the same bytes.

Each command is run once undisturbed. Then, again and again in a fresh folder, it is killed with all its processes at a
moment drawn evenly from that run's time, looked at, and run again with what makes it go on. Counted is what must not
be: a result that is half there or different, an input that changed, a run that does not go on, litter that stays.

python -m benchmarks.kill [--moments 50] [--only propagate|run|convert|train] [--seed 0]
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from pwarp.synthetic import Scene, SceneConfig, write_scene

_PWARP = "from pwarp_cli.main import run\nif __name__ == '__main__':\n    run()\n"
_TRAIN = (
    "train estimator keys.json -o out --backbone duc-mobilenet --size 32x32 --batch 4 --steps 6 --val-every 3 "
    "--lr 1e-3 --save-every 2 --log-every 1 --workers 0 --device cpu --precision fp32 -q"
)


@dataclass(frozen=True)
class Command:
    """A call, what is added to go on, the outputs that count (a pattern), and what may stay beside them."""

    call: str
    again: str
    results: str
    beside: tuple[str, ...] = ()


COMMANDS = {
    "propagate": Command("propagate video.mp4 keys.json -o out.json --engine flow -q", "--resume", "out.json"),
    "run": Command(
        "run videos --labels keys --out out --engine flow --jobs 2 --segment 12 -q",
        "",
        "out/*.json",
        ("out/pwarp-run.jsonl",),
    ),
    "convert": Command("convert keys.json out.csv --video video.mp4 -q", "--force", "out.csv"),
    "train": Command(_TRAIN, "--resume", "out/*.safetensors", ("out/**/*",)),
}


@dataclass
class Count:
    """What was found at so many moments."""

    moments: int = 0
    unfinished: int = 0
    half: int = 0
    inputs: int = 0
    stuck: int = 0
    different: int = 0
    litter: int = 0

    @property
    def bad(self) -> int:
        return self.half + self.inputs + self.stuck + self.different + self.litter


def contents(folder: Path, patterns: tuple[str, ...]) -> dict[str, bytes]:
    """Files that match, by their path in the folder."""
    found = {path for pattern in patterns for path in folder.glob(pattern) if path.is_file()}
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(found)}


def start(command: str, folder: Path) -> subprocess.Popen[bytes]:
    """The command in a process group of its own, with the folder as the current one."""
    (folder / "launch.py").write_text(_PWARP)
    return subprocess.Popen(
        [sys.executable, "launch.py", *command.split()],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def finish(command: str, folder: Path) -> tuple[int, str]:
    """Exit code and last words of a command that is left alone."""
    with start(command, folder) as process:
        _, said = process.communicate(timeout=1800)
    return process.returncode, said.decode(errors="replace")[-300:]


def prepare(folder: Path, template: Path) -> dict[str, bytes]:
    """A fresh copy of the inputs, and what is in them."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(template, folder)
    return contents(folder, ("**/*",))


def trial(command: Command, folder: Path, template: Path, whole: dict[str, bytes], delay: float, count: Count) -> None:
    """One moment; `count` is told of what was found, stderr of what must not be."""
    inputs = prepare(folder, template)
    process = start(command.call, folder)
    time.sleep(delay)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    count.moments += 1
    left = contents(folder, (command.results,))
    count.unfinished += left != whole
    # A checkpoint of an earlier step is whole, though not the last one: of those only the end counts.
    if not command.call.startswith("train") and any(left[name] != whole.get(name) for name in left):
        count.half += 1
    code, said = finish(f"{command.call} {command.again}".strip(), folder)
    # What is done is not replaced unasked.
    if code and left != whole:
        count.stuck += 1
        print(f"{command.call} after {delay:.2f} s: {said}", file=sys.stderr)
    elif contents(folder, (command.results,)) != whole:
        count.different += 1
        print(f"{command.call} after {delay:.2f} s: other bytes", file=sys.stderr)
    count.inputs += any(folder.joinpath(name).read_bytes() != old for name, old in inputs.items())
    now = contents(folder, ("**/*",)).keys()
    strange = now - inputs.keys() - whole.keys() - contents(folder, command.beside).keys() - {"launch.py"}
    # What atomic writing leaves when it is killed begins with a dot, and nothing reads it; nor what says .partial.
    if any(not (Path(name).name.startswith(".") or (code and name.endswith(".partial"))) for name in strange):
        count.litter += 1
        print(f"{command.call} after {delay:.2f} s: left {sorted(strange)}", file=sys.stderr)


def template_in(folder: Path) -> Path:
    """The inputs of all commands."""
    config = SceneConfig(seed=4, frames=41, width=112, height=84, people=2, samples=1, camera=False)
    write_scene(Scene(config), folder, every=5)
    for name in ("truth.json", "detections.json"):
        (folder / name).unlink(missing_ok=True)
    for name in ("videos", "keys"):
        (folder / name).mkdir()
    for name in ("a", "b"):
        shutil.copy(folder / "video.mp4", folder / f"videos/{name}.mp4")
        shutil.copy(folder / "keys.json", folder / f"keys/{name}.json")
    return folder


def kill(name: str, work: Path, moments: int, seed: int) -> Count:
    """A command killed at so many moments."""
    command, folder, count, draw = COMMANDS[name], work / "case", Count(), random.Random(seed)
    template = work / "template"
    if not template.exists():
        template_in(template)
    prepare(folder, template)
    began = time.perf_counter()
    code, said = finish(command.call, folder)
    if code:
        raise SystemExit(f"{command.call}: {said}")
    seconds, whole = time.perf_counter() - began, contents(folder, (command.results,))
    for _ in range(moments):
        trial(command, folder, template, whole, draw.uniform(0, seconds), count)
    return count


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--moments", type=int, default=50)
    parser.add_argument("--only", choices=tuple(COMMANDS), action="append")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    print("| command | moments | before its end | half results | inputs changed | stuck | other bytes | litter |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    bad = 0
    with tempfile.TemporaryDirectory(prefix="pwarp-kill-") as work:
        for name in given.only or COMMANDS:
            c = kill(name, Path(work), given.moments, given.seed)
            bad += c.bad
            found = (c.moments, c.unfinished, c.half, c.inputs, c.stuck, c.different, c.litter)
            print(f"| {name} | {' | '.join(map(str, found))} |", flush=True)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
