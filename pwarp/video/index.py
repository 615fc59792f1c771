"""What a video file holds, found out by decoding it once.

Neither a header nor the packets tell how many frames a file gives: a packet may hold no frame or be damaged, a
decoder may drop frames that it has no reference for, a header may lie. So the index is made from a full decode. It
keeps 12 bytes a frame: the time stamp, and a checksum of the pixels by which a later read knows, whatever the
container and the codec make of a seek, that it has the same frame.
"""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise

import av
import numpy as np
from numpy.typing import NDArray

from pwarp.errors import PwarpError
from pwarp.video.orientation import Orientation
from pwarp.video.stream import StreamReader, checksum

_NO_STAMP = np.iinfo(np.int64).min
_THREADS = 2


@dataclass(frozen=True)
class FrameIndex:
    """The N frames of a file, in the order in which they are decoded, which is that of presentation.

    width, height: of the stored picture; frames of another size do not count. stamps: (N,) presentation times in
    units of time_base. stamped: whether a decoded frame's own time can be compared with them. checksums: (N,).
    entries: (E, 2) rising: frame ordinal, about, of a key frame, and the time to seek to for it. threads: to decode
    with. clean: whether decoding met no damage.
    """

    width: int
    height: int
    orientation: Orientation
    time_base: Fraction
    stamps: NDArray[np.int64]
    stamped: bool
    checksums: NDArray[np.uint32]
    entries: NDArray[np.int64]
    threads: int
    fps: Fraction | None
    variable_rate: bool
    damage: tuple[str, ...]


@dataclass
class _Scan:
    """What one pass over the file saw."""

    threads: int
    stamps: array[int] = field(default_factory=lambda: array("q"))
    decode_stamps: array[int] = field(default_factory=lambda: array("q"))
    checksums: array[int] = field(default_factory=lambda: array("L"))
    keys: list[tuple[int, int]] = field(default_factory=list)  # packet number, time to seek to
    key_stamps: list[int] = field(default_factory=list)
    packets: int = 0
    first: av.VideoFrame | None = None
    problems: list[tuple[int, str]] = field(default_factory=list)  # frame ordinal it happened before, what
    corrupt: list[int] = field(default_factory=list)
    other_sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    end: Fraction = Fraction(0)  # seconds, latest end of any packet of any stream
    declared_end: Fraction | None = None
    declared_frames: int = 0
    declared_rate: Fraction | None = None
    time_base: Fraction = Fraction(1)

    def report(self, problem: str) -> None:
        self.problems.append((len(self.stamps), problem))

    def take(self, frame: av.VideoFrame) -> None:
        if self.first is None:
            self.first = frame
        size = (frame.width, frame.height)
        if size != (self.first.width, self.first.height):
            self.other_sizes[size] += 1
            return
        if frame.is_corrupt:
            self.corrupt.append(len(self.stamps))
        self.stamps.append(_NO_STAMP if frame.pts is None else frame.pts)
        self.decode_stamps.append(_NO_STAMP if frame.dts is None else frame.dts)
        self.checksums.append(checksum(frame))


def build_index(path: str) -> FrameIndex:
    """Decode a video file once and note its frames.

    Raises PwarpError where the file is no video or not one frame can be decoded.
    """
    scan = _scan(path, _THREADS)
    if scan.problems or scan.corrupt:
        # With one thread every frame that can be decoded comes out, and comes out the same each time.
        scan = _scan(path, 1)
    if scan.first is None:
        why = f": {scan.problems[0][1]}" if scan.problems else ""
        raise PwarpError(f"{path}: no frame of the video can be decoded{why}")
    own = np.frombuffer(scan.stamps, dtype=np.int64)
    stamped = bool((own != _NO_STAMP).all() and (np.diff(own) > 0).all())
    stamps = own if stamped else _substitute_stamps(scan)
    return FrameIndex(
        width=scan.first.width,
        height=scan.first.height,
        orientation=Orientation.of(scan.first),
        time_base=scan.time_base,
        stamps=stamps,
        stamped=stamped,
        checksums=np.array(scan.checksums, dtype=np.uint32),
        entries=_entries(scan, own, stamped),
        threads=scan.threads,
        fps=_average_rate(stamps, scan),
        variable_rate=_is_variable(stamps),
        damage=_damage(scan),
    )


def _scan(path: str, threads: int) -> _Scan:
    reader = StreamReader(path, threads=threads)
    try:
        container, stream = reader.container, reader.stream
        scan = _Scan(threads=threads, time_base=stream.time_base or Fraction(1))
        if container.duration is not None:
            scan.declared_end = Fraction(container.duration + (container.start_time or 0), av.time_base)
        scan.declared_frames = stream.frames
        scan.declared_rate = stream.average_rate or stream.guessed_rate
        for packet in reader.packets(list(container.streams), scan.report):
            if packet.pts is not None and packet.time_base:
                scan.end = max(scan.end, (packet.pts + (packet.duration or 0)) * packet.time_base)
            if packet.stream_index != stream.index:
                continue
            if packet.is_corrupt:
                scan.report("a packet is damaged or cut short")
            stamp = packet.dts if packet.pts is None else packet.pts
            if packet.is_keyframe and stamp is not None:
                scan.keys.append((scan.packets, stamp))
            scan.packets += 1
            for frame in reader.decode(packet, scan.report):
                scan.take(frame)
        for frame in reader.decode(None, scan.report):
            scan.take(frame)
        return scan
    finally:
        reader.close()


def _entries(scan: _Scan, own: NDArray[np.int64], stamped: bool) -> NDArray[np.int64]:
    """Where decoding can start: ordinals are only a guess to begin at, every frame is checked when it is read."""
    if stamped:
        pairs = [(int(np.searchsorted(own, stamp)), stamp) for _, stamp in scan.keys]
    else:
        pairs = scan.keys
    return np.array(sorted(p for p in pairs if p[0] < len(own)), dtype=np.int64).reshape(-1, 2)


def _substitute_stamps(scan: _Scan) -> NDArray[np.int64]:
    """Times for frames whose own times are missing or do not rise: those of decoding, else a constant rate."""
    decode = np.frombuffer(scan.decode_stamps, dtype=np.int64)
    if (decode != _NO_STAMP).all() and (np.diff(decode) > 0).all():
        return decode
    rate = scan.declared_rate or Fraction(25)
    ticks = 1 / (rate * scan.time_base)
    return np.array([round(i * ticks) for i in range(len(decode))], dtype=np.int64)


def _average_rate(stamps: NDArray[np.int64], scan: _Scan) -> Fraction | None:
    """Frames a second. The declared rate where it fits: measured ones suffer from the rounding of the times."""
    declared = scan.declared_rate
    ticks = int(stamps[-1] - stamps[0])
    if ticks <= 0:
        return declared
    measured = Fraction(len(stamps) - 1) / (ticks * scan.time_base)
    # Each end is rounded to a tick.
    if declared and abs(1 / declared - 1 / measured) * (len(stamps) - 1) <= 2 * scan.time_base:
        return declared
    return measured.limit_denominator(100_000)


def _is_variable(stamps: NDArray[np.int64]) -> bool:
    """Whether the steps differ by more than the rounding of a constant rate to ticks can explain."""
    if len(stamps) < 3:
        return False
    steps = np.diff(stamps)
    # Of a step of one or two ticks, a tick more is not rounding but a frame left out.
    allowed = 1 if steps.min() >= 4 else 0
    return bool(steps.max() - steps.min() > allowed)


def _damage(scan: _Scan) -> tuple[str, ...]:
    count = len(scan.stamps)
    lines = []
    for what in dict.fromkeys(problem for _, problem in scan.problems):
        places = [at for at, problem in scan.problems if problem == what]
        times = "" if len(places) == 1 else f", {len(places)} times"
        lines.append(f"{what} near frame {_spans(places)}{times}")
    if scan.corrupt:
        lines.append(
            f"frames {_spans(scan.corrupt)}: damaged data, the picture is the decoder's guess, also in the frames "
            "after it up to the next key frame"
        )
    for (width, height), frames in scan.other_sizes.items():
        lines.append(f"{frames} frames are {width}x{height} unlike the first one; they are left out")
    if scan.declared_frames > scan.packets:
        lines.append(f"cut off: the file declares {scan.declared_frames} frames, {count} can be decoded")
    elif scan.declared_end is not None and scan.declared_end - scan.end > Fraction(1, 2):
        lines.append(
            f"cut off: the file declares {float(scan.declared_end):.2f} s, its data ends at {float(scan.end):.2f} s"
        )
    return tuple(lines)


def _spans(ordinals: list[int]) -> str:
    """Whole numbers in few words: 3, 5-8, ... with the first four stretches at most."""
    rising = sorted(set(ordinals))
    starts = [rising[0], *(b for a, b in pairwise(rising) if b > a + 1)]
    ends = [*(a for a, b in pairwise(rising) if b > a + 1), rising[-1]]
    words = [str(a) if a == b else f"{a}-{b}" for a, b in zip(starts, ends, strict=True)]
    return ", ".join(words[:4]) + (f" and {len(words) - 4} more stretches" if len(words) > 4 else "")
