"""Where people (or other things that a detector knows) are in a frame: detectors behind one contract.

    detector = open_detector("auto", Wanted())
    boxes = detect(open_video("clip.mp4"), detector, every=5)

A detector is one file and one line in `pwarp.registry` ("detector").
"""

from pwarp.detection.base import Detections, Detector, Wanted
from pwarp.detection.choose import best_detector, open_detector
from pwarp.detection.video import detect, detections, gathered, journal_of

__all__ = [
    "Detections",
    "Detector",
    "Wanted",
    "best_detector",
    "detect",
    "detections",
    "gathered",
    "journal_of",
    "open_detector",
]
