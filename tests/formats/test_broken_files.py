"""Files that are no JSON, or no label file: one line that says what they are and where it goes wrong."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from click.testing import CliRunner
from labels import coco, pose
from pwarp_cli.main import main

from pwarp import formats
from pwarp.errors import PwarpError
from pwarp.formats import label_file

VALID = orjson.dumps(coco(pose()))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"is no label file that pwarp knows: it is empty; formats: jsonl, pwarp, cvat, "),
        (b"  \n ", r"it is empty"),
        (b"frame,x,y\n0,1,2\n", r"it looks like text, not JSON"),
        (b"\x89PNG\r\n\x1a\n\0\0\0", r"it looks like a PNG picture"),
        (b"\x1f\x8b\x08\x00", r"it looks like a gzip archive; unpack it first"),
        (b"\0\1\2", r"it looks like binary data"),
        (b'{"shapes": [], "flags": {}}', r"it looks like JSON with the fields 'shapes', 'flags'"),
        (b"[1, 2]", r"it looks like a JSON list"),
        (VALID[:-100], rf"JSON ends in the middle at byte {len(VALID) - 100}; the file was cut off"),
        (b'{"images":\xff\xfe', r"not UTF-8 text at byte 10; save it as UTF-8"),
        (b'{"a": ' + b"[" * 5000, r"nested too deep at byte \d+; no label file looks like this"),
        (b'{"a": 1,}', r"not JSON at byte \d+ \(line 1, column \d+\)"),
        (b"{'a': 1}", r"not JSON at byte 1 \(line 1, column 2\)"),
        (b'{"a": nan}', r"not JSON at byte 6"),
        (b'{"a": ' + b"9" * 5000 + b"}", r"it looks like JSON with the fields 'a'|not finite"),
    ],
)
def test_what_a_file_is_instead(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "labels.json"
    path.write_bytes(content)
    with pytest.raises(PwarpError, match=message) as caught:
        formats.read(path)
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)


@pytest.mark.parametrize("format", ["pwarp", "posetrack18", "coco"])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"is empty"),
        (b"\x1f\x8b\x08\x00", r"is a gzip archive; unpack it first, not JSON"),
        (b"5", r"is 5, expected an object with images, annotations and categories"),
        (b"{}", r"has no field 'images'"),
        (b'{"images": {}}', r"field 'images' is \{\} \(an object\), expected a list of objects"),
        (b'{"images": [3]}', r"images\[0\] is 3, expected an object"),
        (b'{"images": []}', r"has no field 'annotations'"),
    ],
)
def test_what_a_format_misses_in_a_file(tmp_path: Path, format: str, content: bytes, message: str) -> None:
    path = tmp_path / "labels.json"
    path.write_bytes(content)
    with pytest.raises(PwarpError, match=message):
        formats.read(path, format=format)


def test_missing_files_and_folders(tmp_path: Path) -> None:
    with pytest.raises(PwarpError, match=r"nope.json: no such file"):
        formats.read(tmp_path / "nope.json")
    with pytest.raises(PwarpError, match=r"cannot open: File name too long"):
        formats.read(tmp_path / ("n" * 1000))
    with pytest.raises(PwarpError, match=r"is no label file that pwarp knows: a folder"):
        formats.read(tmp_path)
    with pytest.raises(PwarpError, match=r"is a folder, this format is a file; name the file in it"):
        formats.read(tmp_path, format="coco")


def test_a_byte_order_mark_is_no_fault_and_bytes_are_counted_with_it(tmp_path: Path) -> None:
    path = tmp_path / "labels.json"
    path.write_bytes(b"\xef\xbb\xbf" + VALID)
    assert len(formats.read(path).tracks) == 1
    path.write_bytes(b"\xef\xbb\xbf" + VALID[:-5])
    with pytest.raises(PwarpError, match=rf"ends in the middle at byte {len(VALID) - 2};"):
        formats.read(path)


def test_an_immense_file_is_refused_before_it_is_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "labels.json"
    path.write_bytes(VALID)
    monkeypatch.setattr(label_file, "LARGEST", len(VALID) - 1)
    with pytest.raises(PwarpError, match=r"larger than 0 MiB; split it"):
        formats.read(path)


def test_labels_come_from_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(VALID)))
    assert len(formats.read("-").tracks) == 1
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(VALID[:-5])))
    with pytest.raises(PwarpError, match=r"^standard input: JSON ends in the middle"):
        formats.read("-")


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("labels.json", VALID, True),
        ("broken.json", VALID[:50], True),
        ("notes.txt", b"hello", True),
        ("clip.mp4", b"\0\0\0\x20ftypisom\0\0", False),
        ("empty.mp4", b"", False),
    ],
)
def test_labels_are_told_from_videos(tmp_path: Path, name: str, content: bytes, expected: bool) -> None:
    (tmp_path / name).write_bytes(content)
    assert formats.holds_labels(tmp_path / name) is expected
    assert formats.holds_labels("-")
    assert not formats.holds_labels(tmp_path)
    assert not formats.holds_labels(tmp_path / "*.png")


@pytest.mark.parametrize("command", [("info",), ("eval", "TRUTH"), ("check",)])
def test_a_pipe_by_its_name_is_read_once(tmp_path: Path, command: tuple[str, ...]) -> None:
    """As the shell's `<(pwarp convert ...)` gives one."""
    plain, pipe = (tmp_path / kind / "labels.json" for kind in ("plain", "piped"))
    for place in (plain, pipe):
        place.parent.mkdir()
    plain.write_bytes(VALID)
    os.mkfifo(pipe)
    name, *more = command
    rest = [str(plain) for _ in more]
    expected = CliRunner().invoke(main, [name, str(plain), *rest])
    writer = Thread(target=pipe.write_bytes, args=(VALID,), daemon=True)
    writer.start()
    found = CliRunner().invoke(main, [name, str(pipe), *rest])
    writer.join(10)
    assert not writer.is_alive()
    assert (expected.exit_code, found.exit_code, found.exception) == (0, 0, None)
    assert found.stdout.replace("/piped/", "/plain/").split() == expected.stdout.split()


def test_only_the_head_of_a_video_is_read_to_tell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"\0" * 100_000)
    sizes: list[int] = []
    read = label_file.LabelFile._read

    def counted(self: Any, size: int) -> bytes:
        sizes.append(size)
        return read(self, size)

    monkeypatch.setattr(label_file.LabelFile, "_read", counted)
    assert not formats.holds_labels(path)
    assert sizes == [1 << 16]
