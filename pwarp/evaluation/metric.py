"""The contract of a metric: evidence video by video, then figures for any set of videos.

Evidence is what a video contributes, made once; figures are cheap. So a total, a row for each video and a bootstrap
over videos are the same function on different lists.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, TypeVar

import numpy as np

from pwarp.annotations import FloatArray
from pwarp.evaluation.pairing import DEFAULT_SELECTION, Selection

if TYPE_CHECKING:
    from pwarp.evaluation.videos import VideoPair
    from pwarp.skeleton import Skeleton

E = TypeVar("E")
# The settings of `pairing.Selection` that change whatever is computed keypoint by keypoint, and frame by frame.
BY_KEYPOINT = frozenset({"visible_only", "exclude_manual", "every", "tracks"})
BY_FRAME = frozenset({"exclude_manual", "every"})


@dataclass(frozen=True)
class Settings:
    """Every choice that changes a number.

    selection: which keypoints are asked for. length: reference length, None being the metric's own. alphas:
    thresholds of PCK and calibration in reference lengths, None being the metric's own. strict: a hit needs < instead
    of <=. auc_limit: largest threshold of the AUC. sigmas: OKS constants, one for all keypoints or one each; None
    takes the skeleton's. bins: of the reliability table.
    """

    selection: Selection = DEFAULT_SELECTION
    length: str | None = None
    alphas: tuple[float, ...] | None = None
    strict: bool = False
    auc_limit: float | None = None
    sigmas: tuple[float, ...] | None = None
    bins: int = 10


@dataclass(frozen=True)
class Figure:
    """One number with what it is made from.

    name: row of the table. value: NaN where it is not defined. count: how many things (`Metric.counted`) are behind
    it. unit: "%", "px" or another, "" for a plain number. block: heading that it stands under. kind: about one
    keypoint, a part of the body, one bin of scores, or everything. main: whether it is a number that a text would
    quote. low, high: 95 % interval, where one was asked for.
    """

    name: str
    value: float
    count: int
    unit: str = "%"
    block: str = ""
    kind: Literal["joint", "part", "bin", "total"] = "total"
    main: bool = False
    low: float | None = None
    high: float | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes two figures of different videos or predictions the same figure."""
        return self.block, self.kind, self.name


class Metric(ABC, Generic[E]):
    """Pairs of truth and prediction for a whole data set -> named figures.

    name: as in the registry. uses: fields of `Settings` and `Selection` that change its figures. counted: what the
    counts of its figures count. joints_always: whether tables show each keypoint unasked.
    """

    name: ClassVar[str]
    uses: ClassVar[frozenset[str]]
    counted: ClassVar[str] = "keypoints"
    joints_always: ClassVar[bool] = False

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @abstractmethod
    def evidence(self, pair: VideoPair) -> E:
        """What one video contributes; raises PwarpError where the video cannot be judged."""

    @abstractmethod
    def figures(self, evidence: Sequence[E]) -> list[Figure]:
        """The figures over at least one video; PwarpError where the videos do not go together."""

    @abstractmethod
    def title(self, evidence: Sequence[E]) -> str:
        """What is measured and how, in one line, with the full name of the reference length."""

    def details(self, evidence: Sequence[E]) -> Mapping[str, Any]:
        """Curves and counts that go into JSON and plots, but not into a table."""
        return {}

    def notes(self, evidence: Sequence[E]) -> list[str]:
        """What a reader of the figures should know, a line each."""
        return []


def percent(hits: Any, counts: Any) -> FloatArray:
    """100 x hits / counts, NaN where the count is 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(100.0 * hits / np.asarray(counts, dtype=np.float64))


def joint_figures(
    skeleton: Skeleton, values: FloatArray, counts: Sequence[int], unit: str = "%", block: str = ""
) -> list[Figure]:
    """A figure for each keypoint, values (K,) and counts (K,)."""
    return [
        Figure(name, float(value), int(count), unit, block, "joint")
        for name, value, count in zip(skeleton.keypoints, values, counts, strict=True)
    ]
