"""Looking at people along their way through a video: windows that follow them, each crop through the network once.

`course` says where the windows are, `sight` is the network that looks through them, `shelf` keeps what it saw.
"""

from pwarp.following.course import Course, course_along, window_size
from pwarp.following.sight import Lens, RecurrentSight, Sight, channels_for, open_any, open_model, open_sight

__all__ = [
    "Course",
    "Lens",
    "RecurrentSight",
    "Sight",
    "channels_for",
    "course_along",
    "open_any",
    "open_model",
    "open_sight",
    "window_size",
]
