"""The one door for label files: `read`, `write` and `sniff`, whatever the format.

A format is a module in the table of `pwarp.registry`; nobody outside this package needs to know which one it is.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pwarp import registry
from pwarp.annotations import Annotations, Track, VideoIdentity, merged_spans
from pwarp.errors import PwarpError, UsageError
from pwarp.files import atomic_folder, atomic_path, check_output, check_output_folder
from pwarp.formats.alignment import Alignment, align
from pwarp.formats.compare import differences
from pwarp.formats.label_file import STANDARD_INPUT, LabelFile, no_garbage
from pwarp.formats.losses import THINNED, Loss, LossReport
from pwarp.formats.thinning import DEFAULT_TOLERANCE, thin
from pwarp.formats.wrong_video import refuse_frames_beyond, refuse_other_video

if TYPE_CHECKING:
    from pwarp.video import Video

__all__ = [
    "Alignment",
    "Loss",
    "LossReport",
    "NoFormatError",
    "check_target",
    "check_tolerance",
    "format_for",
    "holds_labels",
    "next_step",
    "read",
    "sniff",
    "write",
]

STANDARD_OUTPUT = "-"
NATIVE = "pwarp"


def read(
    path: str | Path | LabelFile,
    *,
    format: str | None = None,
    video: Video | None = None,
    only: str | None = None,
    alignment: Alignment | None = None,
) -> Annotations:
    """The annotations in a label file, open already or by its path; '-' reads standard input.

    format: a registered format; None finds out. video: the video the labels belong to; it lets a reader turn file
    names into frames, fills in what the file does not know about the video, and labels that disagree with it are
    refused. only: the video (or category) to take from a file that holds several. alignment: how the frames and pixels
    of the labels are those of the video, where they are not the same.

    Raises PwarpError, naming file, frame, track and field, for everything that is wrong with the file.
    """
    file = path if isinstance(path, LabelFile) else LabelFile.open(path)
    try:
        with no_garbage():
            name = format or sniff(file)
            annotations: Annotations = registry.load("format", name).read(file, video=video, only=only)
            if file.not_finite_at is not None:
                raise PwarpError(
                    f"the number at byte {file.not_finite_at} is not finite; write null for what is unknown"
                )
            if file is not path:
                file.forget()  # before the collector goes through all of it
        if alignment is not None:
            annotations = align(annotations, alignment, video)
        if video is not None:
            return _bound(annotations, video)
        refuse_frames_beyond(annotations, annotations.video.frame_count)
        return annotations
    except PwarpError as error:
        # Errors may name a file in the folder, or a place in the file.
        if str(error).startswith((f"{file.name}: ", f"{file.name}, ", f"{file.name}/")):
            raise
        raise file.error(str(error)) from error


def _bound(annotations: Annotations, video: Video) -> Annotations:
    """The annotations with an identity completed by the video's, refused where the two disagree."""
    refuse_other_video(annotations, video)
    said, seen = annotations.video, video.identity
    identity = VideoIdentity(
        path=said.path or seen.path,
        width=seen.width,
        height=seen.height,
        frame_count=seen.frame_count,
        # Pictures have no rate of their own; the labels may know it.
        fps=said.fps if seen.fps is None else seen.fps,
        fingerprint=seen.fingerprint,
    )
    tracks = tuple(_within(track, seen.frame_count) for track in annotations.tracks)
    return replace(annotations, video=identity, tracks=tracks)


def _within(track: Track, frame_count: int | None) -> Track:
    """The track with stretches of absence cut off at the end of the video; some were open to the right."""
    if frame_count is None or not len(track.absent) or track.absent[-1, 1] < frame_count:
        return track
    spans = [(first, min(last, frame_count - 1)) for first, last in track.absent.tolist() if first < frame_count]
    return replace(track, absent=merged_spans(spans))


def write(
    annotations: Annotations,
    path: str | Path,
    *,
    format: str | None = None,
    video: Video | None = None,
    force: bool = False,
    strict: bool = False,
    tolerance: float | None = None,
    dry: bool = False,
) -> LossReport:
    """Write annotations and say what the format could not hold; '-' writes to standard output.

    The report is measured: the file is read back and compared before it takes its name.

    format: a registered format; None goes by the file name. video: lends its picture names to formats that name
    pictures; refused where it is not that of the annotations. force: replace an existing file. strict: refuse, and
    write nothing, where anything would be lost. The same annotations always give the same bytes.
    tolerance: for a format of key frames between which its tool draws lines (it has DECIMALS): a dense track is thinned
    to the fewest that keep the lines within so many pixels of it. None: `thinning.DEFAULT_TOLERANCE`.
    dry: everything but what is written, to tell beforehand what would be lost.
    """
    name = format or format_for(path)
    module = registry.load("format", name)
    check_tolerance(name, tolerance)
    annotations.check_frames()
    if video is not None:
        _bound(annotations, video)

    def written(target: Path) -> LossReport:
        labels, thinned = _thinned(annotations, module, tolerance)
        try:
            with no_garbage():
                renamed = module.write(labels, target, video=video)
        except PwarpError as error:
            raise type(error)(f"{path}: {error}") from error
        try:
            found = _read_back(module, target, video)
        except PwarpError as error:
            # The temporary name says nothing to anybody.
            raise PwarpError(str(error).replace(str(target), f"{path}, as {name}")) from error
        report = LossReport(name, (*thinned, *differences(labels, found, renamed)))
        if strict and report:
            raise PwarpError(f"{path}: not written: {'; '.join(report.lines())}")
        return report

    is_folder = _is_folder(module, path)
    if dry:
        with tempfile.TemporaryDirectory() as folder:
            target = Path(folder) / ("labels" if str(path) == STANDARD_OUTPUT else Path(path).name)
            if is_folder:
                target.mkdir()
            return written(target)
    if is_folder:
        with atomic_folder(Path(path), force=force, ours=_ours(module, path, annotations)) as target:
            return written(target)
    if str(path) == STANDARD_OUTPUT:
        with tempfile.TemporaryDirectory() as folder:
            target = Path(folder) / "labels"
            report = written(target)
            sys.stdout.buffer.write(target.read_bytes())
            return report
    with atomic_path(Path(path), force=force) as target:
        return written(target)


def _thinned(annotations: Annotations, module: Any, tolerance: float | None) -> tuple[Annotations, tuple[Loss, ...]]:
    """The labels as a format of key frames holds them, and what lines between these now stand for."""
    if not hasattr(module, "DECIMALS"):
        return annotations, ()
    thinned = thin(annotations, DEFAULT_TOLERANCE if tolerance is None else tolerance, module.DECIMALS)
    gone = thinned.poses - thinned.kept
    if not gone:
        return thinned.labels, ()
    lines = f"{thinned.example}; lines between {thinned.kept} key frames are {thinned.farthest:.2f} px off at most"
    return thinned.labels, (Loss(THINNED, gone, lines),)


def check_tolerance(format: str, tolerance: float | None) -> None:
    """Raise PwarpError where a tolerance is given that means nothing, before long work starts."""
    if tolerance is None:
        return
    if not hasattr(registry.load("format", format), "DECIMALS"):
        thinning = [n for n in registry.names("format") if hasattr(registry.load("format", n), "DECIMALS")]
        raise UsageError(f"{format} labels hold every pose; --tolerance goes with {' and '.join(thinning)}")
    if not 0 <= tolerance < float("inf"):
        raise PwarpError(f"--tolerance {tolerance} is no distance in pixels; give 0 or more")


def check_target(path: str | Path, format: str, *, force: bool = False) -> None:
    """Raise PwarpError where labels of a format cannot be written to a path, before long work starts."""
    module = registry.load("format", format)
    if _is_folder(module, path):
        check_output_folder(Path(path), force=force, ours=_ours(module, path, None))
    elif str(path) != STANDARD_OUTPUT:
        check_output(Path(path), force=force)


def next_step(path: str | Path, format: str) -> str | None:
    """The command that a file or folder of this format is usually written for, or None."""
    module = registry.load("format", format)
    return str(module.next_step(Path(path))) if hasattr(module, "next_step") else None


def _is_folder(module: Any, path: str | Path) -> bool:
    """Whether a format writes a folder under this name; its module then has `is_ours`."""
    if not (hasattr(module, "writes_folder") and module.writes_folder(Path(path))):
        return False
    if str(path) == STANDARD_OUTPUT:
        raise PwarpError(f"{module.NAME} labels are a folder, which standard output cannot carry; name a folder")
    return True


def _ours(module: Any, path: str | Path, annotations: Annotations | None) -> Callable[[Path], bool]:
    """Whether a file is one that the format writes into this folder, for these labels where they are given."""
    return lambda file: bool(module.is_ours(file, Path(path), annotations))


def _read_back(module: Any, written: Path, video: Video | None) -> Annotations:
    """What the format's own reader makes of a file just written."""
    with no_garbage():
        annotations: Annotations = module.read(LabelFile.open(written), video=video, only=None)
    return annotations


def sniff(path: str | Path | LabelFile) -> str:
    """Name of the format of a file, open already or by its path.

    Raises PwarpError that says what the file looks like and which formats there are.
    """
    file = path if isinstance(path, LabelFile) else LabelFile.open(path)
    for name in registry.names("format"):
        if registry.load("format", name).sniff(file):
            return name
    suffix = "" if file.path is None else file.path.suffix.lower()
    for name in registry.names("format") if file.looks_like_text else ():
        module: Any = registry.load("format", name)
        if suffix in module.SUFFIXES and hasattr(module, "missing"):
            raise file.error(f"is no label file that pwarp knows: {module.missing(file)}")
    raise file.error(f"is no label file that pwarp knows: {file.looks_like}; formats: {_known()}")


def holds_labels(path: str | Path | LabelFile) -> bool:
    """Whether a file holds labels, sound or broken, rather than a video: what comes through a pipe, any text, a known
    format."""
    try:
        file = path if isinstance(path, LabelFile) else LabelFile.open(path)
    except PwarpError:
        return False
    known = (registry.load("format", name) for name in registry.names("format"))
    return file.path is None or file.looks_like_text or any(module.sniff(file) for module in known)


class NoFormatError(UsageError):
    """A file name that asks for no label format. problem: what is wrong, without how to mend it; formats: there are."""

    def __init__(self, path: str | Path, suffix: str) -> None:
        self.problem, self.formats = f"{path}: no label format goes by the suffix '{suffix}'", _known()
        super().__init__(f"{self.problem}; give another, or name the format: {self.formats}")


def format_for(path: str | Path) -> str:
    """The format that a file name asks for; raises PwarpError for a name that asks for none."""
    if str(path) in (STANDARD_INPUT, STANDARD_OUTPUT):
        return NATIVE
    suffix = Path(path).suffix.lower()
    for name in registry.names("format"):
        module: Any = registry.load("format", name)
        if suffix in module.SUFFIXES:
            return name
    if Path(path).is_dir():
        raise PwarpError(f"{path}: is a folder; give a file name, or name the format of the folder to write")
    raise NoFormatError(path, suffix)


def _known() -> str:
    return ", ".join(registry.names("format"))
