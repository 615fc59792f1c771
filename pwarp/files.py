"""Writing files so that nobody ever sees half of one."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pwarp.errors import PwarpError


@contextmanager
def atomic_path(target: Path, *, force: bool = False) -> Iterator[Path]:
    """A temporary path beside the target, with its suffix, that becomes the target when the block ends well.

    On any error or interruption the temporary file goes and an older target stays as it was.
    Raises PwarpError where the target exists (unless forced) or its folder cannot be written.
    """
    target = Path(target)
    check_output(target, force=force)
    try:
        handle, name = tempfile.mkstemp(prefix=f".{target.stem}-", suffix=f".tmp{target.suffix}", dir=target.parent)
    except OSError as error:
        raise PwarpError(f"{target}: cannot write: {error.strerror}; choose another output with -o") from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp makes files for the owner alone; the result gets what a plain open() would have given it.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(target)
    except OSError as error:
        raise PwarpError(f"{target}: cannot write: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_bytes(target: Path, content: bytes, *, force: bool = False) -> None:
    """Write a whole file at once, atomically; errors as in `atomic_path`."""
    with atomic_path(target, force=force) as temporary:
        temporary.write_bytes(content)


def check_output(target: Path, *, force: bool = False) -> None:
    """Raise PwarpError where the target cannot become an output: it exists, is a folder, or has no folder.

    Called before long work starts, so that nobody waits an hour for an error.
    """
    if target.is_dir():
        raise PwarpError(f"{target}: is a folder; give a file name")
    if target.exists() and not force:
        raise PwarpError(f"{target}: exists; give --force to replace it, or another name with -o")
    folder = target.parent
    if not folder.is_dir():
        raise PwarpError(f"{target}: the folder {folder} does not exist; make it first")
    if not os.access(folder, os.W_OK):
        raise PwarpError(f"{target}: the folder {folder} cannot be written; choose another output with -o")
