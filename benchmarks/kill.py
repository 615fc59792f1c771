"""Kill -9 at random moments: what a command leaves behind, and whether going on comes to the same bytes.

Each command is run once undisturbed. Then, again and again in a fresh folder, it is killed with all its processes at a
moment drawn evenly from that run's time, looked at, and run again with what makes it go on; every third time that is
killed, too, and run once more. Counted is what must not be: a result that is half there or different, an input that
changed, a run that does not go on, litter that stays.

python -m benchmarks.kill [--moments 50] [--only propagate|run|convert|train|detect|track] [--seed 0]
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
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.people import lone_labels
from pwarp import checkpoints, formats
from pwarp.errors import PwarpError
from pwarp.synthetic import Scene, SceneConfig, write_scene

_PWARP = "from pwarp_cli.main import run\nif __name__ == '__main__':\n    run()\n"
_TRAIN = (
    "train estimator keys.json -o out --backbone duc-mobilenet --size 32x32 --batch 4 --steps 6 --val-every 3 "
    "--lr 1e-3 --save-every 2 --log-every 1 --workers 0 --device cpu --precision fp32 -q"
)
# What must not be found.
HALF, INPUTS, STUCK, OTHER, LITTER = FAULTS = ("half results", "inputs changed", "stuck", "other bytes", "litter")
MOMENTS, TWICE, UNFINISHED = "moments", "killed again", "before its end"


def never(_: Path) -> bool:
    """What is not the end result is none."""
    return False


def is_checkpoint(path: Path) -> bool:
    """Of an earlier step, but whole."""
    try:
        checkpoints.load(path)
    except PwarpError:
        return False
    return True


@dataclass(frozen=True)
class Command:
    """A call, what is added to go on, the outputs that count (a pattern), and what may stay beside them.

    early: whether an output that is not the last one is a whole one all the same.
    """

    call: str
    again: str
    results: str
    beside: tuple[str, ...] = ()
    early: Callable[[Path], bool] = never

    @property
    def goes_on(self) -> str:
        """The call that goes on where it was left."""
        return f"{self.call} {self.again}".strip()

    def made(self, folder: Path) -> dict[str, bytes]:
        """The outputs that count, as a shell's pattern finds them: what atomic writing left behind is hidden."""
        found = contents(folder, (self.results,))
        return {name: content for name, content in found.items() if not Path(name).name.startswith(".")}


COMMANDS = {
    "propagate": Command("propagate video.mp4 keys.json -o out.json --engine flow -q", "--resume", "out.json"),
    "run": Command(
        "run videos --labels keys --out out --engine flow --jobs 2 --segment 12 -q",
        "",
        "out/*.json",
        ("out/pwarp-run.jsonl",),
    ),
    "convert": Command("convert keys.json out.csv --video video.mp4 -q", "--force", "out.csv"),
    "train": Command(_TRAIN, "--resume", "out/*.safetensors", ("out/**/*",), is_checkpoint),
    "detect": Command("detect video.mp4 -o out.jsonl --detector hog --batch 1 -q", "--resume", "out.jsonl"),
    "track": Command("track video.mp4 boxes.json -o out.json -q", "--resume", "out.json"),
}


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


def struck(command: str, folder: Path, delay: float) -> None:
    """A command that is killed with all its processes after so many seconds."""
    process = start(command, folder)
    time.sleep(delay)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def trial(
    command: Command, folder: Path, template: Path, whole: dict[str, bytes], delays: Sequence[float]
) -> dict[str, str]:
    """A fresh start, killed after the first delay, and each time that it goes on after another one; then left alone.

    What was found, and where: UNFINISHED, or one of FAULTS.
    """
    inputs = prepare(folder, template)
    found: dict[str, str] = {}
    for call, delay in zip((command.call, *[command.goes_on] * len(delays)), delays, strict=False):
        struck(call, folder, delay)
        left = command.made(folder)
        found |= {UNFINISHED: ""} if left != whole else {}
        if half := [name for name in left if left[name] != whole.get(name) and not command.early(folder / name)]:
            found[HALF] = ", ".join(half)
    code, said = finish(command.goes_on, folder)
    # What is done is not replaced unasked.
    if code and left != whole:
        found[STUCK] = said
    elif command.made(folder) != whole:
        found[OTHER] = command.results
    if changed := [name for name, old in inputs.items() if folder.joinpath(name).read_bytes() != old]:
        found[INPUTS] = ", ".join(changed)
    now = contents(folder, ("**/*",)).keys()
    strange = now - inputs.keys() - whole.keys() - contents(folder, command.beside).keys() - {"launch.py"}
    # What is hidden nobody takes for a result; nor what says .partial.
    if litter := [n for n in strange if not (Path(n).name.startswith(".") or (code and n.endswith(".partial")))]:
        found[LITTER] = ", ".join(sorted(litter))
    return found


def template_in(folder: Path) -> Path:
    """The inputs of all commands."""
    config = SceneConfig(seed=4, frames=41, width=112, height=84, people=2, samples=1, camera=False)
    write_scene(Scene(config), folder, every=5)
    truth = formats.read(folder / "truth.json")
    formats.write(lone_labels(truth, range(config.frames), boxes=True)[0], folder / "boxes.json")
    (folder / "truth.json").unlink()
    for name in ("videos", "keys"):
        (folder / name).mkdir()
    for name in ("a", "b"):
        shutil.copy(folder / "video.mp4", folder / f"videos/{name}.mp4")
        shutil.copy(folder / "keys.json", folder / f"keys/{name}.json")
    return folder


def kill(name: str, work: Path, moments: int, seed: int) -> Counter[str]:
    """What was found of a command that was killed at so many moments; stderr is told of what must not be."""
    command, folder, draw = COMMANDS[name], work / "case", random.Random(seed)
    template = work / "template"
    if not template.exists():
        template_in(template)
    prepare(folder, template)
    began = time.perf_counter()
    code, said = finish(command.call, folder)
    if code:
        raise SystemExit(f"{command.call}: {said}")
    seconds, whole = time.perf_counter() - began, command.made(folder)
    count = Counter({MOMENTS: moments, TWICE: moments // 3})
    for moment in range(moments):
        delays = [draw.uniform(0, seconds) for _ in range(2 if moment % 3 == 2 else 1)]
        found = trial(command, folder, template, whole, delays)
        count.update(found.keys())
        for fault in FAULTS:
            if fault in found:
                after = " and ".join(f"{delay:.2f} s" for delay in delays)
                print(f"{name}, killed after {after}: {fault}: {found[fault]}", file=sys.stderr, flush=True)
    return count


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--moments", type=int, default=50)
    parser.add_argument("--only", choices=tuple(COMMANDS), action="append")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    columns = (MOMENTS, TWICE, UNFINISHED, *FAULTS)
    print(f"| command | {' | '.join(columns)} |")
    print(f"|{'---|' * (1 + len(columns))}", flush=True)
    bad = 0
    with tempfile.TemporaryDirectory(prefix="pwarp-kill-") as work:
        for name in given.only or COMMANDS:
            count = kill(name, Path(work), given.moments, given.seed)
            bad += sum(count[fault] for fault in FAULTS)
            print(f"| {name} | {' | '.join(str(count[column]) for column in columns)} |", flush=True)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
