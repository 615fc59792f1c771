"""JSON Lines: everything back bit for bit, a line a frame, and a stream that was cut off is refused."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from conftest import ROOT
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strategies import annotations

from pwarp import formats
from pwarp.annotations import Annotations, Source, Track, VideoIdentity
from pwarp.errors import PwarpError
from pwarp.formats import jsonl, label_file
from pwarp.formats.jsonl import LineWriter
from pwarp.skeleton import Skeleton

PAIR = Skeleton("pair", ("a", "b"))
HEADER: dict[str, Any] = {
    "info": {"format": "jsonl", "version": 1},
    "category": {"name": "pair", "keypoints": ["a", "b"]},
}
POSE: dict[str, Any] = {"track_id": 3, "keypoints": [1.5, 2, 2, 0, 0, 0]}


def stream(*lines: dict[str, Any], end: dict[str, Any] | None = None) -> bytes:
    closing = {"frames": len(lines)} if end is None else end
    return b"".join(orjson.dumps(line) + b"\n" for line in (HEADER, *lines, {"end": closing}))


@given(labels=annotations())
@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
def test_everything_comes_back_bit_for_bit_in_the_order_it_had(labels: Annotations, tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    assert not formats.write(labels, path, force=True)
    assert formats.sniff(path) == "jsonl"
    assert formats.read(path).same_as(labels)


@given(labels=annotations())
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
def test_reading_piece_by_piece_makes_no_difference(
    labels: Annotations, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "labels.jsonl"
    formats.write(labels, path, force=True)
    monkeypatch.setattr(jsonl, "_PIECE", 2)
    assert formats.read(path).same_as(labels)


def test_what_is_wrong_in_a_later_piece_is_said_with_its_annotation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jsonl, "_PIECE", 1)
    poses = [{"track_id": 7, "keypoints": [1, 2, 2, 3, 4, seen]} for seen in (2, 2, 5)]
    path = tmp_path / "bad.jsonl"
    path.write_bytes(stream(*({"frame": i, "poses": [pose]} for i, pose in enumerate(poses))))
    with pytest.raises(PwarpError, match=r"image 2 and track 7, frame 2, keypoint '.*': visibility 5 is none of"):
        formats.read(path)
    path.write_bytes(stream({"frame": 0, "poses": [poses[0], poses[1]]}))
    with pytest.raises(PwarpError, match="track 7 is labelled twice in frame 0"):
        formats.read(path)


def test_a_stream_may_be_larger_than_a_document_but_not_a_line_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "labels.jsonl"
    path.write_bytes(documented())
    longest = max(map(len, documented().splitlines(keepends=True)))
    monkeypatch.setattr(label_file, "LARGEST", longest)
    assert len(formats.read(path, format="jsonl").tracks) == 1
    monkeypatch.setattr(label_file, "LARGEST", longest - 1)
    with pytest.raises(PwarpError, match="larger than 0 MiB; split it"):
        formats.read(path, format="jsonl")
    monkeypatch.setattr(label_file, "LARGEST", longest)
    monkeypatch.setattr(label_file, "LARGEST_STREAM", len(documented()) - 1)
    with pytest.raises(PwarpError, match="larger than 0 MiB; split it"):
        formats.read(path, format="jsonl")


def test_a_stream_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    path, whole = tmp_path / "labels.jsonl", documented()
    for size in range(0, len(whole) - 1, 7):
        path.write_bytes(whole[:size])
        with pytest.raises(PwarpError, match=r"cut off|interrupted|does not begin") as refusal:
            formats.read(path, format="jsonl")
        assert str(refusal.value).startswith(f"{path}: ") and "\n" not in str(refusal.value)


def test_frames_are_written_as_they_come(tmp_path: Path) -> None:
    out = io.BytesIO()
    lines = LineWriter(out, PAIR, VideoIdentity("dog.mp4", frame_count=9))
    seen = [out.getvalue().count(b"\n")]
    tracks = [
        Track.make(i, [frame], np.full((1, 2, 2), np.nan), boxes=[[1, 2, 3, 4.5]], person_score=[0.5], identified=False)
        for i, frame in enumerate((0, 4, 4))
    ]
    for frame in (0, 2, 4):
        lines.lone(frame, [t for t in tracks if t.frames[0] == frame])
        seen.append(out.getvalue().count(b"\n"))
    lines.end(tracks)
    assert seen == [1, 2, 3, 4]
    assert orjson.loads(out.getvalue().splitlines()[1]) == {
        "frame": 0,
        "labelled": True,
        "poses": [{"track_id": 0, "identified": False, "bbox": [1.0, 2.0, 2.0, 2.5], "score": 0.5}],
    }
    path = tmp_path / "stream.jsonl"
    path.write_bytes(out.getvalue())
    whole = Annotations(PAIR, VideoIdentity("dog.mp4", frame_count=9), tuple(tracks), np.array([0, 2, 4]))
    assert formats.read(path).same_as(whole)
    formats.write(whole, path, force=True)
    assert path.read_bytes() == out.getvalue()


def test_a_script_may_leave_out_what_it_does_not_know(tmp_path: Path) -> None:
    path = tmp_path / "script.jsonl"
    path.write_bytes(stream({"frame": 4, "poses": [POSE, {"bbox": [1, 2, 3, 4], "score": 0.5}]}, {"frame": 7}))
    labels = formats.read(path)
    assert [(t.id, t.identified, t.frames.tolist()) for t in labels.tracks] == [(3, True, [4]), (4, False, [4])]
    assert labels.tracks[0].source.tolist() == [[Source.MANUAL, Source.NONE]]
    assert labels.tracks[1].boxes.tolist() == [[1, 2, 4, 6]]
    assert labels.labelled is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (stream({"frame": 4}, {"frame": 4}), "line 3: frame 4 follows frame 4; a stream has one line a frame"),
        (stream({"frame": 4}, {"frame": 3}), "line 3: frame 3 follows frame 4"),
        (stream({"frame": -1}), "line 2: frame is -1, expected 0 to"),
        (stream({"poses": []}), "line 2: frame is null, expected a whole number"),
        (stream({"frame": 1, "labelled": 1}), "line 2: labelled is 1, expected true or false"),
        (stream({"frame": 1, "ignore_regions": [[1, 2]]}), "line 2: a point of an ignore region is 1"),
        (stream({"frame": 1, "poses": [{**POSE, "keypoints": [1]}]}), "track 3: 1 keypoint values, expected 6"),
        (stream({"frame": 1, "poses": [{**POSE, "identified": 0}]}), "frame 1: identified is 0"),
        (stream({"frame": 1, "poses": [POSE, POSE]}), "track 3 is labelled twice in frame 1"),
        (stream({"frame": 1}, end={"frames": 2}), "line 3: counts 2 frames, and there are 1; lines were lost"),
        (stream() + stream(), "line 3: stands after the line with 'end'; a stream holds one video"),
        (stream({"frame": 1}).replace(b'"frame":1', b'"frame":NaN'), "line 2: is not JSON at column 10"),
        (stream() + b"[1]\n", "line 3: is [1] (a list), expected an object"),
        (orjson.dumps({**HEADER, "info": {"format": "jsonl", "version": 2}}) + b"\n", "is of version 2 of the format"),
        (orjson.dumps({**HEADER, "category": {"name": "pair"}}) + b"\n", "line 1: category has no keypoints"),
        (b"{}\n", "does not begin with a line"),
        (b"", "does not begin with a line"),
    ],
)
def test_what_is_wrong_with_a_line_is_said_with_its_number(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_bytes(content)
    with pytest.raises(PwarpError, match=re.escape(message)) as refusal:
        formats.read(path, format="jsonl")
    assert str(refusal.value).startswith(f"{path}: ")


ODD = [None, True, 0, -1, 1.5, 1e308, 2**53, 2**63, "", "x", [], [[]], {}, [None], [1, 2, 3, 4], [{}], {"frames": 1}]


@given(data=st.data())
@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_spoilt_stream_is_read_or_refused_in_one_line(data: st.DataObject, tmp_path: Path) -> None:
    lines: list[Any] = [orjson.loads(line) for line in documented().splitlines()]
    holder: Any = lines
    while True:
        key = data.draw(st.sampled_from(list(holder) if isinstance(holder, dict) else list(range(len(holder)))))
        if not (isinstance(holder[key], dict | list) and holder[key]) or data.draw(st.booleans()):
            break
        holder = holder[key]
    holder[key] = data.draw(st.sampled_from(ODD))
    path = tmp_path / "spoilt.jsonl"
    path.write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))
    try:
        formats.read(path, format="jsonl")
    except PwarpError as refusal:
        assert str(refusal).startswith(f"{path}: ")
        assert "\n" not in str(refusal)


def documented() -> bytes:
    """The stream shown in the documentation."""
    page = (ROOT / "docs" / "jsonl.md").read_text()
    (block,) = re.findall(r"```json\n(.*?)```", page, flags=re.S)
    return str(block).encode()


def test_the_stream_in_the_documentation_is_what_pwarp_writes(tmp_path: Path) -> None:
    path, again = tmp_path / "page.jsonl", tmp_path / "again.jsonl"
    path.write_bytes(documented())
    labels = formats.read(path)
    assert not formats.write(labels, again)
    assert again.read_bytes() == documented()


def test_a_result_is_measured_as_any_other(tmp_path: Path) -> None:
    from pwarp.evaluation.several import by_video
    from pwarp.evaluation.videos import Labels

    (tmp_path / "dense.jsonl").write_text('{"info":{"format":"jsonl","version":1}}\n{"frame":0,"poses":[]}\n')
    assert [labels.name for labels in by_video(Labels.of_file(tmp_path / "dense.jsonl"))] == ["dense"]
