"""What a sheet of heatmaps shows: a network's own, their parts, and each in its place over the crop."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from noise_clips import NAMES, Noise, labels, tracked
from toy_models import MODELS, RECURRENT, toy_runner

from pwarp.annotations import Annotations, Source, Track
from pwarp.crops import Window
from pwarp.errors import PwarpError
from pwarp.estimation.checkpoint import TorchEstimator
from pwarp.heatmaps import Codec
from pwarp.refinement.refine import walk_along
from pwarp.review.heatmap_sheet import _panel, heatmap_sheet
from pwarp.review.heatmaps import Seen, look, people


def quiet(_count: int) -> None:
    """Nobody listens."""


def seen(poses: Annotations, runner: Any, wanted: list[tuple[int, int]]) -> list[Seen]:
    return look(Noise(), poses, runner, wanted, started=quiet, advance=quiet)


@pytest.mark.parametrize("name", MODELS)
def test_a_network_shows_what_its_estimates_are_read_from(name: str) -> None:
    runner = toy_runner(name, NAMES)
    poses = labels(tracked([2, 3, 4, 5, 6, 9], step=1.7), tracked([4, 5, 6], id=2))
    found = seen(poses, runner, [(5, 1), (6, 1), (5, 2)])
    assert [(one.frame, one.track) for one in found] == [(5, 1), (5, 2), (6, 1)]
    walk = walk_along(Noise(), poses.tracks, runner)
    maps = {
        (a.frame, poses.tracks[n].id): a.heatmaps[i].numpy()
        for a in walk.looks(quiet)
        for i, (n, _) in enumerate(a.places)
    }
    for one in found:
        parts = dict(one.parts)
        np.testing.assert_allclose(parts["sum" if name == "ppn" else name], maps[one.frame, one.track], atol=1e-3)
    # The parts are what the networks inside see in the crop that is shown.
    pixels, parts = runner.normalised(found[0].crop[None]), dict(found[0].parts)
    with torch.no_grad():
        if name == "ppn":
            np.testing.assert_allclose(parts["BodyNet"], runner.model.body(pixels)[0].numpy(), atol=1e-4)
            np.testing.assert_allclose(parts["BodyNet"] + parts["PPU"], parts["sum"], atol=1e-3)
        elif name == "dkd":
            np.testing.assert_allclose(parts["initialiser alone"], runner.model.initial(pixels)[0].numpy(), atol=1e-4)
        elif name != "glpose":
            np.testing.assert_allclose(parts["toy alone"], runner.model.backbone(pixels)[0].numpy(), atol=1e-4)
    window: Window = walk.window((0, 3))
    there = poses.tracks[0].xy[3] @ window.matrix((48, 64))[:, :2].T + window.matrix((48, 64))[:, 2]
    np.testing.assert_allclose(found[0].here, there, atol=1e-9)


@pytest.mark.parametrize("name", RECURRENT)
def test_frames_after_the_last_shown_are_not_looked_at(name: str) -> None:
    runner = toy_runner(name, NAMES)
    seen(labels(tracked(list(range(20))), tracked(list(range(20)), id=2)), runner, [(4, 1)])
    assert runner.seen == 5


def test_nor_frames_that_no_shown_one_needs() -> None:
    runner = toy_runner("dcpose", NAMES)
    seen(labels(tracked(list(range(20)))), runner, [(4, 1), (15, 1)])
    assert runner.seen == 6


def test_ppn_without_skip_gives_out_what_it_propagates() -> None:
    (one,) = seen(labels(tracked([1, 2])), toy_runner("ppn", NAMES, skip=False), [(2, 1)])
    assert [part for part, _ in one.parts] == ["BodyNet", "PPU"]


def test_a_baseline_stands_below_in_the_order_of_the_network_above() -> None:
    """Figure 3 of DKD: what it sees and what a network of single frames sees of the same crop."""
    runner = toy_runner("dkd", NAMES)
    baseline = toy_runner("dcpose", tuple(reversed(NAMES)))
    alone = TorchEstimator("baseline", baseline.model, baseline.card, torch.device("cpu"))
    wanted = [(2, 1)]
    (one,) = look(Noise(), labels(tracked([1, 2])), runner, wanted, beside=alone, started=quiet, advance=quiet)
    assert [part for part, _ in one.parts] == ["dkd", "initialiser alone", "baseline"]
    np.testing.assert_array_equal(one.parts[-1][1], alone.heatmaps(one.crop[None])[0].numpy()[::-1])
    for names, more, said in ((("a", "b", "c"), {}, "is a keypoint of"), (NAMES, {"size": (64, 64)}, "other crops")):
        other = toy_runner("dcpose", names)
        card = replace(other.card, codec=replace(other.card.codec, **more))
        alone = TorchEstimator("baseline", other.model, card, torch.device("cpu"))
        with pytest.raises(PwarpError, match=said):
            look(Noise(), labels(tracked([1, 2])), runner, wanted, beside=alone, started=quiet, advance=quiet)


def test_who_can_be_looked_at() -> None:
    empty = np.full((2, 3, 2), np.nan)
    boxed = Track.make(7, [3, 4], empty, boxes=[(1, 2, 30, 40), (np.nan,) * 4])
    nobody = Track.make(8, [3], empty[:1])
    assert people(labels(tracked([4, 6]), boxed, nobody)) == [(3, 7), (4, 1), (6, 1)]
    with pytest.raises(PwarpError, match="neither boxes nor keypoints"):
        people(labels(nobody))
    away = Track.make(1, [3], empty[:1], boxes=[(500, 20, 540, 80)])
    with pytest.raises(PwarpError, match="no box shows anything of the picture"):
        seen(labels(away), toy_runner("ppn", NAMES), [(3, 1)])


def test_keypoints_that_the_labels_call_otherwise_have_no_ring() -> None:
    made = np.full((1, 3), Source.DETECTED)
    poses = labels(tracked([3], source=made), names=("tail", "point_2", "point_0"))
    (one,) = seen(poses, toy_runner("ppn", NAMES), [(3, 1)])
    assert np.isfinite(one.here).all(axis=1).tolist() == [True, False, True]


@pytest.mark.parametrize("kind", ["dark", "udp"])
def test_a_heatmap_lies_where_the_keypoint_is(kind: Any) -> None:
    codec = Codec(kind, (48, 64), 4, 1.5)
    here = np.array([30.0, 22.0])
    maps = codec.encode(torch.tensor(here)[None, None], torch.ones(1, 1))[0][0, 0].float().numpy()
    crop = np.full((128, 96, 3), 90, np.uint8)
    plain = _panel(crop, maps, 1.0, np.full(2, np.nan), codec).astype(int).sum(axis=2)
    bright = np.argwhere(plain > plain.max() - 6).mean(axis=0)[::-1]
    np.testing.assert_allclose(bright, (here + 0.5) * 2 - 0.5, atol=1.5)
    ringed = _panel(crop, maps, 1.0, here, codec).astype(int).sum(axis=2)
    changed = np.argwhere(ringed != plain)
    np.testing.assert_allclose(changed.mean(axis=0)[::-1], (here + 0.5) * 2 - 0.5, atol=0.6)


def test_all_parts_of_a_keypoint_have_one_scale() -> None:
    codec, crop = Codec("dark", (48, 64)), np.zeros((64, 48, 3), np.uint8)
    weak, strong = (np.full((2, 16, 12), v, np.float32) for v in (0.25, 1.0))
    one = Seen(3, 1, crop, (("weak", weak), ("strong", strong)), np.full((2, 2), np.nan))
    sheet = heatmap_sheet([one, one], ("a", "b"), [1], codec, "title")
    height, width = sheet.shape[:2]
    assert width == 6 + 2 * (96 + 6)
    panels = [sheet[top : top + 128, 108:204] for top in range(height - 128) if _is_panel(sheet, top)]
    assert len(panels) == 4
    assert panels[0].sum() < panels[1].sum()
    np.testing.assert_array_equal(panels[0], panels[2])


def _is_panel(sheet: np.ndarray, top: int) -> bool:
    """Whether a panel of one colour starts in a row of the second column."""
    part = sheet[top : top + 128, 108:204]
    return bool((part == part[0, 0]).all() and (sheet[top - 1, 108:204] != part[0, 0]).any() and part.sum() > 24 * 3e4)
