"""What a propagation comes to, in a few numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from pwarp.annotations import Annotations, Source

UNSURE = 0.5
_WORST = 3


def summary(keys: Annotations, dense: Annotations) -> dict[str, Any]:
    """Counts of tracks, key frames, frames and keypoints filled, keypoints with a score below `UNSURE`; worst frames.

    keys: what went in. dense: what came out. Worst are the frames whose propagated keypoints have the least mean score.
    """
    propagated = [t.source == Source.PROPAGATED for t in dense.tracks]
    filled = {int(f) for t, p in zip(dense.tracks, propagated, strict=True) for f in t.frames[p.any(axis=1)]}
    unsure = sum(int((t.score[p] < UNSURE).sum()) for t, p in zip(dense.tracks, propagated, strict=True))
    by_frame: dict[int, list[float]] = {}
    for track, mask in zip(dense.tracks, propagated, strict=True):
        for row in np.flatnonzero(mask.any(axis=1)):
            by_frame.setdefault(int(track.frames[row]), []).extend(track.score[row, mask[row]].tolist())
    mean = {frame: float(np.mean(scores)) for frame, scores in by_frame.items()}
    return {
        "tracks": len(dense.tracks),
        "key_frames": len(keys.key_frames),
        "frames_filled": len(filled),
        "keypoints_filled": sum(int(p.sum()) for p in propagated),
        "keypoints_unsure": unsure,
        "worst_frames": sorted(sorted(mean, key=lambda frame: (mean[frame], frame))[:_WORST]),
    }
