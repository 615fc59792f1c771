"""Made-up videos for tests of metrics, with people far enough apart that everybody has one possible partner."""

from __future__ import annotations

from dataclasses import replace

import hypothesis
import numpy as np

from pwarp.annotations import Annotations, Source, Track, VideoIdentity
from pwarp.evaluation.measure import Measured, make_metrics, measure
from pwarp.evaluation.metric import Settings
from pwarp.evaluation.videos import Labels
from pwarp.skeleton import Skeleton

FIVE = Skeleton(
    "five",
    ("tip", "left_fin", "right_fin", "left_tail", "right_tail"),
    flip_pairs=((1, 2), (3, 4)),
    sigmas=(0.05, 0.06, 0.07, 0.08, 0.09),
)
quick = hypothesis.settings(deadline=None, max_examples=25)
HEAD = 50.0
APART = 1000.0


def crowd(seed: int, *, frames: int = 4, people: int = 3, skeleton: Skeleton = FIVE) -> Annotations:
    """Truth: everybody in every frame, about a keypoint in six unlabelled, all of them labelled in the first frame."""
    generator = np.random.default_rng(seed)
    tracks = []
    for person in range(people):
        centre = np.array([APART * (person + 1), 500.0])
        xy = centre + generator.uniform(-100, 100, (1, len(skeleton), 2)) + generator.normal(0, 5, (frames, 1, 2))
        visibility = generator.choice([0, 1, 2], size=(frames, len(skeleton)), p=[0.15, 0.25, 0.6])
        visibility[0] = 2
        heads = np.tile([0.0, 0.0, HEAD, 0.0], (frames, 1)) / 0.6
        boxes = np.tile([*(centre - 150), *(centre + 150)], (frames, 1))
        tracks.append(Track.make(person, np.arange(frames), xy, visibility, head_boxes=heads, boxes=boxes))
    return Annotations(skeleton, VideoIdentity(frame_count=frames), tuple(tracks))


def guess(truth: Annotations, seed: int, *, error: float = 20.0, missed: float = 0.1) -> Annotations:
    """A prediction: every keypoint of the truth moved by a Gaussian of `error` pixels, scores all different."""
    generator = np.random.default_rng(seed)
    tracks = []
    for track in truth.tracks:
        visibility = np.where(generator.random(track.visibility.shape) < missed, 0, track.visibility)
        tracks.append(
            Track.make(
                track.id,
                track.frames,
                track.xy + generator.normal(0, error, track.xy.shape),
                visibility,
                score=np.where(visibility > 0, generator.random(visibility.shape), np.nan),
                source=np.where(visibility > 0, Source.DETECTED, Source.NONE),
            )
        )
    return replace(truth, tracks=tuple(tracks))


def labels(annotations: Annotations, name: str = "video", group: str = "") -> Labels:
    """Annotations that are there already, as labels to evaluate."""
    return Labels(name, name, load=lambda: annotations, group=group)


def measured(
    metric: str, *pairs: tuple[Annotations, Annotations], settings: Settings | None = None, **options: object
) -> Measured:
    """One metric over (truth, prediction) of several videos."""
    named = [(labels(t, f"v{i}"), labels(p, f"v{i}")) for i, (t, p) in enumerate(pairs)]
    (result,) = measure(named, make_metrics([metric], settings or Settings()), **options)  # type: ignore[arg-type]
    return result


def values(result: Measured) -> dict[tuple[str, str, str], float]:
    """The figures of a measurement by block, kind and name."""
    return {figure.key: figure.value for figure in result.figures}
