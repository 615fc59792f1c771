"""Damaged and cut video files: every frame that can be decoded, and a clear account of what cannot."""

from __future__ import annotations

import os

import av
import numpy as np
import pytest
from av.stream import Disposition
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numbered_clips import cut_within, make_clip, number_in, packets_of

from pwarp.errors import PwarpError
from pwarp.video import open_video
from pwarp.video.damage import Damage


def assert_consistent(video):
    """Seeks, a second read and the frame count agree with the sequential read, which is returned."""
    read = [p for _, p in video.frames()]
    assert len(read) == video.frame_count == len(video.times) > 0
    for i in np.random.default_rng(2).permutation(len(read))[:15]:
        np.testing.assert_array_equal(video.frame(int(i)), read[i])
    for i, picture in video.frames():
        np.testing.assert_array_equal(picture, read[i])
    return read


CUT = {
    "mkv": ("clip.mkv", "libx264", {}),
    "webm": ("clip.webm", "libvpx", {}),
    "avi-mpeg4": ("clip.avi", "mpeg4", {}),
    "avi-mjpeg": ("clip.avi", "mjpeg", {"pix_fmt": "yuvj420p"}),
    "mp4-index-in-front": ("clip.mp4", "libx264", {"container_options": {"movflags": "faststart"}}),
    "mp4-in-fragments": ("clip.mp4", "libx264", {"container_options": {"movflags": "frag_keyframe+empty_moov"}}),
}


@pytest.mark.parametrize("packet", [7, 25, 36])
@pytest.mark.parametrize("kind", CUT)
def test_a_file_that_is_cut_off_gives_the_frames_before_the_cut(tmp_path, kind, packet):
    name, codec, how = CUT[kind]
    path = make_clip(tmp_path / name, codec, **how)
    sound = [p for _, p in open_video(path).frames()]
    with open_video(cut_within(path, tmp_path / f"cut-{name}", packet)) as video:
        read = assert_consistent(video)
        assert packet - 2 <= len(read) <= packet + 2
        # The packet in two may spoil the frames that were waiting for it: a group of B-frames at most.
        for picture, same in zip(read[:-4], sound, strict=False):
            np.testing.assert_array_equal(picture, same)
        if kind != "mp4-in-fragments":  # whose header declares nothing
            assert video.damage[0].startswith("cut off: the header declares 1.60 s, the data ends at ")


def test_a_transport_stream_that_is_cut_off_says_where_it_is_damaged(tmp_path):
    path = make_clip(tmp_path / "clip.ts", options={"x264-params": "keyint=12:bframes=0"})
    with open_video(cut_within(path, tmp_path / "cut.ts", 24)) as video:
        assert [number_in(p) for p in assert_consistent(video)[:-1]] == list(range(video.frame_count - 1))
        assert any(str(video.frame_count - 1) in line for line in video.damage)


def test_an_mp4_without_its_index_is_refused_with_the_reason(tmp_path):
    path = make_clip(tmp_path / "clip.mp4")
    with pytest.raises(PwarpError, match=r"cut\.mp4: the recording was cut off before its index \(moov\)"):
        open_video(cut_within(path, tmp_path / "cut.mp4", 30))


def test_a_picture_that_ends_in_the_middle_is_left_out(tmp_path):
    """The decoder fills the rest of such a picture with whatever its memory held, and says nothing."""
    path = make_clip(tmp_path / "clip.avi", "mjpeg", pix_fmt="yuvj420p", count=20)
    content = bytearray(path.read_bytes())
    start, size = packets_of(path)[9]
    content[start + size // 2 : start + size] = b"\xff\xd9" + bytes(size - size // 2 - 2)
    path.write_bytes(content)
    with open_video(path) as video:
        numbers = [number_in(p) for p in assert_consistent(video)]
        assert [n for n in numbers if n != 9] == [n for n in range(20) if n != 9]


DAMAGED = {
    "mp4": ("clip.mp4", "libx264", {"container_options": {"movflags": "faststart"}}),
    "mkv": ("clip.mkv", "libx264", {}),
    "avi": ("clip.avi", "mpeg4", {"max_b_frames": 2}),
    "ts": ("clip.ts", "libx264", {}),
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_damage_in_the_middle_is_told_and_the_rest_is_read(tmp_path, kind):
    name, codec, how = DAMAGED[kind]
    path = make_clip(tmp_path / name, codec, **how)
    sound = [p for _, p in open_video(path).frames()]
    content = bytearray(path.read_bytes())
    packets = packets_of(path)
    position, size = packets[16]
    content[position + size // 2 : position + size - 5] = bytes(size - size // 2 - 5)
    path.write_bytes(content)
    with open_video(path) as video:
        read = assert_consistent(video)
        assert 36 <= len(read) <= 40
        assert video.damage
        # Before the group of pictures that is hit, and after it, everything is as it was.
        for picture, same in [*zip(read[:11], sound[:11], strict=True), *zip(read[-12:], sound[-12:], strict=True)]:
            np.testing.assert_array_equal(picture, same)


@pytest.fixture(scope="module")
def small_clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("small")
    return [
        make_clip(folder / "a.mp4", count=16, container_options={"movflags": "faststart"}),
        make_clip(folder / "b.mkv", count=16),
        make_clip(folder / "c.avi", "mjpeg", pix_fmt="yuvj420p", count=16),
        make_clip(folder / "d.avi", "mpeg4", count=16),
    ]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(which=st.integers(0, 3), places=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=12))
def test_whatever_is_wrong_reads_agree_or_one_line_says_why_not(tmp_path, small_clips, which, places):
    content = bytearray(small_clips[which].read_bytes())
    for share, value in places:
        content[int(share * (len(content) - 1))] = value
    path = tmp_path / small_clips[which].name
    path.write_bytes(content)
    try:
        video = open_video(path)
    except PwarpError as error:
        assert path.name in str(error)
        assert "\n" not in str(error)
        return
    assert_consistent(video)


def test_frames_of_another_size_are_left_out_and_counted(tmp_path):
    """Two recordings pasted together, as some cameras and many scripts do."""
    first = make_clip(tmp_path / "first.ts", count=14)
    second = make_clip(tmp_path / "second.ts", count=9, size=(96, 64))
    path = tmp_path / "both.ts"
    path.write_bytes(first.read_bytes() + second.read_bytes())
    with open_video(path) as video:
        assert [number_in(p) for p in assert_consistent(video)] == list(range(14))
        assert "9 frames left out: 96x64, unlike the first one" in video.damage


def test_metadata_in_another_encoding_is_no_obstacle(tmp_path):
    path = tmp_path / "clip.avi"
    with av.open(str(path), "w") as container:
        container.metadata["title"] = "XXXXXXXX"
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height = 32, 16
        container.mux(stream.encode(av.VideoFrame(32, 16, "yuv420p")))
        container.mux(stream.encode(None))
    path.write_bytes(path.read_bytes().replace(b"XXXXXXXX", b"caf\xe9 \xfc\xf6 "))
    with open_video(path) as video:
        assert video.frame_count == 1


class TestRefusals:
    def refused(self, path, message):
        with pytest.raises(PwarpError, match=message) as caught:
            open_video(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_missing_file(self, tmp_path):
        self.refused(tmp_path / "gone.mp4", "no such file")

    def test_empty_file(self, tmp_path):
        (tmp_path / "empty.mp4").touch()
        self.refused(tmp_path / "empty.mp4", "the file is empty")

    @pytest.mark.parametrize("name", ["text.mp4", "text.txt", "text.nfo"])
    def test_text(self, tmp_path, name):
        (tmp_path / name).write_text("1,2,3\n" * 200)
        self.refused(tmp_path / name, "not a video")

    def test_sound_without_picture(self, tmp_path):
        path = tmp_path / "sound.m4a"
        with av.open(str(path), "w") as container:
            stream = container.add_stream("aac", rate=44100)
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), format="fltp", layout="mono")
            frame.rate = 44100
            container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        self.refused(path, "no video stream in the file, only audio")

    def test_sound_with_a_cover_picture(self, tmp_path):
        path = tmp_path / "song.mp4"
        with av.open(str(path), "w") as container:
            stream = container.add_stream("mjpeg", rate=1)
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
            stream.disposition = Disposition.attached_pic
            frame = av.VideoFrame(64, 48, "yuvj420p")
            frame.pts = 0
            container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        self.refused(path, "no video stream in the file, only a cover picture")

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
    def test_a_file_that_may_not_be_read(self, tmp_path):
        make_clip(tmp_path / "clip.mp4", count=2).chmod(0)
        self.refused(tmp_path / "clip.mp4", "cannot read: Permission denied")

    def test_a_playlist_opens_no_other_file(self, tmp_path):
        make_clip(tmp_path / "secret.ts", count=2)
        playlist = tmp_path / "clip.mp4"
        playlist.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nsecret.ts\n#EXT-X-ENDLIST\n")
        self.refused(playlist, "not a video")

    def test_no_frame_that_can_be_decoded(self, tmp_path):
        path = make_clip(tmp_path / "clip.mkv", "ffv1", count=1)
        with av.open(str(path)) as container:
            (packet,) = [p for p in container.demux(video=0) if p.size]
        path.write_bytes(path.read_bytes().replace(bytes(packet), bytes(packet.size)))
        self.refused(path, "no frame of the video can be decoded")

    def test_a_size_that_no_camera_has(self, tmp_path):
        path = make_clip(tmp_path / "clip.avi", "rawvideo", pix_fmt="bgr24", count=2)
        content = bytearray(path.read_bytes())
        at = content.find(b"strf") + 12
        content[at : at + 8] = (20_000).to_bytes(4, "little") + (18_000).to_bytes(4, "little")
        path.write_bytes(content)
        self.refused(path, r"its pictures have 20000x18000 pixels, more than the 2\^26")


def test_lines_name_places_briefly():
    damage = Damage()
    for ordinal in (4, 4, 5, 6, 9, 12, 15, 20):
        damage.report("h264 says", "bad block", ordinal)
    damage.corrupt.append(7)
    assert damage.lines() == (
        "frame 7 damaged: the picture is the decoder's guess, and so may be those after it, up to the next key frame",
        "near frames 4-6, 9, 12, 15 and 1 more places: h264 says: bad block (8 times)",
    )


def test_ordinals_follow_when_frames_are_left_out():
    damage = Damage()
    damage.report("h264 says", "bad block", 8)
    damage.corrupt.extend([2, 5, 8])
    damage.renumber(np.array([0, 1, 3, 4, 5, 6, 8, 9]))
    assert list(damage.corrupt) == [4, 6]
    assert list(damage.problems["h264 says"].ordinals) == [6]
