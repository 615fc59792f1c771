"""What a training step makes smaller."""

from __future__ import annotations

from torch import Tensor


def l2(heatmaps: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """The mean over samples and keypoints of the mean squared difference of heatmaps, summed over time.

    heatmaps, target: (B, K, h, w) or, of clips, (B, T, K, h, w). weight: (B, K) or (B, T, K); it multiplies the squared
    difference, so that a keypoint of weight 0.5 counts half. For weights 0 and 1, the papers' visibility of labels,
    that is the same as weighting the heatmaps. Keypoints of weight 0 count as met: the mean is over all K, as in the
    published code of HRNet, PoseWarper and DCPose.
    """
    squared = (heatmaps.float() - target).square().mean(dim=(-2, -1))
    each = (weight * squared).mean(dim=(0, -1))
    return each.sum()


def joints_mse(heatmaps: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """HRNet's and PoseWarper's loss, half of `l2`."""
    return 0.5 * l2(heatmaps, target, weight)
