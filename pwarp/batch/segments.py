"""A long video, divided among several tasks, and put together again.

Spans are independent (see `pwarp.propagation.plan`), and a propagation that was interrupted goes on from what its
journal holds. So a segment is a task that fills some spans and notes them in a journal of its own beside the output;
who finishes the video goes on from all of these, and comes to the same bytes as if it had been one task.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from pwarp.batch.task import Task
from pwarp.errors import PwarpError
from pwarp.propagation import SpanJournal
from pwarp.propagation.plan import Span
from pwarp.propagation.planned import frames
from pwarp.video import Video


def divided(task: Task, video: Video, spans: Sequence[Span], journal: SpanJournal) -> tuple[Task, ...]:
    """Tasks of about equal length that fill the spans the journal does not know; none where one task is enough."""
    assert task.settings.segment is not None
    rest = [span for span in spans if (span.first, span.last) not in journal.finished()]
    return tuple(
        replace(task, opened=video, segment=(some[0].first, some[-1].last))
        for some in _shares(rest, -(-frames(rest) // task.settings.segment))
    )


def _shares(spans: Sequence[Span], count: int) -> Iterator[list[Span]]:
    """Spans in about `count` runs with about as many frames each; nothing where that would be a single one."""
    whole, before = frames(spans), 0
    shares: dict[int, list[Span]] = {}
    for span in spans:
        # A span goes where its middle falls.
        middle = before + (span.last - span.first) / 2
        shares.setdefault(int(middle * count / whole), []).append(span)
        before += span.last - span.first
    if len(shares) > 1:
        yield from shares.values()


def journal_of(output: Path, identity: str, segment: tuple[int, int] | None) -> SpanJournal:
    """What an interrupted run had finished of a video or a segment; a new one where it was another run."""
    partial = output.with_name(f"{output.name}.partial")
    if segment is not None:
        try:
            refuse_link(_folder(output))
            _folder(output).mkdir(exist_ok=True)
        except OSError as error:
            raise PwarpError(f"{_folder(output)}: cannot make the folder: {error.strerror}") from error
        partial = _folder(output) / f"{segment[0]}-{segment[1]}.partial"
    try:
        return SpanJournal(partial, identity, resume=True)
    except PwarpError:
        return SpanJournal(partial, identity, resume=False)


def finished_beside(output: Path, journal: SpanJournal) -> None:
    """Let the journal of a video know what those of its segments hold."""
    for path in _journals(output):
        journal.consult(path)


def remove_segments(output: Path) -> None:
    """Remove the journals of a video's segments."""
    for path in _journals(output):
        path.unlink(missing_ok=True)
    with suppress(OSError):
        _folder(output).rmdir()


def refuse_link(folder: Path) -> None:
    """Raise PwarpError for a folder of our own that is a link: what it leads to is somebody else's."""
    if folder.is_symlink():
        raise PwarpError(f"{folder}: is a link, where a run keeps what it works on; remove it")


def _journals(output: Path) -> list[Path]:
    refuse_link(_folder(output))
    return sorted(_folder(output).glob("*.partial"))


def _folder(output: Path) -> Path:
    # A folder, because nobody should have to list all outputs to find what belongs to one.
    return output.with_name(f"{output.name}.segments.partial")
