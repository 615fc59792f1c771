"""Things that stand about: trees, cars, furniture, plants, poles."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from pwarp.synthetic.canvas import MUTED, STRONG, box, picture, rough, surface, tone
from pwarp.synthetic.noise import Wobble, clouds, smoothstep
from pwarp.synthetic.panels import Panel, upright


def tree(rng: np.random.Generator, x: float, z: float) -> Panel:
    """A tree whose crown sways."""
    wide, high = rng.uniform(2.2, 4.0), rng.uniform(3.5, 5.5)
    paint = surface(wide, high, np.array([0.30, 0.23, 0.16]) * rng.uniform(0.6, 1.3))
    paint = rough(rng, paint, 0.25, 0.15)
    h, w = paint.shape[:2]
    yy, xx = np.mgrid[0:h, 0:w]
    trunk = np.abs(xx - w / 2 - 6 * np.sin(yy / 60)) < (0.025 + 0.03 * yy / h) * w
    crown = 1.15 - np.hypot((xx - w / 2) / (0.46 * w), (yy - 0.33 * h) / (0.36 * h))
    leaf = clouds(rng, h, w, cell=w / 4, octaves=6, fade=0.75)
    crown = smoothstep((crown + 0.28 * leaf - 0.1) / 0.06)
    green = np.array([0.24, 0.32, 0.15]) * rng.uniform(0.7, 1.3)
    light = clouds(rng, h, w, cell=w / 6, octaves=6, fade=0.8)
    paint += crown[..., None] * (green * (1 + 0.5 * light[..., None]) - paint)
    panel = upright(picture(paint, np.maximum(crown, trunk)), x, z, wide, high)
    return replace(panel, sway=Wobble(rng, 1.6), sway_size=rng.uniform(0.02, 0.08))


def car(rng: np.random.Generator, x: float, z: float, speed: float) -> Panel:
    """A car seen from the side, driving at `speed` metres per second."""
    wide, high = 4.2, 1.45
    paint = surface(wide, high, tone(rng, STRONG + MUTED))
    h, w = paint.shape[:2]
    shade = np.linspace(1.25, 0.6, h)[:, None, None]
    paint *= shade
    mask = np.zeros((h, w), np.uint8)
    outline = np.array(
        [(0.02, 0.55), (0.2, 0.48), (0.32, 0.05), (0.7, 0.05), (0.84, 0.45), (0.98, 0.55), (0.99, 0.85), (0.01, 0.85)]
    )
    cv2.fillPoly(mask, [np.round(outline * (w, h)).astype(np.int32)], 255, cv2.LINE_AA)
    for a, b in ((0.34, 0.5), (0.53, 0.72)):
        glass = np.array([(a, 0.14), (b, 0.14), (b + 0.04 * (a > 0.5), 0.44), (a - 0.06 * (a < 0.5), 0.44)])
        cv2.fillPoly(paint, [np.round(glass * (w, h)).astype(np.int32)], (0.12, 0.15, 0.18), cv2.LINE_AA)
    for cx in (0.2, 0.79):
        centre = (round(cx * w), round(0.82 * h))
        cv2.circle(paint, centre, round(0.17 * h), (0.05, 0.05, 0.05), -1, cv2.LINE_AA)
        cv2.circle(paint, centre, round(0.09 * h), (0.55, 0.55, 0.57), -1, cv2.LINE_AA)
        cv2.circle(mask, centre, round(0.17 * h), 255, -1, cv2.LINE_AA)
    return upright(picture(paint, mask / 255.0), x, z, wide, high, speed=speed)


def furniture(rng: np.random.Generator, x: float, z: float) -> Panel:
    """A shelf, cabinet or box."""
    wide, high = rng.uniform(0.5, 2.0), rng.uniform(0.5, 1.9)
    paint = rough(rng, surface(wide, high, tone(rng, MUTED + STRONG)), 0.06, 0.4)
    rows = int(rng.integers(1, 4))
    for i in range(rows):
        y = high * i / rows
        box(paint, 0.04, y + 0.04, wide - 0.04, y + high / rows - 0.03, tone(rng, MUTED + STRONG))
    paint *= np.linspace(1.1, 0.85, paint.shape[1])[None, :, None]
    return upright(picture(paint), x, z, wide, high)


def plant(rng: np.random.Generator, x: float, z: float) -> Panel:
    """A plant of long leaves."""
    wide, high = rng.uniform(0.6, 1.3), rng.uniform(0.6, 1.3)
    paint = surface(wide, high, np.array([0.2, 0.34, 0.12]) * rng.uniform(0.6, 1.2))
    h, w = paint.shape[:2]
    alpha = np.zeros((h, w), np.uint8)
    for _ in range(90):
        root = np.array([w * rng.uniform(0.42, 0.58), h])
        tip = np.array([w / 2 + rng.normal(0, 0.22) * w, h * rng.uniform(0.02, 0.7)])
        bend = (root + tip) / 2 + rng.normal(0, 0.06, 2) * (w, h)
        t = np.linspace(0, 1, 9)[:, None]
        curve = (1 - t) ** 2 * root + 2 * t * (1 - t) * bend + t**2 * tip
        light = rng.uniform(0.5, 1.6)
        green = tuple(float(v) for v in np.clip(paint[0, 0] * light, 0, 1))
        side = np.stack([curve[:, 1] - np.roll(curve[:, 1], 1), np.roll(curve[:, 0], 1) - curve[:, 0]], 1)
        side[0] = side[1]
        side /= np.maximum(np.linalg.norm(side, axis=1, keepdims=True), 1e-6)
        thick = rng.uniform(2.0, 5.0) * np.sin(np.pi * np.clip(t, 0.08, 0.98)) ** 0.7
        blade = np.round(np.concatenate([curve + side * thick, (curve - side * thick)[::-1]])).astype(np.int32)
        cv2.fillPoly(paint, [blade], green, cv2.LINE_AA)
        cv2.fillPoly(alpha, [blade], 255, cv2.LINE_AA)
    panel = upright(picture(paint, alpha / 255.0), x, z, wide, high)
    return replace(panel, sway=Wobble(rng, 1.2), sway_size=0.03)


def pole(rng: np.random.Generator, x: float, z: float) -> Panel:
    """A pole or pillar that reaches out of the picture."""
    wide = rng.uniform(0.08, 0.3)
    paint = rough(rng, surface(wide, 4.0, tone(rng, MUTED)), 0.08, 0.3)
    round_ = np.sqrt(np.maximum(1 - np.linspace(-0.98, 0.98, paint.shape[1]) ** 2, 0))
    paint *= (0.35 + 0.75 * round_)[None, :, None]
    return upright(picture(paint), x, z, wide, 4.0)


def occluder(rng: np.random.Generator, half: float, number: int, count: int) -> Panel:
    """Something between people and camera, or between people: a pole, a plant, a box, a thing that passes by."""
    kind = rng.choice(["pole", "plant", "box", "passing"], p=[0.3, 0.3, 0.2, 0.2])
    x = half * (-0.85 + 1.7 * (number + rng.uniform(0.1, 0.9)) / max(count, 1))
    z = rng.uniform(0.9, 1.7)
    if kind == "pole":
        return pole(rng, x, z)
    if kind == "plant":
        return plant(rng, x, z)
    crate = furniture(rng, x, z)
    high = rng.uniform(0.45, 0.8)
    wide = rng.uniform(0.5, 1.2)
    speed = rng.uniform(0.4, 1.4) * rng.choice([-1.0, 1.0]) if kind == "passing" else 0.0
    return upright(crate.texture, x - speed * 1.5, z, wide, high, speed=speed)
