"""What is true of a clip: where every keypoint is, whether it can be seen, and what hides it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from pwarp.annotations import Annotations, Track, VideoIdentity
from pwarp.skeleton import COCO_17
from pwarp.synthetic.body import keypoint_offsets
from pwarp.synthetic.camera import Camera, CameraMove
from pwarp.synthetic.noise import Array
from pwarp.synthetic.places import Place
from pwarp.synthetic.raster import rasterise
from pwarp.synthetic.render import LAG, Person, draw_place
from pwarp.synthetic.rig import BonePoses

# A joint lies inside the limb: it counts as seen while the surface in front of it is no nearer to the camera than
# this many metres (for a body of 1.75 m). Points of the face lie on the skin.
_DEPTH_TOLERANCE = {
    "nose": 0.03, "eye": 0.022, "ear": 0.035, "shoulder": 0.11, "elbow": 0.075, "wrist": 0.06, "hip": 0.17,
    "knee": 0.095, "ankle": 0.075,
}  # fmt: skip
_TOLERANCE = np.array([_DEPTH_TOLERANCE[name.split("_")[-1]] for name in COCO_17.keypoints])


@dataclass(frozen=True)
class Truth:
    """P people over F frames.

    xy: (P, F, 17, 2) pixels, NaN outside the picture. visibility: (P, F, 17) 0, 1 or 2. boxes: (P, F, 4) x1, y1,
    x2, y2 of the whole silhouette cut at the picture's edge, NaN where none of it is inside. visible_share: (F, P)
    how much of the silhouette inside the picture can be seen, NaN likewise.
    """

    xy: Array
    visibility: NDArray[np.uint8]
    boxes: Array
    visible_share: Array

    def annotations(self, width: int, height: int, fps: int) -> Annotations:
        """The truth as manual labels, a track for each person; absent where nothing of it is in the picture."""
        frames = np.arange(self.xy.shape[1])
        tracks = []
        for number, boxes in enumerate(self.boxes):
            there = np.isfinite(boxes[:, 0])
            track = Track.make(
                id=number,
                frames=frames[there],
                xy=self.xy[number][there],
                visibility=self.visibility[number][there],
                boxes=boxes[there],
                absent=[(f, f) for f in frames[~there]],
            )
            tracks.append(track)
        video = VideoIdentity(width=width, height=height, frame_count=len(frames), fps=Fraction(fps))
        return Annotations(COCO_17, video, tuple(tracks), labelled=frames)


def observe(people: Sequence[Person], place: Place, move: CameraMove, times: Array, width: int, height: int) -> Truth:
    """The truth at times (F,) in seconds, for pictures of that size."""
    shape = (len(people), len(times))
    truth = Truth(
        xy=np.full((*shape, len(COCO_17), 2), np.nan),
        visibility=np.zeros((*shape, len(COCO_17)), np.uint8),
        boxes=np.full((*shape, 4), np.nan),
        visible_share=np.full(shape[::-1], np.nan),
    )
    bones = [p.actor.bones(np.concatenate([times, times - LAG])) for p in people]
    points = [_keypoints(p, b, len(times)) for p, b in zip(people, bones, strict=True)]
    image = np.empty((height, width, 3), np.uint8)
    for frame, t in enumerate(times):
        camera = move.at(float(t))
        nearest = np.zeros((height, width), np.float32)
        draw_place(place, camera, float(t), image, nearest)
        flat = nearest.reshape(-1)
        alone = []
        for number, (person, pose) in enumerate(zip(people, bones, strict=True)):
            vertices, _ = person.mesh.posed(pose, person.rest, frame, len(times) + frame)
            xy, depth = camera.project(vertices)
            hit = rasterise(xy, depth, person.mesh.faces, width, height, np.zeros(flat.size, np.float32))
            alone.append(hit)
            if len(hit.pixel):
                np.maximum.at(flat, hit.pixel, hit.nearness)
                low, high = np.maximum(xy.min(axis=0), -0.5), np.minimum(xy.max(axis=0), (width - 0.5, height - 0.5))
                truth.boxes[number, frame] = *low, *high
        for number, person in enumerate(people):
            if len(alone[number].pixel):
                seen = flat[alone[number].pixel] <= alone[number].nearness
                truth.visible_share[frame, number] = seen.mean()
                tolerance = _TOLERANCE * person.actor.body.scale
                xy, visibility = _seen(points[number][frame], camera, nearest, tolerance)
                truth.xy[number, frame], truth.visibility[number, frame] = xy, visibility
    return truth


def _keypoints(person: Person, bones: BonePoses, count: int) -> Array:
    """(F, 17, 3) world places of the keypoints in the first `count` poses."""
    places = [bones.place(bone, offset)[:count] for _, bone, offset in keypoint_offsets(person.actor.body)]
    return np.stack(places, axis=1)


def _seen(
    points: Array, camera: Camera, nearest: NDArray[np.float32], tolerance: Array
) -> tuple[Array, NDArray[np.uint8]]:
    """Pixels (17, 2) and visibility (17,) of keypoints (17, 3), given the 1 / depth of what is seen (H, W)."""
    height, width = nearest.shape
    xy, depth = camera.project(points)
    column, row = np.round(xy).astype(int).T
    inside = (depth > 0.2) & (column >= 0) & (column < width) & (row >= 0) & (row < height)
    surface = 1 / np.maximum(nearest[row.clip(0, height - 1), column.clip(0, width - 1)], 1e-6)
    visibility = np.where(inside, np.where(surface > depth - tolerance, 2, 1), 0).astype(np.uint8)
    return np.where(inside[:, None], xy, np.nan), visibility
