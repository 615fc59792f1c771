"""A scene: people, world and camera of one clip, its frames and its exact truth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from pwarp.annotations import Annotations
from pwarp.errors import PwarpError, UsageError
from pwarp.synthetic.actor import Actor, Stage
from pwarp.synthetic.camera import CameraMove
from pwarp.synthetic.motions import MOTIONS
from pwarp.synthetic.noise import Array
from pwarp.synthetic.places import View, make_place
from pwarp.synthetic.render import LAG, Person, draw_people, draw_place, shadow_panel
from pwarp.synthetic.truth import Truth, observe

_BLUR_STEP = 3.0  # pixels that a joint may move between two moments of an exposure


@dataclass(frozen=True)
class SceneConfig:
    """What to render; the same config gives the same bytes.

    seed: of everything random. frames, fps: length and rate of the clip. width, height: pixels, both even.
    people: how many. motions: names out of `MOTIONS` to draw each person's motions from, None for all of them.
    crossing: people who go somewhere go from side to side past each other, instead of about. occluders: things
    between camera and people. camera: whether it moves. motion_blur: share of the frame time that the shutter is
    open, 0 to 1. samples: most moments that are averaged for a frame. noise: sensor noise, standard deviation of 255.
    compression: JPEG quality that each frame goes through, 100 for none.

    Raises PwarpError for a value that cannot be rendered.
    """

    seed: int = 0
    frames: int = 120
    width: int = 640
    height: int = 360
    people: int = 2
    fps: int = 30
    motions: tuple[str, ...] | None = None
    crossing: bool = True
    occluders: int = 1
    camera: bool = True
    motion_blur: float = 0.5
    samples: int = 5
    noise: float = 3.0
    compression: int = 90

    def __post_init__(self) -> None:
        limits = {
            "seed": (0, 2**63), "frames": (1, 100_000), "width": (32, 4096), "height": (32, 4096), "people": (0, 32),
            "fps": (1, 240), "occluders": (0, 16), "motion_blur": (0, 1), "samples": (1, 16), "noise": (0, 64),
            "compression": (1, 100),
        }  # fmt: skip
        for name, (low, high) in limits.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise UsageError(f"synthetic scene: {name} is {value}; give a value from {low} to {high}")
        for name in ("width", "height"):
            if getattr(self, name) % 2:
                raise UsageError(f"synthetic scene: {name} is {getattr(self, name)}; video needs an even number")
        for motion in self.motions or ():
            if motion not in MOTIONS:
                raise UsageError(f"synthetic scene: unknown motion '{motion}'; known: {', '.join(MOTIONS)}")
        if self.motions == ():
            raise UsageError("synthetic scene: motions is empty; name some, or leave it out for all")


def _stages(rng: np.random.Generator, people: int, half_width: float) -> list[Stage]:
    """A lane of its own for each person, and beginnings spread over the picture, in random order."""
    depth = np.linspace(-0.5, 0.5, people) * max(1.0, people / 2) if people > 1 else np.zeros(people)
    across = np.linspace(-0.55, 0.55, people) if people > 1 else np.zeros(people)
    across = across + rng.uniform(-0.25, 0.25, people)
    return [
        Stage(half_width, float(z), float(x * half_width)) for z, x in zip(rng.permutation(depth), across, strict=True)
    ]


class Scene:
    """One clip: frames on demand, in any order, and the truth about them."""

    def __init__(self, config: SceneConfig) -> None:
        self.config = config
        rng = np.random.default_rng([config.seed, 1])
        self._camera = CameraMove(rng, config.width, config.height, moving=config.camera)
        view = View(self._camera.half_width, self._camera.distance, self._camera.focal)
        self._place = make_place(rng, view, config.occluders)
        duration = config.frames / config.fps
        self._people = []
        for stage in _stages(rng, config.people, self._camera.half_width):
            own = np.random.default_rng(rng.integers(2**63))
            actor = Actor(own, config.motions, duration, stage, cross=config.crossing)
            self._people.append(Person.dress(own, actor, view.detail(0.0)))

    def frame(self, index: int) -> NDArray[np.uint8]:
        """(H, W, 3) uint8 RGB picture of a frame; raises PwarpError for one that the clip does not have."""
        config = self.config
        if not 0 <= index < config.frames:
            raise PwarpError(f"synthetic scene: no frame {index}; there are {config.frames} (0 to {config.frames - 1})")
        count = self._moments(index)
        now = self._shutter(index, (np.arange(count) + 0.5) / count)
        bones = [p.actor.bones(np.concatenate([now, now - LAG])) for p in self._people]
        shadow = shadow_panel(self._people, bones, count // 2, self._place)
        total = np.zeros((config.height, config.width, 3), np.float32)
        image = np.empty((config.height, config.width, 3), np.uint8)
        for i, t in enumerate(now):
            # Moments also differ in where the pixel grid lies, which smooths the edges.
            angle = 2 * np.pi * i / count
            shift = (0.33 * np.cos(angle), 0.33 * np.sin(angle)) if count > 1 else (0.0, 0.0)
            camera = self._camera.at(float(t), shift)
            nearness = np.zeros((config.height, config.width), np.float32)
            draw_place(self._place, camera, float(t), image, nearness)
            shadow.draw(camera, 0.0, image, nearness)
            draw_people(self._people, bones, (i, count + i), camera, self._place.light, image, nearness)
            cv2.accumulate(image, total)
        return self._developed(total / count, np.random.default_rng([config.seed, 2, index]))

    def _shutter(self, index: int, share: Array) -> Array:
        """Times in seconds at shares (N,) of the exposure, 0 opening to 1 closing, whose middle is the frame's time."""
        return np.asarray((index + (share - 0.5) * self.config.motion_blur) / self.config.fps)

    def _moments(self, index: int) -> int:
        """How many moments the frame needs so that a blurred limb shows no steps: fast frames more, calm ones two."""
        ends = self._shutter(index, np.array([0.0, 1.0]))
        cameras = [self._camera.at(float(t)) for t in ends]
        longest = 0.0
        for person in self._people:
            joints = person.actor.bones(ends).origin
            (opened, _), (closed, _) = (c.project(j) for c, j in zip(cameras, joints, strict=True))
            longest = max(longest, float(np.linalg.norm(closed - opened, axis=1).max()))
        return int(np.clip(np.ceil(longest / _BLUR_STEP), min(2, self.config.samples), self.config.samples))

    def frames(self) -> Iterator[NDArray[np.uint8]]:
        """All frames in order."""
        for index in range(self.config.frames):
            yield self.frame(index)

    def _developed(self, light: Array, rng: np.random.Generator) -> NDArray[np.uint8]:
        """What sensor and encoder make of the light: noise (more in the dark than in the bright), compression."""
        config = self.config
        if config.noise > 0:
            height, width = light.shape[:2]
            grey = rng.standard_normal((height, width, 1), dtype=np.float32)
            blotch = rng.standard_normal((height // 2, width // 2, 3), dtype=np.float32)
            colour = cv2.resize(blotch, (width, height), interpolation=cv2.INTER_LINEAR)
            light = light + config.noise * (grey + 0.6 * colour)
        picture: NDArray[np.uint8] = np.clip(light + 0.5, 0, 255).astype(np.uint8)
        if config.compression == 100:
            return picture
        quality = [cv2.IMWRITE_JPEG_QUALITY, config.compression]
        _, data = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), quality)
        again = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR_BGR), dtype=np.uint8)
        return np.ascontiguousarray(again[..., ::-1])

    @property
    def annotations(self) -> Annotations:
        """The exact truth: COCO's 17 keypoints of every person in every frame, at the middle of the exposure.

        Visibility is 2 where the keypoint can be seen, 1 where something nearer hides it (the person's own body,
        another person, an occluder), 0 outside the picture. Boxes enclose the person's whole silhouette as if
        nothing stood in front of it, cut at the picture's edge; frames without any of it are marked absent.
        """
        return self._truth.annotations(self.config.width, self.config.height, self.config.fps)

    @property
    def visible_share(self) -> Array:
        """(F, P) how much of each person's silhouette inside the picture can be seen; NaN where there is none."""
        return self._truth.visible_share

    @cached_property
    def _truth(self) -> Truth:
        config = self.config
        times = np.arange(config.frames) / config.fps
        return observe(self._people, self._place, self._camera, times, config.width, config.height)
