"""Which files of a folder are its label files."""

from __future__ import annotations

from pathlib import Path

from pwarp import registry
from pwarp.errors import PwarpError
from pwarp.files import check_inside
from pwarp.formats.label_studio_names import SIDE_SUFFIX

# What `pwarp run` notes about its outputs (`pwarp.batch.manifest`) stands among them, in lines of JSON.
RUN_MANIFEST = "pwarp-run.jsonl"


def label_files(folder: Path) -> list[Path]:
    """The files of a folder whose suffix is that of a label format, by name.

    What pwarp itself puts or wants beside labels is none of them: a run's manifest, names of vertices, hidden files,
    and unfinished outputs, which end in `.partial`. Raises PwarpError where no file is left, and for a link that leads
    out of the folder.
    """
    # Formats that have no suffix of their own are JSON or MATLAB files.
    suffixes = {".json", ".mat"}.union(*(registry.load("format", name).SUFFIXES for name in registry.names("format")))
    files = [
        path
        for path in sorted(folder.iterdir())
        if path.suffix.lower() in suffixes
        and path.name != RUN_MANIFEST
        and not path.name.startswith(".")
        and not path.name.lower().endswith(SIDE_SUFFIX)
    ]
    if not files:
        raise PwarpError(
            f"{folder}: no label file ({', '.join(sorted(suffixes))}) in this folder; name the folder that holds them"
        )
    return [check_inside(folder, path) for path in files]
