"""`pwarp info` and `pwarp convert`, as a person at the keyboard meets them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import orjson
import pytest
from click.testing import CliRunner, Result
from pwarp_cli.main import main

from pwarp import formats
from pwarp.annotations import Annotations, Source, Track, VideoIdentity
from pwarp.errors import PwarpError
from pwarp.overview import oddities, overview_of_labels
from pwarp.skeleton import COCO_17, Skeleton
from pwarp.video import open_video

PAIR = Skeleton("pair", ("nose", "tail"), edges=((0, 1),))


def run(*arguments: Any, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], input=stdin)


def refusal(*arguments: Any) -> str:
    """The one line of a run that pwarp refused."""
    result = run(*arguments)
    assert isinstance(result.exception, PwarpError), result.output
    assert not result.stdout and "\n" not in str(result.exception)
    return str(result.exception)


def labels() -> Annotations:
    """Two tracks of a 32x24 video of 12 frames: one labelled and propagated, one away for a while."""
    source = np.array([[Source.MANUAL] * 2, [Source.PROPAGATED] * 2, [Source.MANUAL, Source.NONE]])
    visibility = np.array([[2, 2], [2, 1], [2, 0]])
    walker = Track.make(4, [1, 2, 3], np.arange(12.0).reshape(3, 2, 2) + 1, visibility, source=source)
    guest = Track.make(9, [0], np.full((1, 2, 2), 7.25), absent=[(3, 5), (8, 2**31 - 1)])
    return Annotations(PAIR, VideoIdentity("clip", 32, 24, 12), (walker, guest))


@pytest.fixture
def native(tmp_path: Path) -> Path:
    formats.write(labels(), tmp_path / "labels.json")
    return tmp_path / "labels.json"


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "clip"
    folder.mkdir()
    for i in range(12):
        cv2.imwrite(str(folder / f"{i + 1:03d}.png"), np.zeros((24, 32, 3), np.uint8))
    return folder


class TestInfo:
    def test_labels(self, native: Path) -> None:
        lines = run("info", native).stdout.splitlines()
        assert lines[:6] == [
            f"{native}: pwarp labels",
            "video        clip, 32x24, 12 frames, rate unknown",
            "fingerprint  unknown",
            "skeleton     pair: 2 keypoints, 1 edge, 0 flip pairs, no OKS sigmas",
            "keypoints    nose, tail",
            "frames       4 with poses, 3 key frames",
        ]
        table = lines[7:10]
        assert [" ".join(line.split()) for line in table] == [
            "track poses frames keys visible occluded sources (keypoints) absent",
            "4 3 1-3 2 67% 17% manual 3, propagated 2 -",
            "9 1 0-0 1 100% 0% manual 2 3-5, 8-",
        ]
        assert len({line.index(word) for line, word in zip(table, ("sources", "manual", "manual"), strict=True)}) == 1

    def test_labels_as_json(self, native: Path) -> None:
        values = orjson.loads(run("info", native, "--json").stdout)
        assert (values["kind"], values["format"], values["path"]) == ("labels", "pwarp", str(native))
        assert values["tracks"][0]["sources"] == {"manual": 3, "propagated": 2}
        assert values["tracks"][1]["absent"] == [[3, 5], [8, None]]
        assert values["video"] == {
            "path": "clip",
            "width": 32,
            "height": 24,
            "frames": 12,
            "fps": None,
            "fingerprint": None,
        }

    def test_labels_from_stdin(self, native: Path) -> None:
        assert run("info", "-", stdin=native.read_bytes()).stdout.startswith("-: pwarp labels\n")

    def test_pictures(self, pictures: Path) -> None:
        fingerprint = open_video(pictures).identity.fingerprint
        assert run("info", pictures).stdout.splitlines() == [
            f"{pictures}: pictures",
            "size         32x24",
            "frames       12",
            "rate         unknown",
            f"fingerprint  {fingerprint}",
        ]

    def test_video(self, tmp_path: Path) -> None:
        path = tmp_path / "clip.avi"
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 12.5, (32, 24))
        for i in range(30):
            writer.write(np.full((24, 32, 3), 4 * i, np.uint8))
        writer.release()
        lines = run("info", path).stdout.splitlines()
        assert lines[:4] == [
            f"{path}: video",
            "size         32x24",
            "frames       30, 2.4 s",
            "rate         25/2 fps (about 12.5)",
        ]
        values = orjson.loads(run("info", path, "--json").stdout)
        assert (values["frames"], values["fps"], values["seconds"], values["damage"]) == (30, "25/2", 2.4, [])

    def test_labels_with_their_video(self, native: Path, pictures: Path) -> None:
        output = run("info", native, "--video", pictures).stdout
        assert open_video(pictures).identity.fingerprint in output
        assert "8-11" in output

    def test_labels_with_another_video(self, native: Path, pictures: Path) -> None:
        (pictures / "012.png").unlink()
        assert "the labels are for 12 frames, the video has 11" in refusal("info", native, "--video", pictures)

    def test_what_is_neither(self, tmp_path: Path) -> None:
        (tmp_path / "notes.txt").write_text("hello")
        assert "is no label file that pwarp knows: it looks like text, not JSON" in refusal(
            "info", tmp_path / "notes.txt"
        )
        assert "no such file" in refusal("info", tmp_path / "nope.mp4")
        (tmp_path / "net.safetensors").write_bytes(b"")
        assert "is a checkpoint; 'pwarp weights show' tells" in refusal("info", tmp_path / "net.safetensors")

    @pytest.mark.parametrize("options", [("--only", "x"), ("--single",), ("--frame-offset", "2")])
    def test_options_of_labels_do_not_go_with_a_video(self, pictures: Path, options: tuple[str, ...]) -> None:
        result = run("info", pictures, *options)
        assert result.exit_code == 2
        assert "are of labels" in result.output


class TestOddities:
    def oddities(self, *tracks: Track, **changes: Any) -> list[str]:
        identity = VideoIdentity("clip", 32, 24, 12, fingerprint="abc")
        return oddities(Annotations(**({"skeleton": PAIR, "video": identity, "tracks": tracks} | changes)))

    def test_none(self) -> None:
        assert self.oddities(Track.make(0, [1], [[[0, 1], [31.4, -0.4]]])) == []

    def test_outside_the_picture(self) -> None:
        tracks = (
            Track.make(0, [1, 5], [[[1, 1], [2, 2]], [[31.6, 1], [2, -0.6]]]),
            Track.make(1, [3], [[[99, 1], [2, 2]]]),
        )
        assert self.oddities(*tracks) == ["keypoints outside the picture: 3, first: track 0, frame 5, nose"]

    def test_visible_in_the_corner(self) -> None:
        assert self.oddities(Track.make(0, [1], [[[0, 0], [0, 0]]], [[1, 2]])) == [
            "keypoints visible at exactly (0, 0): 1, first: track 0, frame 1, tail"
        ]

    def test_poses_without_keypoints_and_keypoints_without_poses(self) -> None:
        assert self.oddities(Track.make(0, [1, 2], np.ones((2, 2, 2)), [[2, 0], [0, 0]])) == [
            "poses without any labelled keypoint: 1, first: track 0, frame 2",
            "keypoints that are labelled nowhere: tail",
        ]

    def test_frames_that_are_not_declared(self) -> None:
        assert self.oddities(Track.make(0, [1, 2], np.ones((2, 2, 2))), labelled=[1, 3]) == [
            "frames with poses that are not declared labelled: 1, first: 2"
        ]

    def test_lone_labels(self) -> None:
        lone = [Track.make(i, [1], np.ones((1, 2, 2)), identified=False) for i in range(3)]
        assert self.oddities(*lone) == ["labels without a track id, which belong to nobody yet: 3"]
        assert overview_of_labels(Annotations(PAIR, tracks=tuple(lone)))["lone_labels"] == 3

    def test_a_video_nobody_would_recognise(self) -> None:
        (line,) = self.oddities(video=VideoIdentity(), tracks=())
        assert line.startswith("nothing is said of the video's size, frame count, fingerprint")


class TestConvert:
    def test_says_what_is_lost_and_writes_it_too(self, native: Path, tmp_path: Path) -> None:
        out, report = tmp_path / "out.json", tmp_path / "loss.json"
        result = run("convert", native, out, "--to", "coco", "--report", report)
        assert result.exit_code == 0 and result.stdout == f"{out}: 4 poses of 2 tracks, as coco\n"
        assert "pwarp: coco cannot hold stretches of absence: 2, e.g. track 9, frames 3 to 5" in result.stderr
        loss = orjson.loads(report.read_bytes())
        assert loss["format"] == "coco"
        assert {"what", "count", "example", "farthest"} == loss["losses"][0].keys()
        assert len(loss["losses"]) == len(result.stderr.splitlines())
        assert formats.sniff(out) == "coco"

    def test_loses_nothing_in_its_own_format(self, native: Path, tmp_path: Path) -> None:
        result = run("convert", native, tmp_path / "out.json", "--strict", "-q")
        assert result.exit_code == 0 and result.output == ""
        assert (tmp_path / "out.json").read_bytes() == native.read_bytes()

    def test_strict_writes_nothing_rather_than_less(self, native: Path, tmp_path: Path) -> None:
        out = tmp_path / "out.json"
        assert "not written: coco cannot hold" in refusal("convert", native, out, "--to", "coco", "--strict")
        assert not out.exists()
        out.write_text("old")
        refusal("convert", native, out, "--to", "coco", "--strict", "--force")
        assert out.read_text() == "old"

    def test_pipes(self, native: Path) -> None:
        result = run("convert", "-", "-", "--to", "posetrack18", stdin=labels_of_people())
        assert orjson.loads(result.stdout)["annotations"][0]["keypoints"][:3] == [1, 2, 1]
        assert run("convert", native, "-").stdout_bytes == native.read_bytes()

    def test_what_exists_is_not_replaced_unasked(self, native: Path, tmp_path: Path) -> None:
        out = tmp_path / "out.json"
        out.write_text("old")
        assert "exists; give --force" in refusal("convert", native, out)
        assert out.read_text() == "old"
        assert run("convert", native, out, "--force").exit_code == 0

    def test_the_report_is_refused_before_anything_is_written(self, native: Path, tmp_path: Path) -> None:
        (tmp_path / "loss.json").write_text("old")
        assert "exists" in refusal("convert", native, tmp_path / "out.json", "--report", tmp_path / "loss.json")
        assert not (tmp_path / "out.json").exists()

    def test_an_unknown_suffix_needs_a_format(self, native: Path, tmp_path: Path) -> None:
        assert "no label format goes by the suffix '.txt'" in refusal("convert", native, tmp_path / "out.txt")
        assert run("convert", native, tmp_path / "out.txt", "--to", "coco").exit_code == 0

    def test_from_overrules_what_is_sniffed(self, native: Path, tmp_path: Path) -> None:
        assert "coco cannot hold" not in run("convert", native, tmp_path / "a.json", "--from", "coco").stderr
        assert len(formats.read(tmp_path / "a.json").track(9).absent) == 0

    def test_the_video_gives_pictures_their_names(self, native: Path, pictures: Path, tmp_path: Path) -> None:
        run("convert", native, tmp_path / "out.json", "--to", "coco", "--video", pictures)
        images = orjson.loads((tmp_path / "out.json").read_bytes())["images"]
        assert images[0]["file_name"] == "clip/001.png"

    def test_labels_and_report_do_not_share_stdout(self, native: Path) -> None:
        assert run("convert", native, "-", "--report", "-").exit_code == 2
        result = run("convert", native, native.parent / "out.json", "--to", "coco", "--report", "-")
        assert orjson.loads(result.stdout)["format"] == "coco"


def labels_of_people() -> bytes:
    """A COCO file with one person, as bytes."""
    keypoints = [1, 2, 2] + [5, 6, 1] * 16
    return orjson.dumps(
        {
            "images": [{"id": 1, "frame_id": 0}],
            "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "track_id": 0, "keypoints": keypoints}],
            "categories": [{"id": 1, "name": "person", "keypoints": list(COCO_17.keypoints)}],
        }
    )


@pytest.mark.parametrize("command", ["info", "convert"])
def test_help_loads_no_heavy_library_and_has_an_example(command: str) -> None:
    code = (
        "import sys; from pwarp_cli.main import main\n"
        f"try: main(['{command}', '--help'])\n"
        "except SystemExit: pass\n"
        "print({'torch', 'cv2', 'av', 'scipy'} & sys.modules.keys())"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.splitlines()[-1] == "set()"
    assert f"  pwarp {command} " in output


def test_formats_load_no_torch() -> None:
    code = "import sys, pwarp.formats, pwarp.registry as r; [r.load('format', n) for n in r.names('format')]\n"
    code += "print({'torch', 'cv2', 'av', 'click', 'rich'} & sys.modules.keys())"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output == "set()\n"


def test_a_rehearsal_to_stdout_refuses_what_the_run_refuses(tmp_path: Path) -> None:
    native = tmp_path / "labels.json"
    people = Skeleton("people", ("left_wrist", "right_wrist"))
    tracks = tuple(Track.make(id, [1, 2], np.arange(8.0).reshape(2, 2, 2)) for id in (0, 1))
    formats.write(Annotations(people, VideoIdentity(width=32, height=24), tracks), native)
    said = [refusal("convert", native, "-", "--to", "penn", *more) for more in ((), ("--dry-run",))]
    assert said[0] == said[1]
    assert "a file of this format holds one person" in said[0]


def test_convert_counts_the_key_frames_that_are_left(tmp_path: Path) -> None:
    """A straight way of 40 frames between two labels is two key frames in CVAT."""
    frames = np.arange(40)
    xy = np.stack([np.stack([frames, frames + 5], axis=1), np.stack([frames + 9, frames + 5], axis=1)], axis=1)
    source = np.where(np.isin(frames, (0, 39)), Source.MANUAL, Source.PROPAGATED)[:, None].repeat(2, axis=1)
    straight = Annotations(PAIR, VideoIdentity(width=99, height=99), (Track.make(0, frames, xy, source=source),))
    formats.write(straight, tmp_path / "dense.json")
    for more in ((), ("--dry-run",)):
        said = run("convert", tmp_path / "dense.json", tmp_path / "o.xml", "--to", "cvat", *more, "--force")
        assert "40 poses of 1 tracks by 2 key frames, as cvat" in said.stdout + said.stderr
    assert (tmp_path / "o.xml").read_text().count("<skeleton ") == 2
    for more in ((), ("--dry-run",)):
        said = run("convert", tmp_path / "dense.json", tmp_path / "o.xml", "--to", "cvat", *more, "--force", "--json")
        values = orjson.loads(said.stdout)
        assert (values["poses"], values["poses_kept"]) == (40, 2)
        assert values.get("written", True) is not bool(more)
