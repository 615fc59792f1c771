"""One pass over a video file, from the first packet to the last frame."""

from __future__ import annotations

from array import array
from collections import deque
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise

import av

from pwarp.video.damage import Damage
from pwarp.video.orientation import Orientation
from pwarp.video.stream import StreamReader, checksum, error_messages

# Decoders that do not always notice damage, and with several threads show it differently from time to time.
_UNSTEADY = frozenset({"hevc", "vp8", "vp9"})

_OVERSIZED = "Picture size "

# Stands for a time that is not known.
NO_STAMP = -(2**63)


@dataclass
class Scan:
    """What one pass over the file saw; frames of another size than the first one's are only counted.

    size, orientation: of the first stored picture, (width, height). stamps, decode_stamps, checksums: of the frames
    in the order in which the decoder gave them; times in units of time_base. keys: for each key packet in turn
    its number among the packets and the time to seek to. oversized: width x height of a picture of more than
    `MOST_PIXELS`, which FFmpeg refuses, or empty.
    """

    time_base: Fraction
    declared_rate: Fraction | None
    size: tuple[int, int] | None = None
    orientation: Orientation = field(default_factory=Orientation)
    stamps: array[int] = field(default_factory=lambda: array("q"))
    decode_stamps: array[int] = field(default_factory=lambda: array("q"))
    checksums: array[int] = field(default_factory=lambda: array("I"))
    keys: array[int] = field(default_factory=lambda: array("q"))
    damage: Damage = field(default_factory=Damage)
    oversized: str = ""

    def take(self, frame: av.VideoFrame) -> None:
        """Note a frame that came out of the decoder."""
        size = (frame.width, frame.height)
        if self.size is None:
            self.size, self.orientation = size, Orientation.of(frame)
        if size != self.size:
            self.damage.other_sizes[size] += 1
            return
        if frame.is_corrupt:
            self.damage.corrupt.append(len(self.stamps))
        self.stamps.append(NO_STAMP if frame.pts is None else frame.pts)
        self.decode_stamps.append(NO_STAMP if frame.dts is None else frame.dts)
        self.checksums.append(checksum(frame))

    def report(self, part: str, problem: str) -> None:
        """Note that some part of the machinery met a problem at this point."""
        if problem.startswith(_OVERSIZED):
            self.oversized = problem.removeprefix(_OVERSIZED).split()[0]
        self.damage.report(part, problem.strip(), len(self.stamps))


def scan_file(path: str, *, threads: int, hold: int = 1) -> Scan:
    """Decode a whole file and note what comes out.

    hold: how many of the latest frames to keep alive. Where data is missing, a decoder shows what its memory held
    before: the same for the same hold, which is 1 for a `Playhead`, and likely something else for another.
    Raises PwarpError where the file cannot be opened or has no video stream.
    """
    held: deque[av.VideoFrame] = deque(maxlen=hold)
    with error_messages() as messages, StreamReader(path, threads=threads) as reader:
        if reader.stream.codec_context.name in _UNSTEADY and threads > 1:
            reader.restart(threads=1)
        stream = reader.stream
        scan = Scan(
            time_base=stream.time_base or Fraction(1),
            declared_rate=stream.average_rate or stream.guessed_rate,
        )

        def take(frames: list[av.VideoFrame]) -> None:
            for frame in frames:
                scan.take(frame)
                held.append(frame)
            for _, part, message in messages:
                scan.report(f"{part} says", message)
            messages.clear()

        # What was said while the file was opened is said again when it is read, except for this.
        for _, _, message in messages:
            if message.startswith(_OVERSIZED):
                scan.oversized = message.removeprefix(_OVERSIZED).split()[0]
        messages.clear()
        packets, end = 0, Fraction(0)
        for packet in reader.packets(list(reader.container.streams), scan.report):
            if packet.pts is not None:
                end = max(end, (packet.pts + (packet.duration or 0)) * packet.time_base)
            if packet.stream_index != stream.index:
                continue
            stamp = packet.dts if packet.pts is None else packet.pts
            if packet.is_keyframe and stamp is not None:
                scan.keys.extend((packets, stamp))
            packets += 1
            if packet.is_corrupt:
                scan.report("container", "a packet is damaged or cut short")
            take(reader.decode(packet, scan.report))
        take(reader.decode(None, scan.report))
        scan.damage.cut_off = _cut_off(reader, scan, end)
    return scan


def _cut_off(reader: StreamReader, scan: Scan, end: Fraction) -> str:
    """How the data falls short of what the header declares; empty where it does not.

    end: of the latest packet of any stream, in seconds.
    """
    container = reader.container
    declared = Fraction((container.duration or 0) + (container.start_time or 0), av.time_base)
    # An AVI that lost its end loses its duration, but not its count of frames. (The count in an MP4 or MOV header
    # includes frames that its edit list cuts away.)
    if container.format.name == "avi" and scan.declared_rate:
        declared = max(declared, reader.stream.frames / scan.declared_rate)
    # How long the last frame of each stream is shown is often unknown.
    known = [stamp for stamp in scan.stamps if stamp != NO_STAMP]
    longest = max((b - a for a, b in pairwise(known)), default=0)
    if declared - end <= max(2 * longest * scan.time_base, Fraction(1, 10)):
        return ""
    return f"the header declares {float(declared):.2f} s, the data ends at {float(end):.2f} s"
