"""The contact sheet: chosen frames of a video side by side, cut to the people where these are small."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, log
from pathlib import Path

import numpy as np
from PIL import Image

from pwarp.annotations import Annotations, FloatArray, Track
from pwarp.confidence import set_by_person
from pwarp.errors import PwarpError
from pwarp.review.choice import least_sure_frames, people_extent, spread_frames
from pwarp.review.options import ViewOptions, key_frames, moment
from pwarp.review.palette import GROUND, INK, MUTED, PAPER
from pwarp.review.poses import Look, Window, draw_poses
from pwarp.review.text import Picture, plate_size, text_size, write, write_plate
from pwarp.review.timeline import Timeline
from pwarp.video import Video

_DEFAULT_WIDTH = 1920
_MOST_PIXELS = 120_000_000
_JPEG_LIMIT = 65_500
# Room around the people of a cut, as a share of their size.
_MARGIN = 0.15
# A cut that would keep more of the picture's area than this is not made.
_WORTH_CUTTING = 0.65


@dataclass(frozen=True)
class SheetOptions(ViewOptions):
    """What is on the sheet beside what `ViewOptions` says.

    frames: how many to choose. at: these frames instead of chosen ones. worst: choose the least sure ones.
    columns: of the grid; None chooses them for a sheet of about 16:10. whole: never cut to the people.
    """

    frames: int = 12
    at: tuple[int, ...] = ()
    worst: bool = False
    columns: int | None = None
    whole: bool = False

    def choose(self, tracks: Sequence[Track], frame_count: int) -> list[int]:
        """The frames of the sheet, in the order they are shown."""
        start, stop = self.span(frame_count)
        for frame in self.at:
            if not start <= frame < stop:
                raise PwarpError(f"frame {frame} is not among those shown, {start} to {stop - 1}; mend --at")
        if self.at:
            return sorted(set(self.at))
        choose = least_sure_frames if self.worst else spread_frames
        return choose(tracks, start, stop, self.frames)


class ContactSheet:
    """A sheet that is laid out but not drawn. frames: that are on it, in the order they are shown. size: (w, h) pixels.

    Raises PwarpError where options do not fit the video or the annotations.
    """

    def __init__(self, video: Video, annotations: Annotations, options: SheetOptions, title: str = "") -> None:
        self._video, self._annotations = video, annotations
        self._tracks = options.chosen(annotations)
        self.frames = options.choose(self._tracks, video.frame_count)
        self._windows = _windows(video, self._tracks, self.frames, options.whole)
        self._grid = _Grid.of(self._windows[0], len(self.frames), options.width or _DEFAULT_WIDTH, options.columns)
        self._look = Look.of(annotations, self._grid.cell_unit, min_score=options.min_score, names=options.names)
        wide = Look.of(annotations, self._grid.unit)
        self._timeline = Timeline(self._tracks, *options.span(video.frame_count), self._grid.width, wide, title)
        self.size = width, height = self._grid.width, self._grid.height + self._timeline.height
        if height * width > _MOST_PIXELS:
            raise PwarpError(
                f"the sheet would have {width} x {height} pixels; take fewer --frames, more --columns or less --width"
            )

    def draw(self, on_frame: Callable[[], object] = lambda: None) -> Picture:
        """The sheet (H, W, 3), RGB; on_frame is called after each frame."""
        grid, tracks, frames = self._grid, self._tracks, self.frames
        sheet = np.full((*self.size[::-1], 3), GROUND, dtype=np.uint8)
        keys = frozenset(key_frames(tracks).tolist())
        # Read in rising order, whatever the order on the sheet: decoding forward is what videos are good at.
        for cell in sorted(range(len(frames)), key=lambda i: frames[i]):
            frame = frames[cell]
            window = grid.fitted(self._windows[cell])
            picture = window.cut(self._video.frame(frame))
            draw_poses(picture, window, tracks, frame, self._look)
            left, top = grid.corner(cell)
            height, width = picture.shape[:2]
            if frame in keys:
                sheet[top - 2 : top + height + 2, left - 2 : left + width + 2] = PAPER
            sheet[top : top + height, left : left + width] = picture
            caption = sheet[top + height : top + height + grid.caption, left : left + width]
            when, least = moment(self._video, frame), _least_sure(tracks, frame)
            _write_caption(caption, frame, when, frame in keys, least, self._annotations)
            on_frame()
        self._timeline.draw(sheet[grid.height :], frames)
        return sheet


def check_picture(suffix: str, size: tuple[int, int]) -> None:
    """Raise PwarpError where a picture of that size (w, h) is larger than a file of that suffix can hold."""
    if suffix.lower() in (".jpg", ".jpeg") and max(size) > _JPEG_LIMIT:
        raise PwarpError(
            f"a JPEG cannot have {size[0]} x {size[1]} pixels; end the output in .png, or show fewer --frames"
        )


def save_picture(path: Path, picture: Picture) -> None:
    """Write a picture (H, W, 3), RGB, as PNG or JPEG by the path's suffix.

    Raises PwarpError where the picture is larger than JPEG allows.
    """
    height, width = picture.shape[:2]
    check_picture(path.suffix, (width, height))
    Image.fromarray(picture).save(path, quality=92)


@dataclass(frozen=True)
class _Grid:
    """Where the cells are: output pixels. caption: height of the line below each picture."""

    width: int
    columns: int
    rows: int
    cell: tuple[int, int]
    unit: float
    cell_unit: float

    @classmethod
    def of(cls, window: Window, count: int, width: int, columns: int | None) -> _Grid:
        """The grid for `count` windows of one size on a sheet of that width."""
        unit = max(0.75, width / 1600)
        aspect = window.width / window.height
        if columns is None:
            # Nearest to 16:10, and no ragged last row if it can be helped.
            def oddness(n: int) -> float:
                rows = ceil(count / n)
                return abs(log(n * aspect / rows / 1.6)) + 0.15 * (n * rows - count)

            columns = min(range(1, count + 1), key=oddness)
        gap = round(12 * unit)
        cell_width = max(16, (width - gap * (columns + 1)) // columns)
        cell = cell_width, max(1, round(cell_width / aspect))
        cell_unit = max(0.8 * unit, max(cell) / 960)
        return cls(cell_width * columns + gap * (columns + 1), columns, ceil(count / columns), cell, unit, cell_unit)

    @property
    def gap(self) -> int:
        return round(12 * self.unit)

    @property
    def caption(self) -> int:
        return round(26 * self.unit)

    @property
    def height(self) -> int:
        return self.gap + self.rows * (self.cell[1] + self.caption + self.gap // 2)

    def corner(self, cell: int) -> tuple[int, int]:
        """Left and top of a cell's picture."""
        row, column = divmod(cell, self.columns)
        return (
            self.gap + column * (self.cell[0] + self.gap),
            self.gap + row * (self.cell[1] + self.caption + self.gap // 2),
        )

    def fitted(self, window: Window) -> Window:
        """The window, scaled to fill a cell's width."""
        return Window(window.left, window.top, window.width, window.height, self.cell[0] / window.width)


def _windows(video: Video, tracks: Sequence[Track], frames: Sequence[int], whole: bool) -> list[Window]:
    """A window for each frame, all of one size: around the people if they are small, else the whole picture."""
    picture = np.array([video.width, video.height])
    everything = [Window(0, 0, video.width, video.height, 1.0)] * len(frames)
    extents = [people_extent(tracks, frame) for frame in frames]
    known = [e for e in extents if e is not None]
    if whole or not known:
        return everything
    size = np.max([e[2:] - e[:2] for e in known], axis=0) * (1 + 2 * _MARGIN)
    size = np.maximum(size, size.max() * 0.6)  # neither slits nor ribbons
    size = np.ceil(np.clip(size, picture.min() / 4, picture)).astype(np.int64)
    if size.prod() > _WORTH_CUTTING * picture.prod():
        return everything
    windows = []
    centre: FloatArray = (known[0][:2] + known[0][2:]) / 2
    for extent in extents:
        if extent is not None:
            centre = (extent[:2] + extent[2:]) / 2
        left, top = np.rint(np.clip(centre - size / 2, 0, picture - size)).astype(np.int64).tolist()
        windows.append(Window(left, top, int(size[0]), int(size[1]), 1.0))
    return windows


def _least_sure(tracks: Sequence[Track], frame: int) -> tuple[float, int, int] | None:
    """Score, track id and keypoint of a frame's least sure computed keypoint; None where none has a score."""
    found: list[tuple[float, int, int]] = []
    for track in tracks:
        row = track.at(frame)
        if row is not None:
            scored = np.isfinite(track.score[row]) & (track.visibility[row] > 0) & ~set_by_person(track.source[row])
            found += [(float(track.score[row, k]), track.id, k) for k in np.flatnonzero(scored).tolist()]
    return min(found, default=None)


def _write_caption(
    strip: Picture,
    frame: int,
    when: str,
    key: bool,
    least: tuple[float, int, int] | None,
    annotations: Annotations,
) -> None:
    """Frame number and time at the left, "KEY" or the least sure keypoint at the right, as far as there is room."""
    height, width = strip.shape[:2]
    size = round(0.5 * height)
    top = (height - round(1.25 * size)) // 2
    end = write(strip, f"{frame}", 2, top, size, PAPER)
    end = write(strip, when, end + size // 2, top, size, MUTED)
    if key:
        plate = plate_size("KEY", size)
        write_plate(strip, "KEY", width - plate[0], (height - plate[1]) // 2, size, PAPER, INK, 1.0)
        width -= plate[0] + size // 2
    if least is not None:
        score, id, keypoint = least
        for text in (f"lowest {score:.2f}: {id} {annotations.skeleton.keypoints[keypoint]}", f"lowest {score:.2f}"):
            if end + size + text_size(text, size)[0] < width:
                write(strip, text, width - text_size(text, size)[0], top, size, MUTED)
                break
