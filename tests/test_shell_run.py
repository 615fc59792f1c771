"""`pwarp run`: many videos, done once, gone on with, and never all lost to one."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from conftest import Outcome

from pwarp import batch, formats
from pwarp.batch import Here, Manifest, Processes, Result, Task
from pwarp.batch.task import content_digest
from pwarp.errors import PwarpError
from pwarp.propagation import Options
from pwarp.synthetic import Scene, SceneConfig, write_scene
from pwarp.video import container

Shell = Callable[..., Outcome]
NAMES = ("ape", "bee", "cow")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clip")
    config = SceneConfig(seed=4, frames=7, width=64, height=48, people=1, samples=1, camera=False)
    write_scene(Scene(config), folder, every=3)
    return folder


@pytest.fixture
def here(clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three videos in videos/, their labels in keys/; the folder is the current one."""
    for folder, source in (("videos", "video.mp4"), ("keys", "keys.json")):
        (tmp_path / folder).mkdir()
        for name in NAMES:
            shutil.copy(clip / source, tmp_path / folder / f"{name}{Path(source).suffix}")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(shell: Shell) -> Callable[..., tuple[int, dict[str, Any]]]:
    """Runs it on videos/ with --json: exit code, and what it says."""

    def call(*options: object) -> tuple[int, dict[str, Any]]:
        done = shell("run", "videos", "--labels", "keys", "--out", "dense", "--engine", "linear", "--json", *options)
        return done.code, json.loads(done.out)

    return call


Run = Callable[..., tuple[int, dict[str, Any]]]


def states(values: dict[str, Any]) -> list[str]:
    return [video["status"] for video in values["videos"]]


def outputs(here: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in (here / "dense").iterdir() if p.suffix != ".jsonl"}


def test_every_video_gets_what_propagate_gives_it_and_is_then_skipped(here: Path, run: Run, shell: Shell) -> None:
    code, values = run()
    assert (code, states(values)) == (0, ["done"] * 3)
    assert (values["done"], values["skipped"], values["failed"], values["left"]) == (3, 0, 0, 0)
    first = outputs(here)
    assert sorted(first) == ["ape.json", "bee.json", "cow.json"]
    shell("propagate", "videos/bee.mp4", "keys/bee.json", "-o", "alone.json", "--engine", "linear")
    assert first["bee.json"] == Path("alone.json").read_bytes()
    times = [p.stat().st_mtime_ns for p in sorted((here / "dense").iterdir())]
    assert states(run()[1]) == ["skipped"] * 3
    assert states(run("--jobs", 3)[1]) == ["skipped"] * 3
    assert times[:3] == [p.stat().st_mtime_ns for p in sorted((here / "dense").iterdir())][:3]


def test_other_names_of_vertices_make_it_anew(here: Path, run: Run) -> None:
    run()
    (here / "keys/bee.vertices.json").write_text('{"a": "nose"}')
    assert states(run()[1]) == ["skipped", "done", "skipped"]
    assert states(run()[1]) == ["skipped"] * 3
    (here / "keys/bee.vertices.json").write_text('{"a": "tail"}')
    assert states(run()[1]) == ["skipped", "done", "skipped"]


@pytest.mark.usefixtures("here")
def test_only_what_was_made_of_something_else_is_made_anew(run: Run) -> None:
    run()
    labels = formats.read("keys/bee.json")
    track = labels.tracks[0]
    formats.write(replace(labels, tracks=(replace(track, xy=track.xy + 0.5),)), "keys/bee.json", force=True)
    assert states(run()[1]) == ["skipped", "done", "skipped"]
    os.utime("videos/cow.mp4", ns=(1, 1))
    assert states(run()[1]) == ["skipped", "skipped", "done"]
    assert states(run("--reach", 1)[1]) == ["done"] * 3
    assert states(run("--reach", 1, "--format", "csv")[1]) == ["done"] * 3
    assert states(run("--reach", 1)[1]) == ["skipped"] * 3
    assert states(run("--reach", 1, "--force")[1]) == ["done"] * 3


def test_what_somebody_changed_or_made_is_left_alone(here: Path, run: Run) -> None:
    (here / "dense").mkdir()
    (here / "dense/ape.json").write_text("mine")
    code, values = run()
    assert (code, states(values)) == (1, ["failed", "done", "done"])
    assert "ape.json: exists and no run has made it so; move it away, or give --force" in values["videos"][0]["message"]
    (here / "dense/bee.json").write_text("corrected")
    code, values = run("--reach", 1)
    assert (code, states(values)) == (1, ["failed", "failed", "done"])
    assert [(here / f"dense/{name}.json").read_text() for name in NAMES[:2]] == ["mine", "corrected"]
    assert run("--force")[0] == 0


def test_an_attempt_that_failed_gives_no_leave_to_replace_what_somebody_changed(here: Path, run: Run) -> None:
    """Of what a run made it does, and of what it failed to make."""
    whole = (here / "keys/bee.json").read_bytes()
    (here / "keys/ape.json").write_bytes(whole[:-100])
    assert states(run()[1]) == ["failed", "done", "done"]
    (here / "dense/ape.json").write_text("by hand")
    made = (here / "dense/bee.json").read_bytes()
    (here / "keys/bee.json").write_bytes(whole[:-100])
    assert states(run()[1]) == ["failed", "failed", "skipped"]
    (here / "dense/bee.json").write_text("corrected")
    for name in NAMES[:2]:
        (here / f"keys/{name}.json").write_bytes(whole)
    code, values = run()
    assert (code, states(values)) == (1, ["failed", "failed", "skipped"])
    assert "bee.json: exists and no run has made it so" in values["videos"][1]["message"]
    assert [(here / f"dense/{name}.json").read_text() for name in NAMES[:2]] == ["by hand", "corrected"]
    (here / "dense/bee.json").write_bytes(made)
    (here / "dense/ape.json").unlink()
    assert states(run()[1]) == ["done", "done", "skipped"]


def test_what_somebody_changes_while_the_run_is_at_work_is_left_alone(here: Path) -> None:
    def slow(some: Iterable[Task]) -> Iterator[Result]:
        for task in some:
            result = batch.work(task)
            Path(task.output).write_text("corrected")
            yield result

    (here / "dense").mkdir()
    with Manifest(here / "dense") as manifest:
        [result] = batch.run(tasks(here)[:1], manifest, slow)
        assert result.status == "failed" and "somebody changed it meanwhile; move it away, or" in result.message
        assert outputs(here) == {"ape.json": b"corrected"}
        assert [r.status for r in batch.run(tasks(here)[:1], manifest, slow, force=True)] == ["done"]
    assert outputs(here)["ape.json"].startswith(b"{")


def test_one_that_fails_stops_no_other_and_is_tried_again(here: Path, run: Run, shell: Shell) -> None:
    whole = (here / "keys/ape.json").read_bytes()
    (here / "keys/ape.json").write_bytes(whole[:-100])
    code, values = run()
    assert (code, states(values)) == (1, ["failed", "done", "done"])
    assert values["videos"][0]["message"].startswith("keys/ape.json: JSON ends in the middle")
    done = shell("run", "videos", "--labels", "keys", "--out", "dense", "--engine", "linear")
    assert (done.code, done.err.count("\n")) == (1, 1)
    table = done.out.decode().splitlines()
    assert [line.split()[0] for line in table] == ["failed", "skipped", "skipped", "3"]
    assert table[-1].startswith("3 videos: 0 done, 2 skipped, 1 failed, ")
    (here / "keys/ape.json").write_bytes(whole)
    assert states(run()[1]) == ["done", "skipped", "skipped"]


def test_the_log_has_a_line_a_video(here: Path, run: Run, shell: Shell) -> None:
    run("--log", "log.jsonl")
    run("--log", "log.jsonl")
    lines = [json.loads(line) for line in (here / "log.jsonl").read_text().splitlines()]
    assert [line["status"] for line in lines] == ["done"] * 3 + ["skipped"] * 3
    assert lines[0]["output"] == "dense/ape.json" and lines[0]["frames_filled"] > 0
    done = shell("run", "videos", "--labels", "keys", "--out", "dense", "--engine", "linear", "--log", "-", "-q")
    assert [json.loads(line)["video"] for line in done.out.splitlines()] == [f"videos/{n}.mp4" for n in NAMES]


def test_no_label_file_is_taken_for_a_log(here: Path, shell: Shell) -> None:
    before = (here / "keys/ape.json").read_bytes()
    words = ("run", "videos", "--labels", "keys", "--out", "dense", "--engine", "linear", "--log")
    done = shell(*words, "keys/ape.json")
    assert (done.code, done.out, done.err.count("\n")) == (1, b"", 1)
    assert "keys/ape.json: is not the log of a run" in done.err
    assert (here / "keys/ape.json").read_bytes() == before
    done = shell(*words, "dense/log.jsonl")
    assert done.code == 2 and "dense/log.jsonl: lies in dense, which --out writes" in done.err


def test_no_output_takes_the_place_of_the_runs_own_list(here: Path, shell: Shell) -> None:
    for folder, suffix in (("videos", ".mp4"), ("keys", ".json")):
        (here / folder / f"ape{suffix}").rename(here / folder / f"pwarp-run{suffix}")
    done = shell(
        *("run", "videos", "--labels", "keys", "--out", "dense", "--engine", "linear", "--format", "jsonl", "--force")
    )
    assert done.code == 1
    assert "pwarp-run.mp4: its output would be pwarp-run.jsonl, the run's own list; rename the video" in done.err
    assert not (here / "dense").exists()


def test_a_dry_run_writes_nothing(here: Path, shell: Shell) -> None:
    done = shell("run", "videos", "--labels", "keys", "--out", "dense", "--dry-run")
    assert (done.code, done.err) == (0, "")
    assert done.out.decode().splitlines() == [
        *(f"dense/{name}.json: from videos/{name}.mp4 and keys/{name}.json" for name in NAMES),
        "3 to do, 0 done before, 0 that cannot be done; nothing written (--dry-run)",
    ]
    assert sorted(p.name for p in here.iterdir()) == ["keys", "videos"]


def test_a_dry_run_says_what_would_fail(here: Path, shell: Shell) -> None:
    call = ("run", "videos", "--labels", "keys", "--out", "dense", "--dry-run")
    assert shell(*call, "--engine", "posewarper", "--weights", "none.safetensors").code == 1
    (here / "keys/bee.json").write_text("{")
    done = shell(*call, "--engine", "linear")
    assert done.code == 1
    assert "keys/bee.json: " in done.out.decode()
    assert done.out.decode().endswith("2 to do, 0 done before, 1 that cannot be done; nothing written (--dry-run)\n")
    assert sorted(p.name for p in here.iterdir()) == ["keys", "videos"]


@pytest.mark.usefixtures("here")
def test_quiet_or_not_it_says_what_the_format_cannot_hold(shell: Shell) -> None:
    quiet = shell(
        "run", "videos/ape.mp4", "--labels", "keys", "--out", "q", "--engine", "linear", "--format", "csv", "-q"
    )
    alone = shell("propagate", "videos/ape.mp4", "keys/ape.json", "-o", "q.csv", "--engine", "linear", "-q")
    assert alone.err and quiet.err == alone.err.replace("pwarp: ", "pwarp: videos/ape.mp4: ")


def test_videos_come_from_files_folders_pictures_and_globs(here: Path) -> None:
    (here / "frames/dog").mkdir(parents=True)
    (here / "frames/dog/0.png").write_bytes(b"picture")

    def found(*places: str) -> list[str]:
        return [str(video.path) for video in batch.find_videos(places)]

    assert found("videos") == [f"videos/{name}.mp4" for name in NAMES]
    assert found("videos/*o*.mp4", "videos/ape.mp4", "videos") == [f"videos/{n}.mp4" for n in ("cow", "ape", "bee")]
    assert found("frames/*") == found("frames/dog") == ["frames/dog"]
    assert [video.stem for video in batch.find_videos(["frames/dog"])] == ["dog"]


@pytest.mark.parametrize(
    ("places", "options", "message"),
    [
        (("nowhere",), (), "nowhere: no such file or folder"),
        (("no*.mp4",), (), "no*.mp4: no such file or folder"),
        (("keys",), (), "keys: holds neither videos nor pictures"),
        (("videos", "more/ape.mov"), (), "more/ape.mov and videos/ape.mp4 are both called 'ape'; rename one"),
        (("more/dog.mp4",), (), "more/dog.mp4: no label file called 'dog.*' in keys; add it, or give --partial"),
        (("videos",), ("--labels", "none"), "none: no such folder"),
        (
            ("videos",),
            ("--out", "keys"),
            "keys: is the folder of the labels, give --out another one",
        ),
        (("videos/bee.mp4",), (), "keys/bee.csv and keys/bee.json may both be the labels of videos/bee.mp4"),
    ],
)
def test_what_is_not_clear_is_refused_before_work_starts(
    places: tuple[str, ...], options: tuple[str, ...], message: str, here: Path, shell: Shell
) -> None:
    (here / "more").mkdir()
    shutil.copy("videos/ape.mp4", "more/ape.mov")
    shutil.copy("videos/ape.mp4", "more/dog.mp4")
    if places == ("videos/bee.mp4",):
        (here / "keys/bee.csv").write_text("frame,track\n")
    done = shell("run", *places, "--labels", "keys", "--out", "dense", *options)
    assert (done.code, done.out, done.err.count("\n")) == (1, b"", 1)
    assert message in done.err
    assert not (here / "dense").exists()


def test_videos_without_labels_may_be_left_out(here: Path, run: Run) -> None:
    (here / "keys/bee.json").unlink()
    code, values = run("--partial")
    assert (code, [v["video"] for v in values["videos"]]) == (0, ["videos/ape.mp4", "videos/cow.mp4"])


def tasks(here: Path) -> list[Task]:
    settings = batch.Settings(Options("linear"))
    return batch.make_tasks(batch.find_videos([str(here / "videos")]), here / "keys", here / "dense", settings)[0]


def test_processes_give_the_same_and_one_that_dies_takes_no_other_with_it(here: Path) -> None:
    (here / "dense").mkdir()
    (here / "keys/bee.json").write_text("{}")
    with Manifest(here / "dense") as manifest:
        results = {Path(r.task.video).stem: r for r in batch.run(tasks(here), manifest, Processes(2))}
    assert {name: r.status for name, r in results.items()} == {"ape": "done", "bee": "failed", "cow": "done"}
    beside = outputs(here)
    shutil.rmtree(here / "dense")
    (here / "dense").mkdir()
    with Manifest(here / "dense") as manifest:
        list(batch.run(tasks(here), manifest, Here()))
    assert outputs(here) == beside


@pytest.mark.parametrize("after", ["work", "line", "name"])
@pytest.mark.parametrize("format", ["pwarp", "penn"])
def test_a_crash_anywhere_costs_no_more_than_the_work(
    after: str, format: str, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With an older output there, a file or a folder, and a line that is cut off."""
    (here / "dense").mkdir()
    task = replace(tasks(here)[0], output=str(here / "dense/ape"))
    old = replace(task, settings=batch.Settings(Options("linear"), format=format))
    with Manifest(here / "dense") as manifest:
        assert [(r.status, r.message) for r in batch.run([old], manifest, Here())] == [("done", "")]
    before = content_digest(Path(old.output))
    task = replace(task, settings=batch.Settings(Options("pchip"), format=format))

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with Manifest(here / "dense") as manifest:
        manifest.begin(task)
        assert batch.work(task).status == "done"
        assert content_digest(Path(task.output)) == before
        if after == "line":
            monkeypatch.setattr("pwarp.batch.manifest.take_name", crash)
            with pytest.raises(KeyboardInterrupt):
                manifest.finish(task)
            monkeypatch.undo()
            monkeypatch.chdir(here)
        elif after == "name":
            manifest.finish(task)
    with (here / "dense/pwarp-run.jsonl").open("ab") as file:
        file.write(b'{"output": "ape.js')
    with Manifest(here / "dense") as manifest:
        assert manifest.state(task) == ("done" if after == "name" else "stale")
        ends = [r.status for r in batch.run([task], manifest, Here())]
        assert ends == (["skipped"] if after == "name" else ["done"])
    assert Manifest(here / "dense").state(task) == "done"
    assert content_digest(Path(task.output)) != before


def test_any_executor_will_do(here: Path) -> None:
    """One that does the last task first, as machines might."""

    def backwards(some: Iterable[Task]) -> Iterator[Result]:
        yield from map(batch.work, reversed(list(some)))

    (here / "dense").mkdir()
    with Manifest(here / "dense") as manifest:
        done = [Path(r.task.video).stem for r in batch.run(tasks(here), manifest, backwards)]
        assert done == list(reversed(NAMES))
    assert all(Manifest(here / "dense").state(task) == "done" for task in tasks(here))


def test_a_label_file_that_goes_away_fails_its_video_alone(here: Path) -> None:
    (here / "dense").mkdir()
    todo = tasks(here)
    (here / "keys/bee.json").unlink()
    with Manifest(here / "dense") as manifest:
        ends = [(Path(r.task.video).stem, r.status) for r in batch.run(todo, manifest, Here())]
    assert sorted(ends) == [("ape", "done"), ("bee", "failed"), ("cow", "done")]
    with pytest.raises(PwarpError, match=r"bee\.json: cannot read"):
        _ = todo[1].key


# The command as a script. Tests that run in the background ignore Ctrl-C, and what they start inherits that.
_LAUNCH = """
import signal
from pwarp_cli.main import run

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    run()
"""


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_interruption_leaves_nothing_half_done_and_is_gone_on_from(here: Path, jobs: int, shell: Shell) -> None:
    """Ctrl-C as a terminal sends it: to the whole group of processes."""
    (here / "launch.py").write_text(_LAUNCH)
    for name in NAMES[1:]:
        # A pipe that nobody writes to: the video is never read to its end.
        (here / f"videos/{name}.mp4").unlink()
        os.mkfifo(here / f"videos/{name}.mp4")
    call = ["run", *(f"videos/{n}.mp4" for n in NAMES), "--labels", "keys", "--out", "dense", "--engine", "linear"]
    with subprocess.Popen(
        [sys.executable, "launch.py", *call, "--jobs", str(jobs)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        manifest = here / "dense/pwarp-run.jsonl"
        end = time.monotonic() + 120
        while not (manifest.exists() and manifest.read_text().count("\n") >= 2 + min(jobs, 2)):
            assert time.monotonic() < end and process.poll() is None, process.communicate()
            time.sleep(0.1)
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert err.splitlines()[-2:] == ["pwarp: the same command goes on from here", "pwarp: interrupted"]
    assert "3 videos: 1 done, 0 skipped, 0 failed, 2 not begun or not finished" in out
    assert sorted(outputs(here)) == ["ape.json"]
    done = shell(*call[:2], "--labels", "keys", "--out", "dense", "--engine", "linear", "--json")
    assert states(json.loads(done.out)) == ["skipped"]


# --- a long video, in segments ---


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("long")
    config = SceneConfig(seed=5, frames=41, width=64, height=48, people=2, samples=1, camera=False)
    write_scene(Scene(config), folder, every=4)
    return folder


def long_task(clip: Path, output: Path, segment: int | None, engine: str = "linear") -> Task:
    settings = batch.Settings(Options(engine), segment=segment)
    return Task(str(clip / "video.mp4"), str(clip / "keys.json"), str(output), settings)


def alone(task: Task) -> bytes:
    """What comes of a task, done in this process."""
    assert batch.work(task).status == "done"
    content = task.made.read_bytes()
    task.put_away()
    return content


def noted(done: list[tuple[int, int] | None]) -> Callable[[Iterable[Task]], Iterator[Result]]:
    """An executor in this process that notes which segments it was given."""

    def executor(some: Iterable[Task]) -> Iterator[Result]:
        for task in some:
            done.append(task.segment)
            yield batch.work(task)

    return executor


@pytest.mark.parametrize("engine", ["linear", "flow"])
def test_segments_come_to_the_same_bytes(
    engine: str, long_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = alone(long_task(long_clip, tmp_path / "whole.json", None, engine))
    opened = []
    build = container.build_index
    monkeypatch.setattr(container, "build_index", lambda path: opened.append(path) or build(path))
    done: list[tuple[int, int] | None] = []
    with Manifest(tmp_path) as manifest:
        task = long_task(long_clip, tmp_path / "parts.json", 12, engine)
        [result] = batch.run([task], manifest, noted(done))
        assert (result.task, result.status, result.summary["tracks"]) == (task, "done", 2)
        assert manifest.state(task) == "done"
        other = replace(task, settings=replace(task.settings, segment=5))
        assert [r.status for r in batch.run([other], manifest, Here())] == ["skipped"]
    assert done[0] is None and done[-1] is None
    parts = [part for part in done if part is not None]
    assert len(parts) == 4 and parts[0][0] == 0 and parts[-1][1] == 40
    assert all(before[1] == after[0] for before, after in pairwise(parts))
    assert len(opened) == 1  # who knows the video has decoded it
    assert (tmp_path / "parts.json").read_bytes() == whole
    assert sorted(p.name for p in tmp_path.iterdir()) == ["parts.json", "pwarp-run.jsonl"]


def test_segments_may_be_done_in_other_processes(long_clip: Path, tmp_path: Path) -> None:
    whole = alone(long_task(long_clip, tmp_path / "whole.json", None))
    with Manifest(tmp_path) as manifest:
        task = long_task(long_clip, tmp_path / "parts.json", 12)
        assert [r.status for r in batch.run([task], manifest, Processes(2))] == ["done"]
    assert (tmp_path / "parts.json").read_bytes() == whole


def test_finished_segments_are_not_done_again_by_whoever_goes_on(long_clip: Path, tmp_path: Path) -> None:
    """Also where videos are divided otherwise then, or not at all."""
    whole = alone(long_task(long_clip, tmp_path / "whole.json", None))
    task = long_task(long_clip, tmp_path / "parts.json", 12)

    def broken(some: Iterable[Task]) -> Iterator[Result]:
        yield batch.work(next(iter(some)))
        yield batch.work(next(iter(some)))
        raise KeyboardInterrupt

    with Manifest(tmp_path) as manifest, pytest.raises(KeyboardInterrupt):
        list(batch.run([task], manifest, broken))
    folder = tmp_path / "parts.json.segments.partial"
    [first] = folder.iterdir()
    end = int(first.stem.split("-")[1])
    done: list[tuple[int, int] | None] = []
    with Manifest(tmp_path) as manifest:
        smaller = replace(task, settings=replace(task.settings, segment=8))
        assert [r.status for r in batch.run([smaller], manifest, noted(done))] == ["done"]
    assert done[1] is not None and done[1][0] == end
    assert (tmp_path / "parts.json").read_bytes() == whole
    assert not folder.exists()


def test_a_segment_that_fails_fails_its_video_once(long_clip: Path, tmp_path: Path) -> None:
    def failing(some: Iterable[Task]) -> Iterator[Result]:
        at_work = list(some)
        for task in at_work:
            if task.segment is None:
                yield batch.work(task)
            else:
                yield Result(task, "failed", "no room")

    tasks = [long_task(long_clip, tmp_path / f"{name}.json", 12) for name in ("a", "b")]
    with Manifest(tmp_path) as manifest:
        results = list(batch.run(tasks, manifest, failing))
    assert [(Path(r.task.output).stem, r.status, r.message) for r in results] == [
        ("a", "failed", "no room"),
        ("b", "failed", "no room"),
    ]
    assert [r.task for r in results] == tasks


@pytest.mark.parametrize(
    ("options", "length"),
    [
        ((), None),
        (("--jobs", "2"), None),
        (("--jobs", "2", "--engine", "flow"), 2000),
        (("--engine", "flow"), None),
        (("--executor", "ray", "--engine", "flow"), 2000),
        (("--segment", "7"), 7),
        (("--segment", "0", "--jobs", "2", "--engine", "flow"), None),
    ],
)
def test_what_is_divided_unless_somebody_says(
    options: tuple[str, ...], length: int | None, here: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    real = batch.make_tasks
    monkeypatch.setattr(batch, "make_tasks", lambda *a, **k: seen.append(a[3].segment) or real(*a, **k))
    assert run(*options, "--dry-run")[0] == 0
    assert seen == [length]
    assert not (here / "dense").exists()


def test_options_of_ray_go_with_ray(here: Path, shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    call = ("run", "videos", "--labels", "keys", "--out", "dense")
    done = shell(*call, "--gpus", "1")
    assert (done.code, done.err.splitlines()[-1]) == (
        2,
        "Error: --gpus goes with --executor ray: give that, too, or leave it out",
    )
    monkeypatch.setitem(sys.modules, "ray", None)
    done = shell(*call, "--executor", "ray")
    assert (done.code, done.err) == (1, "pwarp: --executor ray needs the extra 'ray': pip install 'pwarp[ray]'\n")
    assert list((here / "dense").iterdir()) == [here / "dense/pwarp-run.jsonl"]


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks into /proc")
def test_workers_do_not_outlive_who_started_them(here: Path) -> None:
    """Killed without a chance to say so."""
    for name in NAMES:
        (here / f"videos/{name}.mp4").unlink()
        os.mkfifo(here / f"videos/{name}.mp4")
    (here / "launch.py").write_text(_LAUNCH)
    videos = (f"videos/{name}.mp4" for name in NAMES)
    call = ["run", *videos, "--labels", "keys", "--out", "dense", "--engine", "linear", "--jobs", "2"]
    with subprocess.Popen([sys.executable, "launch.py", *call], stderr=subprocess.PIPE) as process:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        end = time.monotonic() + 120
        while not (children.exists() and len(children.read_text().split()) >= 3):
            assert time.monotonic() < end and process.poll() is None, process.communicate()
            time.sleep(0.05)
        born = [int(pid) for pid in children.read_text().split()]
        process.kill()
    while any(Path(f"/proc/{pid}").exists() for pid in born):
        assert time.monotonic() < end
        time.sleep(0.05)
