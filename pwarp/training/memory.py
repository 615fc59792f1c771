"""Memory that training gives back is memory that it asks for again in the next step.

glibc returns large freed blocks to the kernel at once, and every step then pays for tens of thousands of fresh pages:
a third of the time of a small network on a CPU (`python -m benchmarks.memory`).
"""

from __future__ import annotations

import ctypes
import sys

# Parameters of mallopt(3).
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3
_LARGE = 1 << 30


def keep_freed_memory() -> bool:
    """Let this process keep up to 1 GiB that it has freed; True where the C library can (glibc)."""
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    settings = {_MMAP_THRESHOLD: _LARGE, _TRIM_THRESHOLD: _LARGE, _TOP_PAD: 64 << 20}
    done = [mallopt(ctypes.c_int(name), ctypes.c_int(value)) for name, value in settings.items()]
    return all(result == 1 for result in done)
