"""Folders and globs of pictures as videos."""

from __future__ import annotations

import os
import struct
import zlib

import cv2
import numpy as np
import pytest
from numbered_clips import HEIGHT, WIDTH, number_in, numbered

from pwarp.errors import PwarpError
from pwarp.video import open_video


def write(path, picture):
    path.parent.mkdir(exist_ok=True)
    assert cv2.imwrite(str(path), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))


@pytest.fixture
def folder(tmp_path):
    """Twelve pictures, numbered without leading zeros, among files that are none."""
    for i in range(12):
        write(tmp_path / "clip" / f"frame{i}.png", numbered(i))
    (tmp_path / "clip" / "notes.txt").write_text("no picture")
    (tmp_path / "clip" / "._frame3.png").write_bytes(b"what macOS leaves behind")
    (tmp_path / "clip" / "frame99.png").mkdir()
    return tmp_path / "clip"


def test_a_folder_is_read_in_natural_order(folder):
    with open_video(folder) as video:
        assert video.names == tuple(f"frame{i}.png" for i in range(12))
        assert (video.width, video.height, video.frame_count) == (WIDTH, HEIGHT, 12)
        assert video.fps is None
        assert video.times.tolist() == list(range(12))
        assert video.damage == ()
        for i, picture in video.frames():
            np.testing.assert_array_equal(picture, numbered(i))
        np.testing.assert_array_equal(video.frame(10), numbered(10))
        assert [i for i, _ in video.frames(2, 11, step=4)] == [2, 6, 10]
        with pytest.raises(PwarpError, match="no frame 12"):
            video.frame(12)


def test_grey_is_the_luma_of_the_same_picture(folder):
    with open_video(folder) as video:
        grey = video.frame(7, color="gray")
        assert grey.shape == (HEIGHT, WIDTH)
        np.testing.assert_allclose(grey, numbered(7) @ [0.299, 0.587, 0.114], atol=1)
        np.testing.assert_array_equal(next(video.frames(7, color="gray"))[1], grey)


def test_a_glob_takes_what_matches(folder):
    with open_video(f"{folder}/frame1*.png") as video:
        assert video.names == ("frame1.png", "frame10.png", "frame11.png")
        assert [number_in(p) for _, p in video.frames()] == [1, 10, 11]


def test_a_glob_over_folders_names_pictures_with_their_folders(tmp_path):
    for camera in ("left", "right"):
        write(tmp_path / camera / "0.png", numbered(len(camera)))
    with open_video(f"{tmp_path}/*/0.png") as video:
        assert video.names == ("left/0.png", "right/0.png")


def test_a_folder_whose_name_looks_like_a_glob_is_a_folder(tmp_path):
    write(tmp_path / "take[1]*" / "0.png", numbered(3))
    with open_video(tmp_path / "take[1]*") as video:
        assert number_in(video.frame(0)) == 3


def test_a_single_picture_is_a_video_of_one_frame(folder):
    with open_video(folder / "frame5.png") as video:
        assert (video.frame_count, number_in(video.frame(0))) == (1, 5)


@pytest.mark.parametrize(("orientation", "quarter_turns"), [(6, -1), (3, 2), (8, 1)])
def test_exif_orientation_is_applied(tmp_path, orientation, quarter_turns):
    _, coded = cv2.imencode(".jpg", cv2.cvtColor(numbered(9), cv2.COLOR_RGB2BGR))
    entry = struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0)
    exif = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", 1) + entry + bytes(4)
    segment = b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
    (tmp_path / "plain.jpg").write_bytes(coded.tobytes())
    (tmp_path / "turned.jpg").write_bytes(coded[:2].tobytes() + segment + coded[2:].tobytes())
    turned, plain = open_video(tmp_path / "turned.jpg"), open_video(tmp_path / "plain.jpg")
    np.testing.assert_array_equal(turned.frame(0), np.rot90(plain.frame(0), quarter_turns))
    assert (turned.height, turned.width) == turned.frame(0).shape[:2]


def test_a_picture_of_another_size_is_named(folder):
    write(folder / "frame7.png", numbered(7, WIDTH, HEIGHT + 2))
    with open_video(folder) as video:
        assert number_in(video.frame(8)) == 8
        with pytest.raises(PwarpError, match=r"frame7\.png: frame 7 is 128x82, the first one, frame0\.png, is 128x80"):
            list(video.frames())


def test_a_picture_that_cannot_be_decoded_is_named(folder):
    (folder / "frame4.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    with open_video(folder) as video, pytest.raises(PwarpError, match=r"frame4\.png: not a picture"):
        video.frame(4)


def test_a_small_file_that_claims_a_giant_picture_is_refused(tmp_path):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 20_000, 20_000, 8, 0, 0, 0, 0))
    path = tmp_path / "giant.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(10))) + chunk(b"IEND", b""))
    with pytest.raises(PwarpError, match=r"giant\.png: refused, it claims too many pixels"):
        open_video(path)


def test_no_picture_is_an_error_that_tells_what_was_looked_for(tmp_path):
    with pytest.raises(PwarpError, match="no pictures in this folder"):
        open_video(tmp_path)
    with pytest.raises(PwarpError, match="0 files match"):
        open_video(f"{tmp_path}/*.png")
    (tmp_path / "notes.txt").write_text("no picture")
    with pytest.raises(PwarpError, match="1 files match, none of them a picture"):
        open_video(f"{tmp_path}/*")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_an_error(tmp_path):
    tmp_path.chmod(0)
    with pytest.raises(PwarpError, match="cannot read: Permission denied"):
        open_video(tmp_path)


def test_the_fingerprint_is_of_the_names(folder):
    with open_video(folder) as video:
        before = video.identity.fingerprint
    (folder / "frame11.png").rename(folder / "frame12.png")
    with open_video(folder) as video:
        assert video.identity.fingerprint != before
