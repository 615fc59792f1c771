"""Numbers on the command line: what no use has is refused as wrong usage, before it is an overflow somewhere inside."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click
import pytest
from conftest import Outcome
from pwarp_cli.eval import _option
from pwarp_cli.numbers import LARGEST, LARGEST_ID, Real, Whole
from pwarp_cli.size import Size
from test_shell_contract import ALL

Shell = Callable[..., Outcome]

_BARE = (click.types.IntParamType, click.types.FloatParamType)
_TRAIN = "train estimator train.json -o {} --steps 1"
_ESTIMATE = "estimate video.mp4 people.json --model hrnet.safetensors -o {}"
_PROPAGATE = "propagate video.mp4 keys.json -o {} --engine linear"


@pytest.mark.parametrize("name", ALL)
def test_every_number_of_a_command_is_finite_and_has_an_end(name: str) -> None:
    bare = [p.name for p in ALL[name].params if isinstance(p.type, _BARE) and not isinstance(p.type, Whole | Real)]
    assert not bare, "write type=Whole(...) or Real(...)"


@pytest.mark.parametrize(
    "line",
    [
        *(f"{_TRAIN} {option}" for option in ("--cache inf", "--cache nan", "--lr inf", "--sigma nan")),
        "train estimator train.json -o {} --epochs inf",
        *(f"{_TRAIN} --seed {seed}" for seed in ("99999999999999999999999", "-1")),
        f"{_TRAIN} --workers 100000",
        *(f"{_ESTIMATE} {option}" for option in ("--threads 99999999999999999999", "--min-score nan")),
        f"{_PROPAGATE} --reach 99999999999999999999999",
        f"{_PROPAGATE} --frame-offset 99999999999999999999999",
        f"{_PROPAGATE} --frame-offset -99999999999999999999999",
        f"{_PROPAGATE} --frame-step 1e999999999",
        "refine video.mp4 poses.json --weights warper.safetensors -o {} --min-score nan",
        "refine video.mp4 poses.json --weights warper.safetensors -o {} --offsets 0,99999999999999999999",
        "view video.mp4 dense.json -o {}.mp4 --fps nan",
        "eval dense.json truth.json --metric auc --auc-limit nan",
        "eval dense.json truth.json --alpha 1e999",
        "models --size ²x256",
        "models --size 0x256",
        f"study video.mp4 keys.json --keep {'9' * 5000}",
    ],
)
def test_what_is_no_number_of_use_is_wrong_usage(
    line: str, examples: Path, tmp_path: Path, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(examples)
    done = shell(*line.format(tmp_path / "out").split())
    assert (done.code, done.out) == (2, b"")
    assert "Error: Invalid value for '-" in done.err and "Traceback" not in done.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["²", "9" * 5000])
def test_a_value_of_a_readers_option_that_only_looks_like_a_number_is_text(text: str) -> None:
    assert _option(f"keep-defaults={text}") == ("keep_defaults", text)
    assert _option("keep-defaults=12") == ("keep_defaults", 12)


def test_ends_belong_to_the_numbers_that_may_be_given() -> None:
    assert Whole(1).convert(str(LARGEST), None, None) == LARGEST
    assert Whole().convert(str(-LARGEST), None, None) == -LARGEST
    assert Whole(0, largest=LARGEST_ID).convert(str(LARGEST_ID), None, None) == LARGEST_ID
    assert Real(0, 1).convert("1", None, None) == 1.0
    assert Size(4096, "192x256").convert("4096x1", None, None) == (4096, 1)
    with pytest.raises(click.BadParameter):
        Real(0, above=True).convert("0", None, None)
