"""Want of memory, told in one line."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from pwarp.errors import PwarpError

# What torch's allocators say, on a CPU and on a GPU; they raise RuntimeError.
_SAYINGS = ("out of memory", "can't allocate memory")


@contextmanager
def enough_memory(what: str) -> Iterator[None]:
    """Turns want of memory, whoever meets it, into a PwarpError. what: that there was too little for, and how to ask
    for less."""
    try:
        yield
    except (MemoryError, RuntimeError, OSError) as error:
        if not _is_want_of_memory(error):
            raise
        raise PwarpError(f"out of memory with {what}") from error


def _is_want_of_memory(error: Exception) -> bool:
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, MemoryError) or any(saying in str(error) for saying in _SAYINGS)
