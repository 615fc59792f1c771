"""The loop: losses, going on after an interruption bit for bit, what stays frozen, and every way to end badly."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import orjson
import pytest
import torch
from dotted_clips import PAWS, dotted_clip
from dotted_network import NAME, WHERE

from pwarp import checkpoints, registry
from pwarp.errors import PwarpError
from pwarp.heatmaps import Codec
from pwarp.models import build, configure
from pwarp.skeleton import Skeleton
from pwarp.training import store
from pwarp.training.augment import Augmentation
from pwarp.training.loop import Pace, Training, Unwatched
from pwarp.training.losses import joints_mse
from pwarp.training.networks import start
from pwarp.training.objective import Objective
from pwarp.training.recipe import Recipe
from pwarp.training.recipes import RECIPES, recipe
from pwarp.training.run import Report, Request, train
from pwarp.training.sources import Places
from pwarp.training.tasks.base import Seen
from pwarp.training.tasks.frames import FrameWise
from pwarp.training.tasks.warping import Warping

TINY = {"backbone": NAME, "size": (32, 32), "batch": 4, "steps": 6, "sigma": 1.0}
WARP = {"channels": 6, "blocks": 2, "dilations": [1, 3]}


@pytest.fixture(autouse=True, scope="module")
def small_network() -> Iterator[None]:
    """A network for these tests among the registered ones, on one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(registry.PARTS["backbone"], NAME, WHERE)
        yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def labels(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Three clips, one of them with a single key frame."""
    folder = tmp_path_factory.mktemp("dots")
    keys = (None, (4,), (0, 5, 8))
    return [str(dotted_clip(folder, f"clip{i}", frames=9, seed=i, keys=k)) for i, k in enumerate(keys)]


def request(labels: list[str], output: Path, **changes: object) -> Request:
    base = Request(
        "estimator",
        Places(tuple(labels)),
        output,
        changes=TINY,
        validation=0.34,
        precision="fp32",
        device="cpu",
        pace=Pace(log=2, validate=3, save=2),
    )
    return replace(base, **changes)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def whole(labels: list[str], tmp_path_factory: pytest.TempPathFactory) -> Report:
    """A run without interruption."""
    return train(request(labels, tmp_path_factory.mktemp("runs") / "whole"))


def curve(report_or_folder: Report | Path) -> list[dict[str, float]]:
    folder = report_or_folder if isinstance(report_or_folder, Path) else report_or_folder.folder.path
    lines = (folder / "curve.jsonl").read_bytes().splitlines()
    return [{k: v for k, v in orjson.loads(line).items() if k != "poses_per_second"} for line in lines]


def weights(path: Path) -> dict[str, torch.Tensor]:
    return checkpoints.load(path)[0].state_dict()


def equal(one: Mapping[str, torch.Tensor], other: Mapping[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


class Stopped(Unwatched):
    """Presses Ctrl-C after some steps."""

    def __init__(self, after: int) -> None:
        self.left = after

    def step(self) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGINT)


# Losses and schedules


def test_the_loss_worked_by_hand() -> None:
    """Two samples, three keypoints, maps of 1 x 2 cells."""
    target = torch.zeros(2, 3, 1, 2)
    heatmaps = torch.tensor([[[[1.0, 3.0]], [[2.0, 0.0]], [[5.0, 5.0]]], [[[0.0, 0.0]], [[0.0, 4.0]], [[9.0, 9.0]]]])
    weight = torch.tensor([[1.0, 0.5, 0.0], [1.0, 1.0, 0.0]])
    # Mean squares 5, 2, 25 and 0, 8, 81, weighted 5, 1, 0 and 0, 8, 0: 14 over 6 maps, and half of it.
    assert joints_mse(heatmaps, target, weight).item() == pytest.approx(0.5 * 14 / 6)


def test_the_loss_is_hrnets_for_weights_0_and_1() -> None:
    random = torch.Generator().manual_seed(0)
    heatmaps, target = (torch.rand(4, 3, 5, 2, generator=random) for _ in range(2))
    weight = torch.tensor([[1.0, 0, 1], [0, 0, 1], [1, 1, 1], [1, 0, 0]])
    w = weight[..., None, None]
    each = [0.5 * torch.nn.functional.mse_loss(heatmaps[:, k] * w[:, k], target[:, k] * w[:, k]) for k in range(3)]
    assert joints_mse(heatmaps, target, weight).item() == pytest.approx(sum(each).item() / 3)


def test_the_papers_schedule() -> None:
    paper = RECIPES["posewarper"]["paper"]
    total = paper.total_steps(320)
    assert total == 200
    epochs = [paper.rate_at(epoch * 10, total) for epoch in range(20)]
    assert epochs == pytest.approx([1e-4] * 10 + [1e-5] * 5 + [1e-6] * 5)
    assert (paper.delta, paper.frozen, paper.decay, paper.size) == (3, True, 0.0, (288, 384))
    assert (RECIPES["posewarper"]["released"].delta, RECIPES["posewarper"]["released"].moving_statistics) == (2, True)


def test_other_schedules_end_at_nothing() -> None:
    for schedule in ("cosine", "linear"):
        chosen = Recipe("mine", schedule=schedule, rate=2.0)  # type: ignore[arg-type]
        rates = [chosen.rate_at(step, 50) for step in range(50)]
        assert rates[0] == 2.0
        assert rates == sorted(rates, reverse=True)
        assert 0 <= rates[-1] < 0.05


def test_a_recipe_takes_changes_and_refuses_nonsense() -> None:
    assert recipe("estimator", "small", {"epochs": 3.0, "batch": None}).total_steps(100) == 19
    assert recipe("estimator", "small", {"batch": 7}).batch == 7
    with pytest.raises(PwarpError, match="no recipe 'huge' for estimator; there are: small, paper, released"):
        recipe("estimator", "huge", {})
    with pytest.raises(PwarpError, match="batch is 0"):
        recipe("estimator", "small", {"batch": 0})


# Runs


def test_a_run_writes_curve_board_and_checkpoints(whole: Report) -> None:
    assert [(line["step"], "loss" in line) for line in curve(whole)] == [
        (2, True), (3, False), (4, True), (6, True), (6, False),
    ]  # fmt: skip
    assert whole.outcome.steps == 6
    assert whole.outcome.best is not None
    assert not whole.outcome.interrupted
    assert whole.videos == (2, 1)
    module, card = checkpoints.load(whole.folder.last)
    assert module.training is False
    assert card.skeleton.keypoints == PAWS.keypoints
    assert card.size == (32, 32)
    assert (card.training["kind"], card.training["step"], card.training["seed"]) == ("estimator", 6, 0)
    assert checkpoints.read_card(whole.folder.best).training["pck@0.1"] == whole.outcome.best
    assert list((whole.folder.path / "tb").glob("events.*"))


def test_resuming_is_bit_identical(labels: list[str], tmp_path: Path, whole: Report) -> None:
    """Interrupted between two saved states, and inside a line of the curve."""
    stopped = train(request(labels, tmp_path / "run"), Stopped(after=3))
    assert (stopped.outcome.steps, stopped.outcome.interrupted) == (3, True)
    again = train(request(labels, tmp_path / "run", resume=True, workers=2))
    assert again.outcome == whole.outcome
    assert curve(again) == curve(whole)
    for name in ("last", "best"):
        assert equal(weights(getattr(again.folder, name)), weights(getattr(whole.folder, name)))


def test_pictures_on_the_disc_go_when_a_run_has_come_to_its_end(
    labels: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "IN_MEMORY", 1000)
    stopped = train(request(labels, tmp_path / "run"), Stopped(after=3))
    kept = set(stopped.folder.cache.iterdir())
    assert stopped.outcome.interrupted and kept
    litter = stopped.folder.cache / ".crops-killed.tmp.raw"
    litter.touch()

    class Look(Unwatched):
        def step(self) -> None:
            assert set(stopped.folder.cache.iterdir()) == kept

    assert not train(request(labels, tmp_path / "run", resume=True), Look()).outcome.interrupted
    assert not stopped.folder.cache.exists()


def test_the_same_seed_gives_the_same_network(labels: list[str], tmp_path: Path, whole: Report) -> None:
    changes = {**TINY, "steps": 6}
    again = train(request(labels, tmp_path / "again", changes=changes, workers=0, validation=0.34))
    assert equal(weights(again.folder.last), weights(whole.folder.last))
    other = train(request(labels, tmp_path / "other", changes=changes, seed=1))
    assert not equal(weights(other.folder.last), weights(whole.folder.last))


def test_a_run_is_not_overwritten_or_mixed(labels: list[str], whole: Report) -> None:
    folder = whole.folder.path
    with pytest.raises(PwarpError, match="holds a run; --resume goes on with it, --force starts it over"):
        train(request(labels, folder))
    with pytest.raises(PwarpError, match="the run began with batch 4, now it is 3; give the same options"):
        train(request(labels, folder, resume=True, changes={**TINY, "batch": 3}))
    with pytest.raises(PwarpError, match="the run began with poses 10, now it is 13"):
        train(request(labels, folder, resume=True, validation=None))


def test_more_steps_go_on_from_the_end(labels: list[str], tmp_path: Path) -> None:
    short = {**TINY, "steps": 2}
    train(request(labels, tmp_path / "run", changes=short, validation=None))
    longer = train(request(labels, tmp_path / "run", changes={**TINY, "steps": 4}, validation=None, resume=True))
    assert longer.outcome.steps == 4
    assert longer.outcome.best is None
    assert [line["step"] for line in curve(longer)] == [2, 4]
    assert not longer.folder.best.exists()


def test_training_finds_the_dots(tmp_path: Path) -> None:
    """From pictures to coordinates: on a video that was not trained on, nearly all dots are found."""
    files = [str(dotted_clip(tmp_path, f"clip{i}", frames=12, seed=i)) for i in range(4)]
    changes = {**TINY, "size": (64, 64), "steps": 100, "rate": 2e-2, "batch": 8, "codec": "dark", "sigma": 1.5}
    # A dot's colour says which it is, and a mirror image has the colours of the other side.
    changes["augmentation"] = Augmentation(flip=0)
    done = train(request(files, tmp_path / "run", changes=changes, validation=0.25, pace=Pace(25, 50, 500)))
    losses = [line["loss"] for line in curve(done) if "loss" in line]
    found = [line["pck@0.1"] for line in curve(done) if "pck@0.1" in line]
    assert losses[-1] < 0.5 * losses[0]
    assert done.outcome.best == max(found) > 90


def test_crops_and_heatmaps_are_those_of_what_a_network_begins_with(labels: list[str], tmp_path: Path) -> None:
    """What was asked for comes first; colours are never asked for, and cards of BGR networks have others."""
    torch.manual_seed(1)
    network = build(configure(NAME, keypoints=3))
    mean, std = (0.406, 0.456, 0.485), (0.225, 0.224, 0.229)
    first = checkpoints.Card(network.config, PAWS, Codec("msra", (32, 64), 4, 1.25), 1.1, mean, std)  # type: ignore[arg-type]
    file = tmp_path / "first.safetensors"
    checkpoints.save(file, network, first)
    asked = {"size": None, "sigma": 1.5, "rate": 1e-30, "steps": 1}
    done = train(request(labels, tmp_path / "run", changes={**TINY, **asked}, init=str(file), validation=None))
    card = checkpoints.read_card(done.folder.last)
    assert (card.size, card.codec.kind, card.codec.sigma, card.padding) == ((32, 64), "msra", 1.5, 1.1)
    assert (card.mean, card.std) == (mean, std)
    crops = torch.randint(0, 256, (2, 1, 5, 7, 3), dtype=torch.uint8)
    seen = Objective(network, FrameWise(), card).normalised(crops)
    expected = (crops / 255 - torch.tensor(mean)) / torch.tensor(std)
    assert torch.allclose(seen, expected.permute(0, 1, 4, 2, 3), atol=1e-5)


def test_an_estimator_begins_with_another_by_names(whole: Report) -> None:
    """Other keypoints: the trunk is taken over, and the channels of keypoints that both know."""
    skeleton = Skeleton("more", ("nose", "right_paw", "tail", "left_paw", "back"))
    network, task, _ = start(
        "estimator", recipe("estimator", "small", TINY), skeleton, seed=0, init=str(whole.folder.last)
    )
    before, after = weights(whole.folder.last), network.state_dict()
    assert isinstance(task, FrameWise)
    assert torch.equal(after["final_layer.weight"][[2, 3, 1]], before["final_layer.weight"])
    assert all(torch.equal(after[n], before[n]) for n in before if not n.startswith("final_layer"))


# PoseWarper


@pytest.fixture(scope="module")
def warper_request(labels: list[str], whole: Report, tmp_path_factory: pytest.TempPathFactory) -> Request:
    changes = {"batch": 4, "steps": 3, "model": WARP, "cycle": 0.5}
    output = tmp_path_factory.mktemp("runs") / "warp"
    return request(labels, output, kind="posewarper", changes=changes, backbone=str(whole.folder.last), validation=None)


def test_a_frozen_backbone_stays_bit_for_bit(warper_request: Request, whole: Report) -> None:
    done = train(warper_request)
    before, after = weights(whole.folder.last), weights(done.folder.last)
    assert equal(before, {n: after[f"backbone.{n}"] for n in before})
    fresh = build(checkpoints.read_card(done.folder.last).model).state_dict()
    moved = [n for n in after if "deform_conv" in n and not torch.equal(after[n], fresh[n])]
    assert moved
    card = checkpoints.read_card(done.folder.last)
    assert card.size == (32, 32)  # the estimator's, as nobody asked for another
    assert card.training["delta"] == 3


def test_statistics_move_when_asked(warper_request: Request, whole: Report, tmp_path: Path) -> None:
    changes = {**warper_request.changes, "moving_statistics": True, "steps": 1}
    done = train(replace(warper_request, output=tmp_path / "run", changes=changes))
    before, after = weights(whole.folder.last), weights(done.folder.last)
    changed = {n for n in before if not torch.equal(before[n], after[f"backbone.{n}"])}
    assert changed
    assert all("running" in n or "num_batches" in n for n in changed)


def test_warping_needs_a_trained_backbone(warper_request: Request, whole: Report, tmp_path: Path) -> None:
    with pytest.raises(PwarpError, match="first 'pwarp train estimator', then --backbone"):
        train(replace(warper_request, output=tmp_path / "run", backbone=None))
    with pytest.raises(PwarpError, match="holds a dots; --init takes a posewarper"):
        train(replace(warper_request, output=tmp_path / "run", backbone=None, init=str(whole.folder.last)))


def test_warping_compares_the_warped_other_frame_with_the_labels() -> None:
    """By the definition: B's heatmaps warped to A, and with cycle A's own there and back."""
    torch.manual_seed(0)
    inner = configure(NAME, keypoints=3)
    network = build(configure("posewarper", backbone=inner, **WARP))
    for parameter in network.parameters():
        parameter.data += 0.02 * torch.randn_like(parameter)
    network.eval()
    clip, target = torch.rand(2, 2, 3, 32, 32), torch.rand(2, 3, 8, 8)
    weight = torch.tensor([[1.0, 0.0, 1.0], [1.0, 1.0, 0.0]])
    a, b = network.backbone(clip[:, 0]), network.backbone(clip[:, 1])
    task = Warping(delta=2)
    one_way = joints_mse(network.warp(b, a, b), target, weight)
    seen = Seen(clip, torch.zeros(2, 2), clip[:, :0], torch.zeros(2, 0))
    assert torch.allclose(task.loss(network, seen, target, weight), one_way)
    assert torch.allclose(task.heatmaps(network, seen), network.warp(b, a, b))
    back = network.warp(network.warp(a, b, a), a, b)
    both = one_way + 0.25 * joints_mse(back, target, weight)
    assert not torch.allclose(one_way, both)
    assert torch.allclose(Warping(delta=2, cycle=0.25).loss(network, seen, target, weight), both)


# Ends that a person can mend


def test_a_loss_that_is_no_number_ends_the_run(labels: list[str], tmp_path: Path) -> None:
    changes = {**TINY, "rate": 1e30}
    with pytest.raises(PwarpError, match=r"the loss is no longer a number at step .*; lower --lr"):
        train(request(labels, tmp_path / "run", changes=changes, validation=None))
    assert not (tmp_path / "run" / "state.pt").exists()


def test_out_of_memory_says_what_to_lower(labels: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    messages = (
        RuntimeError("[enforce fail at alloc_cpu.cpp:114] DefaultCPUAllocator: can't allocate memory: you tried"),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        MemoryError(),
    )
    for number, error in enumerate(messages):

        def starve(*_: object, error: BaseException = error, **__: object) -> None:
            raise error

        monkeypatch.setattr(Objective, "forward", starve)
        with pytest.raises(PwarpError, match=r"out of memory with --batch 4 at --size 32x32; lower --batch"):
            train(request(labels, tmp_path / str(number), validation=None))


def test_other_errors_are_not_hidden(labels: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr(Objective, "forward", fail)
    with pytest.raises(RuntimeError, match="a defect"):
        train(request(labels, tmp_path / "run", validation=None))


def test_a_full_disc_is_one_line(labels: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(PwarpError, match=r"state\.pt: cannot write: No space left on device") as error:
        train(request(labels, tmp_path / "run", validation=None))
    assert "\n" not in str(error.value)
    assert not (tmp_path / "run" / "state.pt").exists()
    assert not list((tmp_path / "run").glob(".*"))


def test_a_damaged_state_is_one_line(labels: list[str], tmp_path: Path) -> None:
    train(request(labels, tmp_path / "run", changes={**TINY, "steps": 2}, validation=None))
    state = tmp_path / "run" / "state.pt"
    state.write_bytes(state.read_bytes()[:1000])
    with pytest.raises(PwarpError, match=r"state\.pt: cannot be read .*; start over with --force"):
        train(request(labels, tmp_path / "run", changes={**TINY, "steps": 4}, validation=None, resume=True))


def test_nothing_to_train_is_said() -> None:
    network = torch.nn.Conv2d(3, 3, 1).requires_grad_(False)
    chosen = recipe("estimator", "small", TINY)
    card = checkpoints.Card(configure(NAME, keypoints=3), PAWS, chosen.keypoint_codec(4))
    objective = Objective(network, FrameWise(), card)

    class Alone:
        num_processes, device = 1, torch.device("cpu")

    class Few:
        poses = np.zeros(3)

    with pytest.raises(PwarpError, match="nothing to train"):
        Training(objective, Few(), None, chosen, None, None, Alone(), seed=0, pace=Pace(), workers=0)  # type: ignore[arg-type]
