"""The world around the people: places with ground, walls and props, light, and things that stand in the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from pwarp.synthetic.noise import Array, Wobble, clouds, smoothstep
from pwarp.synthetic.panels import Panel, floor, upright

Picture = NDArray[np.uint8]
_PIXELS_PER_METRE = 90.0


@dataclass(frozen=True)
class Light:
    """towards: (3,) unit vector to the sun or lamp. sun, sky, ground: RGB strengths. shadow: 0..1 how dark the
    cast shadow is; softness: metres over which its edge fades."""

    towards: Array
    sun: Array
    sky: Array
    ground: Array
    shadow: float
    softness: float


@dataclass(frozen=True)
class Backdrop:
    """ground: the floor; panels: everything else but people, far to near; sky: RGB of what is behind it all."""

    ground: Panel
    panels: tuple[Panel, ...]
    sky: Array
    light: Light


def make(rng: np.random.Generator, half_width: float, occluders: int) -> Backdrop:
    """A random place. half_width: half of what the picture spans at depth 0, metres."""
    place = _PLACES[rng.integers(len(_PLACES))]
    ground, wall, props, light = place(rng, half_width)
    nearer = [_occluder(rng, half_width, i, occluders) for i in range(occluders)]
    panels = sorted([*props, *nearer], key=lambda p: float(p.corner[2]))
    return Backdrop(ground, (*wall, *panels), np.array([200.0, 215.0, 230.0]), light)


def _picture(colour: Array, opacity: Array | float = 1.0) -> Picture:
    """(h, w, 4) from RGB 0..1 (h, w, 3) and opacity 0..1."""
    alpha = np.broadcast_to(np.asarray(opacity, dtype=float), colour.shape[:2])
    return np.round(np.clip(np.concatenate([colour, alpha[..., None]], axis=2), 0, 1) * 255).astype(np.uint8)


def _field(wide: float, high: float, colour: Array | tuple[float, float, float]) -> Array:
    """A plain canvas of that many metres."""
    size = (max(8, round(high * _PIXELS_PER_METRE)), max(8, round(wide * _PIXELS_PER_METRE)), 3)
    return np.asarray(np.ones(size) * np.asarray(colour))


def _rough(rng: np.random.Generator, canvas: Array, amount: float, cell: float, octaves: int = 5) -> Array:
    """The canvas with clouds of light and dark; cell: metres."""
    h, w = canvas.shape[:2]
    return np.asarray(
        canvas * (1 + amount * clouds(rng, h, w, cell=cell * _PIXELS_PER_METRE, octaves=octaves)[..., None])
    )


def _tone(rng: np.random.Generator, low: float, high: float, colourful: float = 0.12) -> Array:
    return np.asarray(np.clip(rng.uniform(low, high) + rng.normal(0, colourful / 2, 3), 0.02, 0.98))


def _box(canvas: Array, x0: float, y0: float, x1: float, y1: float, colour: Array) -> None:
    """Fill a rectangle given in metres from the canvas's top left."""
    a, b, c, d = (round(v * _PIXELS_PER_METRE) for v in (x0, y0, x1, y1))
    canvas[max(b, 0) : max(d, 0), max(a, 0) : max(c, 0)] = colour


def _light(rng: np.random.Generator, *, outdoors: bool) -> Light:
    side, ahead = rng.uniform(-1, 1), rng.uniform(-0.1, 0.9)
    towards = np.array([side, rng.uniform(0.6, 1.4), ahead])
    towards /= np.linalg.norm(towards)
    if outdoors:
        overcast = rng.uniform(0, 1)
        return Light(
            towards,
            np.array([1.0, 0.95, 0.86]) * (0.85 - 0.6 * overcast),
            np.array([0.44, 0.48, 0.54]) * (0.85 + 0.65 * overcast),
            np.array([0.24, 0.23, 0.20]),
            shadow=0.55 - 0.3 * overcast,
            softness=0.03 + 0.2 * overcast,
        )
    return Light(
        towards,
        np.array([0.62, 0.57, 0.48]) * rng.uniform(0.7, 1.1),
        np.array([0.46, 0.45, 0.43]),
        np.array([0.26, 0.24, 0.21]),
        shadow=0.35,
        softness=0.16,
    )


def _tiles(rng: np.random.Generator, canvas: Array, pitch: tuple[float, float], gap: float, vary: float) -> Array:
    """Tiles, bricks or planks of pitch (across, down) metres, every other row shifted."""
    h, w = canvas.shape[:2]
    y, x = np.mgrid[0:h, 0:w] / _PIXELS_PER_METRE
    row = np.floor(y / pitch[1]).astype(int)
    shifted = x / pitch[0] + 0.5 * (row % 2)
    column = np.floor(shifted).astype(int)
    tint = rng.normal(0, vary, (row.max() + 1, column.max() + 1))[row, column]
    edge = np.minimum(
        np.minimum(shifted % 1, 1 - shifted % 1) * pitch[0],
        np.minimum(y / pitch[1] % 1, 1 - y / pitch[1] % 1) * pitch[1],
    )
    joint = 1 - smoothstep(edge / gap)
    return np.asarray(canvas * (1 + tint[..., None]) * (1 - 0.35 * joint[..., None]))


Place = tuple[Panel, list[Panel], list[Panel], Light]


def _street(rng: np.random.Generator, half: float) -> Place:
    ground = _rough(rng, _field(11, 11, _tone(rng, 0.35, 0.6, 0.05)), 0.10, 2.0, 6)
    if rng.random() < 0.7:
        size = rng.uniform(0.3, 0.8)
        ground = _tiles(rng, ground, (size, size * rng.uniform(0.5, 1)), 0.012, 0.05)
    wide, high = 26.0, 7.0
    front = _sky(rng, wide, high)
    x = 0.0
    while x < wide:
        house = rng.uniform(3.5, 8)
        top = rng.uniform(0.0, 1.8)
        wall = _rough(rng, _field(house, high - top, _tone(rng, 0.3, 0.8)), 0.07, 1.0)
        if rng.random() < 0.4:
            wall = _tiles(rng, wall, (0.26, 0.1), 0.01, 0.06)
        pane = _tone(rng, 0.1, 0.35)
        frame = _tone(rng, 0.4, 0.95)
        pitch, level = rng.uniform(1.3, 2.2), rng.uniform(2.3, 2.9)
        for wy in np.arange(high - top - level * 2 + 0.3, high - top - 1, level):
            for wx in np.arange(0.4, house - 1.1, pitch):
                _box(wall, wx - 0.06, wy - 0.06, wx + 0.96, wy + 1.46, frame)
                _box(wall, wx, wy, wx + 0.9, wy + 1.4, pane * rng.uniform(0.7, 1.5))
                _box(wall, wx + 0.43, wy, wx + 0.47, wy + 1.4, frame)
        door = rng.uniform(0.3, max(house - 1.4, 0.4))
        _box(wall, door, high - top - 2.1, door + 1.0, high - top, _tone(rng, 0.1, 0.5, 0.3))
        _box(wall, 0, high - top - 0.35, house, high - top, _tone(rng, 0.2, 0.5))
        a = round(x * _PIXELS_PER_METRE)
        wall = wall[:, : max(front.shape[1] - a, 0)]
        front[front.shape[0] - wall.shape[0] :, a : a + wall.shape[1]] = wall
        x += house
    z = -rng.uniform(3, 7)
    props = [_tree(rng, rng.uniform(-half, half), rng.uniform(z + 0.5, -2)) for _ in range(rng.integers(0, 3))]
    if rng.random() < 0.6:
        direction = rng.choice([-1.0, 1.0])
        speed = rng.uniform(1.5, 5) * direction if rng.random() < 0.7 else 0.0
        props.append(_car(rng, -direction * rng.uniform(0, 6), rng.uniform(z + 0.4, -2.2), speed))
    return floor(_picture(ground), 11), [upright(_picture(front), 0, z, wide, high)], props, _light(rng, outdoors=True)


def _sky(rng: np.random.Generator, wide: float, high: float) -> Array:
    canvas = _field(wide, high, (0.62, 0.74, 0.88))
    h, w = canvas.shape[:2]
    white = smoothstep(clouds(rng, h, w, cell=h * 0.7, octaves=4, stretch=0.4) * 0.6 + rng.uniform(0, 0.7))
    return np.asarray(canvas + white[..., None] * (np.array([0.93, 0.94, 0.96]) - canvas))


def _park(rng: np.random.Generator, half: float) -> Place:
    green = np.array([0.30, 0.40, 0.16]) * rng.uniform(0.7, 1.3)
    ground = _rough(rng, _field(11, 11, green), 0.16, 1.5, 7)
    h, w = ground.shape[:2]
    blades = cv2.GaussianBlur(rng.normal(0, 1, (h, w)).astype(np.float32), (0, 0), 1.0, sigmaY=1.6)
    ground *= (1 + 0.35 * blades)[..., None]
    worn = smoothstep(clouds(rng, h, w, cell=h / 3) - rng.uniform(0.3, 1.2))[..., None]
    ground = ground * (1 - 0.7 * worn) + 0.7 * worn * np.array([0.45, 0.38, 0.28])
    wide, high = 26.0, 7.0
    front = _sky(rng, wide, high)
    h, w = front.shape[:2]
    for layer in range(3):
        ridge = (0.55 - 0.12 * layer) * h + 0.16 * h * clouds(rng, 2, w, cell=w / 10, octaves=5)[0]
        leaves = clouds(rng, h, w, cell=h / 7, octaves=6)
        edge = 14 * clouds(rng, h, w, cell=26, octaves=3)
        mask = smoothstep((np.arange(h)[:, None] + edge - (h - ridge[None, :])) / 4)
        tone = np.array([0.20, 0.29, 0.13]) * rng.uniform(0.8, 1.2) * (1.15 - 0.25 * layer)
        front += mask[..., None] * (tone * (1 + 0.45 * leaves[..., None]) - front)
    if rng.random() < 0.4:
        fence = _tone(rng, 0.3, 0.7)
        for x in np.arange(0, wide, 0.25):
            _box(front, x, high - 1.2, x + 0.12, high, fence * rng.uniform(0.85, 1.1))
    z = -rng.uniform(4, 8)
    props = [_tree(rng, rng.uniform(-1.6, 1.6) * half, rng.uniform(z + 0.5, -1.6)) for _ in range(rng.integers(1, 5))]
    return floor(_picture(ground), 11), [upright(_picture(front), 0, z, wide, high)], props, _light(rng, outdoors=True)


def _room(rng: np.random.Generator, half: float) -> Place:
    ground = _field(9, 9, np.array([0.50, 0.36, 0.24]) * rng.uniform(0.6, 1.4))
    if rng.random() < 0.6:
        h, w = ground.shape[:2]
        grain = clouds(rng, w, h, cell=30, octaves=4, stretch=12).T
        ground = _tiles(rng, ground * (1 + 0.1 * grain[..., None]), (1.4, 0.14), 0.006, 0.10)
    else:
        ground = _rough(rng, _field(9, 9, _tone(rng, 0.2, 0.6, 0.15)), 0.08, 0.3, 6)
    wide, high = 16.0, 4.6
    wall = _rough(rng, _field(wide, high, _tone(rng, 0.5, 0.9)), 0.025, 3.0)
    shade = np.linspace(0.85, 1.08, wall.shape[1])[None, :, None]
    wall *= shade if rng.random() < 0.5 else shade[:, ::-1]
    _box(wall, 0, high - 0.1, wide, high, _tone(rng, 0.4, 0.95, 0.04))
    for _ in range(rng.integers(2, 8)):
        x, y = rng.uniform(0.5, wide - 2), rng.uniform(1.4, 3.2)
        w, h = rng.uniform(0.4, 1.5), rng.uniform(0.4, 1.2)
        _box(wall, x - 0.05, y - 0.05, x + w + 0.05, y + h + 0.05, _tone(rng, 0.05, 0.9))
        art = _field(w, h, _tone(rng, 0.2, 0.8, 0.4))
        tint = clouds(rng, art.shape[0], art.shape[1], cell=art.shape[0] / 2, octaves=4)[..., None]
        art = art + tint * rng.normal(0, 0.2, 3)
        a, b = round(x * _PIXELS_PER_METRE), round(y * _PIXELS_PER_METRE)
        art = art[: wall.shape[0] - b, : wall.shape[1] - a]
        wall[b : b + art.shape[0], a : a + art.shape[1]] = art
    door = rng.uniform(1, wide - 2)
    _box(wall, door, high - 2.1, door + 0.9, high, _tone(rng, 0.3, 0.9, 0.2))
    z = -rng.uniform(1.8, 3.5)
    props = [
        _furniture(rng, rng.uniform(-1.2, 1.2) * half, rng.uniform(z + 0.2, z + 0.8)) for _ in range(rng.integers(0, 4))
    ]
    return floor(_picture(ground), 9), [upright(_picture(wall), 0, z, wide, high)], props, _light(rng, outdoors=False)


def _court(rng: np.random.Generator, half: float) -> Place:
    ground = _rough(rng, _field(12, 12, _tone(rng, 0.3, 0.6, 0.25)), 0.05, 2.0, 6)
    line = np.array([0.9, 0.9, 0.88])
    for y in (2.0, 5.5, 9.0):
        _box(ground, 0, y, 12, y + 0.06, line)
    for x in (1.5, 6.2, 10.8):
        _box(ground, x, 0, x + 0.06, 12, line)
    scale = _PIXELS_PER_METRE
    cv2.circle(ground, (round(6.2 * scale), round(5.5 * scale)), round(1.8 * scale), (0.9, 0.9, 0.88), 6, cv2.LINE_AA)
    wide, high = 22.0, 6.0
    wall = _tiles(rng, _rough(rng, _field(wide, high, _tone(rng, 0.35, 0.75)), 0.05, 1.5), (0.4, 0.2), 0.012, 0.04)
    _box(wall, 0, high - rng.uniform(1.2, 2.2), wide, high, _tone(rng, 0.15, 0.6, 0.3))
    for x in np.arange(rng.uniform(0, 2), wide, rng.uniform(2.5, 5)):
        _box(wall, x, rng.uniform(1.0, 2.5), x + rng.uniform(0.8, 2), 4.0, _tone(rng, 0.1, 0.9, 0.4))
    z = -rng.uniform(3.5, 7)
    props = [
        _furniture(rng, rng.uniform(-1.3, 1.3) * half, rng.uniform(z + 0.3, -2)) for _ in range(rng.integers(0, 3))
    ]
    return floor(_picture(ground), 12), [upright(_picture(wall), 0, z, wide, high)], props, _light(rng, outdoors=False)


_PLACES: tuple[Callable[[np.random.Generator, float], Place], ...] = (_street, _park, _room, _court)


def _tree(rng: np.random.Generator, x: float, z: float) -> Panel:
    wide, high = rng.uniform(2.2, 4.0), rng.uniform(3.5, 5.5)
    canvas = _field(wide, high, np.array([0.30, 0.23, 0.16]) * rng.uniform(0.6, 1.3))
    canvas = _rough(rng, canvas, 0.25, 0.15)
    h, w = canvas.shape[:2]
    yy, xx = np.mgrid[0:h, 0:w]
    trunk = np.abs(xx - w / 2 - 6 * np.sin(yy / 60)) < (0.025 + 0.03 * yy / h) * w
    crown = 1.15 - np.hypot((xx - w / 2) / (0.46 * w), (yy - 0.33 * h) / (0.36 * h))
    leaf = clouds(rng, h, w, cell=w / 4, octaves=6, fade=0.75)
    crown = smoothstep((crown + 0.28 * leaf - 0.1) / 0.06)
    tone = np.array([0.22, 0.33, 0.12]) * rng.uniform(0.7, 1.3)
    light = clouds(rng, h, w, cell=w / 6, octaves=6, fade=0.8)
    canvas += crown[..., None] * (tone * (1 + 0.5 * light[..., None]) - canvas)
    panel = upright(_picture(canvas, np.maximum(crown, trunk)), x, z, wide, high)
    return replace(panel, sway=Wobble(rng, 1.6), sway_size=rng.uniform(0.02, 0.08))


def _car(rng: np.random.Generator, x: float, z: float, speed: float) -> Panel:
    wide, high = 4.2, 1.45
    body = _tone(rng, 0.1, 0.8, 0.5)
    canvas = _field(wide, high, body)
    h, w = canvas.shape[:2]
    shade = np.linspace(1.25, 0.6, h)[:, None, None]
    canvas *= shade
    mask = np.zeros((h, w), np.uint8)
    outline = np.array(
        [(0.02, 0.55), (0.2, 0.48), (0.32, 0.05), (0.7, 0.05), (0.84, 0.45), (0.98, 0.55), (0.99, 0.85), (0.01, 0.85)]
    )
    cv2.fillPoly(mask, [np.round(outline * (w, h)).astype(np.int32)], 255, cv2.LINE_AA)
    for a, b in ((0.34, 0.5), (0.53, 0.72)):
        glass = np.array([(a, 0.14), (b, 0.14), (b + 0.04 * (a > 0.5), 0.44), (a - 0.06 * (a < 0.5), 0.44)])
        cv2.fillPoly(canvas, [np.round(glass * (w, h)).astype(np.int32)], (0.12, 0.15, 0.18), cv2.LINE_AA)
    for cx in (0.2, 0.79):
        centre = (round(cx * w), round(0.82 * h))
        cv2.circle(canvas, centre, round(0.17 * h), (0.05, 0.05, 0.05), -1, cv2.LINE_AA)
        cv2.circle(canvas, centre, round(0.09 * h), (0.55, 0.55, 0.57), -1, cv2.LINE_AA)
        cv2.circle(mask, centre, round(0.17 * h), 255, -1, cv2.LINE_AA)
    return upright(_picture(canvas, mask / 255.0), x, z, wide, high, speed=speed)


def _furniture(rng: np.random.Generator, x: float, z: float) -> Panel:
    wide, high = rng.uniform(0.5, 2.0), rng.uniform(0.5, 1.9)
    canvas = _rough(rng, _field(wide, high, _tone(rng, 0.15, 0.8, 0.25)), 0.06, 0.4)
    rows = int(rng.integers(1, 4))
    for i in range(rows):
        y = high * i / rows
        _box(canvas, 0.04, y + 0.04, wide - 0.04, y + high / rows - 0.03, _tone(rng, 0.1, 0.8, 0.25))
    canvas *= np.linspace(1.1, 0.85, canvas.shape[1])[None, :, None]
    return upright(_picture(canvas), x, z, wide, high)


def _plant(rng: np.random.Generator, x: float, z: float) -> Panel:
    wide, high = rng.uniform(0.6, 1.3), rng.uniform(0.6, 1.3)
    canvas = _field(wide, high, np.array([0.2, 0.34, 0.12]) * rng.uniform(0.6, 1.2))
    h, w = canvas.shape[:2]
    alpha = np.zeros((h, w), np.uint8)
    for _ in range(90):
        root = np.array([w * rng.uniform(0.42, 0.58), h])
        tip = np.array([w / 2 + rng.normal(0, 0.22) * w, h * rng.uniform(0.02, 0.7)])
        bend = (root + tip) / 2 + rng.normal(0, 0.06, 2) * (w, h)
        t = np.linspace(0, 1, 9)[:, None]
        curve = (1 - t) ** 2 * root + 2 * t * (1 - t) * bend + t**2 * tip
        light = rng.uniform(0.5, 1.6)
        tone = tuple(float(v) for v in np.clip(canvas[0, 0] * light, 0, 1))
        side = np.stack([curve[:, 1] - np.roll(curve[:, 1], 1), np.roll(curve[:, 0], 1) - curve[:, 0]], 1)
        side[0] = side[1]
        side /= np.maximum(np.linalg.norm(side, axis=1, keepdims=True), 1e-6)
        thick = rng.uniform(2.0, 5.0) * np.sin(np.pi * np.clip(t, 0.08, 0.98)) ** 0.7
        blade = np.round(np.concatenate([curve + side * thick, (curve - side * thick)[::-1]])).astype(np.int32)
        cv2.fillPoly(canvas, [blade], tone, cv2.LINE_AA)
        cv2.fillPoly(alpha, [blade], 255, cv2.LINE_AA)
    panel = upright(_picture(canvas, alpha / 255.0), x, z, wide, high)
    return replace(panel, sway=Wobble(rng, 1.2), sway_size=0.03)


def _pole(rng: np.random.Generator, x: float, z: float) -> Panel:
    wide = rng.uniform(0.08, 0.3)
    canvas = _rough(rng, _field(wide, 4.0, _tone(rng, 0.2, 0.8)), 0.08, 0.3)
    round_ = np.sqrt(np.maximum(1 - np.linspace(-0.98, 0.98, canvas.shape[1]) ** 2, 0))
    canvas *= (0.35 + 0.75 * round_)[None, :, None]
    return upright(_picture(canvas), x, z, wide, 4.0)


def _occluder(rng: np.random.Generator, half: float, number: int, count: int) -> Panel:
    """Something between people and camera, or between people: a pole, a plant, a box, a thing that passes by."""
    kind = rng.choice(["pole", "plant", "box", "passing"], p=[0.3, 0.3, 0.2, 0.2])
    x = half * (-0.85 + 1.7 * (number + rng.uniform(0.1, 0.9)) / max(count, 1))
    z = rng.uniform(0.9, 1.7)
    if kind == "pole":
        return _pole(rng, x, z)
    if kind == "plant":
        return _plant(rng, x, z)
    box = _furniture(rng, x, z)
    high = rng.uniform(0.45, 0.8)
    wide = rng.uniform(0.5, 1.2)
    speed = rng.uniform(0.4, 1.4) * rng.choice([-1.0, 1.0]) if kind == "passing" else 0.0
    return upright(box.texture, x - speed * 1.5, z, wide, high, speed=speed)
