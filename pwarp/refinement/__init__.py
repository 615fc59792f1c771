"""Poses over time by the models of the papers: one walk for all models that look at several frames.

refined = refine(video, poses, open_model("warper.safetensors"), offsets=(-2, -1, 0, 1, 2))
found = estimate_over_time(video, boxes, open_model("ppn.safetensors"))
"""

from pwarp.refinement.estimate import EstimationOverTime, estimate_over_time
from pwarp.refinement.refine import Refined, Refinement, refine

__all__ = ["EstimationOverTime", "Refined", "Refinement", "estimate_over_time", "refine"]
