"""From bodies, world and camera to pixels."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pwarp.synthetic.actor import Actor
from pwarp.synthetic.body import build
from pwarp.synthetic.camera import Camera
from pwarp.synthetic.mesh import FOLDS, TILES, Mesh
from pwarp.synthetic.noise import Array
from pwarp.synthetic.outfit import Outfit
from pwarp.synthetic.paint import atlas_place, paint
from pwarp.synthetic.panels import Panel
from pwarp.synthetic.places import Light, Place
from pwarp.synthetic.raster import Fragments, rasterise
from pwarp.synthetic.rig import BONE, BonePoses

_ABOVE = (205, 215, 226)  # what is seen over the wall
LAG = 0.07  # seconds by which loose cloth and long hair hang behind
_SHINE = {"head": 0.18, "hand": 0.1, "neck": 0.1, "shoe": 0.3, "mane": 0.25}


@dataclass(frozen=True)
class Person:
    """What does not change over a clip about one person.

    rest: (B, 3) joints of the rest pose, metres. place: (V, 2) atlas pixels of the mesh's vertices. shine: (V,)
    0..1. slip: (V,) atlas pixels by which cloth moves along its limb where the joint nearby is bent.
    """

    actor: Actor
    mesh: Mesh
    rest: Array
    atlas: NDArray[np.uint8]
    place: Array
    shine: Array
    slip: Array

    @classmethod
    def dress(cls, rng: np.random.Generator, actor: Actor, detail: float) -> Person:
        """Build and paint the body of an actor. detail: pixels per metre in the picture."""
        outfit = Outfit.draw(rng)
        mesh = build(actor.body, outfit)
        shine = np.array([_SHINE.get(name, 0.03) for name in TILES], np.float32)[mesh.tile]
        # About half as fine again as the picture, where the coarsest tile (the torso) spans a metre.
        side = int(np.clip(1.7 * detail, 64, 320))
        atlas = paint(rng, outfit, side)
        place = atlas_place(mesh.uv, mesh.tile, side)
        # Cloth slips along the limb when the joint nearby bends (texels at a right angle), but not at its seams.
        slip = mesh.cloth * rng.normal(0, 0.015 * side, len(FOLDS))[mesh.folds.argmax(axis=1)]
        slip[(mesh.uv[:, 1] < 0.02) | (mesh.uv[:, 1] > 0.98)] = 0
        return cls(actor, mesh, actor.body.joints(), atlas, place, shine, slip.astype(np.float32))


def bend_of_joints(bones: BonePoses, index: int) -> Array:
    """(len(FOLDS),) how far each fold-making joint is bent, 0 straight to about 1.5."""
    turn = bones.rotation[index]
    along = np.array([turn[BONE[child]][:, 1] @ turn[BONE[parent]][:, 1] for _, child, parent in FOLDS])
    return np.asarray(1 - np.clip(along, -0.5, 1.0), dtype=np.float32)


def shade(person: Person, bend: Array, normals: Array, hit: Fragments, light: Light, view: Array) -> Array:
    """(N, 3) colours 0..255 of the pixels where a person's mesh was hit.

    normals: (V, 3) in the world. view: (3,) unit vector from the scene to the camera.
    """
    mesh = person.mesh
    bent = mesh.folds @ bend
    crease = mesh.cloth * np.minimum(0.10 + 0.75 * bent, 0.75)
    place = person.place.copy()
    place[:, 1] += person.slip * np.minimum(bent, 1.0)
    values = np.concatenate(
        [normals, place, crease[:, None], mesh.shade[:, None], person.shine[:, None]], axis=1
    ).astype(np.float32)
    at = (values[hit.corner] * hit.weight[..., None]).sum(axis=1)

    texel = _sample(person.atlas, at[:, 3], at[:, 4])
    normal = at[:, :3] / np.maximum(np.linalg.norm(at[:, :3], axis=1, keepdims=True), 1e-6)
    # Folds: their pattern darkens and lightens the cloth.
    relief = 1 + at[:, 5] * (texel[:, 3] / 127.5 - 1)
    towards = light.towards.astype(np.float32)
    # A little light wraps round the edge between light and shade, as it does on skin and cloth.
    lit = np.maximum((normal @ towards + 0.15) / 1.15, 0)
    up = 0.5 + 0.5 * normal[:, 1]
    strength = (
        lit[:, None] * light.sun.astype(np.float32)
        + up[:, None] * light.sky.astype(np.float32)
        + (1 - up)[:, None] * light.ground.astype(np.float32)
    )
    half = towards + view
    half = (half / np.linalg.norm(half)).astype(np.float32)
    gloss = at[:, 7] * np.maximum(normal @ half, 0) ** 24
    colour = texel[:, :3] * strength * (relief * at[:, 6])[:, None]
    return np.asarray(np.clip(colour + (255 * 0.6 * gloss * lit)[:, None], 0, 255))


def _sample(atlas: NDArray[np.uint8], x: Array, y: Array) -> Array:
    """(N, 4) bilinear samples of the atlas at pixel places (N,)."""
    count = len(x)
    row = 512  # remap wants a picture: N samples as rows of 512
    padded = np.zeros((2, -(-max(count, 1) // row) * row), np.float32)
    padded[0, :count], padded[1, :count] = x, y
    grid = padded.reshape(2, -1, row)
    return np.asarray(cv2.remap(atlas, grid[0], grid[1], cv2.INTER_LINEAR).reshape(-1, 4)[:count], dtype=np.float32)


def draw_place(place: Place, camera: Camera, t: float, image: NDArray[np.uint8], nearness: NDArray[np.float32]) -> None:
    """Paint everything but the people into image (H, W, 3) and nearness (H, W)."""
    image[:] = _ABOVE
    for panel in (place.wall, place.ground, *place.props):
        panel.draw(camera, t, image, nearness)


_CAPSULES = (
    ("l_thigh", "l_shank", 0.075), ("r_thigh", "r_shank", 0.075), ("l_shank", "l_foot", 0.05),
    ("r_shank", "r_foot", 0.05), ("l_upper_arm", "l_forearm", 0.045), ("r_upper_arm", "r_forearm", 0.045),
    ("l_forearm", "l_hand", 0.038), ("r_forearm", "r_hand", 0.038), ("pelvis", "neck", 0.13), ("neck", "head", 0.06),
    ("l_upper_arm", "r_upper_arm", 0.07), ("l_thigh", "r_thigh", 0.11),
)  # fmt: skip


def shadow_panel(people: list[Person], bones: list[BonePoses], index: int, place: Place) -> Panel:
    """A dark veil on the ground at time index `index`: the people's cast shadows, and where things touch the ground."""
    light = place.light
    scale, reach = 36.0, 6.0  # pixels per metre, metres from the middle
    size = round(2 * reach * scale)
    cast = np.zeros((size, size), np.uint8)
    contact = np.zeros((size, size), np.uint8)
    slope = light.towards[[0, 2]] / max(light.towards[1], 0.25)

    def spot(point: Array) -> tuple[int, int]:
        x, z = (point[[0, 2]] - slope * point[1] + reach) * scale
        return round(float(np.clip(x, -size, 2 * size))), round(float(np.clip(z, -size, 2 * size)))

    for person, pose in zip(people, bones, strict=True):
        origin, grow = pose.origin[index], person.actor.body.scale
        for a, b, radius in _CAPSULES:
            thick = max(1, round(2 * radius * grow * scale))
            cv2.line(cast, spot(origin[BONE[a]]), spot(origin[BONE[b]]), 255, thick)
        head = origin[BONE["head"]] + pose.rotation[index, BONE["head"]] @ np.array([0, 0.09, 0])
        cv2.circle(cast, spot(head), round(0.1 * grow * scale), 255, -1)
        for side in "lr":
            foot = origin[BONE[f"{side}_foot"]] + pose.rotation[index, BONE[f"{side}_foot"]] @ np.array(
                [0, -0.05, 0.06]
            )
            near = max(0.0, 1 - foot[1] / 0.4)
            x, z = ((foot[[0, 2]] + reach) * scale).round().astype(int)
            cv2.circle(contact, (int(x), int(z)), round(0.11 * scale), round(170 * near), -1)
    soft = cv2.GaussianBlur(cast, (0, 0), max(0.6, light.softness * scale))
    under = cv2.GaussianBlur(contact, (0, 0), 2.2)
    dark = np.maximum(soft * np.float32(light.shadow), under * np.float32(0.6))
    texture = np.zeros((size, size, 4), np.uint8)
    texture[..., 3] = dark
    step = 1 / scale
    return Panel(
        texture=texture,
        corner=np.array([-reach, 0.004, -reach]),
        right=np.array([step, 0.0, 0.0]),
        down=np.array([0.0, 0.0, step]),
        velocity=np.zeros(3),
    )


def draw_people(
    people: list[Person],
    bones: list[BonePoses],
    moment: tuple[int, int],
    camera: Camera,
    light: Light,
    image: NDArray[np.uint8],
    nearness: NDArray[np.float32],
) -> None:
    """Paint people into image (H, W, 3) and nearness (H, W).

    moment: time index of now, and of a little before (for what hangs behind).
    """
    height, width = nearness.shape
    flat, depths = image.reshape(-1, 3), nearness.reshape(-1)
    for person, pose in zip(people, bones, strict=True):
        points, normals = person.mesh.posed(pose, person.rest, *moment)
        xy, depth = camera.project(points)
        hit = rasterise(xy, depth, person.mesh.faces, width, height, depths)
        if len(hit.pixel):
            bend = bend_of_joints(pose, moment[0])
            flat[hit.pixel] = shade(person, bend, normals, hit, light, camera.turn[2]).astype(np.uint8)
