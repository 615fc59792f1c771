"""From a planned propagation to the label file that holds its result."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from pwarp import formats
from pwarp.formats import stream
from pwarp.propagation.summary import Tally

if TYPE_CHECKING:
    from pwarp.propagation.journal import SpanJournal
    from pwarp.propagation.planned import Planned
    from pwarp.video import Video


def write_result(
    planned: Planned,
    path: str | Path,
    *,
    format: str,
    video: Video,
    force: bool = False,
    tolerance: float | None = None,
    journal: SpanJournal | None = None,
    advance: Callable[[int], None],
    tell: Callable[[str], None],
) -> tuple[formats.LossReport, Tally]:
    """Fill what is planned and write it; what the format lost, and what it came to.

    JSON Lines are written part by part, so that the result of a long video is never in memory as a whole.
    force, tolerance: as for `formats.write`. journal, advance, tell: as for `propagate`.
    """
    tally = Tally(video.frame_count)
    if format == stream.FORMAT:
        parts = tally.through(planned.parts(journal, advance, tell))
        return stream.write_parts(parts, planned.labels, path, force=force), tally
    dense = planned.assemble(planned.fill(planned.spans, journal, advance, tell))
    tally.add(dense)
    return formats.write(dense, path, format=format, video=video, force=force, tolerance=tolerance), tally
