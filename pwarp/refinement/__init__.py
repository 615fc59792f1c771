"""Poses refined over time by the models of the papers: one walker for all models that look at a window of frames.

refined = refine(video, poses, open_sight("warper.safetensors"), offsets=(-2, -1, 0, 1, 2))
"""

from pwarp.refinement.refine import Refined, refine

__all__ = ["Refined", "refine"]
