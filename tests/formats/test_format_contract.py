"""What every registered format promises."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from labels import Blank
from strategies import annotations

from pwarp import formats, registry
from pwarp.annotations import Annotations, Source, Track, VideoIdentity
from pwarp.errors import PwarpError
from pwarp.skeleton import BUILTIN, COCO_17

FORMATS = registry.names("format")
# Formats with a data set's fixed keypoints.
SLOTTED = {"posetrack17", "posetrack18", "penn", "jhmdb"}
# Formats that write pictures, too.
WITH_VIDEO = {"yolo-pose": Blank()}
# What a format may say instead of writing labels that it has no way at all to hold.
REFUSALS = ("shares no keypoint", "one person", "no poses", "nothing to write")
quick = settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))


def by_id(labels: Annotations) -> Annotations:
    """The order of tracks means nothing."""
    return replace(labels, tracks=tuple(sorted(labels.tracks, key=lambda track: track.id)))


def drawn(data: st.DataObject, format: str) -> Annotations:
    """Annotations of every kind; for a data set's format mostly with keypoints that it knows."""
    known = st.sampled_from([COCO_17, *BUILTIN.values()]) if format in SLOTTED else None
    labels = data.draw(annotations(known))
    if format == "label-studio":
        # It has places in percent, and refuses labels that do not say the size of the picture.
        return replace(
            labels, video=replace(labels.video, width=labels.video.width or 640, height=labels.video.height or 360)
        )
    if format not in WITH_VIDEO:
        return labels
    size = np.array([200, 150])  # a little more than the picture
    tracks = tuple(replace(t, xy=t.xy % size, boxes=t.boxes % np.tile(size, 2)) for t in labels.tracks)
    return replace(labels, video=WITH_VIDEO[format].identity, tracks=tracks)


def content(path: Path) -> dict[str, bytes]:
    """The bytes of a file, or of every file in a folder."""
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    return {str(file.relative_to(path)): file.read_bytes() for file in files}


def remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("labels")


@pytest.mark.parametrize("format", FORMATS)
@given(data=st.data())
@quick
def test_reads_back_what_it_wrote_or_says_what_was_lost(format: str, folder: Path, data: st.DataObject) -> None:
    labels = drawn(data, format)
    path = folder / f"{format}.json"
    try:
        report = formats.write(labels, path, format=format, force=True, video=WITH_VIDEO.get(format))
    except PwarpError as refusal:
        assert any(reason in str(refusal) for reason in REFUSALS), refusal
        assume(False)
    same = by_id(formats.read(path, format=format)).same_as(by_id(labels))
    assert same == (not report), report.lines()
    assert report.format == format
    assert all(loss.count > 0 and loss.what and loss.example for loss in report.losses)


@pytest.mark.parametrize("format", FORMATS)
def test_a_choice_that_names_nothing_is_refused(format: str, tmp_path: Path) -> None:
    track = Track.make(0, [0, 3], np.full((2, len(COCO_17), 2), 7.0))
    labels = Annotations(COCO_17, VideoIdentity("dog.mp4", width=64, height=48, frame_count=5), (track,))
    for name in ("labels", "labels.mat"):
        video = WITH_VIDEO.get(format)
        labels = labels if video is None else replace(labels, video=video.identity)
        formats.write(labels, tmp_path / name, format=format, video=video)
        with pytest.raises(PwarpError, match="nosuch"):
            formats.read(tmp_path / name, format=format, only="nosuch")


@pytest.mark.parametrize("format", FORMATS)
def test_a_label_far_away_is_not_taken_for_a_long_video(format: str, tmp_path: Path) -> None:
    """A wrong frame number in a small file: formats that list all frames want to see the video."""
    xy = np.full((2, len(COCO_17), 2), 7.0)
    source = np.full(xy.shape[:2], Source.DETECTED)
    track = Track.make(0, [0, 999_999], xy, score=np.ones(xy.shape[:2]), source=source)
    labels = Annotations(COCO_17, VideoIdentity(width=64, height=48), (track,))
    try:
        formats.write(labels, tmp_path / "labels", format=format)
    except PwarpError as refusal:
        listed = "lists every frame, which are 1000000, of which 2 have labels; give the video, too"
        assert listed in str(refusal) or format == "yolo-pose"  # which needs the video anyhow
    else:
        assert (tmp_path / "labels").stat().st_size < 1 << 17
        assert format not in SLOTTED | {"dlc"}


@pytest.mark.parametrize("format", FORMATS)
@given(data=st.data())
@quick
def test_the_same_annotations_give_the_same_bytes_and_strict_writes_only_without_loss(
    format: str, folder: Path, data: st.DataObject
) -> None:
    labels = drawn(data, format)
    first, second = folder / f"first-{format}.json", folder / f"second-{format}.json"
    remove(second)
    try:
        report = formats.write(labels, first, format=format, force=True, video=WITH_VIDEO.get(format))
    except PwarpError:
        assume(False)
    try:
        formats.write(labels, second, format=format, strict=True, video=WITH_VIDEO.get(format))
    except PwarpError as refusal:
        assert report and not second.exists()
        assert report.losses[0].what in str(refusal)
    else:
        assert not report
        assert content(first) == content(second)


@pytest.mark.parametrize("format", FORMATS)
@given(data=st.data())
@quick
def test_once_written_nothing_more_is_lost(format: str, folder: Path, data: st.DataObject) -> None:
    labels = drawn(data, format)
    first, second = folder / f"first-{format}.json", folder / f"second-{format}.json"
    try:
        formats.write(labels, first, format=format, force=True, video=WITH_VIDEO.get(format))
    except PwarpError:
        assume(False)
    read = formats.read(first, format=format)
    assert not formats.write(read, second, format=format, force=True, video=WITH_VIDEO.get(format)).lines()
    if not first.is_file() or not first.read_bytes().startswith(b"\x89HDF"):  # HDF5 numbers lone poses anew
        assert content(first) == content(second)
