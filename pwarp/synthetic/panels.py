"""Panels: flat textured things in the world - ground, walls, trees, boxes, poles."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from pwarp.synthetic.camera import Camera
from pwarp.synthetic.noise import Array, Wobble

_NEAREST = 5.0  # 1 / metres; what is nearer to the camera than this is not drawn


@dataclass(frozen=True)
class Panel:
    """A textured rectangle, or an endless plane whose texture is mirrored on and on.

    texture: (h, w, 4) RGB and opacity, uint8. corner: (3,) world place of the texture's top left. right, down:
    (3,) world size of one texture pixel. velocity: (3,) metres per second. sway: sideways shear of the top, as
    in wind, or None; sway_size: metres.
    """

    texture: NDArray[np.uint8]
    corner: Array
    right: Array
    down: Array
    velocity: Array
    endless: bool = False
    sway: Wobble | None = None
    sway_size: float = 0.0

    def draw(self, camera: Camera, t: float, image: NDArray[np.uint8], nearness: NDArray[np.float32]) -> None:
        """Paint into image (H, W, 3) what is nearer than nearness (H, W), the 1 / depth so far; update both."""
        height, width = nearness.shape
        corner, down = self.corner + self.velocity * t, self.down
        if self.sway is not None:
            shear = self.sway_size * float(self.sway(np.array(t))) * np.array([1.0, 0.0, 0.0])
            corner, down = corner + shear, down - shear / self.texture.shape[0]
        matrix = camera.homography(corner, self.right, down)
        if abs(np.linalg.det(matrix)) < 1e-12:
            return
        window = (0, 0, width, height) if self.endless else self._window(matrix, width, height)
        if window is None:
            return
        x0, y0, x1, y1 = window
        a, b, c = np.linalg.inv(matrix)[2]
        near = np.add.outer(b * np.arange(y0, y1) + c, a * np.arange(x0, x1)).astype(np.float32)
        shown = (near > nearness[y0:y1, x0:x1]) & (near < _NEAREST)
        rows = np.flatnonzero(shown.any(axis=1))
        if len(rows) == 0:
            return
        near, shown = near[rows[0] : rows[-1] + 1], shown[rows[0] : rows[-1] + 1]
        y0, y1 = y0 + int(rows[0]), y0 + int(rows[-1]) + 1
        to_window = np.array([[1.0, 0, -x0], [0, 1.0, -y0], [0, 0, 1.0]]) @ matrix
        border = cv2.BORDER_REFLECT_101 if self.endless else cv2.BORDER_CONSTANT
        patch = cv2.warpPerspective(self.texture, to_window, (x1 - x0, y1 - y0), borderMode=border)
        opacity, under = patch[..., 3] * shown, image[y0:y1, x0:x1]
        if self._solid:
            cv2.copyTo(cv2.cvtColor(patch, cv2.COLOR_RGBA2RGB), opacity, under)
        else:
            part = opacity.astype(np.float32)[..., None] / 255
            under[:] = (under + part * (patch[..., :3] - under.astype(np.float32)) + 0.5).astype(np.uint8)
        cv2.copyTo(near, (opacity > 127).astype(np.uint8), nearness[y0:y1, x0:x1])

    @cached_property
    def _solid(self) -> bool:
        """Whether nothing shines through anywhere."""
        return bool((self.texture[..., 3] == 255).all())

    def _window(self, matrix: Array, width: int, height: int) -> tuple[int, int, int, int] | None:
        """The pixels x0, y0, x1, y1 (half-open) that a finite panel may touch; None where it is out of sight."""
        h, w = self.texture.shape[:2]
        corners = matrix @ np.array([[0, w, w, 0], [0, 0, h, h], [1, 1, 1, 1]], dtype=float)
        if (corners[2] < 0.2).any():
            return None
        x, y = corners[0] / corners[2], corners[1] / corners[2]
        x0, y0 = max(int(np.floor(x.min())), 0), max(int(np.floor(y.min())), 0)
        x1, y1 = min(int(np.ceil(x.max())) + 1, width), min(int(np.ceil(y.max())) + 1, height)
        return (x0, y0, x1, y1) if x1 > x0 and y1 > y0 else None


def upright(
    texture: NDArray[np.uint8], x: float, z: float, wide: float, high: float, *, base: float = 0.0, speed: float = 0.0
) -> Panel:
    """A panel that stands parallel to the picture: centred at x, its foot `base` metres above the ground."""
    h, w = texture.shape[:2]
    return Panel(
        texture=texture,
        corner=np.array([x - wide / 2, base + high, z]),
        right=np.array([wide / w, 0.0, 0.0]),
        down=np.array([0.0, -high / h, 0.0]),
        velocity=np.array([speed, 0.0, 0.0]),
    )


def floor(texture: NDArray[np.uint8], size: float) -> Panel:
    """The endless ground, its texture spanning `size` metres from left to right."""
    h, w = texture.shape[:2]
    step = size / w
    return Panel(
        texture=texture,
        corner=np.array([-size / 2, 0.0, -step * h * 0.6]),
        right=np.array([step, 0.0, 0.0]),
        down=np.array([0.0, 0.0, step]),
        velocity=np.zeros(3),
        endless=True,
    )
