"""Painting a person: the texture atlas of skin, face, hair and clothes.

The atlas holds one square tile per body part. Its first three channels are colour; the fourth says where cloth
folds rise (mid-grey: flat), which shading multiplies with how much the joint nearby is bent.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from pwarp.synthetic.head import EYE, hairline, head_surface
from pwarp.synthetic.mesh import TILE_COLUMNS, TILES
from pwarp.synthetic.noise import Array, clouds, smoothstep
from pwarp.synthetic.outfit import Colour, Outfit

MARGIN = 3  # pixels of a tile that lie outside u, v = 0..1, so that sampling never bleeds over


def atlas_place(uv: Array, tile: NDArray[np.int64], side: int) -> Array:
    """(V, 2) pixel coordinates of texture coordinates (V, 2) in tiles (V,), in an atlas with tiles of that side."""
    corner = np.stack([tile % TILE_COLUMNS, tile // TILE_COLUMNS], axis=1) * side
    return np.asarray(corner + MARGIN + uv * (side - 1 - 2 * MARGIN), dtype=np.float32)


def paint(rng: np.random.Generator, outfit: Outfit, side: int) -> NDArray[np.uint8]:
    """(rows, columns, 4) RGB and folds of a person; side: pixels along the side of a tile."""
    axis = (np.arange(side) - MARGIN) / (side - 1 - 2 * MARGIN)
    u, v = np.meshgrid(axis, axis)
    rows = -(-len(TILES) // TILE_COLUMNS)
    atlas = np.zeros((rows * side, TILE_COLUMNS * side, 4), np.uint8)
    for number, name in enumerate(TILES):
        colour = _PAINTERS[name.removeprefix("l_").removeprefix("r_")](rng, outfit, u, v)
        folds = clouds(rng, side, side, cell=side / 3.5, octaves=3, stretch=0.4 if "torso" not in name else 0.7)
        tile = np.concatenate([np.clip(colour, 0, 1), np.clip(0.5 + 0.4 * folds, 0, 1)[..., None]], axis=2)
        tile = cv2.GaussianBlur(tile, (0, 0), 0.6)
        y, x = number // TILE_COLUMNS * side, number % TILE_COLUMNS * side
        atlas[y : y + side, x : x + side] = np.round(tile * 255)
    return atlas


def _mix(under: Array, over: Array | Colour, cover: Array) -> Array:
    """Paint `over` on `under` (H, W, 3) where `cover` (H, W) is 1."""
    return np.asarray(under + cover[..., None] * (np.asarray(over, dtype=float) - under))


def _inside(distance: Array, edge: float) -> Array:
    """1 where distance < 0, 0 above `edge`, smooth between."""
    return np.asarray(1 - smoothstep(distance / edge))


def _skin(rng: np.random.Generator, outfit: Outfit, u: Array) -> Array:
    mottle = clouds(rng, *u.shape, cell=u.shape[0] / 3, octaves=4)
    base = np.asarray(outfit.skin) * (1 + 0.05 * mottle[..., None])
    return np.asarray(base + mottle[..., None] * np.array([0.015, -0.005, -0.005]))


def _cloth(rng: np.random.Generator, colour: Colour, u: Array, *, worn: float = 0.06) -> Array:
    """Plain cloth: a little weave, broad creases, wear."""
    size = u.shape[0]
    crease = clouds(rng, size, size, cell=size / 3, octaves=3, stretch=0.6)
    weave = rng.normal(0, 1, u.shape).astype(np.float32)
    light = 1 + worn * crease + 0.02 * cv2.GaussianBlur(weave, (0, 0), 0.8)
    return np.asarray(np.asarray(colour) * light[..., None])


def _patterned(rng: np.random.Generator, outfit: Outfit, u: Array, v: Array, around: float, along: float) -> Array:
    """The cloth of the top. around, along: metres that u and v span."""
    cloth = _cloth(rng, outfit.top, u)
    second = _cloth(rng, outfit.second, u)
    x, y = u * around, v * along
    if outfit.pattern == "stripes":
        pitch = 0.03 + 0.09 * (sum(outfit.second) % 1)
        return _mix(cloth, second, _inside(np.abs(y / pitch % 1 - 0.5) - 0.22, 0.06))
    if outfit.pattern == "bars":
        return _mix(cloth, second, _inside(np.abs(x / 0.07 % 1 - 0.5) - 0.15, 0.06))
    if outfit.pattern == "checks":
        bars = [_inside(np.abs(w / 0.09 % 1 - 0.5) - 0.2, 0.06) for w in (x, y)]
        return _mix(cloth, second, 0.45 * (bars[0] + bars[1]))
    if outfit.pattern == "print":
        return _mix(cloth, second, smoothstep((clouds(rng, *u.shape, cell=u.shape[0] / 5, octaves=2) - 0.2) / 0.15))
    return cloth


def _torso(rng: np.random.Generator, outfit: Outfit, u: Array, v: Array) -> Array:
    cloth = _patterned(rng, outfit, u, v, 1.0, 0.6)
    if outfit.pattern == "yoke":
        cloth = _mix(cloth, _cloth(rng, outfit.second, u), _inside(v - 0.3, 0.02))
    if outfit.pattern == "logo":
        badge = np.hypot((u - 0.5) / 0.085, (v - 0.38) / 0.11) - 1
        cloth = _mix(cloth, outfit.second, _inside(np.abs(badge + 0.3) - 0.3, 0.1))
        cloth = _mix(cloth, outfit.second, _lettering(rng, u.shape[0]))
    if outfit.buttons:
        cloth = _mix(cloth, np.asarray(outfit.top) * 0.55, _inside(np.abs(u - 0.5) - 0.006, 0.006))
        dots = np.hypot((u - 0.512) * 1.0, ((v * 8) % 1 - 0.5) * 0.075) - 0.006
        cloth = _mix(cloth, (0.85, 0.82, 0.75), _inside(dots, 0.004))
    front = np.exp(-(((u - 0.5) / 0.12) ** 2))
    collar = 0.045 + 0.06 * front * (1.6 if outfit.buttons else 1.0)
    cloth = _mix(cloth, np.asarray(outfit.top) * 0.8, _inside(np.abs(v - collar) - 0.012, 0.01))
    cloth = _mix(cloth, _skin(rng, outfit, u), _inside(v - collar, 0.012))
    return _mix(cloth, np.asarray(outfit.top) * 0.72, _inside(0.975 - v, 0.02))


def _lettering(rng: np.random.Generator, side: int) -> Array:
    """(side, side) 0 or 1: a word across the chest, a number on the back."""
    chest, back = np.zeros((side, side), np.uint8), np.zeros((side, side), np.uint8)
    word, number = "".join(rng.choice(list("AEKLMNRSTVXZ"), 4)), str(rng.integers(10, 99))
    font, size, stroke = cv2.FONT_HERSHEY_DUPLEX, side / 256, max(1, side // 96)
    cv2.putText(chest, word, (round(0.37 * side), round(0.62 * side)), font, size, 1, stroke)
    cv2.putText(back, number, (round(0.36 * side), round(0.55 * side)), font, 2 * size, 1, 2 * stroke)
    # u runs from the wearer's left over the front to the right: against the way of reading.
    return np.asarray((chest | np.roll(back, side // 2, axis=1))[:, ::-1], dtype=float)


def _bottom(rng: np.random.Generator, outfit: Outfit, u: Array) -> Array:
    return _cloth(rng, outfit.bottom, u, worn=0.09)


def _pelvis(rng: np.random.Generator, outfit: Outfit, u: Array, v: Array) -> Array:
    cloth = _bottom(rng, outfit, u)
    belt = _inside(np.abs(v - 0.3) - 0.05, 0.02)
    cloth = _mix(cloth, np.asarray(outfit.bottom) * 0.5, 0.8 * belt)
    pockets = _inside(np.abs(np.hypot((np.abs(u - 0.5) - 0.19) / 0.06, (v - 0.42) / 0.16) - 1) - 0.06, 0.08)
    cloth = _mix(cloth, np.asarray(outfit.bottom) * 0.65, 0.7 * pockets)
    return _mix(cloth, np.asarray(outfit.bottom) * 0.7, 0.6 * _inside(np.abs(u - 0.5) - 0.008, 0.01))


def _leg(rng: np.random.Generator, outfit: Outfit, u: Array, v: Array) -> Array:
    skin = _skin(rng, outfit, u)
    skin = _mix(skin, skin * 0.9, 0.5 * np.exp(-(((v - 0.5) / 0.04) ** 2) - ((u - 0.5) / 0.12) ** 2))
    skin = _mix(skin, outfit.socks, _inside(0.9 - v, 0.01))
    if outfit.leg <= 0:
        return skin
    cloth = _bottom(rng, outfit, u)
    cloth *= 1 + 0.10 * np.exp(-(((u - 0.5) / 0.16) ** 2))[..., None]  # faded along the front
    seam = _inside(np.minimum(np.abs(u - 0.25), np.abs(u - 0.75)) - 0.008, 0.01)
    cloth = _mix(cloth, np.asarray(outfit.bottom) * 0.75, 0.6 * seam)
    hem = (2.1 * outfit.leg + 0.1) / 2.18
    cloth = _mix(cloth, np.asarray(outfit.bottom) * 0.8, _inside(np.abs(v - hem + 0.02) - 0.008, 0.008))
    return _mix(skin, cloth, _inside(v - hem, 0.008))


def _arm(rng: np.random.Generator, outfit: Outfit, u: Array, v: Array) -> Array:
    cloth = _patterned(rng, outfit, u, v, 0.32, 0.6)
    if outfit.pattern == "yoke":
        cloth = _mix(cloth, _cloth(rng, outfit.second, u), _inside(v - 0.35, 0.02))
    hem = (1.97 * outfit.sleeve + 0.14) / 2.2
    cloth = _mix(cloth, np.asarray(outfit.top) * 0.72, _inside(np.abs(v - hem + 0.02) - 0.012, 0.01))
    return _mix(_skin(rng, outfit, u), cloth, _inside(v - hem, 0.008))


def _hair(rng: np.random.Generator, outfit: Outfit, u: Array) -> Array:
    size = u.shape[0]
    strands = clouds(rng, size, size, cell=size / 14, octaves=3, stretch=5.0, fade=0.8)
    return np.asarray(np.asarray(outfit.hair) * (1 + 0.32 * strands[..., None]) + 0.015 * strands[..., None])


def _head(rng: np.random.Generator, outfit: Outfit, u: Array, v: Array) -> Array:
    place = head_surface(u, np.clip(v, 0, 1))
    x, y, z = place[..., 0], place[..., 1], place[..., 2]
    side, ahead = np.abs(x), smoothstep(z / 0.02)
    face = _skin(rng, outfit, u)
    skin = np.asarray(outfit.skin)

    def spot(cx: float, cy: float, rx: float, ry: float, edge: float) -> Array:
        distance = np.hypot((side - cx) / rx, (y - cy) / ry) - 1
        return np.asarray(_inside(distance, edge) * ahead)

    face = _mix(face, skin * np.array([1.02, 0.86, 0.84]), 0.6 * spot(0.04, -0.028, 0.02, 0.018, 1.2))  # cheeks
    face = _mix(face, skin * 0.72, 0.55 * spot(EYE[0], EYE[1] + 0.001, 0.019, 0.014, 0.6))  # eye sockets
    face = _mix(face, skin * 0.66, 0.8 * spot(0.008, -0.031, 0.0045, 0.003, 0.6))  # nostrils
    face = _mix(face, skin * 0.78, 0.5 * spot(0.0135, -0.022, 0.004, 0.012, 0.8))  # wings of the nose
    face = _mix(face, skin * 1.1, 0.5 * spot(0.0, -0.008, 0.005, 0.022, 0.8))
    shadow = np.asarray(outfit.hair) * 0.9 + 0.05
    if outfit.beard:
        stubble = smoothstep((clouds(rng, *u.shape, cell=5, octaves=2) + 1.4) / 1.0)
        jaw = np.maximum(
            _inside(y + 0.052, 0.012), _inside(np.abs(y + 0.043) - 0.004, 0.006) * _inside(side - 0.03, 0.01)
        )
        face = _mix(face, shadow, 0.85 * jaw * stubble * smoothstep((z + 0.01) / 0.03))
    lips = skin * np.array([0.86, 0.55, 0.55])
    face = _mix(face, lips, 0.9 * spot(0, -0.062, 0.024, 0.0085, 0.35))
    face = _mix(face, skin * 0.35, 0.9 * spot(0, -0.061, 0.022, 0.0016, 0.6))
    brow = y - EYE[1] - 0.0205 + 0.10 * np.maximum(side - 0.035, 0)
    face = _mix(
        face,
        shadow,
        0.85 * ahead * _inside(np.abs(brow) - 0.0028, 0.002) * _inside(np.abs(side - 0.034) - 0.015, 0.004),
    )
    face = _mix(face, (0.93, 0.92, 0.90), spot(EYE[0], EYE[1], 0.0125, 0.0062, 0.3))
    iris = (0.25, 0.16, 0.10) if sum(outfit.skin) < 2 or rng.random() < 0.6 else (0.28, 0.40, 0.48)
    face = _mix(face, iris, spot(EYE[0], EYE[1], 0.0058, 0.0062, 0.25))
    face = _mix(face, (0.02, 0.02, 0.02), spot(EYE[0], EYE[1], 0.003, 0.003, 0.3))
    lid = _inside(np.abs(np.hypot((side - EYE[0]) / 0.013, (y - EYE[1]) / 0.0068) - 1) - 0.12, 0.12)
    face = _mix(face, skin * 0.28, 0.85 * ahead * lid * smoothstep((y - EYE[1] + 0.001) / 0.003))
    if outfit.glasses:
        rim = _inside(np.abs(np.hypot((side - EYE[0]) / 0.023, (y - EYE[1] + 0.002) / 0.018) - 1) - 0.1, 0.08)
        rim = np.maximum(rim, _inside(np.abs(y - EYE[1] - 0.004) - 0.002, 0.002) * ((side < 0.01) | (side > 0.055)))
        face = _mix(face, (0.08, 0.07, 0.07), 0.9 * rim * smoothstep((z + 0.01) / 0.01))
    edge = 0.004 * clouds(rng, *u.shape, cell=12, octaves=2)
    face = _mix(face, _hair(rng, outfit, u), smoothstep((hairline(place, outfit) + edge + 0.002) / 0.006))
    if outfit.cap is not None:
        cap = _cloth(rng, outfit.cap, u)
        cap = _mix(cap, np.asarray(outfit.cap) * 0.6, _inside(np.abs(y - 0.05) - 0.004, 0.003))
        face = _mix(face, cap, smoothstep((y - 0.043) / 0.004))
    return face


def _neck(rng: np.random.Generator, outfit: Outfit, u: Array, v: Array) -> Array:
    return _skin(rng, outfit, u) * (0.98 - 0.05 * v[..., None])


def _hand(rng: np.random.Generator, outfit: Outfit, u: Array, v: Array) -> Array:
    skin = _skin(rng, outfit, u)
    # Gaps between the fingers, on both sides of the hand.
    gaps = _inside(np.abs((u * 2 % 1 * 4.6 + 0.2) % 1 - 0.5) - 0.06, 0.08) * smoothstep((v - 0.55) / 0.05)
    return _mix(skin, skin * 0.62, 0.8 * gaps)


def _shoe(rng: np.random.Generator, outfit: Outfit, u: Array, v: Array) -> Array:
    leather = _cloth(rng, outfit.shoes, u, worn=0.1)
    low = np.minimum(u, 1 - u)  # 0 under the sole, 0.5 on top
    light = sum(outfit.shoes) < 1.2
    leather = _mix(leather, (0.85, 0.85, 0.83) if light else (0.35, 0.33, 0.32), _inside(low - 0.17, 0.02))
    laces = (
        _inside(np.abs(v * 22 % 1 - 0.5) - 0.2, 0.1) * _inside(np.abs(v - 0.6) - 0.12, 0.02) * _inside(0.42 - low, 0.02)
    )
    leather = _mix(leather, (0.9, 0.9, 0.9) if light else (0.2, 0.2, 0.2), 0.8 * laces)
    return _mix(leather, outfit.socks, _inside(np.hypot((v - 0.32) / 0.12, (0.5 - low) / 0.09) - 1, 0.1))


def _skirt(rng: np.random.Generator, outfit: Outfit, u: Array, v: Array) -> Array:
    cloth = _bottom(rng, outfit, u)
    pleats = 1 + 0.12 * np.sin(2 * np.pi * 11 * u + 0.8 * np.sin(5 * v)) * v
    return np.asarray(cloth * pleats[..., None])


def _mane(rng: np.random.Generator, outfit: Outfit, u: Array, v: Array) -> Array:
    return _hair(rng, outfit, u) * (1.05 - 0.2 * v[..., None])


_PAINTERS = {
    "torso": _torso, "pelvis": _pelvis, "leg": _leg, "arm": _arm, "head": _head, "neck": _neck, "hand": _hand,
    "shoe": _shoe, "skirt": _skirt, "mane": _mane,
}  # fmt: skip
