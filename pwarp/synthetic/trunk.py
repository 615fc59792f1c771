"""Torso, pelvis and skirt.

All measures are those of a reference person of 1.75 m in the rest pose (standing, arms hanging), metres, body
frame: x to the person's left, y up, z forward.
"""

from __future__ import annotations

import numpy as np

from pwarp.synthetic.mesh import Mesh, chain, crease, loft, resampled, table
from pwarp.synthetic.noise import Array, smoothstep
from pwarp.synthetic.outfit import Outfit
from pwarp.synthetic.rig import BONE, Proportions


def torso(joints: Array, body: Proportions, outfit: Outfit) -> Mesh:
    up = joints[BONE["pelvis"], 1] - 0.91
    wide, girth = body.shoulders, body.girth
    y, left, front, back, z = resampled(
        table(
            [
                # y, half width, front, back, z
                (0.895, 0.178, 0.128, 0.135, -0.012),
                (0.95, 0.174, 0.126, 0.132, -0.012),
                (1.00, 0.164, 0.120, 0.120, -0.010),
                (1.07, 0.149, 0.112, 0.098, -0.006),
                (1.14, 0.146, 0.110, 0.095, -0.004),
                (1.22, 0.158, 0.114, 0.108, -0.006),
                (1.29, 0.170, 0.118, 0.118, -0.010),
                (1.35, 0.178, 0.110, 0.122, -0.012),
                (1.40, 0.184, 0.090, 0.110, -0.014),
                (1.425, 0.178, 0.076, 0.098, -0.014),
                (1.445, 0.156, 0.066, 0.086, -0.014),
                (1.462, 0.118, 0.059, 0.074, -0.014),
                (1.478, 0.080, 0.054, 0.062, -0.012),
                (1.495, 0.058, 0.050, 0.054, -0.010),
            ]
        ),
        26,
    )
    slack = 0.012 + 0.022 * outfit.loose * smoothstep((1.40 - y) / 0.3)
    left = left * np.interp(y, [1.0, 1.3], [body.hips, wide]) * girth**0.6 + slack
    front, back = front * girth + slack, back * girth + slack * 0.7
    mesh = loft(
        "torso",
        np.stack([0 * y, y + up, z], 1),
        left,
        front,
        back,
        v=(y[-1] - y) / (y[-1] - y[0]),
        segments=26,
        power=2.35,
    )
    x, height = mesh.vertices[:, 0], mesh.vertices[:, 1] - up
    chain(mesh, -height, ["pelvis", "spine", "chest", "neck"], [-1.04, -1.2, -1.48], [0.16, 0.16, 0.06])
    # The shoulder line rises with the collar bones.
    lift = smoothstep((np.abs(x) - 0.05) / 0.12) * smoothstep((height - 1.28) / 0.12)
    mesh.skin[:] *= (1 - 0.75 * lift)[:, None]
    for side, sign in (("l", 1), ("r", -1)):
        mesh.skin[sign * x > 0, BONE[f"{side}_clavicle"]] += 0.75 * lift[sign * x > 0]
        crease(mesh, f"{side}_shoulder", np.hypot(x - sign * 0.15, height - 1.33), 0.12)
    crease(mesh, "waist", height - 1.1, 0.14)
    mesh.cloth[:] = 1
    mesh.lag[:] = (0.15 + 0.45 * outfit.loose) * smoothstep((1.15 - height) / 0.25)
    mesh.shade[:] = 1 - 0.3 * smoothstep((np.abs(x) - 0.13) / 0.05) * smoothstep((1.4 - height) / 0.08)
    return mesh


def pelvis(joints: Array, body: Proportions) -> Mesh:
    up = joints[BONE["pelvis"], 1] - 0.91
    y, left, front, back, z = table(
        [
            (0.800, 0.020, 0.020, 0.020, -0.005),
            (0.815, 0.100, 0.060, 0.075, -0.010),
            (0.84, 0.150, 0.090, 0.112, -0.014),
            (0.88, 0.172, 0.108, 0.132, -0.014),
            (0.93, 0.174, 0.112, 0.130, -0.012),
            (0.98, 0.166, 0.110, 0.118, -0.010),
            (1.03, 0.152, 0.104, 0.100, -0.008),
            (1.05, 0.100, 0.060, 0.060, -0.008),
        ]
    )
    girth = body.girth
    mesh = loft(
        "pelvis",
        np.stack([0 * y, y + up, z], 1),
        left * body.hips * girth**0.6 + 0.004,
        front * girth + 0.004,
        back * girth + 0.004,
        v=(y[-1] - y) / (y[-1] - y[0]),
        segments=20,
        power=2.2,
    )
    x, height = mesh.vertices[:, 0], mesh.vertices[:, 1] - up
    thigh = 0.35 * smoothstep((0.93 - height) / 0.1)
    for side, sign in (("l", 1.0), ("r", -1.0)):
        mesh.skin[:, BONE[f"{side}_thigh"]] = thigh * smoothstep(0.5 + sign * x / 0.16)
        crease(mesh, f"{side}_hip", np.hypot(x - sign * 0.09, height - 0.88), 0.12)
    mesh.skin[:, BONE["pelvis"]] = 1 - mesh.skin.sum(axis=1)
    mesh.cloth[:] = 1
    mesh.shade[:] = 1 - 0.35 * smoothstep((0.86 - height) / 0.06)
    return mesh


def skirt(joints: Array, body: Proportions, outfit: Outfit) -> Mesh:
    hip, knee = joints[BONE["l_thigh"]], joints[BONE["l_shank"]]
    t = np.linspace(0, 1, 10)
    top = hip[1] + 0.12
    y = top + t * (hip[1] - outfit.skirt * 1.5 * (hip[1] - knee[1]) - top)
    flare = 0.05 + 0.10 * outfit.loose
    wide = np.interp(t, [0, 0.35, 1], [0.152, 0.18, 0.185]) * body.hips * body.girth**0.6 + flare * t + 0.008
    deep = np.interp(t, [0, 0.35, 1], [0.105, 0.135, 0.135]) * body.girth + flare * t + 0.008
    centre = np.stack([0 * y, y, np.full_like(y, -0.01)], 1)
    mesh = loft("skirt", centre, wide, deep, deep, v=t, segments=24)
    x, down = mesh.vertices[:, 0], np.repeat(t, 25)
    follow = 0.75 * smoothstep((down - 0.15) / 0.6)
    for side, sign in (("l", 1.0), ("r", -1.0)):
        mesh.skin[:, BONE[f"{side}_thigh"]] = follow * smoothstep(0.5 + sign * x / 0.24)
        crease(mesh, f"{side}_hip", x - sign * 0.09, 0.12)
    mesh.skin[:, BONE["pelvis"]] = 1 - follow
    mesh.cloth[:] = 1
    mesh.lag[:] = (0.3 + 0.5 * outfit.loose) * down
    return mesh
