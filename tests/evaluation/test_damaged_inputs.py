"""Files damaged anywhere end in a figure or in one line, never in a traceback."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from crowds import crowd, guess, quick
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pwarp import formats
from pwarp.errors import PwarpError
from pwarp.evaluation.matching import find_labels, match
from pwarp.evaluation.measure import make_metrics, measure
from pwarp.evaluation.metric import Settings
from pwarp.skeleton import COCO_17, POSETRACK_17

ODD: st.SearchStrategy[Any] = st.sampled_from(
    [
        None,
        True,
        -1,
        0,
        3,
        1e400,
        0.5,
        "",
        "text",
        [],
        [1],
        [[]],
        {},
        {"id": 1},
        [None],
        2**70,
        [{"id": []}],
        [[1], [2]],
    ]
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths to every value inside a document, a few of each list."""
    if isinstance(value, dict):
        found = [places(item, (*path, key)) for key, item in value.items()]
    elif isinstance(value, list):
        found = [places(item, (*path, i)) for i, item in list(enumerate(value))[:3]]
    else:
        found = []
    return [path, *(place for each in found for place in each)]


def damaged(document: Any, place: tuple[Any, ...], value: Any) -> Any:
    copy = json.loads(json.dumps(document))
    if not place:
        return value
    inner = copy
    for step in place[:-1]:
        inner = inner[step]
    if value == "":
        del inner[place[-1]]
    else:
        inner[place[-1]] = value
    return copy


def written(folder: Path, format: str) -> tuple[Any, Any]:
    """A truth and a prediction in a format, as documents."""
    people = crowd(0, frames=3, people=2, skeleton=COCO_17 if format == "coco" else POSETRACK_17)
    documents = []
    for name, labelled in (("t", people), ("p", guess(people, 1))):
        formats.write(labelled, folder / f"{name}-whole.json", format=format, force=True)
        documents.append(json.loads((folder / f"{name}-whole.json").read_text()))
    truth, prediction = documents
    if format == "coco":
        keys = ("image_id", "category_id", "keypoints", "bbox")
        prediction = [{**{k: row[k] for k in keys}, "score": 0.5} for row in prediction["annotations"]]
    return truth, prediction


@pytest.mark.parametrize(
    ("format", "metrics"), [("coco", ["oks-ap"]), ("posetrack18", ["posetrack-ap", "mota", "pck", "oks-ap"])]
)
@settings(quick, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
@example(data=None)
def test_damage_is_answered(tmp_path: Path, format: str, metrics: list[str], data: Any) -> None:
    documents = list(written(tmp_path, format))
    if data is not None:
        side = data.draw(st.integers(0, 1))
        place = data.draw(st.sampled_from(places(documents[side])))
        documents[side] = damaged(documents[side], place, data.draw(ODD))
    for name, document in zip(("t", "p"), documents, strict=True):
        (tmp_path / f"{name}.json").write_text(json.dumps(document))
    try:
        truth, found = (find_labels(str(tmp_path / f"{name}.json")) for name in ("t", "p"))
        pairs = match(truth, found).pairs
        if pairs:
            measure(pairs, make_metrics(metrics, Settings()))
    except PwarpError as error:
        assert data is not None, error
        assert "\n" not in str(error)
        assert str(tmp_path) in str(error)
