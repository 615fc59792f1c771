"""What a process of the command line begins with: its streams, and the signals that end it as Ctrl-C does."""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
from types import FrameType

_ENDING = ("SIGTERM", "SIGHUP")
_HINTS = {
    errno.EACCES: "; check your permissions",
    errno.EPERM: "; check your permissions",
    errno.ENOENT: "; check the path",
    errno.ENAMETOOLONG: "; give a shorter name",
    errno.ENOSPC: "; make room",
}
_OF_STREAMS = (errno.ENOSPC, errno.EBADF, errno.EIO)  # errors of writing, which then names no file
_ended: list[int] = []


def prepare() -> None:
    """Make the standard streams usable whatever they are, and let SIGTERM and SIGHUP clean up as Ctrl-C does."""
    for number, name, mode in ((0, "stdin", os.O_RDONLY), (1, "stdout", os.O_RDONLY), (2, "stderr", os.O_WRONLY)):
        if getattr(sys, name) is None:
            # Closed by whoever started us. Something has to stand there, or the next file that is opened would.
            # Standard output stays what cannot be written.
            handle = os.open(os.devnull, mode)
            if handle != number:
                os.dup2(handle, number)
            stream = os.fdopen(number, "r" if name == "stdin" else "w", closefd=False)
            setattr(sys, name, stream)
    for text in (sys.stdout, sys.stderr):
        if isinstance(text, io.TextIOWrapper):
            text.reconfigure(errors="backslashreplace")
    here = os.getpid()

    def end(number: int, _: FrameType | None) -> None:
        if os.getpid() != here:  # a child that was forked ends as it would have
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        _ended.append(number)
        raise KeyboardInterrupt

    for name in _ENDING:
        # One that is ignored, as under nohup, stays so.
        if hasattr(signal, name) and signal.getsignal(getattr(signal, name)) == signal.SIG_DFL:
            signal.signal(getattr(signal, name), end)


def ended_by() -> int:
    """The number of the signal that ended the process; SIGINT's where no other did."""
    return _ended[0] if _ended else int(signal.SIGINT)


def said_of(error: OSError) -> str:
    """An error of the system as one line: what, where, and how to mend it."""
    if error.filename is not None:
        where = f"{os.fsdecode(error.filename)}: "
    else:
        where = "standard output: " if error.errno in _OF_STREAMS else ""
    return f"{where}{error.strerror or error}{_HINTS.get(error.errno or 0, '')}"
