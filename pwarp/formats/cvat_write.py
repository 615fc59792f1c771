"""CVAT's XML: <meta> with the labels that a task needs, and one <track> for each track."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import numpy as np

from pwarp.annotations import Annotations, FloatArray, Source
from pwarp.errors import PwarpError
from pwarp.formats.cvat_meta import check_text, identity_elements
from pwarp.formats.cvat_tracks import box_label
from pwarp.formats.key_frames import Key, keys_of
from pwarp.formats.losses import Renamed
from pwarp.skeleton import Skeleton

# Circles of the drawing that CVAT shows while a skeleton is placed, in a square of 100.
_RADIUS, _LINE, _RIM = "1.5", "0.5", "0.1"


def write(annotations: Annotations, path: Path) -> Renamed:
    """Write the document; tracks that say nothing at all are left out, because CVAT cannot import them."""
    skeleton = annotations.skeleton
    name = check_text("skeleton name", skeleton.name) or "skeleton"
    for keypoint in skeleton.keypoints:
        if not check_text("keypoint name", keypoint):
            raise PwarpError(f"skeleton '{skeleton.name}': a keypoint has an empty name; CVAT needs one for each")
    tracks = [(track, keys_of(track, annotations.video.frame_count)) for track in annotations.tracks]
    tracks = [(track, keys) for track, keys in tracks if keys]
    usual = all(track.id >= 0 for track, _ in tracks)
    ids = {track.id: track.id if usual else n for n, (track, _) in enumerate(tracks)}
    boxed = {track.id for track, keys in tracks if any(np.isfinite(key.box[0]) for key in keys)}
    with path.open("w", encoding="utf-8", newline="\n") as out:
        out.write('<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n  <version>1.1</version>\n  <meta>\n')
        labels = list(_labels(skeleton, name, [key for _, keys in tracks for key in keys], with_boxes=bool(boxed)))
        task = [*identity_elements(annotations.video), ("labels", labels)]
        out.writelines(_elements([("task", task)], "    "))
        out.write("  </meta>\n")
        for track, keys in tracks:
            shapes = _boxes(keys) if track.id in boxed else _skeletons(skeleton, keys)
            label = box_label(name) if track.id in boxed else name
            out.write(f'  <track id="{ids[track.id]}" label={quoteattr(label)} source="{_tool(keys)}">\n')
            out.writelines(shapes)
            out.write("  </track>\n")
        out.write("</annotations>\n")
    return Renamed(tracks=ids)


def _elements(pairs: Sequence[tuple[str, Any]], indent: str) -> Iterator[str]:
    for tag, value in pairs:
        if isinstance(value, list):
            yield f"{indent}<{tag}>\n"
            yield from _elements(value, indent + "  ")
            yield f"{indent}</{tag}>\n"
        else:
            yield f"{indent}<{tag}>{escape(check_text(tag, value), {chr(13): '&#13;'})}</{tag}>\n"


def _labels(
    skeleton: Skeleton, name: str, keys: Sequence[Key], *, with_boxes: bool
) -> Iterator[tuple[str, list[tuple[str, Any]]]]:
    svg = _drawing(skeleton, keys)
    yield "label", [("name", name), ("type", "skeleton"), ("attributes", []), ("svg", svg)]
    for keypoint in skeleton.keypoints:
        yield "label", [("name", keypoint), ("type", "points"), ("attributes", []), ("parent", name)]
    if with_boxes:
        yield "label", [("name", box_label(name)), ("type", "rectangle"), ("attributes", [])]


def _drawing(skeleton: Skeleton, keys: Sequence[Key]) -> str:
    """How CVAT draws the skeleton, laid out as the first of the poses with most keypoints, the others in a ring."""
    count = len(skeleton)
    turn = np.arange(count) * 2 * np.pi / count
    places = np.stack([50 + 40 * np.sin(turn), 50 - 40 * np.cos(turn)], axis=1)
    if keys:
        best = max(keys, key=lambda key: int((key.state > 0).sum()))
        seen = best.state > 0
        xy = np.round(best.xy[seen], 2)
        extent = float(np.ptp(xy, axis=0).max()) if len(xy) else 0.0
        if extent > 0:
            middle = (xy.min(axis=0) + xy.max(axis=0)) / 2
            places[seen] = 50 + 80 * ((xy - middle) / extent)
    places = np.round(places, 2)
    lines = [
        f'<line x1="{places[a, 0]}" y1="{places[a, 1]}" x2="{places[b, 0]}" y2="{places[b, 1]}" stroke="black" '
        f'data-type="edge" data-node-from="{a + 1}" stroke-width="{_LINE}" data-node-to="{b + 1}"></line>'
        for a, b in skeleton.edges
    ]
    circles = [
        f'<circle r="{_RADIUS}" stroke="black" fill="#b3b3b3" cx="{x}" cy="{y}" stroke-width="{_RIM}" '
        f'data-type="element node" data-element-id="{n}" data-node-id="{n}" data-label-name={quoteattr(name)}></circle>'
        for n, (name, (x, y)) in enumerate(zip(skeleton.keypoints, places.tolist(), strict=True), start=1)
    ]
    return "".join(lines + circles)


def _tool(keys: Sequence[Key]) -> str:
    """CVAT's word for how the whole track was made."""
    sources = _sources(keys)
    by_person = bool(sources & {Source.MANUAL, Source.CORRECTED})
    if sources <= {Source.MANUAL}:
        return "manual"
    return "semi-auto" if by_person else "auto"


def _sources(keys: Sequence[Key]) -> set[int]:
    return {int(source) for key in keys for source in key.source[key.state > 0]}


def _skeletons(skeleton: Skeleton, keys: Sequence[Key]) -> Iterator[str]:
    """One <skeleton> a key frame. CVAT's word for the track says enough where it means one source of pwarp's."""
    told = _sources(keys) in ({Source.MANUAL}, {Source.DETECTED})
    names = [quoteattr(name) for name in skeleton.keypoints]
    for key, xy in zip(keys, _outside_too(np.array([k.xy for k in keys])), strict=True):
        labelled = key.state > 0
        sources = set() if told else {int(source) for source in key.source[labelled]}
        shared = f' source="{_word(sources.pop())}"' if len(sources) == 1 else ""
        yield f'    <skeleton frame="{key.frame}" keyframe="1"{shared} z_order="0">\n'
        for place, name in enumerate(names):
            own = f' source="{_word(key.source[place])}"' if sources and not shared and labelled[place] else ""
            yield (
                f'      <points label={name} keyframe="1" outside="{int(not labelled[place])}" '
                f'occluded="{int(key.state[place] == 1)}"{own} points="{xy[place, 0]:.2f},{xy[place, 1]:.2f}">\n'
                "      </points>\n"
            )
        yield "    </skeleton>\n"


def _word(source: int) -> str:
    return Source(source).name.lower()


def _boxes(keys: Sequence[Key]) -> Iterator[str]:
    corners = np.array([key.box for key in keys])
    for key, (x1, y1, x2, y2) in zip(keys, _outside_too(corners), strict=True):
        yield (
            f'    <box frame="{key.frame}" keyframe="1" outside="{int(not key.says)}" occluded="0" xtl="{x1:.2f}" '
            f'ytl="{y1:.2f}" xbr="{x2:.2f}" ybr="{y2:.2f}" z_order="0">\n    </box>\n'
        )


def _outside_too(values: FloatArray) -> FloatArray:
    """(N, ...) with every NaN replaced by the value before it, else by the one after, else by 0.

    A point that goes outside stays where it was, so that CVAT draws no line to anywhere.
    """
    filled = values.copy()
    for row in range(1, len(filled)):
        filled[row] = np.where(np.isnan(filled[row]), filled[row - 1], filled[row])
    for row in range(len(filled) - 2, -1, -1):
        filled[row] = np.where(np.isnan(filled[row]), filled[row + 1], filled[row])
    # Adding 0 turns a negative zero, which would be written as "-0.00", into a plain one.
    return np.where(np.isnan(filled), 0.0, np.round(filled, 2)) + 0.0
