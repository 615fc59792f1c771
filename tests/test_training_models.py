"""What is true of training for every kind of network, and which frames and losses are each one's own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
import torch
from dotted_clips import PAWS, dotted_clip
from dotted_network import NAME, WHERE
from hypothesis import given, settings
from hypothesis import strategies as st

from pwarp import checkpoints, registry
from pwarp.checkpoints import Card
from pwarp.crops import cut
from pwarp.errors import PwarpError
from pwarp.heatmaps import Codec
from pwarp.models import build, configure
from pwarp.skeleton import COCO_17, POSETRACK_15, POSETRACK_17, Skeleton
from pwarp.training.augment import NO_AUGMENTATION, UNIFORM_AUGMENTATION, Augmentation
from pwarp.training.kinds import KINDS
from pwarp.training.loop import Pace, Unwatched
from pwarp.training.networks import card_of, skeleton_for, start
from pwarp.training.plan import Framing, make_plan, pose_windows
from pwarp.training.poses import Account, Poses, gather
from pwarp.training.recipes import RECIPES, recipe
from pwarp.training.run import Report, Request, train
from pwarp.training.samples import Samples
from pwarp.training.sources import Clip, Places, find_clips
from pwarp.training.store import open_store
from pwarp.training.tasks.base import Seen, Task
from pwarp.training.tasks.clips import Distilling, Propagating, Walking
from pwarp.training.tasks.windows import Around
from pwarp.video import open_video

TINY: dict[str, Any] = {
    "backbone": NAME, "backbone_options": {}, "head": NAME, "head_options": {}, "size": (32, 32), "sigma": 1.0,
    "codec": "dark", "batch": 3, "steps": 5, "rate": 5e-3, "frames": 3, "frozen": False, "schedule": "cosine",
    "augmentation": Augmentation(scale=0.1, rotation=10.0, flip=0, half_body=0),
}  # fmt: skip
MODELS: dict[str, dict[str, Any]] = {
    "estimator": {},
    "posewarper": {"channels": 6, "blocks": 1, "dilations": [1]},
    "dcpose": {"channels": 6, "dilations": [2], "interval": 2},
    "glpose": {"reach": 1, "proposals": 2, "sampled": 3, "channels": 6, "blocks": 1},
    "ppn": {"channels": 6, "blocks": 1, "dilations": [1, 2]},
    "dkd": {"channels": 6, "kernel": 3},
}
MODEL_KINDS = [kind for kind in KINDS if kind != "estimator"]


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
    return [str(dotted_clip(folder, f"clip{i}", frames=6, seed=i, keys=k)) for i, k in enumerate((None, (4,), None))]


@pytest.fixture(scope="module")
def clips(labels: list[str]) -> list[Clip]:
    return find_clips(Places(tuple(labels)))[0]


def request(kind: str, labels: list[str], output: Path, **changes: Any) -> Request:
    return Request(
        kind,
        Places(tuple(labels)),
        output,
        changes={**TINY, "model": MODELS[kind], **changes},
        validation=0.34,
        precision="fp32",
        device="cpu",
        pace=Pace(log=1, validate=5, save=2),
    )


@pytest.fixture(scope="module")
def runs(labels: list[str], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A run of each kind, made when it is asked for."""
    done: dict[str, Report] = {}

    def of(kind: str) -> Report:
        if kind not in done:
            done[kind] = train(request(kind, labels, tmp_path_factory.mktemp("runs") / kind))
        return done[kind]

    return of


def test_crops_too_small_for_kernels_are_refused_before_the_run_before_goes(labels: list[str], tmp_path: Path) -> None:
    coarse: dict[str, Any] = {"backbone": "simple-r18", "head": "simple-r18"}
    coarse |= {f"{role}_options": {"deconvs": 2} for role in ("backbone", "head")}
    begun = replace(request("dkd", labels, tmp_path / "run", **coarse), force=True)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "curve.jsonl").write_text("of the run before")
    with pytest.raises(PwarpError, match=r"heatmaps of 4x4 cells are too small to distil kernels from"):
        train(begun)
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["curve.jsonl"]
    alone = {**begun.changes, "model": {"transfer": "none", "adversary": "none"}}
    network, _, _ = start("dkd", recipe("dkd", "small", alone), PAWS, seed=0)
    assert network.eval()(torch.zeros(1, 2, 3, 32, 32)).shape[-2:] == (4, 4)


def curve(report: Report) -> list[dict[str, float]]:
    lines = (report.folder.path / "curve.jsonl").read_bytes().splitlines()
    return [{k: v for k, v in orjson.loads(line).items() if k != "poses_per_second"} for line in lines]


def same(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other


class Stopped(Unwatched):
    """Interrupts after three steps."""

    def __init__(self) -> None:
        self.left = 3

    def step(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


# True of all


def test_every_registered_model_can_be_trained() -> None:
    assert set(KINDS) == {"estimator", *registry.names("model")} == set(RECIPES)


@pytest.mark.parametrize("kind", KINDS)
def test_every_parameter_moves(kind: str, runs: Any) -> None:
    chosen = recipe(kind, "small", {**TINY, "model": MODELS[kind]})
    fresh, task, _ = start(kind, chosen, PAWS, seed=0)
    state = runs(kind).folder.load_state()
    for module, after in ((fresh, state["network"]), (task.beside, state.get("beside"))):
        parameters = {} if module is None else dict(module.named_parameters())
        assert [name for name, value in parameters.items() if torch.equal(value, after[name])] == []


@pytest.mark.parametrize("kind", KINDS)
def test_going_on_is_bit_identical(kind: str, labels: list[str], tmp_path: Path, runs: Any) -> None:
    """Stopped a step after the last saved state: network, optimiser, adversary and curve come out the same."""
    asked = request(kind, labels, tmp_path / "run")
    with pytest.raises(KeyboardInterrupt):
        train(asked, Stopped())
    assert RECIPES[kind]
    again = train(replace(asked, resume=True))
    assert again.outcome == runs(kind).outcome
    assert curve(again) == curve(runs(kind))
    assert same(again.folder.load_state(), runs(kind).folder.load_state())
    assert again.folder.last.read_bytes() == runs(kind).folder.last.read_bytes()


@pytest.mark.parametrize("kind", MODEL_KINDS)
def test_checkpoints_say_what_they_are(kind: str, runs: Any) -> None:
    network, card = checkpoints.load(runs(kind).folder.last)
    assert (card.model.name, card.training["kind"], card.size) == (kind, kind, (32, 32))
    assert card.skeleton.keypoints == PAWS.keypoints
    assert card.training["model"].items() >= MODELS[kind].items()
    assert not any("discriminator" in name for name in network.state_dict())


@pytest.mark.parametrize("kind", KINDS)
def test_training_lowers_the_loss(kind: str, labels: list[str], tmp_path: Path) -> None:
    asked = request(kind, labels, tmp_path / "run", steps=25, rate=1e-2)
    done = train(replace(asked, pace=Pace(log=5, validate=0, save=100), validation=None))
    losses = [line["loss"] for line in curve(done)]
    assert losses[-1] < 0.9 * losses[0]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if KINDS[kind].frozen])
def test_a_frozen_backbone_stays_and_is_needed(kind: str, labels: list[str], tmp_path: Path, runs: Any) -> None:
    asked = request(kind, labels, tmp_path / "run", frozen=True, steps=2, size=None)
    with pytest.raises(PwarpError, match=f"{kind} builds on what a trained estimator sees: first .*, then --backbone"):
        train(asked)
    estimator = runs("estimator").folder.last
    done = train(replace(asked, backbone=str(estimator)))
    before = checkpoints.load(estimator)[0].state_dict()
    after = checkpoints.load(done.folder.last)[0].get_submodule("backbone").state_dict()
    assert after
    assert all(torch.equal(value, before[name]) for name, value in after.items())
    assert checkpoints.read_card(done.folder.last).size == (32, 32)


# Recipes


def test_the_papers_recipes() -> None:
    """Sections 4.1 of DCPose, GLPose and DKD, IV-B of PPN."""
    paper = {kind: table["paper"] for kind, table in RECIPES.items()}
    rates = {kind: [paper[kind].rate_at(epoch, 20) for epoch in range(20)] for kind in ("dcpose", "glpose")}
    assert rates["dcpose"] == pytest.approx([1e-4 * 0.9 ** (epoch // 4) for epoch in range(20)])
    assert rates["glpose"] == pytest.approx([1e-3] * 6 + [1e-4] * 6 + [1e-5] * 6 + [1e-6] * 2)
    dkd = [paper["dkd"].rate_at(epoch, 40) for epoch in range(40)]
    assert dkd == pytest.approx([5e-4] * 15 + [5e-5] * 10 + [5e-6] * 15)
    assert (paper["dkd"].epochs, paper["dkd"].optimiser) == (40, "rmsprop")
    ppn = paper["ppn"]
    assert (ppn.rate_at(0, 300_000), ppn.rate_at(150_000, 300_000)) == (1e-4, 5e-5)
    assert (ppn.total_steps(9), ppn.batch, ppn.decay, ppn.optimiser) == (300_000, 8, 1e-5, "adam")
    for kind in ("dcpose", "glpose"):
        assert (paper[kind].size, paper[kind].epochs, paper[kind].frozen) == ((288, 384), 20, True)
        assert paper[kind].backbone == "hrnet-w48"
    for kind in ("ppn", "dkd"):
        assert (paper[kind].size, paper[kind].frames) == ((256, 256), 5)
        assert paper[kind].augmentation == UNIFORM_AUGMENTATION
    assert paper["dcpose"].batch == 32
    assert paper["dcpose"].model["form"] == "as_paper"
    assert "form" not in RECIPES["dcpose"]["released"].model


@pytest.mark.parametrize("kind", MODEL_KINDS)
@pytest.mark.parametrize("name", ["small", "paper"])
def test_recipes_build_what_they_name(kind: str, name: str) -> None:
    chosen = replace(RECIPES[kind][name], frozen=False)
    with torch.device("meta"):
        network, task, _ = start(kind, chosen, Skeleton("penn", tuple(map(str, range(13)))), seed=0)
    assert network.config.keypoints == 13  # type: ignore[union-attr]
    assert chosen.keypoint_codec(network.config.stride)  # type: ignore[union-attr, arg-type]
    if (kind, name) == ("glpose", "paper"):
        assert (task.reach, task.candidates) == (4, 20)
    if (kind, name) == ("dkd", "paper"):
        assert network.config.stride == 8  # type: ignore[union-attr]


def test_another_backbone_keeps_the_options_that_it_knows() -> None:
    assert recipe("dkd", "paper", {"backbone": "simple-r18"}).backbone_options == {"deconvs": 2}
    assert recipe("dkd", "paper", {"backbone": "duc-r18"}).backbone_options == {}
    assert recipe("dcpose", "small", {"model": {"interval": 3}}).model == {
        "channels": 32, "dilations": [3, 6, 9], "interval": 3,
    }  # fmt: skip
    with pytest.raises(PwarpError, match="optimiser 'sgd' is none of adam, rmsprop"):
        recipe("dkd", "small", {"optimiser": "sgd"})


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_uniform_augmentation_has_the_papers_ranges(seed: int) -> None:
    window, variation = UNIFORM_AUGMENTATION.choose(
        np.random.default_rng(seed), Framing((64, 64)).window((0, 0, 8, 8)), ()
    )
    assert 0.8 <= 1 / variation.factor <= 1.4
    assert -40 <= variation.angle <= 40
    varied = variation.of(window)
    assert UNIFORM_AUGMENTATION.radius(window) >= np.hypot(*varied.size) / 2 - 1e-9


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=50, deadline=None)
def test_glposes_recipe_has_the_papers_ranges(seed: int) -> None:
    """Section 4.1: turned by up to 45 degrees; HRNet's code, of the other recipes, goes up to 90."""
    varied = RECIPES["glpose"]["paper"].augmentation
    _, variation = varied.choose(np.random.default_rng(seed), Framing((64, 64)).window((0, 0, 8, 8)), ())
    assert -45 <= variation.angle <= 45
    assert 0.65 <= variation.factor <= 1.35
    assert (varied.flip, varied.half_body) == (0.5, 0.3)


# Frames


def test_neighbours_stay_in_the_video() -> None:
    task = Around((-2, 0, 2))
    assert task.frames(None, 5, 9, 0) == (3, 5, 7)
    assert task.frames(None, 1, 9, 0) == (1, 1, 3)  # same padding
    assert task.frames(None, 8, 9, 0) == (6, 8, 8)
    assert Around((0, 1)).frames(None, 0, 0, 0) == (0, 0)


def test_an_interval_is_drawn_from() -> None:
    task, random = Around((-3, 0, 3), nearer=True), np.random.default_rng(0)
    drawn = np.array([task.frames(random, 10, 20, 0) for _ in range(200)]) - 10
    assert [sorted(set(column)) for column in drawn.T.tolist()] == [[-3, -2, -1], [0], [1, 2, 3]]
    assert {Around((-3, 0, 3)).frames(random, 10, 20, 0) for _ in range(20)} == {(7, 10, 13)}


@given(
    frame=st.integers(0, 11), last=st.integers(0, 11), length=st.integers(1, 6), drawn=st.booleans(),
)  # fmt: skip
def test_a_clip_is_consecutive_and_has_the_labelled_frame(frame: int, last: int, length: int, drawn: bool) -> None:
    frame = min(frame, last)
    random = np.random.default_rng(0) if drawn else None
    task = Propagating(length)
    frames = task.frames(random, frame, last, 0)
    assert len(frames) == length
    assert frame in frames
    assert all(0 <= f <= last and abs(f - frame) <= task.reach for f in frames)
    steps = np.diff(frames)
    assert (steps == 1).all() or (last < length - 1 and frames == tuple(min(t, last) for t in range(length)))


def test_a_clip_is_around_its_window_and_validated_at_its_end() -> None:
    task = Propagating(5)
    assert task.frames(np.random.default_rng(0), 7, 20, 0) == (5, 6, 7, 8, 9)
    assert task.frames(None, 7, 20, 0) == (3, 4, 5, 6, 7)
    assert task.frames(None, 1, 20, 0) == (0, 1, 2, 3, 4)


# Candidates


def samples(clips: list[Clip], task: Task, folder: Path, augmentation: Augmentation) -> Samples:
    poses, framing = gather(clips), Framing((48, 64))
    windows = pose_windows(poses, framing, augmentation)
    plan = make_plan(clips, poses, windows, framing, augmentation, task.reach)
    return Samples(clips, poses, open_store(clips, plan, folder, 1 << 30), task, framing, augmentation, windows, 0)


def test_candidates_are_poses_of_other_frames_of_the_video(clips: list[Clip], tmp_path: Path) -> None:
    made = samples(clips, Around((0,), candidates=3), tmp_path, NO_AUGMENTATION)
    batch = made.plain([0, 6])  # the second one is alone in its video
    assert batch.candidates.shape == (2, 3, 64, 48, 3)
    assert batch.present.tolist() == [[True] * 3, [False] * 3]
    assert not batch.candidates[1].any()
    with open_video(clips[0].video) as video:
        for at, frame in enumerate((1, 3, 5)):  # evenly spread over those that are not the sample's
            window = Framing((48, 64)).window(made.poses.boxes[frame])
            assert np.array_equal(batch.candidates[0, at], cut(video.frame(frame), window, (48, 64)))


def test_candidates_are_varied_as_the_sample_is(clips: list[Clip], tmp_path: Path) -> None:
    augmentation = Augmentation(half_body=0.5, least=2)
    made = samples(clips, Around((0,), candidates=2), tmp_path, augmentation)
    seen = set()
    for position in range(13):
        pose, random = made.drawn(position)
        batch = made.training([position])
        if made.poses.clip[pose] == 1:
            continue
        whole, halves = made._windows[0][pose], made._windows[1][pose]
        _, variation = augmentation.choose(random, whole, halves)
        clip = clips[int(made.poses.clip[pose])]
        with open_video(clip.video) as video:
            others = {
                int(made.poses.frame[row]): cut(
                    video.frame(int(made.poses.frame[row])), variation.of(made._windows[0][row]), (48, 64)
                )
                for row in np.flatnonzero(made.poses.clip == made.poses.clip[pose])
            }
        for crop in batch.candidates[0]:
            found = [frame for frame, other in others.items() if np.array_equal(crop, other)]
            assert found
            assert found[0] != made.poses.frame[pose]
            seen.add(abs(found[0] - int(made.poses.frame[pose])))
    assert max(seen) == 5  # from anywhere in the video


# Losses


def seen(clip: torch.Tensor, offsets: torch.Tensor) -> Seen:
    return Seen(clip, offsets, clip[:, :0], torch.zeros(len(clip), 0, dtype=torch.bool))


def network(kind: str, **options: Any) -> Any:
    torch.manual_seed(1)
    inner = {place: configure(NAME, keypoints=3) for place in KINDS[kind].places.values()}
    made = build(configure(kind, **inner, **{**MODELS[kind], **options}))
    for parameter in made.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)
    return made.eval()


def per_frame(found: torch.Tensor, target: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """The weighted mean squared error of maps (B, K, h, w), by loops."""
    total = torch.zeros(())
    for b in range(len(found)):
        for k in range(found.shape[1]):
            total = total + weight[b, k] * (found[b, k] - target[b, k]).square().mean()
    return total / (len(found) * found.shape[1])


def batch_of_clips() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(3)
    clip, target = torch.rand(2, 4, 3, 32, 32, generator=random), torch.rand(2, 4, 3, 8, 8, generator=random)
    return clip, target, torch.rand(2, 4, 3, generator=random).round()


@torch.no_grad()
def test_ppn_learns_from_headnets_first_estimate_too() -> None:
    clip, target, weight = batch_of_clips()
    made = network("ppn")
    initial, found = made.unroll(clip)
    expected = per_frame(initial, target[:, 0], weight[:, 0])
    expected = expected + sum(per_frame(found[:, t], target[:, t], weight[:, t]) for t in range(4))
    loss = Propagating(4).loss(made, seen(clip, torch.zeros(2, 4)), target, weight)
    torch.testing.assert_close(loss, expected)


def test_dkds_loss_is_its_own_and_the_adversarys() -> None:
    clip, target, weight = batch_of_clips()
    made = network("dkd")
    against = made.adversary().eval()
    against.balance.fill_(0.5)
    task = Distilling(4, against)
    loss = task.loss(made, seen(clip, torch.zeros(2, 4)), target, weight)
    found = made(clip)
    own = sum(per_frame(found[:, t], target[:, t], weight[:, t]) for t in range(4))
    verdict = against(clip, found, target, weight)
    places = target.shape[-2] * target.shape[-1]
    torch.testing.assert_close(loss, own + (0.1 * verdict.fake + verdict.real - 0.5 * verdict.fake) / places)
    torch.testing.assert_close(Distilling(4).loss(made, seen(clip, torch.zeros(2, 4)), target, weight), own)
    task.stepped(lambda value: value / 64)  # as if other processes had seen less
    assert 0 < float(against.balance) < 1
    assert float(against.balance) == pytest.approx(0.5 + 0.1 / 64 * float(verdict.real - verdict.fake))
    assert task.figures() == {"balance": float(against.balance)}


@torch.no_grad()
@pytest.mark.parametrize("kind", ["ppn", "dkd"])
def test_the_labelled_frame_is_what_is_validated(kind: str) -> None:
    clip, _, _ = batch_of_clips()
    made, task = network(kind), Propagating(4)
    offsets = torch.tensor([[-3.0, -2, -1, 0], [-1, 0, 1, 2]])
    found = task.heatmaps(made, seen(clip, offsets))
    torch.testing.assert_close(found, torch.stack([made(clip)[0, 3], made(clip)[1, 1]]))
    # A video that is shorter than the clip stands still at its end, a single picture all the time.
    found = task.heatmaps(made, seen(clip, torch.tensor([[-1.0, 0, 0, 0], [0, 0, 0, 0]])))
    torch.testing.assert_close(found, made(clip)[:, 3])


def test_the_balance_is_in_the_curve_and_between_0_and_1(runs: Any) -> None:
    balances = [line["balance"] for line in curve(runs("dkd")) if "loss" in line]
    assert len(balances) == 5
    assert all(0 <= balance <= 1 for balance in balances)
    assert "balance" not in curve(runs("ppn"))[0]
    assert runs("dkd").folder.load_state()["beside"]["balance"] == balances[-1]


@pytest.mark.parametrize(
    "options", [{"adversary": "none"}, {"adversary": "spatial"}, {"transfer": "lstm", "hidden": 4}]
)
def test_dkds_ablations_train(options: dict[str, Any], labels: list[str], tmp_path: Path) -> None:
    asked = request("dkd", labels, tmp_path / "run", steps=1, model={**MODELS["dkd"], **options})
    done = train(replace(asked, validation=None))
    assert checkpoints.read_card(done.folder.last).model.to_dict().items() >= options.items()
    assert ("balance" in curve(done)[0]) == (options.get("adversary") != "none")


def test_dkd_needs_two_frames() -> None:
    with pytest.raises(PwarpError, match="clips must have at least 2 frames"):
        Distilling(1)
    assert Walking.__abstractmethods__


# Beginnings


def saved(path: Path, name: str, skeleton: Skeleton, seed: int) -> Path:
    torch.manual_seed(seed)
    made = build(configure(name, keypoints=len(skeleton)))
    codec = Codec("dark", (64, 96), 4, 1.5)
    checkpoints.save(path, made, Card(model=made.config, skeleton=skeleton, codec=codec))  # type: ignore[arg-type]
    return path


def test_ppn_and_dkd_begin_with_estimators_of_other_keypoints(tmp_path: Path) -> None:
    """As the papers do, with networks trained on MPII."""
    known = Skeleton("mpii", ("right_paw", "nose", "tail", "left_paw"))
    files = [saved(tmp_path / f"{i}.safetensors", NAME, known, i) for i in range(2)]
    for kind in ("ppn", "dkd"):
        chosen = recipe(kind, "small", {**TINY, "model": MODELS[kind]})
        made, _, as_trained = start(kind, chosen, PAWS, seed=7, backbone=str(files[0]), head=str(files[1]))
        assert as_trained.size == (64, 96)
        for file, place in zip(files, KINDS[kind].places.values(), strict=True):
            before, after = checkpoints.load(file)[0].state_dict(), made.get_submodule(place).state_dict()
            assert all(torch.equal(v, before[n]) for n, v in after.items() if not n.startswith("final_layer"))
            if "final_layer.weight" in after:
                share = 0.7 if (kind, place) == ("ppn", "body") else 1.0
                torch.testing.assert_close(after["final_layer.weight"], share * before["final_layer.weight"][[2, 3, 0]])


@pytest.mark.parametrize("kind", ["ppn", "dkd"])
def test_networks_that_have_learned_go_slower_than_what_is_fresh(kind: str, labels: list[str], tmp_path: Path) -> None:
    """Adam's first step is the rate, in every parameter that has a gradient."""
    files = [str(saved(tmp_path / f"{i}.safetensors", NAME, PAWS, i)) for i in range(2)]
    rate = 1e-3
    asked = request(kind, labels, tmp_path / "run", steps=1, rate=rate, schedule="drops", known_factor=0.25)
    done = train(replace(asked, validation=None, backbone=files[0], head=files[1]))
    after = checkpoints.load(done.folder.last)[0]
    places = KINDS[kind].places
    chosen = recipe(kind, "small", asked.changes)
    before = start(kind, chosen, PAWS, seed=asked.seed, backbone=files[0], head=files[1])[0]
    for place in places.values():
        old = dict(before.get_submodule(place).named_parameters())
        moved = [(new - old[name]).abs().max() for name, new in after.get_submodule(place).named_parameters()]
        torch.testing.assert_close(max(moved), torch.tensor(0.25 * rate), rtol=1e-3, atol=0)
    # Without files all are fresh, and none goes slower.
    assert start(kind, chosen, PAWS, seed=asked.seed)[1].known == []


def test_what_a_checkpoint_has_is_what_is_trained_and_recorded(runs: Any, tmp_path: Path) -> None:
    """Whatever the recipe would have built; other networks beside it are refused rather than ignored."""
    begun = {kind: str(runs(kind).folder.last) for kind in ("estimator", "posewarper", "ppn")}
    made, _, chosen = start("estimator", recipe("estimator", "small", {}), PAWS, seed=0, init=begun["estimator"])
    assert made.config.name == chosen.backbone == NAME  # type: ignore[union-attr]
    _, _, chosen = start("posewarper", recipe("posewarper", "paper", {}), PAWS, seed=0, init=begun["posewarper"])
    assert chosen.backbone == NAME
    assert (chosen.model["channels"], chosen.model["combine"], "backbone" in chosen.model) == (6, "mean", False)
    narrow = configure("duc-r18", keypoints=3, widths=(8, 8))
    file = tmp_path / "narrow.safetensors"
    checkpoints.save(file, build(narrow), Card(narrow, PAWS, Codec("dark", (32, 32), 8, 1.0)))
    _, _, chosen = start("posewarper", recipe("posewarper", "small", {}), PAWS, seed=0, backbone=str(file))
    assert (chosen.backbone, chosen.backbone_options) == ("duc-r18", {"widths": [8, 8]})

    def refused(kind: str, **beside: Any) -> str:
        asked = beside.pop("asked", {})
        with pytest.raises(PwarpError) as caught:
            start(kind, recipe(kind, "small", asked), PAWS, seed=0, init=begun[kind], asked=asked, **beside)
        return str(caught.value)

    assert "holds dots, and --init goes on with that; leave --backbone duc-r18 out" in refused(
        "estimator", asked={"backbone": "duc-r18"}
    )
    assert "has its own networks; leave --backbone gone out" in refused("posewarper", backbone="gone")
    assert "has its own networks; leave --body gone out" in refused("ppn", backbone="gone")
    assert "leave --head duc-r18 out" in refused("ppn", asked={"head": "duc-r18"})
    same = {"head": NAME, "backbone": NAME}
    assert start("ppn", recipe("ppn", "small", same), PAWS, seed=0, init=begun["ppn"], asked=same)[2].head == NAME
    narrower = {"backbone": "duc-r18", "backbone_options": {"widths": (8, 4)}}
    with pytest.raises(PwarpError, match=r"its duc-r18 has other options than widths \(8, 4\); leave these out"):
        start("estimator", recipe("estimator", "small", narrower), PAWS, seed=0, init=str(file), asked=narrower)


def test_networks_that_see_the_same_crops_were_trained_on_the_same_colours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rgb = saved(tmp_path / "rgb.safetensors", NAME, PAWS, 0)
    network, card = checkpoints.load(rgb)
    bgr = tmp_path / "bgr.safetensors"
    checkpoints.save(bgr, network, replace(card, mean=card.mean[::-1], std=card.std[::-1]))
    chosen = recipe("ppn", "small", {**TINY, "model": MODELS["ppn"]})
    with pytest.raises(PwarpError, match=r"rgb.safetensors: .* 0.485,0.456,0.406 and .*; begin with networks that"):
        start("ppn", chosen, PAWS, seed=0, backbone=str(bgr), head=str(rgb))
    made, _, as_trained = start("ppn", chosen, PAWS, seed=0, backbone=str(bgr), head=str(bgr))
    file = tmp_path / "ppn.safetensors"
    checkpoints.save(file, made, card_of(made, as_trained, PAWS, {}))
    assert checkpoints.read_card(file).mean == card.mean[::-1]
    assert start("ppn", chosen, PAWS, seed=0, init=str(file))[2].std == card.std[::-1]
    monkeypatch.setattr("pwarp.training.networks.load_imagenet", lambda _: None)
    with pytest.raises(PwarpError, match="imagenet: was trained on colours"):
        start("ppn", chosen, PAWS, seed=0, init="imagenet", backbone=str(bgr))


def test_eyes_become_the_ends_of_the_head(tmp_path: Path) -> None:
    """From COCO's to PoseTrack's 17 channels, which the released code names anew in place."""
    file = saved(tmp_path / "coco.safetensors", NAME, COCO_17, 0)
    made, _, _ = start("estimator", recipe("estimator", "small", TINY), POSETRACK_17, seed=5, init=str(file))
    before = checkpoints.load(file)[0].state_dict()
    assert same(dict(made.state_dict()), dict(before))


def test_labels_with_a_part_of_a_checkpoints_keypoints_go_into_its_channels(tmp_path: Path) -> None:
    """PoseTrack17's 15 joints into the 17 channels of released networks; what has no label is not asked for."""
    file = str(saved(tmp_path / "posetrack.safetensors", NAME, POSETRACK_17, 0))
    changes = {**TINY, "frozen": True}
    small = {kind: recipe(kind, "small", {**changes, "model": MODELS[kind]}) for kind in ("dcpose", "glpose", "ppn")}
    assert skeleton_for("dcpose", small["dcpose"], POSETRACK_15, None, file) == POSETRACK_17
    made, _, _ = start("dcpose", small["dcpose"], POSETRACK_17, seed=0, backbone=file)
    assert made.config.keypoints == 17
    # Where nothing is frozen, or channels are features, a network for the labels' own keypoints is made.
    for kind in ("glpose", "ppn"):
        assert skeleton_for(kind, small[kind], POSETRACK_15, None, file) == POSETRACK_15
    assert skeleton_for("dcpose", small["dcpose"], PAWS, None, file) == PAWS
    random = np.random.default_rng(0)
    xy, weight = random.random((2, 15, 2)), random.random((2, 15))
    empty = np.full((2, 4), np.nan)
    numbers = np.zeros(2, np.int64)
    poses = Poses(
        POSETRACK_15, numbers, numbers, numbers, xy, np.full((2, 15), 2, np.uint8), weight, empty, empty, Account()
    )
    wide = poses.in_skeleton(POSETRACK_17)
    for place, name in enumerate(POSETRACK_15.keypoints):
        at = POSETRACK_17.index(name)
        assert np.array_equal(wide.xy[:, at], xy[:, place]) and np.array_equal(wide.weight[:, at], weight[:, place])
    ears = [POSETRACK_17.index(name) for name in ("left_ear", "right_ear")]
    assert np.isnan(wide.xy[:, ears]).all() and not wide.weight[:, ears].any() and not wide.visibility[:, ears].any()


def test_a_checkpoint_may_go_on_with_other_options(runs: Any) -> None:
    file = str(runs("dkd").folder.last)
    chosen = recipe("dkd", "small", {**TINY, "model": {"adversary": "none"}})
    made, task, _ = start("dkd", chosen, PAWS, seed=0, init=file, asked={"model": {"adversary": "none"}})
    assert task.beside is None
    assert same(dict(made.state_dict()), dict(checkpoints.load(file)[0].state_dict()))
    with pytest.raises(PwarpError, match="holds a dkd that cannot have channels 9; train a new one"):
        start("dkd", chosen, PAWS, seed=0, init=file, asked={"model": {"channels": 9}})
    with pytest.raises(PwarpError, match="holds a dkd; --init takes a ppn"):
        start("ppn", recipe("ppn", "small", TINY), PAWS, seed=0, init=file)
    with pytest.raises(PwarpError, match="no frame-wise estimator; --init goes on with it"):
        start("ppn", recipe("ppn", "small", TINY), PAWS, seed=0, head=file)
