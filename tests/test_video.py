"""Video files: a frame is the same bits however it is reached, upright, with its own time."""

from __future__ import annotations

import struct
import subprocess
import sys
from fractions import Fraction
from itertools import pairwise

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numbered_clips import HEIGHT, WIDTH, make_clip, number_in, numbered, set_display_matrix

from pwarp.annotations import VideoIdentity
from pwarp.errors import PwarpError
from pwarp.video import check_identity, container, open_video
from pwarp.video.container import Playhead
from pwarp.video.stream import StreamReader, checksum

OPEN_GOP = {"x264-params": "keyint=12:min-keyint=12:scenecut=0:bframes=3:open-gop=1"}
INTRA_REFRESH = {"x264-params": "keyint=20:intra-refresh=1:bframes=0"}
HEVC = {"x265-params": "keyint=12:bframes=3:open-gop=1:log-level=0"}

KINDS = {
    "mp4-bframes": ("clip.mp4", "libx264", {}),
    "mov-open-gop": ("clip.mov", "libx264", {"options": OPEN_GOP}),
    "mkv-open-gop": ("clip.mkv", "libx264", {"options": OPEN_GOP}),
    "ts-open-gop": ("clip.ts", "libx264", {"options": OPEN_GOP}),
    "ts-no-key-frames": ("clip.ts", "libx264", {"options": INTRA_REFRESH}),
    "avi-h264-times-out-of-order": ("clip.avi", "libx264", {}),
    "raw-h264-without-times": ("clip.h264", "libx264", {"container_format": "h264"}),
    "fragmented-mp4": ("clip.mp4", "libx264", {"container_options": {"movflags": "frag_keyframe+empty_moov"}}),
    "hevc-open-gop": ("clip.mp4", "libx265", {"options": HEVC}),
    "avi-mpeg4-bframes": ("clip.avi", "mpeg4", {"max_b_frames": 2}),
    "avi-mjpeg": ("clip.avi", "mjpeg", {"pix_fmt": "yuvj420p"}),
    "mpeg2-ps": ("clip.mpg", "mpeg2video", {"max_b_frames": 2}),
    "webm-vp8": ("clip.webm", "libvpx", {}),
    "webm-vp9": ("clip.webm", "libvpx-vp9", {"options": {"cpu-used": "8", "deadline": "realtime"}}),
    "odd-size": ("clip.mkv", "ffv1", {"size": (131, 83)}),
    "odd-size-yuv444": ("clip.mp4", "libx264", {"size": (131, 83), "pix_fmt": "yuv444p"}),
    "ten-bit": ("clip.mp4", "libx264", {"pix_fmt": "yuv420p10le"}),
    "grey": ("clip.mp4", "libx264", {"pix_fmt": "gray"}),
    "alpha": ("clip.mov", "png", {"pix_fmt": "rgba"}),
    "interlaced": ("clip.mp4", "libx264", {"options": {"x264-params": "keyint=12:bframes=3:tff=1"}}),
    "packed-yuv": ("clip.mkv", "rawvideo", {"pix_fmt": "yuyv422"}),
    "rgb565": ("clip.avi", "rawvideo", {"pix_fmt": "rgb565le"}),
    "gif": ("clip.gif", "gif", {"pix_fmt": "rgb8"}),
    "two-planes": ("clip.mkv", "rawvideo", {"pix_fmt": "nv12"}),
}


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """40 frames, B-frames, a key frame every 12."""
    return make_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", options=OPEN_GOP)


@pytest.mark.parametrize("kind", KINDS)
def test_every_frame_by_seek_equals_the_sequential_read(tmp_path, kind):
    name, codec, how = KINDS[kind]
    width, height = how.get("size", (WIDTH, HEIGHT))
    with open_video(make_clip(tmp_path / name, codec, **how)) as video:
        assert (video.width, video.height, video.frame_count) == (width, height, 40)
        assert video.damage == ()
        assert video.fps == 25
        assert not video.variable_rate
        np.testing.assert_allclose(np.diff(video.times), 0.04, atol=1e-3)
        for color, shape in (("rgb", (height, width, 3)), ("gray", (height, width))):
            read = [picture for _, picture in video.frames(color=color)]
            assert [number_in(p) for p in read] == list(range(40))
            assert {p.shape for p in read} == {shape}
            for i in np.random.default_rng(5).permutation(40):
                np.testing.assert_array_equal(video.frame(int(i), color=color), read[i])


def test_colours_are_those_of_the_scene(tmp_path):
    with open_video(make_clip(tmp_path / "clip.mov", "png", count=3, pix_fmt="rgb24")) as video:
        np.testing.assert_array_equal(video.frame(2), numbered(2))


def test_grey_spans_the_full_range(clip):
    with open_video(clip) as video:
        grey = video.frame(5, color="gray")
        red, green, blue = np.moveaxis(video.frame(5).astype(float), 2, 0)
    assert grey.min() <= 2
    assert grey.max() >= 253
    assert np.abs(grey - (0.299 * red + 0.587 * green + 0.114 * blue)).mean() < 3


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 39), st.sampled_from(["rgb", "gray"])), min_size=1, max_size=30))
def test_any_order_of_access_gives_the_same_frames(clip, visits):
    with open_video(clip) as video:
        read = {color: [p for _, p in video.frames(color=color)] for color in ("rgb", "gray")}
        for i, color in visits:
            np.testing.assert_array_equal(video.frame(i, color=color), read[color][i])


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 45), st.none() | st.integers(0, 60), st.integers(1, 30))
def test_frames_is_a_slice(clip, start, stop, step):
    with open_video(clip) as video:
        got = [(i, number_in(p)) for i, p in video.frames(start, stop, step=step)]
    expected = list(range(40))[slice(start, stop, step)]
    assert got == [(i, i) for i in expected]


def test_iterators_do_not_disturb_each_other(clip):
    with open_video(clip) as video:
        one, other = video.frames(3), video.frames(30, color="gray")
        seen = [(next(one)[0], number_in(video.frame(11)), next(other)[0]) for _ in range(8)]
        assert seen == [(3 + k, 11, 30 + k) for k in range(8)]
        assert [number_in(next(one)[1]), number_in(next(other)[1])] == [11, 38]


def test_who_comes_after_another_reader_decodes_nothing_again(clip, monkeypatch):
    """As flow finds where a network has to look, stretch by stretch."""
    decoded = []
    read = Playhead.read
    monkeypatch.setattr(Playhead, "read", lambda self, target: decoded.append(target) or read(self, target))
    with open_video(clip) as video:
        alone = dict(video.frames())
        assert decoded == list(range(40)) and not video._recent._frames
        decoded.clear()
        first, second = video.frames(color="gray"), video.frames()
        seen = [next(second)]  # a reader counts from its first frame on
        for start in range(0, 40, 8):
            assert [next(first)[0] for _ in range(8)] == list(range(start, start + 8))
            seen += [next(second) for _ in range(start + 8 - len(seen))]
        assert decoded == [0, *range(40)]
        for i, picture in seen:
            np.testing.assert_array_equal(picture, alone[i])
        assert next(first, None) is next(second, None) is None and not video._recent._frames


def test_frames_kept_for_another_reader_take_bounded_memory(clip, monkeypatch):
    with open_video(clip) as video:
        frame = Playhead(str(clip), video._index).read(0)
        size = sum(plane.buffer_size for plane in frame.planes)
        monkeypatch.setattr(container, "_SHARED", 5 * size + size // 2)
        first, second = video.frames(), video.frames()
        next(second)
        for i in range(40):
            assert next(first)[0] == i
            assert sorted(video._recent._frames) == list(range(max(i - 4, 0), i + 1))
        assert [number_in(picture) for _, picture in second] == list(range(1, 40))


@pytest.mark.parametrize("i", [-1, 40, 1000])
def test_frame_out_of_range_is_an_error_that_tells_the_range(clip, i):
    with open_video(clip) as video, pytest.raises(PwarpError, match=rf"no frame {i}; there are 40 \(0 to 39\)"):
        video.frame(i)


def test_a_frame_belongs_to_the_caller(tmp_path):
    """Grey video needs no conversion; the decoder predicts later frames from memory that nobody else may write to."""
    with open_video(make_clip(tmp_path / "grey.mp4", pix_fmt="gray")) as video:
        sound = [p.copy() for _, p in video.frames(color="gray")]
        for i, picture in video.frames(color="gray"):
            np.testing.assert_array_equal(picture, sound[i])
            picture[:] = 0


# Display matrices (a, b, c, d) that take (x, y) to (a x + c y, b x + d y), y down, and what they do to an array.
ROTATIONS = {
    "90": ((0, 1, -1, 0), 90, lambda p: np.rot90(p, -1)),
    "180": ((-1, 0, 0, -1), 180, lambda p: np.rot90(p, 2)),
    "270": ((0, -1, 1, 0), 270, lambda p: np.rot90(p, 1)),
    "mirrored": ((-1, 0, 0, 1), 0, np.fliplr),
    "upside-down": ((1, 0, 0, -1), 180, np.flipud),
    "transposed": ((0, 1, 1, 0), 270, lambda p: p.swapaxes(0, 1)),
}


@pytest.mark.parametrize("kind", ROTATIONS)
def test_rotation_is_applied(tmp_path, kind):
    matrix, degrees, turn = ROTATIONS[kind]
    stored = open_video(make_clip(tmp_path / "stored.mp4", count=15))
    set_display_matrix(make_clip(tmp_path / "turned.mp4", count=15), *matrix)
    turned = open_video(tmp_path / "turned.mp4")
    assert turned.rotation == degrees
    for color in ("rgb", "gray"):
        expected = turn(stored.frame(13, color=color))
        np.testing.assert_array_equal(turned.frame(13, color=color), expected)
        assert (turned.height, turned.width) == expected.shape[:2]


@pytest.mark.parametrize("name", ["vfr.mp4", "vfr.mkv"])
def test_variable_frame_rate_keeps_each_frames_time(tmp_path, name):
    times = np.cumsum(np.random.default_rng(3).integers(5, 90, 40)).tolist()
    with open_video(make_clip(tmp_path / name, times_ms=times)) as video:
        np.testing.assert_allclose(video.times, np.array(times) / 1000, atol=1e-9)
        assert video.variable_rate
        assert video.fps == pytest.approx(39 / (times[-1] - times[0]) * 1000, rel=1e-6)
        for i in (33, 2, 17, 39, 0):
            assert number_in(video.frame(i)) == i


def test_a_rate_that_milliseconds_cannot_hold_is_still_constant(tmp_path):
    times = [round(1000 * k / 29.97) for k in range(40)]
    with open_video(make_clip(tmp_path / "ntsc.mkv", times_ms=times)) as video:
        assert len(set(np.diff(times))) == 2
        assert not video.variable_rate


def test_frames_that_an_edit_list_hides_do_not_count(tmp_path):
    path = make_clip(tmp_path / "trimmed.mp4")
    content = bytearray(path.read_bytes())
    at = content.find(b"elst") + 4
    version_flags, entries, duration, start = struct.unpack(">IIIi", content[at : at + 16])
    assert (version_flags, entries) == (0, 1)
    frame = 512  # of 12800 ticks a second
    struct.pack_into(">IIIi", content, at, 0, 1, duration - 17 * 40, start + 17 * frame)
    path.write_bytes(content)
    with open_video(path) as video:
        assert [number_in(p) for _, p in video.frames()] == list(range(17, 40))
        assert [number_in(video.frame(i)) for i in (20, 3, 22, 0)] == [37, 20, 39, 17]
        assert video.damage == ()


def test_two_frames_of_one_time_are_two_frames(tmp_path):
    path = make_clip(tmp_path / "clip.mp4")
    content = bytearray(path.read_bytes())
    at = content.find(b"ctts") + 8
    (entries,) = struct.unpack_from(">I", content, at)
    # The fifth run of composition offsets is of a B-frame; a frame later it falls on its neighbour.
    count, offset = struct.unpack_from(">Ii", content, at + 4 + 8 * 4)
    assert entries > 5
    struct.pack_into(">Ii", content, at + 4 + 8 * 4, count, offset + 512)
    path.write_bytes(content)
    with av.open(str(path)) as file:
        stamps = [frame.pts for frame in file.decode(video=0)]
    assert any(b <= a for a, b in pairwise(stamps))
    with open_video(path) as video:
        read = [p for _, p in video.frames()]
        assert len(read) == len(stamps) == video.frame_count
        assert (np.diff(video.times) > 0).all()
        for i in np.random.default_rng(1).permutation(len(read)):
            np.testing.assert_array_equal(video.frame(int(i)), read[i])


@pytest.mark.parametrize("count", [1, 2])
def test_very_short_clips(tmp_path, count):
    with open_video(make_clip(tmp_path / "short.mp4", count=count)) as video:
        assert [number_in(p) for _, p in video.frames()] == list(range(count)) == list(range(video.frame_count))
        assert video.fps == 25


def test_pixels_that_are_not_square_stay_as_stored(tmp_path):
    options = {"x264-params": "keyint=12:sar=16/11"}
    with open_video(make_clip(tmp_path / "wide.mp4", options=options, count=2)) as video:
        assert (video.width, video.height) == (WIDTH, HEIGHT)


@pytest.mark.parametrize("late", [1, 2, 100])
def test_a_seek_that_lands_too_late_is_noticed(clip, monkeypatch, late):
    """Whatever a container makes of a seek, the frame that comes back is the one that was asked for."""
    with open_video(clip) as video:
        seek = StreamReader.seek
        monkeypatch.setattr(StreamReader, "seek", lambda self, stamp: seek(self, stamp + late * 12 * 512))
        assert [number_in(video.frame(i)) for i in (38, 14, 25, 13, 39)] == [38, 14, 25, 13, 39]


def test_pictures_that_a_seek_gets_wrong_are_noticed(tmp_path, monkeypatch):
    """A decoder that starts within a group of pictures shows right times with wrong pixels."""
    path = make_clip(tmp_path / "clip.avi", "mpeg4", options={"g": "200"})

    def into_the_middle(self, stamp):
        self.container.seek(stamp, stream=self.stream, any_frame=True)
        return True

    with open_video(path) as video:
        read = [p for _, p in video.frames()]
        # The index of this clip has one entry; pretend that others were there.
        object.__setattr__(video._index, "entries", np.array([[0, 0], [10, 10], [20, 20], [30, 30]]))
        monkeypatch.setattr(StreamReader, "seek", into_the_middle)
        for i in (25, 39, 12, 31):
            np.testing.assert_array_equal(video.frame(i), read[i])


def test_a_file_that_goes_away_while_open_is_an_error(clip, tmp_path):
    path = tmp_path / "copy.mp4"
    path.write_bytes(clip.read_bytes())
    with open_video(path) as video:
        path.unlink()
        with pytest.raises(PwarpError, match=r"copy\.mp4: cannot read: No such file"):
            video.frame(3)


def test_a_file_that_changes_while_open_is_noticed(tmp_path):
    path = make_clip(tmp_path / "clip.mp4")
    other = make_clip(tmp_path / "other.mp4", options={"x264-params": "keyint=12:qp=40"})
    with open_video(path) as video:
        path.write_bytes(other.read_bytes())
        with pytest.raises(PwarpError, match="not what it was when the file was opened"):
            video.frame(30)


def test_memory_does_not_grow_with_length(tmp_path):
    """250 frames of 460 kB take 115 MB; opening, reading and jumping about takes a small part of that."""
    path = make_clip(tmp_path / "long.mp4", "mpeg4", count=250, size=(480, 320))
    program = """
import resource, sys
from pwarp.video import open_video
open_video(sys.argv[2]).frame(1)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
video = open_video(sys.argv[1])
for i, picture in video.frames():
    pass
for i in range(0, 250, 37):
    video.frame(249 - i)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    short = make_clip(tmp_path / "short.mp4", "mpeg4", count=12, size=(480, 320))
    command = [sys.executable, "-c", program, str(path), str(short)]
    grown = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert grown < 30_000  # kB


def test_opening_loads_no_heavy_module_before_it_must():
    program = "import sys, pwarp.video; print(sorted({'av', 'cv2', 'torch'} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert result.stdout.strip() == "[]"


# Bytes of a row that hold pixels, plane by plane, of a picture 131 wide.
USED = {
    "yuv420p": (131, 66, 66),
    "yuv420p10le": (262, 132, 132),
    "nv12": (131, 132),
    "rgb24": (393,),
    "rgba": (524,),
    "rgb565le": (262,),
    "gray16le": (262,),
    "monow": (17,),
    "pal8": (131, 1024),
}


class TestChecksum:
    @pytest.mark.parametrize("pix_fmt", USED)
    def test_every_pixel_counts_and_no_padding_does(self, pix_fmt):
        random = np.random.default_rng(4)
        frame = av.VideoFrame(131, 83, pix_fmt)
        for plane in frame.planes:
            plane.update(random.bytes(plane.buffer_size))
        before = checksum(frame)
        for plane, used in zip(frame.planes, USED[pix_fmt], strict=True):
            content = bytes(plane)
            line = plane.line_size or plane.buffer_size
            rows = plane.buffer_size // line
            for row, column in ((0, 0), (rows - 1, used - 1), (rows // 2, used // 2), (0, used), (rows - 1, line - 1)):
                if column < line:
                    changed = bytearray(content)
                    changed[row * line + column] ^= 0x10
                    plane.update(bytes(changed))
                    assert (checksum(frame) != before) == (column < used)
            plane.update(content)
        assert checksum(frame) == before

    def test_smoothing_between_two_rows_is_seen(self):
        """A deblocking filter adds to one row what it takes from the next; sums over all rows would not change."""
        frame = av.VideoFrame(64, 183, "gray")
        rows = np.full((183, frame.planes[0].line_size), 100, np.uint8)
        frame.planes[0].update(rows.tobytes())
        before = checksum(frame)
        for first, second in ((15, 16), (0, 1), (60, 61), (16, 32), (14, 17)):
            smoothed = rows.copy()
            smoothed[first, 8:16] += 3
            smoothed[second, 8:16] -= 3
            frame.planes[0].update(smoothed.tobytes())
            assert checksum(frame) != before


class TestIdentity:
    def test_the_video_it_was_made_from_passes(self, clip):
        with open_video(clip) as video, open_video(clip) as again:
            check_identity(video.identity, again)
            check_identity(VideoIdentity(), again)
            assert video.identity.fps == Fraction(25)

    @pytest.mark.parametrize(
        ("labels", "message"),
        [
            (
                VideoIdentity(width=HEIGHT, height=WIDTH),
                f"size: the labels are for {HEIGHT}x{WIDTH}, the video is {WIDTH}x{HEIGHT}: rotated",
            ),
            (VideoIdentity(width=2 * WIDTH, height=2 * HEIGHT), "256x160, the video is 128x80: scaled"),
            (VideoIdentity(width=WIDTH, height=HEIGHT + 30), "cropped, or another video"),
            (VideoIdentity(frame_count=41), "frame_count: the labels are for 41 frames, the video has 40: off by one"),
            (VideoIdentity(frame_count=60), "another cut of the video, or frames were dropped"),
            (VideoIdentity(fingerprint="00ff"), "fingerprint: the labels are for 00ff, .*re-encoded"),
        ],
    )
    def test_another_video_is_refused_with_the_likely_cause(self, clip, labels, message):
        with open_video(clip) as video, pytest.raises(PwarpError, match=message):
            check_identity(labels, video)

    def test_fingerprint_is_of_the_times_not_of_the_pixels(self, clip, tmp_path):
        worse = open_video(make_clip(tmp_path / "worse.mp4", options={"x264-params": "keyint=12:qp=40"}))
        slower = open_video(make_clip(tmp_path / "slower.mp4", times_ms=range(0, 2000, 50)))
        with open_video(clip) as video:
            assert worse.identity.fingerprint == video.identity.fingerprint != slower.identity.fingerprint
            with pytest.raises(PwarpError, match="fingerprint"):
                check_identity(video.identity, slower)


def test_real_videos_by_seek_equal_the_sequential_read(data_dir):
    random = np.random.default_rng(11)
    for path in [*sorted(data_dir.glob("badja/*.mp4")), *sorted(data_dir.glob("unlabelled/intel*.mp4"))]:
        with open_video(path) as video:
            assert video.damage == ()
            wanted = set(random.choice(video.frame_count, 3, replace=False).tolist())
            read = {i: p for i, p in video.frames(0, max(wanted) + 1, color="gray") if i in wanted}
            for i in random.permutation(sorted(wanted)):
                np.testing.assert_array_equal(video.frame(int(i), color="gray"), read[i])
