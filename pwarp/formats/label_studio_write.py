"""Tracks as regions of Label Studio."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pwarp.annotations import Annotations, Source
from pwarp.formats.fields import Entry
from pwarp.formats.key_frames import Key, keys_of
from pwarp.skeleton import Skeleton

_DECIMALS = 6


def region_entries(annotations: Annotations, size: tuple[int, int]) -> tuple[list[Entry], dict[int, int]]:
    """The results of one annotation, and the number that each track gets; tracks without poses are left out.

    size: width and height of the picture in pixels.
    """
    identity, skeleton = annotations.video, annotations.skeleton
    usual = all(0 <= track.id < 10**15 for track in annotations.tracks)
    results, ids = [], {}
    for n, track in enumerate(annotations.tracks):
        keys = keys_of(track, identity.frame_count)
        posed = [key for key in keys if key.says]
        if not posed:
            continue
        ids[track.id] = track.id if usual else n
        boxed = bool(np.isfinite(posed[0].box[0]))
        rate = None if identity.fps is None else float(identity.fps)
        count = identity.frame_count if identity.frame_count is not None else posed[-1].frame + 1
        value: Entry = {"framesCount": count}
        if rate:
            value["duration"] = count / rate
        value["sequence"] = _sequence(skeleton, keys, size, rate)
        value["labels"] = [skeleton.name]
        results.append(
            {
                "id": f"track-{ids[track.id]}",
                "type": "videorectangle" if boxed else "videovectorlabels",
                "from_name": "box" if boxed else "pose",
                "to_name": "video",
                "origin": _origin(posed),
                "value": value,
            }
        )
    return results, ids


def _origin(posed: Sequence[Key]) -> str:
    """Label Studio's word for who made a region: a person, if any key frame is theirs."""
    sources = {int(source) for key in posed for source in key.source[key.state > 0]}
    return "manual" if not sources or sources & {Source.MANUAL, Source.CORRECTED} else "prediction"


def _sequence(skeleton: Skeleton, keys: Sequence[Key], size: tuple[int, int], rate: float | None) -> list[Entry]:
    """The key frames: one that is gone in the very next frame is the last of its life."""
    order, before = _drawn(skeleton)
    items: list[Entry] = []
    for place, key in enumerate(keys):
        following = keys[place + 1] if place + 1 < len(keys) else None
        if not key.says and place and keys[place - 1].says and keys[place - 1].frame == key.frame - 1:
            continue
        ends = following is not None and not following.says and following.frame == key.frame + 1
        item: Entry = {"frame": key.frame + 1, "enabled": key.says and not ends}
        if rate:
            item["time"] = (key.frame + 1) / rate
        if np.isfinite(key.box[0]):
            x1, y1, x2, y2 = np.round(key.box, _DECIMALS).tolist()
            item |= {"x": _percent(x1, size[0]), "y": _percent(y1, size[1]), "rotation": 0}
            item |= {"width": _percent(x2 - x1, size[0]), "height": _percent(y2 - y1, size[1])}
        elif key.says:
            item |= {"closed": False, "vertices": _vertices(skeleton, key, size, order, before)}
        items.append(item)
    return items


def _vertices(
    skeleton: Skeleton, key: Key, size: tuple[int, int], order: Sequence[int], before: dict[int, int]
) -> list[Entry]:
    vertices = []
    xy = np.round(key.xy, _DECIMALS)
    for place in order:
        if key.state[place] <= 0:
            continue
        parent = before.get(place)
        linked = parent is not None and key.state[parent] > 0
        vertex: Entry = {
            "id": skeleton.keypoints[place],
            "x": _percent(float(xy[place, 0]), size[0]),
            "y": _percent(float(xy[place, 1]), size[1]),
            "prevPointId": skeleton.keypoints[parent] if linked and parent is not None else None,
            "isBezier": False,
        }
        if key.state[place] == 1:
            vertex["visibility"] = 1
        vertices.append(vertex)
    return vertices


def _drawn(skeleton: Skeleton) -> tuple[list[int], dict[int, int]]:
    """Keypoints in an order in which each can be drawn from one before it, and that one: Label Studio draws trees."""
    beside: dict[int, list[int]] = {k: [] for k in range(len(skeleton))}
    for a, b in skeleton.edges:
        beside[a].append(b)
        beside[b].append(a)
    order: list[int] = []
    before: dict[int, int] = {}
    seen: set[int] = set()
    for root in range(len(skeleton)):
        waiting = [root] if root not in seen else []
        seen.add(root)
        while waiting:
            here = waiting.pop(0)
            order.append(here)
            for other in beside[here]:
                if other not in seen:
                    seen.add(other)
                    before[other] = here
                    waiting.append(other)
    return order, before


def _percent(pixels: float, side: int) -> float:
    return 100 * pixels / side + 0.0
