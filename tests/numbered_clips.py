"""Clips whose frames show their own number, so that a test can prove which frame it was given."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

# Distinct and odd in blocks, so that swapped axes and wrong strides show.
WIDTH, HEIGHT = 128, 80
_BITS = 8
CLOSED_GOP = {"x264-params": "keyint=12:min-keyint=12:scenecut=0:bframes=3"}


def numbered(i: int, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """An RGB picture with its number as eight black or white blocks along the top, over a moving texture."""
    y, x = np.mgrid[:height, :width]
    red, green, blue = (x * 3 + i * 5) % 256, (y * 3 + i) % 256, (x + y) % 256
    picture = np.stack([red, green, blue], axis=2).astype(np.uint8)
    block = width // _BITS
    for bit in range(_BITS):
        picture[:16, bit * block : (bit + 1) * block] = 255 * (i >> bit & 1)
    return picture


def number_in(picture: np.ndarray) -> int:
    """The number that an upright picture, RGB or grey, shows."""
    luma = picture.mean(axis=2) if picture.ndim == 3 else picture
    block = picture.shape[1] // _BITS
    blocks = [luma[4:12, bit * block + 4 : (bit + 1) * block - 4].mean() for bit in range(_BITS)]
    return sum(1 << bit for bit, mean in enumerate(blocks) if mean > 128)


def make_clip(
    path: Path,
    codec: str = "libx264",
    *,
    count: int = 40,
    size: tuple[int, int] = (WIDTH, HEIGHT),
    pix_fmt: str = "yuv420p",
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
    container_format: str | None = None,
    max_b_frames: int = 0,
    times_ms: Sequence[int] | None = None,
) -> Path:
    """Write a clip of numbered frames at 25 a second, or at given times; skips the test without the encoder."""
    if codec not in av.codecs_available:
        pytest.skip(f"this FFmpeg has no encoder {codec}")
    with av.open(str(path), "w", format=container_format, options=container_options or {}) as container:
        stream = container.add_stream(codec, rate=25 if times_ms is None else 1000)
        stream.width, stream.height, stream.pix_fmt = *size, pix_fmt
        stream.options = CLOSED_GOP if codec == "libx264" and options is None else options or {}
        stream.codec_context.gop_size = 12
        if codec != "libx264":
            stream.codec_context.max_b_frames = max_b_frames
        for i in range(count):
            frame = av.VideoFrame.from_ndarray(numbered(i, *size), format="rgb24")
            frame.pts = i if times_ms is None else times_ms[i]
            frame.time_base = Fraction(1, 25 if times_ms is None else 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def packets_of(path: Path) -> list[tuple[int, int]]:
    """Where the video packets of a file begin, and their sizes, in bytes."""
    with av.open(str(path)) as container:
        return [(p.pos, p.size) for p in container.demux(video=0) if p.size and p.pos is not None]


def cut_within(source: Path, target: Path, packet: int) -> Path:
    """The part of a file up to the middle of a video packet."""
    position, size = packets_of(source)[packet]
    target.write_bytes(source.read_bytes()[: position + size // 2])
    return target


def set_display_matrix(path: Path, a: int, b: int, c: int, d: int) -> None:
    """Put a display matrix into the track header of an MP4 file that has the identity there."""
    content = bytearray(path.read_bytes())
    identity = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    at = content.find(identity, content.find(b"tkhd"))
    assert at > 0
    content[at : at + 36] = struct.pack(">9i", a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)
    path.write_bytes(content)
