"""Checkpoints come back as they were saved, and everything else is refused in one line."""

from __future__ import annotations

import os
import pickle
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from pwarp.checkpoints import Card, load, read_card, save
from pwarp.errors import PwarpError
from pwarp.heatmaps import Codec
from pwarp.models import build, configure
from pwarp.skeleton import PENN_13, Skeleton

COW = Skeleton("cow", ("nose", "left_horn", "right_horn", "tail", "hoof"), edges=((0, 1),), flip_pairs=((1, 2),))


@pytest.fixture(scope="module")
def module() -> nn.Module:
    torch.manual_seed(3)
    return build(configure("duc-mobilenet", keypoints=5, widths=(8, 8)))


@pytest.fixture
def card() -> Card:
    return Card(
        model=configure("duc-mobilenet", keypoints=5, widths=(8, 8)),
        skeleton=COW,
        codec=Codec("dark", (64, 96), 8, 1.5),
        padding=1.1,
        mean=(0.1, 0.2, 0.3),
        std=(0.4, 0.5, 0.6),
        training={"seed": 3, "loss": [0.5, None], "data": "cows"},
    )


@pytest.fixture
def saved(tmp_path: Path, module: nn.Module, card: Card) -> Path:
    path = tmp_path / "cow.safetensors"
    save(path, module, card)
    return path


def test_network_and_card_come_back(saved: Path, module: nn.Module, card: Card) -> None:
    module.eval()
    again, said = load(saved)
    assert said == card
    assert read_card(saved) == card
    assert said.size == (64, 96)
    assert not again.training
    crops = torch.rand(2, 3, 96, 64)
    assert torch.equal(again(crops), module(crops))
    for name, value in module.state_dict().items():
        assert torch.equal(again.state_dict()[name], value)


def test_the_same_checkpoint_is_the_same_bytes(saved: Path, module: nn.Module, card: Card) -> None:
    save(saved.with_name("b.safetensors"), module, card)
    assert saved.read_bytes() == saved.with_name("b.safetensors").read_bytes()


def test_an_older_file_is_kept_unless_forced(saved: Path, module: nn.Module, card: Card) -> None:
    before = saved.read_bytes()
    with pytest.raises(PwarpError, match="exists; give --force"):
        save(saved, module, replace(card, padding=2.0))
    assert saved.read_bytes() == before
    save(saved, module, replace(card, padding=2.0), force=True)
    assert read_card(saved).padding == 2.0
    assert [p.name for p in saved.parent.iterdir()] == [saved.name]


def test_a_network_of_another_config_is_not_saved(tmp_path: Path, module: nn.Module, card: Card) -> None:
    with pytest.raises(PwarpError, match=r"upsampling.* are missing"):
        save(
            tmp_path / "x.safetensors",
            module,
            replace(card, model=configure("duc-mobilenet", keypoints=5, widths=(8, 8, 8)), codec=Codec()),
        )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"skeleton": PENN_13}, "duc-mobilenet has 5 keypoints, skeleton 'penn-13' has 13"),
        ({"codec": Codec()}, "stride 8, its codec has 4"),
        ({"padding": 0.0}, "padding 0.0"),
        ({"padding": float("nan")}, "padding nan"),
        ({"mean": (0.0, 1.0)}, "mean .* three finite numbers"),
        ({"std": (0.1, 0.0, 1.0)}, "std .* above 0"),
    ],
)
def test_a_card_whose_parts_do_not_fit_is_refused(card: Card, change: dict[str, object], says: str) -> None:
    with pytest.raises(PwarpError, match=says):
        replace(card, **change)  # type: ignore[arg-type]


def edited(path: Path, change: Callable[[dict[str, Tensor], dict[str, object]], object]) -> None:
    """The checkpoint with a change made to its tensors and to the values of its card."""
    tensors, card = load_file(path), orjson.loads(read_card(path).to_json())
    change(tensors, card)
    save_file(tensors, path, metadata={"pwarp": orjson.dumps(card).decode()})


def halved(tensors: dict[str, Tensor], name: str) -> None:
    tensors[name] = tensors[name].half()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda t, _: t.pop("final_layer.weight"), "'final_layer.weight' is missing"),
        (lambda t, _: t.update(more=torch.zeros(1)), "'more' is left over"),
        (lambda t, _: t.update(last=t.pop("final_layer.bias")), "'final_layer.bias' is missing"),
        (
            lambda t, _: t.update({"final_layer.bias": torch.zeros(6)}),
            r"'final_layer.bias' has shape \(6,\), expected \(5,\)",
        ),
        (lambda t, _: halved(t, "final_layer.bias"), "'final_layer.bias' is torch.float16, expected torch.float32"),
        (lambda t, _: t["final_layer.bias"].fill_(torch.nan), "'final_layer.bias' holds values that are not finite"),
        (lambda _, c: c.pop("padding"), "field 'padding' is missing"),
        (lambda _, c: c.update(more=1), "field 'more' is unknown"),
        (lambda _, c: c.update(version=9), "version 9, this pwarp reads 1"),
        (lambda _, c: c.update(model=7), "field 'model' is no JSON object"),
        (lambda _, c: c.update(model={"name": "resnet"}), "unknown model 'resnet'"),
        (lambda _, c: c.update(skeleton={"name": "cow"}), "cannot be understood"),
        (lambda _, c: c["skeleton"].update(torso=[1]), "cannot be understood"),
        (lambda _, c: c["skeleton"].update(sigmas=["nan"] * 5), "each is a number of at least 0"),
        (lambda _, c: c.update(codec={**c["codec"], "size": "big"}), "cannot be understood"),
        (lambda _, c: c["codec"].update(size=[40000, 40000]), "crops of 40000x40000 pixels"),
        (lambda _, c: c["codec"].update(sigma=1e12), "sigma of at most 100 cells"),
        (lambda _, c: c.update(padding="wide"), "cannot be understood"),
        (lambda _, c: c.update(model={**c["model"], "keypoints": 10**9}), "keypoints"),
    ],
)
def test_what_is_not_exactly_right_is_refused_by_name(
    saved: Path, change: Callable[[dict[str, Tensor], dict[str, object]], object], says: str
) -> None:
    edited(saved, change)
    with pytest.raises(PwarpError, match=says) as error:
        load(saved)
    assert str(error.value).startswith(f"{saved}: ")
    assert "\n" not in str(error.value)


def test_files_that_are_no_checkpoints(tmp_path: Path, saved: Path) -> None:
    class Harm:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.system, (f"touch {tmp_path / 'harm'}",)

    whole = saved.read_bytes()
    header = struct.unpack("<Q", whole[:8])[0]
    save_file({"weight": torch.zeros(3)}, tmp_path / "foreign")
    torch.save({"weight": torch.zeros(3)}, tmp_path / "torch")
    files = {
        "empty": (b"", "no safetensors file"),
        "short": (whole[:5], "no safetensors file"),
        "start": (whole[: header // 2], "ends in its header; the file was cut off"),
        "truncated": (whole[:-7], "the file was cut off, copy it again"),
        "longer": (whole + b"x", "1 bytes too many"),
        "immense": (struct.pack("<Q", 1 << 40) + whole[8:], "no safetensors file"),
        "header": (whole[:8] + b"x" * (len(whole) - 8), "no safetensors file"),
        "list": (struct.pack("<Q", 2) + b"[]", "no safetensors file"),
        "pickle": (pickle.dumps(Harm()), r"a PyTorch file \(pickle\), which is never opened here"),
        "torch": (None, r"a PyTorch file \(pickle\)"),
        "foreign": (None, "without pwarp's card; convert published weights"),
        "net.onnx": (
            b"\x08\x07\x12\x07pytorch",
            "an ONNX file, no checkpoint of pwarp; options that take ONNX want onnx:",
        ),
        "missing": (None, "no such file"),
    }
    for name, (content, says) in files.items():
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(PwarpError, match=says) as error:
            load(tmp_path / name)
        assert str(error.value).startswith(str(tmp_path / name))
        assert "\n" not in str(error.value)
    with pytest.raises(PwarpError, match="is a folder"):
        load(tmp_path)
    assert not (tmp_path / "harm").exists()
