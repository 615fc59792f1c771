"""Hypothesis strategies: annotations of every kind that pwarp can hold."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
from hypothesis import strategies as st

from pwarp.annotations import Annotations, Replaced, Source, Track, VideoIdentity, merged_spans
from pwarp.skeleton import BUILTIN, Skeleton

LAST_FRAME = 40
NAMES = ("nose", "left_wrist", "right_wrist", "tail", "left_paw", "right_paw", "head_top", "Öhr", "knee joint")
Random = np.random.Generator
# Shapes and structure are drawn one by one, so that a failing case shrinks; the numbers in them come in bulk.
randoms = st.integers(0, 2**32 - 1).map(np.random.default_rng)


def coordinates(random: Random, *shape: int) -> np.ndarray:
    """Numbers of every kind: whole, with two decimals, with all 53 bits, negative, and zero."""
    fine = random.uniform(-1e3, 5e3, shape)
    kinds = np.stack([np.round(fine), np.round(fine, 2), fine, np.zeros(shape)])
    return np.take_along_axis(kinds, random.choice(4, (1, *shape), p=[0.2, 0.3, 0.45, 0.05]), axis=0)[0]


def boxes(random: Random, count: int) -> np.ndarray:
    """(count, 4) boxes, some of them missing; on a grid of 1/64, where width and height give corners back exactly."""
    start, size = random.integers(-640, 64000, (count, 2)), random.integers(0, 6400, (count, 2))
    corners = np.concatenate([start, start + size], axis=1) / 64
    return np.where(random.random((count, 1)) < 0.7, corners, np.nan)


def scores(random: Random, *shape: int) -> np.ndarray:
    """Confidences, some of them missing, some above 1."""
    return np.where(random.random(shape) < 0.7, random.uniform(0, 1.2, shape), np.nan)


@st.composite
def skeletons(draw: st.DrawFn) -> Skeleton:
    """Built-in skeletons and others of one to six keypoints, with and without what may be known of them."""
    if draw(st.booleans()):
        return draw(st.sampled_from(list(BUILTIN.values())))
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=6, unique=True))
    count = len(names)
    pairs = st.tuples(st.integers(0, count - 1), st.integers(0, count - 1))
    order = draw(st.permutations(range(count)))  # no keypoint has two twins; it may be its own
    twins = list(zip(order[::2], order[1::2], strict=False)) + [(order[-1], order[-1])] * (count % 2)
    return Skeleton(
        name=draw(st.sampled_from(("animal", "hand of 3", "person"))),
        keypoints=tuple(names),
        edges=tuple(draw(st.lists(pairs, max_size=4))),
        flip_pairs=tuple(twins[: draw(st.integers(0, 2))]),
        sigmas=draw(st.none() | st.tuples(*[st.floats(0.001, 0.5)] * count)),
        torso=draw(st.none() | pairs),
    )


@st.composite
def identities(draw: st.DrawFn) -> VideoIdentity:
    """Identities with every field known or not; a frame count that fits `tracks`."""
    return VideoIdentity(
        path=draw(st.none() | st.sampled_from(("dog.mp4", "images/val/000123_mpii", "Vidéo 1.mov"))),
        width=draw(st.none() | st.integers(1, 8000)),
        height=draw(st.none() | st.integers(1, 8000)),
        frame_count=draw(st.none() | st.integers(LAST_FRAME + 1, 500)),
        fps=draw(st.none() | st.sampled_from((Fraction(25), Fraction(30000, 1001), Fraction(15, 2)))),
        fingerprint=draw(st.none() | st.just("28c1e91e0f475699")),
    )


@st.composite
def tracks(draw: st.DrawFn, id: int, keypoints: int) -> Track:
    """A track of up to six poses, with anything a track can have."""
    random = draw(randoms)
    frames = sorted(draw(st.sets(st.integers(0, LAST_FRAME), max_size=6)))
    shape = (len(frames), keypoints)
    made_by = [s for s in Source if s is not Source.NONE]
    visibility = random.choice([0, 1, 2], shape) if draw(st.booleans()) else np.full(shape, draw(st.integers(0, 2)))
    source = random.choice(made_by, shape) if draw(st.booleans()) else np.full(shape, draw(st.sampled_from(made_by)))
    source = np.where(visibility > 0, source, Source.NONE)
    estimated = np.isin(source, (Source.DETECTED, Source.PROPAGATED, Source.REFINED))
    propagated = np.isin(source, (Source.PROPAGATED, Source.REFINED))
    one_origin = np.broadcast_to(random.integers(-1, LAST_FRAME, 2), (*shape, 2))
    origin = one_origin if draw(st.booleans()) else random.integers(-1, LAST_FRAME, (*shape, 2))
    return Track.make(
        id,
        frames,
        coordinates(random, *shape, 2),
        visibility,
        score=np.where(estimated & draw(st.booleans()), scores(random, *shape), np.nan),
        source=source,
        origin=np.where(propagated[..., None], origin, -1),
        boxes=draw(st.none() | st.just(boxes(random, len(frames)))),
        head_boxes=draw(st.none() | st.just(boxes(random, len(frames)))),
        person_score=draw(st.none() | st.just(scores(random, len(frames)))),
        absent=draw(absences(frames)),
        replaced=draw(st.lists(replacements(keypoints), max_size=2)),
        identified=draw(st.booleans()),
    )


@st.composite
def absences(draw: st.DrawFn, frames: list[int]) -> list[tuple[int, int]]:
    """Stretches between the given frames, and one that never ends."""
    ends = [-1, *frames, LAST_FRAME]
    gaps = [(a + 1, b - 1) for a, b in pairwise(ends) if b - 1 > a + 1]
    spans = draw(st.lists(st.sampled_from(gaps), max_size=2)) if gaps else []
    if draw(st.booleans()):
        spans.append((LAST_FRAME + 1, 2**31 - 1))
    return [(int(a), int(b)) for a, b in merged_spans(spans)]


def replacements(keypoints: int) -> st.SearchStrategy[Replaced]:
    """What a correction may have replaced."""
    return st.builds(
        Replaced,
        frame=st.integers(0, LAST_FRAME),
        keypoint=st.integers(0, keypoints - 1),
        x=st.floats(-1e4, 1e4),
        y=st.floats(-1e4, 1e4),
        visibility=st.integers(1, 2),
        source=st.sampled_from(Source),
    )


@st.composite
def annotations(draw: st.DrawFn, skeleton: st.SearchStrategy[Skeleton] | None = None) -> Annotations:
    """Annotations of one video, from nothing at all to three tracks with all that can be said of them."""
    chosen = draw(skeletons() if skeleton is None else skeleton)
    ids = draw(st.lists(st.integers(0, 1200), max_size=3, unique=True))
    frames = st.integers(0, LAST_FRAME)
    polygon = st.tuples(randoms, st.integers(3, 5)).map(lambda drawn: coordinates(drawn[0], drawn[1], 2))
    return Annotations(
        skeleton=chosen,
        video=draw(identities()),
        tracks=tuple(draw(tracks(id, len(chosen))) for id in ids),
        labelled=draw(st.none() | st.lists(frames, max_size=4)),
        ignore_regions=draw(st.dictionaries(frames, st.lists(polygon, min_size=1, max_size=2).map(tuple), max_size=2)),
    )
