"""Places: a street, a park, a room, a court - each with ground, wall, props and light."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from pwarp.synthetic.canvas import MUTED, PIXELS_PER_METRE, STRONG, box, picture, rough, surface, tiles, tone
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


def make_place(rng: np.random.Generator, half_width: float, occluders: int) -> Place:
    """A random place. half_width: half of what the picture spans at depth 0, metres."""
    place = _PLACES[rng.integers(len(_PLACES))](rng, half_width)
    nearer = [occluder(rng, half_width, i, occluders) for i in range(occluders)]
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


def _street(rng: np.random.Generator, half: float) -> Place:
    paving = rough(
        rng, surface(11, 11, tone(rng, ((0.5, 0.5, 0.5), (0.52, 0.48, 0.44), (0.4, 0.4, 0.42)))), 0.1, 2.0, 6
    )
    if rng.random() < 0.7:
        size = rng.uniform(0.3, 0.8)
        paving = tiles(rng, paving, (size, size * rng.uniform(0.5, 1)), 0.012, 0.05)
    wide, high = 26.0, 7.0
    front = _sky(rng, wide, high)
    x = 0.0
    while x < wide:
        house = _house(rng, rng.uniform(3.5, 8), high - rng.uniform(0.0, 1.8))
        left = round(x * PIXELS_PER_METRE)
        house = house[:, : front.shape[1] - left]
        front[front.shape[0] - house.shape[0] :, left : left + house.shape[1]] = house
        x += house.shape[1] / PIXELS_PER_METRE
    z = -rng.uniform(3, 7)
    props = [tree(rng, rng.uniform(-half, half), rng.uniform(z + 0.5, -2)) for _ in range(rng.integers(0, 3))]
    if rng.random() < 0.6:
        direction = rng.choice([-1.0, 1.0])
        speed = rng.uniform(1.5, 5) * direction if rng.random() < 0.7 else 0.0
        props.append(car(rng, -direction * rng.uniform(0, 6), rng.uniform(z + 0.4, -2.2), speed))
    return Place(upright(picture(front), 0, z, wide, high), floor(picture(paving), 11), tuple(props), _daylight(rng))


def _house(rng: np.random.Generator, wide: float, high: float) -> Array:
    wall = rough(rng, surface(wide, high, tone(rng, MUTED)), 0.07, 1.0)
    if rng.random() < 0.4:
        wall = tiles(rng, wall, (0.26, 0.1), 0.01, 0.06)
    pane, frame = np.array([0.16, 0.19, 0.22]), tone(rng, ((0.9, 0.9, 0.88), (0.3, 0.22, 0.16), (0.5, 0.5, 0.5)))
    pitch, level = rng.uniform(1.3, 2.2), rng.uniform(2.3, 2.9)
    for y in np.arange(high - level * 2 + 0.3, high - 1, level):
        for x in np.arange(0.4, wide - 1.1, pitch):
            box(wall, x - 0.06, y - 0.06, x + 0.96, y + 1.46, frame)
            glass = pane * rng.uniform(0.7, 2.2)
            box(wall, x, y, x + 0.9, y + 1.4, glass)
            if rng.random() < 0.4:  # a curtain, or the sky in the glass
                box(wall, x, y, x + rng.uniform(0.2, 0.9), y + 1.4, 0.6 * glass + 0.4 * tone(rng, MUTED))
            box(wall, x + 0.43, y, x + 0.47, y + 1.4, frame)
    door = rng.uniform(0.3, max(wide - 1.4, 0.4))
    box(wall, door, high - 2.1, door + 1.0, high, tone(rng, STRONG))
    box(wall, 0, high - 0.35, wide, high, tone(rng, MUTED, 0.4, 0.7))
    return wall


def _sky(rng: np.random.Generator, wide: float, high: float) -> Array:
    blue = surface(wide, high, (0.62, 0.74, 0.88))
    h, w = blue.shape[:2]
    white = smoothstep(clouds(rng, h, w, cell=h * 0.7, octaves=4, stretch=0.4) * 0.6 + rng.uniform(0, 0.7))
    return np.asarray(blue + white[..., None] * (np.array([0.93, 0.94, 0.96]) - blue))


def _park(rng: np.random.Generator, half: float) -> Place:
    lawn = rough(rng, surface(11, 11, np.array([0.33, 0.40, 0.19]) * rng.uniform(0.7, 1.3)), 0.16, 1.5, 7)
    h, w = lawn.shape[:2]
    blades = cv2.GaussianBlur(rng.normal(0, 1, (h, w)).astype(np.float32), (0, 0), 1.0, sigmaY=1.6)
    lawn *= (1 + 0.35 * blades)[..., None]
    worn = 0.7 * smoothstep(clouds(rng, h, w, cell=h / 3) - rng.uniform(0.2, 1.0))[..., None]
    lawn += worn * (np.array([0.45, 0.38, 0.28]) - lawn)
    wide, high = 26.0, 7.0
    front = _sky(rng, wide, high)
    h, w = front.shape[:2]
    for layer in range(3):
        ridge = (0.60 - 0.12 * layer) * h + 0.16 * h * clouds(rng, 2, w, cell=w / 10, octaves=5)[0]
        leaves = clouds(rng, h, w, cell=h / 7, octaves=7, fade=0.7)
        edge = 14 * clouds(rng, h, w, cell=26, octaves=3)
        cover = smoothstep((np.arange(h)[:, None] + edge - (h - ridge[None, :])) / 4)
        green = np.array([0.22, 0.29, 0.15]) * rng.uniform(0.8, 1.3) * (1.2 - 0.25 * layer)
        front += cover[..., None] * (green * (1 + 0.45 * leaves[..., None]) - front)
    if rng.random() < 0.4:
        plank = tone(rng, MUTED)
        for x in np.arange(0, wide, 0.25):
            box(front, x, high - 1.2, x + 0.12, high, plank * rng.uniform(0.85, 1.1))
    z = -rng.uniform(4, 8)
    props = [tree(rng, rng.uniform(-1.6, 1.6) * half, rng.uniform(z + 0.5, -1.6)) for _ in range(rng.integers(1, 5))]
    return Place(upright(picture(front), 0, z, wide, high), floor(picture(lawn), 11), tuple(props), _daylight(rng))


def _room(rng: np.random.Generator, half: float) -> Place:
    if rng.random() < 0.6:
        planks = surface(9, 9, np.array([0.50, 0.36, 0.24]) * rng.uniform(0.6, 1.4))
        h, w = planks.shape[:2]
        grain = clouds(rng, w, h, cell=30, octaves=4, stretch=12).T
        ground = tiles(rng, planks * (1 + 0.1 * grain[..., None]), (1.4, 0.14), 0.006, 0.10)
    else:
        ground = rough(rng, surface(9, 9, tone(rng, MUTED, 0.5, 1.0)), 0.08, 0.3, 6)
    wide, high = 16.0, 4.6
    wall = rough(rng, surface(wide, high, tone(rng, MUTED, 1.0, 1.25)), 0.025, 3.0)
    shade = np.linspace(0.85, 1.08, wall.shape[1])[None, :, None]
    wall *= shade if rng.random() < 0.5 else shade[:, ::-1]
    box(wall, 0, high - 0.1, wide, high, tone(rng, MUTED, 0.6, 1.2))
    for _ in range(rng.integers(2, 8)):
        _hang_picture(rng, wall, rng.uniform(0.5, wide - 2), rng.uniform(1.4, 3.2))
    door = rng.uniform(1, wide - 2)
    box(wall, door, high - 2.1, door + 0.9, high, tone(rng, MUTED, 0.6, 1.2))
    z = -rng.uniform(1.8, 3.5)
    places = [(rng.uniform(-1.2, 1.2) * half, rng.uniform(z + 0.2, z + 0.8)) for _ in range(rng.integers(0, 4))]
    props = tuple(furniture(rng, *place) for place in places)
    return Place(upright(picture(wall), 0, z, wide, high), floor(picture(ground), 9), props, _lamps(rng))


def _hang_picture(rng: np.random.Generator, wall: Array, x: float, y: float) -> None:
    wide, high = rng.uniform(0.4, 1.5), rng.uniform(0.4, 1.2)
    box(wall, x - 0.05, y - 0.05, x + wide + 0.05, y + high + 0.05, tone(rng, STRONG))
    art = surface(wide, high, tone(rng, MUTED))
    for _ in range(3):
        cover = smoothstep((clouds(rng, *art.shape[:2], cell=art.shape[0] / 2, octaves=3) - 0.3) / 0.2)
        art += cover[..., None] * (tone(rng, STRONG + MUTED) - art)
    a, b = round(x * PIXELS_PER_METRE), round(y * PIXELS_PER_METRE)
    art = art[: wall.shape[0] - b, : wall.shape[1] - a]
    wall[b : b + art.shape[0], a : a + art.shape[1]] = art


def _court(rng: np.random.Generator, half: float) -> Place:
    ground = rough(rng, surface(12, 12, tone(rng, MUTED + STRONG[:5], 0.7, 1.1)), 0.05, 2.0, 6)
    white = np.array([0.9, 0.9, 0.88])
    for y in (2.0, 5.5, 9.0):
        box(ground, 0, y, 12, y + 0.06, white)
    for x in (1.5, 6.2, 10.8):
        box(ground, x, 0, x + 0.06, 12, white)
    middle = (round(6.2 * PIXELS_PER_METRE), round(5.5 * PIXELS_PER_METRE))
    cv2.circle(ground, middle, round(1.8 * PIXELS_PER_METRE), (0.9, 0.9, 0.88), 6, cv2.LINE_AA)
    wide, high = 22.0, 6.0
    wall = tiles(rng, rough(rng, surface(wide, high, tone(rng, MUTED)), 0.05, 1.5), (0.4, 0.2), 0.012, 0.04)
    box(wall, 0, high - rng.uniform(1.2, 2.2), wide, high, tone(rng, MUTED + STRONG))
    for x in np.arange(rng.uniform(0, 2), wide, rng.uniform(2.5, 5)):
        box(wall, x, rng.uniform(1.0, 2.5), x + rng.uniform(0.8, 2), 4.0, tone(rng, STRONG))
    z = -rng.uniform(3.5, 7)
    places = [(rng.uniform(-1.3, 1.3) * half, rng.uniform(z + 0.3, -2)) for _ in range(rng.integers(0, 3))]
    props = tuple(furniture(rng, *place) for place in places)
    return Place(upright(picture(wall), 0, z, wide, high), floor(picture(ground), 12), props, _lamps(rng))


_PLACES: tuple[Callable[[np.random.Generator, float], Place], ...] = (_street, _park, _room, _court)
