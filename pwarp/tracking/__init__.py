"""Identities over time for detections and for labels that carry none.

    people = track(open_video("clip.mp4"), read("boxes.json"))

Everybody who was seen in one frame is carried along the picture to the next frame that was looked at, and back; who
is who is then the best assignment by where they come to and what they look like.
"""

from pwarp.tracking.journal import TrackingJournal, journal_of
from pwarp.tracking.link import Options
from pwarp.tracking.video import Tracked, Unsure, track

__all__ = ["Options", "Tracked", "TrackingJournal", "Unsure", "journal_of", "track"]
