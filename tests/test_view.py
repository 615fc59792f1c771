"""`pwarp view`: what is drawn, on which frames, and into what kind of file."""

from __future__ import annotations

import json
import subprocess
import sys
import weakref
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from pwarp_cli.main import main

from pwarp.annotations import FARTHEST, Annotations, Source, Track
from pwarp.confidence import pose_scores
from pwarp.errors import PwarpError
from pwarp.formats import write
from pwarp.review.choice import least_sure_frames, row_confidence, spread_frames
from pwarp.review.h264 import h264_file
from pwarp.review.options import ViewOptions, clock
from pwarp.review.overlay import Overlay, write_overlay
from pwarp.review.palette import GROUND, score_colour, track_colours
from pwarp.review.poses import Look, Window, draw_poses
from pwarp.review.sheet import ContactSheet, SheetOptions, save_picture
from pwarp.review.timeline import Timeline, worst_by_column
from pwarp.skeleton import Skeleton
from pwarp.video import Video, open_video

SKELETON = Skeleton("stick", ("head", "hip", "foot"), edges=((0, 1), (1, 2)))
WIDTH, HEIGHT, FRAMES = 321, 181, 24


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Video:
    """Pictures of odd size and soft colours."""
    folder = tmp_path_factory.mktemp("clip")
    x, y = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))
    for i in range(FRAMES):
        picture = np.stack([80 + x // 4, 120 + y // 4, np.full_like(x, 100 + i)], axis=2).astype(np.uint8)
        cv2.imwrite(str(folder / f"{i:03d}.png"), picture)
    return open_video(folder)


def stick(id: int, left: float, frames: Any = range(FRAMES), **changes: Any) -> Track:
    """A standing person, by default computed with score 0.9."""
    frames = list(frames)
    xy = np.tile(np.array([(left, 50.0), (left + 5, 90.0), (left, 130.0)]), (len(frames), 1, 1))
    fields: dict[str, Any] = {
        "visibility": np.full((len(frames), 3), 2),
        "source": np.full((len(frames), 3), Source.PROPAGATED),
        "score": np.full((len(frames), 3), 0.9),
    }
    return Track.make(id, frames, xy, **(fields | changes))


def by_hand(track: Track, frames: list[int]) -> Track:
    """The track with some frames set by a person."""
    hand = np.isin(track.frames, frames)[:, None] & track.labelled
    return replace(track, source=np.where(hand, Source.MANUAL, track.source), score=np.where(hand, np.nan, track.score))


def picture_of(video: Video, frame: int, *tracks: Track, **options: Any) -> np.ndarray:
    """The picture part of an overlay frame, in the video's own size."""
    overlay = Overlay(video, Annotations(SKELETON, tracks=tracks), ViewOptions(width=video.width, **options))
    return overlay.draw(video.frame(frame), frame)[: video.height, : video.width]


def around(x: float, y: float, reach: int = 4) -> tuple[slice, slice]:
    return slice(round(y) - reach, round(y) + reach + 1), slice(round(x) - reach, round(x) + reach + 1)


HEAD, HIP, LIMB = (200.0, 50.0), (205.0, 90.0), (202.5, 70.0)
FAR = (slice(40, HEIGHT), slice(0, 150))


def test_marks_lie_on_keypoints_and_limbs_and_nowhere_else(video: Video) -> None:
    drawn, source = picture_of(video, 5, stick(3, 200.0)), video.frame(5)
    for place in (HEAD, HIP, LIMB):
        assert (drawn[around(*place, reach=1)] != source[around(*place, reach=1)]).any(axis=2).all()
    np.testing.assert_array_equal(drawn[FAR], source[FAR])


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param(lambda t: by_hand(t, [5]), id="set by hand"),
        pytest.param(lambda t: replace(t, score=np.full_like(t.score, 0.2)), id="less sure"),
        pytest.param(lambda t: replace(t, score=np.full_like(t.score, np.nan)), id="not scored"),
        pytest.param(lambda t: replace(t, visibility=np.full_like(t.visibility, 1)), id="occluded"),
    ],
)
@pytest.mark.parametrize("place", [HEAD, HIP])
def test_who_set_a_keypoint_and_how_sure_it_is_show_in_its_mark(
    video: Video, changed: Any, place: tuple[float, float]
) -> None:
    plain, other = (picture_of(video, 5, track) for track in (stick(3, 200.0), changed(stick(3, 200.0))))
    assert (plain[around(*place)] != other[around(*place)]).any()


def test_occluded_by_hand_differs_from_visible_by_hand(video: Video) -> None:
    seen = by_hand(stick(3, 200.0), [5])
    hidden = replace(seen, visibility=np.full_like(seen.visibility, 1))
    assert (picture_of(video, 5, seen)[around(*HIP)] != picture_of(video, 5, hidden)[around(*HIP)]).any()


def test_min_score_hides_unsure_computed_keypoints_and_nothing_else(video: Video) -> None:
    score = np.tile([0.9, 0.3, 0.9], (FRAMES, 1))
    drawn, source = picture_of(video, 5, stick(3, 200.0, score=score), min_score=0.5), video.frame(5)
    np.testing.assert_array_equal(drawn[around(*HIP)], source[around(*HIP)])
    np.testing.assert_array_equal(drawn[around(*LIMB)], source[around(*LIMB)])
    assert (drawn[around(*HEAD)] != source[around(*HEAD)]).any()
    person = by_hand(stick(3, 200.0), [5])
    np.testing.assert_array_equal(picture_of(video, 5, person, min_score=0.99), picture_of(video, 5, person))


def test_without_edges_there_are_keypoints_but_no_limbs(video: Video) -> None:
    annotations = Annotations(replace(SKELETON, edges=()), tracks=(stick(3, 200.0),))
    drawn = Overlay(video, annotations, ViewOptions(width=WIDTH)).draw(video.frame(5), 5)
    np.testing.assert_array_equal(drawn[around(*LIMB)], video.frame(5)[around(*LIMB)])
    assert (drawn[around(*HIP)] != video.frame(5)[around(*HIP)]).any()


def test_names_are_written_beside_keypoints(video: Video) -> None:
    beside = (slice(84, 97), slice(213, 228))
    plain, named = (picture_of(video, 5, stick(3, 200.0), names=names) for names in (False, True))
    np.testing.assert_array_equal(plain[beside], video.frame(5)[beside])
    assert (named[beside] != plain[beside]).any()


def test_a_box_alone_is_drawn_by_its_corners(video: Video) -> None:
    boxes = np.tile([180.0, 60.0, 240.0, 140.0], (FRAMES, 1))
    nobody = {name: np.zeros((FRAMES, 3)) for name in ("visibility", "source")}
    drawn = picture_of(video, 5, stick(3, 200.0, boxes=boxes, score=None, **nobody))
    for corner in ((180, 60), (240, 60), (180, 140), (240, 140)):
        assert (drawn[around(*corner, reach=1)] != video.frame(5)[around(*corner, reach=1)]).any()
    np.testing.assert_array_equal(drawn[around(210, 110, 20)], video.frame(5)[around(210, 110, 20)])


def test_other_tracks_are_hidden_and_colours_stay(video: Video) -> None:
    one, two = stick(7, 80.0), stick(9, 200.0)
    both, alone = picture_of(video, 5, one, two), picture_of(video, 5, one, two, tracks=(9,))
    np.testing.assert_array_equal(alone[FAR], video.frame(5)[FAR])
    np.testing.assert_array_equal(alone[around(*HIP)], both[around(*HIP)])
    assert (picture_of(video, 5, replace(two, id=1))[around(*LIMB)] != both[around(*LIMB)]).any()


def test_a_key_frame_is_marked_in_the_corner_and_on_the_timeline(video: Video) -> None:
    annotations = Annotations(SKELETON, tracks=(by_hand(stick(3, 200.0), [4]),))
    overlay = Overlay(video, annotations, ViewOptions(width=WIDTH))
    key, between = (overlay.draw(video.frame(4), frame) for frame in (4, 5))
    corner = (slice(0, 16), slice(0, WIDTH // 2))
    assert (key[corner] != between[corner]).any()
    # The current position moves by one frame; the rest of the strip stays.
    moved = (key[HEIGHT:] != between[HEIGHT:]).any(axis=(0, 2))
    assert 0 < moved.sum() <= 2 * WIDTH / FRAMES


def test_a_timeline_has_a_row_for_each_track_and_names_what_it_leaves_out() -> None:
    def height(count: int) -> int:
        annotations = Annotations(SKELETON, tracks=tuple(stick(i, 10.0 * i) for i in range(count)))
        return Timeline(annotations.tracks, 0, FRAMES, 400, Look.of(annotations, 1.0)).height

    assert height(1) < height(3) < height(24) < height(25) == height(60)


def test_a_strip_of_any_width_explains_what_it_has_room_for() -> None:
    """Pictures taller than wide have such strips, and sheets of small --width."""
    both = by_hand(stick(1_000_000_007, 10.0), [3])
    both = replace(both, visibility=np.where(np.arange(3) == 1, 1, 2) * np.ones((FRAMES, 1), int))
    look = Look.of(Annotations(SKELETON, tracks=(both,)), 1.0)

    def legend(width: int) -> np.ndarray:
        strip = Timeline((both,), 0, FRAMES, width, look)
        picture = np.zeros((strip.height, width, 3), np.uint8)
        strip.draw(picture, [5])
        return picture[: look.px(24)]

    drawn = []
    for width in (*range(1, 700, 9), 700):
        ink = (legend(width) != GROUND).any(axis=(0, 2))
        drawn.append(int(ink.sum()))
        assert not ink[:9].any() and not ink[-9:].any()  # nothing is cut off
    assert drawn[0] == 0 and drawn[-1] == max(drawn) and len(set(drawn)) > 4


@given(
    values=st.lists(st.one_of(st.floats(0, 1), st.just(float("nan"))), min_size=1, max_size=60),
    columns=st.integers(1, 90),
)
def test_no_unsure_frame_is_lost_between_the_columns_of_the_timeline(values: list[float], columns: int) -> None:
    worst = worst_by_column(np.array(values), columns)
    assert worst.shape == (columns,)
    known = [v for v in values if not np.isnan(v)]
    if not known:
        assert np.isnan(worst).all()
    elif columns <= len(values) or columns % len(values) == 0:
        assert np.nanmin(worst) == min(known)


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.5])
def test_positions_and_pictures_scale_alike(scale: float) -> None:
    x, y = np.meshgrid(np.arange(120.0), np.arange(90.0))
    blob = 250 * np.exp(-((x - 61.3) ** 2 + (y - 40.8) ** 2) / 50)
    window = Window(left=20, top=10, width=80, height=60, scale=scale)
    cut = window.cut(np.repeat(blob[:, :, None], 3, axis=2).astype(np.uint8))[:, :, 0].astype(float)
    height, width = cut.shape
    centre = [(cut.sum(axis=0) @ np.arange(width)) / cut.sum(), (cut.sum(axis=1) @ np.arange(height)) / cut.sum()]
    np.testing.assert_allclose(window.to_output(np.array([61.3, 40.8])), centre, atol=0.1)


def test_positions_far_outside_draw_nothing_and_do_no_harm() -> None:
    track = stick(3, 200.0)
    far = replace(track, xy=track.xy + 0.999 * np.array([FARTHEST, -FARTHEST]))
    picture = np.full((HEIGHT, WIDTH, 3), 90, dtype=np.uint8)
    annotations = Annotations(SKELETON, tracks=(far,))
    draw_poses(picture, Window(0, 0, WIDTH, HEIGHT, 1.0), (far,), 5, Look.of(annotations, 1.0, names=True))
    assert (picture == 90).all()


# Machado, Oliveira and Fernandes 2009, table 1, severity 1.0: how colours look to the red- and the green-blind.
PROTAN = np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]])
DEUTAN = np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]])


@pytest.mark.parametrize("seen_by", [np.eye(3), PROTAN, DEUTAN], ids=["most people", "red-blind", "green-blind"])
def test_seven_tracks_can_be_told_apart_by_colour(seen_by: np.ndarray) -> None:
    linear = (np.array(list(track_colours(range(7)).values()), dtype=np.float64) / 255) ** 2.2
    seen = np.clip(linear @ seen_by.T, 0, 1).astype(np.float32)
    lab = cv2.cvtColor(seen[None] ** np.float32(1 / 2.2), cv2.COLOR_RGB2Lab)[0]
    apart = np.linalg.norm(lab[:, None] - lab[None], axis=2)[np.triu_indices(7, 1)]
    assert apart.min() > 25


def test_surer_is_lighter() -> None:
    luma = [np.dot(score_colour(s), (0.299, 0.587, 0.114)) for s in np.linspace(0, 1, 101)]
    assert (np.diff(luma) > 0).all()
    assert score_colour(1.0) == score_colour(1.7) == (255, 255, 255)


def test_a_pose_is_as_sure_as_its_keypoints_a_persons_counting_as_certain() -> None:
    none, hand, computed = Source.NONE, Source.CORRECTED, Source.PROPAGATED
    nan = float("nan")
    track = stick(
        1,
        50.0,
        range(4),
        visibility=[[2, 1, 2], [2, 2, 0], [2, 2, 2], [0, 0, 0]],
        source=[[hand, computed, computed], [computed, computed, none], [hand, hand, hand], [none, none, none]],
        score=[[nan, 0.2, 0.3], [0.4, nan, nan], [nan, nan, nan], [nan, nan, nan]],
    )
    np.testing.assert_allclose(pose_scores(track, slice(0, 4)), [0.5, 0.4, nan, nan])
    np.testing.assert_allclose(row_confidence(track, 1, 6), [0.4, 1.0, nan, nan, nan])


# Which frames


@given(
    frames=st.lists(st.integers(0, 400), min_size=1, max_size=60, unique=True),
    keys=st.lists(st.integers(0, 59), max_size=5),
    count=st.integers(2, 20),
)
def test_spread_frames_are_labelled_and_reach_from_first_to_last(
    frames: list[int], keys: list[int], count: int
) -> None:
    frames.sort()
    track = by_hand(stick(1, 50.0, frames), [frames[k] for k in keys if k < len(frames)])
    chosen = spread_frames([track], 0, 401, count)
    assert chosen == sorted(set(chosen)) and len(chosen) <= count
    assert set(chosen) <= set(frames)
    if not len(track.key_frames):
        assert (chosen[0], chosen[-1]) == (frames[0], frames[-1])
    if len(frames) <= count:
        assert chosen == frames


def test_spread_frames_prefers_key_frames_nearby() -> None:
    track = by_hand(stick(1, 50.0, range(101)), [0, 23, 52, 100])
    assert spread_frames([track], 0, 101, 5) == [0, 23, 52, 75, 100]
    assert spread_frames([], 4, 9, 3) == [4, 6, 8]


def test_spread_frames_of_boxes_alone_are_those_that_were_looked_at() -> None:
    frames = [0, 5, 10, 15, 20]
    boxes = Track.make(0, frames, np.full((5, 2, 2), np.nan), boxes=np.tile([1.0, 2, 30, 40], (5, 1)))
    assert spread_frames([boxes], 0, 24, 5) == frames
    assert spread_frames([boxes], 0, 24, 3) == [0, 10, 20]


def test_worst_frames_come_worst_first_and_apart() -> None:
    score = np.full((60, 3), 0.9)
    score[20:23] = [[0.3], [0.2], [0.31]]
    score[50] = 0.4
    track = stick(1, 50.0, range(60), score=score)
    assert least_sure_frames([track], 0, 60, 4)[:2] == [21, 50]
    assert least_sure_frames([track], 30, 60, 1) == [50]
    with pytest.raises(PwarpError, match="--worst needs"):
        least_sure_frames([by_hand(track, list(range(60)))], 0, 60, 4)


# Sheets


def test_a_sheet_shows_what_was_asked(video: Video) -> None:
    annotations = Annotations(SKELETON, tracks=(by_hand(stick(3, 200.0), [0, 12, 23]),))
    planned = ContactSheet(video, annotations, SheetOptions(at=(12, 3), whole=True, columns=2, width=800))
    sheet = planned.draw()
    assert planned.frames == [3, 12] and planned.size == sheet.shape[1::-1]
    assert sheet.shape[1] == pytest.approx(800, abs=2) and sheet.dtype == np.uint8
    wide = ContactSheet(video, annotations, SheetOptions(at=(12, 3), whole=True, columns=1, width=800)).draw()
    assert wide.shape[0] > 2.5 * sheet.shape[0]


def test_a_picture_much_taller_than_wide_is_shown(tmp_path: Path) -> None:
    for i in range(3):
        cv2.imwrite(str(tmp_path / f"{i}.png"), np.full((600, 26, 3), 80, np.uint8))
    tall = open_video(tmp_path)
    annotations = Annotations(SKELETON, tracks=(by_hand(stick(0, 9.0, range(3)), [1]),))
    assert Overlay(tall, annotations, ViewOptions()).draw(tall.frame(1), 1).shape[0] > 600
    sheet = ContactSheet(tall, annotations, SheetOptions(frames=2, width=64, columns=1))
    assert len(sheet.frames) == 2 and sheet.draw().shape[1] < 80


def test_small_people_are_cut_out_and_so_shown_larger(video: Video) -> None:
    annotations = Annotations(SKELETON, tracks=(by_hand(stick(3, 200.0), [0, 12, 23]),))

    def shown_width(whole: bool) -> float:
        """Source pixels across a cell, told from the source's blue, which rises by 1 every 4 pixels."""
        sheet = ContactSheet(video, annotations, SheetOptions(at=(0,), width=900, whole=whole)).draw()
        blue = sheet[sheet[:, :, 0] == 100][:, 2]  # red is 100 in frame 0, and hardly in what is drawn on it
        low, high = np.percentile(blue, (0.5, 99.5))
        return float(high - low) * 4

    assert shown_width(whole=True) == pytest.approx(WIDTH, rel=0.05)
    assert shown_width(whole=False) < 0.5 * WIDTH


def test_worst_sheet_keeps_its_order(video: Video) -> None:
    score = np.full((FRAMES, 3), 0.9)
    score[18], score[3] = 0.1, 0.5
    annotations = Annotations(SKELETON, tracks=(stick(3, 200.0, score=score),))
    assert ContactSheet(video, annotations, SheetOptions(worst=True, frames=2, width=600)).frames == [18, 3]


def test_a_jpeg_has_its_limits(tmp_path: Path) -> None:
    with pytest.raises(PwarpError, match=r"8 x 65501 pixels; end the output in \.png"):
        save_picture(tmp_path / "long.jpg", np.zeros((65501, 8, 3), np.uint8))
    save_picture(tmp_path / "long.png", np.zeros((65501, 8, 3), np.uint8))
    assert open_video(tmp_path / "long.png").height == 65501


# Videos


class Pictures:
    """A long video that counts how many of its pictures are alive at once."""

    width, height, frame_count, fps, names = 64, 48, 200, Fraction(25), None
    times = np.arange(200) / 25

    def __init__(self) -> None:
        self.alive: weakref.WeakSet[Any] = weakref.WeakSet()
        self.most = 0

    def frames(self, start: int, stop: int) -> Iterator[tuple[int, np.ndarray]]:
        for i in range(start, stop):
            picture = np.full((self.height, self.width, 3), i, dtype=np.uint8).view(_Picture)
            self.alive.add(picture)
            self.most = max(self.most, len(self.alive))
            yield i, picture
            del picture


class _Picture(np.ndarray):
    """An array that can be watched."""

    __hash__ = object.__hash__


def test_frames_stream(tmp_path: Path) -> None:
    pictures: Any = Pictures()
    seen = []
    annotations = Annotations(SKELETON, tracks=(stick(1, 20.0, range(200)),))
    count = write_overlay(
        tmp_path / "o.mp4", pictures, annotations, ViewOptions(width=64), on_frame=lambda: seen.append(1)
    )
    assert count == len(seen) == 200
    assert pictures.most <= 2


def test_a_frame_costs_the_same_however_long_the_track(video: Video, monkeypatch: pytest.MonkeyPatch) -> None:
    overlay = Overlay(video, Annotations(SKELETON, tracks=(stick(3, 200.0),)), ViewOptions())

    def whole_track(track: Track) -> None:
        raise AssertionError(f"every frame of track {track.id} was looked at to draw one")

    for name in ("labelled", "by_person", "key_frames"):
        monkeypatch.setattr(Track, name, property(whole_track))
    assert overlay.draw(video.frame(5), 5).shape == (overlay.height, overlay.width, 3)


@pytest.mark.parametrize(("seconds", "text"), [(1.48, "1.480 s"), (125.32, "2:05.320"), (3725.9996, "1:02:06.000")])
def test_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text


# The command


def view(*arguments: Any) -> Result:
    return CliRunner().invoke(main, ["view", *map(str, arguments)])


@pytest.fixture
def labels(tmp_path: Path, video: Video) -> Path:
    tracks = (by_hand(stick(3, 200.0), [0, 12, 23]), stick(5, 80.0))
    path = tmp_path / "labels.json"
    write(Annotations(SKELETON, video.identity, tracks), path)
    return path


def test_overlay_plays_in_a_browser(tmp_path: Path, video: Video, labels: Path) -> None:
    result = view(video.path, labels, "-o", tmp_path / "o.mp4", "--fps", 12.5)
    assert result.exit_code == 0, result.output
    assert "24 frames, 2 tracks" in result.stdout and result.stdout.count("\n") == 1
    with av.open(str(tmp_path / "o.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert stream.width % 2 == stream.height % 2 == 0 and stream.width >= 960
        times = [frame.time for frame in container.decode(stream)]
        assert not container.streams.audio
    np.testing.assert_allclose(times, np.arange(FRAMES) / 12.5)
    content = (tmp_path / "o.mp4").read_bytes()
    assert 0 < content.index(b"moov") < content.index(b"mdat")


def test_uneven_times_are_kept_and_colours_come_through(tmp_path: Path) -> None:
    times = np.array([0.0, 0.04, 0.2, 0.21, 0.5, 0.9])
    colours = np.array([(200, 40, 40), (40, 200, 40), (40, 40, 200), (128, 128, 128), (230, 220, 40), (20, 20, 20)])
    with h264_file(tmp_path / "source.mp4", 66, 50, Fraction(25)) as append:
        for seconds, colour in zip(times, colours, strict=True):
            append(np.tile(colour.astype(np.uint8), (50, 66, 1)), seconds)
    source = open_video(tmp_path / "source.mp4")
    np.testing.assert_allclose(source.times, times, atol=1e-4)
    np.testing.assert_allclose(source.frame(3)[25, 33], colours[3], atol=6)
    write(Annotations(SKELETON, source.identity), tmp_path / "nobody.json")
    result = view(tmp_path / "source.mp4", tmp_path / "nobody.json", "-o", tmp_path / "o.mp4", "--start", 1, "--json")
    assert result.exit_code == 0, result.output
    assert {"frames": 5, "tracks": []}.items() <= json.loads(result.stdout).items()
    overlay = open_video(tmp_path / "o.mp4")
    np.testing.assert_allclose(overlay.times, times[1:] - times[1], atol=1e-4)
    for i in range(5):
        np.testing.assert_allclose(overlay.frame(i)[300, 480], source.frame(i + 1)[25, 33], atol=6)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_sheet_from_the_command_line(tmp_path: Path, video: Video, labels: Path, suffix: str) -> None:
    target = tmp_path / f"sheet{suffix}"
    result = view(
        video.path,
        labels,
        "-o",
        target,
        "--frames",
        4,
        "--width",
        700,
        "--start",
        2,
        "--stop",
        20,
        "--track",
        5,
        "--json",
    )
    assert result.exit_code == 0, result.output
    summary = json.loads(result.stdout)
    assert (summary["frames"], summary["tracks"], summary["shown"]) == (4, [5], [2, 8, 13, 19])
    assert cv2.imread(str(target)).shape[1] == pytest.approx(700, abs=4)


def test_one_of_several_videos_is_chosen(tmp_path: Path, video: Video, labels: Path) -> None:
    document = json.loads(labels.read_text())
    several = {name: document[name] for name in ("categories", "annotations", "images")}
    for image in several["images"]:
        image |= {"file_name": f"cats/{image['frame_id']:06d}.jpg", "video_id": 1}
    another = [
        {**image, "id": image["id"] + 1000, "file_name": f"dogs/{i:06d}.jpg", "video_id": 2}
        for i, image in enumerate(several["images"])
    ]
    (tmp_path / "several.json").write_text(json.dumps({**several, "images": several["images"] + another}))
    shown = ["-o", tmp_path / "s.png", "--from", "coco"]
    refused = view(video.path, tmp_path / "several.json", *shown)
    assert "choose one with --only: cats, dogs" in str(refused.exception)
    result = view(video.path, tmp_path / "several.json", *shown, "--only", "cats")
    assert result.exit_code == 0 and "2 tracks" in result.output, (result.output, result.exception)


def test_quiet_says_nothing_and_force_replaces(tmp_path: Path, video: Video, labels: Path) -> None:
    target = tmp_path / "sheet.png"
    target.write_text("old")
    result = view(video.path, labels, "-o", target, "-q", "--force", "--frames", 2)
    assert (result.exit_code, result.output) == (0, "")
    assert cv2.imread(str(target)) is not None


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["-o", "o.mp4", "--track", "4"], 1, "no track 4; there are: 3, 5"),
        (["-o", "there.png"], 1, "there.png: exists; give --force"),
        (["-o", "nowhere/o.mp4"], 1, "does not exist"),
        (["-o", "o.mp4", "--start", "24"], 1, "beyond the last frame of the video, 23"),
        (["-o", "o.mp4", "--stop", "25"], 1, "24 is the most"),
        (["-o", "o.mp4", "--start", "9", "--stop", "9"], 1, "--stop"),
        (["-o", "o.png", "--at", "3", "--at", "99"], 1, "frame 99"),
        (["-o", "o.png", "--width", "7680", "--columns", "1"], 1, "fewer --frames"),
        (["-o", "o.webm"], 2, "end it in .mp4"),
        (["-o", "o"], 2, "end it in .mp4"),
        (["-o", "o.mp4", "--worst"], 2, "--worst goes with a contact sheet"),
        (["-o", "o.png", "--fps", "25"], 2, "--fps goes with an overlay"),
        (["-o", "o.mp4", "--fps", "0"], 2, "0.1<=x<=1000"),
        (["-o", "o.mp4", "--fps", "nan"], 2, "is not a number"),
        (["-o", "o.png", "--at", "3", "--frames", "4"], 2, "leave out --frames"),
        (["-o", "o.png", "--at", "3", "--worst"], 2, "leave out --worst"),
        (["-o", "o.png", "--min-score", "7"], 2, "7.0 is not in the range"),
        ([], 2, "Missing option"),
    ],
)
def test_what_is_wrong_is_said_in_one_line_and_nothing_is_left_behind(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    video: Video,
    labels: Path,
    arguments: list[str],
    code: int,
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.png").write_text("old")
    before = {path.name for path in tmp_path.iterdir()}
    result = view(video.path, labels, *arguments)
    if code == 2:
        assert result.exit_code == 2 and words in " ".join(result.output.split())
    else:
        assert isinstance(result.exception, PwarpError) and words in str(result.exception)
        assert "\n" not in str(result.exception)
    assert {path.name for path in tmp_path.iterdir()} == before
    assert (tmp_path / "there.png").read_text() == "old"


def test_a_video_that_is_missing_or_another_is_refused(tmp_path: Path, labels: Path) -> None:
    missing = view(tmp_path / "none.mp4", labels, "-o", tmp_path / "o.mp4")
    assert isinstance(missing.exception, PwarpError) and "no such file" in str(missing.exception)
    with h264_file(tmp_path / "other.mp4", 64, 48, Fraction(25)) as append:
        append(np.zeros((48, 64, 3), np.uint8), 0.0)
        append(np.zeros((48, 64, 3), np.uint8), 0.04)
    other = view(tmp_path / "other.mp4", labels, "-o", tmp_path / "o.mp4")
    assert isinstance(other.exception, PwarpError) and "321x181" in str(other.exception)
    own_times = view(tmp_path / "other.mp4", labels, "-o", tmp_path / "o.mp4", "--fps", 10)
    assert own_times.exit_code == 2 and "has frame times of its own" in " ".join(own_times.output.split())


def test_the_program_ends_with_one_line_and_exit_code_1(tmp_path: Path, video: Video, labels: Path) -> None:
    run = "from pwarp_cli.main import run; run()"
    command = [
        sys.executable,
        "-c",
        run,
        "view",
        video.path,
        str(labels),
        "-o",
        str(tmp_path / "o.mp4"),
        "--track",
        "8",
    ]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    assert ended.stderr == "pwarp: no track 8; there are: 3, 5\n" and ended.stdout == ""
