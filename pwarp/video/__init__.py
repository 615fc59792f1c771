"""Frames by ordinal, exactly, from video files, image folders and globs."""

from pwarp.video.base import Color, Picture, Video, check_identity
from pwarp.video.opening import UnreadableVideoError, open_video

__all__ = ["Color", "Picture", "UnreadableVideoError", "Video", "check_identity", "open_video"]
