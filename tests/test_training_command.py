"""`pwarp train` as a person runs it, on a rendered clip; and by several processes."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import dotted_training
import orjson
import pytest
from click.testing import CliRunner, Result
from dotted_clips import dotted_clip
from pwarp_cli.main import main
from pwarp_cli.train_options import RECIPES as OFFERED
from pwarp_cli.train_run import _deconvolutions, _of_recipe

from pwarp import checkpoints
from pwarp.errors import PwarpError
from pwarp.synthetic import Scene, SceneConfig, write_scene
from pwarp.training.recipes import RECIPES

TINY = ["--size", "32x32", "--batch", "2", "--backbone", "duc-mobilenet", "--device", "cpu", "--precision", "fp32"]


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["train", *map(str, arguments)], standalone_mode=False)


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two clips of one person, labelled on every third frame."""
    folders = [tmp_path_factory.mktemp("rendered") / f"{i}" for i in range(2)]
    for seed, folder in enumerate(folders):
        config = SceneConfig(seed=seed, frames=7, width=128, height=96, people=1, occluders=0, samples=1)
        write_scene(Scene(config), folder, every=3)
    return [folder / "keys.json" for folder in folders]


@pytest.fixture(scope="module")
def estimator(rendered: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a trained estimator."""
    run = tmp_path_factory.mktemp("runs") / "estimator"
    result = invoke(
        "estimator", *rendered, "-o", run, "--val", "0.5", "--steps", 2, *TINY, "--val-every", 2, "--log-every", 1,
        "--json",
    )  # fmt: skip
    assert result.exception is None
    values = orjson.loads(result.stdout)
    assert (values["steps"], values["videos"], values["validation_videos"]) == (2, 1, 1)
    assert values["checkpoint"] == str(run / "best.safetensors")
    assert values["poses"] == 3
    return run


def test_the_names_of_recipes_are_the_librarys() -> None:
    assert {kind: tuple(table) for kind, table in RECIPES.items()} == OFFERED


def test_an_estimator_is_trained_on_a_rendered_clip(estimator: Path) -> None:
    lines = [orjson.loads(line) for line in (estimator / "curve.jsonl").read_bytes().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 2]
    card = checkpoints.read_card(estimator / "last.safetensors")
    assert card.skeleton.name == "coco-17"
    assert card.codec.size == (32, 32)
    assert card.training["recipe"] == "small"


def test_posewarper_is_trained_on_it(rendered: list[Path], estimator: Path, tmp_path: Path) -> None:
    result = invoke(
        "posewarper", *rendered, "-o", tmp_path / "run", "--backbone", estimator / "best.safetensors", "--steps", 2,
        "--batch", 2, "--delta", 2, "--channels", 6, "--blocks", 1, "--cycle", 0.5, "--device", "cpu",
    )  # fmt: skip
    assert result.exception is None
    assert "last.safetensors: 2 steps on 6 poses of 2 videos" in result.stdout
    network, card = checkpoints.load(tmp_path / "run" / "last.safetensors")
    assert card.model.name == "posewarper"
    assert (card.training["delta"], card.training["cycle"]) == (2, 0.5)
    assert network.get_parameter("warper.offsets1.weight").abs().max() > 0


@pytest.mark.parametrize(
    ("kind", "options", "said"),
    [
        (
            "dcpose",
            ["--interval", 2, "--dilations", "1,2", "--merger", "sum", "--no-fusion", "--neighbours", "next",
             "--channels", 4, "--form", "as_paper"],
            {"interval": 2, "dilations": [1, 2], "merger": "sum", "fusion": False, "neighbours": "next", "channels": 4,
             "form": "as_paper"},
        ),
        (
            "glpose",
            ["-k", 1, "-n", 1, "--sampled", 2, "--no-enhancement", "--head", "mlp", "--channels", 4],
            {"reach": 1, "proposals": 1, "sampled": 2, "enhancement": False, "head": "mlp", "channels": 4},
        ),
        (
            "ppn",
            ["--head", "ESTIMATOR", "--body", "duc-mobilenet", "--frames", 2, "--no-skip", "--path", "first",
             "--channels", 4, "--blocks", 1],
            {"skip": False, "path": "first", "channels": 4, "blocks": 1},
        ),
        (
            "dkd",
            ["--initial", "ESTIMATOR", "--frames", 2, "--adversary", "spatial", "--distillator", "kernels",
             "--kernel", 3, "--channels", 4],
            {"adversary": "spatial", "transfer": "kernels", "kernel": 3, "channels": 4},
        ),
    ],
)  # fmt: skip
def test_a_model_of_several_frames_is_trained_on_it(
    kind: str, options: list[object], said: dict[str, object], rendered: list[Path], estimator: Path, tmp_path: Path
) -> None:
    trained = estimator / "best.safetensors"
    given = [trained if option == "ESTIMATOR" else option for option in options]
    if kind in ("dcpose", "glpose"):
        given += ["--backbone", trained]
    result = invoke(kind, *rendered, "-o", tmp_path, "--steps", 1, "--batch", 2, "--device", "cpu", *given)
    assert result.exception is None
    card = checkpoints.read_card(tmp_path / "last.safetensors")
    assert card.model.to_dict().items() >= said.items()
    assert card.size == (32, 32)


def test_one_video_with_val_is_one_line(rendered: list[Path], tmp_path: Path) -> None:
    result = invoke("estimator", rendered[0], "-o", tmp_path / "run", "--val", "0.5", *TINY)
    assert isinstance(result.exception, PwarpError)
    assert "one video only" in str(result.exception)
    assert not (tmp_path / "run" / "settings.json").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--val", "1.5"], "1.5 is no share"),
        (["--val", "0.5", "--val-split", "test"], "exclude each other"),
        (["--steps", "3", "--epochs", "2"], "exclude each other"),
        (["--size", "32"], "is no size"),
    ],
)
def test_wrong_usage(options: list[str], message: str, rendered: list[Path], tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["train", "estimator", str(rendered[0]), "-o", str(tmp_path / "run"), *options])
    assert result.exit_code == 2
    assert message in result.output


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("dkd", ["--distillator", "lstm", "--kernel", "5"], "--kernel and --channels are of --distillator kernels"),
        ("glpose", ["-n", "0", "--sampled", "9"], "--sampled chooses the crops of --proposals"),
        ("dcpose", ["--train-backbone", "--moving-statistics"], "--moving-statistics is of a frozen backbone"),
    ],
)
def test_options_that_would_do_nothing(kind: str, options: list[str], message: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["train", kind, "labels.json", "-o", str(tmp_path / "run"), *options])
    assert (result.exit_code, message in result.output) == (2, True)


def test_a_batch_too_small_for_its_statistics_is_one_line(rendered: list[Path], tmp_path: Path) -> None:
    result = invoke("estimator", rendered[0], "-o", tmp_path, *TINY, "--batch", 1, "--steps", 1)
    assert isinstance(result.exception, PwarpError)
    assert (
        str(result.exception) == "a batch of 1 at 32x32 leaves BatchNorm one value a channel; raise --batch or --size"
    )


def test_networks_of_two_deconvolutions_are_pretrained_and_built_on(rendered: list[Path], tmp_path: Path) -> None:
    """DKD's, and PPN's beside it (table 4): the same stride of 8 in an estimator and in what begins with it."""
    run = tmp_path / "r18"
    small = ["--size", "64x64", "--batch", 2, "--steps", 1, "--device", "cpu", "--precision", "fp32"]
    two = ["--deconvs", 2]
    result = invoke("estimator", rendered[0], "-o", run, "--backbone", "simple-r18", *two, *small)
    assert result.exception is None
    trained = run / "last.safetensors"
    card = checkpoints.read_card(trained)
    assert (card.codec.stride, card.model.to_dict()["deconvs"]) == (8, 2)
    for kind, first, each in (("dkd", "--initial", "--encoder"), ("ppn", "--head", "--body")):
        begun = [kind, rendered[0], "-o", tmp_path / kind, first, trained, each, "simple-r18", "--dry-run", *small]
        assert invoke(*begun, *two).exception is None
        assert "has stride 8 and" in str(invoke(*begun).exception)
    wrong = invoke("ppn", rendered[0], "-o", tmp_path / "ppn", "--body", "duc-r18", *two)
    assert "--deconvs is of networks named simple-*" in str(wrong.exception)


@pytest.mark.parametrize(
    ("named", "found"),
    [
        ({"backbone": None, "head": None}, {"backbone_options": {"deconvs": 3}, "head_options": {"deconvs": 3}}),
        ({"backbone": "duc-r18", "head": None}, {"head_options": {"deconvs": 3}}),
    ],
)
def test_deconvolutions_are_those_of_the_recipe_s_networks_too(named: dict[str, Any], found: dict[str, Any]) -> None:
    options = {"recipe": "paper", "deconvs": 3, **named}
    networks = {**_of_recipe("dkd", options), **{role: name for role, name in named.items() if name}}
    assert _deconvolutions(options, networks) == found


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("ppn", ["--head", "duc-r19"], "is no checkpoint that is there, and no network; known: hrnet-w32"),
        ("dcpose", ["--dilations", "3,,6"], "'3,,6' are no dilations"),
        ("dkd", ["--recipe", "released"], "is not one of 'small', 'paper'"),
    ],
)
def test_wrong_usage_of_models(kind: str, options: list[str], message: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["train", kind, "labels.json", "-o", str(tmp_path / "run"), *options])
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("estimator", ["--size", "100x96"], "crops of 100x96 pixels do not fit duc-r18; both sides must be"),
        ("dkd", ["--size", "96x100"], "crops of 96x100 pixels do not fit"),
        ("estimator", ["--sigma", "1e6"], "sigma of at most 100 cells"),
    ],
)
@pytest.mark.parametrize("dry", [["--dry-run"], []])
def test_crops_that_do_not_fit_are_refused_before_anything_is_written(
    kind: str, options: list[str], message: str, dry: list[str], rendered: list[Path], tmp_path: Path
) -> None:
    result = invoke(kind, rendered[0], "-o", tmp_path / "run", *options, *dry)
    assert isinstance(result.exception, PwarpError)
    assert message in str(result.exception)
    assert not (tmp_path / "run" / "settings.json").exists()
    assert not (tmp_path / "run" / "curve.jsonl").exists()


def test_a_refused_run_leaves_the_one_before_as_it_was(estimator: Path, rendered: list[Path]) -> None:
    before = {path: path.read_bytes() for path in estimator.rglob("*") if path.is_file()}
    call = ("estimator", *rendered, "-o", estimator, "--val", "0.5", "--steps", 2, *TINY, "--force")
    refused = invoke(*call, "--cache", "0.000001")
    assert isinstance(refused.exception, PwarpError) and "need" in str(refused.exception)
    assert {path: path.read_bytes() for path in estimator.rglob("*") if path.is_file()} == before


def test_going_on_and_starting_over_exclude_each_other(estimator: Path, rendered: list[Path], tmp_path: Path) -> None:
    curve = (estimator / "curve.jsonl").read_bytes()
    call = ("estimator", *map(str, rendered), "-o", str(estimator), "--val", "0.5", "--steps", "2", *TINY)
    refused = invoke(*call, "--resume", "--force")
    assert isinstance(refused.exception, click.UsageError)
    assert "--resume goes on with a run, --force starts it over" in str(refused.exception)
    # What only a configuration file says gives way.
    config = tmp_path / "pwarp.toml"
    config.write_text("[train.estimator]\nforce = true\n")
    done = CliRunner().invoke(main, ["--config", str(config), "train", *call, "--resume"], standalone_mode=False)
    assert done.exception is None
    assert (estimator / "curve.jsonl").read_bytes() == curve


def test_what_is_no_number_is_never_the_best(rendered: list[Path], tmp_path: Path) -> None:
    options = ["--steps", 12, "--lr", "2e9", "--optimiser", "rmsprop", "--log-every", 50, "--val-every", 4]
    result = invoke("estimator", *rendered, "-o", tmp_path / "run", "--val", "0.5", *TINY, *options)
    assert isinstance(result.exception, PwarpError) and "no longer a number" in str(result.exception)
    assert not (tmp_path / "run/best.safetensors").exists()


def test_videos_on_both_sides_are_refused(rendered: list[Path], tmp_path: Path) -> None:
    result = invoke("estimator", *rendered, "-o", tmp_path / "run", "--val", rendered[1], *TINY)
    assert "is trained on, too" in str(result.exception)


def in_processes(count: int, output: Path, labels: list[str]) -> None:
    """Train by several processes at once, as torchrun starts them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    together = {"WORLD_SIZE": count, "LOCAL_WORLD_SIZE": count, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    started = []
    for rank in range(count):
        own = {**together, "RANK": rank, "LOCAL_RANK": rank, "OMP_NUM_THREADS": 1}
        environment = os.environ | {name: str(value) for name, value in own.items()}
        arguments = [sys.executable, dotted_training.__file__, str(output), *labels]
        started.append(subprocess.Popen(arguments, env=environment, stderr=subprocess.PIPE, text=True))
    for process in started:
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors


def curve(folder: Path) -> list[dict[str, float]]:
    lines = [orjson.loads(line) for line in (folder / "curve.jsonl").read_bytes().splitlines()]
    return [{name: value for name, value in line.items() if name != "poses_per_second"} for line in lines]


def test_two_processes_train_as_one(tmp_path: Path) -> None:
    labels = [str(dotted_clip(tmp_path, f"clip{i}", frames=5, seed=i)) for i in range(2)]
    with pytest.MonkeyPatch.context() as patch:
        dotted_training.run(tmp_path / "by-1", labels, patch)
    in_processes(2, tmp_path / "by-2", labels)
    for kind in dotted_training.KINDS:
        one, two = curve(tmp_path / "by-1" / kind), curve(tmp_path / "by-2" / kind)
        assert [line["step"] for line in one] == [1, 2, 2, 3, 4, 4]
        assert [line.keys() for line in one] == [line.keys() for line in two]
        for a, b in zip(one, two, strict=True):
            assert b == pytest.approx(a, rel=1e-4)
