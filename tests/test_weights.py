"""Published weights: the list, conversion under every name that authors use, what is refused, and fetching."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import torch
from pwarp_cli.main import main
from safetensors.torch import save_file
from torch import Tensor, nn

from pwarp import registry
from pwarp.checkpoints import IMAGENET_MEAN, IMAGENET_STD, Card, empty, load
from pwarp.errors import PwarpError
from pwarp.heatmaps import Codec
from pwarp.models import Config, build, configure
from pwarp.skeleton import Skeleton
from pwarp.weights import PUBLISHED, convert, of_model, published
from pwarp.weights.download import download, fetch
from pwarp.weights.names import names_in
from pwarp.weights.survey import Row, survey

COW = Skeleton("cow", ("nose", "left_horn", "right_horn", "tail", "hoof"), flip_pairs=((1, 2),))
TINY = {"name": "duc-mobilenet", "keypoints": 5, "widths": [8, 8]}
TINY_WARPER = {"name": "posewarper", "backbone": TINY, "channels": 4, "blocks": 1}


# --- the list ---


@pytest.mark.parametrize("name", PUBLISHED)
def test_an_entry_fits_together(name: str) -> None:
    entry = published(name)
    assert entry.name == name
    card = Card(Config.from_dict(entry.model), entry.skeleton, entry.codec)
    assert len(card.skeleton) == 17
    assert card.size in [(192, 256), (288, 384)]
    assert entry.codec.sigma == (3 if card.size == (288, 384) else 2)
    assert entry.licence
    assert entry.repository.startswith("https://github.com/")
    if entry.url:
        assert re.fullmatch(r"https://download\.openmmlab\.com/mmpose/top_down/\w+/[\w-]+\.pth", entry.url)
        assert re.fullmatch("[0-9a-f]{8}", entry.digest)
        assert f"-{entry.digest}_" in entry.file


def test_a_name_that_is_not_there_is_told_the_likely_one() -> None:
    with pytest.raises(PwarpError, match="no weights 'hrnet-w32-coco'; did you mean 'hrnet-w32-coco-"):
        published("hrnet-w32-coco")
    assert {e.name for e in of_model("posewarper")} == {
        "posewarper-posetrack17",
        "posewarper-posetrack18",
        "mmpose-posewarper-posetrack18",
    }


# --- names ---


@pytest.mark.parametrize(
    ("entry", "count", "some"),
    [
        (
            "hrnet-w48-coco-384x288",
            1754,
            {
                "transition1.1.0.1.running_var": (96,),
                "stage3.2.fuse_layers.2.0.1.0.weight": (192, 48, 3, 3),
                "final_layer.weight": (17, 48, 1, 1),
            },
        ),
        ("simple-r50-coco-256x192", None, {"deconv_layers.6.weight": (256, 256, 4, 4), "layer4.2.bn3.bias": (2048,)}),
        (
            "posewarper-posetrack17",
            2010,
            {
                "final_layer.bias": (17,),
                "offset_feats.0.downsample.0.weight": (128, 17, 1, 1),
                "offset_feats.19.conv2.weight": (128, 128, 3, 3),
                "offsets5.weight": (306, 128, 3, 3),
                "deform_conv1.weight": (17, 17, 3, 3),
            },
        ),
        (
            "dcpose-posetrack18",
            2215,
            {
                "rough_pose_estimation_net.stage4.2.fuse_layers.0.3.0.weight": (48, 384, 1, 1),
                "diff_temporal_fuse.layers.0.conv_bn_relu2_1_1.conv.weight": (27, 27, 3, 3),
                "masks_list.4.0.weight": (153, 64, 3, 3),
                "modulated_deform_conv_list.0.deform_conv.bias": (17,),
            },
        ),
        (
            "mmpose-hrnet-w48-coco-384x288",
            1754,
            {"backbone.conv1.weight": (64, 3, 3, 3), "keypoint_head.final_layer.weight": (17, 48, 1, 1)},
        ),
        (
            "mmpose-simple-r152-coco-384x288",
            None,
            {"backbone.layer3.35.conv1.weight": (256, 1024, 1, 1), "keypoint_head.deconv_layers.7.weight": (256,)},
        ),
        (
            "mmpose-posewarper-posetrack18",
            2010,
            {
                "backbone.stage2.0.fuse_layers.0.1.0.weight": (48, 96, 1, 1),
                "neck.trans_layer.weight": (17, 48, 1, 1),
                "neck.offset_feats.3.bn1.weight": (128,),
                "neck.offset_layers.4.weight": (306, 128, 3, 3),
                "neck.deform_conv_layers.0.weight": (17, 17, 3, 3),
            },
        ),
    ],
)
def test_the_authors_names(entry: str, count: int | None, some: dict[str, tuple[int, ...]]) -> None:
    """Counts and shapes as in the published state dicts."""
    module = empty(Config.from_dict(published(entry).model))
    names = names_in(published(entry).layout, module)
    state = module.state_dict()
    assert sorted(names.values()) == sorted(state)
    assert count is None or len(names) == count
    for theirs, shape in some.items():
        assert tuple(state[names[theirs]].shape) == shape


# --- conversion ---


def entry_of(monkeypatch: pytest.MonkeyPatch, model: dict[str, object], base: str, **change: object) -> None:
    """A small network under the name "tiny", with everything else of an entry of the list."""
    made = replace(
        published(base), name="tiny", model=model, skeleton=COW, codec=Codec("msra", (64, 96), 8, 2.0), **change
    )
    monkeypatch.setitem(PUBLISHED, "tiny", made)


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(1)
    module = build(TINY).eval()
    for buffer in module.buffers():
        if buffer.is_floating_point():
            buffer.uniform_(0.5, 1.5)
    return module


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    entry_of(monkeypatch, TINY, "hrnet-w32-coco-256x192")


def state_of(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


WRAPPINGS: dict[str, Callable[[dict[str, Tensor]], object]] = {
    "bare": lambda s: s,
    "parallel": lambda s: {f"module.{name}": value for name, value in s.items()},
    "training": lambda s: {
        "epoch": 7,
        "state_dict": s,
        "optimizer": {"lr": 0.1},
        "meta": {"time": "now", "CLASSES": ("a",)},
    },
    "both": lambda s: {"state_dict": {f"module.{name}": value for name, value in s.items()}, "begin_epoch": 3},
    "before counters": lambda s: {name: value for name, value in s.items() if "num_batches" not in name},
    "half": lambda s: {n: v.half().float() if v.is_floating_point() else v for n, v in s.items()},
}


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize(("wrapping", "old"), [*((name, False) for name in WRAPPINGS), ("parallel", True)])
def test_a_converted_network_computes_the_same(tmp_path: Path, network: nn.Module, wrapping: str, old: bool) -> None:
    source, target = tmp_path / "official.pth", tmp_path / "ours.safetensors"
    torch.save(WRAPPINGS[wrapping](state_of(network)), source, _use_new_zipfile_serialization=not old)
    said = convert(source, "tiny", target)
    module, card = load(target)
    assert card == said
    assert (card.skeleton, card.codec, card.mean, card.std) == (
        COW,
        Codec("msra", (64, 96), 8),
        IMAGENET_MEAN,
        IMAGENET_STD,
    )
    assert card.training["converted"] == "tiny"
    assert card.training["licence"] == "MIT"
    assert card.training["sha256"] == hashlib.sha256(source.read_bytes()).hexdigest()
    crops = torch.rand(2, 3, 96, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        tolerance = 1e-2 if wrapping == "half" else 0
        torch.testing.assert_close(module(crops), network(crops), atol=tolerance, rtol=tolerance)


@pytest.mark.usefixtures("tiny")
def test_safetensors_with_the_authors_names(tmp_path: Path, network: nn.Module) -> None:
    save_file(state_of(network), tmp_path / "official.safetensors")
    convert(tmp_path / "official.safetensors", "tiny", tmp_path / "ours.safetensors")
    found = load(tmp_path / "ours.safetensors")[0].state_dict()
    assert all(torch.equal(value, found[name]) for name, value in network.state_dict().items())


MMPOSE_NAMES = (
    (r"^backbone\.final_layer\.", "neck.trans_layer."),
    (r"^warper\.offset_feats\.", "neck.offset_feats."),
    (r"^warper\.offsets(\d)\.", lambda m: f"neck.offset_layers.{int(m[1]) - 1}."),
    (r"^warper\.deform_conv(\d)\.", lambda m: f"neck.deform_conv_layers.{int(m[1]) - 1}."),
)


@pytest.mark.parametrize("layout", ["official", "mmpose"])
def test_a_converted_posewarper_warps_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: str) -> None:
    base = "posewarper-posetrack17" if layout == "official" else "mmpose-posewarper-posetrack18"
    entry_of(monkeypatch, TINY_WARPER, base)
    torch.manual_seed(2)
    module = build(TINY_WARPER).eval()
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.1)
    theirs = {}
    for name, value in module.state_dict().items():
        if layout == "official":
            name = re.sub(r"^(backbone|warper)\.", "", name)
        else:
            for pattern, replacement in MMPOSE_NAMES:
                name = re.sub(pattern, replacement, name)
        theirs[name] = value
    torch.save(theirs, tmp_path / "final_state.pth")
    convert(tmp_path / "final_state.pth", "tiny", tmp_path / "ours.safetensors")
    again, card = load(tmp_path / "ours.safetensors")
    assert card.model == configure("posewarper", backbone=TINY, channels=4, blocks=1)
    clip = torch.rand(1, 5, 3, 96, 64)
    with torch.no_grad():
        torch.testing.assert_close(again(clip), module(clip), atol=0, rtol=0)


def test_weights_trained_on_bgr_see_rgb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The published network on a BGR picture, normalised as its authors do, and ours on RGB by its card."""
    model = {"name": "simple-r18", "keypoints": 5, "deconvs": 2}
    entry_of(monkeypatch, model, "simple-r50-coco-256x192")
    torch.manual_seed(4)
    module = build(model).eval()
    torch.save(state_of(module), tmp_path / "bgr.pth.tar")
    convert(tmp_path / "bgr.pth.tar", "tiny", tmp_path / "ours.safetensors")
    ours, card = load(tmp_path / "ours.safetensors")
    rgb = torch.rand(1, 3, 96, 64)

    def normalised(picture: Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
        return (picture - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)

    with torch.no_grad():
        expected = module(normalised(rgb.flip(1), IMAGENET_MEAN, IMAGENET_STD))
        found = ours(normalised(rgb, card.mean, card.std))
        wrong = ours(normalised(rgb, IMAGENET_MEAN, IMAGENET_STD))
    torch.testing.assert_close(found, expected, atol=1e-5 * float(expected.abs().max()), rtol=1e-4)
    assert float((wrong - expected).abs().max()) > 1e-3 * float(expected.abs().max())


# --- what is refused ---


class Harm:
    """Runs a command when a file that holds it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.mark}",)


BROKEN: dict[str, tuple[Callable[[dict[str, Tensor]], object], str]] = {
    "missing": (lambda s: s.pop("final_layer.bias"), "'final_layer.bias' is missing"),
    "left over": (lambda s: s.update(more=torch.zeros(1)), "'more' is left over"),
    "keypoints": (
        lambda s: s.update({"final_layer.weight": torch.zeros(17, 8, 1, 1)}),
        r"'final_layer.weight' has shape \(17, 8, 1, 1\), expected \(5, 8, 1, 1\)",
    ),
    "type": (lambda s: s.update({"final_layer.bias": torch.zeros(5, dtype=torch.int64)}), "is torch.int64, expected"),
    "infinite": (lambda s: s["final_layer.bias"].fill_(torch.inf), "values that are not finite"),
    "text": (lambda s: s.update(arch="hrnet"), "'arch' in it is no tensor"),
    "empty": (lambda s: s.clear(), "holds no named weights"),
}


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("fault", BROKEN)
def test_other_weights_are_refused_in_one_line(tmp_path: Path, network: nn.Module, fault: str) -> None:
    change, says = BROKEN[fault]
    state = state_of(network)
    change(state)
    torch.save(state, tmp_path / "x.pth")
    with pytest.raises(PwarpError, match=says) as error:
        convert(tmp_path / "x.pth", "tiny", tmp_path / "ours.safetensors")
    assert str(error.value).startswith(f"{tmp_path / 'x.pth'}: ")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "ours.safetensors").exists()


@pytest.mark.usefixtures("tiny")
def test_files_that_could_run_code_or_are_damaged(tmp_path: Path, network: nn.Module) -> None:
    harm = tmp_path / "harm"
    torch.save({**state_of(network), "evil": Harm(harm)}, tmp_path / "evil.pth")
    torch.save(network, tmp_path / "module.pth")
    (tmp_path / "pickle.pth").write_bytes(pickle.dumps({"a": Harm(harm)}))
    torch.save(state_of(network), tmp_path / "whole.pth")
    whole = (tmp_path / "whole.pth").read_bytes()
    (tmp_path / "cut.pth").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.pth").write_bytes(b"")
    (tmp_path / "text.pth").write_bytes(b"<html>please log in</html>")
    (tmp_path / "cut.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0{")
    for name, says in (
        ("evil.pth", "holds more than tensors, which could run code, so it is not opened"),
        ("module.pth", "holds more than tensors"),
        ("pickle.pth", "holds more than tensors"),
        ("cut.pth", "no PyTorch file, or one that was cut off"),
        ("empty.pth", "no PyTorch file"),
        ("text.pth", "not opened|no PyTorch file"),
        ("cut.safetensors", "no safetensors file"),
        ("nothing.pth", "no such file"),
    ):
        with pytest.raises(PwarpError, match=says) as error:
            convert(tmp_path / name, "tiny", tmp_path / "ours.safetensors")
        assert str(error.value).startswith(f"{tmp_path / name}: ")
        assert "\n" not in str(error.value)
    assert not harm.exists()
    with pytest.raises(PwarpError, match="is a folder"):
        convert(tmp_path, "tiny", tmp_path / "ours.safetensors")


@pytest.mark.usefixtures("tiny")
def test_an_older_checkpoint_is_kept(tmp_path: Path, network: nn.Module) -> None:
    torch.save(state_of(network), tmp_path / "x.pth")
    (tmp_path / "ours.safetensors").write_text("older")
    with pytest.raises(PwarpError, match="exists; give --force"):
        convert(tmp_path / "x.pth", "tiny", tmp_path / "ours.safetensors")
    assert (tmp_path / "ours.safetensors").read_text() == "older"
    convert(tmp_path / "x.pth", "tiny", tmp_path / "ours.safetensors", force=True)


# --- fetching ---

CONTENT = bytes(range(256)) * 9000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Server(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/file.pth")
            self.end_headers()
        elif self.path == "/away":
            self.send_response(302)
            self.send_header("Location", "ftp://localhost/file.pth")
            self.end_headers()
        elif self.path in ("/file.pth", "/short", "/unsaid"):
            self.send_response(200)
            if self.path != "/unsaid":
                self.send_header("Content-Length", str(len(CONTENT) + (self.path == "/short")))
            self.end_headers()
            self.wfile.write(CONTENT)
        else:
            self.send_error(404)

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    running = HTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{running.server_port}"
    running.shutdown()
    running.server_close()


@pytest.mark.parametrize("path", ["file.pth", "moved", "unsaid"])
def test_a_file_is_fetched_whole(tmp_path: Path, server: str, path: str) -> None:
    told: list[int] = []
    target = tmp_path / "got.pth"
    found = fetch(
        f"{server}/{path}", target, digest=DIGEST[:8], schemes=("http",), started=told.append, advance=told.append
    )
    assert found == DIGEST
    assert target.read_bytes() == CONTENT
    assert sum(told) == len(CONTENT) * (1 if path == "unsaid" else 2)


@pytest.mark.parametrize(
    ("path", "options", "says"),
    [
        ("file.pth", {"schemes": ("https",)}, "only https addresses are fetched from"),
        ("away", {}, "ftp://localhost/file.pth: only http addresses"),
        ("short", {}, f"ended after {len(CONTENT)} of {len(CONTENT) + 1} bytes"),
        ("file.pth", {"largest": 1 << 20}, "larger than 1048576 bytes"),
        ("file.pth", {"digest": "00000000"}, f"SHA-256 begins with {DIGEST[:8]}, not 00000000"),
        ("nothing", {}, "the server says 404"),
    ],
)
def test_what_is_not_the_file_is_not_kept(
    tmp_path: Path, server: str, path: str, options: dict[str, object], says: str
) -> None:
    with pytest.raises(PwarpError, match=says) as error:
        fetch(f"{server}/{path}", tmp_path / "got.pth", **{"schemes": ("http",), **options})  # type: ignore[arg-type]
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PwarpError, match=r"cannot be reached: .*; check the network, or fetch it in a browser"):
        fetch("http://127.0.0.1:9/x", tmp_path / "got.pth", schemes=("http",))


def test_weights_without_an_address_say_where_they_are(tmp_path: Path) -> None:
    with pytest.raises(
        PwarpError, match=r"get it by hand, from the model zoo on Google Drive .* https://github.com/HRNet"
    ):
        download("hrnet-w32-coco-256x192", tmp_path / "x.pth")


# --- commands ---


def ran(*arguments: str, capsys: pytest.CaptureFixture[str]) -> str:
    main.main(list(arguments), standalone_mode=False)
    return capsys.readouterr().out


def test_list_and_show(capsys: pytest.CaptureFixture[str]) -> None:
    lines = ran("weights", "list", capsys=capsys).splitlines()
    assert [line.split()[0] for line in lines] == list(PUBLISHED)
    assert [line.endswith("[download]") for line in lines] == [bool(entry.url) for entry in PUBLISHED.values()]
    rows = json.loads(ran("weights", "list", "--json", capsys=capsys))["weights"]
    assert [row["name"] for row in rows] == list(PUBLISHED)
    text = ran("weights", "show", "posewarper-posetrack17", capsys=capsys)
    assert "Apache-2.0" in text
    assert "posetrack-17" in text
    assert "https://github.com/facebookresearch/PoseWarper" in text


@pytest.mark.usefixtures("tiny")
def test_convert_and_show_what_came_out(
    tmp_path: Path, network: nn.Module, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save(state_of(network), "official.pth")
    line = ran("weights", "convert", "official.pth", "--as", "tiny", "-o", "o.safetensors", capsys=capsys)
    assert line == "o.safetensors: tiny, 5 keypoints, crops of 64x96, licence MIT\n"
    shown = json.loads(ran("weights", "show", "o.safetensors", "--json", capsys=capsys))
    assert shown["keypoints"] == list(COW.keypoints)
    assert shown["training"]["file"] == "official.pth"
    with pytest.raises(PwarpError, match=r"none is called 'official.pth'; say which it is with --as NAME"):
        ran("weights", "convert", "official.pth", "-o", "p.safetensors", capsys=capsys)
    Path("official.pth").rename("final_state.pth")
    with pytest.raises(PwarpError, match=r"several are called 'final_state.pth': posewarper-posetrack17, posewarper"):
        ran("weights", "convert", "final_state.pth", "-o", "p.safetensors", capsys=capsys)


@pytest.fixture(scope="module")
def rows() -> dict[str, Row]:
    return {row.name: row for row in survey(keypoints=17)}


def test_every_network_is_surveyed(rows: dict[str, Row]) -> None:
    assert list(rows) == registry.names("backbone") + registry.names("model")
    for row in rows.values():
        if row.name == "toy":  # registered by other tests
            continue
        assert row.parameters > 1e6
        assert 0.1 < row.gflops < 1000
        assert re.search(r"\b20[12]\d\b", row.paper)
    w48, warper = rows["hrnet-w48"], rows["posewarper"]
    assert (w48.parameters, w48.frames) == (63_595_745, (0,))
    assert (round(w48.gflops, 3), round(w48.hrnet_gflops, 3)) == (15.692, 14.614)
    assert (warper.parameters, warper.frames) == (71_154_350, (-2, -1, 0, 1, 2))
    # A crop and five warps of the 384x288 model's 52.17, here on crops of 4/9 the pixels.
    assert warper.gflops == pytest.approx(15.692 + 5 * 52.17 * 4 / 9, abs=0.02)
    assert "published weights" not in warper.paper
    dcpose, glpose = rows["dcpose"], rows["glpose"]
    assert (dcpose.parameters, dcpose.frames, dcpose.sampled) == (65_198_798, (-1, 0, 1), 0)
    assert dcpose.gflops == pytest.approx(15.692 + 11.04 * 4 / 9, abs=0.02)
    assert (glpose.frames, glpose.sampled, glpose.weights) == (tuple(range(-4, 5)), 20, ())
    for name, parts in (("ppn", ("hrnet-w48", "duc-r18")), ("dkd", ())):
        assert (rows[name].frames, rows[name].weights) == (None, ())
        assert rows[name].parameters > sum(rows[part].parameters for part in parts)


def test_the_first_networks_of_recurrent_models_are_not_counted(rows: dict[str, Row]) -> None:
    """PPN's unit costs 0.2117 Gi at 32x32 for 13 keypoints, which 64x48 cells are three times of, and 17 some more."""
    unit = rows["ppn"].hrnet_gflops - rows["duc-r18"].hrnet_gflops
    assert 0.2117 * 3 < unit < 0.2117 * 3 * (17 / 13) ** 2
    # DKD's last network, with two deconvolutions, is cheaper than the listed one with three.
    assert 0.5 < rows["dkd"].gflops < rows["simple-r50"].gflops + 1


def test_the_models_command(
    rows: dict[str, Row], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    monkeypatch.setattr("pwarp.weights.survey.survey", lambda *a: asked.append(a) or list(rows.values()))
    text = ran("models", "--size", "288x384", "--keypoints", "13", capsys=capsys)
    assert asked == [((288, 384), 13)]
    lines = text.splitlines()
    assert len(lines) == 3 * len(rows)
    assert re.match(r"hrnet-w48 +one frame +63\.6 M parameters +15\.69 GFLOPs \(14\.61\)$", lines[3])
    assert "simple-r18" in lines[6]
    assert any(re.match(r"glpose +frames -4\.\.4, 20 crops ", line) for line in lines)
    assert lines[8].split(": ")[1] == "none"
    found = json.loads(ran("models", "--json", capsys=capsys))
    assert [m["name"] for m in found["models"]] == list(rows)
    assert found["models"][1]["parameters"] == 63_595_745
