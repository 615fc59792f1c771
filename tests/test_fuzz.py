"""A thousand spoilt files for each reader, as `python -m benchmarks.fuzz` has ten thousand: read, or refused in a line.

They are read in a process of their own, so that one that kills it, or that takes more than 10 s or 1 GB, is an error of
this test and no more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from benchmarks.fuzzing.readers import READERS
from benchmarks.fuzzing.worker import Worker

INPUTS = 1000


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    with Worker() as process:
        yield process


@pytest.mark.parametrize("name", READERS)
def test_spoilt_files_are_read_or_refused_in_one_line(worker: Worker, name: str) -> None:
    found = list(worker.outcomes(name, range(INPUTS)))
    assert [(outcome.number, outcome.kind, outcome.said) for outcome in found if not outcome.good] == []
    kinds = Counter(outcome.kind for outcome in found)
    # A reader that refuses everything, or nothing, is not tried at all.
    assert kinds["accepted"] > 0
    assert kinds["refused"] > 0 or name == "manifest"  # which skips what no run has written
