"""The tracks in CVAT's XML, shape by shape, so that a long export is never held as one tree.

Only shapes with keyframe="1" are kept: the others are what CVAT drew between them.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import defusedxml.ElementTree
import numpy as np
from defusedxml.common import DefusedXmlException

from pwarp.annotations import Source
from pwarp.formats.cvat_meta import EMPTY, Element, Meta, read_meta, whole_number
from pwarp.formats.fields import LARGEST_WHOLE, shown
from pwarp.formats.label_file import LabelFile

# CVAT knows whole tracks made by hand (manual), by a model (auto), by a model and then edited (semi-auto), and
# uploaded (file). It forgets who set which key frame, so whatever a person may have touched counts as a person's.
_SOURCES = {"manual": Source.MANUAL, "semi-auto": Source.MANUAL, "file": Source.MANUAL, "auto": Source.DETECTED}
_SOURCES |= {source.name.lower(): source for source in Source if source is not Source.NONE}
_SHAPES = ("skeleton", "points", "box", "polygon", "polyline", "ellipse", "cuboid", "mask")
_PAIR = re.compile(r"\s*([^,;]+),([^,;]+)\s*")


@dataclass(frozen=True)
class Point:
    """One keyed point. label: None in a shape of points without names. source: of this point, where it has its own."""

    label: str | None
    x: float
    y: float
    outside: bool
    occluded: bool
    source: Source


@dataclass(frozen=True)
class Shape:
    """One key frame. kind: 'skeleton', 'points', 'box' or another of CVAT's. box: x1, y1, x2, y2."""

    kind: str
    frame: int
    outside: bool
    points: tuple[Point, ...] = ()
    box: tuple[float, ...] | None = None


@dataclass
class RawTrack:
    """A track as the file has it. id: a number where the file gives one. group: 0 for none."""

    id: int | None
    label: str
    task: str | None
    group: str | None
    source: Source
    shapes: list[Shape] = field(default_factory=list)
    labels: dict[str, None] = field(default_factory=dict)


def parse(file: LabelFile) -> tuple[Meta, list[RawTrack]]:
    """What <meta> says, and all tracks with their key frames; PwarpError names track and frame of what is wrong."""
    meta = EMPTY
    tracks: list[RawTrack] = []
    current: RawTrack | None = None
    path: list[Element] = []
    seen_root = False
    for event, element in _events(file):
        if event == "start":
            path.append(element)
            if not seen_root:
                seen_root = True
                if element.tag != "annotations":
                    raise file.error(f"its root is <{element.tag[:40]}>, CVAT's is <annotations>; export it again")
            if len(path) == 2 and element.tag == "image":
                raise file.error("is CVAT for images, which has no tracks; export it as 'CVAT for video 1.1'")
            if len(path) == 2 and element.tag == "track":
                current = _track(file, element, len(tracks))
                tracks.append(current)
            continue
        path.pop()
        if len(path) == 1:
            if element.tag == "meta":
                meta = read_meta(file, element)
            path[0].clear()
            current = None
        elif len(path) == 2 and current is not None:
            if element.tag in _SHAPES:
                _add_shape(file, current, element)
            path[1].clear()
    return meta, tracks


def _events(file: LabelFile) -> Iterator[tuple[str, Element]]:
    """Starts and ends of elements; whatever is wrong with the XML becomes one line."""
    content = file.content
    if not content.strip():
        raise file.error("is empty")
    if not file.looks_like_xml:
        raise file.error(f"{file.looks_like.removeprefix('it ')}, not XML; export it as 'CVAT for video 1.1'")
    try:
        yield from defusedxml.ElementTree.iterparse(io.BytesIO(content), events=("start", "end"), forbid_dtd=True)
    except DefusedXmlException:
        raise file.error("defines a document type or entities, which CVAT never does; export it again") from None
    except defusedxml.ElementTree.ParseError as error:
        line, column = error.position
        raise file.error(f"not XML at line {line}, column {column + 1}: {_reason(error)}") from None
    except (ValueError, LookupError) as error:
        raise file.error(f"not XML: {str(error)[:100]}; save it as UTF-8") from None


def _reason(error: Any) -> str:
    """What expat says, without the place; a cut-off file in plain words."""
    reason = str(error).partition(":")[0]
    cut_off = reason in ("no element found", "unclosed token", "unclosed CDATA section", "partial character")
    return "it ends in the middle; the file was cut off, copy or export it again" if cut_off else reason


def _track(file: LabelFile, element: Element, place: int) -> RawTrack:
    number = element.get("id")
    id = (
        None
        if number is None
        else whole_number(file, f"id of the track at place {place + 1}", number, most=LARGEST_WHOLE)
    )
    group = element.get("group_id")
    return RawTrack(
        id=id,
        label=element.get("label") or "",
        task=element.get("task_id"),
        group=None if group in (None, "", "0") else group,
        source=_source(element, Source.MANUAL),
    )


def _source(element: Element, otherwise: Source) -> Source:
    value = element.get("source")
    # Beside these, newer versions of CVAT write what made a shape, such as 'consensus'.
    return otherwise if value is None else _SOURCES.get(value.strip().lower(), Source.MANUAL)


def _add_shape(file: LabelFile, track: RawTrack, element: Element) -> None:
    """Add a shape to its track where it is a key frame; note which points a skeleton has in any case."""
    where = f"track {track.id}"
    frame = whole_number(file, f"{where}: frame of a <{element.tag}>", element.get("frame"))
    where = f"{where}, frame {frame}"
    is_key = _flag(file, where, element, "keyframe", default=True)
    if element.tag == "skeleton":
        children = [child for child in element if child.tag == "points"]
        track.labels |= dict.fromkeys(child.get("label") or "" for child in children)
        own = [_flag(file, where, child, "keyframe", default=is_key) for child in children]
        # A key frame of the skeleton without any key point in it, as CVAT's own documentation shows, keys them all.
        if is_key and not any(own):
            own = [True] * len(children)
        source = _source(element, track.source)
        points = [_point(file, where, child, source) for child, keyed in zip(children, own, strict=True) if keyed]
        if points:
            track.shapes.append(Shape("skeleton", frame, False, tuple(points)))
        return
    if not is_key:
        return
    outside = _flag(file, where, element, "outside", default=False)
    if element.tag == "points":
        track.shapes.append(Shape("points", frame, outside, tuple(_loose_points(file, where, element, track.source))))
    elif element.tag == "box":
        corners = tuple(_number(file, where, element, name) for name in ("xtl", "ytl", "xbr", "ybr"))
        turned = element.get("rotation")
        angle = 0.0 if turned is None else _number(file, where, element, "rotation")
        track.shapes.append(Shape("box", frame, outside, box=_around(corners, angle)))
    else:
        track.shapes.append(Shape(element.tag, frame, outside))


def _around(box: tuple[float, ...], degrees: float) -> tuple[float, ...]:
    """The upright box around a box x1, y1, x2, y2 that is turned about its centre."""
    if degrees % 180 == 0:
        return box
    x1, y1, x2, y2 = box
    cos, sin = abs(math.cos(math.radians(degrees))), abs(math.sin(math.radians(degrees)))
    w, h = abs(x2 - x1) / 2, abs(y2 - y1) / 2
    across, down = w * cos + h * sin, w * sin + h * cos
    x, y = (x1 + x2) / 2, (y1 + y2) / 2
    # The cosine of a right angle is not quite 0 here.
    return tuple(round(value, 6) for value in (x - across, y - down, x + across, y + down))


def _point(file: LabelFile, where: str, element: Element, source: Source) -> Point:
    label = element.get("label")
    if not label:
        raise file.error(f"{where}: a point of a skeleton has no label; CVAT names each")
    where = f"{where}, point '{label}'"
    pairs = _pairs(file, where, element.get("points"))
    if len(pairs) != 1:
        raise file.error(f"{where}: {len(pairs)} pairs of coordinates, expected one")
    outside, occluded = (_flag(file, where, element, name, default=False) for name in ("outside", "occluded"))
    return Point(label, *pairs[0], outside, occluded, _source(element, source))


def _loose_points(file: LabelFile, where: str, element: Element, source: Source) -> Iterator[Point]:
    outside, occluded = (_flag(file, where, element, name, default=False) for name in ("outside", "occluded"))
    source = _source(element, source)
    for x, y in _pairs(file, where, element.get("points")):
        yield Point(None, x, y, outside, occluded, source)


def _pairs(file: LabelFile, where: str, value: str | None) -> list[tuple[float, float]]:
    """The pairs in 'x,y;x,y'."""
    found = [_PAIR.fullmatch(pair) for pair in (value or "").split(";")]
    pairs = []
    for pair in found:
        try:
            x, y = (float("nan"),) * 2 if pair is None else (float(pair[1]), float(pair[2]))
        except ValueError:
            x = y = float("nan")
        if not np.isfinite((x, y)).all():
            raise file.error(f"{where}: points is {shown((value or '')[:40])}, expected pairs of numbers 'x,y;x,y'")
        pairs.append((x, y))
    return pairs


def _number(file: LabelFile, where: str, element: Element, name: str) -> float:
    value = element.get(name)
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = float("nan")
    if not np.isfinite(number):
        raise file.error(f"{where}: {name} of a <{element.tag}> is {shown(value)}, expected a number")
    return number


def _flag(file: LabelFile, where: str, element: Element, name: str, *, default: bool) -> bool:
    value = element.get(name)
    if value is None:
        return default
    if value not in ("0", "1"):
        raise file.error(f"{where}: {name} of a <{element.tag}> is {shown(value[:40])}, expected 0 or 1")
    return bool(value == "1")
