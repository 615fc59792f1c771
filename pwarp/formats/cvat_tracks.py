"""CVAT's shapes as pwarp's tracks: skeletons, loose points from before there were skeletons, and boxes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from pwarp.annotations import Track
from pwarp.formats.cvat_meta import Meta, Task
from pwarp.formats.cvat_read import Point, RawTrack, Shape
from pwarp.formats.fields import check_room
from pwarp.formats.key_frames import NOT_KEYED, OUTSIDE, Key, track_of
from pwarp.formats.label_file import LabelFile
from pwarp.skeleton import COCO_17, Skeleton

_LOOSE = "loose points"  # what refusals call points outside skeletons, and what asks for them


def box_label(skeleton: str) -> str:
    """The label of boxes of what a skeleton stands for: CVAT has one kind of shape for each label."""
    return f"{skeleton} box"


def to_tracks(
    file: LabelFile, meta: Meta, task: Task, raw: Sequence[RawTrack], only: str | None
) -> tuple[Skeleton, tuple[Track, ...]]:
    """The skeleton that is meant and the tracks with it.

    Boxes are read where their label is that of the skeleton, where there are no points at all, or where `only` names
    them. Raises PwarpError where several skeletons are used and none is named, and where `only` names nothing.
    """
    raw = [_in_source(file, task, track) for track in raw if track.task in (None, task.id)]
    raw = [track for track in raw if track.shapes]
    skeletons = _labels_of(raw, "skeleton")
    boxes, points = _labels_of(raw, "box"), _labels_of(raw, "points")
    kinds = [*skeletons, *([_LOOSE] if points else [])] or list(boxes)
    defined = [label.name for label in meta.labels if label.kind == "skeleton"]
    if only is not None and only not in (*kinds, *boxes, *(() if kinds else defined)):
        raise file.error(f"holds no task and no label '{only}'; labels: {', '.join([*kinds, *boxes]) or 'none'}")
    chosen = only if only in (*kinds, *boxes) else kinds[0] if len(kinds) == 1 else None
    if chosen is None and kinds:
        raise file.error(f"holds several kinds of things; choose a label with --only: {', '.join(kinds)}")
    if chosen is None:
        known = meta.skeleton(file, defined[0]) if len(defined) == 1 else None
        if known is None:
            raise file.error("holds no skeleton, points or boxes, and defines no skeleton; label some or export again")
        return known, ()
    if chosen == _LOOSE and points and chosen not in (*skeletons, *boxes):
        return _loose(file, raw)
    if chosen in skeletons:
        skeleton = meta.skeleton(file, chosen) or _seen(chosen, [t for t in raw if t.label == chosen])
        used = (chosen, box_label(chosen))
    else:
        skeleton, used = _skeleton_of_boxes(file, meta, chosen), (chosen, chosen)
    raw = [track for track in raw if track.label in used]
    shapes = [shape for track in raw for shape in track.shapes]
    check_room(file, len(shapes), len(skeleton), sum(len(shape.points) for shape in shapes))
    ids = _ids(raw)
    tracks = []
    for track, id in ids:
        keys = [_key(file, id, skeleton, shape) for shape in track.shapes if shape.kind in ("skeleton", "box")]
        if keys:
            tracks.append(track_of(id, keys, len(skeleton), lone_step=task.step))
    return skeleton, tuple(tracks)


def _in_source(file: LabelFile, task: Task, track: RawTrack) -> RawTrack:
    """The track with the frame numbers of the source video."""
    if not task.offset:
        return track
    early = next((shape.frame for shape in track.shapes if shape.frame < task.offset), None)
    if early is not None:
        raise file.error(
            f"track {track.id}: frame {early} lies before the {task.offset} frames of the tasks before its own; "
            "export the task by itself"
        )
    return replace(track, shapes=[replace(shape, frame=shape.frame - task.offset) for shape in track.shapes])


def _labels_of(raw: Iterable[RawTrack], kind: str) -> list[str]:
    return list(dict.fromkeys(t.label for t in raw if any(shape.kind == kind for shape in t.shapes)))


def _ids(raw: Sequence[RawTrack]) -> list[tuple[RawTrack, int]]:
    """Each track with its id; where ids are missing or repeat, as after joining files, all are numbered anew."""
    given = [track.id for track in raw]
    distinct = len(set(given)) == len(given)
    return [(t, t.id if distinct and t.id is not None and None not in given else n) for n, t in enumerate(raw)]


def _seen(name: str, raw: Sequence[RawTrack]) -> Skeleton:
    """The skeleton of a file without labels in <meta>: points as they come."""
    return Skeleton.from_names(name, list(dict.fromkeys(label for track in raw for label in track.labels)))


def _skeleton_of_boxes(file: LabelFile, meta: Meta, label: str) -> Skeleton:
    """A skeleton for things that have none: the one that the boxes go with, COCO's for people, else one keypoint."""
    for one in meta.labels:
        if label == box_label(one.name) and (known := meta.skeleton(file, one.name)) is not None:
            return known
    return COCO_17 if label == "person" else Skeleton(label or "thing", ("centre",))


def _key(file: LabelFile, id: int, skeleton: Skeleton, shape: Shape) -> Key:
    if shape.kind == "box":
        key = Key.outside(shape.frame, len(skeleton))
        return key if shape.outside or shape.box is None else replace(key, box=shape.box)
    where: dict[str | None, int] = {name: i for i, name in enumerate(skeleton.keypoints)}
    named: dict[int, Point] = {}
    for point in shape.points:
        place = where.get(point.label)
        if place is None:
            raise file.error(
                f"track {id}, frame {shape.frame}: point '{point.label}' is none of the labels of skeleton "
                f"'{skeleton.name}' ({', '.join(skeleton.keypoints[:20])})"
            )
        if place in named:
            raise file.error(f"track {id}, frame {shape.frame}: point '{point.label}' is there twice; remove one")
        named[place] = point
    return key_of(shape.frame, named, len(skeleton))


def key_of(frame: int, points: Mapping[int, Point], keypoints: int) -> Key:
    """A key frame with the given keypoints keyed."""
    xy = np.full((keypoints, 2), np.nan)
    state, source = np.full(keypoints, NOT_KEYED, np.int8), np.zeros(keypoints, np.uint8)
    for place, point in points.items():
        state[place] = OUTSIDE if point.outside else 1 if point.occluded else 2
        if not point.outside:
            xy[place] = point.x, point.y
            source[place] = point.source
    return Key(frame, xy, state, source)


def _loose(file: LabelFile, raw: Sequence[RawTrack]) -> tuple[Skeleton, tuple[Track, ...]]:
    """Tracks of `points` shapes.

    Several points in one shape are the keypoints of one thing in order. Shapes of one point are keypoints named by
    their labels: those of one group make one thing; without groups, all together where no label comes twice, else
    each by itself.
    """
    raw = [track for track in raw if track.shapes[0].kind == "points"]
    counts = {len(shape.points) for track in raw for shape in track.shapes}
    if counts != {1}:
        if len(counts) > 1 or len({track.label for track in raw}) > 1:
            raise file.error("holds shapes of points that differ in label or number of points; use a skeleton in CVAT")
        count = counts.pop()
        names = [f"{k + 1}" for k in range(count)]
        skeleton = Skeleton.from_names(raw[0].label or "points", names)
        whole = [(id, [(dict(enumerate(s.points)), s.frame) for s in t.shapes]) for t, id in _ids(raw)]
        return skeleton, tuple(
            track_of(id, [key_of(frame, points, count) for points, frame in keys], count) for id, keys in whole
        )
    names = list(dict.fromkeys(track.label for track in raw))
    skeleton = Skeleton.from_names("points", names)
    shapes = sum(len(track.shapes) for track in raw)
    check_room(file, shapes, len(names), shapes)
    repeat = len(names) < len(raw)
    things: dict[tuple[str, str], list[RawTrack]] = {}
    for place, track in enumerate(raw):
        own = ("group", track.group) if track.group else ("alone", str(place) if repeat else "")
        things.setdefault(own, []).append(track)
    tracks = []
    for id, members in enumerate(things.values()):
        frames: dict[int, dict[int, Point]] = {}
        for track in members:
            for shape in track.shapes:
                keyed = frames.setdefault(shape.frame, {})
                if keyed.setdefault(names.index(track.label), shape.points[0]) is not shape.points[0]:
                    raise file.error(f"group {track.group}, frame {shape.frame}: point '{track.label}' is there twice")
        tracks.append(track_of(id, [key_of(frame, keyed, len(names)) for frame, keyed in frames.items()], len(names)))
    return skeleton, tuple(tracks)
