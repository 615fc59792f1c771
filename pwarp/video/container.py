"""A video file as frames by ordinal."""

from __future__ import annotations

from collections.abc import Iterator

import av
import numpy as np

from pwarp.errors import PwarpError
from pwarp.video.base import Color, Picture, Video
from pwarp.video.index import FrameIndex, build_index
from pwarp.video.orientation import Converter
from pwarp.video.stream import StreamReader, checksum

# Decoding a few frames that nobody asked for is cheaper than a seek, which empties the decoder's pipeline.
_NEAR = 12


class ContainerVideo(Video):
    """A video file: mp4, mov, mkv, webm, avi and what else FFmpeg demuxes."""

    def __init__(self, path: str) -> None:
        """Decodes the whole file once; see `pwarp.video.index`."""
        self._index = index = build_index(path)
        self.path = path
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

    def _fingerprint_source(self) -> bytes:
        base = self._index.time_base
        return f" {base.numerator}/{base.denominator} ".encode() + self._index.stamps.astype("<i8").tobytes()

    def _read(self, ordinal: int, color: Color) -> Picture:
        if self._playhead is None:
            self._playhead = Playhead(self.path, self._index)
        return self._convert(self._playhead.read(ordinal), color)

    def _read_in_order(self, ordinals: range, color: Color) -> Iterator[Picture]:
        playhead = Playhead(self.path, self._index)
        convert = Converter(self._index.orientation)
        try:
            for ordinal in ordinals:
                yield convert(playhead.read(ordinal), color)
        finally:
            playhead.close()

    def close(self) -> None:
        if self._playhead is not None:
            self._playhead.close()
            self._playhead = None


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
        self._frames: Iterator[av.VideoFrame] = iter(())
        self._at = -1  # the ordinal of the latest frame, -1 where that is not known
        self._frame: av.VideoFrame | None = None
        self._counted: int | None = 0  # frames out of the decoder since the first packet; None after a seek
        self._start_over(reopen=False)

    def close(self) -> None:
        self._frames = iter(())
        self._reader.close()

    def _start_over(self, *, reopen: bool = True) -> None:
        if reopen:
            self._reader.restart()
        self._frames = self._reader.frames()
        self._at, self._frame, self._counted = -1, None, 0

    def read(self, target: int) -> av.VideoFrame:
        """The frame of an ordinal; PwarpError where the file is no longer what it was."""
        if self._frame is not None and self._at == target:
            return self._frame
        if self._is_near(target) and self._advance(target):
            return self._found()
        for entry in self._entries_before(target):
            if self._reader.seek(int(self._index.entries[entry, 1])):
                self._frames = self._reader.frames()
                self._at, self._frame, self._counted = -1, None, None
                if self._advance(target):
                    return self._found()
        self._start_over()
        if self._advance(target):
            return self._found()
        raise PwarpError(f"{self._path}: frame {target} is gone; the file was changed while it was being read")

    def _found(self) -> av.VideoFrame:
        assert self._frame is not None
        return self._frame

    def _is_near(self, target: int) -> bool:
        """Whether decoding on from here is the cheapest way to a frame."""
        if target <= self._at:
            return False
        if self._at < 0 and self._counted is None:
            return False
        if target - self._at <= _NEAR:
            return True
        entry = self._last_entry(target)
        return entry <= 0 or bool(self._index.entries[entry, 0] <= self._at)

    def _last_entry(self, target: int) -> int:
        return int(np.searchsorted(self._index.entries[:, 0], target, side="right")) - 1

    def _entries_before(self, target: int) -> Iterator[int]:
        """Entries to try, from the nearest backwards in doubling strides; not the first, starting over is as good."""
        entry, stride = self._last_entry(target), 1
        while entry > 0:
            yield entry
            entry -= stride
            stride *= 2

    def _advance(self, target: int) -> bool:
        """Decode until the target is there; False where it is passed or does not come."""
        for frame in self._frames:
            if (frame.width, frame.height) != (self._index.width, self._index.height):
                continue
            ordinal = self._locate(frame)
            if ordinal is None:
                continue
            self._at, self._frame = ordinal, frame
            if ordinal >= target:
                return ordinal == target
        self._frame = None
        return False

    def _locate(self, frame: av.VideoFrame) -> int | None:
        """The ordinal of a frame that came out of the decoder; None where it is not as in the index."""
        index = self._index
        following = self._at + 1
        value = checksum(frame)
        if self._counted is not None:
            self._counted += 1
            if following < len(index.outputs) and self._counted - 1 < index.outputs[following]:
                return None  # one that the index leaves out
            known = following < len(index.outputs) and (not index.stamped or frame.pts == index.stamps[following])
            # What is known to be damaged may decode this way or that; damage that no decoder noticed must not.
            if not known or (index.checksums[following] != value and not index.damage):
                raise PwarpError(
                    f"{self._path}: frame {following} is not what it was when the file was opened; the file was "
                    "changed, or is damaged there: open it again, or convert it with ffmpeg first"
                )
            return following
        if index.stamped:
            if frame.pts is None:
                return None
            ordinal = int(np.searchsorted(index.stamps, frame.pts))
            known = ordinal < len(index.stamps) and index.stamps[ordinal] == frame.pts
            return ordinal if known and index.checksums[ordinal] == value else None
        # Without times the pixels decide alone. Frames that look the same are the same to every reader, so the first
        # one after the last known place will do.
        same = np.flatnonzero(index.checksums == value)
        later = same[same >= following]
        return int(later[0]) if len(later) else None
