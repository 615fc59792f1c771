"""What a video file holds, found out by decoding it once.

Neither a header nor the packets tell how many frames a file gives: a packet may hold no frame or be damaged, a
decoder may drop frames that it has no reference for, a header may lie. So the index is made from a full decode. It
keeps 12 bytes a frame: the time stamp, and a checksum of the pixels by which a later read knows, whatever the
container and the codec make of a seek, that it has the same frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from pwarp.errors import PwarpError
from pwarp.video.orientation import Orientation
from pwarp.video.scan import NO_STAMP, Scan, scan_file

_THREADS = 2


@dataclass(frozen=True)
class FrameIndex:
    """The N frames of a file, in the order in which they are decoded, which is that of presentation.

    width, height: of the stored picture; frames of another size do not count. time_base: seconds. stamps: (N,)
    presentation times in units of time_base. stamped: whether they are the frames' own, so that a decoded frame can
    be told by its time. checksums: (N,). outputs: (N,) number of each frame among all that the decoder gives.
    entries: (E, 2) rising: frame ordinal, about, of a key frame, and the time to seek to for it. threads: to decode
    with. damage: a line for each problem.
    """

    width: int
    height: int
    orientation: Orientation
    time_base: Fraction
    stamps: NDArray[np.int64]
    stamped: bool
    checksums: NDArray[np.uint32]
    outputs: NDArray[np.int64]
    entries: NDArray[np.int64]
    threads: int
    fps: Fraction | None
    variable_rate: bool
    damage: tuple[str, ...]


def build_index(path: str) -> FrameIndex:
    """Decode a video file once and note its frames.

    A file that turns out to be damaged is decoded twice more, with a single thread: with several, what a decoder
    makes of missing data depends on timing. Frames that differ even so show memory that nothing was written to,
    such as the lower half of a picture whose data ends in the middle; they are left out.

    Raises PwarpError where the file is no video or not one frame can be decoded.
    """
    scan = scan_file(path, threads=_THREADS)
    checksums = np.array(scan.checksums, dtype=np.uint32)
    outputs = np.arange(len(checksums))
    if scan.damage:
        scan = scan_file(path, threads=1)
        again = scan_file(path, threads=1, hold=5)
        outputs = _reproducible(scan, again)
        scan.damage.undefined = len(scan.checksums) - len(outputs)
        scan.damage.renumber(outputs)
        checksums = np.array(scan.checksums, dtype=np.uint32)
    if scan.size is None or not len(outputs):
        if scan.oversized:
            why = f"; its pictures have {scan.oversized} pixels, more than the 2^26 that are allowed; scale it down"
        else:
            why = "".join(f"; {line}" for line in scan.damage.lines()[:1])
        raise PwarpError(f"{path}: no frame of the video can be decoded{why}")
    own = np.array(scan.stamps, dtype=np.int64)[outputs]
    stamped = bool((own != NO_STAMP).all() and (np.diff(own) > 0).all())
    stamps = own if stamped else _substitute_stamps(scan, outputs)
    return FrameIndex(
        width=scan.size[0],
        height=scan.size[1],
        orientation=scan.orientation,
        time_base=scan.time_base,
        stamps=stamps,
        stamped=stamped,
        checksums=checksums[outputs],
        outputs=outputs,
        entries=_entries(scan, own, stamped),
        threads=1 if scan.damage else _THREADS,
        fps=_average_rate(stamps, scan),
        variable_rate=_is_variable(stamps),
        damage=scan.damage.lines(),
    )


def _reproducible(scan: Scan, again: Scan) -> NDArray[np.int64]:
    """Numbers of the frames that two passes agree on."""
    count = min(len(scan.checksums), len(again.checksums))
    one, other = np.array(scan.checksums[:count]), np.array(again.checksums[:count])
    return np.flatnonzero(one == other)


def _entries(scan: Scan, own: NDArray[np.int64], stamped: bool) -> NDArray[np.int64]:
    """Where decoding can start: ordinals are only a guess to begin at, every frame is checked when it is read."""
    entries = np.array(scan.keys, dtype=np.int64).reshape(-1, 2)
    if stamped:
        entries[:, 0] = np.searchsorted(own, entries[:, 1])
    entries = entries[entries[:, 0] < len(own)]
    return entries[np.argsort(entries[:, 0], kind="stable")]


def _substitute_stamps(scan: Scan, outputs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Times for frames whose own times are missing or do not rise: those of decoding, else a constant rate."""
    decode = np.array(scan.decode_stamps, dtype=np.int64)[outputs]
    known = np.flatnonzero(decode != NO_STAMP)
    steps = np.diff(decode[known])
    # The last frames come out when there is no packet left to take a time from.
    if len(known) > 1 and known[-1] == len(known) - 1 and (steps > 0).all():
        rest = np.arange(1, len(decode) - len(known) + 1) * int(np.median(steps))
        return np.concatenate([decode[known], decode[known[-1]] + rest])
    ticks = 1 / ((scan.declared_rate or Fraction(25)) * scan.time_base)
    return np.round(np.arange(len(decode)) * float(ticks)).astype(np.int64)


def _average_rate(stamps: NDArray[np.int64], scan: Scan) -> Fraction | None:
    """Frames a second. The declared rate where it fits: measured ones suffer from the rounding of the times."""
    declared = scan.declared_rate
    ticks = int(stamps[-1] - stamps[0])
    if ticks <= 0:
        return declared
    steps = len(stamps) - 1
    measured = Fraction(steps) / (ticks * scan.time_base)
    # Either end may be off by a tick.
    if declared and abs(1 / declared - 1 / measured) * steps <= 2 * scan.time_base:
        return declared
    return measured.limit_denominator(100_000)


def _is_variable(stamps: NDArray[np.int64]) -> bool:
    """Whether the steps differ by more than the rounding of a constant rate to ticks can explain."""
    if len(stamps) < 3:
        return False
    steps = np.diff(stamps)
    # Where a step is of a tick or two, a tick more is not rounding but a frame left out.
    allowed = 1 if steps.min() >= 4 else 0
    return bool(steps.max() - steps.min() > allowed)
