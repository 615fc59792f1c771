"""One video stream of a file: opened safely, decoded forward, frame by frame.

Both the index and every later read go through here, so that they see the same frames.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import av
import av.error
import av.logging
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from pwarp.errors import PwarpError

# What FFmpeg may take a file for. Playlists, scripts and image patterns are left out: they name other files, and
# a stranger's file must not decide what else is opened.
_FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpegtsraw,mpeg,mpegvideo,flv,asf,ogg,mxf,gif,apng,nut,ivf,dv,rm,"
    "h264,hevc,m4v,mjpeg,obu,vc1,wtv,yuv4mpegpipe"
)
# A decoder takes about 13 bytes a pixel, and a few kilobytes can claim any size. Twice what an 8K video has.
MOST_PIXELS = 2**26
_DECODER = {"max_pixels": str(MOST_PIXELS)}
_OPTIONS = {"format_whitelist": _FORMATS, "protocol_whitelist": "file", **_DECODER}
_MOST_READ_ERRORS = 8
_APART = 61

# Called with the part that met a problem, and the problem.
Report = Callable[[str, str], None]


class StreamReader:
    """The main video stream of a file, and where decoding stands in it.

    threads: for decoding. With more than one, what a decoder makes of missing data depends on timing, and the error
    of one frame can swallow another frame.

    Raises PwarpError where the file cannot be opened or has no video stream.
    """

    def __init__(self, path: str, *, threads: int) -> None:
        self._path = path
        self.threads = threads
        self._open()

    def _open(self) -> None:
        self.container = _open_container(self._path)
        try:
            self.stream = _main_stream(self._path, self.container)
        except PwarpError:
            self.container.close()
            raise
        self.stream.codec_context.options = _DECODER
        self.stream.codec_context.thread_type = "AUTO"
        self.stream.codec_context.thread_count = self.threads

    def restart(self, *, threads: int) -> None:
        """Stand before the first packet again, with a decoder that has seen nothing."""
        self.close()
        self.threads = threads
        self._open()

    def seek(self, stamp: int) -> bool:
        """Stand at a key frame, about the last one not after a time in stream units; False where that fails."""
        try:
            self.container.seek(stamp, stream=self.stream)
        except av.error.FFmpegError:
            return False
        return True

    def close(self) -> None:
        # Brings the decoder's threads to rest without holding the interpreter's lock, which they may be waiting for
        # in order to log; freeing the decoder would wait for them with the lock held.
        self.stream.codec_context.flush_buffers()
        self.container.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self.close()

    def packets(self, streams: Sequence[Stream], report: Report) -> Iterator[Packet[Stream]]:
        """The packets of some streams; an error in the file is reported and read past."""
        errors = 0
        while errors < _MOST_READ_ERRORS:
            try:
                for packet in self.container.demux(streams):
                    # The last ones have neither data nor time; `decode` makes its own end.
                    if packet.size or packet.dts is not None:
                        errors = 0
                        yield packet
                return
            except av.error.FFmpegError as error:
                report("reading fails", error.strerror or str(error))
                errors += 1

    def decode(self, packet: Packet[Stream] | None, report: Report) -> list[av.VideoFrame]:
        """The frames that come out when a packet goes in (None: the end); an error is reported."""
        if packet is not None and not packet.size:
            # It stands for a frame that was never stored; a decoder would take it for the end.
            return []
        try:
            return self.stream.codec_context.decode(packet)
        except av.error.FFmpegError as error:
            report("a packet gives no frame", error.strerror or str(error))
            return []

    def frames(self) -> Iterator[av.VideoFrame]:
        """The frames from here to the end, errors passed over in silence: the index has reported them."""
        for packet in self.packets([self.stream], _ignore):
            yield from self.decode(packet, _ignore)
        yield from self.decode(None, _ignore)


def _ignore(part: str, problem: str) -> None:
    pass


@contextmanager
def error_messages() -> Iterator[list[tuple[int, str, str]]]:
    """A list to which FFmpeg's error messages are added while the block runs: (level, part of FFmpeg, message).

    Many decoders (HEVC, FFV1, MJPEG) tell of damage nowhere else. The setting is that of the process: messages that
    another thread's video causes in the meantime end up here, too.
    """
    level, skip = av.logging.get_level(), av.logging.get_skip_repeated()
    av.logging.set_level(av.logging.ERROR)
    av.logging.set_skip_repeated(False)
    try:
        with av.logging.Capture(local=False) as messages:
            yield messages
    finally:
        av.logging.set_skip_repeated(skip)
        av.logging.set_level(level)


def checksum(frame: av.VideoFrame) -> int:
    """32 bits that tell the stored pixels of a frame from those of any other, for accidents, not for enemies.

    A CRC of sums, which is four times as fast as one of the pixels: words of 8 bytes are added modulo 2^64 over every
    61st row. Neighbouring rows stay apart, because decoders smooth block edges by adding to one row what they take
    from the next; 61 is prime, so that rows of different blocks stay apart as well.
    """
    value = 0
    for plane, used in zip(frame.planes, _row_bytes(frame), strict=True):
        # A palette has no lines.
        rows = np.frombuffer(memoryview(plane), dtype=np.uint8).reshape(-1, abs(plane.line_size) or plane.buffer_size)
        summed = len(rows) // _APART * _APART
        whole = used // 8 * 8
        words = rows[:summed, :whole].reshape(summed // _APART, _APART, whole).view(np.uint64)
        value = zlib.crc32(np.add.reduce(words, axis=0).tobytes(), value)
        value = zlib.crc32(rows[:summed, whole:used].tobytes(), value)
        value = zlib.crc32(rows[summed:, :used].tobytes(), value)
    return value


def _row_bytes(frame: av.VideoFrame) -> list[int]:
    """For each plane the bytes of a row that hold pixels; what follows is padding with any content."""
    pixel_format = frame.format
    planes = frame.planes
    if len(planes) == 1:
        return [min(abs(planes[0].line_size), (frame.width * pixel_format.padded_bits_per_pixel + 7) // 8)]
    if pixel_format.has_palette:
        return [frame.width, planes[1].buffer_size]
    per_pixel = [0] * len(planes)
    for component in pixel_format.components:
        per_pixel[component.plane] += (component.bits + 7) // 8
    return [min(abs(p.line_size), p.width * n) for p, n in zip(planes, per_pixel, strict=True)]


def _open_container(path: str) -> InputContainer:
    try:
        # "file:" keeps names such as "pipe:0" or "concat:a|b" from meaning anything but a file.
        return av.open(f"file:{path}", options=_OPTIONS, metadata_errors="replace")
    except av.error.FFmpegError as error:
        if isinstance(error, (FileNotFoundError, PermissionError)):
            raise PwarpError(f"{path}: cannot read: {error.strerror}; check the path and your permissions") from error
        if _is_unfinished_mp4(Path(path)):
            raise PwarpError(
                f"{path}: the recording was cut off before its index (moov) was written; no player can read it, "
                "but untrunc with a sound recording of the same camera may rebuild it"
            ) from error
        raise PwarpError(f"{path}: not a video that can be read ({error.strerror}); check the file") from error


def _is_unfinished_mp4(path: Path) -> bool:
    """Whether the top-level boxes of an MP4 or MOV file are there, but for moov."""
    end = path.stat().st_size
    seen: set[bytes] = set()
    with path.open("rb") as file:
        at = 0
        while at + 8 <= end and len(seen) < 64:
            file.seek(at)
            head = file.read(16)
            size, kind = int.from_bytes(head[:4], "big"), head[4:8]
            if size == 1 and len(head) == 16:
                size = int.from_bytes(head[8:], "big")
            seen.add(kind)
            if size < 8:
                break
            at += size
    return bool(seen & {b"ftyp", b"mdat"}) and b"moov" not in seen


def _main_stream(path: str, container: InputContainer) -> VideoStream:
    """The first video stream that is no cover picture and can be decoded."""
    videos = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not videos:
        kinds = {"a cover picture" if s.type == "video" else s.type for s in container.streams}
        raise PwarpError(f"{path}: no video stream in the file, only {' and '.join(sorted(kinds)) or 'a header'}")
    best = container.streams.best("video")
    stream = next((s for s in videos if s is best), videos[0])
    if stream.codec_context is None:
        raise PwarpError(f"{path}: no decoder for the video stream; convert it to H.264 first")
    return stream
