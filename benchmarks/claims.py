"""What the papers claim of DCPose, GLPose, PPN and DKD, each as the two rows of `benchmarks.temporal` that tell.

Figures are those printed in the papers: mAP on PoseTrack 2017's validation set (DCPose tables 1 and 5, GLPose tables 1
and 4), PCK by torso on Penn Action with ResNet-18 (PPN table 1, DKD table 1), DKD's LSTM and spatial adversary with
ResNet-34 (table 2), PPN's gain over DKD as the mean over three backbones that section IV.D names.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Claim:
    """That `better` finds more than `worse`, both systems of the benchmark. gain: what the paper found, in points of
    its own metric on its own data, where it prints it and our copy has it. margin: by how much less it may find."""

    paper: str
    text: str
    better: str
    worse: str
    gain: str
    margin: float = 0.0


SMALL = 0.5  # points: a gain within so much either way is none
_OWN, _STEADY = "the frame-wise network", "the same, windows alike"
MOBILE = "frame-wise, MobileNetV2"
CLAIMS = (
    Claim("DCPose", _OWN, "DCPose", "frame-wise", "+5.5"),
    Claim("DCPose", _STEADY, "DCPose", "frame-wise, steady windows", ""),
    Claim("DCPose", "merger, not a sum", "DCPose", "DCPose, sum for PTM", "+0.8"),
    Claim("DCPose", "merger, not the current frame", "DCPose", "DCPose, without PTM", "+0.6"),
    Claim("DCPose", "residual fusion", "DCPose", "DCPose, without PRF", "+0.7"),
    Claim("DCPose", "five dilations, not one", "DCPose", "DCPose, dilation 3", "+1.1"),
    Claim("DCPose", "five dilations, not three", "DCPose", "DCPose, dilations 3, 6, 9", "+0.1"),
    Claim("DCPose", "both neighbours, not the next alone", "DCPose", "DCPose, next frame", "+0.6"),
    Claim("DCPose", "both neighbours, not the previous alone", "DCPose", "DCPose, previous frame", "+0.5"),
    Claim("DCPose", "T = 1, not 2", "DCPose", "DCPose, T = 2", "+0.2"),
    Claim("DCPose", "T = 1, not 3", "DCPose", "DCPose, T = 3", "+0.7"),
    Claim("DCPose", "T = 1, not 4", "DCPose", "DCPose, T = 4", "+1.1"),
    Claim("DCPose", "PoseWarper", "DCPose", "PoseWarper", "+1.6"),
    Claim("GLPose", _OWN, "GLPose", "frame-wise", "+5.8"),
    Claim("GLPose", _STEADY, "GLPose", "frame-wise, steady windows", ""),
    Claim("GLPose", "crops from elsewhere", "GLPose", "GLPose, local", "+0.6"),
    Claim("GLPose", "local frames, not the key frame", "GLPose, local", "GLPose, key frame", ""),
    Claim("GLPose", "enhancement", "GLPose", "GLPose, without enhancement", "+0.5"),
    Claim("GLPose", "PoseWarper", "GLPose", "PoseWarper", "+1.9"),
    Claim("PPN", _OWN, "PPN-Stable", "frame-wise", "+3.4"),
    Claim("PPN", _STEADY, "PPN-Stable", "frame-wise, steady windows", ""),
    Claim("PPN", "on ResNet-18, frame-wise ResNet-34", "PPN-Stable", "frame-wise, R34", "+1.7"),
    Claim("PPN", _STEADY, "PPN-Stable", "frame-wise, R34, steady windows", ""),
    Claim("PPN", "on MobileNetV2, the frame-wise network", "PPN-Swift", MOBILE, ""),
    Claim("PPN", _STEADY, "PPN-Swift", f"{MOBILE}, steady windows", ""),
    Claim("PPN", "skip connection", "PPN-Stable", "PPN-Stable, without skip", ""),
    Claim("PPN", "from frame to frame, not from the first", "PPN-Stable", "PPN-Stable, from the first frame", ""),
    Claim("PPN", "T = 15, as good as T = 5", "PPN-Stable, T = 15", "PPN-Stable, T = 5", "", margin=SMALL),
    Claim("PPN", "DKD, on the same encoder", "PPN-Swift", "DKD", "+1.1"),
    Claim("DKD", _OWN, "DKD", MOBILE, "+4.5"),
    Claim("DKD", _STEADY, "DKD", f"{MOBILE}, steady windows", ""),
    Claim("DKD", "kernels alone, the frame-wise network", "DKD, without TAT", MOBILE, "+3.8"),
    Claim("DKD", _STEADY, "DKD, without TAT", f"{MOBILE}, steady windows", ""),
    Claim("DKD", "kernels", "DKD", "DKD, without PKD", "+0.9"),
    Claim("DKD", "kernels, both without adversary", "DKD, without TAT", "DKD, without both", ""),
    Claim("DKD", "kernels, not an LSTM", "DKD", "DKD, LSTM for PKD", "+1.0"),
    Claim("DKD", "temporal adversary", "DKD", "DKD, without TAT", "+0.7"),
    Claim("DKD", "temporal, not spatial adversary", "DKD", "DKD, spatial adversary", "+0.5"),
)


def verdict(claim: Claim, low: float, high: float) -> str:
    """Of a claim, by the interval of the gain in points."""
    if low > -claim.margin:
        return "holds"
    if high < -claim.margin:
        return "does not hold"
    return "no gain" if low >= -SMALL and high <= SMALL else "not sure"
