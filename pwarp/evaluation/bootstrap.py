"""How sure a figure is: a 95 % interval by resampling videos (percentile bootstrap, Efron 1979).

Videos are resampled and not keypoints, for the keypoints of a video are anything but independent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from pwarp.errors import PwarpError
from pwarp.evaluation.metric import Figure

E = TypeVar("E")
PERCENTILES = (2.5, 97.5)


def check_resampled(videos: int) -> None:
    """Raise PwarpError where there are too few videos to draw from."""
    if videos < 2:
        raise PwarpError("an interval comes from resampling videos, and there is only one; evaluate two or more")


def with_intervals(
    figures: Sequence[Figure],
    splits: Sequence[Sequence[E]],
    summarise: Callable[[Sequence[Sequence[E]]], Sequence[Figure]],
    *,
    samples: int,
    seed: int = 0,
) -> list[Figure]:
    """The figures with low and high filled in from `samples` resamplings of the videos within each split.

    splits: the evidence of the videos of each split. summarise: makes figures of such lists. A figure that is NaN in
    some resamplings gets its interval from the others. Raises PwarpError for less than two videos in a split.
    """
    check_resampled(min(map(len, splits)))
    generator = np.random.default_rng(seed)
    drawn: dict[tuple[str, str, str], list[float]] = {figure.key: [] for figure in figures}
    for _ in range(samples):
        again = [[split[i] for i in generator.integers(len(split), size=len(split))] for split in splits]
        for figure in summarise(again):
            if figure.key in drawn and np.isfinite(figure.value):
                drawn[figure.key].append(figure.value)
    bounded = []
    for figure in figures:
        values = drawn[figure.key]
        low, high = np.percentile(values, PERCENTILES) if values else (np.nan, np.nan)
        bounded.append(replace(figure, low=float(low), high=float(high)))
    return bounded
