"""Drawing the people of one frame: limbs, keypoints that tell who set them and how sure they are, name tags."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from pwarp.annotations import Annotations, FloatArray, Track
from pwarp.review import marks
from pwarp.review.palette import INK, PAPER, Colour, ink_on, mixed, score_colour, track_colours
from pwarp.review.text import Picture, plate_size, write, write_plate
from pwarp.skeleton import Skeleton


@dataclass(frozen=True)
class Window:
    """The part of a video's picture that is shown, and how large: output pixels per video pixel.

    left, top, width, height: in whole video pixels.
    """

    left: int
    top: int
    width: int
    height: int
    scale: float

    @property
    def output_size(self) -> tuple[int, int]:
        """Width and height in output pixels."""
        return max(1, round(self.width * self.scale)), max(1, round(self.height * self.scale))

    def cut(self, picture: Picture) -> Picture:
        """A copy of the window's part of the picture (H, W, 3), resized."""
        part = picture[self.top : self.top + self.height, self.left : self.left + self.width]
        if self.output_size == (self.width, self.height):
            return part.copy()
        how = cv2.INTER_AREA if self.scale < 1 else cv2.INTER_CUBIC
        return cv2.resize(part, self.output_size, interpolation=how).astype(np.uint8, copy=False)

    def to_output(self, xy: FloatArray) -> FloatArray:
        """Video positions (..., 2) as output positions: pixel centres are whole numbers in both."""
        return (xy - (self.left, self.top) + 0.5) * self.scale - 0.5


@dataclass(frozen=True)
class Look:
    """How poses are drawn, the same for every frame of a video.

    unit: output pixels per nominal pixel; strokes and letters are sized in nominal pixels.
    colours: by track id. extents: typical size of a track's poses in video pixels, by track id, so that the marks on
    small people stay small.
    min_score: computed keypoints that are less sure are left out. names: write keypoint names beside the keypoints.
    """

    skeleton: Skeleton
    unit: float
    colours: Mapping[int, Colour]
    extents: Mapping[int, float] = field(default_factory=dict)
    min_score: float = 0.0
    names: bool = False

    @classmethod
    def of(cls, annotations: Annotations, unit: float, *, min_score: float = 0.0, names: bool = False) -> Look:
        """The look for annotations; take it from all of them, and a track keeps its colour when others are hidden."""
        colours = track_colours(track.id for track in annotations.tracks)
        extents = {track.id: _typical_extent(track) for track in annotations.tracks}
        return cls(annotations.skeleton, unit, colours, extents, min_score, names)

    def px(self, nominal: float) -> int:
        """Whole output pixels for a nominal length, at least one."""
        return max(1, round(nominal * self.unit))


def draw_poses(picture: Picture, window: Window, tracks: Sequence[Track], frame: int, look: Look) -> None:
    """Draw what the tracks hold for a frame onto a picture that shows `window`; nothing where they hold nothing."""
    present = [(track, row) for track in tracks if (row := track.at(frame)) is not None]
    for track, row in present:
        _draw_person(picture, window, track, row, look)
    taken: list[tuple[int, int, int, int]] = []
    for track, row in present:
        _draw_tag(picture, window, track, row, look, taken)


def shown_keypoints(track: Track, row: int, min_score: float) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """(K,) which keypoints of a row are drawn: labelled, and by a person, unscored or scored at least min_score."""
    unsure = ~track.by_person[row] & (track.score[row] < min_score)
    shown: np.ndarray[tuple[int, ...], np.dtype[np.bool_]] = track.labelled[row] & ~unsure
    return shown


def computed_score(track: Track, row: int) -> float:
    """Mean score of a row's keypoints that no person set; NaN where there is none with a score."""
    scores = track.score[row][track.labelled[row] & ~track.by_person[row]]
    scores = scores[np.isfinite(scores)]
    return float(scores.mean()) if len(scores) else float("nan")


def _draw_person(picture: Picture, window: Window, track: Track, row: int, look: Look) -> None:
    colour = look.colours[track.id]
    if np.isfinite(track.boxes[row]).all():
        corners = window.to_output(track.boxes[row].reshape(2, 2))
        marks.box_corners(picture, corners.reshape(4).tolist(), colour, look.px(1.2))

    shown = shown_keypoints(track, row, look.min_score)
    by_person = track.by_person[row]
    occluded = track.visibility[row] == 1
    # A keypoint that nobody scored is taken at its word, as a person's is.
    trust = np.where(np.isfinite(track.score[row]) & ~by_person, np.clip(track.score[row], 0, 1), 1.0)
    at = window.to_output(track.xy[row])
    radius = _radius(look, window, track)

    for a, b in look.skeleton.edges:
        if shown[a] and shown[b]:
            width = radius * (0.45 if occluded[a] or occluded[b] else 0.8)
            opacity = 0.3 + 0.65 * float(min(trust[a], trust[b]))
            marks.limb(picture, at[a].tolist(), at[b].tolist(), width, colour, opacity)
    for k in np.flatnonzero(shown):
        place = at[k].tolist()
        if by_person[k]:
            marks.diamond(picture, place, radius, colour, hollow=bool(occluded[k]))
            continue
        core = score_colour(float(trust[k])) if np.isfinite(track.score[row, k]) else None
        draw = marks.ring if occluded[k] else marks.disc
        draw(picture, place, radius, colour, core)
    if look.names:
        size = look.px(10)
        for k in np.flatnonzero(shown):
            left, top = round(at[k, 0] + 1.6 * radius), round(at[k, 1] - 0.6 * size)
            write(picture, look.skeleton.keypoints[k], left + 1, top + 1, size, INK)
            write(picture, look.skeleton.keypoints[k], left, top, size, mixed(colour, PAPER, 0.6))


def _radius(look: Look, window: Window, track: Track) -> float:
    """Output pixels: in proportion to the person, within what can be seen and what does not cover limbs."""
    proportion = 0.016 * look.extents.get(track.id, 0.0) * window.scale
    return float(np.clip(proportion, 2.6 * look.unit, 5.5 * look.unit))


def _typical_extent(track: Track) -> float:
    """Median diagonal of the track's poses in video pixels; 0 where it has none."""
    labelled = track.labelled.any(axis=1)
    if not labelled.any():
        return 0.0
    spans = np.nanmax(track.xy[labelled], axis=1) - np.nanmin(track.xy[labelled], axis=1)
    return float(np.median(np.hypot(spans[:, 0], spans[:, 1])))


def _draw_tag(
    picture: Picture, window: Window, track: Track, row: int, look: Look, taken: list[tuple[int, int, int, int]]
) -> None:
    """Write the track's id and mean score above its head, or its nearest free place; `taken` collects the places."""
    anchor = _tag_anchor(track, row)
    if anchor is None:
        return
    x, y = window.to_output(anchor).tolist()
    if not (0 <= x < picture.shape[1] and -look.px(60) <= y < picture.shape[0]):
        return
    score = computed_score(track, row)
    text = f"{track.id}" if np.isnan(score) else f"{track.id} \N{MIDDLE DOT} {score:.2f}"
    size = look.px(12)
    width, height = plate_size(text, size)
    left = int(np.clip(round(x - width / 2), 0, max(0, picture.shape[1] - width)))
    top = int(np.clip(round(y - height - look.px(8)), 0, max(0, picture.shape[0] - height)))
    step = height + look.px(2)
    offsets = sorted((i * step for i in range(-4, 5)), key=abs)
    free = [top + d for d in offsets if top + d >= 0 and not _overlaps((left, top + d, width, height), taken)]
    top = free[0] if free else top
    taken.append((left, top, width, height))
    colour = look.colours[track.id]
    write_plate(picture, text, left, top, size, colour, ink_on(colour))


def _overlaps(one: tuple[int, int, int, int], others: Sequence[tuple[int, int, int, int]]) -> bool:
    x, y, w, h = one
    return any(x < ox + ow and ox < x + w and y < oy + oh and oy < y + h for ox, oy, ow, oh in others)


def _tag_anchor(track: Track, row: int) -> FloatArray | None:
    """(2,) the middle of the top of head box, pose or box, in that order, in video pixels; None where none is known."""
    labelled = track.labelled[row]
    for box in (track.head_boxes[row], None if labelled.any() else track.boxes[row]):
        if box is not None and np.isfinite(box).all():
            return np.array([(box[0] + box[2]) / 2, min(box[1], box[3])])
    if not labelled.any():
        return None
    return np.array(track.xy[row, labelled][np.argmin(track.xy[row, labelled, 1])])
