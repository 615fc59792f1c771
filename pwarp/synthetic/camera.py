"""The camera: a pinhole that pans, zooms, drifts and shakes.

World: x right (seen from the camera's usual place), y up, z towards the camera, metres.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pwarp.synthetic.noise import Array, Wobble


@dataclass(frozen=True)
class Camera:
    """position: (3,) metres. turn: (3, 3), rows are the view's right, up and backwards axes in the world.
    focal: pixels. centre: (x, y) pixel of the optical axis."""

    position: Array
    turn: Array
    focal: float
    centre: tuple[float, float]

    def project(self, points: Array) -> tuple[Array, Array]:
        """Pixels (N, 2) and depths (N,) in metres of world points (N, 3)."""
        view = (points - self.position) @ self.turn.T
        depth = -view[:, 2]
        safe = np.where(np.abs(depth) < 1e-6, 1e-6, depth)
        x = self.centre[0] + self.focal * view[:, 0] / safe
        y = self.centre[1] - self.focal * view[:, 1] / safe
        return np.stack([x, y], axis=1), depth

    def homography(self, corner: Array, right: Array, down: Array) -> Array:
        """(3, 3) from texture pixels (s, t, 1) of a plane to pixels; the third row of its inverse gives 1 / depth.

        corner: (3,) world place of texture pixel (0, 0). right, down: (3,) world steps of one texture pixel.
        """
        lens = np.array(
            [[self.focal, 0, -self.centre[0]], [0, -self.focal, -self.centre[1]], [0, 0, -1.0]],
        )
        return np.asarray(lens @ self.turn @ np.stack([right, down, corner - self.position], axis=1))


class CameraMove:
    """A camera's way through a clip; asked for any time, in any order."""

    def __init__(self, rng: np.random.Generator, width: int, height: int, *, moving: bool) -> None:
        """width, height: pixels of the picture."""
        self._centre = ((width - 1) / 2, (height - 1) / 2)
        self.distance = rng.uniform(4.6, 6.6)
        self._height = rng.uniform(0.9, 1.9)
        # A person in the middle fills this share of the height.
        share = rng.uniform(0.5, 0.72)
        self.focal = share * height * self.distance / 1.75
        style = rng.choice(["pan", "hand", "tripod", "dolly"], p=[0.3, 0.4, 0.15, 0.15])
        amount = {
            # pan (radians), tilt, zoom, drift (metres), shake (radians)
            "pan": (0.12, 0.015, 0.04, 0.03, 0.001),
            "hand": (0.035, 0.02, 0.02, 0.08, 0.0025),
            "tripod": (0.0, 0.0, 0.07, 0.0, 0.0002),
            "dolly": (0.04, 0.01, 0.03, 0.5, 0.001),
        }[str(style)]
        self._amount = amount if moving else (0.0,) * 5
        self._slow = [Wobble(rng, 5.0) for _ in range(6)]
        self._shake = [Wobble(rng, 0.28, waves=5) for _ in range(3)]

    @property
    def half_width(self) -> float:
        """Half of what the picture spans at depth 0, metres."""
        return float(self._centre[0] * self.distance / self.focal)

    def at(self, t: float, shift: tuple[float, float] = (0.0, 0.0)) -> Camera:
        """The camera at a time in seconds; shift: pixels by which the whole picture is moved."""
        pan, tilt, zoom, drift, shake = self._amount
        when = np.array(t)
        slow = [float(w(when)) for w in self._slow]
        jolt = [float(w(when)) for w in self._shake]
        position = np.array(
            [drift * slow[0], self._height + 0.4 * drift * slow[1], self.distance + 0.6 * drift * slow[2]]
        )
        # Looks at the middle of the bodies from wherever it stands, then deviates.
        aim = np.array([0.0, 0.92, 0.0]) - position
        yaw = np.arctan2(-aim[0], -aim[2]) + pan * slow[3] + shake * jolt[0]
        pitch = np.arctan2(aim[1], np.hypot(aim[0], aim[2])) + tilt * slow[4] + shake * jolt[1]
        roll = 2 * shake * jolt[2]
        cy, sy, cp, sp = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch)
        right = np.array([cy, 0.0, -sy])
        up = np.array([sy * sp, cp, cy * sp])
        back = np.array([sy * cp, -sp, cy * cp])
        cr, sr = np.cos(roll), np.sin(roll)
        turn = np.stack([cr * right + sr * up, cr * up - sr * right, back])
        centre = (self._centre[0] + shift[0], self._centre[1] + shift[1])
        return Camera(position, turn, self.focal * float(np.exp(zoom * slow[5])), centre)
