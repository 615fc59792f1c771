"""The body: one closed-looking triangle mesh of lofted parts, skinned to the bones.

All measures are those of a reference person of 1.75 m in the rest pose (standing, arms hanging), metres, body
frame: x to the person's left, y up, z forward. Rings of a part run around its axis from the back over the left
side and the front to the right side, so the texture's u = 0.5 is the front and its seam is at the back.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pwarp.synthetic.noise import Array, smoothstep
from pwarp.synthetic.outfit import Outfit
from pwarp.synthetic.rig import BONE, BONES, BonePoses, Proportions

# Parts in the order of their tiles in the texture atlas, which has TILE_COLUMNS tiles in a row.
TILES = ("torso", "pelvis", "l_leg", "r_leg", "l_arm", "r_arm", "head", "neck", "hand", "shoe", "skirt", "mane")
TILE_COLUMNS = 4
# Joints whose bending raises folds in the cloth around them: (name, bone, its parent).
FOLDS = (
    ("l_elbow", "l_forearm", "l_upper_arm"), ("r_elbow", "r_forearm", "r_upper_arm"),
    ("l_knee", "l_shank", "l_thigh"), ("r_knee", "r_shank", "r_thigh"), ("l_hip", "l_thigh", "pelvis"),
    ("r_hip", "r_thigh", "pelvis"), ("waist", "chest", "pelvis"), ("l_shoulder", "l_upper_arm", "chest"),
    ("r_shoulder", "r_upper_arm", "chest"),
)  # fmt: skip

# Head as an ellipsoid (half axes) before the face is modelled, and its centre above the head joint.
HEAD_HALF = np.array([0.075, 0.119, 0.096])
HEAD_CENTRE = np.array([0.0, 0.088, 0.012])
NOSE = np.array([0.0, -0.018, 0.113])  # from the head's centre
EYE = np.array([0.032, 0.012, 0.080])
EAR = np.array([0.079, -0.008, -0.006])


@dataclass(frozen=True)
class Mesh:
    """V vertices, F faces.

    vertices: (V, 3) rest positions. normals: (V, 3). faces: (F, 3) counter-clockwise from outside.
    uv: (V, 2) place in the part's tile, 0..1; tile: (V,) which. skin: (V, B) bone weights, rows sum to 1.
    lag: (V,) 0..1 how much of the vertex hangs behind in fast motion. cloth: (V,) 0..1 how much of it is cloth.
    folds: (V, len(FOLDS)) how much each joint's bending creases it. shade: (V,) baked ambient occlusion.
    """

    vertices: Array
    normals: Array
    faces: NDArray[np.int64]
    uv: Array
    tile: NDArray[np.int64]
    skin: Array
    lag: Array
    cloth: Array
    folds: Array
    shade: Array

    def posed(self, bones: BonePoses, rest: Array, now: int, before: int) -> tuple[Array, Array]:
        """World positions (V, 3) and normals (V, 3) at time index `now`, loose cloth drawn back towards `before`.

        rest: (B, 3) joints of the rest pose.
        """

        def place(index: int) -> tuple[Array, Array]:
            turn = bones.rotation[index]
            shift = bones.origin[index] - np.einsum("bij,bj->bi", turn, rest)
            blend = (self.skin @ np.concatenate([turn.reshape(-1, 9), shift], axis=1).astype(np.float32)).T
            matrix = blend[:9].reshape(3, 3, -1)
            return matrix, np.einsum("ijv,vj->vi", matrix, self.vertices) + blend[9:].T

        matrix, position = place(now)
        position = position + self.lag[:, None] * (place(before)[1] - position)
        return position, np.einsum("ijv,vj->vi", matrix, self.normals)


def build(body: Proportions, outfit: Outfit) -> Mesh:
    """The mesh of a person with that build and outfit."""
    joints = body.joints() / body.scale
    parts = [
        _torso(joints, body, outfit),
        _pelvis(joints, body, outfit),
        _neck(joints, body),
        _head(joints, body, outfit),
    ]
    for side in ("l", "r"):
        parts += [_leg(joints, body, outfit, side), _foot(joints, side)]
        parts += [_arm(joints, body, outfit, side), *_hand(joints, side), _ear(joints, body, side)]
    if outfit.skirt:
        parts.append(_skirt(joints, body, outfit))
    if outfit.hair_length == 2:
        parts.append(_mane(joints, body))
    return replace(mesh := _join(parts), vertices=(mesh.vertices * body.scale).astype(np.float32))


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


def _loft(
    tile: str,
    centre: Array,
    left: Array,
    front: Array,
    back: Array,
    *,
    v: Array,
    segments: int,
    power: float = 2.0,
    across: tuple[int, int] = (0, 2),
) -> Mesh:
    """A tube through R rings: centres (R, 3), half extents (R,) along the axes `across`.

    power: 2 makes ellipses, more makes them squarer. v: (R,) texture coordinate of each ring.
    """
    rings = len(centre)
    angle = 2 * np.pi * np.arange(segments + 1) / segments
    c, s = np.sin(angle), -np.cos(angle)  # starts at the back, goes over the left to the front
    c, s = (np.sign(w) * np.abs(w) ** (2 / power) for w in (c, s))
    vertices = np.repeat(np.asarray(centre, float)[:, None], segments + 1, axis=1)
    vertices[:, :, across[0]] += np.asarray(left)[:, None] * c
    vertices[:, :, across[1]] += np.where(s > 0, np.asarray(front)[:, None], np.asarray(back)[:, None]) * s
    uv = np.stack(np.broadcast_arrays(angle / (2 * np.pi), np.asarray(v)[:, None]), axis=2)

    i, j = np.meshgrid(np.arange(rings - 1), np.arange(segments), indexing="ij")
    a = (i * (segments + 1) + j).ravel()
    b, c4, d = a + 1, a + segments + 2, a + segments + 1
    faces = np.concatenate([np.stack([a, b, c4], 1), np.stack([a, c4, d], 1)])
    count = rings * (segments + 1)
    mesh = Mesh(
        vertices=vertices.reshape(-1, 3),
        normals=np.zeros((count, 3)),
        faces=faces,
        uv=uv.reshape(-1, 2),
        tile=np.full(count, TILES.index(tile)),
        skin=np.zeros((count, len(BONES))),
        lag=np.zeros(count),
        cloth=np.zeros(count),
        folds=np.zeros((count, len(FOLDS))),
        shade=np.ones(count),
    )
    return _oriented(mesh, np.repeat(np.asarray(centre, float), segments + 1, axis=0))


def _oriented(mesh: Mesh, axis: Array) -> Mesh:
    """The mesh with faces turned outwards from its axis, a point (V, 3) for each vertex."""
    corners = mesh.vertices[mesh.faces]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    outwards = (normal * (corners.mean(axis=1) - axis[mesh.faces].mean(axis=1))).sum()
    return mesh if outwards > 0 else replace(mesh, faces=mesh.faces[:, ::-1])


def _normals(vertices: Array, faces: NDArray[np.int64]) -> Array:
    """(V, 3) area-weighted vertex normals; vertices at the same place (texture seams) share theirs."""
    corners = vertices[faces]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    _, same = np.unique(np.round(vertices, 6), axis=0, return_inverse=True)
    same = same.reshape(-1)
    total = np.zeros((same.max() + 1, 3))
    for corner in range(3):
        np.add.at(total, same[faces[:, corner]], normal)
    total /= np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-12)
    return np.asarray(total[same])


def _join(parts: list[Mesh]) -> Mesh:
    starts = np.cumsum([0] + [len(p.vertices) for p in parts])
    faces = np.concatenate([p.faces + s for p, s in zip(parts, starts, strict=False)])

    def all_of(name: str) -> Array:
        return np.concatenate([getattr(p, name) for p in parts])

    return Mesh(
        vertices=all_of("vertices").astype(np.float32),
        normals=np.concatenate([_normals(p.vertices, p.faces) for p in parts]).astype(np.float32),
        faces=faces,
        uv=all_of("uv").astype(np.float32),
        tile=np.concatenate([p.tile for p in parts]),
        skin=all_of("skin").astype(np.float32),
        lag=all_of("lag").astype(np.float32),
        cloth=all_of("cloth").astype(np.float32),
        folds=all_of("folds").astype(np.float32),
        shade=all_of("shade").astype(np.float32),
    )


def _chain(mesh: Mesh, height: Array, bones: list[str], joints: list[float], widths: list[float]) -> None:
    """Weights along a limb: from one bone to the next where `height` (V,) falls below each joint."""
    share = np.ones(len(height))
    for bone, joint, width in zip(bones[1:], joints, widths, strict=True):
        lower = smoothstep((joint + width / 2 - height) / width)
        mesh.skin[:, BONE[bones[bones.index(bone) - 1]]] += share * (1 - lower)
        share = share * lower
    mesh.skin[:, BONE[bones[-1]]] += share


def _crease(mesh: Mesh, joint: str, distance: Array, reach: float) -> None:
    """Let a joint's bending crease the cloth within `reach` metres of it; distance: (V,) metres."""
    mesh.folds[:, [name for name, *_ in FOLDS].index(joint)] = np.exp(-((distance / reach) ** 2))


def _table(rows: list[tuple[float, ...]]) -> list[Array]:
    return list(np.array(rows, dtype=float).T)


def _resampled(columns: list[Array], count: int) -> list[Array]:
    """Columns over the first one (rising or falling), at `count` evenly spaced places."""
    x = columns[0]
    at = np.linspace(x[0], x[-1], count)
    order = np.argsort(x)
    return [at] + [np.interp(at, x[order], column[order]) for column in columns[1:]]


def _torso(joints: Array, body: Proportions, outfit: Outfit) -> Mesh:
    up = joints[BONE["pelvis"], 1] - 0.91
    wide, girth = body.shoulders, body.girth
    y, left, front, back, z = _resampled(
        _table(
            [
                # y, half width, front, back, z
                (0.895, 0.178, 0.128, 0.135, -0.012),
                (0.95, 0.174, 0.126, 0.132, -0.012),
                (1.00, 0.164, 0.120, 0.120, -0.010),
                (1.07, 0.149, 0.112, 0.098, -0.006),
                (1.14, 0.146, 0.110, 0.095, -0.004),
                (1.22, 0.158, 0.114, 0.108, -0.006),
                (1.29, 0.170, 0.118, 0.118, -0.010),
                (1.35, 0.176, 0.108, 0.120, -0.012),
                (1.40, 0.172, 0.085, 0.108, -0.014),
                (1.43, 0.148, 0.068, 0.092, -0.014),
                (1.455, 0.105, 0.058, 0.074, -0.014),
                (1.475, 0.072, 0.054, 0.062, -0.012),
                (1.49, 0.058, 0.050, 0.054, -0.010),
            ]
        ),
        20,
    )
    slack = 0.012 + 0.022 * outfit.loose * smoothstep((1.40 - y) / 0.3)
    left = left * np.interp(y, [1.0, 1.3], [body.hips, wide]) * girth**0.6 + slack
    front, back = front * girth + slack, back * girth + slack * 0.7
    mesh = _loft(
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
    _chain(mesh, -height, ["pelvis", "spine", "chest", "neck"], [-1.04, -1.2, -1.48], [0.16, 0.16, 0.06])
    # The shoulder line rises with the collar bones.
    lift = smoothstep((np.abs(x) - 0.05) / 0.12) * smoothstep((height - 1.28) / 0.12)
    mesh.skin[:] *= (1 - 0.75 * lift)[:, None]
    for side, sign in (("l", 1), ("r", -1)):
        mesh.skin[sign * x > 0, BONE[f"{side}_clavicle"]] += 0.75 * lift[sign * x > 0]
        _crease(mesh, f"{side}_shoulder", np.hypot(x - sign * 0.15, height - 1.33), 0.12)
    _crease(mesh, "waist", height - 1.1, 0.14)
    mesh.cloth[:] = 1
    mesh.lag[:] = (0.15 + 0.45 * outfit.loose) * smoothstep((1.15 - height) / 0.25)
    mesh.shade[:] = 1 - 0.3 * smoothstep((np.abs(x) - 0.13) / 0.05) * smoothstep((1.4 - height) / 0.08)
    return mesh


def _pelvis(joints: Array, body: Proportions, outfit: Outfit) -> Mesh:
    up = joints[BONE["pelvis"], 1] - 0.91
    y, left, front, back, z = _table(
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
    mesh = _loft(
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
        _crease(mesh, f"{side}_hip", np.hypot(x - sign * 0.09, height - 0.88), 0.12)
    mesh.skin[:, BONE["pelvis"]] = 1 - mesh.skin.sum(axis=1)
    mesh.cloth[:] = 1
    mesh.shade[:] = 1 - 0.35 * smoothstep((0.86 - height) / 0.06)
    return mesh


def _leg(joints: Array, body: Proportions, outfit: Outfit, side: str) -> Mesh:
    sign = 1.0 if side == "l" else -1.0
    hip, knee, ankle = (joints[BONE[f"{side}_{bone}"]] for bone in ("thigh", "shank", "foot"))
    # Along the leg: 0 at the hip, 1 at the knee, 2 at the ankle.
    along, left, front, back, z = _resampled(
        _table(
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
    mesh = _loft(
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
    _chain(mesh, height, bones, [knee[1], ankle[1] - 0.01], [0.10, 0.04])
    inside = sign * (mesh.vertices[:, 0] - hip[0])
    mesh.cloth[:] = np.repeat(covered, 15)
    mesh.lag[:] = np.repeat(np.where(covered, 0.45 * outfit.loose * smoothstep(along - 0.4), 0), 15)
    mesh.shade[:] = 1 - 0.35 * smoothstep((-inside - 0.01) / 0.05) * smoothstep((height - knee[1]) / 0.3)
    _crease(mesh, f"{side}_knee", height - knee[1], 0.11)
    _crease(mesh, f"{side}_hip", height - hip[1], 0.12)
    return mesh


def _foot(joints: Array, side: str) -> Mesh:
    ankle = joints[BONE[f"{side}_foot"]]
    sign = 1.0 if side == "l" else -1.0
    z, left, top, x = _table(
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
    mesh = _loft(
        "shoe", centre, left, top - middle, middle, v=np.linspace(0, 1, len(z)), segments=12, power=2.6, across=(0, 1)
    )
    mesh.skin[:, BONE[f"{side}_foot"]] = 1
    mesh.shade[:] = 0.7 + 0.3 * smoothstep(mesh.vertices[:, 1] / 0.03)
    return mesh


def _arm(joints: Array, body: Proportions, outfit: Outfit, side: str) -> Mesh:
    sign = 1.0 if side == "l" else -1.0
    shoulder, elbow, wrist = (joints[BONE[f"{side}_{bone}"]] for bone in ("upper_arm", "forearm", "hand"))
    along, left, depth, x = _resampled(
        _table(
            [
                # 0 at the shoulder, 1 at the elbow, 2 at the wrist; half width, half depth, inward shift
                (-0.20, 0.004, 0.004, 0.012),
                (-0.185, 0.026, 0.030, 0.012),
                (-0.13, 0.047, 0.052, 0.009),
                (-0.03, 0.058, 0.064, 0.005),
                (0.12, 0.058, 0.064, 0.002),
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
        along, [-0.2, 0, 1, 2, 2.06], [shoulder[1] + 0.058, shoulder[1], elbow[1], wrist[1], wrist[1] - 0.015]
    )
    covered = along <= 1.97 * outfit.sleeve
    sleeve = 0.005 + outfit.loose * np.interp(along, [-0.1, 0.4, 1, 2], [0.004, 0.014, 0.014, 0.012])
    slack = np.where(covered, sleeve, 0.0) * smoothstep((along + 0.2) / 0.15)
    girth = body.girth**0.6
    centre = np.stack([shoulder[0] - sign * x, y, np.full_like(y, shoulder[2])], 1)
    depth = depth * girth + slack
    mesh = _loft(f"{side}_arm", centre, left * girth + slack, depth, depth, v=(along + 0.2) / 2.26, segments=12)
    height = mesh.vertices[:, 1]
    bones = [f"{side}_{bone}" for bone in ("upper_arm", "forearm", "hand")]
    _chain(mesh, height, bones, [elbow[1], wrist[1]], [0.08, 0.04])
    mesh.cloth[:] = np.repeat(covered, 13)
    mesh.lag[:] = np.repeat(np.where(covered, 0.4 * outfit.loose * smoothstep(along), 0), 13)
    _crease(mesh, f"{side}_elbow", height - elbow[1], 0.09)
    _crease(mesh, f"{side}_shoulder", height - shoulder[1] + 0.06, 0.10)
    return mesh


def _hand(joints: Array, side: str) -> list[Mesh]:
    wrist = joints[BONE[f"{side}_hand"]]
    sign = 1.0 if side == "l" else -1.0
    down, thick, wide, z = _table(
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
    palm = _loft("hand", centre, thick, wide, wide, v=np.linspace(0, 1, len(down)), segments=10, power=2.4)
    t = np.linspace(0, 1, 5)
    radius = np.array([0.013, 0.013, 0.0115, 0.010, 0.003])
    centre = np.stack([wrist[0] - sign * 0.012 * t, wrist[1] - 0.025 - 0.062 * t, wrist[2] + 0.022 + 0.036 * t], 1)
    thumb = _loft("hand", centre, radius, radius, radius, v=t, segments=6)
    for part in (palm, thumb):
        part.skin[:, BONE[f"{side}_hand"]] = 1
    return [palm, thumb]


def _neck(joints: Array, body: Proportions) -> Mesh:
    base, top = joints[BONE["neck"]], joints[BONE["head"]]
    t = np.linspace(-0.35, 1.25, 6)
    centre = base + t[:, None] * (top - base)
    radius = np.interp(t, [-0.35, 0.1, 0.6, 1.25], [0.078, 0.059, 0.053, 0.052]) * body.girth**0.4
    mesh = _loft("neck", centre, radius, radius, radius, v=(1.25 - t) / 1.6, segments=14)
    height = mesh.vertices[:, 1]
    _chain(mesh, -height, ["chest", "neck", "head"], [-base[1], -top[1]], [0.06, 0.05])
    mesh.shade[:] = 1 - 0.4 * smoothstep((height - base[1] - 0.04) / 0.06)
    return mesh


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


def _head(joints: Array, body: Proportions, outfit: Outfit) -> Mesh:
    rings, segments = 22, 28
    v = np.linspace(0, 1, rings)
    one = np.ones(rings)
    mesh = _loft("head", np.zeros((rings, 3)), one, one, one, v=v, segments=segments)
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
    mesh = _oriented(replace(mesh, vertices=place), np.zeros_like(place))
    mesh = replace(mesh, vertices=place * body.head + HEAD_CENTRE + joint)
    mesh.skin[:, BONE["head"]] = 1
    mesh.shade[:] = 1 - 0.25 * smoothstep((-y - 0.08) / 0.03)
    return mesh


def _ear(joints: Array, body: Proportions, side: str) -> Mesh:
    sign = 1.0 if side == "l" else -1.0
    t = np.linspace(-1, 1, 6)
    round_ = np.sqrt(np.maximum(1 - t**2, 0.02))
    place = EAR * np.array([sign, 1, 1]) * body.head + HEAD_CENTRE + joints[BONE["head"]]
    centre = place + np.stack([0 * t, 0.03 * t, -0.004 * t], 1)
    mesh = _loft("neck", centre, 0.009 * round_, 0.016 * round_, 0.018 * round_, v=0.5 + 0.3 * t, segments=8)
    mesh.skin[:, BONE["head"]] = 1
    mesh.shade[:] = 0.85
    return mesh


def _skirt(joints: Array, body: Proportions, outfit: Outfit) -> Mesh:
    hip, knee = joints[BONE["l_thigh"]], joints[BONE["l_shank"]]
    t = np.linspace(0, 1, 10)
    top = hip[1] + 0.12
    y = top + t * (hip[1] - outfit.skirt * 1.5 * (hip[1] - knee[1]) - top)
    flare = 0.05 + 0.10 * outfit.loose
    wide = np.interp(t, [0, 0.35, 1], [0.152, 0.18, 0.185]) * body.hips * body.girth**0.6 + flare * t + 0.008
    deep = np.interp(t, [0, 0.35, 1], [0.105, 0.135, 0.135]) * body.girth + flare * t + 0.008
    centre = np.stack([0 * y, y, np.full_like(y, -0.01)], 1)
    mesh = _loft("skirt", centre, wide, deep, deep, v=t, segments=24)
    x, down = mesh.vertices[:, 0], np.repeat(t, 25)
    follow = 0.75 * smoothstep((down - 0.15) / 0.6)
    for side, sign in (("l", 1.0), ("r", -1.0)):
        mesh.skin[:, BONE[f"{side}_thigh"]] = follow * smoothstep(0.5 + sign * x / 0.24)
        _crease(mesh, f"{side}_hip", x - sign * 0.09, 0.12)
    mesh.skin[:, BONE["pelvis"]] = 1 - follow
    mesh.cloth[:] = 1
    mesh.lag[:] = (0.3 + 0.5 * outfit.loose) * down
    return mesh


def _mane(joints: Array, body: Proportions) -> Mesh:
    """Long hair behind the head and down to the shoulder blades."""
    joint = joints[BONE["head"]] + HEAD_CENTRE
    t = np.linspace(0, 1, 9)
    y = 0.06 - 0.30 * t
    wide = np.interp(t, [0, 0.12, 0.4, 0.8, 1], [0.02, 0.078, 0.085, 0.075, 0.02])
    deep = np.interp(t, [0, 0.12, 0.4, 0.8, 1], [0.02, 0.05, 0.045, 0.03, 0.008])
    centre = joint + np.stack([0 * t, y, np.interp(t, [0, 0.4, 1], [-0.055, -0.062, -0.098])], 1) * body.head
    mesh = _loft("mane", centre, wide * body.head, deep, deep, v=t, segments=14)
    down = np.repeat(t, 15)
    neck = 0.7 * smoothstep((down - 0.45) / 0.5)
    mesh.skin[:, BONE["head"]], mesh.skin[:, BONE["chest"]] = 1 - neck, neck
    mesh.lag[:] = 0.7 * down
    return mesh
