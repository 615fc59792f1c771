"""The one exception that users see."""


class PwarpError(Exception):
    """Something that the person at the keyboard can fix.

    The message is one line that says what is wrong, where (file, frame, track, field) and how to mend it.
    Everything else that is raised is a defect of pwarp.
    """
