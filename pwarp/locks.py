"""Keeping a folder or a file that grows to one process at a time.

A lock goes with the process that holds it, however that ends, so nobody has to clear one away.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pwarp.errors import PwarpError


def keep(descriptor: int) -> bool:
    """Keep an open file or folder from all others who ask, until it is closed; False where somebody else has it.

    Where the system or the file system cannot lock, nobody is kept out.
    """
    if os.name != "posix":
        return True
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True


@contextmanager
def kept(folder: Path, who: str, mend: str) -> Iterator[None]:
    """Keep a folder while the block lasts.

    Raises PwarpError where somebody else has it: who that may be, and what to do then.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise PwarpError(f"{folder}: cannot open: {error.strerror}; check the path") from error
    try:
        if not keep(descriptor):
            raise PwarpError(f"{folder}: {who} is at work in it; wait until it has ended, or {mend}")
        yield
    finally:
        os.close(descriptor)
