"""A video of painted people who walk as they are told, before a wall with a pattern, and what was seen of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from pwarp.annotations import Annotations, Track
from pwarp.skeleton import Skeleton
from pwarp.video import Color, Picture, Video

WIDTH, HEIGHT = 192, 128
SIZE = np.array([18, 54])
# In half sizes from the middle of the body.
POSE = np.array([(0, -0.9), (-0.8, -0.5), (0.8, -0.5), (-0.5, 0.9), (0.5, 0.9)])
THING = Skeleton("walker", ("head", "left", "right", "left_foot", "right_foot"), edges=((0, 1), (0, 2), (1, 3), (2, 4)))
# Head, coat, trousers.
CLOTHES = (
    ((225, 190, 160), (200, 30, 40), (30, 30, 60)),
    ((120, 80, 60), (40, 160, 60), (190, 190, 200)),
    ((235, 205, 180), (240, 220, 60), (120, 60, 30)),
)
Way = Callable[[int], tuple[float, float] | None]


@dataclass(frozen=True)
class Walker:
    """way: where the middle of the body is in a frame, None where it is not there. clothes: which of `CLOTHES`."""

    way: Way
    clothes: int = 0


class Street(Video):
    """Walkers in front of a wall; who has the lower feet is in front."""

    def __init__(self, walkers: Mapping[int, Walker], frames: int) -> None:
        self.path = "street"
        self.width, self.height, self.frame_count = WIDTH, HEIGHT, frames
        self.fps = None
        self.times = np.arange(frames, dtype=np.float64)
        self.names = None
        self.damage = ()
        self.variable_rate = False
        self.rotation = 0
        self.walkers = walkers
        rng = np.random.default_rng(3)
        self._wall = _pattern(rng, HEIGHT, WIDTH, 40) + 90
        self._cloth = {id: _pattern(rng, *SIZE[::-1], 30) for id in sorted(walkers)}

    def _picture(self, frame: int) -> Picture:
        picture = np.repeat(self._wall[..., None], 3, axis=2)
        there = [(way, id) for id in sorted(self.walkers) if (way := self.walkers[id].way(frame)) is not None]
        for middle, id in sorted(there, key=lambda one: one[0][1]):
            bands = np.repeat(CLOTHES[self.walkers[id].clothes], (12, 20, 22), axis=0)[:, None]
            body = np.clip(bands + self._cloth[id][..., None], 0, 255)
            x, y = np.round(np.array(middle) - SIZE / 2 + 0.5).astype(int)
            left, top, right, bottom = max(-x, 0), max(-y, 0), max(min(WIDTH - x, SIZE[0]), 0), min(HEIGHT - y, SIZE[1])
            picture[max(y, 0) : y + bottom, max(x, 0) : x + right] = body[top:bottom, left:right]
        return np.clip(picture, 0, 255).astype(np.uint8)

    def _read(self, ordinal: int, color: Color) -> Picture:
        picture = self._picture(ordinal)
        return picture if color == "rgb" else np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.uint8)

    def _read_in_order(self, ordinals: range, color: Color) -> Iterator[Picture]:
        return (self._read(i, color) for i in ordinals)

    def _fingerprint_source(self) -> bytes:
        return b"street"

    def seen(self, frames: Iterable[int], *, poses: bool) -> tuple[Annotations, dict[int, int]]:
        """Everybody in some frames as lone labels, or as lone boxes with scores; and which walker each label is of.

        Keypoints behind somebody are labelled occluded. The order within a frame changes from frame to frame.
        """
        tracks: list[Track] = []
        who: dict[int, int] = {}
        chosen = list(frames)
        for turn, frame in enumerate(chosen):
            there = [(id, w.way(frame)) for id, w in sorted(self.walkers.items(), reverse=bool(turn % 2))]
            for id, middle in there:
                if middle is None:
                    continue
                who[len(tracks)] = id
                half = SIZE / 2
                box = [[*(middle - half), *(middle + half)]]
                xy = (np.array(middle) + POSE * half)[None]
                front = [np.array(other) for _, other in there if other is not None and other[1] > middle[1]]
                behind = np.array([any((abs(point - other) <= half).all() for other in front) for point in xy[0]])
                more = {} if poses else {"person_score": [0.9]}
                tracks.append(
                    Track.make(
                        len(tracks),
                        [frame],
                        xy if poses else np.full_like(xy, np.nan),
                        np.where(behind, 1, 2)[None] if poses else None,
                        boxes=box,
                        identified=False,
                        **more,
                    )
                )
        return Annotations(THING, self.identity, tuple(tracks), np.array(chosen)), who

    def paths(self, given: Annotations, who: Mapping[int, int], tracked: Annotations) -> list[list[tuple[int, int]]]:
        """Each resulting track as (frame, walker), sorted."""
        of = {(int(t.frames[0]), t.boxes[0].tobytes()): who[t.id] for t in given.tracks}
        rows = [[(int(f), of[int(f), b.tobytes()]) for f, b in zip(t.frames, t.boxes)] for t in tracked.tracks]  # noqa: B905
        return sorted(rows)


def _pattern(rng: np.random.Generator, height: int, width: int, strength: float) -> np.ndarray:
    """Smooth noise around 0."""
    noise = cv2.GaussianBlur(rng.normal(size=(height, width)), (0, 0), 2.0)
    return noise / noise.std() * strength / 2
