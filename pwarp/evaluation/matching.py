"""Which prediction belongs to which truth, over files, folders and data sets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PureWindowsPath
from typing import Any

from pwarp.datasets.base import Dataset, Sample, open_dataset, sniffed
from pwarp.errors import PwarpError
from pwarp.evaluation.several import by_picture, by_video
from pwarp.evaluation.videos import Labels, Side
from pwarp.formats.folder import label_files
from pwarp.formats.label_file import STANDARD_INPUT, LabelFile

_SHOWN = 3


@dataclass(frozen=True)
class Matching:
    """The videos of a prediction beside those of the truth.

    pairs: (truth, prediction) of each matched video, in the order of the truth. only_truth, only_prediction: the rest.
    """

    pairs: tuple[tuple[Labels, Labels], ...]
    only_truth: tuple[Labels, ...]
    only_prediction: tuple[Labels, ...]

    @property
    def complete(self) -> bool:
        """Whether every video found its partner."""
        return not self.only_truth and not self.only_prediction

    def account(self) -> str:
        """What matched and what did not, in one line."""
        said = [f"{len(self.pairs)} videos matched"]
        if self.only_truth:
            said.append(f"{len(self.only_truth)} without prediction: {_names(self.only_truth)}")
        if self.only_prediction:
            said.append(f"{len(self.only_prediction)} predicted without truth: {_names(self.only_prediction)}")
        return "; ".join(said)


def find_labels(place: str, *, split: str | None = None, options: Mapping[str, Any] | None = None) -> list[Labels]:
    """The labels at a place: a label file, '-' for standard input, a folder of label files, or a data set's root.

    A file of several videos gives the labels of each. split: of a data set, needed where it has several; a group of
    splits gives all of them. options: of a data set. Raises PwarpError where there is nothing of the kind.
    """
    path = Path(place)
    if place == STANDARD_INPUT or not path.is_dir():
        return by_video(Labels.of_file(place))
    if is_dataset(place):
        return _dataset_labels(open_dataset(path, **(options or {})), split)
    return [Labels.of_file(file) for file in label_files(path)]


def is_dataset(place: str) -> bool:
    """Whether a place is the root of a data set."""
    return place != STANDARD_INPUT and Path(place).is_dir() and bool(sniffed(Path(place)))


def match(truth: Sequence[Labels], predictions: Sequence[Labels]) -> Matching:
    """Pair up videos: the only two there are, else by name, and what is left by the video that the labels name.

    A single prediction file beside several truths is taken apart into its videos, or else its pictures. Several splits
    may share a prediction. Raises PwarpError where two predictions have the same name, or two truths of a split.
    """
    if len(predictions) == 1 and truth and (len(truth) > 1 or truth[0].open is None):
        predictions = by_picture(predictions[0], {labels.name for labels in truth})
    if len(truth) == len(predictions) == 1:
        return Matching(((truth[0], predictions[0]),), (), ())
    _by_name(truth, "truth")
    by_name = _by_name(predictions, "prediction")
    found: dict[int, Labels] = {}
    for index, labels in enumerate(truth):
        partner = by_name.get((labels.group, labels.name)) or by_name.get(("", labels.name))
        if partner is not None:
            found[index] = partner
    used = {id(partner) for partner in found.values()}
    rest = [labels for labels in predictions if id(labels) not in used]
    missing = [index for index in range(len(truth)) if index not in found]
    found.update(_by_video(truth, missing, rest))
    used = {id(partner) for partner in found.values()}
    return Matching(
        pairs=tuple((truth[index], found[index]) for index in sorted(found)),
        only_truth=tuple(labels for index, labels in enumerate(truth) if index not in found),
        only_prediction=tuple(labels for labels in predictions if id(labels) not in used),
    )


def _by_name(labels: Sequence[Labels], what: str) -> dict[tuple[str, str], Labels]:
    """By group and name; raises PwarpError where two have the same."""
    found: dict[tuple[str, str], Labels] = {}
    for one in labels:
        if (one.group, one.name) in found:
            raise PwarpError(f"{one.shown}: another {what} is also called '{one.name}'; rename one of them")
        found[one.group, one.name] = one
    return found


def _by_video(truth: Sequence[Labels], missing: Sequence[int], rest: Sequence[Labels]) -> dict[int, Labels]:
    """By index of the truth, predictions whose labels name the same video.

    One that several truths of a group could mean goes unused, and so does a truth that several predictions could.
    """
    if not missing or not rest:
        return {}
    named: dict[str, list[Labels]] = {}
    for labels in rest:
        for key in _video_keys(labels):
            named.setdefault(key, []).append(labels)
    candidates = {
        index: {id(labels): labels for key in _video_keys(truth[index]) for labels in named.get(key, [])}
        for index in missing
    }
    claims = Counter((truth[index].group, one) for index, those in candidates.items() for one in those)
    return {
        index: labels
        for index, those in candidates.items()
        for one, labels in those.items()
        if len(those) == 1 and claims[truth[index].group, one] == 1
    }


def _video_keys(labels: Labels) -> set[str]:
    """What may identify the video of some labels: its fingerprint, its file's name, and what the labels are called."""
    video = Side(labels).annotations.video
    named = {PureWindowsPath(video.path).stem} if video.path else set()
    return named | {labels.name} | ({f"fingerprint {video.fingerprint}"} if video.fingerprint else set())


def _dataset_labels(dataset: Dataset, split: str | None) -> list[Labels]:
    if split is None:
        if len(dataset.splits) != 1:
            there = ", ".join([*dataset.splits, *dataset.groups])
            raise PwarpError(f"{dataset.root}: {dataset.name} has several splits; name one with --split: {there}")
        split = dataset.splits[0]
    splits = dataset.groups.get(split, (split,))
    return [labels for name in splits for labels in _split_labels(dataset, name, grouped=len(splits) > 1)]


def _split_labels(dataset: Dataset, split: str, *, grouped: bool) -> Iterable[Labels]:
    samples = list(dataset.samples(split))
    own_file = len({sample.labels for sample in samples}) == len(samples)
    group = split if grouped else ""
    return [replace(_sample_labels(sample, group, own_file), occluded=dataset.counts_occluded) for sample in samples]


def _sample_labels(sample: Sample, group: str, own_file: bool) -> Labels:
    return Labels(
        name=sample.name,
        shown=str(sample.labels) if own_file else f"{sample.labels}: {sample.name}",
        open=(lambda: LabelFile.open(sample.labels)) if own_file else None,
        load=lambda: sample.annotations,
        group=group,
    )


def _names(labels: Sequence[Labels]) -> str:
    names = ", ".join(each.name for each in labels[:_SHOWN])
    return names + (", ..." if len(labels) > _SHOWN else "")
