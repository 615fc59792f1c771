"""Places: a street, a park, a room, a court - each with ground, wall, props and light."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from pwarp.synthetic.canvas import MUTED, STRONG, Surface, tone
from pwarp.synthetic.noise import Array, clouds, smoothstep
from pwarp.synthetic.panels import Panel, floor, upright
from pwarp.synthetic.props import car, furniture, occluder, tree


@dataclass(frozen=True)
class Light:
    """towards: (3,) unit vector to the sun or lamp. sun, sky, ground: RGB strengths of what comes from there, from
    above and from below. shadow: 0..1 how dark the cast shadow is; softness: metres over which its edge fades."""

    towards: Array
    sun: Array
    sky: Array
    ground: Array
    shadow: float
    softness: float


@dataclass(frozen=True)
class Place:
    """wall: behind everything. ground: endless. props: everything else but people, far to near."""

    wall: Panel
    ground: Panel
    props: tuple[Panel, ...]
    light: Light


@dataclass(frozen=True)
class View:
    """What a place must know of the camera to be painted as large and as fine as needed.

    half_width: half of what the picture spans at depth 0, metres. distance: from the camera to depth 0, metres.
    focal: pixels.
    """

    half_width: float
    distance: float
    focal: float

    def detail(self, z: float) -> float:
        """Pixels per metre that a texture at depth z deserves."""
        return float(np.clip(self.focal / (self.distance - z), 10.0, 160.0))


def make_place(rng: np.random.Generator, view: View, occluders: int) -> Place:
    """A random place with that many things between people and camera."""
    place = _PLACES[rng.integers(len(_PLACES))](rng, view)
    across = (np.arange(occluders) + rng.uniform(0.1, 0.9, occluders)) / max(occluders, 1)  # 0 left to 1 right
    nearer = [occluder(rng, float(view.half_width * (1.7 * x - 0.85)), view.detail(1.3)) for x in across]
    props = sorted([*place.props, *nearer], key=lambda p: float(p.corner[2]))
    return Place(place.wall, place.ground, tuple(props), place.light)


def _daylight(rng: np.random.Generator) -> Light:
    overcast = rng.uniform(0, 1)
    return Light(
        _direction(rng),
        sun=np.array([1.0, 0.95, 0.86]) * (0.85 - 0.6 * overcast),
        sky=np.array([0.44, 0.48, 0.54]) * (0.85 + 0.65 * overcast),
        ground=np.array([0.24, 0.23, 0.20]),
        shadow=0.55 - 0.3 * overcast,
        softness=0.03 + 0.2 * overcast,
    )


def _lamps(rng: np.random.Generator) -> Light:
    return Light(
        _direction(rng),
        sun=np.array([0.62, 0.57, 0.48]) * rng.uniform(0.7, 1.1),
        sky=np.array([0.46, 0.45, 0.43]),
        ground=np.array([0.26, 0.24, 0.21]),
        shadow=0.35,
        softness=0.16,
    )


def _direction(rng: np.random.Generator) -> Array:
    towards = np.array([rng.uniform(-1, 1), rng.uniform(0.6, 1.4), rng.uniform(-0.1, 0.9)])
    return np.asarray(towards / np.linalg.norm(towards))


def _street(rng: np.random.Generator, view: View) -> Place:
    grey = tone(rng, ((0.5, 0.5, 0.5), (0.52, 0.48, 0.44), (0.4, 0.4, 0.42)))
    paving = Surface(11, 11, view.detail(0.5), grey)
    paving.rough(rng, 0.1, 2.0, 6)
    if rng.random() < 0.7:
        size = rng.uniform(0.3, 0.8)
        paving.tiles(rng, size, size * rng.uniform(0.5, 1), 0.012, 0.05)
    z = -rng.uniform(3, 7)
    front = _sky(rng, 26.0, 7.0, view.detail(z))
    x = 0.0
    while x < front.wide:
        house = _house(rng, rng.uniform(3.5, 8), front.high - rng.uniform(0.0, 1.8), front.detail)
        front.paste(house, x, front.high - house.high)
        x += house.wide
    props = []
    for _ in range(rng.integers(0, 3)):
        depth = rng.uniform(z + 0.5, -2)
        props.append(tree(rng, rng.uniform(-1, 1) * view.half_width, depth, view.detail(depth)))
    if rng.random() < 0.6:
        direction = rng.choice([-1.0, 1.0])
        speed = rng.uniform(1.5, 5) * direction if rng.random() < 0.7 else 0.0
        depth = rng.uniform(z + 0.4, -2.2)
        props.append(car(rng, -direction * rng.uniform(0, 6), depth, view.detail(depth), speed))
    return Place(_backing(front, z), floor(paving.picture(), 11), tuple(props), _daylight(rng))


def _backing(front: Surface, z: float) -> Panel:
    return upright(front.picture(), 0, z, front.wide, front.high)


def _house(rng: np.random.Generator, wide: float, high: float, detail: float) -> Surface:
    wall = Surface(wide, high, detail, tone(rng, MUTED))
    wall.rough(rng, 0.07, 1.0)
    if rng.random() < 0.4:
        wall.tiles(rng, 0.26, 0.1, 0.01, 0.06)
    pane, frame = np.array([0.16, 0.19, 0.22]), tone(rng, ((0.9, 0.9, 0.88), (0.3, 0.22, 0.16), (0.5, 0.5, 0.5)))
    pitch, level = rng.uniform(1.3, 2.2), rng.uniform(2.3, 2.9)
    for y in np.arange(high - level * 2 + 0.3, high - 1, level):
        for x in np.arange(0.4, wide - 1.1, pitch):
            wall.box(x - 0.06, y - 0.06, x + 0.96, y + 1.46, frame)
            glass = pane * rng.uniform(0.7, 2.2)
            wall.box(x, y, x + 0.9, y + 1.4, glass)
            if rng.random() < 0.4:  # a curtain, or the sky in the glass
                wall.box(x, y, x + rng.uniform(0.2, 0.9), y + 1.4, 0.6 * glass + 0.4 * tone(rng, MUTED))
            wall.box(x + 0.43, y, x + 0.47, y + 1.4, frame)
    door = rng.uniform(0.3, max(wide - 1.4, 0.4))
    wall.box(door, high - 2.1, door + 1.0, high, tone(rng, STRONG))
    wall.box(0, high - 0.35, wide, high, tone(rng, MUTED, 0.4, 0.7))
    return wall


def _sky(rng: np.random.Generator, wide: float, high: float, detail: float) -> Surface:
    sky = Surface(wide, high, detail, (0.62, 0.74, 0.88))
    white = smoothstep(sky.clouds(rng, high * 0.7, 4, stretch=0.4) * 0.6 + rng.uniform(0, 0.7))
    sky.cover((0.93, 0.94, 0.96), white)
    return sky


def _park(rng: np.random.Generator, view: View) -> Place:
    lawn = Surface(11, 11, view.detail(0.5), np.array([0.33, 0.40, 0.19]) * rng.uniform(0.7, 1.3))
    lawn.rough(rng, 0.16, 1.5, 7)
    blades = rng.standard_normal(lawn.shape, dtype=np.float32)
    lawn.light(1 + 0.35 * cv2.GaussianBlur(blades, (0, 0), 1.0, sigmaY=1.6))
    lawn.cover((0.45, 0.38, 0.28), 0.7 * smoothstep(lawn.clouds(rng, 3.7, 4) - rng.uniform(0.2, 1.0)))
    z = -rng.uniform(4, 8)
    front = _sky(rng, 26.0, 7.0, view.detail(z))
    rise = 7.0 - np.arange(front.shape[0])[:, None] / front.detail  # metres above the ground
    for layer in range(3):
        top = 4.2 - 0.85 * layer + 1.1 * clouds(rng, 2, front.shape[1], cell=front.shape[1] / 10, octaves=5)[0]
        edge = 0.16 * front.clouds(rng, 0.3, 3)
        green = np.array([0.22, 0.29, 0.15]) * rng.uniform(0.8, 1.3) * (1.2 - 0.25 * layer)
        leaves = front.clouds(rng, 1.0, 7, fade=0.7)[..., None]
        front.cover(green * (1 + 0.45 * leaves), smoothstep((top - rise + edge) / 0.05))
    if rng.random() < 0.4:
        plank = tone(rng, MUTED)
        for x in np.arange(0, front.wide, 0.25):
            front.box(x, 5.8, x + 0.12, 7.0, plank * rng.uniform(0.85, 1.1))
    props = []
    for _ in range(rng.integers(1, 5)):
        depth = rng.uniform(z + 0.5, -1.6)
        props.append(tree(rng, rng.uniform(-1.6, 1.6) * view.half_width, depth, view.detail(depth)))
    return Place(_backing(front, z), floor(lawn.picture(), 11), tuple(props), _daylight(rng))


def _room(rng: np.random.Generator, view: View) -> Place:
    ground = Surface(9, 9, view.detail(0.5), np.array([0.50, 0.36, 0.24]) * rng.uniform(0.6, 1.4))
    if rng.random() < 0.6:
        grain = ground.clouds(rng, 0.35, 4, stretch=12).T  # square, so that turning it keeps its size
        ground.light(1 + 0.1 * grain)
        ground.tiles(rng, 1.4, 0.14, 0.006, 0.10)
    else:
        ground.paint[:] = tone(rng, MUTED, 0.5, 1.0)
        ground.rough(rng, 0.08, 0.3, 6)
    z = -rng.uniform(1.8, 3.5)
    wall = Surface(16.0, 4.6, view.detail(z), tone(rng, MUTED, 1.0, 1.25))
    wall.rough(rng, 0.025, 3.0)
    shade = np.linspace(0.85, 1.08, wall.shape[1])
    wall.light(shade if rng.random() < 0.5 else shade[::-1])
    wall.box(0, 4.5, wall.wide, 4.6, tone(rng, MUTED, 0.6, 1.2))
    for _ in range(rng.integers(2, 8)):
        _hang_picture(rng, wall, rng.uniform(0.5, wall.wide - 2), rng.uniform(1.4, 3.2))
    door = rng.uniform(1, wall.wide - 2)
    wall.box(door, 2.5, door + 0.9, 4.6, tone(rng, MUTED, 0.6, 1.2))
    props = []
    for _ in range(rng.integers(0, 4)):
        depth = rng.uniform(z + 0.2, z + 0.8)
        props.append(furniture(rng, rng.uniform(-1.2, 1.2) * view.half_width, depth, view.detail(depth)))
    return Place(_backing(wall, z), floor(ground.picture(), 9), tuple(props), _lamps(rng))


def _hang_picture(rng: np.random.Generator, wall: Surface, x: float, y: float) -> None:
    wide, high = rng.uniform(0.4, 1.5), rng.uniform(0.4, 1.2)
    wall.box(x - 0.05, y - 0.05, x + wide + 0.05, y + high + 0.05, tone(rng, STRONG))
    art = Surface(wide, high, wall.detail, tone(rng, MUTED))
    for _ in range(3):
        art.cover(tone(rng, STRONG + MUTED), smoothstep((art.clouds(rng, high / 2, 3) - 0.3) / 0.2))
    wall.paste(art, x, y)


def _court(rng: np.random.Generator, view: View) -> Place:
    ground = Surface(12, 12, view.detail(0.5), tone(rng, MUTED + STRONG[:5], 0.7, 1.1))
    ground.rough(rng, 0.05, 2.0, 6)
    white = (0.9, 0.9, 0.88)
    for y in (2.0, 5.5, 9.0):
        ground.box(0, y, 12, y + 0.06, white)
    for x in (1.5, 6.2, 10.8):
        ground.box(x, 0, x + 0.06, 12, white)
    middle = (round(6.2 * ground.detail), round(5.5 * ground.detail))
    thick = max(1, round(0.06 * ground.detail))
    cv2.circle(ground.paint, middle, round(1.8 * ground.detail), white, thick, cv2.LINE_AA)
    z = -rng.uniform(3.5, 7)
    wall = Surface(22.0, 6.0, view.detail(z), tone(rng, MUTED))
    wall.rough(rng, 0.05, 1.5)
    wall.tiles(rng, 0.4, 0.2, 0.012, 0.04)
    wall.box(0, 6.0 - rng.uniform(1.2, 2.2), wall.wide, 6.0, tone(rng, MUTED + STRONG))
    for x in np.arange(rng.uniform(0, 2), wall.wide, rng.uniform(2.5, 5)):
        wall.box(x, rng.uniform(1.0, 2.5), x + rng.uniform(0.8, 2), 4.0, tone(rng, STRONG))
    props = []
    for _ in range(rng.integers(0, 3)):
        depth = rng.uniform(z + 0.3, -2)
        props.append(furniture(rng, rng.uniform(-1.3, 1.3) * view.half_width, depth, view.detail(depth)))
    return Place(_backing(wall, z), floor(ground.picture(), 12), tuple(props), _lamps(rng))


_PLACES: tuple[Callable[[np.random.Generator, View], Place], ...] = (_street, _park, _room, _court)
