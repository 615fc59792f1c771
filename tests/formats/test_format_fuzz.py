"""Whatever is wrong with a file ends in one line: a reader raises PwarpError or nothing."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pwarp import formats, registry
from pwarp.errors import PwarpError

VALID: dict[str, Any] = {
    "info": {"format": "pwarp", "version": 1},
    "videos": [{"id": 1, "name": "dog.mp4", "width": 854, "height": 480, "frame_count": 60, "fps": "30000/1001"}],
    "categories": [
        {
            "id": 1,
            "name": "animal",
            "keypoints": ["head_top", "head_bottom", "tail"],
            "skeleton": [[1, 2]],
            "flip_pairs": [["head_top", "tail"]],
            "sigmas": [0.1, 0.2, 0.3],
            "torso": ["head_top", "tail"],
        }
    ],
    "tracks": [
        {
            "id": 4,
            "absent": [[20, 30], [40, None]],
            "replaced": [{"frame": 3, "keypoint": "tail", "x": 1.5, "y": 2, "visibility": 2, "source": "manual"}],
        }
    ],
    "images": [
        {
            "id": frame,
            "frame_id": frame,
            "file_name": f"dog.mp4#{frame}",
            "video_id": 1,
            "vid_id": 1,
            "width": 854,
            "nframes": 60,
            "is_labeled": True,
            "ignore_regions_x": [[0, 10, 10]],
            "ignore_regions_y": [[0, 0, 10]],
        }
        for frame in (3, 8)
    ],
    "annotations": [
        {
            "id": 1,
            "image_id": 3,
            "category_id": 1,
            "track_id": 4,
            "keypoints": [1.5, 2, 1, 0, 0, 0, 3, 4, 1],
            "scores": [0.5, None, 0.25],
            "sources": ["propagated", None, "manual"],
            "origin": [1, None],
            "bbox": [1, 2, 3, 4],
            "box": [1, 2, 4, 6],
            "bbox_head": [1, 2, 3, 4],
            "score": 0.5,
            "iscrowd": 0,
            "attributes": {"track_id": 4, "keyframe": False},
        },
        {"id": 2, "image_id": 8, "category_id": 1, "keypoints": [1, 2, 0, 0, 0, 0, 3, 4, 1], "score": 1},
        {"id": 3, "image_id": 8, "category_id": 1, "track_id": 4, "absent": True},
    ],
}
RESULTS = [{"image_id": 3, "category_id": 1, "keypoints": [1.5, 2, 0.5] * 17, "score": 0.9, "track_id": 1}]
ODD = [
    *(
        None,
        True,
        False,
        0,
        -1,
        2,
        1.5,
        -0.0,
        1e308,
        -1e308,
        2**53,
        2**63,
        10**30,
        "",
        "3",
        "a/b",
        "1/0",
        "\x00",
        "é" * 50,
    ),
    *([], [[]], {}, [None], ["nose"], [1, 2, 3, 4], [0.5] * 9, [[1, 2], [3, 4]], [{}], {"id": 1}, [[5, 5], [2, 1]]),
]


def _places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to every part of a JSON document."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(place for key, item in inner for place in _places(item, (*at, key)))]


@st.composite
def spoilt(draw: st.DrawFn) -> bytes:
    """A valid document with up to three parts replaced, removed or doubled, then perhaps cut or with a byte changed."""
    document = [copy.deepcopy(draw(st.sampled_from((VALID, VALID, VALID, RESULTS))))]
    for _ in range(draw(st.integers(0, 3))):
        *way, last = draw(st.sampled_from(_places(document)[1:]))
        holder = document
        for key in way:
            holder = holder[key]
        change = draw(st.sampled_from(("replace", "replace", "remove", "double")))
        if change == "replace":
            holder[last] = copy.deepcopy(draw(st.sampled_from(ODD)))
        elif change == "remove" and way:
            del holder[last]
        elif isinstance(holder, list):
            holder.insert(last, copy.deepcopy(holder[last]))
    try:
        content = orjson.dumps(document[0])
    except TypeError:
        content = b"[%d]" % 10**30
    if content and draw(st.booleans()):
        at = draw(st.integers(0, len(content) - 1))
        content = (
            content[:at] + draw(st.sampled_from((b"", b"NaN", b"1e999", b"-", b"\xff", b'"', b"}"))) + content[at + 1 :]
        )
    return content[: draw(st.integers(0, len(content)))] if draw(st.integers(0, 4)) == 0 else content


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz") / "labels.json"


@pytest.mark.parametrize("format", [None, *registry.names("format")])
@given(content=spoilt())
@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_spoilt_file_is_read_or_refused_in_one_line(format: str | None, path: Path, content: bytes) -> None:
    path.write_bytes(content)
    try:
        formats.read(path, format=format)
    except PwarpError as refusal:
        assert str(refusal).startswith(str(path))
        assert "\n" not in str(refusal)
        assert len(str(refusal)) < 600


def test_the_documents_that_are_spoilt_are_valid(path: Path) -> None:
    path.write_bytes(orjson.dumps(VALID))
    assert [track.id for track in formats.read(path).tracks] == [4, 5]
    path.write_bytes(orjson.dumps(RESULTS))
    assert len(formats.read(path).tracks) == 1
