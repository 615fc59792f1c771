"""Writing files so that nobody ever sees half of one."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path

from pwarp.errors import PwarpError

_SHORT = 40  # letters of the target's name in that of a temporary file, which must not be too long for the disc
# What is read here and now, see `sparing`.
_inputs: ContextVar[Callable[[], Iterable[Path]]] = ContextVar("inputs", default=tuple)


def _nobodys(_: Path) -> bool:
    return False


@contextmanager
def sparing(inputs: Callable[[], Iterable[Path]]) -> Iterator[None]:
    """Within the block no output takes the place of an input, not even if forced: neither one that was named, nor one
    that lies beside it.

    inputs: tells what is read, whenever an output is checked.
    """
    token = _inputs.set(inputs)
    try:
        yield
    finally:
        _inputs.reset(token)


@contextmanager
def atomic_path(target: Path, *, force: bool = False) -> Iterator[Path]:
    """A temporary path beside the target, with its suffix, that becomes the target when the block ends well.

    On any error or interruption the temporary file goes and an older target stays as it was.
    Raises PwarpError where the target exists (unless forced) or its folder cannot be written.
    """
    target = Path(target)
    check_output(target, force=force)
    try:
        handle, name = tempfile.mkstemp(
            prefix=f".{target.stem[:_SHORT]}-", suffix=f".tmp{target.suffix}", dir=target.parent
        )
    except OSError as error:
        raise PwarpError(f"{target}: cannot write: {error.strerror}; choose another output") from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp makes files for the owner alone; the result gets what a plain open() would have given it.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        _give_name(temporary, target, force)
    except OSError as error:
        raise PwarpError(f"{target}: cannot write: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def check_inside(folder: Path, path: Path) -> Path:
    """The path of a file that was found in a folder; PwarpError where it is a link that leads out of that folder.

    Folders come from strangers as archives do: a link in one could bring any file of this machine into an output.
    """
    if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder)):
        raise PwarpError(f"{path}: is a link that leads out of its folder; put the file itself there, or name it alone")
    return path


def _give_name(temporary: Path, target: Path, force: bool) -> None:
    """Rename a file to its target; unforced, never over what another process has put there meanwhile."""
    if force:
        temporary.replace(target)
        return
    try:
        os.link(temporary, target)
    except FileExistsError:
        raise PwarpError(
            f"{target}: another process has written it meanwhile; give --force to replace it, or another name"
        ) from None
    except OSError:  # a file system without links
        check_output(target)
        temporary.replace(target)


def write_bytes(target: Path, content: bytes, *, force: bool = False) -> None:
    """Write a whole file at once, atomically; errors as in `atomic_path`."""
    with atomic_path(target, force=force) as temporary:
        temporary.write_bytes(content)


def check_output(target: Path, *, force: bool = False) -> None:
    """Raise PwarpError where the target cannot become an output: it exists, is read (see `sparing`), is a folder, or
    has no folder.

    Called before long work starts, so that nobody waits an hour for an error.
    """
    if target.is_symlink() and not target.exists():
        raise PwarpError(f"{target}: is a link to what is not there; remove it, or give another name")
    if target.is_dir():
        raise PwarpError(f"{target}: is a folder; give a file name")
    if target.exists() and not target.is_file():
        raise PwarpError(
            f"{target}: is no file but a pipe or a device; give a file, or '-' and redirect standard output"
        )
    spare_inputs(target)
    if target.exists() and not force:
        raise PwarpError(f"{target}: exists; give --force to replace it, or another name")
    folder = target.parent
    if not folder.is_dir():
        raise PwarpError(f"{target}: the folder {folder} does not exist; make it first")
    if not os.access(folder, os.W_OK):
        raise PwarpError(f"{target}: the folder {folder} cannot be written; choose another output")


def check_place(folder: Path) -> None:
    """Raise PwarpError where a folder that files are put into, one by one, neither is there nor can be made."""
    above = folder.absolute()
    while not os.path.lexists(above) and above != above.parent:  # it sees a link to nothing, Path.exists does not
        above = above.parent
    shown = str(folder) if above == folder.absolute() else f"{folder}: {above}"
    if not above.is_dir():
        raise PwarpError(f"{shown}: is no folder, and a folder is to be written; give another name")
    if above != folder.absolute() and not os.access(above, os.W_OK):
        raise PwarpError(f"{shown}: cannot be written; give another name")


def spare_inputs(target: Path, *, whole: bool = True) -> None:
    """Raise PwarpError where the target is an input (see `sparing`) by whatever name, or one lies in it.

    whole: a folder is to be replaced; one that is added to may hold inputs, for what is put into it is looked at, too.
    """
    if not os.path.exists(target):  # noqa: PTH110 - unlike Path.exists, it takes a name that is too long for none
        return
    for path in _inputs.get()():
        if path.samefile(target):
            raise PwarpError(f"{target}: is an input, which nothing may replace; give another name")
        if whole and target.is_dir() and any(f.samefile(target) for f in Path(os.path.realpath(path)).parents):
            raise PwarpError(f"{target}: an input, {path}, lies in it; give another name")


@contextmanager
def atomic_folder(target: Path, *, force: bool = False, ours: Callable[[Path], bool] = _nobodys) -> Iterator[Path]:
    """A temporary folder beside the target that becomes the target when the block ends well.

    On any error or interruption it goes, and an older target stays as it was. Raises PwarpError as
    `check_output_folder` does, and where the folder cannot be written.
    """
    target = Path(target)
    check_output_folder(target, force=force, ours=ours)
    beside = target.absolute()
    try:
        temporary = Path(tempfile.mkdtemp(prefix=f".{beside.name[:_SHORT]}-", suffix=".tmp", dir=beside.parent))
    except OSError as error:
        raise PwarpError(f"{target}: cannot write: {error.strerror}; choose another output") from error
    try:
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o777 & ~umask)
        take_name(temporary, beside)
    except OSError as error:
        raise PwarpError(f"{target}: cannot write: {error.strerror or error}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def take_name(made: Path, target: Path) -> None:
    """Rename a file or folder to its target, on the same disc, in place of what is there; OSError where that fails.

    A folder that is there steps aside until then, because no folder can be replaced.
    """
    if not target.is_dir():
        made.replace(target)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{target.name[:_SHORT]}-", suffix=".old", dir=target.parent))
    try:
        target.rename(old)
        made.rename(target)
    except BaseException:  # an interruption, too
        if target.exists():
            old.rmdir()  # nothing was put there
        else:
            old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def check_output_folder(target: Path, *, force: bool = False, ours: Callable[[Path], bool] = _nobodys) -> None:
    """Raise PwarpError where the target cannot become an output folder.

    An empty folder may be filled. Any other is replaced only if forced, and only if nothing lies in it but what the
    output itself would put there: what is `ours`, asked of each file, and nothing in it is read (see `sparing`).
    """
    spare_inputs(target)
    if target.is_symlink():
        raise PwarpError(f"{target}: is a link, and the output is a folder; name the folder itself")
    if target.exists() and not target.is_dir():
        raise PwarpError(f"{target}: is a file, the output is a folder; give another name")
    inside = sorted(path for path in target.rglob("*") if path.is_symlink() or not path.is_dir())
    if strange := [str(path.relative_to(target)) for path in inside if not ours(path)]:
        raise PwarpError(f"{target}: a folder with other files in it, such as '{strange[0]}'; give a new folder")
    if inside and not force:
        raise PwarpError(f"{target}: exists; give --force to replace it, or another name")
    folder = target.absolute().parent
    if not folder.is_dir():
        raise PwarpError(f"{target}: the folder {folder} does not exist; make it first")
    if not os.access(folder, os.W_OK):
        raise PwarpError(f"{target}: the folder {folder} cannot be written; choose another output")
