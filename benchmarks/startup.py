"""How long pwarp takes to begin: seconds beyond Python's own start, best of several, all in one run.

    python -m benchmarks.startup

`linear` propagates a clip of 9 frames of 96 x 72, so that nearly all of its time is loading. Goals: `--help` at most
0.3 s, `linear` at most 0.6 s.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from pwarp.synthetic import Scene, SceneConfig, write_scene


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=7)
    times = parser.parse_args().times
    pwarp = str(Path(sys.executable).with_name("pwarp"))
    with TemporaryDirectory() as name:
        folder = Path(name)
        write_scene(Scene(SceneConfig(frames=9, width=96, height=72, samples=1)), folder, every=4)
        files = [str(folder / "video.mp4"), str(folder / "keys.json")]
        commands = {
            "python -c pass": [sys.executable, "-c", "pass"],
            "pwarp --help": [pwarp, "--help"],
            "pwarp propagate --help": [pwarp, "propagate", "--help"],
            "pwarp propagate --engine linear": [pwarp, "propagate", *files, "-o", "-", "--engine", "linear"],
            "pwarp propagate --engine auto": [pwarp, "propagate", *files, "-o", "-"],
            "pwarp eval --help": [pwarp, "eval", "--help"],
        }
        # In turns, so that a busy moment falls on all of them.
        best = dict.fromkeys(commands, float("inf"))
        for _ in range(times):
            for what, command in commands.items():
                best[what] = min(best[what], _seconds(command))
    base = best["python -c pass"]
    print("| command | seconds | beyond Python's own |\n|---|---|---|")
    for what, seconds in best.items():
        print(f"| `{what}` | {seconds:.2f} | {seconds - base:.2f} |")


def _seconds(command: Sequence[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
