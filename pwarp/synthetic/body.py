"""The body: one closed-looking mesh of all parts, and where the keypoints sit in it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pwarp.synthetic.head import EAR, EYE, HEAD_CENTRE, NOSE, ear, head, mane, neck
from pwarp.synthetic.limbs import arm, foot, hand, leg
from pwarp.synthetic.mesh import Mesh, join
from pwarp.synthetic.noise import Array
from pwarp.synthetic.outfit import Outfit
from pwarp.synthetic.rig import Proportions
from pwarp.synthetic.trunk import pelvis, skirt, torso


def build(body: Proportions, outfit: Outfit) -> Mesh:
    """The mesh of a person with that build and outfit."""
    joints = body.joints() / body.scale
    parts = [
        torso(joints, body, outfit),
        pelvis(joints, body),
        neck(joints, body),
        head(joints, body, outfit),
    ]
    for side in ("l", "r"):
        parts += [leg(joints, body, outfit, side), foot(joints, side)]
        parts += [arm(joints, body, outfit, side), *hand(joints, side), ear(joints, body, side)]
    if outfit.skirt:
        parts.append(skirt(joints, body, outfit))
    if outfit.hair_length == 2:
        parts.append(mane(joints, body))
    return replace(mesh := join(parts), vertices=(mesh.vertices * body.scale).astype(np.float32))


def keypoint_offsets(body: Proportions) -> list[tuple[str, str, Array]]:
    """COCO's 17 keypoints as (name, bone, offset from the bone's joint in the rest pose, metres)."""
    offsets: list[tuple[str, str, Array]] = []
    none = np.zeros(3)

    def on_head(name: str, place: Array) -> None:
        offsets.append((name, "head", (HEAD_CENTRE + place * body.head) * body.scale))

    on_head("nose", NOSE)
    mirror = np.array([-1.0, 1.0, 1.0])
    for name, place in (("eye", EYE), ("ear", EAR)):
        on_head(f"left_{name}", place)
        on_head(f"right_{name}", place * mirror)
    for joint, bone in (
        ("shoulder", "upper_arm"), ("elbow", "forearm"), ("wrist", "hand"), ("hip", "thigh"), ("knee", "shank"),
        ("ankle", "foot"),
    ):  # fmt: skip
        offsets += [(f"left_{joint}", f"l_{bone}", none), (f"right_{joint}", f"r_{bone}", none)]
    return offsets
