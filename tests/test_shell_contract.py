"""What every command promises alike: pipes, --dry-run, --json, --quiet, and which exit code means what."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import get_args

import click
import numpy as np
import pytest
from conftest import Outcome
from pwarp_cli import check, suggest, train_options
from pwarp_cli.main import COMMANDS, main
from pwarp_cli.paths import Read, Written
from writing_commands import ALL as WRITING
from writing_commands import files

from pwarp import formats, heatmaps
from pwarp.annotations import Source
from pwarp.errors import PwarpError
from pwarp.files import sparing
from pwarp.training.folder import RunFolder
from pwarp.trust import findings
from pwarp.trust import suggest as suggesting

Shell = Callable[..., Outcome]

# Reads labels from stdin and writes its result to stdout.
PIPES = {
    "propagate": "propagate video.mp4 - -o - --engine linear < keys.json",
    "augment": "augment keys.json - -o - < dense.json",
    "detect": "detect video.mp4 -o - --detector hog",
    "track": "track video.mp4 - -o - < boxes.json",
    "estimate": "estimate video.mp4 - -o - --model hrnet.safetensors < people.json",
    "refine": "refine video.mp4 - -o - --weights warper.safetensors --offsets -1..1 < poses.json",
    "view": "view video.mp4 - -o - --frames 2 < dense.json",
    "review": "review video.mp4 - -o - < dense.json",
    "study": "study video.mp4 - -o - --engines linear < keys.json",
    "suggest": "suggest video.mp4 - -o - < dense.json",
    "check": "check - --jsonl < dense.json",
    "eval": "eval - truth.json < dense.json",
    "info": "info - < dense.json",
    "convert": "convert - - < dense.json",
}
NO_PIPES = {
    "run": "folders of files",
    "train": "a folder of labels, a folder that a run grows in",
    "synth": "a folder",
    "weights": "checkpoints, which are read in any order, and checked before they take their name",
    "export": "networks, one or two files that know each other's names",
    "models": "reads nothing; prints",
    "completion": "reads nothing; prints",
}


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every command by its whole name, also those inside others."""
    context = click.Context(main)
    for name in COMMANDS:
        command = main.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from ((f"{name} {inner}", command.commands[inner]) for inner in command.commands)
        else:
            yield name, command


ALL = dict(commands())


def options(command: click.Command) -> set[str]:
    return {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}


@pytest.mark.parametrize("name", ALL)
def test_whoever_writes_files_can_be_tried_first_and_kept_quiet(name: str) -> None:
    has = options(ALL[name])
    if has & {"-o", "--output", "--out"}:
        assert {"-o", "--dry-run", "--json", "-q", "--quiet"} <= has
        assert "--force" in has
    elif name != "completion":
        assert "--json" in has
    if "--json" in has and "--format" not in has:
        assert next(p for p in ALL[name].params if "--json" in p.opts).name == "as_json"


def test_every_command_is_a_pipe_or_says_why_not() -> None:
    assert PIPES.keys() | NO_PIPES.keys() == COMMANDS.keys()
    assert not PIPES.keys() & NO_PIPES.keys()


@pytest.mark.parametrize("name", PIPES)
def test_a_pipe_carries_the_result_alone(
    name: str, examples: Path, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On stdout: the same bytes with --quiet, with --json and without; what else is to be said goes to stderr."""
    monkeypatch.chdir(examples)
    line, _, source = PIPES[name].partition(" < ")
    given = Path(source).read_bytes() if source else b""
    plain = shell(*line.split(), given=given)
    assert plain.code == 0, plain.err
    assert plain.out and "Traceback" not in plain.err
    has = options(ALL[name])
    if "-q" in has:
        quiet = shell(*line.split(), "-q", given=given)
        assert (quiet.code, quiet.out) == (0, plain.out)
        assert not [text for text in quiet.err.splitlines() if not text.startswith("pwarp: ")], "a summary"
    if "-o -" in line and "--json" in has:
        as_json = shell(*line.split(), "--json", given=given)
        assert (as_json.code, as_json.out) == (0, plain.out)
        assert isinstance(json.loads(as_json.err.splitlines()[-1]), dict)


@pytest.mark.parametrize("name", [name for name in PIPES if "--dry-run" in options(ALL[name])])
def test_trying_a_pipe_leaves_it_empty(
    name: str, examples: Path, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(examples)
    line, _, source = PIPES[name].partition(" < ")
    done = shell(*line.split(), "--dry-run", given=Path(source).read_bytes() if source else b"")
    assert done.code == 0, done.err
    if name != "eval":
        assert done.out == b""
        assert "nothing written (--dry-run)" in done.err


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("augment keys keys -o -", "a folder"),
        ("synth -o -", "a folder"),
        ("run videos --labels keys --out -", "a folder"),
        ("train estimator keys.json -o -", "a folder"),
        ("weights convert hrnet.safetensors -o -", "a checkpoint"),
        ("weights download hrnet-w48-coco-384x288 -o -", "weights"),
        ("propagate video.mp4 keys.json -o o.json --save-weights -", "a checkpoint"),
        ("export hrnet.safetensors -o -", "a network"),
        ("eval dense.json truth.json --plot -", "figures"),
    ],
)
def test_what_stdout_cannot_carry_is_refused_there(line: str, what: str, own_examples: Path, shell: Shell) -> None:
    before = sorted(own_examples.rglob("*"))
    for more in ((), ("--dry-run",)):
        done = shell(*line.split(), *more)
        assert (done.code, done.out) == (2, b"")
        assert done.err.endswith(f"'-' is standard output, which cannot carry {what}; give a name\n")
    assert sorted(own_examples.rglob("*")) == before


@pytest.mark.parametrize(
    ("line", "mend"),
    [
        ("propagate video.mp4 keys.json -o x.foo", "or name the format with --format: "),
        ("convert keys.json x.foo", "or name the format with --to: "),
        ("augment keys.json dense.json -o x.foo", "such as .json\n"),
    ],
)
@pytest.mark.usefixtures("own_examples")
def test_a_suffix_of_no_format_is_told_with_the_commands_own_option(line: str, mend: str, shell: Shell) -> None:
    done = shell(*line.split())
    assert done.code == 2
    assert done.err.startswith(f"pwarp: x.foo: no label format goes by the suffix '.foo'; give another, {mend}")


@pytest.mark.parametrize("line", ["run videos --labels keys --out new", "propagate video.mp4 keys.json -o new.json"])
@pytest.mark.usefixtures("own_examples")
def test_the_command_that_fits_a_network_is_named(line: str, shell: Shell) -> None:
    done = shell(*line.split(), "--engine", "posewarper")
    assert done.code == 2 and "or 'pwarp propagate --adapt', which fits a small one" in " ".join(done.err.split())


@pytest.mark.parametrize("more", [["--video", "video.mp4"], ["--single"]])
@pytest.mark.usefixtures("own_examples")
def test_labels_that_are_not_there_are_told_before_the_options_beside_them(more: list[str], shell: Shell) -> None:
    done = shell("info", "nope.json", *more)
    assert (done.code, done.err) == (1, "pwarp: nope.json: no such file; check the path\n")
    pictures = shell("info", "frames/*.png", *more)
    assert pictures.code == 2 and "'frames/*.png' is no label file" in " ".join(pictures.err.split())


@pytest.mark.usefixtures("own_examples")
def test_labels_without_a_persons_keypoint_are_named(shell: Shell) -> None:
    labels = formats.read("dense.json")
    seen = tuple(replace(t, source=np.where(t.labelled, Source.DETECTED, Source.NONE)) for t in labels.tracks)
    formats.write(replace(labels, tracks=seen), "seen.json")
    done = shell("propagate", "video.mp4", "seen.json", "-o", "new.json")
    assert done.code == 1 and done.err.startswith("pwarp: seen.json: no keypoint was set by a person")


@pytest.mark.usefixtures("own_examples")
def test_an_output_that_is_there_advises_no_option_that_the_command_lacks(shell: Shell) -> None:
    done = shell("convert", "keys.json", "dense.json")
    assert (done.code, done.err) == (1, "pwarp: dense.json: exists; give --force to replace it, or another name\n")


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("propagate video.mp4 keys.json -o done.json --engine linear", 0),
        ("propagate video.mp4 nothing.json -o other.json", 1),
        ("propagate video.mp4 keys.json -o keys.json", 1),
        ("propagate video.mp4 keys.json -o other.json --engine magic", 2),
        ("propagate video.mp4", 2),
        ("propagated", 2),
        ("check dense.json --strict --kind outside", 0),
        ("check moved.json --strict --kind outside", 1),
        ("run videos --labels keys --out ran --engine linear", 0),
        ("run videos --labels half --out half-ran --engine linear", 1),
    ],
)
@pytest.mark.usefixtures("own_examples")
def test_the_exit_code_says_how_it_ended(line: str, code: int, shell: Shell) -> None:
    moved = json.loads(Path("dense.json").read_text())
    moved["annotations"][0]["keypoints"][:3] = [-50, 10, 2]
    Path("moved.json").write_text(json.dumps(moved))
    shutil.copytree("keys", "half")
    Path("half/b.json").write_text("{")
    done = shell(*line.split())
    assert done.code == code, done.err
    assert "Traceback" not in done.err
    if code == 1 and line.startswith("propagate"):
        assert done.err.startswith("pwarp: ") and done.err.count("\n") == 1


@pytest.mark.parametrize("name", [name for name in WRITING if name not in ("run", "train", "synth")])
def test_no_input_is_replaced_even_if_forced(
    name: str, examples: Path, tmp_path: Path, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither by its own name nor by another one; `run` and `train` write into folders of their own."""
    monkeypatch.chdir(examples)
    words = WRITING[name].format("{}", threads=1).split()
    target = next(i for i, word in enumerate(words) if word.startswith("{}"))
    inputs = [word for word in words if Path(word).is_file()]
    assert inputs
    for given in inputs:
        before = Path(given).read_bytes()
        link = tmp_path / f"{Path(given).stem}{Path(words[target]).suffix}"
        link.symlink_to(Path(given).resolve())
        for output in (given, link):
            done = shell(*words[:target], output, *words[target + 1 :], "--force")
            assert done.code in (1, 2) and "Traceback" not in done.err
            assert Path(given).read_bytes() == before
            assert link.is_symlink()
        assert f"{link}: is an input, which nothing may replace" in done.err
        link.unlink()


@pytest.mark.parametrize("video", ["pictures", "pictures/*.png"])
def test_no_picture_of_the_video_is_replaced(
    video: str, examples: Path, tmp_path: Path, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(examples / "frames", tmp_path / "pictures")
    monkeypatch.chdir(tmp_path)
    before = Path("pictures/002.png").read_bytes()
    done = shell("view", video, f"{examples}/keys.json", "-o", "pictures/002.png", "--force", "--frame-offset", "0")
    assert (done.code, done.err.count("\n")) == (1, 1)
    assert "pictures/002.png: is an input, which nothing may replace" in done.err
    assert Path("pictures/002.png").read_bytes() == before


def test_what_an_option_says_is_no_input(
    examples: Path, tmp_path: Path, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A format or an engine may be called as a file is."""
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        words = f"propagate {examples}/video.mp4 {examples}/keys.json -o linear --engine linear --format jsonl --force"
        done = shell(*words.split())
        assert done.code == 0, done.err


def test_a_run_that_begins_with_its_own_checkpoint_is_not_started_over(tmp_path: Path) -> None:
    (tmp_path / "last.safetensors").touch()
    with sparing(lambda: [tmp_path / "last.safetensors"]), pytest.raises(PwarpError, match="lies in it"):
        RunFolder(tmp_path).check(resume=False, force=True)
    RunFolder(tmp_path).check(resume=False, force=True)


# What texts are that name no file; every other parameter that takes a text says whether it is read or written.
TEXTS = {
    "--address", "--as", "--category", "--dataset-option", "--device", "--keypoint", "--length", "--only", "--size",
    "--split", "--target", "--val-split",
}  # fmt: skip


@pytest.mark.parametrize("name", ALL)
def test_what_names_a_file_says_whether_it_is_read_or_written(name: str) -> None:
    for parameter in ALL[name].params:
        if {"-o", "--output", "--out"} & set(parameter.opts):
            assert isinstance(parameter.type, Written)
        if isinstance(parameter.type, Read | Written) or (name, parameter.name) == ("weights download", "name"):
            continue
        assert not isinstance(parameter.type, click.Path | click.File), parameter.opts
        assert not isinstance(parameter.type, type(click.STRING)) or TEXTS & set(parameter.opts), parameter.opts
        assert not set(re.split(r"\W", parameter.metavar or "")) & {"FILE", "DIR", "VIDEO", "LABELS"}, parameter.opts


@pytest.mark.parametrize("words", ["ppn --head", "ppn --body", "dkd --initial", "dkd --encoder", "posewarper --init"])
def test_training_does_not_start_over_with_the_checkpoint_that_it_is_to_begin_with(
    words: str, own_examples: Path, shell: Shell
) -> None:
    Path("run").mkdir()
    shutil.copy("hrnet.safetensors", "run/best.safetensors")
    Path("run/state.pt").touch()
    before = files(own_examples)
    kind, option = words.split()
    done = shell("train", kind, "keys.json", "-o", "run", option, "run/best.safetensors", "--force", "--steps", "1")
    assert (done.code, done.out) == (1, b"")
    assert "run: an input, run/best.safetensors, lies in it" in done.err
    assert files(own_examples) == before


def test_an_interruption_has_a_code_of_its_own(examples: Path, shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.chdir(examples)
    monkeypatch.setattr("pwarp.formats.read", interrupted)
    done = shell("info", "keys.json")
    assert (done.code, done.out, done.err) == (130, b"", "pwarp: interrupted\n")


def test_the_codes_are_documented(shell: Shell) -> None:
    text = shell("--help").out.decode()
    assert "Exit codes:" in text
    for code in ("0    done", "1    something is wrong", "2    wrong usage", "130  interrupted"):
        assert code in text


@pytest.mark.usefixtures("own_examples")
def test_a_video_may_come_through_a_pipe(shell: Shell) -> None:
    """What is made of it is the same, but that it names no video."""
    labels = formats.read("keys.json")
    formats.write(replace(labels, video=replace(labels.video, path=None)), "unnamed.json")
    for output, video, given in (("there.json", "-", Path("video.mp4").read_bytes()), ("here.json", "video.mp4", b"")):
        done = shell("propagate", video, "unnamed.json", "-o", output, "--engine", "flow", "-q", given=given)
        assert (done.code, done.err) == (0, "")
    there, here = (formats.read(name) for name in ("there.json", "here.json"))
    assert there.video == replace(here.video, path=None)
    assert here.video.path == "video.mp4" and here.video.fingerprint
    formats.write(replace(there, video=here.video), "named.json")
    assert Path("named.json").read_bytes() == Path("here.json").read_bytes()


@pytest.mark.parametrize(("given", "why"), [(b"", "is empty; pipe a video file"), (b"no video", "")])
def test_a_pipe_without_a_video_is_refused(given: bytes, why: str, shell: Shell, tmp_path: Path) -> None:
    done = shell("detect", "-", "-o", tmp_path / "boxes.json", "--detector", "hog", given=given)
    assert (done.code, done.out) == (1, b"")
    assert done.err.startswith(f"pwarp: standard input: {why}") and done.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_lists_that_spare_an_import_are_the_librarys() -> None:
    assert tuple(findings.KINDS) == check._KINDS
    assert suggest._STRATEGIES == suggesting.STRATEGIES
    assert get_args(heatmaps.Kind) == train_options._CODECS


def test_a_run_has_no_option_that_it_would_refuse(shell: Shell) -> None:
    """Many label files cannot have one file of vertex ids."""
    assert b"--vertices" in shell("propagate", "--help").out
    done = shell("run", "videos", "--labels", "keys", "--out", "dense", "--vertices", "v.json")
    assert done.code == 2 and "No such option" in done.err


@pytest.mark.parametrize("line", ["suggest video.mp4 dense.json", "study video.mp4 keys.json --engines linear"])
@pytest.mark.usefixtures("own_examples")
def test_nothing_is_forced_where_nothing_is_written(line: str, shell: Shell) -> None:
    done = shell(*line.split(), "--force")
    assert done.code == 2 and "--force goes with -o" in done.err
    Path("forcing.toml").write_text(f"[{line.split()[0]}]\nforce = true\n")
    done = shell("--config", "forcing.toml", *line.split())
    assert done.code == 0, done.err
