"""The one exception that users see."""

from pwarp.printing import printable

_LONGEST = 1000


class PwarpError(Exception):
    """Something that the person at the keyboard can fix.

    The message is one line that says what is wrong, where (file, frame, track, field) and how to mend it.
    Everything else that is raised is a defect of pwarp.

    A message may quote a stranger's file. What would break the line or steer a terminal is shown as its escape, and of
    a message longer than 1000 characters the middle is left out.
    """

    def __init__(self, message: str) -> None:
        line = printable(message)
        super().__init__(line if len(line) <= _LONGEST else f"{line[: _LONGEST // 2]} ... {line[-_LONGEST // 3 :]}")


class UsageError(PwarpError):
    """What was asked for makes no sense, whatever the files hold: commands end with 2, as for a misspelt option."""
