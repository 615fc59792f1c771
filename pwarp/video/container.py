"""A video file as frames by ordinal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import av
import numpy as np
from numpy.typing import NDArray

from pwarp.errors import PwarpError
from pwarp.video.base import Color, Picture, Video
from pwarp.video.index import FrameIndex, build_index
from pwarp.video.orientation import Converter
from pwarp.video.stream import StreamReader, checksum

# Decoding a few frames that nobody asked for is cheaper than a seek, which empties the decoder's pipeline.
_NEAR = 12
_SHARED = 96_000_000  # bytes of decoded frames that are kept for another reader


class ContainerVideo(Video):
    """A video file: mp4, mov, mkv, webm, avi and what else FFmpeg demuxes."""

    def __init__(self, path: str, index: FrameIndex | None = None) -> None:
        """index: as this file has it; None decodes all of it once to make one, see `pwarp.video.index`."""
        self._index = index = index or build_index(path)
        self.path = self._file = path
        self.width, self.height = index.orientation.size(index.width, index.height)
        self.frame_count = len(index.stamps)
        self.fps = index.fps
        self.times = index.stamps.astype(np.float64) * float(index.time_base)
        self.names = None
        self.damage = index.damage
        self.variable_rate = index.variable_rate
        self.rotation = index.orientation.degrees
        self._convert = Converter(index.orientation)
        self._playhead: Playhead | None = None
        self._recent = _Recent()

    def __reduce__(self) -> tuple[type[ContainerVideo], tuple[str, FrameIndex]]:
        # What is sent to another process is known there without decoding it once more.
        return ContainerVideo, (self._file, self._index)

    @property
    def file(self) -> str:
        return self._file

    def _fingerprint_source(self) -> bytes:
        base = self._index.time_base
        return f" {base.numerator}/{base.denominator} ".encode() + self._index.stamps.astype("<i8").tobytes()

    def content(self) -> bytes:
        return self._index.checksums.tobytes()

    def repeats(self) -> NDArray[np.int64]:
        return np.flatnonzero(self._index.checksums[1:] == self._index.checksums[:-1]) + 1

    def _read(self, ordinal: int, color: Color) -> Picture:
        if self._playhead is None:
            self._playhead = Playhead(self._file, self._index)
        return self._convert(self._playhead.read(ordinal), color)

    def _read_in_order(self, ordinals: range, color: Color) -> Iterator[Picture]:
        playhead = Playhead(self._file, self._index)
        convert = Converter(self._index.orientation)
        with self._recent.reader():
            try:
                for ordinal in ordinals:
                    yield convert(self._recent.frame(ordinal, playhead), color)
            finally:
                playhead.close()

    def close(self) -> None:
        if self._playhead is not None:
            self._playhead.close()
            self._playhead = None


class _Recent:
    """The latest decoded frames while several readers go through a video: whoever comes next to a part of it (as a
    network does, once flow has found where to look) need not decode it again. A reader alone leaves nothing here."""

    def __init__(self) -> None:
        self._frames: dict[int, av.VideoFrame] = {}
        self._bytes = self._readers = 0

    @contextmanager
    def reader(self) -> Iterator[None]:
        """One reader more while the block runs."""
        self._readers += 1
        try:
            yield
        finally:
            self._readers -= 1
            if self._readers < 2:
                self._frames, self._bytes = {}, 0

    def frame(self, ordinal: int, playhead: Playhead) -> av.VideoFrame:
        """The frame of an ordinal, from the playhead where it is not here; raises PwarpError as that does."""
        if ordinal in self._frames:
            return self._frames[ordinal]
        frame = playhead.read(ordinal)
        if self._readers > 1:
            self._bytes += _size(frame)
            self._frames[ordinal] = frame
            while self._bytes > _SHARED:
                self._bytes -= _size(self._frames.pop(next(iter(self._frames))))
        return frame


def _size(frame: av.VideoFrame) -> int:
    return sum(plane.buffer_size for plane in frame.planes)


class Playhead:
    """A place in a file that moves forward by decoding and elsewhere by seeking.

    A decoder that starts in the middle may show frames that it lacks references for, or hide them; a container may
    land on another key frame than was asked for, or get the times wrong. So nothing that follows a seek is believed
    before its time stamp and checksum match the index. Where the wanted frame does not turn up, the playhead starts
    one key frame earlier, then ever further back, at last at the beginning of the file, which is what the index was
    made from.
    """

    def __init__(self, path: str, index: FrameIndex) -> None:
        self._path = path
        self._index = index
        self._reader = StreamReader(path, threads=index.threads)
        self._frames = self._reader.frames()
        self._at = -1  # ordinal of the latest frame; -1 where there is none, or none that is known
        self._frame: av.VideoFrame | None = None
        self._outputs: int | None = 0  # frames that the decoder gave since the first packet; None after a seek

    def close(self) -> None:
        self._frames, self._frame = iter(()), None
        self._reader.close()

    def read(self, target: int) -> av.VideoFrame:
        """The frame of an ordinal; PwarpError where the file is no longer what it was."""
        for _ in self._ways(target):
            frame = self._advance(target)
            if frame is not None:
                return frame
        raise PwarpError(
            f"{self._path}: frame {target} is not what it was when the file was opened; open it again if it was "
            "changed, otherwise it is damaged there: convert it with ffmpeg first"
        )

    def _ways(self, target: int) -> Iterator[None]:
        """Bring the playhead to one place after the other from which the target may be found, the cheapest first."""
        if self._is_near(target):
            yield
        for entry in self._entries_before(target):
            self._at, self._frame, self._outputs = -1, None, None
            if self._reader.seek(int(self._index.entries[entry, 1])):
                self._frames = self._reader.frames()
                yield
        for threads in sorted({1, self._reader.threads}, reverse=True):
            self._at, self._frame, self._outputs = -1, None, 0
            self._reader.restart(threads=threads)
            self._frames = self._reader.frames()
            yield

    def _is_near(self, target: int) -> bool:
        """Whether decoding on from here is the cheapest way to a frame."""
        if target <= self._at:
            return target == self._at and self._frame is not None
        if self._at < 0 and self._outputs is None:
            return False
        if target - self._at <= _NEAR:
            return True
        entry = self._last_entry(target)
        return entry <= 0 or bool(self._index.entries[entry, 0] <= self._at)

    def _entries_before(self, target: int) -> Iterator[int]:
        """Entries to try, from the nearest backwards in doubling strides; not the first, starting over is as good."""
        entry, stride = self._last_entry(target), 1
        while entry > 0:
            yield entry
            entry -= stride
            stride *= 2

    def _last_entry(self, target: int) -> int:
        return int(np.searchsorted(self._index.entries[:, 0], target, side="right")) - 1

    def _advance(self, target: int) -> av.VideoFrame | None:
        """Decode until the target is there; None where it is passed, does not come, or the count goes astray."""
        if self._at == target:
            return self._frame
        for frame in self._frames:
            if (frame.width, frame.height) != (self._index.width, self._index.height):
                continue
            if self._outputs is None:
                ordinal = self._recognise(frame)
            else:
                self._outputs += 1
                if self._is_left_out(self._outputs - 1):
                    continue
                ordinal = self._at + 1
                if not self._is_as_indexed(frame, ordinal):
                    break
            if ordinal is None:
                continue
            self._at, self._frame = ordinal, frame
            if ordinal >= target:
                return frame if ordinal == target else None
        self._at, self._frame, self._outputs = -1, None, None
        return None

    def _is_left_out(self, output: int) -> bool:
        """Whether the index has no place for one of the frames that the decoder gives, by its number."""
        outputs = self._index.outputs
        place = int(np.searchsorted(outputs, output))
        return place < len(outputs) and outputs[place] != output

    def _is_as_indexed(self, frame: av.VideoFrame, ordinal: int) -> bool:
        """Whether a frame whose ordinal is known by counting has the time and the pixels that the index has."""
        index = self._index
        if ordinal >= len(index.stamps) or (index.stamped and frame.pts != index.stamps[ordinal]):
            return False
        # What is known to be damaged may decode differently once more; there is nothing better to show.
        return index.checksums[ordinal] == checksum(frame) or bool(index.damage)

    def _recognise(self, frame: av.VideoFrame) -> int | None:
        """The ordinal of a frame that came after a seek, by its time and pixels; None where the index has no such."""
        index = self._index
        value = checksum(frame)
        if index.stamped:
            if frame.pts is None:
                return None
            ordinal = int(np.searchsorted(index.stamps, frame.pts))
            known = ordinal < len(index.stamps) and index.stamps[ordinal] == frame.pts
            return ordinal if known and index.checksums[ordinal] == value else None
        # Without times the pixels decide alone. Frames that look the same are the same to every reader, so the first
        # one after the last known place will do.
        same = np.flatnonzero(index.checksums == value)
        later = same[same > self._at]
        return int(later[0]) if len(later) else None
