"""Pictures for samples, at random: what the plan asks for is decoded once and kept, in memory or in a file.

Videos cannot be read at random, so theirs must fit the limit. Pictures in files can: where they do not fit, they are
read again for each sample.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np
from numpy.typing import NDArray

from pwarp.crops import Window, cut
from pwarp.errors import PwarpError
from pwarp.files import atomic_path
from pwarp.training.plan import Framing, Plan
from pwarp.training.sources import Clip
from pwarp.video import Video, open_video
from pwarp.video.images import is_picture

# Up to here the pictures stay in memory and no file is written.
IN_MEMORY = 1 << 29
# Decoding some frames that nobody needs is cheaper than a seek.
_NEAR = 12
_OPEN_VIDEOS = 64

Bytes = NDArray[np.uint8]
Advance = Callable[[], object]


@dataclass(frozen=True, eq=False)
class View:
    """A part of a picture. pixels: (h, w, 3). corner: (x, y) of its first pixel in the picture. reduction: see Plan."""

    pixels: Bytes
    corner: tuple[int, int] = (0, 0)
    reduction: int = 1

    def crop(self, window: Window, framing: Framing) -> Bytes:
        """(h, w, 3) the crop of a window of the picture, as `pwarp.crops.cut` makes it of the whole picture; where the
        picture was reduced, of people far larger than the crop, smoother than that."""
        (x, y), (left, top), n = window.centre, self.corner, self.reduction
        moved = replace(
            window,
            centre=((x - left + 0.5) / n - 0.5, (y - top + 0.5) / n - 0.5),
            size=(window.size[0] / n, window.size[1] / n),
        )
        return cut(self.pixels, moved, framing.size, unbiased=framing.unbiased)


class Store:
    """Views of the frames in a plan, for several threads at once."""

    def __init__(self, clips: Sequence[Clip], plan: Plan, kept: Bytes | None, offsets: NDArray[np.int64]) -> None:
        """kept: the pixels of all views of clips that are kept; offsets: (R,) where each begins, -1 if not kept."""
        self._clips = clips
        self._plan = plan
        self._kept = kept
        self._offsets = offsets
        self._shapes = plan.shapes
        self._local = threading.local()

    def view(self, clip: int, frame: int, track: int) -> View:
        """What the plan has of a frame for a track, the same whether it was kept or is read now."""
        row = self._plan.row[clip, frame, track]
        if self._kept is None or self._offsets[row] < 0:
            pixels = _part(self._video(clip).frame(frame), self._plan, row)
        else:
            (height, width), start = self._shapes[row], int(self._offsets[row])
            pixels = self._kept[start : start + height * width * 3].reshape(height, width, 3)
        x, y = self._plan.rectangle[row, :2].tolist()
        return View(pixels, (x, y), int(self._plan.reduction[row]))

    def _video(self, clip: int) -> Video:
        """The pictures of a clip, opened for this thread."""
        opened: OrderedDict[int, Video] = self._local.__dict__.setdefault("opened", OrderedDict())
        if clip not in opened:
            opened[clip] = _opened(self._clips[clip], 0)
            if len(opened) > _OPEN_VIDEOS:
                opened.popitem(last=False)[1].close()
        opened.move_to_end(clip)
        return opened[clip]


def open_store(clips: Sequence[Clip], plan: Plan, folder: Path, limit: int, advance: Advance = lambda: None) -> Store:
    """Decode and keep what the plan asks for; a file in the folder that an earlier run left is used again.

    limit: most bytes to keep. Up to 512 MiB stay in memory, more goes to a file in the folder. advance: called after
    each frame that was decoded. Raises PwarpError where video files need more than the limit, or the disc is full.
    """
    check_room(clips, plan, limit)
    sizes, of_pictures = plan.sizes, _of_pictures(clips, plan)
    keep = np.ones(len(sizes), dtype=np.bool_) if int(sizes.sum()) <= limit else ~of_pictures
    offsets = np.where(keep, np.cumsum(np.where(keep, sizes, 0)) - sizes, -1)
    total = int(sizes[keep].sum())
    if not total:
        return Store(clips, plan, None, offsets)
    if total <= IN_MEMORY:
        kept = np.empty(total, dtype=np.uint8)
        at = 0
        for pixels in _decoded(clips, plan, keep, advance):
            kept[at : at + pixels.size] = pixels.ravel()
            at += pixels.size
        return Store(clips, plan, kept, offsets)
    path = folder / f"crops-{plan.digest(clips)}-{total}.raw"
    if not (path.is_file() and path.stat().st_size == total):
        _make(folder)
        with atomic_path(path, force=True) as temporary, temporary.open("wb") as file:
            _fill(file, _decoded(clips, plan, keep, advance))
    return Store(clips, plan, np.memmap(path, dtype=np.uint8, mode="r"), offsets)


def check_room(clips: Sequence[Clip], plan: Plan, limit: int) -> None:
    """Raise PwarpError where what must be kept takes more bytes than the limit; before anything is decoded."""
    needed = int(plan.sizes[~_of_pictures(clips, plan)].sum())
    if needed > limit:
        raise PwarpError(
            f"crops of the video files need {_bytes(needed)}, and {_bytes(limit)} are allowed; raise --cache, or give "
            "the frames as pictures"
        )


def _of_pictures(clips: Sequence[Clip], plan: Plan) -> NDArray[np.bool_]:
    """(R,) which rectangles are of clips that can be read at random."""
    direct = np.array([_readable_at_random(clip) for clip in clips], dtype=np.bool_)
    return np.asarray(direct[plan.key[:, 0]], dtype=np.bool_)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PwarpError(f"{folder}: cannot make this folder: {error.strerror}; choose another with -o") from error


def _fill(file: BinaryIO, parts: Iterator[Bytes]) -> None:
    for pixels in parts:
        file.write(pixels.tobytes())


def _readable_at_random(clip: Clip) -> bool:
    return clip.video.is_dir() or is_picture(clip.video)


def _decoded(clips: Sequence[Clip], plan: Plan, keep: NDArray[np.bool_], advance: Advance) -> Iterator[Bytes]:
    """The kept parts in the plan's order; each video is decoded once, forward."""
    rows = np.flatnonzero(keep)
    for clip in np.unique(plan.key[rows, 0]).tolist():
        own = rows[plan.key[rows, 0] == clip]
        by_frame: dict[int, list[int]] = {}
        for row in own.tolist():
            by_frame.setdefault(int(plan.key[row, 1]), []).append(row)
        with _opened(clips[clip], max(by_frame)) as video:
            for frame, picture in _frames(video, list(by_frame)):
                for row in by_frame[frame]:
                    yield _part(picture, plan, row)
                advance()


def _opened(clip: Clip, last: int) -> Video:
    """The video of a clip, or a PwarpError where it is none that the clip's labels and the plan were made for. last:
    frame that it must have."""
    video = open_video(clip.video)
    size = video.width, video.height
    if size == clip.size and last < video.frame_count:
        return video
    video.close()
    (width, height), count = clip.size, clip.frame_count
    raise PwarpError(
        f"{clip.name}: its labels are for {count} frames of {width} x {height}, and {clip.video} has "
        f"{video.frame_count} of {size[0]} x {size[1]}; is the download complete?"
    )


def _frames(video: Video, wanted: list[int]) -> Iterator[tuple[int, Bytes]]:
    """Some frames of a video, rising; near ones in one go."""
    runs = np.split(np.array(wanted), np.flatnonzero(np.diff(wanted) > _NEAR) + 1)
    for run in runs:
        inside = set(run.tolist())
        for frame, picture in video.frames(int(run[0]), int(run[-1]) + 1):
            if frame in inside:
                yield frame, picture


def _part(picture: Bytes, plan: Plan, row: int) -> Bytes:
    """A rectangle of a picture, reduced by averaging n x n pixels; at the far edges the last pixels are repeated."""
    x1, y1, x2, y2 = plan.rectangle[row].tolist()
    n = int(plan.reduction[row])
    part = picture[y1:y2, x1:x2]
    if n == 1:
        return part
    height, width = plan.shapes[row].tolist()
    padded = cv2.copyMakeBorder(part, 0, height * n - (y2 - y1), 0, width * n - (x2 - x1), cv2.BORDER_REPLICATE)
    return np.asarray(cv2.resize(padded, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _bytes(count: int) -> str:
    return f"{count / 2**30:.1f} GiB" if count >= 1 << 29 else f"{count / 2**20:.2f} MiB"
