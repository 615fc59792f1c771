"""Figures as people and programs read them: table, Markdown, CSV and JSON."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any

import orjson

from pwarp.evaluation.measure import Measured
from pwarp.evaluation.metric import Figure, Settings
from pwarp.printing import json_ready

FORMATS = ("table", "json", "csv", "markdown")
_DECIMALS = {"%": 1, "": 3}
Key = tuple[str, str, str]
_KINDS = {"joint": "by keypoint", "part": "by part", "bin": "by score", "total": "overall"}


@dataclass(frozen=True)
class Column:
    """One prediction: what it is called, which videos were matched and which not, and what each metric says."""

    prediction: str
    videos: tuple[str, ...]
    without_prediction: tuple[str, ...]
    without_truth: tuple[str, ...]
    measured: tuple[Measured, ...]


@dataclass(frozen=True)
class Report:
    """Everything that one evaluation found: a column a prediction, all with the same metrics.

    truth: where it came from. bootstrap: resamplings behind the intervals, 0 for none.
    """

    truth: str
    columns: tuple[Column, ...]
    settings: Settings
    bootstrap: int = 0

    def rendered(self, format: str, *, per_joint: bool = False) -> str:
        """The report in one of `FORMATS`. per_joint: keypoints in tables where these leave them out unasked."""
        if format == "json":
            return self._json()
        if format == "csv":
            return self._csv()
        tables = list(self._tables(per_joint))
        draw = _markdown if format == "markdown" else _plain
        return "\n".join([*(draw(table) for table in tables), *self._footnotes()]).rstrip() + "\n"

    def _tables(self, per_joint: bool) -> Iterator[_Table]:
        for index in range(len(self.columns[0].measured)):
            measured = [column.measured[index] for column in self.columns]
            yield _table(measured, [column.prediction for column in self.columns], per_joint)
            if measured[0].per_video:
                yield _video_table(measured, [column.prediction for column in self.columns])

    def _footnotes(self) -> Iterator[str]:
        if self.bootstrap:
            yield f"Brackets: 95 % bootstrap interval, {self.bootstrap} resamplings of the videos."
        several = len(self.columns) > 1
        for column in self.columns:
            of = f"{column.prediction}: " if several else ""
            for note in dict.fromkeys(note for measured in column.measured for note in measured.notes):
                yield f"Note: {of}{note}."
            for measured in column.measured:
                for video, why in measured.skipped.items():
                    yield f"Left out of {measured.metric}: {of}{video}: {why}."

    def _json(self) -> str:
        document = {
            "truth": self.truth,
            "settings": asdict(self.settings),
            "bootstrap": self.bootstrap,
            "predictions": [_column_document(column) for column in self.columns],
        }
        options = orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY
        return orjson.dumps(json_ready(document), option=options).decode() + "\n"

    def _csv(self) -> str:
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(
            ["prediction", "metric", "video", "block", "kind", "name", "value", "unit", "count", "low", "high", "how"]
        )
        for column in self.columns:
            for measured in column.measured:
                for video, figures in [("", measured.figures), *measured.per_video.items()]:
                    for f in figures:
                        numbers = [_exact(f.value), f.unit, f.count, _exact(f.low), _exact(f.high)]
                        writer.writerow([column.prediction, measured.metric, video, *f.key, *numbers, measured.title])
        return out.getvalue()


@dataclass(frozen=True)
class _Table:
    """A title, column heads, and rows; a row without cells is a heading."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]


def _table(measured: Sequence[Measured], predictions: Sequence[str], per_joint: bool) -> _Table:
    """Figures as rows, predictions as columns; one count for all of them where they agree, else one each."""
    first = measured[0]
    by_key = [{figure.key: figure for figure in of.figures} for of in measured]
    figures = {key: [of.get(key) for of in by_key] for key in dict.fromkeys(key for of in by_key for key in of)}
    joints = per_joint or first.joints_always
    figures = {
        key: row
        for key, row in figures.items()
        if (joints or key[1] != "joint") and (key[1] != "bin" or any(f is not None and f.count for f in row))
    }
    known = {key: next(f for f in row if f is not None) for key, row in figures.items()}
    same_counts = all(f is None or f.count == known[key].count for key, row in figures.items() for f in row)
    only_percent = all(figure.unit == "%" for figure in known.values())
    rows: list[tuple[str, tuple[str, ...]]] = []
    for label, key in _labels(list(figures)):
        if key is None:
            rows.append((label, ()))
            continue
        unit = known[key].unit
        cells = [_cell(f) for f in figures[key]]
        if same_counts:
            cells.append(str(known[key].count))
        else:
            counts = ("" if f is None else str(f.count) for f in figures[key])
            cells = [text for pair in zip(cells, counts, strict=True) for text in pair]
        rows.append((label + (f" ({unit})" if unit and not only_percent else ""), tuple(cells)))
    heads = [head for name in predictions for head in ([name] if same_counts else [name, first.counted])]
    heads += [first.counted] if same_counts else []
    return _Table(first.title + (" [%]" if only_percent else ""), tuple(heads), tuple(rows))


def _labels(keys: Sequence[Key]) -> Iterator[tuple[str, Key | None]]:
    """Row labels in order, each with its figure's key; None makes a heading. A block of one figure needs none."""
    for block, in_block in groupby(keys, key=lambda key: key[0]):
        group = list(in_block)
        kinds = dict.fromkeys(kind for _, kind, _ in group)
        if block and len(group) == 1:
            yield f"{block}, {group[0][2]}", group[0]
            continue
        if block and len(kinds) == 1:
            yield block, None
        for kind, of_kind in groupby(group, key=lambda key: key[1]):
            if len(kinds) > 1:
                yield ", ".join(filter(None, (block, _KINDS[kind]))), None
            yield from ((f"  {key[2]}", key) for key in of_kind)


def _video_table(measured: Sequence[Measured], predictions: Sequence[str]) -> _Table:
    """Videos as rows, and for each prediction the main figures."""
    first = measured[0]
    main = [figure for figure in first.figures if figure.main]
    several = len(predictions) > 1
    heads = [
        ", ".join(filter(None, [name if several else "", f.block, f.name])) + (f" ({f.unit})" if f.unit else "")
        for f in main
        for name in predictions
    ]
    by_video = [{video: {f.key: f for f in figures} for video, figures in of.per_video.items()} for of in measured]
    videos = dict.fromkeys(video for of in by_video for video in of)
    rows = [
        (f"  {video}", tuple(_cell(of.get(video, {}).get(f.key)) for f in main for of in by_video)) for video in videos
    ]
    return _Table(f"{first.title}, by video", tuple(heads), tuple(rows))


def _cell(figure: Figure | None) -> str:
    if figure is None or math.isnan(figure.value):
        return "-"
    digits = _DECIMALS.get(figure.unit, 2)
    text = f"{figure.value:.{digits}f}"
    if figure.low is None or figure.high is None:
        return text
    return f"{text} [{figure.low:.{digits}f}, {figure.high:.{digits}f}]"


def _plain(table: _Table) -> str:
    first = max(len(label) for label, _ in table.rows) if table.rows else 0
    widths = [
        max(len(head), *(len(cells[i]) for _, cells in table.rows if cells)) for i, head in enumerate(table.heads)
    ]
    lines = [table.title, " " * first + "".join(f"  {h:>{w}}" for h, w in zip(table.heads, widths, strict=True))]
    for label, cells in table.rows:
        lines.append(
            f"{label:<{first}}" + "".join(f"  {c:>{w}}" for c, w in zip(cells, widths, strict=True)) if cells else label
        )
    return "\n".join(lines) + "\n"


def _markdown(table: _Table) -> str:
    lines = [
        f"**{_escaped(table.title)}**",
        "",
        "| | " + " | ".join(_escaped(head) for head in table.heads) + " |",
        "|---|" + "---:|" * len(table.heads),
    ]
    for label, cells in table.rows:
        name = f"**{_escaped(label)}**" if not cells else _escaped(label.strip())
        lines.append(f"| {name} | " + " | ".join(cells or [""] * len(table.heads)) + " |")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("_", "\\_").replace("*", "\\*")


def _column_document(column: Column) -> dict[str, Any]:
    return {
        "prediction": column.prediction,
        "videos": {
            "matched": column.videos,
            "without_prediction": column.without_prediction,
            "without_truth": column.without_truth,
        },
        "metrics": [
            {
                "metric": measured.metric,
                "title": measured.title,
                "counted": measured.counted,
                "figures": [_figure_document(figure) for figure in measured.figures],
                "per_video": {
                    video: [_figure_document(figure) for figure in figures]
                    for video, figures in measured.per_video.items()
                },
                "details": measured.details,
                "notes": measured.notes,
                "skipped": measured.skipped,
            }
            for measured in column.measured
        ],
    }


def _figure_document(figure: Figure) -> Mapping[str, Any]:
    """A figure's fields; an interval only where there is one."""
    return {key: value for key, value in vars(figure).items() if value is not None}


def _exact(value: float | None) -> str:
    return "" if value is None or not math.isfinite(value) else repr(value)
