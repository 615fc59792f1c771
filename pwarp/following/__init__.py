"""Looking at people along their way through a video: windows that follow them, each crop through the network once.

`course` says where the windows are, `runner` is the network that looks through them, `store` keeps what it saw.
"""

from pwarp.following.course import Course, course_along, window_size
from pwarp.following.runner import (
    RecurrentRunner,
    Runner,
    WindowRunner,
    channels_for,
    open_any,
    open_model,
    open_window_runner,
)

__all__ = [
    "Course",
    "RecurrentRunner",
    "Runner",
    "WindowRunner",
    "channels_for",
    "course_along",
    "open_any",
    "open_model",
    "open_window_runner",
    "window_size",
]
