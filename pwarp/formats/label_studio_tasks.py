"""Label Studio's export as tasks and regions: which video, whose annotation, and the key frames of each region.

Both of its exports are read: JSON, with tasks, annotations and results, and JSON-MIN, with the values alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from pwarp.annotations import Source
from pwarp.formats.coco_images import last_part
from pwarp.formats.fields import Entry, entries, shown, text
from pwarp.formats.label_file import LabelFile

if TYPE_CHECKING:
    from pwarp.video import Video

# Results beside those of a video's regions, such as choices and text, say nothing of where something is.
_KINDS = ("videovectorlabels", "videovector", "videorectangle")
_LOOKED_AT = 1000  # tasks of a file, until one has regions


@dataclass(frozen=True)
class Region:
    """One thing through a video. id: Label Studio's. label: the first it has. value: framesCount, sequence, ..."""

    id: str
    label: str
    value: Entry
    source: Source

    @property
    def sequence(self) -> list[Any]:
        """Its key frames, as they are in the file."""
        return list(self.value["sequence"])

    @property
    def is_vector(self) -> bool:
        """Whether its key frames have vertices; a rectangle's have none."""
        return any(isinstance(item, dict) and "vertices" in item for item in self.value["sequence"])


def looks_like_tasks(document: object) -> bool:
    """Whether JSON is what Label Studio exports or imports, with regions of a video in it."""
    rows = document if isinstance(document, list) else [document]
    return any(isinstance(row, dict) and _is_task(row) for row in rows[:_LOOKED_AT])


def _is_task(row: Entry) -> bool:
    if isinstance(row.get("data"), dict) and ("annotations" in row or "predictions" in row):
        return True
    return any(_values(value) for value in row.values())


def _values(value: object) -> list[Entry]:
    """The regions in one field of JSON-MIN."""
    rows = value if isinstance(value, list) else []
    return [row for row in rows if isinstance(row, dict) and isinstance(row.get("sequence"), list)]


def choose_task(file: LabelFile, document: object, video: Video | None, only: str | None) -> tuple[Entry, bool]:
    """The task that is meant, and whether `only` named it; raises PwarpError where the choice is open."""
    rows = document if isinstance(document, list) else [document]
    tasks = entries(file, {"tasks": rows}, "tasks")
    if not tasks:
        raise file.error("holds no task; export the project again")
    named = [task for task in tasks if only is not None and only in names_of(task)]
    if len(named) == 1:
        return named[0], True
    if len(tasks) == 1:
        return tasks[0], False
    if video is not None and not named:
        wanted = {video.path, last_part(video.path)}
        named = [task for task in tasks if wanted & set(names_of(task))]
        if len(named) == 1:
            return named[0], False
    known = ", ".join(str((*names_of(task), "(no name)")[0]) for task in tasks[:20])
    raise file.error(f"holds {len(tasks)} tasks; choose one with --only: {known}")


def video_path(task: Entry) -> str | None:
    """How a task calls its video: what stands in its data under 'video', or the first text there."""
    data = task.get("data") if isinstance(task.get("data"), dict) else task
    assert isinstance(data, dict)
    values = [data.get("video"), data.get("video_url"), *data.values()]
    return next((value for value in values if isinstance(value, str) and value), None)


def names_of(task: Entry) -> tuple[str, ...]:
    """What a person may call a task: its video's path, file name or stem, or its id."""
    path = video_path(task)
    given = [] if path is None else [path, last_part(path), PurePosixPath(last_part(path)).stem]
    # A file that was uploaded has eight characters and a dash put before its name.
    given += [part for name in given[1:] if (part := _without_upload_mark(name)) is not None]
    return (*given, str(task["id"])) if isinstance(task.get("id"), int | str) else tuple(given)


def _without_upload_mark(name: str) -> str | None:
    mark, dash, rest = name.partition("-")
    return rest if dash and len(mark) == 8 and mark.isalnum() else None


def regions_of(file: LabelFile, task: Entry, only: str | None) -> tuple[list[Region], bool]:
    """The regions of one annotation (or, without any, one prediction) of a task, and whether `only` named it."""
    if "annotations" not in task and "predictions" not in task:
        return [
            _region(file, str(n), value, Source.MANUAL)
            for n, value in enumerate(value for field in task.values() for value in _values(field))
        ], False
    annotations = [a for a in entries(file, task, "annotations", required=False) if not a.get("was_cancelled")]
    annotations = [a for a in annotations if a.get("result")] or annotations[:1]
    chosen = [a for a in annotations if only is not None and str(a.get("id")) == only]
    named = bool(chosen)
    chosen = chosen or [a for a in annotations if a.get("ground_truth")] or annotations
    if len(chosen) > 1:
        ids = ", ".join(shown(a.get("id")) for a in chosen[:20])
        raise file.error(f"{len(chosen)} annotations of one video; choose one with --only: {ids}")
    source = Source.MANUAL
    if not chosen:
        chosen, source = entries(file, task, "predictions", required=False)[-1:], Source.DETECTED
    rows = [row for annotation in chosen for row in entries(file, annotation, "result")]
    return list(_regions(file, rows, source)), named


def _regions(file: LabelFile, rows: Sequence[Entry], source: Source) -> Iterable[Region]:
    """The regions among results; labels may stand in a result of their own with the same id."""
    labels: dict[str, str] = {}
    found: dict[str, tuple[Entry, Source]] = {}
    for place, row in enumerate(rows):
        value = row.get("value")
        id = str(row.get("id", place))
        if not isinstance(value, dict):
            continue
        if (label := _label(value)) is not None:
            labels.setdefault(id, label)
        if id in found and "sequence" in value and value["sequence"] != found[id][0]["sequence"]:
            raise file.error(f"two regions have the id '{id[:80]}' and other key frames; give one another id")
        if isinstance(value.get("sequence"), list) and id not in found:
            predicted = row.get("origin") == "prediction"
            found[id] = (value, Source.DETECTED if predicted else source)
        elif row.get("type") in _KINDS and "sequence" not in value:
            raise file.error(f"region {shown(id)} has no sequence; a region of a video has its key frames there")
        elif row.get("type") in _KINDS and id not in found:
            raise file.error(f"region {shown(id)}: sequence is {shown(value['sequence'])}, expected a list")
    for id, (value, source_of) in found.items():
        yield _region(file, id, value | {"labels": [labels[id]]} if id in labels else value, source_of)


def _region(file: LabelFile, id: str, value: Entry, source: Source) -> Region:
    return Region(text(file, "id of a region", id), _label(value) or "", value, source)


def _label(value: Entry) -> str | None:
    """The first label in a value, under 'labels' or the name of the control."""
    for key in ("labels", *_KINDS):
        names = value.get(key)
        if isinstance(names, list) and names and isinstance(names[0], str):
            return names[0]
    return None
