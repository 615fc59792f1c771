"""Drawing the people of one frame: limbs, keypoints that tell who set them and how sure they are, name tags."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from pwarp.annotations import Annotations, FloatArray, Track
from pwarp.confidence import pose_scores, set_by_person
from pwarp.review import marks
from pwarp.review.palette import INK, PAPER, Colour, ink_on, mixed, score_colour, track_colours
from pwarp.review.text import Picture, plate_size, text_size, write, write_plate
from pwarp.skeleton import Skeleton

BoolArray = NDArray[np.bool_]


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
    people = [_Person.of(track, row, window, look) for track in tracks if (row := track.at(frame)) is not None]
    # Layer by layer, so that where people cross no limb hides another's keypoint, and no keypoint a tag.
    for person in people:
        person.draw_box(picture)
        person.draw_limbs(picture)
    for person in people:
        person.draw_keypoints(picture)
    taken: list[_Place] = []
    for person in people:
        person.draw_tag(picture, taken)
    if look.names:
        taken += [place for person in people for place in person.places_of_marks()]
        for person in people:
            person.draw_names(picture, taken)


@dataclass(frozen=True)
class _Person:
    """One track in one frame, ready to be drawn.

    at: (K, 2) output positions. shown: (K,) which keypoints are drawn: labelled, and set by a person, unscored or sure
    enough. by_person, occluded: (K,). trust: (K,) 0..1, 1 for what a person set or nobody scored. radius: of the
    marks, in output pixels.
    """

    track: Track
    row: int
    look: Look
    window: Window
    at: FloatArray
    shown: BoolArray
    by_person: BoolArray
    occluded: BoolArray
    trust: FloatArray
    radius: float

    @classmethod
    def of(cls, track: Track, row: int, window: Window, look: Look) -> _Person:
        by_person = set_by_person(track.source[row])
        scored = np.isfinite(track.score[row]) & ~by_person
        # In proportion to the person, within what can be seen and what does not cover limbs.
        radius = 0.016 * look.extents.get(track.id, 0.0) * window.scale
        return cls(
            track=track,
            row=row,
            look=look,
            window=window,
            at=window.to_output(track.xy[row]),
            shown=(track.visibility[row] > 0) & ~(scored & (track.score[row] < look.min_score)),
            by_person=by_person,
            occluded=track.visibility[row] == 1,
            trust=np.where(scored, np.clip(track.score[row], 0, 1), 1.0),
            radius=float(np.clip(radius, 2.6 * look.unit, 5.5 * look.unit)),
        )

    @property
    def colour(self) -> Colour:
        return self.look.colours[self.track.id]

    def draw_box(self, picture: Picture) -> None:
        box = self.track.boxes[self.row]
        if np.isfinite(box).all():
            corners = self.window.to_output(box.reshape(2, 2)).reshape(4)
            marks.box_corners(picture, corners.tolist(), self.colour, self.look.px(1.2))

    def draw_limbs(self, picture: Picture) -> None:
        for a, b in self.look.skeleton.edges:
            if self.shown[a] and self.shown[b]:
                width = self.radius * (0.45 if self.occluded[a] or self.occluded[b] else 0.8)
                opacity = 0.3 + 0.65 * float(min(self.trust[a], self.trust[b]))
                marks.limb(picture, self.at[a].tolist(), self.at[b].tolist(), width, self.colour, opacity)

    def draw_keypoints(self, picture: Picture) -> None:
        for k in np.flatnonzero(self.shown).tolist():
            place = self.at[k].tolist()
            if self.by_person[k]:
                marks.diamond(picture, place, self.radius, self.colour, hollow=bool(self.occluded[k]))
                continue
            core = score_colour(float(self.trust[k])) if np.isfinite(self.track.score[self.row, k]) else None
            draw = marks.ring if self.occluded[k] else marks.disc
            draw(picture, place, self.radius, self.colour, core)

    def draw_tag(self, picture: Picture, taken: list[_Place]) -> None:
        """The track's id and mean score above its head, or at the nearest free place above or below that."""
        anchor = _tag_anchor(self.track, self.row)
        if anchor is None:
            return
        height_limit, width_limit = picture.shape[:2]
        x, y = self.window.to_output(anchor).tolist()
        if not (0 <= x < width_limit and -self.look.px(60) <= y < height_limit):
            return
        score = float(pose_scores(self.track, slice(self.row, self.row + 1))[0])
        text = f"{self.track.id}" if np.isnan(score) else f"{self.track.id} \N{MIDDLE DOT} {score:.2f}"
        size = self.look.px(12)
        width, height = plate_size(text, size)
        left = min(max(round(x - width / 2), 0), max(0, width_limit - width))
        top = min(max(round(y - height - self.look.px(8)), 0), max(0, height_limit - height))
        step = height + self.look.px(2)
        places = [_Place(left, top + i * step, width, height) for i in sorted(range(-4, 5), key=abs)]
        place = next((p for p in places if p.top >= 0 and p.is_free(taken)), places[0])
        taken.append(place)
        write_plate(picture, text, place.left, place.top, size, self.colour, ink_on(self.colour))

    def places_of_marks(self) -> list[_Place]:
        """What the keypoints cover."""
        corners = (self.at[self.shown] - self.radius).tolist()
        size = round(2 * self.radius)
        return [_Place(round(left), round(top), size, size) for left, top in corners]

    def draw_names(self, picture: Picture, taken: list[_Place]) -> None:
        """Each keypoint's name at its right or left, above or below it; none where all that is taken."""
        size, ink = self.look.px(10), mixed(self.colour, PAPER, 0.6)
        away = 1.6 * self.radius
        for k in np.flatnonzero(self.shown).tolist():
            name = self.look.skeleton.keypoints[k]
            width, height = text_size(name, size)
            x, y = self.at[k].tolist()
            middle, centre = y - 0.6 * size, x - width / 2
            corners = ((x + away, middle), (x - away - width, middle), (centre, y - away - height), (centre, y + away))
            places = [_Place(round(left), round(top), width, height) for left, top in corners]
            place = next((p for p in places if p.is_free(taken)), None)
            if place is not None:
                taken.append(place)
                write(picture, name, place.left + 1, place.top + 1, size, INK)
                write(picture, name, place.left, place.top, size, ink)


class _Place(NamedTuple):
    """Where something is written, in output pixels."""

    left: int
    top: int
    width: int
    height: int

    def is_free(self, taken: Sequence[_Place]) -> bool:
        return not any(
            self.left < other.left + other.width
            and other.left < self.left + self.width
            and self.top < other.top + other.height
            and other.top < self.top + self.height
            for other in taken
        )


def _typical_extent(track: Track) -> float:
    """Median diagonal of the track's poses in video pixels; 0 where it has none."""
    labelled = track.labelled.any(axis=1)
    if not labelled.any():
        return 0.0
    spans = np.nanmax(track.xy[labelled], axis=1) - np.nanmin(track.xy[labelled], axis=1)
    return float(np.median(np.hypot(spans[:, 0], spans[:, 1])))


def _tag_anchor(track: Track, row: int) -> FloatArray | None:
    """(2,) where the person ends at the top, in video pixels: above head box, else box, else the highest keypoint,
    and over that keypoint if there is one. None where nothing is known."""
    labelled = track.xy[row][track.visibility[row] > 0]
    boxes = [box for box in (track.head_boxes[row], track.boxes[row]) if np.isfinite(box).all()]
    if boxes:
        x1, y1, x2, y2 = boxes[0]
        x, y = (x1 + x2) / 2, min(y1, y2)
    if len(labelled):
        x, highest = labelled[np.argmin(labelled[:, 1])]
        y = min(y, highest) if boxes else highest
    return np.array([x, y]) if boxes or len(labelled) else None
