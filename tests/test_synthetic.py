"""Rendered people: repeatable, exact, and no easier than real ones."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pwarp_cli.main import main

from pwarp.annotations import Annotations
from pwarp.errors import PwarpError
from pwarp.formats import read
from pwarp.skeleton import COCO_17
from pwarp.synthetic import MOTIONS, Scene, SceneConfig, key_labels, write_scene
from pwarp.synthetic.actor import Actor, Stage
from pwarp.synthetic.camera import CameraMove
from pwarp.synthetic.raster import rasterise
from pwarp.synthetic.rig import ANKLE_HEIGHT, BONE, BONES, Channels, Proportions, solve
from pwarp.video import open_video

SMALL = SceneConfig(seed=5, frames=24, width=192, height=160, people=2)


@pytest.fixture(scope="module")
def scene() -> Scene:
    return Scene(SMALL)


def test_same_seed_same_bytes_in_any_order(scene: Scene) -> None:
    again = Scene(SMALL)
    backwards = {i: again.frame(i) for i in (17, 3, 0)}
    assert all(np.array_equal(scene.frame(i), picture) for i, picture in backwards.items())
    assert again.annotations.same_as(scene.annotations)


def test_another_seed_is_another_clip(scene: Scene) -> None:
    other = Scene(replace(SMALL, seed=6))
    assert not np.array_equal(scene.frame(0), other.frame(0))
    assert not other.annotations.same_as(scene.annotations)


def test_frames_are_rgb_pictures_of_the_asked_size(scene: Scene) -> None:
    pictures = list(Scene(replace(SMALL, frames=3)).frames())
    assert [(p.shape, p.dtype) for p in pictures] == [((160, 192, 3), np.uint8)] * 3
    with pytest.raises(PwarpError, match=r"no frame 24; there are 24 \(0 to 23\)"):
        scene.frame(24)


def test_truth_is_complete(scene: Scene) -> None:
    truth = scene.annotations
    assert truth.skeleton == COCO_17
    assert [t.id for t in truth.tracks] == [0, 1]
    assert (truth.video.width, truth.video.height) == (192, 160)
    assert (truth.video.frame_count, truth.video.fps) == (24, Fraction(30))
    for track in truth.tracks:
        inside = (track.xy > -0.5) & (track.xy < [191.5, 159.5])
        assert np.array_equal(inside.all(axis=2), track.visibility > 0)
        assert track.by_person[track.labelled].all()
        present = np.isin(np.arange(24), track.frames)
        assert np.array_equal(present, track.present_at(np.arange(24)))


def test_keypoints_lie_in_the_box(scene: Scene) -> None:
    for track in scene.annotations.tracks:
        low, high = track.boxes[:, None, :2], track.boxes[:, None, 2:]
        labelled = track.labelled
        assert ((track.xy >= low - 1) & (track.xy <= high + 1)).all(axis=2)[labelled].all()


def test_truth_lies_on_the_rendered_people() -> None:
    """Where the truth has keypoints and the box its top, the picture differs from the same place without people."""
    config = replace(SMALL, people=1, occluders=0, noise=0.0, compression=100, camera=False, motions=("wave",))
    scene, empty = Scene(config), Scene(replace(config, people=0))
    track = scene.annotations.track(0)
    row = track.at(10)
    assert row is not None and track.labelled[row].all()
    changed = np.abs(scene.frame(10).astype(int) - empty.frame(10)).max(axis=2) > 8
    assert abs(np.nonzero(changed)[0].min() - track.boxes[row, 1]) < 2
    # Within a pixel: a wrist may have the colour of what is behind it.
    hit = [changed[round(y) - 1 : round(y) + 2, round(x) - 1 : round(x) + 2].any() for x, y in track.xy[row]]
    assert np.mean(hit) >= 16 / 17
    moved = [changed[round(y), round(x) - 60 : round(x) - 57].any() for x, y in track.xy[row, :5] if x > 62]
    assert not any(moved), "the picture changes beside the head as well: the test sees noise"


def test_who_stands_behind_others_is_hidden() -> None:
    config = SceneConfig(seed=1, frames=30, width=160, height=90, people=6, occluders=0)
    scene = Scene(config)
    share = scene.visible_share
    assert share.shape == (30, 6)
    assert np.nanmax(share) == 1.0
    covered, free = [], []
    for track in scene.annotations.tracks:
        seen = share[track.frames, track.id]
        hidden = (track.visibility == 1).sum(axis=1) / np.maximum(track.labelled.sum(axis=1), 1)
        covered += hidden[seen < 0.4].tolist()
        free += hidden[seen == 1.0].tolist()
    assert len(covered) > 5 and len(free) > 5
    assert np.mean(covered) > np.mean(free) + 0.2


def test_the_face_is_hidden_from_behind() -> None:
    name = COCO_17.index
    hidden, shown = [], []
    for seed in range(4):
        config = SceneConfig(seed=seed, frames=60, width=128, height=96, occluders=0, people=1, motions=("walk",))
        track = Scene(config).annotations.track(0)
        torso = np.linalg.norm(track.xy[:, name("left_shoulder")] - track.xy[:, name("right_hip")], axis=1)
        # Facing the camera, the left ear is on the right of the picture. (NaN where one is outside compares False.)
        ears = (track.xy[:, name("left_ear"), 0] - track.xy[:, name("right_ear"), 0]) / torso
        hidden += (track.visibility[ears < -0.25, name("nose")] == 1).tolist()
        shown += (track.visibility[ears > 0.25, name("nose")] == 2).tolist()
    assert len(hidden) > 10 and len(shown) > 10, "the seeds show people from one side only"
    assert np.mean(hidden) > 0.97
    assert np.mean(shown) > 0.9


@pytest.mark.parametrize("motion", MOTIONS)
def test_bodies_stay_whole_and_on_the_ground(motion: str) -> None:
    actor = Actor(np.random.default_rng(3), (motion,), 3.0, Stage(2.5, 0.0, 0.0), cross=True)
    t = np.arange(0, 3, 1 / 60)
    bones = actor.bones(t)
    rest = actor.body.joints()
    for a, b in (("l_thigh", "l_shank"), ("r_shank", "r_foot"), ("l_upper_arm", "l_forearm"), ("neck", "head")):
        length = np.linalg.norm(bones.origin[:, BONE[a]] - bones.origin[:, BONE[b]], axis=1)
        assert np.allclose(length, np.linalg.norm(rest[BONE[a]] - rest[BONE[b]]), rtol=1e-6)
    unit = np.einsum("tbij,tbkj->tbik", bones.rotation, bones.rotation)
    assert np.allclose(unit, np.eye(3), atol=1e-9)
    ankle = bones.origin[:, [BONE["l_foot"], BONE["r_foot"]], 1].min(axis=1)
    assert ankle.min() > 0.9 * ANKLE_HEIGHT * actor.body.scale
    assert (ankle < 1.5 * ANKLE_HEIGHT).mean() > 0.25, "never stands on the ground"
    jump = np.linalg.norm(np.diff(bones.origin, axis=0), axis=2).max() * 60
    assert jump < 16, f"a joint moves at {jump:.0f} m/s"


def test_a_mirrored_motion_mirrors_the_body() -> None:
    channels = MOTIONS["throw"](np.random.default_rng(8))(np.linspace(0, 2, 7))
    body, still = Proportions(), np.zeros((7, 2))
    one = solve(body, channels, still, np.zeros(7)).origin
    other = solve(body, channels.mirrored(), still, np.zeros(7)).origin
    twin = [BONES.index({"l_": "r_", "r_": "l_"}.get(n[:2], n[:2]) + n[2:]) for n in BONES]
    assert np.allclose(other[:, twin], one * [-1, 1, 1], atol=1e-9)


def test_at_ease_the_left_hand_is_on_the_left() -> None:
    bones = solve(Proportions(), Channels(1), np.zeros((1, 2)), np.zeros(1))
    camera = CameraMove(np.random.default_rng(0), 320, 200, moving=False).at(0.0)
    left, _ = camera.project(bones.place("l_hand", np.zeros(3)))
    right, _ = camera.project(bones.place("r_hand", np.zeros(3)))
    # Facing the camera, the person's left is on the picture's right.
    assert left[0, 0] > 159.5 > right[0, 0]


@given(
    st.lists(st.tuples(st.floats(-5, 25), st.floats(-5, 17), st.floats(1, 9)), min_size=3, max_size=3),
)
@settings(max_examples=60, deadline=None)
def test_rasteriser_covers_the_pixels_inside(corners: list[tuple[float, float, float]]) -> None:
    points = np.array(corners)
    xy, depth = points[:, :2], points[:, 2]
    a, b, c = xy
    twice_area = float(np.cross(np.append(b - a, 0), np.append(c - a, 0))[2])
    assume(abs(twice_area) > 0.01)
    order = [0, 1, 2] if twice_area < 0 else [0, 2, 1]
    nearness = np.zeros(13 * 21, np.float32)
    hit = rasterise(xy, depth, np.array([order]), 21, 13, nearness)
    y, x = np.mgrid[:13, :21]
    inside = np.ones((13, 21), bool)
    margin = np.full((13, 21), np.inf)
    for i, j in ((0, 1), (1, 2), (2, 0)):
        p, q = xy[i], xy[j]
        side = ((q[0] - p[0]) * (y - p[1]) - (q[1] - p[1]) * (x - p[0])) * np.sign(twice_area)
        inside &= side >= 0
        margin = np.minimum(margin, np.abs(side))
    clear = margin > 1e-6
    covered = np.zeros((13, 21), bool)
    covered.reshape(-1)[hit.pixel] = True
    assert np.array_equal(covered[clear], inside[clear])
    # Perspective-correct weights times depth over depth are the screen's own: they give the pixel's place back.
    screen = hit.weight * depth[hit.corner] * hit.nearness[:, None]
    back = (xy[hit.corner] * screen[..., None]).sum(axis=1)
    assert np.allclose(back[:, 0], hit.pixel % 21, atol=2e-2) and np.allclose(back[:, 1], hit.pixel // 21, atol=2e-2)


def test_a_shared_edge_leaves_no_crack() -> None:
    rng = np.random.default_rng(4)
    for _ in range(40):
        inner = rng.uniform(8, 22, (1, 2))
        xy = np.concatenate([np.array([[0, 0], [30.0, 0], [30, 30], [0, 30]]) + rng.uniform(-0.4, 0.4, (4, 2)), inner])
        faces = np.array([[0, 4, 1], [1, 4, 2], [2, 4, 3], [3, 4, 0]])
        hit = rasterise(xy, np.ones(5), faces, 31, 31, np.zeros(31 * 31, np.float32))
        covered = np.zeros(31 * 31, bool)
        covered[hit.pixel] = True
        assert covered.reshape(31, 31)[2:28, 2:28].all()


def test_a_scene_without_people_is_a_scene() -> None:
    scene = Scene(SceneConfig(frames=2, width=64, height=48, people=0))
    assert scene.annotations.tracks == ()
    assert scene.frame(1).std() > 3


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"width": 191}, "width is 191; video needs an even number"),
        ({"frames": 0}, "frames is 0; give a value from 1"),
        ({"motions": ("fly",)}, "unknown motion 'fly'; known: walk, run"),
        ({"motions": ()}, "motions is empty"),
        ({"motion_blur": 1.5}, "motion_blur is 1.5"),
    ],
)
def test_bad_configs_say_so(values: dict[str, object], message: str) -> None:
    with pytest.raises(PwarpError, match=message):
        SceneConfig(**values)  # type: ignore[arg-type] # wrong on purpose


def test_writing_and_reading_back(tmp_path: Path) -> None:
    scene = Scene(replace(SMALL, frames=11))
    paths = write_scene(scene, tmp_path / "clip", every=4)
    assert [p.name for p in paths] == ["video.mp4", "truth.json", "keys.json"]
    with open_video(paths[0]) as video:
        assert (video.frame_count, video.width, video.height) == (11, 192, 160)
        error = np.abs(video.frame(7).astype(int) - scene.frame(7)).mean()
        assert error < 6
        truth = read(paths[1], video=video)
        keys = read(paths[2], video=video)
    for given_track, track in zip(scene.annotations.tracks, truth.tracks, strict=True):
        assert np.allclose(track.xy, given_track.xy, atol=1e-3, equal_nan=True)
        assert np.array_equal(track.visibility, given_track.visibility)
    assert set(keys.key_frames) <= {0, 4, 8, 10}
    for track in keys.tracks:
        whole = truth.track(track.id)
        assert np.array_equal(track.xy, whole.xy[np.isin(whole.frames, track.frames)], equal_nan=True)
    with pytest.raises(PwarpError, match="exists; give --force"):
        write_scene(scene, tmp_path / "clip")
    first = [hashlib.sha256(p.read_bytes()).hexdigest() for p in paths]
    write_scene(Scene(scene.config), tmp_path / "clip", every=4, force=True)
    assert first == [hashlib.sha256(p.read_bytes()).hexdigest() for p in paths]


def test_key_labels_mark_absence_between_key_frames() -> None:
    scene = Scene(SceneConfig(seed=0, frames=90, width=96, height=128, people=3, motions=("run",)))
    truth = scene.annotations
    keys = key_labels(truth, 15)
    wanted = np.array([0, 15, 30, 45, 60, 75, 89])
    assert keys.labelled is not None and np.array_equal(keys.labelled, wanted)
    away = 0
    for track in keys.tracks:
        full = truth.track(track.id)
        assert np.array_equal(track.frames, np.intersect1d(full.frames, wanted))
        assert np.array_equal(track.present_at(wanted), np.isin(wanted, full.frames))
        away += len(track.absent)
    assert away > 0, "nobody left the picture: choose another seed"


def test_command(tmp_path: Path) -> None:
    run = CliRunner().invoke
    arguments = ["synth", "-o", str(tmp_path), "--frames", "3", "--size", "96x64", "--clips", "2", "--every", "2"]
    result = run(main, [*arguments, "--motion", "walk", "--json"])
    assert result.exit_code == 0, result.output
    assert sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*.*")) == [
        f"{clip}/{name}" for clip in ("000", "001") for name in ("keys.json", "truth.json", "video.mp4")
    ]
    one, two = (read(tmp_path / clip / "truth.json") for clip in ("000", "001"))
    assert not one.same_as(two)
    assert run(main, ["synth", "-o", str(tmp_path), "--size", "big"]).exit_code == 2
    shown = run(main, ["synth", "--help"]).output
    assert all(motion in shown for motion in MOTIONS)


def linear_pck(truth: Annotations, gap: int) -> list[bool]:
    """Whether linear interpolation between key frames meets each visible keypoint within 0.1 torso."""
    hits: list[bool] = []
    count = truth.video.frame_count or 0
    keys = np.unique(np.append(np.arange(0, count, gap), count - 1))
    for track in truth.tracks:
        length = np.linalg.norm(track.xy[:, 5] - track.xy[:, 12], axis=1)
        for k in range(17):
            known = np.isin(track.frames, keys) & (track.visibility[:, k] > 0)
            asked = ~np.isin(track.frames, keys) & (track.visibility[:, k] == 2) & (length > 1)
            if known.sum() < 2:
                continue
            at = [np.interp(track.frames[asked], track.frames[known], track.xy[known, k, i]) for i in (0, 1)]
            hits += (np.hypot(*(np.array(at) - track.xy[asked, k].T)) <= 0.1 * length[asked]).tolist()
    return hits


def test_motion_does_not_flatter_interpolation() -> None:
    """On a real pitch (penn 0001) linear interpolation between every 15th frame reaches 78."""
    hits: list[bool] = []
    for seed in range(10):
        hits += linear_pck(Scene(SceneConfig(seed=seed, frames=61, width=96, height=72)).annotations, 15)
    share = 100 * np.mean(hits)
    assert 35 < share <= 78


def test_a_detector_takes_them_for_people(data_dir: Path) -> None:
    weights = data_dir / "weights" / "yolox_nano.onnx"
    network = cv2.dnn.readNetFromONNX(str(weights))
    found = asked = 0
    for seed in range(6):
        scene = Scene(SceneConfig(seed=seed, frames=2, width=416, height=416, occluders=0))
        picture = np.ascontiguousarray(scene.frame(0)[..., ::-1].transpose(2, 0, 1)[None], dtype=np.float32)
        network.setInput(picture)
        out = network.forward()[0]
        cells, strides = [], []
        for stride in (8, 16, 32):
            y, x = np.mgrid[: 416 // stride, : 416 // stride]
            cells.append(np.stack([x, y], 2).reshape(-1, 2))
            strides.append(np.full((len(cells[-1]), 1), stride))
        stride_of, cell = np.concatenate(strides), np.concatenate(cells)
        centre, extent = (out[:, :2] + cell) * stride_of, np.exp(out[:, 2:4]) * stride_of
        boxes = np.concatenate([centre - extent / 2, centre + extent / 2], 1)[out[:, 4] * out[:, 5] > 0.3]
        for track in scene.annotations.tracks:
            if track.at(0) is None or scene.visible_share[0, track.id] < 0.9 or not (track.visibility[0] > 0).all():
                continue
            low, high = np.maximum(boxes[:, :2], track.boxes[0, :2]), np.minimum(boxes[:, 2:], track.boxes[0, 2:])
            both = np.prod(np.maximum(high - low, 0), axis=1)
            either = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) + np.prod(track.boxes[0, 2:] - track.boxes[0, :2])
            asked += 1
            found += bool((both / (either - both) >= 0.5).any())
    assert asked >= 5
    assert found / asked >= 0.5


def test_settings_and_outputs_are_checked_before_anything_is_rendered(shell: Any, tmp_path: Path) -> None:
    size = ("--frames", "2", "--size", "32x32")
    for more in (("--dry-run",), ()):
        done = shell("synth", "-o", tmp_path / "odd", "--frames", "2", "--size", "33x33", *more)
        assert done.code == 2 and "video needs an even number" in done.err
    (tmp_path / "two/001").mkdir(parents=True)
    (tmp_path / "two/001/truth.json").write_text("mine")
    for more in (("--dry-run",), ()):
        done = shell("synth", "-o", tmp_path / "two", "--clips", "2", *size, *more)
        assert done.code == 1 and "001/truth.json: exists; give --force" in done.err
    assert not (tmp_path / "two/000").exists()
