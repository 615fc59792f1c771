"""Which points lie in a polygon: the ignore regions of PoseTrack."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pwarp.annotations import FloatArray


def strictly_inside(points: FloatArray, polygon: FloatArray) -> NDArray[np.bool_]:
    """(N,) whether points (N, 2) lie inside a polygon (V, 2), its border left out; NaN lies nowhere.

    The polygon closes itself and may cross itself: what an odd number of its edges surrounds is inside, as in the
    geometry library behind poseval.
    """
    x, y = points[:, :1], points[:, 1:]
    x1, y1 = polygon.T
    x2, y2 = np.roll(polygon, -1, axis=0).T
    # Twice the signed area of edge and point: zero on the edge's line, and its sign tells the side.
    side = (x2 - x1) * (y - y1) - (x - x1) * (y2 - y1)
    between = (
        (np.minimum(x1, x2) <= x) & (x <= np.maximum(x1, x2)) & (np.minimum(y1, y2) <= y) & (y <= np.maximum(y1, y2))
    )
    on_border = ((side == 0) & between).any(axis=1)
    upwards, downwards = (y1 <= y) & (y < y2), (y2 <= y) & (y < y1)
    crossings = ((upwards & (side > 0)) | (downwards & (side < 0))).sum(axis=1)
    inside: NDArray[np.bool_] = (crossings % 2 == 1) & ~on_border
    return inside
