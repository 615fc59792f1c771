"""Frames of videos and pictures by ordinal: a frame is the same however it is reached."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from pwarp.errors import PwarpError
from pwarp.video import open_video


def numbered(i: int, width: int = 96, height: int = 64) -> np.ndarray:
    """A picture that shows its number as eight black or white blocks on top, over a moving texture."""
    y, x = np.mgrid[:height, :width]
    red = (x * 3 + i * 5) % 256
    picture = np.stack([red, (y * 3 + i) % 256, (x + y) % 256], axis=2).astype(np.uint8)
    block = width // 8
    for bit in range(8):
        picture[:12, bit * block : (bit + 1) * block] = 255 * (i >> bit & 1)
    return picture


def number_in(picture: np.ndarray) -> int:
    block = picture.shape[1] // 8
    luma = picture.mean(axis=2) if picture.ndim == 3 else picture
    return sum(1 << bit for bit in range(8) if luma[4:9, bit * block + 3 : (bit + 1) * block - 3].mean() > 128)


def make_clip(path: Path, count: int = 40) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        stream.options = {"x264-params": "keyint=12:scenecut=0:bframes=3"}
        for i in range(count):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(numbered(i), format="rgb24")))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("color", ["rgb", "gray"])
def test_frame_by_seek_equals_sequential_read(tmp_path, color):
    with open_video(make_clip(tmp_path / "clip.mp4")) as video:
        read = [picture for _, picture in video.frames(color=color)]
        assert [number_in(p) for p in read] == list(range(40)) == list(range(video.frame_count))
        for i in np.random.default_rng(5).permutation(40):
            np.testing.assert_array_equal(video.frame(int(i), color=color), read[i])


def test_missing_path_is_named(tmp_path):
    with pytest.raises(PwarpError, match=r"gone\.mp4: no such file"):
        open_video(tmp_path / "gone.mp4")
