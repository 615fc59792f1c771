"""What parameters are called in the files of others."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pwarp.weights.published import Layout

if TYPE_CHECKING:
    from torch import nn

# MMPose keeps what makes heatmaps in a head, and PoseWarper's warping in a neck whose convolutions count from 0.
_HEAD = re.compile(r"(final_layer|deconv_layers)\.")
_NUMBERED = re.compile(r"(offsets|deform_conv)(\d+)\.")
_NECK_LISTS = {"offsets": "offset_layers", "deform_conv": "deform_conv_layers"}

MAPPINGS: dict[Layout, str] = {
    "official": "as in the authors' code: PoseWarper's without our 'backbone.' and 'warper.', DCPose's with "
    "'rough_pose_estimation_net.' for our 'backbone.', all others the same",
    "mmpose": "'backbone.' before all but the head's, 'keypoint_head.' before 'deconv_layers' and 'final_layer'; in "
    "PoseWarper 'neck.trans_layer' for 'final_layer', 'neck.offset_layers.0' for 'offsets1', "
    "'neck.deform_conv_layers.0' for 'deform_conv1', 'neck.offset_feats' for 'offset_feats'",
}


def names_in(layout: Layout, module: nn.Module) -> dict[str, str]:
    """Ours by theirs, for every entry of a network's state dict."""
    ours, official = list(module.state_dict()), getattr(module, "official_name", str)
    theirs = [official(name) for name in ours]
    if layout == "mmpose":
        warps = any(name.startswith("offset_feats.") for name in theirs)
        theirs = [_mmpose(name, warps) for name in theirs]
    return dict(zip(theirs, ours, strict=True))


def _mmpose(official: str, warps: bool) -> str:
    """MMPose's name for an official one. warps: whether it is a PoseWarper, whose last layer is in its neck."""
    if numbered := _NUMBERED.match(official):
        return f"neck.{_NECK_LISTS[numbered[1]]}.{int(numbered[2]) - 1}.{official[numbered.end() :]}"
    if official.startswith("offset_feats."):
        return "neck." + official
    if warps and official.startswith("final_layer."):
        return official.replace("final_layer.", "neck.trans_layer.", 1)
    return ("keypoint_head." if _HEAD.match(official) else "backbone.") + official
