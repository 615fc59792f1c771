"""Numbers about predictions, as the field's official evaluators define them.

Everything here is a function of pairs of (truth, prediction); neither torch nor OpenCV is needed.
"""

from pwarp.evaluation.pck import PckResult, pck

__all__ = ["PckResult", "pck"]
