"""Run metrics over matched videos: the one road to a number for commands and benchmarks alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pwarp import registry
from pwarp.datasets.base import mean_over_splits
from pwarp.errors import PwarpError, UsageError
from pwarp.evaluation.bootstrap import with_intervals
from pwarp.evaluation.metric import Figure, Metric, Settings
from pwarp.evaluation.videos import Labels, VideoPair


@dataclass(frozen=True)
class Measured:
    """What one metric says about one prediction.

    metric: its registered name. title: what is measured, in one line. counted: what the counts count.
    joints_always: whether tables show keypoints unasked. figures: over all videos; where these are of several splits,
    means over splits. per_video: the same for each video, where asked for. details: curves and further counts.
    notes: lines that a reader should know. skipped: by video, why it was left out.
    """

    metric: str
    title: str
    counted: str
    joints_always: bool
    figures: tuple[Figure, ...]
    per_video: Mapping[str, tuple[Figure, ...]]
    details: Mapping[str, Any]
    notes: tuple[str, ...]
    skipped: Mapping[str, str]


def make_metrics(names: Sequence[str], settings: Settings) -> list[Metric[Any]]:
    """Metrics by their registered names; raises PwarpError for an unknown one."""
    return [registry.load("metric", name)(settings) for name in names]


def measure(
    pairs: Sequence[tuple[Labels, Labels]],
    metrics: Sequence[Metric[Any]],
    *,
    bootstrap: int = 0,
    per_video: bool = False,
    lenient: bool = False,
    advance: Callable[[], object] | None = None,
) -> list[Measured]:
    """Every metric over (truth, prediction) of each video, in the order of `metrics`.

    bootstrap: resamplings for 95 % intervals, 0 for none. per_video: also figures for each video alone. lenient:
    leave out a video that a metric cannot judge, and say so, instead of raising. advance: called after each video.
    Raises PwarpError where there is no video to judge.
    """
    judged: list[list[tuple[Labels, Any]]] = [[] for _ in metrics]
    skipped: list[dict[str, str]] = [{} for _ in metrics]
    for truth, prediction in pairs:
        pair = VideoPair(truth, prediction)
        for index, metric in enumerate(metrics):
            try:
                judged[index].append((truth, metric.evidence(pair)))
            except UsageError:
                raise
            except PwarpError as error:
                if not lenient:
                    raise
                skipped[index][_called(truth)] = str(error)
        if advance is not None:
            advance()
    return [
        _measured(metric, evidence, left_out, bootstrap, per_video)
        for metric, evidence, left_out in zip(metrics, judged, skipped, strict=True)
    ]


def _measured(
    metric: Metric[Any],
    judged: Sequence[tuple[Labels, Any]],
    skipped: Mapping[str, str],
    bootstrap: int,
    per_video: bool,
) -> Measured:
    if not judged:
        reason = f": {next(iter(skipped.values()))}" if skipped else ""
        raise PwarpError(f"{metric.name}: no video left to judge{reason}")
    splits: dict[str, list[Any]] = {}
    for labels, evidence in judged:
        splits.setdefault(labels.group, []).append(evidence)
    everything = [evidence for _, evidence in judged]

    def summarise(evidence: Sequence[Sequence[Any]]) -> list[Figure]:
        return _mean_figures([metric.figures(split) for split in evidence])

    figures = summarise(list(splits.values()))
    if bootstrap:
        figures = with_intervals(figures, list(splits.values()), summarise, samples=bootstrap)
    return Measured(
        metric=metric.name,
        title=metric.title(everything) + (f"; mean of {len(splits)} splits" if len(splits) > 1 else ""),
        counted=metric.counted,
        joints_always=metric.joints_always,
        figures=tuple(figures),
        per_video={_called(labels): tuple(metric.figures([own])) for labels, own in judged} if per_video else {},
        details=metric.details(everything),
        notes=tuple(metric.notes(everything)),
        skipped=skipped,
    )


def _mean_figures(splits: Sequence[Sequence[Figure]]) -> list[Figure]:
    """The plain mean over splits, with the counts added; the figures themselves where there is one split."""
    if len(splits) == 1:
        return list(splits[0])
    means = mean_over_splits([{"\t".join(f.key): f.value for f in split} for split in splits])
    counts = [{f.key: f.count for f in split} for split in splits]
    return [replace(f, value=means["\t".join(f.key)], count=sum(split[f.key] for split in counts)) for f in splits[0]]


def _called(labels: Labels) -> str:
    return f"{labels.group}/{labels.name}" if labels.group else labels.name
