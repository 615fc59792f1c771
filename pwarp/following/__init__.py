"""Looking at people along their way through a video: windows that follow them, each crop through the network once.

`course` says where the windows are, `sight` is the network that looks through them.
"""

from pwarp.following.course import Course, course_along, window_size
from pwarp.following.sight import Sight, channels_for, open_sight

__all__ = ["Course", "Sight", "channels_for", "course_along", "open_sight", "window_size"]
