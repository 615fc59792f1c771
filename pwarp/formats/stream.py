"""Writing labels part by part, so that those of a long video need not be in memory as a whole."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from pwarp.annotations import Annotations
from pwarp.files import atomic_path
from pwarp.formats import jsonl
from pwarp.formats.compare import differences
from pwarp.formats.label_file import LabelFile
from pwarp.formats.losses import Loss, LossReport, Renamed

FORMAT = jsonl.NAME


def write_parts(
    parts: Iterable[Annotations], whole: Annotations, path: str | Path, *, force: bool = False
) -> LossReport:
    """Write annotations that come in parts of successive frames as JSON Lines, and say what these could not hold.

    The bytes are those that `write` makes of all parts together, and each part is read back and compared, too. '-' is
    standard output, where each part appears as soon as it is there.

    whole: skeleton, video and all tracks, in order, with what is true of each as a whole; poses are taken from the
    parts alone.
    """
    losses: dict[str, Loss] = {}
    with _opened(path, force=force) as out:
        lines = jsonl.LineWriter(out, whole.skeleton, whole.video)
        for part in parts:
            if not (part.tracks or part.ignore_regions or (part.labelled is not None and len(part.labelled))):
                continue
            written = BytesIO()
            jsonl.write_to(part, written)
            content = written.getvalue()
            after = jsonl.read(LabelFile.of(content, str(path)), video=None, only=None)
            for loss in differences(part, after, Renamed()):
                known = losses.get(loss.what, Loss(loss.what, 0, loss.example))
                losses[loss.what] = Loss(loss.what, known.count + loss.count, known.example)
            # All but the first line and the last one.
            lines.copy(content[content.index(b"\n") + 1 : content.rindex(b"\n", 0, -1) + 1])
        lines.end(whole.tracks)
    return LossReport(FORMAT, tuple(losses.values()))


@contextmanager
def _opened(path: str | Path, *, force: bool) -> Iterator[BinaryIO]:
    if str(path) == "-":
        yield sys.stdout.buffer
        return
    with atomic_path(Path(path), force=force) as target, target.open("wb") as out:
        yield out
