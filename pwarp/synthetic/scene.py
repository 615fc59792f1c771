"""A scene: people, world and camera of one clip, its frames and its exact truth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from pwarp.annotations import Annotations, Track, VideoIdentity
from pwarp.errors import PwarpError
from pwarp.skeleton import COCO_17
from pwarp.synthetic.actor import Actor, Stage
from pwarp.synthetic.body import keypoint_offsets
from pwarp.synthetic.camera import CameraMove
from pwarp.synthetic.motions import MOTIONS
from pwarp.synthetic.noise import Array
from pwarp.synthetic.places import make_place
from pwarp.synthetic.raster import rasterise
from pwarp.synthetic.render import LAG, Person, draw_people, draw_place, shadow_panel
from pwarp.synthetic.rig import BONE as _BONE

# A joint lies inside the limb: it counts as seen while the surface in front of it is no nearer to the camera than
# this many metres (for a body of 1.75 m). Points of the face lie on the skin.
_DEPTH_TOLERANCE = {
    "nose": 0.03, "eye": 0.022, "ear": 0.035, "shoulder": 0.11, "elbow": 0.075, "wrist": 0.06, "hip": 0.17,
    "knee": 0.095, "ankle": 0.075,
}  # fmt: skip


@dataclass(frozen=True)
class SceneConfig:
    """What to render; the same config gives the same bytes.

    seed: of everything random. frames, fps: length and rate of the clip. width, height: pixels, both even.
    people: how many. motions: names out of `MOTIONS` to draw each person's motions from, None for all of them.
    crossing: people who go somewhere go from side to side past each other, instead of about. occluders: things
    between camera and people. camera: whether it moves. motion_blur: share of the frame time that the shutter is
    open, 0 to 1. samples: moments that are averaged for a frame. noise: sensor noise, standard deviation of 255.
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
    samples: int = 3
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
                raise PwarpError(f"synthetic scene: {name} is {value}; give a value from {low} to {high}")
        for name in ("width", "height"):
            if getattr(self, name) % 2:
                raise PwarpError(f"synthetic scene: {name} is {getattr(self, name)}; video needs an even number")
        for motion in self.motions or ():
            if motion not in MOTIONS:
                raise PwarpError(f"synthetic scene: unknown motion '{motion}'; known: {', '.join(MOTIONS)}")
        if self.motions == ():
            raise PwarpError("synthetic scene: motions is empty; name some, or leave it out for all")


class Scene:
    """One clip: frames on demand, in any order, and the truth about them."""

    def __init__(self, config: SceneConfig) -> None:
        self.config = config
        rng = np.random.default_rng([config.seed, 1])
        self._camera = CameraMove(rng, config.width, config.height, moving=config.camera)
        self._place = make_place(rng, self._camera.half_width, config.occluders)
        duration = config.frames / config.fps
        lanes = np.linspace(-0.45, 0.45, config.people) * max(1.0, config.people / 2) if config.people > 1 else [0.0]
        texels = 55 / max(self._camera.focal / self._camera.distance, 1.0)
        self._people = []
        for lane in rng.permutation(lanes)[: config.people]:
            stage = Stage(self._camera.half_width, float(lane))
            own = np.random.default_rng(rng.integers(2**63))
            actor = Actor(own, config.motions or tuple(MOTIONS), duration, stage, cross=config.crossing)
            self._people.append(Person.dress(own, actor, texels))

    def frame(self, index: int) -> NDArray[np.uint8]:
        """(H, W, 3) uint8 RGB picture of a frame; raises PwarpError for one that the clip does not have."""
        config = self.config
        if not 0 <= index < config.frames:
            raise PwarpError(f"synthetic scene: no frame {index}; there are {config.frames} (0 to {config.frames - 1})")
        count = config.samples
        shutter = (np.arange(count) + 0.5) / count - 0.5
        now = (index + shutter * config.motion_blur) / config.fps
        rng = np.random.default_rng([config.seed, 2, index])
        bones = [p.actor.bones(np.concatenate([now, now - LAG])) for p in self._people]
        middle = count // 2
        shadow = shadow_panel([(p, b, middle) for p, b in zip(self._people, bones, strict=True)], self._place.light)
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
        return self._developed(total / count, rng)

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
        again = cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR_BGR), cv2.COLOR_BGR2RGB)
        return np.asarray(again, dtype=np.uint8)

    @property
    def annotations(self) -> Annotations:
        """The exact truth: COCO's 17 keypoints of every person in every frame, at the middle of the shutter time.

        Visibility is 2 where the keypoint can be seen, 1 where something nearer hides it (the person's own body,
        another person, an occluder), 0 outside the picture. Boxes enclose the person's whole silhouette as if
        nothing stood in front of it, cut at the picture's edge; frames without any of it are marked absent.
        """
        return self._truth[0]

    @property
    def visible_share(self) -> Array:
        """(F, P) how much of each person's silhouette inside the picture can be seen, NaN where there is none."""
        return self._truth[1]

    @cached_property
    def _truth(self) -> tuple[Annotations, Array]:
        config = self.config
        times = np.arange(config.frames) / config.fps
        bones = [p.actor.bones(np.concatenate([times, times - LAG])) for p in self._people]
        xy = np.full((len(self._people), config.frames, len(COCO_17), 2), np.nan)
        visibility = np.zeros((len(self._people), config.frames, len(COCO_17)), np.uint8)
        boxes = np.full((len(self._people), config.frames, 4), np.nan)
        share = np.full((config.frames, len(self._people)), np.nan)
        size = np.array([config.width, config.height])
        image = np.empty((config.height, config.width, 3), np.uint8)
        for frame, t in enumerate(times):
            camera = self._camera.at(float(t))
            world = np.zeros((config.height, config.width), np.float32)
            draw_place(self._place, camera, float(t), image, world)
            nearest = world.reshape(-1).copy()
            alone = []
            for number, (person, pose) in enumerate(zip(self._people, bones, strict=True)):
                points, _ = person.mesh.posed(pose, person.rest, frame, config.frames + frame)
                projected, depth = camera.project(points)
                own = np.zeros(world.size, np.float32)
                hit = rasterise(projected, depth, person.mesh.faces, config.width, config.height, own)
                alone.append(hit)
                nearest[hit.pixel] = np.maximum(nearest[hit.pixel], own[hit.pixel])
                if len(hit.pixel):
                    low, high = projected.min(axis=0), projected.max(axis=0)
                    boxes[number, frame] = *np.maximum(low, -0.5), *np.minimum(high, size - 0.5)
            for number, (person, pose) in enumerate(zip(self._people, bones, strict=True)):
                own_pixels = alone[number]
                if not len(own_pixels.pixel):
                    continue
                surface = np.zeros(world.size, np.float32)
                surface[own_pixels.pixel] = own_pixels.nearness
                share[frame, number] = (nearest[own_pixels.pixel] <= own_pixels.nearness).mean()
                for k, (name, bone, offset) in enumerate(keypoint_offsets(person.actor.body)):
                    point = pose.rotation[frame, _BONE[bone]] @ offset + pose.origin[frame, _BONE[bone]]
                    pixel, depth = camera.project(point[None])
                    column, row = np.round(pixel[0]).astype(int)
                    if depth[0] < 0.2 or not (0 <= column < config.width and 0 <= row < config.height):
                        continue
                    tolerance = _DEPTH_TOLERANCE[name.rsplit("_", 1)[-1]] * person.actor.body.scale
                    in_front = 1 / max(nearest[row * config.width + column], 1e-6)
                    xy[number, frame, k] = pixel[0]
                    visibility[number, frame, k] = 2 if in_front > depth[0] - tolerance else 1
        return self._annotations(xy, visibility, boxes), share

    def _annotations(self, xy: Array, visibility: NDArray[np.uint8], boxes: Array) -> Annotations:
        config = self.config
        frames = np.arange(config.frames)
        tracks = []
        for number in range(len(self._people)):
            there = np.isfinite(boxes[number, :, 0])
            away = frames[~there]
            tracks.append(
                Track.make(
                    id=number,
                    frames=frames[there],
                    xy=xy[number][there],
                    visibility=visibility[number][there],
                    boxes=boxes[number][there],
                    absent=[(f, f) for f in away],
                )
            )
        video = VideoIdentity(
            width=config.width, height=config.height, frame_count=config.frames, fps=Fraction(config.fps)
        )
        return Annotations(COCO_17, video, tuple(tracks), labelled=frames)
