"""pwarp: from a few labelled frames to labels for every frame of a video."""

__version__ = "0.1.0"
