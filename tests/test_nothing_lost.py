"""What belongs to somebody stays: no output, no file that pwarp works on and no signal takes it away."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Outcome
from writing_commands import files

from pwarp.files import take_name
from pwarp.training.folder import RunFolder

Shell = Callable[..., Outcome]
# A terminal that goes is heard of even where whoever runs the tests does not want to (nohup).
CODE = "import signal\nsignal.signal(signal.SIGHUP, signal.SIG_DFL)\nfrom pwarp_cli.main import run\nrun()\n"
SMALL = ["--backbone", "duc-mobilenet", "--size", "32x32", "--batch", "4", "--steps", "2", "--workers", "0"]


@pytest.fixture
def here(examples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("video.mp4", "keys.json"):
        shutil.copy(examples / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def started(*arguments: str, **streams: object) -> subprocess.Popen[bytes]:
    """`pwarp` in a process of its own."""
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | streams
    return subprocess.Popen([sys.executable, "-c", CODE, *arguments], **pipes)  # type: ignore[call-overload, no-any-return]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("cache/keys.json", "run/cache: an input, run/cache/keys.json, lies in it"),
        ("best.safetensors", "run/best.safetensors: would be replaced, and no run to go on with has left it"),
        ("settings.json", "run/settings.json: would be replaced"),
        ("tb/events.out.tfevents.1", "events.out.tfevents.1: would be replaced"),
    ],
)
def test_training_takes_no_file_that_no_run_has_left(here: Path, shell: Shell, name: str, said: str) -> None:
    (here / "run" / name).parent.mkdir(parents=True)
    shutil.copy("keys.json", here / "run" / name)
    shutil.copy("video.mp4", (here / "run" / name).with_name("video.mp4"))
    before = files(here)
    labels = f"run/{name}" if name.endswith("keys.json") else "keys.json"
    done = shell("train", "estimator", labels, "-o", "run", *SMALL)
    assert done.code == 1 and said in done.err
    assert files(here) == before


def test_a_run_that_came_to_its_end_leaves_others_files_in_its_cache(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.cache.mkdir()
    for name in ("crops-0-1.raw", ".crops-1", "mine.mp4"):
        (folder.cache / name).touch()
    folder.forget_pictures()
    assert [path.name for path in folder.cache.iterdir()] == ["mine.mp4"]
    (folder.cache / "mine.mp4").unlink()
    folder.forget_pictures()
    assert not folder.cache.exists()


def test_what_is_called_like_a_journal_is_none(here: Path, shell: Shell) -> None:
    propagate = ("propagate", "video.mp4", "o.json.partial", "-o", "o.json", "--engine", "flow")
    shutil.copy("keys.json", "o.json.partial")
    assert "o.json.partial: is an input" in shell(*propagate).err
    (here / "o.json.partial").unlink()
    (here / "o.json.partial").symlink_to("keys.json")
    before = files(here)
    assert "o.json.partial: is an input" in shell(*propagate).err
    assert "o.json.partial: is an input" in shell("propagate", "video.mp4", "keys.json", *propagate[3:]).err
    shutil.copy("keys.json", "other.json")
    (here / "o.json.partial").unlink()
    (here / "o.json.partial").symlink_to("other.json")
    assert "o.json.partial: cannot write: is a link" in shell("propagate", "video.mp4", "keys.json", *propagate[3:]).err
    assert (here / "other.json").read_bytes() == before["keys.json"]


@pytest.mark.parametrize("link", ["a.json.made.partial", "a.json.segments.partial"])
def test_a_run_works_in_no_folder_that_is_a_link(here: Path, shell: Shell, link: str) -> None:
    for folder in ("videos", "keys", "out", "mine"):
        (here / folder).mkdir()
    shutil.copy("video.mp4", "videos/a.mp4")
    shutil.copy("keys.json", "keys/a.json")
    for name in ("a.json", "x.partial"):
        (here / "mine" / name).write_text("mine")
    (here / "out" / link).symlink_to("../mine")
    done = shell("run", "videos", "--labels", "keys", "--out", "out", "--engine", "linear")
    assert done.code == 1 and f"out/{link}: is a link" in done.out.decode() + done.err
    assert {path.name: path.read_text() for path in (here / "mine").iterdir()} == {
        "a.json": "mine",
        "x.partial": "mine",
    }


def test_the_configuration_is_an_input(here: Path, shell: Shell) -> None:
    (here / "q.json").write_text('[propagate]\nengine = "linear"\n')
    done = shell("--config", "q.json", "propagate", "video.mp4", "keys.json", "-o", "q.json", "--force")
    assert done.code == 1 and "q.json: is an input, which nothing may replace" in done.err


def test_a_data_set_is_replaced_where_all_of_it_is_ours(here: Path, shell: Shell) -> None:
    convert = ("convert", "keys.json", "set", "--to", "yolo-pose", "--video", "video.mp4", "--force")
    assert shell(*convert).code == 0
    (here / "set/labels/train.cache").touch()  # of Ultralytics' training
    assert shell(*convert).code == 0
    for other in ("labels/train/other-000001.txt", "labels/notes.json"):
        (here / "set" / other).touch()
        done = shell(*convert)
        assert done.code == 1 and f"a folder with other files in it, such as '{other}'" in done.err
        assert (here / "set" / other).exists()
        (here / "set" / other).unlink()
    assert shell("convert", "keys.json", "penn", "--to", "penn").code == 0
    shutil.copy("keys.json", "penn/labels/0007.mat")
    done = shell("convert", "keys.json", "penn", "--to", "penn", "--force")
    assert done.code == 1 and "such as 'labels/0007.mat'" in done.err


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("convert keys.json o.json --report o.json", "o.json: --report writes it, too"),
        ("convert keys.json o.json --report sub/../o.json", "o.json: --report writes it, too"),
        ("convert keys.json o.json --report link.json", "o.json: --report writes it, too"),
        ("convert keys.json set --report set/loss.json", "set: set/loss.json, which --report writes, lies in it"),
        ("convert keys.json - --report -", "standard output carries --report already"),
        ("propagate video.mp4 keys.json -o o.json --save-weights o.json", "o.json: --output writes it, too"),
        (
            "propagate video.mp4 keys.json -o o.json --save-weights o.json.partial",
            "o.json.partial: --output writes it, too",
        ),
        (
            "propagate video.mp4 keys.json --save-weights o.json.partial -o o.json",
            "o.json.partial: --save-weights writes it, too",
        ),
        ("run video.mp4 --labels keys --out out --log out/sub/log.jsonl", "lies in out, which --out writes"),
    ],
)
def test_two_outputs_of_a_call_are_two_files(here: Path, shell: Shell, line: str, said: str) -> None:
    (here / "sub").mkdir()
    (here / "link.json").symlink_to("o.json")
    (here / "o.json").write_text("mine")
    before = files(here)
    done = shell(*line.split(), "--force")
    assert (done.code, done.out) == (2, b"")
    assert f"{said}; give another name" in done.err
    assert files(here) == before


def test_no_device_no_pipe_and_no_link_to_nothing_becomes_a_file(here: Path, shell: Shell) -> None:
    os.mkfifo(here / "pipe.json")
    (here / "nowhere.json").symlink_to("nothing.json")
    (here / "set").mkdir()
    (here / "link").symlink_to("set")
    for name, said in (("pipe.json", "is no file but a pipe"), ("nowhere.json", "is a link to what is not there")):
        done = shell("propagate", "video.mp4", "keys.json", "-o", name, "--engine", "linear", "--force")
        assert done.code == 1 and f"{name}: {said}" in done.err
    done = shell("convert", "keys.json", "link", "--to", "yolo-pose", "--video", "video.mp4")
    assert done.code == 1 and "link: is a link, and the output is a folder" in done.err
    assert shell("info", "/dev/zero").err == "pwarp: /dev/zero: is a device, no video; check the path\n"


def test_an_interrupted_exchange_of_folders_is_undone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, target = tmp_path / "made", tmp_path / "target"
    for folder in (made, target):
        folder.mkdir()
        (folder / "file").write_text(folder.name)
    rename = Path.rename

    def interrupted(path: Path, other: Path) -> Path:
        if path == made:
            raise KeyboardInterrupt
        return rename(path, other)

    with monkeypatch.context() as broken:
        broken.setattr(Path, "rename", interrupted)
        with pytest.raises(KeyboardInterrupt):
            take_name(made, target)
    assert (target / "file").read_text() == "target"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is full")
@pytest.mark.parametrize("call", [["--help"], ["info", "video.mp4"], ["info", "video.mp4", "--json"]])
def test_a_full_standard_output_is_one_line(here: Path, call: list[str]) -> None:
    with Path("/dev/full").open("wb") as full, started(*call, stdout=full, cwd=here) as process:
        _, said = process.communicate(timeout=120)
    assert (process.returncode, said) == (1, b"pwarp: standard output: No space left on device; make room\n")


def test_standard_streams_may_be_closed(here: Path) -> None:
    pwarp = f"{sys.executable} -c 'from pwarp_cli.main import run; run()'"
    linear = "propagate video.mp4 keys.json --engine linear"
    for line, code, said in (
        (f"{linear} -o a.json >&-", 1, "pwarp: standard output: Bad file descriptor\n"),
        (f"{linear} -o b.json 2>&-", 0, ""),
        ("propagate - keys.json -o c.json <&-", 1, "pwarp: standard input: is empty; pipe a video file into it\n"),
    ):
        done = subprocess.run(f"{pwarp} {line}", shell=True, cwd=here, capture_output=True, text=True, timeout=120)
        assert (done.returncode, done.stderr) == (code, said)
    assert (here / "a.json").read_bytes() == (here / "b.json").read_bytes()


@pytest.mark.usefixtures("here")
def test_names_that_are_no_text_are_shown_as_well_as_can_be(shell: Shell) -> None:
    name = os.fsdecode(b"v\xff.mp4")
    try:
        shutil.copy("video.mp4", name)
    except OSError as error:
        assert error.errno == errno.EILSEQ  # a disc that knows no such names
        pytest.skip("the disc holds no such names")
    assert b'"path":"v?.mp4"' in shell("info", name, "--json").out


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_process_that_is_ended_cleans_up(here: Path, number: signal.Signals) -> None:
    """It waits for a video whose beginning it has put into a temporary folder."""
    temporary = here / "tmp"
    temporary.mkdir()
    command = ("propagate", "-", "keys.json", "-o", "o.json")
    environment = {**os.environ, "TMPDIR": str(temporary)}
    with started(*command, stdin=subprocess.PIPE, cwd=here, env=environment) as process:
        end = time.monotonic() + 60
        while not list(temporary.glob("pwarp-*")):
            assert time.monotonic() < end and process.poll() is None
            time.sleep(0.05)
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (128 + number, b"pwarp: interrupted\n")
    assert not list(temporary.glob("pwarp-*"))
    assert sorted(path.name for path in here.iterdir()) == ["keys.json", "tmp", "video.mp4"]
