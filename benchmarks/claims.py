"""What the papers claim of DCPose, GLPose, PPN and DKD, each as the two rows of `benchmarks.temporal` that tell.

Figures are those printed in the papers: mAP on PoseTrack 2017's validation set (DCPose tables 1 and 5, GLPose tables 1
and 4), PCK by torso on Penn Action (PPN tables 1 and 4, DKD tables 1 and 2).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Claim:
    """That `better` finds more than `worse`, both systems of the benchmark. gain: what the paper found, in points of
    its own metric on its own data, where it prints it."""

    paper: str
    text: str
    better: str
    worse: str
    gain: str


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
    Claim("GLPose", _OWN, "GLPose", "frame-wise", "+5.8"),
    Claim("GLPose", _STEADY, "GLPose", "frame-wise, steady windows", ""),
    Claim("GLPose", "crops from elsewhere", "GLPose", "GLPose, local", "+0.6"),
    Claim("GLPose", "local frames, not the key frame", "GLPose, local", "GLPose, key frame", ""),
    Claim("GLPose", "enhancement", "GLPose", "GLPose, without enhancement", "+0.5"),
    Claim("PPN", "on ResNet-18, frame-wise ResNet-34", "PPN-Stable", "frame-wise, R34", "+1.7"),
    Claim("PPN", _STEADY, "PPN-Stable", "frame-wise, R34, steady windows", ""),
    Claim("PPN", "on MobileNetV2, the frame-wise network", "PPN-Swift", MOBILE, ""),
    Claim("PPN", _STEADY, "PPN-Swift", f"{MOBILE}, steady windows", ""),
    Claim("PPN", "skip connection", "PPN-Stable", "PPN-Stable, without skip", ""),
    Claim("PPN", "from frame to frame, not from the first", "PPN-Stable", "PPN-Stable, from the first frame", ""),
    Claim("PPN", "T = 15, not anew in each frame", "PPN-Stable, T = 15", "PPN-Stable, T = 1", ""),
    Claim("PPN", "DKD, both on MobileNetV2", "PPN-Swift", "DKD", "+1.1"),
    Claim("DKD", _OWN, "DKD", MOBILE, "+4.5"),
    Claim("DKD", _STEADY, "DKD", f"{MOBILE}, steady windows", ""),
    Claim("DKD", "kernels", "DKD", "DKD, without PKD", "+0.9"),
    Claim("DKD", "kernels, not an LSTM", "DKD", "DKD, LSTM for PKD", "+1.0"),
    Claim("DKD", "temporal adversary", "DKD", "DKD, without TAT", "+0.7"),
    Claim("DKD", "temporal, not spatial adversary", "DKD", "DKD, spatial adversary", "+0.5"),
)


def verdict(low: float, high: float) -> str:
    """Of a claim, by the interval of the gain."""
    if low > 0:
        return "holds"
    return "does not hold" if high < 0 else "not sure"
