"""What keeping freed memory brings in training: page faults, system time and speed of a small network on the CPU.

python -m benchmarks.memory
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time

import torch

from pwarp.models import build, configure
from pwarp.training.memory import keep_freed_memory

BATCH, STEPS = 32, 6


def measure(keep: bool) -> None:
    """One line of the table."""
    torch.set_num_threads(1)
    if keep:
        keep_freed_memory()
    network = build(configure("duc-r18", keypoints=17, widths=(128, 64, 32))).to(memory_format=torch.channels_last)
    optimiser = torch.optim.Adam(network.parameters(), fused=True)
    crops = torch.randn(BATCH, 3, 96, 64).to(memory_format=torch.channels_last)

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16):
            loss = network(crops).float().square().mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()

    step()
    step()
    before, began = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    for _ in range(STEPS):
        step()
    seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF)
    faults = (after.ru_minflt - before.ru_minflt) // STEPS
    system = (after.ru_stime - before.ru_stime) / (after.ru_stime - before.ru_stime + after.ru_utime - before.ru_utime)
    print(
        f"| {'kept' if keep else 'as glibc does'} | {faults} | {system:.0%} | {BATCH * STEPS / seconds:.1f} |",
        flush=True,
    )


def main() -> None:
    """See the module."""
    if len(sys.argv) > 1:
        measure(sys.argv[1] == "kept")
        return
    print("| freed memory | page faults a step | system's share of CPU time | crops/s |\n|---|---|---|---|", flush=True)
    for keep in ("given back", "kept"):
        subprocess.run([sys.executable, "-m", "benchmarks.memory", keep], check=True)


if __name__ == "__main__":
    main()
