"""Legs, feet, arms and hands.

All measures are those of a reference person of 1.75 m in the rest pose (standing, arms hanging), metres, body
frame: x to the person's left, y up, z forward.
"""

from __future__ import annotations

import numpy as np

from pwarp.synthetic.mesh import Mesh, chain, crease, loft, resampled, table
from pwarp.synthetic.noise import Array, smoothstep
from pwarp.synthetic.outfit import Outfit
from pwarp.synthetic.rig import BONE, Proportions


def leg(joints: Array, body: Proportions, outfit: Outfit, side: str) -> Mesh:
    sign = 1.0 if side == "l" else -1.0
    hip, knee, ankle = (joints[BONE[f"{side}_{bone}"]] for bone in ("thigh", "shank", "foot"))
    # Along the leg: 0 at the hip, 1 at the knee, 2 at the ankle.
    along, left, front, back, z = resampled(
        table(
            [
                (-0.10, 0.060, 0.065, 0.070, -0.005),
                (0.0, 0.086, 0.088, 0.098, -0.008),
                (0.25, 0.087, 0.090, 0.092, 0.002),
                (0.55, 0.074, 0.080, 0.074, 0.006),
                (0.85, 0.058, 0.062, 0.056, 0.004),
                (1.0, 0.054, 0.058, 0.052, 0.0),
                (1.15, 0.052, 0.050, 0.058, -0.002),
                (1.35, 0.054, 0.046, 0.066, -0.006),
                (1.6, 0.045, 0.040, 0.050, -0.006),
                (1.85, 0.035, 0.036, 0.038, -0.004),
                (2.0, 0.036, 0.040, 0.042, 0.0),
                (2.08, 0.036, 0.040, 0.042, 0.004),
            ]
        ),
        24,
    )
    y = np.interp(along, [-0.1, 0, 1, 2, 2.08], [hip[1] + 0.045, hip[1], knee[1], ankle[1], ankle[1] - 0.03])
    covered = along <= 2.1 * outfit.leg
    slack = np.where(covered, 0.006 + outfit.loose * np.interp(along, [0, 0.5, 1, 2], [0.006, 0.014, 0.02, 0.028]), 0)
    if 0 < outfit.leg < 1:
        slack = slack + np.where(covered, 0.012 * smoothstep((along - 0.3) / 0.5), 0)
    girth = body.girth**0.7
    centre = np.stack([np.full_like(y, hip[0]), y, z], 1)
    mesh = loft(
        f"{side}_leg",
        centre,
        left * girth + slack,
        front * girth + slack,
        back * girth + slack,
        v=(along + 0.1) / 2.18,
        segments=14,
    )
    height = mesh.vertices[:, 1]
    bones = [f"{side}_{bone}" for bone in ("thigh", "shank", "foot")]
    chain(mesh, height, bones, [knee[1], ankle[1] - 0.01], [0.10, 0.04])
    inside = sign * (mesh.vertices[:, 0] - hip[0])
    mesh.cloth[:] = np.repeat(covered, 15)
    mesh.lag[:] = np.repeat(np.where(covered, 0.45 * outfit.loose * smoothstep(along - 0.4), 0), 15)
    mesh.shade[:] = 1 - 0.35 * smoothstep((-inside - 0.01) / 0.05) * smoothstep((height - knee[1]) / 0.3)
    crease(mesh, f"{side}_knee", height - knee[1], 0.11)
    crease(mesh, f"{side}_hip", height - hip[1], 0.12)
    return mesh


def foot(joints: Array, side: str) -> Mesh:
    ankle = joints[BONE[f"{side}_foot"]]
    sign = 1.0 if side == "l" else -1.0
    z, left, top, x = table(
        [
            # z forward of the ankle, half width, top above the sole, inward lean
            (-0.072, 0.004, 0.045, 0.0),
            (-0.066, 0.026, 0.082, 0.0),
            (-0.045, 0.036, 0.104, 0.0),
            (0.0, 0.038, 0.112, 0.0),
            (0.03, 0.039, 0.100, 0.001),
            (0.07, 0.042, 0.078, 0.002),
            (0.12, 0.048, 0.060, 0.003),
            (0.16, 0.046, 0.048, 0.0),
            (0.185, 0.034, 0.038, -0.004),
            (0.198, 0.006, 0.022, -0.006),
        ]
    )
    middle = 0.42 * top
    centre = np.stack([ankle[0] + sign * x, middle, ankle[2] + z], 1)
    mesh = loft(
        "shoe", centre, left, top - middle, middle, v=np.linspace(0, 1, len(z)), segments=12, power=2.6, across=(0, 1)
    )
    mesh.skin[:, BONE[f"{side}_foot"]] = 1
    mesh.shade[:] = 0.7 + 0.3 * smoothstep(mesh.vertices[:, 1] / 0.03)
    return mesh


def arm(joints: Array, body: Proportions, outfit: Outfit, side: str) -> Mesh:
    sign = 1.0 if side == "l" else -1.0
    shoulder, elbow, wrist = (joints[BONE[f"{side}_{bone}"]] for bone in ("upper_arm", "forearm", "hand"))
    along, left, depth, x = resampled(
        table(
            [
                # 0 at the shoulder, 1 at the elbow, 2 at the wrist; half width, half depth, inward shift
                (-0.14, 0.004, 0.004, 0.020),
                (-0.13, 0.024, 0.030, 0.018),
                (-0.08, 0.043, 0.050, 0.014),
                (0.0, 0.053, 0.060, 0.009),
                (0.12, 0.055, 0.062, 0.004),
                (0.35, 0.049, 0.054, 0.0),
                (0.65, 0.044, 0.048, 0.0),
                (0.92, 0.039, 0.041, 0.0),
                (1.05, 0.039, 0.041, 0.0),
                (1.25, 0.039, 0.043, 0.0),
                (1.55, 0.033, 0.036, 0.0),
                (1.85, 0.026, 0.030, 0.0),
                (2.0, 0.023, 0.029, 0.0),
                (2.06, 0.021, 0.029, 0.0),
            ]
        ),
        26,
    )
    y = np.interp(
        along, [-0.14, 0, 1, 2, 2.06], [shoulder[1] + 0.041, shoulder[1], elbow[1], wrist[1], wrist[1] - 0.015]
    )
    covered = along <= 1.97 * outfit.sleeve
    sleeve = 0.005 + outfit.loose * np.interp(along, [-0.1, 0.4, 1, 2], [0.002, 0.014, 0.014, 0.012])
    slack = np.where(covered, sleeve, 0.0) * smoothstep((along + 0.14) / 0.3)
    girth = body.girth**0.6
    centre = np.stack([shoulder[0] - sign * x, y, np.full_like(y, shoulder[2])], 1)
    depth = depth * girth + slack
    mesh = loft(f"{side}_arm", centre, left * girth + slack, depth, depth, v=(along + 0.14) / 2.2, segments=12)
    height = mesh.vertices[:, 1]
    bones = [f"{side}_{bone}" for bone in ("upper_arm", "forearm", "hand")]
    chain(mesh, height, bones, [elbow[1], wrist[1]], [0.08, 0.04])
    mesh.cloth[:] = np.repeat(covered, 13)
    mesh.lag[:] = np.repeat(np.where(covered, 0.4 * outfit.loose * smoothstep(along), 0), 13)
    crease(mesh, f"{side}_elbow", height - elbow[1], 0.09)
    crease(mesh, f"{side}_shoulder", height - shoulder[1] + 0.06, 0.10)
    return mesh


def hand(joints: Array, side: str) -> list[Mesh]:
    wrist = joints[BONE[f"{side}_hand"]]
    sign = 1.0 if side == "l" else -1.0
    down, thick, wide, z = table(
        [
            (-0.01, 0.020, 0.027, 0.0),
            (0.02, 0.019, 0.032, 0.002),
            (0.05, 0.018, 0.041, 0.004),
            (0.08, 0.016, 0.042, 0.004),
            (0.10, 0.015, 0.040, 0.002),
            (0.14, 0.013, 0.036, 0.0),
            (0.17, 0.010, 0.028, 0.0),
            (0.183, 0.003, 0.012, 0.0),
        ]
    )
    # The fingers curl a little towards the body.
    x = wrist[0] - sign * 0.35 * np.maximum(down - 0.07, 0) ** 1.3 * 3
    centre = np.stack([x, wrist[1] - down, wrist[2] + z], 1)
    palm = loft("hand", centre, thick, wide, wide, v=np.linspace(0, 1, len(down)), segments=10, power=2.4)
    t = np.linspace(0, 1, 5)
    radius = np.array([0.013, 0.013, 0.0115, 0.010, 0.003])
    centre = np.stack([wrist[0] - sign * 0.012 * t, wrist[1] - 0.025 - 0.062 * t, wrist[2] + 0.022 + 0.036 * t], 1)
    thumb = loft("hand", centre, radius, radius, radius, v=t, segments=6)
    for part in (palm, thumb):
        part.skin[:, BONE[f"{side}_hand"]] = 1
    return [palm, thumb]
