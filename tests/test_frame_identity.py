"""Labels and a video that count frames or pixels otherwise: refused with the likely cause and the option that maps."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np
import orjson
import pytest
from click.testing import CliRunner, Result
from numbered_clips import HEIGHT, WIDTH, make_clip, set_display_matrix
from pwarp_cli.advice import better_said
from pwarp_cli.main import main

from pwarp import formats
from pwarp.annotations import OPEN_END, Annotations, Replaced, Source, Track, VideoIdentity
from pwarp.errors import PwarpError
from pwarp.formats import Alignment
from pwarp.skeleton import Skeleton
from pwarp.video import Video, open_video

PAIR = Skeleton("pair", ("nose", "tail"))
COUNT = 20
LOSSLESS = {"preset": "ultrafast", "qp": "0"}
TIMES = [40 * i for i in range(COUNT)]


def clip(folder: Path, name: str = "clip.mp4", *, frames: list[int] | None = None, **how: Any) -> Path:
    """A clip of 20 numbered frames at 25 a second, or at the times of some of them only."""
    if frames is None:
        return make_clip(folder / name, count=COUNT, **how)
    return make_clip(folder / name, count=len(frames), times_ms=[TIMES[f] for f in frames], **how)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clip(tmp_path_factory.mktemp("original"))


def labels(video: VideoIdentity, frames: list[int] | None = None, **track: Any) -> Annotations:
    """Two keypoints whose x is the frame that they are of."""
    frames = [0, 5, 10, 19] if frames is None else frames
    x = np.array(frames, dtype=float)[:, None] + [0, 30]
    xy = np.stack([x, np.full_like(x, 40)], axis=2)
    return Annotations(PAIR, video, (Track.make(3, frames, xy, **track),))


def written(folder: Path, content: Annotations) -> Path:
    path = folder / "labels.json"
    formats.write(content, path, force=True)
    return path


def counted_from_1(folder: Path, format: str) -> Path:
    """Labels of frames 1, 6 and 20, by their numbers, of a video that they know to have 20 frames."""
    one_more = VideoIdentity("clip.mp4", WIDTH, HEIGHT, frame_count=21)
    path = folder / ("labels.jsonl" if format == "jsonl" else "labels")
    formats.write(labels(one_more, [1, 6, 20]), path, format=format)
    text = path.read_text()
    for counted in ("<size>{}<", "<stop_frame>{}<", '"nframes":{}', '"nframes": {}', '"frame_count":{}'):
        text = text.replace(counted.format(21), counted.format(20))
    assert text != path.read_text(), "the file does not know how many frames there are"
    path.write_text(text)
    return path


def info(*arguments: Any) -> Result:
    return CliRunner().invoke(main, ["info", *map(str, arguments)])


def refusal(*arguments: Any) -> str:
    result = info(*arguments)
    assert isinstance(result.exception, PwarpError), result.output
    assert "\n" not in str(result.exception)
    return str(result.exception)


class TestCheck:
    def test_labels_that_fit(self, tmp_path: Path, original: Path) -> None:
        with open_video(original) as video:
            path = written(tmp_path, labels(video.identity))
        lines = info(original, "--check", path).stdout.splitlines()
        assert lines[1:4] == [f"size         {WIDTH}x{HEIGHT}", "frames       20, 0.8 s", "rate         25 fps"]
        assert lines[5:] == [
            "times        40.0 to 40.0 ms between frames",
            "repeated     0 frames with the pixels of the frame before",
            f"labels       {path}: frames 0 to 19, at 0.000 to 0.760 s",
            "fits         nothing that the labels say of the video is otherwise",
        ]
        match = orjson.loads(info(original, "--check", path, "--json").stdout)["match"]
        assert (match["first"], match["last"], match["times"]) == (0, 19, [0.0, 0.76])

    def test_repeated_frames_and_a_variable_rate_are_told(self, tmp_path: Path) -> None:
        folder = tmp_path / "frames"
        folder.mkdir()
        for i, shade in enumerate([10, 10, 10, 90, 90, 200]):
            cv2.imwrite(str(folder / f"{i}.png"), np.full((24, 32, 3), shade, np.uint8))
        path = written(tmp_path, labels(VideoIdentity(), [1, 3, 5]))
        lines = info(folder, "--check", path).stdout.splitlines()
        assert "repeated     3 frames with the pixels of the frame before, first 1" in lines
        assert "odd          frames 1, 3, ...: if they are counted from 1: --frame-offset -1" in lines
        assert "odd          labelled frames that repeat the one before: 1, first: 1" in lines
        late = [0, 40, 80, 200, 240, 400, 440]
        video = make_clip(tmp_path / "vfr.mp4", count=7, times_ms=late)
        out = info(video, "--check", written(tmp_path, labels(VideoIdentity(), [0, 2, 6]))).stdout
        assert "times        40.0 to 160.0 ms between frames" in out
        assert "odd          the rate varies" in out and "(variable)" in out

    def test_the_checks_go_one_way(self, tmp_path: Path, original: Path) -> None:
        assert info(original, "--check", "a.json", "--video", "b.mp4").exit_code == 2


class TestCauses:
    """Every kind of other video, generated; the named option is then taken, and every label has its frame again."""

    def mapped(self, path: Path, video: Path, *options: str) -> Annotations:
        """The labels after the options of a message, through the command line."""
        out = path.with_name("mapped.json")
        result = CliRunner().invoke(main, ["convert", str(path), str(out), "--video", str(video), "--force", *options])
        assert result.exit_code == 0, result.exception
        return formats.read(out)

    def frames_and_x(self, content: Annotations) -> tuple[list[int], list[float]]:
        (track,) = content.tracks
        return track.frames.tolist(), track.xy[:, 0, 0].tolist()

    def test_counted_from_1(self, tmp_path: Path, original: Path) -> None:
        path = written(tmp_path, labels(VideoIdentity(), [1, 6, 20]))
        message = refusal(original, "--check", path)
        assert "labelled in frame 20, but the video has 20 frames (0 to 19): the frames are counted from 1:" in message
        assert message.endswith("--frame-offset -1")
        found = self.mapped(path, original, "--frame-offset", "-1")
        assert self.frames_and_x(found) == ([0, 5, 19], [1, 6, 20])
        one_more = written(tmp_path, labels(VideoIdentity(frame_count=21), [1, 6, 20]))
        assert refusal(original, "--check", one_more).endswith("the frames are counted from 1: --frame-offset -1")

    @pytest.mark.parametrize(
        ("marks", "says"),
        [
            ({"labelled": [0, 50]}, "the labels are declared complete in frame 50, but the video has 20 frames"),
            ({"ignore_regions": {50: (np.eye(3, 2),)}}, "a region to ignore lies in frame 50, but the video has 20"),
        ],
    )
    def test_marks_and_regions_beyond_the_video_are_told(
        self, tmp_path: Path, original: Path, marks: dict[str, Any], says: str
    ) -> None:
        path = written(tmp_path, replace(labels(VideoIdentity()), **marks))
        assert says in refusal(original, "--check", path)
        result = CliRunner().invoke(main, ["convert", str(path), str(tmp_path / "o.json"), "--video", str(original)])
        assert isinstance(result.exception, PwarpError)
        assert says in str(result.exception)

    def test_declared_frames_cannot_be_written_to(self) -> None:
        declared = replace(labels(VideoIdentity()), labelled=[3, 1]).labelled
        assert declared.tolist() == [1, 3]
        with pytest.raises(ValueError, match="read-only"):
            declared[0] = 7

    @pytest.mark.parametrize("format", ["cvat", "coco", "pwarp", "jsonl"])
    def test_counted_from_1_in_a_file_that_knows_how_many_there_are(
        self, tmp_path: Path, original: Path, format: str
    ) -> None:
        path = counted_from_1(tmp_path, format)
        message = refusal(path)
        assert "labelled in frame 20, but the video has 20 frames (0 to 19): the frames are counted from 1:" in message
        assert message.endswith("--frame-offset -1") and message == refusal(original, "--check", path)
        assert info(path, "--frame-offset", "-1").exit_code == 0
        found = self.mapped(path, original, "--frame-offset", "-1")
        assert self.frames_and_x(found) == ([0, 5, 19], [1, 6, 20])

    def test_every_nth_frame_numbered(self, tmp_path: Path, original: Path) -> None:
        path = written(tmp_path, labels(VideoIdentity(frame_count=4), [0, 1, 3], absent=[(2, 2)]))
        assert refusal(original, "--check", path).endswith(
            "the labels are for 4 frames, the video has 20: step 5: the labels number every 5th frame of the video: "
            "--frame-step 5; if they are of its first 4 frames: --frame-offset 0"
        )
        found = self.mapped(path, original, "--frame-step", "5")
        assert self.frames_and_x(found) == ([0, 5, 15], [0, 1, 3])
        assert found.tracks[0].absent.tolist() == [[10, 14]]

    def test_a_video_with_every_nth_frame(self, tmp_path: Path) -> None:
        thin = clip(tmp_path, frames=[0, 5, 10, 15])
        path = written(tmp_path, labels(VideoIdentity(frame_count=20), [0, 5, 15]))
        assert refusal(thin, "--check", path).endswith("every 5th frame of the labelled one: --frame-step 1/5")
        unknown = written(tmp_path, labels(VideoIdentity(), [0, 5, 15]))
        assert refusal(thin, "--check", unknown).endswith("every 5th frame of the labelled one: --frame-step 1/5")
        assert self.frames_and_x(self.mapped(path, thin, "--frame-step", "1/5")) == ([0, 1, 3], [0, 5, 15])
        odd = written(tmp_path, labels(VideoIdentity(), [0, 7]))
        with pytest.raises(PwarpError, match=r"frame 7 of the labels is not in a video with every 5th frame"):
            formats.read(odd, alignment=Alignment(step=Fraction(1, 5)))

    def test_dropped_frames(self, tmp_path: Path) -> None:
        kept = [f for f in range(COUNT) if f not in (4, 11, 12)]
        holes = clip(tmp_path, frames=kept)
        path = written(tmp_path, labels(VideoIdentity(frame_count=20), [0, 5, 10, 19]))
        message = refusal(holes, "--check", path)
        assert message.endswith("the video has 17: 3 frames were dropped, by the gaps in its times: --frame-rate 25")
        assert self.frames_and_x(self.mapped(path, holes, "--frame-rate", "25")) == ([0, 4, 9, 16], [0, 5, 10, 19])
        lost = written(tmp_path, labels(VideoIdentity(), [0, 11]))
        with open_video(holes) as video, pytest.raises(PwarpError, match=r"frame 11 of the labels, at 0.440 s, is not"):
            formats.read(lost, video=video, alignment=Alignment(rate=Fraction(25)))

    def test_another_rate(self, tmp_path: Path) -> None:
        """The same 0.8 seconds at 50 frames a second: each picture is there twice."""
        fast = make_clip(tmp_path / "fast.mp4", count=38, times_ms=[20 * i for i in range(38)])
        path = written(tmp_path, labels(VideoIdentity(frame_count=28, fps=Fraction(37)), [0, 9, 27]))
        message = refusal(fast, "--check", path)
        assert message.endswith("re-encoded or counted at 37 frames a second: --frame-rate 37")
        frames = self.mapped(path, fast, "--frame-rate", "37").tracks[0].frames.tolist()
        assert frames == [0, 12, 36]

    def test_rotated(self, tmp_path: Path) -> None:
        turned = clip(tmp_path)
        set_display_matrix(turned, 0, 1, -1, 0)
        with open_video(turned) as video:
            assert (video.width, video.height, video.rotation) == (HEIGHT, WIDTH, 90)
        path = written(tmp_path, labels(VideoIdentity(width=WIDTH, height=HEIGHT)))
        message = refusal(turned, "--check", path)
        assert "rotated: labelled on the picture as it is stored, before 90 degrees clockwise" in message
        assert message.endswith("--rotate 90")
        found = self.mapped(path, turned, "--rotate", "90")
        # (x, 40) goes to (height - 1 - 40, x).
        assert found.tracks[0].xy[1].tolist() == [[HEIGHT - 41, 5], [HEIGHT - 41, 35]]

    def test_scaled(self, tmp_path: Path, original: Path) -> None:
        path = written(tmp_path, labels(VideoIdentity(width=2 * WIDTH, height=2 * HEIGHT)))
        assert refusal(original, "--check", path).endswith("scaled: --scale fit")
        for option in ("fit", "1/2", "0.5"):
            found = self.mapped(path, original, "--scale", option)
            assert found.tracks[0].xy[1].tolist() == [[2.25, 19.75], [17.25, 19.75]]
        cropped = written(tmp_path, labels(VideoIdentity(width=WIDTH - 40, height=HEIGHT)))
        assert refusal(original, "--check", cropped).endswith("cropped, or another video")

    def test_encoded_again_with_other_times(self, tmp_path: Path, original: Path) -> None:
        other = make_clip(tmp_path / "again.mp4", count=COUNT, times_ms=[40 * i + i % 2 for i in range(COUNT)])
        with open_video(original) as video:
            path = written(tmp_path, labels(video.identity))
        message = refusal(other, "--check", path)
        assert "re-encoded or repacked with other frame times" in message
        assert message.endswith("if every frame is the one that was labelled: --frame-offset 0")
        found = self.mapped(path, other, "--frame-offset", "0")
        assert self.frames_and_x(found)[0] == [0, 5, 10, 19]
        with open_video(other) as video:
            assert found.video.fingerprint == video.identity.fingerprint

    def test_another_video_altogether(self, tmp_path: Path, original: Path) -> None:
        path = written(tmp_path, labels(VideoIdentity(frame_count=333), [0, 17, 300]))
        assert refusal(original, "--check", path).endswith("another cut of the video, or frames were dropped")
        path = written(tmp_path, labels(VideoIdentity(), [0, 17, 300]))
        assert refusal(original, "--check", path).endswith("are the labels of another video, or of another cut of it?")


def readers() -> list[str]:
    """The commands that read labels beside a video."""
    context = click.Context(main)
    commands = {name: main.get_command(context, name) for name in main.list_commands(context)}
    reading = [
        name
        for name, command in commands.items()
        if command is not None and {"from_", "video"} <= {parameter.name for parameter in command.params}
    ]
    return sorted({*reading, "info", "run", "view"})


class TestEveryCommand:
    """What a refusal advises can be taken at once, whatever command refused."""

    @pytest.mark.parametrize("command", readers())
    def test_takes_the_options(self, command: str) -> None:
        page = CliRunner().invoke(main, [command, "--help"]).stdout
        for option in (
            "--frame-offset",
            "--frame-step",
            "--frame-rate",
            "--rotate",
            "--scale",
            "--single",
            *(["--vertices"] if command != "run" else []),  # which has many label files, each with its own beside it
        ):
            assert option in page

    @pytest.mark.parametrize(
        "command",
        [
            ("view", "{video}", "{labels}", "-o", "out.png"),
            ("review", "{video}", "{labels}", "-o", "out.html"),
            ("track", "{video}", "{labels}", "-o", "out.json"),
            ("check", "{labels}", "{video}"),
        ],
        ids=lambda command: command[0],
    )
    def test_heeds_them(
        self, tmp_path: Path, original: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
    ) -> None:
        monkeypatch.chdir(tmp_path)
        path = counted_from_1(tmp_path, "pwarp")
        words = [word.format(video=original, labels=path) for word in command]
        refused = CliRunner().invoke(main, words)
        assert isinstance(refused.exception, PwarpError) and str(refused.exception).endswith("--frame-offset -1")
        taken = CliRunner().invoke(main, [*words, "--frame-offset", "-1"])
        assert taken.exit_code == 0, taken.exception

    @pytest.mark.parametrize(
        ("command", "give"),
        [
            (("propagate", "{labels}", "{video}", "-o", "out.json"), "give VIDEO first, then LABELS"),
            (("suggest", "{labels}", "{video}"), "give VIDEO first, then DENSE"),
            (("check", "{video}", "{labels}"), "give LABELS first, then VIDEO"),
            (("detect", "{labels}", "-o", "out.json"), "give a video"),
            (("convert", "{labels}", "out.json", "--video", "{labels}"), "give a video"),
        ],
        ids=lambda value: value[0] if isinstance(value, tuple) else "",
    )
    @pytest.mark.parametrize("format", ["cvat", "pwarp"])
    def test_labels_in_the_place_of_the_video_are_told(
        self, tmp_path: Path, original: Path, monkeypatch: pytest.MonkeyPatch, command: Any, give: str, format: str
    ) -> None:
        monkeypatch.chdir(tmp_path)
        formats.write(labels(VideoIdentity(width=WIDTH, height=HEIGHT)), "keys", format=format)
        result = CliRunner().invoke(main, [word.format(video=original, labels="keys") for word in command])
        assert isinstance(result.exception, PwarpError)
        assert str(result.exception) == f"keys: holds labels, and stands where the video belongs; {give}"

    @pytest.mark.parametrize(
        "command",
        [
            ("eval", "{labels}", "{labels}", "--metric", "pck"),
            ("augment", "{labels}", "{labels}", "-o", "out.json"),
            ("train", "estimator", "{labels}", "--videos", "{folder}", "-o", "network"),
        ],
        ids=lambda command: command[0],
    )
    def test_an_option_that_only_convert_has_is_said_to_be_its(
        self, tmp_path: Path, original: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
    ) -> None:
        monkeypatch.chdir(tmp_path)
        path = counted_from_1(tmp_path, "pwarp")
        refused = CliRunner().invoke(main, [word.format(labels=path, folder=original.parent) for word in command])
        assert isinstance(refused.exception, PwarpError), refused.output
        assert str(refused.exception).endswith("--frame-offset -1 (--frame-offset: of pwarp convert, for the labels)")

    def test_an_option_that_the_command_has_is_not_said_to_be_another_one_s(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        error = PwarpError("network: exists; give --force")
        command, convert = (main.get_command(click.Context(main), name) for name in ("train", "convert"))
        assert command is not None and convert is not None
        assert better_said(error, command, convert) is None

    def test_eval_names_the_command_that_maps_the_truth(
        self, tmp_path: Path, original: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Labels of a video, and of its frames as pictures: the same count and size, another fingerprint."""
        monkeypatch.chdir(tmp_path)
        Path("frames").mkdir()
        with open_video(original) as video:
            formats.write(labels(video.identity), "truth.json")
            for frame, picture in video.frames():
                cv2.imwrite(f"frames/{frame:03}.png", picture)
        with open_video("frames") as video:
            formats.write(labels(video.identity), "dense.json")
        message = str(CliRunner().invoke(main, ["eval", "dense.json", "truth.json", "--metric", "pck"]).exception)
        assert message.endswith(
            "pwarp convert truth.json OUT --video frames maps the truth, or names the option that does"
        )
        convert = ["convert", "truth.json", "mapped.json", "--video", "frames"]
        refused = CliRunner().invoke(main, convert)
        assert str(refused.exception).endswith("--frame-offset 0")
        assert CliRunner().invoke(main, [*convert, "--frame-offset", "0"]).exit_code == 0
        with open_video("frames") as video:
            assert formats.read("mapped.json").video.fingerprint == video.identity.fingerprint
        again = CliRunner().invoke(main, ["eval", "dense.json", "mapped.json", "--metric", "pck"])
        assert "another video" not in str(again.exception)

    def test_a_video_that_is_none_is_no_labels(self, tmp_path: Path) -> None:
        (tmp_path / "broken.mp4").write_bytes(bytes(range(256)) * 9)
        result = CliRunner().invoke(main, ["detect", str(tmp_path / "broken.mp4"), "-o", str(tmp_path / "o.json")])
        assert isinstance(result.exception, PwarpError) and "not a video that can be read" in str(result.exception)


class TestAlignment:
    def aligned(self, content: Annotations, alignment: Alignment, video: Video | None = None) -> Annotations:
        from pwarp.formats.alignment import align

        return align(content, alignment, video)

    def test_everything_that_names_a_frame_moves(self) -> None:
        source = np.array([[Source.MANUAL] * 2, [Source.PROPAGATED] * 2, [Source.MANUAL] * 2])
        origin = np.where(source[..., None] == Source.PROPAGATED, [2, 8], -1)
        content = labels(
            VideoIdentity(frame_count=30, fingerprint="x", width=8, height=9),
            [2, 5, 8],
            source=source,
            origin=origin,
            absent=[(10, 12), (20, OPEN_END)],
            replaced=[Replaced(5, 0, 1.0, 2.0, 2)],
        )
        regions = {4: (np.zeros((3, 2)),)}
        content = Annotations(PAIR, content.video, content.tracks, np.array([2, 5]), regions)
        found = self.aligned(content, Alignment(offset=-2, step=Fraction(2)))
        (track,) = found.tracks
        assert track.frames.tolist() == [2, 8, 14]
        assert track.origin[1].tolist() == [[2, 14]] * 2 and (track.origin[0] == -1).all()
        assert track.absent.tolist() == [[18, 23], [38, OPEN_END]]
        assert track.replaced[0].frame == 8
        assert found.labelled is not None and found.labelled.tolist() == [2, 8]
        assert list(found.ignore_regions) == [6]
        assert found.video == VideoIdentity(width=8, height=9)
        assert track.xy.tolist() == content.tracks[0].xy.tolist()

    @pytest.mark.parametrize(
        ("absent", "offset", "kept"),
        [
            ((0, 99), -100, []),  # what follows it is frame 0
            ((0, 99), -90, [[0, 9]]),
            ((0, 4999), -3000, [[0, 1999]]),
            ((90, 99), -5000, []),
            ((100, OPEN_END), -120, [[0, OPEN_END]]),
        ],
    )
    def test_an_absence_that_begins_before_the_video(
        self, absent: tuple[int, int], offset: int, kept: list[list[int]]
    ) -> None:
        frames = [] if absent[1] == OPEN_END else [6000]
        content = labels(VideoIdentity(), frames, absent=[absent])
        (track,) = self.aligned(content, Alignment(offset=offset)).tracks
        assert track.absent.tolist() == kept

    def test_lone_labels_of_one(self) -> None:
        def lone(id: int, frame: int) -> Track:
            return Track.make(id, [frame], [[[90.0 * id, 2], [3, 4]]], boxes=[[id, 1, 9, 9]], identified=False)

        other = Track.make(0, [0, 7], np.ones((2, 2, 2)))
        content = Annotations(PAIR, VideoIdentity(), (lone(5, 9), other, lone(6, 4)))
        rest, one = self.aligned(content, Alignment(single=True, offset=0)).tracks
        assert rest.same_as(other)
        assert (one.id, one.identified, one.frames.tolist()) == (1, True, [4, 9])
        assert one.xy[:, 0, 0].tolist() == [540, 450] and one.boxes[:, 0].tolist() == [6, 5]
        twice = Annotations(PAIR, VideoIdentity(), (lone(5, 9), lone(6, 9)))
        with pytest.raises(PwarpError, match=r"frame 9 has two labels without a track id.*leave out --single"):
            self.aligned(twice, Alignment(single=True))

    @pytest.mark.parametrize(("degrees", "place"), [(90, (8, 2)), (180, (97, 8)), (270, (1, 97))])
    def test_turning(self, degrees: int, place: tuple[int, int]) -> None:
        """The keypoint (2, 1) of a picture of 100x10."""
        track = Track.make(0, [0], [[[2, 1], [3, 1]]], boxes=[[2, 1, 6, 4]])
        found = self.aligned(
            Annotations(PAIR, VideoIdentity(width=100, height=10), (track,)), Alignment(rotate=degrees)
        )
        assert tuple(found.tracks[0].xy[0, 0]) == place
        assert (found.video.width, found.video.height) == ((10, 100) if degrees != 180 else (100, 10))
        x1, y1, x2, y2 = found.tracks[0].boxes[0]
        assert (x2 - x1, y2 - y1) == ((3, 4) if degrees != 180 else (4, 3))

    def test_four_quarters_are_none(self) -> None:
        content = labels(VideoIdentity(width=100, height=60))
        found = content
        for _ in range(4):
            found = self.aligned(found, Alignment(rotate=90))
        assert found.same_as(content)

    @pytest.mark.parametrize(
        ("alignment", "message"),
        [
            (Alignment(offset=-1), r"frame 0 of the labels would be frame -1; correct --frame-offset"),
            (Alignment(rate=Fraction(25)), r"--frame-rate maps frames by their times, which needs the video file"),
            (Alignment(scale="fit"), r"--scale fit needs the sizes of both pictures"),
            (Alignment(rotate=90), r"--rotate needs the size of the picture, which these labels do not say"),
        ],
    )
    def test_what_cannot_be_mapped(self, alignment: Alignment, message: str) -> None:
        with pytest.raises(PwarpError, match=message):
            self.aligned(labels(VideoIdentity()), alignment)

    def test_two_labels_of_one_frame_are_refused(self, tmp_path: Path, original: Path) -> None:
        with open_video(original) as video, pytest.raises(PwarpError, match=r"frames 12 and 13 of the labels would"):
            self.aligned(labels(VideoIdentity(), [0, 12, 13]), Alignment(rate=Fraction(26)), video)

    @pytest.mark.parametrize(
        "bad", [("--frame-step", "0"), ("--scale", "x"), ("--rotate", "45"), ("--frame-rate", "1/0")]
    )
    def test_options_are_checked(self, tmp_path: Path, bad: tuple[str, str]) -> None:
        path = written(tmp_path, labels(VideoIdentity()))
        assert info(path, *bad).exit_code == 2
