"""Skinned triangle meshes, lofted from rings.

Rings of a part run around its axis from the back over the left side and the front to the right side, so the
texture's u = 0.5 is the front and its seam is at the back.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pwarp.synthetic.noise import Array, smoothstep
from pwarp.synthetic.rig import BONE, BONES, BonePoses

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


def loft(
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
    return oriented(mesh, np.repeat(np.asarray(centre, float), segments + 1, axis=0))


def oriented(mesh: Mesh, axis: Array) -> Mesh:
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


def join(parts: list[Mesh]) -> Mesh:
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


def chain(mesh: Mesh, height: Array, bones: list[str], joints: list[float], widths: list[float]) -> None:
    """Weights along a limb: from one bone to the next where `height` (V,) falls below each joint."""
    share = np.ones(len(height))
    for bone, joint, width in zip(bones[1:], joints, widths, strict=True):
        lower = smoothstep((joint + width / 2 - height) / width)
        mesh.skin[:, BONE[bones[bones.index(bone) - 1]]] += share * (1 - lower)
        share = share * lower
    mesh.skin[:, BONE[bones[-1]]] += share


def crease(mesh: Mesh, joint: str, distance: Array, reach: float) -> None:
    """Let a joint's bending crease the cloth within `reach` metres of it; distance: (V,) metres."""
    mesh.folds[:, [name for name, *_ in FOLDS].index(joint)] = np.exp(-((distance / reach) ** 2))


def table(rows: list[tuple[float, ...]]) -> list[Array]:
    return list(np.array(rows, dtype=float).T)


def resampled(columns: list[Array], count: int) -> list[Array]:
    """Columns over the first one (rising or falling), at `count` evenly spaced places."""
    x = columns[0]
    at = np.linspace(x[0], x[-1], count)
    order = np.argsort(x)
    return [at] + [np.interp(at, x[order], column[order]) for column in columns[1:]]
