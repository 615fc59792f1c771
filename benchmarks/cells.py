"""Tables that take hours, made cell by cell: a cell that is done is a line of JSON, and is not made again."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np


class Cells:
    """The cells of one benchmark in one file, `{"cell": {...}, "seconds": ..., ...figures}` a line."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = path.read_text().splitlines() if path.exists() else []
        rows = [json.loads(line) for line in lines if line.endswith("}")]
        self._rows = {_key(row["cell"]): row for row in rows}

    def __iter__(self) -> Any:
        return iter(self._rows.values())

    def find(self, **cell: Any) -> list[dict[str, Any]]:
        """Rows of the cells that have these values."""
        return [row for row in self if all(row["cell"].get(name) == value for name, value in cell.items())]

    def make(self, cell: Mapping[str, Any], work: Callable[[], Mapping[str, Any]]) -> dict[str, Any]:
        """The row of a cell: as it is in the file, or made now and added to it."""
        known = self._rows.get(_key(cell))
        if known is not None:
            return known
        began = time.perf_counter()
        row = {"cell": dict(cell), **work()}
        row["seconds"] = round(time.perf_counter() - began, 1)
        with self._path.open("a") as file:
            file.write(json.dumps(row) + "\n")
        self._rows[_key(cell)] = row
        print(f"{cell}: {row['seconds']} s", flush=True)
        return row


def _key(cell: Mapping[str, Any]) -> str:
    return json.dumps(cell, sort_keys=True)


def share(hits: np.ndarray) -> float:
    """Per cent of hits among what was counted. hits: (..., 2) hits and counts, summed over what comes before."""
    total = hits.reshape(-1, 2).sum(axis=0)
    return float(100 * total[0] / max(total[1], 1))


def difference(a: np.ndarray, b: np.ndarray, draws: int = 2000, seed: int = 0) -> tuple[float, float, float]:
    """a - b in points with a 95 % interval, by resampling seeds and, in pairs, videos (percentile bootstrap).

    a, b: (seeds, videos, 2) hits and counts; a system without seeds has one.
    """
    random = np.random.default_rng(seed)
    drawn = []
    for _ in range(draws):
        videos = random.integers(a.shape[1], size=a.shape[1])
        rows = [random.integers(len(x), size=len(x)) for x in (a, b)]
        drawn.append(share(a[rows[0]][:, videos]) - share(b[rows[1]][:, videos]))
    low, high = np.percentile(drawn, (2.5, 97.5))
    return share(a) - share(b), float(low), float(high)


def mean_gain(a: np.ndarray, b: np.ndarray, draws: int = 2000, seed: int = 0) -> tuple[float, float, float]:
    """The mean of a - b over points of a curve, in points of per cent, with its 95 % interval.

    a, b: (points, seeds, videos, 2) hits and counts of runs that go in pairs: of the same point and seed. Videos are
    resampled together, seeds point by point, and pairs stay pairs.
    """
    random = np.random.default_rng(seed)
    points, seeds, videos = a.shape[:3]
    drawn = []
    for _ in range(draws):
        some = random.integers(videos, size=videos)
        rows = random.integers(seeds, size=(points, seeds))[:, :, None, None]
        drawn.append(_gains(*(np.take_along_axis(hits, rows, 1)[:, :, some] for hits in (a, b))).mean())
    low, high = np.percentile(drawn, (2.5, 97.5))
    return float(_gains(a, b).mean()), float(low), float(high)


def _gains(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    shares = [100 * hits[..., 0].sum(axis=-1) / hits[..., 1].sum(axis=-1) for hits in (a, b)]
    gains: np.ndarray = shares[0] - shares[1]
    return gains


def interval(a: np.ndarray, draws: int = 2000, seed: int = 0) -> tuple[float, float, float]:
    """A share in per cent with its 95 % interval, resampled as in `difference`."""
    random = np.random.default_rng(seed)
    drawn = []
    for _ in range(draws):
        videos = random.integers(a.shape[1], size=a.shape[1])
        drawn.append(share(a[random.integers(len(a), size=len(a))][:, videos]))
    low, high = np.percentile(drawn, (2.5, 97.5))
    return share(a), float(low), float(high)
