"""Every reader of a stranger's file against thousands of spoilt ones, each in a limited time and memory.

    python -m benchmarks.fuzz [--inputs 10000] [--only NAME ...] [--seed 0] [--minutes 10] [--offenders DIR]

For each reader valid files are spoilt as their format suggests (values replaced, left out, retyped, huge or not
finite; keys doubled; lists nested deep; arrays of other shapes and types; links; sizes that are not true; bytes
changed, cut off, doubled) and read in a process of its own. A file may be accepted, if what was read can be written
and read once more, or refused with a PwarpError of one line. Anything else is an offence: another exception, no answer
within 10 s, more than 1 GB, or the end of the process. Prints a Markdown table, and exits 1 where there is an offence.

--minutes: for each reader at most; the table says how many inputs that made. --offenders: keep the bytes of offending
inputs in this folder, with what went wrong beside them.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from pathlib import Path

from benchmarks.fuzzing.readers import READERS
from benchmarks.fuzzing.worker import Outcome, Worker

_BAD = {"traceback": "tracebacks", "hang": "hangs", "crash": "crashes", "memory": "over 1 GB"}


def keep(folder: Path, reader: str, outcome: Outcome, seed: int) -> None:
    """Write the files of an offending input, and what went wrong."""
    _, files = READERS[reader].spoilt(outcome.number, seed)
    place = folder / reader.replace(" ", "-") / str(outcome.number)
    for name, content in files.items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (place / "what.txt").write_text(f"{outcome.kind}: {outcome.said}\n")


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--only", nargs="*", choices=list(READERS), default=list(READERS), metavar="NAME")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--offenders", type=Path)
    given = parser.parse_args()
    columns = ("inputs", "accepted", "refused in one line", *_BAD.values(), "most seconds", "most MB")
    print(f"| reader | {' | '.join(columns)} |\n|{'---|' * (len(columns) + 1)}")
    bad = 0
    for name in given.only:
        kinds: Counter[str] = Counter()
        seconds, megabytes = 0.0, 0.0
        end = time.monotonic() + 60 * given.minutes
        with Worker() as worker:
            for outcome in worker.outcomes(name, range(given.inputs), given.seed):
                kinds[outcome.kind] += 1
                seconds, megabytes = max(seconds, outcome.seconds), max(megabytes, outcome.megabytes)
                if not outcome.good:
                    print(f"{name} {outcome.number}: {outcome.kind}: {outcome.said}", file=sys.stderr)
                    if given.offenders is not None:
                        keep(given.offenders, name, outcome, given.seed)
                if time.monotonic() > end:
                    break
        bad += sum(kinds[kind] for kind in _BAD)
        counts = " | ".join(str(kinds[kind]) for kind in ("accepted", "refused", *_BAD))
        print(f"| {name} | {kinds.total()} | {counts} | {seconds:.2f} | {megabytes:.0f} |", flush=True)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
