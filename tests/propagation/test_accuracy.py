"""Whether what is propagated is right: against motion that is known exactly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
import pytest
from moving_texture import MovingTexture, labels, poses

from pwarp.annotations import Track
from pwarp.propagation import Options, Reach, propagate
from pwarp.synthetic import Scene, SceneConfig, key_labels
from pwarp.video import Color, Picture

WAYS = {
    "straight": lambda t: (0.73 * t, -0.41 * t),
    "to and fro": lambda t: (8 * np.sin(t / 5), 5 * np.cos(t / 4)),
    "ever faster": lambda t: (0.09 * t * t, 0.03 * t * t),
}


@pytest.mark.parametrize("engine", ["auto", "flow"])
@pytest.mark.parametrize("keys", [[0, 20], [7]], ids=["from both sides", "from one"])
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_moving_texture_is_followed_within_half_a_pixel(
    engine: str, keys: list[int], way: Callable[[float], tuple[float, float]]
) -> None:
    video = MovingTexture(141, 110, 21, way)
    moved = np.array([way(t) for t in range(21)]) - way(0)
    truth = poses([0], (60, 56), 7, spread=18) + moved[:, None]
    dense = propagate(video, labels(Track.make(0, keys, truth[keys])), Options(engine, Reach(beyond=20))).track(0)
    assert dense.frames.tolist() == list(range(21))
    assert np.linalg.norm(dense.xy - truth, axis=2).max() < 0.5


class Rendered(MovingTexture):
    """The pictures of a scene, kept."""

    def __init__(self, pictures: list[Picture]) -> None:
        self._pictures = pictures
        height, width = pictures[0].shape[:2]
        super().__init__(width, height, len(pictures))

    def _read(self, ordinal: int, color: Color) -> Picture:
        rgb = self._pictures[ordinal]
        return rgb if color == "rgb" else np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), np.uint8)


class Clip:
    """A rendered clip, and how well engines do on it."""

    def __init__(self, config: SceneConfig) -> None:
        scene = Scene(config)
        self._video = Rendered(list(scene.frames()))
        self._truth = replace(scene.annotations, video=self._video.identity)
        self._found: dict[tuple[str, int], tuple[np.ndarray, np.ndarray]] = {}

    def found(self, engine: str, every: int) -> tuple[np.ndarray, np.ndarray]:
        """For all visible keypoints between the key frames: how far off they are, in torsos, and their scores."""
        if (engine, every) not in self._found:
            keys = key_labels(self._truth, every)
            dense = propagate(self._video, keys, Options(engine))
            rows = [self._compare(track, dense.track(track.id), keys.key_frames) for track in self._truth.tracks]
            self._found[engine, every] = tuple(np.concatenate(part) for part in zip(*rows, strict=True))
        return self._found[engine, every]

    def _compare(self, truth: Track, found: Track, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        torso = np.nanmedian(np.linalg.norm(truth.xy[:, 5] - truth.xy[:, 12], axis=1))
        off, score = np.full(truth.score.shape, np.inf), np.zeros(truth.score.shape)
        _, mine, theirs = np.intersect1d(truth.frames, found.frames, return_indices=True)
        off[mine] = np.linalg.norm(found.xy[theirs] - truth.xy[mine], axis=2) / torso
        score[mine] = found.score[theirs]
        asked = (truth.visibility == 2) & ~np.isin(truth.frames, keys)[:, None]
        # What was left unlabelled counts as a miss that the engine knew of.
        return np.nan_to_num(off[asked], nan=np.inf), np.nan_to_num(score[asked])


@pytest.fixture(scope="module")
def clips() -> list[Clip]:
    """Small and quickly rendered, as long as the longest gap asked about: two people who cross, and two alone."""
    small = SceneConfig(frames=16, width=192, height=160, samples=1)
    return [Clip(replace(small, seed=seed, people=people)) for seed, people in [(1, 2), (3, 1), (4, 1)]]


def pck(clips: list[Clip], engine: str, every: int) -> float:
    """Percentage of keypoints within a tenth of the torso, over all clips."""
    return float(100 * np.concatenate([clip.found(engine, every)[0] <= 0.1 for clip in clips]).mean())


def test_on_rendered_people_auto_is_far_better_than_the_simple_engines_at_15_frames(clips: list[Clip]) -> None:
    auto, flow, farneback, linear, copy = (
        pck(clips, engine, 15) for engine in ("auto", "flow", "farneback", "linear", "copy")
    )
    assert auto > linear + 12
    assert auto > copy + 30
    assert auto > farneback + 1
    assert flow > copy + 20


def test_on_rendered_people_auto_is_never_much_worse_at_5_frames(clips: list[Clip]) -> None:
    best = max(pck(clips, engine, 5) for engine in ("copy", "linear", "pchip", "flow"))
    assert pck(clips, "auto", 5) > best - 2


def test_auto_knows_where_it_is_lost(clips: list[Clip]) -> None:
    off, score = (np.concatenate(part) for part in zip(*(clip.found("auto", 15) for clip in clips), strict=True))
    right, wrong = score[off <= 0.1], score[off > 0.1]
    # Of a hit and a miss taken at random, the hit has the higher score far more often than not.
    assert (right[:, None] > wrong).mean() > 0.65
