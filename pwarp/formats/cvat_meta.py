"""What CVAT says in <meta>: which labels there are, which of them make a skeleton, and how frames are numbered.

A frame of a task is written as start_frame + step * its place in the task, which is its number in the source video.
In the export of a whole project the tasks of one subset come after one another: to the frames of each is added
start_frame + step * size of every task before it (cvat-ai/cvat#4502), and that is taken off again here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import defusedxml.ElementTree
from defusedxml.common import DefusedXmlException

from pwarp.annotations import LARGEST_SIDE, VideoIdentity
from pwarp.errors import PwarpError
from pwarp.formats.coco_images import LAST_FRAME, last_part
from pwarp.formats.label_file import LabelFile
from pwarp.skeleton import Edge, Skeleton

if TYPE_CHECKING:
    from pwarp.video import Video

# An xml.etree.ElementTree.Element, which is made by defusedxml only.
Element = Any
_STEP = re.compile(r"step\s*=\s*(\d{1,9})")


@dataclass(frozen=True)
class Label:
    """A label of a task. kind: 'skeleton', 'points', 'rectangle', ... parent: the skeleton that a point is part of."""

    name: str
    kind: str
    parent: str | None
    svg: str


@dataclass(frozen=True)
class Task:
    """A task (or job) and the video it is of.

    size: how many frames it has. start, step: which frames of the source these are. width, height: of the pictures.
    offset: what the export of a project adds to its frame numbers.
    """

    id: str | None
    name: str
    subset: str
    source: str | None
    size: int | None
    start: int
    step: int
    width: int | None
    height: int | None
    is_job: bool
    offset: int = 0

    @property
    def names(self) -> tuple[str, ...]:
        """What a person may call it."""
        given = [name for name in (self.source, self.name, self.id) if name]
        return tuple(
            dict.fromkeys([*given, *map(last_part, given), *(PurePosixPath(last_part(n)).stem for n in given)])
        )

    @property
    def identity(self) -> VideoIdentity:
        """What is known of the video: its length only where the task has every frame of it."""
        whole = self.step == 1 and self.start == 0 and not self.is_job
        return VideoIdentity(self.source, self.width, self.height, self.size if whole else None)


@dataclass(frozen=True)
class Meta:
    """The tasks in a file, at least one, and their labels."""

    tasks: tuple[Task, ...]
    labels: tuple[Label, ...]

    def task(self, file: LabelFile, video: Video | None, only: str | None) -> tuple[Task, bool]:
        """The task that is meant, and whether `only` named it; raises PwarpError where the choice is open."""
        named = [task for task in self.tasks if only is not None and only in task.names]
        if len(named) == 1:
            return named[0], True
        if len(self.tasks) == 1:
            return self.tasks[0], False
        if video is not None and not named:
            wanted = {video.path, last_part(video.path)}
            named = [task for task in self.tasks if wanted & set(task.names)]
            if len(named) == 1:
                return named[0], False
        known = ", ".join(task.names[0] if task.names else "(no name)" for task in self.tasks[:20])
        raise file.error(f"holds {len(self.tasks)} tasks; choose one with --only: {known}")

    def skeleton(self, file: LabelFile, name: str) -> Skeleton | None:
        """The skeleton that a label stands for, or None where it is another kind of label."""
        points = [label.name for label in self.labels if label.parent == name]
        label = next((one for one in self.labels if one.name == name and one.parent is None), None)
        if not points or label is None:
            return None
        return Skeleton.from_names(name, points, _edges(file, label.svg, points, name))


def read_meta(file: LabelFile, element: Element) -> Meta:
    """The content of <meta>, whether of a task, a job or a project."""
    holder = next((child for child in element if child.tag in ("task", "job", "project")), None)
    if holder is None:
        return Meta((_NO_TASK,), tuple(_labels(element)))
    found = holder.findall("tasks/task") if holder.tag == "project" else [holder]
    tasks = tuple(_task(file, task, is_job=holder.tag == "job") for task in found)
    labels = {label.name + "\0" + (label.parent or ""): label for task in [holder, *found] for label in _labels(task)}
    return Meta(_in_a_row(tasks) if holder.tag == "project" else tasks or (_NO_TASK,), tuple(labels.values()))


_NO_TASK = Task(None, "", "", None, None, 0, 1, None, None, is_job=False)
EMPTY = Meta((_NO_TASK,), ())


def _in_a_row(tasks: Sequence[Task]) -> tuple[Task, ...]:
    """The tasks of a project with what is added to the frame numbers of each."""
    ends: dict[str, int] = {}
    placed = []
    for task in tasks:
        offset = ends.get(task.subset, 0)
        placed.append(replace(task, offset=offset))
        ends[task.subset] = offset + task.start + task.step * (task.size or 0)
    return tuple(placed) or (_NO_TASK,)


def _task(file: LabelFile, element: Element, *, is_job: bool) -> Task:
    def number(path: str, most: int = LAST_FRAME) -> int | None:
        value = text(path)
        return None if value is None else whole_number(file, f"<{path}> in <meta>", value, most=most)

    def text(path: str) -> str | None:
        value = element.findtext(path)
        return value.strip() or None if value is not None else None

    step = _STEP.search(text("frame_filter") or "")
    return Task(
        id=text("id"),
        name=text("name") or "",
        subset=text("subset") or "",
        source=text("source") or text("segments/segment/source"),
        size=number("size"),
        start=number("start_frame") or 0,
        step=max(int(step[1]), 1) if step else 1,
        width=number("original_size/width", LARGEST_SIDE),
        height=number("original_size/height", LARGEST_SIDE),
        is_job=is_job,
    )


def _labels(element: Element) -> list[Label]:
    labels = []
    for label in element.findall("labels/label"):
        parent = _name(label.findtext("parent"))
        kind = (label.findtext("type") or "any").strip()
        labels.append(Label(_name(label.findtext("name")) or "", kind, parent, label.findtext("svg") or ""))
    return labels


def _name(text: str | None) -> str | None:
    """A name, without the white space of a file that was indented by hand."""
    return (text.strip() if text and "\n" in text else text) or None


def _edges(file: LabelFile, svg: str, points: Sequence[str], name: str) -> list[Edge]:
    """The lines of a skeleton's picture as pairs of keypoint indices."""
    if not svg.strip():
        return []
    try:
        drawing = defusedxml.ElementTree.fromstring(f"<svg>{svg}</svg>", forbid_dtd=True)
    except (defusedxml.ElementTree.ParseError, DefusedXmlException, ValueError) as error:
        raise file.error(f"the <svg> of skeleton '{name}' is no XML ({error}); export it again") from None
    nodes: dict[str | None, int] = {}
    for circle in drawing.iter("circle"):
        label = circle.get("data-label-name")
        place = points.index(label) if label in points else len(nodes)
        if place < len(points):
            nodes[circle.get("data-node-id")] = place
    edges = []
    for line in drawing.iter("line"):
        ends = line.get("data-node-from"), line.get("data-node-to")
        if ends[0] in nodes and ends[1] in nodes:
            edges.append((nodes[ends[0]], nodes[ends[1]]))
    return edges


def whole_number(file: LabelFile, where: str, value: str | None, *, most: int = LAST_FRAME) -> int:
    """A whole number from 0 that XML has as text."""
    if value is None or re.fullmatch(r"\s*\d{1,16}\s*", value, re.ASCII) is None or int(value) > most:
        shown = "missing" if value is None else repr(value[:40])
        raise file.error(f"{where} is {shown}, expected a whole number from 0 to {most}")
    return int(value)


def identity_elements(video: VideoIdentity) -> list[tuple[str, Any]]:
    """What <task> says of the video: pairs of a tag and its text or list of such pairs."""
    parts: list[tuple[str, Any]] = [("name", last_part(video.path) if video.path else "pwarp")]
    if video.frame_count is not None:
        parts.append(("size", str(video.frame_count)))
    parts += [("mode", "interpolation"), ("overlap", "0"), ("start_frame", "0"), ("frame_filter", "")]
    if video.frame_count:
        parts.append(("stop_frame", str(video.frame_count - 1)))
    if video.path is not None:
        parts.append(("source", video.path))
    size = [(key, str(value)) for key, value in (("width", video.width), ("height", video.height)) if value is not None]
    if size:
        parts.append(("original_size", size))
    return parts


def check_text(what: str, value: str) -> str:
    """The text where XML can hold it; raises PwarpError for control characters and lone surrogates."""
    if re.search("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", value):
        raise PwarpError(f"{what} {value!r} holds a character that XML cannot hold; rename it")
    return value
