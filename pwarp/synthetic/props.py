"""Things that stand about: trees, cars, furniture, plants, poles.

Each is painted with `detail` pixels per metre and stands with its middle at x, at depth z (metres in the world).
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from pwarp.synthetic.canvas import MUTED, STRONG, Surface, tone
from pwarp.synthetic.noise import Array, Wobble, smoothstep
from pwarp.synthetic.panels import Panel, upright


def tree(rng: np.random.Generator, x: float, z: float, detail: float) -> Panel:
    """A tree whose crown sways."""
    wide, high = rng.uniform(2.2, 4.0), rng.uniform(3.5, 5.5)
    canvas = Surface(wide, high, detail, np.array([0.30, 0.23, 0.16]) * rng.uniform(0.6, 1.3))
    canvas.rough(rng, 0.25, 0.15)
    h, w = canvas.shape
    yy, xx = np.mgrid[0:h, 0:w].astype(np.float32)
    trunk = np.abs(xx - w / 2 - 0.02 * w * np.sin(8 * yy / h)) < (0.025 + 0.03 * yy / h) * w
    crown = 1.15 - np.hypot((xx - w / 2) / (0.46 * w), (yy - 0.33 * h) / (0.36 * h))
    crown = smoothstep((crown + 0.28 * canvas.clouds(rng, wide / 4, 6, fade=0.75) - 0.1) / 0.06)
    leaves = canvas.clouds(rng, wide / 6, 6, fade=0.8)[..., None]
    green = np.array([0.24, 0.32, 0.15]) * rng.uniform(0.7, 1.3)
    canvas.cover(green * (1 + 0.5 * leaves), crown)
    panel = upright(canvas.picture(np.maximum(crown, trunk)), x, z, wide, high)
    return replace(panel, sway=Wobble(rng, 1.6), sway_size=rng.uniform(0.02, 0.08))


def car(rng: np.random.Generator, x: float, z: float, detail: float, speed: float) -> Panel:
    """A car seen from the side, driving at `speed` metres per second."""
    wide, high = 4.2, 1.45
    canvas = Surface(wide, high, detail, tone(rng, STRONG + MUTED))
    h, w = canvas.shape
    canvas.light(np.linspace(1.25, 0.6, h)[:, None])
    mask = np.zeros((h, w), np.uint8)
    outline = [
        (0.02, 0.55),
        (0.2, 0.48),
        (0.32, 0.05),
        (0.7, 0.05),
        (0.84, 0.45),
        (0.98, 0.55),
        (0.99, 0.85),
        (0.01, 0.85),
    ]
    cv2.fillPoly(mask, [np.round(np.array(outline) * (w, h)).astype(np.int32)], 255, cv2.LINE_AA)
    for a, b in ((0.34, 0.5), (0.53, 0.72)):
        glass = np.array([(a, 0.14), (b, 0.14), (b + 0.04 * (a > 0.5), 0.44), (a - 0.06 * (a < 0.5), 0.44)])
        cv2.fillPoly(canvas.paint, [np.round(glass * (w, h)).astype(np.int32)], (0.12, 0.15, 0.18), cv2.LINE_AA)
    for middle in (0.2, 0.79):
        centre = (round(middle * w), round(0.82 * h))
        cv2.circle(canvas.paint, centre, round(0.17 * h), (0.05, 0.05, 0.05), -1, cv2.LINE_AA)
        cv2.circle(canvas.paint, centre, round(0.09 * h), (0.55, 0.55, 0.57), -1, cv2.LINE_AA)
        cv2.circle(mask, centre, round(0.17 * h), 255, -1, cv2.LINE_AA)
    return upright(canvas.picture(mask / 255.0), x, z, wide, high, speed=speed)


def furniture(rng: np.random.Generator, x: float, z: float, detail: float) -> Panel:
    """A shelf or a cabinet."""
    wide, high = rng.uniform(0.5, 2.0), rng.uniform(0.5, 1.9)
    return upright(_drawers(rng, wide, high, detail).picture(), x, z, wide, high)


def _drawers(rng: np.random.Generator, wide: float, high: float, detail: float) -> Surface:
    canvas = Surface(wide, high, detail, tone(rng, MUTED + STRONG))
    canvas.rough(rng, 0.06, 0.4)
    rows = int(rng.integers(1, 4))
    for i in range(rows):
        y = high * i / rows
        canvas.box(0.04, y + 0.04, wide - 0.04, y + high / rows - 0.03, tone(rng, MUTED + STRONG))
    canvas.rough(rng, 0.05, 0.5)
    canvas.light(np.linspace(1.1, 0.85, canvas.shape[1]))
    return canvas


def plant(rng: np.random.Generator, x: float, z: float, detail: float) -> Panel:
    """A plant of long leaves."""
    wide, high = rng.uniform(0.6, 1.3), rng.uniform(0.6, 1.3)
    green = np.array([0.2, 0.34, 0.12]) * rng.uniform(0.6, 1.2)
    canvas = Surface(wide, high, detail, green)
    alpha = np.zeros(canvas.shape, np.uint8)
    for _ in range(90):
        leaf = np.round(_leaf(rng, wide, high) * detail).astype(np.int32)
        light = np.clip(green * rng.uniform(0.5, 1.6), 0, 1)
        cv2.fillPoly(canvas.paint, [leaf], light.tolist(), cv2.LINE_AA)
        cv2.fillPoly(alpha, [leaf], 255, cv2.LINE_AA)
    panel = upright(canvas.picture(alpha / 255.0), x, z, wide, high)
    return replace(panel, sway=Wobble(rng, 1.2), sway_size=0.03)


def _leaf(rng: np.random.Generator, wide: float, high: float) -> Array:
    """(N, 2) outline of a bent blade that grows from the middle of the bottom, metres."""
    root = np.array([wide * rng.uniform(0.42, 0.58), high])
    tip = np.array([wide / 2 + rng.normal(0, 0.22) * wide, high * rng.uniform(0.02, 0.7)])
    bend = (root + tip) / 2 + rng.normal(0, 0.06, 2) * (wide, high)
    t = np.linspace(0, 1, 9)[:, None]
    spine = (1 - t) ** 2 * root + 2 * t * (1 - t) * bend + t**2 * tip
    along = np.gradient(spine, axis=0)
    aside = np.stack([along[:, 1], -along[:, 0]], axis=1)
    aside /= np.maximum(np.linalg.norm(aside, axis=1, keepdims=True), 1e-6)
    half = rng.uniform(0.02, 0.05) * np.sin(np.pi * np.clip(t, 0.08, 0.98)) ** 0.7
    return np.concatenate([spine + aside * half, (spine - aside * half)[::-1]])


def pole(rng: np.random.Generator, x: float, z: float, detail: float) -> Panel:
    """A pole or pillar that reaches out of the picture."""
    wide = rng.uniform(0.08, 0.3)
    canvas = Surface(wide, 4.0, detail, tone(rng, MUTED))
    canvas.rough(rng, 0.08, 0.3)
    round_ = np.sqrt(np.maximum(1 - np.linspace(-0.98, 0.98, canvas.shape[1]) ** 2, 0))
    canvas.light(0.35 + 0.75 * round_)
    return upright(canvas.picture(), x, z, wide, 4.0)


def occluder(rng: np.random.Generator, x: float, detail: float) -> Panel:
    """Something between people and camera: a pole, a plant, a box, or a box that passes by."""
    kind = rng.choice(["pole", "plant", "box", "passing"], p=[0.3, 0.3, 0.2, 0.2])
    z = rng.uniform(0.9, 1.7)
    if kind == "pole":
        return pole(rng, x, z, detail)
    if kind == "plant":
        return plant(rng, x, z, detail)
    wide, high = rng.uniform(0.5, 1.2), rng.uniform(0.45, 0.8)
    speed = rng.uniform(0.4, 1.4) * rng.choice([-1.0, 1.0]) if kind == "passing" else 0.0
    return upright(_drawers(rng, wide, high, detail).picture(), x - speed * 1.5, z, wide, high, speed=speed)
