"""The loss report: empty exactly where nothing differs, else it names what does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from strategies import annotations

from pwarp.annotations import Annotations, Replaced, Source, Track, VideoIdentity
from pwarp.formats.compare import differences
from pwarp.formats.losses import Loss, LossReport, Renamed
from pwarp.skeleton import Skeleton

SKELETON = Skeleton("dog", ("nose", "left_paw", "right_paw"), ((0, 1),), ((1, 2),), (0.1, 0.2, 0.3), (0, 1))


def track(id: int = 3, **changes: Any) -> Track:
    """Frames 4 and 6; in frame 4 a visible, an occluded and an unlabelled keypoint."""
    visibility = np.array([[2, 1, 0], [2, 2, 2]])
    fields: dict[str, Any] = {
        "frames": [4, 6],
        "xy": np.arange(12.0).reshape(2, 3, 2) + 1,
        "visibility": visibility,
        "source": np.where(visibility, Source.PROPAGATED, Source.NONE),
        "score": np.where(visibility, 0.5, np.nan),
        "origin": np.where(visibility[..., None], [2, 8], -1),
        "boxes": np.array([[1, 2, 3, 4], [np.nan] * 4]),
        "head_boxes": np.array([[1, 2, 3, 4], [1, 2, 3, 5]]),
        "person_score": [0.5, 0.75],
        "absent": [(10, 12), (20, 22)],
        "replaced": [Replaced(4, 0, 1.0, 2.0, 2)],
    }
    return Track.make(id, **(fields | changes))


def labels(*tracks: Track, **changes: Any) -> Annotations:
    fields: dict[str, Any] = {
        "skeleton": SKELETON,
        "video": VideoIdentity("dog.mp4", 854, 480, 60, Fraction(25), "abc"),
        "tracks": tracks or (track(),),
        "labelled": [4, 6, 8],
        "ignore_regions": {4: (np.array([[0.0, 0], [5, 0], [5, 5]]),)},
    }
    return Annotations(**(fields | changes))


def changed(name: str, at: Any, value: Any) -> Callable[[], Annotations]:
    """The labels with one value of the track's arrays changed."""

    def make() -> Annotations:
        array = getattr(track(), name).copy()
        array[at] = value
        return labels(replace(track(), **{name: array}))

    return make


def unlabelled() -> Annotations:
    arrays = {n: getattr(track(), n).copy() for n in ("visibility", "xy", "source", "score", "origin")}
    for array, value in zip(arrays.values(), (0, np.nan, 0, np.nan, -1), strict=True):
        array[0, 1] = value
    return labels(replace(track(), **arrays))


@pytest.mark.parametrize(
    ("after", "what", "count", "example"),
    [
        (
            lambda: labels(video=replace(labels().video, fps=None)),
            "the frame rate of the video",
            1,
            "25 becomes unknown",
        ),
        (lambda: labels(video=replace(labels().video, path="cat")), "the name of the video", 1, "dog.mp4 becomes cat"),
        (
            lambda: labels(skeleton=replace(SKELETON, sigmas=None)),
            "the OKS constants of the skeleton",
            1,
            "(0.1, 0.2, 0.3) becomes unknown",
        ),
        (lambda: labels(skeleton=replace(SKELETON, edges=())), "the edges of the skeleton", 1, "((0, 1),) becomes ()"),
        (lambda: labels(labelled=None), "which frames are labelled", 3, "all of them"),
        (lambda: labels(labelled=[4, 8]), "which frames are labelled", 1, "frame 6"),
        (lambda: labels(ignore_regions={}), "ignore regions", 1, "frame 4"),
        (lambda: labels(tracks=()), "tracks", 1, "track 3"),
        (lambda: labels(track(), track(5)), "tracks (there were none before)", 1, "track 5"),
        (lambda: labels(track(identified=False)), "that labels are not joined into tracks yet", 1, "track 3"),
        (lambda: labels(track(absent=[(10, 12)])), "stretches of absence", 2, "track 3, frames 10 to 12, 20 to 22"),
        (lambda: labels(track(replaced=[])), "values that corrections replaced", 1, "track 3"),
        (lambda: labels(track().rows([1])), "poses", 1, "track 3, frame 4"),
        (
            changed("visibility", (0, 1), 2),
            "occluded keypoints (read back as visible)",
            1,
            "track 3, frame 4, left_paw: 1 becomes 2",
        ),
        (unlabelled, "occluded keypoints (read back as unlabelled)", 1, "track 3, frame 4, left_paw: 1 becomes 0"),
        (
            changed("xy", (1, 2), [11.0001, 12]),
            "exact coordinates",
            1,
            "track 3, frame 6, right_paw: (11, 12) becomes (11.0001, 12)",
        ),
        (changed("score", 1, np.nan), "scores of keypoints", 3, "track 3, frame 6, nose: 0.5 becomes none"),
        (
            changed("source", (1, 1), 2),
            "sources of keypoints",
            1,
            "track 3, frame 6, left_paw: propagated becomes detected",
        ),
        (
            changed("origin", (1, 1), -1),
            "key frames that keypoints came from",
            1,
            "track 3, frame 6, left_paw: 2 and 8 becomes -1 and -1",
        ),
        (changed("boxes", 0, np.nan), "boxes", 1, "track 3, frame 4"),
        (changed("boxes", 1, 5.0), "boxes (there were none before)", 1, "track 3, frame 6"),
        (changed("head_boxes", 1, np.nan), "head boxes", 1, "track 3, frame 6"),
        (changed("person_score", 0, np.nan), "scores of poses", 1, "track 3, frame 4"),
    ],
)
def test_each_difference_is_named_counted_and_located(
    after: Callable[[], Annotations], what: str, count: int, example: str
) -> None:
    found = differences(labels(), after(), Renamed())
    assert Loss(what, count, example) in found
    # An unlabelled keypoint loses its score, source and origin with it; nothing else brings a second loss along.
    assert len(found) == (3 if after is unlabelled else 1)


def test_missing_renamed_and_reordered_keypoints() -> None:
    def named(*names: str) -> Annotations:
        order = [SKELETON.keypoints.index(name) if name in SKELETON.keypoints else 0 for name in names]
        one = track()
        arrays = {n: getattr(one, n)[:, order] for n in ("visibility", "xy", "source", "score", "origin")}
        return labels(replace(one, **arrays), skeleton=Skeleton("dog", names))

    before = named("nose", "left_paw", "right_paw")
    assert differences(before, named("nose", "left_paw"), Renamed()) == [
        Loss("keypoints", 1, "'right_paw', labelled 1 times")
    ]
    assert differences(before, named("left_paw", "nose", "right_paw"), Renamed()) == [
        Loss("the order of keypoints", 1, "left_paw, nose, right_paw")
    ]
    snout = replace(before, skeleton=Skeleton("dog", ("snout", "left_paw", "right_paw")))
    renamed = Renamed(keypoints={"nose": "snout"})
    assert differences(before, snout, renamed) == [Loss("keypoint names", 1, "'nose' becomes 'snout'")]


def test_tracks_that_were_renumbered_are_compared_all_the_same() -> None:
    found = differences(labels(track(3)), labels(track(8)), Renamed(tracks={3: 8}))
    assert found == [Loss("track ids", 1, "3 becomes 8")]
    both = differences(labels(track(3)), labels(replace(track(8), head_boxes=track().boxes)), Renamed(tracks={3: 8}))
    assert [loss.what for loss in both] == ["track ids", "head boxes"]


@given(before=annotations())
@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
def test_nothing_differs_from_itself_in_whatever_order(before: Annotations) -> None:
    assert differences(before, replace(before, tracks=before.tracks[::-1]), Renamed()) == []


def test_a_report_is_false_where_nothing_was_lost() -> None:
    assert not LossReport("coco")
    report = LossReport("coco", (Loss("head boxes", 12, "track 3, frame 4"),))
    assert report and report.lines() == ["coco cannot hold head boxes: 12, e.g. track 3, frame 4"]
