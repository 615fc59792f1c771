"""What an estimator's heatmaps do to the engine `auto`, by estimators that are known to the last cell."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from engines import KNOWN
from moving_texture import MovingTexture, labels
from toy_warper import toy_checkpoint

from pwarp import estimation
from pwarp.annotations import Annotations, Track
from pwarp.errors import PwarpError
from pwarp.estimation import Estimator
from pwarp.following import course_along, feature_store
from pwarp.following.feature_store import FeatureStore
from pwarp.heatmaps import Codec
from pwarp.propagation import Options, Reach, propagate
from pwarp.propagation.engine import fixed
from pwarp.propagation.evidence import Evidence, EvidenceConfig
from pwarp.propagation.look import Seen
from pwarp.propagation.plan import plan, spans
from pwarp.propagation.walk import strands
from pwarp.skeleton import Skeleton
from pwarp.video import Color, Picture

WIDTH, HEIGHT, FRAMES = 150, 110, 23
PAWS = Skeleton("paws", ("tail", "left_paw", "right_paw", "nose"), flip_pairs=((1, 2),))
CODEC = Codec("dark", (48, 64), stride=1)
WIDE = EvidenceConfig(near=0.25)  # 11 pixels
OWN, OTHER = np.array([0, 1, 2, -1]), np.array([0, 2, 1, -1])


def person(t: float) -> np.ndarray:
    """(4, 2) tail in the middle, paws to the right and left of it, nose above."""
    x, y = 70 + 5 * np.sin(t / 3.5), 55 + 3 * np.cos(t / 4.5)
    return np.array([(x, y), (x + 14, y + 16), (x - 14, y + 16), (x, y - 15)])


def truth(frames: list[int], visibility: Any = 2, skeleton: Skeleton = PAWS) -> Annotations:
    xy = np.array([person(t) for t in frames])
    track = Track.make(4, frames, xy, np.broadcast_to(visibility, xy.shape[:2]))
    return Annotations(skeleton, tracks=(track,))


class Flicker(MovingTexture):
    """Red dots at tail and paws, in noise that is another one in every frame. Without colour nothing is to be seen."""

    def __init__(self) -> None:
        super().__init__(WIDTH, HEIGHT, FRAMES)

    def _read(self, ordinal: int, color: Color) -> Picture:
        self.decoded += 1
        noise = np.random.default_rng(ordinal).integers(0, 120, (HEIGHT, WIDTH)).astype(np.uint8)
        if color == "gray":
            return noise
        picture = np.repeat(noise[..., None], 3, axis=2)
        y, x = np.mgrid[:HEIGHT, :WIDTH]
        for px, py in person(ordinal)[:3]:
            picture[(x - px) ** 2 + (y - py) ** 2 <= 9, 0] = 255
        return picture


class RedDots(Estimator):
    """Sees red dots: the left paw is the one below and to the right of the middle, as on a person who faces us."""

    def __init__(self, skeleton: Skeleton = PAWS) -> None:
        self.name, self.skeleton = "dots.onnx", skeleton
        self.codec = Codec("dark", (96, 128), stride=2)
        self.crops = 0

    def heatmaps(self, crops: np.ndarray) -> torch.Tensor:
        self.crops += len(crops)
        red = crops[..., 0].astype(np.float32)
        mean = torch.nn.functional.avg_pool2d(torch.from_numpy(red)[:, None], 5, 1, 2)[:, 0, ::2, ::2]
        heat = ((mean - 140) / 110).clamp(0, 1)
        rows, columns = heat.shape[1:]
        y, x = torch.arange(rows)[:, None] - 0.5 * rows, torch.arange(columns)[None] - 0.5 * columns
        where = {
            "left_paw": (x > 11) & (y > 11),
            "right_paw": (x < -11) & (y > 11),
            "tail": (x.abs() <= 11) & (y.abs() <= 11),
        }
        nowhere = torch.zeros(rows, columns, dtype=torch.bool)
        return torch.stack([heat * where.get(name, nowhere) for name in self.skeleton.keypoints], dim=1)


def run(
    monkeypatch: pytest.MonkeyPatch, estimator: Estimator, sparse: Annotations, said: list[str] | None = None
) -> Track:
    monkeypatch.setattr(estimation, "open_estimator", lambda *_: estimator)
    listen = (lambda _: None) if said is None else said.append
    options = Options("auto", Reach(beyond=0), settings={"estimator": "dots.onnx"})
    return propagate(Flicker(), sparse, options, tell=listen).track(4)


def error(found: Track) -> np.ndarray:
    """(4,) median distance of each keypoint from the truth."""
    off = np.linalg.norm(found.xy - np.array([person(t) for t in found.frames]), axis=2)
    return np.median(off, axis=0)


def test_evidence_helps_where_flow_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = error(propagate(Flicker(), truth([0, 22]), Options("auto")).track(4))[:3]
    seen = error(run(monkeypatch, RedDots(), truth([0, 22])))[:3]
    assert (seen < 0.9 * alone).all()
    assert seen.mean() < 0.7 * alone.mean()


def test_labels_with_sides_swapped_are_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    swapped = Skeleton("other", ("tail", "right_paw", "left_paw", "nose"), flip_pairs=((1, 2),))
    found, same = (run(monkeypatch, RedDots(), truth([0, 22], skeleton=names)) for names in (swapped, PAWS))
    assert found.same_as(same)


def test_keypoints_that_it_does_not_know_are_as_without_it_to_the_last_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    knows = Skeleton("few", ("left_paw", "tail"))
    keys = truth([0, 22], [[2, 2, 2, 2], [2, 2, 0, 2]])  # one of them known from one side only
    alone = propagate(Flicker(), keys, Options("auto", Reach(beyond=0))).track(4)
    seen = run(monkeypatch, RedDots(knows), keys, said)
    assert "2 of 4 keypoints (right_paw, nose)" in said[0]
    np.testing.assert_array_equal(seen.xy[:, 2:], alone.xy[:, 2:])
    np.testing.assert_array_equal(seen.score[:, 2:], alone.score[:, 2:])
    assert not np.array_equal(seen.xy[:, :2], alone.xy[:, :2])


def test_who_sees_nothing_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Blind(RedDots):
        def heatmaps(self, crops: np.ndarray) -> torch.Tensor:
            return 0 * super().heatmaps(crops)

    alone = propagate(Flicker(), truth([0, 22]), Options("auto", Reach(beyond=0))).track(4)
    np.testing.assert_allclose(run(monkeypatch, Blind(), truth([0, 22])).xy, alone.xy, atol=0.02)


def test_nothing_in_common_is_an_error_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PwarpError, match=r"dots.onnx: knows none of the keypoints of 'paws'"):
        run(monkeypatch, RedDots(Skeleton("bird", ("beak", "wing"))), truth([0, 22]))


def test_labels_stay_and_each_crop_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    # Key frame 9 ends one strand and begins the next.
    keys, estimator = truth([0, 9, 10, 22], [[2, 2, 2, 2], [2, 2, 2, 2], [2, 0, 2, 2], [2, 2, 1, 2]]), RedDots()
    found, given = run(monkeypatch, estimator, keys), keys.tracks[0]
    assert found.xy[given.frames][given.by_person].tobytes() == given.xy[given.by_person].tobytes()
    assert estimator.crops == 2 * FRAMES  # and its mirror image


def test_maps_in_a_file_and_frames_in_blocks_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    from pwarp.propagation import walk

    few = run(monkeypatch, RedDots(), truth([0, 11, 22], [[2, 2, 2, 2], [2, 0, 2, 2], [2, 2, 2, 2]]))
    monkeypatch.setattr(feature_store, "IN_MEMORY", 0)
    monkeypatch.setattr(walk, "_MEMORY", 1.0)
    many = run(monkeypatch, RedDots(), truth([0, 11, 22], [[2, 2, 2, 2], [2, 0, 2, 2], [2, 2, 2, 2]]))
    assert many.same_as(few)


def test_progress_hears_of_every_frame_once() -> None:
    options = Options("auto", settings={"estimator": str(toy_checkpoint(KNOWN)), "device": "cpu"})
    xy = np.array([person(t)[:3] for t in (3, 10, 17)])
    started: list[int] = []
    done: list[int] = []
    propagate(Flicker(), labels(Track.make(1, [3, 10, 17], xy)), options, started=started.append, advance=done.append)
    assert sum(started) == sum(done) > 14
    assert min(done) >= 0


def test_a_device_without_a_network_is_refused() -> None:
    with pytest.raises(PwarpError, match="give --estimator"):
        propagate(Flicker(), truth([0, 22]), Options("auto", settings={"device": "cpu"}))


def test_runs_are_told_apart_by_what_is_in_the_estimator(tmp_path: Any) -> None:
    names = ("pose.onnx", "pose.onnx.json", "pose.warp.onnx", "pose.onnx.data")
    network, beside, warping, weights = (tmp_path / name for name in names)
    network.write_bytes(b"one")
    spec = {"estimator": f"onnx:{network}"}
    one = fixed(spec)
    assert fixed(spec) == one
    beside.write_bytes(b"{}")
    two = fixed(spec)
    warping.write_bytes(b"warps")
    three = fixed(spec)
    warping.write_bytes(b"warps otherwise")
    four = fixed(spec)
    weights.write_bytes(b"large ones")
    five = fixed(spec)
    network.write_bytes(b"other")
    assert len({one, two, three, four, five, fixed(spec)}) == 6


def seen(keys: dict[int, list[int]], aside: dict[int, tuple[float, float]], swapped: tuple[int, ...] = ()) -> Seen:
    """A strand of 13 frames, labelled in some by visibility, and maps with a Gaussian for every keypoint of PAWS but
    the nose, `aside` of it by pixels in some frames, left and right traded in some."""
    frames = sorted(keys)
    pieces = plan(truth(frames, [keys[t] for t in frames]), FRAMES, Reach(beyond=0))
    strand = strands(next(iter(spans(pieces, FRAMES))), 190.0)[0]
    rows = np.arange(strand.plan.first, strand.plan.last + 1)
    xy = np.array([person(t)[:3] for t in rows])
    course = course_along(xy.mean(axis=1), (48.0, 64.0), CODEC)
    maps = FeatureStore((len(rows), 3, 64, 48))
    for row in rows.tolist():
        places = course.to_crop(xy[row] + aside.get(row, (0.0, 0.0)), row)
        if row in swapped:
            places = places[[0, 2, 1]]
        maps[row] = CODEC.encode(torch.tensor(places[None]).float(), torch.ones(1, 3))[0][0]
    return Seen(strand, course, maps)


def place(evidence: Evidence, row: int) -> np.ndarray:
    """(4, 2) where most speaks for each keypoint in a row, from where it is; on a lattice of half pixels."""
    line = np.arange(-8, 8.25, 0.5)
    around = np.stack(np.meshgrid(line, line), axis=-1)
    odds = evidence.odds(row, (person(row)[:, None, None] + around).astype(np.float32))
    return around.reshape(-1, 2)[odds.reshape(4, -1).argmax(axis=1)]


def test_the_offset_is_that_of_the_key_frames_five_sixths_of_it_where_it_is_steady() -> None:
    same = dict.fromkeys(range(13), (6.0, -3.0))
    evidence = Evidence(seen({0: [2] * 4, 12: [2] * 4}, same), OWN, OTHER, WIDE)
    for row in (0, 5, 12):
        np.testing.assert_allclose(place(evidence, row)[:3], np.broadcast_to((1.0, -0.5), (3, 2)), atol=0.3)


def test_it_changes_from_key_frame_to_key_frame() -> None:
    drifting = {t: (0.5 * t, 0.0) for t in range(13)}
    evidence = Evidence(seen({0: [2] * 4, 12: [2] * 4}, drifting), OWN, OTHER, WIDE)
    left = np.array([place(evidence, row)[1, 0] for row in (0, 6, 12)])
    np.testing.assert_allclose(left, (0, 0.5, 1), atol=0.3)  # a sixth of it is left


def test_the_side_is_that_of_the_key_frames_around() -> None:
    right = Evidence(seen({0: [2] * 4, 12: [2] * 4}, {}), OWN, OTHER)
    wrong = Evidence(seen({0: [2] * 4, 12: [2] * 4}, {}, tuple(range(13))), OWN, OTHER)
    for row in range(13):
        np.testing.assert_allclose(place(right, row)[:3], 0, atol=0.6)
        np.testing.assert_allclose(place(wrong, row)[:3], 0, atol=0.6)


def test_a_label_says_nothing_about_frames_beyond_its_neighbours() -> None:
    partly = {0: [2] * 4, 4: [2, 0, 2, 2], 8: [2, 0, 2, 2], 12: [2] * 4}  # one strand: the left paw is open throughout
    told = {**partly, 6: [2, 0, 0, 0]}  # a correction of the tail between 4 and 8
    aside = {6: (5.0, 5.0)}
    points = np.random.default_rng(3).uniform(30, 110, (4, 7, 5, 2)).astype(np.float32)
    before, after = (Evidence(seen(keys, aside), OWN, OTHER) for keys in (partly, told))
    changed = {row for row in range(13) if not np.array_equal(before.odds(row, points), after.odds(row, points))}
    assert changed == {5, 6, 7}


def test_points_outside_the_window_and_unknown_keypoints_have_even_odds() -> None:
    evidence = Evidence(seen({0: [2] * 4, 12: [2] * 4}, {}), OWN, OTHER)
    far = np.full((4, 3, 5, 2), -1e6, np.float32)
    odds = evidence.odds(3, far)
    assert np.unique(odds[:3]).tolist() == [np.float32(np.log(np.float32(0.1)))]
    near = evidence.odds(3, (person(3)[:, None, None] + np.zeros((3, 5, 2))).astype(np.float32))
    assert not odds[3].any() and not near[3].any()
    assert (near[:3] > odds[:3]).all()
