"""What a training step makes smaller."""

from __future__ import annotations

from torch import Tensor


def joints_mse(heatmaps: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """HRNet's loss: the mean over keypoints of half the mean squared difference of weighted heatmaps.

    heatmaps, target: (B, K, h, w). weight: (B, K); it multiplies the squared difference, so that a keypoint of weight
    0.5 counts half. For HRNet's weights, 0 and 1, that is the same as weighting the heatmaps. Keypoints of weight 0
    count as met: the mean is over all K, as in the published code of HRNet and PoseWarper.
    """
    squared = (heatmaps.float() - target).square().mean(dim=(2, 3))
    return 0.5 * (weight * squared).mean()
