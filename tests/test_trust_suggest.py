"""`pwarp suggest`: which frames are named, on doubts that are known by hand."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numbered_clips import make_clip
from pwarp_cli.main import run

from pwarp import formats
from pwarp.annotations import Annotations, Replaced, Source, Track, VideoIdentity
from pwarp.errors import PwarpError
from pwarp.skeleton import Skeleton
from pwarp.trust.doubt import between, doubts, scores_tell
from pwarp.trust.suggest import STRATEGIES, suggest

FISH = Skeleton("fish", ("mouth", "fin", "tail"), edges=((0, 1), (1, 2)))
FRAMES = 41


def dense(keys: list[int], score: np.ndarray | None = None, *, id: int = 3, xy: np.ndarray | None = None) -> Track:
    """A track over all frames with key frames and scores (F, 3) elsewhere; without, scores that tell distance alone."""
    frames = np.arange(FRAMES)
    if xy is None:
        xy = np.zeros((FRAMES, 3, 2)) + np.array([[10.0, 40.0], [30.0, 40.0], [60.0, 40.0]])
    given = np.isin(frames, keys)
    before = np.array([max((k for k in keys if k <= f), default=-1) for f in frames])
    after = np.array([min((k for k in keys if k >= f), default=-1) for f in frames])
    if score is None:
        away = np.array([min(abs(f - k) for k in keys) for f in frames])
        score = np.repeat(0.9 ** away[:, None], 3, axis=1)
    return Track.make(
        id,
        frames,
        xy,
        score=np.where(given[:, None], np.nan, score),
        source=np.where(given[:, None], Source.MANUAL, Source.PROPAGATED).repeat(3, axis=1),
        origin=np.where(given[:, None, None], -1, np.stack([before, after], axis=1)[:, None].repeat(3, axis=1)),
    )


def labels(*tracks: Track) -> Annotations:
    return Annotations(FISH, VideoIdentity(width=128, height=80, frame_count=FRAMES), tracks)


def frames(annotations: Annotations, count: int, strategy: str) -> list[int]:
    return [s.frame for s in suggest(annotations, count, strategy)]  # type: ignore[arg-type]


def test_uniform_halves_the_longest_gap() -> None:
    assert frames(labels(dense([0, 16, 40])), 4, "uniform") == [28, 8, 22, 34]
    # What lies beyond the last key frame counts double, and is asked for at its end.
    assert frames(labels(dense([0, 16, 30])), 2, "uniform") == [40, 8]


def test_an_absence_is_no_gap_to_be_halved() -> None:
    """Frames beside a mark lie beyond a key frame, however far the next one is behind it."""
    left = dense([0, 5, 35, 40])
    left = replace(left.rows(np.flatnonzero((left.frames < 8) | (left.frames > 32))), absent=np.array([[8, 32]]))
    found = suggest(labels(left, dense([0, 20, 40], id=7)), 20, "uniform")
    assert [s.frame for s in found[:2]] == [10, 30]
    assert {s.frame: s.gap for s in found}[7] == (5, None)
    assert {s.frame: s.gap for s in found}[33] == (None, 35)


def test_score_takes_the_least_sure_frame_of_each_gap() -> None:
    score = np.full((FRAMES, 3), 0.9)
    score[5, 1], score[6, 1], score[30, 2], score[20] = 0.1, 0.2, 0.4, (0.6, 0.9, 0.9)
    found = suggest(labels(dense([0, 16, 24, 40], score)), 3, "score")
    assert [s.frame for s in found] == [5, 30, 20]
    assert [s.gap for s in found] == [(0, 16), (24, 40), (16, 24)]
    assert found[0].doubtful == (1, pytest.approx(0.1))


def test_expected_goes_where_most_is_to_gain() -> None:
    """One doubtful gap among sure ones gets frame after frame, in its middle first, then on either side of it."""
    score = np.full((FRAMES, 3), 0.999)
    score[17:24] = 0.3
    first, second, third = suggest(labels(dense([0, 16, 24, 40], score)), 3, "expected")
    assert first.frame == 20
    assert {second.frame // 21, third.frame // 21} == {0, 1}
    assert all(16 < s.frame < 24 for s in (second, third))
    assert first.gain > second.gain >= third.gain > 0


def test_the_gain_of_a_key_frame_by_hand() -> None:
    """Between 0 and 4 the middle is labelled: it turns right, and the doubts beside it fall to (1/2) / (3/4)."""
    frames_ = np.arange(5)
    source = np.full((5, 3), Source.PROPAGATED)
    source[[0, 4]] = Source.MANUAL
    score = np.full((5, 3), np.nan)
    score[1:4] = np.array([0.5, 0.4, 0.6])[:, None]
    xy = np.zeros((5, 3, 2)) + np.array([[10.0, 40.0], [30.0, 40.0], [60.0, 40.0]])
    origin = np.full((5, 3, 2), -1)
    origin[1:4] = 0, 4
    track = Track.make(1, frames_, xy, score=score, source=source, origin=origin)
    one = Annotations(FISH, VideoIdentity(frame_count=5), (track,))
    (found,) = suggest(one, 1, "uniform")
    assert found.frame == 2
    left = (1 / 2) / (3 / 4)
    assert found.gain == pytest.approx(3 * ((1 - 0.4) + (0.5**left - 0.5) + (0.6**left - 0.6)))


def test_people_count_together_and_who_gains_nothing_is_not_named() -> None:
    sure, unsure = np.full((FRAMES, 3), 0.999), np.full((FRAMES, 3), 0.999)
    unsure[9:16] = 0.2
    both = labels(dense([0, 20, 40], sure, id=1), dense([0, 20, 40], unsure, id=2))
    found = suggest(both, 1, "expected")[0]
    assert found.tracks == (2,)
    assert 9 <= found.frame < 16


def test_scores_that_tell_the_distance_alone_say_nothing() -> None:
    assert not scores_tell(labels(dense([0, 20, 40])))
    score = np.full((FRAMES, 3), 0.9)
    score[7, 2] = 0.8
    assert scores_tell(labels(dense([0, 20, 40], score)))
    assert not scores_tell(labels())


def test_without_telling_scores_motion_counts() -> None:
    """The tail beats in the second half only; frames there are worth more, and a straight swim is worth little."""
    xy = np.zeros((FRAMES, 3, 2)) + np.array([[10.0, 40.0], [30.0, 40.0], [60.0, 40.0]])
    keys = [0, 8, 16, 24, 32, 40]
    for key, y in ((24, 0.0), (32, 5.0), (40, 0.0)):
        xy[key, 2, 1] += y
    for f in range(24, FRAMES):
        xy[f, 2, 1] = np.interp(f, [24, 32, 40], [40.0, 45.0, 40.0])
    found = suggest(labels(dense(keys, xy=xy)), 2, "expected")
    assert all(s.frame > 24 for s in found)
    assert all(s.doubtful[0] == 2 for s in found)
    (doubt,) = doubts(labels(dense(keys, xy=xy)))
    rows = np.searchsorted(doubt.frames, [4, 28])
    assert doubt.m[rows[1], 2] > 5 * doubt.m[rows[0], 2] > 0


def test_between_by_hand() -> None:
    frames_ = np.array([1.0, 2.0, 3.0])
    assert between(frames_, np.zeros(3), np.full(3, 4.0)).tolist() == [0.75, 1.0, 0.75]
    assert between(frames_, np.zeros(3), np.full(3, np.inf)).tolist() == [1, 2, 3]
    assert between(frames_, np.full(3, -np.inf), np.full(3, 4.0)).tolist() == [3, 2, 1]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_frame_in_which_a_person_set_one_keypoint_is_not_suggested_again(strategy: str) -> None:
    """Somebody half out of the picture: the rest of them is propagated for ever, though it was looked at."""
    one = dense([0, 40])
    source, score, origin = one.source.copy(), one.score.copy(), one.origin.copy()
    source[:, 1] = Source.PROPAGATED
    for row in (19, 20, 21):
        source[row, 0], score[row, 0], origin[row, 0] = Source.MANUAL, np.nan, -1
    half = Track.make(3, one.frames, one.xy, score=score, source=source, origin=origin)
    assert not {0, 19, 20, 21, 40} & set(frames(labels(half), 1000, strategy))
    assert frames(labels(half), 1, "uniform") == [9]
    # All frames were looked at: nothing is left, and nothing is wrong.
    source[:, 0] = Source.MANUAL
    score[:, 0], origin[:, 0] = np.nan, -1
    seen = Track.make(3, one.frames, one.xy, score=score, source=source, origin=origin)
    assert frames(labels(seen), 5, strategy) == []


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_frames_that_propagation_passed_over_are_asked_for(strategy: str) -> None:
    """As --max-gap leaves them, or --min-score."""
    whole = dense([0, 10, 40])
    left = whole.rows(np.flatnonzero((whole.frames <= 10) | (whole.frames == 40)))
    assert 11 <= frames(labels(left), 1, strategy)[0] <= 39
    assert set(frames(labels(left), 1000, strategy)) == {*range(1, 10), *range(11, 40)}
    assert frames(labels(left), 2, "uniform") == frames(labels(whole), 2, "uniform") == [25, 17]
    # Nobody is missing in a frame in which a person took everything away, nor a keypoint that a key frame lacks.
    gone = tuple(Replaced(25, k, 1.0, 2.0, 2, Source.PROPAGATED) for k in range(3))
    assert 25 not in frames(labels(replace(left, replaced=gone)), 1000, strategy)
    sparse = Track.make(3, [0, 40], whole.xy[[0, 40]], [[2, 0, 2], [0, 2, 2]])
    (_, doubt) = doubts(labels(whole, replace(sparse, id=9)))
    assert doubt.frames.tolist() == list(range(1, 40))
    assert (doubt.m[:, :2] == 0).all()
    assert (doubt.m[:, 2] > 0).all()


def test_where_nothing_more_is_expected_gaps_are_halved() -> None:
    score = np.ones((FRAMES, 3))
    score[7, 1] = 0.99
    assert frames(labels(dense([0, 40], score)), 3, "expected") == [7, 23, 31]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_frames_differ_are_open_and_run_out(strategy: str) -> None:
    one = labels(dense([0, 20, 40]), dense([0, 12, 40], id=9))
    found = frames(one, 1000, strategy)
    assert len(found) == len(set(found))
    assert set(found) <= set(range(FRAMES)) - {0, 40}
    # 20 is a key frame of one person and open for the other.
    if strategy == "uniform":
        assert set(found) == set(range(1, 40))
    assert frames(one, 3, strategy) == found[:3]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_nothing_propagated_nothing_suggested(strategy: str) -> None:
    with pytest.raises(PwarpError, match="give the output of pwarp propagate"):
        frames(labels(), 3, strategy)


# --- the command ---


@pytest.fixture
def pwarp(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> Callable[..., tuple[int, str, str]]:
    """Runs `pwarp suggest` in a folder with video.mp4 and dense.json."""
    monkeypatch.chdir(tmp_path)
    make_clip(tmp_path / "video.mp4", count=FRAMES)
    formats.write(labels(dense([0, 16, 40])), "dense.json")

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["pwarp", "suggest", *arguments])
        with pytest.raises(SystemExit) as end:
            run()
        captured = capsysbinary.readouterr()
        return int(end.value.code or 0), captured.out.decode(), captured.err.decode()

    return call


def test_the_command(pwarp: Callable[..., tuple[int, str, str]]) -> None:
    code, out, err = pwarp("video.mp4", "dense.json", "-n", "2")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert [line.split()[0] for line in lines] == ["28", "8"]
    assert "track 3: parts the 24 frames between 16 and 40; about " in lines[0]
    values = json.loads(pwarp("video.mp4", "dense.json", "-n", "2", "--strategy", "expected", "--json")[1])
    assert values["strategy"] == "expected"
    assert values["frames"] == [s["frame"] for s in values["suggestions"]]
    assert values["suggestions"][0]["between"] == [16, 40]
    assert pwarp("video.mp4", "dense.json", "-n", "2", "-o", "-")[1] == "28\n8\n"
    assert pwarp("video.mp4", "dense.json", "-n", "2", "-o", "next.txt")[0] == 0
    assert Path("next.txt").read_text() == "28\n8\n"
    assert pwarp("video.mp4", "dense.json", "-o", "next.txt")[0] == 1
    code, out, err = pwarp("video.mp4", "dense.json", "-n", "2", "-o", "-", "--json")
    assert (code, out, json.loads(err)["frames"]) == (0, "28\n8\n", [28, 8])
    assert "38 frames are all that is left to label" in pwarp("video.mp4", "dense.json", "-n", "99")[2]
