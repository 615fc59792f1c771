"""Head, neck, ears and long hair.

All measures are those of a reference person of 1.75 m in the rest pose (standing, arms hanging), metres, body
frame: x to the person's left, y up, z forward.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pwarp.synthetic.mesh import Mesh, chain, loft, oriented
from pwarp.synthetic.noise import Array, smoothstep
from pwarp.synthetic.outfit import Outfit
from pwarp.synthetic.rig import BONE, Proportions

# Head as an ellipsoid (half axes) before the face is modelled, and its centre above the head joint.
HEAD_HALF = np.array([0.075, 0.119, 0.096])


HEAD_CENTRE = np.array([0.0, 0.088, 0.012])


NOSE = np.array([0.0, -0.018, 0.113])  # from the head's centre


EYE = np.array([0.032, 0.012, 0.080])


EAR = np.array([0.079, -0.008, -0.006])


def head_surface(u: Array, v: Array) -> Array:
    """(..., 3) rest position on the plain head ellipsoid, from its centre: u around (0.5 front), v from the crown."""
    turn, tilt = 2 * np.pi * u, np.pi * v
    ring = np.sin(tilt)
    direction = np.stack([np.sin(turn) * ring, np.cos(tilt), -np.cos(turn) * ring], axis=-1)
    return np.asarray(direction * HEAD_HALF)


def hairline(place: Array, outfit: Outfit) -> Array:
    """How far (metres) head points (..., 3) are inside the hair; negative outside."""
    x, y, z = place[..., 0], place[..., 1], place[..., 2]
    if outfit.hair_length == 0:
        return np.full(x.shape, -1.0)
    # The line runs high across the forehead, down before the ears and low in the neck.
    front = smoothstep((z - 0.015) / 0.05)
    low = -0.06 if outfit.hair_length == 1 else -0.1
    line = low + (0.066 - low) * front - 0.25 * np.abs(x) * front
    return np.asarray(y - line)


def head(joints: Array, body: Proportions, outfit: Outfit) -> Mesh:
    rings, segments = 22, 28
    v = np.linspace(0, 1, rings)
    one = np.ones(rings)
    mesh = loft("head", np.zeros((rings, 3)), one, one, one, v=v, segments=segments)
    place = head_surface(mesh.uv[:, 0].copy(), mesh.uv[:, 1].copy())
    x, y, z = (place[:, i].copy() for i in range(3))
    ahead = smoothstep(z / 0.06)
    # Jaw: the lower half narrows, the skull's base recedes under the back of the head.
    low = smoothstep(-y / 0.119)
    place[:, 0] *= 1 - 0.30 * low
    place[:, 2] = np.where(z < 0, z * (1 - 0.75 * low) + 0.035 * low, z * (1 - 0.06 * low))
    place[:, 2] += ahead * 0.016 * smoothstep((-y - 0.05) / 0.05) * (1 - smoothstep((-y - 0.1) / 0.02))

    def bump(cx: float, cy: float, sx: float, sy: float) -> Array:
        return np.asarray(np.exp(-(((np.abs(x) - cx) / sx) ** 2) - ((y - cy) / sy) ** 2) * ahead)

    place[:, 2] += 0.021 * bump(0, -0.02, 0.014, 0.016) + 0.010 * bump(0, 0.002, 0.010, 0.02)  # nose
    place[:, 2] += 0.005 * bump(0.026, 0.032, 0.02, 0.008) - 0.006 * bump(0.032, 0.012, 0.014, 0.011)  # brow, eyes
    place[:, 2] += 0.005 * bump(0, -0.06, 0.022, 0.012)  # lips
    inside = hairline(np.stack([x, y, z], 1), outfit)
    thick = 0.004 + (0.014 if outfit.hair_length == 1 else 0.022) * smoothstep(inside / 0.03)
    place *= 1 + np.where(inside > -0.004, thick, 0)[:, None] / 0.1
    if outfit.cap is not None:
        capped = smoothstep((y - 0.045) / 0.01)
        place *= 1 + (0.14 * capped)[:, None]
        brim = np.exp(-(((y - 0.052) / 0.012) ** 2)) * smoothstep((z - 0.04) / 0.04)
        place[:, 2] += 0.055 * brim
    joint = joints[BONE["head"]]
    mesh = oriented(replace(mesh, vertices=place), np.zeros_like(place))
    mesh = replace(mesh, vertices=place * body.head + HEAD_CENTRE + joint)
    mesh.skin[:, BONE["head"]] = 1
    mesh.shade[:] = 1 - 0.25 * smoothstep((-y - 0.08) / 0.03)
    return mesh


def neck(joints: Array, body: Proportions) -> Mesh:
    base, top = joints[BONE["neck"]], joints[BONE["head"]]
    t = np.linspace(-0.35, 1.25, 6)
    centre = base + t[:, None] * (top - base)
    radius = np.interp(t, [-0.35, 0.1, 0.6, 1.25], [0.078, 0.059, 0.053, 0.052]) * body.girth**0.4
    mesh = loft("neck", centre, radius, radius, radius, v=(1.25 - t) / 1.6, segments=14)
    height = mesh.vertices[:, 1]
    chain(mesh, -height, ["chest", "neck", "head"], [-base[1], -top[1]], [0.06, 0.05])
    mesh.shade[:] = 1 - 0.4 * smoothstep((height - base[1] - 0.04) / 0.06)
    return mesh


def ear(joints: Array, body: Proportions, side: str) -> Mesh:
    sign = 1.0 if side == "l" else -1.0
    t = np.linspace(-1, 1, 6)
    round_ = np.sqrt(np.maximum(1 - t**2, 0.02))
    place = EAR * np.array([sign, 1, 1]) * body.head + HEAD_CENTRE + joints[BONE["head"]]
    centre = place + np.stack([0 * t, 0.03 * t, -0.004 * t], 1)
    mesh = loft("neck", centre, 0.009 * round_, 0.016 * round_, 0.018 * round_, v=0.5 + 0.3 * t, segments=8)
    mesh.skin[:, BONE["head"]] = 1
    mesh.shade[:] = 0.85
    return mesh


def mane(joints: Array, body: Proportions) -> Mesh:
    """Long hair behind the head and down to the shoulder blades."""
    joint = joints[BONE["head"]] + HEAD_CENTRE
    t = np.linspace(0, 1, 9)
    y = 0.06 - 0.30 * t
    wide = np.interp(t, [0, 0.12, 0.4, 0.8, 1], [0.02, 0.078, 0.085, 0.075, 0.02])
    deep = np.interp(t, [0, 0.12, 0.4, 0.8, 1], [0.02, 0.05, 0.045, 0.03, 0.008])
    centre = joint + np.stack([0 * t, y, np.interp(t, [0, 0.4, 1], [-0.055, -0.062, -0.098])], 1) * body.head
    mesh = loft("mane", centre, wide * body.head, deep, deep, v=t, segments=14)
    down = np.repeat(t, 15)
    neck = 0.7 * smoothstep((down - 0.45) / 0.5)
    mesh.skin[:, BONE["head"]], mesh.skin[:, BONE["chest"]] = 1 - neck, neck
    mesh.lag[:] = 0.7 * down
    return mesh
